"""How far to go until a label holds: on the code in closed form, on the re-encoded picture by search.

The paper asks for the smallest delta that changes the label. The classifier is linear, so for the code
that is an equation. What counts to a viewer is the picture: E(G(z)) is looked at on a grid, and the
first crossing is narrowed down. NumPy only; the networks come in as a function.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trainer.edits import displacement
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.latent import Floats, Hyperplanes, finite_codes, key_names, sigmoid

GRID = 0.25  # deltas between two looks at the picture
TOLERANCE = 0.01  # how far the found delta may lie beyond the crossing
_TOGETHER = 4  # pictures looked at in one go; those beyond the crossing are for nothing
_BEYOND = 1e-9  # a delta found in closed form is passed by so much, lest rounding undo it

See = Callable[[Floats], ArrayLike]


@dataclass(frozen=True, eq=False)
class Ray:
    """Where an edit goes from any code, how far it may, and what it is to reach.

    Attributes:
        unit: (d,), of length 1.
        bound: the largest delta, above 0.
        wants: attribute -> True for yes, False for no; all of them are to hold.
    """

    unit: Floats
    bound: float
    wants: Mapping[str, bool]

    def at(self, z: ArrayLike, delta: float) -> Floats:
        """The code (d,) that lies `delta` from z (d,)."""
        return np.asarray(z, dtype=np.float64) + delta * self.unit


@dataclass(frozen=True)
class Reach:
    """What a search found.

    Attributes:
        delta: the smallest distance at which all wants hold; else the one at which they nearly did.
        reached: whether they hold there.
        probability: there, of the want that is least sure.
    """

    delta: float
    reached: bool
    probability: float

    def __str__(self) -> str:
        if self.reached:
            return f"reached at distance {self.delta:.2f} with probability {self.probability:.3f}"
        return f"not reached, best was probability {self.probability:.3f} at distance {self.delta:.2f}"


def ray(planes: Hyperplanes, amounts: Mapping[str, float], keep: Iterable[str] = ()) -> Ray:
    """The ray of an edit: the sign of an amount says which label is wanted, its size how far to go at most.

    Several moves go on together in the proportion of their amounts; all their labels are wanted.

    Raises:
        ModelError: as `displacement`, no move at all, moves that cancel, or one label wanted both ways.
    """
    way = displacement(planes, amounts, keep)
    wants: dict[str, bool] = {}
    for key, amount in amounts.items():
        for name in key_names(planes, key) if amount else ():
            if wants.setdefault(name, amount > 0) != (amount > 0):
                raise ModelError(f"{name!r} is wanted both ways; move it in one")
    sizes = [abs(amount) for amount in amounts.values() if amount]
    bound = sizes[0] if len(sizes) == 1 else float(np.linalg.norm(way))
    if not bound > 1e-9 * sum(sizes):
        raise ModelError("there is no way to go until the label holds: the moves are zero, or cancel")
    return Ray(way / bound, bound, wants)


def until_code(z: ArrayLike, planes: Hyperplanes, way: Ray, p: float) -> Reach:
    """The smallest delta in [0, bound] at which C gives every want the probability p, in closed form.

    A margin s (w . z + b) grows by s w . unit for each unit of delta, so that each want holds from a
    delta on, or up to one. Where the bound leaves no common delta, the best one is where the smallest
    margin is largest: at an end, or where two margins meet.

    Args:
        z: (d,).
        planes: K+1 logits on codes (d,).
        way: where to go.
        p: above 0 and below 1.

    Raises:
        ConfigError: p makes no sense.
        ModelError: a code that does not fit or is not finite, or an unknown attribute.
    """
    code, level = _checked(z, planes, p)
    rows = [planes.usable(name) for name in way.wants]
    signs = np.where(list(way.wants.values()), 1.0, -1.0)
    start, slopes = signs * planes.logits(code)[rows], signs * (planes.w[rows] @ way.unit)
    low, high = 0.0, way.bound
    for margin, slope in zip(start, slopes, strict=True):
        if slope > 0:
            low = max(low, (level - margin) / slope + _BEYOND) if margin < level else low
        elif margin < level:
            low = math.inf
        elif slope < 0:
            high = min(high, (level - margin) / slope)
    if low <= high:
        return Reach(low, True, _probability(planes, way, way.at(code, low)))
    meetings = [
        (start[i] - start[j]) / (slopes[j] - slopes[i])
        for i, j in itertools.combinations(range(len(rows)), 2)
        if slopes[i] != slopes[j]
    ]
    ends = [0.0, way.bound, *(float(t) for t in meetings if 0 < t < way.bound)]
    best = max(ends, key=lambda t: (start + t * slopes).min())
    return Reach(best, False, _probability(planes, way, way.at(code, best)))


def until_image(
    z: ArrayLike,
    planes: Hyperplanes,
    way: Ray,
    p: float,
    see: See,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Reach:
    """The first delta in [0, bound] at which the re-encoded picture E(G(z)) has every want at probability p.

    Looks every 0.25 from 0 to the bound, and halves the step before the first delta at which the labels
    hold until it is known to 0.01. A crossing between two looks that is undone before the second is not
    seen. What is returned as reached was looked at by itself: networks round by the size of a batch.

    Args:
        z: (d,).
        planes: K+1 logits on codes (d,).
        way: where to go.
        p: above 0 and below 1.
        see: mu of E(G(z)), (n, d), for codes (n, d).
        progress: told (looks done, looks at most).
        cancelled: asked before each look; true ends the search.

    Raises:
        ConfigError, ModelError: as `until_code`.
        Cancelled: `cancelled` said so.
    """
    code, _ = _checked(z, planes, p)
    grid = [*(GRID * i for i in range(math.ceil(way.bound / GRID))), way.bound]
    halvings = math.ceil(math.log2(GRID / TOLERANCE))
    total, done = len(grid) + 1 + halvings, 0

    def look(deltas: list[float]) -> list[float]:
        nonlocal done
        if cancelled is not None and cancelled():
            raise Cancelled("the search was stopped")
        mu = finite_codes(see(np.stack([way.at(code, t) for t in deltas])), planes.dim)
        done += len(deltas)
        if progress is not None:
            progress(min(done, total), total)
        return [_probability(planes, way, seen) for seen in mu]

    best = (0.0, -1.0)
    for first in range(0, len(grid), _TOGETHER):
        part = grid[first : first + _TOGETHER]
        for i, found in enumerate(look(part)):
            high = part[i]
            if found > best[1]:
                best = (high, found)
            if found < p or (sure := look([high])[0]) < p:
                continue
            low = grid[max(0, first + i - 1)]
            while high - low > TOLERANCE:
                middle = (low + high) / 2
                there = look([middle])[0]
                if there >= p:
                    high, sure = middle, there
                else:
                    low = middle
            if progress is not None:
                progress(total, total)
            return Reach(high, True, sure)
    return Reach(best[0], False, best[1])


def _checked(z: ArrayLike, planes: Hyperplanes, p: float) -> tuple[Floats, float]:
    """The code (d,), and the margin at which its probability is p."""
    if not 0 < p < 1:
        raise ConfigError(f"until = {p}: must be a probability above 0 and below 1")
    code = finite_codes(z, planes.dim)
    if code.ndim != 1:
        raise ModelError(f"codes of shape {code.shape}: a search takes one code ({planes.dim},)")
    return code, math.log(p) - math.log1p(-p)


def _probability(planes: Hyperplanes, way: Ray, code: Floats) -> float:
    """Of the want that is least sure."""
    logits = planes.logits(code)
    margins = [logits[planes.index(name)] * (1 if wanted else -1) for name, wanted in way.wants.items()]
    return float(sigmoid(min(margins)))
