"""Training: the form that starts a run, its losses, its samples and its log.

Wiring (everything by slots and signals; no worker is known here)::

    training = TrainingPanel(settings)          # a QObject that ties four widgets, one for each dock:
    training.run_panel, training.losses, training.samples, training.log
    training.startRequested(RunRequest)         -> TrainerThread.start_run(request.arguments()), start()
    training.continueRequested(Path)            -> TrainerThread.resume_run(run), start()
    training.openRunRequested(Path)             -> training.show_run(run, read_run(run))
    training.pauseRequested, resumeRequested, stopRequested, snapshotRequested -> the thread's slots
    training.openModelRequested(Path)           -> open that model on the Edit page
    training.chooseDataRequested                -> show the data panel
    thread.happened -> training.on_event; thread.ended -> training.on_ended
    a QTimer of 50 ms: training.on_losses(thread.drain())
    data_panel.choiceChanged -> training.set_choice; data_thread.ready -> training.set_summary
    training.statusChanged(str)                 -> the status bar
    training.complained(str)                    what did not work; nothing is lost
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, Signal, Slot

from introvac_studio import desktop
from introvac_studio.data_summary import DataChoice, DataSummary
from introvac_studio.language import mark, tr
from introvac_studio.run_request import RunRequest, default_run
from introvac_studio.run_start import RunStart, doing
from introvac_studio.settings import Settings
from introvac_studio.widgets.loss_panel import LossPanel
from introvac_studio.widgets.run_form import RunPanel
from introvac_studio.widgets.run_log import LogPanel, log_line
from introvac_studio.widgets.samples_view import SamplesView
from introvac_studio.widgets.texts import duration
from trainer import config, events, files
from trainer.errors import ConfigError
from trainer.run_files import CONFIG_FILE, MODEL_FILE, STATE_FILE

# Events that tell how a run stands.
_TELLING = (
    events.RunStarted, events.Resumed, events.Paused, events.Continued, events.Finished, events.Failed,
)  # fmt: skip

# A run's end in the status bar.
_ENDS = {
    "completed": mark("training is complete"),
    "stopped": mark("training was stopped"),
    "failed": mark("training failed"),
    "killed": mark("training was ended"),
}

__all__ = ["RunRequest", "TrainingPanel", "default_run"]


class RunEnded(Protocol):
    """What the worker says of a run's end."""

    @property
    def reason(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def made(self) -> Path | None: ...
    @property
    def details(self) -> str: ...


def size_of(count: int) -> str:
    """Bytes in the unit that suits."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


class TrainingPanel(QObject):
    """Ties the four widgets of a run together. See the module for the wiring."""

    startRequested = Signal(object)
    continueRequested = Signal(object)
    openRunRequested = Signal(object)
    pauseRequested = Signal()
    resumeRequested = Signal()
    stopRequested = Signal()
    snapshotRequested = Signal()
    openModelRequested = Signal(object)
    chooseDataRequested = Signal()
    statusChanged = Signal(str)
    complained = Signal(str)

    def __init__(self, settings: Settings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run_panel, self.losses = RunPanel(settings), LossPanel()
        self.samples, self.log = SamplesView(), LogPanel()
        self.start = RunStart(parent=self)
        self.start.changed.connect(self._show_start)
        self._total = self._step = 0
        self._replaying = False
        self.last_words: events.Event | None = None  # the newest that tells how the run stands
        run = self.run_panel
        run.startRequested.connect(self._on_start)
        run.continueRequested.connect(self._on_continue)
        run.newRunRequested.connect(self.new_run)
        for source, target in (
            (run.openRunRequested, self.openRunRequested),
            (run.pauseRequested, self.pauseRequested),
            (run.resumeRequested, self.resumeRequested),
            (run.stopRequested, self.stopRequested),
            (run.snapshotRequested, self.snapshotRequested),
            (run.openModelRequested, self.openModelRequested),
            (run.chooseDataRequested, self.chooseDataRequested),
            (run.complained, self.complained),
        ):
            source.connect(target)

    # -- what the user asks for -----------------------------------------------------------

    @Slot(object)
    def _on_start(self, request: RunRequest) -> None:
        self._forget(request.run)
        self.log.say(time.time(), desktop.command_line(["introvac", "train", *request.arguments()]))
        self._begin()
        self.startRequested.emit(request)

    @Slot(object)
    def _on_continue(self, run: Path) -> None:
        self.continueRequested.emit(run)
        self._begin()  # after it, as the run may have been read anew

    def _begin(self) -> None:
        self.run_panel.set_phase("starting")
        self.start.begin()

    @Slot()
    def _show_start(self) -> None:
        """What goes on while there are no losses yet."""
        panel, start = self.run_panel, self.start
        intro = tr("The run is starting. Losses appear after its first steps.")
        self.losses.plots.set_empty_text(f"{intro}\n\n{start.report}")
        panel.pace.setText(start.pace)
        if panel.phase == "stopping":
            return
        panel.state.setText(start.headline)
        self.statusChanged.emit(tr("training · {what}", what=start.headline))
        at = start.progress
        panel.bar.setRange(0, 0 if at is None else at.total)
        if at is not None:
            panel.bar.setValue(at.done)

    def _end_start(self) -> None:
        """The run has taken its first steps, or pauses before them."""
        if self.start.active:
            self.start.end()
            self.run_panel.pace.setText("")
            self._progress(self._step)

    @Slot()
    def new_run(self) -> None:
        """Clear the page for another run; settings stay."""
        self._forget(None)
        self.run_panel.set_phase("idle")
        self.losses.plots.set_empty_text(
            tr("Press Start training: losses appear here after the first steps.")
        )
        self.statusChanged.emit("")

    def _forget(self, run: Path | None) -> None:
        self.start.end()
        self._total, self._step = 0, 0
        self.last_words = None
        self.run_panel.set_run(run)
        self.losses.plots.clear()
        self.samples.set_run(run or Path())
        self.log.clear()

    @Slot(object)
    def set_choice(self, choice: DataChoice) -> None:
        self.run_panel.set_choice(choice)

    @Slot(object)
    def set_summary(self, summary: DataSummary) -> None:
        self.run_panel.set_summary(summary)

    def show_reading(self, run: Path) -> None:
        """A run is being read: the page is empty until `show_run`."""
        self._forget(run)
        self.run_panel.set_phase("done")
        self.losses.plots.set_empty_text(tr("Reading {run}…", run=run))

    def show_run(self, run: Path, past: Sequence[events.Event], alive: bool = False) -> None:
        """Show a run from its events: one that trains somewhere, or one that can be resumed."""
        self._forget(run)
        with suppress(ConfigError):
            self.run_panel.show_config(config.load(run / CONFIG_FILE))
        self._replaying = True
        for event in past:
            if not isinstance(event, events.StepLosses):
                self.on_event(event)
        self.on_losses([e for e in past if isinstance(e, events.StepLosses)])
        self._replaying = False
        self.statusChanged.emit("")
        self.losses.plots.set_empty_text(tr("{run} has no losses yet.", run=run.name))
        model = run / MODEL_FILE
        self.run_panel.model = model if files.is_file(model) else None
        if alive:
            self.attach()
            return
        last = self.last_words
        whole = isinstance(last, events.Finished) and last.reason == "completed"
        if whole:
            self._rest("done", tr("Completed."))
        elif files.is_file(run / STATE_FILE):
            self._rest("ended", tr("Not finished: it can be resumed."))
        else:
            self._rest("done", tr("Not finished."))

    def attach(self) -> None:
        """The run on show is being trained by another process."""
        paused = isinstance(self.last_words, events.Paused)
        self.run_panel.set_phase("paused" if paused else "running")
        self.run_panel.set_elsewhere(True)
        if paused:
            self.run_panel.pace.setText(tr("Paused: a checkpoint is saved."))
        self.statusChanged.emit(tr("attached to {run}", run=self.run_panel.run.name))

    def on_missing(self, run: Path) -> None:
        """The folder of the run on show is not there any more."""
        self.run_panel.set_phase("done")
        self.run_panel.state.setText(
            tr("{run} is not there any more. It is shown again when it comes back.", run=run)
        )
        self.statusChanged.emit("")

    # -- what a run says ------------------------------------------------------------------

    @Slot(object)
    def on_event(self, event: events.Event) -> None:
        """Any event but StepLosses."""
        panel = self.run_panel
        if (line := log_line(event)) is not None:
            self.log.say(event.time, *line)
        if isinstance(event, _TELLING):
            self.last_words = event
        if isinstance(event, events.RunStarted):
            self._total = event.total_steps
            if not self._replaying and self.samples.run != Path(event.run):
                self.samples.set_run(Path(event.run))
            panel.bar.setRange(0, max(event.total_steps, 1))
            self._progress(event.step)
            self._alive("running")
        elif isinstance(event, events.Progress):
            self._on_progress(event)
        elif isinstance(event, events.SamplesWritten):
            self.samples.add(event)
        elif isinstance(event, events.Resumed):
            self.samples.drop_after(event.step)
        elif isinstance(event, events.Paused):
            self._end_start()
            self._alive("paused")
        elif isinstance(event, events.Continued):
            self._alive("running")
        elif isinstance(event, events.CheckpointSaved):
            self._on_checkpoint(event)
        if isinstance(event, events.CheckpointSaved | events.Validated):
            self._step = event.step
        if isinstance(event, events.RunStarted | events.Resumed | events.Validated):
            self.losses.plots.append([event])
        self.start.see(event)

    def _on_progress(self, event: events.Progress) -> None:
        """Work beside the steps; what comes before them is `start`'s to show."""
        if self.start.active or self._replaying:
            return
        panel, left = self.run_panel, event.seconds_left
        panel.bar.setRange(0, event.total)
        panel.bar.setValue(event.done)
        what, n, whole = doing(event.what), f"{event.done:,}", f"{event.total:,}"
        panel.state.setText(tr("{what}: {n} of {all}", what=what, n=n, all=whole) if event.total else what)
        panel.pace.setText("" if left is None else tr("{time} left", time=duration(left)))

    def _alive(self, phase: str) -> None:
        if self._replaying or self.run_panel.phase == "stopping":
            return
        self.run_panel.set_phase(phase)
        if phase == "paused":
            self.run_panel.pace.setText(tr("Paused: a checkpoint is saved."))
            self.statusChanged.emit(tr("training is paused"))

    def _on_checkpoint(self, event: events.CheckpointSaved) -> None:
        if event.kind in ("last", "snapshot"):
            self.run_panel.model = Path(event.model)
        if event.kind == "snapshot" and self.run_panel.snapshot_due:
            self.run_panel.set_snapshot_due(False)
            self.openModelRequested.emit(Path(event.model))

    @Slot(object)
    def on_losses(self, batch: Sequence[events.StepLosses]) -> None:
        """Losses since the last call."""
        if not batch:
            return
        self.losses.plots.append(batch)
        if not self._replaying:
            self._end_start()
        last = batch[-1]
        self._progress(last.step)
        left = (
            "" if last.seconds_left is None else tr("{time} left", time=duration(last.seconds_left)) + " · "
        )
        pace = tr("{n} images/s", n=f"{last.images_per_second:,.0f}")
        self.run_panel.pace.setText(f"{left}{pace}\n" + tr("{size} memory", size=size_of(last.memory_bytes)))
        if not self._replaying:
            at = tr("training · step {n} of {all}", n=f"{last.step:,}", all=f"{self._total:,}")
            self.statusChanged.emit(f"{at} · {left}{pace}")

    def _progress(self, step: int) -> None:
        self._step = step
        self.run_panel.set_editable(step > 0)
        self.run_panel.bar.setRange(0, max(self._total, 1))  # it may have shown the progress of a save
        self.run_panel.bar.setValue(step)
        if self.run_panel.phase != "stopping":
            share = f"{100 * step / self._total:.0f} %" if self._total else ""
            at = tr("Step {n} of {all}", n=f"{step:,}", all=f"{self._total:,}")
            self.run_panel.state.setText(f"{at} · {share}")

    @Slot(object)
    def on_ended(self, ended: RunEnded) -> None:
        """The child is gone, whatever the reason."""
        self.start.end()
        panel = self.run_panel
        panel.set_elsewhere(False)
        run = panel.run
        if ended.made is not None:
            panel.model = ended.made
        if ended.text:
            self.log.say(time.time(), ended.text, "error")
        can_resume = files.is_file(run / STATE_FILE)
        if ended.reason == "completed":
            self._rest("done", tr("Completed."))
        elif can_resume:
            stopped, failed = tr("Stopped: it can be resumed."), tr("Ended by an error, which the log names.")
            self._rest("ended", failed if ended.text else stopped)
        else:
            panel.set_run(None, keep_name=True)
            panel.set_phase("idle")
            self.losses.plots.set_empty_text(ended.text or tr("The run was stopped before its first step."))
        self.statusChanged.emit(tr(_ENDS.get(ended.reason, ended.reason)))

    def _rest(self, phase: str, text: str) -> None:
        panel = self.run_panel
        panel.bar.setRange(0, max(self._total, 1))
        panel.bar.setValue(self._step)
        panel.set_phase(phase)
        n, whole = f"{self._step:,}", f"{self._total:,}"
        steps = tr("Step {n} of {all}.", n=n, all=whole) + " " if self._total else ""
        panel.state.setText(steps + text)
        panel.pace.setText("")
