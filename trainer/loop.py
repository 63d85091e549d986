"""The training run: an iterator of events that asks whether to pause or stop.

Order, mirroring and noise are functions of (seed, epoch) or (seed, step), so a resumed run needs
no generator state to go on exactly where it was, on however many devices.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from trainer import device, events, tensorboard
from trainer.alerts import Watch
from trainer.config import TrainConfig
from trainer.control import Control
from trainer.data.order import rank_part
from trainer.data.select import Selection
from trainer.distributed import Group
from trainer.errors import IntroVACError, RunError
from trainer.examination import Examination
from trainer.feed import Feed
from trainer.keeper import Keeper
from trainer.learner import Learner, out_of_memory
from trainer.meter import Meter, Reading
from trainer.models import IntroVAC
from trainer.presence import attended
from trainer.run_files import MODEL_FILE
from trainer.run_folder import DivergedError, RunFolder, Standing
from trainer.schedule import Schedule
from trainer.steps import AbandonedError, Optimisers, Stepped

__all__ = ["DivergedError", "Trainer"]

PATIENCE = 10  # steps in a row without an update that make a run a diverged one
SAY_AFTER = 1.0  # seconds without a word, before the first losses, after which the steps so far are told


@dataclass(frozen=True)
class _Wishes:
    """What all processes of a run have agreed to do."""

    stop: bool = False
    pause: bool = False
    snapshot: bool = False


class Trainer:
    """One run, or one process's part of it.

    Args:
        config: the resolved settings; `config.model.attributes` are the selection's.
        selection: images, labels and splits.
        run: the run directory; made if needed. Processes of one run share it.
        control: requests to pause, stop or take a snapshot.
        resume: go on from the run's resume file.
        group: the processes that share each batch; None for this one alone.

    Raises:
        CheckpointError: `resume` without a resume file that fits the model and the data.
        ConfigError: the device or TensorBoard is not there, or a batch cannot be shared equally.
    """

    def __init__(
        self,
        config: TrainConfig,
        selection: Selection,
        run: Path,
        control: Control | None = None,
        resume: bool = False,
        group: Group | None = None,
    ) -> None:
        self.config, self.selection, self.run = config, selection, Path(run)
        self.control, self.group = control or Control(), group or Group()
        if config.loop.tensorboard and self.group.main:
            tensorboard.require()
        if config.loop.threads:
            torch.set_num_threads(config.loop.threads)
        self.device = device.resolve(config.loop.device, self.group.place.local if self.group.several else 0)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every batch has the same shape
        self.schedule = Schedule(config, selection.train)
        rank_part(np.empty(self.schedule.batch_size), 0, self.group.place.world)
        used = np.concatenate([selection.train, selection.valid])
        self.feed = Feed(selection.cache, selection.labels, self.device, rows=used)
        self.learner = Learner(config, self.device, self.group)
        self.folder = RunFolder(self.run, config, selection, self.schedule)
        exam = Examination(config, selection, self.feed, self.learner, self.control)
        self._keeper = Keeper(config, self.schedule, self.folder, self.learner, exam, self.control)
        self._saved_step = -1  # of the newest model.safetensors
        self._rollbacks = 0
        self._lost_in_a_row = 0  # steps without an update
        self._wishes = _Wishes()
        self._watch = Watch()
        self._quiet_since: float | None = None  # while no losses have been told
        self._meter = Meter(self.group)
        self._resumed = resume
        if resume:
            self._keeper.resume()

    @property
    def _standing(self) -> Standing:
        return self._keeper.standing

    @property
    def step(self) -> int:
        return self._standing.step

    @property
    def model(self) -> IntroVAC:
        """The weights in training."""
        return self.learner.model

    @property
    def shown(self) -> IntroVAC:
        """What is validated, shown and saved."""
        return self.learner.shown

    @property
    def optimisers(self) -> Optimisers:
        return self.learner.optimisers

    # -- where a run stands --------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Whole passes begun, from 1."""
        return self.schedule.epoch(self.step)

    def _at(self) -> dict[str, Any]:
        return {"step": self.step, "epoch": self.epoch}

    def _learning_rate(self, epoch: int) -> float:
        return self.schedule.learning_rate(epoch) * self._standing.rate_scale

    # -- the run ------------------------------------------------------------------------------

    def train(self) -> Iterator[events.Event]:
        """Train, yielding what happens; process 0 also writes each event down in the run's directory.

        Raises:
            ConfigError: another process trains in this run directory.
            DivergedError: losses, weights or moments stay NaN or infinite; nothing of it is written.
            RunError: no memory, a full disk, or a process of this run that is gone.
            DataError: a checkpoint cannot be written.
        """
        if not self.group.main:
            yield from self._watched()
            return
        past = self.folder.events(self.step) if self._resumed else None
        for event in past or ():
            self._watch.see(event)
        with self.folder.open(past) as note, attended(self.run, self.control):
            try:
                for event in self._watched():
                    yield from note(event)
            except IntroVACError as error:
                note(events.Failed(**self._at(), text=str(error)))
                raise

    def _watched(self) -> Iterator[events.Event]:
        """What happens, and alerts on it; the run's end comes last."""
        for event in self._events():
            alerts = self._watch.see(event)
            last = isinstance(event, events.Finished)
            yield from (*alerts, event) if last else (event, *alerts)

    def _events(self) -> Iterator[events.Event]:
        yield self._started()
        if self._resumed:
            yield events.Resumed(**self._at())
        elif self.group.main:
            self._keeper.save_state()  # whatever happens from here on, there is something to go back to
        self.model.train()
        self._meter.restart()
        self._quiet_since = time.monotonic()
        while not self._heed().stop:
            if self._epoch_due:  # now, or when the run was stopped at an epoch's last step
                yield from self._finish_epoch()
            elif self.step < self.schedule.total_steps:
                yield from self._run_epoch()
            else:
                break
        if self.step != self._saved_step:
            yield from self._save("last")
        reason = "completed" if self.step >= self.schedule.total_steps and not self._epoch_due else "stopped"
        yield events.Finished(**self._at(), reason=reason, model=str(self.run / MODEL_FILE))

    def _started(self) -> events.Event:
        where = device.describe(self.device)
        world = self.group.place.world
        return events.RunStarted(
            **self._at(),
            run=str(self.run),
            device=f"{world} x {where}" if self.group.several else where,
            precision=str(self.learner.precision.dtype).removeprefix("torch."),
            parameters=sum(p.numel() for p in self.model.parameters()),
            train_images=len(self.selection.train),
            valid_images=min(len(self.selection.valid), self.config.loop.valid_images),
            steps_per_epoch=self.schedule.steps_per_epoch,
            total_steps=self.schedule.total_steps,
            game_from_step=self.schedule.game_from_step,
            config=self.config.to_dict(),
        )

    def _heed(self) -> _Wishes:
        """What all processes agree to do. A stop stays; a snapshot waits until it is taken."""
        told = self.group.agree(self.control.stopping, self.control.paused, self.control.take_snapshot())
        stop = self._wishes.stop or told[0]
        self._wishes = _Wishes(stop, told[1] and not stop, self._wishes.snapshot or told[2])
        return self._wishes

    @property
    def _epoch_due(self) -> bool:
        """Whether the last epoch is whole (or the run at its end), but not validated."""
        whole = self.step % self.schedule.steps_per_epoch == 0 or self.step >= self.schedule.total_steps
        return whole and self.step > self._standing.finished_step

    def _run_epoch(self) -> Iterator[events.Event]:
        epoch, within = divmod(self.step, self.schedule.steps_per_epoch)
        self.learner.set_rate(self._learning_rate(epoch))
        if self.step == 0 or (
            within == 0 and self.schedule.in_game(self.step) != self.schedule.in_game(self.step - 1)
        ):
            yield events.PhaseChanged(
                **self._at(), phase="game" if self.schedule.in_game(self.step) else "warm-up"
            )
        last = min(self.schedule.steps_per_epoch, within + self.schedule.total_steps - self.step)
        whole = self.schedule.batches(epoch, range(within, last))
        plan = ((self._mine(rows), self._mine(flips)) for rows, flips in whole)
        with closing(self.feed.batches(plan)) as batches:
            while self.step < self.schedule.total_steps:
                at = self.step
                if self._heed().pause:
                    yield from self._pause()
                yield from self._take_snapshot()
                if self._wishes.stop or self.step != at:  # saving may have found that the run diverged
                    return
                batch = next(batches, None)
                if batch is None:
                    return
                yield from self._take_step(*batch)
                yield from self._first_steps()
                if self.step % self.config.loop.log_every == 0 and (yield from self._flush()):
                    return
                if self.group.main:
                    self._keeper.save_in_time()

    def _mine(self, rows: Any) -> Any:
        return rank_part(rows, self.group.place.rank, self.group.place.world)

    def _take_step(self, x: Tensor, labels: Tensor) -> Iterator[events.Event]:
        """One step, counted unless a stop came first; an event and an error where memory is short."""
        try:
            stepped = self._train_step(x, labels)
        except AbandonedError:
            return  # it is taken when the run goes on
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            stepped = None
        if stepped is None:  # out here nothing holds on to the step's tensors
            fits = self.learner.fitting(x, labels)
            size = self.config.optim.batch_size
            yield events.OutOfMemory(**self._at(), batch_size=size, fits=fits)
            hint = f"batch_size = {fits} fits (tried)" if fits else "no smaller batch fits either"
            raise RunError(
                f"out of memory with batch_size = {size} on {device.describe(self.device)}: {hint}. "
                "Start a new run with a smaller batch_size, image_size or channels"
            )
        self._meter.add(stepped)
        self._standing.step += 1
        self.learner.follow(self.step, stepped.finite)

    def _first_steps(self) -> Iterator[events.Event]:
        """Signs of life until there are losses to tell, where steps are slow."""
        every, now = self.config.loop.log_every, time.monotonic()
        if self._quiet_since is not None and self.step % every and now - self._quiet_since > SAY_AFTER:
            self._quiet_since = now
            yield events.Progress(**self._at(), what="first steps", done=self.step % every, total=every)

    def _train_step(self, x: Tensor, labels: Tensor) -> Stepped:
        alone = not self.group.several  # other processes wait in the midst of their step
        unwanted = (lambda: self.control.stopping) if alone else None
        return self.learner.step(x, labels, self.step, self.schedule.in_game(self.step), unwanted)

    def _pause(self) -> Iterator[events.Event]:
        yield from self._save("last")
        yield events.Paused(**self._at())
        while self._wishes.pause:
            if self.group.main:  # the others wait for its word
                self.control.wait()
            self._heed()
            yield from self._take_snapshot()
        self._meter.restart()
        if not self._wishes.stop:
            yield events.Continued(**self._at())

    def _take_snapshot(self) -> Iterator[events.Event]:
        if self._wishes.snapshot:
            self._wishes = replace(self._wishes, snapshot=False)
            yield from self._save("snapshot")

    # -- what losses say ------------------------------------------------------------------------

    def _flush(self) -> Generator[events.Event, None, bool]:
        """Losses that were not yet told; gives whether the run went back to its last checkpoint."""
        reading = self._meter.read()
        if reading is None:
            return False
        lost = self._lost_in_a_row
        self._lost_in_a_row = lost + reading.skipped if reading.skipped == reading.steps else 0
        culprit = reading.culprits[0] if reading.culprits else "a gradient"
        alerts: list[events.Alert] = []
        if reading.skipped:  # the watch hears of it first: these losses are no sign that all is well again
            at = events.Event(**self._at())
            alerts = self._watch.lost(at, culprit, reading.skipped, reading.steps)
        if reading.losses:
            yield self._losses(reading)
        yield from alerts
        self._quiet_since = None
        if self._lost_in_a_row >= PATIENCE:
            yield from self._diverge(culprit)
            return True
        return False

    def _losses(self, reading: Reading) -> events.Event:
        per_step = reading.seconds / reading.steps
        return events.StepLosses(
            **self._at(),
            losses=reading.losses,
            images_per_second=self.schedule.batch_size / per_step if per_step > 0 else 0.0,
            seconds_left=self.schedule.seconds_left(self.step, per_step),
            learning_rate=self._learning_rate((self.step - 1) // self.schedule.steps_per_epoch),
            memory_bytes=_memory(self.device),
        )

    def _diverge(self, culprit: str) -> Iterator[events.Event]:
        """Go back to the last checkpoint with half the step size, as often as the settings allow."""
        if self._rollbacks >= self.config.loop.rollbacks:
            rate = self._learning_rate(self.step // self.schedule.steps_per_epoch)
            yield events.Diverged(**self._at(), loss=culprit, action="stopped", learning_rate=rate)
            raise self.folder.diverged(f"{culprit} is no longer a finite number", self.step)
        at, scale = self._at(), self._standing.rate_scale
        self.group.agree(False)  # nobody reads while process 0 may still write
        self._keeper.resume()
        self._rollbacks += 1
        self._lost_in_a_row = 0
        self._standing.rate_scale = scale / 2
        rate = self._learning_rate(self.step // self.schedule.steps_per_epoch)
        self._meter.restart()
        yield events.Diverged(**at, loss=culprit, action="rolled back", learning_rate=rate)
        yield events.Resumed(**self._at())

    # -- checkpoints ------------------------------------------------------------------------------

    def _finish_epoch(self) -> Iterator[events.Event]:
        """Validate, draw samples, keep what is best; a stop before that leaves it to the resumed run."""
        if (yield from self._flush()):
            return
        if not self.group.same([p.detach() for p in self.model.parameters()]):
            raise RunError(
                f"the processes of {self.run} no longer hold the same weights by step {self.step}; the last "
                "checkpoint is kept. Resume with --resume; if that repeats, a device computes wrongly"
            )
        judged = self.group.main and (yield from self._keeper.finish_epoch())
        if self.group.agree(judged)[0]:  # the others wait here for process 0
            self._standing.finished_step = self._saved_step = self.step
        self.model.train()
        self._meter.restart()

    def _save(self, kind: str) -> Iterator[events.Event]:
        """Resume file, then a calibrated `model.safetensors`, which the studio may open at any time."""
        yield from self._flush()
        if self.group.main:
            yield from self._keeper.save(kind)
        self._saved_step = self.step
        self.model.train()
        self._meter.restart()


def _memory(where: torch.device) -> int:
    if where.type == "cuda":
        return torch.cuda.max_memory_reserved(where)
    return psutil.Process().memory_info().rss
