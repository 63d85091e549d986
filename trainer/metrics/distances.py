"""How far two sets of pictures are apart, from their features: Frechet and kernel distance. NumPy only.

Sources: Frechet distance of two Gaussians as in Heusel et al. 2017 (arXiv:1706.08500, equation 6); kernel
distance as in Binkowski et al. 2018 (arXiv:1801.01401, section 4): the unbiased squared maximum mean
discrepancy with the kernel (x . y / d + 1)^3, averaged over subsets.

Shapes: features are (N, d), of any float type; arithmetic is float64. Which features they are, and hence
what a distance may be called, is not known here: see `trainer.metrics.protocol`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.errors import Cancelled, DataError

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]  # (done, total) resamples
Asked = Callable[[], bool]

SUBSETS, SUBSET_SIZE = 100, 1000  # of the kernel distance, as its authors chose
_ROWS_AT_ONCE = 4096  # features that are widened to float64 together
_WHOLE_KERNEL = 4000  # rows up to which all pairs are held in memory, 128 MB a matrix
_ENOUGH = 5  # rows for each feature; for the 2048 of Inception about the 10,000 that Heusel et al. ask for


def _matrix(features: ArrayLike, what: str = "features") -> NDArray[np.floating]:
    """Features as a matrix of finite numbers with at least two rows."""
    rows = np.asarray(features)
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float64)
    if rows.ndim != 2 or rows.shape[0] < 2 or rows.shape[1] < 1:
        raise DataError(f"{what} of shape {rows.shape}: a distance needs at least 2 pictures")
    if not np.isfinite(rows).all():
        raise DataError(f"{what}: hold NaN or infinite values, so there is no distance")
    return rows


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    a, b = _matrix(x), _matrix(y)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"features of {a.shape[1]} and {b.shape[1]} numbers cannot be compared")
    return a, b


# -- Frechet ------------------------------------------------------------------------------


class Moments:
    """Mean and covariance of features that come in parts, in float64.

    Parts are merged by their own centred sums (Chan et al. 1983), so that a mean far from zero costs no
    accuracy, and their order changes nothing but the last bits.

    Attributes:
        count: rows so far.
        mean: (d,).
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean: Floats = np.zeros(dim)
        self._scatter: Floats = np.zeros((dim, dim))

    @classmethod
    def of(cls, features: ArrayLike) -> Moments:
        """Those of features (N, d)."""
        rows = _matrix(features)
        moments = cls(rows.shape[1])
        moments.add(rows)
        return moments

    @property
    def covariance(self) -> Floats:
        """(d, d), divided by N - 1.

        Raises:
            DataError: fewer than two rows.
        """
        if self.count < 2:
            raise DataError(f"{self.count} pictures: a distance needs at least 2")
        return self._scatter / (self.count - 1)

    def add(self, features: ArrayLike) -> None:
        """Take in a part, (n, d).

        Raises:
            DataError: another width, or values that are not finite.
        """
        rows = np.asarray(features)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise DataError(f"features of shape {rows.shape}, expected (N, {len(self.mean)})")
        if not np.isfinite(rows).all():
            raise DataError("features hold NaN or infinite values, so there is no distance")
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE].astype(np.float64)
            mean = part.mean(axis=0)
            part -= mean
            self._merge(len(part), mean, part.T @ part)

    def merge(self, other: Moments) -> None:
        """Take in all rows of another."""
        self._merge(other.count, other.mean, other._scatter)

    def _merge(self, count: int, mean: Floats, scatter: Floats) -> None:
        total = self.count + count
        if not count:
            return
        apart = mean - self.mean
        self._scatter = self._scatter + scatter + np.outer(apart, apart) * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total


def _factor(covariance: Floats) -> Floats:
    """F with F^T F the covariance, also where that is singular: (d, d)."""
    values, vectors = np.linalg.eigh(covariance)
    noise = len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)  # the root would make it visible
    return np.sqrt(np.where(values > noise, values, 0.0))[:, None] * vectors.T


def _nuclear(a: Floats, b: Floats) -> float:
    """tr (A B)^(1/2) for covariances A = a^T a and B = b^T b: the sum of the singular values of a b^T.

    No square root of a product that is not symmetric is taken, which is what goes wrong when there are
    fewer pictures than features.
    """
    return float(np.linalg.svd(a @ b.T, compute_uv=False).sum())


def frechet(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)), never below zero.

    Raises:
        DataError: features of different widths, or fewer than two rows.
    """
    if a.mean.shape != b.mean.shape:
        raise DataError(f"features of {a.mean.size} and {b.mean.size} numbers cannot be compared")
    first, second = a.covariance, b.covariance
    apart = a.mean - b.mean
    spread = np.trace(first) + np.trace(second) - 2.0 * _nuclear(_factor(first), _factor(second))
    return max(0.0, float(apart @ apart + spread))


def frechet_distance(x: ArrayLike, y: ArrayLike) -> float:
    """`frechet` of features (N, d) and (M, d).

    Raises:
        DataError: shapes that do not fit, or values that are not finite.
    """
    a, b = _pair(x, y)
    return frechet(Moments.of(a), Moments.of(b))


def _frechet_of_rows(x: Floats, y: Floats) -> float:
    """The same straight from rows, quicker where they are few."""
    means = x.mean(axis=0), y.mean(axis=0)
    roots: list[Floats] = []
    traces = []
    for rows, mean in zip((x, y), means, strict=True):
        centred = (rows - mean) / math.sqrt(len(rows) - 1)
        traces.append(float((centred**2).sum()))
        roots.append(np.asarray(np.linalg.qr(centred, mode="r")) if len(rows) > rows.shape[1] else centred)
    apart = means[0] - means[1]
    return max(0.0, float(apart @ apart) + sum(traces) - 2.0 * _nuclear(roots[0], roots[1]))


def too_few(count: int, dim: int) -> str:
    """Why the Frechet distance of `count` pictures over `dim` features is not to be trusted, or ""."""
    if count >= _ENOUGH * dim:
        return ""
    why = "their covariance is singular" if count <= dim else "their covariance is poorly known"
    return (
        f"{count} pictures are few for {dim} features: {why}, and the Frechet distance comes out too large. "
        f"Compare it only at the same number of pictures, beside real against real, or use the kernel "
        f"distance; from {_ENOUGH * dim} pictures on this matters little"
    )


# -- kernel -------------------------------------------------------------------------------


def _cubic(x: Floats, y: Floats) -> Floats:
    """(x . y / d + 1)^3 for all pairs of rows, (N, M)."""
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def mmd2(x: ArrayLike, y: ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy under the cubic kernel; may fall below zero.

    Raises:
        DataError: shapes that do not fit, or values that are not finite.
    """
    a, b = (rows.astype(np.float64) for rows in _pair(x, y))
    within = []
    for rows in (a, b):
        kernel, n = _cubic(rows, rows), len(rows)
        within.append((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))
    return float(within[0] + within[1] - 2.0 * _cubic(a, b).mean())


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance over subsets.

    Attributes:
        value: the mean over subsets.
        error: standard error of the value as an estimate for the sets' sources.
        spread: standard deviation over subsets, which others print beside KID.
        subsets, subset_size: how many, and of how many pictures each.
    """

    value: float
    error: float
    spread: float
    subsets: int
    subset_size: int


def kernel_distance(
    x: ArrayLike, y: ArrayLike, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> KernelDistance:
    """The mean of `mmd2` over random subsets, each drawn without repetition from both sets.

    Subsets overlap, so the error is not their deviation over the root of their number: a subset of m of
    N pictures has variance V (1/m - 1/N) for some V, and all N have V / N (Politis and Romano 1994).

    Args:
        x, y: features (N, d) and (M, d).
        subsets: at least 2.
        subset_size: wanted; at most half of the smaller set is taken, else subsets would be all alike.
        seed: of the draws.

    Raises:
        DataError: shapes that do not fit, fewer than 4 pictures, or values that are not finite.
    """
    a, b = _pair(x, y)
    few = min(len(a), len(b))
    size = min(subset_size, few // 2)
    if size < 2 or subsets < 2:
        raise DataError(f"{few} pictures in {subsets} subsets: a kernel distance needs 4 pictures, 2 subsets")
    rng = np.random.default_rng(seed)
    values = np.empty(subsets)
    for i in range(subsets):
        values[i] = mmd2(*(rows[rng.choice(len(rows), size, replace=False)] for rows in (a, b)))
    spread = float(values.std(ddof=1))
    return KernelDistance(
        float(values.mean()), spread * math.sqrt(size / (few - size)), spread, subsets, size
    )


# -- intervals ----------------------------------------------------------------------------


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


def _around(value: float, error: float, level: float, resamples: int) -> Interval:
    """The normal interval of a standard error."""
    reach = NormalDist().inv_cdf((1.0 + level) / 2.0) * error
    return Interval(value - reach, value + reach, level, resamples)


def _from_resamples(value: float, resampled: Floats, level: float) -> Interval:
    """The interval from the resamples' deviation about their own mean.

    Rows that repeat make a resample's distance too large, on top of what few pictures do: the spread of
    the resamples is used, and not their place. Quantiles would need many times as many of them.
    """
    return _around(value, float(resampled.std(ddof=1)), level, len(resampled))


def _check(level: float, resamples: int) -> None:
    if not 0.0 < level < 1.0:
        raise DataError(f"level = {level}: must lie between 0 and 1")
    if resamples < 2:
        raise DataError(f"resamples = {resamples}: an interval needs at least 2")


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
    a, b = (rows.astype(np.float64) for rows in _pair(x, y))
    _check(level, resamples)
    if paired and len(a) != len(b):
        raise DataError(f"{len(a)} and {len(b)} pictures do not form pairs")
    rng = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        if cancelled is not None and cancelled():
            raise Cancelled("measuring was cancelled")
        first = rng.integers(len(a), size=len(a))
        second = first if paired else rng.integers(len(b), size=len(b))
        values[i] = _frechet_of_rows(a[first], b[second])
        if progress is not None:
            progress(i + 1, resamples)
    return _from_resamples(_frechet_of_rows(a, b), values, level)


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
    a, b = (rows.astype(np.float64) for rows in _pair(x, y))
    _check(level, resamples)
    if paired and len(a) != len(b):
        raise DataError(f"{len(a)} and {len(b)} pictures do not form pairs")
    if max(len(a), len(b)) > _WHOLE_KERNEL:
        raise DataError(f"{max(len(a), len(b))} pictures: at most {_WHOLE_KERNEL} for this interval")
    rng = np.random.default_rng(seed)
    within_a, within_b, across = _cubic(a, a), _cubic(b, b), _cubic(a, b)
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


# -- both together ------------------------------------------------------------------------


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
    rows = _matrix(pool, "real features")
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
    a, b = _pair(real, made)
    few = min(len(a), len(b))
    kernel = kernel_distance(a, b, seed=seed)
    if max(len(a), len(b)) <= _WHOLE_KERNEL:
        reach = kernel_interval(a, b, paired, level=level, seed=seed, value=kernel.value)
    else:
        reach = _around(kernel.value, kernel.error, level, 0)
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
