"""What `reproduce` was asked for. No torch here."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainer.config import PRESETS, QUICK_SCALE, TrainConfig, with_settings
from trainer.errors import ConfigError
from trainer.metrics.features import NAMES as FEATURES

# Where the size and the schedule come from. Data and crop are the user's, the recipe is the preset's.
SCALES: dict[str, dict[str, object]] = {
    "paper": {},
    "quick": {k: v for k, v in QUICK_SCALE.items() if k not in ("data", "crop")},
}
SCALE_HELP = {
    "paper": "the preset as it is: 128 px, 150 epochs",
    "quick": "64 px, and size and schedule of the preset `quick`",
}
SUBSETS: dict[str, tuple[str, ...]] = {
    "eye": ("Eyeglasses",),
    "facial": ("FacialHair",),
    "eyefacial": ("Eyeglasses", "FacialHair"),
}
# The paper's distances: for one attribute by subset, and for both attributes of eyefacial at once.
DELTAS: dict[str, float] = {"eye": 3.0, "facial": 4.0, "eyefacial": 4.0, "both": 5.0}
# Settings that the table of models decides, or a flag of the command.
_TAKEN = {
    "data": "--data",
    "seed": "--seed",
    "device": "--device",
    "subset": "",
    "attributes": "",
    "enabled": "",
}


@dataclass(frozen=True)
class Settings:
    """Everything that decides what is made.

    Attributes:
        data: as every command takes it.
        out: the directory of the page.
        scale: name in `SCALES`.
        preset: of the introspective models.
        values: settings for all models, on top of scale and preset.
        compare: subsets on which VAC and IntroVAC are compared.
        take: model files that are used instead of training, by model name.
        deltas: distances, by the names of `DELTAS`.
        features: extractors of Table 1.
        weights: file of Inception's weights; None to look for it.
        count: at most so many faces are measured, 8 or more; None for the whole split.
        seed: of weights, order, subsets, samples and of the choice of faces.
        device: where to compute.

    Raises:
        ConfigError: a name or number that makes no sense.
    """

    data: str
    out: Path
    scale: str = "quick"
    preset: str = "introvac"
    values: Mapping[str, str] = field(default_factory=dict)
    compare: tuple[str, ...] = ("eyefacial",)
    take: Mapping[str, Path] = field(default_factory=dict)
    deltas: Mapping[str, float] = field(default_factory=dict)
    features: tuple[str, ...] = FEATURES
    weights: Path | None = None
    count: int | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        choices: list[tuple[str, str, Collection[str]]] = [
            ("scale", self.scale, SCALES),
            ("preset", self.preset, PRESETS),
            *(("compare", subset, SUBSETS) for subset in self.compare),
            *(("features", one, FEATURES) for one in self.features),
            *(("delta", key, DELTAS) for key in self.deltas),
        ]
        for name, value, known in choices:
            if value not in known:
                raise ConfigError(f"{name} = {value!r}: choose one of {', '.join(known)}")
        if not self.compare or not self.features:
            raise ConfigError("compare and features need at least one name each")
        if self.count is not None and self.count < 8:
            raise ConfigError(f"count = {self.count}: at least 8 faces are needed")
        for key, delta in self.deltas.items():
            if not (math.isfinite(delta) and delta > 0):
                raise ConfigError(f"delta {key} = {delta}: must be a finite number above 0")
        for key in self.values:
            owner = key.rpartition(".")[2]
            if owner in _TAKEN:
                what = _TAKEN[owner] or "the figures themselves: each model has its own"
                raise ConfigError(f"--set {key}: is decided by {what}")
        if not PRESETS[self.preset].get("enabled", True):
            raise ConfigError(f"preset = {self.preset!r}: plays no game; choose an introspective preset")
        object.__setattr__(self, "deltas", DELTAS | dict(self.deltas))

    @property
    def derive(self) -> tuple[str, ...]:
        """Attributes that are made of the data's own."""
        given = {k: v for k, v in self.values.items() if k.rpartition(".")[2] == "derive"}
        return with_settings(TrainConfig(), given).data.derive
