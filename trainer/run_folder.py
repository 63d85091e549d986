"""What a run writes into its directory: events, resume file, models, sample grids; nothing that diverged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer import checkpoint, events, files, grid
from trainer.card import ModelCard
from trainer.config import TrainConfig
from trainer.data.select import Selection
from trainer.errors import CheckpointError, RunError
from trainer.learner import Learner
from trainer.run_files import EVENTS_FILE, LOCK_FILE, STATE_FILE, end_line, lasting, read_events, write_config
from trainer.schedule import Schedule
from trainer.tensorboard import Board

Note = Callable[[events.Event], list[events.Event]]


class DivergedError(RunError):
    """A loss, a weight or an optimiser's moment is no longer finite."""


@dataclass
class Standing:
    """How far a run has come; kept in the resume file beside weights and moments.

    Attributes:
        step: steps made.
        best: the least criterion of a validation so far.
        figures: of the last validation.
        finished_step: at which an epoch was last validated and its best model kept.
        rate_scale: of the step size; falls with each rollback.
    """

    step: int = 0
    best: float = math.inf
    figures: dict[str, float] = field(default_factory=dict)
    finished_step: int = 0
    rate_scale: float = 1.0


class RunFolder:
    """A run's directory, written by process 0 alone.

    Args:
        path: made if needed.
        config: the resolved settings.
        selection: the data, which a run keeps.
        schedule: the run's.
    """

    def __init__(self, path: Path, config: TrainConfig, selection: Selection, schedule: Schedule) -> None:
        self.path, self._config, self._cache = path, config, selection.cache
        # Order and schedule are functions of these: they must be as they were when a run goes on.
        self._identity: dict[str, Any] = {
            "training_images": len(selection.train),
            "steps_per_epoch": schedule.steps_per_epoch,
            "cache_key": selection.cache.key,
        }

    @contextmanager
    def open(self, past: list[events.Event] | None) -> Iterator[Note]:
        """Hold the directory, and give what writes an event down.

        It appends to `events.jsonl` and, where the settings say so, to TensorBoard files. It returns the
        event, and what went wrong beside.

        Args:
            past: what a resumed run has said so far; None for a new one.

        Raises:
            ConfigError: another process trains in this run directory.
            DataError, RunError: a file cannot be made.
        """
        for name in ("checkpoints", "samples"):
            files.make_directory(self.path / name)
        busy = f"{self.path}: another process is training this run"
        with files.held(self.path / LOCK_FILE, busy), ExitStack() as opened:
            said = self.path / EVENTS_FILE
            # Before the events: with it the directory is a run. Again on resuming, with changed settings.
            write_config(self.path, self._config)
            try:
                if past is not None:
                    end_line(said)
                log = opened.enter_context(said.open("w" if past is None else "a", encoding="utf-8"))
            except OSError as error:
                raise files.write_error(said, error) from error
            for folder in (self.path, self.path / "checkpoints", self.path / "samples"):
                files.sweep(folder)

            board = Board(self.path, past) if self._config.loop.tensorboard else None
            if board:
                opened.callback(board.close)

            def note(event: events.Event) -> list[events.Event]:
                log.write(events.to_line(event) + "\n")
                log.flush()
                troubles = board.see(event) if board else []
                return [event, *(one for trouble in troubles for one in note(trouble))]

            yield note

    def events(self, step: int) -> list[events.Event]:
        """What the run has said so far, without what going on from `step` makes void."""
        past = read_events(self.path / EVENTS_FILE)
        return lasting([*past, events.Resumed(step=step)])[:-1]

    def load(self, learner: Learner) -> tuple[Standing, dict[str, Any]]:
        """Put weights and moments back; gives where the run stood, and all that its resume file says of it.

        Raises:
            CheckpointError: no resume file, or one that does not fit the model and the data.
        """
        state = self.path / STATE_FILE
        if not state.exists():
            raise CheckpointError(f"{state}: not there; this run has nothing to resume from")
        progress = checkpoint.load_state(state, learner.model, learner.optimisers, learner.averaged)
        for name, value in self._identity.items():
            if progress.get(name, value) != value:
                raise CheckpointError(
                    f"{state}: {name.replace('_', ' ')} was {progress[name]} and is now {value}: the run's "
                    "data or batch_size changed. Restore them, or start a new run"
                )
        step = int(progress["step"])
        standing = Standing(
            step=step,
            best=float(progress["best"]),
            figures={str(k): float(v) for k, v in progress.get("figures", {}).items()},
            finished_step=int(progress.get("finished_step", step)),
            rate_scale=float(progress.get("rate_scale", 1.0)),
        )
        return standing, progress

    def save_state(self, learner: Learner, standing: Standing) -> None:
        """Write the resume file.

        Raises:
            DataError, RunError: it cannot be written; one that was there before is untouched.
        """
        progress = self._identity | {
            "step": standing.step,
            "best": standing.best,
            "figures": standing.figures,
            "finished_step": standing.finished_step,
            "rate_scale": standing.rate_scale,
            "game_played": learner.model.game_played,
        }
        checkpoint.save_state(
            self.path / STATE_FILE, learner.model, learner.optimisers, progress, learner.averaged
        )

    def save_model(self, name: Path, learner: Learner, standing: Standing, epoch: int) -> Path:
        """Write the shown weights as a model file.

        Raises:
            DivergedError: a weight or statistic is not finite.
            DataError, RunError: it cannot be written.
        """
        if bad := checkpoint.first_not_finite(learner.shown.state_dict().items()):  # statistics, too
            raise self.diverged(f"{bad} is no longer finite", standing.step)
        card = ModelCard(
            name=self.path.name,
            preset=self._config.preset,
            data=self._cache.spec.partition(":")[0],
            step=standing.step,
            epoch=epoch,
            game_played=learner.model.game_played,
            derive=self._config.data.derive,
            delta=self._config.loop.edit_delta,
            figures=standing.figures,
        )
        checkpoint.save_model(self.path / name, learner.shown, card)
        return self.path / name

    def save_samples(self, step: int, rows: dict[str, NDArray[np.uint8]]) -> str:
        """Write rows of images as one grid; its name in the directory."""
        name = Path("samples") / f"step-{step:08d}.png"
        picture = grid.compose([list(row) for row in rows.values()], grid.GridStyle(padding=0, labels=False))
        grid.save(picture, self.path / name, None)
        return name.as_posix()

    def diverged(self, what: str, step: int) -> DivergedError:
        """The error that says so, and what can be done."""
        return DivergedError(
            f"{what} by step {step}; the last good checkpoint is kept in {self.path}. Resume with a "
            "lower learning_rate, with precision = fp32, or with rollbacks = 3 to have that done by itself"
        )
