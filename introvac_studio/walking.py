"""The way between two faces: its dialog, and who draws its pictures."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QWidget

from introvac_studio.language import mark, tr
from introvac_studio.main_window import Command
from introvac_studio.path_dialog import PathDialog
from introvac_studio.settings import Settings
from introvac_studio.state import StudioState
from introvac_studio.workers.inference import InferenceThread


class Walking(QObject):
    """Opens the dialog of paths.

    Attributes:
        dialog: the one that is open, if any.

    Signals:
        advised(str): what is wanted first.
        exportWanted(PathExport): a path is to be exported.
    """

    advised = Signal(str)
    exportWanted = Signal(object)

    def __init__(
        self,
        state: StudioState,
        settings: Settings,
        inference: InferenceThread,
        window: QWidget,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._settings, self._inference, self._window = state, settings, inference, window
        self.dialog: PathDialog | None = None

    def commands(self) -> tuple[Command, ...]:
        """What the Edit menu has of it."""
        return (Command("&Edit", mark("Path between two faces…"), "Ctrl+P", self.show),)

    @Slot()
    def show(self) -> None:
        """The way from the edited face to another."""
        state, inference = self._state, self._inference
        if state.model is None or state.face is None:
            self.advised.emit(tr("A path begins at the edited face; choose one on the left first."))
            return
        dialog = PathDialog(state, self._settings, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.picturesWanted.connect(inference.path)
        dialog.endWanted.connect(inference.open_end)
        dialog.exportWanted.connect(self.exportWanted)
        inference.pathReady.connect(dialog.show_pictures)
        inference.endReady.connect(dialog.show_end)
        inference.endFailed.connect(dialog.show_failure)
        dialog.finished.connect(self._on_closed)
        self.dialog = dialog
        dialog.open()

    @Slot()
    def _on_closed(self) -> None:
        self.dialog = None
