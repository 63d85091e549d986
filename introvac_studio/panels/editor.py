"""The editor: original, reconstruction and the face being edited, a slider an attribute, a filmstrip.

Wiring: `show_frame`, `show_reconstruction`, `show_seen`, `show_strip` and `show_judged` take the worker's
answers; `stripRequested(codes (n, d), serial)` asks for the filmstrip, `judgeRequested(stamp, codes, images)`
for what its pictures are encoded to; `saveRequested` and `exportRequested` ask for files;
`removeRequested` carries the name of an added direction that is to go; `untilRequested` that of an attribute
to be moved until it holds; `refused(text)` says why something cannot be, `told(text)` what came of it.
The popovers `until` and `wants` and the buttons `refine` and `crop` are ruled by controllers.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
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
from introvac_studio.messages import Frame, Seen, Strip
from introvac_studio.panels.editor_sliders import Sliders
from introvac_studio.panels.editor_strip import StripFeed
from introvac_studio.state import Edit, Face, Image, StudioState
from introvac_studio.widgets.cosine_view import CosinePopover
from introvac_studio.widgets.direction_slider import STEP, DirectionSlider
from introvac_studio.widgets.filmstrip import Filmstrip
from introvac_studio.widgets.image_view import ImageView
from introvac_studio.widgets.texts import Line
from introvac_studio.widgets.until_popover import UntilPopover
from introvac_studio.widgets.wants_popover import WantsPopover
from trainer import edits

NONE = mark("nothing")
_HISTORY = (mark("Undo"), mark("Redo"), mark("Reset"))


class EditorPanel(QWidget):
    """See the module's docstring for the wiring."""

    stripRequested = Signal(object, int)
    judgeRequested = Signal(int, object, object)
    saveRequested = Signal()
    exportRequested = Signal()
    removeRequested = Signal(str)
    untilRequested = Signal(str)
    refused = Signal(str)
    told = Signal(str)

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self._start = Edit()
        self._frame: Frame | None = None
        self._stuck = ""  # an attribute that the drag would move, but may not
        self._reconstruction: Image | None = None
        self._comparing = False
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._compare_off)  # nobody hears of a key that is let go elsewhere
        self._told: tuple[Face | None, Edit | None] = (None, None)  # what the hint speaks of
        self._layout()
        state.modelChanged.connect(self._on_model)
        state.planesChanged.connect(self._on_planes)
        state.faceChanged.connect(self._on_face)
        state.editChanged.connect(self._on_edit)
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
            view.setMinimumHeight(42)  # in a low window, below the greeting
            view.setMaximumHeight(136)
            label = QLabel(text)
            label.setObjectName("muted")
            side.addWidget(view)
            row = QHBoxLayout()
            row.addStretch(1)
            row.addWidget(label)
            if view is self.original:
                row.addWidget(self.crop)
            row.addStretch(1)
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

        self._sliders = Sliders(self._state)
        self.strip = Filmstrip()
        column = QVBoxLayout(self)
        column.setContentsMargins(12, space, 12, space)
        column.setSpacing(space)
        column.addLayout(faces, 1)
        column.addLayout(self._drag_row())
        column.addWidget(self._sliders)
        column.addWidget(self.strip)
        column.addLayout(self._buttons())
        self.film = StripFeed(self._state, self.strip, self.horizontal, self)
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
        self.film.requested.connect(self.stripRequested)
        self.film.judgeRequested.connect(self.judgeRequested)
        self._sliders.removeRequested.connect(self.removeRequested)
        self._sliders.untilRequested.connect(self.untilRequested)
        self._sliders.refused.connect(self.refused)
        self.undo.clicked.connect(self._state.undo_stack.undo)
        self.redo.clicked.connect(self._state.undo_stack.redo)
        self.reset.clicked.connect(self._state.reset)
        self.compare.pressed.connect(self._compare_on)
        self.compare.released.connect(self._compare_off)
        self.save.clicked.connect(self.saveRequested)
        self.export.clicked.connect(self.exportRequested)
        self.independence.clicked.connect(self._show_independence)

    # -- the document -----------------------------------------------------------------------

    @property
    def rows(self) -> dict[str, DirectionSlider]:
        """The slider of each attribute."""
        return self._sliders.sliders

    def limit_of(self, name: str) -> float:
        """Largest amount of an attribute's slider: twice its usual distance, or what an edit needs."""
        return self.rows[name].limit

    @Slot()
    def _on_model(self) -> None:
        self._make_rows()
        self.vertical.setCurrentIndex(2 if self.vertical.count() > 2 else 0)
        self._sliders.updateGeometry()
        self._sliders.show_first()
        self._on_face()

    @Slot()
    def _on_planes(self) -> None:
        """Directions came or went: other sliders, while the face and the attributes of a drag stay."""
        chosen, before = (self.horizontal.currentText(), self.vertical.currentText()), len(self.rows)
        self.edited.cancel_drag()
        boxes = self.horizontal, self.vertical
        for box in boxes:
            box.blockSignals(True)
        self._make_rows()
        for box, text in zip(boxes, chosen, strict=True):
            box.setCurrentIndex(max(0, box.findText(text)))
            box.blockSignals(False)
        for row in self.rows.values():
            row.setEnabled(self._state.face is not None)
        self._sliders.updateGeometry()
        if len(self.rows) > before:
            self._sliders.show_last()

    def _make_rows(self) -> None:
        """A slider an attribute, and the attributes that a drag may move."""
        self._sliders.make()
        self.horizontal.clear()
        self.horizontal.addItems(list(self.rows))
        self.vertical.clear()
        self.vertical.addItems([tr(NONE), *self.rows])

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
            self.film.clear()
        self._sliders.show_face()
        for button in (self.reset, self.compare, self.save, self.export):
            button.setEnabled(face is not None)
        self.independence.setEnabled(len(self.rows) > 1)
        self.crop.setVisible(face is not None and face.recipe.get("face") == "photo")
        self.undo.setEnabled(self._state.undo_stack.canUndo())
        self.redo.setEnabled(self._state.undo_stack.canRedo())

    @Slot()
    def _on_edit(self) -> None:
        self._sliders.show_edit()
        state = self._state
        if state.z is None or state.model is None:
            return
        self.film.mark()
        if (state.face, state.edit) != self._told:
            self.hint.say(state.face.name if state.face else "")

    # -- moves ------------------------------------------------------------------------------

    @Slot()
    def _on_drag_started(self) -> None:
        self._start, self._stuck = self._state.edit, ""

    @Slot(float, float)
    def _on_dragged(self, dx: float, dy: float) -> None:
        edit, self._stuck = self._start, ""
        for box, shift in ((self.horizontal, dx), (self.vertical, dy)):
            name = box.currentText()
            if (row := self.rows.get(name)) is None:
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
        if name in self.rows and not self.rows[name].movable:
            self._say_fixed(name)
        elif name in self.rows:
            self._state.commit(f"{name} {delta:+.2f}", self._state.edit.with_amount(name, delta))

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
            for name, row in self.rows.items():
                row.set_image_probability(seen.probabilities.get(name))

    @Slot(object)
    def show_strip(self, strip: Strip) -> None:
        """Fill the filmstrip, unless it is stale."""
        if self._fresh(strip):
            self.film.show(strip)

    @Slot(object)
    def show_judged(self, judged: Judged) -> None:
        """Mark where the label of the filmstrip's pictures flips."""
        self.film.show_judged(judged)

    @property
    def picture(self) -> Image | None:
        """The edited face as shown, (S, S, 3)."""
        return None if self._frame is None else self._frame.image

    def _paint(self) -> None:
        image = self._reconstruction if self._comparing else self.picture
        if image is not None:
            self.edited.set_image(image)

    @Slot()
    def _compare_on(self) -> None:
        self._comparing = True
        self._paint()

    @Slot()
    def _compare_off(self) -> None:
        if self._comparing:
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
