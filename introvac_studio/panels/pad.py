"""Two attributes at once: the plane of their directions, both hyperplanes, and the face under the pointer.

Wiring: `lookRequested(stamp, z, serial)` asks for the picture of a code, which goes to `show_glance`;
`sheetRequested(Sheet)` asks for the small faces behind the plane, which come one by one to `show_cell`.
Everything else goes through the state: a drag calls `preview`, its release `commit`.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.edit_plane import EditPlane, edit_plane
from introvac_studio.glances import Cell, Glance, Sheet
from introvac_studio.language import mark, tr
from introvac_studio.state import Edit, Image, StudioState
from introvac_studio.widgets.attribute_pad import AttributePad, Axis, Scene
from introvac_studio.widgets.bubble import Bubble
from introvac_studio.widgets.image_view import ImageView
from introvac_studio.widgets.texts import Line, tabular
from trainer.errors import ModelError

NUDGE = "pad"
STICKY = 4  # pixels beside an axis that count as on it
_ROOM = 112  # pixels below the square that a face needs
_NO_MODEL = mark("Open a model to see its directions.")
_TOO_FEW = mark(
    "A plane needs two directions, and this model has fewer.\nLearn one with Directions › New direction…."
)
_NO_FACE = mark("Choose a face on the left, or drop a photo.")


class PadPanel(QWidget):
    """See the module's docstring for the wiring."""

    lookRequested = Signal(int, object, int)
    sheetRequested = Signal(object)

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self._plane: EditPlane | None = None
        self._had: tuple[str, ...] = ()  # the two directions, before one of them was chosen
        self._start: Edit | None = None  # when the drag began
        self._reach = 1.0
        self._sheet: Sheet | None = None
        self._sheet_of: tuple[EditPlane, float] | None = None
        self._serial = self._shown = 0  # of the pointer's places
        self._at, self._place = QPoint(), (0.0, 0.0)
        self._over = False
        self._image: Image | None = None  # the newest under the pointer
        self._build()
        state.modelChanged.connect(self._on_model)
        state.planesChanged.connect(self._on_model)
        state.faceChanged.connect(self._on_face)
        state.placeChanged.connect(self._on_edit)
        state.editCommitted.connect(self._on_settled)
        self._on_model()

    def _build(self) -> None:
        self.first, self.second = QComboBox(), QComboBox()
        self.first.setAccessibleName(tr("direction from left to right"))
        self.second.setAccessibleName(tr("direction from bottom to top"))
        top = QHBoxLayout()
        top.setSpacing(theme.GRID)
        for sign, box in (("↔", self.first), ("↕", self.second)):
            label = QLabel(sign)
            label.setObjectName("muted")
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(6)
            top.addWidget(label)
            top.addWidget(box, 1)
        self.pad = AttributePad()
        self.pad.setAccessibleName(tr("two-attribute pad; arrow keys move the face, Home brings it back"))
        self.bubble = Bubble(self.pad)
        self.preview = ImageView(
            tr("face under the pointer"), tr("Point at the plane\nto see the face there")
        )
        self.under = QLabel()
        self.under.setFont(tabular(self.under.font()))
        self.under.setWordWrap(True)
        self._below = QWidget()
        below = QHBoxLayout(self._below)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(theme.GRID)
        below.addWidget(self.preview, 3)
        below.addWidget(self.under, 2)
        self.amounts, self.note = QLabel(), Line()
        self.amounts.setFont(tabular(self.amounts.font()))
        self.faces = QCheckBox(tr("Faces"))
        self.faces.setChecked(True)
        self.faces.setToolTip(tr("Small faces behind the plane: what its places make of this face"))
        foot = QHBoxLayout()
        foot.setSpacing(theme.GRID)
        foot.addWidget(self.amounts, 1)
        foot.addWidget(self.faces)
        self.empty = QLabel()
        self.empty.setObjectName("empty")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        plane = QWidget()
        rows = QVBoxLayout(plane)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(theme.GRID)
        rows.addWidget(self.pad, 3)
        rows.addWidget(self._below, 2)
        self._holder, self._stack = QWidget(), QStackedLayout()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(plane)
        self._plane_page = plane
        self._holder.setLayout(self._stack)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[theme.GRID + theme.GRID // 2] * 4)
        column.setSpacing(theme.GRID)
        column.addLayout(top)
        column.addWidget(self._holder, 1)
        column.addWidget(self.note)
        column.addLayout(foot)
        self.first.currentIndexChanged.connect(self._on_first)
        self.second.currentIndexChanged.connect(self._on_second)
        self.faces.toggled.connect(self._on_faces)
        self.pad.moved.connect(self._drag_to)
        self.pad.released.connect(self._release)
        self.pad.cancelled.connect(self._cancel)
        self.pad.nudged.connect(self._nudge)
        self.pad.homed.connect(self._home)
        self.pad.hovered.connect(self._hover)
        self.pad.left.connect(self._leave)

    # -- what is chosen -------------------------------------------------------------------------

    def _directions(self) -> list[str]:
        """Attributes that have a direction."""
        model = self._state.model
        if model is None:
            return []
        return [name for name in model.attributes if model.planes.w[model.planes.index(name)].any()]

    @Slot()
    def _on_model(self) -> None:
        """Other directions; those that were chosen stay, where they are still there."""
        names = self._directions()
        for box, default in ((self.first, 0), (self.second, 1)):
            chosen = box.currentText()
            box.blockSignals(True)
            box.clear()
            box.addItems(names)
            box.setCurrentIndex(names.index(chosen) if chosen in names else min(default, len(names) - 1))
            box.setEnabled(len(names) > 1)
            box.blockSignals(False)
        if self.first.currentText() == self.second.currentText() and len(names) > 1:
            self.second.blockSignals(True)
            self.second.setCurrentIndex(1 if self.first.currentIndex() == 0 else 0)
            self.second.blockSignals(False)
        self._on_face()

    @Slot(int)
    def _on_first(self, index: int) -> None:
        self._part(self.second)

    @Slot(int)
    def _on_second(self, index: int) -> None:
        self._part(self.first)

    def _part(self, other: QComboBox) -> None:
        """The two boxes never name the same: the other one takes what this one had."""
        if self.first.currentText() == self.second.currentText() and other.count() > 1:
            free = [name for name in (*self._had, *self._directions()) if name != other.currentText()]
            other.blockSignals(True)
            other.setCurrentText(free[0])
            other.blockSignals(False)
        self._on_face()

    @property
    def plane(self) -> EditPlane | None:
        """What is drawn."""
        return self._plane

    @property
    def names(self) -> tuple[str, str]:
        """The two directions."""
        return self.first.currentText(), self.second.currentText()

    # -- the document ---------------------------------------------------------------------------

    @Slot()
    def _on_face(self) -> None:
        self.pad.drop()
        self._start = None
        self._leave()
        self._on_edit()
        self._on_settled()

    @Slot()
    def _on_edit(self) -> None:
        """The plane goes through the face with the rest of its edit, the handle lies at the two amounts."""
        state, said = self._state, ""
        self._had = self.names
        if not self.isVisible():
            return  # it will look once it is shown
        self._plane = None
        if state.model is None:
            said = tr(_NO_MODEL)
        elif len(self._directions()) < 2:
            said = tr(_TOO_FEW)
        elif state.face is None:
            said = tr(_NO_FACE)
        else:
            try:
                self._plane = edit_plane(state.face.mu, state.edit, state.model.planes, *self.names)
            except ModelError as error:
                said = tr("There is no plane: {reason}.", reason=error)
        self.empty.setText(said)
        self._stack.setCurrentWidget(self.empty if said else self._plane_page)
        self.faces.setEnabled(not said)
        if self._plane is None:
            self.amounts.setText("")
            self.note.say("")
            self.pad.set_scene(None)
            return
        self._show_scene(self._plane)

    def _show_scene(self, plane: EditPlane) -> None:
        state, names = self._state, plane.names
        assert state.model is not None
        amounts = [state.edit.amount(name) for name in names]
        x, y = plane.place(amounts)
        if self._start is None:  # while it is dragged, the ground does not move
            usual = 1.5 * max(state.delta_of(name) for name in names)
            self._reach = max(usual, 1.1 * abs(float(x)), 1.1 * abs(float(y)))
        ways = ((1.0, 0.0), (plane.cosine, plane.sine))
        first, second = (
            Axis(
                name,
                theme.attribute_colour(state.model.attributes.index(name)),
                way,
                state.delta_of(name),
                plane.line(state.model.planes, name),
            )
            for name, way in zip(names, ways, strict=True)
        )
        self.pad.set_scene(Scene(self._reach, (first, second)))
        self.pad.set_handle((float(x), float(y)))
        text = "   ".join(f"{n} {_signed(a)}" for n, a in zip(names, amounts, strict=True))
        self.amounts.setText(text)
        self.pad.setAccessibleDescription(text)
        kept = [name for name in names if name in state.edit.keep]
        angle = np.degrees(np.arccos(plane.cosine))
        self.note.say(
            tr("{names} is kept and does not move here; open its padlock", names=", ".join(kept))
            if kept
            else tr("directions at {angle}°, drawn at true lengths", angle=f"{angle:.0f}"),
            tr("x goes along {first}, y along what {second} has beside it; units are δ", first=names[0],
               second=names[1]),
        )  # fmt: skip
        if self._sheet_of is not None and not self._same_ground(plane):
            self.pad.fade()

    # -- small faces ----------------------------------------------------------------------------

    def _same_ground(self, plane: EditPlane) -> bool:
        """Whether the small faces are those of this plane."""
        if self._sheet_of is None or self._sheet_of[1] != self._reach:
            return False
        old, new = self._sheet_of[0].view, plane.view
        return np.array_equal(old.origin, new.origin) and np.array_equal(old.basis, new.basis)

    @Slot(bool)
    def _on_faces(self, on: bool) -> None:
        self._sheet = self._sheet_of = None
        self.pad.set_pictures([])
        self._on_settled()

    @Slot()
    def _on_settled(self) -> None:
        """Ask for the small faces of another plane, if somebody looks."""
        plane, model = self._plane, self._state.model
        if not self.isVisible():
            return
        if plane is None or model is None:
            self._sheet = self._sheet_of = None
            self.pad.set_pictures([])
            return
        if self._start is None:
            self._show_scene(plane)
        if not self.faces.isChecked() or self._same_ground(plane):
            return
        codes = plane.code(self.pad.cell_places(self._reach))
        self._sheet, self._sheet_of = Sheet(model.stamp, codes), (plane, self._reach)
        if not self.pad.pictures:
            self.pad.set_pictures([None] * len(codes))
        self.pad.fade()
        self.sheetRequested.emit(self._sheet)

    @Slot(object)
    def show_cell(self, cell: Cell) -> None:
        """One of the small faces, unless others are wanted by now."""
        if cell.sheet is self._sheet:
            self.pad.set_picture(cell.index, cell.image)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._on_edit()
        self._on_settled()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._leave()

    # -- moves ----------------------------------------------------------------------------------

    def _edit_at(self, plane: EditPlane, edit: Edit, x: float, y: float) -> Edit:
        """The edit with the two amounts that lie at a place, as far as their sliders go."""
        for name, amount in zip(plane.names, plane.amounts((x, y)), strict=True):
            if name in edit.keep:
                continue
            limit = max(2 * self._state.delta_of(name), abs(edit.amount(name)))
            amount = 0.0 if abs(amount) * self.pad.unit < STICKY else float(amount)
            edit = edit.with_amount(name, max(-limit, min(limit, amount)))
        return edit

    @Slot(float, float)
    def _drag_to(self, x: float, y: float) -> None:
        if self._plane is None:
            return
        if self._start is None:
            self._start = self._state.edit
        self._state.preview(self._edit_at(self._plane, self._start, x, y))
        self._on_edit()  # what is held follows the hand, not the picture

    @Slot()
    def _release(self) -> None:
        if self._start is not None:
            self._start = None
            self._state.commit(self._step_text(self._state.edit))

    @Slot()
    def _cancel(self) -> None:
        if self._start is not None:
            self._start = None
            self._state.discard_preview()

    @Slot(float, float)
    def _nudge(self, first: float, second: float) -> None:
        """A step along an axis by key; steps in a row are one change."""
        if self._plane is None:
            return
        edit = self._state.edit
        for name, step in zip(self._plane.names, (first, second), strict=True):
            if step and name not in edit.keep:
                limit = max(2 * self._state.delta_of(name), abs(edit.amount(name)))
                edit = edit.with_amount(name, max(-limit, min(limit, edit.amount(name) + step)))
        self._state.commit(self._step_text(edit), edit, merge=NUDGE)

    @Slot()
    def _home(self) -> None:
        if self._plane is not None:
            edit = self._edit_at(self._plane, self._state.edit, 0.0, 0.0)
            self._state.commit(self._step_text(edit), edit)

    def _step_text(self, edit: Edit) -> str:
        return ", ".join(f"{name} {edit.amount(name):+.2f}" for name in self.names)

    # -- the face under the pointer -------------------------------------------------------------

    @Slot(float, float, QPoint)
    def _hover(self, x: float, y: float, at: QPoint) -> None:
        state, plane = self._state, self._plane
        if plane is None or state.model is None:
            return
        self._at, self._over = at, True
        self._serial += 1
        self._place = (x, y)
        self._show_under()
        self.lookRequested.emit(state.model.stamp, plane.code((x, y)), self._serial)

    def _show_under(self) -> None:
        """Amounts and probabilities at once, the picture as soon as it is drawn."""
        plane, model = self._plane, self._state.model
        if plane is None or model is None:
            return
        p = model.planes.probabilities(plane.code(self._place))
        lines = [
            (name, f"{_signed(float(amount))}  p {p[model.planes.index(name)]:.2f}")
            for name, amount in zip(plane.names, plane.amounts(self._place), strict=True)
        ]
        if not self._below.isHidden():
            self.preview.set_image(self._image)
            self.under.setText("\n\n".join(f"{name}\n{text}" for name, text in lines))
        elif self._image is not None:
            text = "\n".join(f"{name} {text}" for name, text in lines)
            self.bubble.show_face(self._image, text, self._at)

    @Slot(object)
    def show_glance(self, glance: Glance) -> None:
        """The face under the pointer, or where it was a moment ago."""
        if self._over and glance.serial > self._shown:
            self._shown, self._image = glance.serial, glance.image
            self._show_under()

    @Slot()
    def _leave(self) -> None:
        self._over, self._image, self._shown = False, None, self._serial
        self.bubble.hide()
        self.preview.set_image(None)
        self.under.setText("")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Below a square there is room for the face under the pointer; else it stands beside the pointer."""
        super().resizeEvent(event)
        spare = self._holder.height() - self._holder.width()
        self._below.setVisible(spare >= _ROOM)
        self.pad.setMaximumHeight(self._holder.width() if spare >= _ROOM else 1 << 14)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "pad"):
            self._on_edit()  # attributes have other colours


def _signed(amount: float) -> str:
    return "0.00" if abs(amount) < 0.005 else f"{amount:+.2f}".replace("-", "−")
