"""The `train` command: settings, data, signals and commands around a `Trainer`; alone or under torchrun."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from trainer import config as config_module
from trainer import events, modelfile, setup, tensorboard
from trainer.commands import names, pairs
from trainer.config import TrainConfig
from trainer.control import Control, heed_signals, listen
from trainer.data import cache as cache_module
from trainer.data.select import Selection, select
from trainer.errors import Cancelled, ConfigError, IntroVACError
from trainer.run_files import CONFIG_FILE, STATE_FILE

if TYPE_CHECKING:
    from trainer.distributed import Group

log = logging.getLogger("trainer")


def _values(args: Namespace) -> dict[str, Any]:
    """The settings that the flags of `train` change."""
    values: dict[str, Any] = dict(pairs(args.set, "--set"))
    for key in ("subset", "max_steps", "seed", "device"):
        if (value := getattr(args, key)) is not None:
            values[key] = value
    if args.derive:
        values["derive"] = tuple(args.derive)
    return values


def _resolved(args: Namespace) -> TrainConfig:
    attributes = names(args.attributes) if args.attributes is not None else None
    if not args.resume:
        if not args.preset:
            raise ConfigError("train needs --preset NAME (or --resume --run DIR)")
        return setup.resolve(args.preset, data=args.data, attributes=attributes, values=_values(args))
    if args.run is None:
        raise ConfigError("--resume needs --run DIR")
    values = _values(args)
    if args.data is not None:
        values["data"] = args.data
    if attributes is not None:
        values["attributes"] = attributes
    return setup.resume(config_module.load(Path(args.run) / CONFIG_FILE), values, args.preset)


class _Voice:
    """Where a run's events go: JSON lines on stdout, or a bar and a log on stderr; nowhere for a process
    that is not the first of its run."""

    def __init__(self, as_lines: bool, silent: bool) -> None:
        self.silent = silent
        speaks = not (as_lines or silent)
        self.bar = tqdm(desc="training", unit="step", disable=None, dynamic_ncols=True) if speaks else None

    def say(self, event: events.Event) -> None:
        if self.silent:
            return
        if self.bar is None:
            events.say(event)
            return
        if isinstance(event, events.RunStarted):
            self.bar.total, self.bar.n = event.total_steps, event.step
            log.info(
                "%s on %s (%s): %d images, %d steps",
                event.run, event.device, event.precision, event.train_images, event.total_steps,
            )  # fmt: skip
        elif isinstance(event, events.StepLosses):
            self.bar.set_description("training", refresh=False)
            self.bar.update(event.step - self.bar.n)
            self.bar.set_postfix(
                {k: f"{v:.3g}" for k, v in event.losses.items()} | {"img/s": f"{event.images_per_second:.0f}"}
            )
        elif isinstance(event, events.Progress):
            self.bar.set_description(
                f"{event.what} {event.done}/{event.total}" if event.total else event.what
            )
        elif isinstance(event, events.Validated):
            shown = "  ".join(f"{k} {v:.4g}" for k, v in event.figures.items())
            log.info("epoch %d, step %d: %s", event.epoch, event.step, shown)
        elif isinstance(event, events.Notice):
            log.log(logging.WARNING if event.level == "warning" else logging.INFO, "%s", event.text)
        elif isinstance(event, events.Alert) and event.kind != "finished":  # that is said below
            log.log(logging.INFO if event.fine else logging.WARNING, "step %d: %s", event.step, event.text)
        elif isinstance(event, events.Diverged):
            log.warning("%s is not finite: %s, step size %g", event.loss, event.action, event.learning_rate)
        elif isinstance(event, events.Resumed):
            log.info("going on from step %d", event.step)
            self.bar.update(event.step - self.bar.n)
        elif isinstance(event, events.Finished):
            log.info("%s at step %d: %s", event.reason, event.step, event.model)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _select(config: TrainConfig, voice: _Voice, stopping: Callable[[], bool]) -> Selection:
    started = time.monotonic()
    said = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said > 0.2 or done == total:
            said = now
            left = (now - started) / done * (total - done) if done else None
            voice.say(events.Progress(what="preparing images", done=done, total=total, seconds_left=left))

    data = config.data
    voice.say(events.Progress(what="opening data", done=0, total=0))
    images = cache_module.open_data(
        data.data, config.model.image_size, config.model.crop, progress=progress, cancelled=stopping
    )
    if images.skipped:
        shown = ", ".join(f"{name} ({reason})" for name, reason in images.skipped[:3])
        voice.say(
            events.Notice(level="warning", text=f"{len(images.skipped)} pictures were skipped: {shown}")
        )
    selection = select(images, config.model.attributes, data.derive, data.subset, config.loop.seed)
    if selection.splits.note:
        voice.say(events.Notice(level="info", text=selection.splits.note))
    return selection


def train(args: Namespace) -> int:
    config = _resolved(args)
    if args.show:
        sys.stdout.write(json.dumps(config.to_dict(), indent=2) + "\n")
        return 0
    if args.run is None:
        raise ConfigError("train needs --run DIR, the directory that the run is written to")
    run = Path(args.run)
    _check_run(run, args.resume)
    if config.loop.tensorboard:
        tensorboard.require()

    from trainer import device, distributed

    kind = device.resolve(config.loop.device, distributed.place().local).type
    if kind == "cpu":
        device.keep_memory()
    with distributed.joined(kind) as group:
        voice = _Voice(args.events, silent=not group.main)
        try:
            return _train(config, run, args, voice, group)
        except (IntroVACError, OSError) as error:
            voice.say(events.Failed(text=str(error)))
            raise
        finally:
            voice.close()


def _check_run(run: Path, resume: bool) -> None:
    """A run goes on where there is a checkpoint; where there is none, or only the one from before the first
    step, one may start."""
    saved = (run / STATE_FILE).exists()
    if resume and not saved:
        raise ConfigError(
            f"{run} holds no {STATE_FILE.as_posix()}, so there is nothing to resume; "
            "start the run again without --resume"
        )
    if saved and not resume and _step(run / STATE_FILE) != 0:
        raise ConfigError(f"{run} holds a run already; continue it with --resume, or choose another --run")


def _step(state: Path) -> Any:
    """The step of a resume file; None where it cannot be told."""
    try:
        return modelfile.read_header(state)["progress"]["step"]
    except (IntroVACError, KeyError, TypeError):
        return None


def _train(config: TrainConfig, run: Path, args: Namespace, voice: _Voice, group: Group) -> int:
    from trainer.loop import Trainer

    control = Control()
    heed_signals(control)
    if args.events and group.main:
        threading.Thread(target=listen, args=(control, sys.stdin), daemon=True).start()
    selection: Selection | None = None
    try:
        with group.in_turn():
            selection = _select(config, voice, lambda: control.stopping)
    except Cancelled:
        pass
    if group.agree(selection is None)[0] or selection is None:
        voice.say(events.Finished(reason="stopped", model=""))
        return 0
    voice.say(events.Progress(what="building the model", done=0, total=0))
    for event in Trainer(config, selection, run, control, args.resume, group).train():
        voice.say(event)
    return 0
