"""Fits new directions away from the window's thread; the newest request wins. scikit-learn, no torch."""

from __future__ import annotations

from PySide6.QtCore import QObject, QThread, Signal

from introvac_studio.messages import FitAnswer, FitRequest
from introvac_studio.workers.mailbox import Mailbox
from trainer.errors import IntroVACError


class FittingThread(QThread):
    """Starts with the first request.

    Signals:
        answered(FitAnswer): a direction, or why there is none.
    """

    answered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mail = Mailbox(("fit",))

    def submit(self, request: FitRequest) -> None:
        """Ask for a direction; called from the window's thread."""
        self._mail.put_latest("fit", lambda: self._fit(request))
        if not self.isRunning():
            self.start()

    def close(self) -> None:
        """End the thread after the fit at hand, and wait for it."""
        self._mail.close()
        self.wait()

    def run(self) -> None:
        while (act := self._mail.take()) is not None:
            act()

    def _fit(self, request: FitRequest) -> None:
        from trainer.fit import fit_direction

        try:
            fitted = fit_direction(request.planes, request.codes, request.labels, request.name)
        except IntroVACError as error:
            self.answered.emit(FitAnswer(request, trouble=str(error)))
        except Exception as error:  # whatever scikit-learn meets
            self.answered.emit(FitAnswer(request, trouble=f"{type(error).__name__}: {error}"))
        else:
            self.answered.emit(FitAnswer(request, fitted))
