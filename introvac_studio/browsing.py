"""The faces to choose from, and the one that is edited: opened, drawn, or carried over to another model."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from introvac_studio.language import mark, tr
from introvac_studio.main_window import Command, MainWindow
from introvac_studio.messages import Codes, Failure, Opened
from introvac_studio.models import Before
from introvac_studio.panels.faces import PREPARING, FacesPanel
from introvac_studio.settings import Settings
from introvac_studio.state import Edit, FaceSet, ModelInfo, StudioState
from introvac_studio.workers.faces import FacesThread, FacesWanted
from introvac_studio.workers.inference import InferenceThread
from trainer import config
from trainer.errors import ConfigError


def _key(model: ModelInfo) -> str:
    """Where the choice of faces for models of this kind is remembered."""
    kind = model.card.data if model.card.data in ("avatars", "celeba", "folder") else "other"
    return f"faces/{kind}"


def _trained_on(model: ModelInfo) -> str:
    """The data of the run that a model file lies in; empty where it lies in none."""
    try:
        data = config.load(model.path.parent / "config.json").data.data
    except ConfigError:
        return ""
    return "" if data.startswith("avatars") else data


def _first(faces: FaceSet, model: ModelInfo) -> int:
    """A face without the first attribute, so that there is something to add."""
    if model.attributes and model.attributes[0] in faces.attributes:
        without = np.flatnonzero(faces.labels[:, faces.attributes.index(model.attributes[0])] == 0)
        if len(without):
            return int(without[0])
    return 0


class Browsing(QObject):
    """Fills the browser of faces, and puts one of them, or a draw, into the document.

    Args:
        usual: the data whose faces are shown where no others were chosen.

    Attributes:
        thread_: prepares the pictures.

    Signals:
        complained(str): what did not work; nothing is lost.
    """

    complained = Signal(str)

    def __init__(
        self,
        state: StudioState,
        settings: Settings,
        inference: InferenceThread,
        panel: FacesPanel,
        window: MainWindow,
        usual: str,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._settings, self._inference = state, settings, inference
        self._panel, self._window, self._usual = panel, window, usual
        self._wanted: FacesWanted | None = None
        self._last = ""  # the data whose faces were shown last
        self._offered: dict[str, Any] | None = None  # recipe of the face that is shown where there is none
        self._carried: Edit | None = None  # to be put on the face that is encoded again by another model
        self.thread_ = FacesThread(self)
        self.thread_.ready.connect(self._on_ready)
        self.thread_.failed.connect(self._on_failed)
        self.thread_.cancelled.connect(self._on_cancelled)
        inference.faceReady.connect(self._on_face_ready)
        inference.codesReady.connect(self._on_codes_ready)
        panel.faceActivated.connect(self.open_row)
        panel.priorRequested.connect(self.draw)
        panel.dataRequested.connect(self.open)

    def commands(self) -> tuple[Command, ...]:
        """What the Edit menu has of it."""
        return (Command("&Edit", mark("Random face"), "Ctrl+G", self.draw),)

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.thread_.close()

    # -- the browser --------------------------------------------------------------------------

    @Slot(str)
    def open(self, spec: str) -> None:
        """Show another data set in the browser, at the open model's size."""
        model = self._state.model
        if model is None:
            return
        self._state.set_faces(None)
        self._panel.set_busy(PREPARING)
        crop = None if model.crop == "none" else model.crop
        self._wanted = self.thread_.request(spec, model.size, crop)

    def open_for(self, model: ModelInfo) -> None:
        """Show the faces last chosen for such models, else those it was trained on, else the usual."""
        self.open(self._settings.get(_key(model), "") or _trained_on(model) or self._usual)

    @Slot()
    def resume(self) -> None:
        """Another model was to be opened and is not: ask again for what that dropped."""
        state = self._state
        if state.model is None:
            return
        if state.faces is not None and state.codes is None:
            self._inference.encode_faces(state.model.stamp, state.faces)
        if state.face is None:  # the one that was to be carried over was dropped as well
            self._carried = None
            if state.faces is not None:
                self._offer(state.faces, state.model)

    @Slot(object, object)
    def _on_ready(self, wanted: FacesWanted, faces: FaceSet) -> None:
        model = self._state.model
        if model is None or wanted is not self._wanted:
            return
        self._panel.set_busy("")
        self._last = faces.spec
        self._settings.set(_key(model), faces.spec)
        self._state.set_faces(faces)
        if self._state.face is None and self._carried is None:
            self._offer(faces, model)
        self._inference.encode_faces(model.stamp, faces)

    @Slot(object, object)
    def _on_failed(self, wanted: FacesWanted, failure: Failure) -> None:
        if wanted is not self._wanted:
            return
        self._panel.set_busy("")
        self._window.show_progress(tr("ready"), 0, 0)
        self.complained.emit(tr("The faces could not be opened: {error}", error=failure.text))
        model = self._state.model
        if model is not None and wanted.spec != self._usual:
            self._settings.set(_key(model), "")
            self.open(self._usual)

    @Slot(object)
    def _on_cancelled(self, wanted: FacesWanted) -> None:
        """The user gave up the preparation: the faces before it come back, where they are others."""
        if wanted is not self._wanted:
            return
        self._panel.set_busy("")
        self._window.show_progress(tr("ready"), 0, 0)
        if self._last not in ("", wanted.spec):
            self.open(self._last)

    @Slot(object)
    def _on_codes_ready(self, codes: Codes) -> None:
        if self._state.faces is codes.faces:
            self._state.set_codes(codes.mu)
        self._window.show_progress(tr("ready"), 0, 0)

    # -- the face that is edited --------------------------------------------------------------

    def _offer(self, faces: FaceSet, model: ModelInfo) -> None:
        """Begin with a face, unless the user has one by then."""
        first = _first(faces, model)
        if first < len(faces):
            self._offered = faces.recipe(first)
            self.open_picture(faces.images[first], faces.names[first], self._offered)

    @Slot(int)
    def open_row(self, index: int) -> None:
        """Edit a face of the browser."""
        faces, model = self._state.faces, self._state.model
        if faces is not None and model is not None and 0 <= index < len(faces):
            self.open_picture(faces.images[index], faces.names[index], faces.recipe(index))

    @Slot(object, str, object)
    def open_picture(self, image: np.ndarray, name: str, recipe: dict[str, Any]) -> None:
        """Edit a prepared picture (S, S, 3)."""
        if self._state.model is not None:
            self._inference.open_row(self._state.model.stamp, image, name, recipe)

    @Slot()
    def draw(self) -> None:
        """Edit a draw from the prior."""
        if self._state.model is not None:
            self._inference.draw(self._state.model.stamp, random.SystemRandom().randrange(2**31))
            self._window.show_workspace("edit")

    def carry(self, model: ModelInfo, before: Before) -> None:
        """Keep the face that was on screen, encoded anew, with what the new model knows of its edit.

        Where it is the same model again, perhaps on another device, its code stays as it was.
        """
        self._carried, face, now = None, before.face, self._state.model
        if face is None or now is None:
            return
        planes = now.planes  # with the directions that were added to the model before
        if before.model is not None and before.model.digest == model.digest:
            self._state.open_face(face, before.edit.fitting(planes))
        elif face.original is not None and face.original.shape[0] == model.size:
            self._carried = replace(before.edit, offset=None).fitting(planes)
            self._inference.open_row(model.stamp, face.original, face.name, face.recipe)

    @Slot(object)
    def _on_face_ready(self, opened: Opened) -> None:
        if self._state.face is not None and opened.face.recipe is self._offered:
            return
        if self._state.model is not None and opened.stamp == self._state.model.stamp:
            edit, self._carried = self._carried, None
            self._state.open_face(opened.face, edit)
