"""Statistics of chains: distance to a known law, R-hat, effective sample size."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from trainer.latent import Floats

_LEAST = 4  # states of half a trace, below which R-hat and effective sample size are not a number


def ks_distance(t: Floats, distribution: Callable[[Floats], Floats]) -> float:
    """sup |F_n - F| of values (n,) against a distribution function (Kolmogorov-Smirnov)."""
    expected = distribution(np.sort(t))
    n = len(t)
    above, below = np.arange(1, n + 1) / n - expected, expected - np.arange(n) / n
    return float(max(above.max(), below.max()))


def r_hat(traces: Floats) -> float:
    """Rank-normalised split R-hat of traces (n, m), n states of m chains; NaN for fewer than 8 states.

    The larger of the one for location and the one for spread (Vehtari, Gelman, Simpson, Carpenter and
    Buerkner, Bayesian Analysis 16, 2021, section 4).
    """
    halves = _split(traces)
    if len(halves) < _LEAST:
        return math.nan
    folded = np.abs(halves - np.median(halves))
    return max(_plain_r_hat(_normal_scores(part)) for part in (halves, folded))


def effective_size(traces: Floats) -> float:
    """Bulk effective sample size of traces (n, m), in the same paper's sense; NaN for fewer than 8 states."""
    halves = _split(traces)
    n, m = halves.shape
    if n < _LEAST:
        return math.nan
    x = _normal_scores(halves)
    within, total = _variances(x)
    if total == 0:
        return math.nan
    centred = x - x.mean(axis=0)
    spectrum = np.fft.rfft(centred, 2 * n, axis=0)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:n].mean(axis=1) / n
    rho = 1 - (within - covariance) / total
    rho[0] = 1.0
    # Geyer (1992): sums of neighbours are positive and fall; cut them where they are not, and make them fall.
    pairs = rho[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if negative.size else len(pairs)])
    tau = max(-1 + 2 * float(pairs.sum()), 1 / math.log10(n * m))
    return n * m / tau


def _split(traces: Floats) -> Floats:
    """Each chain as two: (n // 2, 2 m)."""
    half = len(traces) // 2
    return np.concatenate([traces[:half], traces[len(traces) - half :]], axis=1) if half else traces[:0]


def _normal_scores(x: Floats) -> Floats:
    """Ranks among all, ties sharing their mean, as quantiles of the standard normal."""
    from scipy.special import ndtri  # type: ignore[import-untyped]

    _, place, times = np.unique(x.ravel(), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    return np.asarray(ndtri((ranks - 3 / 8) / (x.size + 1 / 4)), dtype=np.float64).reshape(x.shape)


def _variances(x: Floats) -> tuple[float, float]:
    """Mean variance within chains, and the estimate of the whole that chains' means add to."""
    n = len(x)
    within = float(x.var(axis=0, ddof=1).mean())
    return within, (n - 1) / n * within + float(x.mean(axis=0).var(ddof=1))


def _plain_r_hat(x: Floats) -> float:
    within, total = _variances(x)
    if total == 0:
        return math.nan
    return math.sqrt(total / within) if within > 0 else math.inf
