"""How far two sets of pictures are apart, from their features: Frechet and kernel distance. NumPy only.

Sources: Frechet distance of two Gaussians as in Heusel et al. 2017 (arXiv:1706.08500, equation 6); kernel
distance as in Binkowski et al. 2018 (arXiv:1801.01401, section 4): the unbiased squared maximum mean
discrepancy with the kernel (x . y / d + 1)^3, averaged over subsets.

Shapes: features are (N, d), of any float type; arithmetic is float64. Which features they are, and hence
what a distance may be called, is not known here: see `trainer.metrics.protocol`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.errors import DataError

Floats = NDArray[np.float64]

SUBSETS, SUBSET_SIZE = 100, 1000  # of the kernel distance, as its authors chose
_ROWS_AT_ONCE = 4096  # features that are widened to float64 together
_ENOUGH = 5  # rows for each feature; for the 2048 of Inception about the 10,000 that Heusel et al. ask for


def as_features(features: ArrayLike, what: str = "features") -> NDArray[np.floating]:
    """Features (N, d) as float32 or float64.

    Raises:
        DataError: another shape, fewer than two rows, or values that are not finite; `what` names them.
    """
    rows = np.asarray(features)
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float64)
    if rows.ndim != 2 or rows.shape[0] < 2 or rows.shape[1] < 1:
        raise DataError(f"{what} of shape {rows.shape}: a distance needs at least 2 pictures")
    if not np.isfinite(rows).all():
        raise DataError(f"{what}: hold NaN or infinite values, so there is no distance")
    return rows


def as_pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Features of two sets, (N, d) and (M, d).

    Raises:
        DataError: shapes that do not fit, fewer than two rows, or values that are not finite.
    """
    a, b = as_features(x), as_features(y)
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
        rows = as_features(features)
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
    a, b = as_pair(x, y)
    return frechet(Moments.of(a), Moments.of(b))


def frechet_of_rows(x: Floats, y: Floats) -> float:
    """`frechet` straight from rows (N, d) and (M, d), quicker where they are few."""
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


def cubic(x: Floats, y: Floats) -> Floats:
    """(x . y / d + 1)^3 for all pairs of rows, (N, M)."""
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def mmd2(x: ArrayLike, y: ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy under the cubic kernel; may fall below zero.

    Raises:
        DataError: shapes that do not fit, or values that are not finite.
    """
    a, b = (rows.astype(np.float64) for rows in as_pair(x, y))
    within = []
    for rows in (a, b):
        kernel, n = cubic(rows, rows), len(rows)
        within.append((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))
    return float(within[0] + within[1] - 2.0 * cubic(a, b).mean())


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
    a, b = as_pair(x, y)
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
