"""Closing the window: asked first where something runs, which then ends in its own time."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMessageBox

from introvac_studio.evaluations import Evaluations
from introvac_studio.language import tr
from introvac_studio.main_window import MainWindow
from introvac_studio.runs import Runs


class Leaving(QObject):
    """Lets the window close once no child trains or evaluates any more.

    Signals:
        left: nothing runs; all threads are to be ended now, right before the window goes.
    """

    left = Signal()

    def __init__(self, runs: Runs, evaluations: Evaluations, window: MainWindow, parent: QObject) -> None:
        super().__init__(parent)
        self._runs, self._evaluations, self._window = runs, evaluations, window
        self._closing = False
        window.closing.connect(self._on_closing)
        runs.idle.connect(self._on_idle)
        evaluations.idle.connect(self._on_idle)

    @property
    def busy(self) -> bool:
        """Whether a child trains or evaluates."""
        return self._runs.running or self._evaluations.running

    @Slot()
    def _on_closing(self) -> None:
        if self.busy and not self._closing and not self._may_stop():
            return
        if self.busy:  # it may have ended while the question was open
            self._closing = True
            self._window.show_progress(tr("stopping what runs…"), 0, 0)
            self._runs.stop()
            self._evaluations.stop()
            return
        self._leave()

    def _may_stop(self) -> bool:
        """Ask before a run is stopped, which can be resumed, or an evaluation, which cannot."""
        texts = []
        if self._runs.running:
            texts.append(
                tr(
                    "A training run is going on. A checkpoint is written, and the run can be resumed later "
                    "from the Train page."
                )
            )
        if self._evaluations.running:
            texts.append(tr("An evaluation is going on. It cannot be resumed, only started again."))
        answer = QMessageBox.question(
            self._window,
            tr("Something is running"),
            " ".join([*texts, tr("Stop and quit?")]),
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        return answer == QMessageBox.StandardButton.Yes

    @Slot()
    def _on_idle(self) -> None:
        if self._closing and not self.busy:
            self._leave()

    def _leave(self) -> None:
        self.left.emit()
        self._window.accept_close()
