"""How much of a distance between sets of pictures is chance: bootstrap intervals. NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from trainer.errors import Cancelled, DataError
from trainer.metrics.distances import Floats, as_pair, cubic, frechet_of_rows

Progress = Callable[[int, int], None]  # (done, total) resamples
Asked = Callable[[], bool]

WHOLE_KERNEL = 4000  # rows up to which all pairs are held in memory, 128 MB a matrix


@dataclass(frozen=True)
class Interval:
    """Where a distance would fall for other pictures of the same sources, as many as these.

    Attributes:
        low, high: ends.
        level: the share of such intervals that hold the distance expected at this number of pictures.
        resamples: of the bootstrap; 0 where the error of the subsets was taken.
    """

    low: float
    high: float
    level: float
    resamples: int


def around(value: float, error: float, level: float, resamples: int) -> Interval:
    """The normal interval of a standard error."""
    reach = NormalDist().inv_cdf((1.0 + level) / 2.0) * error
    return Interval(value - reach, value + reach, level, resamples)


def _from_resamples(value: float, resampled: Floats, level: float) -> Interval:
    """The interval from the resamples' deviation about their own mean.

    Rows that repeat make a resample's distance too large, on top of what few pictures do: the spread of
    the resamples is used, and not their place. Quantiles would need many times as many of them.
    """
    return around(value, float(resampled.std(ddof=1)), level, len(resampled))


def _checked(x: ArrayLike, y: ArrayLike, paired: bool, level: float, resamples: int) -> tuple[Floats, Floats]:
    """Both sets of features in float64, with all that an interval asks of them and of its settings."""
    a, b = (rows.astype(np.float64) for rows in as_pair(x, y))
    if not 0.0 < level < 1.0:
        raise DataError(f"level = {level}: must lie between 0 and 1")
    if resamples < 2:
        raise DataError(f"resamples = {resamples}: an interval needs at least 2")
    if paired and len(a) != len(b):
        raise DataError(f"{len(a)} and {len(b)} pictures do not form pairs")
    return a, b


def frechet_interval(
    x: ArrayLike,
    y: ArrayLike,
    paired: bool = False,
    resamples: int = 100,
    level: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> Interval:
    """A bootstrap interval of the Frechet distance. It shows chance, not the bias of few pictures.

    Args:
        x, y: features (N, d) and (M, d).
        paired: row i of both belongs to one picture (a face and its reconstruction); drawn together.
        resamples: each costs about as much as one distance.
        level, seed: as they say.
        progress, cancelled: called and asked at every resample.

    Raises:
        DataError: shapes that do not fit, or values that are not finite.
        Cancelled: `cancelled` said so.
    """
    a, b = _checked(x, y, paired, level, resamples)
    rng = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        if cancelled is not None and cancelled():
            raise Cancelled("measuring was cancelled")
        first = rng.integers(len(a), size=len(a))
        second = first if paired else rng.integers(len(b), size=len(b))
        values[i] = frechet_of_rows(a[first], b[second])
        if progress is not None:
            progress(i + 1, resamples)
    return _from_resamples(frechet_of_rows(a, b), values, level)


def kernel_interval(
    x: ArrayLike,
    y: ArrayLike,
    paired: bool = False,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    value: float | None = None,
) -> Interval:
    """A bootstrap interval of the kernel distance, over all pairs of pictures that differ.

    Args:
        x, y: features (N, d) and (M, d), at most 4000 rows each.
        paired, resamples, level, seed: as in `frechet_interval`.
        value: the distance that it is put about; None for that of all pairs.

    Raises:
        DataError: shapes that do not fit, too many rows, or values that are not finite.
    """
    a, b = _checked(x, y, paired, level, resamples)
    if max(len(a), len(b)) > WHOLE_KERNEL:
        raise DataError(f"{max(len(a), len(b))} pictures: at most {WHOLE_KERNEL} for this interval")
    rng = np.random.default_rng(seed)
    within_a, within_b, across = cubic(a, a), cubic(b, b), cubic(a, b)
    for kernel in (within_a, within_b, *((across,) if paired else ())):
        np.fill_diagonal(kernel, 0.0)

    def mean(kernel: Floats, u: Floats, v: Floats, alike: bool) -> Floats:
        """Over pairs of drawn rows, where `alike` without those of a picture with itself; (resamples,)."""
        pairs = u.sum(axis=1) * v.sum(axis=1) - ((u * v).sum(axis=1) if alike else 0.0)
        return ((u @ kernel) * v).sum(axis=1) / pairs

    def estimate(u: Floats, v: Floats) -> Floats:
        return mean(within_a, u, u, True) + mean(within_b, v, v, True) - 2.0 * mean(across, u, v, paired)

    def draws(n: int) -> Floats:
        return rng.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float64)

    first = draws(len(a))
    values = estimate(first, first if paired else draws(len(b)))
    if value is None:
        value = float(estimate(np.ones((1, len(a))), np.ones((1, len(b))))[0])
    return _from_resamples(value, values, level)
