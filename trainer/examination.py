"""The shown model at the end of an epoch: calibrated on real images, validated, and drawn from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config import TrainConfig
from trainer.control import Control
from trainer.data.select import Selection
from trainer.feed import Feed
from trainer.learner import Learner
from trainer.models import recalibration
from trainer.schedule import derived_seed
from trainer.validation import GRID_FACES, sample_grid, validate

_END = object()


class Examination:
    """Looks at a learner's shown model, with images of a feed; a stop cuts it short.

    Args:
        config: the resolved settings.
        selection: which images.
        feed: brings them.
        learner: whose model.
        control: says when to stop.
    """

    def __init__(
        self, config: TrainConfig, selection: Selection, feed: Feed, learner: Learner, control: Control
    ) -> None:
        self._config, self._selection, self._feed = config, selection, feed
        self._learner, self._control = learner, control

    def _generator(self, use: int) -> torch.Generator:
        return torch.Generator(self._feed.device).manual_seed(derived_seed(self._config.loop.seed, use))

    def calibrate(self, least: int) -> Iterator[int]:
        """Recalibrate on real images, yielding how many; a stop ends it once `least` were seen."""
        count = min(self._config.loop.calibration_images, len(self._selection.train))
        rng = np.random.default_rng([self._config.loop.seed, 3])
        chosen = rng.choice(self._selection.train, count, replace=False)
        size = min(64, count)
        parts = [np.sort(chosen[i : i + size]) for i in range(0, count - size + 1, size)]
        seen = 0

        def batches() -> Iterator[Tensor]:
            for part in parts:
                if self._control.stopping and seen >= least:
                    return
                yield self._feed.batch(part)[0]

        steps = recalibration(self._learner.refresh(), batches(), self._generator(4))
        going = True
        while going:
            with self._learner.precision.cast():  # not around the yield: whoever listens computes as it likes
                going = next(steps, _END) is not _END
            if going:
                seen += size
                yield seen

    def validate(self) -> dict[str, float] | None:
        """The figures; None when a stop came before they were whole."""
        indices = self._selection.valid[: self._config.loop.valid_images]
        whole = False

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            nonlocal whole
            for i in range(0, len(indices), 64):
                yield self._feed.batch(indices[i : i + 64])
                if self._control.stopping:
                    return
            whole = True

        if self._control.stopping:
            return None
        figures = validate(self._learner.shown, batches(), self._config, self._learner.precision)
        return figures if whole else None

    def samples(self) -> dict[str, NDArray[np.uint8]]:
        """Rows of the sample grid, always of the same faces and codes."""
        x, labels = self._feed.batch(self._selection.valid[:GRID_FACES])
        delta = self._config.loop.edit_delta
        return sample_grid(self._learner.shown, x, labels, delta, self._generator(5))
