"""The protocol card: what a distance was measured on and how, written next to the number. No torch.

Two numbers may be compared only if their cards agree in all but the model. The name FID (and KID) is kept
for the features that it was defined with; any other is named after its features.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from typing import Any, Literal

from trainer.data.splits import Splits as Splits
from trainer.data.splits import splits as splits  # what a card's `split` and `chosen_on` come from
from trainer.errors import ConfigError

Kind = Literal["frechet", "kernel"]
INCEPTION = "inception"
TITLES = {INCEPTION: "Inception-v3 features", "lite0": "Lite0 features", "pixels": "8 x 8 pixels"}
_NAMES = {"frechet": ("FID", "Frechet distance"), "kernel": ("KID", "Kernel distance")}
_SOURCES = ("tensor", "file")
_PACKAGES = ("introvac-studio", "torch", "numpy", "pillow")


def distance_name(kind: Kind, features: str) -> str:
    """What a distance is called in every output: "FID" and "KID" with Inception features, and only then.

    Raises:
        ConfigError: no such distance or features.
    """
    if kind not in _NAMES or features not in TITLES:
        raise ConfigError(f"{kind} distance on {features} features: choose one of {', '.join(TITLES)}")
    proper, plain = _NAMES[kind]
    return proper if features == INCEPTION else f"{plain} ({TITLES[features]})"


def versions() -> dict[str, str]:
    """Of Python and of the packages that a number depends on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # run from a folder that was never installed
            found[package] = "unknown"
    return found


@dataclass(frozen=True)
class ProtocolCard:
    """How two sets of pictures were compared.

    Attributes:
        data: the source's text, such as "celeba:DIR" or "avatars:2000:0".
        what: the pictures that are compared with real ones, such as "reconstructions" or "prior samples".
        split: the split of the real pictures.
        count: real pictures.
        against: pictures compared with them.
        crop: how pictures were cut.
        size: S, side of the model's pictures in pixels.
        features: name of the features.
        dim: numbers in a feature.
        input_size: side that the feature extractor sees.
        resize: filter from `size` to `input_size`.
        weights: SHA-256 of the extractor's weights, "" where it has none.
        source: "tensor" for 8-bit pictures in memory, "file" for pictures that were read from image files.
        chosen_on: splits on which checkpoints, deltas or recipes were chosen.
        seed: of samples, subsets and resamples.
        note: remarks, such as which split stands in for a missing one.
        versions: of Python and packages.

    Raises:
        ConfigError: a count, source or features that cannot be, or `split` is in `chosen_on`.
    """

    data: str
    what: str
    split: str
    count: int
    against: int
    crop: str
    size: int
    features: str
    dim: int
    input_size: int
    resize: str
    weights: str = ""
    source: str = "tensor"
    chosen_on: tuple[str, ...] = ()
    seed: int = 0
    note: str = ""
    versions: dict[str, str] = field(default_factory=versions)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chosen_on", tuple(self.chosen_on))
        for name in ("count", "against", "size", "dim", "input_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"protocol card: {name} = {getattr(self, name)}: must be at least 1")
        if self.features not in TITLES:
            raise ConfigError(f"protocol card: features = {self.features!r}: choose {', '.join(TITLES)}")
        if self.features == INCEPTION and not self.weights:
            raise ConfigError("protocol card: Inception features need the digest of their weights")
        if self.source not in _SOURCES:
            raise ConfigError(f"protocol card: source = {self.source!r}: choose {' or '.join(_SOURCES)}")
        if self.split in self.chosen_on:
            raise ConfigError(
                f"protocol card: something was chosen on {self.split!r}, so no number may be reported on it; "
                "choose on a part of train that training does not use"
            )

    def name(self, kind: Kind) -> str:
        """What the distance is called."""
        return distance_name(kind, self.features)

    def differences(self, other: ProtocolCard) -> tuple[str, ...]:
        """Fields in which two cards differ, versions and remarks aside; numbers compare only if none."""
        aside = ("versions", "note")
        return tuple(
            f.name
            for f in fields(self)
            if f.name not in aside and getattr(self, f.name) != getattr(other, f.name)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "chosen_on": list(self.chosen_on)}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> ProtocolCard:
        """The card that `to_json` wrote; fields it does not know are left out.

        Raises:
            ConfigError: fields are missing or of the wrong kind.
        """
        known = {f.name for f in fields(cls)}
        try:
            return cls(**{key: value for key, value in body.items() if key in known})
        except (TypeError, AttributeError) as error:
            raise ConfigError(f"protocol card: {error}") from error


@dataclass(frozen=True)
class Measured:
    """A number with what is needed to read it.

    Attributes:
        kind: which distance.
        value: the number.
        card: how it was measured.
        low, high, level: its interval; None where there is none.
        floor: real against real, and `floor_count` pictures in each set; None where not measured.
        error: standard error, where the estimator has one.
        warning: why it misleads, or "".
    """

    kind: Kind
    value: float
    card: ProtocolCard
    low: float | None = None
    high: float | None = None
    level: float | None = None
    floor: float | None = None
    floor_count: int | None = None
    error: float | None = None
    warning: str = ""

    @property
    def name(self) -> str:
        """What the distance is called."""
        return self.card.name(self.kind)

    def to_json(self) -> dict[str, Any]:
        """Plain data, its name and its card included."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "card"}
        return {"name": self.name, **own, "protocol": self.card.to_json()}
