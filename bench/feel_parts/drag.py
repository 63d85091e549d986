"""From a mouse move on the edited face to the painted frame that answers it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPointF, Qt, QTimer, Slot
from PySide6.QtGui import QMouseEvent, QPaintEvent

from bench.feel_parts.desk import Desk, Stream
from bench.feel_parts.rows import Row, percentile
from introvac_studio.widgets.image_view import ImageView

HZ = 60  # mouse moves a second: Qt hands over one for each frame of a display


_listeners: list[Callable[[ImageView], None]] = []
_paint = ImageView.paintEvent


def _paint_and_tell(self: ImageView, event: QPaintEvent) -> None:
    _paint(self, event)
    for listener in _listeners:
        listener(self)


ImageView.paintEvent = _paint_and_tell  # type: ignore[method-assign]  # before a view is made, or Qt takes no heed


class Dragger(QObject):
    """Drags the edited face in circles; `latencies` are seconds for each move, also for one that a later
    frame answers. A drag lasts two seconds; then the button is released, and soon another begins."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._editor, self._state = desk.studio.editor, desk.studio.state
        self._view = self._editor.edited
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(1000 / HZ))
        self._timer.timeout.connect(self._on_tick)
        self._tick = 0
        self._handling: float | None = None  # when the move at hand was posted
        self._open: list[tuple[int, float]] = []  # revision of each unanswered move, and when it was posted
        self._posted: list[float] = []
        self.latencies: list[float] = []
        self.decodes: list[float] = []
        self._view.installEventFilter(self)
        self._state.editMoved.connect(self._on_edit)
        _listeners.append(self._on_painted)

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()
        if self._view.dragging:
            self._post(QEvent.Type.MouseButtonRelease, 0)
        self._view.removeEventFilter(self)
        _listeners.remove(self._on_painted)

    @Slot()
    def _on_tick(self) -> None:
        phase = self._tick % (2 * HZ + HZ // 4)
        if phase == 0:
            self._post(QEvent.Type.MouseButtonPress, phase)
        elif phase < 2 * HZ:
            self._post(QEvent.Type.MouseMove, phase)
        elif phase == 2 * HZ:
            self._post(QEvent.Type.MouseButtonRelease, phase)
        self._tick += 1

    def _post(self, kind: QEvent.Type, phase: int) -> None:
        turn = 2 * math.pi * phase / HZ
        at = self._view.picture_rect().center() + QPointF(60 * math.sin(turn), 40 * math.sin(2 * turn))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        held = none if kind == QEvent.Type.MouseButtonRelease else left
        place = self._view.mapToGlobal(at)
        event = QMouseEvent(kind, at, place, button, held, Qt.KeyboardModifier.NoModifier)
        if kind == QEvent.Type.MouseMove:
            self._posted.append(time.perf_counter())
        QCoreApplication.postEvent(self._view, event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseMove and self._posted:
            self._handling = self._posted.pop(0)
        return False

    @Slot()
    def _on_edit(self) -> None:
        if self._handling is not None:
            self._open.append((self._state.revision, self._handling))
            self._handling = None

    def _on_painted(self, view: ImageView) -> None:
        now, frame = time.perf_counter(), self._editor._frame
        if frame is None or view is not self._view:
            return
        while self._open and self._open[0][0] <= frame.serial:
            self.latencies.append(now - self._open.pop(0)[1])
            self.decodes.append(frame.seconds)


def measure(folder: Path, model: Path | None, name: str, seconds: float) -> tuple[list[Row], dict[str, Any]]:
    """Rows without and with a run that trains beside it."""
    desk = Desk(folder, model)
    rows, raw = [], {}

    def watch(what: str, bound: float) -> None:
        dragger = Dragger(desk)
        dragger.start()
        desk.live(seconds)
        dragger.stop()
        desk.live(0.5)
        late = [1000 * x for x in dragger.latencies]
        half, most = percentile(late, 50), max(late)
        decode = 1000 * percentile(dragger.decodes, 50)
        note = f"median {half:.1f}, largest {most:.0f} ms, decoding {decode:.1f}; {len(late)} moves"
        raw[what] = {"latencies_ms": [round(x, 2) for x in late], "decode_ms": decode}
        rows.append(
            Row("drag", f"drag to pixels, {name}, {what}, p95", percentile(late, 95), "ms", bound, note=note)
        )

    desk.live(2)
    watch("no run", 16.0)
    desk.train()
    Stream(desk)
    desk.live(2)
    watch("training", 25.0)
    desk.stop()
    desk.close()
    return rows, raw
