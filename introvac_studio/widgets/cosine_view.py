"""How independent attributes are: the cosines between their directions as a small table of colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QScrollArea, QToolTip, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.popover import Popover
from introvac_studio.widgets.texts import muted, tabular

CELL = 40
_LITTLE = 30  # side of a cell where attributes are many
_MANY = 10
_NEGATIVE, _POSITIVE = QColor("#2f7fd0"), QColor("#e08a2e")  # told apart by colour-blind eyes


def mixed(value: float, ground: QColor) -> QColor:
    """The colour of a cosine: the ground at 0, blue at -1, orange at 1."""
    end, share = (_POSITIVE if value > 0 else _NEGATIVE), min(1.0, abs(value))
    parts = zip(ground.getRgb()[:3], end.getRgb()[:3], strict=True)  # type: ignore[index]
    return QColor(*(round(a + share * (b - a)) for a, b in parts))


class CosineTable(QWidget):
    """A square of cells, with a name before each row and above each column."""

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self._values: NDArray[np.float64] = np.zeros((0, 0))
        self.setAccessibleName(tr("cosines between directions"))

    def set_values(self, names: Sequence[str], values: NDArray[np.float64]) -> None:
        """Show cosines (K, K)."""
        self._names, self._values = tuple(names), values
        self._cell = CELL if len(names) <= _MANY else _LITTLE
        metrics = self.fontMetrics()
        self._margin = max((metrics.horizontalAdvance(n) for n in names), default=0) + theme.GRID
        self.setFixedSize(self.sizeHint())
        told = (
            tr("{a} and {b} {value}", a=a, b=b, value=f"{values[i, j]:+.2f}")
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i < j
        )
        self.setAccessibleDescription("; ".join(told))
        self.update()

    def sizeHint(self) -> QSize:
        side = self._margin + self._cell * len(self._names) + 2 if self._names else 0
        return QSize(side, side)

    def cell(self, row: int, column: int) -> QRectF:
        """Where a cell is."""
        return QRectF(
            self._margin + column * self._cell, self._margin + row * self._cell, self._cell, self._cell
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(colours.text))
        ground, side = QColor(colours.raised), self._cell
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for k, name in enumerate(self._names):
            place = QRectF(0, self.cell(k, 0).top(), self._margin - theme.GRID, side)
            painter.drawText(place, right, name)
            painter.save()
            painter.translate(self.cell(0, k).center().x(), self._margin - theme.GRID)
            painter.rotate(-90)
            painter.drawText(QRectF(0, -side / 2, self._margin, side), left, name)
            painter.restore()
        painter.setFont(tabular(painter.font(), 12 if side == CELL else 10))
        for i in range(len(self._names)):
            for j in range(len(self._names)):
                value, place = float(self._values[i, j]), self.cell(i, j).adjusted(1, 1, -1, -1)
                fill = ground if i == j else mixed(value, ground)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(fill)
                painter.drawRoundedRect(place, 4, 4)
                dark = fill.lightnessF() > 0.55
                ink = QColor(colours.muted) if i == j else QColor("#10131a" if dark else "#ffffff")
                painter.setPen(ink)
                painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), "1" if i == j else _short(value))

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and (text := self.text_at(event.pos())):
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def text_at(self, at: QPoint) -> str:
        """What a cell says, empty beside the cells."""
        if not self._names:
            return ""
        column, row = ((v - self._margin) // self._cell for v in (at.x(), at.y()))
        count = len(self._names)
        if not (0 <= row < count and 0 <= column < count):
            return ""
        return tr(
            "{one} and {other}: cosine {value}",
            one=self._names[row],
            other=self._names[column],
            value=f"{self._values[row, column]:+.3f}",
        )


def _short(value: float) -> str:
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text[1:] == "0.00" else text


class CosinePopover(Popover):
    """The table with a sentence on what it says."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, tr("How independent?"))
        self.table = CosineTable()
        self.most = muted(wrap=True)
        meaning = muted(
            tr(
                "Cosine of the angle between two directions:\n0 independent, ±1 one and the same;\n"
                "blue below 0, orange above."
            )
        )
        scroll = QScrollArea()
        scroll.setWidget(self.table)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self._scroll = scroll
        self.column.addWidget(meaning)
        self.column.addWidget(scroll)
        self.column.addWidget(self.most)

    def show_values(self, names: Sequence[str], values: NDArray[np.float64], button: QWidget) -> None:
        """Open with cosines (K, K) at a button."""
        self.table.set_values(names, values)
        size = self.table.sizeHint()
        self._scroll.setFixedSize(min(size.width(), 640) + 4, min(size.height(), 520) + 4)
        apart = np.abs(values - np.eye(len(names)))
        if len(names) > 1:
            i, j = divmod(int(apart.argmax()), len(names))
            self.most.setText(
                tr(
                    "Least independent: {one} and {other}, {value}.",
                    one=names[i],
                    other=names[j],
                    value=_short(float(values[i, j])),
                )
            )
        self.open_at(button)
