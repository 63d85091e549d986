"""A table of an evaluation with what there is to say above it, and below it how a number was measured."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.evaluation_figures import Table
from introvac_studio.language import mark, tr
from introvac_studio.widgets.metric_table import MetricTable
from introvac_studio.widgets.texts import muted

_HOW = mark("Choose a number to see how it was measured.")


class _Detail(QLabel):
    """How the chosen number was measured."""

    def __init__(self) -> None:
        super().__init__(tr(_HOW))
        self.setObjectName("muted")
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    @Slot(str)
    def tell(self, text: str) -> None:
        self.setText(text or tr(_HOW))


class TablePage(QWidget):
    """A note, a table, and a detail; `below` takes what room is left."""

    def __init__(self, name: str, below: QWidget | None = None) -> None:
        super().__init__()
        self.note, self.table, self.detail = muted(wrap=True), MetricTable(name), _Detail()
        self.table.chosen.connect(self.detail.tell)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        for widget in (self.note, self.table, self.detail):
            layout.addWidget(widget)
        if below is not None:
            layout.addWidget(below, 1)
        layout.addStretch(0 if below is not None else 1)

    def show_table(self, table: Table, labels: Sequence[str], absent: str, note: str = "") -> None:
        """Show it with a note, or say that it is `absent`."""
        there = bool(table.rows)
        self.table.show_table(table, labels)
        self.table.setVisible(there)
        self.detail.setVisible(there)
        self.note.setText(note if there else absent)
        self.note.setVisible(bool(self.note.text()))
