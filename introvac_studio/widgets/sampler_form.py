"""The settings of a draw from p(z|y): wanted attributes, schedule, threshold, count and seed."""

from __future__ import annotations

import random

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import heading, muted
from trainer import sampling
from trainer.errors import IntroVACError
from trainer.latent import Hyperplanes

_RECIPES = {"converged": "converged: fits |w|", "paper": "paper: 5,000 × 2e-4"}
_MOST = 4096  # faces of one gallery
_SEEDS = 2**31 - 1
_WIDTH = 320


class _StepSize(QDoubleSpinBox):
    """Shows 2e-4 as 0.0002, without a tail of zeros."""

    def textFromValue(self, value: float) -> str:
        return f"{value:.4g}" if value >= 1e-4 else f"{value:.3g}"


class SamplerForm(QWidget):
    """The form; `changed` tells that some value differs. `set_planes` gives it a model's attributes."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._planes: Hyperplanes | None = None
        self.wants_of: dict[str, Segmented] = {}
        self.setFixedWidth(_WIDTH)
        self._build()
        self._lay_out()
        self.recipe.currentIndexChanged.connect(self.fill)
        self.step_size.valueChanged.connect(self.changed)
        self.steps.valueChanged.connect(self.changed)
        self.threshold.valueChanged.connect(self._threshold_changed)
        self.dice.clicked.connect(self._roll)
        self._threshold_changed(self.threshold.value())

    def _build(self) -> None:
        self.recipe = QComboBox()
        for key in sorted(sampling.RECIPES):
            self.recipe.addItem(_RECIPES.get(key, key), key)
        self.recipe.setCurrentIndex(self.recipe.findData("paper"))
        self.step_size = _StepSize()
        self.step_size.setDecimals(7)
        self.step_size.setRange(1e-7, 1.9999999)
        self.step_size.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.steps = QSpinBox()
        self.steps.setRange(1, 10_000_000)
        self.steps.setGroupSeparatorShown(True)
        self.steps.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0, 99)
        self.threshold.setValue(50)
        self.threshold_text = QLabel()
        self.threshold_text.setMinimumWidth(48)
        self.threshold_text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.count = QSpinBox()
        self.count.setRange(1, _MOST)
        self.count.setValue(16)
        self.seed = QSpinBox()
        self.seed.setRange(0, _SEEDS)
        self.dice = QPushButton("New")
        self.dice.setToolTip("Another seed, by chance")
        self.dice.setAccessibleName("another seed, by chance")
        for widget, name, tip in (
            (self.recipe, "recipe", "Where the schedule comes from; step and steps can be changed below"),
            (self.step_size, "step size", "α of the unadjusted Langevin chain, above 0 and below 2"),
            (self.steps, "steps", "Steps of each chain; α × steps is its diffusion time"),
            (self.threshold, "least probability", "Keep a code only where the classifier is this sure"),
            (self.count, "count", "Faces to accept"),
            (self.seed, "seed", "The same seed and settings give the same faces on every machine"),
        ):
            widget.setAccessibleName(name)
            widget.setToolTip(tip)

    def _lay_out(self) -> None:
        self._wants_box = QWidget()
        self._wants = QGridLayout(self._wants_box)
        self._wants.setContentsMargins(0, 0, 0, 0)
        self._wants.setSpacing(theme.GRID)
        self._wants.setColumnStretch(0, 1)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.GRID)
        column.addWidget(heading("Wanted"))
        column.addWidget(self._wants_box)
        column.addSpacing(theme.GRID)
        column.addWidget(heading("Sampler: Langevin"))
        rows = QGridLayout()
        rows.setHorizontalSpacing(2 * theme.GRID)
        rows.setVerticalSpacing(theme.GRID)
        rows.setColumnStretch(1, 1)
        self.recipe.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for row, (text, field) in enumerate(
            (
                ("recipe", self.recipe),
                ("step size α", self.step_size),
                ("steps", self.steps),
                ("sure at least", _side_by_side(self.threshold, self.threshold_text)),
                ("count", self.count),
                ("seed", _side_by_side(self.seed, self.dice)),
            )
        ):
            rows.addWidget(muted(text), row, 0)
            rows.addWidget(field, row, 1)
        column.addLayout(rows)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)

    # What it holds

    def set_planes(self, planes: Hyperplanes | None) -> None:
        """Offer a model's attributes, each open, and its schedule."""
        while (item := self._wants.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._planes, self.wants_of = planes, {}
        for row, name in enumerate(planes.attributes if planes else ()):
            choice = Segmented(("yes", "no", "any"), name)
            choice.set_value("any")
            choice.changed.connect(self.fill)
            dot = f'<span style="color:{theme.attribute_colour(row)}">●</span>&nbsp; '
            label = QLabel(dot + name)
            label.setToolTip(name)
            self._wants.addWidget(label, row, 0)
            self._wants.addWidget(choice, row, 1)
            self.wants_of[name] = choice
        if not self.wants_of:
            self._wants.addWidget(muted("no model is open" if planes is None else "no attributes"), 0, 0)
        self.fill()

    @property
    def wants(self) -> dict[str, bool]:
        """Attribute -> True for yes, False for no; open ones are left out."""
        return {name: box.value == "yes" for name, box in self.wants_of.items() if box.value != "any"}

    @property
    def accept(self) -> float:
        """P that each wanted attribute must reach."""
        return self.threshold.value() / 100

    @property
    def time(self) -> float:
        """Diffusion time, step size times steps."""
        return self.step_size.value() * self.steps.value()

    @property
    def problem(self) -> str:
        """Why these settings cannot be served; empty where they can."""
        if self._planes is None:
            return ""
        try:
            sampling.Schedule(self.step_size.value(), self.steps.value())
            sampling.Target(self.wants).rows(self._planes)
        except IntroVACError as error:
            return str(error)
        return ""

    @Slot()
    def fill(self) -> None:
        """Put the recipe's schedule for what is wanted into the fields."""
        if self._planes is not None:
            plan = sampling.schedule(self._planes, sampling.Target(self.wants), self.recipe.currentData())
            blocked = QSignalBlocker(self.step_size), QSignalBlocker(self.steps)
            self.step_size.setValue(plan.step_size)
            self.steps.setValue(plan.steps)
            del blocked
        self.changed.emit()

    @Slot(int)
    def _threshold_changed(self, value: int) -> None:
        self.threshold_text.setText(f"p ≥ {value / 100:.2f}")
        self.changed.emit()

    @Slot()
    def _roll(self) -> None:
        self.seed.setValue(random.randint(0, 99_999))


def _side_by_side(first: QWidget, second: QWidget) -> QWidget:
    box = QWidget()
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(theme.GRID)
    layout.addWidget(first, 1)
    layout.addWidget(second)
    return box
