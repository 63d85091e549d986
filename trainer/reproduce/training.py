"""Trains one model of the page in this process, or goes on with it. Imports torch only when it runs."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from tqdm import tqdm

from trainer import events
from trainer.commands import progress_bar
from trainer.config import TrainConfig
from trainer.control import Control
from trainer.data import cache as cache_module
from trainer.data.select import select
from trainer.errors import Cancelled
from trainer.run_files import MODEL_FILE, STATE_FILE

log = logging.getLogger("trainer")

_GAME = 3.3  # warm-up steps that a step of the game costs
_QUIET = 60.0  # seconds between two lines where no bar can be drawn


def work(config: TrainConfig) -> float:
    """How much there is to train, in epochs of the warm-up."""
    epochs, first = config.optim.epochs, config.game_from_epoch
    return epochs if first is None else first + _GAME * (epochs - first)


def minutes(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Voice:
    """A bar on a terminal, and a line for each epoch and for each minute elsewhere.

    Args:
        name: of the model.
        ahead: work that other models will be after this one, as a multiple of its own.
    """

    def __init__(self, name: str, ahead: float) -> None:
        self._name, self._ahead = name, ahead
        self._bar = tqdm(desc=name, unit="step", disable=None, dynamic_ncols=True)
        self._said = self._began = time.monotonic()
        self._left: float | None = None

    def say(self, event: events.Event) -> None:
        if isinstance(event, events.RunStarted):
            self._bar.total, self._bar.n = event.total_steps, event.step
            log.info(
                "%s: %d faces, %d steps, on %s",
                self._name, event.train_images, event.total_steps, event.device,
            )  # fmt: skip
        elif isinstance(event, events.StepLosses):
            self._bar.update(event.step - self._bar.n)
            self._left = event.seconds_left
            self._bar.set_postfix_str(self._time())
            now = time.monotonic()
            if self._bar.disable and now - self._said >= _QUIET:
                self._said = now
                log.info("%s: step %d; %s", self._name, event.step, self._time())
        elif isinstance(event, events.Validated):
            shown = f"L1 {event.figures['l1']:.4f}" if "l1" in event.figures else ""
            log.info("%s: epoch %d, %s; %s", self._name, event.epoch, shown, self._time())
        elif isinstance(event, events.Resumed):
            log.info("%s: going on from step %d", self._name, event.step)
            self._bar.update(event.step - self._bar.n)
        elif isinstance(event, (events.Notice, events.Failed)):
            log.warning("%s: %s", self._name, event.text)
        elif isinstance(event, events.Alert) and event.kind != "finished":
            log.log(logging.INFO if event.fine else logging.WARNING, "%s: %s", self._name, event.text)

    def _time(self) -> str:
        if self._left is None:
            return "time left not known yet"
        spent = time.monotonic() - self._began
        others = self._ahead * (spent + self._left)
        more = f", then about {minutes(others)} for other models" if others > 0 else ""
        return f"{minutes(self._left)} left{more}"

    def close(self) -> None:
        self._bar.close()


def train(config: TrainConfig, run: Path, control: Control, ahead: float = 0.0) -> Path:
    """Train to the end, from the beginning or from where the run stopped.

    Args:
        config: of the run.
        run: its directory.
        control: asked between steps whether to stop.
        ahead: see `_Voice`.

    Returns:
        The model file.

    Raises:
        Cancelled: `control` said so; the run can be gone on with.
        ConfigError, DataError, RunError: as `trainer.loop.Trainer`.
    """
    from trainer import device
    from trainer.loop import Trainer

    if device.resolve(config.loop.device).type == "cpu":
        device.keep_memory()
    with progress_bar("preparing images", "image") as update:
        images = cache_module.open_data(
            config.data.data,
            config.model.image_size,
            config.model.crop,
            progress=update,
            cancelled=lambda: control.stopping,
        )
    data = config.data
    selection = select(images, config.model.attributes, data.derive, data.subset, config.loop.seed)
    reason = ""
    voice = _Voice(run.name, ahead)
    try:
        resume = (run / STATE_FILE).exists()
        for event in Trainer(config, selection, run, control, resume=resume).train():
            voice.say(event)
            if isinstance(event, events.Finished):
                reason = event.reason
    finally:
        voice.close()
    if reason != "completed":
        raise Cancelled(f"{run.name} was stopped")
    return run / MODEL_FILE
