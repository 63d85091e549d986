"""Asks until when an attribute is to be moved: which label, how sure, and judged on what."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.popover import Popover
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import muted, tabular

WITH, WITHOUT = mark("with"), mark("without")
CODE, PICTURE = mark("code"), mark("picture")


class UntilPopover(Popover):
    """The question.

    Signals:
        asked: attribute, whether it is wanted, the probability, and whether the picture is judged.
    """

    asked = Signal(str, bool, float, bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "")
        self.attribute = ""
        self.label = Segmented((WITH, WITHOUT), tr("label to reach"))
        self.p = QDoubleSpinBox()
        self.p.setRange(0.5, 0.999)
        self.p.setDecimals(3)
        self.p.setSingleStep(0.01)
        self.p.setValue(0.95)
        self.p.setFont(tabular(self.p.font()))
        self.p.setAccessibleName(tr("probability to reach"))
        self.p.setToolTip(tr("How sure the classifier is to be"))
        self.on = Segmented((CODE, PICTURE), tr("judged on"))
        self.on.setToolTip(
            tr("code: exact and at once; picture: what the classifier says of the drawn picture, by search")
        )
        self.go = QPushButton(tr("Go until it holds"))
        self.go.setObjectName("primary")
        self.go.setDefault(True)
        table = QGridLayout()
        table.setHorizontalSpacing(theme.GRID + theme.GRID // 2)
        table.setVerticalSpacing(theme.GRID)
        for row, (text, field) in enumerate(
            ((tr("Label"), self.label), (tr("Probability"), self.p), (tr("Judged on"), self.on))
        ):
            table.addWidget(QLabel(text), row, 0)
            table.addWidget(field, row, 1)
        table.setColumnStretch(1, 1)
        self.column.addLayout(table)
        self.column.addWidget(muted(tr("Goes from δ 0 as far as the slider reaches; one step to undo.")))
        self.column.addWidget(self.go)
        self.go.clicked.connect(self._ask)
        self.p.lineEdit().returnPressed.connect(self._ask)

    def ask(self, attribute: str, wanted: bool, button: QWidget) -> None:
        """Open for an attribute at its button."""
        self.attribute = attribute
        self.title.setText(tr("Until it holds: {attribute}", attribute=attribute))
        self.setAccessibleName(tr("until {attribute} holds", attribute=attribute))
        self.label.set_value(WITH if wanted else WITHOUT)
        self.open_at(button)
        self.p.setFocus()
        self.p.selectAll()

    @Slot()
    def _ask(self) -> None:
        self.p.interpretText()
        self.close()
        self.asked.emit(self.attribute, self.label.value == WITH, self.p.value(), self.on.value == PICTURE)
