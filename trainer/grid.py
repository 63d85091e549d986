"""Image grids and strips with Pillow, saved together with the recipe that made them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageDraw, ImageFont, PngImagePlugin, UnidentifiedImageError

from trainer.errors import ConfigError, DataError
from trainer.files import atomic_file

Picture = NDArray[np.uint8]
Cells = Sequence[Sequence[Picture | None]]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

RECIPE_KEY = "introvac"
_JPEG_ROOM = 60_000  # bytes of recipe; an EXIF block holds 64 KB
_MP4_ROOM = 64 * 2**20  # bytes of a comment that is read
_MP4_BRANDS = (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"iso4", b"iso5", b"iso6")
# The boxes to the comment, and how many bytes of each come before what it holds.
_MP4_WAY = ((b"moov", 0), (b"udta", 0), (b"meta", 4), (b"ilst", 0), (b"\xa9cmt", 0), (b"data", 8))
_COMMENT_CODE = b"ASCII\0\0\0"  # EXIF 2.3: a UserComment names its encoding in eight bytes
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"optimize": True}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
}


@dataclass(frozen=True)
class GridStyle:
    """How a grid looks; lengths in pixels of the result. `smooth` enlarges by Lanczos, else pixels repeat."""

    columns: int = 8
    padding: int = 4
    scale: int = 1
    background: tuple[int, int, int] = (255, 255, 255)
    labels: bool = True
    font_size: int = 14
    smooth: bool = False

    def __post_init__(self) -> None:
        for name, low in (("columns", 1), ("padding", 0), ("scale", 1), ("font_size", 6)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < low:
                raise ConfigError(f"{name} = {value!r}: expected a whole number of at least {low}")
        if len(self.background) != 3 or not all(0 <= c <= 255 for c in self.background):
            raise ConfigError(f"background = {self.background!r}: expected three numbers from 0 to 255")

    @property
    def ink(self) -> tuple[int, int, int]:
        """Black or white, whichever stands out from the background (Rec. 601 luma)."""
        red, green, blue = self.background
        return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)


class _Text:
    """A measured label; labels of one line share a baseline."""

    def __init__(self, text: str, font: Font, pen: ImageDraw.ImageDraw) -> None:
        left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font=font) if text else (0, 0, 0, 0)
        self.text, self.font = text, font
        self.offset = (max(0, -int(np.floor(left))), max(0, -int(np.floor(top))))
        self.width = int(np.ceil(right)) + self.offset[0]
        self.height = int(np.ceil(bottom)) + self.offset[1]

    def draw(self, pen: ImageDraw.ImageDraw, x: int, y: int, ink: tuple[int, int, int]) -> None:
        if self.text:
            pen.multiline_text((x + self.offset[0], y + self.offset[1]), self.text, fill=ink, font=self.font)


def _side(cells: Cells) -> int:
    """S, shared by all pictures of a grid."""
    shapes = {cell.shape for row in cells for cell in row if cell is not None}
    if len(shapes) != 1:
        raise DataError(f"a grid needs pictures of one size, not {sorted(map(str, shapes)) or 'none at all'}")
    shape = shapes.pop()
    if len(shape) != 3 or shape[2] != 3 or shape[0] != shape[1]:
        raise DataError(f"a grid needs square RGB pictures (S, S, 3), not {shape}")
    if any(cell.dtype != np.uint8 for row in cells for cell in row if cell is not None):
        raise DataError("a grid needs pictures of 8 bits (uint8)")
    return int(shape[0])


def _starts(sizes: Sequence[int], first: int, padding: int) -> list[int]:
    """Where each of several boxes begins, `padding` apart, and at last where the next would."""
    return [first + sum(sizes[:i]) + padding * i for i in range(len(sizes) + 1)]


def compose(
    cells: Cells,
    style: GridStyle | None = None,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    caption: str = "",
    captions: Sequence[str] = (),
) -> Image.Image:
    """Rows of pictures on one background, labelled on the left and on top.

    Rows and columns grow with their labels, and the whole with its caption, so that no text is cut.

    Args:
        cells: rows of uint8 (S, S, 3); None leaves a gap, short rows end early.
        caption: stands below all, in the middle.
        captions: of other frames of an animation; there is room for each, so that all are of one size.

    Raises:
        DataError: no picture, or pictures that do not fit together.
    """
    style = style or GridStyle()
    side = _side(cells) * style.scale
    columns = max(len(row) for row in cells)
    font = ImageFont.load_default(style.font_size)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def measure(labels: Sequence[str], count: int) -> list[_Text]:
        kept = list(labels)[:count] if style.labels else []
        return [_Text(text, font, ruler) for text in kept + [""] * (count - len(kept))]

    left, top = measure(row_labels, len(cells)), measure(column_labels, columns)
    pad = style.padding
    gap = max(pad, style.font_size // 3)
    margin_x = pad + (max(t.width for t in left) + gap if any(t.text for t in left) else 0)
    margin_y = pad + (max(t.height for t in top) + gap if any(t.text for t in top) else 0)
    widths = [max(side, t.width + gap if t.text else 0) for t in top]
    heights = [max(side, t.height) for t in left]
    xs, ys = _starts(widths, margin_x, pad), _starts(heights, margin_y, pad)
    below = _Text(caption, font, ruler)
    feet = [_Text(text, font, ruler) for text in {caption, *captions} if text]
    spare = max(0, *(foot.width + 2 * max(pad, gap) - xs[-1] for foot in feet)) if feet else 0
    xs = [x + spare // 2 for x in xs]
    width_of_all = xs[-1] + spare - spare // 2
    height_of_all = ys[-1] + (max(foot.height for foot in feet) + gap if feet else 0)
    canvas = Image.new("RGB", (width_of_all, height_of_all), style.background)
    pen = ImageDraw.Draw(canvas)
    below.draw(pen, (width_of_all - below.width) // 2, ys[-1], style.ink)
    for x, width, text in zip(xs, widths, top, strict=False):
        text.draw(pen, x + (width - text.width) // 2, pad, style.ink)
    for y, height, text in zip(ys, heights, left, strict=False):
        text.draw(pen, pad + spare // 2, y + (height - text.height) // 2, style.ink)
    for y, height, row in zip(ys, heights, cells, strict=False):
        for x, width, cell in zip(xs, widths, row, strict=False):
            if cell is not None:
                picture = Image.fromarray(np.ascontiguousarray(cell))
                way = Image.Resampling.LANCZOS if style.smooth else Image.Resampling.NEAREST
                picture = picture.resize((side, side), way)
                canvas.paste(picture, (x + (width - side) // 2, y + (height - side) // 2))
    return canvas


def gallery(
    images: Sequence[Picture] | Picture, columns: int | None = None, style: GridStyle | None = None
) -> Image.Image:
    """Pictures in reading order, `columns` to a row (the style's unless given)."""
    style = style or GridStyle()
    count = style.columns if columns is None else columns
    if count < 1:
        raise ConfigError(f"columns = {count}: must be at least 1")
    return compose([list(images[i : i + count]) for i in range(0, len(images), count)] or [[]], style)


def triplets(
    originals: Sequence[Picture] | Picture,
    reconstructions: Sequence[Picture] | Picture,
    edits: Sequence[Picture] | Picture,
    style: GridStyle | None = None,
    column_labels: Sequence[str] = (),
) -> Image.Image:
    """The paper's figure: a column a face, rows original, reconstruction and edited."""
    rows = [list(originals), list(reconstructions), list(edits)]
    if len({len(row) for row in rows}) != 1:
        raise DataError(f"triplets need as many of each, not {', '.join(str(len(row)) for row in rows)}")
    return compose(rows, style, ("original", "reconstruction", "edited"), column_labels)


def strip(
    images: Sequence[Picture] | Picture, labels: Sequence[str] = (), style: GridStyle | None = None
) -> Image.Image:
    """One row of pictures, each with its label on top."""
    return compose([list(images)], style, (), labels)


def check_suffix(path: Path) -> None:
    """Refuse what `save` cannot write.

    Raises:
        DataError: another suffix.
    """
    if path.suffix.lower() not in _FORMATS:
        raise DataError(f"{path}: cannot save as {path.suffix!r}; choose {', '.join(_FORMATS)}")


def save(image: Image.Image, path: Path, recipe: dict[str, Any] | None = None) -> None:
    """Write PNG, JPEG or WebP by suffix, atomically, with the recipe as JSON inside.

    PNG keeps the recipe in an iTXt chunk named "introvac", the others in EXIF's UserComment.

    Raises:
        DataError: another suffix, a path that cannot be written, or a picture or recipe too large for it.
    """
    path = Path(path)
    check_suffix(path)
    try:
        with atomic_file(path) as file:
            _write(image, file, path.suffix, recipe)
    except ValueError as error:
        raise DataError(f"{path}: cannot be written ({error})") from error


def size_of(image: Image.Image, suffix: str) -> int:
    """Bytes that a picture takes as a file, without a recipe."""
    body = BytesIO()
    _write(image, body, suffix, None)
    return len(body.getbuffer())


def _write(image: Image.Image, file: IO[bytes], suffix: str, recipe: dict[str, Any] | None) -> None:
    kind, options = _FORMATS[suffix.lower()]
    if recipe is not None:
        options = options | (_png_note(recipe) if kind == "PNG" else exif_note(recipe))
    image.save(file, format=kind, **options)


def fitting(recipe: dict[str, Any], path: Path) -> tuple[dict[str, Any], int]:
    """The recipe as a picture's format has room for it, and how many codes had to be left out.

    JPEG has room for 64 KB. The first codes stay, each with its face, since the first is what opens again.
    """
    if path.suffix.lower() not in (".jpg", ".jpeg") or len(json.dumps(recipe)) <= _JPEG_ROOM:
        return recipe, 0
    codes, faces = list(recipe.get("z", ())), list(recipe.get("faces", ()))
    least, most = 0, len(codes)
    while least < most:
        middle = (least + most + 1) // 2
        short = recipe | {"z": codes[:middle]} | ({"faces": faces[:middle]} if faces else {})
        least, most = (middle, most) if len(json.dumps(short)) <= _JPEG_ROOM else (least, middle - 1)
    short = recipe | {"z": codes[:least]} | ({"faces": faces[:least]} if faces else {})
    return short, len(codes) - least


def _png_note(recipe: dict[str, Any]) -> dict[str, Any]:
    note = PngImagePlugin.PngInfo()
    note.add_itxt(RECIPE_KEY, json.dumps(recipe, ensure_ascii=False, allow_nan=False))
    return {"pnginfo": note}


def exif_note(recipe: dict[str, Any]) -> dict[str, Any]:
    """What Pillow is to save beside a picture so that `read_recipe` finds the recipe in its EXIF."""
    exif = Image.Exif()
    text = json.dumps({RECIPE_KEY: recipe}, allow_nan=False).encode("ascii")
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _COMMENT_CODE + text
    return {"exif": exif.tobytes()}


def read_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe that `save`, or `trainer.animation`, put into a file, or None where there is none.

    Raises:
        DataError: the file cannot be read as a picture.
    """
    try:
        text = _mp4_comment(path) if _is_mp4(path) else _picture_note(path)
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not a picture") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _picture_note(path: Path) -> str:
    """The JSON of a recipe; empty where there is none."""
    with Image.open(path) as image:
        if image.format not in (*(kind for kind, _ in _FORMATS.values()), "MPO", "GIF"):
            return ""  # none that holds a recipe; Pillow hands some to other programs
        image.load()
        own, comment = image.info.get(RECIPE_KEY), image.info.get("comment")
        exif = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    if isinstance(own, str):
        return own
    if isinstance(exif, bytes) and exif.startswith(_COMMENT_CODE):
        comment = exif.removeprefix(_COMMENT_CODE)
    return _unwrapped(comment) if isinstance(comment, bytes) else ""


def _unwrapped(comment: bytes) -> str:
    """What a comment holds under our name, as JSON again; empty where it is something else."""
    try:
        body = json.loads(comment)
    except (ValueError, RecursionError):
        return ""
    return json.dumps(body.get(RECIPE_KEY)) if isinstance(body, dict) else ""


def _is_mp4(path: Path) -> bool:
    with Path(path).open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _MP4_BRANDS


def _mp4_comment(path: Path) -> str:
    """The comment of an MP4 file, which lies in nested boxes: moov, udta, meta, ilst, \xa9cmt, data."""
    with Path(path).open("rb") as file:
        start, end = 0, os.fstat(file.fileno()).st_size
        for name, skip in _MP4_WAY:
            found = _box(file, name, start, end)
            if found is None:
                return ""
            start, end = found[0] + skip, found[1]
        if not 0 < end - start <= _MP4_ROOM:
            return ""
        file.seek(start)
        return _unwrapped(file.read(end - start))


def _box(file: IO[bytes], name: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where the contents of the first box of a name begin and end (ISO/IEC 14496-12, 4.2)."""
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        size, first = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, first = int.from_bytes(head[8:16], "big"), 16
        size = size or end - start
        if size < first or start + size > end:
            return None
        if head[4:8] == name:
            return start + first, start + size
        start += size
    return None
