"""A row of the pictures on a path, as many as there is room for; a click goes to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.pictures import to_qimage

_SIDE = 64
_GAP = 6


class PathStrip(QWidget):
    """The first and the last picture, and others evenly between.

    Signals:
        chosen: the number of the picture that was clicked.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("pictures on the path"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._images: NDArray[np.uint8] | None = None
        self._current = 0

    def sizeHint(self) -> QSize:
        return QSize(480, _SIDE + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, _SIDE + 4)

    def set_images(self, images: NDArray[np.uint8] | None) -> None:
        """Pictures (n, S, S, 3); None leaves empty places."""
        self._images = images
        self.update()

    def set_current(self, number: int) -> None:
        self._current = number
        self.update()

    def shown(self) -> list[int]:
        """The numbers of the pictures that are drawn."""
        room = max(2, int((self.width() + _GAP) // (_SIDE + _GAP)))
        count = room if self._images is None else len(self._images)
        return sorted({round(float(x)) for x in np.linspace(0, count - 1, min(room, count))})

    def cell(self, place: int) -> QRectF:
        """Where the picture at a place is drawn."""
        places = len(self.shown())
        step = (self.width() - 4 - _SIDE) / max(places - 1, 1)
        step = min(step, _SIDE + 4 * _GAP)
        left = (self.width() - _SIDE - step * (places - 1)) / 2
        return QRectF(left + place * step, 2, _SIDE, _SIDE)

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        numbers = self.shown()
        here = min(range(len(numbers)), key=lambda k: abs(numbers[k] - self._current))
        for place, number in enumerate(numbers):
            rect = self.cell(place)
            outline = QPainterPath()
            outline.addRoundedRect(rect, 4, 4)
            if self._images is None:
                painter.fillPath(outline, QColor(colours.raised))
                continue
            painter.setClipPath(outline)
            painter.drawImage(rect, to_qimage(self._images[number]))
            painter.setClipping(False)
            if place == here:
                painter.setPen(QPen(QColor(colours.accent), 2))
                painter.drawPath(outline)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._images is not None:
            at: QPointF = event.position()
            for place, number in enumerate(self.shown()):
                if self.cell(place).contains(at):
                    self.chosen.emit(number)
                    return
