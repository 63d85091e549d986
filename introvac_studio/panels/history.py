"""The History panel: every step of the document's undo stack, with the face it led to; a click goes there."""

from __future__ import annotations

import numpy as np
import shiboken6
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QColor, QFont, QIcon, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from introvac_studio import exports, theme
from introvac_studio.language import tr, trn
from introvac_studio.messages import Frame
from introvac_studio.state import StudioState
from introvac_studio.widgets.pictures import scaled
from introvac_studio.widgets.texts import muted

SIDE = 36  # of a thumbnail, in device-independent pixels


class HistoryPanel(QWidget):
    """A list whose current row is the present; rows below it are what redo would bring."""

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state, self._stack = state, state.undo_stack
        self._faces: dict[int, NDArray[np.uint8]] = {}  # by step
        self._revision = -1  # of the present step's picture
        self._revisions: dict[int, int] = {}  # by step; a group's step has that of the step before
        self._filling = False
        self.list = QListWidget()
        self.list.setObjectName("rows")
        self.list.setAccessibleName(tr("Steps"))
        self.list.setToolTip(tr("Each step of the edit; choose one to go back or forth to it"))
        self.list.setIconSize(QSize(SIDE, SIDE))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.note = muted(wrap=True)
        self.undo, self.redo = QPushButton(tr("Undo")), QPushButton(tr("Redo"))
        self.undo.setToolTip(tr("One step back"))
        self.redo.setToolTip(tr("One step forth"))
        foot = QHBoxLayout()
        foot.setSpacing(theme.GRID)
        foot.addWidget(self.undo, 1)
        foot.addWidget(self.redo, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[theme.GRID + theme.GRID // 2] * 4)
        column.setSpacing(theme.GRID)
        column.addWidget(self.list, 1)
        column.addWidget(self.note)
        column.addLayout(foot)
        self.undo.clicked.connect(self._stack.undo)
        self.redo.clicked.connect(self._stack.redo)
        self.list.currentRowChanged.connect(self._on_row)
        self._stack.indexChanged.connect(self._refresh)
        self._stack.cleanChanged.connect(self._refresh)
        state.editCommitted.connect(self._on_committed)
        state.modelChanged.connect(self._forget)
        self._refresh()

    @Slot()
    def _forget(self) -> None:
        """Another model: history begins again."""
        self._faces.clear()
        self._revisions.clear()
        self._refresh()

    @Slot()
    def _on_committed(self) -> None:
        self._revision = self._state.revision
        if self._state.face is not None and self.list.count() == 0:
            self._refresh()  # the first face is no step, but where steps begin

    @Slot(object)
    def show_frame(self, frame: Frame) -> None:
        """The picture of the present step."""
        if frame.serial == self._revision and self._state.face is not None:
            alike = {step for step, revision in self._revisions.items() if revision == frame.serial}
            for step in alike | {self._stack.index()}:
                self._faces[step] = frame.image
                item = self.list.item(step)
                if item is not None:
                    item.setIcon(self._icon(step))

    @Slot(object)
    def mark_saved(self, result: object) -> None:
        """The present step's face was written to a file."""
        if isinstance(result, exports.Saved) and result.what == "face" and not result.trouble:
            self._stack.setClean()

    def _icon(self, step: int) -> QIcon:
        image = self._faces.get(step)
        if image is None:
            empty = QPixmap(SIDE, SIDE)
            empty.fill(Qt.GlobalColor.transparent)
            return QIcon(empty)
        picture = scaled(image, SIDE, self.devicePixelRatioF())
        icon = QIcon(picture)
        icon.addPixmap(picture, QIcon.Mode.Selected)  # as it is, not tinted
        return icon

    def _text(self, step: int) -> str:
        return tr("beginning") if step == 0 else self._stack.text(step - 1)

    @Slot()
    def _refresh(self) -> None:
        """Show the stack as it is."""
        if not shiboken6.isValid(self._stack):  # emptied by its own end, when the document goes first
            return
        count, present, clean = self._stack.count(), self._stack.index(), self._stack.cleanIndex()
        rows = 0 if self._state.face is None else count + 1
        for known in (self._faces, self._revisions):
            for step in [s for s in known if s > count]:
                del known[step]
        self._note_revision(present)
        self._filling = True
        while self.list.count() > rows:
            self.list.takeItem(self.list.count() - 1)
        colours = theme.current()
        for step in range(rows):
            item = self.list.item(step)
            if item is None:
                item = QListWidgetItem()
                self.list.addItem(item)
            saved = step == clean and step > 0
            text = self._text(step)
            item.setText(f"{text} · {tr('saved')}" if saved else text)
            item.setToolTip(text)
            item.setIcon(self._icon(step))
            item.setForeground(QColor(colours.muted if step > present else colours.text))
            font = QFont(self.list.font())
            font.setItalic(step > present)
            item.setFont(font)
        self.list.setCurrentRow(present if rows else -1)
        self._filling = False
        self.undo.setEnabled(self._stack.canUndo())
        self.redo.setEnabled(self._stack.canRedo())
        if rows:
            self.note.setText(trn("{n} step", "{n} steps", count))
        else:
            self.note.setText(tr("Steps appear here as soon as a face is edited."))

    def _note_revision(self, present: int) -> None:
        """Which picture the present step has; one that changes no face, as a group's, has the one before."""
        revision = self._state.revision
        before = next((s for s, r in self._revisions.items() if r == revision and s in self._faces), None)
        self._revisions[present] = revision
        if before is not None and before != present:
            self._faces[present] = self._faces[before]

    @Slot(int)
    def _on_row(self, row: int) -> None:
        if not self._filling and row >= 0:
            self._stack.setIndex(row)
