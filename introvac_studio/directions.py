"""Directions that join the open model: the dialog, its thread, and the menu's other acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QWidget

from introvac_studio.direction_dialog import FOLDER, DirectionDialog, Draft
from introvac_studio.language import mark, tr
from introvac_studio.main_window import Command
from introvac_studio.saving import ask_target
from introvac_studio.settings import Settings
from introvac_studio.state import ModelInfo, StudioState
from introvac_studio.workers.fitting import FittingThread
from trainer import directions
from trainer.errors import IntroVACError
from trainer.fit import Fitted
from trainer.latent import Hyperplanes

MENU = mark("&Directions")
_FILES = mark("Directions (*.npz)")
_KEPT = "directions/of/"  # and a model's digest


class Directions(QObject):
    """Adds, removes, saves and loads directions of the document.

    Signals:
        complained(str): what did not work; nothing is lost.
        told(str): a line for the status bar.
    """

    complained = Signal(str)
    told = Signal(str)

    def __init__(self, state: StudioState, settings: Settings, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._settings, self._window = state, settings, window
        self._draft: Draft | None = None
        self._kept: dict[str, Hyperplanes] = {}  # what each model had, by its digest
        self.dialog: DirectionDialog | None = None
        self.thread_ = FittingThread(self)
        state.facesChanged.connect(self._on_faces)
        state.planesChanged.connect(self._on_planes)
        state.modelChanged.connect(self._on_model)

    def commands(self) -> tuple[Command, ...]:
        """The menu."""
        return (
            Command(MENU, mark("New direction…"), "Ctrl+D", self.show_dialog),
            Command(
                MENU, mark("Remove direction"), "Ctrl+K, D", self.remove, lambda: self._state.added_directions
            ),
            Command(MENU, "", "", lambda: None),
            Command(MENU, mark("Save directions…"), "Ctrl+K, S", self.choose_target),
            Command(MENU, mark("Load directions…"), "Ctrl+K, O", self.choose_file),
        )

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.thread_.close()

    @Slot()
    def _on_planes(self) -> None:
        if (model := self._state.model) is not None:
            self._kept[model.digest] = model.planes
            self._remember(model)

    @Slot()
    def _on_model(self) -> None:
        """A model that is opened again gets back what was added to it."""
        model = self._state.model
        kept = (self._kept.get(model.digest) or self._remembered(model)) if model else None
        if model is not None and kept is not None and kept.names != model.planes.names:
            self._state.set_planes(tr("directions of before"), kept)

    def _remember(self, model: ModelInfo) -> None:
        """Keep what was added for the next start."""
        added: dict[str, Any] = {}
        for name in model.added:
            row = model.planes.index(name)
            added[name] = [model.planes.w[row].tolist(), float(model.planes.b[row])]
        self._settings.set_choices(_KEPT + model.digest, added)

    def _remembered(self, model: ModelInfo) -> Hyperplanes | None:
        """The model's planes with what was added to them when the studio was last open."""
        planes = model.planes
        try:
            for name, (w, b) in self._settings.choices(_KEPT + model.digest).items():
                planes = directions.extend(planes, name, w, float(b))
        except (IntroVACError, TypeError, ValueError):
            return None
        return planes

    # -- a new one ----------------------------------------------------------------------------

    @Slot()
    def show_dialog(self) -> None:
        """Label faces of the browser; labels given before are still there."""
        state = self._state
        model, faces, codes = state.model, state.faces, state.codes
        if model is None or faces is None or not len(faces):
            self.complained.emit(
                tr("A new direction is learnt from faces in the browser; open some with “Faces from…”.")
            )
            return
        if codes is None or len(codes) != len(faces):
            self.complained.emit(tr("The faces are still being encoded; try again in a moment."))
            return
        draft = self._draft
        if draft is None or draft.faces is not faces or draft.name in model.planes.names:
            draft = self._draft = Draft(faces)  # what was added and undone comes up again with its labels
        dialog = DirectionDialog(draft, model.planes, codes, self._settings, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fitRequested.connect(self.thread_.submit)
        dialog.addRequested.connect(self.add)
        dialog.finished.connect(self._on_closed)
        self.thread_.answered.connect(dialog.show_answer)
        self.dialog = dialog
        dialog.open()

    @Slot()
    def _on_closed(self) -> None:
        self.dialog = None

    @Slot()
    def _on_faces(self) -> None:
        """Labels belong to the faces that were labelled."""
        if self.dialog is not None:
            self.dialog.reject()
        if self._draft is not None and self._draft.faces is not self._state.faces:
            self._draft = None

    @Slot(object)
    def add(self, fitted: Fitted) -> None:
        """Let a fitted direction join the model's."""
        model = self._state.model
        if model is None:
            return
        try:
            planes = fitted.join(model.planes)
        except IntroVACError as error:
            self.complained.emit(tr("The direction was not added: {error}", error=error))
            return
        self._state.set_planes(tr("add direction {name}", name=fitted.name), planes)
        self.told.emit(tr("added {name}: the last slider; Ctrl+Z takes it away again", name=fitted.name))

    @Slot(str)
    def remove(self, name: str) -> None:
        """Take an added direction away; its part of the edit goes with it."""
        model = self._state.model
        if model is not None and name in self._state.added_directions:
            self._state.set_planes(
                tr("remove direction {name}", name=name), directions.remove(model.planes, name)
            )
            self.told.emit(tr("removed {name}; Ctrl+Z brings it back", name=name))

    # -- files --------------------------------------------------------------------------------

    @Slot()
    def choose_target(self) -> None:
        model = self._state.model
        if model is None:
            self.complained.emit(tr("There are no directions to save yet; open a model first."))
            return
        folder = Path(self._settings.get(FOLDER, str(Path.home())))
        target = ask_target(
            self._window, tr("Save directions"), folder / "directions.npz", tr(_FILES), ".npz"
        )
        if target is not None:
            self.save_to(target)

    def save_to(self, path: Path) -> None:
        """Write the model's hyperplanes with those that were added."""
        model = self._state.model
        assert model is not None
        try:
            directions.save_directions(path, model.planes, model.digest)
        except IntroVACError as error:
            self.complained.emit(tr("The directions were not saved: {error}", error=error))
            return
        self._settings.set(FOLDER, str(path.parent))
        self.told.emit(tr("saved {path}", path=path))

    @Slot()
    def choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self._window, tr("Load directions"), self._settings.get(FOLDER, ""), tr(_FILES)
        )
        if path:
            self.load(Path(path))

    def load(self, path: Path) -> None:
        """Add what a file of this model has more; a file of another model changes nothing."""
        model = self._state.model
        if model is None:
            self.complained.emit(tr("Directions belong to a model; open it first."))
            return
        try:
            planes = directions.join(model.planes, directions.load_directions(path, model.digest), str(path))
        except IntroVACError as error:
            self.complained.emit(tr("The directions were not loaded: {error}", error=error))
            return
        self._settings.set(FOLDER, str(path.parent))
        new = [name for name in planes.names if name not in model.planes.names]
        if new:
            self._state.set_planes(tr("load {name}", name=path.name), planes)
        self.told.emit(
            tr("added {names}", names=", ".join(new))
            if new
            else tr("{name} has nothing that is not here yet", name=path.name)
        )
