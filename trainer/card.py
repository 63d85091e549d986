"""What a model file says about itself besides its weights; free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelCard:
    """Where a model comes from, and how it did on validation."""

    name: str = ""
    preset: str = ""
    data: str = ""
    step: int = 0
    epoch: int = 0
    game_played: bool = False
    derive: tuple[str, ...] = ()
    delta: float = 4.0
    figures: dict[str, float] = field(default_factory=dict)
