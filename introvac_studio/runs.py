"""The Train workspace's wiring: a run of its own in a child process, one that is followed, and the data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer, Signal, Slot
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog

from introvac_studio.actions import Command
from introvac_studio.data_summary import DataChoice
from introvac_studio.language import mark, tr
from introvac_studio.main_window import Dock, MainWindow
from introvac_studio.panels.data import DataPanel
from introvac_studio.panels.training import RunRequest, TrainingPanel
from introvac_studio.run_browser import RunBrowser
from introvac_studio.settings import Settings
from introvac_studio.workers.child import Ended
from introvac_studio.workers.data_thread import DataThread
from introvac_studio.workers.follow import FollowThread, Past
from introvac_studio.workers.trainer_thread import TrainerThread
from trainer import events, files, setup
from trainer.config import TrainConfig
from trainer.errors import ConfigError
from trainer.run_files import CONFIG_FILE
from trainer.run_summary import is_run

_FORM, _SHOWN = "training/form", "training/shown"  # what the form said, and which run was on show
TICK_MS = 50  # how often losses go from the queue to the plots


class Runs(QObject):
    """Starts, supervises, follows and shows training runs.

    Signals:
        openModelRequested(Path): a snapshot or a finished model is to be edited.
        dockWanted(str): a dock of the workspace that should come to the front.
        statusChanged(str): a line for the status bar.
        complained(str): what did not work; nothing is lost.
        told(str, str, object): a text, its kind, and an action or None.
        saved(Path, int): a run has written a model, at a step.
        made(Path): a run has ended with this model.
        renamed(Path, Path): a run that was here is there now.
        alerted(str, str, str): what the user should know wherever they look: text, kind and details.
        idle: no child is left; after `stop`.
    """

    openModelRequested = Signal(object)
    dockWanted = Signal(str)
    statusChanged = Signal(str)
    complained = Signal(str)
    told = Signal(str, str, object)
    saved = Signal(object, int)
    made = Signal(object)
    renamed = Signal(object, object)
    alerted = Signal(str, str, str)
    idle = Signal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._window: MainWindow | None = None
        self.training = TrainingPanel(settings, self)
        self.data = DataPanel(settings)
        self.data_thread = DataThread(self)
        self.browser = RunBrowser(settings, self.training.run_panel.root, self)
        self.thread_: TrainerThread | None = None
        self.follower: FollowThread | None = None
        self._standing = ""  # of the followed run
        self._recalled = False
        self._resume_next: Path | None = None  # to be gone on with once it is on show
        self._chosen: DataChoice | None = None  # data for the next new run, while another is on show
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._drain)
        self._connect()

    def _connect(self) -> None:
        training, data = self.training, self.data
        training.startRequested.connect(self._start)
        training.continueRequested.connect(self._continue)
        training.openRunRequested.connect(self.attach)
        training.run_panel.newRunRequested.connect(self._on_new_run)
        training.pauseRequested.connect(self._pause)
        training.resumeRequested.connect(self._resume)
        training.stopRequested.connect(self._stop)
        training.snapshotRequested.connect(self._snapshot)
        training.openModelRequested.connect(self.openModelRequested)
        training.statusChanged.connect(self.statusChanged)
        training.complained.connect(self.complained)
        training.chooseDataRequested.connect(self._choose_data)
        training.losses.remember_in(self._settings)
        training.losses.overlay.closed.connect(self.browser.end_overlay)
        training.run_panel.rootChanged.connect(self.browser.set_folder)
        browser = self.browser
        browser.showRequested.connect(self.show_run)
        browser.resumeRequested.connect(self._resume_from_list)
        browser.cloneRequested.connect(self._clone)
        browser.openModelRequested.connect(self.openModelRequested)
        browser.overlaid.connect(self._on_overlaid)
        browser.renamed.connect(self._on_renamed)
        browser.gone.connect(self._on_gone)
        browser.complained.connect(self.complained)
        browser.told.connect(self.told)
        data.choiceChanged.connect(self._on_choice)
        training.run_panel.form.changed.connect(self._on_form_changed)
        data.accepted.connect(self._data_accepted)
        data.summaryRequested.connect(self.data_thread.request)
        data.cancelRequested.connect(self.data_thread.cancel)
        self.data_thread.progress.connect(data.on_progress)
        self.data_thread.ready.connect(data.on_summary)
        self.data_thread.ready.connect(training.set_summary)
        self.data_thread.failed.connect(data.on_failed)
        training.run_panel.take_up(self._settings.choices(_FORM))
        data.take_up(training.run_panel.choice)
        self._on_form_changed()

    def docks(self) -> tuple[Dock, ...]:
        """The workspace's panels."""
        training = self.training
        return (
            Dock("run", mark("Run"), training.run_panel, width=300),
            Dock("losses", mark("Losses"), training.losses, width=900, height=420, beside="run"),
            Dock("samples", mark("Samples over time"), training.samples, height=280, below="losses"),
            Dock("data", mark("Data"), self.data, over="losses"),
            Dock("runs", mark("Runs"), self.browser.panel, over="samples"),
            Dock("log", mark("Log"), training.log, over="samples"),
        )

    def file_commands(self, window: MainWindow) -> tuple[Command, ...]:
        """The File menu's part; folders of runs may be dropped on the window."""
        self._window = window
        window.installEventFilter(self)
        return (Command(mark("&File"), mark("Attach to run…"), "Ctrl+Shift+T", self.choose_run),)

    def run_commands(self) -> tuple[Command, ...]:
        """The Run menu's part."""
        return (Command(mark("&Run"), mark("All runs"), "Ctrl+Shift+U", self.show_list),)

    @property
    def running(self) -> bool:
        """Whether a child trains (or ends) at present."""
        return self.thread_ is not None

    # -- a run of one's own -------------------------------------------------------------------

    @Slot(object)
    def _start(self, request: RunRequest) -> None:
        self.dockWanted.emit("losses")
        self._supervise(TrainerThread.start_run(request.arguments(), parent=self), request.run)

    @Slot(object)
    def _continue(self, run: Path) -> None:
        self._supervise(TrainerThread.resume_run(run, parent=self), run)

    def _supervise(self, thread: TrainerThread, run: Path) -> None:
        assert self.thread_ is None, "one run at a time"
        self._leave()
        self.training.losses.show_overlay(())
        self.browser.panel.set_mine(run)
        self.thread_ = thread
        thread.happened.connect(self._on_event)
        thread.ended.connect(self._on_ended)
        thread.start()
        self._tick.start()

    @Slot()
    def _drain(self) -> None:
        source = self.thread_ or self.follower
        if source is not None:
            self.training.on_losses(source.drain())

    @Slot(object)
    def _on_event(self, event: events.Event) -> None:
        self.training.on_event(event)
        if isinstance(event, events.CheckpointSaved):
            self.saved.emit(Path(event.model), event.step)
        if isinstance(event, events.Alert):
            kind = "done" if event.fine else "warning"
            self.alerted.emit(self._of_run(event.text), kind, "")
        elif isinstance(event, events.Diverged):
            text = tr("{loss} is no longer a finite number at step {n}.", loss=event.loss, n=event.step)
            self.alerted.emit(self._of_run(text), "warning", "")

    def _of_run(self, text: str) -> str:
        return f"{self.training.run_panel.run.name}: {text}"

    @Slot(object)
    def _on_ended(self, ended: Ended) -> None:
        thread, self.thread_ = self.thread_, None
        self._tick.stop()
        if thread is not None:
            self.training.on_losses(thread.drain())
            thread.wait()
            thread.deleteLater()
        self.browser.panel.set_mine(None)
        self._end(ended)
        self.idle.emit()

    def _end(self, ended: Ended) -> None:
        if ended.text:
            self.alerted.emit(self._of_run(ended.text), "error", ended.details)
        self.training.on_ended(ended)
        if self.training.run_panel.phase == "idle":  # it had not begun
            self._take_chosen()
        if ended.made is not None:
            self.made.emit(ended.made)

    @Slot()
    def _pause(self) -> None:
        self._wish("pause")

    @Slot()
    def _resume(self) -> None:
        self._wish("resume")

    @Slot()
    def _snapshot(self) -> None:
        self._wish("snapshot")

    def _wish(self, wish: str) -> None:
        if self.thread_ is not None:
            self.thread_.send(wish)
        elif self.follower is not None:
            self.follower.ask(wish)

    @Slot()
    def _stop(self) -> None:
        """Stop the run on show, whoever trains it."""
        if self.thread_ is not None:
            self.thread_.stop()
        else:
            self._wish("stop")

    @Slot()
    def stop(self) -> None:
        """Ask the child to write a checkpoint and end; `idle` tells when it has."""
        if self.thread_ is not None:
            self.thread_.stop()

    # -- a run that is followed ---------------------------------------------------------------

    @Slot(object)
    def show_run(self, run: Path) -> None:
        """Show a run that is on disk, and follow it: its curves, samples and log."""
        if self.running:
            if self.training.run_panel.run != run:
                text = tr("A run is being trained here: choose it together with {name} in the list of runs "
                          "to see the curves of both.", name=run.name)  # fmt: skip
                self.complained.emit(text)
            self.dockWanted.emit("losses")
            return
        self._leave()
        self.training.losses.show_overlay(())
        self.training.show_reading(run)
        self.follower = FollowThread(run, self)
        self.follower.opened.connect(self._on_opened)
        self.follower.happened.connect(self._on_followed)
        self.follower.stands.connect(self._on_stands)
        self.follower.failed.connect(self._on_unheard)
        self.follower.start()
        self._tick.start()
        self.dockWanted.emit("losses")

    def _leave(self) -> None:
        """Follow no longer."""
        follower, self.follower = self.follower, None
        self._standing, self._resume_next = "", None
        if follower is not None:
            for signal in (follower.opened, follower.happened, follower.stands, follower.failed):
                signal.disconnect()
            follower.close()
            follower.deleteLater()
        self._tick.stop()

    @Slot(object)
    def _on_opened(self, past: Past) -> None:
        if self.follower is None or past.run != self.follower.followed:
            return
        self._standing = past.stands
        self.training.show_run(past.run, past.events, past.stands == "running")
        if self._resume_next == past.run:
            self._resume_next = None
            self.training.run_panel.continue_run()

    @Slot(object)
    def _on_followed(self, event: events.Event) -> None:
        if self.follower is not None:
            self._drain()
            self._on_event(event)

    @Slot(str)
    def _on_stands(self, stands: str) -> None:
        """The followed run began, ended, or went away."""
        if self.follower is None:
            return
        before, self._standing = self._standing, stands
        self._drain()
        run = self.follower.followed
        if stands == "missing":
            self.training.on_missing(run)
        elif stands == "running":
            self.training.attach()
        elif before == "running":
            self._end(self._verdict(run))

    def _verdict(self, run: Path) -> Ended:
        """How a followed run ended, by its last words."""
        last = self.training.last_words
        if isinstance(last, events.Finished):
            return Ended("completed" if last.reason == "completed" else "stopped", "", None, Path(last.model))
        if isinstance(last, events.Failed):
            return Ended("failed", last.text, None, None)
        text = tr("The process that trained {run} is gone. The run can be resumed from its last checkpoint.",
                  run=run)  # fmt: skip
        return Ended("killed", text, None, None)

    @Slot(str)
    def _on_unheard(self, text: str) -> None:
        """A wish could not be left for the followed run: it goes on as it was."""
        self.complained.emit(text)
        self.training.run_panel.set_snapshot_due(False)
        if self._standing == "running":
            self.training.attach()

    @Slot()
    def choose_run(self) -> None:
        """Ask for a run to follow."""
        folder = self._settings.get("runs/attached", "") or str(self.training.run_panel.root)
        chosen = QFileDialog.getExistingDirectory(self._window, tr("A run to follow"), folder)
        if chosen:
            self._settings.set("runs/attached", str(Path(chosen).parent))
            self.attach(Path(chosen))

    def attach(self, run: Path) -> None:
        """Show and follow a run, wherever it is trained, and list it."""
        if not is_run(run):
            self.complained.emit(
                tr("{folder} is no run: it holds no {file}. Choose a run's own folder.",
                   folder=run, file=CONFIG_FILE)
            )  # fmt: skip
            return
        if self._window is not None:
            self._window.show_workspace("train")
        if run.parent not in self.browser.folders:
            self.browser.add_folder(run)
        self.show_run(run)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A run's folder dropped on the window is followed; other drops go on to whom they concern."""
        if isinstance(event, QDropEvent) and watched is self._window:  # QDragEnterEvent is one
            run = _dropped(event)
            if run is not None:
                event.acceptProposedAction()
                if event.type() == QEvent.Type.Drop:
                    self.attach(run)
                return True
        return False

    # -- the list -----------------------------------------------------------------------------

    @Slot()
    def show_list(self) -> None:
        """Bring the list of runs to the front."""
        if self._window is not None:
            self._window.show_workspace("train")
        self.dockWanted.emit("runs")
        self.browser.panel.view.setFocus()

    @Slot(object)
    def _on_overlaid(self, found: object) -> None:
        self.training.losses.show_overlay(found)  # type: ignore[arg-type]
        if found:
            self.dockWanted.emit("losses")

    @Slot(object, object)
    def _on_renamed(self, run: Path, now: Path) -> None:
        """The run on show stays on show, and its models are found where they are now."""
        self.renamed.emit(run, now)
        if self._shows(run):
            self.show_run(now)

    @Slot(object)
    def _on_gone(self, run: Path) -> None:
        """A run went to the trash: where it is on show, the page says so, and shows it when it comes back."""
        if self._shows(run) and self.follower is None:
            self.show_run(run)

    def _shows(self, run: Path) -> bool:
        """Whether the page shows a run that is not trained here now."""
        panel = self.training.run_panel
        return not self.running and panel.phase != "idle" and panel.run == run

    @Slot()
    def _on_new_run(self) -> None:
        """The form is free for another run, with data that were chosen meanwhile."""
        self._leave()
        self._take_chosen()

    def _take_chosen(self) -> None:
        chosen, self._chosen = self._chosen, None
        if chosen is not None:
            self.training.set_choice(chosen)
            self._on_form_changed()

    @Slot(object)
    def _resume_from_list(self, run: Path) -> None:
        if self.running:
            self.complained.emit(tr("A run is being trained here already; stop it first."))
            return
        self.show_run(run)
        self._resume_next = run

    @Slot(object, object)
    def _clone(self, resolved: TrainConfig, run: Path) -> None:
        """Fill the form with a run's settings and data, under a new name."""
        if self.running:
            self.complained.emit(tr("A run is being trained here; stop it before you set up another."))
            return
        self._leave()
        self._chosen = None
        self.training.new_run()
        self.dockWanted.emit("run")
        self.training.run_panel.clone(resolved, run)
        self.data.take_up(self.training.run_panel.choice)
        text = tr("Settings and data are filled in: change what you like, then press Start training.")
        self.told.emit(text, "info", None)

    def shut_down(self) -> None:
        """End child and threads and wait for them; form and run are remembered."""
        panel = self.training.run_panel
        self._settings.set_choices(_FORM, panel.choices)
        self._settings.set(_SHOWN, "" if panel.phase == "idle" else str(panel.run))
        self._tick.stop()
        if self.thread_ is not None:
            self.thread_.close()
            self.thread_ = None
        self._leave()
        self.browser.close()
        self.data_thread.close()

    @Slot(bool)
    def on_page_shown(self, visible: bool) -> None:
        """The run that was on show when the studio was closed is read when the page is looked at."""
        if visible and not self._recalled:
            self._recalled = True
            shown = self._settings.get(_SHOWN, "")
            if shown and self.thread_ is None and self.follower is None and is_run(Path(shown)):
                self.show_run(Path(shown))

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
        else:
            self._chosen = choice
        self._on_form_changed()

    @Slot()
    def _data_accepted(self) -> None:
        if self._chosen is not None:
            text = tr("These data are for the next run: press New run when you are done with this one.")
            self.told.emit(text, "info", None)
        self.dockWanted.emit("losses")


def _dropped(event: QDropEvent) -> Path | None:
    """The run that is being dropped, if it is one."""
    urls = event.mimeData().urls()
    if len(urls) == 1 and urls[0].isLocalFile():
        path = Path(urls[0].toLocalFile())
        if files.is_dir(path) and is_run(path):
            return path
    return None
