"""What a run's settings say about a step: epoch, phase, step size and images; functions of the step alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainer.config import TrainConfig
from trainer.data.order import epoch_order

GAME_COST = 3.3  # warm-up steps that a step of the game costs


def derived_seed(*parts: int) -> int:
    """A seed of its own for each use, from the run's seed and what it is for."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class Schedule:
    """The plan of a run.

    Attributes:
        config: the settings.
        images: indices of the training images.
    """

    config: TrainConfig
    images: np.ndarray

    @property
    def batch_size(self) -> int:
        return min(self.config.optim.batch_size, len(self.images))

    @property
    def steps_per_epoch(self) -> int:
        return len(self.images) // self.batch_size

    @property
    def total_steps(self) -> int:
        whole, most = self.steps_per_epoch * self.config.optim.epochs, self.config.loop.max_steps
        return min(whole, most) if most else whole

    @property
    def game_from_step(self) -> int | None:
        first = self.config.game_from_epoch
        return None if first is None else first * self.steps_per_epoch

    def epoch(self, step: int) -> int:
        """Whole passes begun after so many steps, from 1."""
        return max(step - 1, 0) // self.steps_per_epoch + 1

    def in_game(self, step: int) -> bool:
        """Whether the step after so many is one of the game."""
        first = self.game_from_step
        return first is not None and step >= first

    def learning_rate(self, epoch: int) -> float:
        """In an epoch, from 0."""
        optim = self.config.optim
        return optim.learning_rate * optim.lr_factor ** sum(m <= epoch for m in optim.lr_milestones)

    def seconds_left(self, step: int, per_step: float) -> float:
        """Steps still to come at today's pace; one of the game costs about `GAME_COST` warm-up steps."""
        first = self.game_from_step
        starts = self.total_steps if first is None else min(first, self.total_steps)
        if step > starts:
            return (self.total_steps - step) * per_step
        return (starts - step + GAME_COST * (self.total_steps - starts)) * per_step

    def batches(self, epoch: int, steps: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Indices and mirroring of the batches of some steps of an epoch, both from 0."""
        data, seed = self.config.data, self.config.loop.seed
        order, flips = epoch_order(self.images, seed, epoch, data.shuffle_block, data.flip)
        for step in steps:
            rows = slice(step * self.batch_size, (step + 1) * self.batch_size)
            yield order[rows], flips[rows]
