"""What measuring edits takes and gives: faces, amounts, and frozen records that become JSON by `asdict`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.data.cache import Cache
from trainer.errors import ConfigError, DataError
from trainer.latent import Hyperplanes
from trainer.metrics.estimate import Estimate
from trainer.metrics.pictures import Floats, Images


class Codec(Protocol):
    """What `trainer.codec.Codec` is."""

    planes: Hyperplanes

    def encode(self, images: Images) -> tuple[ArrayLike, ArrayLike]: ...
    def decode(self, z: ArrayLike) -> Images: ...


class Judge(Protocol):
    """What `trainer.metrics.judge.Judge` is: (N, A) probabilities of A attributes for (N, S, S, 3) images."""

    @property
    def attributes(self) -> tuple[str, ...]: ...
    def probabilities(self, images: Images) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces that are edited.

    Attributes:
        images: (N, S, S, 3) uint8.
        labels: (N, K) int8, 0 or 1; -1 where unknown.
        attributes: K names.
        options: how avatars were drawn, which gives the truth; None for photos.
        crop: how they were cut.
    """

    images: Images
    labels: NDArray[np.int8]
    attributes: tuple[str, ...]
    options: tuple[Mapping[str, Any], ...] | None = None
    crop: str = "none"

    def __post_init__(self) -> None:
        shape = (len(self.images), len(self.attributes))
        if self.labels.shape != shape or (self.options is not None and len(self.options) != shape[0]):
            raise DataError(f"labels {self.labels.shape} or options do not fit {shape[0]} faces")

    @classmethod
    def of(cls, cache: Cache, rows: NDArray[np.int64]) -> Faces:
        """Faces of a cache, with all its attributes, in memory."""
        drawn = [cache.options(int(i)) for i in rows]
        options = tuple(one for one in drawn if one is not None)
        whole = options if drawn and len(options) == len(drawn) else None
        return cls(cache.batch(rows), cache.labels[rows], cache.attributes, whole, cache.crop)

    def lacking(self, attribute: str, wanted: bool) -> NDArray[np.int64]:
        """Indices of the faces with the opposite label."""
        if attribute not in self.attributes:
            known = ", ".join(self.attributes)
            raise DataError(f"the faces have no labels for {attribute!r}; they have {known}")
        return np.flatnonzero(self.labels[:, self.attributes.index(attribute)] == int(not wanted))


@dataclass(frozen=True)
class Amount:
    """How far an edit goes: a fixed distance, or until a label holds (`trainer.until`).

    Attributes:
        delta: the distance; with `until` the largest one.
        until: the probability to reach; None goes the whole way.
        on: whose label: the "code"'s, or its "image"'s, encoded again.
    """

    delta: float
    until: float | None = None
    on: str = "code"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.delta) and self.delta > 0):
            raise ConfigError(f"delta = {self.delta}: must be a finite number above 0")
        if self.until is not None and not 0 < self.until < 1:
            raise ConfigError(f"until = {self.until}: must be a probability above 0 and below 1")
        if self.on not in ("code", "image"):
            raise ConfigError(f"on = {self.on!r}: choose code or image")

    def __str__(self) -> str:
        if self.until is None:
            return f"delta {self.delta:g}"
        return f"until p = {self.until:g} on the {self.on}, at most {self.delta:g}"


@dataclass(frozen=True)
class Change:
    """What an edit does to another attribute.

    Attributes:
        name: the other attribute.
        flipped: share of faces whose judged label differs from that of the reconstruction.
        shift: change of the judged probability, with its sign.
        truly: share of faces whose label the true edit changes too (a shaved beard is no beard); None
            where the truth is not known.
    """

    name: str
    flipped: Estimate
    shift: Estimate
    truly: float | None


@dataclass(frozen=True)
class Distance:
    """How far pictures are from the truth.

    Attributes:
        l1: mean absolute difference, white being 1.
        ssim: structural similarity.
        perceptual: what the given measure says, LPIPS for instance; None without one.
    """

    l1: Estimate
    ssim: Estimate
    perceptual: Estimate | None


@dataclass(frozen=True)
class Truth:
    """An edit against the true counterfactual that is nearest to it.

    Attributes:
        edited: the edit's distance.
        allowed: the distance of the truth's own reconstruction, which no edit can be expected to beat.
        unedited: the face's reconstruction's distance: what doing nothing would give.
        outside: L1 between edit and reconstruction where the truth changes nothing; the region that it
            changes is left out with a margin of `margin` pixels, which blur may cross.
        inside: the same within the region.
        region: share of the picture that the truth changes, without the margin.
        margin: see `outside`.
        choices: ways to make a true edit, on average over faces.
    """

    edited: Distance
    allowed: Distance
    unedited: Distance
    outside: Estimate
    inside: Estimate
    region: Estimate
    margin: int
    choices: float


@dataclass(frozen=True)
class Edit:
    """One attribute switched one way on all faces that have the opposite label.

    Attributes:
        attribute: what was switched.
        wanted: to which label.
        amount: how far, in words.
        faces: how many.
        delta: the distance gone.
        reached: share of faces for which a search found the label within its bound; None without one.
        judged: share of edits in which the judge sees the wanted label.
        judged_before: the same of the reconstructions, before the edit.
        reencoded: share of edits which the model's own classifier, encoding them again, finds right.
        others: what happens to each other attribute that the judge knows.
        distance: L1 between edit and reconstruction.
        reconstruction: L1 between reconstruction and face.
        identity: likeness of edit and reconstruction by the given measure; None without one.
        truth: for avatars.
    """

    attribute: str
    wanted: bool
    amount: str
    faces: int
    delta: Estimate
    reached: Estimate | None
    judged: Estimate
    judged_before: Estimate
    reencoded: Estimate
    others: tuple[Change, ...]
    distance: Estimate
    reconstruction: Estimate
    identity: Estimate | None
    truth: Truth | None

    @property
    def name(self) -> str:
        """Such as "Eyeglasses yes"."""
        return f"{self.attribute} {'yes' if self.wanted else 'no'}"


@dataclass(frozen=True)
class Leakage:
    """What each edit does to each attribute.

    Attributes:
        rows: R edits, such as "Eyeglasses yes".
        columns: C attributes.
        flipped: R rows of C shares of changed judged labels; None for the edited attribute itself.
        shift: the same of the change of the mean judged probability.
        mean: of all numbers in `flipped` that the truth does not change; None if there is none.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    flipped: tuple[tuple[float | None, ...], ...]
    shift: tuple[tuple[float | None, ...], ...]
    mean: float | None
