"""Opens or prepares a data set for the face browser, away from the window's thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, QThread, Signal

from introvac_studio.answers import Failure
from introvac_studio.state import FaceSet
from introvac_studio.workers.mailbox import Mailbox
from trainer.data.cache import open_data
from trainer.errors import Cancelled, IntroVACError

LIMIT = 1500  # faces in the browser and in the latent view


@dataclass(frozen=True)
class _Wanted:
    spec: str
    size: int
    crop: str | None


class FacesThread(QThread):
    """The newest request wins; `ready` carries a FaceSet, `progressed` what, done, total."""

    ready = Signal(object)
    progressed = Signal(str, int, int)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mail = Mailbox(("faces",))
        self._newest: _Wanted | None = None

    def request(self, spec: str, size: int, crop: str | None) -> None:
        """Ask for faces of a data set at a model's size."""
        wanted = _Wanted(spec, size, crop)
        self._newest = wanted
        self._mail.put_latest("faces", lambda: self._load(wanted))

    def close(self) -> None:
        self._newest = None
        self._mail.close()
        self.wait()

    def run(self) -> None:
        while not self._mail.closed:
            request, _ = self._mail.take(busy=False)
            if request is not None:
                request()

    def _load(self, wanted: _Wanted) -> None:
        try:
            cache = open_data(
                wanted.spec,
                wanted.size,
                wanted.crop,
                progress=lambda done, total: self.progressed.emit("preparing faces", done, total),
                cancelled=lambda: self._newest is not wanted,
            )
            rows = _held_out(cache.splits)
            faces = FaceSet(
                wanted.spec,
                cache.batch(rows),
                tuple(cache.names[i] for i in rows),
                tuple(cache.attributes),
                np.asarray(cache.labels[rows], np.int8),
            )
        except Cancelled:
            return
        except (IntroVACError, OSError) as error:
            self.failed.emit(Failure("faces", str(error)))
            return
        if self._newest is wanted:
            self.ready.emit(faces)


def _held_out(splits: np.ndarray) -> np.ndarray:
    """Rows to show: test and validation first, then training, at most LIMIT, in file order."""
    order = np.argsort(-np.asarray(splits, np.int64), kind="stable")
    return np.sort(order[:LIMIT])
