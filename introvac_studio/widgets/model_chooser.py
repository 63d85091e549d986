"""Which model: one of a list, a file, or the directory of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QFileDialog

from introvac_studio.evaluation_request import subject
from introvac_studio.language import tr
from introvac_studio.settings import Settings
from trainer import files, modelfile
from trainer.errors import IntroVACError

RECENT, _KEPT = "evaluate/models", 8
_CHOOSE, _RUN = "choose", "run"


class ModelChooser(QComboBox):
    """The list, and ways to add to it.

    Args:
        nothing: what the first row says that stands for no model; empty for none where there are models.

    Signals:
        picked(Path | None): the user took another one, which can be read.
        refused(str): what the user took is no model; the one before stays.
    """

    picked = Signal(object)
    refused = Signal(str)

    def __init__(self, settings: Settings, nothing: str = "") -> None:
        super().__init__()
        self._settings, self._nothing = settings, nothing
        self._taken: Path | None = None
        self.activated.connect(self._on_activated)

    @property
    def path(self) -> Path | None:
        """The model that is taken."""
        return self._taken

    def show_paths(self, paths: Sequence[Path], taken: Path | None) -> None:
        """List these, and take one of them or none."""
        names = _names(paths)
        self.clear()
        if self._nothing or not paths or taken is None:
            self.addItem(self._nothing or tr("None is open"), None)
        for path in paths:
            self.addItem(names[path], path)
            self.setItemData(self.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
        self.insertSeparator(self.count())
        self.addItem(tr("Choose a file…"), _CHOOSE)
        self.addItem(tr("Choose a run…"), _RUN)
        self._taken = taken if taken in paths else None
        self._point()

    def _point(self) -> None:
        rows = [i for i in range(self.count()) if self.itemData(i) == self._taken]
        self.setCurrentIndex(rows[0] if rows else 0)

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        wanted = self.itemData(index)
        path = self._ask(wanted) if wanted in (_CHOOSE, _RUN) else wanted
        if path is None and wanted is not None:  # given up
            self._point()
            return
        try:
            if path is not None:
                subject(path)
        except IntroVACError as error:
            self._point()
            self.refused.emit(str(error))
            return
        if wanted in (_CHOOSE, _RUN):
            rest = [text for text in self._settings.texts(RECENT) if text != str(path)]
            self._settings.set_texts(RECENT, [str(path), *rest][:_KEPT])
        self._taken = path
        self.picked.emit(path)

    def _ask(self, how: str) -> Path | None:
        folder = self._settings.get("model/folder", "")
        if how == _RUN:
            text = QFileDialog.getExistingDirectory(self, tr("The directory of a run"), folder)
        else:
            text, _ = QFileDialog.getOpenFileName(self, tr("A model"), folder, tr("Models (*.safetensors)"))
        return Path(text) if text else None


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Short names: a run's for its newest weights, else the file's; with the folder's where two are alike."""
    short = {p: p.name if files.is_dir(p) else modelfile.title(p) for p in paths}
    often = Counter(short.values())
    return {
        p: name if often[name] == 1 else tr("{name} in {folder}", name=name, folder=p.parent.name)
        for p, name in short.items()
    }
