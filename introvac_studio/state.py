"""The document: the open model, the current face, its edit, faces to choose from, a group of them, and undo.

Panels read it and call its methods; it tells them by signals what changed. Nothing here computes
with tensors: codes are numpy arrays of d float64 values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QUndoCommand, QUndoStack

from introvac_studio.language import tr, trn
from trainer import directions, edits, latent
from trainer.card import ModelCard
from trainer.errors import ModelError

Image = NDArray[np.uint8]
Code = NDArray[np.float64]

FOLLOW_MS = 50  # the longest time that panels lag behind a drag whose picture does not come
LARGEST = 100.0  # usual distance of an edit, whatever a file says; that of training goes no further


@dataclass(frozen=True, eq=False)
class ModelInfo:
    """The open model, as far as a screen needs it; answers that carry an older `stamp` are stale."""

    stamp: int
    path: Path
    name: str
    planes: latent.Hyperplanes
    card: ModelCard
    digest: str
    size: int
    dim: int
    crop: str
    device: str
    added: tuple[str, ...] = ()  # names of directions that the model file does not know
    copy: Path | None = None  # of the file, where a run may write over it

    @property
    def weights(self) -> Path:
        """The file to read these very weights from."""
        return self.copy if self.copy is not None and self.copy.is_file() else self.path

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.planes.attributes

    @property
    def own_planes(self) -> latent.Hyperplanes:
        """Those of the file, without what was added."""
        return reduce(directions.remove, self.added, self.planes)


@dataclass(frozen=True, eq=False)
class Refinement:
    """A code (d,) nearer to a face's original than the encoder's, with the mean absolute errors of both.

    `before` and `after` are of pixels in [0, 1].
    """

    encoded: Code
    z: Code
    before: float
    after: float
    steps: int

    @property
    def gain(self) -> float:
        """The share of the error that is gone."""
        return 1 - self.after / self.before if self.before > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Face:
    """A face to edit: its code mu (d,), and the picture it came from where there is one.

    `refinement` is what was found for it, whether or not mu is it.
    """

    name: str
    mu: Code
    original: Image | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    refinement: Refinement | None = None

    @property
    def refined(self) -> bool:
        """Whether mu is the refined code."""
        return self.refinement is not None and self.mu is self.refinement.z


@dataclass(frozen=True, eq=False)
class Edit:
    """Moves along attributes, in units of delta, on top of a free displacement in code space.

    Each move goes along its attribute's direction less what lies in the span of the kept ones, so that
    a kept attribute's logit is what the face, the displacement and its own amount make it, whatever the
    others do.
    """

    amounts: Mapping[str, float] = field(default_factory=dict)
    offset: Code | None = None
    keep: tuple[str, ...] = ()

    def amount(self, name: str) -> float:
        return self.amounts.get(name, 0.0)

    def with_amount(self, name: str, amount: float) -> Edit:
        rest = {k: v for k, v in self.amounts.items() if k != name}
        return replace(self, amounts=rest | ({name: amount} if amount else {}))

    def with_keep(self, name: str, on: bool) -> Edit:
        """With an attribute kept, or let go."""
        rest = tuple(k for k in self.keep if k != name)
        return replace(self, keep=(*rest, name) if on else rest)

    def fitting(self, planes: latent.Hyperplanes) -> Edit:
        """What other hyperplanes leave of it; nothing is kept where that leaves no way to move."""
        amounts = {k: v for k, v in self.amounts.items() if k in planes.attributes}
        edit = replace(self, amounts=amounts, keep=tuple(k for k in self.keep if k in planes.attributes))
        try:
            edit.step(planes)
        except ModelError:
            return replace(edit, keep=())
        return edit

    def heading(self, planes: latent.Hyperplanes, name: str) -> edits.Heading:
        """Where a move of one attribute goes; nothing keeps an attribute from itself.

        Raises:
            ModelError: nothing is left of the direction, or there is none.
        """
        return edits.heading(planes, name, (k for k in self.keep if k != name))

    def step(self, planes: latent.Hyperplanes) -> Code:
        """What the edit adds to a code, (d,).

        Raises:
            ModelError: as `heading`, of an attribute that is moved.
        """
        total = np.zeros(planes.dim) if self.offset is None else self.offset.astype(np.float64)
        for name, amount in self.amounts.items():
            total = total + amount * self.heading(planes, name).unit
        return total

    def shifted(self, planes: latent.Hyperplanes, by: Code) -> Edit:
        """With a further free displacement (d,), less what would move a kept logit."""
        if self.keep:
            normals = np.stack([planes.normal(name) for name in self.keep])
            for _ in range(2):  # the second takes off what rounding left of the first
                by = by - normals.T @ np.linalg.lstsq(normals.T, by, rcond=None)[0]
        return replace(self, offset=by if self.offset is None else self.offset + by)

    @property
    def empty(self) -> bool:
        """Whether it leaves every code where it is."""
        return not any(self.amounts.values()) and (self.offset is None or not self.offset.any())

    def same(self, other: Edit) -> bool:
        a = np.zeros(1) if self.offset is None else self.offset
        b = np.zeros(1) if other.offset is None else other.offset
        alike = dict(self.amounts) == dict(other.amounts) and set(self.keep) == set(other.keep)
        return alike and bool(np.array_equal(a + 0 * b, b + 0 * a))


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Faces to choose from: images (N, S, S, 3), labels (N, A) in {0, 1} of `attributes`, names."""

    spec: str
    images: Image
    names: tuple[str, ...]
    attributes: tuple[str, ...]
    labels: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The number of each name."""
        return {name: row for row, name in enumerate(self.names)}

    def recipe(self, row: int) -> dict[str, Any]:
        """Where a face of the set comes from."""
        return {"face": "data", "data": self.spec, "file": self.names[row]}


Rows = NDArray[np.intp]
_NONE: Rows = np.zeros(0, np.intp)
_FOLLOWERS = ("editChanged", "placeChanged")
_NONE.setflags(write=False)
Moment = tuple[Face | None, Edit]


class _Change(QUndoCommand):
    """One step of history: face and edit before and after."""

    def __init__(self, state: StudioState, text: str, before: Moment, after: Moment, merge: str) -> None:
        super().__init__(text)
        self._state, self._before, self._after, self._merge = state, before, after, merge

    def id(self) -> int:
        return 1 if self._merge else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Steps in a row at one slider are one change."""
        if not isinstance(other, _Change) or other._merge != self._merge:
            return False
        self._after = other._after
        self.setText(other.text())
        self.setObsolete(self._after[1].same(self._before[1]))
        return True

    def redo(self) -> None:
        self._state._apply(*self._after)

    def undo(self) -> None:
        self._state._apply(*self._before)


class _GroupChange(QUndoCommand):
    """One step of history: the group before and after, as long as its faces are there."""

    def __init__(self, state: StudioState, text: str, after: Rows, merge: str, alone: bool) -> None:
        super().__init__(text)
        self._state, self._faces, self._merge = state, state.faces, merge
        self._before, self._after = (state.selection, state.alone), (after, alone)

    def id(self) -> int:
        return 2 if self._merge else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Faces picked one after another are one change."""
        if not isinstance(other, _GroupChange) or (other._merge, other._faces) != (self._merge, self._faces):
            return False
        self._after = other._after
        self.setText(other.text())
        self.setObsolete(np.array_equal(self._before[0], self._after[0]))
        return True

    def redo(self) -> None:
        self._show(*self._after)

    def undo(self) -> None:
        self._show(*self._before)

    def _show(self, rows: Rows, alone: bool) -> None:
        if self._state.faces is self._faces:
            self._state._apply_group(rows, alone)
        else:
            self.setObsolete(True)


class _PlanesChange(QUndoCommand):
    """One step of history: hyperplanes and edit before and after; the face stays."""

    def __init__(
        self, state: StudioState, text: str, before: latent.Hyperplanes, after: latent.Hyperplanes, edit: Edit
    ) -> None:
        super().__init__(text)
        self._state = state
        face, settled = state._settled
        self._before, self._after = (before, face, settled), (after, face, edit)

    def redo(self) -> None:
        self._state._apply_planes(*self._after)

    def undo(self) -> None:
        self._state._apply_planes(*self._before)


class StudioState(QObject):
    """The one document of the window.

    Signals:
        modelChanged: another model is open (or none); face and edit are gone, history is empty.
        planesChanged: directions were added to the open model or removed; face and history stay.
        facesChanged: another set of faces to choose from.
        codesChanged: `codes`, the faces' mu (N, d), are there (or gone).
        faceChanged: another current face.
        editMoved: the edit differs: what takes long is to begin.
        editChanged, placeChanged: the same, for what shows the edit's amounts, and for what shows where it
            lies among others. In a drag, with `paced`, they come in turn, one with each picture (`follow`),
            or after `FOLLOW_MS`: the processor is the picture's first.
        editCommitted: the edit is settled: a drag was released, or history moved.
        selectionChanged: another group of faces, or none.
        hoverChanged: the pointer is on another face of the set, somewhere, or on none (-1).

    `revision` counts everything that changes the edited code, and `face_revision` is its value when
    the current face came: a picture asked for at an earlier revision is stale.
    """

    modelChanged = Signal()
    planesChanged = Signal()
    facesChanged = Signal()
    codesChanged = Signal()
    faceChanged = Signal()
    editMoved = Signal()
    editChanged = Signal()
    placeChanged = Signal()
    editCommitted = Signal()
    selectionChanged = Signal()
    hoverChanged = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.undo_stack = QUndoStack(self)
        self.model: ModelInfo | None = None
        self.face: Face | None = None
        self.edit = Edit()
        self.faces: FaceSet | None = None
        self.codes: NDArray[np.float32] | None = None
        self.selection: Rows = _NONE  # rows of `faces`, ascending; not to be written to
        self.alone = False  # whether nothing but the group is to be shown where faces are shown
        self.hovered = -1
        self.revision = 0
        self.face_revision = 0
        self._settled: Moment = (None, self.edit)
        self.paced = False
        self._behind = QTimer(self)
        self._behind.setSingleShot(True)
        self._behind.timeout.connect(self._tell_next)
        self._owed: list[str] = []  # signals that wait for the next pictures

    def set_model(self, model: ModelInfo | None) -> None:
        self.undo_stack.clear()
        self.model, self.codes, self.faces = model, None, None
        self.selection, self.alone, self.hovered = _NONE, False, -1
        self.face, self.edit = None, Edit()
        self._settled = (None, self.edit)
        self.revision += 1
        self.face_revision = self.revision
        self.modelChanged.emit()
        self.facesChanged.emit()
        self.codesChanged.emit()
        self.selectionChanged.emit()
        self.faceChanged.emit()
        self._move_edit()
        self.editCommitted.emit()

    @property
    def added_directions(self) -> tuple[str, ...]:
        """The attributes that were added to the open model, in order."""
        return self.model.added if self.model else ()

    def set_planes(self, text: str, planes: latent.Hyperplanes) -> None:
        """Take other hyperplanes for the open model, as one step of history, or before there is a face.

        The edit keeps its moves along the attributes that are still there.
        """
        if self.model is None:
            return
        edit = self._settled[1].fitting(planes)
        if self.face is None:  # history begins with the first one
            self._apply_planes(planes, None, edit)
        else:
            self.undo_stack.push(_PlanesChange(self, text, self.model.planes, planes, edit))

    def set_faces(self, faces: FaceSet | None) -> None:
        self.faces, self.codes = faces, None
        self.selection, self.alone, self.hovered = _NONE, False, -1
        self.facesChanged.emit()
        self.codesChanged.emit()
        self.selectionChanged.emit()

    def set_codes(self, codes: NDArray[np.float32] | None) -> None:
        self.codes = codes
        self.codesChanged.emit()

    @property
    def row(self) -> int:
        """The row of the current face in `faces`, -1 where it is none of them."""
        if self.face is None or self.faces is None:
            return -1
        recipe = self.face.recipe
        if recipe.get("face") != "data" or recipe.get("data") != self.faces.spec:
            return -1
        return self.faces.rows.get(str(recipe.get("file")), -1)

    def hover(self, row: int) -> None:
        """The pointer is on a face of the set, wherever it is shown; -1 for none."""
        if row != self.hovered:
            self.hovered = row
            self.hoverChanged.emit(row)

    def select(self, rows: ArrayLike, text: str = "", merge: str = "", alone: bool = True) -> None:
        """Make these rows of `faces` the group, as one step of history; nothing happens where they are.

        Args:
            text: of the step; by default how many faces there are.
            merge: as in `commit`.
            alone: see the attribute.
        """
        wanted = np.unique(np.asarray(rows, dtype=np.intp))
        if self.faces is None or np.array_equal(wanted, self.selection):
            return
        if len(wanted) and (wanted[0] < 0 or wanted[-1] >= len(self.faces)):
            raise ModelError(f"a group of rows {wanted[0]} to {wanted[-1]} of {len(self.faces)} faces")
        wanted.setflags(write=False)
        said = trn("group of {n} face", "group of {n} faces", len(wanted)) if len(wanted) else tr("no group")
        self.undo_stack.push(_GroupChange(self, text or said, wanted, merge, alone and len(wanted) > 0))

    def show_alone(self, on: bool) -> None:
        """Show nothing but the group, or all faces; this is no step of history."""
        if on != self.alone:
            self.alone = on
            self.selectionChanged.emit()

    def _apply_group(self, rows: Rows, alone: bool) -> None:
        self.selection, self.alone = rows, alone
        self.selectionChanged.emit()

    @property
    def delta(self) -> float:
        """The model's usual distance of an edit."""
        return min(self.model.card.delta, LARGEST) if self.model else 4.0

    def delta_of(self, name: str) -> float:
        """The usual distance of an edit of an attribute; an added direction has the model's."""
        if self.model is None or name in self.model.added:
            return self.delta
        return min(self.model.card.delta_of(name), LARGEST)

    @property
    def z(self) -> Code | None:
        """The edited code (d,)."""
        return None if self.face is None else self.moved(self.edit)

    def moved(self, edit: Edit) -> Code:
        """The current face's code under an edit (d,)."""
        assert self.face is not None and self.model is not None
        return self.face.mu + edit.step(self.model.planes)

    def open_face(self, face: Face, edit: Edit | None = None) -> None:
        """Make a face the current one; one step of history, but the first face is where history begins.

        Without an edit of its own it begins unmoved, and what was kept is kept.
        """
        edit = edit or Edit(keep=self.edit.keep)
        if self.face is None:
            self._apply(face, edit)
        else:
            self._push(tr("open {name}", name=face.name), face, edit)

    def preview(self, edit: Edit) -> None:
        """Show an edit while it is being made; `commit` settles it.

        Raises:
            ModelError: keeping others leaves nothing of a move; the edit stays as it was.
        """
        if self.face is not None:
            self.moved(edit)
            self.edit = edit
            self.revision += 1
            self._move_edit()

    def _move_edit(self) -> None:
        self.editMoved.emit()
        self._owed += [name for name in _FOLLOWERS if name not in self._owed]
        if not self.paced or self.settled:
            while self._owed:
                self._tell_next()
        elif not self._behind.isActive():
            self._behind.start(FOLLOW_MS)

    @Slot()
    def follow(self) -> None:
        """A picture has come: the next panels may follow, after the paint that waits."""
        if self._owed:
            self._behind.start(0)

    @Slot()
    def _tell_next(self) -> None:
        self._behind.stop()
        name = self._owed.pop(0)
        if self._owed:
            self._behind.start(FOLLOW_MS)
        getattr(self, name).emit()

    def commit(self, text: str, edit: Edit | None = None, merge: str = "") -> None:
        """Settle the edit (the previewed one unless given) as one step of history.

        Consecutive commits with the same `merge` are one step.

        Raises:
            ModelError: as `preview`.
        """
        edit = self.edit if edit is None else edit
        if self.face is None:
            return
        self.moved(edit)
        if edit.same(self._settled[1]):
            self.discard_preview()
            return
        self._push(text, self.face, edit, merge)

    @property
    def settled(self) -> bool:
        """Whether the edit is a step of history, and not that of a drag."""
        return self.edit is self._settled[1]

    def discard_preview(self) -> None:
        """Give up an unsettled edit."""
        if self.face is not None and not self.settled:
            self.preview(self._settled[1])
            self.editCommitted.emit()

    def keep(self, name: str, on: bool) -> None:
        """Keep an attribute's logit where it is when others move, or let it go; one step of history.

        Raises:
            ModelError: as `preview`, or an attribute without a direction.
        """
        if on and self.model is not None:
            self.model.planes.normal(name)
        text = tr("keep {name}", name=name) if on else tr("let {name} move", name=name)
        self.commit(text, self.edit.with_keep(name, on))

    def refine(self, refinement: Refinement, on: bool = True) -> None:
        """Make the refined code the face's, or the encoder's again; the edit stays. One step of history."""
        if self.face is not None:
            mu = refinement.z if on else refinement.encoded
            face = replace(self.face, mu=mu, refinement=refinement)
            self._push(tr("refine") if on else tr("the encoder's code"), face, self._settled[1])

    def reset(self) -> None:
        """Back to the face as it was, with nothing kept."""
        self.commit(tr("reset"), Edit())

    def _push(self, text: str, face: Face | None, edit: Edit, merge: str = "") -> None:
        self.undo_stack.push(_Change(self, text, self._settled, (face, edit), merge))

    def _apply_planes(self, planes: latent.Hyperplanes, face: Face | None, edit: Edit) -> None:
        assert self.model is not None
        model = self.model
        own = set(model.attributes) - set(model.added)
        added = tuple(name for name in planes.attributes if name not in own)
        self.model = replace(model, planes=planes, added=added)
        self.edit = edit
        self.planesChanged.emit()
        self._apply(face, edit)

    def _apply(self, face: Face | None, edit: Edit) -> None:
        other = face is not self.face
        self.face, self.edit = face, edit
        self._settled = (face, edit)
        self.revision += 1
        if other:
            self.face_revision = self.revision
            self.faceChanged.emit()
        self._move_edit()
        self.editCommitted.emit()
