"""The editor's sliders: one an attribute, moved by the user and by the document alike."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal, Slot

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.state import StudioState
from introvac_studio.widgets.direction_slider import DirectionSlider
from introvac_studio.widgets.shrinking_area import ShrinkingArea
from trainer.errors import ModelError


def left_of(state: StudioState, name: str) -> float | None:
    """How much of an attribute's direction the kept ones leave, None for nothing."""
    if state.model is None:
        return None
    try:
        return state.edit.heading(state.model.planes, name).left
    except ModelError:
        return None


class Sliders(ShrinkingArea):
    """The sliders of the open model's attributes.

    Signals:
        removeRequested(str): an added direction is to go.
        untilRequested(str): an attribute is to be moved until its label holds.
        refused(str): why something cannot be.
    """

    removeRequested = Signal(str)
    untilRequested = Signal(str)
    refused = Signal(str)

    def __init__(self, state: StudioState) -> None:
        super().__init__(tr("sliders"))
        self._state = state
        self.sliders: dict[str, DirectionSlider] = {}

    def make(self) -> None:
        """New sliders, for the attributes as they are."""
        while (item := self.rows.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.sliders = {}
        names = self._state.model.attributes if self._state.model else ()
        metrics = self.fontMetrics()
        width = max((metrics.horizontalAdvance(n) for n in names), default=0)
        for k, name in enumerate(names):
            slider = DirectionSlider(name, theme.attribute_colour(k), width)
            self._fit_range(slider)
            slider.moved.connect(self._on_moved)
            slider.settled.connect(self._on_settled)
            slider.nudged.connect(self._on_nudged)
            slider.cancelled.connect(self._state.discard_preview)
            slider.keepToggled.connect(self._on_keep)
            slider.untilRequested.connect(partial(self.untilRequested.emit, name))
            if name in self._state.added_directions:
                remove = slider.addAction(tr("Remove the direction {name}", name=name))
                remove.triggered.connect(partial(self.removeRequested.emit, name))
                slider.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
            self.sliders[name] = slider
            self.rows.addWidget(slider)

    def show_face(self) -> None:
        """Another face, or none."""
        for slider in self.sliders.values():
            slider.setEnabled(self._state.face is not None)
            self._fit_range(slider)

    def show_edit(self) -> None:
        """The amounts, locks and probabilities of the edit as it is."""
        state, edit = self._state, self._state.edit
        for name, slider in self.sliders.items():
            amount = edit.amount(name)
            if abs(amount) > slider.limit:  # of an edit that a picture brought along
                self._fit_range(slider, abs(amount))
            slider.set_value(amount)
            slider.set_image_probability(None)
            slider.set_keep(name in edit.keep, left_of(state, name), bool(edit.keep))
        z = state.z
        if z is None or state.model is None:
            for slider in self.sliders.values():
                slider.set_code_probability(None)
            return
        p = state.model.planes.probabilities(z)
        for k, slider in enumerate(self.sliders.values()):
            slider.set_code_probability(float(p[k]))

    def _fit_range(self, slider: DirectionSlider, least: float = 0.0) -> None:
        delta = self._state.delta_of(slider.attribute)
        slider.set_range(max(2 * delta, least), delta)

    # -- what the user does -------------------------------------------------------------------

    @Slot(float)
    def _on_moved(self, value: float) -> None:
        slider = self.sender()
        if isinstance(slider, DirectionSlider):
            self._state.preview(self._state.edit.with_amount(slider.attribute, value))

    @Slot(float)
    def _on_settled(self, value: float) -> None:
        slider = self.sender()
        if isinstance(slider, DirectionSlider):
            edit = self._state.edit.with_amount(slider.attribute, value)
            self._state.commit(f"{slider.attribute} {value:+.2f}", edit)

    @Slot(float)
    def _on_nudged(self, value: float) -> None:
        """A step by key, wheel or number box; steps in a row are one change."""
        slider = self.sender()
        if isinstance(slider, DirectionSlider):
            edit = self._state.edit.with_amount(slider.attribute, value)
            self._state.commit(f"{slider.attribute} {value:+.2f}", edit, merge=slider.attribute)

    @Slot(bool)
    def _on_keep(self, on: bool) -> None:
        slider = self.sender()
        if not isinstance(slider, DirectionSlider):
            return
        try:
            self._state.keep(slider.attribute, on)
        except ModelError as error:
            slider.lock.setChecked(not on)
            self.refused.emit(tr("{name} cannot be kept: {reason}.", name=slider.attribute, reason=error))
