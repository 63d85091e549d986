"""Keeps what a run has come to: validated, the best and newest models, and what a resumed run needs."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from trainer import events
from trainer.config import TrainConfig
from trainer.control import Control
from trainer.examination import Examination
from trainer.learner import Learner
from trainer.run_files import BEST_FILE, MODEL_FILE, drop_oldest, kept_file
from trainer.run_folder import RunFolder, Standing
from trainer.schedule import Schedule
from trainer.validation import criterion

STOP_IMAGES = 64  # to calibrate on when someone waits for the end; a resumed run does it on all


class Keeper:
    """Saves for process 0; the others only share where the run stands.

    Args:
        config: the resolved settings.
        schedule: the run's.
        folder: written to.
        learner: what learns.
        exam: looks at it.
        control: says when someone waits for the end.

    Attributes:
        standing: how far the run has come.
    """

    def __init__(
        self,
        config: TrainConfig,
        schedule: Schedule,
        folder: RunFolder,
        learner: Learner,
        exam: Examination,
        control: Control,
    ) -> None:
        self._config, self._schedule, self._folder = config, schedule, folder
        self._learner, self._exam, self._control = learner, exam, control
        self.standing = Standing()
        self._saved_at = time.monotonic()

    def _at(self) -> dict[str, Any]:
        return {"step": self.standing.step, "epoch": self._schedule.epoch(self.standing.step)}

    def resume(self) -> None:
        """Put weights, moments and standing back to the last resume file.

        Raises:
            CheckpointError: there is none, or none that fits.
        """
        self.standing, kept = self._folder.load(self._learner)
        step = self.standing.step
        played = step > 0 and self._schedule.in_game(step - 1)
        self._learner.model.game_played = bool(kept.get("game_played", played))

    def _check_weights(self) -> None:
        """One look at all weights and moments; one host sync.

        Raises:
            DivergedError: a value is not finite.
        """
        if bad := self._learner.first_not_finite():
            raise self._folder.diverged(f"{bad} is no longer finite", self.standing.step)

    # -- saving ---------------------------------------------------------------------------------

    def save_state(self) -> None:
        """Write the resume file."""
        self._folder.save_state(self._learner, self.standing)
        self._saved_at = time.monotonic()

    def save_in_time(self) -> None:
        """The resume file, when the last one is too old; epochs can be long."""
        if time.monotonic() - self._saved_at >= 60 * self._config.loop.save_minutes:
            self._check_weights()
            self.save_state()

    def save(self, kind: str) -> Iterator[events.Event]:
        """Resume file, then a calibrated `model.safetensors`."""
        self._check_weights()
        total = min(STOP_IMAGES, self._config.loop.calibration_images, len(self._schedule.images))
        if self._control.stopping:
            yield events.Progress(**self._at(), what="saving", done=0, total=total)
        self.save_state()  # first and as it is: all that a resumed run needs
        for seen in self._exam.calibrate(least=STOP_IMAGES):
            if self._control.stopping:
                yield events.Progress(**self._at(), what="saving", done=min(seen, total), total=total)
        yield self._save_model(Path(MODEL_FILE), kind)

    def _save_model(self, name: Path, kind: str) -> events.Event:
        at = self._at()
        path = self._folder.save_model(name, self._learner, self.standing, at["epoch"])
        return events.CheckpointSaved(**at, kind=kind, model=str(path))

    # -- an epoch's end ---------------------------------------------------------------------------

    def finish_epoch(self) -> Generator[events.Event, None, bool]:
        """Validate, draw samples, keep what is best; gives whether no stop came before that was whole."""
        self._check_weights()
        for _ in self._exam.calibrate(least=0):
            pass
        figures = self._exam.validate()
        if not figures:
            return False
        self.standing.figures = figures
        loop, step = self._config.loop, self.standing.step
        done = step // self._schedule.steps_per_epoch
        yield events.Validated(**self._at(), figures=figures)
        if done % loop.samples_every == 0 or step >= self._schedule.total_steps:
            yield self._write_samples()
        score = criterion(figures, loop.best_by)
        if score < self.standing.best:
            self.standing.best = score
            yield self._save_model(BEST_FILE, "best")
        if loop.keep_every and done % loop.keep_every == 0:
            yield self._save_model(kept_file(done), "kept")
            drop_oldest(self._folder.path, loop.keep_count)
        self.standing.finished_step = step
        self.save_state()
        yield self._save_model(Path(MODEL_FILE), "last")
        return True

    def _write_samples(self) -> events.Event:
        rows = self._exam.samples()
        path = self._folder.save_samples(self.standing.step, rows)
        columns = len(next(iter(rows.values())))
        size = self._config.model.image_size
        return events.SamplesWritten(**self._at(), path=path, rows=tuple(rows), columns=columns, cell=size)
