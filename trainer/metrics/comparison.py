"""Two sets of pictures compared: both distances, their intervals, real against real. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trainer.errors import ConfigError, DataError
from trainer.metrics.distances import (
    KernelDistance,
    as_features,
    as_pair,
    frechet_distance,
    kernel_distance,
    too_few,
)
from trainer.metrics.intervals import (
    WHOLE_KERNEL,
    Asked,
    Interval,
    Progress,
    around,
    frechet_interval,
    kernel_interval,
)
from trainer.metrics.protocol import Measured, ProtocolCard


@dataclass(frozen=True)
class Floor:
    """Real against real: what the distances come to when nothing is wrong.

    Attributes:
        frechet, kernel: means over `repeats` pairs of disjoint random sets.
        count: pictures in each set.
        repeats: pairs.
    """

    frechet: float
    kernel: float
    count: int
    repeats: int


def real_against_real(pool: ArrayLike, count: int, repeats: int = 1, seed: int = 0) -> Floor:
    """Distances between disjoint sets drawn from one pool of real pictures.

    Args:
        pool: features (P, d).
        count: pictures in each set; half the pool if it does not hold twice as many.
        repeats: pairs of sets to average over.
        seed: of the draws.

    Raises:
        DataError: fewer than 8 pictures, or values that are not finite.
    """
    rows = as_features(pool, "real features")
    size = min(count, len(rows) // 2)
    if size < 4 or repeats < 1:
        raise DataError(f"{len(rows)} real pictures, {repeats} repeats: real against real needs 8, and 1")
    rng = np.random.default_rng(seed)
    found = np.empty((repeats, 2))
    for i in range(repeats):
        order = rng.permutation(len(rows))
        x, y = rows[order[:size]], rows[order[size : 2 * size]]
        found[i] = frechet_distance(x, y), kernel_distance(x, y, seed=seed).value
    return Floor(float(found[:, 0].mean()), float(found[:, 1].mean()), size, repeats)


@dataclass(frozen=True)
class SetDistances:
    """Both distances of two sets of pictures, with what is needed to read them.

    Attributes:
        frechet: Frechet distance.
        frechet_interval: its bootstrap interval; None where none was asked for.
        kernel: kernel distance.
        kernel_interval: its interval.
        counts: pictures in the first and in the second set.
        dim: d, numbers in a feature.
        floor: real against real, at the same number of pictures where the pool allows it; None without.
        warning: why the Frechet distance misleads, or "".
    """

    frechet: float
    frechet_interval: Interval | None
    kernel: KernelDistance
    kernel_interval: Interval
    counts: tuple[int, int]
    dim: int
    floor: Floor | None
    warning: str


def compare_sets(
    real: ArrayLike,
    made: ArrayLike,
    paired: bool = False,
    pool: ArrayLike | None = None,
    resamples: int = 100,
    level: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> SetDistances:
    """Both distances, their intervals, and the floor.

    Args:
        real, made: features (N, d) and (M, d).
        paired: `made` are reconstructions of `real`, row by row.
        pool: features of real pictures for the floor, best at least 2 N of them; None for no floor.
        resamples: of the Frechet distance; 0 leaves its interval out.
        level, seed, progress, cancelled: as in `frechet_interval`.

    Raises:
        DataError: shapes that do not fit, too few pictures, or values that are not finite.
        Cancelled: `cancelled` said so.
    """
    a, b = as_pair(real, made)
    few = min(len(a), len(b))
    kernel = kernel_distance(a, b, seed=seed)
    if max(len(a), len(b)) <= WHOLE_KERNEL:
        reach = kernel_interval(a, b, paired, level=level, seed=seed, value=kernel.value)
    else:
        reach = around(kernel.value, kernel.error, level, 0)
    return SetDistances(
        frechet=frechet_distance(a, b),
        frechet_interval=frechet_interval(a, b, paired, resamples, level, seed, progress, cancelled)
        if resamples
        else None,
        kernel=kernel,
        kernel_interval=reach,
        counts=(len(a), len(b)),
        dim=a.shape[1],
        floor=None if pool is None else real_against_real(pool, few, seed=seed),
        warning=too_few(few, a.shape[1]),
    )


def measured(found: SetDistances, card: ProtocolCard) -> tuple[Measured, Measured]:
    """The Frechet and the kernel distance as numbers with their protocol.

    Raises:
        ConfigError: the card speaks of other numbers of pictures or features.
    """
    if (card.count, card.against, card.dim) != (*found.counts, found.dim):
        raise ConfigError(
            f"protocol card: {card.count} against {card.against} pictures with {card.dim} features, "
            f"but {found.counts[0]} against {found.counts[1]} with {found.dim} were compared"
        )
    floor, reach = found.floor, found.frechet_interval
    count = None if floor is None else floor.count
    return (
        Measured(
            "frechet",
            found.frechet,
            card,
            low=None if reach is None else reach.low,
            high=None if reach is None else reach.high,
            level=None if reach is None else reach.level,
            floor=None if floor is None else floor.frechet,
            floor_count=count,
            warning=found.warning,
        ),
        Measured(
            "kernel",
            found.kernel.value,
            card,
            low=found.kernel_interval.low,
            high=found.kernel_interval.high,
            level=found.kernel_interval.level,
            floor=None if floor is None else floor.kernel,
            floor_count=count,
            error=found.kernel.error,
        ),
    )
