"""A model of the paper's widths with random weights; `python -m bench.feel_parts.models FILE` writes it."""

from __future__ import annotations

import sys
from pathlib import Path


def write(path: Path) -> None:
    """128 px, 256 dimensions, running statistics as images would give them."""
    import torch

    from trainer import checkpoint
    from trainer.card import ModelCard
    from trainer.config import ModelConfig
    from trainer.models import IntroVAC, recalibrate

    torch.manual_seed(0)
    model = IntroVAC(ModelConfig(attributes=("Eyeglasses", "FacialHair"), crop="none"))
    recalibrate(model, [torch.rand(8, 3, 128, 128)])
    model.game_played = True
    checkpoint.save_model(path, model, ModelCard(name="paper's widths", data="avatars", game_played=True))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
