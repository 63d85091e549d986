"""Curves of several runs over each other: each plot shows its loss for every run, a colour a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import tr, trn
from introvac_studio.widgets.inks import ink
from introvac_studio.widgets.loss_data import Curve
from introvac_studio.widgets.loss_groups import Group, Line, adopt, standard
from introvac_studio.widgets.loss_plot import LossPlots
from introvac_studio.widgets.loss_toolbar import LossToolbar
from introvac_studio.widgets.texts import muted
from trainer.run_summary import RunCurves

MOST = len(theme.ATTRIBUTE_COLOURS)  # runs that colours tell apart


@dataclass(frozen=True, eq=False)
class Shown:
    """A run of the overlay with its colour."""

    curves: RunCurves
    name: str
    colour: str


def distinct(paths: Sequence[tuple[str, str]]) -> list[str]:
    """Names of runs, with their folder where two are called the same; (folder, name) of each."""
    names = [name for _, name in paths]
    return [f"{folder}/{name}" if names.count(name) > 1 else name for folder, name in paths]


class OverlayPlots(LossPlots):
    """Loss plots whose curves come from several finished or growing runs at once."""

    NAMES = False  # the legend on top has them

    def show_runs(self, runs: Sequence[Shown]) -> None:
        """Show these and no others; the view stays where the user zoomed to."""
        self.groups, before = [], {group.key: group.shown for group in self.groups}
        templates = self._templates(runs)
        self.curves = {}
        for template in templates:
            lines = []
            for i, run in enumerate(runs):
                lines += self._lines_of(template, run, i)
            if lines:
                shown = before.get(template.key, template.shown)
                title = _entitled(template, runs)
                self.groups.append(replace(template, title=title, lines=tuple(lines), shown=shown))
        old, self._plots, self._placed = self._plots, {}, []  # their lines are of the runs before
        for plot in old.values():
            self._grid.removeWidget(plot)
            plot.hide()
            plot.deleteLater()
        self._stack.setCurrentWidget(self._empty)
        self.refresh()
        self.groupsChanged.emit()

    def _templates(self, runs: Sequence[Shown]) -> list[Group]:
        """The usual plots, and those of what only these runs have."""
        groups = standard()
        for run in runs:
            for key in run.curves.series:
                adopt(groups, key)
        return groups

    def _lines_of(self, group: Group, run: Shown, index: int) -> list[Line]:
        """A run's lines of a plot, the first one solid."""
        chosen = _chosen(group, run)
        series = {line.key: run.curves.series[line.key] for line in chosen}
        if len(chosen) > 2:  # one for each attribute: their mean is what two runs are compared by
            whole = min(len(steps) for steps, _ in series.values())
            mean = np.mean([values[:whole] for _, values in series.values()], axis=0)
            series = {chosen[0].key: (series[chosen[0].key][0][:whole], mean)}
            chosen = chosen[:1]
        made = []
        for k, line in enumerate(chosen):
            prefix = "valid:" if line.dots else ""
            key = f"{prefix}{index}:{line.key}"
            steps, values = series[line.key]
            if not np.isfinite(values).any():
                continue
            curve = Curve()
            curve.set_weight(0.0 if line.dots else self._weight)
            epochs = steps / max(run.curves.steps_per_epoch, 1)
            curve.append(steps, epochs, steps * max(run.curves.images_per_step, 1), values)
            self.curves[key] = curve
            name = run.name if len(chosen) == 1 else f"{run.name} · {line.name}"
            made.append(Line(key, name, run.colour, dashed=k > 0))
        return made


def _chosen(group: Group, run: Shown) -> list[Line]:
    """What a run has of a plot: training where there is some, else validation."""
    there = [line for line in group.lines if line.key in run.curves.series]
    return [line for line in there if not line.dots] or there


def _entitled(group: Group, runs: Sequence[Shown]) -> str:
    """A plot's title, with what its dotted curves are where runs have two of them."""
    pair = next((pair for run in runs if len(pair := _chosen(group, run)) == 2), None)
    if pair is None:
        return group.title
    return tr("{title}: {first}, dotted {second}", title=group.title, first=pair[0].name, second=pair[1].name)


class _Key(QWidget):
    """A run's colour and name in the legend; a long name ends in dots."""

    def __init__(self, run: Shown) -> None:
        super().__init__()
        self._run = run
        self.setToolTip(str(run.curves.path))
        self.setAccessibleName(run.name)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(48)

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self._run.name) + 28, 20)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(ink(self._run.colour), 3))
        middle = self.height() // 2
        painter.drawLine(2, middle, 16, middle)
        painter.setPen(QColor(theme.current().text))
        text = self.fontMetrics().elidedText(
            self._run.name, Qt.TextElideMode.ElideMiddle, max(self.width() - 24, 0)
        )
        painter.drawText(self.rect().adjusted(22, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)


class OverlayPanel(QWidget):
    """The overlay with its legend and toolbar.

    Signals:
        closed: the user goes back to one run.
    """

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plots = OverlayPlots()
        self.toolbar = LossToolbar(self.plots)
        self.back = QPushButton(tr("Back to one run"))
        self.back.setToolTip(tr("Show the curves of the run on this page again"))
        self.count: QLabel = muted()
        self._legend = QHBoxLayout()
        self._legend.setSpacing(theme.GRID)
        top = QHBoxLayout()
        top.setContentsMargins(12, 4, theme.GRID, 0)
        top.setSpacing(theme.GRID)
        top.addWidget(self.count)
        top.addLayout(self._legend, 1)
        top.addWidget(self.back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self.toolbar)
        layout.addWidget(self.plots, 1)
        self.shown: list[Shown] = []
        self.back.clicked.connect(self.closed)
        self.plots.set_empty_text(tr("These runs have no curves yet."))

    @Slot(object)
    def show_runs(self, found: Sequence[RunCurves]) -> None:
        """Draw these runs, a colour each in the order given."""
        names = distinct([(c.path.parent.name, c.path.name) for c in found])
        self.shown = [
            Shown(c, name, theme.attribute_colour(i))
            for i, (c, name) in enumerate(zip(found, names, strict=True))
        ]
        while (item := self._legend.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for run in self.shown:
            self._legend.addWidget(_Key(run))
        self._legend.addStretch(1)
        self.count.setText(trn("{n} run", "{n} runs", len(found)))
        self.plots.show_runs(self.shown)
