"""Everything joined: document, workers, panels and window. No computation happens here."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox

from introvac_studio import presses, resources, theme
from introvac_studio.alerting import Alerting
from introvac_studio.comparing import Comparing
from introvac_studio.directions import Directions
from introvac_studio.evaluations import Evaluations
from introvac_studio.exporting import Exporting
from introvac_studio.guide import Guide
from introvac_studio.language import mark, tr
from introvac_studio.linking import Linking
from introvac_studio.main_window import Command, Dock, MainWindow
from introvac_studio.messages import (
    ChainPath,
    Codes,
    Failure,
    Opened,
)
from introvac_studio.opening import first_model
from introvac_studio.panels.editor import EditorPanel
from introvac_studio.panels.faces import PREPARING, FacesPanel
from introvac_studio.panels.generate import GeneratePanel
from introvac_studio.panels.history import HistoryPanel
from introvac_studio.panels.latent import LatentPanel
from introvac_studio.path_dialog import PathDialog
from introvac_studio.photos import Photos
from introvac_studio.reaching import Reaching
from introvac_studio.refining import Refining
from introvac_studio.runs import Runs
from introvac_studio.settings import Settings
from introvac_studio.state import Edit, Face, FaceSet, ModelInfo, StudioState
from introvac_studio.workers.diagnostics import DiagnosticsThread
from introvac_studio.workers.faces import FacesThread, FacesWanted
from introvac_studio.workers.inference import InferenceThread
from introvac_studio.workers.sampling import SamplingThread
from trainer import config
from trainer.errors import ConfigError

RECENT = 8  # models remembered
AVATARS = "avatars:600:1"  # another seed than any training default: faces that no model has seen


def _faces_key(model: ModelInfo) -> str:
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


class Studio(QObject):
    """Owns the document, the threads and the window, and connects them.

    Args:
        device: where pictures are computed.
        settings: remembered choices.
        window, inference: made by `opening`, which shows the one and starts the other before all else.
    """

    def __init__(
        self,
        device: str = "auto",
        settings: Settings | None = None,
        window: MainWindow | None = None,
        inference: InferenceThread | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self._device = device
        self.state = StudioState(self)
        self.state.editChanged.connect(
            self._request_frame
        )  # first, so that it is decoded while panels follow
        self.inference = inference or InferenceThread(self)
        self.faces_thread = FacesThread(self)
        self.sampling = SamplingThread(self)
        self.diagnostics = DiagnosticsThread(self)
        self.window = window or MainWindow(self.settings)
        self.faces = FacesPanel(self.state)
        self.editor = EditorPanel(self.state)
        self.latent = LatentPanel(self.state)
        self.generate = GeneratePanel(self.state)
        self.generate.device = device
        self.refining = Refining(self.state, self.editor, device, self)
        self.reaching = Reaching(self.state, self.editor, self.inference, self)
        self.runs = Runs(self.settings, self)
        self.evaluations = Evaluations(self.state, self.settings, device, self)
        self.directions = Directions(self.state, self.settings, self.window, self)
        self.photos = Photos(
            self.state, self.settings, self.inference, self.editor, self.faces, self.window, self
        )
        self.comparing = Comparing(self.state, self.settings, device, self)
        self.exporting = Exporting(
            self.state, self.settings, self.inference, self.editor, self.faces, self.generate, self.window,
            device, self,
        )  # fmt: skip
        self.linking = Linking(
            self.state, self.inference, self.editor, self.faces, self.latent, self.runs.data, self
        )
        self.history = HistoryPanel(self.state)
        self.guide = Guide(self.state, self.settings, self.window)
        self.alerting = Alerting(self.window, self.settings)
        self._model_wanted = 0
        self._faces_wanted: FacesWanted | None = None
        self._carried: Edit | None = None  # to be put on the face that is encoded again by another model
        self.path_dialog: PathDialog | None = None
        self._down = self._closing = False
        self._statuses = {"run": "", "evaluation": ""}
        self._build_window()
        self._connect()
        for thread in (self.inference, self.faces_thread):
            thread.start()

    # -- building -----------------------------------------------------------------------------

    def _build_window(self) -> None:
        window = self.window
        window.add_workspace(
            "edit",
            mark("Edit"),
            (
                Dock("faces", mark("Faces"), self.faces, width=236),
                Dock("history", mark("History"), self.history, over="faces"),
                Dock("editor", mark("Editor"), self.editor, width=640, beside="faces"),
                Dock("latent", mark("Latent space"), self.latent, width=380, beside="editor", narrow="faces"),
                *self.linking.docks(),
                *self.comparing.docks(),
            ),
        )
        window.add_workspace("train", mark("Train"), self.runs.docks())
        window.add_workspace(
            "generate",
            mark("Generate"),
            (
                Dock("generate", mark("Generate"), self.generate, width=852),
                Dock(
                    "diagnostics",
                    mark("Diagnostics"),
                    self.generate.diagnostics,
                    width=396,
                    beside="generate",
                ),
            ),
        )
        window.add_workspace("evaluate", mark("Evaluate"), self.evaluations.docks())
        window.add_commands(self._commands())
        window.restore()

    def _commands(self) -> tuple[Command, ...]:
        undo = self.state.undo_stack
        return (
            Command("&File", mark("Open model…"), "Ctrl+O", self.choose_model),
            *self.guide.file_commands(),
            Command("&File", mark("Open photo…"), "Ctrl+Shift+O", self.faces.choose_photo),
            *self.photos.file_commands(),
            *self.runs.file_commands(self.window),
            *self.exporting.commands(),
            Command("&File", "", "", lambda: None),
            Command("&File", mark("Evaluate the model"), "Ctrl+M", self.evaluate_model),
            Command("&File", mark("Open results of an evaluation…"), "Ctrl+Shift+M", self.choose_results),
            Command("&File", "", "", lambda: None),
            Command("&File", mark("Quit"), "Ctrl+Q", self.window.close),
            Command("&Edit", mark("Undo"), "Ctrl+Z", undo.undo),
            Command("&Edit", mark("Redo"), "Ctrl+Shift+Z", undo.redo),
            Command("&Edit", mark("Reset edit"), "Ctrl+R", self.state.reset),
            Command("&Edit", mark("Random face"), "Ctrl+G", self.draw_face),
            *self.refining.commands(),
            *self.reaching.commands(),
            Command("&Edit", mark("How independent?"), "Ctrl+I", self.editor.independence.click),
            Command("&Edit", mark("Path between two faces…"), "Ctrl+P", self.show_path),
            *self.photos.edit_commands(),
            *self.linking.commands(),
            *self.guide.edit_commands(),
            *self.directions.commands(),
            *presses.commands(self.window, self._buttons(), "&Run"),
            *self.runs.run_commands(),
            *self.window.commands(),
            *presses.commands(self.window, self._buttons(), "&View"),
            *self.comparing.commands(),
            *self.guide.help_commands(),
        )

    def _buttons(self) -> presses.Buttons:
        """Buttons of the panels that have shortcuts; when they are pressed, for panels may make new ones."""
        run, generate, latent = self.runs.training.run_panel, self.generate, self.latent
        measure = self.evaluations
        return {
            "start": lambda: run.start,
            "pause": lambda: run.pause,
            "stop": lambda: run.stop,
            "snapshot": lambda: run.edit,
            "new": lambda: run.fresh,
            "earlier": lambda: run.earlier,
            "data": lambda: run.choose,
            "settings": lambda: run.all_settings,
            "generate": lambda: generate.generate_button,
            "quit": lambda: generate.cancel_button,
            "export": lambda: generate.export_button,
            "path": lambda: generate.path_button,
            "judge": lambda: measure.panel.train_judge,
            "end": lambda: measure.panel.foot.cancel,
            "fit": lambda: latent.fit_button,
            "zoom": lambda: latent.zoom_button,
            "faces": lambda: self.faces.data,
        }

    def _connect(self) -> None:
        state, inference, editor = self.state, self.inference, self.editor
        state.editCommitted.connect(self._request_seen)
        state.faceChanged.connect(self._request_reconstruction)
        state.modelChanged.connect(self._on_model_changed)
        inference.modelOpened.connect(self._on_model_opened)
        inference.frameReady.connect(editor.show_frame)
        inference.frameReady.connect(self.history.show_frame)
        inference.rendered.connect(self.history.mark_saved)
        inference.reconstructionReady.connect(editor.show_reconstruction)
        inference.seenReady.connect(editor.show_seen)
        inference.stripReady.connect(editor.show_strip)
        inference.faceReady.connect(self._on_face_ready)
        inference.codesReady.connect(self._on_codes_ready)
        inference.openFailed.connect(self._on_open_failed)
        inference.progressed.connect(self._on_progress)
        inference.failed.connect(self._on_failed)
        self.faces_thread.ready.connect(self._on_faces_ready)
        self.faces_thread.progressed.connect(self._on_progress)
        self.faces_thread.failed.connect(self._on_faces_failed)
        editor.stripRequested.connect(self._request_strip)
        self.photos.complained.connect(self.complain)
        self.photos.told.connect(self._on_told)
        self.reaching.complained.connect(self.complain)
        self.reaching.ended.connect(self._on_ended)
        refining = self.refining
        refining.thread_.progressed.connect(self._on_progress)
        refining.complained.connect(self.complain)
        refining.advised.connect(self.advise)
        refining.begun.connect(self._on_refining)
        refining.ended.connect(self._on_ended)
        editor.refused.connect(self.complain)
        editor.told.connect(self._on_told)
        editor.removeRequested.connect(self.directions.remove)
        self.directions.complained.connect(self.complain)
        self.directions.told.connect(self._on_told)
        self.faces.faceActivated.connect(self.open_row)
        self.faces.priorRequested.connect(self.draw_face)
        self.faces.dataRequested.connect(self.open_faces)
        self.latent.faceActivated.connect(self.open_row)
        generate, sampling, diagnostics = self.generate, self.sampling, self.diagnostics
        generate.requested.connect(sampling.submit)
        generate.cancelRequested.connect(sampling.cancel)
        generate.faceChosen.connect(self._on_face_chosen)
        sampling.planned.connect(generate.show_plan)
        sampling.batchReady.connect(generate.add_batch)
        sampling.progressed.connect(generate.show_progress)
        sampling.finished_.connect(generate.end)
        generate.watchRequested.connect(diagnostics.watch)
        generate.pathRequested.connect(diagnostics.follow)
        generate.cancelRequested.connect(diagnostics.cancel)
        diagnostics.snapshotReady.connect(generate.show_snapshot)
        diagnostics.watchEnded.connect(generate.end_watch)
        diagnostics.pathReady.connect(self._on_path_ready)
        diagnostics.pathFailed.connect(generate.say)
        runs = self.runs
        runs.openModelRequested.connect(self._on_snapshot)
        runs.dockWanted.connect(self._on_dock_wanted)
        runs.statusChanged.connect(self._on_run_status)
        runs.idle.connect(self._on_idle)
        runs.complained.connect(self.complain)
        runs.told.connect(self.alerting.tell)
        runs.alerted.connect(self.alerting.alert)
        self.evaluations.statusChanged.connect(self._on_evaluation_status)
        self.evaluations.idle.connect(self._on_idle)
        data_dock = self.window.workspaces["train"].docks["data"]
        data_dock.visibilityChanged.connect(runs.on_data_shown)
        self.window.closing.connect(self._on_closing)
        for worker in (self.faces_thread, inference, refining):
            self.window.cancelRequested.connect(worker.cancel)
        self._connect_comparing()
        self._connect_linking()
        exporting = self.exporting
        exporting.complained.connect(self.complain)
        exporting.told.connect(self._on_told)
        exporting.modelWanted.connect(self.open_model)
        exporting.photoWanted.connect(self.photos.open)
        exporting.editWanted.connect(self._show_edit)
        guide = self.guide
        guide.modelWanted.connect(self.open_model)
        guide.photoWanted.connect(self.faces.choose_photo)
        guide.dragWanted.connect(self._show_editor)
        guide.trainWanted.connect(self._show_training)
        guide.deviceChanged.connect(self._on_device_changed)
        guide.themeChanged.connect(self._on_colour_scheme)
        self.window.modelChosen.connect(self._on_model_chosen)
        QApplication.styleHints().colorSchemeChanged.connect(self._on_colour_scheme)

    def _connect_linking(self) -> None:
        linking = self.linking
        linking.complained.connect(self.complain)
        linking.pictureChosen.connect(self._open_picture)
        linking.latentWanted.connect(self._show_latent)
        linking.padWanted.connect(self._show_pad)
        linking.editWanted.connect(self._show_edit)

    @Slot()
    def _show_edit(self) -> None:
        self.window.show_workspace("edit")

    @Slot()
    def _show_latent(self) -> None:
        self.window.show_workspace("edit")
        self.window.raise_dock("edit", "latent")

    @Slot()
    def _show_pad(self) -> None:
        self.window.show_workspace("edit")
        self.window.raise_dock("edit", "pad")
        self.linking.pad.pad.setFocus()

    def _connect_comparing(self) -> None:
        comparing, inference = self.comparing, self.inference
        inference.frameReady.connect(comparing.panel.show_frame)
        inference.reconstructionReady.connect(comparing.show_reconstruction)
        inference.seenReady.connect(comparing.panel.show_seen)
        comparing.complained.connect(self.complain)
        comparing.wanted.connect(self._on_compare_wanted)
        dock = self.window.workspaces["edit"].docks["compare"]
        dock.visibilityChanged.connect(comparing.on_shown)

    @Slot()
    def _on_compare_wanted(self) -> None:
        self.window.show_workspace("edit")
        self.window.raise_dock("edit", "compare")

    # -- life -----------------------------------------------------------------------------------

    def show(self) -> None:
        self.window.show()

    def start(self, target: Path | None) -> None:
        """Open what was asked for, else what was open last, else the demo."""
        if target is not None:
            self.open_path(target)
            return
        self.open_model(first_model(None, self.settings))

    def shut_down(self) -> None:
        """Stop all threads and wait for them; safe to call twice."""
        if self._down:
            return
        self._down = True
        self.window.remember()
        self.runs.shut_down()
        self.evaluations.shut_down()
        self.sampling.close()
        self.refining.close()
        self.diagnostics.close()
        self.directions.close()
        self.photos.close()
        self.comparing.close()
        self.exporting.close()
        self.faces_thread.close()
        self.inference.close()

    @Slot()
    def _on_closing(self) -> None:
        if self.busy and not self._closing and not self._may_stop():
            return
        if self.busy:  # it may have ended while the question was open
            self._closing = True
            self.window.show_progress(tr("stopping what runs…"), 0, 0)
            self.runs.stop()
            self.evaluations.stop()
            return
        self._leave()

    @property
    def busy(self) -> bool:
        """Whether a child trains or evaluates."""
        return self.runs.running or self.evaluations.running

    def _may_stop(self) -> bool:
        """Ask before a run is stopped, which can be resumed, or an evaluation, which cannot."""
        texts = []
        if self.runs.running:
            texts.append(
                tr(
                    "A training run is going on. A checkpoint is written, and the run can be resumed later "
                    "from the Train page."
                )
            )
        if self.evaluations.running:
            texts.append(tr("An evaluation is going on. It cannot be resumed, only started again."))
        answer = QMessageBox.question(
            self.window,
            tr("Something is running"),
            " ".join([*texts, tr("Stop and quit?")]),
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        return answer == QMessageBox.StandardButton.Yes

    @Slot()
    def _on_idle(self) -> None:
        if self._closing and not self.busy:
            self._leave()

    @Slot(str)
    def _on_run_status(self, text: str) -> None:
        self._tell_status(run=text)

    @Slot(str)
    def _on_evaluation_status(self, text: str) -> None:
        self._tell_status(evaluation=text)

    def _tell_status(self, **texts: str) -> None:
        """What runs and evaluations are doing, beside each other."""
        self._statuses |= texts
        self.window.set_run_status("   ·   ".join(text for text in self._statuses.values() if text))

    @Slot()
    def evaluate_model(self) -> None:
        """Go to the Evaluate page and press its button."""
        self.window.show_workspace("evaluate")
        self.evaluations.panel.ask()

    @Slot()
    def choose_results(self) -> None:
        self.window.show_workspace("evaluate")
        self.evaluations.choose_results()

    def _leave(self) -> None:
        self.shut_down()
        self.window.accept_close()

    @Slot(str)
    def _on_dock_wanted(self, name: str) -> None:
        self.window.raise_dock("train", name)

    @Slot(object)
    def _on_snapshot(self, path: Path) -> None:
        self.open_model(path)
        self.window.show_workspace("edit")

    @Slot(object)
    def _on_face_chosen(self, face: Face) -> None:
        self.state.open_face(face)
        self.window.show_workspace("edit")

    @Slot(object)
    def _on_path_ready(self, path: ChainPath) -> None:
        """Show where a generated face's chain has been, with the face."""
        if path.wanted.planes is not getattr(self.state.model, "planes", None):
            return
        self._on_face_chosen(path.wanted.face)
        self.latent.show_chain(path.states, path.wanted.face.name)
        self.window.raise_dock("edit", "latent")

    @Slot(str)
    def complain(self, text: str) -> None:
        """Show what went wrong; nothing is lost."""
        self.window.notifications.notify(text, "error")

    @Slot(str)
    def advise(self, text: str) -> None:
        """Say what is wanted first."""
        self.window.notifications.notify(text, "warning")

    @Slot()
    def _show_editor(self) -> None:
        self.window.show_workspace("edit")
        self.editor.edited.setFocus()

    @Slot()
    def _show_training(self) -> None:
        self.window.show_workspace("train")

    @Slot(str)
    def _on_device_changed(self, device: str) -> None:
        """Open the model again, where pictures are computed from now on."""
        self._device = self.generate.device = self.evaluations.panel.device = device
        self.exporting.thread_.set_device(device)
        self.comparing.set_device(device)
        self.refining.device = device
        if self.state.model is not None:
            self.open_model(self.state.model.path)

    @Slot()
    def _on_colour_scheme(self) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme.dress(app)

    # -- models -----------------------------------------------------------------------------------

    def open_path(self, path: Path) -> None:
        """A run directory opens with its newest weights, a file as a model."""
        if not path.is_dir():
            self.open_model(path)
            return
        if not (path / "config.json").is_file():
            self._open_failed(tr("{path} is no run directory: it has no config.json", path=path))
            return
        self.runs.show_run(path)
        self.window.show_workspace("train")
        if (path / "model.safetensors").is_file():
            self.open_model(path / "model.safetensors")
        else:
            self._open_failed(
                tr("{path} has no model yet; it gets one at the end of its first epoch", path=path)
            )

    def open_model(self, path: Path) -> None:
        """Open a model file in the background; the window says when it is there."""
        self.window.show_progress(tr("opening {name}…", name=path.name), 0, 0)
        self._model_wanted = self.inference.open_model(path, self._device)

    @Slot(object)
    def _on_open_failed(self, failure: Failure) -> None:
        if failure.stamp == self._model_wanted:  # else another model is under way, whose answers count
            self._open_failed(failure.text)
        else:
            self.complain(failure.text)

    def _open_failed(self, text: str) -> None:
        """Say why a model did not open; what was open stays, and where nothing was, the demo opens."""
        demo = resources.path(resources.DEMO)
        self.window.show_progress(tr("ready"), 0, 0)
        self._on_model_changed()
        state = self.state
        self.exporting.give_up()
        if state.model is None:
            if demo.exists() and str(demo) not in text:
                self.settings.set("model/last", "")
                self.open_model(demo)
        else:  # what waited for the open model was dropped
            self._model_wanted = state.model.stamp
            self._request_frame()
            self._request_reconstruction()
            if state.faces is not None and state.codes is None:
                self.inference.encode_faces(state.model.stamp, state.faces)
            if state.face is None:  # so was the one that was to be carried over
                self._carried = None
                if state.faces is not None:
                    self.open_row(self._first_face(state.faces, state.model))
        self.complain(text)

    @Slot()
    def choose_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self.window,
            tr("Open a model"),
            self.settings.get("model/folder", ""),
            tr("Models (*.safetensors)"),
        )
        if path:
            self.settings.set("model/folder", str(Path(path).parent))
            self.open_model(Path(path))

    @Slot(object)
    def _on_model_opened(self, model: ModelInfo) -> None:
        if model.stamp != self._model_wanted:
            return
        self.settings.set("model/last", str(model.path))
        recent = [str(model.path)] + [p for p in self.settings.texts("model/recent") if p != str(model.path)]
        self.settings.set_texts("model/recent", recent[:RECENT])
        face, edit = self.state.face, self.state.edit
        self.refining.cancel()
        self.state.set_model(model)
        self.window.show_progress(tr("ready"), 0, 0)
        if not self.exporting.awaits(model):
            self._carry(model, face, edit)
        self.open_faces(self.settings.get(_faces_key(model), "") or _trained_on(model) or AVATARS)

    def _carry(self, model: ModelInfo, face: Face | None, edit: Edit) -> None:
        """Keep the face that was on screen, encoded anew, with what the new model knows of its edit."""
        self._carried = None
        if face is None or face.original is None or face.original.shape[0] != model.size:
            return
        self._carried = replace(edit, offset=None).fitting(model.planes)
        self.inference.open_row(model.stamp, face.original, face.name, face.recipe)

    @Slot()
    def _on_model_changed(self) -> None:
        model, box = self.state.model, self.window.model_box
        box.clear()
        if model is None:
            return
        demo = resources.path(resources.DEMO)
        seen = dict.fromkeys([str(model.path), *self.settings.texts("model/recent"), str(demo)])
        for text in seen:
            path = Path(text)
            if path == model.path:
                box.addItem(f"{model.name} · {model.size} px", path)
            elif path.exists():
                name = tr("demo") if path == demo else path.parent.name if path.stem == "model" else path.stem
                box.addItem(name, path)
        box.addItem(tr("Open model…"), None)
        self.window.device.setText(model.device)

    @Slot(object)
    def _on_model_chosen(self, path: Path | None) -> None:
        if path is None:
            self.window.model_box.setCurrentIndex(0)
            self.choose_model()
        else:
            self.open_model(path)

    # -- faces ------------------------------------------------------------------------------------

    @Slot(str)
    def open_faces(self, spec: str) -> None:
        """Show another data set in the browser, at the open model's size."""
        model = self.state.model
        if model is None:
            return
        self.state.set_faces(None)
        self.faces.set_busy(PREPARING)
        crop = None if model.crop == "none" else model.crop
        self._faces_wanted = self.faces_thread.request(spec, model.size, crop)

    @Slot(object, object)
    def _on_faces_ready(self, wanted: FacesWanted, faces: FaceSet) -> None:
        model = self.state.model
        if model is None or wanted is not self._faces_wanted:
            return
        self.faces.set_busy("")
        self.settings.set(_faces_key(model), faces.spec)
        self.state.set_faces(faces)
        if self.state.face is None and self._carried is None:
            self.open_row(self._first_face(faces, model))
        self.inference.encode_faces(model.stamp, faces)

    def _first_face(self, faces: FaceSet, model: ModelInfo) -> int:
        """A face without the first attribute, so that there is something to add."""
        if model.attributes and model.attributes[0] in faces.attributes:
            without = np.flatnonzero(faces.labels[:, faces.attributes.index(model.attributes[0])] == 0)
            if len(without):
                return int(without[0])
        return 0

    @Slot(object, object)
    def _on_faces_failed(self, wanted: FacesWanted, failure: Failure) -> None:
        if wanted is not self._faces_wanted:
            return
        self.faces.set_busy("")
        self.window.show_progress(tr("ready"), 0, 0)
        self.complain(tr("The faces could not be opened: {error}", error=failure.text))
        model = self.state.model
        if model is not None and wanted.spec != AVATARS:
            self.settings.set(_faces_key(model), "")
            self.open_faces(AVATARS)

    @Slot(object)
    def _on_codes_ready(self, codes: Codes) -> None:
        if self.state.faces is codes.faces:
            self.state.set_codes(codes.mu)
        self.window.show_progress(tr("ready"), 0, 0)

    @Slot(int)
    def open_row(self, index: int) -> None:
        """Edit a face of the browser."""
        faces, model = self.state.faces, self.state.model
        if faces is not None and model is not None and 0 <= index < len(faces):
            self._open_picture(faces.images[index], faces.names[index], faces.recipe(index))

    @Slot(object, str, object)
    def _open_picture(self, image: np.ndarray, name: str, recipe: dict[str, Any]) -> None:
        """Edit a prepared picture (S, S, 3)."""
        if self.state.model is not None:
            self.inference.open_row(self.state.model.stamp, image, name, recipe)

    @Slot()
    def draw_face(self) -> None:
        """Edit a draw from the prior."""
        if self.state.model is not None:
            self.inference.draw(self.state.model.stamp, random.SystemRandom().randrange(2**31))
            self.window.show_workspace("edit")

    @Slot(object)
    def _on_face_ready(self, opened: Opened) -> None:
        if self.state.model is not None and opened.stamp == self.state.model.stamp:
            edit, self._carried = self._carried, None
            self.state.open_face(opened.face, edit)

    # -- pictures -----------------------------------------------------------------------------------

    @Slot()
    def _request_frame(self) -> None:
        self.inference.hold(not self.state.settled)
        if (z := self.state.z) is not None and self.state.model is not None:
            self.inference.decode(self.state.model.stamp, z, self.state.revision)

    @Slot()
    def _request_seen(self) -> None:
        if (z := self.state.z) is not None and self.state.model is not None:
            self.inference.see(self.state.model.stamp, z, self.state.revision, self.state.model.planes)

    @Slot(object, int)
    def _request_strip(self, codes: np.ndarray, serial: int) -> None:
        if self.state.model is not None:
            self.inference.strip(self.state.model.stamp, codes, serial)

    @Slot()
    def _request_reconstruction(self) -> None:
        if self.state.face is not None and self.state.model is not None:
            self.inference.reconstruct(self.state.model.stamp, self.state.face.mu, self.state.revision)

    @Slot()
    def _on_refining(self) -> None:
        self.window.show_progress(tr("refining…"), 0, 1, True)

    @Slot()
    def _on_ended(self) -> None:
        self.window.show_progress(tr("ready"), 0, 0)

    @Slot(str)
    def _on_told(self, text: str) -> None:
        self.window.show_progress(text, 0, 0)

    @Slot()
    def show_path(self) -> None:
        """The way from the edited face to another."""
        state, inference = self.state, self.inference
        if state.model is None or state.face is None:
            self.advise(tr("A path begins at the edited face; choose one on the left first."))
            return
        dialog = PathDialog(state, self.settings, self.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.picturesWanted.connect(inference.path)
        dialog.endWanted.connect(inference.open_end)
        dialog.exportWanted.connect(self.exporting.show_path)
        inference.pathReady.connect(dialog.show_pictures)
        inference.endReady.connect(dialog.show_end)
        inference.endFailed.connect(dialog.show_failure)
        dialog.finished.connect(self._on_path_closed)
        self.path_dialog = dialog
        dialog.open()

    @Slot()
    def _on_path_closed(self) -> None:
        self.path_dialog = None

    # -- status ---------------------------------------------------------------------------------------

    @Slot(str, int, int)
    def _on_progress(self, what: str, done: int, total: int) -> None:
        if done >= total:
            self.window.show_progress(tr("ready"), 0, 0)
        else:
            cancellable = what != tr("encoding faces")
            self.window.show_progress(
                tr("{what}: {done} of {total}", what=tr(what), done=f"{done:,}", total=f"{total:,}"),
                done,
                total,
                cancellable,
            )

    @Slot(object)
    def _on_failed(self, failure: Failure) -> None:
        self.window.show_progress(tr("ready"), 0, 0)
        self.complain(failure.text)
