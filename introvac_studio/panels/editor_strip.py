"""What the editor's filmstrip shows: pictures along an attribute, their labels, and where those flip."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QComboBox

from introvac_studio.glances import Judged
from introvac_studio.messages import Strip
from introvac_studio.panels.editor_sliders import left_of
from introvac_studio.state import Edit, StudioState
from introvac_studio.widgets.filmstrip import Filmstrip, crossings
from trainer import latent
from trainer.errors import ModelError

PICTURES = 9


def strip_deltas(delta: float) -> tuple[float, ...]:
    """Deltas of the filmstrip: from -1.5 to 1.5 times the usual one, as exact as a slider's number is."""
    return tuple(round(float(d), 2) for d in np.linspace(-1.5 * delta, 1.5 * delta, PICTURES))


def flip_delta(z: np.ndarray, planes: latent.Hyperplanes, name: str) -> float | None:
    """The move along an attribute's unit normal at which its logit is zero, from a code (d,); closed form."""
    try:
        return float(-planes.distance(z, name))
    except ModelError:
        return None


class StripFeed(QObject):
    """Asks for the pictures of a filmstrip along the attribute that a box names, and marks it.

    Attributes:
        logits: of the attribute, for the pictures encoded again (n,); None until they are known.

    Signals:
        requested(codes (n, d), serial): pictures are wanted; they go to `show`.
        judgeRequested(stamp, codes, images): so is what they are encoded to; it goes to `show_judged`.
    """

    requested = Signal(object, int)
    judgeRequested = Signal(int, object, object)

    def __init__(self, state: StudioState, strip: Filmstrip, axis: QComboBox, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._strip, self._axis = state, strip, axis
        self._asked: tuple[np.ndarray, str, Edit] | None = None  # codes, along what, beside what
        self.logits: np.ndarray | None = None
        axis.currentTextChanged.connect(self._on_axis_changed)
        state.editCommitted.connect(self.request)

    @property
    def attribute(self) -> str:
        """What the strip goes along; empty where there is no face or nothing to go along."""
        state, name = self._state, self._axis.currentText()
        there = state.face is not None and state.model is not None and name in state.model.attributes
        return name if there else ""

    def clear(self) -> None:
        """No pictures, and none that are waited for."""
        self._strip.set_strip((), None)
        self._asked = None

    @Slot()
    def request(self) -> None:
        """Ask for the pictures beside the edit as it is."""
        state, name = self._state, self.attribute
        if not name:
            return
        deltas = strip_deltas(state.delta_of(name))
        self._asked = self.logits = None
        if left_of(state, name) is None:
            self._strip.set_strip(deltas, None)
            self._strip.set_labels(name, (), (), ())
            return
        codes = np.stack([state.moved(state.edit.with_amount(name, d)) for d in deltas])
        self._asked = (codes, name, state.edit.with_amount(name, 0.0))
        self.requested.emit(codes, state.revision)

    def show(self, strip: Strip) -> None:
        """Fill the strip, and ask how its pictures are labelled."""
        self._strip.set_strip(strip_deltas(self._state.delta_of(self._axis.currentText())), strip.images)
        self.mark()
        if strip.codes is not None and self._asked is not None and strip.codes is self._asked[0]:
            self.judgeRequested.emit(strip.stamp, strip.codes, strip.images)

    def show_judged(self, judged: Judged) -> None:
        """Mark where the label of the pictures flips, unless others are wanted by now."""
        state = self._state
        if self._asked is None or judged.codes is not self._asked[0] or state.model is None:
            return
        planes = state.model.planes
        self.logits = planes.logits(judged.mu)[:, planes.index(self._asked[1])]
        self.mark()

    def mark(self) -> None:
        """Mark the edit's own place, and where the label of the code flips."""
        state, name = self._state, self.attribute
        if not name or state.model is None:
            return
        base, left = state.moved(state.edit.with_amount(name, 0.0)), left_of(state, name)
        plain = flip_delta(base, state.model.planes, name)
        flip = plain / left if plain is not None and left is not None else None
        self._strip.set_marks(state.edit.amount(name), flip)
        self._label(name, state.model.planes)

    def _label(self, name: str, planes: latent.Hyperplanes) -> None:
        """What the codes and pictures are labelled, as long as they are those of the edit."""
        beside, asked = self._state.edit.with_amount(name, 0.0), self._asked
        if asked is None or asked[1] != name or not asked[2].same(beside):
            self._strip.set_labels(name, (), (), ())
            return
        logits = self.logits
        self._strip.set_labels(
            name,
            planes.probabilities(asked[0])[:, planes.index(name)].tolist(),
            () if logits is None else latent.sigmoid(logits).tolist(),
            () if logits is None else crossings(self._strip.deltas, logits.tolist()),
        )

    @Slot()
    def _on_axis_changed(self) -> None:
        self.request()
        self.mark()
