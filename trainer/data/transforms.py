"""How a picture becomes a square: the one function for training data and for a user's photo.

Sources: the `center` crop is the 148 px square commonly cut from aligned CelebA images (178 x 218);
`introvac` is the preparation in the code that the authors of the IntroVAC paper published.
"""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin

from trainer.errors import DataError

CROPS = ("center", "introvac", "square", "none")
MAX_PIXELS = 100_000_000  # width x height; larger pictures are refused before they are decoded
MAX_JPEG = 1_000_000_000  # width x height of a JPEG, which can be decoded at an eighth of its sides
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
_CENTER_SIDE = 148 / 178  # side of `center`, as a part of the width
_LANCZOS = Image.Resampling.LANCZOS
_ORIENTATION = 0x0112  # the EXIF tag
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"mif1", b"msf1")  # brands in the file's head
_RUN = ("EPS", "WMF")  # which Pillow hands to other programs of the system: Ghostscript, GDI
HEIC_EXTRA = "pip install 'introvac-studio[heic]'"


def open_image(source: Path | str | bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open and fully decode a picture.

    Args:
        source: a file, or the bytes of one.
        max_pixels: the largest width x height that is accepted.

    A JPEG with more pixels, up to `MAX_JPEG`, is read at a half, a quarter or an eighth of its sides. Of an
    animation the first frame is read.

    Raises:
        DataError: missing, a folder, empty, not a picture, broken, truncated, or too large.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), "the picture", max_pixels)
    path = Path(source)
    if path.is_dir():
        raise DataError(f"{source}: a folder, not a picture")
    if path.exists() and not path.is_file():  # a pipe or device, which might never end
        raise DataError(f"{source}: not a file, and so no picture")
    try:
        with Path(source).open("rb") as stream:
            return _decode(stream, str(source), max_pixels)
    except OSError as error:
        raise DataError(f"{source}: cannot be opened ({error.strerror})") from error


def _decode(stream: IO[bytes], name: str, max_pixels: int) -> Image.Image:
    """The decoded picture in a stream; `name` is for messages."""
    head = stream.read(64)
    stream.seek(0)
    if not head:
        raise DataError(f"{name}: empty, not a picture")
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF and b"avif" not in head:
        _register_heif(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; our own limit is checked below
        try:
            jpeg = head.startswith(
                b"\xff\xd8\xff"
            )  # opened without Pillow's own limit, since it can be reduced
            image = JpegImagePlugin.JpegImageFile(stream) if jpeg else Image.open(stream)
        except Image.DecompressionBombError as error:
            raise DataError(f"{name}: too large ({error})") from error
        except Exception as error:  # Pillow's plugins raise many kinds on bytes that are no picture
            raise DataError(f"{name}: not a picture that can be read") from error
        if image.format in _RUN:
            raise DataError(f"{name}: {image.format} pictures are not read; save it as PNG first")
        _check_size(image, name, max_pixels)
        try:
            image.load()
        except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ...
            raise DataError(f"{name}: broken or truncated ({error})") from error
    return image


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    """Refuse a picture of too many pixels; let a JPEG be decoded smaller where that helps."""
    width, height = image.size
    most, part = max_pixels, 1
    if image.format == "JPEG" and "progressive" not in image.info:  # whose decoder holds all of it
        most = max(max_pixels, MAX_JPEG)
        while part < 8 and (width // part) * (height // part) > max_pixels:
            part *= 2
        image.draft(None, (width // part, height // part))
    if width * height > most or (width // part) * (height // part) > max_pixels:
        raise DataError(
            f"{name}: {width} x {height} pixels are too many; at most {max_pixels / 1e6:g} megapixels, "
            f"or {MAX_JPEG / 1e6:g} of a JPEG that is not progressive; make it smaller first"
        )


def _register_heif(name: str) -> None:
    """Let Pillow read HEIC, which another package does."""
    try:
        import pillow_heif
    except ImportError as error:
        raise DataError(f"{name}: HEIC pictures need the extra heic: {HEIC_EXTRA}") from error
    pillow_heif.register_heif_opener()


def _deep_to_8bit(image: Image.Image) -> Image.Image:
    """Grey levels of 16 bits, 32 bits or floats as 8 bits; the range is the format's, not the picture's."""
    levels = np.asarray(image).astype(np.float64)
    levels = np.nan_to_num(levels, nan=0.0, posinf=0.0, neginf=0.0)
    peak = levels.max(initial=0.0)
    if image.mode.startswith("I;16") or (image.mode == "I" and peak > 255):
        levels = levels / 257.0  # 65535 becomes 255
    elif image.mode == "F" and peak <= 1:
        levels = levels * 255.0
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB; transparency is laid over white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _DEEP:
        image = _deep_to_8bit(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        if image.mode == "La":
            image = image.convert("LA")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise DataError(f"a picture in colour mode {image.mode} cannot be converted to RGB") from error


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a colour profile to sRGB; None where that is what it is, or where it is none for this mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        target = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, target, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):  # broken, or of another colour space
        return None


def _in_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB, as its embedded profile says; without one, or with a broken one, as it is."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return image
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    plain = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
    transform = None if image.mode in _DEEP else _to_srgb(profile, plain.mode)
    if transform is None:
        return image
    made = ImageCms.applyTransform(plain, transform)
    assert made is not None
    if alpha is not None:
        made.putalpha(alpha)
    return made


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; a broken EXIF block turns nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if image.getexif().get(_ORIENTATION, 1) == 1:
                return image  # as `exif_transpose`, without a copy
            return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block raises SyntaxError, struct.error, KeyError, ...
        return image


def upright_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode and colour profile as sRGB, turned as its EXIF says, transparency over white.

    Raises:
        DataError: a mode that cannot become RGB.
    """
    return _to_rgb(_in_srgb(_upright(image)))


def _resize(image: Image.Image, size: int, box: tuple[float, float, float, float]) -> Image.Image:
    return image.resize((size, size), _LANCZOS, box=box, reducing_gap=3.0)


def prepare(image: Image.Image, size: int, crop: str) -> np.ndarray:
    """A picture as the square that a model sees.

    Args:
        image: any size and mode; EXIF orientation is applied, transparency laid over white.
        size: S, the side in pixels.
        crop: `center`: the centred square of side 148/178 of the width, clipped to fit;
            `introvac`: squashed to 256 x 256, then the box (32, 32, 224, 224), as the authors did;
            `square`: the full centred square; `none`: only resized, or `square` if not square.

    Returns:
        (S, S, 3) uint8, RGB. Resampling is Lanczos.

    Raises:
        DataError: an unknown crop, or a mode that cannot become RGB.
    """
    if crop not in CROPS:
        raise DataError(f"crop = {crop!r}: choose one of {', '.join(CROPS)}")
    image = upright_rgb(image)
    if crop == "introvac":
        squashed = image.resize((256, 256), _LANCZOS, reducing_gap=3.0)
        return np.array(_resize(squashed.crop((32, 32, 224, 224)), size, (0, 0, 192, 192)))
    width, height = image.size
    side: float = min(width, height)
    if crop == "center":
        side = min(side, width * _CENTER_SIDE)
    left, top = (width - side) / 2, (height - side) / 2
    if crop != "center":
        left, top = left // 1, top // 1
    return np.array(_resize(image, size, (left, top, left + side, top + side)))
