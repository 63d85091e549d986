"""Asks for several labels at once, and how far to walk toward them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.popover import Popover
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import muted, tabular
from introvac_studio.widgets.until_popover import WITH, WITHOUT

ANY = mark("any")


class WantsPopover(Popover):
    """The question.

    Signals:
        asked: attribute -> whether it is wanted, for those that are not left open, and the distance.
    """

    asked = Signal(object, float)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, tr("Towards what is wanted"))
        self.fields: dict[str, Segmented] = {}
        self.distance = QDoubleSpinBox()
        self.distance.setDecimals(2)
        self.distance.setSingleStep(0.25)
        self.distance.setFont(tabular(self.distance.font()))
        self.distance.setAccessibleName(tr("how far to walk"))
        self.distance.setToolTip(tr("Length of the walk, in standard deviations of the prior, as δ is"))
        self.go = QPushButton(tr("Walk"))
        self.go.setObjectName("primary")
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        last = QHBoxLayout()
        last.addWidget(QLabel(tr("Distance")))
        last.addWidget(self.distance, 1)
        self.column.addWidget(
            muted(
                tr(
                    "Climbs the gradient of log p(wanted labels): each pulls by\n"
                    "as much as it is in doubt. Kept attributes stay."
                )
            )
        )
        self.column.addWidget(self._scroll)
        self.column.addLayout(last)
        self.column.addWidget(self.go)
        self.go.clicked.connect(self._ask)
        self.distance.lineEdit().returnPressed.connect(self._ask)

    def ask(
        self, names: Sequence[str], kept: Container[str], delta: float, limit: float, button: QWidget
    ) -> None:
        """Open for these attributes; kept ones cannot be wanted. What was chosen before stays chosen."""
        before = {name: field.value for name, field in self.fields.items()}
        if not self.fields:
            self.distance.setValue(delta)
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(theme.GRID + theme.GRID // 2)
        self.fields = {}
        for row, name in enumerate(names):
            field = Segmented((ANY, WITH, WITHOUT), name)
            field.set_value(ANY if name in kept else before.get(name, ANY))
            field.setEnabled(name not in kept)
            field.changed.connect(self._changed)
            label = QLabel(name)
            label.setTextFormat(Qt.TextFormat.PlainText)
            grid.addWidget(label, row, 0)
            grid.addWidget(field, row, 1)
            self.fields[name] = field
        self._scroll.setWidget(table)
        size = table.sizeHint()
        self._scroll.setMinimumWidth(size.width() + 12)
        self._scroll.setFixedHeight(min(size.height(), 360))
        value = min(self.distance.value() or delta, limit)
        self.distance.setRange(0.0, limit)
        self.distance.setValue(value)
        self._changed()
        self.open_at(button)
        next((f for f in self.fields.values() if f.isEnabled()), self.distance).setFocus()

    @property
    def wants(self) -> dict[str, bool]:
        """What is not left open."""
        return {name: f.value == WITH for name, f in self.fields.items() if f.value != ANY}

    @Slot()
    def _changed(self) -> None:
        self.go.setEnabled(bool(self.wants))

    @Slot()
    def _ask(self) -> None:
        if self.wants:
            self.distance.interpretText()
            self.close()
            self.asked.emit(self.wants, self.distance.value())
