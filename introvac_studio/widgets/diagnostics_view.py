"""How well a sampler draws: histograms against exact marginals, energy, radius, and a plain verdict.

`begin` before a watch, `show_snapshot` while it runs, `end` when it is over, `clear` for none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.inks import dress_axes, ink, mixed
from introvac_studio.widgets.texts import muted, tabular
from trainer.diagnostics import CHAINS, LIMIT, Direction, Snapshot
from trainer.latent import Floats

_ROOMY = 340  # width from which name and figures stand in one line
_WAITING = mark(
    "How well the sampler draws is shown here while it runs: {chains} chains with the same settings, "
    "whose positions along each wanted attribute should cover the exact curve; their energy and radius; "
    "and whether they have converged."
)
_NOTHING_OPEN = mark("Open a model first.")
_FIGURES = mark(
    "KS: the largest difference between the chains’ distribution function and the exact one; "
    "more than {limit} is called not converged.\n"
    "ESS: how many independent draws the states of 64 chains are worth.\n"
    "R-hat: 1 where chains agree with each other; it cannot see a drift that all of them share."
)


def _waiting() -> str:
    return tr(_WAITING, chains=f"{CHAINS:,}")


def hint(snapshot: Snapshot, sampler: str, recipe: str) -> str:
    """What to do about a verdict; empty where nothing is to be done.

    Args:
        sampler: what the user chose.
        recipe: of it.
    """
    if snapshot.converged is not False:
        return ""
    if sampler == "langevin" and recipe != "converged":
        return tr("Choose the recipe “converged”, or the sampler “exact”.")
    if sampler == "langevin":
        return tr("Choose the sampler “exact” or “mala”, or take more and smaller steps.")
    if sampler == "mala":
        return tr("Take more steps, or let the step size be tuned; or choose the sampler “exact”.")
    return tr("MALA stands in for exact draws here; want less, or keep in mind that these are not exact.")


def _colour(label: QLabel, name: str, more: str = "") -> None:
    """Write a label in a colour of the palette."""
    style = f"color: {getattr(theme.current(), name)}; {more}"
    if label.styleSheet() != style:
        label.setStyleSheet(style)


class _Steps(pg.AxisItem):
    """Ticks below: thousands as k, since there is little room."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [f"{v / 1000:g}k" if abs(v) >= 1000 else f"{v:g}" for v in np.round(values, 6)]


class SmallPlot(pg.PlotWidget):
    """A small plot in the palette's colours, which the mouse leaves alone."""

    def __init__(self, name: str, height: int) -> None:
        super().__init__(axisItems={"bottom": _Steps("bottom")})
        self.setAccessibleName(name)
        self.setMinimumSize(110, height)
        self.setFrameShape(QFrame.Shape.NoFrame)
        item = self.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        item.setMouseEnabled(False, False)
        item.getViewBox().disableAutoRange()
        item.getViewBox().setDefaultPadding(0)

    def wheelEvent(self, event: object) -> None:
        event.ignore()  # type: ignore[attr-defined]

    def restyle(self, left: bool) -> None:
        """Take the colours of the present theme; `left` for an axis with numbers."""
        p = theme.current()
        self.setBackground(p.panel)
        item = self.getPlotItem()
        dress_axes(item, tabular(self.font(), 11))
        item.getAxis("bottom").setHeight(20)
        item.getAxis("left").setWidth(38)
        item.showAxis("left", left)

    def set_range(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.getPlotItem().getViewBox().setRange(xRange=x, yRange=y, padding=0)


class DirectionView(QWidget):
    """One wanted attribute: where the chains are along its normal, the exact curve, and figures."""

    def __init__(self, name: str, colour: str) -> None:
        super().__init__()
        self._name, self._colour, self._top, self._wanted = name, colour, 0.0, True
        self.title, self.ks, self.figures = QLabel(), QLabel(), muted()
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.plot = SmallPlot(tr("chains along {name}", name=name), 84)
        self._bars = pg.PlotDataItem(stepMode="center", fillLevel=0)
        self._curve = pg.PlotDataItem()
        self.plot.addItem(self._bars)
        self.plot.addItem(self._curve)
        for label in (self.ks, self.figures):
            label.setFont(tabular(label.font()))
            label.setToolTip(tr(_FIGURES, limit=LIMIT))
        self.title.setToolTip(
            tr("{name}: z · w/|w| over the chains (filled), and what p(z|y) gives (line)", name=name)
        )
        self._head = head = QGridLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setHorizontalSpacing(theme.GRID)
        head.setVerticalSpacing(0)
        head.setColumnStretch(0, 1)
        head.addWidget(self.title, 0, 0)
        head.addWidget(self.ks, 0, 1)
        head.addWidget(self.figures, 0, 2)
        self._narrow = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.plot, 1)
        self.restyle()

    def begin(self) -> None:
        """What comes next is of another run."""
        self._top = 0.0

    def show_direction(self, direction: Direction) -> None:
        """Draw it."""
        if direction.wanted != self._wanted:
            self._wanted = direction.wanted
            self._name_it()
        self._bars.setData(direction.edges, direction.histogram)
        top = float(direction.histogram.max(initial=0))
        self._curve.setVisible(direction.marginal is not None)
        if direction.marginal is not None:
            self._curve.setData(direction.marginal.x, direction.marginal.density)
            top = max(top, float(direction.marginal.density.max()))
        self._top = max(self._top, 1.1 * top, 1e-6)
        self.plot.set_range((float(direction.edges[0]), float(direction.edges[-1])), (0.0, self._top))
        self.ks.setText("" if math.isnan(direction.ks) else tr("KS {value}", value=f"{direction.ks:.3f}"))
        ess = f"{min(direction.ess, direction.kept):,.0f}" if math.isfinite(direction.ess) else "–"
        r_hat = f"{direction.r_hat:.2f}" if math.isfinite(direction.r_hat) else "–"
        self.figures.setText(tr("ESS {ess}  R-hat {r_hat}", ess=ess, r_hat=r_hat))
        _colour(self.ks, "warn" if direction.ks > LIMIT else "good")
        self.plot.setAccessibleDescription(f"{self.ks.text()} {self.figures.text()}")

    def restyle(self) -> None:
        """Take the colours of the present theme."""
        p, colour = theme.current(), ink(self._colour)
        self.plot.restyle(left=False)
        self._name_it()
        self._bars.setPen(pg.mkPen(colour, width=1))
        self._bars.setBrush(pg.mkBrush(mixed(colour, p.panel, 0.4)))
        self._curve.setPen(pg.mkPen(p.text, width=2))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if (narrow := self.width() < _ROOMY) != self._narrow:
            self._narrow = narrow
            self._head.removeWidget(self.figures)
            right = Qt.AlignmentFlag.AlignRight
            self._head.addWidget(self.figures, *((1, 0, 1, 2, right) if narrow else (0, 2)))

    def _name_it(self) -> None:
        wanted = tr("yes") if self._wanted else tr("no")
        self.title.setText(f'<span style="color:{self._colour}">●</span>&nbsp; {self._name}: {wanted}')


class _Trace(QWidget):
    """A figure over the steps, and the value that it should have."""

    def __init__(self, title: str, tip: str, colour: str) -> None:
        super().__init__()
        self._colour = colour
        self.title, self.readout, self.wanted = muted(title), QLabel(), muted()
        for label in (self.title, self.readout, self.wanted):
            label.setFont(tabular(label.font()))
            label.setToolTip(tip)
        self.plot = SmallPlot(title, 72)
        self._line, self._level = pg.PlotDataItem(), pg.InfiniteLine(angle=0, movable=False)
        self.plot.addItem(self._line)
        self.plot.addItem(self._level, ignoreBounds=True)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self.readout)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.wanted, 0, Qt.AlignmentFlag.AlignRight)
        layout.addWidget(self.plot, 1)
        self.restyle()

    def show_trace(
        self, x: Floats, y: Floats, end: int, level: float | None, room: float, texts: tuple[str, str]
    ) -> None:
        """Draw it.

        Args:
            x, y: (n,) steps, and the figure at them.
            end: the last step there will be.
            level: what it should be.
            room: to leave above and below, so that chance differences look small.
            texts: the figure, and what it should be.
        """
        self._line.setData(x, y)
        values = y if level is None else np.append(y, level)
        self.plot.set_range((0.0, float(end)), (float(values.min()) - room, float(values.max()) + room))
        self.readout.setText(texts[0])
        self.wanted.setText(f"┄ {texts[1]}" if texts[1] else "")
        self.plot.setAccessibleDescription(" ".join(texts))
        self._level.setVisible(level is not None)
        if level is not None:
            self._level.setPos(level)

    def restyle(self) -> None:
        """Take the colours of the present theme."""
        self.plot.restyle(left=True)
        self._line.setPen(pg.mkPen(ink(self._colour), width=2))
        self._level.setPen(pg.mkPen(theme.current().text, width=1.5, style=Qt.PenStyle.DashLine))


@dataclass(frozen=True)
class _Said:
    """A verdict: its mark, the palette's colour for it, and its words."""

    mark: str
    colour: str
    text: str


class DiagnosticsView(QWidget):
    """The dock: verdict and hint on top, one plot an attribute, energy and radius below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(280)
        self.directions: dict[str, DirectionView] = {}
        self._said = _Said("", "muted", "")
        self._radii: list[tuple[float, float]] = []
        self._empty = QLabel(_waiting())
        self._empty.setObjectName("empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setMargin(3 * theme.GRID)
        self.verdict, self.hint = QLabel(), muted(wrap=True)
        self.verdict.setWordWrap(True)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.verdict.setFont(tabular(self.verdict.font()))
        self.legend = muted(wrap=True)
        self.energy = _Trace(
            tr("energy"),
            tr("By step, or by draw: mean of U(z) = −log p(y|z) + |z|²/2; dashed: its value under p(z|y)"),
            theme.ATTRIBUTE_COLOURS[5],
        )
        self.radius = _Trace(
            tr("radius"),
            tr("By step, or by draw: mean of |z| ± its spread; dashed: √d, near which the prior’s codes lie"),
            theme.ATTRIBUTE_COLOURS[2],
        )
        self._lay_out()

    def _lay_out(self) -> None:
        self._column = QVBoxLayout()
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.GRID)
        inner = QWidget()
        inner.setLayout(self._column)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(inner)
        below = QGridLayout()
        below.setSpacing(2 * theme.GRID)
        below.addWidget(self.energy, 0, 0)
        below.addWidget(self.radius, 0, 1)
        below.setColumnStretch(0, 1)
        below.setColumnStretch(1, 1)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(*[2 * theme.GRID] * 4)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.verdict)
        layout.addWidget(self.hint)
        layout.addWidget(self.legend)
        layout.addWidget(self._area, 3)
        layout.addLayout(below, 1)
        self._content = content
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(content)

    # What it is told

    def clear(self, model_open: bool = True) -> None:
        """Say what will be seen here."""
        self._show_empty(_waiting() if model_open else f"{_waiting()}\n\n{tr(_NOTHING_OPEN)}")
        self._drop()

    @property
    def page_text(self) -> str:
        """What is said in place of plots; empty where there are some."""
        return self._empty.text() if self._stack.currentWidget() is self._empty else ""

    def begin(self) -> None:
        """A watch has been asked for; what the last one gave stays until the new one says something."""
        self._radii = []
        self.hint.hide()
        self._say(_Said("…", "muted", tr("starting the chains")))

    def show_snapshot(self, snapshot: Snapshot, colours: Mapping[str, str], advice: str = "") -> None:
        """How the chains stand.

        Args:
            colours: of the attributes.
            advice: what to do about the verdict.
        """
        if [direction.name for direction in snapshot.directions] != list(self.directions):
            self._drop()
            for direction in snapshot.directions:
                view = DirectionView(direction.name, colours.get(direction.name, theme.ATTRIBUTE_COLOURS[-1]))
                self.directions[direction.name] = view
                self._column.addWidget(view, 1)
            self._area.setVisible(bool(self.directions))
        if not self._radii:  # the first of its run
            for view in self.directions.values():
                view.begin()
        for direction in snapshot.directions:
            self.directions[direction.name].show_direction(direction)
        self._radii.append((snapshot.step, snapshot.radius))
        self._traces(snapshot)
        known = any(direction.marginal is not None for direction in snapshot.directions)
        values = {"count": f"{snapshot.chains:,}", "sampler": tr(snapshot.sampler)}
        told = [
            tr("filled: {count} draws of {sampler}", **values)
            if snapshot.sampler == "exact"
            else tr("filled: {count} chains of {sampler}", **values)
        ]
        told += [tr("line: exact p(z|y)")] if known else []
        self.legend.setText("   ·   ".join(told))
        self._judge(snapshot, advice)
        self._stack.setCurrentWidget(self._content)

    def end(self, cancelled: bool, error: str) -> None:
        """The watch is over; a verdict that is there stays."""
        if error:
            self._say(_Said("✗", "bad", tr("no diagnostics")))
            self._show_empty(tr("No diagnostics: {error}", error=error))
        elif cancelled:
            seen = bool(self._radii)
            self._say(
                _Said(
                    "–",
                    "muted",
                    tr("cancelled; {verdict}", verdict=self._said.text) if seen else tr("cancelled"),
                )
            )
            if not seen:  # what is on show is of the run before
                self._show_empty(_waiting())

    def _show_empty(self, text: str) -> None:
        self._empty.setText(text)
        self._stack.setCurrentWidget(self._empty)

    def _drop(self) -> None:
        for view in self.directions.values():
            self._column.removeWidget(view)
            view.hide()
            view.deleteLater()
        self.directions = {}

    def _traces(self, snapshot: Snapshot) -> None:
        exact, energy = snapshot.energy_exact, snapshot.energy
        room = max(0.25, 0.1 * float(np.ptp(energy)))
        texts = f"{energy[-1]:.2f}", "" if exact is None else tr("exact {exact}", exact=f"{exact:.2f}")
        self.energy.show_trace(snapshot.trace, energy, snapshot.steps, exact, room, texts)
        steps, radii = np.array(self._radii).T
        prior, spread = snapshot.radius_prior, snapshot.radius_spread
        texts = f"{snapshot.radius:.2f} ± {spread:.2f}", f"√d {prior:.2f}"
        self.radius.show_trace(steps, radii, snapshot.steps, prior, spread, texts)

    def _judge(self, snapshot: Snapshot, advice: str) -> None:
        text = snapshot.verdict
        if snapshot.acceptance is not None and snapshot.step == snapshot.steps:
            share = f"{100 * snapshot.acceptance:.0f}"
            text = tr("{verdict} (accepts {share} % of its steps)", verdict=text, share=share)
        mark, colour = {True: ("✓", "good"), False: ("✗", "bad"), None: ("…", "muted")}[snapshot.converged]
        if snapshot.converged is None and snapshot.step == snapshot.steps:
            mark = "?"
        self._say(_Said(mark, colour, text))
        self.hint.setText(advice)
        self.hint.setVisible(bool(advice))

    def _say(self, said: _Said) -> None:
        self._said = said
        self.verdict.setText(f"{said.mark}  {said.text}")
        _colour(self.verdict, said.colour, "font-size: 14px; font-weight: 600;")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            for view in self.directions.values():
                view.restyle()
            for trace in (self.energy, self.radius):
                trace.restyle()
            self._say(self._said)
