"""The truth that avatars have: the same face, drawn again with only one attribute's option changed.

A label can often be had in several ways: there are five pairs of glasses in up to five colours. An edit is
held against the one that comes nearest to it. No torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.data import avatars
from trainer.data.transforms import prepare
from trainer.errors import Cancelled, DataError
from trainer.metrics.pictures import Images

Options = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Truths:
    """What N faces look like after a perfect edit.

    Attributes:
        images: (N, S, S, 3) uint8.
        changed: (N, S, S) bool, the pixels in which a truth differs from the face as it was drawn.
        options: how each was drawn.
        choices: (N,) how many ways there were.
    """

    images: Images
    changed: NDArray[np.bool_]
    options: tuple[dict[str, Any], ...]
    choices: NDArray[np.int64]


def alternatives(options: Options, attribute: str, wanted: bool) -> list[dict[str, Any]]:
    """Every way to give a face the wanted label by its own option and that option's colour alone.

    Removing glasses or facial hair leaves none of it, so that there is one way; under a hat may be any
    haircut, and a face that smiles no longer may look in several ways. Colours are those in which the
    generator draws on this skin. A face that has the label already is its own only alternative.

    Args:
        options: as `trainer.data.avatars.options_for` gives them.
        attribute: one of `trainer.data.avatars.ATTRIBUTES`.
        wanted: the label.

    Raises:
        DataError: an attribute that avatars do not have.
    """
    if attribute not in avatars.ATTRIBUTES:
        known = ", ".join(avatars.ATTRIBUTES)
        raise DataError(f"{attribute!r} is no attribute of avatars, so it has no truth; they have {known}")
    if avatars.labels_of(dict(options))[attribute] == wanted:
        return [dict(options)]
    changes = _ways(options, attribute, wanted)
    return [
        {**options, **dict(zip(changes, values, strict=True))}
        for values in itertools.product(*changes.values())
    ]


def _ways(options: Options, attribute: str, wanted: bool) -> dict[str, tuple[Any, ...]]:
    """The values that each option may take."""
    skin = options["skinColor"]
    if attribute == "Eyeglasses":
        if not wanted:
            return {"accessories": (None,)}
        return {"accessories": avatars._GLASSES, "accessoriesColor": avatars._FRAMES_ON[skin]}
    if attribute == "Hat":
        if not wanted:
            return {"top": avatars._HAIRCUTS}
        bearded = options["facialHair"] is not None
        hats = tuple(hat for hat in avatars._HEADWEAR if not (bearded and hat == "hijab"))
        return {"top": hats, "hatColor": avatars._HATS}
    if attribute == "Smiling":
        return {"mouth": avatars._SMILES if wanted else avatars._NO_SMILES}
    if not wanted:
        return {"facialHair": (None,)}
    hairs = {
        "Mustache": avatars._MUSTACHES,
        "Beard": avatars._FULL_BEARDS,
        "FacialHair": avatars._FULL_BEARDS + avatars._MUSTACHES,
    }[attribute]
    colours = tuple(dict.fromkeys((options["hairColor"], *avatars._HAIRS_ON[skin])))
    return {"facialHair": hairs, "facialHairColor": colours}


def redraw(options: Options, size: int, crop: str = "none") -> Images:
    """A face (S, S, 3) as the data set has it; crops other than `none` and `square` cut a larger drawing.

    Raises:
        DataError: an unknown crop.
    """
    if crop in ("none", "square"):
        return avatars.draw(dict(options), size)
    return prepare(Image.fromarray(avatars.draw(dict(options), 2 * size)), size, crop)


def nearest(
    options: Sequence[Options],
    attribute: str,
    wanted: bool,
    images: Images,
    crop: str = "none",
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Truths:
    """For each edited picture, the true counterfactual with the smallest mean absolute difference.

    Args:
        options: of N faces, as they were drawn.
        attribute, wanted: see `alternatives`.
        images: (N, S, S, 3) uint8, the edits.
        crop: how the faces were cut.
        progress: told (faces done, N).
        cancelled: asked before each face.

    Raises:
        DataError: as `alternatives`, or counts that differ.
        Cancelled: `cancelled` said so.
    """
    if images.ndim != 4 or len(options) != len(images):
        raise DataError(f"{len(options)} faces and pictures of shape {images.shape} do not fit together")
    size = images.shape[1]
    truths, changed = np.empty_like(images), np.empty(images.shape[:3], np.bool_)
    chosen, choices = [], np.empty(len(images), np.int64)
    for i, (face, image) in enumerate(zip(options, images, strict=True)):
        if cancelled is not None and cancelled():
            raise Cancelled("drawing the true edits was stopped")
        ways = alternatives(face, attribute, wanted)
        drawn = [redraw(way, size, crop) for way in ways]
        apart = [int(np.abs(image.astype(np.int16) - one).sum(dtype=np.int64)) for one in drawn]
        best = int(np.argmin(apart))
        truths[i], choices[i] = drawn[best], len(ways)
        changed[i] = (drawn[best] != redraw(face, size, crop)).any(axis=-1)
        chosen.append(ways[best])
        if progress is not None:
            progress(i + 1, len(images))
    return Truths(truths, changed, tuple(chosen), choices)


def grow(region: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """Regions (N, S, S) with all that lies at most so many pixels from them, along rows and columns."""
    padded = np.pad(region, ((0, 0), (pixels, pixels), (pixels, pixels)))
    wide = np.zeros_like(region)
    tall, across = region.shape[1:]
    for y, x in itertools.product(range(2 * pixels + 1), repeat=2):
        wide |= padded[:, y : y + tall, x : x + across]
    return wide
