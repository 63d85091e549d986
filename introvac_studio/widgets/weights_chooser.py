"""Where Inception's weights come from: downloaded once, or a file that is remembered."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QFileDialog

from introvac_studio.language import tr
from introvac_studio.settings import Settings
from trainer import files

_CHOOSE, _KEY = "choose", "evaluate/weights"


class WeightsChooser(QComboBox):
    """Two rows, and a way to choose another file."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.activated.connect(self._on_activated)
        self._fill()

    @property
    def path(self) -> Path | None:
        """The file; None where they are downloaded."""
        taken = self.currentData()
        return taken if isinstance(taken, Path) else None

    def _fill(self) -> None:
        text = self._settings.get(_KEY, "")
        file = Path(text) if text and files.is_file(text) else None
        self.clear()
        self.addItem(tr("Downloaded once"), None)
        if file is not None:
            self.addItem(file.name, file)
            self.setItemData(1, str(file), Qt.ItemDataRole.ToolTipRole)
        self.insertSeparator(self.count())
        self.addItem(tr("Choose a file…"), _CHOOSE)
        self.setCurrentIndex(0 if file is None else 1)

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        wanted = self.itemData(index)
        if wanted == _CHOOSE:
            before = self._settings.get(_KEY, "")
            folder = str(Path(before).parent) if before else ""
            kinds = tr("Weights (*.pth);;All files (*)")
            text, _ = QFileDialog.getOpenFileName(self, tr("Inception’s weights"), folder, kinds)
            wanted = text or before
        self._settings.set(_KEY, str(wanted or ""))
        self._fill()
