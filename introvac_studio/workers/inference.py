"""The thread that owns the open model: decodes the newest edit, encodes photos, opens model files.

Everything that follows a mouse is latest-wins: a request replaces the one that still waits, and the
answer carries the model's stamp and a serial, so that stale ones can be dropped. Longer work is cut
into pieces, between which the newest edit goes first. Methods are called from the window's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QObject, QThread, Signal

from introvac_studio.answers import Codes, Failure, Frame, Opened, Seen, Strip
from introvac_studio.state import Face, FaceSet, Image, ModelInfo
from introvac_studio.workers.mailbox import Job, Mailbox
from trainer.data.transforms import open_image, prepare
from trainer.errors import IntroVACError

if TYPE_CHECKING:
    from trainer.codec import Codec

CHUNK = 64


class InferenceThread(QThread):
    """Signals carry the dataclasses of `introvac_studio.answers`, and `ModelInfo` for `modelOpened`."""

    modelOpened = Signal(object)
    frameReady = Signal(object)
    reconstructionReady = Signal(object)
    seenReady = Signal(object)
    stripReady = Signal(object)
    faceReady = Signal(object)
    codesReady = Signal(object)
    exportReady = Signal(object)
    progressed = Signal(str, int, int)
    failed = Signal(object)

    CHANNELS = ("frame", "reconstruction", "strip", "seen")

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mail = Mailbox(self.CHANNELS)
        self._codec: Codec | None = None
        self._stamp = 0  # of the codec that is open, in the worker's thread
        self._asked = 0  # of the newest opening asked for, in the window's thread

    # -- called from the window's thread ----------------------------------------------------

    def open_model(self, path: Path, device: str = "auto") -> int:
        """Ask for a model file to be opened; returns its stamp. Whatever waits for the old one is dropped."""
        self._asked += 1
        stamp = self._asked
        self._mail.forget()
        self._mail.put(lambda: self._open(path, device, stamp))
        return stamp

    def decode(self, z: NDArray[np.float64], serial: int) -> None:
        """The picture of the edited code (d,): `frameReady`."""
        self._mail.put_latest("frame", lambda: self._decode(z, serial, self.frameReady))

    def reconstruct(self, mu: NDArray[np.float64], serial: int) -> None:
        """The picture of the unedited code (d,): `reconstructionReady`."""
        self._mail.put_latest("reconstruction", lambda: self._decode(mu, serial, self.reconstructionReady))

    def see(self, z: NDArray[np.float64], serial: int) -> None:
        """What the classifier says of the decoded picture: `seenReady`."""
        self._mail.put_latest("seen", lambda: self._see(z, serial))

    def strip(self, codes: NDArray[np.float64], serial: int) -> None:
        """Pictures of codes (n, d): `stripReady`."""
        self._mail.put_latest("strip", lambda: self._strip(codes, serial))

    def open_photo(self, source: Path | bytes, name: str, crop: str | None = None) -> None:
        """Encode a photo, prepared as the model's training data was: `faceReady`."""
        self._mail.put(lambda: self._photo(source, name, crop))

    def open_row(self, image: Image, name: str, recipe: Mapping[str, Any]) -> None:
        """Encode a prepared picture (S, S, 3): `faceReady`."""
        self._mail.put(lambda: self._row(image, name, recipe))

    def draw(self, seed: int) -> None:
        """A face from the prior: `faceReady`."""
        self._mail.put(lambda: self._prior(seed))

    def encode_faces(self, faces: FaceSet) -> None:
        """mu of a whole set, in pieces: `progressed`, then `codesReady`."""
        self._mail.put(lambda: self._encode_faces(faces))

    def render(self, make: Callable[[Decode], Any]) -> None:
        """Let `make` decode what an export needs; its result goes out by `exportReady`."""
        self._mail.put(lambda: self._render(make))

    def close(self) -> None:
        """End the thread after the piece of work at hand, and wait for it."""
        self._mail.close()
        self.wait()

    # -- in the worker's thread ---------------------------------------------------------------

    def run(self) -> None:
        job: Iterator[None] | None = None
        while not self._mail.closed:
            request, fresh = self._mail.take(busy=job is not None)
            if request is not None:
                self._guard("decode", request)
                continue
            if fresh is not None:
                job = self._start(fresh)
            if job is not None and not self._advance(job):
                job = None

    def _start(self, job: Job) -> Iterator[None]:
        return job()

    def _advance(self, job: Iterator[None]) -> bool:
        """One piece of a job; False when it is through."""
        going = False

        def piece() -> None:
            nonlocal going
            going = next(job, _END) is not _END

        self._guard("request", piece)
        return going

    def _guard(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except (IntroVACError, OSError) as error:
            self.failed.emit(Failure(what, str(error)))
        except Exception as error:
            self.failed.emit(Failure(what, f"{type(error).__name__}: {error}"))

    def _open(self, path: Path, device: str, stamp: int) -> Iterator[None]:
        from trainer.codec import Codec
        from trainer.device import describe

        codec = Codec(path, device)
        self._codec, self._stamp = codec, stamp
        self.modelOpened.emit(
            ModelInfo(
                stamp=stamp,
                path=codec.path,
                name=codec.card.name or codec.path.stem,
                planes=codec.planes,
                card=codec.card,
                digest=codec.digest,
                size=codec.size,
                dim=codec.dim,
                crop=codec.model.config.crop,
                device=describe(codec.device),
            )
        )
        yield

    def _need(self) -> Codec:
        if self._codec is None:
            raise IntroVACError("no model is open yet; open one with File > Open model")
        return self._codec

    def _decode(self, z: NDArray[np.float64], serial: int, signal: Any) -> None:
        start = time.perf_counter()
        image = self._need().decode(z[None])[0]
        signal.emit(Frame(self._stamp, serial, image, time.perf_counter() - start))

    def _see(self, z: NDArray[np.float64], serial: int) -> None:
        codec = self._need()
        mu, _ = codec.encode(codec.decode(z[None]))
        p = codec.planes.probabilities(mu[0])
        self.seenReady.emit(
            Seen(self._stamp, serial, dict(zip(codec.planes.names, map(float, p), strict=True)))
        )

    def _strip(self, codes: NDArray[np.float64], serial: int) -> None:
        self.stripReady.emit(Strip(self._stamp, serial, self._need().decode(codes)))

    def _photo(self, source: Path | bytes, name: str, crop: str | None) -> Iterator[None]:
        codec = self._need()
        crop = crop or ("square" if codec.model.config.crop == "none" else codec.model.config.crop)
        image = prepare(open_image(source), codec.size, crop)
        recipe = {
            "face": "photo",
            "file": str(source) if isinstance(source, Path) else "pasted",
            "crop": crop,
        }
        yield from self._row(image, name, recipe)

    def _row(self, image: Image, name: str, recipe: Mapping[str, Any]) -> Iterator[None]:
        mu, _ = self._need().encode(image[None])
        face = Face(name, mu[0].astype(np.float64), image, recipe)
        self.faceReady.emit(Opened(self._stamp, face))
        yield

    def _prior(self, seed: int) -> Iterator[None]:
        z = np.random.default_rng(seed).standard_normal(self._need().dim)
        recipe = {"face": "prior", "seed": seed}
        self.faceReady.emit(Opened(self._stamp, Face(f"prior, seed {seed}", z, None, recipe)))
        yield

    def _encode_faces(self, faces: FaceSet) -> Iterator[None]:
        import sklearn.decomposition  # noqa: F401  here, so that the latent view need not wait for it

        codec, stamp = self._need(), self._stamp
        parts = []
        for start in range(0, len(faces), CHUNK):
            if self._mail.closed or stamp != self._stamp:
                return
            parts.append(codec.encode(faces.images[start : start + CHUNK])[0])
            self.progressed.emit("encoding faces", min(start + CHUNK, len(faces)), len(faces))
            yield
        mu = np.concatenate(parts) if parts else np.zeros((0, codec.dim), np.float32)
        self.codesReady.emit(Codes(stamp, faces, mu))

    def _render(self, make: Callable[[Decode], Any]) -> Iterator[None]:
        self.exportReady.emit(make(self._need().decode))
        yield


Decode = Callable[[ArrayLike], Image]
_END = object()
