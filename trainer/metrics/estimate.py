"""Means with bootstrap intervals over faces. NumPy only.

Percentiles of resampled means, which keep shares within 0 and 1. Resampling itself makes a distance between
sets larger, so that its percentiles lie beside it: `trainer.metrics.intervals` takes their spread alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trainer.errors import DataError

DRAWS = 1000  # resamples
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over faces.

    Attributes:
        mean: over `n` faces.
        low, high: the percentile bootstrap interval at `LEVEL`. Where all faces agree it has no width,
            which says less than it seems to for few faces.
        n: faces.
    """

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def estimates(values: ArrayLike, seed: int = 0) -> tuple[Estimate, ...]:
    """The mean of each column, all from the same resamples of the rows (Efron 1979).

    Args:
        values: (N, M), one row a face.
        seed: of the resamples.

    Raises:
        DataError: no faces, or values that are not finite.
    """
    table = np.asarray(values, np.float64)
    assert table.ndim == 2
    count = len(table)
    if not count:
        raise DataError("there are no faces to average over; take more data or another split")
    if not np.isfinite(table).all():
        raise DataError("a measured value is not a finite number; check the model and the pictures")
    rng = np.random.default_rng(seed)
    means = np.empty((DRAWS, table.shape[1]))
    for i in range(DRAWS):
        means[i] = np.bincount(rng.integers(count, size=count), minlength=count) @ table
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means / count, [tail, 1 - tail], axis=0)
    return tuple(
        Estimate(float(m), float(a), float(b), count)
        for m, a, b in zip(table.mean(axis=0), low, high, strict=True)
    )


def estimate(values: ArrayLike, seed: int = 0) -> Estimate:
    """The mean of (N,) values; errors as `estimates`."""
    return estimates(np.asarray(values, np.float64)[:, None], seed)[0]
