"""The Train workspace's wiring: one run at a time in its child process, and the data it is to use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from introvac_studio.data_summary import DataChoice
from introvac_studio.main_window import Dock
from introvac_studio.panels.data import DataPanel
from introvac_studio.panels.training import RunRequest, TrainingPanel
from introvac_studio.settings import Settings
from introvac_studio.workers.child import Ended
from introvac_studio.workers.data_thread import DataThread
from introvac_studio.workers.trainer_thread import TrainerThread, read_run
from trainer import setup
from trainer.errors import ConfigError

TICK_MS = 50  # how often losses go from the queue to the plots


class Runs(QObject):
    """Starts, supervises and shows training runs.

    Signals:
        openModelRequested(Path): a snapshot or a finished model is to be edited.
        dockWanted(str): a dock of the workspace that should come to the front.
        statusChanged(str): a line for the status bar.
        idle: no child is left; after `stop`.
    """

    openModelRequested = Signal(object)
    dockWanted = Signal(str)
    statusChanged = Signal(str)
    idle = Signal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.training = TrainingPanel(settings, self)
        self.data = DataPanel(settings)
        self.data_thread = DataThread(self)
        self.thread_: TrainerThread | None = None
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._drain)
        self._connect()

    def _connect(self) -> None:
        training, data = self.training, self.data
        training.startRequested.connect(self._start)
        training.continueRequested.connect(self._continue)
        training.openRunRequested.connect(self.show_run)
        training.pauseRequested.connect(self._pause)
        training.resumeRequested.connect(self._resume)
        training.stopRequested.connect(self.stop)
        training.snapshotRequested.connect(self._snapshot)
        training.openModelRequested.connect(self.openModelRequested)
        training.statusChanged.connect(self.statusChanged)
        training.chooseDataRequested.connect(self._choose_data)
        data.choiceChanged.connect(self._on_choice)
        training.run_panel.form.changed.connect(self._on_form_changed)
        data.accepted.connect(self._data_accepted)
        data.summaryRequested.connect(self.data_thread.request)
        data.cancelRequested.connect(self.data_thread.cancel)
        self.data_thread.progress.connect(data.on_progress)
        self.data_thread.ready.connect(data.on_summary)
        self.data_thread.ready.connect(training.set_summary)
        self.data_thread.failed.connect(data.on_failed)
        training.set_choice(data.choice())

    def docks(self) -> tuple[Dock, ...]:
        """The workspace's panels."""
        training = self.training
        return (
            Dock("run", "Run", training.run_panel, width=300),
            Dock("losses", "Losses", training.losses, width=900, height=420, beside="run"),
            Dock("samples", "Samples over time", training.samples, height=280, below="losses"),
            Dock("data", "Data", self.data, over="losses"),
            Dock("log", "Log", training.log, over="samples"),
        )

    @property
    def running(self) -> bool:
        """Whether a child trains (or ends) at present."""
        return self.thread_ is not None

    # -- one run ------------------------------------------------------------------------------

    @Slot(object)
    def _start(self, request: RunRequest) -> None:
        self.dockWanted.emit("losses")
        self._supervise(TrainerThread.start_run(request.arguments(), parent=self))

    @Slot(object)
    def _continue(self, run: Path) -> None:
        self.training.show_run(run, read_run(run))
        self._supervise(TrainerThread.resume_run(run, parent=self))

    def _supervise(self, thread: TrainerThread) -> None:
        assert self.thread_ is None, "one run at a time"
        self.thread_ = thread
        thread.happened.connect(self.training.on_event)
        thread.ended.connect(self._on_ended)
        thread.start()
        self._tick.start()

    @Slot()
    def _drain(self) -> None:
        if self.thread_ is not None:
            self.training.on_losses(self.thread_.drain())

    @Slot(object)
    def _on_ended(self, ended: Ended) -> None:
        thread, self.thread_ = self.thread_, None
        self._tick.stop()
        if thread is not None:
            self.training.on_losses(thread.drain())
            thread.wait()
            thread.deleteLater()
        self.training.on_ended(ended)
        self.idle.emit()

    @Slot()
    def _pause(self) -> None:
        if self.thread_ is not None:
            self.thread_.pause()

    @Slot()
    def _resume(self) -> None:
        if self.thread_ is not None:
            self.thread_.resume()

    @Slot()
    def _snapshot(self) -> None:
        if self.thread_ is not None:
            self.thread_.snapshot()

    @Slot()
    def stop(self) -> None:
        """Ask the child to write a checkpoint and end; `idle` tells when it has."""
        if self.thread_ is not None:
            self.thread_.stop()

    @Slot(object)
    def show_run(self, run: Path) -> None:
        """Show a run that is on disk: its curves, samples and log."""
        if not self.running:
            self.training.show_run(run, read_run(run))
            self.dockWanted.emit("losses")

    def shut_down(self) -> None:
        """End child and threads and wait for them."""
        self._tick.stop()
        if self.thread_ is not None:
            self.thread_.close()
            self.thread_ = None
        self.data_thread.close()

    # -- data -----------------------------------------------------------------------------------

    @Slot()
    def _choose_data(self) -> None:
        self.dockWanted.emit("data")
        self.data.load()

    @Slot(bool)
    def on_data_shown(self, visible: bool) -> None:
        """Load the counts when the panel is looked at for the first time."""
        if visible:
            self.data.load()

    @Slot()
    def _on_form_changed(self) -> None:
        """The data panel prepares faces as the run will."""
        form, data = self.training.run_panel.form, self.data.choice().data
        with suppress(ConfigError):
            resolved = setup.resolve(form.preset, data=data, values=form.values())
            self.data.set_preparation(resolved.model.image_size, resolved.model.crop, resolved.loop.seed)

    @Slot(object)
    def _on_choice(self, choice: DataChoice) -> None:
        """New data is for a run that is still to be started, not for one that runs or is looked at."""
        if self.training.run_panel.phase == "idle":
            self.training.set_choice(choice)
        self._on_form_changed()

    @Slot()
    def _data_accepted(self) -> None:
        self.dockWanted.emit("losses")
