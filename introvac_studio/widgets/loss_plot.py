"""Loss curves: a grid of linked plots that learns its curves from the events of a run.

`LossPlots.append(events)` takes any events (others than the known ones are ignored) and draws them in
rounds, a plot a turn; `clear()` forgets all. Zoom with wheel or drag; double-click or the A key shows
everything again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QStackedLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.loss_data import Curve, Unit
from introvac_studio.widgets.loss_graph import LossGraph
from introvac_studio.widgets.loss_groups import Group, adopt, entitle, standard
from trainer import events
from trainer.run_summary import images_per_step

TURN_MS = 25  # between two plots that are drawn for new points
REST_MS = 300  # between two rounds of that

_Rows = dict[str, list[tuple[float, float, float, float]]]  # step, epoch, images and value by curve


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

    NAMES = True  # whether the header of a plot names its curves

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Loss curves"))
        self._weight, self._log, self._unit = 0.6, False, Unit.STEPS
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
        self._plots: dict[str, LossGraph] = {}
        self._dirty = False
        self._due: list[str] = []  # plots that are still to be drawn in this round
        self._behind = False  # whether there is to be another round
        self._turn = QTimer(self)  # begun anew after each turn, so that others come in between
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._draw_next)
        self.clear()

    # -- data -----------------------------------------------------------------------------

    @Slot()
    def clear(self) -> None:
        """Forget all curves."""
        self.curves: dict[str, Curve] = {}
        self.groups = standard()
        self._steps_per_epoch = self._images_per_step = 0
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
        pending: _Rows = {}
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

    def _collect(self, pending: _Rows, prefix: str, event: events.Event, values: dict[str, float]) -> None:
        epoch = event.step / self._steps_per_epoch if self._steps_per_epoch else float(event.epoch)
        images = event.step * max(self._images_per_step, 1)
        for name, value in values.items():
            pending.setdefault(prefix + name, []).append((event.step, epoch, images, value))

    def _store(self, pending: _Rows) -> None:
        for key, rows in pending.items():
            if key not in self.curves:
                self.curves[key] = Curve()
                self.curves[key].set_weight(0.0 if key.startswith("valid:") else self._weight)
                adopt(self.groups, key)
            self.curves[key].append(*np.array(rows, float).T)

    def _start(self, event: events.RunStarted) -> None:
        self._steps_per_epoch = event.steps_per_epoch
        self._images_per_step = images_per_step(event.config, event.train_images)
        self._game_step = event.game_from_step
        entitle(self.groups, event.config)
        for group in self.groups:
            if group.key in self._plots:
                self._plots[group.key].set_title(group.title)

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

    @Slot(object)
    def set_unit(self, unit: Unit) -> None:
        """What the horizontal axis counts."""
        self._unit = unit
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

    def _unseen(self) -> bool:
        """Whether nobody can look: drawing waits for `showEvent`, also of a restored window."""
        return not self.isVisible() or self.window().isMinimized()

    def refresh(self) -> None:
        """Draw now, or when shown."""
        if self._unseen():
            self._dirty = True
            return
        self._dirty = self._behind = False
        self._due = []
        self._place()
        for key in self._placed:
            self._draw(key)

    def _refresh_in_turn(self) -> None:
        """Make and draw each plot in a frame of its own: a mouse move in between waits for one at most."""
        if self._unseen():
            self._dirty = True
            return
        self._behind = True
        if not self._turn.isActive():
            self._turn.start(TURN_MS)

    @Slot()
    def _draw_next(self) -> None:
        if not self._due:
            if not self._behind:
                return
            new = next((g for g in self.available() if g.shown and g.key not in self._plots), None)
            if new is not None:
                self._make(new)
                self._turn.start(TURN_MS)
                return
            self._place()
            self._due, self._behind = list(self._placed), False
        if self._due:
            self._catch_up(self._due.pop(0))
        self._turn.start(TURN_MS if self._due else REST_MS)

    def _catch_up(self, key: str) -> None:
        """Draw what would be seen; points within the last pixel are read out, and drawn in a later round."""
        plot = self._plots[key]
        lag = plot.lag(self.curves, self._unit, self._x_range or self._whole())
        if lag >= 1:
            self._draw(key)
        else:
            plot.read(self.curves, self._unit, self._cursor)
            self._behind |= lag > 0

    def _draw(self, key: str) -> None:
        plot = self._plots[key]
        x_range = self._x_range or self._whole()
        game = self._game_x()
        game = game if game is not None and x_range[0] <= game <= x_range[1] else None
        plot.draw(self.curves, self._unit, self._log, x_range, game, self._weight > 0)
        plot.read(self.curves, self._unit, self._cursor)

    def _whole(self) -> tuple[float, float]:
        ends = [float(c.along(self._unit)[-1]) for c in self.curves.values() if len(c)]
        last = max(ends, default=1.0) or 1.0
        if not last <= self._x_end <= 1.1 * last:
            self._x_end = 1.05 * last  # ahead of the data, so that it is not moved at each point
        return -0.01 * self._x_end, self._x_end

    def _game_x(self) -> float | None:
        if self._game_step is None:
            return None
        if self._unit is Unit.EPOCHS:
            return self._game_step / max(self._steps_per_epoch, 1)
        return self._game_step * (max(self._images_per_step, 1) if self._unit is Unit.IMAGES else 1)

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
        plot = LossGraph(group, self.NAMES)
        plot.moved.connect(self._on_moved)
        plot.ranged.connect(self._on_ranged)
        plot.reset.connect(self.reset_view)
        self._plots[group.key] = plot

    def _columns(self, count: int) -> int:
        """As square as the room allows, with no plot narrower than it can be read."""
        fitting = max(1, self.width() // 240)
        best = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(count, 4 if self.width() > 1000 else 3)
        return max(1, min(best, fitting))

    def plots(self) -> list[LossGraph]:
        """The plots on show, in order."""
        return [self._plots[key] for key in self._placed]

    @Slot(object)
    def _on_moved(self, x: float | None) -> None:
        self._cursor = x
        for plot in self.plots():
            plot.read(self.curves, self._unit, x)
        self.cursorMoved.emit("" if x is None else self._place_text(x))

    def _place_text(self, x: float) -> str:
        if self._unit is Unit.EPOCHS:
            return tr("epoch {epoch}", epoch=f"{x:,.2f}")
        whole = f"{max(x, 0):,.0f}"
        return tr("{n} images seen", n=whole) if self._unit is Unit.IMAGES else tr("step {step}", step=whole)

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
