"""What each edit does to each attribute, as a table of colours with the numbers in it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from introvac_studio import theme
from introvac_studio.evaluation_figures import number
from introvac_studio.evaluation_results import Heat
from introvac_studio.language import mark, tr
from introvac_studio.widgets.cosine_view import mixed
from introvac_studio.widgets.texts import tabular

CELL, HEIGHT = 62, 34
KINDS = (mark("labels changed"), mark("shift of probability"))
_FULL = 0.5  # the share at which a cell has its full colour


class HeatMap(QWidget):
    """A row an edit, a column an attribute; a cell that the true edit changes too has a dashed border."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._heat: Heat | None = None
        self._kind = KINDS[0]
        self._name = name
        self._left = self._top = 0
        self._wide = CELL
        self.setAccessibleName(name)

    def show_heat(self, heat: Heat | None, kind: str = KINDS[0]) -> None:
        """Show shares of changed labels, or the mean change of the judged probability."""
        self._heat, self._kind = heat, kind
        if heat is not None:
            metrics = self.fontMetrics()
            self._left = max(metrics.horizontalAdvance(name) for name in heat.rows) + 2 * theme.GRID
            self._top = metrics.height() + theme.GRID
            widest = max((metrics.horizontalAdvance(name) for name in heat.columns), default=0)
            self._wide = max(CELL, widest + theme.GRID)
            told = (self.text_at_cell(i, j) for i in range(len(heat.rows)) for j in range(len(heat.columns)))
            self.setAccessibleDescription("; ".join(text for text in told if text))
        self.setFixedSize(self.sizeHint())
        self.update()

    def sizeHint(self) -> QSize:
        if self._heat is None:
            return QSize(0, 0)
        return QSize(
            self._left + self._wide * len(self._heat.columns) + 2,
            self._top + HEIGHT * len(self._heat.rows) + 2,
        )

    def _value(self, i: int, j: int) -> float | None:
        assert self._heat is not None
        return (self._heat.flipped if self._kind == KINDS[0] else self._heat.shift)[i][j]

    def cell(self, i: int, j: int) -> QRectF:
        """Where a cell is."""
        return QRectF(self._left + j * self._wide, self._top + i * HEIGHT, self._wide, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._heat is None:
            return
        p, heat = theme.current(), self._heat
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, right = Qt.AlignmentFlag.AlignCenter, Qt.AlignmentFlag.AlignRight
        painter.setPen(QColor(p.muted))
        for j, name in enumerate(heat.columns):
            painter.drawText(QRectF(self._left + j * self._wide, 0, self._wide, self._top), middle, name)
        painter.setPen(QColor(p.text))
        for i, name in enumerate(heat.rows):
            place = QRectF(0, self.cell(i, 0).top(), self._left - theme.GRID, HEIGHT)
            painter.drawText(place, right | Qt.AlignmentFlag.AlignVCenter, name)
        painter.setFont(tabular(painter.font(), 12))
        for i in range(len(heat.rows)):
            for j in range(len(heat.columns)):
                self._paint_cell(painter, i, j)

    def _paint_cell(self, painter: QPainter, i: int, j: int) -> None:
        assert self._heat is not None
        p, value, place = theme.current(), self._value(i, j), self.cell(i, j).adjusted(1, 1, -1, -1)
        if value is None:
            painter.setPen(QColor(p.muted))
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, tr("edited"))
            return
        fill = mixed(max(-1.0, min(1.0, value / _FULL)), QColor(p.raised))
        painter.setPen(
            QPen(QColor(p.text), 1.2, Qt.PenStyle.DashLine) if self.true(i, j) else Qt.PenStyle.NoPen
        )
        painter.setBrush(fill)
        painter.drawRoundedRect(place.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        dark_ink = fill.lightnessF() > 0.4
        ink = QColor("#10131a" if dark_ink else "#ffffff")
        painter.setPen(QColor(p.muted) if abs(value) < 0.005 else ink)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self._text(value))

    def true(self, i: int, j: int) -> bool:
        """Whether the true edit changes this label too, on some faces: leakage it is not."""
        assert self._heat is not None
        truly = self._heat.truly[i][j]
        return bool(truly)

    def _text(self, value: float) -> str:
        if self._kind == KINDS[0]:
            return number(value, share=True)
        return "0.00" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")

    def text_at_cell(self, i: int, j: int) -> str:
        """What a cell says, empty for the edited attribute itself."""
        if self._heat is None or (value := self._value(i, j)) is None:
            return ""
        heat, shown = self._heat, self._text(value)
        values = {"edit": heat.rows[i], "name": heat.columns[j], "shown": shown}
        if self._kind == KINDS[0]:
            what = tr("{edit} changes {name} on {shown} of faces", **values)
        else:
            what = tr("{edit} moves the judged probability of {name} by {shown}", **values)
        truly = heat.truly[i][j]
        if not truly:
            return what
        return f"{what}; " + tr("the true edit changes it on {share}", share=number(truly, True))

    def text_at(self, at: QPoint) -> str:
        """What is said at a point, empty beside the cells."""
        if self._heat is None:
            return ""
        j, i = (at.x() - self._left) // self._wide, (at.y() - self._top) // HEIGHT
        inside = 0 <= i < len(self._heat.rows) and 0 <= j < len(self._heat.columns)
        return self.text_at_cell(i, j) if inside else ""

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and (text := self.text_at(event.pos())):
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)
