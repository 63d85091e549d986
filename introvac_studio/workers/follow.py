"""A run that somebody else trains, followed by its files: events come out, wishes go in.

Sizes are asked for by opening the file, since on a network folder only that is fresh. Whole lines are taken
and the rest waits. A file that was begun anew is read anew. The folder may go away and come back.

Wiring (by `runs.py`, on the UI's thread)::

    thread = FollowThread(run, parent)
    thread.opened.connect(...)      # all that was said so far, and how the run stands: `Past`
    thread.happened.connect(...)    # every later event but StepLosses; those wait: thread.drain()
    thread.stands.connect(...)      # "running", "over", "missing"
    thread.ask("pause")             # or resume, stop, snapshot
"""

from __future__ import annotations

import re
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Signal, Slot

from trainer import events, files
from trainer.errors import IntroVACError
from trainer.presence import Vigil, ask
from trainer.run_files import CHECKPOINTS, EVENTS_FILE, MODEL_FILE, lasting

LIVELY, CALM = 0.25, 1.0  # seconds between looks at a run in training, and at another
_HEAD = 256  # bytes by which a file that was begun anew is told


@dataclass(frozen=True)
class Past:
    """What a run has said so far, less what a resume made void, and how it stands."""

    run: Path
    events: tuple[events.Event, ...]
    stands: str


class EventTail:
    """The events of a growing file, from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self._path, self._place, self._head, self._part = path, 0, b"", b""

    def read(self) -> tuple[bool, list[events.Event]]:
        """(whether the file was begun anew, what is new); OSError where it cannot be read."""
        with self._path.open("rb") as log:
            head = log.read(_HEAD)
            anew = not head.startswith(self._head)
            if not anew:
                anew = log.seek(0, 2) < self._place
            if anew:
                self._place, self._part = 0, b""
            self._head = head
            log.seek(self._place)
            fresh = log.read()
        self._place += len(fresh)
        *lines, self._part = (self._part + fresh).split(b"\n")
        found = []
        for line in lines:
            with suppress(events.EventFormatError):
                found.append(events.from_line(line.decode("utf-8", "replace")))
        return anew, found


class FollowThread(QThread):
    """Follows one run.

    Args:
        run: its directory.

    Signals:
        opened(Past): at first, and whenever the run was begun anew or came back.
        happened(Event): what it says later, in order, less `StepLosses`.
        stands(str): "running", "over" or "missing", whenever it differs.
        failed(str): a wish could not be left.
    """

    opened = Signal(object)
    happened = Signal(object)
    stands = Signal(str)
    failed = Signal(str)

    def __init__(self, run: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.followed = run
        self._losses: deque[events.StepLosses] = deque()
        self._wishes: deque[str] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._vigil = Vigil()

    @Slot(str)
    def ask(self, wish: str) -> None:
        """Leave a wish for the run: stop, pause, resume or snapshot."""
        self._wishes.append(wish)
        self._wake.set()

    def drain(self) -> list[events.StepLosses]:
        """The losses since the last call, in order."""
        return [self._losses.popleft() for _ in range(len(self._losses))]

    def close(self) -> None:
        """End, and wait for it."""
        self._closed = True
        self._wake.set()
        self.wait()

    # -- the thread -----------------------------------------------------------------------

    def run(self) -> None:
        """Look, tell, wait."""
        tail, known, stands = EventTail(self.followed / EVENTS_FILE), False, ""
        while not self._closed:
            self._wake.clear()
            while self._wishes:
                self._leave(self._wishes.popleft())
            lives = self._vigil.sign(self.followed) is not None
            now = "running" if lives else "over"  # asked before the events: the last are told before the end
            try:
                anew, found = tail.read()
            except OSError:
                anew, found = False, []
                if not files.is_dir(self.followed):
                    now = "missing"
            if now == "missing":
                tail, known = EventTail(self.followed / EVENTS_FILE), False
            elif anew or not known:
                known = True
                self._losses.clear()
                past = tuple(self._here(event) for event in lasting(found))
                self.opened.emit(Past(self.followed, past, now))
                stands = now
            else:
                self._tell(found)
            if now != stands:
                stands = now
                self.stands.emit(now)
            self._wake.wait(LIVELY if now == "running" else CALM)

    def _tell(self, found: list[events.Event]) -> None:
        for event in found:
            if isinstance(event, events.StepLosses):
                self._losses.append(event)
            else:
                self.happened.emit(self._here(event))

    def _here(self, event: events.Event) -> events.Event:
        """The event with its paths as they are from here: the run may be elsewhere for whoever trains it."""
        if isinstance(event, events.RunStarted):
            return replace(event, run=str(self.followed))
        if isinstance(event, events.CheckpointSaved | events.Finished):
            *_, folder, name = ["", *re.split(r"[\\/]", event.model)]
            inside = self.followed / folder if folder == CHECKPOINTS and name != MODEL_FILE else self.followed
            return replace(event, model=str(inside / name))
        return event

    def _leave(self, wish: str) -> None:
        try:
            ask(self.followed, wish)
        except IntroVACError as error:
            self.failed.emit(str(error))
