"""Distances between two pictures, one number a pair. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError

Images = NDArray[np.uint8]
Floats = NDArray[np.float64]

_RADIUS, _SIGMA = 5, 1.5  # of the window: 11 x 11
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601
_TOGETHER = 64  # pictures whose windows are in memory at once


def l1(a: Images, b: Images, where: NDArray[np.bool_] | None = None) -> Floats:
    """Mean absolute difference of each pair, (N,), on the scale where white is 1.

    Args:
        a, b: (N, S, S, 3) uint8.
        where: (N, S, S), the pixels that count; a pair without any gets 0.

    Raises:
        DataError: shapes that differ.
    """
    _check(a, b)
    out = np.empty(len(a))
    for i in range(len(a)):
        apart = np.abs(a[i].astype(np.int16) - b[i])
        if where is not None:
            apart = apart[where[i]]
        out[i] = apart.mean() / 255 if apart.size else 0.0
    return out


def ssim(a: Images, b: Images) -> Floats:
    """Structural similarity of each pair, (N,), 1 for equal pictures (Wang et al. 2004).

    On luma, with a Gaussian window of 11 x 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, where the
    window lies wholly inside.

    Args:
        a, b: (N, S, S, 3) uint8.

    Raises:
        DataError: shapes that differ, or pictures smaller than the window.
    """
    _check(a, b)
    if a.shape[1] <= 2 * _RADIUS:
        raise DataError(
            f"structural similarity needs pictures of at least {2 * _RADIUS + 1} px, not {a.shape[1]}"
        )
    parts = [_ssim(a[i : i + _TOGETHER], b[i : i + _TOGETHER]) for i in range(0, len(a), _TOGETHER)]
    return np.concatenate(parts) if parts else np.empty(0)


def _ssim(a: Images, b: Images) -> Floats:
    x, y = (image.astype(np.float64) @ _LUMA for image in (a, b))
    mean_x, mean_y = _window(x), _window(y)
    var_x, var_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    both = _window(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * both + _C2)
    bottom = (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    return (top / bottom).mean(axis=(1, 2))


def _window(x: Floats) -> Floats:
    """The Gaussian mean around each pixel that has the whole window around it."""
    weights = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    weights /= weights.sum()
    for axis in (1, 2):
        span = x.shape[axis] - 2 * _RADIUS
        x = sum(w * np.take(x, range(i, i + span), axis=axis) for i, w in enumerate(weights))
    return x


def _check(a: Images, b: Images) -> None:
    if a.shape != b.shape or a.ndim != 4 or a.shape[-1] != 3:
        raise DataError(f"pictures of shapes {a.shape} and {b.shape} cannot be compared pair by pair")
