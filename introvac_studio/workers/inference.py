"""The thread that owns the open model: decodes the newest edit, encodes photos, opens model files.

Everything that follows a mouse is latest-wins: a request replaces the one that still waits, and the
answer carries the model's stamp and a serial, so that stale ones can be dropped. Longer work is cut
into pieces, between which the newest edit goes first. Methods are called from the window's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from PySide6.QtCore import QObject, QThread, Signal

from introvac_studio.keeping import Keeping
from introvac_studio.language import tr
from introvac_studio.messages import (
    Codes,
    Cropped,
    FacesFound,
    Failure,
    Found,
    Frame,
    Opened,
    PhotoRead,
    Seen,
    Strip,
    UntilRequest,
)
from introvac_studio.state import Code, Face, FaceSet, Image, ModelInfo
from introvac_studio.workers.mailbox import Mailbox
from trainer import align, face_detector, modelfile, photos, until
from trainer.errors import Cancelled, ConfigError, IntroVACError
from trainer.photos import Photo

if TYPE_CHECKING:
    from trainer.codec import Codec
    from trainer.latent import Hyperplanes

PIECE = 0.01  # seconds of encoding between two looks at what the user does
MOST = 64  # faces in one such piece
VIEW = 2048  # longest side in pixels of a photo on screen


class InferenceThread(QThread):
    """Signals carry the dataclasses of `introvac_studio.messages`, and `ModelInfo` for `modelOpened`.

    Every request names the stamp of the model that it is meant for; one that another model would have to
    answer is dropped.
    """

    modelOpened = Signal(object)
    openFailed = Signal(object)
    frameReady = Signal(object)
    reconstructionReady = Signal(object)
    seenReady = Signal(object)
    stripReady = Signal(object)
    faceReady = Signal(object)
    photoReady = Signal(object)
    cropped = Signal(object)
    recropped = Signal(object)
    facesFound = Signal(object)
    pathReady = Signal(object)
    endReady = Signal(object)
    endFailed = Signal(object)
    codesReady = Signal(object)
    rendered = Signal(object)
    found = Signal(object)
    encoding = Signal(int, int)  # faces done, of all
    progressed = Signal(str, int, int)  # of a search: what it is, codes tried, codes at most
    failed = Signal(object)

    CHANNELS = ("frame", "reconstruction", "crop", "strip", "seen", "path")

    SLOW = ("glance", "judge", "sheet", "")  # the last one encodes a whole set

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mail = Mailbox(self.CHANNELS, self.SLOW)
        self._codec: Codec | None = None
        self._stamp = 0  # of the codec that is open, in the worker's thread
        self._asked = 0  # of the newest opening asked for, in the window's thread
        self._searched: UntilRequest | None = None  # the search that is to go on
        self._expected: tuple[Path, str, Codec] | None = None  # a model opened ahead
        self._keeping = Keeping()

    # -- called from the window's thread ----------------------------------------------------

    def expect(self, path: Path, device: str = "auto") -> None:
        """Have a model ready that is likely to be asked for first; says nothing, also if there is none."""
        self._mail.put(lambda: self._prepare(path, device))

    def open_model(self, path: Path, device: str = "auto") -> int:
        """Ask for a model file to be opened; returns its stamp. Whatever waits for the old one is dropped."""
        self._asked += 1
        stamp = self._asked
        self._mail.forget()
        self._searched = None
        self._mail.put(lambda: self._open(path, device, stamp))
        return stamp

    def decode(self, stamp: int, z: Code, serial: int) -> None:
        """The picture of the edited code (d,): `frameReady`."""
        self._mail.put_latest("frame", lambda: self._decode(stamp, z, serial, self.frameReady))

    def hold(self, on: bool) -> None:
        """Decode the edited code with nothing else under way, as during a drag; or do all again."""
        self._mail.hold(on)

    def reconstruct(self, stamp: int, mu: Code, serial: int) -> None:
        """The picture of the unedited code (d,): `reconstructionReady`."""
        request = partial(self._decode, stamp, mu, serial, self.reconstructionReady)
        self._mail.put_latest("reconstruction", request)

    def see(self, stamp: int, z: Code, serial: int, planes: Hyperplanes | None = None) -> None:
        """What the classifier, or `planes`, says of the decoded picture: `seenReady`."""
        self._mail.put_latest("seen", lambda: self._see(stamp, z, serial, planes))

    def strip(self, stamp: int, codes: Code, serial: int) -> None:
        """Pictures of codes (n, d): `stripReady`."""
        self._mail.put_latest("strip", lambda: self._strip(stamp, codes, serial))

    def open_photo(self, stamp: int, source: Path | bytes, name: str) -> None:
        """Encode a photo, cropped by the eyes where a face is found: `photoReady`, then `faceReady`."""
        self._mail.put(lambda: self._photo(stamp, source, name))

    def read_photo(self, stamp: int, source: Path, name: str, recipe: Mapping[str, Any]) -> None:
        """Read a photo once more, to change the crop that a face's recipe notes: `photoReady`."""
        self._mail.put(lambda: self._read(stamp, source, name, recipe))

    def crop(self, stamp: int, photo: Photo, box: align.Box, serial: int) -> None:
        """What the model sees of a photo, and what it makes of it: `cropped`."""
        self._mail.put_latest("crop", lambda: self._crop(stamp, photo, box, serial))

    def recrop(self, stamp: int, photo: Photo, box: align.Box) -> None:
        """Encode a box of a photo that has been read: `recropped`."""
        self._mail.put(lambda: self._encode_photo(stamp, photo, box, self.recropped))

    def find_faces(self, stamp: int, photo: Photo) -> None:
        """Look for faces in a photo: `facesFound`."""
        self._mail.put(lambda: self._find_faces(stamp, photo))

    def open_row(self, stamp: int, image: Image, name: str, recipe: Mapping[str, Any]) -> None:
        """Encode a prepared picture (S, S, 3): `faceReady`."""
        self._mail.put(lambda: self._row(stamp, image, name, recipe))

    def draw(self, stamp: int, seed: int) -> None:
        """A face from the prior: `faceReady`."""
        self._mail.put(lambda: self._prior(stamp, seed))

    def path(self, stamp: int, codes: Code, serial: int) -> None:
        """Pictures of codes (n, d) on the way from face to face: `pathReady`."""
        self._mail.put_latest("path", lambda: self._path(stamp, codes, serial))

    def open_end(self, stamp: int, source: Path | Image, name: str, recipe: Mapping[str, Any]) -> None:
        """Encode a photo or a prepared picture (S, S, 3) as the end of a path: `endReady`, `endFailed`."""
        self._mail.put(lambda: self._end(stamp, source, name, recipe))

    def encode_faces(self, stamp: int, faces: FaceSet) -> None:
        """mu of a whole set, in pieces, when nothing else waits: `progressed`, then `codesReady`."""
        self._mail.put_slow(self._encode_faces(stamp, faces))

    def at_leisure(self, name: str, stamp: int, work: Callable[[Codec], Iterator[None]]) -> None:
        """Let `work` use the open model in pieces while nothing else waits, or until a newer one comes.

        Args:
            name: one of `SLOW`.
        """
        self._mail.put_slow(self._at_leisure(stamp, work), name)

    def render(self, stamp: int, make: Callable[[Decode], Any]) -> None:
        """Let `make` decode and write what the user saves, come what may: `rendered`."""
        self._mail.put_duty(lambda: self._render(stamp, make))

    def until(self, request: UntilRequest) -> None:
        """Search how far to go until a label holds; a search that runs is given up. `progressed`, `found`."""
        self._searched = request
        self._mail.put(lambda: self._until(request))

    def cancel(self) -> None:
        """Give up the search."""
        self._searched = None

    def close(self) -> None:
        """End the thread after the piece of work at hand, and wait for it."""
        self._searched = None
        self._mail.close()
        self.wait()
        self._keeping.close()

    # -- in the worker's thread ---------------------------------------------------------------

    def run(self) -> None:
        while (act := self._mail.take()) is not None:
            self._do(act)

    def _do(self, act: Callable[[], None]) -> None:
        try:
            act()
        except _Stale:
            return
        except (IntroVACError, OSError) as error:
            self.failed.emit(Failure("request", str(error)))
        except Exception as error:
            self.failed.emit(Failure("request", f"{type(error).__name__}: {error}"))

    def _prepare(self, path: Path, device: str) -> None:
        from trainer.codec import Codec

        with suppress(IntroVACError, OSError, RuntimeError):  # whoever asks for it will hear
            self._expected = (path, device, Codec(path, device))

    def _open(self, path: Path, device: str, stamp: int) -> None:
        from trainer.codec import Codec

        expected, self._expected = self._expected, None
        try:
            ready = expected is not None and expected[:2] == (path, device)
            codec = expected[2] if expected is not None and ready else Codec(path, device)
        except (IntroVACError, OSError, RuntimeError) as error:
            kind = "device" if isinstance(error, ConfigError) else "model"
            self.openFailed.emit(Failure(kind, str(error), stamp))
            return
        if stamp != self._asked:  # another one was asked for; where that fails, the one before stays
            return
        self._codec, self._stamp = codec, stamp
        self.modelOpened.emit(
            ModelInfo(
                stamp=stamp,
                path=codec.path,
                name=modelfile.title(codec.path, codec.card.name),
                planes=codec.planes,
                card=codec.card,
                digest=codec.digest,
                size=codec.size,
                dim=codec.dim,
                crop=codec.config.crop,
                device=codec.device,
                copy=self._keeping.keep(codec.path, codec.digest),
            )
        )

    def _need(self, stamp: int) -> Codec:
        if self._codec is None or stamp != self._stamp:
            raise _Stale
        return self._codec

    def _decode(self, stamp: int, z: Code, serial: int, signal: Any) -> None:
        start = time.perf_counter()
        image = self._need(stamp).decode(z[None])[0]
        signal.emit(Frame(stamp, serial, image, time.perf_counter() - start))

    def _see(self, stamp: int, z: Code, serial: int, planes: Hyperplanes | None) -> None:
        codec = self._need(stamp)
        planes = planes or codec.planes
        mu, _ = codec.encode(codec.decode(z[None]))
        p = planes.probabilities(mu[0])
        self.seenReady.emit(Seen(stamp, serial, dict(zip(planes.names, map(float, p), strict=True))))

    def _strip(self, stamp: int, codes: Code, serial: int) -> None:
        codec, images = self._need(stamp), []
        for z in codes:
            if self._mail.held:
                self._mail.put_back("strip", lambda: self._strip(stamp, codes, serial))
                return
            while (act := self._mail.take_urgent("frame")) is not None:  # the next drag does not wait for it
                self._do(act)
            images.append(codec.decode(z[None])[0])
        self.stripReady.emit(Strip(stamp, serial, np.stack(images), codes))

    def _path(self, stamp: int, codes: Code, serial: int) -> None:
        self.pathReady.emit(Strip(stamp, serial, self._need(stamp).decode(codes)))

    def _end(self, stamp: int, source: Path | Image, name: str, recipe: Mapping[str, Any]) -> None:
        try:
            if isinstance(source, Path):
                photo = photos.open_photo(source, name)
                boxes, _ = self._faces_of(self._need(stamp), photo)
                self._encode_photo(stamp, photo, boxes[0] if boxes else None, self.endReady)
            else:
                self._row(stamp, source, name, recipe, self.endReady)
        except (IntroVACError, OSError) as error:
            self.endFailed.emit(Failure("end", str(error)))

    def _photo(self, stamp: int, source: Path | bytes, name: str) -> None:
        codec = self._need(stamp)
        photo = photos.open_photo(source, name)
        boxes, searched = self._faces_of(codec, photo)
        box = boxes[0] if boxes else None
        self.photoReady.emit(self._photo_read(stamp, photo, box, boxes, searched, False))
        self._encode_photo(stamp, photo, box, self.faceReady)

    def _read(self, stamp: int, source: Path, name: str, recipe: Mapping[str, Any]) -> None:
        photo = photos.open_photo(source, name)
        box = photos.box_of(recipe, photo)
        self.photoReady.emit(self._photo_read(stamp, photo, box, (), False, True))

    def _photo_read(
        self,
        stamp: int,
        photo: Photo,
        box: align.Box | None,
        boxes: tuple[align.Box, ...],
        searched: bool,
        asked: bool,
    ) -> PhotoRead:
        codec = self._need(stamp)
        crop = codec.config.crop
        target, view = align.target_of(codec.card.data, crop), photos.preview(photo, VIEW)
        return PhotoRead(stamp, photo, view, crop, target, box, boxes, searched, asked)

    def _faces_of(self, codec: Codec, photo: Photo) -> tuple[tuple[align.Box, ...], bool]:
        """Boxes of faces in a photo that is not cropped yet, and whether any were looked for."""
        if photo.fits(codec.config.crop) or not face_detector.available():
            return (), False
        try:
            return photos.align_photo(photo, align.target_of(codec.card.data, codec.config.crop)), True
        except ConfigError:  # the dialog says so when it is asked to find faces
            return (), False

    def _encode_photo(self, stamp: int, photo: Photo, box: align.Box | None, ready: Any) -> None:
        codec = self._need(stamp)
        image = photos.crop_photo(photo, codec.size, codec.config.crop, box)
        self._row(stamp, image, photo.name, photos.note(photo, codec.config.crop, box), ready)

    def _crop(self, stamp: int, photo: Photo, box: align.Box, serial: int) -> None:
        codec = self._need(stamp)
        image = photos.crop_photo(photo, codec.size, codec.config.crop, box)
        mu, _ = codec.encode(image[None])
        self.cropped.emit(Cropped(stamp, serial, image, codec.decode(mu)[0]))

    def _find_faces(self, stamp: int, photo: Photo) -> None:
        codec = self._need(stamp)
        try:
            boxes = photos.align_photo(photo, align.target_of(codec.card.data, codec.config.crop))
        except ConfigError as error:
            self.facesFound.emit(FacesFound(photo, (), str(error)))
        else:
            self.facesFound.emit(FacesFound(photo, boxes))

    def _row(self, stamp: int, image: Image, name: str, recipe: Mapping[str, Any], ready: Any = None) -> None:
        mu, _ = self._need(stamp).encode(image[None])
        opened = Opened(stamp, Face(name, mu[0].astype(np.float64), image, recipe))
        (ready or self.faceReady).emit(opened)

    def _prior(self, stamp: int, seed: int) -> None:
        z = np.random.default_rng(seed).standard_normal(self._need(stamp).dim)
        recipe = {"face": "prior", "seed": seed}
        self.faceReady.emit(Opened(stamp, Face(tr("prior, seed {seed}", seed=seed), z, None, recipe)))

    def _encode_faces(self, stamp: int, faces: FaceSet) -> Iterator[None]:
        parts, done, told, count = [], 0, 0.0, 1
        while done < len(faces):
            start = time.perf_counter()
            parts.append(self._need(stamp).encode(faces.images[done : done + count])[0])
            done = min(done + count, len(faces))
            took = time.perf_counter() - start
            count = (
                min(2 * count, MOST) if took < PIECE / 2 else max(count // 2, 1) if took > PIECE else count
            )
            if start + took - told > 0.1 or done == len(faces):
                told = start + took
                self.encoding.emit(done, len(faces))
            yield
        import sklearn.decomposition  # noqa: F401  here, so that the latent view need not wait for it

        mu = np.concatenate(parts) if parts else np.zeros((0, self._need(stamp).dim), np.float32)
        self.codesReady.emit(Codes(stamp, faces, mu))

    def _at_leisure(self, stamp: int, work: Callable[[Codec], Iterator[None]]) -> Iterator[None]:
        yield from work(self._need(stamp))

    def _until(self, request: UntilRequest) -> None:
        codec = self._need(request.stamp)

        def see(codes: Code) -> ArrayLike:
            while (act := self._mail.take_urgent()) is not None:  # a drag goes on meanwhile
                self._do(act)
            return codec.encode(codec.decode(codes))[0]

        def tell(done: int, total: int) -> None:
            what = (
                tr("searching with {name}", name=request.name)
                if request.wanted
                else tr("searching without {name}", name=request.name)
            )
            self.progressed.emit(what, done, total)

        try:
            reach = until.until_image(
                request.z,
                request.planes,
                request.way,
                request.p,
                see,
                progress=tell,
                cancelled=lambda: self._searched is not request,
            )
        except Cancelled:
            self.found.emit(Found(request, None))
            return
        self.found.emit(Found(request, reach))

    def _render(self, stamp: int, make: Callable[[Decode], Any]) -> None:
        self.rendered.emit(make(self._need(stamp).decode))


class _Stale(Exception):  # noqa: N818  no error: another model is open by now
    pass


Decode = Callable[[ArrayLike], Image]
