"""Figure 3: a latent space of two dimensions, its codes by label, its hyperplane, and what it decodes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from trainer.latent import Floats, Hyperplanes, Line2, clip_line
from trainer.metrics.estimate import estimate
from trainer.reproduce.desk import Desk, Images
from trainer.reproduce.edited import share
from trainer.reproduce.models import FLAT
from trainer.reproduce.record import Made, Picture, Table

Ink = tuple[int, int, int]

# Of Okabe and Ito, told apart by people with any colour vision; each class also has a shape of its own.
_COLOURS: tuple[Ink, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))
_LINES: tuple[Ink, ...] = ((0, 0, 0), (110, 110, 110))
_SIDE, _MARGIN, _FONT, _DOT = 840, 64, 18, 4  # px of the picture
_FINE = 2  # drawn so many times larger, then made smaller, for smooth edges
_TILES = 13
_SHOWN = 2000  # codes in the picture
_LEAST, _MOST = 3.0, 8.0  # how far from the centre the plane is shown


def plane(desk: Desk) -> Made:
    """Codes of held-out faces by label, and faces decoded from a grid over the same square."""
    codec = desk.codec(FLAT)
    faces = desk.faces(codec)
    rows = faces.measured(faces.splits.reported)
    names = tuple(name for name in codec.planes.attributes if name in faces.attributes)[:2]
    codes = desk.encode(codec, faces, rows).astype(np.float64)
    labels = faces.of(names, rows)
    lines = [(name, _line(codec.planes, name)) for name in names]
    reach = float(np.clip(np.ceil(np.quantile(np.abs(codes), 0.995)), _LEAST, _MOST))
    some = np.random.default_rng([desk.settings.seed, 3]).permutation(len(codes))[:_SHOWN]
    centres = (np.arange(_TILES) + 0.5) / _TILES * 2 * reach - reach
    grid = np.stack(np.meshgrid(centres, centres[::-1]), axis=-1).reshape(-1, 2)
    tiles = np.concatenate([codec.decode(part) for part in desk.parts(grid.astype(np.float32))])
    right = (codec.planes.logits(codes)[:, : len(names)] > 0) == (labels == 1)
    found = {
        name: asdict(estimate(column.astype(np.float64), desk.settings.seed))
        for name, column in zip(names, right.T, strict=True)
    }
    table = Table(
        "Labels read off the code",
        ("Attribute", "Faces", "Right"),
        tuple((name, str(len(rows)), share(one)) for name, one in found.items()),
    )
    outside = int((np.abs(codes).max(axis=1) > reach).sum())
    note = f"{outside} of {len(codes)} codes lie outside the picture." if outside else ""
    return Made(
        [
            Picture(
                "plane-codes",
                "Codes by label",
                f"mu of {len(some)} held-out faces. On the line the classifier gives 1/2; the dashed circle "
                "holds 95 % of the prior.",
                scatter(codes[some], _classes(names, labels[some]), lines, reach),
            ),
            Picture(
                "plane-faces",
                "Decoded over the plane",
                "Each face is decoded from the code at its centre; the square and the line are those of the "
                "picture before.",
                tiled(tiles, lines, reach),
            ),
        ],
        [table],
        [note] if note else [],
        {"right": found, "reach": reach},
    )


@dataclass(frozen=True, eq=False)
class Class:
    """Codes that share their labels.

    Attributes:
        name: for the legend.
        where: (N,) which they are.
    """

    name: str
    where: NDArray[np.bool_]


def _classes(names: Sequence[str], labels: NDArray[np.int8]) -> list[Class]:
    """Every combination of labels that occurs."""
    found = []
    for code in range(2 ** len(names)):
        wanted = [(code >> k) & 1 for k in range(len(names))]
        having = [name for name, value in zip(names, wanted, strict=True) if value]
        where = (labels == np.array(wanted)).all(axis=1)
        if where.any():
            found.append(Class(" and ".join(having) or f"no {' or '.join(names)}", where))
    return found


def _line(planes: Hyperplanes, name: str) -> Line2:
    row = planes.usable(name)
    return Line2(float(planes.w[row, 0]), float(planes.w[row, 1]), float(planes.b[row]))


class _Canvas:
    """A square of code space with axes, beside a legend; lengths in pixels of the finished picture."""

    def __init__(self, reach: float, legend: Sequence[str]) -> None:
        self.reach, self.side = reach, _SIDE * _FINE
        self.font = ImageFont.load_default(_FONT * _FINE)
        ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        wide = max((math.ceil(ruler.textlength(text, font=self.font)) for text in legend), default=0)
        self.left = self.top = _MARGIN * _FINE
        beside = (wide + 72 * _FINE) if legend else 48 * _FINE
        self.image = Image.new(
            "RGB", (self.left + self.side + beside, self.top + self.side + 48 * _FINE), "white"
        )
        self.pen = ImageDraw.Draw(self.image)
        self.legend_x, self._legend_y = self.left + self.side + 24 * _FINE, self.top + 12 * _FINE

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point of code space, y upwards."""
        unit = self.side / (2 * self.reach)
        return self.left + (x + self.reach) * unit, self.top + (self.reach - y) * unit

    def next_entry(self, text: str) -> tuple[float, float]:
        """Write an entry of the legend; where its sign goes."""
        x, y = self.legend_x, self._legend_y
        self.pen.text((x + 34 * _FINE, y), text, fill=(0, 0, 0), font=self.font, anchor="lm")
        self._legend_y += 30 * _FINE
        return x + 12 * _FINE, y

    def axes(self) -> None:
        """The frame, ticks at whole numbers and their names."""
        ink = (90, 90, 90)
        low, high = self.at(-self.reach, -self.reach), self.at(self.reach, self.reach)
        self.pen.rectangle((low[0], high[1], high[0], low[1]), outline=ink, width=_FINE)
        step = 1 if self.reach <= 5 else 2
        ticks = [t for t in range(-math.floor(self.reach), math.floor(self.reach) + 1) if t % step == 0]
        for tick in ticks:
            text = str(tick)
            x, y = self.at(tick, -self.reach)
            self.pen.line((x, y, x, y + 6 * _FINE), fill=ink, width=_FINE)
            self.pen.text((x, y + 10 * _FINE), text, fill=ink, font=self.font, anchor="ma")
            x, y = self.at(-self.reach, tick)
            self.pen.line((x - 6 * _FINE, y, x, y), fill=ink, width=_FINE)
            self.pen.text((x - 10 * _FINE, y), text, fill=ink, font=self.font, anchor="rm")
        self.pen.text((low[0] + self.side + 14 * _FINE, low[1]), "z1", fill=ink, font=self.font, anchor="lm")
        self.pen.text((self.left, self.top - 12 * _FINE), "z2", fill=ink, font=self.font, anchor="ls")

    def line(self, line: Line2, ink: Ink, width: int, dashed: bool) -> None:
        """The part of a hyperplane that is in the square; nothing where it passes beside it."""
        if math.hypot(line.nx, line.ny) == 0:
            return
        ends = clip_line(line, -self.reach, self.reach, -self.reach, self.reach)
        if ends is not None:
            self.stroke([self.at(*ends[0]), self.at(*ends[1])], ink, width, dashed)

    def stroke(self, points: Sequence[tuple[float, float]], ink: Ink, width: int, dashed: bool) -> None:
        """A line from the first of two points to the second."""
        (x0, y0), (x1, y1) = points
        length = math.hypot(x1 - x0, y1 - y0)
        parts = max(1, round(length / (16 * _FINE))) if dashed else 1
        for i in range(parts):
            a, b = i / parts, (i + (0.6 if dashed else 1.0)) / parts
            ends = (x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0))
            self.pen.line(ends, fill=ink, width=width * _FINE)

    def finished(self) -> Image.Image:
        """The picture at its size."""
        width, height = self.image.size
        return self.image.resize((width // _FINE, height // _FINE), Image.Resampling.LANCZOS)


def _marker(pen: ImageDraw.ImageDraw, x: float, y: float, shape: int, ink: Ink, size: float) -> None:
    """A disc, a square, a triangle or a diamond."""
    if shape == 0:
        pen.ellipse((x - size, y - size, x + size, y + size), fill=ink)
        return
    corners: dict[int, Any] = {
        1: [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        2: [(0, -1.2), (1.1, 0.9), (-1.1, 0.9)],
        3: [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    }
    pen.polygon([(x + size * a, y + size * b) for a, b in corners[shape % 4]], fill=ink)


def scatter(
    codes: Floats, classes: Sequence[Class], lines: Sequence[tuple[str, Line2]], reach: float
) -> Image.Image:
    """Codes (N, 2) by class, the hyperplanes, and the circle that holds 95 % of the prior.

    Args:
        reach: half the side of the square of code space.
    """
    texts = [f"{one.name} ({int(one.where.sum())})" for one in classes]
    canvas = _Canvas(reach, [*texts, *(_title(name) for name, _ in lines), "95 % of the prior"])
    within = np.abs(codes).max(axis=1) <= reach
    order = np.random.default_rng(0).permutation(len(codes))  # so that no class covers another
    shapes = np.zeros(len(codes), np.int64)
    for number, one in enumerate(classes):
        shapes[one.where] = number
    for i in order[within[order]]:
        shape = int(shapes[i])
        x, y = canvas.at(*codes[i])
        _marker(canvas.pen, x, y, shape, _COLOURS[shape % 4], _DOT * _FINE)
    for number, text in enumerate(texts):
        x, y = canvas.next_entry(text)
        _marker(canvas.pen, x, y, number, _COLOURS[number % 4], 1.6 * _DOT * _FINE)
    _hyperplanes(canvas, lines, _LINES, 3)
    radius = math.sqrt(-2 * math.log(0.05))  # of two independent standard normals
    if radius < reach:
        turns = np.linspace(0, 2 * math.pi, 121)
        ring = [canvas.at(radius * math.cos(t), radius * math.sin(t)) for t in turns]
        for a, b in zip(ring[::2], ring[1::2], strict=False):
            canvas.stroke([a, b], (90, 90, 90), 1, False)
        x, y = canvas.next_entry("95 % of the prior")
        for at in (-14, -2, 10):
            canvas.stroke([(x + at * _FINE, y), (x + (at + 7) * _FINE, y)], (90, 90, 90), 1, False)
    canvas.axes()
    return canvas.finished()


def tiled(tiles: Images, lines: Sequence[tuple[str, Line2]], reach: float) -> Image.Image:
    """Faces (R * R, S, S, 3), in reading order, over the square, with the hyperplanes across them."""
    canvas = _Canvas(reach, [_title(name) for name, _ in lines])
    count = math.isqrt(len(tiles))
    edges = [round(i * canvas.side / count) for i in range(count + 1)]
    for i, tile in enumerate(tiles):
        row, column = divmod(i, count)
        box = (edges[column + 1] - edges[column], edges[row + 1] - edges[row])
        face = Image.fromarray(tile).resize(box, Image.Resampling.BICUBIC)
        canvas.image.paste(face, (canvas.left + edges[column], canvas.top + edges[row]))
    for _, line in lines:
        canvas.line(line, (255, 255, 255), 7, False)
    _hyperplanes(canvas, lines, _LINES, 3)
    canvas.axes()
    return canvas.finished()


def _title(name: str) -> str:
    return f"hyperplane of {name}"


def _hyperplanes(
    canvas: _Canvas, lines: Sequence[tuple[str, Line2]], inks: Sequence[Ink], width: int
) -> None:
    for number, (name, line) in enumerate(lines):
        canvas.line(line, inks[number % 2], width, bool(number % 2))
        x, y = canvas.next_entry(_title(name))
        canvas.stroke([(x - 14 * _FINE, y), (x + 14 * _FINE, y)], inks[number % 2], width, bool(number % 2))
