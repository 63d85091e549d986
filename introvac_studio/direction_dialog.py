"""A new direction without training: label faces of the browser, fit, and add it to the sliders.

Wiring: `DirectionDialog(draft, planes, codes, settings, parent)`. `fitRequested(FitRequest)` goes to a
`FittingThread`, whose answers come to `show_answer`; `addRequested(Fitted)` hands over the direction.
Labels and name live in the `Draft`, so that closing the dialog loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr, trn
from introvac_studio.messages import FitAnswer, FitRequest
from introvac_studio.settings import Settings
from introvac_studio.state import FaceSet
from introvac_studio.widgets.label_grid import NO, NONE, YES, LabelGrid, Labels, colour
from introvac_studio.widgets.texts import muted
from trainer.directions import check_name
from trainer.edits import cosines
from trainer.errors import DataError, ModelError
from trainer.fit import MIN_OF_EACH, Fitted, read_labels
from trainer.latent import Hyperplanes

FOLDER = "directions/folder"
_SHOWN = {
    mark("all faces"): None,
    mark("without a label"): NONE,
    mark("labelled yes"): YES,
    mark("labelled no"): NO,
}
_HELP = mark(
    "Click a face for yes, again for no, again for no label; Shift-click labels a whole range. "
    "Keys: Y, N, Space, Delete, and Ctrl+Z to take a step back."
)
_SIDE = 312


@dataclass(eq=False)
class Draft:
    """Labels under way: of these faces (N,), and what they are to be called."""

    faces: FaceSet
    labels: Labels = field(default_factory=lambda: np.zeros(0, np.int8))
    name: str = ""

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.faces):
            self.labels = np.full(len(self.faces), NONE, np.int8)


class DirectionDialog(QDialog):
    """See the module's docstring for the wiring."""

    fitRequested = Signal(object)
    addRequested = Signal(object)

    def __init__(
        self,
        draft: Draft,
        planes: Hyperplanes,
        codes: NDArray[np.float32],
        settings: Settings,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._draft, self._planes, self._codes, self._settings = draft, planes, codes, settings
        self._asked: FitRequest | None = None
        self.fitted: Fitted | None = None
        self.setWindowTitle(tr("New direction"))
        self.resize(1060, 700)
        self._build()
        self._lay_out()
        self.grid.set_faces(draft.faces.images, draft.labels)
        self.grid.set_current(0)
        self.name.setText(draft.name)
        self._connect()
        self._on_labels()

    # -- building -----------------------------------------------------------------------------

    def _build(self) -> None:
        self.grid = LabelGrid(tr("No face has this label."))
        self.grid.set_thumbnail_size(72)
        self.shown = QComboBox()
        for text, label in _SHOWN.items():
            self.shown.addItem(tr(text), label)
        self.shown.setAccessibleName(tr("which faces to show"))
        self.name = QLineEdit()
        self.name.setPlaceholderText(tr("what the faces share, such as Smiling"))
        self.name.setMaxLength(32)
        self.name.setAccessibleName(tr("name of the direction"))
        self.counts = QLabel()
        self.counts.setTextFormat(Qt.TextFormat.RichText)
        self.table = QPushButton(tr("Import labels (CSV)…"))
        self.table.setToolTip(tr("A row a face: its name in the data, then 1 or 0, yes or no"))
        self.known = QPushButton(tr("Labels of the data"))
        self.known.setToolTip(tr("Start from what the data set says of its faces"))
        self.known.setMenu(self._known_menu())
        self.known.setEnabled(bool(self._draft.faces.attributes))
        self.back, self.clear = QPushButton(tr("Undo")), QPushButton(tr("Clear labels"))
        self.back.setToolTip(tr("Take the last labelling back (Ctrl+Z)"))
        self.clear.setToolTip(tr("Take all labels away; Undo brings them back"))
        self.note, self.verdict = muted(wrap=True), QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextFormat(Qt.TextFormat.PlainText)
        self.verdict.setAccessibleName(tr("result"))
        self.fit = QPushButton()
        self.fit.setToolTip(tr("Learns a linear classifier of the labelled faces' codes"))
        self.add = QPushButton(tr("Add to sliders"))
        self.add.setObjectName("primary")
        self.add.setToolTip(tr("The direction joins the model's own, with a slider of its own"))
        self.close_button = QPushButton(tr("Close"))
        self.close_button.setToolTip(tr("The labels are kept while these faces are open"))
        for button in (self.table, self.known, self.back, self.clear, self.fit, self.close_button):
            button.setAutoDefault(False)
        self.add.setDefault(True)

    def _known_menu(self) -> QMenu:
        menu = QMenu(self)
        faces = self._draft.faces
        for k, name in enumerate(faces.attributes):
            text = tr("{name} · {count} yes", name=name, count=f"{int((faces.labels[:, k] == 1).sum()):,}")
            menu.addAction(text).triggered.connect(lambda _=False, column=k: self.take_column(column))
        return menu

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(theme.GRID)
        show = muted(tr("Show"))
        show.setBuddy(self.shown)
        top.addWidget(show)
        top.addWidget(self.shown)
        top.addStretch(1)
        top.addWidget(self.counts)
        left = QVBoxLayout()
        left.setSpacing(theme.GRID)
        left.addLayout(top)
        left.addWidget(self.grid, 1)
        side = QVBoxLayout()
        side.setSpacing(theme.GRID)
        side.setContentsMargins(0, 0, 0, 0)
        side.addWidget(muted(tr("Name")))
        side.addWidget(self.name)
        side.addSpacing(theme.GRID)
        side.addWidget(muted(tr("Labels")))
        side.addWidget(muted(tr(_HELP), wrap=True))
        side.addWidget(self.table)
        side.addWidget(self.known)
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addWidget(self.back, 1)
        row.addWidget(self.clear, 1)
        side.addLayout(row)
        side.addWidget(self.note)
        side.addStretch(1)
        side.addWidget(self.verdict)
        side.addSpacing(theme.GRID)
        for button in (self.fit, self.add, self.close_button):
            side.addWidget(button)
        box = QWidget()
        box.setLayout(side)
        box.setFixedWidth(_SIDE)
        both = QHBoxLayout(self)
        both.setContentsMargins(*[2 * theme.GRID] * 4)
        both.setSpacing(2 * theme.GRID)
        both.addLayout(left, 1)
        both.addWidget(box)
        self.name.setFocus()

    def _connect(self) -> None:
        self.grid.labelled.connect(self._on_labels)
        self.shown.currentTextChanged.connect(self._on_shown)
        self.name.textChanged.connect(self._on_name)
        self.table.clicked.connect(self._choose_table)
        self.back.clicked.connect(self.grid.undo)
        self.clear.clicked.connect(self._on_clear)
        self.fit.clicked.connect(self.ask)
        self.add.clicked.connect(self._on_add)
        self.close_button.clicked.connect(self.reject)
        QShortcut(QKeySequence.StandardKey.Undo, self.grid, self.grid.undo)

    # -- labels -------------------------------------------------------------------------------

    @Slot()
    def _on_labels(self) -> None:
        labels = self.grid.labels
        self._draft.labels = labels
        self._forget(tr("The labels have changed since; fit again."))
        yes, no = int((labels == YES).sum()), int((labels == NO).sum())
        self.counts.setText(
            " &nbsp;&nbsp; ".join(
                f'<span style="color:{tint}">{text}</span>'
                for tint, text in (
                    (colour(YES), tr("✓ {count} yes", count=f"{yes:,}")),
                    (colour(NO), tr("✕ {count} no", count=f"{no:,}")),
                    (
                        theme.current().muted,
                        tr("{count} without a label", count=f"{len(labels) - yes - no:,}"),
                    ),
                )
            )
        )
        self.counts.setAccessibleName(tr("{yes} yes, {no} no", yes=yes, no=no))
        self.back.setEnabled(self.grid.can_undo)
        self.clear.setEnabled(yes + no > 0)
        self._refresh()

    @Slot()
    def _on_clear(self) -> None:
        self.grid.set_labels(np.full_like(self.grid.labels, NONE))

    @Slot()
    def _on_shown(self) -> None:
        wanted = self.shown.currentData()
        self.grid.set_visible(None if wanted is None else np.flatnonzero(self.grid.labels == wanted))

    def take_column(self, column: int) -> None:
        """The labels that the data has for one of its attributes."""
        faces = self._draft.faces
        self.grid.set_labels(faces.labels[:, column])
        name = faces.attributes[column]
        if not self.name.text().strip() and name not in self._planes.names:
            self.name.setText(name)

    @Slot()
    def _choose_table(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self,
            tr("Import labels"),
            self._settings.get(FOLDER, ""),
            tr("Tables (*.csv *.txt);;All files (*)"),
        )
        if path:
            self.import_labels(Path(path))

    def import_labels(self, path: Path) -> None:
        """Take the labels of a table; those of faces that it does not name stay."""
        names = self._draft.faces.names
        try:
            found = read_labels(path, names, self.name.text().strip())
        except DataError as error:
            self._tell(str(error), bad=True)
            return
        self._settings.set(FOLDER, str(path.parent))
        labels = self.grid.labels
        labels[found.rows] = found.values
        self.grid.set_labels(labels)
        text = tr(
            "{file}: labels of {count} of the {all} faces here.",
            file=path.name,
            count=f"{len(found.rows):,}",
            all=f"{len(names):,}",
        )
        if found.unknown:
            some = ", ".join(found.unknown[:3]) + (" …" if len(found.unknown) > 3 else "")
            count = len(found.unknown)
            text += " " + trn(
                "{count} row names no face here: {some}.",
                "{count} rows name no face here: {some}.",
                count,
                count=f"{count:,}",
                some=some,
            )
        self._tell(text, bad=bool(found.unknown))

    # -- the fit ------------------------------------------------------------------------------

    def missing(self) -> str:
        """What a fit still needs; empty when it can begin."""
        labels = self.grid.labels
        yes, no = (MIN_OF_EACH - int((labels == value).sum()) for value in (YES, NO))
        if yes > 0 and no > 0:
            return tr("needs {yes} more yes and {no} more no", yes=yes, no=no)
        if yes > 0:
            return tr("needs {yes} more yes", yes=yes)
        if no > 0:
            return tr("needs {no} more no", no=no)
        return "" if self.name.text().strip() else tr("needs a name")

    def _name_trouble(self) -> str:
        name = self.name.text().strip()
        try:
            if name:
                check_name(self._planes, name)
        except ModelError as error:
            return str(error)
        return ""

    @Slot()
    def _on_name(self) -> None:
        self._draft.name = self.name.text().strip()
        if trouble := self._name_trouble():
            self._tell(trouble, bad=True)
        else:
            self._tell("")
        self._refresh()

    def _refresh(self) -> None:
        missing, trouble = self.missing(), self._name_trouble()
        busy = self._asked is not None
        self.fit.setText(
            tr("Fitting…") if busy else tr("Fit ({missing})", missing=missing) if missing else tr("Fit")
        )
        self.fit.setEnabled(not (missing or trouble))  # also while it works, else the keyboard would leave it
        self.add.setEnabled(self.fitted is not None and not missing and not trouble)

    def _forget(self, text: str) -> None:
        """The fit no longer belongs to what is on screen."""
        if self.fitted is not None or self._asked is not None:
            self._say(text, theme.current().muted)
        self.fitted = self._asked = None

    @Slot()
    def ask(self) -> None:
        """Fit the labels as they are, unless that is under way."""
        if self._asked is not None:
            return
        labels = self.grid.labels
        rows = np.flatnonzero(labels != NONE)
        self.fitted = None
        self._asked = FitRequest(self._planes, self._codes[rows], labels[rows], self.name.text().strip())
        self._say(tr("Fitting and checking on held-out faces…"), theme.current().muted)
        self._refresh()
        self.fitRequested.emit(self._asked)

    @Slot(object)
    def show_answer(self, answer: FitAnswer) -> None:
        """Say how well it went, unless something has changed since."""
        if answer.request is not self._asked:
            return
        self._asked, self.fitted = None, answer.fitted
        colours = theme.current()
        if answer.fitted is None:
            self._say(answer.trouble, colours.bad)
        else:
            self._say(
                _sentence(answer.fitted, self._planes),
                colours.good if answer.fitted.accuracy > answer.fitted.baseline else colours.warn,
            )
        self._refresh()

    @Slot()
    def _on_add(self) -> None:
        if self.fitted is not None and self.add.isEnabled():
            self.addRequested.emit(replace(self.fitted, name=self.name.text().strip()))
            self.accept()

    def _say(self, text: str, tint: str) -> None:
        self.verdict.setText(text)
        self.verdict.setStyleSheet(f"color: {tint};")

    def _tell(self, text: str, bad: bool = False) -> None:
        self.note.setText(text)
        self.note.setStyleSheet(f"color: {theme.current().warn};" if bad else "")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "grid"):
            self.grid.viewport().update()


def _sentence(fitted: Fitted, planes: Hyperplanes) -> str:
    """How good a direction is, and which of the model's it resembles."""
    text = tr(
        "Right on {share} % of held-out faces ({folds} folds); always answering “{commoner}” would be right "
        "on {baseline} %.",
        share=f"{100 * fitted.accuracy:.0f}",
        folds=fitted.folds,
        commoner=tr("yes") if fitted.positives >= fitted.negatives else tr("no"),
        baseline=f"{100 * fitted.baseline:.0f}",
    )
    if fitted.accuracy <= fitted.baseline:
        text += " " + tr("No better than that: label more faces, or something that shows more clearly.")
    try:
        row = cosines(fitted.join(planes))[-1, :-1]
    except ModelError:
        return text
    if len(row):
        k = int(np.abs(row).argmax())
        text += " " + tr(
            "Nearest of the other directions: {name}, cosine {value}.",
            name=planes.attributes[k],
            value=f"{row[k]:+.2f}",
        )
    return text
