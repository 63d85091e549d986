"""Means of losses on the device, with one host sync when they are read."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.distributed import Group
from trainer.steps import Stepped


@dataclass(frozen=True)
class Reading:
    """What happened since the last reading.

    Attributes:
        losses: means over the steps (and processes) where they were finite; one that never was is left out.
        culprits: names of losses that were NaN or infinite at least once, in the order of computation.
        steps: how many steps.
        skipped: how many of them changed nothing, because a loss or gradient was not finite.
        seconds: how long they took.
    """

    losses: dict[str, float]
    culprits: tuple[str, ...]
    steps: int
    skipped: int
    seconds: float


class Meter:
    """Sums from one reading to the next; losses that are not finite are counted, not summed."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self.restart()

    def restart(self) -> None:
        """Forget what was added, and start the clock."""
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None  # (3, n): sums, counts of bad values, and skipped steps
        self.steps = 0
        self._since = time.perf_counter()

    def add(self, stepped: Stepped) -> None:
        """Take in one step; its losses are those of the last one."""
        self._names = tuple(stepped.losses)
        values = torch.stack([v.float() for v in stepped.losses.values()])
        good = values.isfinite()
        skipped = (~stepped.finite).float().expand_as(values)
        sums = torch.stack([torch.where(good, values, 0.0), (~good).float(), skipped])
        self._sums = sums if self._sums is None else self._sums + sums
        self.steps += 1

    def read(self) -> Reading | None:
        """What was added since the last reading; None for nothing. All processes read together.

        Raises:
            RunError: another process is gone.
        """
        if self._sums is None:
            return None
        self._group.mean_([self._sums])
        sums, bad, skipped = self._sums.tolist()
        steps = self.steps
        reading = Reading(
            {n: s / (steps - b) for n, s, b in zip(self._names, sums, bad, strict=True) if steps - b > 1e-6},
            tuple(n for n, b in zip(self._names, bad, strict=True) if b),
            steps,
            round(skipped[0]),
            time.perf_counter() - self._since,
        )
        self.restart()
        return reading
