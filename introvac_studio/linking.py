"""One face and one group wherever they are shown: what joins panels that do not know each other."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pictures
from PySide6.QtCore import QObject, Signal, Slot

from introvac_studio.language import mark, tr, trn
from introvac_studio.main_window import Command, Dock
from introvac_studio.panels.data import DataPanel
from introvac_studio.panels.editor import EditorPanel
from introvac_studio.panels.faces import FacesPanel
from introvac_studio.panels.latent import LatentPanel
from introvac_studio.panels.pad import PadPanel
from introvac_studio.state import Face, StudioState
from introvac_studio.widgets.brush import Tool
from introvac_studio.workers.glancing import Glancing
from introvac_studio.workers.inference import InferenceThread
from trainer.data.transforms import prepare

MENU = mark("&Edit")
NAMED = 256  # faces of a mean whose names go into its recipe


class Linking(QObject):
    """Follows the document's face and group into the data browser, makes faces of groups, and has the
    inference thread look at what is beside the edit.

    Signals:
        complained(str): what did not work; nothing is lost.
        pictureChosen: a prepared picture (S, S, 3), its name and its recipe, to be edited.
        latentWanted, padWanted, editWanted: the latent view, the pad, or the Edit page is to come to the
            front.
    """

    complained = Signal(str)
    pictureChosen = Signal(object, str, object)
    latentWanted = Signal()
    padWanted = Signal()
    editWanted = Signal()

    def __init__(
        self,
        state: StudioState,
        inference: InferenceThread,
        editor: EditorPanel,
        faces: FacesPanel,
        latent: LatentPanel,
        data: DataPanel,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._latent, self._data = state, latent, data
        self.glancing = Glancing(inference, self)
        editor.judgeRequested.connect(self.glancing.judge)
        self.glancing.judged.connect(editor.show_judged)
        self.pad = PadPanel(state)
        self.pad.lookRequested.connect(self.glancing.look)
        self.pad.sheetRequested.connect(self.glancing.draw)
        self.glancing.seen.connect(self.pad.show_glance)
        self.glancing.drawn.connect(self.pad.show_cell)
        faces.meanRequested.connect(self.open_mean)
        data.faceActivated.connect(self._open_example)
        data.summaryShown.connect(self._mark_example)
        data.examples.hovered.connect(self._hover_example)
        state.faceChanged.connect(self._mark_example)
        state.facesChanged.connect(self._mark_example)
        state.hoverChanged.connect(self._point_at_example)

    def docks(self) -> tuple[Dock, ...]:
        """The two-attribute pad, over the latent view."""
        return (Dock("pad", mark("Pad"), self.pad, over="latent"),)

    def commands(self) -> tuple[Command, ...]:
        """The menu's part."""
        return (
            Command(MENU, "", "", lambda: None),
            Command(MENU, mark("Take a group with a rectangle"), "Ctrl+B", self._take_rectangle),
            Command(MENU, mark("Take a group with a lasso"), "Ctrl+L", self._take_lasso),
            Command(MENU, mark("Mean of the group"), "Ctrl+Shift+B", self.open_mean),
            Command(MENU, mark("Clear the group"), "Ctrl+Shift+A", self.clear),
            Command(MENU, mark("Two attributes at once"), "Ctrl+Shift+D", self.padWanted.emit),
        )

    # -- the group ------------------------------------------------------------------------------

    @Slot()
    def _take_rectangle(self) -> None:
        self.latentWanted.emit()
        self._latent.take_tool(Tool.RECTANGLE)

    @Slot()
    def _take_lasso(self) -> None:
        self.latentWanted.emit()
        self._latent.take_tool(Tool.LASSO)

    @Slot()
    def clear(self) -> None:
        """No group any more; can be undone."""
        self._state.select([], tr("clear the group"))

    @Slot()
    def open_mean(self) -> None:
        """Edit the mean of the group's codes as a face."""
        faces, codes, rows = self._state.faces, self._state.codes, self._state.selection
        if faces is None or codes is None or not len(rows):
            self.complained.emit(
                tr("A mean needs a group: take one in the latent view, or pick faces with Ctrl and a click.")
            )
            return
        recipe = {"face": "mean", "data": faces.spec, "count": len(rows)}
        if len(rows) <= NAMED:
            recipe["files"] = [faces.names[i] for i in rows]
        name = trn("mean of {n} face", "mean of {n} faces", len(rows))
        self._state.open_face(Face(name, codes[rows].astype(np.float64).mean(axis=0), None, recipe))
        self.editWanted.emit()

    # -- the data browser -----------------------------------------------------------------------

    @Slot(int)
    def _open_example(self, index: int) -> None:
        """Edit an example of the data that a run is to train on, at the open model's size."""
        summary, model = self._data.summary, self._state.model
        if summary is None or model is None or not 0 <= index < len(summary.names):
            return
        image, name = summary.examples[index], summary.names[index]
        if image.shape[0] != model.size:
            image = prepare(Pictures.fromarray(image), model.size, "none")
        recipe = {"face": "data", "data": summary.request.choice.data, "file": name}
        self.pictureChosen.emit(image, name, recipe)

    def _example_rows(self) -> list[int]:
        """The row in the document's faces of each example, -1 where it is none of them."""
        summary, faces = self._data.summary, self._state.faces
        if summary is None:
            return []
        if faces is None or summary.request.choice.data != faces.spec:
            return [-1] * len(summary.names)
        return [faces.rows.get(name, -1) for name in summary.names]

    @Slot()
    def _mark_example(self) -> None:
        summary, face = self._data.summary, self._state.face
        found = -1
        if summary is not None and face is not None and face.recipe.get("face") == "data":
            same = face.recipe.get("data") == summary.request.choice.data
            names, file = summary.names, face.recipe.get("file")
            found = names.index(file) if same and file in names else -1
        self._data.examples.set_current(found)

    @Slot(int)
    def _hover_example(self, index: int) -> None:
        rows = self._example_rows()
        self._state.hover(rows[index] if 0 <= index < len(rows) else -1)

    @Slot(int)
    def _point_at_example(self, row: int) -> None:
        rows = self._example_rows() if row >= 0 else []
        self._data.examples.set_pointed(rows.index(row) if row in rows else -1)
