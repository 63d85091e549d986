"""Thumbnails to be labelled yes or no: by clicks, ranges and keys, with a way back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.gallery import Gallery, Image, _Painter

NONE, NO, YES = -1, 0, 1
TEXTS = {NONE: "", NO: "no", YES: "yes"}
_NEXT = {NONE: YES, YES: NO, NO: NONE}
_KEYS = {Qt.Key.Key_Y: YES, Qt.Key.Key_N: NO, Qt.Key.Key_Delete: NONE, Qt.Key.Key_Backspace: NONE}
_KEPT = 200  # steps that `undo` takes back
_MARK = 9.0  # radius of a mark

Labels = NDArray[np.int8]


def colour(label: int) -> str:
    """The colour of a label."""
    return theme.current().good if label == YES else theme.current().warn


class _LabelPainter(_Painter):
    """A frame in the label's colour, and a tick or a cross: not by colour alone."""

    def _texts(
        self, painter: QPainter, rect: QRect, box: QRectF, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        label = self._gallery.label_at(index.row())  # type: ignore[attr-defined]
        if label == NONE:
            return
        tint = QColor(colour(label))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(tint, 3))
        painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 4, 4)
        middle = box.bottomRight() - QPointF(_MARK + 1, _MARK + 1)
        painter.setBrush(tint)
        painter.setPen(QPen(QColor(theme.current().panel), 1.5))
        painter.drawEllipse(middle, _MARK, _MARK)
        painter.setPen(QPen(QColor(theme.current().panel), 2.2, c=Qt.PenCapStyle.RoundCap))
        for line in _TICK if label == YES else _CROSS:
            painter.drawPolyline([middle + QPointF(x, y) for x, y in line])


_TICK = (((-4.0, 0.5), (-1.2, 3.2), (4.0, -3.0)),)
_CROSS = (((-3.0, -3.0), (3.0, 3.0)), ((-3.0, 3.0), (3.0, -3.0)))


class LabelGrid(Gallery):
    """A gallery whose faces carry a label: `YES`, `NO` or `NONE`.

    A click goes from unlabelled to yes, to no and back; with Shift, all from the last one labelled to
    this take the last one's label. Y and N label the current face and step on, Space does as a click,
    Delete takes the label away.

    Signals:
        labelled: some label differs.
    """

    labelled = Signal()

    def __init__(self, empty_text: str, parent: QWidget | None = None) -> None:
        super().__init__(empty_text, parent)
        self._labels: Labels = np.zeros(0, np.int8)
        self._past: list[Labels] = []
        self._anchor = -1
        self._painter = _LabelPainter(self, self._model)
        self._view.setItemDelegate(self._painter)
        self._view.setAccessibleName(tr("faces to label; Y yes, N no, Space next label, Delete none"))
        self._view.installEventFilter(self)
        self._view.viewport().installEventFilter(self)

    @property
    def labels(self) -> Labels:
        """(N,) of all faces, shown or not."""
        return self._labels.copy()

    def label_at(self, row: int) -> int:
        """The label of a shown face."""
        return int(self._labels[self._model.visible[row]])

    def set_faces(self, images: Sequence[Image] | Image, labels: ArrayLike) -> None:
        """Show these faces with labels (N,); what was done before cannot be undone any more."""
        self._labels = np.array(labels, dtype=np.int8)
        self._past, self._anchor = [], -1
        self.set_images(images, badges=[TEXTS[int(v)] for v in self._labels])

    def set_labels(self, labels: ArrayLike) -> None:
        """Take these labels (N,) as one step."""
        wanted = np.array(labels, dtype=np.int8)
        if wanted.shape != self._labels.shape or np.array_equal(wanted, self._labels):
            return
        self._past = [*self._past[1 - _KEPT :], self._labels]
        self._take(wanted)

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    def undo(self) -> None:
        """Take the last step back."""
        if self._past:
            self._take(self._past.pop())

    def _take(self, labels: Labels) -> None:
        self._labels = labels
        self._model.badges = [TEXTS[int(v)] for v in labels]
        self._view.viewport().update()
        self.labelled.emit()

    def _label(self, numbers: Sequence[int], label: int) -> None:
        labels = self.labels
        labels[list(numbers)] = label
        self.set_labels(labels)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        presses = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick)
        if isinstance(event, QMouseEvent) and event.type() in presses:
            if watched is self._view.viewport() and event.button() == Qt.MouseButton.LeftButton:
                return self._press(event)
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and watched is self._view:
            return self._key(event)
        return super().eventFilter(watched, event)

    def _press(self, event: QMouseEvent) -> bool:
        index = self._view.indexAt(event.position().toPoint())
        if not index.isValid():
            return False
        self._view.setFocus(Qt.FocusReason.MouseFocusReason)
        number = self._model.visible[index.row()]
        self.set_current(number)
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if shift and self._anchor in self._model.visible:
            first, last = sorted((self._model.visible.index(self._anchor), index.row()))
            self._label(self._model.visible[first : last + 1], int(self._labels[self._anchor]))
        else:
            self._label([number], _NEXT[int(self._labels[number])])
        self._anchor = number
        return True

    def _key(self, event: QKeyEvent) -> bool:
        number = self.current
        plain = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
        if number < 0 or not plain:
            return False
        if event.key() == Qt.Key.Key_Space:
            self._label([number], _NEXT[int(self._labels[number])])
        elif (label := _KEYS.get(Qt.Key(event.key()))) is not None:
            self._label([number], label)
            row = self._model.visible.index(number) + 1
            if label != NONE and row < len(self._model.visible):
                self.set_current(self._model.visible[row])
        else:
            return False
        self._anchor = number
        return True
