"""A scatter plot in equal units with a hyperplane's line, a start ring, a handle to drag and brushes.

It knows points on a plane and nothing of codes; `panels.latent` gives the points their meaning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QGraphicsPolygonItem, QWidget

from introvac_studio import theme
from introvac_studio.widgets.brush import Mode, Stroke, Tool, inside, mode_of
from trainer.latent import Line2, clip_line, nearest_point

Floats = NDArray[np.float64]
Point = tuple[float, float]

GRAB = 14.0  # pixels around the handle that take hold of it
REACH = 9.0  # pixels around a point that count as on it
STEP = 0.25  # of an arrow key, in units of the axes
_FAINT = 45  # alpha of points beside a group
_CLICK = 4  # pixels that a click may wander
_ARROWS = {
    Qt.Key.Key_Left: (-STEP, 0.0),
    Qt.Key.Key_Right: (STEP, 0.0),
    Qt.Key.Key_Up: (0.0, STEP),
    Qt.Key.Key_Down: (0.0, -STEP),
}


@dataclass(frozen=True, eq=False)
class Group:
    """Points (n,) indices that share a colour."""

    indices: NDArray[np.intp]
    colour: str
    alpha: int = 170


class ScatterView(pg.PlotWidget):
    """The plot.

    Signals:
        hovered: the point under the pointer (-1: none any more), and where it is in this widget.
        clicked: a point.
        handleMoved: the handle is being dragged to (x, y).
        handleReleased: the drag is over; the handle stays.
        handleCancelled: Escape was pressed during a drag.
        handleNudged: an arrow key moves the handle by (dx, dy).
        brushed: points (n,) inside a shape that was drawn with `tool`, and what they do to the group.
        viewChanged: the visible part of the plane is another one.
    """

    hovered = Signal(int, QPoint)
    clicked = Signal(int)
    handleMoved = Signal(float, float)
    handleReleased = Signal()
    handleCancelled = Signal()
    handleNudged = Signal(float, float)
    brushed = Signal(object, object)
    viewChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: Floats = np.zeros((0, 2))
        self._groups: Sequence[Group] = ()
        self._start: Point | None = None
        self._handle: Point | None = None
        self._line: Line2 | None = None
        self._titles: tuple[Sequence[str], Sequence[str]] = ((), ())
        self._grip: QPointF | None = None  # from the pointer to the handle, while it is dragged
        self._pressed: QPoint | None = None
        self._under = -1
        self._tool = Tool.MOVE
        self._stroke: Stroke | None = None
        self._group: NDArray[np.intp] = np.zeros(0, np.intp)
        self._pointed = -1
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(200, 200)
        self.setMenuEnabled(False)
        self.hideButtons()
        self._build()
        self.restyle()

    def _build(self) -> None:
        item = self.getPlotItem()
        item.setAspectLocked(True)
        item.disableAutoRange()
        item.showGrid(x=True, y=True, alpha=0.08)
        self._dots: list[pg.ScatterPlotItem] = []
        self._plane = pg.InfiniteLine(movable=False)
        self._arrow = pg.ArrowItem(headLen=9, headWidth=9, tailLen=14, tailWidth=2, pxMode=True)
        self._side = pg.TextItem(anchor=(0.5, 0.5))
        self._path = pg.PlotCurveItem()
        self._chain = pg.PlotCurveItem()
        self._first = pg.ScatterPlotItem(size=11, symbol="o")
        self._last = pg.ScatterPlotItem(size=11, symbol="s")
        self.set_chain(None)
        self._ring = pg.ScatterPlotItem(size=13)
        self._knob = pg.ScatterPlotItem(size=15)
        self._halo = pg.ScatterPlotItem(size=15, brush=None)
        self._shape = QGraphicsPolygonItem()
        self._shape.hide()
        chain = (self._chain, self._first, self._last)
        marks = (self._path, self._halo, self._ring, self._knob, self._shape)
        layers = (self._plane, self._arrow, self._side, *chain, *marks)
        for layer, part in enumerate(layers, start=10):
            part.setZValue(layer)
            item.addItem(part, ignoreBounds=True)
        item.vb.sigRangeChanged.connect(self._range_changed)

    # What it shows

    def set_points(self, points: Floats, groups: Sequence[Group]) -> None:
        """Points (N, 2), drawn group by group."""
        self._points, self._groups = points, groups
        self._under = -1
        self._draw_points()
        self.set_pointed(self._pointed)

    def set_group(self, indices: NDArray[np.intp]) -> None:
        """Bring these points out and let the others fade; none leaves all as they are."""
        self._group = indices
        self._draw_points()

    def _draw_points(self) -> None:
        item = self.getPlotItem()
        for dots in self._dots:
            item.removeItem(dots)
        self._dots = []
        inside = np.zeros(len(self._points), dtype=bool)
        inside[self._group[self._group < len(inside)]] = True
        chosen = bool(inside.any())
        for layer, group in enumerate(self._groups):
            lit = inside[group.indices]
            if chosen:
                self._add_dots(group.indices[~lit], group.colour, _FAINT, layer)
                self._add_dots(group.indices[lit], group.colour, 255, len(self._groups) + layer, True)
            else:
                self._add_dots(group.indices, group.colour, group.alpha, layer)

    def _add_dots(
        self, rows: NDArray[np.intp], colour: str, alpha: int, layer: int, lit: bool = False
    ) -> None:
        brush = QColor(colour)
        brush.setAlpha(alpha)
        pen = pg.mkPen(theme.current().text, width=1) if lit else None
        dots = pg.ScatterPlotItem(pos=self._points[rows], size=7 if lit else 5, pen=pen, brush=brush)
        dots.setZValue(layer)
        self.getPlotItem().addItem(dots, ignoreBounds=True)
        self._dots.append(dots)

    @property
    def pointed(self) -> int:
        """The point with a halo, -1 for none."""
        return self._pointed

    def set_pointed(self, index: int) -> None:
        """Put a halo around a point that is pointed at, here or elsewhere; -1 takes it away."""
        self._pointed = index
        shown = 0 <= index < len(self._points)
        self._halo.setVisible(shown)
        if shown:
            self._halo.setData(pos=self._points[index : index + 1])

    @property
    def tool(self) -> Tool:
        """What a drag beside the handle does; with a brush in hand, on the handle too."""
        return self._tool

    def set_tool(self, tool: Tool) -> None:
        """Take another tool; a stroke under way is given up."""
        self._drop_stroke()
        self._tool = tool
        if tool is Tool.MOVE:
            self.viewport().unsetCursor()
        else:
            self.viewport().setCursor(Qt.CursorShape.CrossCursor)

    def set_titles(self, x: Sequence[str], y: Sequence[str]) -> None:
        """What the axes are, each in several lengths: the longest that fits is drawn."""
        self._titles = (x, y)
        self._fit_titles()

    def set_line(self, line: Line2 | None, label: str) -> None:
        """Draw the line where `line` is zero; `label` stands on its positive side."""
        self._line = line
        self._side.setText(label)
        if line is not None:
            x, y = nearest_point(line, (0.0, 0.0))
            self._plane.setAngle(math.degrees(math.atan2(-line.nx, line.ny)))
            self._plane.setPos(pg.Point(x, y))
            self._arrow.setStyle(angle=180 - math.degrees(math.atan2(line.ny, line.nx)))
        self._plane.setVisible(line is not None)
        self._place_side()

    def set_face(self, start: Point | None, handle: Point | None) -> None:
        """The ring where the face began and the handle where it is; None hides them."""
        self._start, self._handle = start, handle
        shown = start is not None and handle is not None
        for part in (self._ring, self._knob, self._path):
            part.setVisible(shown)
        if start is not None and handle is not None:
            self._ring.setData(pos=np.array([start]))
            self._knob.setData(pos=np.array([handle]))
            self._path.setData(np.array([start[0], handle[0]]), np.array([start[1], handle[1]]))

    def set_chain(self, points: Floats | None) -> None:
        """A path (n, 2) over the points, its first one a circle and its last one a square; None hides it."""
        self._walk = None if points is None or not len(points) else points
        for part in (self._chain, self._first, self._last):
            part.setVisible(self._walk is not None)
        if self._walk is not None:
            self._chain.setData(self._walk[:, 0], self._walk[:, 1])
            self._first.setData(pos=self._walk[:1])
            self._last.setData(pos=self._walk[-1:])

    @property
    def chain(self) -> Floats | None:
        """The drawn path (n, 2)."""
        return self._walk

    @property
    def handle(self) -> Point | None:
        """Where the handle is, in units of the axes."""
        return self._handle

    @property
    def dragging(self) -> bool:
        """Whether the handle is held."""
        return self._grip is not None

    def drop_handle(self) -> None:
        """Let go without a signal, as when another face comes."""
        self._grip = None
        self.unsetCursor()

    # What is visible

    def view(self) -> QRectF:
        """The visible part of the plane."""
        return self.getPlotItem().vb.viewRect()

    def fit(self, also: Sequence[Point] = ()) -> None:
        """Show all points, the face, the path, and `also`."""
        marks = [p for p in (self._start, self._handle, *also) if p is not None]
        every = np.concatenate([self._points, np.array(marks, dtype=np.float64).reshape(-1, 2)])
        if self._walk is not None:
            every = np.concatenate([every, self._walk])
        if not len(every):
            return
        low, high = every.min(axis=0), every.max(axis=0)
        spare = np.maximum((high - low) * 0.05, 0.5)
        low, high = low - spare, high + spare
        self.getPlotItem().vb.setRange(
            xRange=(low[0], high[0]), yRange=(low[1], high[1]), padding=0.0, disableAutoRange=True
        )

    def plane_end_points(self) -> tuple[Point, Point] | None:
        """Where the drawn line enters and leaves the view; None where it is not in view."""
        if self._line is None:
            return None
        view = self.view()
        return clip_line(self._line, view.left(), view.right(), view.top(), view.bottom())

    def position(self, xy: Point) -> QPoint:
        """Pixel of a point of the plane, in coordinates of `viewport()`."""
        return self.mapFromScene(self.getPlotItem().vb.mapViewToScene(QPointF(*xy)))

    def plane_point(self, pixel: QPointF) -> Point:
        """Point of the plane under a pixel of `viewport()`."""
        found = self.getPlotItem().vb.mapSceneToView(self.mapToScene(pixel.toPoint()))
        return found.x(), found.y()

    def point_at(self, pixel: QPointF) -> int:
        """The point drawn under a pixel, -1 for none."""
        item = self.getPlotItem()
        if not len(self._points) or not item.vb.sceneBoundingRect().contains(
            self.mapToScene(pixel.toPoint())
        ):
            return -1
        unit = item.vb.viewPixelSize()
        away = np.hypot(*((self._points - np.array(self.plane_point(pixel))) / np.array(unit)).T)
        best = int(np.argmin(away))
        return best if away[best] <= REACH else -1

    def _range_changed(self) -> None:
        self._place_side()
        self.viewChanged.emit()

    def _place_side(self) -> None:
        """The arrow and the label stand where the line leaves the view at the top or right."""
        ends = self.plane_end_points()
        for part in (self._arrow, self._side):
            part.setVisible(ends is not None)
        if ends is None or self._line is None:
            return
        (x0, y0), (x1, y1) = sorted(ends, key=lambda p: (p[1], p[0]))
        x, y = x0 + 0.94 * (x1 - x0), y0 + 0.94 * (y1 - y0)
        across, up = self.getPlotItem().vb.viewPixelSize()
        length = math.hypot(self._line.nx, self._line.ny)
        nx, ny = self._line.nx / length, self._line.ny / length
        self._arrow.setPos(x + 24 * nx * across, y + 24 * ny * up)
        text = self._side.boundingRect()
        far = 30 + abs(nx) * text.width() / 2 + abs(ny) * text.height() / 2
        view = self.view()
        half_x, half_y = across * text.width() / 2, up * text.height() / 2
        self._side.setPos(
            min(max(x + far * nx * across, view.left() + half_x), view.right() - half_x),
            min(max(y + far * ny * up, view.top() + half_y), view.bottom() - half_y),
        )

    # How it looks

    def restyle(self) -> None:
        """Take the colours of the present palette."""
        p = theme.current()
        self.setBackground(p.panel)
        font = QFont(self.font())
        font.setPixelSize(11)
        for side in ("bottom", "left"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(pg.mkPen(p.border))
            axis.setTextPen(pg.mkPen(p.muted))
            axis.setTickFont(font)
            axis.setStyle(tickTextOffset=4)
        self._plane.setPen(pg.mkPen(p.plane, width=2))
        self._arrow.setStyle(pen=pg.mkPen(p.plane), brush=pg.mkBrush(p.plane))
        self._side.setColor(p.plane)
        self._side.setFont(font)
        backing = QColor(p.panel)
        backing.setAlpha(200)
        self._side.fill = pg.mkBrush(backing)
        self._path.setPen(pg.mkPen(p.text, width=1.5, style=Qt.PenStyle.DashLine))
        self._chain.setPen(pg.mkPen(p.warn, width=1.5))
        for end, brush in ((self._first, p.panel), (self._last, p.warn)):
            end.setPen(pg.mkPen(p.warn, width=2))
            end.setBrush(pg.mkBrush(brush))
        self._halo.setPen(pg.mkPen(p.text, width=2))
        stroke = QColor(p.accent)
        self._shape.setPen(pg.mkPen(stroke, width=1.5, style=Qt.PenStyle.DashLine))
        stroke.setAlpha(36)
        self._shape.setBrush(stroke)
        self._draw_points()
        self._ring.setPen(pg.mkPen(p.text, width=2))
        self._ring.setBrush(pg.mkBrush(p.panel))
        self._knob.setPen(pg.mkPen(p.text, width=2))
        self._knob.setBrush(pg.mkBrush(p.accent))
        self._fit_titles()

    def _fit_titles(self) -> None:
        item = self.getPlotItem()
        font = QFont(self.font())
        font.setPixelSize(12)
        metrics = QFontMetricsF(font)
        room = (self.width() - 64, self.height() - 64)
        for side, titles, space in zip(("bottom", "left"), self._titles, room, strict=True):
            if titles:
                fitting = (t for t in titles if metrics.horizontalAdvance(t) <= space)
                style = {"color": theme.current().muted, "font-size": "12px"}
                item.setLabel(side, next(fitting, titles[-1]), **style)
                item.getAxis(side).resizeEvent()  # where a title of another length belongs

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "_titles"):  # the base class resizes itself while it is built
            self._fit_titles()
            self._place_side()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_knob"):
            self.restyle()

    # What the user does

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = event.position().toPoint()
            if self._tool is not Tool.MOVE:
                at = self.plane_point(event.position())
                self._stroke = Stroke(self._tool, at, mode_of(event.modifiers()))
                event.accept()
                return
            if self._handle is not None:
                away = QPointF(self.position(self._handle)) - event.position()
                if math.hypot(away.x(), away.y()) <= GRAB:
                    self._grip = away
                    self.setCursor(Qt.CursorShape.ClosedHandCursor)
                    event.accept()
                    return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grip is not None:
            self._hover(-1, event)
            self.handleMoved.emit(*self.plane_point(event.position() + self._grip))
            event.accept()
            return
        if self._stroke is not None:
            self._hover(-1, event)
            unit = self.getPlotItem().vb.viewPixelSize()
            self._stroke.extend(self.plane_point(event.position()), unit)
            self._shape.setPolygon(QPolygonF([QPointF(x, y) for x, y in self._stroke.corners]))
            self._shape.show()
            event.accept()
            return
        super().mouseMoveEvent(event)
        if not event.buttons():
            self._hover(self.point_at(event.position()), event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        left = event.button() == Qt.MouseButton.LeftButton
        pressed, self._pressed = self._pressed, None
        if left and self._grip is not None:
            self.drop_handle()
            self.handleReleased.emit()
            event.accept()
            return
        stroke = self._stroke
        if left and stroke is not None:
            self._drop_stroke()
            event.accept()
        else:
            super().mouseReleaseEvent(event)
        if not left or pressed is None:
            return
        if (event.position().toPoint() - pressed).manhattanLength() <= _CLICK:
            self._click(self.point_at(event.position()), stroke)
        elif stroke is not None:
            found = np.flatnonzero(inside(self._points, stroke.corners))
            self.brushed.emit(found, stroke.mode)

    def _click(self, index: int, stroke: Stroke | None) -> None:
        """A point opens its face; with a brush and a key it joins the group or leaves it."""
        if index >= 0 and (stroke is None or stroke.mode is Mode.REPLACE):
            self.clicked.emit(index)
        elif index >= 0 and stroke is not None:
            self.brushed.emit(np.array([index]), stroke.mode)

    def _drop_stroke(self) -> None:
        self._stroke = None
        self._shape.hide()

    def leaveEvent(self, event: QEvent) -> None:
        self._under = -1
        self.hovered.emit(-1, QPoint())
        super().leaveEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._drop_stroke()
        if self._grip is not None:
            self.drop_handle()
            self.handleReleased.emit()
        super().focusOutEvent(event)

    def _hover(self, index: int, event: QMouseEvent) -> None:
        if index != self._under:
            self._under = index
            self.hovered.emit(index, event.position().toPoint())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            if self._stroke is not None:
                self._drop_stroke()
                return
            if self._grip is None:
                event.ignore()  # the panel may have a use for it
                return
            self.drop_handle()
            self.handleCancelled.emit()
            return
        step = _ARROWS.get(Qt.Key(event.key()))
        if step is not None and self._handle is not None and self._grip is None:
            self.handleNudged.emit(*step)
            return
        super().keyPressEvent(event)
