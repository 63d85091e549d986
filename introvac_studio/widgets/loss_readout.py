"""The header of a loss plot: a title that ends in dots, and the values of its curves."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.widgets.texts import tabular

_MARK = 8  # pixels of a line beside its name
_DIGIT = 8  # pixels of a digit of a value
_LEAST, _MOST = 48, 240  # pixels of room for values


def number(value: float) -> str:
    """Three significant digits, or thousands with separators."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:#.3g}".rstrip(".")


class Elided(QLabel):
    """A label that ends in dots where it has no room."""

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


class Readout(QWidget):
    """Coloured marks, names and values of a plot's curves, right-aligned; names go first when narrow.

    Args:
        names: whether names are drawn; else a legend elsewhere says what the colours are.
    """

    def __init__(self, names: bool = True) -> None:
        super().__init__()
        self._named = names
        self._parts: list[tuple[QColor, bool, str, str]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(20)
        self.setMinimumWidth(_LEAST)

    def show_values(self, parts: list[tuple[QColor, bool, str, str]]) -> None:
        if parts == self._parts:
            return
        self._parts = parts
        room = sum(_MARK + 12 + _DIGIT * len(value) for *_, value in parts)  # the title gives way to numbers
        room = min(max(room, _LEAST), _MOST)
        if not self.minimumWidth() - 2 * _DIGIT <= room <= self.minimumWidth():
            self.setMinimumWidth(room)
        self.setToolTip("\n".join(f"{name}: {value}" for _, _, name, value in parts))
        self.setAccessibleName(", ".join(f"{name} {value}" for _, _, name, value in parts))
        self.update()

    def text(self) -> str:
        return "  ".join(value for *_, value in self._parts)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        plain, strong = tabular(self.font(), 11), tabular(self.font(), 12, True)
        names, values = QFontMetrics(plain), QFontMetrics(strong)
        numbers = sum(values.horizontalAdvance(value) + _MARK + 12 for *_, value in self._parts)
        texts = self._names(names, self.width() - numbers)
        colours = theme.current()
        x, middle, height = self.width(), self.height() / 2, self.height()
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        for (colour, dashed, _, value), name in reversed(list(zip(self._parts, texts, strict=True))):
            if x < values.horizontalAdvance(value) + _MARK + 4:
                break  # no room for a whole number; the tooltip has all
            for text, font, tint, metrics in (
                (value, strong, colours.text, values),
                (name, plain, colours.muted, names),
            ):
                if text:
                    width = metrics.horizontalAdvance(text)
                    x -= width
                    painter.setFont(font)
                    painter.setPen(QColor(tint))
                    painter.drawText(QRectF(x, 0, width + 2, height), flags, text)
                    x -= 4
            pen = QPen(colour, 2.5)
            pen.setStyle(Qt.PenStyle.DotLine if dashed else Qt.PenStyle.SolidLine)
            painter.setPen(pen)
            painter.drawLine(QPointF(x - _MARK, middle), QPointF(x, middle))
            x -= _MARK + 8

    def _names(self, metrics: QFontMetrics, room: int) -> list[str]:
        """The names as they fit: whole, shortened, all but the first, or none."""
        whole = [name if self._named else "" for _, _, name, _ in self._parts]
        short = [metrics.elidedText(name, Qt.TextElideMode.ElideRight, 48) for name in whole]
        for names in (whole, short, ["", *short[1:]]):
            if sum(metrics.horizontalAdvance(name) + 4 for name in names if name) <= room:
                return names
        return [""] * len(whole)
