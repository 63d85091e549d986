"""A launch: the window's frame is on screen at once, and is filled when it has been painted.

Panels and what they import take most of a second. Meanwhile the inference thread opens the model that
will be asked for, in parallel, so that the first face is not long behind them.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal, Slot

from introvac_studio import resources
from introvac_studio.language import tr
from introvac_studio.main_window import MainWindow
from introvac_studio.settings import Settings
from trainer import files

if TYPE_CHECKING:
    from introvac_studio.studio import Studio
    from introvac_studio.workers.inference import InferenceThread

# Seconds that a worker may keep the interpreter from the window; Python's own are ten times as many.
SWITCH = 0.0005
PATIENCE_MS = 300  # for a first paint; a window that is opened minimised has none


def first_model(target: Path | None, settings: Settings) -> Path:
    """The model that a launch opens: of what was asked for, else what was open last, else the demo."""
    if target is not None:
        return target / "model.safetensors" if files.is_dir(target) else target
    last = settings.get("model/last", "")
    return Path(last) if last and files.exists(last) else resources.path(resources.DEMO)


class Opening(QObject):
    """Opens the studio in two steps.

    Args:
        device: where pictures are computed.
        target: a run directory or a model file to open.

    Attributes:
        studio: there when `opened` was emitted.
        fault: why it could not be made; the event loop has been told to end.

    Signals:
        opened(Studio): it is whole, and about to open its model.
    """

    opened = Signal(object)

    def __init__(self, device: str, target: Path | None) -> None:
        super().__init__()
        self.settings = Settings()
        self.window = MainWindow(self.settings)
        self.studio: Studio | None = None
        self.fault: Exception | None = None
        self._device, self._target = device, target
        self._inference: InferenceThread | None = None
        self._begun = False

    def show(self) -> None:
        """The frame; `opened` follows."""
        self.window.restore()
        self.window.show_progress(tr("starting…"), 0, 0)
        self.window.closing.connect(self._on_closing)
        self.window.installEventFilter(self)
        QTimer.singleShot(PATIENCE_MS, self, self._fill)
        self.window.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self.window.removeEventFilter(self)
            QTimer.singleShot(0, self, self._fill)
        return False

    @Slot()
    def _fill(self) -> None:
        if self._begun:
            return
        self._begun = True
        try:
            self._make()
        except Exception as fault:
            self.fault = fault
            QCoreApplication.exit(1)

    def _make(self) -> None:
        from introvac_studio.workers.inference import InferenceThread

        self._inference = InferenceThread(self)
        self._inference.expect(first_model(self._target, self.settings), self._device)
        self._inference.start()
        from introvac_studio.studio import Studio

        self.window.closing.disconnect(self._on_closing)
        self.window.setUpdatesEnabled(False)
        sys.setswitchinterval(SWITCH)
        self.studio = Studio(self._device, self.settings, self.window, self._inference)
        self.studio.state.codesChanged.connect(self._on_codes)
        self.window.setUpdatesEnabled(True)
        self.opened.emit(self.studio)
        self.studio.start(self._target)

    @Slot()
    def _on_codes(self) -> None:
        """What is there by then stays: each full collection of garbage would walk through all of it."""
        state = self.studio.state if self.studio is not None else None
        if state is not None and state.codes is not None:
            gc.freeze()
            state.codesChanged.disconnect(self._on_codes)

    @Slot()
    def _on_closing(self) -> None:
        """Closed before there was anything in it."""
        self._begun = True
        self.window.accept_close()

    @Slot()
    def breathe(self) -> None:
        """Nothing; being called lets Python look at the signals of the system."""

    def shut_down(self) -> None:
        """End all threads and wait for them."""
        if self.studio is not None:
            self.studio.shut_down()
        elif self._inference is not None:
            self._inference.close()
