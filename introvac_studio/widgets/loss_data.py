"""Growing curves: appended to for ever, smoothed as they grow, thinned for the screen. No Qt."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_POINTS = 500
_BLOCK = 64  # points smoothed at once


class Unit(StrEnum):
    """What a curve is drawn over: optimiser steps, passes over the data, or training images seen."""

    STEPS = "steps"
    EPOCHS = "epochs"
    IMAGES = "images"


_ROWS = {Unit.STEPS: 0, Unit.EPOCHS: 1, Unit.IMAGES: 2}


class Curve:
    """One named series over steps, in arrays that double when full."""

    def __init__(self) -> None:
        # Step, epoch, images seen, value, sum of the smoothing, smoothed value.
        self._data = np.empty((6, 256))
        self._count = 0
        self._weight = 0.0

    def __len__(self) -> int:
        return self._count

    def append(self, steps: Array, epochs: Array, images: Array, values: Array) -> None:
        """Add points in order of step; those that are not finite are left out."""
        good = np.isfinite(values)
        new = np.stack((steps, epochs, images, values))[:, good]
        start, end = self._count, self._count + new.shape[1]
        while end > self._data.shape[1]:
            self._data = np.concatenate((self._data, np.empty_like(self._data)), axis=1)
        self._data[:4, start:end] = new
        self._count = end
        self._smooth(start)

    def truncate(self, step: int) -> None:
        """Drop the points after a step."""
        self._count = int(np.searchsorted(self.steps, step, side="right"))

    def set_weight(self, weight: float) -> None:
        """How much of the past a smoothed point keeps, 0 to below 1."""
        if weight != self._weight:
            self._weight = weight
            self._smooth(0)

    @property
    def steps(self) -> Array:
        return self._data[0, : self._count]

    @property
    def raw(self) -> Array:
        return self._data[3, : self._count]

    def along(self, unit: Unit) -> Array:
        """Where the points are on the horizontal axis, a view of (n,)."""
        return self._data[_ROWS[unit], : self._count]

    def smooth(self) -> Array:
        """The exponential moving average, corrected for its short past at the beginning."""
        return self._data[5, : self._count] if self._weight else self.raw

    def _smooth(self, start: int) -> None:
        """Continue s[i] = w s[i - 1] + (1 - w) x[i] from `start`, a block at a time."""
        w, values, sums = self._weight, self.raw, self._data[4]
        if not w or start >= self._count:
            return
        powers = w ** np.arange(_BLOCK + 1)
        lag = np.subtract.outer(np.arange(_BLOCK), np.arange(_BLOCK))
        kernel = (1 - w) * np.where(lag >= 0, powers[np.maximum(lag, 0)], 0.0)
        carry = sums[start - 1] if start else 0.0
        for i in range(start, self._count, _BLOCK):
            part = values[i : i + _BLOCK]
            n = len(part)
            sums[i : i + n] = kernel[:n, :n] @ part + powers[1 : n + 1] * carry
            carry = sums[i + n - 1]
        past = -np.expm1(np.arange(start + 1, self._count + 1) * np.log(w))  # 1 - w^n
        self._data[5, start : self._count] = sums[start : self._count] / past


def decimate(x: Array, y: Array, limit: int = MAX_POINTS) -> tuple[Array, Array]:
    """At most `limit` points that keep every bin's least and greatest, and both ends.

    Args:
        x, y: n points, x ascending.
        limit: at least 4.
    """
    if len(x) <= limit:
        return x, y
    bins = (limit - 2) // 2
    width = -(-len(y) // bins)
    whole = len(y) // width
    blocks = y[: whole * width].reshape(whole, width)
    base = np.arange(whole) * width
    kept = [base + blocks.argmin(axis=1), base + blocks.argmax(axis=1)]
    if whole * width < len(y):
        rest = y[whole * width :]
        kept.append(whole * width + np.array([rest.argmin(), rest.argmax()]))
    index = np.unique(np.concatenate([[0], *kept, [len(y) - 1]]))
    return x[index], y[index]


def visible(x: Array, y: Array, low: float, high: float) -> tuple[Array, Array]:
    """The points with low <= x <= high, and one more on either side so that lines reach the edge."""
    start = max(int(np.searchsorted(x, low)) - 1, 0)
    end = int(np.searchsorted(x, high, side="right")) + 1
    return x[start:end], y[start:end]


def span(points: Array, outliers: bool) -> tuple[float, float]:
    """Least and greatest, of raw points without the outermost hundredth."""
    if outliers or len(points) < 50:
        return float(points.min()), float(points.max())
    low, high = np.percentile(points, (1, 99))
    return float(low), float(high)
