"""The editor: original, reconstruction and the face being edited, a slider an attribute, a filmstrip.

Wiring: `show_frame`, `show_reconstruction`, `show_seen` and `show_strip` take the worker's answers;
`stripRequested(codes (n, d), serial)` asks for the filmstrip, `judgeRequested(stamp, codes, images)` for what
its pictures are encoded to, which goes to `show_judged`; `saveRequested` and `exportRequested` ask for files;
`removeRequested` carries the name of an added direction that is to go;
`untilRequested` carries an `UntilRequest` whose answer goes to `take_found`; `refineRequested` asks for a
code nearer to the original; `refused(text)` says why something cannot be, `told(text)` what came of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.glances import Judged
from introvac_studio.language import mark, tr
from introvac_studio.messages import Found, Frame, Seen, Strip, UntilRequest
from introvac_studio.state import Edit, Face, Image, StudioState
from introvac_studio.widgets.cosine_view import CosinePopover
from introvac_studio.widgets.direction_slider import STEP, DirectionSlider
from introvac_studio.widgets.filmstrip import Filmstrip, crossings
from introvac_studio.widgets.image_view import ImageView
from introvac_studio.widgets.shrinking_area import ShrinkingArea
from introvac_studio.widgets.texts import Line
from introvac_studio.widgets.until_popover import UntilPopover
from introvac_studio.widgets.wants_popover import WantsPopover
from trainer import edits, latent, until
from trainer.errors import ConfigError, ModelError

STRIP = 9  # pictures in the filmstrip
NONE = mark("nothing")
_HISTORY = (mark("Undo"), mark("Redo"), mark("Reset"))


def strip_deltas(delta: float) -> tuple[float, ...]:
    """Deltas of the filmstrip: from -1.5 to 1.5 times the usual one, as exact as a slider's number is."""
    return tuple(round(float(d), 2) for d in np.linspace(-1.5 * delta, 1.5 * delta, STRIP))


def flip_delta(z: np.ndarray, planes: latent.Hyperplanes, name: str) -> float | None:
    """The move along an attribute's unit normal at which its logit is zero, from a code (d,); closed form."""
    try:
        return float(-planes.distance(z, name))
    except ModelError:
        return None


def _sense(name: str, wanted: bool) -> str:
    """An attribute, or its absence, in words."""
    return name if wanted else tr("no {name}", name=name)


class EditorPanel(QWidget):
    """See the module's docstring for the wiring."""

    stripRequested = Signal(object, int)
    judgeRequested = Signal(int, object, object)
    saveRequested = Signal()
    exportRequested = Signal()
    removeRequested = Signal(str)
    untilRequested = Signal(object)
    refineRequested = Signal()
    refused = Signal(str)
    told = Signal(str)

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self._rows: dict[str, DirectionSlider] = {}
        self._start = Edit()
        self._frame: Frame | None = None
        self._refining = False
        self._strip: tuple[np.ndarray, str, Edit] | None = None  # codes asked for, along what, beside what
        self._strip_logits: np.ndarray | None = None  # (n,) of its pictures, encoded again
        self._stuck = ""  # an attribute that the drag would move, but may not
        self._reconstruction: Image | None = None
        self._comparing = False
        self._told: tuple[Face | None, Edit | None] = (None, None)  # what the hint speaks of
        self._layout()
        state.modelChanged.connect(self._on_model)
        state.planesChanged.connect(self._on_planes)
        state.faceChanged.connect(self._on_face)
        state.editChanged.connect(self._on_edit)
        state.editCommitted.connect(self._on_committed)
        state.undo_stack.canUndoChanged.connect(self.undo.setEnabled)
        state.undo_stack.canRedoChanged.connect(self.redo.setEnabled)
        self._on_model()

    # -- building ---------------------------------------------------------------------------

    def _layout(self) -> None:
        space = theme.GRID
        self.original = ImageView(tr("original"), tr("no picture:\na face from\nthe prior"), minimum=96)
        self.reconstruction = ImageView(tr("reconstruction"), "", minimum=96)
        self.edited = ImageView(
            tr("edited face, drag to edit"),
            tr("Choose a face on the left, or drop a photo here"),
            draggable=True,
            minimum=192,
        )
        self.crop = QPushButton()  # what it says and does comes with the photos
        self.crop.setObjectName("link")
        side = QVBoxLayout()
        side.setSpacing(4)
        for view, text in ((self.original, tr("original")), (self.reconstruction, tr("reconstruction"))):
            view.setFixedWidth(136)
            view.setMinimumHeight(72)  # in a low window
            view.setMaximumHeight(136)
            label = QLabel(text)
            label.setObjectName("muted")
            side.addWidget(view)
            row = QHBoxLayout()
            row.addWidget(label, 1)
            if view is self.original:
                row.addWidget(self.crop)
            side.addLayout(row)
            side.addSpacing(4)
        self.refine = QPushButton(tr("Refine"))
        self.refine.setCheckable(True)
        self.independence = QPushButton(tr("How independent?"))
        self.independence.setToolTip(tr("The cosines between the attributes' directions"))
        for button in (self.refine, self.independence):
            button.setObjectName("side")
            button.setFixedWidth(136)
            side.addWidget(button)
        side.addStretch(1)
        self.hint = Line()
        self.until = UntilPopover(self)
        self.cosines = CosinePopover(self)
        self.wants = WantsPopover(self)
        main = QVBoxLayout()
        main.setSpacing(4)
        main.addWidget(self.edited, 1)
        faces = QHBoxLayout()
        faces.setSpacing(2 * space)
        faces.addLayout(side)
        faces.addLayout(main, 1)

        self._area = ShrinkingArea(tr("sliders"))
        self._sliders = self._area.rows
        self.strip = Filmstrip()
        column = QVBoxLayout(self)
        column.setContentsMargins(12, space, 12, space)
        column.setSpacing(space)
        column.addLayout(faces, 1)
        column.addLayout(self._drag_row())
        column.addWidget(self._area)
        column.addWidget(self.strip)
        column.addLayout(self._buttons())
        self._connect()

    def _drag_row(self) -> QHBoxLayout:
        self.horizontal, self.vertical = QComboBox(), QComboBox()
        self.horizontal.setAccessibleName(tr("attribute of a sideways drag, and of the filmstrip"))
        self.vertical.setAccessibleName(tr("attribute of an upward drag"))
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        for text, box in ((tr("Drag the face  ↔"), self.horizontal), ("↕", self.vertical)):
            label = QLabel(text)
            label.setObjectName("muted")
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            row.addWidget(label)
            row.addWidget(box)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.hint, 1)
        return row

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        self.undo, self.redo, self.reset = (QPushButton(tr(text)) for text in _HISTORY)
        self.compare = QPushButton(tr("Hold to compare"))
        self.save, self.export = QPushButton(tr("Save face…")), QPushButton(tr("Export…"))
        self.export.setObjectName("primary")
        self.undo.setToolTip(tr("Undo the last edit (Ctrl+Z)"))
        self.redo.setToolTip(tr("Redo (Ctrl+Shift+Z)"))
        self.reset.setToolTip(tr("Back to the face as it was (Ctrl+R)"))
        self.compare.setToolTip(tr("Shows the reconstruction while you hold it; Space does the same"))
        self.save.setToolTip(tr("Save the edited face as a picture (Ctrl+S)"))
        self.export.setToolTip(tr("Grids, strips, animations, codes, ONNX … with a preview (Ctrl+E)"))
        for button in (self.undo, self.redo, self.reset, self.compare):
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.save)
        row.addWidget(self.export)
        return row

    def _connect(self) -> None:
        self.edited.dragStarted.connect(self._on_drag_started)
        self.edited.dragged.connect(self._on_dragged)
        self.edited.dragFinished.connect(self._on_drag_finished)
        self.edited.dragCancelled.connect(self._on_drag_cancelled)
        self.strip.chosen.connect(self._on_strip_chosen)
        self.horizontal.currentTextChanged.connect(self._on_axis_changed)
        self.undo.clicked.connect(self._state.undo_stack.undo)
        self.redo.clicked.connect(self._state.undo_stack.redo)
        self.reset.clicked.connect(self._state.reset)
        self.compare.pressed.connect(self._compare_on)
        self.compare.released.connect(self._compare_off)
        self.save.clicked.connect(self.saveRequested)
        self.export.clicked.connect(self.exportRequested)
        self.refine.clicked.connect(self._on_refine)
        self.independence.clicked.connect(self._show_independence)
        self.until.asked.connect(self._on_until)
        self.wants.asked.connect(self._walk)

    # -- the document -----------------------------------------------------------------------

    def limit_of(self, name: str) -> float:
        """Largest amount of an attribute's slider: twice its usual distance, or what an edit needs."""
        return self._rows[name].limit

    def _fit_range(self, row: DirectionSlider, least: float = 0.0) -> None:
        delta = self._state.delta_of(row.attribute)
        row.set_range(max(2 * delta, least), delta)

    @property
    def rows(self) -> dict[str, DirectionSlider]:
        """The slider of each attribute."""
        return self._rows

    @Slot()
    def _on_model(self) -> None:
        self._make_rows()
        self.vertical.setCurrentIndex(2 if self.vertical.count() > 2 else 0)
        self._area.updateGeometry()
        self._area.show_first()
        self._on_face()

    @Slot()
    def _on_planes(self) -> None:
        """Directions came or went: other sliders, while the face and the attributes of a drag stay."""
        chosen, before = (self.horizontal.currentText(), self.vertical.currentText()), len(self._rows)
        self.edited.cancel_drag()
        boxes = self.horizontal, self.vertical
        for box in boxes:
            box.blockSignals(True)
        self._make_rows()
        for box, text in zip(boxes, chosen, strict=True):
            box.setCurrentIndex(max(0, box.findText(text)))
            box.blockSignals(False)
        for row in self._rows.values():
            row.setEnabled(self._state.face is not None)
        self._area.updateGeometry()
        if len(self._rows) > before:
            self._area.show_last()

    def _make_rows(self) -> None:
        """A slider an attribute, and the attributes that a drag may move."""
        model = self._state.model
        while (item := self._sliders.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self._rows = {}
        names = model.attributes if model else ()
        metrics = self.fontMetrics()
        width = max((metrics.horizontalAdvance(n) for n in names), default=0)
        for k, name in enumerate(names):
            row = DirectionSlider(name, theme.attribute_colour(k), width)
            self._fit_range(row)
            row.moved.connect(self._on_slider_moved)
            row.settled.connect(self._on_slider_settled)
            row.nudged.connect(self._on_slider_nudged)
            row.cancelled.connect(self._on_drag_cancelled)
            row.keepToggled.connect(self._on_keep)
            row.untilRequested.connect(self._ask_until)
            if name in self._state.added_directions:
                remove = row.addAction(tr("Remove the direction {name}", name=name))
                remove.triggered.connect(partial(self.removeRequested.emit, name))
                row.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
            self._rows[name] = row
            self._sliders.addWidget(row)
        self.horizontal.clear()
        self.horizontal.addItems(list(names))
        self.vertical.clear()
        self.vertical.addItems([tr(NONE), *names])

    @Slot()
    def _on_face(self) -> None:
        face = self._state.face
        self.edited.cancel_drag()
        self._start = Edit()
        self._frame = self._reconstruction = None
        self.original.set_image(None if face is None else face.original)
        self.original.set_empty_text("" if face is None else tr("no photo:\ndrawn as\na code"))
        self.reconstruction.set_image(None)
        if face is None:
            self.edited.set_image(None)
            self.strip.set_strip((), None)
            self._strip = None
        for row in self._rows.values():
            row.setEnabled(face is not None)
            self._fit_range(row)
        for button in (self.reset, self.compare, self.save, self.export):
            button.setEnabled(face is not None)
        self.independence.setEnabled(len(self._rows) > 1)
        self.crop.setVisible(face is not None and face.recipe.get("face") == "photo")
        self._show_refinement()
        self.undo.setEnabled(self._state.undo_stack.canUndo())
        self.redo.setEnabled(self._state.undo_stack.canRedo())

    @Slot()
    def _on_edit(self) -> None:
        state = self._state
        for name, row in self._rows.items():
            amount = state.edit.amount(name)
            if abs(amount) > row.limit:  # of an edit that a picture brought along
                self._fit_range(row, abs(amount))
            row.set_value(amount)
            row.set_image_probability(None)
            row.set_keep(name in state.edit.keep, self._left(name), bool(state.edit.keep))
        z = state.z
        if z is None or state.model is None:
            for row in self._rows.values():
                row.set_code_probability(None)
            return
        p = state.model.planes.probabilities(z)
        for k, row in enumerate(self._rows.values()):
            row.set_code_probability(float(p[k]))
        self._mark_strip()
        if (state.face, state.edit) != self._told:
            self.hint.say(state.face.name if state.face else "")

    @Slot()
    def _on_committed(self) -> None:
        self._request_strip()

    # -- moves ------------------------------------------------------------------------------

    @Slot(float)
    def _on_slider_moved(self, value: float) -> None:
        row = self.sender()
        if isinstance(row, DirectionSlider):
            self._state.preview(self._state.edit.with_amount(row.attribute, value))

    @Slot(float)
    def _on_slider_settled(self, value: float) -> None:
        row = self.sender()
        if isinstance(row, DirectionSlider):
            self._state.commit(
                f"{row.attribute} {value:+.2f}", self._state.edit.with_amount(row.attribute, value)
            )

    @Slot(float)
    def _on_slider_nudged(self, value: float) -> None:
        """A step by key, wheel or number box; steps in a row are one change."""
        row = self.sender()
        if isinstance(row, DirectionSlider):
            edit = self._state.edit.with_amount(row.attribute, value)
            self._state.commit(f"{row.attribute} {value:+.2f}", edit, merge=row.attribute)

    @Slot()
    def _on_drag_started(self) -> None:
        self._start, self._stuck = self._state.edit, ""

    @Slot(float, float)
    def _on_dragged(self, dx: float, dy: float) -> None:
        edit, self._stuck = self._start, ""
        for box, shift in ((self.horizontal, dx), (self.vertical, dy)):
            name = box.currentText()
            if (row := self._rows.get(name)) is None:
                continue
            if row.movable:
                amount = edit.amount(name) + shift * row.limit
                edit = edit.with_amount(name, max(-row.limit, min(row.limit, amount)))
            elif abs(shift) * row.limit > STEP:
                self._stuck = name
        self._state.preview(edit)

    @Slot()
    def _on_drag_finished(self) -> None:
        self._state.commit(tr("drag on the face"))
        if self._stuck:
            self._say_fixed(self._stuck)

    @Slot()
    def _on_drag_cancelled(self) -> None:
        self._state.discard_preview()

    @Slot(float)
    def _on_strip_chosen(self, delta: float) -> None:
        name = self.horizontal.currentText()
        if name in self._rows and not self._rows[name].movable:
            self._say_fixed(name)
        elif name in self._rows:
            self._state.commit(f"{name} {delta:+.2f}", self._state.edit.with_amount(name, delta))

    # -- keeping ------------------------------------------------------------------------------

    def _left(self, name: str) -> float | None:
        """How much of an attribute's direction is left, None for nothing."""
        model = self._state.model
        if model is None:
            return None
        try:
            return self._state.edit.heading(model.planes, name).left
        except ModelError:
            return None

    @Slot(bool)
    def _on_keep(self, on: bool) -> None:
        row = self.sender()
        if not isinstance(row, DirectionSlider):
            return
        try:
            self._state.keep(row.attribute, on)
        except ModelError as error:
            row.lock.setChecked(not on)
            self.refused.emit(tr("{name} cannot be kept: {reason}.", name=row.attribute, reason=error))

    def tell(self, text: str, more: str = "") -> None:
        """Say something about the face as it is, until it changes; `more` says it at length."""
        self._told = (self._state.face, self._state.edit)
        self.hint.say(text, more)
        self.told.emit(more or text)

    def _say_fixed(self, name: str) -> None:
        kept = name in self._state.edit.keep
        text = mark("{name} is kept: open its padlock") if kept else mark("{name}: nothing left to move")
        self.tell(tr(text, name=name))

    @Slot()
    def _show_independence(self) -> None:
        model = self._state.model
        if model is None:
            return
        names = [name for name in model.attributes if model.planes.w[model.planes.index(name)].any()]
        self.cosines.show_values(names, edits.cosines(model.planes, names), self.independence)

    # -- until it holds -----------------------------------------------------------------------

    @Slot()
    def _ask_until(self) -> None:
        row, state = self.sender(), self._state
        if not isinstance(row, DirectionSlider) or state.model is None or (z := state.z) is None:
            return
        amount = state.edit.amount(row.attribute)
        without = float(state.model.planes.distance(z, row.attribute)) < 0
        self.until.ask(row.attribute, amount > 0 if amount else without, row.until)

    @Slot(str, bool, float, bool)
    def _on_until(self, name: str, wanted: bool, p: float, picture: bool) -> None:
        state = self._state
        if state.face is None or state.model is None:
            return
        start, planes = state.edit.with_amount(name, 0.0), state.model.planes
        sign = 1.0 if wanted else -1.0
        try:
            way = until.ray(planes, {name: sign * self.limit_of(name)}, [k for k in start.keep if k != name])
            z = state.moved(start)
            request = UntilRequest(
                state.model.stamp, state.face, start, name, wanted, z, planes, way, p, picture
            )
            if picture:
                self.untilRequested.emit(request)
            else:
                self.take_found(Found(request, until.until_code(z, planes, way, p)))
        except ModelError as error:
            self.refused.emit(tr("{name} was not moved: {reason}.", name=name, reason=error))

    @Slot(object)
    def take_found(self, found: Found) -> None:
        """Set the slider to what a search found, as one step of history, and say what it was."""
        asked, state = found.request, self._state
        if state.model is None or asked.stamp != state.model.stamp or state.face is not asked.face:
            return
        if found.reach is None:
            self.tell(tr("search stopped"))
            return
        if not state.edit.with_amount(asked.name, 0.0).same(asked.edit):
            self.tell(tr("the edit changed during the search; nothing was set"))
            return
        amount = found.reach.delta if asked.wanted else -found.reach.delta
        sense = _sense(asked.name, asked.wanted)
        state.commit(tr("until {label}", label=sense), asked.edit.with_amount(asked.name, amount))
        reach = found.reach
        short = (
            mark("{label} holds from {delta} (p {p})")
            if reach.reached
            else mark("{label} not reached, best {delta} (p {p})")
        )
        judge = (
            mark("{label}, judged on the picture: {reach}")
            if asked.picture
            else mark("{label}, judged on the code: {reach}")
        )
        delta = f"{amount:+.2f}".replace("-", "−")
        self.tell(
            tr(short, label=sense, delta=delta, p=f"{reach.probability:.2f}"),
            tr(judge, label=sense, reach=reach),
        )

    # -- towards what is wanted ---------------------------------------------------------------

    @Slot()
    def ask_wants(self) -> None:
        """Ask for labels to walk toward."""
        model, state = self._state.model, self._state
        if model is None or state.face is None:
            self.refused.emit(tr("There is no face to edit yet; choose one on the left first."))
            return
        names = [name for name in model.attributes if self._left(name) is not None]
        limit = max((row.limit for row in self._rows.values()), default=2 * state.delta)
        self.wants.ask(names, state.edit.keep, state.delta, limit, self.independence)

    @Slot(object, float)
    def _walk(self, wants: dict[str, bool], distance: float) -> None:
        """Walk up the gradient of the wanted labels: a free displacement, as one step of history."""
        state = self._state
        if state.model is None or (z := state.z) is None:
            return
        planes, edit = state.model.planes, state.edit
        try:
            by = edits.ascend(z, planes, wants, distance, edit.keep) - z
        except (ConfigError, ModelError) as error:
            self.refused.emit(tr("The face did not move: {reason}.", reason=error))
            return
        state.commit(
            tr("towards what is wanted"),
            replace(edit, offset=by if edit.offset is None else edit.offset + by),
        )
        p = dict(zip(planes.names, planes.probabilities(z + by), strict=True))
        sure = {name: float(p[name] if wanted else 1 - p[name]) for name, wanted in wants.items()}
        text = ", ".join(f"{_sense(name, wants[name])} {q:.2f}" for name, q in sure.items())
        self.tell(
            tr("least sure: p {p}", p=f"{min(sure.values()):.2f}"),
            tr("walked {distance} towards: {labels}", distance=f"{distance:g}", labels=text),
        )

    # -- refining -----------------------------------------------------------------------------

    @Slot()
    def _on_refine(self) -> None:
        face = self._state.face
        on = self.refine.isChecked()
        self._show_refinement()  # it is checked only once it is true
        if face is not None and face.refinement is not None:
            self._state.refine(face.refinement, on)
        else:
            self.refineRequested.emit()

    def set_refining(self, on: bool) -> None:
        """Whether a refinement is under way."""
        self._refining = on
        self._show_refinement()

    def _show_refinement(self) -> None:
        face = self._state.face
        found = None if face is None else face.refinement
        self.refine.setEnabled(face is not None and face.original is not None and not self._refining)
        self.refine.setChecked(face is not None and face.refined)
        if face is None or found is None:
            self.refine.setText(tr("Refining…") if self._refining else tr("Refine"))
            self.refine.setToolTip(
                tr("Look for a code whose picture is nearer to the original; takes a moment")
            )
            return
        gain = f"−{100 * found.gain:.0f} %"
        self.refine.setText(tr("Refined {gain}", gain=gain) if face.refined else tr("Refine again"))
        self.refine.setToolTip(
            tr(
                "Mean absolute error {before} → {after} ({gain} L1); click to switch between the refined "
                "code and the encoder's",
                before=f"{found.before:.4f}",
                after=f"{found.after:.4f}",
                gain=gain,
            )
        )

    # -- pictures -----------------------------------------------------------------------------

    def _fresh(self, answer: Frame | Seen | Strip) -> bool:
        state = self._state
        current = state.model is not None and state.face is not None and answer.stamp == state.model.stamp
        return current and answer.serial >= state.face_revision

    @Slot(object)
    def show_frame(self, frame: Frame) -> None:
        """Paint an edited face, unless it is stale."""
        if self._fresh(frame) and (self._frame is None or frame.serial >= self._frame.serial):
            self._frame = frame
            self._paint()

    @Slot(object)
    def show_reconstruction(self, frame: Frame) -> None:
        """Paint the unedited face, unless it is stale."""
        if self._fresh(frame):
            self._reconstruction = frame.image
            self.reconstruction.set_image(frame.image)
            self._paint()

    @Slot(object)
    def show_seen(self, seen: Seen) -> None:
        """Probabilities of the re-encoded picture; only those of the code as it is now count."""
        if self._fresh(seen) and seen.serial == self._state.revision:
            for name, row in self._rows.items():
                row.set_image_probability(seen.probabilities.get(name))

    @Slot(object)
    def show_strip(self, strip: Strip) -> None:
        """Fill the filmstrip, unless it is stale."""
        if self._fresh(strip):
            delta = self._state.delta_of(self.horizontal.currentText())
            self.strip.set_strip(strip_deltas(delta), strip.images)
            self._mark_strip()
            if strip.codes is not None and self._strip is not None and strip.codes is self._strip[0]:
                self.judgeRequested.emit(strip.stamp, strip.codes, strip.images)

    @Slot(object)
    def show_judged(self, judged: Judged) -> None:
        """Mark where the label of the filmstrip's pictures flips, unless another strip is wanted by now."""
        state = self._state
        if self._strip is None or judged.codes is not self._strip[0] or state.model is None:
            return
        planes = state.model.planes
        self._strip_logits = planes.logits(judged.mu)[:, planes.index(self._strip[1])]
        self._mark_strip()

    @property
    def picture(self) -> Image | None:
        """The edited face as shown, (S, S, 3)."""
        return None if self._frame is None else self._frame.image

    def _paint(self) -> None:
        image = self._reconstruction if self._comparing else self.picture
        if image is not None:
            self.edited.set_image(image)

    def _request_strip(self) -> None:
        state, name = self._state, self.horizontal.currentText()
        if state.face is None or state.model is None or name not in self._rows:
            return
        deltas = strip_deltas(state.delta_of(name))
        self._strip = self._strip_logits = None
        if self._left(name) is None:
            self.strip.set_strip(deltas, None)
            self.strip.set_labels(name, (), (), ())
            return
        codes = np.stack([state.moved(state.edit.with_amount(name, d)) for d in deltas])
        self._strip = (codes, name, state.edit.with_amount(name, 0.0))
        self.stripRequested.emit(codes, state.revision)

    def _mark_strip(self) -> None:
        state, name = self._state, self.horizontal.currentText()
        if state.face is None or state.model is None or name not in self._rows:
            return
        base, left = state.moved(state.edit.with_amount(name, 0.0)), self._left(name)
        plain = flip_delta(base, state.model.planes, name)
        flip = plain / left if plain is not None and left is not None else None
        self.strip.set_marks(state.edit.amount(name), flip)
        self._label_strip(name)

    def _label_strip(self, name: str) -> None:
        """What the strip's codes and pictures are labelled, as long as they are those of the edit."""
        state, planes = self._state, self._state.model.planes if self._state.model else None
        beside = state.edit.with_amount(name, 0.0)
        if planes is None or self._strip is None or self._strip[1] != name or not self._strip[2].same(beside):
            self.strip.set_labels(name, (), (), ())
            return
        logits = self._strip_logits
        self.strip.set_labels(
            name,
            planes.probabilities(self._strip[0])[:, planes.index(name)].tolist(),
            () if logits is None else latent.sigmoid(logits).tolist(),
            () if logits is None else crossings(self.strip.deltas, logits.tolist()),
        )

    @Slot(str)
    def _on_axis_changed(self, name: str) -> None:
        self._request_strip()
        self._mark_strip()

    @Slot()
    def _compare_on(self) -> None:
        self._comparing = True
        self._paint()

    @Slot()
    def _compare_off(self) -> None:
        self._comparing = False
        self._paint()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._compare_on()
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._compare_off()
        else:
            super().keyReleaseEvent(event)
