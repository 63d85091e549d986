"""A photo with the box that a model sees of it: to move, resize and turn, or to set by its two eyes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.widgets.pictures import to_qimage
from trainer.align import LEAST_SIDE, Box, Target
from trainer.errors import DataError

BOX, LEFT_EYE, RIGHT_EYE = "box", "left eye", "right eye"
TURN, CORNER = "turn", "corner"
_NEAR = 11.0  # device-independent pixels within which a grip is caught
_STEM = 26.0  # from the box's upper edge to the grip that turns it
_MARGIN = 28.0  # around the photo, so that the grips of a box at its edge are in sight
_MOST = 4.0  # largest side of a box, as a multiple of the photo's longer side
_ZOOM = (1.0, 24.0)
_SHADE = QColor(0, 0, 0, 130)
_HALO = QColor(0, 0, 0, 150)
_WHITE = QColor(255, 255, 255)


class CropView(QWidget):
    """Shows a photo and its box.

    Signals:
        changed: the box differs, by the user's hand.
        pickedChanged: another grip was caught: what arrow keys move (BOX, LEFT_EYE or RIGHT_EYE).
    """

    changed = Signal(object)
    pickedChanged = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(320, 320)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._image = to_qimage(np.zeros((1, 1, 3), np.uint8))
        self._size = QSize(1, 1)  # of the photo, whose pixels a box counts
        self._box = Box(0.5, 0.5, 1)
        self._target = Target((0.35, 0.5), (0.65, 0.5))
        self._picked = BOX
        self._zoom = 1.0
        self._middle = QPointF(0.5, 0.5)  # of what is on screen, in pixels of the photo
        self._drag: str | None = None
        self._from: tuple[QPointF, Box, QPointF] | None = None

    def sizeHint(self) -> QSize:
        return QSize(620, 560)

    # -- content ----------------------------------------------------------------------------

    def set_photo(self, view: NDArray[np.uint8], size: tuple[int, int], target: Target, box: Box) -> None:
        """Show a photo of this size in pixels, of which `view` (H, W, 3) is a smaller picture."""
        self._image, self._size = to_qimage(view), QSize(*size)
        self._target, self._box = target, box
        self.fit()

    @property
    def box(self) -> Box:
        return self._box

    def set_box(self, box: Box) -> None:
        """Show another box; nobody is told."""
        self._box = box
        self.update()

    @property
    def picked(self) -> str:
        """What the arrow keys move."""
        return self._picked

    def pick(self, grip: str) -> None:
        """Let the arrow keys move the box or an eye."""
        if grip != self._picked:
            self._picked = grip
            self.pickedChanged.emit(grip)
            self.update()

    def eyes(self) -> tuple[QPointF, QPointF]:
        """Where the model expects the eyes, in pixels of the photo."""
        left, right = self._box.place(self._target.left), self._box.place(self._target.right)
        return QPointF(*left), QPointF(*right)

    # -- places -----------------------------------------------------------------------------

    def fit(self) -> None:
        """Show the whole photo."""
        self._zoom = 1.0
        self._middle = QPointF(self._size.width() / 2, self._size.height() / 2)
        self.update()

    def _scale(self) -> float:
        """Device-independent pixels on screen for one of the photo."""
        room = max(self.width() - 2 * _MARGIN, 16), max(self.height() - 2 * _MARGIN, 16)
        return self._zoom * min(room[0] / self._size.width(), room[1] / self._size.height())

    def on_screen(self, point: QPointF) -> QPointF:
        """Where a pixel of the photo is in the widget."""
        return (point - self._middle) * self._scale() + QPointF(self.width() / 2, self.height() / 2)

    def in_photo(self, point: QPointF) -> QPointF:
        """The pixel of the photo at a place in the widget."""
        return (point - QPointF(self.width() / 2, self.height() / 2)) / self._scale() + self._middle

    def _corners(self) -> list[QPointF]:
        return [self.on_screen(QPointF(*corner)) for corner in self._box.corners()]

    def grip(self, name: str) -> QPointF:
        """Where a grip is in the widget: TURN, LEFT_EYE, RIGHT_EYE, or the middle of the BOX."""
        if name == TURN:
            a, b = self._corners()[:2]
            edge = QLineF(a, b)
            up = edge.normalVector().unitVector()
            return edge.center() + QPointF(up.dx(), up.dy()) * _STEM
        if name == BOX:
            return self.on_screen(QPointF(self._box.x, self._box.y))
        return self.on_screen(self.eyes()[name == RIGHT_EYE])

    def _caught(self, at: QPointF) -> str | None:
        """The grip under a place of the widget, None where there is none."""
        near = [(QLineF(at, self.grip(name)).length(), name) for name in (LEFT_EYE, RIGHT_EYE, TURN)]
        near += [(QLineF(at, corner).length(), f"{CORNER}{k}") for k, corner in enumerate(self._corners())]
        distance, name = min(near)
        if distance <= _NEAR:
            return name
        return BOX if QPolygonF(self._corners()).containsPoint(at, Qt.FillRule.OddEvenFill) else None

    # -- changes ----------------------------------------------------------------------------

    def _set(self, box: Box) -> None:
        """Take a box that the user made, within reason."""
        width, height = self._size.width(), self._size.height()
        most = _MOST * max(width, height)
        box = replace(
            box,
            x=min(max(box.x, 0.0), float(width)),
            y=min(max(box.y, 0.0), float(height)),
            side=min(max(box.side, 2 * LEAST_SIDE), most),
            angle=(box.angle + 180) % 360 - 180,
        )
        if box != self._box:
            self._box = box
            self.update()
            self.changed.emit(box)

    def _set_eyes(self, left: QPointF, right: QPointF) -> None:
        if QLineF(left, right).length() >= 1:
            try:
                self._set(Box.of_eyes(left.toTuple(), right.toTuple(), self._target))
            except DataError:
                return

    def set_eyes(self, left: tuple[float, float], right: tuple[float, float]) -> None:
        """Put the eyes at these pixels of the photo."""
        self._set_eyes(QPointF(*left), QPointF(*right))

    def shift(self, dx: float, dy: float) -> None:
        """Move what is picked, in pixels of the photo."""
        if self._picked == BOX:
            self._set(replace(self._box, x=self._box.x + dx, y=self._box.y + dy))
            return
        left, right = self.eyes()
        by = QPointF(dx, dy)
        first = self._picked == LEFT_EYE
        self._set_eyes(left + by if first else left, right if first else right + by)

    def resize_box(self, factor: float) -> None:
        """Scale the box around its middle."""
        self._set(replace(self._box, side=self._box.side * factor))

    def turn(self, degrees: float) -> None:
        """Turn the box around its middle, clockwise."""
        self._set(replace(self._box, angle=self._box.angle + degrees))

    # -- mouse ------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        caught = self._caught(event.position()) if event.button() == Qt.MouseButton.LeftButton else None
        self._drag = caught or "pan"
        self._from = event.position(), self._box, self._middle
        if caught in (LEFT_EYE, RIGHT_EYE):
            self.pick(caught)
        elif caught is not None:
            self.pick(BOX)
        self._show_cursor(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is None or self._from is None:
            self._show_cursor(event.position())
            return
        start, box, middle = self._from
        moved = (event.position() - start) / self._scale()
        if self._drag == "pan":
            self._middle = middle - moved
            self.update()
        elif self._drag == BOX:
            self._set(replace(box, x=box.x + moved.x(), y=box.y + moved.y()))
        elif self._drag in (LEFT_EYE, RIGHT_EYE):
            left, right = (QPointF(*box.place(eye)) for eye in (self._target.left, self._target.right))
            first = self._drag == LEFT_EYE
            self._set_eyes(left + moved if first else left, right if first else right + moved)
        elif self._drag == TURN:
            self._turn_to(event.position(), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        else:
            self._stretch(box, int(self._drag.removeprefix(CORNER)), self.in_photo(event.position()))

    def _turn_to(self, at: QPointF, whole: bool) -> None:
        middle = self.grip(BOX)
        angle = math.degrees(math.atan2(at.x() - middle.x(), middle.y() - at.y()))
        self._set(replace(self._box, angle=15 * round(angle / 15) if whole else angle))

    def _stretch(self, box: Box, corner: int, to: QPointF) -> None:
        """Resize with the far corner where it is."""
        fixed = box.corners()[(corner + 2) % 4]
        u, v = box.part(to.toTuple())
        away = ((1 - u) if corner in (0, 3) else u), ((1 - v) if corner in (0, 1) else v)
        side = max(box.side * max(*away, 0.0), 2 * LEAST_SIDE)
        grown = replace(box, side=side)
        held = grown.corners()[(corner + 2) % 4]
        self._set(replace(grown, x=box.x + fixed[0] - held[0], y=box.y + fixed[1] - held[1]))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = self._from = None
        self._show_cursor(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._caught(event.position()) is None:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        at = event.position()
        before = self.in_photo(at)
        self._zoom = min(max(self._zoom * 1.0015 ** event.angleDelta().y(), _ZOOM[0]), _ZOOM[1])
        if self._zoom == _ZOOM[0]:
            self.fit()
        else:
            self._middle += before - self.in_photo(at)
        self.update()
        event.accept()

    def _show_cursor(self, at: QPointF) -> None:
        caught = self._drag or self._caught(at)
        shape = Qt.CursorShape.ArrowCursor
        if caught == BOX:
            shape = Qt.CursorShape.SizeAllCursor
        elif caught in (LEFT_EYE, RIGHT_EYE):
            shape = Qt.CursorShape.CrossCursor
        elif caught in (TURN, "pan"):
            shape = Qt.CursorShape.ClosedHandCursor if self._drag else Qt.CursorShape.OpenHandCursor
        elif caught is not None:
            slant = (int(caught.removeprefix(CORNER)) * 90 + self._box.angle) % 180
            shape = Qt.CursorShape.SizeFDiagCursor if slant < 90 else Qt.CursorShape.SizeBDiagCursor
        self.setCursor(shape)

    # -- keys -------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        ways = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        large = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        step = max(0.5, self._box.side / 200) * large
        key, text = event.key(), event.text()
        if (way := ways.get(Qt.Key(key))) is not None:
            self.shift(way[0] * step, way[1] * step)
        elif text in ("+", "="):
            self.resize_box(1.02)
        elif text == "-":
            self.resize_box(1 / 1.02)
        elif text in ("[", "]"):
            self.turn(-1 if text == "[" else 1)
        elif text == "0":
            self.fit()
        else:
            super().keyPressEvent(event)

    # -- painting ---------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QPainterPath()
        frame.addRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.fillPath(frame, QColor(colours.raised))
        painter.setClipPath(frame)
        corner = self.on_screen(QPointF(0, 0))
        far = self.on_screen(QPointF(self._size.width(), self._size.height()))
        painter.drawImage(QRectF(corner, far), self._image)
        shade, box = QPainterPath(), QPainterPath()
        shade.addRect(QRectF(corner, far))
        box.addPolygon(QPolygonF(self._corners()))
        box.closeSubpath()
        painter.fillPath(shade.subtracted(box), _SHADE)
        accent = QColor(colours.accent)
        stem = QLineF(QLineF(*self._corners()[:2]).center(), self.grip(TURN))
        for colour, width in ((_HALO, 3.5), (_WHITE, 1.5)):
            painter.setPen(QPen(colour, width))
            painter.drawPath(box)
            painter.drawLine(stem)
        painter.setPen(QPen(_HALO, 1))
        painter.setBrush(_WHITE)
        for at in self._corners():
            painter.drawRect(QRectF(at.x() - 4.5, at.y() - 4.5, 9, 9))
        painter.drawEllipse(self.grip(TURN), 5.5, 5.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for name in (LEFT_EYE, RIGHT_EYE):
            at, picked = self.grip(name), self._picked == name
            for colour, width in ((_HALO, 4.5), (accent if picked else _WHITE, 2.0)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(at, 9, 9)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(accent if picked else _WHITE)
            painter.drawEllipse(at, 1.8, 1.8)
            painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setClipping(False)
        painter.setPen(QPen(accent if self.hasFocus() else QColor(colours.border), 1))
        painter.drawPath(frame)
