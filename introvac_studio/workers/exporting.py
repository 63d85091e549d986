"""The thread that decodes, composes and writes exports, and reads what made a picture, with its own codec.

Wiring: `submit` takes an `export_plan.Job` or a `Look`. A newer request takes the place of the one that runs.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PySide6.QtCore import QObject, Signal

from introvac_studio import export_plan
from introvac_studio.export_plan import Job, Plan
from introvac_studio.language import mark, tr
from introvac_studio.state import Image, ModelInfo
from introvac_studio.workers.child import ChildThread, Task
from introvac_studio.workers.serving import ServingThread
from trainer import animation, codes, directions, grid, modelfile, photos
from trainer.errors import Cancelled, DataError, IntroVACError, ModelError

if TYPE_CHECKING:
    from trainer.codec import Codec

CHUNK = 16  # pictures decoded between two looks at whether to go on
_SIDE = 1400  # pixels; a preview is not larger
_FILM_BYTES = 60_000_000  # of a preview's frames
_SAMPLED = 1_500_000  # pixels that are encoded to say how large a file becomes
_KEPT = 128 * 2**20  # bytes of decoded pictures that are kept

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Preview:
    """What a job looks like: frames (n, H, W, 3), perhaps reduced, of a picture of `width` x `height`."""

    job: Job
    frames: tuple[NDArray[np.uint8], ...]
    width: int
    height: int
    text: str = ""


@dataclass(frozen=True, eq=False)
class JobEnd:
    """How a job ended.

    Attributes:
        job: the very object that asked.
        size: bytes of the file; of one that was not written, about.
        left_out: faces whose codes had no room beside the picture.
        cancelled: whether it was stopped.
        error: what a user can act on.
    """

    job: Job
    size: int = 0
    left_out: int = 0
    cancelled: bool = False
    error: str = ""


@dataclass(frozen=True, eq=False)
class Look:
    """Read what made a picture.

    Attributes:
        path: of the picture.
        model: the open model.
        others: model files that may have made it.
        as_photo: whether a picture that tells nothing is a photo to edit.
        photos: files that may be read where the recipe names one of them; it may be anyone's.
    """

    path: Path
    model: ModelInfo | None
    others: tuple[Path, ...] = ()
    as_photo: bool = False
    photos: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Looked:
    """What a picture tells: its recipe or None, and the model file that made it, where that was found."""

    look: Look
    note: Mapping[str, Any] | None = None
    model: Path | None = None
    original: Image | None = None  # the photo that the first face came from, as the model sees it
    unread: str = ""  # the file that it is in, where that may not be read
    error: str = ""
    stopped: bool = False


class ExportThread(ServingThread):
    """Serves jobs and looks.

    Signals:
        previewed(Preview): before the end of a job that is not written.
        progressed(Job, done, total).
        finished_: a `JobEnd` or `Looked`.
    """

    previewed = Signal(object)
    progressed = Signal(object, int, int)

    def __init__(self, device: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._device = device
        self._codec: Codec | None = None
        self._drawn: dict[bytes, Image] = {}  # pictures by code, of the codec's model
        self._bytes = 0

    def set_device(self, device: str) -> None:
        """Compute elsewhere from the next model on."""
        self._device = device

    def unserved(self, request: Job | Look) -> JobEnd | Looked:
        return Looked(request, stopped=True) if isinstance(request, Look) else JobEnd(request, cancelled=True)

    def serve(self, request: Job | Look) -> JobEnd | Looked:
        if isinstance(request, Look):
            try:
                return self._look(request)
            except Exception as error:  # the file may be anyone's, and an answer is waited for
                _log.exception("reading a recipe failed")
                return Looked(request, error=f"{request.path}: cannot be read ({error})")
        try:
            return self._write(request) if request.target is not None else self._preview(request)
        except Cancelled:
            return JobEnd(request, cancelled=True)
        except (IntroVACError, OSError) as error:
            return JobEnd(request, error=str(error))
        except Exception as error:
            return JobEnd(request, error=f"{type(error).__name__}: {error}")

    # -- jobs -------------------------------------------------------------------------------------

    def _preview(self, job: Job) -> JobEnd:
        if job.numbers:
            self.previewed.emit(Preview(job, (), 0, 0, export_plan.text(job)))
            return JobEnd(job, self._numbers_size(job))
        made = export_plan.plan(job)
        export_plan.check_room(job, made)
        images = self._decode(job, made, len(made.codes))
        first = export_plan.picture(job, made.tables[0], images)
        side, order = _SIDE, [0]
        if job.moving:
            order = export_plan.shown(job, made)
            side = min(_SIDE, int(math.sqrt(_FILM_BYTES / (3 * len(made.tables)))))
        reduced: dict[int, NDArray[np.uint8]] = {}
        for k in sorted(set(order)):
            self._go_on(job)
            whole = export_plan.picture(job, made.tables[k], images) if k else first
            reduced[k] = _reduced(whole, side)
        self.previewed.emit(Preview(job, tuple(reduced[k] for k in order), first.width, first.height))
        return JobEnd(job, self._size(job, made, images, first, len(order)))

    def _size(self, job: Job, made: Plan, images: Image, first: PillowImage.Image, frames: int) -> int:
        """About how many bytes the file will have; 0 where that cannot be said."""
        if not job.moving:
            rows = max(1, min(first.height, _SAMPLED // first.width))
            top = first.crop((0, (first.height - rows) // 2, first.width, (first.height + rows) // 2))
            return round(grid.size_of(top, job.suffix) * first.height / rows)
        if job.suffix == ".mp4" and not animation.has_video():
            return 0
        count = max(2, min(len(made.tables), 8, _SAMPLED // (first.width * first.height)))
        some = (export_plan.picture(job, table, images) for table in made.tables[:count])
        fps = float(job.options["fps"])
        return round(animation.size_of(self._each(job, some), job.suffix, fps) * frames / count)

    def _each(self, job: Job, frames: Any) -> Any:
        for frame in frames:
            self._go_on(job)
            yield frame

    def _write(self, job: Job) -> JobEnd:
        assert job.target is not None
        if job.numbers:
            self._write_numbers(job, job.target)
            return JobEnd(job, job.target.stat().st_size)
        if job.moving:
            animation.check_suffix(job.target)
        else:
            grid.check_suffix(job.target)
        made = export_plan.plan(job)
        export_plan.check_room(job, made)
        order = export_plan.shown(job, made) if job.moving else [0]
        total = len(made.codes) + len(order)
        images = self._decode(job, made, total)
        recipe, left_out = grid.fitting(job.recipe(made), job.target)
        if job.moving:
            animation.save(
                (export_plan.picture(job, made.tables[k], images) for k in order),
                job.target,
                fps=float(job.options["fps"]),
                loop=bool(job.options["loop"]),
                recipe=recipe,
                progress=lambda done: self.progressed.emit(job, len(made.codes) + done, total),
                cancelled=lambda: self.stopped(job),
            )
        else:
            whole = export_plan.picture(job, made.tables[0], images)
            self._go_on(job)
            grid.save(whole, job.target, recipe)
        return JobEnd(job, job.target.stat().st_size, left_out)

    def _go_on(self, job: Job) -> None:
        if self.stopped(job):
            raise Cancelled

    def _decode(self, job: Job, made: Plan, total: int) -> Image:
        """Pictures (n, S, S, 3) of the plan's codes; those decoded before are taken from memory."""
        codec = self._open(job.material.model)
        keys = [z.tobytes() for z in made.codes.astype(np.float32)]
        missing = [i for i, key in enumerate(keys) if key not in self._drawn]
        room = codec.size * codec.size * 3
        if self._bytes + len(missing) * room > _KEPT:
            self._drawn.clear()
            self._bytes, missing = 0, list(range(len(keys)))
        for start in range(0, len(missing), CHUNK):
            self._go_on(job)
            rows = missing[start : start + CHUNK]
            for i, image in zip(rows, codec.decode(made.codes[rows]), strict=True):
                self._drawn[keys[i]] = image
            self._bytes += len(rows) * room
            self.progressed.emit(job, len(keys) - len(missing) + start + len(rows), total)
        return np.stack([self._drawn[key] for key in keys])

    def _open(self, model: ModelInfo) -> Codec:
        if self._codec is None or self._codec.digest != model.digest:
            from trainer.codec import Codec

            self._drawn.clear()
            self._bytes, self._codec = 0, None
            codec = Codec(model.weights, self._device)
            if codec.digest != model.digest:
                raise ModelError(tr("{path} holds other weights by now; open it again.", path=model.path))
            self._codec = codec
        return self._codec

    def _numbers_size(self, job: Job) -> int:
        planes = job.material.model.planes
        if job.kind == "directions":
            return 8 * planes.w.size + 1500
        found = export_plan.numbers(job)
        if job.suffix == ".npz":
            return 4 * found.mu.size + len(found.mu) * 60 + 1500
        some = codes.table(found.names, found.mu, planes, found.labels, 20)
        line = sum(len(",".join(fields)) + 2 for fields in some[1:]) / max(1, len(some) - 1)
        return round(len(",".join(some[0])) + line * len(found.names))

    def _write_numbers(self, job: Job, target: Path) -> None:
        model = job.material.model
        if job.kind == "directions":
            if target.suffix.lower() != ".npz":
                raise DataError(tr("{path}: directions are saved as .npz", path=target))
            directions.save_directions(target, model.planes, model.digest)
        else:
            found = export_plan.numbers(job)
            codes.save(target, found.names, found.mu, model.planes, found.labels, model.digest)

    # -- what made a picture ------------------------------------------------------------------------

    def _look(self, look: Look) -> Looked:
        try:
            note = grid.read_recipe(look.path)
        except IntroVACError as error:
            return Looked(look, error=str(error))
        if note is None:
            return Looked(look)
        digest = note.get("model")
        if look.model is not None and digest == look.model.digest:
            return _found(look, note, look.model.path, look.model.size)
        for path in look.others:
            if self.stopped(look):
                return Looked(look, stopped=True)
            try:
                file = modelfile.load(path)
            except IntroVACError:
                continue
            if file.digest == digest:
                return _found(look, note, path, file.config.image_size)
        return Looked(look, note)


def onnx_export(model: ModelInfo, folder: Path, parent: QObject | None = None) -> ChildThread:
    """The export of the open model in a child; call `start()` when its signals are connected."""
    task = Task("export", mark("The ONNX export"), mark("Nothing was written; start it again."))
    arguments = [
        "--to",
        "onnx",
        "--model",
        str(model.weights),
        "--digest",
        model.digest,
        "--out",
        str(folder),
    ]
    return ChildThread(task, arguments, parent=parent)


def _found(look: Look, note: Mapping[str, Any], model: Path, size: int) -> Looked:
    """With the photo that the first face came from, cropped as it was, where it is there and may be read."""
    faces = note.get("faces")
    first = faces[0] if isinstance(faces, list) and faces and isinstance(faces[0], dict) else {}
    file = first.get("file") if first.get("face") == "photo" else None
    if not isinstance(file, str) or file == photos.PASTED:
        return Looked(look, note, model)
    if file not in look.photos:
        return Looked(look, note, model, unread=file)
    try:
        return Looked(look, note, model, photos.redo(first, size))
    except (IntroVACError, OSError, TypeError, ValueError):
        return Looked(look, note, model)


def _reduced(picture: PillowImage.Image, side: int) -> NDArray[np.uint8]:
    """(H, W, 3), no side longer than so many pixels."""
    largest = max(picture.size)
    if largest > side:
        picture = picture.resize(
            (max(1, picture.width * side // largest), max(1, picture.height * side // largest)),
            PillowImage.Resampling.BOX,
        )
    return np.asarray(picture)
