"""The way from one face to another through code space, and its film. NumPy and Pillow only."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainer import grid
from trainer.errors import ConfigError, DataError, ModelError
from trainer.files import atomic_file
from trainer.latent import Floats, finite_codes

KINDS = ("linear", "spherical")
SUFFIXES = (".gif", ".webp")
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


def check_film_suffix(target: Path) -> None:
    """Refuse what `save_film` cannot write.

    Raises:
        DataError: another suffix.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise DataError(f"{target}: cannot save as {target.suffix!r}; choose {' or '.join(SUFFIXES)}")


def save_film(
    images: Sequence[grid.Picture] | grid.Picture,
    target: Path,
    *,
    fps: float = 12.0,
    back: bool = True,
    scale: int = 1,
    recipe: dict[str, Any] | None = None,
) -> None:
    """Write an endless animation, GIF or WebP by suffix, whole or not at all.

    GIF has 256 colours a frame and knows hundredths of a second; WebP is lossless here. The recipe goes
    into GIF's comment or WebP's EXIF as JSON.

    Args:
        images: uint8 (S, S, 3), at least two, all of one size.
        target: the file.
        fps: frames a second, above 0 and at most 50.
        back: go there and back, so that it does not jump at the end.
        scale: enlarge by whole pixels.
        recipe: JSON-able.

    Raises:
        ConfigError: a rate or scale that makes no sense.
        DataError: another suffix, pictures that do not fit together, or a path that cannot be written.
    """
    target = Path(target)
    check_film_suffix(target)
    if not 0 < fps <= 50:
        raise ConfigError(f"fps = {fps}: must be above 0 and at most 50")
    if len(images) < 2:
        raise DataError(f"an animation needs at least two pictures, not {len(images)}")
    style = grid.GridStyle(padding=0, scale=scale)
    frames = [grid.compose([[image]], style) for image in images]
    if len({frame.size for frame in frames}) > 1:
        raise DataError("an animation needs pictures of one size")
    if back:
        frames += frames[-2:0:-1]
    options: dict[str, Any] = {"save_all": True, "duration": round(1000 / fps), "loop": 0}
    try:
        if target.suffix.lower() == ".gif":
            options |= {"format": "GIF", "disposal": 1} | _comment(recipe)
        else:
            options |= {"format": "WEBP", "lossless": True} | (
                {} if recipe is None else grid.exif_note(recipe)
            )
        with atomic_file(target) as file:
            frames[0].save(file, append_images=frames[1:], **options)
    except ValueError as error:
        raise DataError(f"{target}: cannot be written ({error})") from error


def _comment(recipe: dict[str, Any] | None) -> dict[str, Any]:
    if recipe is None:
        return {}
    return {"comment": json.dumps({grid.RECIPE_KEY: recipe}, allow_nan=False).encode("ascii")}
