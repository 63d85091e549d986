"""The training run: an iterator of events that asks whether to pause or stop.

Order, mirroring and noise are functions of (seed, epoch) or (seed, step), so a resumed run needs
no generator state to go on exactly where it was, on however many devices.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from trainer import checkpoint, device, events, files, grid
from trainer.average import Average
from trainer.card import ModelCard
from trainer.config import TrainConfig
from trainer.control import Control
from trainer.data.order import epoch_order, rank_part
from trainer.data.select import Selection
from trainer.distributed import Group
from trainer.errors import CheckpointError, ConfigError, IntroVACError, RunError
from trainer.feed import Feed
from trainer.meter import Meter, Reading
from trainer.models import IntroVAC, recalibration
from trainer.run_files import (
    BEST_FILE,
    EVENTS_FILE,
    LOCK_FILE,
    MODEL_FILE,
    STATE_FILE,
    drop_oldest,
    kept_file,
    write_config,
)
from trainer.steps import Optimisers, Stepped, introvac_step, vac_step
from trainer.validation import GRID_FACES, criterion, sample_grid, validate

STOP_IMAGES = 256  # enough to calibrate on when someone waits for the end
PATIENCE = 10  # steps in a row without an update that make a run a diverged one


class DivergedError(RunError):
    """A loss, a weight or an optimiser's moment is no longer finite."""


@dataclass(frozen=True)
class _Wishes:
    """What all processes of a run have agreed to do."""

    stop: bool = False
    pause: bool = False
    snapshot: bool = False


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


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
        ConfigError: the device is not there, or a batch cannot be shared equally.
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
        if config.loop.threads:
            torch.set_num_threads(config.loop.threads)
        self.device = device.resolve(config.loop.device, self.group.place.local if self.group.several else 0)
        self.precision = device.precision(self.device, config.loop.precision)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every batch has the same shape
        self.batch_size = min(config.optim.batch_size, len(selection.train))
        rank_part(np.empty(self.batch_size), 0, self.group.place.world)
        self.steps_per_epoch = len(selection.train) // self.batch_size
        whole = self.steps_per_epoch * config.optim.epochs
        self.total_steps = min(whole, config.loop.max_steps) if config.loop.max_steps else whole
        used = np.concatenate([selection.train, selection.valid])
        self.feed = Feed(selection.cache, selection.labels, self.device, rows=used)
        self._build_networks()
        self.step = 0
        self._saved_step = -1  # of the newest model.safetensors
        self._finished_step = 0  # at which an epoch was last validated and its best model kept
        self.best = math.inf
        self.figures: dict[str, float] = {}
        self._rate_scale = 1.0  # falls with each rollback
        self._rollbacks = 0
        self._lost_in_a_row = 0  # steps without an update
        self._wishes = _Wishes()
        self._meter = Meter(self.group)
        self._resumed = resume
        if resume:
            self._resume()

    # -- networks ---------------------------------------------------------------------------

    def _build_networks(self) -> None:
        config = self.config
        joint = config.loop.sync_norm and self.group.several
        if joint and self.device.type != "cuda":
            raise ConfigError("sync_norm = True: needs CUDA; on other devices use norm = group")
        torch.manual_seed(_seed(config.loop.seed, 0))
        model = IntroVAC(config.model).to(self.device)
        if self.precision.dtype == torch.float64:
            model.double()
        self.group.spread_([p.detach() for p in model.parameters()])
        shown = copy.deepcopy(model).float()
        if joint:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        self.model = model
        decay = config.optim.ema_decay
        self.average = Average(shown, decay) if decay else None
        # What is validated, shown and saved: the weights in training, their average, or a plain float32 copy.
        apart = decay or joint or self.precision.dtype == torch.float64
        self.shown = shown if apart else model
        self.optimisers = self._optimisers()

    def _optimisers(self) -> Optimisers:
        optim = self.config.optim
        kinds: dict[str, Any] = {"lr": optim.learning_rate, "weight_decay": optim.weight_decay}
        if self.device.type in ("cpu", "cuda"):
            kinds["fused"] = True
        learners = [*self.model.encoder.parameters(), *self.model.classifier.parameters()]
        return Optimisers(
            torch.optim.Adam(learners, **kinds), torch.optim.Adam(self.model.decoder.parameters(), **kinds)
        )

    def _refresh_shown(self) -> IntroVAC:
        """The network to validate, show and save, with its weights up to date."""
        if self.average is None and self.shown is not self.model:
            self.shown.load_state_dict(self.model.state_dict())
        self.shown.game_played = self.model.game_played
        return self.shown

    # -- where a run stands --------------------------------------------------------------------

    def _resume(self) -> None:
        state = self.run / STATE_FILE
        if not state.exists():
            raise CheckpointError(f"{state}: not there; this run has nothing to resume from")
        average = self.average.model if self.average else None
        progress = checkpoint.load_state(state, self.model, self.optimisers, average)
        for name, value in self._data_identity().items():
            if progress.get(name, value) != value:
                raise CheckpointError(
                    f"{state}: {name.replace('_', ' ')} was {progress[name]} and is now {value}: the run's "
                    "data or batch_size changed. Restore them, or start a new run"
                )
        self.step = int(progress["step"])
        self.best = float(progress["best"])
        self.figures = {str(k): float(v) for k, v in progress.get("figures", {}).items()}
        self._rate_scale = float(progress.get("rate_scale", 1.0))
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

    @property
    def epoch(self) -> int:
        """Whole passes begun, from 1."""
        return max(self.step - 1, 0) // self.steps_per_epoch + 1

    def _at(self) -> dict[str, Any]:
        return {"step": self.step, "epoch": self.epoch}

    def _in_game(self, step: int) -> bool:
        first = self.config.game_from_epoch
        return first is not None and step // self.steps_per_epoch >= first

    def _learning_rate(self, epoch: int) -> float:
        optim = self.config.optim
        decay = optim.lr_factor ** sum(m <= epoch for m in optim.lr_milestones)
        return optim.learning_rate * decay * self._rate_scale

    # -- the run ------------------------------------------------------------------------------

    def train(self) -> Iterator[events.Event]:
        """Train, yielding what happens; process 0 also appends each event to the run's `events.jsonl`.

        Raises:
            ConfigError: another process trains in this run directory.
            DivergedError: losses, weights or moments stay NaN or infinite; nothing of it is written.
            RunError: no memory, a full disk, or a process of this run that is gone.
            DataError: a checkpoint cannot be written.
        """
        if not self.group.main:
            yield from self._events()
            return
        for name in ("checkpoints", "samples"):
            files.make_directory(self.run / name)
        busy = f"{self.run}: another process is training this run"
        with (
            files.held(self.run / LOCK_FILE, busy),
            (self.run / EVENTS_FILE).open("a" if self._resumed else "w", encoding="utf-8") as log,
        ):
            for folder in (self.run, self.run / "checkpoints", self.run / "samples"):
                files.sweep(folder)
            write_config(self.run, self.config)  # also of a resumed run: its settings may have changed

            def note(event: events.Event) -> events.Event:
                log.write(events.to_line(event) + "\n")
                log.flush()
                return event

            try:
                for event in self._events():
                    yield note(event)
            except IntroVACError as error:
                note(events.Failed(**self._at(), text=str(error)))
                raise

    def _events(self) -> Iterator[events.Event]:
        yield self._started()
        if self._resumed:
            yield events.Resumed(**self._at())
        elif self.group.main:
            self._save_state()  # whatever happens from here on, there is something to go back to
        self.model.train()
        self._meter.restart()
        self._saved_at = time.monotonic()
        while not self._heed().stop:
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

    def _started(self) -> events.Event:
        first = self.config.game_from_epoch
        where = device.describe(self.device)
        world = self.group.place.world
        return events.RunStarted(
            **self._at(),
            run=str(self.run),
            device=f"{world} x {where}" if self.group.several else where,
            precision=str(self.precision.dtype).removeprefix("torch."),
            parameters=sum(p.numel() for p in self.model.parameters()),
            train_images=len(self.selection.train),
            valid_images=min(len(self.selection.valid), self.config.loop.valid_images),
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.total_steps,
            game_from_step=None if first is None else first * self.steps_per_epoch,
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
        whole = self.step % self.steps_per_epoch == 0 or self.step >= self.total_steps
        return whole and self.step > self._finished_step

    def _run_epoch(self) -> Iterator[events.Event]:
        epoch, within = divmod(self.step, self.steps_per_epoch)
        self._set_rate(epoch)
        if self.step == 0 or (within == 0 and self._in_game(self.step) != self._in_game(self.step - 1)):
            yield events.PhaseChanged(**self._at(), phase="game" if self._in_game(self.step) else "warm-up")
        last = min(self.steps_per_epoch, within + self.total_steps - self.step)
        plan = self._plan(epoch, range(within, last))
        with closing(self.feed.batches(plan)) as batches:
            while self.step < self.total_steps:
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
                if self.step % self.config.loop.log_every == 0 and (yield from self._flush()):
                    return
                self._save_in_time()

    def _set_rate(self, epoch: int) -> None:
        for optimiser in self.optimisers.both():
            for group in optimiser.param_groups:
                group["lr"] = self._learning_rate(epoch)

    def _plan(self, epoch: int, steps: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Indices and mirroring of this process's part of each batch."""
        data, seed = self.config.data, self.config.loop.seed
        order, flips = epoch_order(self.selection.train, seed, epoch, data.shuffle_block, data.flip)
        for step in steps:
            rows = slice(step * self.batch_size, (step + 1) * self.batch_size)
            yield self._mine(order[rows]), self._mine(flips[rows])

    def _mine(self, rows: Any) -> Any:
        return rank_part(rows, self.group.place.rank, self.group.place.world)

    def _take_step(self, x: Tensor, labels: Tensor) -> Iterator[events.Event]:
        """One step, counted; an event and an error where it does not fit in memory."""
        try:
            stepped = self._train_step(x, labels)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            stepped = None
        if stepped is None:  # out here nothing holds on to the step's tensors
            fits = self._fitting(x, labels)
            size = self.config.optim.batch_size
            yield events.OutOfMemory(**self._at(), batch_size=size, fits=fits)
            hint = f"batch_size = {fits} fits (tried)" if fits else "no smaller batch fits either"
            raise RunError(
                f"out of memory with batch_size = {size} on {device.describe(self.device)}: {hint}. "
                "Start a new run with a smaller batch_size, image_size or channels"
            )
        self._meter.add(stepped)
        self.step += 1
        if self.average is not None:
            self.average.follow(self.model, self.step, stepped.finite)

    def _train_step(self, x: Tensor, labels: Tensor) -> Stepped:
        dtype = torch.promote_types(self.precision.dtype, torch.float32)
        noise, z_g = self._noise(self.step, len(x)).to(dtype)
        game = self._in_game(self.step)
        self.model.game_played |= game
        return self._step(self.optimisers, x.to(dtype), labels, noise, z_g, game)

    def _step(
        self, optimisers: Any, x: Tensor, labels: Tensor, noise: Tensor, z_g: Tensor, game: bool
    ) -> Stepped:
        loss, reduce = self.config.loss, self.group.mean_ if self.group.several else None
        common = (self.model, optimisers, x, labels, noise)
        if game:
            first = len(x) * self.group.place.rank
            return introvac_step(*common, z_g, loss, self.precision, self.config.game, reduce, first)
        return vac_step(*common, loss, self.precision, reduce)

    def _noise(self, step: int, rows: int) -> Tensor:
        """(2, rows, d): this process's part of what the step needs, whatever the number of processes."""
        generator = torch.Generator(self.device).manual_seed(_seed(self.config.loop.seed, 2, step))
        shape = (2, rows * self.group.place.world, self.config.model.latent_dim)
        noise = torch.randn(shape, generator=generator, device=self.device)
        first = rows * self.group.place.rank
        return noise[:, first : first + rows]

    def _fitting(self, x: Tensor, labels: Tensor) -> int | None:
        """The largest half, quarter, ... of the batch whose step fits; weights stay as they are."""
        if self.group.several:
            return None  # the others wait in the midst of their step
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        for shift in itertools.count(1):
            rows = len(x) >> shift
            if rows < 2:
                return None
            try:
                noise = torch.zeros(rows, self.config.model.latent_dim, dtype=x.dtype, device=x.device)
                pretence = Optimisers(_Still(), _Still())  # type: ignore[arg-type]
                self._step(pretence, x[:rows], labels[:rows], noise, noise, game=self.config.game.enabled)
                return rows
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
        return None

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
        if reading.losses:
            yield self._losses(reading)
        lost = self._lost_in_a_row
        self._lost_in_a_row = lost + reading.skipped if reading.skipped == reading.steps else 0
        if not reading.skipped:
            return False
        culprit = reading.culprits[0] if reading.culprits else "a gradient"
        if self._lost_in_a_row >= PATIENCE:
            yield from self._diverge(culprit)
            return True
        yield events.Notice(
            **self._at(),
            level="warning",
            text=f"{reading.skipped} of the last {reading.steps} steps changed nothing: "
            f"{culprit} was not a finite number",
        )
        return False

    def _losses(self, reading: Reading) -> events.Event:
        per_step = reading.seconds / reading.steps
        return events.StepLosses(
            **self._at(),
            losses=reading.losses,
            images_per_second=self.batch_size / per_step if per_step > 0 else 0.0,
            seconds_left=self._seconds_left(per_step),
            learning_rate=self._learning_rate((self.step - 1) // self.steps_per_epoch),
            memory_bytes=_memory(self.device),
        )

    def _seconds_left(self, per_step: float) -> float:
        """Steps still to come at today's pace; a step of the game costs about 3.3 warm-up steps."""
        first = self.config.game_from_epoch
        starts = self.total_steps if first is None else min(first * self.steps_per_epoch, self.total_steps)
        if self.step > starts:
            return (self.total_steps - self.step) * per_step
        return (starts - self.step + 3.3 * (self.total_steps - starts)) * per_step

    def _diverge(self, culprit: str) -> Iterator[events.Event]:
        """Go back to the last checkpoint with half the step size, as often as the settings allow."""
        if self._rollbacks >= self.config.loop.rollbacks:
            rate = self._learning_rate(self.step // self.steps_per_epoch)
            yield events.Diverged(**self._at(), loss=culprit, action="stopped", learning_rate=rate)
            raise self.diverged(f"{culprit} is no longer a finite number")
        at, scale = self._at(), self._rate_scale
        self.group.agree(False)  # nobody reads while process 0 may still write
        self._resume()
        self._rollbacks += 1
        self._lost_in_a_row = 0
        self._rate_scale = scale / 2
        rate = self._learning_rate(self.step // self.steps_per_epoch)
        self._meter.restart()
        yield events.Diverged(**at, loss=culprit, action="rolled back", learning_rate=rate)
        yield events.Resumed(**self._at())

    def diverged(self, what: str) -> DivergedError:
        """The error that says so, and what can be done."""
        return DivergedError(
            f"{what} by step {self.step}; the last good checkpoint is kept in {self.run}. Resume with a "
            "lower learning_rate, with precision = fp32, or with rollbacks = 3 to have that done by itself"
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
        if bad := checkpoint.first_not_finite(named):
            raise self.diverged(f"{bad} is no longer finite")

    # -- checkpoints ------------------------------------------------------------------------------

    def _finish_epoch(self) -> Iterator[events.Event]:
        """Validate, draw samples, keep what is best; a stop before that leaves it to the resumed run."""
        if (yield from self._flush()):
            return
        judged = False
        if not self.group.same([p.detach() for p in self.model.parameters()]):
            raise RunError(
                f"the processes of {self.run} no longer hold the same weights by step {self.step}; the last "
                "checkpoint is kept. Resume with --resume; if that repeats, a device computes wrongly"
            )
        if self.group.main:
            self._check_weights()
            for _ in self._calibrate(least=0):
                pass
            if figures := self._validate():
                self.figures, judged = figures, True
                yield from self._keep_epoch()
        if self.group.agree(judged)[0]:  # the others wait here for process 0
            self._finished_step = self._saved_step = self.step
        self.model.train()
        self._meter.restart()

    def _keep_epoch(self) -> Iterator[events.Event]:
        loop = self.config.loop
        done = self.step // self.steps_per_epoch
        yield events.Validated(**self._at(), figures=self.figures)
        if done % loop.samples_every == 0 or self.step >= self.total_steps:
            yield self._write_samples()
        score = criterion(self.figures, loop.best_by)
        if score < self.best:
            self.best = score
            yield self._save_model_as(BEST_FILE, "best")
        if loop.keep_every and done % loop.keep_every == 0:
            yield self._save_model_as(kept_file(done), "kept")
            drop_oldest(self.run, loop.keep_count)
        self._finished_step = self.step
        self._save_state()
        yield self._save_model_as(Path(MODEL_FILE), "last")

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
                yield self.feed.batch(part)[0]

        steps = recalibration(self._refresh_shown(), batches(), generator)
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
                yield self.feed.batch(indices[i : i + 64])
                if self.control.stopping:
                    return
            whole = True

        if self.control.stopping:
            return None
        figures = validate(self.shown, batches(), self.config, self.precision)
        return figures if whole else None

    def _write_samples(self) -> events.Event:
        x, labels = self.feed.batch(self.selection.valid[:GRID_FACES])
        generator = torch.Generator(self.device).manual_seed(_seed(self.config.loop.seed, 5))
        rows = sample_grid(self.shown, x, labels, self.config.loop.edit_delta, generator)
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

    def _save(self, kind: str) -> Iterator[events.Event]:
        """Resume file, then a calibrated `model.safetensors`, which the studio may open at any time."""
        yield from self._flush()
        if self.group.main:
            yield from self._save_whole(kind)
        self._saved_step = self.step
        self.model.train()
        self._meter.restart()

    def _save_whole(self, kind: str) -> Iterator[events.Event]:
        self._check_weights()
        total = min(STOP_IMAGES, self.config.loop.calibration_images, len(self.selection.train))
        if self.control.stopping:
            yield events.Progress(**self._at(), what="saving", done=0, total=total)
        self._save_state()  # first and as it is: all that a resumed run needs
        for seen in self._calibrate(least=STOP_IMAGES):
            if self.control.stopping:
                yield events.Progress(**self._at(), what="saving", done=min(seen, total), total=total)
        yield self._save_model_as(Path(MODEL_FILE), kind)

    def _save_in_time(self) -> None:
        """The resume file, when the last one is too old; epochs can be long."""
        if self.group.main and time.monotonic() - self._saved_at >= 60 * self.config.loop.save_minutes:
            self._check_weights()
            self._save_state()

    def _save_state(self) -> None:
        progress = self._data_identity() | {
            "step": self.step,
            "best": self.best,
            "figures": self.figures,
            "finished_step": self._finished_step,
            "rate_scale": self._rate_scale,
            "game_played": self.model.game_played,
        }
        average = self.average.model if self.average else None
        checkpoint.save_state(self.run / STATE_FILE, self.model, self.optimisers, progress, average)
        self._saved_at = time.monotonic()

    def _save_model_as(self, name: Path, kind: str) -> events.Event:
        if bad := checkpoint.first_not_finite(self.shown.state_dict().items()):  # statistics, too
            raise self.diverged(f"{bad} is no longer finite")
        checkpoint.save_model(self.run / name, self.shown, self._card())
        return events.CheckpointSaved(**self._at(), kind=kind, model=str(self.run / name))


_END = object()


class _Still:
    """An optimiser that changes nothing."""

    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def step(self) -> None: ...


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(text in str(error) for text in ("allocate memory", "not enough memory", "out of memory"))


def _memory(where: torch.device) -> int:
    if where.type == "cuda":
        return torch.cuda.max_memory_reserved(where)
    return psutil.Process().memory_info().rss
