"""What edits do to other attributes, of one model or of two below each other."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.evaluation_figures import number
from introvac_studio.evaluation_results import Heat
from introvac_studio.language import mark, tr
from introvac_studio.widgets import heat_map
from introvac_studio.widgets.heat_map import HeatMap
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import muted

_LEGEND = mark(
    "A row is an edit, a column what it does to another attribute, as the judge sees it. A dashed "
    "border marks what the true edit changes too: a shaved beard is no beard any more. Best is 0 elsewhere."
)
_ABSENT = mark("Leakage was not measured; it needs edits and a judge that knows other attributes.")


def scrolled(widget: QWidget) -> QScrollArea:
    """A page that scrolls where it does not fit."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(widget)
    return area


class LeakagePage(QWidget):
    """A heat map a model, and what its colours show."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = Segmented(heat_map.KINDS, tr("what the colours show"))
        self.heats = (HeatMap(tr("leakage of the first model")), HeatMap(tr("leakage of the second model")))
        self._names = (QLabel(), QLabel())
        self._absent = muted(tr(_ABSENT), wrap=True)
        self._found: tuple[tuple[str, Heat | None], ...] = ()
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.GRID)
        for k, (name, heat) in enumerate(zip(self._names, self.heats, strict=True)):
            name.setWordWrap(True)
            name.setTextFormat(Qt.TextFormat.PlainText)
            grid.addWidget(name, 2 * k, 0)
            grid.addWidget(heat, 2 * k + 1, 0)
        grid.setRowStretch(4, 1)
        grid.setColumnStretch(1, 1)
        self._legend = muted(tr(_LEGEND), wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        top = QHBoxLayout()
        top.setSpacing(2 * theme.GRID)
        top.addWidget(self._legend, 1)
        top.addWidget(self.kind, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(top)
        layout.addWidget(self._absent)
        layout.addWidget(scrolled(inner), 1)
        self.kind.changed.connect(self._draw)

    def show_heats(self, labels: Sequence[str], heats: Sequence[Heat | None]) -> None:
        """Show those of the models."""
        self._found = tuple(zip(labels, heats, strict=True))
        there = any(heats)
        self._absent.setVisible(not there)
        self._legend.setVisible(there)
        self.kind.setVisible(there)
        self._draw()

    @Slot()
    def _draw(self) -> None:
        for k, (name, view) in enumerate(zip(self._names, self.heats, strict=True)):
            label, heat = self._found[k] if k < len(self._found) else ("", None)
            view.show_heat(heat, self.kind.value)
            view.setVisible(heat is not None)
            name.setVisible(heat is not None)
            if heat is not None:
                told = [label]
                if heat.mean is not None:
                    told.append(tr("mean leakage {share}", share=number(heat.mean, True)))
                name.setText("  ·  ".join(told))
