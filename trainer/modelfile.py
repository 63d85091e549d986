"""Model files without torch: header, card, tensors as numpy arrays, digest and hyperplanes.

A model file is a safetensors file whose metadata hold the configuration and the card as JSON. It keeps
float32 or, in half the space, float16 or bfloat16; what is read is float32.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from trainer import config as config_module
from trainer.card import ModelCard
from trainer.config import FAKE, ModelConfig
from trainer.errors import CheckpointError, ConfigError
from trainer.latent import Hyperplanes

FORMAT = 1
KEY = "introvac"  # of the project's entry in the safetensors metadata
_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own

Tensors = dict[str, NDArray[np.float32]]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A model file, all of it from one reading.

    Attributes:
        path: where it was read.
        config: what the networks look like.
        card: what the file says about itself.
        tensors: float32 by name, with the shapes of `shapes(config)`; read-only.
    """

    path: Path
    config: ModelConfig
    card: ModelCard
    tensors: Tensors

    @cached_property
    def digest(self) -> str:
        """See `fingerprint`."""
        return fingerprint(
            (name, "torch.float32", data.shape, np.ascontiguousarray(data))
            for name, data in self.tensors.items()
        )

    @property
    def planes(self) -> Hyperplanes:
        """The classifier."""
        weight, bias = self.tensors["classifier.weight"], self.tensors.get("classifier.bias")
        return hyperplanes(self.config, weight, bias, self.card.game_played)


def load(path: str | Path) -> ModelFile:
    """Configuration, card and weights that belong together, even while training replaces the file.

    Raises:
        CheckpointError: missing, broken, of another kind, with tensors that do not fit its
            configuration, or with values that are not finite.
    """
    path = Path(path)
    body, header = read_body(path, "model")
    config = _config(path, header)
    return ModelFile(path, config, _card(path, header, config), _tensors(path, body, config))


def title(path: Path, own: str = "") -> str:
    """What a model is called on screen: its run's directory, which may have been renamed, for a run's newest.

    Any other file is called by the name that it carries (`own`), else by that of the file.
    """
    folder = path.absolute().parent.name
    return folder if path.stem == "model" and folder else own or path.stem


def read_card(path: str | Path) -> ModelCard:
    """The card of a model file.

    Raises:
        CheckpointError: as `read_header`, or a configuration or card that makes no sense.
    """
    path = Path(path)
    header = read_header(path)
    return _card(path, header, _config(path, header))


def read_header(path: str | Path) -> dict[str, Any]:
    """The project's metadata of a model or resume file, without reading its weights.

    Raises:
        CheckpointError: missing, broken, or written by something else.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _HEADER_LIMIT:
                raise CheckpointError(f"{path}: not a safetensors file")
            return _header(path, file.read(length))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error


def read_body(path: Path, kind: str) -> tuple[bytes, dict[str, Any]]:
    """The whole file and its header from one reading: training may replace the file at any moment.

    Args:
        kind: "model" or "resume".

    Raises:
        CheckpointError: as `read_header`, or a file of another kind.
    """
    try:
        # In memory, not mapped: a mapped file cannot be replaced on Windows.
        body = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    header = _header(path, body[8 : 8 + int.from_bytes(body[:8], "little")])
    if header.get("kind") != kind:
        raise CheckpointError(f"{path}: is a {header.get('kind')} file; a {kind} file is expected")
    return body, header


def damaged(path: Path, error: Exception) -> CheckpointError:
    """What to raise where safetensors refuses a file."""
    return CheckpointError(f"{path}: damaged ({error}); use another checkpoint")


def fingerprint(tensors: Iterable[tuple[str, str, Shape, Any]]) -> str:
    """SHA-256 over the tensors in name order: the identity of a model.

    Args:
        tensors: name, type as torch writes it ("torch.float32"), shape, and contiguous data with the
            buffer protocol.
    """
    sha = hashlib.sha256()
    for name, kind, shape, data in sorted(tensors, key=lambda entry: entry[0]):
        sha.update(name.encode() + kind.encode() + str(tuple(shape)).encode())
        sha.update(data)
    return sha.hexdigest()


def hyperplanes(
    config: ModelConfig, weight: NDArray[Any], bias: NDArray[Any] | None, game_played: bool
) -> Hyperplanes:
    """The linear classifier: K + 1 normals (K + 1, d) and offsets, zeros where it has no bias."""
    w = weight.astype(np.float64)
    b = np.zeros(len(w)) if bias is None else bias.astype(np.float64)
    return Hyperplanes((*config.attributes, FAKE), w, b, knows_fake=game_played)


def shapes(config: ModelConfig) -> dict[str, Shape]:
    """Names and shapes of the tensors of a model file, as `trainer.models.IntroVAC` names them."""
    widths, dim = config.channels, config.latent_dim
    stem, last = widths[0], widths[-1]
    found: dict[str, Shape] = {"encoder.body.0.weight": (stem, 3, 5, 5)}
    found |= _norm("encoder.body.1", stem, config.norm)
    index = 4
    for before, after in zip(widths, (*widths[1:], last), strict=True):
        found |= _block(f"encoder.body.{index}", before, after, config.norm)
        index += 2
    found |= {"encoder.fc.weight": (2 * dim, 16 * last), "encoder.fc.bias": (2 * dim,)}
    found |= {"decoder.fc.0.weight": (16 * last, dim), "decoder.fc.0.bias": (16 * last,)}
    outward = widths[::-1]
    for i, (before, after) in enumerate(zip((last, *outward), (*outward, stem), strict=True)):
        found |= _block(f"decoder.body.{2 * i}", before, after, config.norm)
    found |= {"decoder.predict.weight": (3, stem, 5, 5), "decoder.predict.bias": (3,)}
    logits = len(config.attributes) + 1
    found["classifier.weight"] = (logits, dim)
    if config.classifier_bias:
        found["classifier.bias"] = (logits,)
    return found


def _norm(name: str, width: int, kind: str) -> dict[str, Shape]:
    learned = ("weight", "bias")
    parts = learned if kind == "group" else (*learned, "running_mean", "running_var")
    return {f"{name}.{part}": (width,) for part in parts}


def _block(name: str, before: int, after: int, kind: str) -> dict[str, Shape]:
    expand = {f"{name}.expand.weight": (after, before, 1, 1)} if before != after else {}
    first = {f"{name}.conv1.weight": (after, before, 3, 3)} | _norm(f"{name}.norm1", after, kind)
    second = {f"{name}.conv2.weight": (after, after, 3, 3)} | _norm(f"{name}.norm2", after, kind)
    return expand | first | second


def _header(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(json.loads(raw)["__metadata__"][KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: not a model of this project (a safetensors file with its configuration is expected)"
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: written in another version of the format; train or convert it again")
    return header


def _config(path: Path, header: Mapping[str, Any]) -> ModelConfig:
    try:
        return config_module.model_from_dict(header["config"])
    except (ConfigError, KeyError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _card(path: Path, header: Mapping[str, Any], config: ModelConfig) -> ModelCard:
    """The card, less distances of attributes that the model does not have."""
    body = header.get("card", {})
    try:
        deltas = body.get("deltas", {})
        if isinstance(deltas, Mapping):
            deltas = {name: delta for name, delta in deltas.items() if name in config.attributes}
        return ModelCard(**body | {"derive": tuple(body.get("derive", ())), "deltas": deltas})
    except (TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: its card is of another version ({error})") from error
    except ConfigError as error:
        raise CheckpointError(f"{path}: its card has {error}") from error


def _tensors(path: Path, body: bytes, config: ModelConfig) -> Tensors:
    """All tensors, checked: none missing, none unknown, right shapes, finite values."""
    try:
        stored = dict(deserialize(body))
    except SafetensorError as error:
        raise damaged(path, error) from error
    expected = shapes(config)
    if missing := sorted(expected.keys() - stored.keys()):
        raise CheckpointError(f"{path}: lacks {len(missing)} tensors, {missing[0]} among them")
    if unknown := sorted(stored.keys() - expected.keys()):
        raise CheckpointError(f"{path}: holds unknown tensors, {unknown[0]} among them")
    tensors: Tensors = {}
    for name, entry in stored.items():
        shape = tuple(entry["shape"])
        if shape != expected[name]:
            raise CheckpointError(f"{path}: {name} has shape {shape}, expected {expected[name]}")
        data = _float32(entry["dtype"], entry["data"])
        if data is None:
            raise CheckpointError(f"{path}: {name} is of type {entry['dtype']}; floating point is expected")
        if not np.isfinite(data).all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinite values; use an earlier checkpoint")
        data = data.reshape(shape)
        data.setflags(write=False)
        tensors[name] = data
    return tensors


def _float32(kind: str, data: bytes) -> NDArray[np.float32] | None:
    """Stored bytes as float32, (n,); None for a type that no weight has."""
    if kind == "BF16":  # the upper half of a float32; numpy has no such type
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    types = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
    return np.frombuffer(data, types[kind]).astype(np.float32, copy=False) if kind in types else None
