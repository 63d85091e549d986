"""What a model file says about itself besides its weights; free of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.errors import ConfigError


@dataclass(frozen=True)
class ModelCard:
    """Where a model comes from, and how it did on validation.

    `delta` is the usual distance of an edit, and `deltas` that of the attributes that have one of their own.

    Raises:
        ConfigError: a distance that is not a finite number above 0.
    """

    name: str = ""
    preset: str = ""
    data: str = ""
    step: int = 0
    epoch: int = 0
    game_played: bool = False
    derive: tuple[str, ...] = ()
    delta: float = 4.0
    figures: dict[str, float] = field(default_factory=dict)
    deltas: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.deltas, Mapping):
            raise ConfigError(f"deltas = {self.deltas!r:.40}: must be distances by attribute")
        object.__setattr__(self, "delta", _distance("delta", self.delta))
        own = {name: _distance(f"delta of {name!r:.40}", delta) for name, delta in self.deltas.items()}
        object.__setattr__(self, "deltas", own)

    def delta_of(self, name: str) -> float:
        """The usual distance of an edit of an attribute."""
        return self.deltas.get(name, self.delta)


def _distance(name: str, value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        distance = float(value) if known else math.nan
    except OverflowError:  # a whole number that no float holds
        distance = math.inf
    if not (math.isfinite(distance) and distance > 0):
        raise ConfigError(f"{name} = {value!r:.40}: must be a finite number above 0")
    return distance
