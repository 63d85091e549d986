"""A form for every setting of a run, made from the settings' own descriptions.

It holds only what differs from the preset (`values()`, in the words of `--set`); settings that follow others
(widths follow the image size, the crop follows the data) follow here too, until they are set themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import Field
from typing import Any

from PySide6.QtCore import QEvent, QLocale, QObject, QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.catalogue import name_of
from introvac_studio.language import mark, tr
from introvac_studio.widgets.form_area import form_area
from trainer import config, setup
from trainer.errors import ConfigError

TITLES = {
    "model": mark("Model"),
    "loss": mark("Loss"),
    "game": mark("Adversarial game"),
    "optim": mark("Optimisation"),
    "data": mark("Data"),
    "loop": mark("Run"),
}
NAMES = {
    "beta_ae": mark("Weight of reconstruction"),
    "beta_cl": mark("Weight of classification"),
    "beta_reg": mark("Weight of KL"),
    "beta_g": mark("Weight of the decoder's game"),
    "beta_ec": mark("Weight of the encoder's game"),
    "bce_reduction": mark("BCE reduction"),
    "latent_dim": mark("Latent dimensions"),
    "enabled": mark("Play the game"),
    "warmup_epochs": mark("Warm-up epochs"),
    "lr_milestones": mark("Decay at epochs"),
    "lr_factor": mark("Decay factor"),
    "norm": mark("Normalisation"),
    "threads": mark("CPU threads"),
    "log_every": mark("Log every … steps"),
    "max_steps": mark("Most steps"),
    "samples_every": mark("Samples every … epochs"),
    "keep_every": mark("Keep every … epochs"),
    "best_by": mark("Best model by"),
    "valid_images": mark("Validation images"),
    "edit_delta": mark("Edit distance δ"),
    "flip": mark("Mirror at random"),
}
_SPECIAL = {"threads": mark("all cores"), "max_steps": mark("whole schedule"), "keep_every": mark("none")}
_MOST = 2**31 - 1

Editor = QComboBox | QCheckBox | QSpinBox | QDoubleSpinBox | QLineEdit


def as_text(value: Any) -> str:
    """A value in the words of `--set`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


class _Number(QDoubleSpinBox):
    """Real numbers over many magnitudes: shown short, typed as one likes (2e-4), stepped by their digits."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setDecimals(12)
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        return as_text(float(value))

    def valueFromText(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return self.value()

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        state = QValidator.State.Intermediate
        try:
            if self.minimum() <= float(text) <= self.maximum():
                state = QValidator.State.Acceptable
        except ValueError:
            if any(c not in "0123456789.eE+- " for c in text):
                state = QValidator.State.Invalid
        return state, text, position


def _editor(setting: Field[Any]) -> Editor:
    low, high = setting.metadata.get("low"), setting.metadata.get("high")
    choices, default = setting.metadata.get("choices"), setting.default
    if choices:
        combo = QComboBox()
        combo.addItems([as_text(c) for c in choices])
        return combo
    if isinstance(default, bool):
        return QCheckBox(tr("on"))
    if isinstance(default, int):
        whole = QSpinBox()
        whole.setRange(int(low if low is not None else -_MOST), int(high if high is not None else _MOST))
        whole.setSpecialValueText(tr(_SPECIAL.get(setting.name, "")))
        whole.setGroupSeparatorShown(True)
        return whole
    if isinstance(default, float):
        real = _Number()
        real.setRange(low if low is not None else -1e9, high if high is not None else 1e9)
        return real
    return QLineEdit()


def read(editor: Editor) -> str:
    """What an editor says, in the words of `--set`."""
    if isinstance(editor, QComboBox):
        return editor.currentText()
    if isinstance(editor, QCheckBox):
        return as_text(editor.isChecked())
    if isinstance(editor, QSpinBox | QDoubleSpinBox):
        return as_text(editor.value())
    return editor.text().strip()


def write(editor: Editor, text: str) -> None:
    """Show a value, without a signal; a text under the cursor is left alone when it says the same."""
    if read(editor) == text:
        return
    blocker = QSignalBlocker(editor)
    if isinstance(editor, QComboBox):
        editor.setCurrentText(text)
    elif isinstance(editor, QCheckBox):
        editor.setChecked(text == "true")
    elif isinstance(editor, QLineEdit):
        editor.setText(text)
    else:
        with suppress(ValueError):  # not a number: the row's error says so
            if isinstance(editor, QSpinBox):
                editor.setValue(int(text))
            else:
                editor.setValue(float(text))
    blocker.unblock()


class _Row(QObject):
    """One setting: name, editor, a button back to the preset, and a line for its error."""

    edited = Signal(str)
    reverted = Signal(str)

    def __init__(self, setting: Field[Any], parent: QObject) -> None:
        super().__init__(parent)
        self.name, self.advanced = setting.name, bool(setting.metadata.get("advanced"))
        self.label = QLabel(tr(NAMES.get(setting.name) or name_of(setting.name)))
        self.editor = _editor(setting)
        help_text = str(setting.metadata.get("help", ""))
        help_text = tr(help_text)
        tip = f"{help_text[:1].upper()}{help_text[1:]}\n--set {setting.name}=…"
        for widget in (self.label, self.editor):
            widget.setToolTip(tip)
        self.editor.setAccessibleName(self.label.text())
        self.editor.setAccessibleDescription(help_text)
        self.label.setBuddy(self.editor)
        self.revert = QToolButton()
        self.revert.setText("↺")
        self.revert.setAutoRaise(True)
        self.error = QLabel()
        self.error.setWordWrap(True)
        self.error.hide()
        self.revert.hide()
        self.revert.clicked.connect(self._on_revert)
        if isinstance(self.editor, QComboBox):
            self.editor.currentTextChanged.connect(self._on_edit)
        elif isinstance(self.editor, QCheckBox):
            self.editor.toggled.connect(self._on_edit)
        elif isinstance(self.editor, QLineEdit):
            self.editor.textChanged.connect(self._on_edit)
        else:
            self.editor.valueChanged.connect(self._on_edit)

    @property
    def widgets(self) -> tuple[QWidget, ...]:
        return (self.label, self.editor, self.revert, self.error)

    @Slot()
    def _on_edit(self) -> None:
        self.edited.emit(self.name)

    @Slot()
    def _on_revert(self) -> None:
        self.reverted.emit(self.name)

    def mark(self, changed: bool, preset_text: str, error: str) -> None:
        font = self.label.font()
        font.setBold(changed)
        self.label.setFont(font)
        self.revert.setVisible(changed and not self.editor.isHidden())
        self.revert.setToolTip(tr("Back to the preset: {value}", value=preset_text or tr("empty")))
        self.revert.setAccessibleName(tr("Reset {name}", name=self.label.text()))
        self.error.setText(error)
        self.error.setStyleSheet(f"color: {theme.current().bad}")
        self.error.setVisible(bool(error) and not self.editor.isHidden())


class ConfigForm(QWidget):
    """All settings of a preset, with what was changed.

    Args:
        exclude: settings that are chosen elsewhere.

    Signals:
        changed: a value or the preset differs.
        validChanged(bool): whether a run could start with these.
    """

    changed = Signal()
    validChanged = Signal(bool)

    def __init__(self, exclude: tuple[str, ...] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preset = "introvac"
        self._context: dict[str, Any] = {"data": None, "attributes": None}
        self._values: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self._was_valid = True
        self._followed: dict[str, str] = {}
        self._unfolded: set[str] = set()
        self._rows: dict[str, _Row] = {}
        self._headings: list[tuple[QLabel, list[str]]] = []
        self.everything = QCheckBox(tr("Show advanced settings too"))
        self.everything.toggled.connect(self._fold)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Find a setting, such as learning rate or beta_g"))
        self.search.setAccessibleName(tr("Find a setting"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._on_search)
        body = QWidget()
        self._layout = QGridLayout(body)
        self._layout.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, theme.GRID)
        self._layout.setHorizontalSpacing(2 * theme.GRID)
        self._layout.setVerticalSpacing(6)
        self._layout.setColumnStretch(1, 1)
        self._layout.setColumnMinimumWidth(2, 28)  # so that nothing jumps when a revert button comes
        self._fill(exclude)
        area = form_area(body, framed=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.search)
        layout.addWidget(area, 1)
        foot = QVBoxLayout()
        foot.setContentsMargins(2 * theme.GRID, 0, 2 * theme.GRID, 0)
        foot.addWidget(self.everything)
        layout.addLayout(foot)
        self._fold(False)
        self._update()

    def _fill(self, exclude: tuple[str, ...]) -> None:
        line, last = 0, ""
        for section, setting in config.settings():
            if setting.name in exclude:
                continue
            if section != last:
                heading = QLabel(tr(TITLES.get(section, section)))
                heading.setObjectName("heading")
                heading.setContentsMargins(0, theme.GRID, 0, 0)
                self._layout.addWidget(heading, line, 0, 1, 3)
                self._headings.append((heading, []))
                line, last = line + 1, section
            self._headings[-1][1].append(setting.name)
            row = _Row(setting, self)
            row.edited.connect(self._on_edited)
            row.reverted.connect(self.reset)
            row.editor.installEventFilter(self)
            row.editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self._layout.addWidget(row.label, line, 0)
            self._layout.addWidget(row.editor, line, 1)
            self._layout.addWidget(row.revert, line, 2)
            self._layout.addWidget(row.error, line + 1, 1, 1, 2)
            self._rows[setting.name] = row
            line += 2
        self._layout.setRowStretch(line, 1)

    # -- values ---------------------------------------------------------------------------

    def values(self) -> dict[str, str]:
        """What differs from the preset: setting to text, as `--set` takes it."""
        return dict(self._values)

    def value(self, name: str) -> str:
        """What a setting is now, changed or not."""
        return self._values.get(name, self._followed.get(name, ""))

    @property
    def preset(self) -> str:
        return self._preset

    @property
    def valid(self) -> bool:
        return not self.errors

    @Slot(str)
    def set_preset(self, name: str) -> None:
        """Start from another preset; what was changed by hand stays changed."""
        self._preset = name
        self._update()

    def set_context(self, data: str | None, attributes: tuple[str, ...] | None) -> None:
        """The data and attributes that a run would have: some settings follow them."""
        self._context = {"data": data, "attributes": attributes}
        self._update()

    def set_value(self, name: str, text: str) -> None:
        """Change one setting."""
        self._values[name] = text
        self._update()

    def set_values(self, values: Mapping[str, str]) -> None:
        """Replace all changes."""
        self._values = {k: v for k, v in values.items() if k in self._rows}
        self._update()

    @Slot(str)
    def reset(self, name: str) -> None:
        """Back to the preset's value."""
        self._values.pop(name, None)
        self._update()

    @Slot()
    def reset_all(self) -> None:
        self._values.clear()
        self._update()

    @Slot(str)
    def _on_edited(self, name: str) -> None:
        self.set_value(name, read(self._rows[name].editor))

    # -- checks ---------------------------------------------------------------------------

    def _resolve(self, values: Mapping[str, str]) -> config.TrainConfig:
        return setup.resolve(self._preset, **self._context, values=values)

    def _texts(self, resolved: config.TrainConfig) -> dict[str, str]:
        return {
            setting.name: as_text(getattr(getattr(resolved, section), setting.name))
            for section, setting in config.settings()
        }

    def _check(self) -> config.TrainConfig | None:
        """Errors by setting; "" is for those of none. The config of those that are good."""
        self.errors = {}
        good: dict[str, str] = {}
        for name, text in self._values.items():
            try:
                self._resolve({name: text})
                good[name] = text
            except ConfigError as error:
                self.errors[name] = str(error)
        try:
            return self._resolve(good)
        except ConfigError as error:
            owner = str(error).replace(":", " ").split(" ", 1)[0]
            self.errors.setdefault(owner if owner in self._rows else "", str(error))
            return None

    def _update(self) -> None:
        try:
            base = self._texts(self._resolve({}))
        except ConfigError as error:
            base = self._texts(config.preset(self._preset))
            self.errors = {"": str(error)}
        self._values = {k: v for k, v in self._values.items() if v != base.get(k)}
        resolved = self._check()
        self._followed = base if resolved is None else self._texts(resolved)
        for name, row in self._rows.items():
            write(row.editor, self._values.get(name, self._followed[name]))
            row.mark(name in self._values, base[name], self.errors.get(name, ""))
        changed_advanced = {name for name in self._values if self._rows[name].advanced}
        if changed_advanced != self._unfolded:
            self._unfolded = changed_advanced
            self._fold(self.everything.isChecked())
        self.changed.emit()
        if self._was_valid != self.valid:
            self._was_valid = self.valid
            self.validChanged.emit(self.valid)

    # -- looks ----------------------------------------------------------------------------

    @Slot(bool)
    def _fold(self, everything: bool) -> None:
        words = self.search.text().casefold().split()
        for row in self._rows.values():
            show = everything or not row.advanced or row.name in self._values
            if words:
                about = f"{row.name} {row.label.text()} {row.label.toolTip()}".casefold()
                show = all(word in about for word in words)
            for widget in (row.label, row.editor):
                widget.setVisible(show)
            row.revert.setVisible(show and row.name in self._values)
            row.error.setVisible(show and row.name in self.errors)
        for heading, names in self._headings:
            heading.setVisible(any(not self._rows[name].label.isHidden() for name in names))

    @Slot()
    def _on_search(self) -> None:
        """What fits is shown, advanced or not."""
        self.everything.setEnabled(not self.search.text().strip())
        self._fold(self.everything.isChecked())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A wheel scrolls the form; it changes a value only where one is being edited."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)
