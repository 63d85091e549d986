"""A square of code space to drag in: two axes, two hyperplanes, the regions between them, small faces.

It knows places on a plane and nothing of codes; `panels.pad` gives the places their meaning. The second
axis is slanted where its direction is not perpendicular to the first one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.direction_slider import STEP
from introvac_studio.widgets.pictures import to_qimage
from introvac_studio.widgets.texts import tabular
from trainer.latent import Line2, clip_line

Point = tuple[float, float]
Corners = list[Point]

CELLS = 5  # small faces a side
_RADIUS = 6
_ROOMY = 0.05  # of the square; a smaller region has no label
_REGIONS = {
    (True, True): mark("both"),
    (True, False): mark("only {first}"),
    (False, True): mark("only {second}"),
    (False, False): mark("neither"),
}
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


@dataclass(frozen=True)
class Axis:
    """One of the two directions.

    Attributes:
        name, colour: of its attribute.
        way: unit vector on the plane.
        usual: distance of a usual edit, where the axis has its marks.
        line: its hyperplane; None where that is parallel to the plane.
    """

    name: str
    colour: str
    way: Point
    usual: float
    line: Line2 | None


@dataclass(frozen=True)
class Scene:
    """What the square shows: its half side in units of delta, and the two axes."""

    reach: float
    axes: tuple[Axis, Axis]


@dataclass
class _Drag:
    """Where it began, and whether it still goes on."""

    on: bool = False
    at: QPointF = field(default_factory=QPointF)


class AttributePad(QWidget):
    """The square.

    Signals:
        moved: the handle is dragged to (x, y); a press is a drag, too.
        released: the drag is over.
        cancelled: Escape gave it up.
        nudged: steps of the first and the second amount, by arrow keys.
        homed: Home was pressed: both amounts are to be zero.
        hovered: the pointer, no button down, is over (x, y), and where in the widget.
        left: it is over the square no more.
    """

    moved = Signal(float, float)
    released = Signal()
    cancelled = Signal()
    nudged = Signal(float, float)
    homed = Signal()
    hovered = Signal(float, float, QPoint)
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._scene: Scene | None = None
        self._handle: Point = (0.0, 0.0)
        self._images: list[NDArray[np.uint8] | None] = []
        self._ground: QPixmap | None = None  # the small faces as they are drawn now
        self._faint: frozenset[int] = frozenset()
        self._boxes: list[QRectF] = []  # of the texts that are painted
        self._drag = _Drag()
        self._over = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMinimumSize(200, 200)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(340, 340)

    # -- what it shows --------------------------------------------------------------------------

    @property
    def scene(self) -> Scene | None:
        return self._scene

    @property
    def handle(self) -> Point:
        """Where the face is."""
        return self._handle

    @property
    def dragging(self) -> bool:
        return self._drag.on

    @property
    def pictures(self) -> list[NDArray[np.uint8] | None]:
        """The small faces, row by row from the top left; empty where they are off."""
        return self._images

    def set_scene(self, scene: Scene | None) -> None:
        """Show another plane."""
        self._scene = scene
        self.update()

    def set_handle(self, place: Point) -> None:
        """Where the face is."""
        self._handle = place
        self.update()

    def set_pictures(self, images: Sequence[NDArray[np.uint8] | None]) -> None:
        """Small faces, row by row from the top left; None leaves a place empty."""
        self._images, self._faint = list(images), frozenset()
        self._ground = None
        self.update()

    def set_picture(self, index: int, image: NDArray[np.uint8]) -> None:
        """Another small face in one place."""
        self._images[index] = image
        self._ground = None
        self._faint -= {index}
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._ground = None

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._ground = None
            self.update()

    def fade(self) -> None:
        """The small faces are of another edit than the present one."""
        if len(self._faint) == len(self._images):
            return
        self._faint, self._ground = frozenset(range(len(self._images))), None
        self.update()

    def drop(self) -> None:
        """Give up a drag without a signal, as when another face comes."""
        self._drag.on = False

    def cell_places(self, reach: float) -> NDArray[np.float64]:
        """Middles (n, 2) of the small faces in a square of this half side."""
        steps = (2 * np.arange(CELLS) + 1) / CELLS - 1
        return np.array([(reach * x, -reach * y) for y in steps for x in steps])

    # -- places ---------------------------------------------------------------------------------

    def square(self) -> QRectF:
        """The square in coordinates of the widget."""
        side = min(self.width(), self.height()) - 2
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def pixel(self, place: Point) -> QPointF:
        """Where a place is drawn."""
        square, reach = self.square(), self._scene.reach if self._scene else 1.0
        unit = square.width() / (2 * reach)
        return QPointF(square.center().x() + place[0] * unit, square.center().y() - place[1] * unit)

    def place(self, pixel: QPointF) -> Point:
        """The place under a pixel, which a drag may take out of the square."""
        square, reach = self.square(), self._scene.reach if self._scene else 1.0
        unit = square.width() / (2 * reach)
        return (pixel.x() - square.center().x()) / unit, (square.center().y() - pixel.y()) / unit

    @property
    def unit(self) -> float:
        """Pixels of one unit of delta."""
        return self.square().width() / (2 * self._scene.reach) if self._scene else 1.0

    def regions(self) -> dict[tuple[bool, bool], Corners]:
        """Corners of the four parts of the square, by whether each logit is positive; empty ones left out."""
        if self._scene is None:
            return {}
        reach = self._scene.reach
        whole = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)]
        found = {}
        for signs in _REGIONS:
            part = whole
            for axis, positive in zip(self._scene.axes, signs, strict=True):
                part = _cut(part, axis.line, positive) if axis.line is not None else part
            if len(part) > 2:
                found[signs] = part
        return found

    # -- how it looks ---------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        scene = self._scene
        if scene is None:
            return
        colours, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        square, outline = self.square(), QPainterPath()
        outline.addRoundedRect(square, _RADIUS, _RADIUS)
        self._boxes = []
        painter.save()
        painter.setClipPath(outline)
        painter.fillRect(square, QColor(colours.raised))
        self._paint_pictures(painter, square)
        self._paint_regions(painter, scene)
        self._paint_axes(painter, scene)
        for axis in scene.axes:
            self._paint_line(painter, axis, scene.reach)
        self._paint_labels(painter, scene)
        self._paint_ticks(painter, scene)
        self._paint_handle(painter)
        painter.restore()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colours.accent if self.hasFocus() else colours.border), 1.5))
        painter.drawPath(outline)

    def _paint_pictures(self, painter: QPainter, square: QRectF) -> None:
        if not self._images:
            return
        ratio = self.devicePixelRatioF()
        if self._ground is None or self._ground.devicePixelRatioF() != ratio:
            self._ground = self._drawn_pictures(square.width(), ratio)
        painter.drawPixmap(square.topLeft(), self._ground)

    def _drawn_pictures(self, width: float, ratio: float) -> QPixmap:
        """All small faces in one picture, so that a drag need not scale them again."""
        whole = QPixmap(round(width * ratio), round(width * ratio))
        whole.fill(QColor(theme.current().raised))
        side = whole.width() / CELLS
        painter = QPainter(whole)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for i, image in enumerate(self._images):
            row, column = divmod(i, CELLS)
            if image is not None:
                painter.setOpacity(0.35 if i in self._faint else 1.0)
                cell = QRectF(column * side, row * side, side, side).adjusted(0.5, 0.5, -0.5, -0.5)
                painter.drawImage(cell, to_qimage(image))
        painter.end()
        whole.setDevicePixelRatio(ratio)
        return whole

    def _paint_regions(self, painter: QPainter, scene: Scene) -> None:
        """Where a logit is positive its colour lies over the plane."""
        painter.setPen(Qt.PenStyle.NoPen)
        for signs, corners in self.regions().items():
            shape = QPolygonF([self.pixel(corner) for corner in corners])
            for axis, positive in zip(scene.axes, signs, strict=True):
                if positive:
                    tint = QColor(axis.colour)
                    tint.setAlpha(34)
                    painter.setBrush(tint)
                    painter.drawPolygon(shape)

    def _paint_axes(self, painter: QPainter, scene: Scene) -> None:
        colours = theme.current()
        painter.setFont(tabular(self.font(), 11))
        ink = QColor(colours.text)
        for axis in scene.axes:
            x, y = axis.way
            far = 3 * scene.reach
            ink.setAlpha(110)
            painter.setPen(QPen(ink, 1))
            painter.drawLine(self.pixel((-far * x, -far * y)), self.pixel((far * x, far * y)))
            for amount in (-axis.usual, axis.usual):
                at = self.pixel((amount * x, amount * y))
                across = QPointF(4 * y, 4 * x)
                painter.drawLine(at - across, at + across)

    def _paint_ticks(self, painter: QPainter, scene: Scene) -> None:
        """Amounts beside the axes, on the side where no name lies; none where names lie on both."""
        for axis in scene.axes:
            x, y = axis.way
            beside = QPointF(14 * abs(y) + 2, 13 * abs(x))
            for amount in (-axis.usual, axis.usual):
                at = self.pixel((amount * x, amount * y))
                text = f"{amount:+.3g}".replace("-", "−")
                for place in (at + beside, at - beside):
                    box = self._box(painter, place, text)
                    if not any(box.intersects(other) for other in self._boxes):
                        self._text(painter, place, text, theme.current().muted)
                        break

    def _paint_line(self, painter: QPainter, axis: Axis, reach: float) -> None:
        """A hyperplane, with the attribute's name where it leaves the square."""
        ends = None if axis.line is None else clip_line(axis.line, -reach, reach, -reach, reach)
        if ends is None:
            return
        start, end = (self.pixel(point) for point in ends)
        halo = QColor(theme.current().panel)
        halo.setAlpha(200)
        painter.setPen(QPen(halo, 5))
        painter.drawLine(start, end)
        painter.setPen(QPen(QColor(axis.colour), 2.2))
        painter.drawLine(start, end)
        top, bottom = sorted((start, end), key=lambda p: (p.y(), p.x()))
        near = QPointF(top.x() + 0.07 * (bottom.x() - top.x()), top.y() + 0.07 * (bottom.y() - top.y()))
        self._text(painter, near, axis.name, theme.current().text, axis.colour)

    def _paint_labels(self, painter: QPainter, scene: Scene) -> None:
        first, second = scene.axes
        for signs, corners in self.regions().items():
            area, middle = _centroid(corners)
            if area >= _ROOMY * 4 * scene.reach**2:
                text = tr(_REGIONS[signs], first=first.name, second=second.name)
                self._text(painter, self.pixel(middle), text, theme.current().text)

    def _text(self, painter: QPainter, at: QPointF, text: str, colour: str, dot: str = "") -> None:
        """A text on a backing, inside the square, with a dot in front where that has a colour."""
        lead = 11 if dot else 0
        box = self._box(painter, at, text, lead)
        self._boxes.append(box)
        backing = QColor(theme.current().panel)
        backing.setAlpha(190)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(backing)
        painter.drawRoundedRect(box, 3, 3)
        if dot:
            painter.setBrush(QColor(dot))
            painter.drawEllipse(QPointF(box.left() + 8, box.center().y()), 3.5, 3.5)
        painter.setPen(QColor(colour))
        painter.drawText(box.adjusted(lead, 0, 0, 0), int(Qt.AlignmentFlag.AlignCenter), text)

    def _box(self, painter: QPainter, at: QPointF, text: str, lead: int = 0) -> QRectF:
        """Where a text about this middle lies, inside the square."""
        metrics, square = painter.fontMetrics(), self.square()
        box = QRectF(0, 0, metrics.horizontalAdvance(text) + 8 + lead, metrics.height() + 1)
        box.moveCenter(at)
        box.moveLeft(min(max(box.left(), square.left() + 3), square.right() - 3 - box.width()))
        box.moveTop(min(max(box.top(), square.top() + 3), square.bottom() - 3 - box.height()))
        return box

    def _paint_handle(self, painter: QPainter) -> None:
        colours = theme.current()
        start, at = self.pixel((0.0, 0.0)), self.pixel(self._handle)
        square = self.square().adjusted(8, 8, -8, -8)
        at = QPointF(  # out of sight it waits at the edge
            min(max(at.x(), square.left()), square.right()), min(max(at.y(), square.top()), square.bottom())
        )
        painter.setPen(QPen(QColor(colours.panel), 3))
        painter.drawLine(start, at)
        painter.setPen(QPen(QColor(colours.text), 1.5, Qt.PenStyle.DashLine))
        painter.drawLine(start, at)
        painter.setPen(QPen(QColor(colours.text), 2))
        painter.setBrush(QColor(colours.panel))
        painter.drawEllipse(start, 5, 5)
        painter.setPen(QPen(QColor(colours.panel), 5))
        painter.drawEllipse(at, 7, 7)
        painter.setPen(QPen(QColor(colours.text), 2))
        painter.setBrush(QColor(colours.accent))
        painter.drawEllipse(at, 7, 7)

    # -- what the user does ---------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        inside = self._scene is not None and self.square().contains(event.position())
        if event.button() == Qt.MouseButton.LeftButton and inside:
            self._leave()
            self._drag = _Drag(True, event.position())
            self.moved.emit(*self.place(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag.on:
            if event.position() != self._drag.at:
                self._drag.at = event.position()
                self.moved.emit(*self.place(event.position()))
        elif not event.buttons() and self._scene is not None and self.square().contains(event.position()):
            self._over = True
            self.hovered.emit(*self.place(event.position()), event.position().toPoint())
        else:
            self._leave()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._drag.on:
            self._drag.on = False
            self.released.emit()

    def leaveEvent(self, event: QEvent) -> None:
        self._leave()
        super().leaveEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self._drag.on:
            self._drag.on = False
            self.released.emit()
        super().focusOutEvent(event)
        self.update()

    def _leave(self) -> None:
        if self._over:
            self._over = False
            self.left.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape and self._drag.on:
            self._drag.on = False
            self.cancelled.emit()
        elif (way := _ARROWS.get(key)) is not None and self._scene is not None and not self._drag.on:
            step = 4 * STEP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else STEP
            self.nudged.emit(way[0] * step, way[1] * step)
        elif key == Qt.Key.Key_Home and not self._drag.on:
            self.homed.emit()
        else:
            super().keyPressEvent(event)


def _cut(corners: Corners, line: Line2, positive: bool) -> Corners:
    """What of a convex shape lies on one side of a line."""
    sign = 1.0 if positive else -1.0
    values = [sign * float(line.value(corner)) for corner in corners]
    found: Corners = []
    for i, (corner, value) in enumerate(zip(corners, values, strict=True)):
        after, next_value = corners[(i + 1) % len(corners)], values[(i + 1) % len(corners)]
        if value >= 0:
            found.append(corner)
        if (value > 0) != (next_value > 0) and value != next_value:
            share = value / (value - next_value)
            x, y = corner
            found.append((x + share * (after[0] - x), y + share * (after[1] - y)))
    return found


def _centroid(corners: Corners) -> tuple[float, Point]:
    """Area and middle of a polygon."""
    xy = np.array(corners)
    after = np.roll(xy, -1, axis=0)
    cross = xy[:, 0] * after[:, 1] - after[:, 0] * xy[:, 1]
    area = float(cross.sum()) / 2
    if math.isclose(area, 0.0, abs_tol=1e-12):
        return 0.0, corners[0]
    middle = ((xy + after) * cross[:, None]).sum(axis=0) / (6 * area)
    return abs(area), (float(middle[0]), float(middle[1]))
