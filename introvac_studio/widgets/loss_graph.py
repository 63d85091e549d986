"""One loss plot: a group's curves with a crosshair, below a header of title and values."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal, Slot
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.inks import dress_axes, ink, mixed
from introvac_studio.widgets.loss_data import Curve, Unit, decimate, span, visible
from introvac_studio.widgets.loss_groups import Group, Line, help_of
from introvac_studio.widgets.loss_readout import Elided, Readout, number
from introvac_studio.widgets.texts import tabular

LATEST = 2.0  # seconds after which points are drawn that share a pixel with the last one
_TICK_PX = 24  # between two labels of a logarithmic axis


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Where to label a logarithmic axis from `low` to `high` (both log10): round values, `most` at most."""
    first, last = math.floor(low), math.ceil(high)
    for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
        ticks = [e + math.log10(d) for e in range(first, last + 1) for d in digits]
        ticks = [t for t in ticks if low <= t <= high]
        if 2 <= len(ticks) <= most:
            return ticks
        if len(ticks) < 2:
            break
    if len(ticks) > most:  # decades, of which each second one or fewer
        return ticks[:: math.ceil(len(ticks) / max(most, 1))]
    least, greatest = 10.0**low, 10.0**high  # less than a step of those: round values between them
    top = math.floor(math.log10(greatest))
    for step in (factor * 10.0**e for e in range(top, top - 9, -1) for factor in (5, 2, 1)):
        first, last = math.ceil(least / step), math.floor(greatest / step)
        if last > first:
            ticks = [math.log10(k * step) for k in range(first, last + 1)]
            return ticks[:: math.ceil(len(ticks) / max(most, 1))]
    return ticks


def log_labels(ticks: Sequence[float]) -> list[str]:
    """The values of `log_ticks`, with as many digits as tell them apart."""
    texts: list[str] = []
    for digits in range(3, 9):
        texts = [f"{10.0**t:.{digits}g}" for t in ticks]
        if len(set(texts)) == len(texts):
            break
    return texts


class _Axis(pg.AxisItem):
    """Ticks in plain numbers: thousands separated, images seen in millions."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        if not self.logMode or not minVal < maxVal:
            return super().tickValues(minVal, maxVal, size)
        return [(1.0, log_ticks(minVal, maxVal, max(2, int(size / _TICK_PX))))]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        if self.logMode:
            return log_labels(values)
        if self.orientation == "left" and max((abs(v) for v in values), default=0) >= 1e4:
            return [f"{v:.3g}" for v in values]
        if self.orientation == "bottom" and max((abs(v) for v in values), default=0) >= 1e6:
            return [f"{v / 1e6:g} M" if v else "0" for v in values]
        digits = max(0, -math.floor(math.log10(spacing) + 1e-9)) if spacing > 0 else 0
        return [f"{v:,.{digits}f}" for v in values]


class LossGraph(QWidget):
    """One group: a header of title and values, and the plot below it."""

    moved = Signal(object)  # x under the cursor, or None
    ranged = Signal(float, float)  # the user zoomed in x
    reset = Signal()

    def __init__(self, group: Group, names: bool = True) -> None:
        super().__init__()
        self.group = group
        self.zoomed_y = False
        self._lines: dict[str, tuple[Line, pg.PlotDataItem, pg.PlotDataItem]] = {}
        self._setting = False
        self._drawn: dict[str, float] = {}  # the last x of each curve
        self._drawn_range: tuple[float, float] | None = None
        self._drawn_at = 0.0
        self.title = Elided(group.title)
        self.title.setObjectName("muted")
        self.title.setToolTip(help_of(group.key))
        self.readout = Readout(names)
        axes = {"left": _Axis("left"), "bottom": _Axis("bottom")}
        self.view = pg.PlotWidget(axisItems=axes)
        self.view.setMinimumSize(120, 72)
        self.view.setFrameShape(self.view.Shape.NoFrame)
        item = self.view.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        box = item.getViewBox()
        box.disableAutoRange()
        box.setDefaultPadding(0)
        self.hair = pg.InfiniteLine(angle=90, movable=False)
        self.hair.hide()
        self.game = pg.InfiniteLine(
            angle=90, movable=False, label=tr("game"), labelOpts={"position": 0.93, "movable": False}
        )
        self.game.hide()
        for line in (self.hair, self.game):
            item.addItem(line, ignoreBounds=True)
        head = QHBoxLayout()
        head.setContentsMargins(4, 0, 8, 0)
        head.setSpacing(theme.GRID)
        head.addWidget(self.title)
        head.addWidget(self.readout, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.view, 1)
        self.setAccessibleName(group.title)
        box.sigRangeChangedManually.connect(self._on_manual)
        self.view.scene().sigMouseMoved.connect(self._on_moved)
        self.view.viewport().installEventFilter(self)
        self.restyle()

    def set_title(self, title: str) -> None:
        self.title.setText(title)
        self.setAccessibleName(title)

    def restyle(self) -> None:
        """Take the colours of the present theme."""
        p = theme.current()
        self.view.setBackground(p.panel)
        item = self.view.getPlotItem()
        font = tabular(self.font(), 11)
        dress_axes(item, font)
        item.getAxis("bottom").setStyle(hideOverlappingLabels=False)
        item.getAxis("left").setWidth(46)
        item.getAxis("bottom").setHeight(20)
        item.showGrid(x=False, y=True, alpha=0.35)
        self.hair.setPen(pg.mkPen(p.muted, width=1))
        self.game.setPen(pg.mkPen(p.muted, width=1, style=Qt.PenStyle.DashLine))
        self.game.label.setColor(p.muted)
        self.game.label.fill = pg.mkBrush(p.panel)  # so that no curve runs through the word
        self.game.label.setFont(font)
        for line, raw, smooth in self._lines.values():
            self._pens(line, raw, smooth)

    def _pens(self, line: Line, raw: pg.PlotDataItem, smooth: pg.PlotDataItem) -> None:
        colour = ink(line.colour)
        raw.setPen(pg.mkPen(mixed(colour, theme.current().panel), width=1))  # opaque: drawn ten times faster
        style = Qt.PenStyle.DotLine if line.dashed else Qt.PenStyle.SolidLine
        smooth.setPen(pg.mkPen(colour, width=1.5 if line.dots else 2, style=style))
        smooth.setSymbolBrush(colour)
        smooth.setSymbolPen(None)
        smooth.setSymbolSize(5)

    def _items(self, line: Line) -> tuple[pg.PlotDataItem, pg.PlotDataItem]:
        if line.key not in self._lines:
            raw, smooth = pg.PlotDataItem(), pg.PlotDataItem()
            for k, one in enumerate((raw, smooth)):
                one.setZValue(k)
                self.view.getPlotItem().addItem(one, ignoreBounds=True)
            self._pens(line, raw, smooth)
            self._lines[line.key] = (line, raw, smooth)
        return self._lines[line.key][1:]

    def draw(
        self,
        curves: dict[str, Curve],
        unit: Unit,
        log: bool,
        x_range: tuple[float, float],
        game_at: float | None,
        smoothed: bool,
    ) -> None:
        """One setData for each item, from what is visible."""
        item = self.view.getPlotItem()
        if item.getAxis("left").logMode != log:  # setting it draws the axis anew
            item.getAxis("left").setLogMode(y=log)
        low, high = math.inf, -math.inf
        for line in self.group.lines:
            curve = curves.get(line.key)
            if curve is None or not len(curve):
                continue
            raw_item, smooth_item = self._items(line)
            x = curve.along(unit)
            both = smoothed and not line.dots
            layers = [(smooth_item, curve.raw if line.dots else curve.smooth(), True)]
            layers.append((raw_item, curve.raw if both else curve.raw[:0], False))
            for target, y, top in layers:
                px, py = decimate(*visible(x[: len(y)], y, *x_range))
                if log:
                    good = py > 0
                    px, py = px[good], np.log10(py[good])
                dots = top and (len(curve) == 1 or (line.dots and len(px) <= 60))
                target.setData(px, py, symbol="o" if dots else None)
                if len(py):
                    least, most = span(py, top or not both)
                    low, high = min(low, least), max(high, most)
            self._drawn[line.key] = float(x[-1])
        self._drawn_range, self._drawn_at = x_range, time.monotonic()
        self._setting = True
        item.getViewBox().setXRange(*x_range, padding=0)
        if not self.zoomed_y and low <= high:
            if self.group.share and not log:
                low, high = 0.0, 1.0
            self._fit_y(low, high)
        self._setting = False
        self.game.setVisible(game_at is not None)
        if game_at is not None:
            self.game.setValue(game_at)

    def lag(self, curves: dict[str, Curve], unit: Unit, x_range: tuple[float, float]) -> float:
        """By how many pixels the curves have grown since they were drawn; infinite after `LATEST` seconds."""
        if x_range != self._drawn_range:
            return math.inf
        grown = 0.0
        for line in self.group.lines:
            curve = curves.get(line.key)
            if curve is not None and len(curve):
                grown = max(grown, float(curve.along(unit)[-1]) - self._drawn.get(line.key, -math.inf))
        if grown and time.monotonic() - self._drawn_at > LATEST:
            return math.inf
        return grown / (x_range[1] - x_range[0]) * self.view.getPlotItem().getViewBox().width()

    def _fit_y(self, low: float, high: float) -> None:
        """Room above and below; a range that still fits well stays, since new ticks cost more than curves."""
        box = self.view.getPlotItem().getViewBox()
        bottom, top = box.viewRange()[1]
        pad = 0.1 * (high - low) or max(abs(high) * 0.1, 1e-6)
        inside = bottom + 0.2 * pad <= low and high <= top - 0.2 * pad
        if not inside or top - bottom > 1.4 * (high - low + 2 * pad):
            box.setYRange(low - pad, high + pad, padding=0)

    def read(self, curves: dict[str, Curve], unit: Unit, x: float | None) -> None:
        """Show the values at x, or the last ones."""
        self.hair.setVisible(x is not None)
        if x is not None:
            self.hair.setValue(x)
        parts = []
        lines = [line for line in self.group.lines if len(curves.get(line.key, ())) > 0]
        for line in lines:
            curve = curves[line.key]
            if x is None:
                value = float((curve.raw if line.dots else curve.smooth())[-1])
            else:
                xs = curve.along(unit)
                i = min(int(np.searchsorted(xs, x)), len(xs) - 1)
                if i and abs(xs[i - 1] - x) < abs(xs[i] - x):
                    i -= 1
                value = float((curve.raw if line.dots else curve.smooth())[i])
            name = line.name if len(lines) > 1 else ""
            text = f"{value:.2f}" if self.group.share else number(value)
            parts.append((ink(line.colour), line.dashed, name, text))
        self.readout.show_values(parts)

    def shown_points(self) -> dict[str, tuple[int, int]]:
        """Points that each curve draws: (raw, smoothed)."""
        return {
            key: (
                0 if raw.xData is None else len(raw.xData),
                0 if smooth.xData is None else len(smooth.xData),
            )
            for key, (_, raw, smooth) in self._lines.items()
        }

    @Slot(object)
    def _on_manual(self, axes: object) -> None:
        if self._setting:
            return
        self.zoomed_y = True
        self.ranged.emit(*self.view.getPlotItem().getViewBox().viewRange()[0])

    @Slot(object)
    def _on_moved(self, place: QPointF) -> None:
        box = self.view.getPlotItem().getViewBox()
        inside = box.sceneBoundingRect().contains(place)
        self.moved.emit(box.mapSceneToView(place).x() if inside else None)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self.moved.emit(None)
        elif event.type() == QEvent.Type.MouseButtonDblClick and isinstance(event, QMouseEvent):
            self.reset.emit()
            return True
        return False
