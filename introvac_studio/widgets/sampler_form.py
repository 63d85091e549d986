"""The settings of a draw from p(z|y): wanted attributes, sampler, schedule, threshold, count and seed."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.form_area import form_area
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import heading, muted
from trainer import sampling
from trainer.config import FAKE
from trainer.errors import IntroVACError
from trainer.latent import Hyperplanes
from trainer.samplers.schedules import mala_length

SAMPLERS = {
    mark("exact"): mark("Independent draws from p(z|y) itself; nothing to tune."),
    mark("langevin"): mark("The paper’s noisy walk; right only once it has converged."),
    mark("mala"): mark("Langevin that checks each step, so that it settles in p(z|y)."),
}
_ORDER = ("exact", "langevin", "mala")
_TUNED, _OWN = "tuned", "own"
_RECIPES = {"converged": mark("converged: fits |w|"), "paper": mark("paper: 5,000 × 2e-4")}
_MALA_RECIPES = {_TUNED: mark("tuned: accepts 80 %"), _OWN: mark("my own")}
_ACCEPT_ON = {
    mark("code"): "code",
    mark("picture"): "image",
}  # what the button says -> what the engine calls it
_WANTS = (mark("yes"), mark("no"), mark("any"))
_FAKE = mark("“no” asks for codes that the classifier takes for those of real faces")
_NO_FAKE = mark("This model was trained without decoded images, so it cannot tell fakes from real faces")
_MOST = 4096  # faces of one gallery
_MALA_STEP = 0.5
_SEEDS = 2**31 - 1
_WIDTH = 320


class _StepSize(QDoubleSpinBox):
    """Shows 2e-4 as 0.0002, without a tail of zeros."""

    def textFromValue(self, value: float) -> str:
        return f"{value:.4g}" if value >= 1e-4 else f"{value:.3g}"


class SamplerForm(QWidget):
    """The form; `changed` tells that some value differs.

    `set_planes` gives it a model's attributes, and `take_up` what was chosen when the studio was last open.
    What was wanted of an attribute is kept for the next model that has it.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._planes: Hyperplanes | None = None
        self.wants_of: dict[str, Segmented] = {}
        self._wanted: dict[str, str] = {}  # also of attributes that the open model lacks
        self._labels: dict[QWidget, QLabel] = {}
        self.setFixedWidth(_WIDTH)
        self._build()
        self._lay_out()
        self._sampler_changed()
        self.sampler.changed.connect(self._sampler_changed)
        self.recipe.currentIndexChanged.connect(self.fill)
        self.step_size.valueChanged.connect(self.changed)
        self.steps.valueChanged.connect(self.changed)
        self.full.toggled.connect(self.fill)
        self.accept_on.changed.connect(self.changed)
        self.threshold.valueChanged.connect(self._threshold_changed)
        self.dice.clicked.connect(self._roll)
        self._threshold_changed(self.threshold.value())

    def _build(self) -> None:
        self.sampler = Segmented([name for name in _ORDER if name in sampling.SAMPLERS], tr("sampler"))
        self.sampler.set_value("langevin")
        self.about = muted(wrap=True)
        self.recipe = QComboBox()
        self._langevin_recipe = "converged"  # taken up again when the sampler is
        self.step_size = _StepSize()
        self.step_size.setDecimals(7)
        self.step_size.setRange(1e-7, 1.9999999)
        self.step_size.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.steps = QSpinBox()
        self.steps.setRange(1, 10_000_000)
        self.steps.setGroupSeparatorShown(True)
        self.steps.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
        self.full = QCheckBox(tr("all dimensions"))
        self.full.setAccessibleName(tr("run chains in all dimensions"))
        self.full.setToolTip(
            tr(
                "Advanced, for teaching and checking: run the chains step by step in all dimensions of a "
                "code, "
                "not only in the few where p(z|y) differs from the prior. The law is the same; it takes "
                "longer."
            )
        )
        self.accept_on = Segmented(tuple(_ACCEPT_ON), tr("whose label decides"))
        self.accept_on.setToolTip(
            tr(
                "Whose label must be sure: the code’s, or that of its decoded picture, encoded again. "
                "The picture is the harder judge, and takes a decoding and an encoding a draw."
            )
        )
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
        self.dice = QPushButton(tr("New"))
        self.dice.setToolTip(tr("Another seed, by chance"))
        self.dice.setAccessibleName(tr("another seed, by chance"))
        for widget, name, tip in (
            (
                self.recipe,
                tr("recipe"),
                tr("Where the schedule comes from; step and steps can be changed below"),
            ),
            (self.step_size, tr("step size"), tr("α of the chain, above 0 and below 2")),
            (self.steps, tr("steps"), tr("Steps of each chain; α × steps is its diffusion time")),
            (
                self.threshold,
                tr("least probability"),
                tr("Keep a code only where the classifier is this sure"),
            ),
            (self.count, tr("count"), tr("Faces to accept")),
            (self.seed, tr("seed"), tr("The same seed and settings give the same faces on every machine")),
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
        column.addWidget(heading(tr("Wanted")))
        column.addWidget(self._wants_box)
        column.addSpacing(theme.GRID)
        column.addWidget(heading(tr("Sampler")))
        column.addWidget(self.sampler)
        column.addWidget(self.about)
        rows = QGridLayout()
        rows.setHorizontalSpacing(2 * theme.GRID)
        rows.setVerticalSpacing(theme.GRID)
        rows.setColumnStretch(1, 1)
        self.recipe.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for row, (text, field) in enumerate(
            (
                (tr("Recipe"), self.recipe),
                (tr("Step size α"), self.step_size),
                (tr("Steps"), self.steps),
                (tr("Advanced"), self.full),
                (tr("Accept on"), self.accept_on),
                (tr("Sure at least"), _side_by_side(self.threshold, self.threshold_text)),
                (tr("Count"), self.count),
                (tr("Seed"), _side_by_side(self.seed, self.dice)),
            )
        ):
            self._labels[field] = muted(text)
            rows.addWidget(self._labels[field], row, 0)
            rows.addWidget(field, row, 1)
        column.addLayout(rows)
        column.addStretch(1)
        area = form_area(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)

    # What it holds

    def set_planes(self, planes: Hyperplanes | None) -> None:
        """Offer a model's attributes, each as it was wanted last, and its schedule."""
        while (item := self._wants.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._planes, self.wants_of = planes, {}
        for row, name in enumerate(planes.names if planes else ()):
            choice = Segmented(_WANTS, name)
            choice.set_value("any")
            dot = f'<span style="color:{theme.attribute_colour(row)}">●</span>&nbsp; '
            label = QLabel(dot + name)
            label.setToolTip(name)
            if name == FAKE and planes is not None:
                choice.setEnabled(planes.knows_fake)
                tip = tr(_FAKE) if planes.knows_fake else tr(_NO_FAKE)
                choice.setToolTip(tip)
                label.setToolTip(tip)
            if choice.isEnabled():
                choice.set_value(self._wanted.get(name, "any"))
            choice.changed.connect(partial(self._want, name))
            self._wants.addWidget(label, row, 0)
            self._wants.addWidget(choice, row, 1)
            self.wants_of[name] = choice
        if not self.wants_of:
            self._wants.addWidget(
                muted(tr("no model is open") if planes is None else tr("no attributes")), 0, 0
            )
        self.fill()

    def _want(self, name: str, choice: str) -> None:
        self._wanted[name] = choice
        self.fill()

    @property
    def choices(self) -> dict[str, Any]:
        """What is chosen, for `take_up`; made of JSON's types."""
        return {
            "wanted": {name: choice for name, choice in self._wanted.items() if choice != "any"},
            "sampler": self.sampler.value,
            "recipe": self._langevin_recipe,
            "full": self.full.isChecked(),
            "accept_on": self.accept_on.value,
            "threshold": self.threshold.value(),
            "count": self.count.value(),
        }

    def take_up(self, choices: dict[str, Any]) -> None:
        """Choose what `choices` told; what is missing or cannot be chosen stays as it is."""
        wanted = choices.get("wanted")
        if isinstance(wanted, dict):
            self._wanted = {str(name): choice for name, choice in wanted.items() if choice in _WANTS}
        for box, key in ((self.sampler, "sampler"), (self.accept_on, "accept_on")):
            if isinstance(text := choices.get(key), str):
                box.set_value(text)
        for field, key in ((self.threshold, "threshold"), (self.count, "count")):
            if isinstance(number := choices.get(key), int):
                field.setValue(number)
        self.full.setChecked(choices.get("full") is True)
        if choices.get("recipe") in sampling.RECIPES:
            self._langevin_recipe = choices["recipe"]
        self._sampler_changed()
        self.set_planes(self._planes)

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
    def has_chain(self) -> bool:
        """Whether the sampler walks, so that a schedule means something."""
        return self.sampler.value != "exact"

    @property
    def tuned(self) -> bool:
        """Whether MALA finds its own step size."""
        return self.sampler.value == "mala" and self.recipe.currentData() == _TUNED

    @property
    def schedule(self) -> tuple[str, float | None, int | None]:
        """Recipe, step size and steps to ask for; None leaves a value to the sampler."""
        if not self.has_chain or self.tuned:
            return "converged", None, None
        recipe = self.recipe.currentData() if self.sampler.value == "langevin" else "converged"
        return recipe, self.step_size.value(), self.steps.value()

    @property
    def judge(self) -> str:
        """Whose label decides, as in `trainer.sampling.ACCEPT_ON`."""
        return _ACCEPT_ON[self.accept_on.value]

    @property
    def in_full(self) -> bool:
        """Whether chains are to run in all dimensions."""
        return self.has_chain and self.full.isChecked()

    @property
    def problem(self) -> str:
        """Why these settings cannot be served; empty where they can."""
        if self._planes is None:
            return ""
        try:
            if self.has_chain and not self.tuned:
                sampling.Schedule(self.step_size.value(), self.steps.value())
            sampling.Target(self.wants).rows(self._planes)
        except IntroVACError as error:
            return str(error)
        return ""

    @Slot()
    def _sampler_changed(self) -> None:
        """Show the fields that mean something to the sampler."""
        name = self.sampler.value
        self.about.setText(tr(SAMPLERS.get(name, "")))
        with QSignalBlocker(self.recipe):
            if self.recipe.currentData() in sampling.RECIPES:
                self._langevin_recipe = self.recipe.currentData()
            self.recipe.clear()
            names = _MALA_RECIPES if name == "mala" else {k: _RECIPES.get(k, k) for k in sampling.RECIPES}
            for key in names if name == "mala" else sorted(names):
                self.recipe.addItem(tr(names[key]), key)
            if name != "mala":
                self.recipe.setCurrentIndex(self.recipe.findData(self._langevin_recipe))
        for field in (self.recipe, self.step_size, self.steps, self.full):
            field.setVisible(self.has_chain)
            self._labels[field].setVisible(self.has_chain)
        self.fill()

    @Slot()
    def fill(self) -> None:
        """Put the recipe's schedule for what is wanted into the fields."""
        tuned = self.tuned
        with QSignalBlocker(self.step_size), QSignalBlocker(self.steps):
            for field in (self.step_size, self.steps):
                field.setSpecialValueText(tr("tuned") if tuned else "")
                field.setEnabled(not tuned)
            if tuned:
                self.step_size.setValue(self.step_size.minimum())
                self.steps.setValue(self.steps.minimum())
            elif self.sampler.value == "mala":
                if self.step_size.value() == self.step_size.minimum():  # nothing was chosen yet
                    self.step_size.setValue(_MALA_STEP)
                    self.steps.setValue(mala_length(_MALA_STEP))
            elif self._planes is not None:
                self._fill_in(self._planes)
        self.changed.emit()

    def _fill_in(self, planes: Hyperplanes) -> None:
        try:
            plan = sampling.schedule(planes, sampling.Target(self.wants), self.recipe.currentData())
        except IntroVACError:  # `problem` says why
            return
        self.step_size.setValue(plan.step_size)
        self.steps.setValue(plan.steps)

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
