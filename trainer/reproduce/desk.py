"""The trained or taken models, opened, and the held-out faces that they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer import config as config_module
from trainer import modelfile
from trainer.codec import Codec
from trainer.commands import progress_bar
from trainer.control import Control
from trainer.data import cache as cache_module
from trainer.data.cache import Cache
from trainer.data.derive import extend
from trainer.errors import Cancelled, ModelError
from trainer.metrics.protocol import Splits, splits
from trainer.reproduce.models import FLAT, MODELS
from trainer.reproduce.settings import Settings
from trainer.run_files import CONFIG_FILE

Rows = NDArray[np.int64]
Codes = NDArray[np.float32]
Images = NDArray[np.uint8]

_TOGETHER = 256


@dataclass(frozen=True, eq=False)
class Faces:
    """Prepared faces and who may be used for what.

    Attributes:
        cache: all faces.
        attributes: names of the columns of `labels`.
        labels: (N, A) int8.
        splits: see there; figures show and measure `splits.reported` alone.
        count: at most so many are measured; None for all.
        seed: of which.
    """

    cache: Cache
    attributes: tuple[str, ...]
    labels: NDArray[np.int8]
    splits: Splits
    count: int | None
    seed: int

    def measured(self, rows: Rows) -> Rows:
        """At most `count` of some rows, ascending."""
        if self.count is None or len(rows) <= self.count:
            return rows
        return np.sort(self.picked(rows, self.count))

    def picked(self, rows: Rows, count: int) -> Rows:
        """`count` rows at random, or all if there are fewer; the same for every model."""
        return np.random.default_rng([self.seed, 1]).permutation(rows)[:count]

    def having(self, names: tuple[str, ...], value: bool) -> Rows:
        """The reported faces on which every one of the attributes is as `value` says."""
        rows = self.splits.reported
        return rows[(self.of(names, rows) == int(value)).all(axis=1)]

    def of(self, names: tuple[str, ...], rows: Rows) -> NDArray[np.int8]:
        """The labels of some faces, (n, K), in the order of the names."""
        return self.labels[rows][:, [self.attributes.index(name) for name in names]]


class Desk:
    """Opens what a figure needs; everything is opened once.

    Args:
        settings: what was asked for.
        control: asked whether to stop.
    """

    def __init__(self, settings: Settings, control: Control) -> None:
        self.settings, self._control = settings, control
        self._paths: dict[str, Path] = {}
        self._codecs: dict[str, Codec] = {}
        self._faces: dict[tuple[int, str], Faces] = {}

    def add(self, name: str, path: Path) -> None:
        """A model that can be opened from now on.

        Raises:
            CheckpointError: not a model.
            ModelError: not one that can stand for `name`.
        """
        file, wanted = modelfile.load(path), MODELS[name]
        if missing := [a for a in wanted.attributes if a not in file.config.attributes]:
            known = ", ".join(file.config.attributes)
            raise ModelError(f"{path}: as {name} it must know {' and '.join(missing)}; it knows {known}")
        if name == FLAT and file.config.latent_dim != 2:
            raise ModelError(f"{path}: as {name} it must have 2 dimensions, not {file.config.latent_dim}")
        self._paths[name] = path
        self._codecs.pop(name, None)

    def codec(self, name: str) -> Codec:
        """A model to encode and decode with."""
        if name not in self._codecs:
            self._codecs[name] = Codec(self._paths[name], self.settings.device)
        return self._codecs[name]

    def faces(self, *codecs: Codec) -> Faces:
        """The faces as one model takes them, or several that are shown the same.

        Raises:
            ModelError: the models take pictures of different size or crop.
            DataError: unusable data.
        """
        shapes = {(codec.size, codec.config.crop) for codec in codecs}
        if len(shapes) > 1:
            text = " and ".join(f"{size} px, crop {crop}" for size, crop in sorted(shapes))
            raise ModelError(
                f"models of {text} cannot be shown the same faces; train them alike, or take others"
            )
        (shape,) = shapes
        if shape not in self._faces:
            settings = self.settings
            with progress_bar("preparing images", "image") as update:
                cache = cache_module.open_data(
                    settings.data, *shape, progress=update, cancelled=lambda: self._control.stopping
                )
            attributes, labels = extend(cache.attributes, cache.labels, settings.derive)
            found = splits(cache)
            self._faces[shape] = Faces(cache, attributes, labels, found, settings.count, settings.seed)
        return self._faces[shape]

    def encode(self, codec: Codec, faces: Faces, rows: Rows) -> Codes:
        """mu of some faces, (n, d)."""
        parts = [codec.encode(faces.cache.batch(part))[0] for part in self.parts(rows)]
        return np.concatenate(parts) if parts else np.empty((0, codec.dim), np.float32)

    def parts(self, rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """A few at a time.

        Raises:
            Cancelled: a stop was asked for.
        """
        for start in range(0, len(rows), _TOGETHER):
            self.check()
            yield rows[start : start + _TOGETHER]

    def check(self) -> None:
        """
        Raises:
            Cancelled: a stop was asked for.
        """
        if self._control.stopping:
            raise Cancelled("making the figures was stopped")

    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._control.stopping

    def digest(self, name: str) -> str:
        """The identity of a model."""
        return self.codec(name).digest

    def about(self, name: str) -> dict[str, Any]:
        """What the page says of a model, as plain data; no path of this machine."""
        codec, run = self.codec(name), self.settings.out / "runs" / name
        trained = name not in self.settings.take
        card, config = codec.card, codec.config
        found: dict[str, Any] = {
            "name": name,
            "trained": trained,
            "preset": card.preset,
            "subset": MODELS[name].subset if trained else None,
            "attributes": list(config.attributes),
            "sha256": codec.digest,
            "image_size": config.image_size,
            "crop": config.crop,
            "latent_dim": config.latent_dim,
            "step": card.step,
            "epoch": card.epoch,
            "game_played": card.game_played,
            "figures": dict(card.figures),
            "images_seen": None,
            "settings": None,
        }
        if trained:
            body = config_module.load(run / CONFIG_FILE).to_dict()
            body["data"].pop("data")
            found["images_seen"] = card.step * body["optim"]["batch_size"]
            found["settings"] = body
        return found
