"""Sample grids through time: a slider over the pictures that a run wrote, cut into labelled rows.

Pixels keep whole-number sizes: several device pixels each, or several of them averaged where room lacks.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.texts import tabular
from trainer import events

_GAP = 4  # device-independent pixels between pictures
_KEPT = 16  # decoded grids in memory
_NAMES = {
    "original": mark("Original"),
    "reconstruction": mark("Reconstructed"),
    "prior": mark("From the prior"),
}


@dataclass(frozen=True)
class _Fit:
    """How a grid is laid out: cell side in device pixels, rows in a block, blocks, faces in a row."""

    side: int
    rows: int
    blocks: int
    faces: int


class _Grid(QWidget):
    """One grid, its rows in one or more blocks beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self._event: events.SamplesWritten | None = None
        self._small: tuple[int, QImage] | None = None
        self.message = tr("Sample faces appear here after the first epoch.")
        self.setMinimumSize(160, 96)

    def sizeHint(self) -> QSize:
        return QSize(640, 280)

    def show_grid(self, image: QImage | None, event: events.SamplesWritten | None) -> None:
        self._image, self._event, self._small = image, event, None
        names = ", ".join(self._label(row) for row in event.rows) if event else self.message
        self.setAccessibleName(tr("Sample grid: {names}", names=names))
        self.update()

    def _label(self, row: str) -> str:
        return tr(_NAMES.get(row, row))

    def _label_width(self, rows: tuple[str, ...]) -> int:
        metrics = self.fontMetrics()
        return max(metrics.horizontalAdvance(self._label(row)) for row in rows) + 2 * theme.GRID

    def fit(self) -> _Fit | None:
        """The largest whole-number scale at which all rows and at least half the faces fit."""
        if self._event is None or not self._event.rows:
            return None
        event, dpr = self._event, self.devicePixelRatioF()
        gap, label = _GAP * dpr, self._label_width(event.rows) * dpr
        wide, high = self.width() * dpr, self.height() * dpr
        scales = [float(k) for k in range(8, 0, -1)] + [1 / k for k in range(2, 9)]
        least = min(event.columns, max(4, event.columns // 2))
        for scale in scales:
            side = int(event.cell * scale)
            for blocks in range(1, len(event.rows) + 1):
                rows = -(-len(event.rows) // blocks)
                faces = min(int((wide / blocks - label) // (side + gap)), event.columns)
                if rows * (side + gap) <= high + gap and faces >= least:
                    return _Fit(side, rows, blocks, faces)
        return _Fit(max(int(event.cell / 8), 1), len(event.rows), 1, event.columns)

    def paintEvent(self, paint: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = theme.current()
        fit = self.fit()
        if fit is None or self._event is None or self._image is None:
            painter.setPen(QColor(colours.muted))
            font = painter.font()
            font.setPixelSize(14)
            painter.setFont(font)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(16, 8, -16, -8), flags, self.message)
            return
        image = self._scaled(fit.side)
        dpr, cell = self.devicePixelRatioF(), image.width() // self._event.columns
        side, label = fit.side / dpr, self._label_width(self._event.rows)
        step = side + _GAP
        block_width = label + fit.faces * step + theme.GRID
        for i, row in enumerate(self._event.rows):
            block, line = divmod(i, fit.rows)
            x, y = round(block * block_width), round(line * step)
            painter.setPen(QColor(colours.muted))
            place = QRect(x, y, label - theme.GRID, round(side))
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, self._label(row))
            for k in range(fit.faces):
                source = QRect(k * cell, i * cell, cell, cell)
                at = QPoint(round((x + label + k * step) * dpr), round(y * dpr))
                self._draw_face(painter, image, source, at, fit.side, dpr)

    def _draw_face(
        self, painter: QPainter, image: QImage, source: QRect, at: QPoint, side: int, dpr: float
    ) -> None:
        painter.save()
        painter.scale(1 / dpr, 1 / dpr)  # device pixels, so that scaling stays whole
        painter.drawImage(QRect(at, QSize(side, side)), image, source)
        painter.restore()

    def _scaled(self, side: int) -> QImage:
        """The grid itself, or a smaller one of `side` pixels a face."""
        assert self._image is not None and self._event is not None
        if side >= self._event.cell:
            return self._image
        if self._small is None or self._small[0] != side:
            size = QSize(side * self._event.columns, side * len(self._event.rows))
            smooth = Qt.TransformationMode.SmoothTransformation
            small = self._image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
            self._small = (side, small)
        return self._small[1]


class SamplesView(QWidget):
    """The grids of a run and a slider back through time.

    `set_run(directory)` first; then `add(SamplesWritten)` for each.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = Path()
        self._events: list[events.SamplesWritten] = []
        self._images: OrderedDict[str, QImage] = OrderedDict()
        self.grid = _Grid()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Sample grid in time"))
        self.slider.setPageStep(1)
        self.when = QLabel()
        self.when.setObjectName("muted")
        self.when.setFont(tabular(self.font(), 13))
        self.follow = QCheckBox(tr("Follow newest"))
        self.follow.setChecked(True)
        self._bar = QWidget()
        bar = QHBoxLayout(self._bar)
        bar.setContentsMargins(0, 0, 0, 0)
        bar.setSpacing(2 * theme.GRID)
        bar.addWidget(self.slider, 1)
        bar.addWidget(self.when)
        bar.addWidget(self.follow)
        self._bar.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, theme.GRID, 12, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.grid, 1)
        layout.addWidget(self._bar)
        self.slider.valueChanged.connect(self._show)
        self.slider.sliderMoved.connect(self._on_dragged)
        self.follow.toggled.connect(self._on_follow)

    @property
    def run(self) -> Path:
        return self._run

    def set_run(self, run: Path) -> None:
        """Forget the grids, and look for new ones in another run directory."""
        self._run, self._events = run, []
        self._images.clear()
        self._bar.hide()
        self.follow.setChecked(True)
        self.grid.show_grid(None, None)

    def add(self, event: events.SamplesWritten) -> None:
        """One more grid; shown if the newest is followed."""
        self._images.pop(event.path, None)  # a resumed run may write it anew
        self._events = [e for e in self._events if e.step < event.step] + [event]
        newest = len(self._events) - 1
        at = newest if self.follow.isChecked() else min(self.slider.value(), newest)
        self.slider.blockSignals(True)
        self.slider.setRange(0, newest)
        self.slider.setValue(at)
        self.slider.blockSignals(False)
        self._bar.show()
        self.slider.setEnabled(newest > 0)
        self._show(at)

    def drop_after(self, step: int) -> None:
        """A resumed run voids what came later."""
        self._events = [e for e in self._events if e.step <= step]
        if self._events:
            self.add(self._events[-1])
        else:
            self.set_run(self._run)

    def shown(self) -> events.SamplesWritten | None:
        """The grid on show."""
        index = self.slider.value()
        return self._events[index] if index < len(self._events) else None

    @Slot(int)
    def _show(self, index: int) -> None:
        if index >= len(self._events):
            return
        event = self._events[index]
        image = self._image(event)
        if image.isNull():
            self.grid.message = tr("{path} cannot be read.", path=self._run / event.path)
            self.grid.show_grid(None, None)
        else:
            self.grid.show_grid(image, event)
        self.when.setText(
            tr(
                "step {step}  ({place} of {count})",
                step=f"{event.step:,}",
                place=index + 1,
                count=len(self._events),
            )
        )

    def _image(self, event: events.SamplesWritten) -> QImage:
        if event.path not in self._images:
            image = QImage(str(self._run / event.path))
            whole = QSize(event.cell * event.columns, event.cell * len(event.rows))
            self._images[event.path] = image if image.size() == whole else QImage()
            while len(self._images) > _KEPT:
                self._images.popitem(last=False)
        return self._images[event.path]

    @Slot(int)
    def _on_dragged(self, index: int) -> None:
        self.follow.setChecked(index == self.slider.maximum())

    @Slot(bool)
    def _on_follow(self, on: bool) -> None:
        if on:
            self.slider.setValue(self.slider.maximum())
