"""Everything joined: document, workers, panels and window. No computation happens here."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QApplication

from introvac_studio import presses, theme
from introvac_studio.alerting import Alerting
from introvac_studio.browsing import Browsing
from introvac_studio.comparing import Comparing
from introvac_studio.decoding import Decoding
from introvac_studio.directions import Directions
from introvac_studio.evaluations import Evaluations
from introvac_studio.exporting import Exporting
from introvac_studio.generating import Generating
from introvac_studio.guide import Guide
from introvac_studio.language import mark
from introvac_studio.leaving import Leaving
from introvac_studio.linking import Linking
from introvac_studio.main_window import Command, Dock, MainWindow
from introvac_studio.models import Before, Models
from introvac_studio.opening import first_model
from introvac_studio.panels.editor import EditorPanel
from introvac_studio.panels.faces import FacesPanel
from introvac_studio.panels.history import HistoryPanel
from introvac_studio.panels.latent import LatentPanel
from introvac_studio.photos import Photos
from introvac_studio.reaching import Reaching
from introvac_studio.refining import Refining
from introvac_studio.runs import Runs
from introvac_studio.settings import DEVICE, Settings
from introvac_studio.state import ModelInfo, StudioState
from introvac_studio.status import Status
from introvac_studio.walking import Walking
from introvac_studio.workers.inference import InferenceThread

AVATARS = "avatars:600:1"  # another seed than any training default: faces that no model has seen


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
        self.state = StudioState(self)
        self.inference = inference or InferenceThread(self)
        self.decoding = Decoding(self.state, self.inference, self)
        self.window = window or MainWindow(self.settings)
        self.faces = FacesPanel(self.state)
        self.editor = EditorPanel(self.state)
        self.latent = LatentPanel(self.state)
        self.status = Status(self.window, self)
        self.models = Models(self.state, self.settings, self.inference, self.window, device, self)
        self.browsing = Browsing(
            self.state, self.settings, self.inference, self.faces, self.window, AVATARS, self
        )
        self.generating = Generating(self.state, self.settings, self.latent, self.window, device, self)
        self.generate = self.generating.panel
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
        self.walking = Walking(self.state, self.settings, self.inference, self.window, self)
        self.leaving = Leaving(self.runs, self.evaluations, self.window, self)
        self._down = False
        self._build_window()
        self._connect()
        self.inference.start()
        self.browsing.thread_.start()

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
        window.add_workspace("generate", mark("Generate"), self.generating.docks())
        window.add_workspace("evaluate", mark("Evaluate"), self.evaluations.docks())
        window.add_commands(self._commands())
        window.restore()

    def _commands(self) -> tuple[Command, ...]:
        undo = self.state.undo_stack
        return (
            *self.models.commands(),
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
            *self.browsing.commands(),
            *self.refining.commands(),
            *self.reaching.commands(),
            Command("&Edit", mark("How independent?"), "Ctrl+I", self.editor.independence.click),
            *self.walking.commands(),
            *self.photos.edit_commands(),
            *self.linking.commands(),
            *self.guide.edit_commands(),
            *self.directions.commands(),
            *presses.commands(self.window, self._buttons(), "&Run"),
            *self.runs.run_commands(),
            *self.window.commands(),
            *self.guide.view_commands(),
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
        self.decoding.follow()
        self._connect_status()
        self._connect_pictures()
        self._connect_documents()
        self._connect_pages()

    def _connect_status(self) -> None:
        """What controllers say, and who hears it."""
        status, refining = self.status, self.refining
        for speaker in (
            self.models, self.browsing, self.photos, self.directions, self.reaching, refining, self.runs,
            self.comparing, self.linking, self.exporting,
        ):  # fmt: skip
            speaker.complained.connect(status.complain)
        for teller in (self.photos, self.editor, self.directions, self.exporting):
            teller.told.connect(status.tell)
        refining.advised.connect(status.advise)
        self.walking.advised.connect(status.advise)
        for worker in (self.inference, self.browsing.thread_, refining.thread_):
            worker.progressed.connect(status.progress)
            self.window.cancelRequested.connect(worker.cancel)
        self.inference.encoding.connect(status.encode)
        self.editor.refused.connect(status.complain)
        self.inference.failed.connect(status.fail)
        self.reaching.ended.connect(status.rest)
        refining.begun.connect(status.begin_refining)
        refining.ended.connect(status.rest)
        self.runs.told.connect(self.alerting.tell)
        self.runs.alerted.connect(self.alerting.alert)
        self.runs.statusChanged.connect(status.set_run)
        self.evaluations.statusChanged.connect(status.set_evaluation)
        self.evaluations.alerted.connect(self.alerting.alert)

    def _connect_pictures(self) -> None:
        """What the inference thread answers, and who shows it."""
        inference, editor, history, comparing = self.inference, self.editor, self.history, self.comparing
        inference.frameReady.connect(editor.show_frame)
        inference.frameReady.connect(history.show_frame)
        inference.frameReady.connect(comparing.panel.show_frame)
        inference.reconstructionReady.connect(editor.show_reconstruction)
        inference.reconstructionReady.connect(comparing.show_reconstruction)
        inference.seenReady.connect(editor.show_seen)
        inference.seenReady.connect(comparing.panel.show_seen)
        inference.stripReady.connect(editor.show_strip)
        inference.rendered.connect(history.mark_saved)
        editor.stripRequested.connect(self.decoding.request_strip)

    def _connect_documents(self) -> None:
        """Models, faces and edits that come into the document."""
        models, browsing, exporting, guide = self.models, self.browsing, self.exporting, self.guide
        models.opened.connect(self._on_model_opened)
        models.deviceFailed.connect(self._on_device_failed)
        models.failed.connect(exporting.give_up)
        models.stayed.connect(self.decoding.again)
        models.stayed.connect(browsing.resume)
        models.runWanted.connect(self._on_run_wanted)
        for source in (exporting, guide):
            source.modelWanted.connect(models.open)
        exporting.photoWanted.connect(self.photos.open)
        exporting.editWanted.connect(self._show_edit)
        self.walking.exportWanted.connect(exporting.show_path)
        guide.photoWanted.connect(self.faces.choose_photo)
        self.editor.removeRequested.connect(self.directions.remove)
        self.latent.faceActivated.connect(browsing.open_row)
        self.linking.pictureChosen.connect(browsing.open_picture)
        self.runs.openModelRequested.connect(self._on_snapshot)
        self.runs.saved.connect(models.on_saved)
        self.runs.made.connect(models.on_made)
        self.runs.renamed.connect(models.on_renamed)

    def _connect_pages(self) -> None:
        """What comes to the front, and the looks of it all."""
        guide, linking, runs, comparing = self.guide, self.linking, self.runs, self.comparing
        linking.latentWanted.connect(self._show_latent)
        linking.padWanted.connect(self._show_pad)
        linking.editWanted.connect(self._show_edit)
        comparing.wanted.connect(self._on_compare_wanted)
        guide.dragWanted.connect(self._show_editor)
        guide.trainWanted.connect(self._show_training)
        guide.deviceChanged.connect(self._on_device_changed)
        guide.themeChanged.connect(self._on_colour_scheme)
        QApplication.styleHints().colorSchemeChanged.connect(self._on_colour_scheme)
        runs.dockWanted.connect(self._on_dock_wanted)
        workspaces = self.window.workspaces
        workspaces["train"].docks["data"].visibilityChanged.connect(runs.on_data_shown)
        workspaces["train"].docks["run"].visibilityChanged.connect(runs.on_page_shown)
        workspaces["edit"].docks["compare"].visibilityChanged.connect(comparing.on_shown)
        self.leaving.left.connect(self.shut_down)

    # -- life -----------------------------------------------------------------------------------

    def show(self) -> None:
        self.window.show()

    def start(self, target: Path | None) -> None:
        """Open what was asked for, else what was open last, else the demo."""
        if target is not None:
            self.open_path(target)
            return
        self.open_model(first_model(None, self.settings))

    def open_path(self, path: Path) -> None:
        """Open a run directory, or a model file."""
        self.models.open_path(path)

    def open_model(self, path: Path) -> None:
        """Open a model file in the background."""
        self.models.open(path)

    def open_row(self, index: int) -> None:
        """Edit a face of the browser."""
        self.browsing.open_row(index)

    @property
    def busy(self) -> bool:
        """Whether a child trains or evaluates."""
        return self.leaving.busy

    @Slot()
    def shut_down(self) -> None:
        """Stop all threads and wait for them; safe to call twice."""
        if self._down:
            return
        self._down = True
        self.window.remember()
        self.runs.shut_down()
        self.evaluations.shut_down()
        for worker in (
            self.generating, self.refining, self.directions, self.photos, self.comparing, self.exporting,
            self.browsing, self.inference,
        ):  # fmt: skip
            worker.close()

    # -- pages ----------------------------------------------------------------------------------

    @Slot()
    def evaluate_model(self) -> None:
        """Go to the Evaluate page and press its button."""
        self.window.show_workspace("evaluate")
        self.evaluations.panel.ask()

    @Slot()
    def choose_results(self) -> None:
        self.window.show_workspace("evaluate")
        self.evaluations.choose_results()

    def _bring(self, dock: str) -> None:
        self.window.show_workspace("edit")
        self.window.raise_dock("edit", dock)

    @Slot()
    def _show_edit(self) -> None:
        self.window.show_workspace("edit")

    @Slot()
    def _show_latent(self) -> None:
        self._bring("latent")

    @Slot()
    def _show_pad(self) -> None:
        self._bring("pad")
        self.linking.pad.pad.setFocus()

    @Slot()
    def _on_compare_wanted(self) -> None:
        self._bring("compare")

    @Slot()
    def _show_editor(self) -> None:
        self.window.show_workspace("edit")
        self.editor.edited.setFocus()

    @Slot()
    def _show_training(self) -> None:
        self.window.show_workspace("train")

    @Slot(str)
    def _on_dock_wanted(self, name: str) -> None:
        self.window.raise_dock("train", name)

    @Slot(object)
    def _on_run_wanted(self, run: Path) -> None:
        self.runs.attach(run)

    @Slot(object)
    def _on_snapshot(self, path: Path) -> None:
        self.open_model(path)
        self.window.show_workspace("edit")

    # -- the whole ------------------------------------------------------------------------------

    @Slot(object, object)
    def _on_model_opened(self, model: ModelInfo, before: Before) -> None:
        """A model is open: its faces come, and the face before it, unless a picture brings its own."""
        if not self.exporting.awaits(model):
            self.browsing.carry(model, before)
        self.browsing.open_for(model)

    @Slot(str)
    def _on_device_changed(self, device: str) -> None:
        """Where pictures are computed from now on."""
        self._tell_device(device)
        self.models.set_device(device)

    def _tell_device(self, device: str) -> None:
        self.generate.device = self.evaluations.panel.device = self.refining.device = device
        self.exporting.thread_.set_device(device)
        self.comparing.set_device(device)

    @Slot()
    def _on_device_failed(self) -> None:
        """The device of the preferences is not there: the next start asks for what there is."""
        self.settings.set(DEVICE, "auto")
        self._tell_device("auto")

    @Slot()
    def _on_colour_scheme(self) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme.dress(app)
