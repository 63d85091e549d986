"""The Compare dock's wiring: what is asked of other models whenever the face or its edit changes."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from introvac_studio.comparison import CompareRequest
from introvac_studio.language import tr
from introvac_studio.main_window import Command, Dock
from introvac_studio.messages import Frame
from introvac_studio.panels.compare import ComparePanel
from introvac_studio.settings import Settings
from introvac_studio.state import Face, Image, StudioState
from introvac_studio.workers.comparing import CompareThread
from trainer import files
from trainer.run_files import CONFIG_FILE, MODEL_FILE


class Comparing(QObject):
    """Keeps the Compare dock's pictures those of the current face and edit, while it is on screen.

    Signals:
        complained(str): what did not work; nothing is lost.
        wanted: the dock is to come to the front.
    """

    complained = Signal(str)
    wanted = Signal()

    def __init__(self, state: StudioState, settings: Settings, device: str, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._settings, self._device = state, settings, device
        self.shown = False  # whether somebody looks
        self._drawn: tuple[Face, Image] | None = None  # a face without original, as the open model draws it
        self.panel = ComparePanel(state, settings)
        self.thread_ = CompareThread(self)
        self.thread_.listed.connect(self.panel.show_labels)
        self.thread_.compared.connect(self.panel.show_compared)
        self.thread_.finished_.connect(self.panel.show_end)
        self.panel.changed.connect(self._ask_whole)
        self.panel.refused.connect(self.complained)
        self.panel.choose_run.clicked.connect(self._choose_run)
        state.modelChanged.connect(self._on_model)
        state.placeChanged.connect(self._on_edit)
        state.editCommitted.connect(self._ask_whole)
        state.faceChanged.connect(self._on_face)

    def docks(self) -> tuple[Dock, ...]:
        """The panel, beside the latent view."""
        return (Dock("compare", tr("Compare"), self.panel, over="latent"),)

    def commands(self) -> tuple[Command, ...]:
        """The menu's part."""
        return (Command("&View", tr("Compare models"), "Ctrl+Shift+K", self.wanted.emit),)

    def set_device(self, device: str) -> None:
        """Compute elsewhere from the next request on."""
        self._device = device

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.thread_.close()

    @Slot(bool)
    def on_shown(self, visible: bool) -> None:
        """Other models compute only while somebody looks."""
        self.shown = visible
        if visible:
            self._offer()
            self._ask_whole()
        else:
            self.thread_.cancel()

    @Slot(object)
    def show_reconstruction(self, frame: Frame) -> None:
        """A face from the prior has no original: what the open model draws stands in for it."""
        self.panel.show_reconstruction(frame)
        face, model = self._state.face, self._state.model
        if face is None or face.original is not None or model is None or frame.stamp != model.stamp:
            return
        if frame.serial >= self._state.face_revision and (self._drawn is None or self._drawn[0] is not face):
            self._drawn = (face, frame.image)
            self._ask_whole()

    def _offer(self) -> None:
        """The models of before, and the run that the open model lies in."""
        model = self._state.model
        recent = [Path(text) for text in self._settings.texts("model/recent")]
        own = None if model is None else model.path
        others = [path for path in dict.fromkeys(recent) if path != own and files.exists(path)]
        if self.panel.model.path is not None and self.panel.model.path not in others:
            others.insert(0, self.panel.model.path)
        run = None if own is None else _run_of(own)
        self.panel.show_models(others, run)

    @Slot()
    def _on_model(self) -> None:
        if self.shown:
            self._offer()

    @Slot()
    def _on_face(self) -> None:
        self.panel.forget()

    @Slot()
    def _on_edit(self) -> None:
        """During a drag: the edited face alone."""
        self.panel.forget()
        self._ask(whole=False)

    @Slot()
    def _ask_whole(self) -> None:
        self._ask(whole=True)

    def _ask(self, whole: bool) -> None:
        if not self.shown:
            return
        face, model, target = self._state.face, self._state.model, self.panel.target
        if target is None:
            self.thread_.cancel()
            self.panel.explain(
                tr("Open a model that lies in a run, or choose one with “Run…”")
                if self.panel.over_training
                else tr("Choose the model to compare with above")
            )
            return
        source = None if face is None else face.original
        if source is None and self._drawn is not None and self._drawn[0] is face:
            source = self._drawn[1]
        if face is None or model is None or source is None:
            return
        edit = self._state.edit
        self.thread_.submit(
            CompareRequest(
                self._state.revision,
                face,
                source,
                edit,
                {name: self._state.delta_of(name) for name in edit.amounts},
                self.panel.scaled.isChecked(),
                target if self.panel.over_training else _file_of(target),
                self.panel.label,
                whole,
                self._device,
            )
        )

    @Slot()
    def _choose_run(self) -> None:
        text = QFileDialog.getExistingDirectory(
            self.panel, tr("The directory of a run"), self._settings.get("model/folder", "")
        )
        if not text:
            return
        if files.is_file(Path(text) / CONFIG_FILE):
            self.panel.show_run(Path(text))
            self._ask_whole()
        else:
            self.complained.emit(tr("{path} is no run directory: it has no config.json", path=text))


def _file_of(target: Path) -> Path:
    return target / MODEL_FILE if files.is_dir(target) else target


def _run_of(model: Path) -> Path | None:
    """The run whose model or checkpoint a file is; None where it lies in none."""
    for folder in (model.parent, model.parent.parent):
        if files.is_file(folder / CONFIG_FILE):
            return folder
    return None
