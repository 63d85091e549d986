"""What will be exported, as large as fits: a picture, an animation that plays, or how a table begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMargins, QRectF, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QFontDatabase, QHideEvent, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.pictures import to_qimage

_LARGER = 3  # times; more would mislead about the size


class ExportPreview(QWidget):
    """Says what it waits for while there is nothing to show."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("preview"))
        self.setMinimumSize(320, 240)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._frames: list[QImage] = []
        self._at = 0
        self._whole = QSize()
        self._text = ""
        self._waiting = ""
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._advance)

    def sizeHint(self) -> QSize:
        return QSize(560, 480)

    @property
    def frames(self) -> int:
        """How many frames are shown, one after the other."""
        return len(self._frames)

    @property
    def at(self) -> int:
        """The frame on screen."""
        return self._at

    @property
    def text(self) -> str:
        """The table, where one is shown."""
        return self._text

    def set_frames(self, frames: Sequence[NDArray[np.uint8]], whole: QSize, fps: float = 0) -> None:
        """Show pictures (H, W, 3), of an original of size `whole`; several play."""
        self._frames, self._text, self._waiting = [to_qimage(frame) for frame in frames], "", ""
        self._whole, self._at = whole, self._at if self._at < len(frames) else 0
        self._timer.stop()
        if len(frames) > 1 and fps > 0:
            self._timer.start(round(1000 / fps))
        self.update()

    def set_text(self, text: str) -> None:
        """Show the beginning of a file."""
        self._timer.stop()
        self._frames, self._text, self._waiting = [], text, ""
        self.update()

    def set_waiting(self, text: str) -> None:
        """Say why nothing is shown, or that what is shown is not up to date."""
        self._waiting = text
        self.update()

    def clear(self, text: str = "") -> None:
        """Show nothing but a text."""
        self._timer.stop()
        self._frames, self._text, self._waiting = [], "", text
        self.update()

    @Slot()
    def _advance(self) -> None:
        if self._frames:
            self._at = (self._at + 1) % len(self._frames)
            self.update()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        super().hideEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(colours.border))
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        margin = 2 * theme.GRID
        inside = self.rect().marginsRemoved(QMargins(*[margin] * 4))
        if self._text:
            painter.setPen(QColor(colours.text))
            painter.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
            painter.setClipRect(inside)
            painter.drawText(inside, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop), self._text)
            return
        if self._frames:
            self._paint_picture(painter, QRectF(inside))
        if self._waiting:
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.setPen(QColor(colours.muted))
            if self._frames:
                flags = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom)
                inside = self.rect().adjusted(4, 4, -4, -1)
            painter.drawText(inside, flags, self._waiting)

    def _paint_picture(self, painter: QPainter, room: QRectF) -> None:
        frame, ratio = self._frames[self._at], self.devicePixelRatioF()
        whole = self._whole.toSizeF() / ratio
        share = min(1.0, room.width() / max(whole.width(), 1), room.height() / max(whole.height(), 1))
        if share == 1:  # a small picture is shown by whole pixels
            fits = min(room.width() / max(whole.width(), 1), room.height() / max(whole.height(), 1))
            share = float(max(1, min(_LARGER, int(fits))))
        size = whole * share
        where = QRectF(0, 0, size.width(), size.height())
        where.moveCenter(room.center())
        where.moveTopLeft(where.topLeft().toPoint())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, share < 1)
        if share < 1 and frame.width() > size.width() * ratio:
            frame = frame.scaled(
                round(size.width() * ratio),
                round(size.height() * ratio),
                Qt.AspectRatioMode.IgnoreAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        painter.drawImage(where, frame)
