"""How late the window's thread comes to what is due, while a run trains and its curves are on screen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Slot

from bench.feel_parts.desk import Desk, Stream
from bench.feel_parts.drag import Dragger
from bench.feel_parts.rows import Row, percentile

EVERY = 0.002  # seconds


class Fine(QObject):
    """A chain of precise timers; `late` holds by how much each was late, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_due)

    def start(self) -> None:
        self._due = time.perf_counter() + EVERY
        self._timer.start(round(1000 * EVERY))

    def stop(self) -> None:
        self._timer.stop()

    @Slot()
    def _on_due(self) -> None:
        now = time.perf_counter()
        self.late.append(max(now - self._due, 0.0))
        self._due = now + EVERY
        self._timer.start(round(1000 * EVERY))


def measure(folder: Path, seconds: float) -> tuple[list[Row], dict[str, Any]]:
    """Rows for a window that is looked at, one in which the user drags, and one without a run."""
    desk = Desk(folder)
    rows, raw = [], {}

    def watch(name: str, seconds: float, wanted: bool) -> None:
        fine = Fine()
        fine.start()
        desk.live(seconds)
        fine.stop()
        late = [1000 * x for x in fine.late]
        raw[name] = {"count": len(late), "worst": sorted(late)[-20:]}
        for what, value, bound in (("p99", percentile(late, 99), 5.0), ("largest", max(late), 50.0)):
            note = f"{len(late):,} in {seconds:.0f} s"
            limit = bound if wanted else None
            rows.append(Row("lateness", f"event loop late, {name}, {what}", value, "ms", limit, note=note))

    desk.live(3)
    watch("no run", 10, False)
    desk.window.show_workspace("train")
    desk.train()
    stream = Stream(desk)
    desk.live(2)
    drawn = [max(points) for plot in stream.plots.plots() for points in plot.shown_points().values()]
    raw["points drawn a curve"] = drawn
    watch("training, plots on screen", seconds, True)
    desk.window.show_workspace("edit")
    beside = Beside(stream)
    desk.live(1)
    dragger = Dragger(desk)
    dragger.start()
    watch("training, plots beside, dragging", seconds, True)
    dragger.stop()
    beside.close()
    desk.stop()
    desk.close()
    return rows, raw


class Beside:
    """A second window with the same curves, drawn 20 times a second, so that a drag happens beside them."""

    def __init__(self, stream: Stream) -> None:
        from introvac_studio.widgets.loss_plot import LossPlots

        self.plots = LossPlots()
        self.plots.resize(700, 500)
        self.plots.curves = stream.plots.curves
        self.plots.show()
        self._timer = QTimer(self.plots)
        self._timer.timeout.connect(self.plots._refresh_in_turn)  # as when points come
        self._timer.start(50)

    def close(self) -> None:
        self._timer.stop()
        self.plots.close()
        self.plots.deleteLater()
