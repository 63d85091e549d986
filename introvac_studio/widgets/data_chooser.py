"""Which data: the model's own, one of before, avatars, or a folder."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QFileDialog

from introvac_studio.data_summary import DataChoice
from introvac_studio.evaluation_request import AVATARS
from introvac_studio.language import mark, tr
from introvac_studio.settings import Settings

_SOURCES = (
    (mark("CelebA folder…"), "celeba:"),
    (mark("Labelled folder…"), "folder:"),
    (mark("Prepared cache…"), ""),
)
_PREPARED, _OWN, _KEPT = "data/recent", "evaluate/data", 8


class DataChooser(QComboBox):
    """The list, and ways to add to it; what was added stays in it.

    Signals:
        picked(str): the user took this, as the command line takes it.
    """

    picked = Signal(str)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._spec = ""
        self.activated.connect(self._on_activated)

    @property
    def spec(self) -> str:
        """The data, as the command line takes it; empty for none."""
        return self._spec

    def show_spec(self, spec: str) -> None:
        """Take this, and list what else there is."""
        self._spec = spec
        self.clear()
        if not spec:
            self.addItem(tr("Choose data…"), "")
        known = [*self._settings.texts(_OWN), *self._settings.texts(_PREPARED), AVATARS]
        for one in dict.fromkeys([spec, *known]):
            if one:
                self.addItem(DataChoice(one).title, one)
                self.setItemData(self.count() - 1, one, Qt.ItemDataRole.ToolTipRole)
        self.insertSeparator(self.count())
        for text, prefix in _SOURCES:
            self.addItem(tr(text), ("ask", prefix))
        self.setCurrentIndex(0)

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        wanted = self.itemData(index)
        if isinstance(wanted, tuple):
            folder = QFileDialog.getExistingDirectory(self, tr("The folder with faces"))
            if not folder:
                self.setCurrentIndex(0)
                return
            wanted = wanted[1] + folder
            rest = [spec for spec in self._settings.texts(_OWN) if spec != wanted]
            self._settings.set_texts(_OWN, [wanted, *rest][:_KEPT])
        self.picked.emit(str(wanted or ""))
