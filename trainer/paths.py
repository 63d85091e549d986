"""The way from one face to another through code space, and its film. NumPy and Pillow only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainer import animation, grid
from trainer.errors import ConfigError, ModelError
from trainer.latent import Floats, finite_codes

KINDS = ("linear", "spherical")
SUFFIXES = animation.SUFFIXES
MAX_STEPS = 1000
_STRAIGHT = 1e-6  # an angle below this is none, and one as near to a half turn has no plane


def path(a: ArrayLike, b: ArrayLike, steps: int, kind: str = "linear") -> Floats:
    """Codes (steps, d) from a (d,) to b (d,), both included, evenly spaced.

    `linear` is the straight line. In many dimensions nearly all codes of the prior lie near a sphere, and the
    middle of the line lies well inside it; `spherical` (Shoemake 1985) turns from one direction to
    the other at an even rate, while the length goes evenly from |a| to |b|.

    Raises:
        ConfigError: an unknown kind, or fewer than 2 steps or more than 1000.
        ModelError: codes that do not fit together or are not finite; for `spherical` a code at the
            origin, or two that are opposite to each other.
    """
    if kind not in KINDS:
        raise ConfigError(f"kind = {kind!r}: choose {' or '.join(KINDS)}")
    if not 2 <= steps <= MAX_STEPS:
        raise ConfigError(f"steps = {steps}: must be from 2 to {MAX_STEPS}")
    if np.ndim(a) != 1 or np.shape(a) != np.shape(b):
        raise ModelError(f"a path joins two codes (d,), not shapes {np.shape(a)} and {np.shape(b)}")
    start, end = finite_codes(np.stack([a, b]), np.size(a))
    share = np.linspace(0.0, 1.0, steps)[:, None]
    codes = (1 - share) * start + share * end
    if kind == "spherical":
        codes = _turn(start, end, share, codes)
    codes[0], codes[-1] = start, end
    return codes


def _turn(start: Floats, end: Floats, share: Floats, straight: Floats) -> Floats:
    lengths = np.linalg.norm([start, end], axis=1)
    if not lengths.all():
        raise ModelError("a code at the origin has no direction to turn from; choose a linear path")
    u, v = start / lengths[0], end / lengths[1]
    # Accurate at every angle, unlike the arc cosine of u . v (Kahan).
    angle = 2 * math.atan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if angle < _STRAIGHT:
        return straight
    if angle > math.pi - _STRAIGHT:
        raise ModelError("the two codes are opposite, so no turn is the shortest; choose a linear path")
    turned = (np.sin((1 - share) * angle) * u + np.sin(share * angle) * v) / math.sin(angle)
    return turned * ((1 - share) * lengths[0] + share * lengths[1])


def save_film(
    images: Sequence[grid.Picture] | grid.Picture,
    target: Path,
    *,
    fps: float = 12.0,
    back: bool = True,
    scale: int = 1,
    recipe: dict[str, Any] | None = None,
) -> None:
    """Write an endless animation by suffix, whole or not at all; see `trainer.animation.save`.

    Args:
        images: uint8 (S, S, 3), at least two, all of one size.
        target: the file.
        fps: frames a second, above 0 and at most 50.
        back: go there and back, so that it does not jump at the end.
        scale: enlarge by whole pixels.
        recipe: JSON-able.

    Raises:
        ConfigError, DataError: as `trainer.animation.save`.
    """
    animation.check_suffix(Path(target))
    style = grid.GridStyle(padding=0, scale=scale)
    frames = (grid.compose([[images[i]]], style) for i in animation.order(len(images), back))
    animation.save(frames, Path(target), fps=fps, recipe=recipe)
