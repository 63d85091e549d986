"""The face browser: thumbnails of a data set, a filter by attribute, a group, and other ways to a face.

The current face is framed and in sight. The document's group is ticked; one that was brushed elsewhere
filters the thumbnails, too. Ctrl or Shift with a click, or with Space, picks faces into the group.

Wiring: `faceActivated(index)` loads a row of `state.faces`; `photoOffered` carries a Path; `priorRequested`
draws a code; `dataRequested(spec)` opens another data set in the browser; `meanRequested` asks for the
mean of the group.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QStandardPaths, Signal, Slot
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
from introvac_studio.language import mark, tr
from introvac_studio.settings import Settings
from introvac_studio.state import StudioState
from introvac_studio.widgets.gallery import Gallery
from introvac_studio.widgets.group_card import GroupCard, Share
from trainer import files
from trainer.photos import PHOTO_SUFFIXES

EMPTY = mark("No faces yet.\nOpen a photo, or choose a data set below.")
PREPARING = mark("Preparing faces…")
PHOTO_FILTER = "Pictures ({})".format(" ".join(f"*{s} *{s.upper()}" for s in sorted(PHOTO_SUFFIXES)))
SHARES = 6  # attributes of a group that are shown
PICK = "pick"
PHOTO_FOLDER = "photo/folder"  # setting: where the last photo was chosen
DATA_FOLDER = "faces/folder"  # setting: where the last data set was chosen


def ask_for_photo(parent: QWidget, settings: Settings | None) -> Path | None:
    """A picture file of the user's; the first look is at the desktop's folder of pictures."""
    usual = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    folder = _last_folder(settings, PHOTO_FOLDER, usual)
    text, _ = QFileDialog.getOpenFileName(parent, tr("Open a photo"), folder, PHOTO_FILTER)
    if not text:
        return None
    if settings is not None:
        settings.set(PHOTO_FOLDER, str(Path(text).parent))
    return Path(text)


def _last_folder(settings: Settings | None, key: str, usual: str) -> str:
    """The folder used last, where it is still there."""
    last = settings.get(key, "") if settings is not None else ""
    return last if last and files.is_dir(last) else usual


class FacesPanel(QWidget):
    """See the module's docstring for the wiring."""

    faceActivated = Signal(int)
    photoOffered = Signal(object)
    priorRequested = Signal()
    dataRequested = Signal(str)
    meanRequested = Signal()

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self.settings: Settings | None = None  # where folders are remembered
        self.filter = QComboBox()
        self.filter.setAccessibleName(tr("filter faces by attribute"))
        self.card = GroupCard()
        self.card.hide()
        self._busy = ""
        self.gallery = Gallery(tr(EMPTY))
        self.gallery.set_thumbnail_size(64)
        self.gallery.pickable = True
        self.note = QLabel("")
        self.note.setObjectName("muted")
        self.photo = QPushButton(tr("Open photo…"))
        self.prior = QPushButton(tr("Random face"))
        self.data = QPushButton(tr("Faces from…"))
        self.photo.setToolTip(
            tr("Edit a picture of your own (Ctrl+Shift+O); dropping or pasting one works too")
        )
        self.prior.setToolTip(tr("Draw a code from the prior N(0, I) (Ctrl+G)"))
        self.data.setToolTip(tr("Show another data set here"))
        self.data.setMenu(self._data_menu())
        column = QVBoxLayout(self)
        column.setContentsMargins(12, theme.GRID, 12, 12)
        column.setSpacing(theme.GRID)
        column.addWidget(self.filter)
        column.addWidget(self.card)
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
        self.gallery.hovered.connect(state.hover)
        self.gallery.pickChanged.connect(self._pick)
        self.card.onlyToggled.connect(state.show_alone)
        self.card.meanRequested.connect(self.meanRequested)
        self.card.cleared.connect(self._clear_group)
        self.photo.clicked.connect(self.choose_photo)
        self.prior.clicked.connect(self.priorRequested)
        state.facesChanged.connect(self._on_faces)
        state.faceChanged.connect(self._show_current)
        state.selectionChanged.connect(self._on_group)
        state.codesChanged.connect(self._show_card)
        state.hoverChanged.connect(self.gallery.set_pointed)
        self._on_faces()

    def _data_menu(self) -> QMenu:
        menu = QMenu(self)
        for text, act in (
            (mark("Avatars (drawn here)"), self._choose_avatars),
            (mark("CelebA folder…"), self._choose_celeba),
            (mark("Labelled folder…"), self._choose_folder),
            (mark("Prepared cache…"), self._choose_cache),
        ):
            menu.addAction(tr(text)).triggered.connect(act)
        return menu

    def set_busy(self, text: str) -> None:
        """Say what is being prepared while the browser is empty."""
        self._busy = text
        self._say_empty()

    def _say_empty(self) -> None:
        """Why there is nothing to see."""
        if self._state.faces is None:
            self.gallery.set_empty_text(tr(self._busy or EMPTY))
        else:
            self.gallery.set_empty_text(tr("No face of the group passes the filter."))

    @Slot()
    def choose_photo(self) -> None:
        """Ask for a picture file."""
        if (path := ask_for_photo(self, self.settings)) is not None:
            self.photoOffered.emit(path)

    @Slot()
    def _choose_avatars(self) -> None:
        self.dataRequested.emit("avatars:600:1")

    @Slot()
    def _choose_celeba(self) -> None:
        self._choose("celeba:", tr("The folder that holds img_align_celeba and the list files"))

    @Slot()
    def _choose_folder(self) -> None:
        self._choose("folder:", tr("A folder with labels.csv, or with one sub-folder a class"))

    @Slot()
    def _choose_cache(self) -> None:
        self._choose("", tr("The directory of a prepared cache"))

    def _choose(self, prefix: str, title: str) -> None:
        folder = _last_folder(self.settings, DATA_FOLDER, str(Path.home()))
        path = QFileDialog.getExistingDirectory(self, title, folder)
        if path:
            if self.settings is not None:
                self.settings.set(DATA_FOLDER, str(Path(path).parent))
            self.dataRequested.emit(prefix + path)

    @Slot()
    def _on_faces(self) -> None:
        faces = self._state.faces
        self.filter.blockSignals(True)
        self.filter.clear()
        self.filter.addItem(tr("all faces"), None)
        if faces is not None:
            for name in self._order():
                column = faces.attributes.index(name)
                for wanted, text in ((1, mark("with {name}")), (0, mark("without {name}"))):
                    count = int((faces.labels[:, column] == wanted).sum())
                    self.filter.addItem(f"{tr(text, name=name)} · {count:,}", (column, wanted))
        self.filter.blockSignals(False)
        if faces is None:
            self.gallery.clear()
        else:
            self.gallery.set_images(faces.images)
        self._say_empty()
        self._apply_filter()

    def _order(self) -> list[str]:
        """The labels of the faces, those that the model knows first."""
        faces, model = self._state.faces, self._state.model
        if faces is None:
            return []
        known = [a for a in (model.attributes if model else ()) if a in faces.attributes]
        return known + [a for a in faces.attributes if a not in known]

    @Slot()
    def _apply_filter(self) -> None:
        state, chosen = self._state, self.filter.currentData()
        faces = state.faces
        if faces is None:
            self.note.setText("")
            return
        rows = np.arange(len(faces))
        if chosen is not None:
            rows = np.flatnonzero(faces.labels[:, chosen[0]] == chosen[1])
        if state.alone:
            rows = np.intersect1d(rows, state.selection)
        if not np.array_equal(rows, self.gallery.visible) or not len(rows):
            self.gallery.set_visible(rows)
        self.note.setText(tr("{n} of {all} faces", n=f"{len(rows):,}", all=f"{len(faces):,}"))
        self._show_current()

    @Slot()
    def _show_current(self) -> None:
        """Frame the current face and bring it into sight."""
        self.gallery.set_current(self._state.row)

    # -- the group ------------------------------------------------------------------------------

    @Slot(object)
    def _pick(self, rows: list[int]) -> None:
        """The group is picked thumbnail by thumbnail; the others stay in sight meanwhile."""
        if not len(rows):  # a step of its own, so that undoing it gives all picks back
            self._clear_group()
            return
        self._state.select(rows, merge=PICK, alone=self._state.alone)

    @Slot()
    def _clear_group(self) -> None:
        self._state.select([], tr("clear the group"))

    @Slot()
    def _on_group(self) -> None:
        """A group that was brushed elsewhere filters the thumbnails; one that is picked here ticks them."""
        self.card.only.setChecked(self._state.alone)
        self.gallery.set_marked(self._state.selection)
        self._show_card()
        self._apply_filter()

    @Slot()
    def _show_card(self) -> None:
        faces, rows = self._state.faces, self._state.selection
        self.card.setVisible(faces is not None and len(rows) > 0)
        if faces is not None and len(rows):
            self.card.show_group(len(rows), len(faces), self.shares(), self._state.codes is not None)

    def shares(self) -> list[Share]:
        """What the group has: the model's attributes, then those of most difference to all faces."""
        faces, rows = self._state.faces, self._state.selection
        if faces is None or not len(rows):
            return []
        model = self._state.model.attributes if self._state.model else ()
        found = []
        for name in self._order():
            have = faces.labels[:, faces.attributes.index(name)] == 1
            colour = theme.attribute_colour(model.index(name)) if name in model else theme.current().muted
            counts = int(have[rows].sum()), len(rows), int(have.sum()), len(faces)
            found.append(Share(name, colour, *counts))
        known = [share for share in found if share.name in model][:SHARES]
        rest = [share for share in found if share.name not in model]
        rest.sort(key=lambda share: -abs(share.inside - share.overall))
        return known + rest[: SHARES - len(known)]
