"""Looks through folders of runs in a thread of its own: what there is, what changed, curves, the trash."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QFile, QObject, QRect, QSize, Qt, QThread, Signal
from PySide6.QtGui import QImage, QImageReader

from introvac_studio.run_rows import RunRow
from trainer import files, run_names, run_summary
from trainer.errors import IntroVACError
from trainer.presence import Vigil
from trainer.run_summary import RunCurves, RunSummary

_STEM = 80  # letters of a run's name in that of what is being deleted
FACES = 2  # in a thumbnail
THUMB = 64  # pixels of a face in it, for twice as many a screen point
_SOON = (50, 200, 400, 600, 800, 1000, 2000)  # runs of a first reading after which the list is told

_Key = tuple[tuple[int, ...], bool]


class RunListThread(QThread):
    """Reads runs when asked to; what has not changed is not read again.

    Signals:
        listed(tuple[RunRow]): all runs of the folders asked for, when something differs from before.
        overlaid(tuple[RunCurves]): curves that were asked for.
        trashed(Path, str, bool): a run went where the text says; whether it can be put back from there.
        untrashed(Path, str): it could not be moved to the trash, and why; nothing has changed.
        renamed(Path, Path): a run that was here is there now.
        failed(str): a sentence on what did not work.
    """

    listed = Signal(object)
    overlaid = Signal(object)
    trashed = Signal(object, str, bool)
    untrashed = Signal(object, str)
    renamed = Signal(object, object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ready = threading.Condition()
        self._look: tuple[Path, ...] | None = None
        self._curves: tuple[Path, ...] | None = None
        self._jobs: deque[Callable[[], None]] = deque()
        self._closed = False
        self._known: dict[Path, tuple[_Key, RunRow]] = {}
        self._drawn: dict[Path, tuple[tuple[int, ...], RunCurves]] = {}
        self._told: tuple[RunRow, ...] | None = None
        self._vigil = Vigil()

    # -- requests, from the window's thread -----------------------------------------------

    def look(self, folders: Sequence[Path]) -> None:
        """List the runs in these folders; the newest request counts."""
        with self._ready:
            self._look = tuple(folders)
            self._ready.notify()

    def curves(self, runs: Sequence[Path]) -> None:
        """Read the curves of these runs; the newest request counts."""
        with self._ready:
            self._curves = tuple(runs)
            self._ready.notify()

    def trash(self, run: Path) -> None:
        """Move a run to the trash."""
        self._put(lambda: self._trash(run))

    def delete(self, run: Path) -> None:
        """Delete a run for good."""
        self._put(lambda: self._delete(run))

    def rename(self, run: Path, name: str) -> None:
        """Give a run another name."""
        self._put(lambda: self._rename(run, name))

    def put_back(self, run: Path, place: str) -> None:
        """Bring a run back from the trash."""
        self._put(lambda: self._put_back(run, place))

    def _put(self, job: Callable[[], None]) -> None:
        with self._ready:
            self._jobs.append(job)
            self._ready.notify()

    def close(self) -> None:
        """End, and wait for it."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        self.wait()

    # -- the thread -----------------------------------------------------------------------

    def run(self) -> None:
        """Serve: jobs, curves, then the list."""
        while True:
            with self._ready:
                self._ready.wait_for(
                    lambda: self._closed or self._jobs or self._curves is not None or self._look is not None
                )
                if self._closed:
                    return
                job = self._jobs.popleft() if self._jobs else None
                wanted, folders = None, None
                if job is None:
                    wanted, self._curves = self._curves, None
                    if wanted is None:
                        folders, self._look = self._look, None
            if job is not None:
                job()
            elif wanted is not None:
                self._overlay(wanted)
            elif folders is not None:
                self._list(folders)

    def _list(self, folders: tuple[Path, ...]) -> None:
        paths = list(dict.fromkeys(path for folder in folders for path in run_summary.find(folder)))
        self._known = {path: self._known[path] for path in paths if path in self._known}
        rows: list[RunRow] = []
        fresh = 0
        for path in paths:
            if self._closed:
                return
            row, read = self._row(path)
            rows.append(row)
            fresh += read
            if read and self._told is None and fresh in _SOON:  # the first of many, at once
                self.listed.emit(tuple(rows))
        told = tuple(rows)
        if self._told is None or [id(r) for r in told] != [id(r) for r in self._told]:
            self._told = told
            self.listed.emit(told)

    def _row(self, path: Path) -> tuple[RunRow, bool]:
        """A run's row, and whether it was read anew."""
        sign = self._vigil.sign(path)
        key = (run_summary.stamp(path), sign is not None)
        known = self._known.get(path)
        if known is not None and known[0] == key:
            return known[1], False
        summary = run_summary.summarise(path, sign)
        row = RunRow(summary, thumbnail(summary))
        self._known[path] = (key, row)
        return row, True

    def _overlay(self, runs: tuple[Path, ...]) -> None:
        found = []
        for run in runs:
            mark = run_summary.stamp(run)
            if self._drawn.get(run, (None,))[0] != mark:
                try:
                    self._drawn[run] = (mark, run_summary.curves(run))
                except IntroVACError as error:
                    self.failed.emit(str(error))
                    continue
            found.append(self._drawn[run][1])
        self._drawn = {run: self._drawn[run] for run in runs if run in self._drawn}
        self.overlaid.emit(tuple(found))

    def _trash(self, run: Path) -> None:
        if self._vigil.sign(run) is not None:
            self.failed.emit(f"{run}: a process trains it; stop it first")
            return
        done, told = _to_trash(run)
        if done:
            self.trashed.emit(run, told, bool(told))
        else:
            self.untrashed.emit(run, told)

    def _delete(self, run: Path) -> None:
        if self._vigil.sign(run) is not None:
            self.failed.emit(f"{run}: a process trains it; stop it first")
            return
        going = run.with_name(f".{run.name[:_STEM]}.{secrets.token_hex(4)}.deleted")
        try:
            run.rename(going)  # where something in it is in use, nothing is lost
        except OSError as error:
            self.failed.emit(f"{run}: cannot be deleted ({error.strerror or error}); nothing has changed")
            return
        try:
            shutil.rmtree(going)
        except OSError as error:
            self.failed.emit(f"{going}: cannot be deleted whole ({error.strerror or error})")
        self.trashed.emit(run, "", False)

    def _rename(self, run: Path, name: str) -> None:
        try:
            target = run_names.rename(run, name, self._vigil)
        except IntroVACError as error:
            self.failed.emit(str(error))
        else:
            if target != run:
                self.renamed.emit(run, target)

    def _put_back(self, run: Path, place: str) -> None:
        try:
            if files.exists(run):
                raise FileExistsError(17, "there is another one of this name")
            shutil.move(place, run)
        except OSError as error:
            self.failed.emit(f"{run}: cannot be put back from {place} ({error.strerror or error})")


def _to_trash(run: Path) -> tuple[bool, str]:
    """(whether it went, where to or why not); the place may be unknown."""
    file = QFile(str(run))
    if not file.moveToTrash():  # the static function of this name does not say where to
        return False, file.errorString()
    place = file.fileName()
    return True, place if place != str(run) else ""


def thumbnail(summary: RunSummary) -> QImage:
    """The first reconstructions of the newest grid; null where there is none that can be read."""
    if summary.picture is None or summary.cell < 1:
        return QImage()
    reader = QImageReader(str(summary.picture))
    whole, cell = reader.size(), summary.cell
    row = 1 if whole.height() >= 2 * cell else 0
    part = QRect(0, row * cell, min(FACES * cell, whole.width()), cell)
    if whole.height() < cell or part.width() < cell:
        return QImage()
    reader.setClipRect(part)
    image = reader.read()
    if image.isNull():
        return image
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    image = image.scaled(QSize(FACES * THUMB, THUMB), keep, smooth)
    image.setDevicePixelRatio(2)
    return image
