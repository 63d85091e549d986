"""A small picture with a line of text that stands beside the pointer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from introvac_studio.widgets.pictures import scaled, whole_scale
from introvac_studio.widgets.texts import tabular

SIDE = 96


class Bubble(QFrame):
    """Lies over its parent, takes no mouse, and stays inside the parent."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._room = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAutoFillBackground(True)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._picture, self._text = QLabel(), QLabel()
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setFont(tabular(self._text.font()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(self._picture, alignment=Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self._text, alignment=Qt.AlignmentFlag.AlignHCenter)
        self.hide()

    def show_face(self, image: NDArray[np.uint8] | None, text: str, at: QPoint) -> None:
        """Show it beside a point of the parent; lines that are too long are cut in the middle."""
        self._picture.setVisible(image is not None)
        if image is not None:
            ratio = self.devicePixelRatioF()
            size = image.shape[0]
            side = round(size * whole_scale(size, SIDE * ratio) / ratio)
            self._picture.setPixmap(scaled(image, min(side, SIDE), ratio, smooth=side > SIDE))
        metrics, middle = self._text.fontMetrics(), Qt.TextElideMode.ElideMiddle
        self._text.setText("\n".join(metrics.elidedText(line, middle, 180) for line in text.split("\n")))
        self.adjustSize()
        self.move_beside(at)
        self.show()
        self.raise_()

    def move_beside(self, at: QPoint) -> None:
        """Stand beside another point of the parent."""
        room = self._room.size()
        x = at.x() + 14 if at.x() + 14 + self.width() <= room.width() else at.x() - 14 - self.width()
        y = min(max(0, at.y() - self.height() // 2), max(0, room.height() - self.height()))
        self.move(max(0, x), y)

    @property
    def name(self) -> str:
        """The text as shown."""
        return self._text.text()
