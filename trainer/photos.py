"""A user's photo: read whatever it is, cropped as a model sees it, noted so that it can be cropped again."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from trainer import align, face_detector, grid
from trainer.align import Box, Target
from trainer.data.transforms import SUFFIXES, open_image, prepare, upright_rgb
from trainer.errors import DataError
from trainer.face_detector import DetectedFace

PHOTO_SUFFIXES = frozenset(SUFFIXES | {".avif", ".heic", ".heif", ".jfif", ".jpe", ".ppm", ".tga"})
PASTED = "pasted"  # the file of a photo that has none
_WIDEST = 16  # of a crop that is read, as a multiple of the photo's longer side; what is drawn grows with it
_ALIKE = 0.002  # shares by which a photo may differ from the shape of the training pictures


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture that is upright and RGB.

    Attributes:
        image: its pixels.
        name: what to call it.
        file: where it was read from; None for one that was pasted.
        key: tells it from other photos without a file.
    """

    image: Image.Image
    name: str
    file: Path | None = None
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    _smaller: dict[int, Image.Image] = field(default_factory=dict, repr=False)

    def smaller(self, wide: float) -> Image.Image:
        """The picture at a half, a quarter, ... of its sides, with no fewer than `wide` pixels across."""
        part = 1
        while self.image.width / (2 * part) >= max(wide, 1) and part < 64:
            part *= 2
        if part == 1:
            return self.image
        if part not in self._smaller:
            self._smaller[part] = self.image.reduce(part)
        return self._smaller[part]

    @property
    def size(self) -> tuple[int, int]:
        return self.image.size

    def fits(self, crop: str) -> bool:
        """Whether it has the shape of the pictures that a model with this crop was trained on."""
        width, height = self.image.size
        shape = align.CELEBA_SIZE if crop in ("center", "introvac") else (1, 1)
        return abs(width * shape[1] / (height * shape[0]) - 1) < _ALIKE


def open_photo(source: Path | bytes, name: str = "") -> Photo:
    """Read a photo.

    Raises:
        DataError: as `trainer.data.transforms.open_image`.
    """
    file = None if isinstance(source, bytes) else Path(source)
    return Photo(upright_rgb(open_image(source)), name or (file.name if file else PASTED), file)


def preview(photo: Photo, side: int) -> np.ndarray:
    """The photo (H, W, 3) with no side longer than `side` pixels."""
    factor = min(1.0, side / max(photo.size))
    if factor == 1:
        return np.asarray(photo.image)
    width, height = (max(1, round(n * factor)) for n in photo.size)
    return np.asarray(photo.smaller(width).resize((width, height), Image.Resampling.BICUBIC))


def own_crop(crop: str) -> str:
    """How a model with this setting crops a photo; one that takes pictures as they are wants a square."""
    return "square" if crop == "none" else crop


def crop_photo(photo: Photo, size: int, crop: str, box: Box | None = None) -> np.ndarray:
    """The square (S, S, 3) that a model sees: of a box, else the middle as its training data was cropped."""
    if box is None:
        return prepare(photo.image, size, own_crop(crop))
    if box.angle == 0 and box.inside(*photo.size):
        return align.cut(photo.image, box, size)
    small = photo.smaller(photo.image.width * 4 * size / min(box.side, box.side * box.aspect))
    return align.cut(small, box.scaled(small.width / photo.image.width), size)


def start_box(photo: Photo, crop: str) -> Box:
    """The box that `crop_photo` takes when none is given."""
    return align.centred(*photo.size, own_crop(crop))


def align_photo(photo: Photo, target: Target) -> tuple[Box, ...]:
    """A box for every face that is found, the largest face first.

    Raises:
        ConfigError: the extra `align` is not installed.
    """
    return boxes_of(face_detector.detect(photo.image), target)


def boxes_of(faces: list[DetectedFace], target: Target) -> tuple[Box, ...]:
    """The boxes in which the eyes of faces are where a model expects them."""
    return tuple(Box.of_eyes(face.left_eye, face.right_eye, target) for face in faces)


def aligned(photo: Photo, target: Target) -> Box:
    """The box of the largest face.

    Raises:
        DataError: there is no face.
        ConfigError: the extra `align` is not installed.
    """
    boxes = align_photo(photo, target)
    if not boxes:
        raise DataError(f"{photo.file or photo.name}: no face was found; crop it by hand, or take its middle")
    return boxes[0]


def note(photo: Photo, crop: str, box: Box | None) -> dict[str, Any]:
    """What a face's recipe says of the photo, as JSON: enough for `redo`."""
    made: dict[str, Any] = {"face": "photo", "file": str(photo.file or PASTED), "crop": own_crop(crop)}
    if photo.file is None:
        made["pasted"] = photo.key
    if box is not None:
        made |= {"box": box.note(), "of": list(photo.size)}
    return made


def box_of(recipe: Mapping[str, Any], photo: Photo) -> Box | None:
    """The box that a recipe notes, in pixels of the photo as it is now; None where it took the middle.

    Raises:
        DataError: the note is no box, or of a picture of another shape.
    """
    if recipe.get("box") is None:
        return None
    box = Box.from_note(recipe["box"])
    try:
        width, height = (float(side) for side in recipe["of"])
        factor = photo.image.width / width
        alike = width > 0 and abs(height * factor / photo.image.height - 1) < _ALIKE
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise DataError(f"{photo.name}: its crop does not say of what size the picture was") from error
    if not alike:
        raise DataError(
            f"{photo.name}: was {width:g} x {height:g} pixels when it was cropped, and is another now"
        )
    if not (-box.side <= box.x <= width + box.side and -box.side <= box.y <= height + box.side):
        raise DataError(f"{photo.name}: its crop lies outside of the picture; crop it again")
    if box.side > _WIDEST * max(width, height):
        raise DataError(f"{photo.name}: its crop is far wider than the picture; crop it again")
    return box.scaled(factor)


def redo(recipe: Mapping[str, Any], size: int) -> np.ndarray:
    """The square (S, S, 3) that a face's recipe was made of, from the photo's file.

    Raises:
        DataError: it names no file, or one on another machine; the file is gone or another one by now; or
            its crop is no crop.
    """
    file = recipe.get("file")
    if recipe.get("face") != "photo" or not isinstance(file, str) or file == PASTED:
        raise DataError("the recipe names no photo that could be read again")
    if file[:2].replace("\\", "/") == "//":  # a picture from anyone must not make Windows log in anywhere
        raise DataError(f"{file}: on another machine; open the photo itself")
    photo = open_photo(Path(file))
    return crop_photo(photo, size, str(recipe.get("crop", "square")), box_of(recipe, photo))


def png(image: np.ndarray, recipe: Mapping[str, Any] | None = None, scale: int = 1) -> bytes:
    """A picture (H, W, 3) as a PNG with its recipe inside, every pixel `scale` times as wide and high."""
    info = None
    if recipe is not None:
        info = PngImagePlugin.PngInfo()
        info.add_itxt(grid.RECIPE_KEY, json.dumps(recipe, ensure_ascii=False, allow_nan=False))
    large = image.repeat(scale, 0).repeat(scale, 1)
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, "PNG", pnginfo=info, compress_level=1)
    return stream.getvalue()
