"""Animations of faces: the way an amount goes from one end to the other, and GIF, WebP and MP4 files.

MP4 needs the extra `video`; reading what made one does not.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from trainer import grid
from trainer.errors import Cancelled, ConfigError, DataError
from trainer.files import atomic_file
from trainer.latent import Floats

EASINGS = ("even", "gentle", "linger")
SUFFIXES = (".gif", ".webp", ".mp4")
MOST = 1000  # frames of one way
VIDEO_EXTRA = "pip install 'introvac-studio[video]'"
_CRF = 14  # of x264: faces are small, and blocks would show


def amounts(start: float, end: float, frames: int, easing: str = "even") -> Floats:
    """Amounts (frames,) from `start` to `end`, both included.

    `even` goes at one speed; `gentle` sets off and arrives slowly (3t^2 - 2t^3); `linger` does so more
    (6t^5 - 15t^4 + 10t^3).

    Raises:
        ConfigError: an unknown easing, fewer than 2 frames or more than 1000, or an end that is not finite.
    """
    if easing not in EASINGS:
        raise ConfigError(f"easing = {easing!r}: choose one of {', '.join(EASINGS)}")
    if not 2 <= frames <= MOST:
        raise ConfigError(f"frames = {frames}: must be from 2 to {MOST}")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ConfigError(f"an animation from {start} to {end}: both must be finite numbers")
    t = np.linspace(0.0, 1.0, frames)
    share = {"even": t, "gentle": t * t * (3 - 2 * t), "linger": t**3 * (t * (6 * t - 15) + 10)}[easing]
    return start + (end - start) * share


def order(frames: int, back: bool) -> list[int]:
    """The numbers of the frames as they are shown: there, or there and back without a stop at either end."""
    return [*range(frames), *(range(frames - 2, 0, -1) if back else ())]


def check_suffix(target: Path) -> None:
    """Refuse what `save` cannot write.

    Raises:
        DataError: another suffix.
        ConfigError: MP4 without the extra `video`.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{target}: cannot save as {target.suffix!r}; choose {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    if target.suffix.lower() == ".mp4" and not has_video():
        raise ConfigError(f"{target}: MP4 needs the package av, which the extra video brings: {VIDEO_EXTRA}")


def has_video() -> bool:
    """Whether MP4 can be written."""
    return importlib.util.find_spec("av") is not None


def save(
    frames: Iterable[Image.Image],
    target: Path,
    *,
    fps: float = 12.0,
    loop: bool = True,
    recipe: dict[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Write an animation by suffix, whole or not at all.

    GIF has 256 colours a frame and knows hundredths of a second; WebP is lossless; MP4 is H.264 in 4:2:0,
    whose sides are made even by repeating the last row or column. The recipe goes as JSON into GIF's
    comment, WebP's EXIF, or MP4's comment.

    Args:
        frames: RGB, all of one size, in the order in which they are shown; taken one by one.
        fps: frames a second, above 0 and at most 50.
        loop: for ever, or once. An MP4 leaves that to the player.
        progress: told how many frames were taken.
        cancelled: asked before each frame.

    Raises:
        ConfigError: a rate that makes no sense, or MP4 without its extra.
        DataError: another suffix, pictures that make no animation, or a path that cannot be written.
        Cancelled: `cancelled` said so; nothing was written.
    """
    target = Path(target)
    check_suffix(target)
    with atomic_file(target) as file:
        try:
            write(_watched(frames, progress, cancelled), file, target.suffix, fps, loop, recipe)
        except ValueError as error:
            raise DataError(f"{target}: cannot be written ({error})") from error


def size_of(frames: Iterable[Image.Image], suffix: str, fps: float = 12.0) -> int:
    """Bytes that frames take as a file, without a recipe."""
    body = BytesIO()
    write(iter(frames), body, suffix, fps, True, None)
    return len(body.getbuffer())


def write(
    frames: Iterator[Image.Image], file: IO[bytes], suffix: str, fps: float, loop: bool, recipe: Any
) -> None:
    """As `save`, into an open file.

    Raises:
        ConfigError, DataError: as `save`.
        ValueError: a recipe that is no JSON.
    """
    if not 0 < fps <= 50:
        raise ConfigError(f"fps = {fps}: must be above 0 and at most 50")
    first = next(frames, None)
    second = next(frames, None)
    if first is None or second is None:
        raise DataError("an animation needs at least two pictures")
    rest = _alike(first.size, chain((second,), frames))
    if suffix.lower() == ".mp4":
        _write_mp4(first, rest, file, fps, recipe)
        return
    options: dict[str, Any] = {"save_all": True}
    if suffix.lower() == ".gif":
        options |= {"format": "GIF", "disposal": 1} | ({"loop": 0} if loop else {}) | _comment(recipe)
        rest = _timed(chain((first,), rest), fps)
        first = next(rest)
    else:
        note = {} if recipe is None else grid.exif_note(recipe)
        options |= {"format": "WEBP", "lossless": True, "loop": 0 if loop else 1} | note
        options |= {"duration": round(1000 / fps)}
    first.save(file, append_images=rest, **options)


def _timed(frames: Iterable[Image.Image], fps: float) -> Iterator[Image.Image]:
    """Each with whole hundredths of a second, as GIF has them, which add up to what the rate says."""
    shown = 0
    for done, frame in enumerate(frames, 1):
        timed = frame.copy()
        timed.info["duration"] = 10 * (round(100 * done / fps) - shown)
        shown = round(100 * done / fps)
        yield timed


def _alike(size: tuple[int, int], frames: Iterable[Image.Image]) -> Iterator[Image.Image]:
    for frame in frames:
        if frame.size != size:
            raise DataError("an animation needs pictures of one size")
        yield frame


def _watched(
    frames: Iterable[Image.Image],
    progress: Callable[[int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[Image.Image]:
    for done, frame in enumerate(frames, 1):
        if cancelled is not None and cancelled():
            raise Cancelled
        yield frame
        if progress is not None:
            progress(done)


def _comment(recipe: dict[str, Any] | None) -> dict[str, Any]:
    return {} if recipe is None else {"comment": _text(recipe).encode("ascii")}


def _text(recipe: dict[str, Any]) -> str:
    return json.dumps({grid.RECIPE_KEY: recipe}, allow_nan=False)


def _write_mp4(
    first: Image.Image,
    rest: Iterator[Image.Image],
    file: IO[bytes],
    fps: float,
    recipe: dict[str, Any] | None,
) -> None:
    import av

    note = None if recipe is None else _text(recipe)
    try:
        with av.open(file, "w", format="mp4") as film:
            if note is not None:
                film.metadata["comment"] = note
            stream: Any = film.add_stream(_encoder(), rate=Fraction(fps).limit_denominator(1000))
            stream.width, stream.height = (side + side % 2 for side in first.size)
            stream.pix_fmt = "yuv420p"
            if stream.codec_context.name == "libx264":
                stream.options = {"crf": str(_CRF), "preset": "medium"}
            for picture in chain((first,), rest):
                frame = av.VideoFrame.from_ndarray(_even(np.asarray(picture)), format="rgb24")
                film.mux(stream.encode(frame))
            film.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise DataError(f"the MP4 could not be encoded ({error}); choose GIF or WebP") from error


def _encoder() -> str:
    """H.264 by x264 where the package has it, else whatever it has for H.264."""
    import av

    with suppress(av.FFmpegError, ValueError):
        av.Codec("libx264", "w")
        return "libx264"
    return "h264"


def _even(pixels: grid.Picture) -> grid.Picture:
    """(H, W, 3) with even sides, as 4:2:0 needs them."""
    height, width, _ = pixels.shape
    return np.ascontiguousarray(np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge"))
