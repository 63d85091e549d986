"""The open model: opening, choosing and remembering it, and what follows when one does not open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from introvac_studio import resources
from introvac_studio.language import mark, tr
from introvac_studio.main_window import Command, MainWindow
from introvac_studio.messages import Failure
from introvac_studio.settings import Settings
from introvac_studio.state import Edit, Face, ModelInfo, StudioState
from introvac_studio.workers.inference import InferenceThread
from trainer import files, modelfile

RECENT = 8  # models remembered


@dataclass(frozen=True, eq=False)
class Before:
    """What was in the document when another model took its place."""

    model: ModelInfo | None
    face: Face | None
    edit: Edit


class Models(QObject):
    """Opens models in the background and keeps the window's list of them.

    Attributes:
        wanted: stamp of the model that is being opened, or is open.
        device: where its pictures are computed.

    Signals:
        complained(str): what did not open; nothing is lost.
        opened(ModelInfo, Before): a model is in the document now, in the place of another.
        failed: a wanted model did not open.
        stayed: and another one is open, whose waiting requests were dropped.
        runWanted(Path): a run directory was to be opened.
        deviceFailed: the device that pictures were to be computed on is not there; `device` is another now.
    """

    complained = Signal(str)
    opened = Signal(object, object)
    failed = Signal()
    stayed = Signal()
    runWanted = Signal(object)
    deviceFailed = Signal()

    def __init__(
        self,
        state: StudioState,
        settings: Settings,
        inference: InferenceThread,
        window: MainWindow,
        device: str,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._settings, self._window = state, settings, window
        self._inference, self.device = inference, device
        self.wanted = 0
        self._tried: Path | None = None  # what was to be opened last
        self._newer = 0  # step of weights that a run has written over those that are open
        state.modelChanged.connect(self._show_list)
        inference.modelOpened.connect(self._on_opened)
        inference.openFailed.connect(self._on_failed)
        window.modelChosen.connect(self._on_chosen)

    def commands(self) -> tuple[Command, ...]:
        """What the File menu begins with."""
        return (
            Command("&File", mark("Open model…"), "Ctrl+O", self.choose),
            Command("&File", mark("Open the model again"), "F5", self.reopen),
        )

    def open_path(self, path: Path) -> None:
        """A run directory opens with its newest weights, a file as a model."""
        if not files.is_dir(path):
            self.open(path)
            return
        if not files.is_file(path / "config.json"):
            self._fail(tr("{path} is no run directory: it has no config.json", path=path))
            return
        self.runWanted.emit(path)
        if files.is_file(path / "model.safetensors"):
            self.open(path / "model.safetensors")
        else:
            self._fail(tr("{path} has no model yet; it gets one at the end of its first epoch", path=path))

    @Slot(object)
    def open(self, path: Path) -> None:
        """Open a model file in the background; the window says when it is there."""
        self._window.show_progress(tr("opening {name}…", name=path.name), 0, 0)
        self._tried = path
        self.wanted = self._inference.open_model(path, self.device)

    @Slot()
    def reopen(self) -> None:
        """Read the open model's file once more: a run may have written newer weights."""
        if self._state.model is not None:
            self.open(self._state.model.path)

    @Slot(object, int)
    def on_saved(self, path: Path, step: int) -> None:
        """A run has written a model; where it is the open one, the list offers the newer weights."""
        model = self._state.model
        if model is not None and path.absolute() == model.path.absolute() and step > model.card.step:
            self._newer = step
            self._show_list()

    @Slot(object)
    def on_made(self, path: Path) -> None:
        """A run has ended with a model: it is among those to choose from, behind the open one."""
        recent = [p for p in self._settings.texts("model/recent") if p != str(path)]
        self._settings.set_texts("model/recent", [*recent[:1], str(path), *recent[1:]][:RECENT])
        self._show_list()

    @Slot(object, object)
    def on_renamed(self, run: Path, now: Path) -> None:
        """A run has another name: what lies in it is found there."""

        def moved(path: Path) -> Path:
            return now / path.relative_to(run) if path.is_relative_to(run) else path

        settings, model = self._settings, self._state.model
        settings.set_texts("model/recent", [str(moved(Path(p))) for p in settings.texts("model/recent")])
        if last := settings.get("model/last", ""):
            settings.set("model/last", str(moved(Path(last))))
        if model is not None and model.path.is_relative_to(run):
            path = moved(model.path)
            self._state.model = replace(model, path=path, name=modelfile.title(path, model.card.name))
        self._show_list()

    def set_device(self, device: str) -> None:
        """Open the model again, where pictures are computed from now on."""
        self.device = device
        self.reopen()

    @Slot()
    def choose(self) -> None:
        """Ask for a file."""
        path, _ = QFileDialog.getOpenFileName(
            self._window,
            tr("Open a model"),
            self._settings.get("model/folder", ""),
            tr("Models (*.safetensors)"),
        )
        if path:
            self._settings.set("model/folder", str(Path(path).parent))
            self.open(Path(path))

    @Slot(object)
    def _on_opened(self, model: ModelInfo) -> None:
        if model.stamp != self.wanted:
            return
        settings, state = self._settings, self._state
        settings.set("model/last", str(model.path))
        recent = [str(model.path)] + [p for p in settings.texts("model/recent") if p != str(model.path)]
        settings.set_texts("model/recent", recent[:RECENT])
        before = Before(state.model, state.face, state.edit)
        self._newer = 0
        state.set_model(model)
        self._window.show_progress(tr("ready"), 0, 0)
        self.opened.emit(model, before)

    @Slot(object)
    def _on_failed(self, failure: Failure) -> None:
        if failure.stamp == self.wanted:  # else another model is under way, whose answers count
            self._fail(failure.text, self._tried, failure.what == "device" and self.device != "auto")
        else:
            self.complained.emit(failure.text)

    def _fail(self, text: str, tried: Path | None = None, device: bool = False) -> None:
        """Say why a model did not open; what was open stays, and where nothing was, the demo opens.

        Args:
            tried: its file, if there was one.
            device: whether the fault is the device's, and there is another.
        """
        if device:
            self.device = "auto"
            self.deviceFailed.emit()
            text = tr("{error}. Pictures are computed on what there is instead.", error=text)
        demo, model = resources.path(resources.DEMO), self._state.model
        self._window.show_progress(tr("ready"), 0, 0)
        self._show_list()
        self.failed.emit()
        if model is not None:
            self.wanted = model.stamp
            self.stayed.emit()
        elif device and tried is not None:
            self.open(tried)
        elif files.exists(demo) and tried != demo:
            self._settings.set("model/last", "")
            self.open(demo)
        self.complained.emit(text)

    # -- the window's list --------------------------------------------------------------------

    @Slot()
    def _show_list(self) -> None:
        model, box = self._state.model, self._window.model_box
        box.clear()
        if model is None:
            return
        demo = resources.path(resources.DEMO)
        seen = dict.fromkeys([str(model.path), *self._settings.texts("model/recent"), str(demo)])
        for text in seen:
            path = Path(text)
            if path == model.path:
                box.addItem(f"{model.name} · {model.size} px", path)
                if self._newer:
                    box.addItem(tr("Open newer weights (step {n})", n=f"{self._newer:,}"), path)
            elif files.exists(path):
                name = tr("demo") if path == demo else modelfile.title(path)
                box.addItem(name, path)
        box.addItem(tr("Open model…"), None)
        self._window.device.setText(model.device)

    @Slot(object)
    def _on_chosen(self, path: Path | None) -> None:
        if path is None:
            self._window.model_box.setCurrentIndex(0)
            self.choose()
        else:
            self.open(path)
