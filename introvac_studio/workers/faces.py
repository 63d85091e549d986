"""Opens or prepares a data set for the face browser, away from the window's thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QThread, Signal, Slot

from introvac_studio.language import tr
from introvac_studio.messages import Failure
from introvac_studio.state import FaceSet
from introvac_studio.workers.mailbox import Mailbox
from trainer import files
from trainer.data.cache import open_data
from trainer.data.source import Source, open_source
from trainer.errors import Cancelled, DataError, IntroVACError

LIMIT = 1500  # faces in the browser and in the latent view
SMALL = 4 * LIMIT  # data sets up to this size are prepared whole, and kept


@dataclass(frozen=True, eq=False)
class FacesWanted:
    """Faces of a data set at a model's size; `crop` None means the data's own."""

    spec: str
    size: int
    crop: str | None


class FacesThread(QThread):
    """The newest request wins.

    Signals:
        ready(FacesWanted, FaceSet), progressed(what, done, total), failed(FacesWanted, Failure),
        cancelled(FacesWanted).
    """

    ready = Signal(object, object)
    progressed = Signal(str, int, int)
    failed = Signal(object, object)
    cancelled = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mail = Mailbox(("faces",))
        self._newest: FacesWanted | None = None

    def request(self, spec: str, size: int, crop: str | None) -> FacesWanted:
        """Ask for faces; the answer carries the object that this returns."""
        wanted = FacesWanted(spec, size, crop)
        self._newest = wanted
        self._mail.put_latest("faces", lambda: self._load(wanted))
        return wanted

    @Slot()
    def cancel(self) -> None:
        """Give up what is being prepared: `cancelled` says so."""
        self._newest = None

    def close(self) -> None:
        self._newest = None
        self._mail.close()
        self.wait()

    def run(self) -> None:
        while (act := self._mail.take()) is not None:
            act()

    def _load(self, wanted: FacesWanted) -> None:
        try:
            self.ready.emit(wanted, self._faces(wanted))
        except Cancelled:
            self.cancelled.emit(wanted)
        except (IntroVACError, OSError) as error:
            self.failed.emit(wanted, Failure("faces", str(error)))
        except Exception as error:
            self.failed.emit(wanted, Failure("faces", f"{type(error).__name__}: {error}"))

    def _faces(self, wanted: FacesWanted) -> FaceSet:
        def tell(done: int, total: int) -> None:
            self.progressed.emit(tr("preparing faces"), done, total)

        def stale() -> bool:
            return self._newest is not wanted

        if not files.is_dir(Path(wanted.spec).expanduser()):
            source = open_source(wanted.spec)
            if len(source.names) > SMALL:
                return self._read(source, wanted)
        cache = open_data(wanted.spec, wanted.size, wanted.crop, progress=tell, cancelled=stale)
        rows = _held_out(cache.splits)
        names = tuple(cache.names[i] for i in rows)
        labels = np.asarray(cache.labels[rows], np.int8)
        return FaceSet(wanted.spec, cache.batch(rows), names, tuple(cache.attributes), labels)

    def _read(self, source: Source, wanted: FacesWanted) -> FaceSet:
        """The shown rows of a large data set, without preparing the rest."""
        rows, images, good = _held_out(source.splits), [], []
        for done, row in enumerate(rows, 1):
            if self._newest is not wanted:
                raise Cancelled
            try:
                images.append(source.read(int(row), wanted.size, wanted.crop or source.default_crop))
                good.append(int(row))
            except IntroVACError:
                continue  # a broken picture; training counts and names them
            if done % 25 == 0 or done == len(rows):
                self.progressed.emit(tr("reading faces"), done, len(rows))
        if not good:
            raise DataError(f"{wanted.spec}: none of its pictures can be read")
        names = tuple(source.names[i] for i in good)
        labels = np.asarray(source.labels[good], np.int8)
        return FaceSet(wanted.spec, np.stack(images), names, tuple(source.attributes), labels)


def _held_out(splits: np.ndarray) -> np.ndarray:
    """Rows to show: test and validation first, then training, at most LIMIT, in file order."""
    order = np.argsort(-np.asarray(splits, np.int64), kind="stable")
    return np.sort(order[:LIMIT])
