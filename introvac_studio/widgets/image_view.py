"""A face, drawn at a whole-number scale, that may be dragged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QHoverEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QToolTip, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.pictures import to_qimage, whole_scale

RADIUS = 6
LINE_MS = 40
GRIP = 26
GRIP_TIP = mark("Drag from here to another program, or to a folder")
_FRAME = ((-1, -6), (-6, -6), (-6, 6), (6, 6), (6, 2))


class ImageView(QWidget):
    """Shows one picture, as large as fits; says what to do while there is none.

    Signals:
        dragStarted: a drag begins.
        dragged: (dx, dy) since the press, in widths of the picture; dy points up.
        dragFinished: the button was released.
        dragCancelled: Escape ended the drag.
        taken: the picture is being dragged to another place or program; see `takeable`.
    """

    dragStarted = Signal()
    dragged = Signal(float, float)
    dragFinished = Signal()
    dragCancelled = Signal()
    taken = Signal()

    def __init__(self, name: str, empty: str = "", draggable: bool = False, minimum: int = 64) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # what lies under it is not painted for it
        self._empty, self._draggable = empty, draggable
        self._image: NDArray[np.uint8] | None = None
        self._press: QPointF | None = None
        self._at: QPointF | None = None
        self._smooth = True
        self._takeable = False
        self._take: QPointF | None = None  # where a drag out of the window began
        self._behind = QTimer(self)  # the drag's line comes with its picture, or after a while without one
        self._behind.setSingleShot(True)
        self._behind.setInterval(LINE_MS)
        self._behind.timeout.connect(self.update)
        self.setMinimumSize(minimum, minimum)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        if draggable:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def sizeHint(self) -> QSize:
        return self.minimumSize() * 2

    @property
    def image(self) -> NDArray[np.uint8] | None:
        """What is shown, (S, S, 3)."""
        return self._image

    @property
    def dragging(self) -> bool:
        return self._press is not None

    def set_image(self, image: NDArray[np.uint8] | None) -> None:
        self._behind.stop()
        before, self._image = self._image, image
        if self._draggable and (before is None) != (image is None):
            self.setCursor(Qt.CursorShape.ArrowCursor if image is None else Qt.CursorShape.OpenHandCursor)
        self.update()

    @property
    def takeable(self) -> bool:
        """Whether a drag takes the picture out; where a drag edits, one with Ctrl or from the grip does."""
        return self._takeable

    def set_takeable(self, on: bool) -> None:
        """See `takeable`."""
        self._takeable = on
        self.setAttribute(Qt.WidgetAttribute.WA_Hover, on)
        self.update()

    def grip_rect(self) -> QRectF:
        """Where the grip is that takes the picture out of the window, in widget coordinates."""
        corner = self.picture_rect().topRight()
        return QRectF(corner.x() - GRIP - 6, corner.y() + 6, GRIP, GRIP)

    def set_smooth(self, smooth: bool) -> None:
        """Smooth scaling, or the model's own pixels."""
        self._smooth = smooth
        self.update()

    def set_empty_text(self, text: str) -> None:
        self._empty = text
        self.update()

    def picture_rect(self) -> QRectF:
        """Where the picture is, in widget coordinates: whole screen pixels for each of its own."""
        room = min(self.width(), self.height())
        if self._image is None:
            side = float(room)
        else:
            ratio = self.devicePixelRatioF()
            pixels = self._image.shape[0]
            side = min(room, whole_scale(pixels, room * ratio) * pixels / ratio)
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(theme.ground(self)))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = self.picture_rect()
        outline = QPainterPath()
        outline.addRoundedRect(rect, RADIUS, RADIUS)
        if self._image is None:
            painter.setPen(QPen(QColor(colours.border), 1, Qt.PenStyle.DashLine))
            painter.drawPath(outline)
            painter.setPen(QColor(colours.muted))
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            edge = 12 if rect.height() > 96 else 4
            painter.drawText(rect.adjusted(edge, edge, -edge, -edge), flags, self._empty)
            return
        painter.setClipPath(outline)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
        painter.drawImage(rect, to_qimage(self._image))
        painter.setClipping(False)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 1.5))
            painter.drawPath(outline)
        if self._press is not None and self._at is not None:
            self._paint_drag(painter, self._press, self._at)
        elif self._takeable and self.underMouse():
            self._paint_grip(painter, self.grip_rect())

    def _paint_drag(self, painter: QPainter, start: QPointF, end: QPointF) -> None:
        for width, colour in ((5.0, QColor(0, 0, 0, 110)), (2.0, QColor(255, 255, 255))):
            painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawLine(start, end)
        painter.setBrush(QColor(255, 255, 255))
        painter.setPen(QPen(QColor(0, 0, 0, 110), 1))
        painter.drawEllipse(start, 4, 4)
        painter.drawEllipse(end, 6, 6)

    def _paint_grip(self, painter: QPainter, rect: QRectF) -> None:
        """An arrow that leaves a frame."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 130))
        painter.drawRoundedRect(rect, 5, 5)
        cap = Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
        painter.setPen(QPen(QColor(255, 255, 255), 1.5, Qt.PenStyle.SolidLine, *cap))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        x, y = rect.center().x(), rect.center().y()
        painter.drawPolyline([QPointF(x + dx, y + dy) for dx, dy in _FRAME])
        painter.drawLine(QPointF(x - 1, y + 1), QPointF(x + 6, y - 6))
        painter.drawPolyline([QPointF(x + dx, y + dy) for dx, dy in ((1, -6), (6, -6), (6, -1))])

    def event(self, event: QEvent) -> bool:
        """The grip says what it is for, and looks as if it could be taken."""
        if self._takeable and self._image is not None:
            if isinstance(event, QHelpEvent) and self.grip_rect().contains(QPointF(event.pos())):
                QToolTip.showText(event.globalPos(), tr(GRIP_TIP), self)
                return True
            if isinstance(event, QHoverEvent) and self._press is None:
                shape = Qt.CursorShape.OpenHandCursor if self._draggable else Qt.CursorShape.ArrowCursor
                on_grip = self.grip_rect().contains(event.position())
                self.setCursor(Qt.CursorShape.PointingHandCursor if on_grip else shape)
        return super().event(event)

    def _takes(self, event: QMouseEvent) -> bool:
        """Whether a press begins a drag out of the window."""
        if not self._takeable or self._image is None or event.button() != Qt.MouseButton.LeftButton:
            return False
        with_key = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if self._draggable and not with_key:
            return self.grip_rect().contains(event.position())
        return self.picture_rect().contains(event.position())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._takes(event):
            self._take = event.position()
            return
        if not self._draggable or self._image is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if self.picture_rect().contains(event.position()):
            self._press = self._at = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.dragStarted.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._take is not None:
            far = (event.position() - self._take).manhattanLength() >= QApplication.startDragDistance()
            if far:
                self._take = None
                self.taken.emit()
            return
        if self._press is None:
            return
        self._at = event.position()
        side = self.picture_rect().width()
        shift = self._at - self._press
        if not self._behind.isActive():
            self._behind.start()
        self.dragged.emit(shift.x() / side, -shift.y() / side)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._take = None
        if self._press is None:
            return
        self._end_drag()
        self.dragFinished.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._press is not None and event.key() == Qt.Key.Key_Escape:
            self.cancel_drag()
            return
        super().keyPressEvent(event)

    def cancel_drag(self) -> None:
        """Give up a drag, if there is one."""
        if self._press is not None:
            self._end_drag()
            self.dragCancelled.emit()

    def _end_drag(self) -> None:
        self._press = self._at = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.update()
