"""Controls made from a table of options; what means nothing now is not shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.export_kinds import Field, Options
from introvac_studio.language import tr
from introvac_studio.widgets.texts import muted, tabular

_LABEL = 84  # pixels, so that controls of all kinds begin at the same place
Choices = Mapping[str, Mapping[str, str]]  # of the lists that depend on what is open


class OptionsForm(QWidget):
    """One row an option.

    Signals:
        changed(key): an option was changed by the user.
    """

    changed = Signal(str)

    def __init__(self, fields: tuple[Field, ...], choices: Choices, values: Options) -> None:
        super().__init__()
        self._fields = fields
        self.controls: dict[str, QWidget] = {}
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setHorizontalSpacing(2 * theme.GRID)
        self._form.setVerticalSpacing(theme.GRID)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for field in fields:
            control = self._make(field, choices)
            control.setToolTip(tr(field.tip))
            control.setAccessibleName(tr(field.label))
            if field.control != "switch":
                control.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self.controls[field.key] = control
            label = muted("" if field.control == "switch" else tr(field.label))
            label.setBuddy(control)
            label.setMinimumWidth(_LABEL)
            self._form.addRow(label, control)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._form)
        column.addStretch(1)
        self.set_values(values)

    def _make(self, field: Field, choices: Choices) -> QWidget:
        key = field.key
        if field.control == "choice":
            box = QComboBox()
            box.setMinimumContentsLength(10)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            given = choices.get(field.choices, {}) if isinstance(field.choices, str) else field.choices
            for value, title in given.items():
                box.addItem(title if isinstance(field.choices, str) else tr(title), value)
            box.currentIndexChanged.connect(self._changed)
            box.setProperty("key", key)
            return box
        if field.control == "whole":
            whole = QSpinBox()
            whole.setRange(int(field.low), int(field.high))
            whole.setSuffix(tr(field.suffix))
            whole.setFont(tabular(whole.font()))
            whole.valueChanged.connect(self._changed)
            whole.setProperty("key", key)
            return whole
        if field.control == "number":
            number = QDoubleSpinBox()
            number.setRange(field.low, field.high)
            number.setDecimals(2)
            number.setSingleStep(0.5)
            number.setSuffix(tr(field.suffix))
            number.setFont(tabular(number.font()))
            number.valueChanged.connect(self._changed)
            number.setProperty("key", key)
            return number
        if field.control == "switch":
            switch = QCheckBox(tr(field.label))
            switch.toggled.connect(self._changed)
            switch.setProperty("key", key)
            return switch
        line = QLineEdit()
        line.setMaxLength(200)
        line.setPlaceholderText(tr("none"))
        line.textChanged.connect(self._changed)
        line.setProperty("key", key)
        return line

    @Slot()
    def _changed(self) -> None:
        self._show_what_matters()
        sender = self.sender()
        self.changed.emit(str(sender.property("key")) if sender is not None else "")

    def _show_what_matters(self) -> None:
        values = self.values()
        for field in self._fields:
            self._form.setRowVisible(self.controls[field.key], field.shown(values))

    def values(self) -> dict[str, Any]:
        """The options as they are now; a list with nothing in it gives an empty text."""
        found: dict[str, Any] = {}
        for key, control in self.controls.items():
            if isinstance(control, QComboBox):
                found[key] = control.currentData() or ""
            elif isinstance(control, QSpinBox | QDoubleSpinBox):
                found[key] = control.value()
            elif isinstance(control, QCheckBox):
                found[key] = control.isChecked()
            elif isinstance(control, QLineEdit):
                found[key] = control.text()
        return found

    def set_values(self, values: Options) -> None:
        """Take options, without `changed`; those that a list does not have leave it as it is."""
        for key, control in self.controls.items():
            value = values.get(key)
            with QSignalBlocker(control):
                if isinstance(control, QComboBox):
                    row = control.findData(value, Qt.ItemDataRole.UserRole)
                    if row >= 0:
                        control.setCurrentIndex(row)
                elif isinstance(control, QSpinBox) and value is not None:
                    control.setValue(int(value))
                elif isinstance(control, QDoubleSpinBox) and value is not None:
                    control.setValue(float(value))
                elif isinstance(control, QCheckBox) and value is not None:
                    control.setChecked(bool(value))
                elif isinstance(control, QLineEdit) and value is not None:
                    control.setText(str(value))
        self._show_what_matters()
