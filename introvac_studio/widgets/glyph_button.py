"""Small buttons with a drawn sign: a padlock, an arrow to a bar, and what a drag over points does."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from introvac_studio import theme
from introvac_studio.widgets.brush import Tool

SIDE = 26


class GlyphButton(QAbstractButton):
    """A square button that draws its sign around its centre; subclasses give `draw`."""

    def __init__(self, name: str, tip: str, colour: str | None = None) -> None:
        super().__init__()
        self._colour = colour
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setFixedSize(SIDE, SIDE)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def sizeHint(self) -> QSize:
        return QSize(SIDE, SIDE)

    def draw(self, painter: QPainter, colour: QColor) -> None:
        """Draw the sign in units of pixels from the centre."""
        raise NotImplementedError

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        lit = self.isEnabled() and (self.underMouse() or self.isDown())
        painter.setPen(QPen(QColor(colours.accent), 1.5) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.raised) if lit or self.isChecked() else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(frame, 5, 5)
        colour = QColor(colours.text if lit or self.isChecked() else colours.muted)
        if self.isChecked() and self._colour is not None:
            colour = QColor(self._colour)
        if not self.isEnabled():
            colour = QColor(colours.border)
        painter.translate(QPointF(self.width() / 2, self.height() / 2))
        self.draw(painter, colour)


class LockButton(GlyphButton):
    """A padlock: shut while checked."""

    def __init__(self, name: str, tip: str, colour: str) -> None:
        super().__init__(name, tip, colour)
        self.setCheckable(True)

    def draw(self, painter: QPainter, colour: QColor) -> None:
        shut = self.isChecked()
        bow = QPainterPath(QPointF(-3, -1))
        bow.lineTo(-3, -3)
        bow.arcTo(QRectF(-3, -6.5, 6, 6), 180, -180 if shut else -150)
        if shut:
            bow.lineTo(3, -1)
        painter.setPen(QPen(colour, 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(bow)
        painter.setBrush(colour if shut else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(-5, -1, 10, 7.5), 1.5, 1.5)


class UntilButton(GlyphButton):
    """An arrow that ends at a bar."""

    def draw(self, painter: QPainter, colour: QColor) -> None:
        painter.setPen(
            QPen(colour, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        )
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawLine(QPointF(-6, 0), QPointF(3, 0))
        painter.drawPolyline([QPointF(-0.5, -3.5), QPointF(3, 0), QPointF(-0.5, 3.5)])
        painter.drawLine(QPointF(6.5, -5.5), QPointF(6.5, 5.5))


class ToolButton(GlyphButton):
    """A hand's cross of arrows, a dashed rectangle, or a lasso: pressed while its tool is in hand."""

    def __init__(self, tool: Tool, name: str, tip: str) -> None:
        super().__init__(name, tip)
        self.tool = tool
        self.setCheckable(True)

    def draw(self, painter: QPainter, colour: QColor) -> None:
        pen = QPen(colour, 1.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self.tool is Tool.MOVE:
            painter.setPen(pen)
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                tip = QPointF(7 * x, 7 * y)
                painter.drawLine(QPointF(0, 0), tip)
                for side in (1, -1):
                    barb = QPointF(2.5 * (side * y - x), 2.5 * (side * x - y))
                    painter.drawLine(tip, tip + barb)
            return
        pen.setDashPattern([1.6, 1.6])
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if self.tool is Tool.RECTANGLE:
            painter.setPen(pen)
            painter.drawRect(QRectF(-6.5, -5, 13, 10))
            return
        painter.setPen(pen)
        painter.drawEllipse(QRectF(-7, -6.5, 14, 9))
        pen.setStyle(Qt.PenStyle.SolidLine)
        painter.setPen(pen)
        tail = QPainterPath(QPointF(-3, 2.5))
        tail.cubicTo(QPointF(-6, 3), QPointF(-5, 6.5), QPointF(-2, 5))
        tail.cubicTo(QPointF(0, 4), QPointF(1, 6), QPointF(-1, 7.5))
        painter.drawPath(tail)
