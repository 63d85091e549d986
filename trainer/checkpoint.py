"""Model files and resume files: safetensors, with the configuration in the metadata, written atomically.

A model file is what people share: weights, model config, what it was trained on. A resume file also
holds Adam's moments and the step; order, noise and schedule follow from seed and step.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from trainer import config as config_module
from trainer.card import ModelCard
from trainer.config import FAKE
from trainer.errors import CheckpointError, ConfigError
from trainer.files import atomic_file
from trainer.latent import Hyperplanes
from trainer.models import IntroVAC
from trainer.steps import Optimisers

FORMAT = 1
_KEY = "introvac"


def _write(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    body = safetensors.torch.save(tensors, {_KEY: json.dumps(header, ensure_ascii=False)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(body)


def read_header(path: str | Path) -> dict[str, Any]:
    """The project's metadata of a model or resume file, without reading its weights.

    Raises:
        CheckpointError: missing, broken, or written by something else.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 100_000_000:
                raise CheckpointError(f"{path}: not a safetensors file")
            return _header(path, file.read(length))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error


def _header(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(json.loads(raw)["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: not a model of this project (a safetensors file with its configuration is expected)"
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: written in another version of the format; train or convert it again")
    return header


def _read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header from one reading: training may replace the file at any moment."""
    try:
        # In memory, not mapped: a mapped file cannot be replaced on Windows.
        body = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    header = _header(path, body[8 : 8 + int.from_bytes(body[:8], "little")])
    if header.get("kind") != kind:
        raise CheckpointError(f"{path}: is a {header.get('kind')} file; a {kind} file is expected")
    try:
        return safetensors.torch.load(body), header
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}); use another checkpoint") from error


def digest(model: IntroVAC) -> str:
    """SHA-256 over the tensors' bytes in name order: the identity of a model."""
    tensors = _tensors(model)
    sha = hashlib.sha256()
    for name, data in sorted(tensors.items()):
        sha.update(name.encode() + str(data.dtype).encode() + str(tuple(data.shape)).encode())
        sha.update(data.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


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


def _build(path: Path, header: dict[str, Any], tensors: dict[str, Tensor]) -> IntroVAC:
    try:
        model = IntroVAC(config_module.model_from_dict(header["config"]))
    except (ConfigError, KeyError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    expected = _tensors(model)
    if missing := sorted(expected.keys() - tensors.keys()):
        raise CheckpointError(f"{path}: lacks {len(missing)} tensors, {missing[0]} among them")
    if unknown := sorted(tensors.keys() - expected.keys()):
        raise CheckpointError(f"{path}: holds unknown tensors, {unknown[0]} among them")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinite values; use an earlier checkpoint")
    model.load_state_dict({k: v.to(expected[k].dtype) for k, v in tensors.items()}, strict=False)
    return model


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
    model, card = _load(Path(path))
    return Loaded(model, card, digest(model))


def load_model(path: str | Path) -> IntroVAC:
    """The model of a file, on the CPU in float32 and evaluation mode.

    Raises:
        CheckpointError: as `load`.
    """
    return _load(Path(path))[0]


def _load(path: Path) -> tuple[IntroVAC, ModelCard]:
    tensors, header = _read(path, "model")
    model, card = _build(path, header, tensors), _card(path, header)
    model.game_played = card.game_played
    return model.eval(), card


def read_card(path: str | Path) -> ModelCard:
    """The card of a model file."""
    return _card(Path(path), read_header(path))


def _card(path: Path, header: dict[str, Any]) -> ModelCard:
    body = header.get("card", {})
    try:
        return ModelCard(**body | {"derive": tuple(body.get("derive", ()))})
    except TypeError as error:
        raise CheckpointError(f"{path}: its card is of another version ({error})") from error


def hyperplanes(model: IntroVAC) -> Hyperplanes:
    """The classifier as numpy: K + 1 normals and offsets; zeros where it has no bias."""
    w = model.classifier.weight.detach().cpu().double().numpy()
    bias = model.classifier.bias
    b = np.zeros(len(w)) if bias is None else bias.detach().cpu().double().numpy()
    return Hyperplanes((*model.attributes, FAKE), w, b, knows_fake=model.game_played)


def save_state(path: Path, model: IntroVAC, optimisers: Optimisers, progress: dict[str, Any]) -> None:
    """Write what training needs to go on: weights, Adam's moments and `progress` (JSON).

    Raises:
        DataError, RunError: the file cannot be written; one that was there before is untouched.
    """
    tensors = {f"model.{k}": v for k, v in _plain(model.state_dict()).items()}
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


def load_state(path: Path, model: IntroVAC, optimisers: Optimisers) -> dict[str, Any]:
    """Put a resume file's weights and moments in place; returns its `progress`.

    Raises:
        CheckpointError: missing, broken, or of a model of another shape.
    """
    tensors, header = _read(path, "resume")
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    try:
        model.load_state_dict(weights)
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
