"""Example faces side by side, wrapped like words; one of them may be the face that is being edited."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.language import tr, trn

GAP = 4


class Examples(QWidget):
    """Pictures, each of their pixels a whole number of the screen's.

    Signals:
        chosen: a picture was clicked, or Return or Space pressed on it.
        hovered: the picture under the pointer, -1 for none any more.
    """

    chosen = Signal(int)
    hovered = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._images: list[QImage] = []
        self._names: tuple[str, ...] = ()
        self._side = 64
        self._current = self._pointed = self._under = -1
        self._focus = 0
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_images(self, images: np.ndarray, names: tuple[str, ...]) -> None:
        """Show these (n, S, S, 3); none of them is the current face until `set_current` says so."""
        self._images, self._names = [], names
        self._current = self._pointed = self._under = -1
        self._focus = 0
        for picture in np.ascontiguousarray(images):
            side = picture.shape[0]
            image = QImage(picture.data, side, side, 3 * side, QImage.Format.Format_RGB888)
            self._images.append(image.copy())
            self._side = side
        self.setAccessibleName(trn("{n} example face", "{n} example faces", len(names)))
        self.updateGeometry()
        self.update()

    @property
    def current(self) -> int:
        """The picture that is being edited, -1 for none."""
        return self._current

    def set_current(self, index: int) -> None:
        """Frame the picture that is being edited."""
        self._current = index
        self.update()

    def set_pointed(self, index: int) -> None:
        """Frame a picture that the pointer is on elsewhere."""
        if index != self._pointed:
            self._pointed = index
            self.update()

    def _cell(self) -> float:
        """Side of a picture in device-independent pixels: near 64, whole in device pixels."""
        dpr = self.devicePixelRatioF()
        wanted = 64 * dpr
        if self._side <= wanted:
            return self._side * max(1, round(wanted / self._side)) / dpr
        return self._side / max(1, round(self._side / wanted)) / dpr

    def _columns(self, width: int) -> int:
        return max(1, int((width + GAP) // (self._cell() + GAP)))

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        rows = -(-len(self._images) // self._columns(width))
        return max(0, round(rows * (self._cell() + GAP)) - GAP)

    def sizeHint(self) -> QSize:
        return QSize(560, self.heightForWidth(560))

    def cell(self, index: int) -> QRectF:
        """Where a picture is, in coordinates of the widget."""
        row, column = divmod(index, self._columns(self.width()))
        pitch = self._cell() + GAP
        return QRectF(column * pitch, row * pitch, self._cell(), self._cell())

    def index_at(self, place: QPointF) -> int:
        """The picture at a place, -1 for none."""
        return next((i for i in range(len(self._images)) if self.cell(i).contains(place)), -1)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        dpr = self.devicePixelRatioF()
        whole = round(self._cell() * dpr)
        painter.scale(1 / dpr, 1 / dpr)
        for i, image in enumerate(self._images):
            place = self.cell(i)
            at = QRect(round(place.x() * dpr), round(place.y() * dpr), whole, whole)
            if whole < image.width():
                smooth = Qt.TransformationMode.SmoothTransformation
                image = image.scaled(whole, whole, Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
            painter.drawImage(at, image)
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.current()
        for i, colour, width in (
            (self._pointed, colours.text, 2),
            (self._under, colours.muted, 2),
            (self._focus if self.hasFocus() else -1, colours.accent, 2),
            (self._current, colours.accent, 3),
        ):
            if 0 <= i < len(self._images):
                painter.setPen(QPen(QColor(colour), width))
                inset = width / 2
                painter.drawRoundedRect(self.cell(i).adjusted(inset, inset, -inset, -inset), 3, 3)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            i = self.index_at(QPointF(event.pos()))
            self.setToolTip(tr("Edit {name}", name=self._names[i]) if 0 <= i < len(self._names) else "")
        return super().event(event)

    def _hover(self, index: int) -> None:
        if index != self._under:
            self._under = index
            self.hovered.emit(index)
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover(self.index_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(-1)
        super().leaveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        i = self.index_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and i >= 0:
            self._focus = i
            self.chosen.emit(i)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        columns = self._columns(self.width())
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -columns,
            Qt.Key.Key_Down: columns,
        }
        if (step := steps.get(Qt.Key(event.key()))) is not None and self._images:
            if 0 <= self._focus + step < len(self._images):
                self._focus += step
                self.update()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._images:
            self.chosen.emit(self._focus)
        else:
            super().keyPressEvent(event)
