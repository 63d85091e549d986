"""A row of faces along one attribute, with the delta under each, and marks where the label flips.

There are two labels: that of the code, whose flip is known in closed form, and that of the drawn picture
when it is encoded again, whose flip lies between two pictures of the row.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.pictures import to_qimage
from introvac_studio.widgets.texts import tabular

PICTURE = 62
TEXT = 17
LEGEND = 14
GAP = 6
NEAR = 5  # pixels beside a mark that belong to it
_CODE_TIP = mark("{name} flips here in the code: δ {delta} brings its logit to 0, p to 0.5")
_SEEN_TIP = mark("{name} flips about here in the picture, when that is encoded again: δ {delta}")
_CODE_P = mark("P({name}) of the code {p}")
_SEEN_P = mark("of the picture {p}")


class Filmstrip(QWidget):
    """Pictures at given deltas; a click (or Enter) chooses one.

    Signals:
        chosen: the delta that was clicked.
    """

    chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("Filmstrip along the chosen attribute"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._deltas: tuple[float, ...] = ()
        self._images: NDArray[np.uint8] | None = None
        self._current: float | None = None
        self._flip: float | None = None
        self._seen_flips: tuple[float, ...] = ()
        self._attribute = ""
        self._code_p: tuple[float, ...] = ()
        self._seen_p: tuple[float, ...] = ()
        self._focus = 0
        self._row: tuple[Hashable, QPixmap] | None = None  # the pictures as painted, and for what

    def sizeHint(self) -> QSize:
        return QSize(480, PICTURE + TEXT + LEGEND)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, PICTURE + TEXT + LEGEND)

    @property
    def deltas(self) -> tuple[float, ...]:
        return self._deltas

    @property
    def flip(self) -> float | None:
        """The delta at which the code's label flips."""
        return self._flip

    @property
    def seen_flips(self) -> tuple[float, ...]:
        """The deltas at which the label of the picture flips, as far as they are known."""
        return self._seen_flips

    def set_strip(self, deltas: tuple[float, ...], images: NDArray[np.uint8] | None) -> None:
        """Show pictures (n, S, S, 3) at these deltas; None shows empty places."""
        self._deltas, self._images, self._row = deltas, images, None
        self._focus = min(self._focus, max(0, len(deltas) - 1))
        self.update()

    def set_marks(self, current: float | None, flip: float | None) -> None:
        """The delta of the edit as it is, and where the label of the code flips."""
        before = self._here(), self._flip
        self._current, self._flip = current, flip
        if (self._here(), flip) != before:
            self.update()

    def set_labels(
        self, attribute: str, code: Sequence[float], seen: Sequence[float], flips: Sequence[float]
    ) -> None:
        """What the pictures are labelled, for their tooltips and marks.

        Args:
            attribute: that they go along.
            code: P of each code (n,); empty where unknown.
            seen: P of each picture, encoded again; empty where unknown.
            flips: deltas between which that label flips.
        """
        self._attribute, self._code_p, self._seen_p = attribute, tuple(code), tuple(seen)
        if self._seen_flips != tuple(flips):
            self._seen_flips = tuple(flips)
            self.setAccessibleDescription(self.legend)
            self.update()

    @property
    def legend(self) -> str:
        """Where the label flips, in words."""
        return "   ".join(text for _, _, text in self._entries())

    def _entries(self) -> list[tuple[str, Qt.PenStyle, str]]:
        """Colour and line of each kind of mark that is in the row, and what it says."""
        colours, found = theme.current(), []
        if self._flip is not None and self._x_of(self._flip) is not None:
            text = tr("code flips at {delta}", delta=_signed(self._flip))
            found.append((colours.plane, Qt.PenStyle.SolidLine, text))
        if shown := [_signed(d) for d in self._seen_flips if self._x_of(d) is not None]:
            text = tr("picture flips at {delta}", delta=", ".join(shown))
            found.append((colours.warn, Qt.PenStyle.DotLine, text))
        return found

    def _side(self) -> float:
        n = max(len(self._deltas), 1)
        return min((self.width() - GAP * (n - 1)) / n, self.height() - TEXT - LEGEND)

    def _cell(self, index: int) -> QRectF:
        n, side = max(len(self._deltas), 1), self._side()
        pitch = side + GAP if n == 1 else min(side + 3 * GAP, (self.width() - side) / (n - 1))
        left = (self.width() - (pitch * (n - 1) + side)) / 2
        return QRectF(left + index * pitch, 0, side, side)

    def _x_of(self, delta: float) -> float | None:
        if len(self._deltas) < 2 or not self._deltas[0] <= delta <= self._deltas[-1]:
            return None
        centres = [self._cell(i).center().x() for i in range(len(self._deltas))]
        return float(np.interp(delta, self._deltas, centres))

    def _here(self) -> int | None:
        """The picture that shows the edit as it is."""
        if self._current is None:
            return None
        return next((i for i, d in enumerate(self._deltas) if abs(d - self._current) < 1e-9), None)

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._pictures())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(painter.font()))
        here = self._here()
        for i, delta in enumerate(self._deltas):
            if i == here or (self.hasFocus() and i == self._focus):
                painter.setPen(QPen(QColor(colours.accent), 2))
                painter.drawPath(_outline(self._cell(i)))
            painter.setPen(QColor(colours.text if i == here else colours.muted))
            under = self._cell(i)
            label = QRectF(under.center().x() - 24, under.bottom() + 1, 48, TEXT)
            painter.drawText(label, int(Qt.AlignmentFlag.AlignCenter), _short(delta))
        if self._flip is not None and (x := self._x_of(self._flip)) is not None:
            self._mark(painter, x, colours.plane, Qt.PenStyle.SolidLine)
        for delta in self._seen_flips:
            if (x := self._x_of(delta)) is not None:
                self._mark(painter, x, colours.warn, Qt.PenStyle.DotLine)
        self._paint_legend(painter)

    def _pictures(self) -> QPixmap:
        """The row without its marks, which move as the mouse does; drawn once for a size and theme."""
        ratio, colours = self.devicePixelRatioF(), theme.current()
        wanted = (self.size().toTuple(), ratio, colours)
        if self._row is not None and self._row[0] == wanted:
            return self._row[1]
        row = QPixmap(self.size() * ratio)
        row.setDevicePixelRatio(ratio)
        row.fill(Qt.GlobalColor.transparent)
        painter = QPainter(row)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for i in range(len(self._deltas)):
            rect = self._cell(i)
            if self._images is None:
                painter.fillPath(_outline(rect), QColor(colours.raised))
            else:
                painter.setClipPath(_outline(rect))
                painter.drawImage(rect, to_qimage(self._images[i]))
        painter.end()
        self._row = wanted, row
        return row

    def _mark(self, painter: QPainter, x: float, colour: str, style: Qt.PenStyle) -> None:
        """A line over the row; its halo keeps it apart from any picture."""
        side = self._side()
        painter.setPen(QPen(QColor(theme.current().panel), 4))
        painter.drawLine(QPointF(x, 0), QPointF(x, side))
        painter.setPen(QPen(QColor(colour), 2, style))
        painter.drawLine(QPointF(x, 0), QPointF(x, side))

    def _paint_legend(self, painter: QPainter) -> None:
        """One line below: a sample of each mark and where it is; nothing where neither flips in the row."""
        colours = theme.current()
        painter.setFont(tabular(self.font(), 11))
        metrics = painter.fontMetrics()
        y, x = self.height() - LEGEND / 2, self._cell(0).left()
        for colour, style, text in self._entries():
            painter.setPen(QPen(QColor(colour), 2, style))
            painter.drawLine(QPointF(x + 3, y - 5), QPointF(x + 3, y + 5))
            painter.setPen(QColor(colours.muted))
            room = QRectF(x + 10, y - LEGEND / 2, self.width() - x - 10, LEGEND)
            painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter), text)
            x += metrics.horizontalAdvance(text) + 28

    # -- what the user does ---------------------------------------------------------------------

    def tip_at(self, place: QPointF) -> str:
        """What is there: a mark, or a picture."""
        marks = [(d, _SEEN_TIP) for d in self._seen_flips]
        if self._flip is not None:
            marks.insert(0, (self._flip, _CODE_TIP))
        for delta, text in marks:
            if (x := self._x_of(delta)) is not None and abs(place.x() - x) <= NEAR:
                return tr(text, name=self._attribute, delta=_signed(delta))
        for i, delta in enumerate(self._deltas):
            if self._cell(i).contains(place):
                return self._tip_of(i, delta)
        return ""

    def _tip_of(self, index: int, delta: float) -> str:
        parts = [f"δ {_short(delta)}"]
        for p, text in ((self._code_p, _CODE_P), (self._seen_p, _SEEN_P)):
            if index < len(p):
                parts.append(tr(text, name=self._attribute, p=f"{p[index]:.2f}"))
        return "  ·  ".join(parts)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self.setToolTip(self.tip_at(QPointF(event.pos())))
        return super().event(event)

    def _choose(self, index: int) -> None:
        self._focus = index
        self.chosen.emit(self._deltas[index])
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for i in range(len(self._deltas)):
            if self._cell(i).contains(event.position()):
                self._choose(i)
                return

    def keyPressEvent(self, event: QKeyEvent) -> None:
        count = len(self._deltas)
        if count and event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._focus = max(0, min(count - 1, self._focus + (1 if event.key() == Qt.Key.Key_Right else -1)))
            self.update()
        elif count and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self._focus)
        else:
            super().keyPressEvent(event)


def crossings(deltas: Sequence[float], logits: Sequence[float]) -> tuple[float, ...]:
    """Where logits (n,) at ascending deltas (n,) cross zero, on straight lines between them."""
    found = []
    for (d0, d1), (a, b) in zip(pairwise(deltas), pairwise(logits), strict=True):
        if (a > 0) != (b > 0):
            found.append(float(d0 + (d1 - d0) * a / (a - b)))
    return tuple(found)


def _outline(rect: QRectF) -> QPainterPath:
    path = QPainterPath()
    path.addRoundedRect(rect, 4, 4)
    return path


def _short(delta: float) -> str:
    return "0" if delta == 0 else f"{delta:+g}".replace("-", "−")


def _signed(delta: float | None) -> str:
    return "" if delta is None else f"{delta:+.2f}".replace("-", "−")
