"""A row of faces along one attribute, with the delta under each and a mark where the label flips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.widgets.pictures import to_qimage
from introvac_studio.widgets.texts import tabular

TEXT = 18
GAP = 6


class Filmstrip(QWidget):
    """Pictures at given deltas; a click (or Enter) chooses one.

    Signals:
        chosen: the delta that was clicked.
    """

    chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Filmstrip along the chosen attribute")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._deltas: tuple[float, ...] = ()
        self._images: NDArray[np.uint8] | None = None
        self._current: float | None = None
        self._flip: float | None = None
        self._focus = 0

    def sizeHint(self) -> QSize:
        return QSize(480, 84)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, 84)

    @property
    def deltas(self) -> tuple[float, ...]:
        return self._deltas

    def set_strip(self, deltas: tuple[float, ...], images: NDArray[np.uint8] | None) -> None:
        """Show pictures (n, S, S, 3) at these deltas; None shows empty places."""
        self._deltas, self._images = deltas, images
        self.update()

    def set_marks(self, current: float | None, flip: float | None) -> None:
        """Where the edit is now, and the delta at which the label of the code flips."""
        self._current, self._flip = current, flip
        self.update()

    def _side(self) -> float:
        n = max(len(self._deltas), 1)
        return min((self.width() - GAP * (n - 1)) / n, self.height() - TEXT)

    def _cell(self, index: int) -> QRectF:
        n, side = max(len(self._deltas), 1), self._side()
        pitch = side + GAP if n == 1 else min(side + 3 * GAP, (self.width() - side) / (n - 1))
        left = (self.width() - (pitch * (n - 1) + side)) / 2
        return QRectF(left + index * pitch, 0, side, side)

    def _x_of(self, delta: float) -> float | None:
        if len(self._deltas) < 2 or not self._deltas[0] <= delta <= self._deltas[-1]:
            return None
        centres = [self._cell(i).center().x() for i in range(len(self._deltas))]
        return float(np.interp(delta, self._deltas, centres))

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(tabular(painter.font()))
        for i, delta in enumerate(self._deltas):
            rect = self._cell(i)
            outline = QPainterPath()
            outline.addRoundedRect(rect, 4, 4)
            if self._images is None:
                painter.fillPath(outline, QColor(colours.raised))
            else:
                painter.setClipPath(outline)
                painter.drawImage(rect, to_qimage(self._images[i]))
                painter.setClipping(False)
            here = self._current is not None and abs(delta - self._current) < 1e-9
            if here or (self.hasFocus() and i == self._focus):
                painter.setPen(QPen(QColor(colours.accent), 2))
                painter.drawPath(outline)
            painter.setPen(QColor(colours.text if here else colours.muted))
            text = "0" if delta == 0 else f"{delta:+g}".replace("-", "−")
            label = QRectF(rect.center().x() - 24, rect.bottom() + 1, 48, TEXT)
            painter.drawText(label, int(Qt.AlignmentFlag.AlignCenter), text)
        if self._flip is not None and (x := self._x_of(self._flip)) is not None:
            painter.setPen(QPen(QColor(colours.plane), 2))
            painter.drawLine(int(x), 0, int(x), int(self._side()))

    def _choose(self, index: int) -> None:
        self._focus = index
        self.chosen.emit(self._deltas[index])
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for i in range(len(self._deltas)):
            if self._cell(i).contains(event.position()):
                self._choose(i)
                return

    def keyPressEvent(self, event: QKeyEvent) -> None:
        count = len(self._deltas)
        if count and event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._focus = max(0, min(count - 1, self._focus + (1 if event.key() == Qt.Key.Key_Right else -1)))
            self.update()
        elif count and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self._focus)
        else:
            super().keyPressEvent(event)
