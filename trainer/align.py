"""Where a model's crop lies in a photo: a turned box, set by hand or by where the eyes are.

A box and two eyes say the same: a similarity transform (shift, scale, turn) between the photo and the
square that a model sees. Places in that square are parts of its side, from the top left.

Sources: CelebA's pictures are aligned by the landmarks of their faces (Liu et al., ICCV 2015), after which
the eyes are near (69.5, 111.5) and (107.8, 111.5) of 178 x 218; FFHQ's crop is four times as wide as the
eyes are apart, and the eyes are above its middle by a tenth of their distance to the mouth (Karras et al.,
CVPR 2019). Where the eyes of the drawn faces are was read off the drawings.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
from PIL import Image

from trainer.errors import DataError

Point = tuple[float, float]

CELEBA_SIZE = (178, 218)
CELEBA_EYES: tuple[Point, Point] = ((69.5, 111.5), (107.8, 111.5))
AVATAR_EYES: tuple[Point, Point] = ((0.3452, 0.4881), (0.6548, 0.4881))  # parts of the side
OTHER_EYES: tuple[Point, Point] = ((0.375, 0.472), (0.625, 0.472))
LEAST_SIDE = 4.0  # pixels of a photo
MOST_ASPECT = 8.0  # of a box that is read; what is drawn grows with it
_CENTER_SIDE = 148 / 178
_LANCZOS = Image.Resampling.LANCZOS


@dataclass(frozen=True)
class Box:
    """A crop of a photo.

    Attributes:
        x: of its middle, in pixels of the photo.
        y: of its middle.
        side: its width in pixels.
        angle: by which it is turned, clockwise, in degrees.
        aspect: its height as a part of its width; the model sees it as a square all the same.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0
    aspect: float = 1.0

    @classmethod
    def of_eyes(cls, left: Point, right: Point, target: Target) -> Box:
        """The box in which these eyes (pixels of the photo) are where the model expects them.

        Raises:
            DataError: the eyes are one point, or not finite.
        """
        seen = complex(*right) - complex(*left)
        wanted = [complex(x - 0.5, (y - 0.5) * target.aspect) for x, y in (target.left, target.right)]
        if not cmath.isfinite(complex(*left)) or not cmath.isfinite(seen) or abs(seen) < 1e-6:
            raise DataError(f"eyes at {left} and {right}: they must be two different places")
        turn = seen / (wanted[1] - wanted[0])
        middle = complex(*left) - turn * wanted[0]
        angle = math.degrees(cmath.phase(turn))
        return cls(middle.real, middle.imag, max(abs(turn), LEAST_SIDE), angle, target.aspect)

    @classmethod
    def from_note(cls, note: object) -> Box:
        """The box that `note` made.

        Raises:
            DataError: it is no box.
        """
        names = [field.name for field in fields(cls)]
        try:
            assert isinstance(note, Mapping)
            box = cls(**{name: float(note[name]) for name in names})
        except (AssertionError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{note!r:.80}: no crop; it needs the numbers {', '.join(names)}") from error
        if not all(map(math.isfinite, asdict(box).values())) or box.side < LEAST_SIDE:
            raise DataError(f"{note!r:.80}: no crop; its side must be at least {LEAST_SIDE:g} pixels")
        if not 1 / MOST_ASPECT <= box.aspect <= MOST_ASPECT:
            raise DataError(f"{note!r:.80}: no crop; its aspect must be 1/{MOST_ASPECT:g} to {MOST_ASPECT:g}")
        return box

    def note(self) -> dict[str, float]:
        """As JSON, to the last digit: the same pixels come of it again."""
        return asdict(self)

    def place(self, point: Point) -> Point:
        """Where a place of the square is in the photo."""
        turn = cmath.rect(self.side, math.radians(self.angle))
        at = complex(self.x, self.y) + turn * complex(point[0] - 0.5, (point[1] - 0.5) * self.aspect)
        return at.real, at.imag

    def part(self, point: Point) -> Point:
        """Where a pixel of the photo is in the square."""
        turn = cmath.rect(self.side, math.radians(self.angle))
        at = (complex(*point) - complex(self.x, self.y)) / turn
        return at.real + 0.5, at.imag / self.aspect + 0.5

    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Top left, top right, bottom right and bottom left, in pixels of the photo."""
        left_top, right_top, right_low, left_low = (0, 0), (1, 0), (1, 1), (0, 1)
        return self.place(left_top), self.place(right_top), self.place(right_low), self.place(left_low)

    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, right and lower edge of the box as if it were not turned."""
        wide, high = self.side / 2, self.side * self.aspect / 2
        return self.x - wide, self.y - high, self.x + wide, self.y + high

    def inside(self, width: float, height: float) -> bool:
        """Whether the box, as if it were not turned, lies in a photo of this size."""
        left, top, right, low = self.frame()
        return min(left, top) > -1e-6 and right < width + 1e-6 and low < height + 1e-6

    def scaled(self, factor: float) -> Box:
        """The same box in the photo at another size."""
        return replace(self, x=self.x * factor, y=self.y * factor, side=self.side * factor)


@dataclass(frozen=True)
class Target:
    """Where a model expects the eyes, as parts of the square's sides, and the shape of its crop.

    Attributes:
        left: the eye on the left of the picture.
        right: the other.
        aspect: height of the crop as a part of its width, in a photo that nobody has squashed.
        source: what the model was trained on, in a word.
    """

    left: Point
    right: Point
    aspect: float = 1.0
    source: str = "other"


def target_of(data: str, crop: str) -> Target:
    """Where a model expects the eyes.

    Args:
        data: what it was trained on, as its card says: `celeba...`, `avatars...` or else.
        crop: a name in `trainer.data.transforms.CROPS`.
    """
    kind = data.partition(":")[0]
    if kind == "celeba" or (crop in ("center", "introvac") and kind not in ("avatars", "folder")):
        box, eyes, kind = centred(*CELEBA_SIZE, crop), CELEBA_EYES, "celeba"
    else:
        kind = kind if kind == "avatars" else "other"
        box, eyes = centred(1, 1, crop), AVATAR_EYES if kind == "avatars" else OTHER_EYES
    return Target(box.part(eyes[0]), box.part(eyes[1]), box.aspect, kind)


def centred(width: float, height: float, crop: str) -> Box:
    """The box that `trainer.data.transforms.prepare` cuts from a picture of this size."""
    if crop == "introvac":  # 192 of 256, of either side
        return Box(width / 2, height / 2, width * 0.75, aspect=height / width)
    side = min(width, height)
    if crop == "center":
        side = min(side, width * _CENTER_SIDE)
    return Box(width / 2, height / 2, side)


def cut(image: Image.Image, box: Box, size: int) -> np.ndarray:
    """What a model sees of a photo.

    Args:
        image: RGB, upright.
        box: in its pixels; what lies outside of the photo continues its edge, as in CelebA's pictures.
        size: S, the side in pixels.

    Returns:
        (S, S, 3) uint8. A box that is not turned and lies inside is resampled as
        `trainer.data.transforms.prepare` does.
    """
    if box.angle == 0 and box.inside(*image.size):
        left, top, right, low = box.frame()
        part = (max(left, 0), max(top, 0), min(right, image.width), min(low, image.height))
        return np.array(image.resize((size, size), _LANCZOS, box=part, reducing_gap=3.0))
    patch, corner, x, y = _around(image, box, 4 * size)
    turn = cmath.rect(box.side / (4 * size), math.radians(box.angle))
    rows = (  # from the middles of drawn pixels to places in the patch
        turn.real * x, -turn.imag * box.aspect * x, corner[0],
        turn.imag * y, turn.real * box.aspect * y, corner[1],
    )  # fmt: skip
    fine = (4 * size, 4 * size)
    drawn = patch.transform(fine, Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC)
    return np.array(drawn.resize((size, size), _LANCZOS))


def _around(image: Image.Image, box: Box, fine: int) -> tuple[Image.Image, Point, float, float]:
    """The part of a photo that a turned box needs, no finer than `fine` pixels a side, its edge continued.

    Gives the box's top left corner in it too, and its scales across and down.
    """
    xs, ys = zip(*box.corners(), strict=True)
    margin = 4 + box.side / 50
    left, top = max(0, math.floor(min(xs) - margin)), max(0, math.floor(min(ys) - margin))
    left, top = min(left, image.width - 1), min(top, image.height - 1)
    right = min(max(math.ceil(max(xs) + margin), left + 1), image.width)
    low = min(max(math.ceil(max(ys) + margin), top + 1), image.height)
    part = image.crop((left, top, right, low))
    factor = min(1.0, fine / min(box.side, box.side * box.aspect))
    width, height = (max(1, round(n * factor)) for n in part.size)
    x, y = width / part.width, height / part.height
    if factor < 1:
        part = part.resize((width, height), _LANCZOS, reducing_gap=3.0)
    across, down = [(v - left) * x for v in xs], [(v - top) * y for v in ys]
    before = max(0, math.ceil(4 - min(across))), max(0, math.ceil(4 - min(down)))
    after = max(0, math.ceil(4 + max(across) - width)), max(0, math.ceil(4 + max(down) - height))
    if any((*before, *after)):
        edges = ((before[1], after[1]), (before[0], after[0]), (0, 0))
        part = Image.fromarray(np.pad(np.asarray(part), edges, "edge"))
    return part, (across[0] + before[0], down[0] + before[1]), x, y
