"""Loss curves: a grid of linked plots that learns its curves from the events of a run.

`LossPlots.append(events)` takes any events (others than the known ones are ignored) and refreshes once;
`clear()` forgets all. Zoom with wheel or drag; double-click or the A key shows everything again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.loss_data import Array, Curve, decimate, visible
from introvac_studio.widgets.texts import tabular
from trainer import events

TURN_MS = 25  # between two plots that are drawn for new points
REST_MS = 300  # between two rounds of that
_MARK = 8  # pixels of a line beside its name

BLUE, ORANGE, GREEN, PINK, YELLOW, VIOLET, RED, GREY = theme.ATTRIBUTE_COLOURS


@dataclass(frozen=True)
class Line:
    """One curve of a plot; `key` is a loss, or a validation figure with `valid:` before it."""

    key: str
    name: str
    colour: str
    dashed: bool = False

    @property
    def dots(self) -> bool:
        """Validation figures are few: their points are marked, and they are never smoothed."""
        return self.key.startswith("valid:")


@dataclass
class Group:
    """One plot. Curves that no group lists join the one whose key comes before their dot, or a new one."""

    key: str
    title: str
    lines: tuple[Line, ...] = ()
    share: bool = False  # values are shares of 1
    shown: bool = True


def _standard() -> list[Group]:
    train, valid = tr("train"), tr("valid")
    return [
        Group(
            "reconstruction", tr("Reconstruction (L1)"),
            (Line("reconstruction", train, BLUE), Line("valid:l1", valid, GREY)),
        ),
        Group(
            "classification", tr("Classification (BCE)"),
            (Line("classification", train, ORANGE), Line("valid:classification", valid, GREY)),
        ),
        Group("kl", tr("KL per dimension"), (Line("kl", train, GREEN), Line("valid:kl", valid, GREY))),
        Group(
            "game", tr("Game losses"),
            (Line("encoder_game", tr("encoder"), VIOLET), Line("decoder_game", tr("decoder"), PINK)),
        ),
        Group(
            "fake", tr("Seen as fake"),
            (Line("fake_reconstructed", tr("rebuilt"), BLUE), Line("fake_generated", tr("prior"), RED)),
            share=True,
        ),
        Group("edit", tr("Edits seen"), share=True),
        Group("accuracy", tr("Attribute accuracy"), share=True, shown=False),
        Group(
            "vac", tr("VAC loss, weighted"),
            (Line("vac", train, BLUE), Line("valid:vac", valid, GREY)), shown=False,
        ),
        Group(
            "variety", tr("Variety of draws and codes"),
            (Line("valid:diversity", tr("draws"), RED), Line("valid:active", tr("dimensions in use"), GREEN)),
            shown=False,
        ),
    ]  # fmt: skip


_HELP = {
    "reconstruction": mark(
        "Mean difference between pictures and their reconstructions; pixels are from 0 to 1"
    ),
    "classification": mark("Cross entropy of the attributes, read off the codes of real faces"),
    "kl": mark("How far codes are from the standard normal prior, in nats per latent dimension"),
    "game": mark("Both sides of the adversarial game: encoder and classifier, and decoder"),
    "fake": mark(
        "How sure the encoder is that decoded faces are not real: rebuilt ones, and ones from the prior"
    ),
    "edit": mark("Share of validation faces whose edit is recognised when encoded again"),
    "accuracy": mark("Share of validation faces whose attribute is read off their code correctly"),
    "vac": mark("Reconstruction, classification and KL with their weights"),
    "variety": mark(
        "How far apart draws are, real faces being 1, and the share of latent dimensions that vary"
    ),
}
_TITLES = {
    ("reconstruction", "l1"): mark("Reconstruction (L1)"),
    ("reconstruction", "mse"): mark("Reconstruction (MSE)"),
}


def ink(colour: str) -> QColor:
    """A curve's colour, darker on light paper."""
    return QColor(colour) if theme.current().dark else QColor(colour).darker(135)


def mixed(colour: QColor, ground: str, share: float = 0.35) -> QColor:
    """A colour as it would look on a ground with so much opacity."""
    under = QColor(ground)
    pairs = (
        (colour.red(), under.red()),
        (colour.green(), under.green()),
        (colour.blue(), under.blue()),
    )
    return QColor(*(round(share * a + (1 - share) * b) for a, b in pairs))


def number(value: float) -> str:
    """Three significant digits, or thousands with separators."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:#.3g}".rstrip(".")


def span(points: Array, outliers: bool) -> tuple[float, float]:
    """Least and greatest, of raw points without the outermost hundredth."""
    if outliers or len(points) < 50:
        return float(points.min()), float(points.max())
    low, high = np.percentile(points, (1, 99))
    return float(low), float(high)


class _Axis(pg.AxisItem):
    """Ticks in plain numbers: no SI prefixes, thousands separated."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        if self.logMode:
            return [f"{10.0**v:.3g}" for v in values]
        if self.orientation == "left" and max((abs(v) for v in values), default=0) >= 1e4:
            return [f"{v:.3g}" for v in values]
        digits = max(0, -math.floor(math.log10(spacing) + 1e-9)) if spacing > 0 else 0
        return [f"{v:,.{digits}f}" for v in values]


class _Elided(QLabel):
    """A label that ends in dots where it has no room."""

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


class _Readout(QWidget):
    """Coloured marks, names and values of a plot's curves, right-aligned; names go first when narrow."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[tuple[QColor, bool, str, str]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(20)
        self.setMinimumWidth(48)

    def show_values(self, parts: list[tuple[QColor, bool, str, str]]) -> None:
        self._parts = parts
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
        whole = [name for _, _, name, _ in self._parts]
        short = [metrics.elidedText(name, Qt.TextElideMode.ElideRight, 48) for name in whole]
        for names in (whole, short, ["", *short[1:]]):
            if sum(metrics.horizontalAdvance(name) + 4 for name in names if name) <= room:
                return names
        return [""] * len(whole)


class _Plot(QWidget):
    """One group: a header of title and values, and the plot below it."""

    moved = Signal(object)  # x under the cursor, or None
    ranged = Signal(float, float)  # the user zoomed in x
    reset = Signal()

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group
        self.zoomed_y = False
        self._lines: dict[str, tuple[Line, pg.PlotDataItem, pg.PlotDataItem]] = {}
        self._setting = False
        self._ends: dict[str, float] = {}
        self.title = _Elided(group.title)
        self.title.setObjectName("muted")
        self.title.setToolTip(tr(_HELP.get(group.key, "")))
        self.readout = _Readout()
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
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setStyle(tickFont=font, tickLength=-4, maxTickLevel=0, tickTextOffset=4)
            axis.setPen(pg.mkPen(p.border))
            axis.setTextPen(pg.mkPen(p.muted))
        item.getAxis("bottom").setStyle(hideOverlappingLabels=False)
        item.getAxis("left").setWidth(46)
        item.getAxis("bottom").setHeight(20)
        item.showGrid(x=False, y=True, alpha=0.35)
        self.hair.setPen(pg.mkPen(p.muted, width=1))
        self.game.setPen(pg.mkPen(p.muted, width=1, style=Qt.PenStyle.DashLine))
        self.game.label.setColor(p.muted)
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
        by_epoch: bool,
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
            x = curve.epochs if by_epoch else curve.steps
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
            self._ends[line.key] = float(curve.raw[-1] if line.dots else curve.smooth()[-1])
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

    def _fit_y(self, low: float, high: float) -> None:
        """Room above and below; a range that still fits well stays, since new ticks cost more than curves."""
        box = self.view.getPlotItem().getViewBox()
        bottom, top = box.viewRange()[1]
        pad = 0.1 * (high - low) or max(abs(high) * 0.1, 1e-6)
        inside = bottom + 0.2 * pad <= low and high <= top - 0.2 * pad
        if not inside or top - bottom > 1.4 * (high - low + 2 * pad):
            box.setYRange(low - pad, high + pad, padding=0)

    def read(self, curves: dict[str, Curve], by_epoch: bool, x: float | None) -> None:
        """Show the values at x, or the last ones."""
        self.hair.setVisible(x is not None)
        if x is not None:
            self.hair.setValue(x)
        parts = []
        lines = [line for line in self.group.lines if len(curves.get(line.key, ())) > 0]
        for line in lines:
            curve = curves[line.key]
            if x is None:
                value = self._ends.get(line.key, math.nan)
            else:
                xs = curve.epochs if by_epoch else curve.steps
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


class LossPlots(QWidget):
    """The plots of a run.

    Signals:
        zoomChanged(bool): whether the user looks at a part.
        groupsChanged: other plots have data now.
        cursorMoved(str): where the crosshair is, in words; empty when it left.
    """

    zoomChanged = Signal(bool)
    groupsChanged = Signal()
    cursorMoved = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Loss curves"))
        self._weight, self._log, self._by_epoch = 0.6, False, False
        self._grid_widget = QWidget()
        self._grid = QGridLayout(self._grid_widget)
        self._grid.setContentsMargins(theme.GRID, 4, theme.GRID, 4)
        self._grid.setSpacing(theme.GRID)
        self._empty = QLabel(tr("Losses appear here as soon as a run takes its first steps."))
        self._empty.setObjectName("empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._grid_widget)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._plots: dict[str, _Plot] = {}
        self._dirty = False
        self._due: list[str] = []  # plots that are still to be drawn in this round
        self._behind = False  # whether there is to be another round
        self._turn = QTimer(self)
        self._turn.timeout.connect(self._draw_next)
        self.clear()

    # -- data -----------------------------------------------------------------------------

    @Slot()
    def clear(self) -> None:
        """Forget all curves."""
        self.curves: dict[str, Curve] = {}
        self.groups = _standard()
        self._steps_per_epoch = 0
        self._game_step: int | None = None
        self._x_range: tuple[float, float] | None = None
        self._x_end = 0.0
        self._cursor: float | None = None
        for plot in self._plots.values():
            self._grid.removeWidget(plot)
            plot.hide()
            plot.deleteLater()
        self._plots = {}
        self._due, self._behind = [], False
        self._placed: list[str] = []
        self._stack.setCurrentWidget(self._empty)
        self.zoomChanged.emit(False)
        self.groupsChanged.emit()

    def set_empty_text(self, text: str) -> None:
        """What to say while there is no point yet."""
        self._empty.setText(text)

    @Slot(object)
    def append(self, new: Iterable[events.Event]) -> None:
        """Add what events say, and draw: all plots at once for a run that begins, else one after another."""
        pending: dict[str, list[tuple[float, float, float]]] = {}
        touched = False
        for event in new:
            if isinstance(event, events.StepLosses):
                self._collect(pending, "", event, event.losses)
            elif isinstance(event, events.Validated):
                self._collect(pending, "valid:", event, event.figures)
            elif isinstance(event, events.RunStarted):
                self._start(event)
                touched = True
            elif isinstance(event, events.Resumed):
                self._store(pending)
                pending = {}
                for curve in self.curves.values():
                    curve.truncate(event.step)
                touched = True
        if pending or touched:
            self._store(pending)
            if touched:
                self.refresh()
            else:
                self._refresh_in_turn()

    def _collect(
        self,
        pending: dict[str, list[tuple[float, float, float]]],
        prefix: str,
        event: events.Event,
        values: dict[str, float],
    ) -> None:
        epoch = event.step / self._steps_per_epoch if self._steps_per_epoch else float(event.epoch)
        for name, value in values.items():
            pending.setdefault(prefix + name, []).append((event.step, epoch, value))

    def _store(self, pending: dict[str, list[tuple[float, float, float]]]) -> None:
        for key, rows in pending.items():
            if key not in self.curves:
                self.curves[key] = Curve()
                self.curves[key].set_weight(0.0 if key.startswith("valid:") else self._weight)
                self._adopt(key)
            steps, epochs, values = np.array(rows, float).T
            self.curves[key].append(steps, epochs, values)

    def _adopt(self, key: str) -> None:
        """Give a curve that no plot knows a place."""
        if any(line.key == key for group in self.groups for line in group.lines):
            return
        head, _, name = key.removeprefix("valid:").partition(".")
        group = next((g for g in self.groups if g.key == head), None)
        if group is None:
            group = Group(head, head.replace("_", " ").capitalize())
            self.groups.append(group)
        colour = theme.attribute_colour(len(group.lines))
        group.lines = (*group.lines, Line(key, name or head.replace("_", " "), colour))

    def _start(self, event: events.RunStarted) -> None:
        self._steps_per_epoch = event.steps_per_epoch
        self._game_step = event.game_from_step
        loss = event.config.get("loss", {})
        delta = event.config.get("loop", {}).get("edit_delta")
        for group in self.groups:
            title = _TITLES.get((group.key, str(loss.get("reconstruction"))))
            if group.key == "edit" and isinstance(delta, int | float):
                title = tr("Edits seen, δ {delta}", delta=f"{delta:g}")
            if title:
                group.title = title = tr(title)
                if group.key in self._plots:
                    self._plots[group.key].set_title(title)

    # -- options --------------------------------------------------------------------------

    @Slot(float)
    def set_smoothing(self, weight: float) -> None:
        """0 for none, to 0.99."""
        self._weight = min(max(weight, 0.0), 0.99)
        for key, curve in self.curves.items():
            if not key.startswith("valid:"):
                curve.set_weight(self._weight)
        self.refresh()

    @Slot(bool)
    def set_log(self, log: bool) -> None:
        """Logarithmic values."""
        self._log = log
        for plot in self._plots.values():
            plot.zoomed_y = False
        self.refresh()

    @Slot(bool)
    def set_by_epoch(self, by_epoch: bool) -> None:
        """Epochs instead of steps below."""
        self._by_epoch = by_epoch
        self.reset_view()

    @Slot(str, bool)
    def set_group_visible(self, key: str, shown: bool) -> None:
        for group in self.groups:
            if group.key == key:
                group.shown = shown
        self.refresh()

    @Slot()
    def reset_view(self) -> None:
        """Show everything, and follow as it grows."""
        self._x_range = None
        for plot in self._plots.values():
            plot.zoomed_y = False
        self.zoomChanged.emit(False)
        self.refresh()

    # -- drawing --------------------------------------------------------------------------

    def available(self) -> list[Group]:
        """The groups that have data."""
        return [g for g in self.groups if any(len(self.curves.get(li.key, ())) for li in g.lines)]

    def refresh(self) -> None:
        """Draw now, or when shown."""
        if not self.isVisible():
            self._dirty = True
            return
        self._dirty = self._behind = False
        self._due = []
        self._place()
        for key in self._placed:
            self._draw(key)

    def _refresh_in_turn(self) -> None:
        """Make and draw each plot in a frame of its own: a mouse move in between waits for one at most."""
        if not self.isVisible():
            self._dirty = True
            return
        self._behind = True
        if not self._turn.isActive():
            self._turn.start(TURN_MS)

    @Slot()
    def _draw_next(self) -> None:
        if not self._due:
            if not self._behind:
                self._turn.stop()
                return
            self._turn.setInterval(TURN_MS)
            new = next((g for g in self.available() if g.shown and g.key not in self._plots), None)
            if new is not None:
                self._make(new)
                return
            self._place()
            self._due, self._behind = list(self._placed), False
        if self._due:
            self._draw(self._due.pop(0))
        if not self._due:
            self._turn.setInterval(REST_MS)

    def _draw(self, key: str) -> None:
        plot = self._plots[key]
        x_range = self._x_range or self._whole()
        game = self._game_x()
        game = game if game is not None and x_range[0] <= game <= x_range[1] else None
        plot.draw(self.curves, self._by_epoch, self._log, x_range, game, self._weight > 0)
        plot.read(self.curves, self._by_epoch, self._cursor)

    def _whole(self) -> tuple[float, float]:
        ends = [float((c.epochs if self._by_epoch else c.steps)[-1]) for c in self.curves.values() if len(c)]
        last = max(ends, default=1.0) or 1.0
        if not last <= self._x_end <= 1.1 * last:
            self._x_end = 1.05 * last  # ahead of the data, so that it is not moved at each point
        return -0.01 * self._x_end, self._x_end

    def _game_x(self) -> float | None:
        if self._game_step is None:
            return None
        return self._game_step / max(self._steps_per_epoch, 1) if self._by_epoch else self._game_step

    def _place(self) -> None:
        wanted = [g for g in self.available() if g.shown]
        keys = [g.key for g in wanted]
        if keys == self._placed:
            return
        for key in self._placed:
            self._grid.removeWidget(self._plots[key])
            self._plots[key].hide()
        for i in range(self._grid.rowCount()):
            self._grid.setRowStretch(i, 0)
        for i in range(self._grid.columnCount()):
            self._grid.setColumnStretch(i, 0)
        columns = self._columns(len(keys))
        for i, group in enumerate(wanted):
            if group.key not in self._plots:
                self._make(group)
            row, column = divmod(i, columns)
            self._grid.addWidget(self._plots[group.key], row, column)
            self._grid.setRowStretch(row, 1)
            self._grid.setColumnStretch(column, 1)
            self._plots[group.key].show()
        self._placed = keys
        self._stack.setCurrentWidget(self._grid_widget if keys else self._empty)
        self.groupsChanged.emit()

    def _make(self, group: Group) -> None:
        plot = _Plot(group)
        plot.moved.connect(self._on_moved)
        plot.ranged.connect(self._on_ranged)
        plot.reset.connect(self.reset_view)
        self._plots[group.key] = plot

    def _columns(self, count: int) -> int:
        """As square as the room allows, with no plot narrower than it can be read."""
        fitting = max(1, self.width() // 240)
        best = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(count, 4 if self.width() > 1000 else 3)
        return max(1, min(best, fitting))

    def plots(self) -> list[_Plot]:
        """The plots on show, in order."""
        return [self._plots[key] for key in self._placed]

    @Slot(object)
    def _on_moved(self, x: float | None) -> None:
        self._cursor = x
        for plot in self.plots():
            plot.read(self.curves, self._by_epoch, x)
        text = ""
        if x is not None:
            text = (
                tr("epoch {epoch}", epoch=f"{x:,.2f}")
                if self._by_epoch
                else tr("step {step}", step=f"{max(x, 0):,.0f}")
            )
        self.cursorMoved.emit(text)

    @Slot(float, float)
    def _on_ranged(self, low: float, high: float) -> None:
        self._x_range = (low, high)
        self.zoomChanged.emit(True)
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._dirty:
            self.refresh()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._placed and self._grid.columnCount() and self.isVisible():
            self._placed_again()

    def _placed_again(self) -> None:
        columns = self._columns(len(self._placed))
        if self._grid.itemAtPosition(0, columns - 1) is None or (
            self._grid.itemAtPosition(0, columns) is not None
        ):
            placed, self._placed = self._placed, []
            for key in placed:
                self._grid.removeWidget(self._plots[key])
            self.refresh()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            for plot in self._plots.values():
                plot.restyle()
            self.refresh()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_A and not event.modifiers():
            self.reset_view()
        else:
            super().keyPressEvent(event)


class LossToolbar(QWidget):
    """Smoothing, axes and which plots, for one `LossPlots`."""

    def __init__(self, plots: LossPlots) -> None:
        super().__init__()
        self._plots = plots
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, 99)
        self.smoothing.setFixedWidth(96)
        self.smoothing.setAccessibleName(tr("Smoothing"))
        self.smoothing.setToolTip(
            tr("How much of the past a smoothed point keeps; the raw curve stays behind")
        )
        self._amount = QLabel()
        self._amount.setFont(tabular(self.font(), 13))
        self._amount.setMinimumWidth(28)
        self.log = QCheckBox(tr("Log"))
        self.log.setToolTip(tr("Logarithmic values"))
        self.unit = QComboBox()
        self.unit.addItems([tr("by step"), tr("by epoch")])
        self.unit.setAccessibleName(tr("Horizontal axis"))
        self.which = QPushButton(tr("Plots"))
        self.which.setMenu(QMenu(self.which))
        self.reset = QPushButton(tr("Show all"))
        self.reset.setToolTip(tr("Double-click a plot, or press A"))
        self.where = QLabel()
        self.where.setObjectName("muted")
        self.where.setFont(tabular(self.font(), 13))
        self.reset.hide()
        name = QLabel(tr("Smoothing"))
        name.setObjectName("muted")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.GRID, 0, theme.GRID, 0)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.where)
        layout.addStretch(1)
        for widget in (self.reset, name, self.smoothing, self._amount, self.log, self.unit, self.which):
            layout.addWidget(widget)
        self.smoothing.valueChanged.connect(self._on_smoothing)
        self.log.toggled.connect(plots.set_log)
        self.unit.currentIndexChanged.connect(self._on_unit)
        self.reset.clicked.connect(plots.reset_view)
        plots.zoomChanged.connect(self.reset.setVisible)
        plots.groupsChanged.connect(self._on_groups)
        plots.cursorMoved.connect(self.where.setText)
        self.smoothing.setValue(60)
        self._on_groups()

    @Slot(int)
    def _on_smoothing(self, value: int) -> None:
        self._amount.setText(f"{value / 100:.2f}")
        self._plots.set_smoothing(value / 100)

    @Slot(int)
    def _on_unit(self, index: int) -> None:
        self._plots.set_by_epoch(index == 1)

    @Slot()
    def _on_groups(self) -> None:
        menu = self.which.menu()
        menu.clear()
        groups = self._plots.available()
        self.which.setEnabled(bool(groups))
        for group in groups:
            action = menu.addAction(group.title)
            action.setCheckable(True)
            action.setChecked(group.shown)
            action.setData(group.key)
            action.toggled.connect(self._on_toggled)

    @Slot(bool)
    def _on_toggled(self, shown: bool) -> None:
        action = self.sender()
        self._plots.set_group_visible(str(action.data()), shown)  # type: ignore[attr-defined]
