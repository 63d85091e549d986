"""The training run: an iterator of events that asks whether to pause or stop.

Order, mirroring and noise are functions of (seed, epoch) or (seed, step), so a resumed run needs
no generator state to go on exactly where it was.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from trainer import checkpoint, device, events, files, grid
from trainer.card import ModelCard
from trainer.config import TrainConfig
from trainer.data.select import Selection
from trainer.errors import CheckpointError, RunError
from trainer.models import IntroVAC, recalibration
from trainer.steps import Optimisers, introvac_step, vac_step
from trainer.validation import GRID_FACES, sample_grid, validate

MODEL_FILE = "model.safetensors"
STATE_FILE = Path("checkpoints") / "last.safetensors"
BEST_FILE = Path("checkpoints") / "best.safetensors"
EVENTS_FILE = "events.jsonl"
CONFIG_FILE = "config.json"


STOP_IMAGES = 256  # enough to calibrate on when someone waits for the end


class DivergedError(RunError):
    """A loss, a weight or an optimiser's moment is no longer finite."""


class Control:
    """What a run is asked to do, from any thread; the run looks at it between steps."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._stop = False
        self._pause = False
        self._snapshot = False

    def stop(self) -> None:
        with self._wake:
            self._stop = True
            self._wake.notify_all()

    def pause(self) -> None:
        with self._wake:
            self._pause = True

    def resume(self) -> None:
        with self._wake:
            self._pause = False
            self._wake.notify_all()

    def snapshot(self) -> None:
        with self._wake:
            self._snapshot = True
            self._wake.notify_all()

    @property
    def stopping(self) -> bool:
        return self._stop

    @property
    def paused(self) -> bool:
        return self._pause and not self._stop

    def take_snapshot(self) -> bool:
        """Whether a snapshot was asked for; asking once gives one."""
        with self._wake:
            wanted, self._snapshot = self._snapshot, False
            return wanted

    def wait(self) -> None:
        """Sleep until something is asked for that a paused run must answer."""
        with self._wake:
            self._wake.wait_for(lambda: self._stop or not self._pause or self._snapshot)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def to_batch(images: np.ndarray, where: torch.device) -> Tensor:
    """uint8 (N, S, S, 3) to float (N, 3, S, S) in [0, 1], channels last in memory."""
    return torch.from_numpy(images).to(where).permute(0, 3, 1, 2).float().div_(255)


class Trainer:
    """One run in one process.

    Args:
        config: the resolved settings; `config.model.attributes` are the selection's.
        selection: images, labels and splits.
        run: the run directory; made if needed.
        control: requests to pause, stop or take a snapshot.
        resume: go on from the run's resume file.

    Raises:
        CheckpointError: `resume` without a resume file that fits the model and the data.
        ConfigError: the device is not there.
    """

    def __init__(
        self,
        config: TrainConfig,
        selection: Selection,
        run: Path,
        control: Control | None = None,
        resume: bool = False,
    ) -> None:
        self.config, self.selection, self.run = config, selection, Path(run)
        self.control = control or Control()
        if config.loop.threads:
            torch.set_num_threads(config.loop.threads)
        self.device = device.resolve(config.loop.device)
        self.precision = device.precision(self.device, config.loop.precision)
        torch.manual_seed(_seed(config.loop.seed, 0))
        self.model = IntroVAC(config.model).to(self.device)
        self.optimisers = self._optimisers()
        self.batch_size = min(config.optim.batch_size, len(selection.train))
        self.steps_per_epoch = len(selection.train) // self.batch_size
        whole = self.steps_per_epoch * config.optim.epochs
        self.total_steps = min(whole, config.loop.max_steps) if config.loop.max_steps else whole
        self.step = 0
        self._saved_step = -1
        self._finished_step = 0  # at which an epoch was last validated and its best model kept
        self.best = math.inf
        self.figures: dict[str, float] = {}
        self._meter = _Meter(self)
        self._resumed = resume
        if resume:
            self._resume(self.run / STATE_FILE)

    def _resume(self, state: Path) -> None:
        if not state.exists():
            raise CheckpointError(f"{state}: not there; this run has nothing to resume from")
        progress = checkpoint.load_state(state, self.model, self.optimisers)
        for name, value in self._data_identity().items():
            if progress.get(name, value) != value:
                raise CheckpointError(
                    f"{state}: {name.replace('_', ' ')} was {progress[name]} and is now {value}: the run's "
                    "data or batch_size changed. Restore them, or start a new run"
                )
        self.step = int(progress["step"])
        self.best = float(progress["best"])
        self.figures = {str(k): float(v) for k, v in progress.get("figures", {}).items()}
        self._finished_step = int(progress.get("finished_step", self.step))
        played = self.step > 0 and self._in_game(self.step - 1)
        self.model.game_played = bool(progress.get("game_played", played))

    def _data_identity(self) -> dict[str, Any]:
        """What must be as it was when a run goes on: order and schedule are functions of it."""
        return {
            "training_images": len(self.selection.train),
            "steps_per_epoch": self.steps_per_epoch,
            "cache_key": self.selection.cache.key,
        }

    def _optimisers(self) -> Optimisers:
        optim = self.config.optim
        kinds: dict[str, Any] = {"lr": optim.learning_rate, "weight_decay": optim.weight_decay}
        if self.device.type in ("cpu", "cuda"):
            kinds["fused"] = True
        learners = [*self.model.encoder.parameters(), *self.model.classifier.parameters()]
        return Optimisers(
            torch.optim.Adam(learners, **kinds), torch.optim.Adam(self.model.decoder.parameters(), **kinds)
        )

    def _in_game(self, step: int) -> bool:
        first = self.config.game_from_epoch
        return first is not None and step // self.steps_per_epoch >= first

    def _learning_rate(self, epoch: int) -> float:
        optim = self.config.optim
        return optim.learning_rate * optim.lr_factor ** sum(m <= epoch for m in optim.lr_milestones)

    def _order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.config.loop.seed, 1, epoch])
        order = rng.permutation(self.selection.train)
        return order, rng.random(len(order)) < (0.5 if self.config.data.flip else 0.0)

    def _batch(self, indices: np.ndarray, flips: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
        images = self.selection.cache.batch(indices)
        if flips is not None and flips.any():
            images = np.where(flips[:, None, None, None], images[:, :, ::-1], images)
        labels = torch.from_numpy(self.selection.labels[indices]).to(self.device)
        return to_batch(images, self.device), labels

    def _noise(self, step: int, rows: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator(self.device).manual_seed(_seed(self.config.loop.seed, 2, step))
        shape = (2, rows, self.config.model.latent_dim)
        noise = torch.randn(shape, generator=generator, device=self.device)
        return noise[0], noise[1]

    def _train_step(self, indices: np.ndarray, flips: np.ndarray) -> dict[str, Tensor]:
        x, labels = self._batch(indices, flips)
        noise, z_g = self._noise(self.step, len(indices))
        loss, step_args = self.config.loss, (self.model, self.optimisers, x, labels, noise)
        if self._in_game(self.step):
            self.model.game_played = True
            order = self.config.game.update_order
            return introvac_step(*step_args, z_g, loss, self.precision, order)
        return vac_step(*step_args, loss, self.precision)

    # -- what a run says ------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Whole passes begun, from 1."""
        return max(self.step - 1, 0) // self.steps_per_epoch + 1

    def _at(self) -> dict[str, Any]:
        return {"step": self.step, "epoch": self.epoch}

    def train(self) -> Iterator[events.Event]:
        """Train, yielding what happens; each event is also appended to the run's `events.jsonl`.

        Raises:
            DivergedError: a loss, a weight or a moment became NaN or infinite; nothing of it is written.
            DataError, RunError: a checkpoint cannot be written.
        """
        for name in ("checkpoints", "samples"):
            files.make_directory(self.run / name)
        with (self.run / EVENTS_FILE).open("a" if self._resumed else "w", encoding="utf-8") as log:
            for event in self._events():
                log.write(events.to_line(event) + "\n")
                log.flush()
                yield event

    def _events(self) -> Iterator[events.Event]:
        first = self.config.game_from_epoch
        yield events.RunStarted(
            **self._at(),
            run=str(self.run),
            device=device.describe(self.device),
            precision=str(self.precision.dtype).removeprefix("torch."),
            parameters=sum(p.numel() for p in self.model.parameters()),
            train_images=len(self.selection.train),
            valid_images=min(len(self.selection.valid), self.config.loop.valid_images),
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.total_steps,
            game_from_step=None if first is None else first * self.steps_per_epoch,
            config=self.config.to_dict(),
        )
        if self._resumed:
            yield events.Resumed(**self._at())
        self.model.train()
        self._meter.restart()
        while not self.control.stopping:
            if self._epoch_due:  # now, or when the run was stopped at an epoch's last step
                yield from self._finish_epoch()
            elif self.step < self.total_steps:
                yield from self._run_epoch()
            else:
                break
        if self.step != self._saved_step:
            yield from self._save("last")
        reason = "completed" if self.step >= self.total_steps and not self._epoch_due else "stopped"
        yield events.Finished(**self._at(), reason=reason, model=str(self.run / MODEL_FILE))

    @property
    def _epoch_due(self) -> bool:
        """Whether the last epoch is whole (or the run at its end), but not validated."""
        whole = self.step % self.steps_per_epoch == 0 or self.step >= self.total_steps
        return whole and self.step > self._finished_step

    def _run_epoch(self) -> Iterator[events.Event]:
        epoch, within = divmod(self.step, self.steps_per_epoch)
        for optimiser in self.optimisers.both():
            for group in optimiser.param_groups:
                group["lr"] = self._learning_rate(epoch)
        if self.step == 0 or (within == 0 and self._in_game(self.step) != self._in_game(self.step - 1)):
            yield events.PhaseChanged(**self._at(), phase="game" if self._in_game(self.step) else "warm-up")
        order, flips = self._order(epoch)
        for start in range(within * self.batch_size, self.steps_per_epoch * self.batch_size, self.batch_size):
            if self.control.stopping or self.step >= self.total_steps:
                break
            if self.control.paused:
                yield from self._pause()
                if self.control.stopping:
                    break
            if self.control.take_snapshot():
                yield from self._save("snapshot")
            stop = start + self.batch_size
            self._meter.add(self._train_step(order[start:stop], flips[start:stop]))
            self.step += 1
            if self.step % self.config.loop.log_every == 0:
                yield from self._flush()

    def _flush(self) -> Iterator[events.Event]:
        """Losses that were not yet told."""
        if self._meter.count:
            yield self._meter.event()

    def _pause(self) -> Iterator[events.Event]:
        yield from self._save("last")
        yield events.Paused(**self._at())
        while self.control.paused:
            self.control.wait()
            if self.control.take_snapshot():
                yield from self._save("snapshot")
        self._meter.restart()
        if not self.control.stopping:
            yield events.Continued(**self._at())

    def _finish_epoch(self) -> Iterator[events.Event]:
        """Validate, draw samples, keep what is best; a stop before that leaves it to the resumed run."""
        loop = self.config.loop
        done = self.step // self.steps_per_epoch
        yield from self._flush()
        self._check_weights()
        for _ in self._calibrate(least=0):
            pass
        figures = self._validate()
        if figures is None:
            self.model.train()
            return
        self.figures = figures
        yield events.Validated(**self._at(), figures=self.figures)
        if done % loop.samples_every == 0 or self.step >= self.total_steps:
            yield self._write_samples()
        if self.figures[loop.best_by] < self.best:
            self.best = self.figures[loop.best_by]
            yield self._save_model_as(BEST_FILE, "best")
        if loop.keep_every and done % loop.keep_every == 0:
            yield self._save_model_as(Path("checkpoints") / f"epoch-{done:04d}.safetensors", "kept")
        self._finished_step = self.step
        self._save_state()
        yield self._save_model_as(Path(MODEL_FILE), "last")
        self._saved_step = self.step
        self.model.train()
        self._meter.restart()

    def _calibrate(self, least: int) -> Iterator[int]:
        """Recalibrate on real images, yielding how many; a stop ends it once `least` were seen."""
        count = min(self.config.loop.calibration_images, len(self.selection.train))
        rng = np.random.default_rng([self.config.loop.seed, 3])
        chosen = rng.choice(self.selection.train, count, replace=False)
        generator = torch.Generator(self.device).manual_seed(_seed(self.config.loop.seed, 4))
        size = min(64, count)
        parts = [np.sort(chosen[i : i + size]) for i in range(0, count - size + 1, size)]
        seen = 0

        def batches() -> Iterator[Tensor]:
            for part in parts:
                if self.control.stopping and seen >= least:
                    return
                yield self._batch(part)[0]

        steps = recalibration(self.model, batches(), generator)
        going = True
        while going:
            with self.precision.cast():  # not around the yield: whoever listens computes as it likes
                going = next(steps, _END) is not _END
            if going:
                seen += size
                yield seen

    def _validate(self) -> dict[str, float] | None:
        """The figures; None when a stop came before they were whole."""
        indices = self.selection.valid[: self.config.loop.valid_images]
        whole = False

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            nonlocal whole
            for i in range(0, len(indices), 64):
                yield self._batch(indices[i : i + 64])
                if self.control.stopping:
                    return
            whole = True

        if self.control.stopping:
            return None
        figures = validate(self.model, batches(), self.config, self.precision)
        return figures if whole else None

    def _write_samples(self) -> events.Event:
        x, labels = self._batch(self.selection.valid[:GRID_FACES])
        generator = torch.Generator(self.device).manual_seed(_seed(self.config.loop.seed, 5))
        rows = sample_grid(self.model, x, labels, self.config.loop.edit_delta, generator)
        path = Path("samples") / f"step-{self.step:08d}.png"
        style = grid.GridStyle(padding=0, labels=False)
        picture = grid.compose([list(row) for row in rows.values()], style)
        grid.save(picture, self.run / path, None)
        size = self.config.model.image_size
        return events.SamplesWritten(
            **self._at(), path=path.as_posix(), rows=tuple(rows), columns=len(x), cell=size
        )

    def _card(self) -> ModelCard:
        return ModelCard(
            name=self.run.name,
            preset=self.config.preset,
            data=self.selection.cache.spec.partition(":")[0],
            step=self.step,
            epoch=self.epoch,
            game_played=self.model.game_played,
            derive=self.config.data.derive,
            delta=self.config.loop.edit_delta,
            figures=self.figures,
        )

    def _check_weights(self) -> None:
        """One look at all weights and moments; one host sync.

        Raises:
            DivergedError: a value is not finite.
        """
        named = [(name, p.detach()) for name, p in self.model.named_parameters()]
        owners: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        for optimiser in self.optimisers.both():
            for p, slots in optimiser.state.items():
                named += [(f"{slot} of {owners[p]}", slots[slot]) for slot in ("exp_avg", "exp_avg_sq")]
        if bad := _first_not_finite(named):
            raise self.diverged(f"{bad} is no longer finite")

    def diverged(self, what: str) -> DivergedError:
        """The error that says so, and what can be done."""
        hint = f"nothing was saved in {self.run} yet. Start again"
        if (self.run / STATE_FILE).exists():
            hint = f"the last good checkpoint is kept in {self.run}. Resume"
        return DivergedError(
            f"{what} by step {self.step}; {hint} with a lower learning_rate, or with precision = fp32"
        )

    def _save(self, kind: str) -> Iterator[events.Event]:
        """Resume file, then a calibrated `model.safetensors`, which the studio may open at any time."""
        yield from self._flush()
        self._check_weights()
        total = min(STOP_IMAGES, self.config.loop.calibration_images, len(self.selection.train))
        if self.control.stopping:
            yield events.Progress(**self._at(), what="saving", done=0, total=total)
        self._save_state()  # first and as it is: all that a resumed run needs
        for seen in self._calibrate(least=STOP_IMAGES):
            if self.control.stopping:
                yield events.Progress(**self._at(), what="saving", done=min(seen, total), total=total)
        saved = self._save_model_as(Path(MODEL_FILE), kind)
        self._saved_step = self.step
        self.model.train()
        self._meter.restart()
        yield saved

    def _save_state(self) -> None:
        progress = self._data_identity() | {
            "step": self.step,
            "best": self.best,
            "figures": self.figures,
            "finished_step": self._finished_step,
            "game_played": self.model.game_played,
        }
        checkpoint.save_state(self.run / STATE_FILE, self.model, self.optimisers, progress)

    def _save_model_as(self, name: Path, kind: str) -> events.Event:
        if bad := _first_not_finite(self.model.state_dict().items()):  # statistics, too
            raise self.diverged(f"{bad} is no longer finite")
        checkpoint.save_model(self.run / name, self.model, self._card())
        return events.CheckpointSaved(**self._at(), kind=kind, model=str(self.run / name))


_END = object()


def _first_not_finite(named: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds NaN or infinity, found with one host sync."""
    floating = [(name, t) for name, t in named if t.is_floating_point()]
    finite = torch.stack([t.isfinite().all() for _, t in floating]).tolist()
    return next((name for (name, _), good in zip(floating, finite, strict=True) if not good), None)


class _Meter:
    """Sums losses on the device from one event to the next, across epochs; one host sync per event."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self.since = time.perf_counter()

    def restart(self) -> None:
        self.sums, self.count, self.since = {}, 0, time.perf_counter()

    def add(self, losses: dict[str, Tensor]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1

    def event(self) -> events.StepLosses:
        """The means since the last one.

        Raises:
            DivergedError: one of them is not finite.
        """
        t = self.trainer
        values = torch.stack([v.float() for v in self.sums.values()]).div(max(self.count, 1)).tolist()
        losses = dict(zip(self.sums, values, strict=True))
        for name, value in losses.items():
            if not math.isfinite(value):
                raise t.diverged(f"the loss {name!r} became {value}")
        seconds = time.perf_counter() - self.since
        rate = self.count * t.batch_size / seconds if seconds > 0 else 0.0
        event = events.StepLosses(
            **t._at(),
            losses=losses,
            images_per_second=rate,
            seconds_left=self._seconds_left(seconds / max(self.count, 1)),
            learning_rate=t._learning_rate((t.step - 1) // t.steps_per_epoch),
            memory_bytes=_memory(t.device),
        )
        self.restart()
        return event

    def _seconds_left(self, per_step: float) -> float:
        """Steps still to come at today's pace; a step of the game costs about 3.3 warm-up steps."""
        t = self.trainer
        first = t.config.game_from_epoch
        game_starts = t.total_steps if first is None else min(first * t.steps_per_epoch, t.total_steps)
        if t.step > game_starts:
            return (t.total_steps - t.step) * per_step
        return (game_starts - t.step + 3.3 * (t.total_steps - game_starts)) * per_step


def _memory(where: torch.device) -> int:
    if where.type == "cuda":
        return torch.cuda.max_memory_reserved(where)
    return psutil.Process().memory_info().rss


def write_config(run: Path, config: TrainConfig) -> None:
    """`config.json` of a run directory."""
    files.make_directory(run)
    files.write_text(run / CONFIG_FILE, json.dumps(config.to_dict(), indent=2) + "\n")


def read_events(path: Path) -> Iterator[events.Event]:
    """The events of a run so far; a last line that is still being written is left out."""
    with suppress(FileNotFoundError), path.open(encoding="utf-8") as log:
        for line in log:
            if line.endswith("\n"):
                with suppress(events.EventFormatError):
                    yield events.from_line(line)
