"""Looks at data sets in the background: prepares the pictures, counts, and picks examples.

Wiring::

    thread = DataThread()
    panel.summaryRequested.connect(thread.request)   # starts the thread when needed
    panel.cancelRequested.connect(thread.cancel)
    thread.progress.connect(panel.on_progress)
    thread.ready.connect(panel.on_summary)
    thread.failed.connect(panel.on_failed)
    # on closing the window: thread.close()
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QThread, Signal, Slot

from introvac_studio.data_summary import DataRequest, DataSummary
from introvac_studio.language import tr
from trainer.data.cache import Cache, open_data
from trainer.data.derive import extend
from trainer.data.select import select, summary
from trainer.data.source import SPLITS
from trainer.errors import Cancelled, IntroVACError

log = logging.getLogger(__name__)

EXAMPLES = 24
SAY_EVERY = 0.1  # seconds between two progress signals


class DataThread(QThread):
    """Answers the latest request; an older one that is still at work is given up.

    Signals:
        progress(int, int, object): pictures done, of how many, seconds left or None.
        ready(DataSummary): the answer.
        failed(str): why there is none, and what to do.
    """

    progress = Signal(int, int, object)
    ready = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wake = threading.Condition()
        self._wanted: DataRequest | None = None
        self._closing = False
        self._cancel = False
        self._opened: tuple[tuple[str, int, str | None], Cache] | None = None

    @Slot(object)
    def request(self, wanted: DataRequest) -> None:
        """Look at this, and at nothing older."""
        with self._wake:
            if self._closing:
                return
            self._wanted = wanted
            self._wake.notify_all()
        if not self.isRunning():
            self.start()

    @Slot()
    def cancel(self) -> None:
        """Give up what is at work; `failed` says so."""
        with self._wake:
            self._cancel = True

    def close(self) -> None:
        """Give up and return when the thread has ended."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self.wait()

    def run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closing or self._wanted is not None)
                if self._closing:
                    return
                wanted, self._wanted, self._cancel = self._wanted, None, False
            assert wanted is not None
            try:
                answer = _summarise(wanted, self._open(wanted))
            except Cancelled:
                if not self._closing and self._wanted is None:
                    self.failed.emit(tr("Stopped before all pictures were prepared."))
            except (IntroVACError, OSError) as error:
                self.failed.emit(str(error))
            except Exception as error:  # a fault of ours must not end the thread silently
                log.exception("looking at %s failed", wanted.choice.data)
                self.failed.emit(f"{type(error).__name__}: {error}")
            else:
                if self._wanted is None:
                    self.ready.emit(answer)

    def _open(self, wanted: DataRequest) -> Cache:
        key = (wanted.choice.data, wanted.image_size, wanted.crop)
        if self._opened is None or self._opened[0] != key:
            self._opened = None
            self._opened = (key, self._prepare(wanted))
        return self._opened[1]

    def _prepare(self, wanted: DataRequest) -> Cache:
        started, said = time.monotonic(), 0.0

        def progress(done: int, total: int) -> None:
            nonlocal said
            now = time.monotonic()
            if now - said >= SAY_EVERY or done == total:
                said = now
                left = (now - started) / done * (total - done) if done else None
                self.progress.emit(done, total, left)

        if wanted.choice.kind == "cache":
            return Cache.open(Path(wanted.choice.data).expanduser())
        return open_data(
            wanted.choice.data,
            wanted.image_size,
            wanted.crop,
            progress=progress,
            cancelled=lambda: self._closing or self._cancel or self._wanted is not None,
        )


def _summarise(wanted: DataRequest, cache: Cache) -> DataSummary:
    choice, problem = wanted.choice, ""
    attributes, labels = cache.attributes, cache.labels
    try:
        attributes, labels = extend(cache.attributes, cache.labels, choice.derive)
    except IntroVACError as error:
        problem = str(error)
    splits = {name: int((cache.splits == number).sum()) for name, number in SPLITS.items()}
    selected: dict[str, int] = {}
    note = ""
    chosen: tuple[str, ...] = ()
    together = np.zeros((0, 0), np.int64)
    shown = np.arange(len(cache))
    if not problem:
        try:
            selection = select(cache, choice.attributes, choice.derive, choice.subset, wanted.seed)
        except IntroVACError as error:
            problem = str(error)
        else:
            found = summary(selection)
            selected, chosen, together = found.images, found.attributes, found.together
            splits, note = found.whole, found.note
            shown = selection.train
    picked = np.sort(np.random.default_rng(0).permutation(shown)[:EXAMPLES])
    return DataSummary(
        request=wanted,
        size=cache.size,
        crop=cache.crop,
        images=len(cache),
        attributes=attributes,
        counts=tuple(int(n) for n in labels.sum(axis=0, dtype=np.int64)),
        splits=splits,
        selected=selected,
        chosen=chosen,
        together=together,
        examples=cache.batch(picked),
        skipped=tuple(cache.skipped),
        problem=problem,
        names=tuple(cache.names[i] for i in picked),
        note=note,
    )
