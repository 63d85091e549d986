"""Model files and resume files in torch: safetensors, with the configuration in the metadata, atomic.

A model file is what people share: weights, model config, what it was trained on (`trainer.modelfile`
reads it without torch). A resume file also holds Adam's moments and the step; order, noise and schedule
follow from seed and step.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from trainer import modelfile
from trainer.card import ModelCard
from trainer.errors import CheckpointError
from trainer.files import atomic_file
from trainer.latent import Hyperplanes
from trainer.modelfile import FORMAT, KEY, ModelFile
from trainer.modelfile import read_card as read_card
from trainer.modelfile import read_header as read_header
from trainer.models import IntroVAC
from trainer.steps import Optimisers


def _write(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    body = safetensors.torch.save(tensors, {KEY: json.dumps(header, ensure_ascii=False)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(body)


def digest(model: IntroVAC) -> str:
    """SHA-256 over the tensors' bytes in name order: the identity of a model."""
    return modelfile.fingerprint(
        (name, str(data.dtype), tuple(data.shape), data.reshape(-1).view(torch.uint8).numpy())
        for name, data in _tensors(model).items()
    )


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().cpu().contiguous() for name, t in tensors.items()}


def _tensors(model: IntroVAC) -> dict[str, Tensor]:
    """What a model file holds; BatchNorm's batch counts are of no use to anyone."""
    return {k: v for k, v in _plain(model.state_dict()).items() if not k.endswith("num_batches_tracked")}


def save_model(path: Path, model: IntroVAC, card: ModelCard, half: bool = False) -> None:
    """Write weights, model config and card; `half` stores floating weights in float16.

    Raises:
        DataError, RunError: the file cannot be written; one that was there before is untouched.
    """
    tensors = _tensors(model)
    if half:
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    header = {"format": FORMAT, "kind": "model", "config": asdict(model.config), "card": asdict(card)}
    _write(path, tensors, header)


def build(file: ModelFile) -> IntroVAC:
    """The model of a file that has been read, on the CPU in float32 and evaluation mode."""
    model = IntroVAC(file.config)
    weights = {name: torch.from_numpy(data.copy()) for name, data in file.tensors.items()}
    model.load_state_dict(weights, strict=False)  # BatchNorm's batch counts are not in the file
    model.game_played = file.card.game_played
    return model.eval()


class Loaded(NamedTuple):
    """A model file, all of it from one reading.

    Attributes:
        model: on the CPU in float32 and evaluation mode.
        card: what the file says about it.
        digest: see `digest`.
    """

    model: IntroVAC
    card: ModelCard
    digest: str


def load(path: str | Path) -> Loaded:
    """Model, card and digest that belong together, even while training replaces the file.

    Raises:
        CheckpointError: missing, broken, of another kind, or holding values that are not finite.
    """
    file = modelfile.load(path)
    return Loaded(build(file), file.card, file.digest)


def load_model(path: str | Path) -> IntroVAC:
    """The model of a file, on the CPU in float32 and evaluation mode.

    Raises:
        CheckpointError: as `load`.
    """
    return build(modelfile.load(path))


def first_not_finite(named: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds NaN or infinity, found with one host sync."""
    floating = [(name, t) for name, t in named if t.is_floating_point()]
    finite = torch.stack([t.isfinite().all() for _, t in floating]).tolist()
    return next((name for (name, _), good in zip(floating, finite, strict=True) if not good), None)


def hyperplanes(model: IntroVAC) -> Hyperplanes:
    """The classifier as numpy: K + 1 normals and offsets; zeros where it has no bias."""
    weight, bias = model.classifier.weight.detach().cpu(), model.classifier.bias
    offsets = None if bias is None else bias.detach().cpu().double().numpy()
    return modelfile.hyperplanes(model.config, weight.double().numpy(), offsets, model.game_played)


def save_state(
    path: Path,
    model: IntroVAC,
    optimisers: Optimisers,
    progress: dict[str, Any],
    average: IntroVAC | None = None,
) -> None:
    """Write what training needs to go on: weights, Adam's moments, the weights' average, `progress` (JSON).

    Raises:
        DataError, RunError: the file cannot be written; one that was there before is untouched.
    """
    tensors = {f"model.{k}": v for k, v in _plain(model.state_dict()).items()}
    if average is not None:
        tensors |= {f"average.{k}": v for k, v in _plain(average.state_dict()).items()}
    for i, optimiser in enumerate(optimisers.both()):
        for index, slots in optimiser.state_dict()["state"].items():
            for slot, value in slots.items():
                tensors[f"optimiser.{i}.{index}.{slot}"] = value.detach().cpu().contiguous()
    header = {"format": FORMAT, "kind": "resume", "config": asdict(model.config), "progress": progress}
    _write(path, tensors, header)


def _match_layout(optimiser: torch.optim.Optimizer) -> None:
    """Lay the moments out in memory as their weights are: fused Adam walks both by position."""
    for parameter, slots in optimiser.state.items():
        for slot, value in slots.items():
            if value.shape == parameter.shape:
                slots[slot] = torch.empty_like(parameter).copy_(value)


def load_state(
    path: Path, model: IntroVAC, optimisers: Optimisers, average: IntroVAC | None = None
) -> dict[str, Any]:
    """Put a resume file's weights, moments and average in place; returns its `progress`.

    Where the file has no average, it starts from the weights.

    Raises:
        CheckpointError: missing, broken, or of a model of another shape.
    """
    body, header = modelfile.read_body(path, "resume")
    try:
        tensors = safetensors.torch.load(body)
    except SafetensorError as error:
        raise modelfile.damaged(path, error) from error
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    try:
        model.load_state_dict(weights)
        if average is not None:
            kept = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
            average.load_state_dict(kept or weights)
        for i, optimiser in enumerate(optimisers.both()):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"optimiser.{i}."):
                    _, _, index, slot = key.split(".")
                    state.setdefault(int(index), {})[slot] = value
            optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
            _match_layout(optimiser)
        return dict(header["progress"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: does not fit this run's model ({error})") from error
