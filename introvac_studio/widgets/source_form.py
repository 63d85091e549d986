"""Where faces come from: drawn avatars, a folder, a prepared cache, or one of these used before."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QGridLayout, QMenu, QPushButton, QSpinBox, QWidget

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice
from introvac_studio.language import tr
from introvac_studio.settings import Settings
from introvac_studio.widgets.texts import heading, muted
from trainer import files
from trainer.data.shards import any_in

RECENT_KEY, RECENT_KEPT = "data/recent", 8


def spec_of_folder(folder: Path) -> str:
    """The data that a dropped folder holds: a cache or shards of one, CelebA, or labelled pictures."""
    if (files.is_file(folder / "meta.json") and files.is_file(folder / "images.npy")) or any_in(folder):
        return str(folder)
    for place in (folder, folder / "Anno"):
        if files.is_file(place / "list_attr_celeba.txt"):
            return f"celeba:{folder}"
    return f"folder:{folder}"


class SourceForm(QWidget):
    """The buttons that choose a source.

    Signals:
        chosen(str): a source, as the command line takes it.
    """

    chosen = Signal(str)

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.count = QSpinBox()
        self.count.setRange(100, 1_000_000)
        self.count.setSingleStep(1000)
        self.count.setValue(4000)
        self.count.setGroupSeparatorShown(True)
        self.count.setKeyboardTracking(False)
        self.count.setAccessibleName(tr("Number of avatars"))
        self.count.setToolTip(tr("How many faces to draw; each has its attributes written down"))
        use = QPushButton(tr("Use avatars"))
        celeba, folder = QPushButton(tr("CelebA folder…")), QPushButton(tr("Labelled folder…"))
        cache, self.recent = QPushButton(tr("Prepared cache…")), QPushButton(tr("Recent"))
        celeba.setToolTip(tr("CelebA's official layout: list_attr_celeba.txt and img_align_celeba"))
        folder.setToolTip(tr("Pictures with labels.csv, or one sub-folder per class"))
        cache.setToolTip(tr("What `introvac prepare` made"))
        self.recent.setToolTip(tr("Data that was used before"))
        menu = QMenu(self.recent)
        menu.setToolTipsVisible(True)
        self.recent.setMenu(menu)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.GRID)
        hint = muted(tr("or drop a folder here"))
        hint.setAlignment(Qt.AlignmentFlag.AlignRight)
        grid.addWidget(heading(tr("Source")), 0, 0)
        grid.addWidget(hint, 0, 1)
        for i, widget in enumerate((self.count, use, celeba, folder, cache, self.recent)):
            grid.addWidget(widget, 1 + i // 2, i % 2)
        use.clicked.connect(self._on_avatars)
        celeba.clicked.connect(self._on_celeba)
        folder.clicked.connect(self._on_folder)
        cache.clicked.connect(self._on_cache)
        menu.aboutToShow.connect(self._fill_recent)
        menu.triggered.connect(self._on_recent)

    def remember(self, spec: str) -> None:
        """List this source first among those used before."""
        if self._settings is not None:
            rest = [s for s in self._settings.texts(RECENT_KEY) if s != spec]
            self._settings.set_texts(RECENT_KEY, [spec, *rest][:RECENT_KEPT])

    @Slot()
    def _on_avatars(self) -> None:
        self.chosen.emit(f"avatars:{self.count.value()}")

    @Slot()
    def _on_celeba(self) -> None:
        self._ask(tr("The folder of CelebA"), "celeba:")

    @Slot()
    def _on_folder(self) -> None:
        self._ask(tr("A folder of labelled pictures"), "folder:")

    @Slot()
    def _on_cache(self) -> None:
        self._ask(tr("The folder of a prepared cache"), "")

    def _ask(self, title: str, prefix: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, title)
        if folder:
            self.chosen.emit(prefix + folder)

    @Slot()
    def _fill_recent(self) -> None:
        menu = self.recent.menu()
        menu.clear()
        specs = self._settings.texts(RECENT_KEY) if self._settings is not None else []
        for spec in specs:
            action = menu.addAction(DataChoice(spec).title)
            action.setToolTip(spec)
            action.setData(spec)
        if not specs:
            menu.addAction(tr("Nothing yet")).setEnabled(False)

    @Slot(QAction)
    def _on_recent(self, action: QAction) -> None:
        if spec := action.data():
            self.chosen.emit(str(spec))
