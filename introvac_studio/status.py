"""What the window says of the work behind it: the status bar, and notices of what went wrong."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from introvac_studio.language import tr
from introvac_studio.main_window import MainWindow
from introvac_studio.messages import Failure


class Status(QObject):
    """Slots for what controllers and workers have to say."""

    def __init__(self, window: MainWindow, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._going = {"run": "", "evaluation": ""}

    @Slot(str)
    def complain(self, text: str) -> None:
        """Show what went wrong; nothing is lost."""
        self._window.notifications.notify(text, "error")

    @Slot(str)
    def advise(self, text: str) -> None:
        """Say what is wanted first."""
        self._window.notifications.notify(text, "warning")

    @Slot(str)
    def tell(self, text: str) -> None:
        """A line in the status bar."""
        self._window.show_progress(text, 0, 0)

    @Slot()
    def rest(self) -> None:
        """Nothing goes on any more."""
        self._window.show_progress(tr("ready"), 0, 0)

    @Slot()
    def begin_refining(self) -> None:
        """A search begins whose steps are not known yet."""
        self._window.show_progress(tr("refining…"), 0, 1, True)

    @Slot(str, int, int)
    def progress(self, what: str, done: int, total: int) -> None:
        """How far a worker is that can be cancelled; `what` it does is in the user's language."""
        self._count(what, done, total, True)

    @Slot(int, int)
    def encode(self, done: int, total: int) -> None:
        """How many faces of the browser are encoded."""
        self._count(tr("encoding faces"), done, total, False)

    def _count(self, what: str, done: int, total: int, cancellable: bool) -> None:
        if done >= total:
            self.rest()
            return
        text = tr("{what}: {done} of {total}", what=what, done=f"{done:,}", total=f"{total:,}")
        self._window.show_progress(text, done, total, cancellable)

    @Slot(object)
    def fail(self, failure: Failure) -> None:
        """A worker gave up."""
        self.rest()
        self.complain(failure.text)

    @Slot(str)
    def set_run(self, text: str) -> None:
        """What training is doing."""
        self._set(run=text)

    @Slot(str)
    def set_evaluation(self, text: str) -> None:
        """What an evaluation is doing."""
        self._set(evaluation=text)

    def _set(self, **texts: str) -> None:
        """Runs and evaluations beside each other."""
        self._going |= texts
        self._window.set_run_status("   ·   ".join(text for text in self._going.values() if text))
