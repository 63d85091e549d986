"""The face browser: thumbnails of a data set, a filter by attribute, and other ways to a face.

Wiring: `faceActivated(index)` loads a row of `state.faces`; `photoOffered` carries a Path; `priorRequested`
draws a code; `dataRequested(spec)` opens another data set in the browser.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.state import StudioState
from introvac_studio.widgets.gallery import Gallery
from trainer.data.transforms import SUFFIXES

EMPTY = "No faces yet.\nOpen a photo, or choose a data set below."
PREPARING = "Preparing faces…"
PHOTO_FILTER = "Pictures ({})".format(" ".join(f"*{s} *{s.upper()}" for s in sorted(SUFFIXES)))


class FacesPanel(QWidget):
    """See the module's docstring for the wiring."""

    faceActivated = Signal(int)
    photoOffered = Signal(object)
    priorRequested = Signal()
    dataRequested = Signal(str)

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self.filter = QComboBox()
        self.filter.setAccessibleName("filter faces by attribute")
        self.gallery = Gallery(EMPTY)
        self.gallery.set_thumbnail_size(64)
        self.note = QLabel("")
        self.note.setObjectName("muted")
        self.photo = QPushButton("Open photo…")
        self.prior = QPushButton("Random face")
        self.data = QPushButton("Faces from…")
        self.photo.setToolTip("Edit a picture of your own (Ctrl+Shift+O); dropping or pasting one works too")
        self.prior.setToolTip("Draw a code from the prior N(0, I) (Ctrl+G)")
        self.data.setToolTip("Show another data set here")
        self.data.setMenu(self._data_menu())
        column = QVBoxLayout(self)
        column.setContentsMargins(12, theme.GRID, 12, 12)
        column.setSpacing(theme.GRID)
        column.addWidget(self.filter)
        column.addWidget(self.gallery, 1)
        column.addWidget(self.note)
        buttons = QGridLayout()
        buttons.setSpacing(theme.GRID)
        buttons.addWidget(self.photo, 0, 0)
        buttons.addWidget(self.prior, 0, 1)
        buttons.addWidget(self.data, 1, 0, 1, 2)
        column.addLayout(buttons)
        self.filter.currentIndexChanged.connect(self._apply_filter)
        self.gallery.activated.connect(self.faceActivated)
        self.photo.clicked.connect(self.choose_photo)
        self.prior.clicked.connect(self.priorRequested)
        state.facesChanged.connect(self._on_faces)
        self._on_faces()

    def _data_menu(self) -> QMenu:
        menu = QMenu(self)
        for text, act in (
            ("Avatars (drawn here)", self._choose_avatars),
            ("CelebA folder…", self._choose_celeba),
            ("Labelled folder…", self._choose_folder),
            ("Prepared cache…", self._choose_cache),
        ):
            menu.addAction(text).triggered.connect(act)
        return menu

    def set_busy(self, text: str) -> None:
        """Say what is being prepared while the browser is empty."""
        self.gallery.set_empty_text(text or EMPTY)

    @Slot()
    def choose_photo(self) -> None:
        """Ask for a picture file."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a photo", "", PHOTO_FILTER)
        if path:
            self.photoOffered.emit(Path(path))

    @Slot()
    def _choose_avatars(self) -> None:
        self.dataRequested.emit("avatars:600:1")

    @Slot()
    def _choose_celeba(self) -> None:
        self._choose("celeba:", "The folder that holds img_align_celeba and the list files")

    @Slot()
    def _choose_folder(self) -> None:
        self._choose("folder:", "A folder with labels.csv, or with one sub-folder a class")

    @Slot()
    def _choose_cache(self) -> None:
        self._choose("", "The directory of a prepared cache")

    def _choose(self, prefix: str, title: str) -> None:
        path = QFileDialog.getExistingDirectory(self, title)
        if path:
            self.dataRequested.emit(prefix + path)

    @Slot()
    def _on_faces(self) -> None:
        faces = self._state.faces
        self.filter.blockSignals(True)
        self.filter.clear()
        self.filter.addItem("all faces", None)
        if faces is not None:
            model = self._state.model.attributes if self._state.model else ()
            order = [a for a in model if a in faces.attributes]
            order += [a for a in faces.attributes if a not in order]
            for name in order:
                column = faces.attributes.index(name)
                for wanted, text in ((1, "with"), (0, "without")):
                    count = int((faces.labels[:, column] == wanted).sum())
                    self.filter.addItem(f"{text} {name} · {count:,}", (column, wanted))
        self.filter.blockSignals(False)
        if faces is None:
            self.gallery.clear()
        else:
            self.gallery.set_images(faces.images)
        self._apply_filter()

    @Slot()
    def _apply_filter(self) -> None:
        faces, chosen = self._state.faces, self.filter.currentData()
        if faces is None:
            self.note.setText("")
            return
        rows = np.arange(len(faces))
        if chosen is not None:
            rows = np.flatnonzero(faces.labels[:, chosen[0]] == chosen[1])
        self.gallery.set_visible(rows)
        self.note.setText(f"{len(rows):,} of {len(faces):,} faces")
