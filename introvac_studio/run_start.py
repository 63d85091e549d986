"""What a run does before its first losses: phases, as its child tells them, and the time each has taken."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from introvac_studio.language import mark, tr
from introvac_studio.widgets.texts import duration
from trainer import events

TICK_MS = 1000
PROCESS, STEPS = "process", "first steps"
# What a `Progress` event is about: while it goes on, and when it is over.
PHASES = {
    PROCESS: (mark("Starting Python and PyTorch"), mark("Python and PyTorch started")),
    "opening data": (mark("Reading the data"), mark("Data read")),
    "preparing images": (mark("Preparing pictures"), mark("Pictures prepared")),
    "building the model": (mark("Building the model"), mark("Model built")),
    STEPS: (mark("Taking the first steps"), mark("First steps taken")),
    "saving": (mark("Saving"), mark("Saved")),
}


def doing(what: str) -> str:
    """What a child is at, in the user's language; what we do not know is shown as the child says it."""
    return tr(PHASES[what][0]) if what in PHASES else what[:1].upper() + what[1:]


class RunStart(QObject):
    """Follows a run from the press of Start to its first losses.

    Args:
        clock: seconds that never go back.

    Signals:
        changed: there is more to show: a phase, a count, or a second more.
    """

    changed = Signal()

    def __init__(self, clock: Callable[[], float] = time.monotonic, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._clock = clock
        self._since = self._began = 0.0  # the start, and the present phase
        self._past: list[tuple[str, float]] = []
        self._what = ""
        self.progress: events.Progress | None = None  # of the present phase, where it can be counted
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.changed)

    @property
    def active(self) -> bool:
        """Whether a run is on its way to its first losses."""
        return bool(self._what)

    def begin(self) -> None:
        """Start has been pressed."""
        self._since = self._began = self._clock()
        self._past.clear()
        self._what, self.progress = PROCESS, None
        self._timer.start()
        self.changed.emit()

    def end(self) -> None:
        """There are losses, or there will be none."""
        self._what = ""
        self._timer.stop()

    def see(self, event: events.Event) -> None:
        """What the child says."""
        if not self.active:
            return
        if isinstance(event, events.RunStarted):
            self._enter(STEPS)
        elif isinstance(event, events.Progress):
            self._enter(event.what)
            self.progress = event if event.total else None
        self.changed.emit()

    def _enter(self, what: str) -> None:
        if what != self._what:
            now = self._clock()
            self._past.append((self._what, now - self._began))
            self._what, self._began, self.progress = what, now, None

    @property
    def headline(self) -> str:
        """What goes on, with how much of it is done where that is known."""
        title, at = doing(self._what), self.progress
        if at is None:
            return f"{title}…"
        return tr("{what}: {n} of {all}", what=title, n=f"{at.done:,}", all=f"{at.total:,}")

    @property
    def pace(self) -> str:
        """How long it has taken, and what is left of the phase where that is known."""
        so_far = tr("{time} since the start", time=duration(self._clock() - self._since))
        left = None if self.progress is None else self.progress.seconds_left
        return so_far if left is None else f"{so_far} · {tr('{time} left', time=duration(left))}"

    @property
    def report(self) -> str:
        """A line for each phase so far, with its time."""
        lines = [f"✓ {_done(what)} · {duration(seconds)}" for what, seconds in self._past]
        return "\n".join([*lines, f"{doing(self._what)}… {duration(self._clock() - self._began)}"])


def _done(what: str) -> str:
    return tr(PHASES[what][1]) if what in PHASES else doing(what)
