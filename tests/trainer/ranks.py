"""One process of a run under torchrun: trains as told by a JSON file and leaves its weights behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import safetensors.torch
import torch

from trainer import config, distributed
from trainer.data.cache import open_data
from trainer.data.select import select
from trainer.loop import Trainer


def main(told: Path) -> None:
    torch.set_num_threads(1)
    body = json.loads(told.read_text("utf-8"))
    settings = config.from_dict(body["config"])
    with distributed.joined("cpu") as group:
        with group.in_turn():
            images = open_data(settings.data.data, settings.model.image_size, settings.model.crop, workers=1)
        run = Trainer(settings, select(images, settings.model.attributes), Path(body["run"]), group=group)
        for _ in run.train():
            pass
        weights = {name: p.detach().contiguous() for name, p in run.model.named_parameters()}
        path = Path(body["run"]) / f"rank-{group.place.rank}.safetensors"
        safetensors.torch.save_file(weights, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
