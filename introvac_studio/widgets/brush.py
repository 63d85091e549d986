"""Brushing over points: a rectangle or a lasso while it is drawn, and which points lie inside it."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import Qt

Floats = NDArray[np.float64]
Point = tuple[float, float]

_FINE = 2.0  # pixels between two corners of a lasso


class Tool(Enum):
    """What a drag over the points does."""

    MOVE = "move"
    RECTANGLE = "rectangle"
    LASSO = "lasso"


class Mode(Enum):
    """What becomes of the group that was there."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


def mode_of(modifiers: Qt.KeyboardModifier) -> Mode:
    """Shift adds, Alt or Ctrl removes."""
    if modifiers & (Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ControlModifier):
        return Mode.REMOVE
    return Mode.ADD if modifiers & Qt.KeyboardModifier.ShiftModifier else Mode.REPLACE


def combined(before: NDArray[np.intp], rows: NDArray[np.intp], mode: Mode) -> NDArray[np.intp]:
    """A group after another was brushed, ascending."""
    if mode is Mode.ADD:
        return np.union1d(before, rows)
    return np.setdiff1d(before, rows) if mode is Mode.REMOVE else np.unique(rows)


def inside(points: ArrayLike, corners: ArrayLike) -> NDArray[np.bool_]:
    """Which points (N, 2) lie in the polygon with these corners (n, 2): even-odd rule, (N,).

    A point lies inside where a ray from it to the right crosses an odd number of edges.
    """
    xy, shape = np.asarray(points, dtype=np.float64), np.asarray(corners, dtype=np.float64)
    found = np.zeros(len(xy), dtype=bool)
    if len(shape) < 3 or not len(xy):
        return found
    x, y = xy[:, 0], xy[:, 1]
    near = (xy >= shape.min(axis=0)).all(axis=1) & (xy <= shape.max(axis=0)).all(axis=1)
    x, y = x[near], y[near]
    odd = np.zeros(len(x), dtype=bool)
    for (x0, y0), (x1, y1) in zip(shape, np.roll(shape, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    found[near] = odd
    return found


class Stroke:
    """A shape that is being drawn; points are of the plane, lengths on screen in pixels."""

    def __init__(self, tool: Tool, start: Point, mode: Mode) -> None:
        self.tool, self.mode = tool, mode
        self._points = [start]

    def extend(self, to: Point, unit: Point) -> None:
        """Draw on to a point; `unit` is what a pixel measures."""
        if self.tool is Tool.RECTANGLE:
            self._points[1:] = [to]
            return
        last = self._points[-1]
        if np.hypot((to[0] - last[0]) / unit[0], (to[1] - last[1]) / unit[1]) >= _FINE:
            self._points.append(to)

    @property
    def corners(self) -> Floats:
        """(n, 2) of the shape as it is now."""
        if self.tool is Tool.LASSO or len(self._points) < 2:
            return np.array(self._points)
        (x0, y0), (x1, y1) = self._points
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
