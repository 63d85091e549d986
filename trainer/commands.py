"""What each subcommand does; `cli.py` only parses. Results go to files, progress to stderr."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from trainer import config as config_module
from trainer import directions, events, files, grid, sampling, setup
from trainer.config import TrainConfig
from trainer.data import cache as cache_module
from trainer.data import derive, shards
from trainer.data.select import Selection, select, split
from trainer.data.source import SPLITS, open_source
from trainer.errors import Cancelled, ConfigError, DataError, IntroVACError

log = logging.getLogger("trainer")

SHOWN = 64  # a grid of samples holds at most so many


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with time left on a terminal; silent where stderr is not one."""
    bar = tqdm(desc=what, unit=unit, disable=None, dynamic_ncols=True)

    def update(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield update
    finally:
        bar.close()


def _pairs(items: list[str], flag: str) -> list[tuple[str, str]]:
    pairs = []
    for item in items:
        name, sign, value = item.partition("=")
        if not sign or not name.strip():
            raise ConfigError(f"{flag} {item!r}: expected NAME=VALUE")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# -- prepare and train --------------------------------------------------------------------


def prepare_data(args: Namespace) -> None:
    out = Path(args.out)
    with progress_bar("preparing", "image") as update:
        if args.shard:
            size, (index, count) = args.image_size, args.shard
            made = shards.build_shard(args.data, size, args.crop, index, count, out, args.workers, update)
        else:
            source = open_source(args.data)
            crop = args.crop or source.default_crop
            made = cache_module.build(source, args.image_size, crop, out, args.workers, update)
    log.info("%s: %d images of %d px", made.path, len(made), made.size)
    if args.shard and (lost := shards.missing(out, args.shard[1])):
        log.info("%s: %d of %d shards are still to be made", out, len(lost), args.shard[1])
    for name, reason in made.skipped:
        log.warning("skipped %s: %s", name, reason)


def _values(args: Namespace) -> dict[str, Any]:
    """The settings that the flags of `train` change."""
    values: dict[str, Any] = dict(_pairs(args.set, "--set"))
    for key in ("subset", "max_steps", "seed", "device"):
        if (value := getattr(args, key)) is not None:
            values[key] = value
    if args.derive:
        values["derive"] = tuple(args.derive)
    return values


def _resolved(args: Namespace) -> TrainConfig:
    attributes = _names(args.attributes) if args.attributes is not None else None
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
    return setup.resume(config_module.load(Path(args.run) / "config.json"), values, args.preset)


class _Voice:
    """Where a run's events go: JSON lines on stdout, or a bar and a log on stderr."""

    def __init__(self, as_lines: bool) -> None:
        self.as_lines = as_lines
        self.bar = None if as_lines else tqdm(desc="training", unit="step", disable=None, dynamic_ncols=True)

    def say(self, event: events.Event) -> None:
        if self.bar is None:
            self._say_line(events.to_line(event) + "\n")
            return
        if isinstance(event, events.RunStarted):
            self.bar.total, self.bar.n = event.total_steps, event.step
            log.info(
                "%s on %s (%s): %d images, %d steps",
                event.run, event.device, event.precision, event.train_images, event.total_steps,
            )  # fmt: skip
        elif isinstance(event, events.StepLosses):
            self.bar.update(event.step - self.bar.n)
            self.bar.set_postfix(
                {k: f"{v:.3g}" for k, v in event.losses.items()} | {"img/s": f"{event.images_per_second:.0f}"}
            )
        elif isinstance(event, events.Progress):
            self.bar.set_description(f"{event.what} {event.done}/{event.total}")
        elif isinstance(event, events.Validated):
            shown = "  ".join(f"{k} {v:.4g}" for k, v in event.figures.items())
            log.info("epoch %d, step %d: %s", event.epoch, event.step, shown)
        elif isinstance(event, events.Notice):
            log.log(logging.WARNING if event.level == "warning" else logging.INFO, "%s", event.text)
        elif isinstance(event, events.Finished):
            log.info("%s at step %d: %s", event.reason, event.step, event.model)

    def _say_line(self, line: str) -> None:
        try:
            sys.stdout.write(line)
            sys.stdout.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL is Windows' broken pipe
                raise
            # Nobody listens any more: the end of stdin stops the run, which still writes its checkpoint.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _listen(control: Any) -> None:
    """Commands on stdin; its end means that whoever started the run is gone."""
    for line in sys.stdin:
        try:
            wish = json.loads(line).get("do")
        except (ValueError, AttributeError):
            wish = None
        act = {
            "stop": control.stop,
            "pause": control.pause,
            "resume": control.resume,
            "snapshot": control.snapshot,
        }.get(wish)
        if act is None:
            log.warning("not understood on stdin: %r", line.strip()[:80])
        else:
            act()
    control.stop()


def _heed_signals(control: Any) -> None:
    for name in ("SIGINT", "SIGTERM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: control.stop())


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
    images = cache_module.open_data(
        data.data, config.model.image_size, config.model.crop, progress=progress, cancelled=stopping
    )
    if images.skipped:
        shown = ", ".join(f"{name} ({reason})" for name, reason in images.skipped[:3])
        voice.say(
            events.Notice(level="warning", text=f"{len(images.skipped)} pictures were skipped: {shown}")
        )
    return select(images, config.model.attributes, data.derive, data.subset, config.loop.seed)


def train(args: Namespace) -> int:
    config = _resolved(args)
    if args.show:
        sys.stdout.write(json.dumps(config.to_dict(), indent=2) + "\n")
        return 0
    if args.run is None:
        raise ConfigError("train needs --run DIR, the directory that the run is written to")
    if (os.environ.get("WORLD_SIZE") or "1") != "1":
        raise ConfigError(
            "training on several devices does not exist yet; start it without torchrun (or unset WORLD_SIZE)"
        )
    _check_run(Path(args.run), args.resume)
    voice = _Voice(args.events)
    try:
        return _train(config, Path(args.run), args.resume, voice, listen=args.events)
    except (IntroVACError, OSError) as error:
        voice.say(events.Failed(text=str(error)))
        raise
    finally:
        voice.close()


def _check_run(run: Path, resume: bool) -> None:
    """A run goes on where there is a checkpoint; where there is none, one may start."""
    from trainer.loop import STATE_FILE

    saved = (run / STATE_FILE).exists()
    if resume and not saved:
        raise ConfigError(
            f"{run} holds no {STATE_FILE.as_posix()}, so there is nothing to resume; "
            "start the run again without --resume"
        )
    if saved and not resume:
        raise ConfigError(f"{run} holds a run already; continue it with --resume, or choose another --run")


def _train(config: TrainConfig, run: Path, resume: bool, voice: _Voice, listen: bool) -> int:
    from trainer.loop import Control, Trainer, write_config

    control = Control()
    _heed_signals(control)
    if listen:
        threading.Thread(target=_listen, args=(control,), daemon=True).start()
    try:
        selection = _select(config, voice, lambda: control.stopping)
    except Cancelled:
        voice.say(events.Finished(reason="stopped", model=""))
        return 0
    trainer = Trainer(config, selection, run, control, resume)
    write_config(run, config)  # also of a resumed run: its settings may have changed
    for event in trainer.train():
        voice.say(event)
    return 0


# -- commands on a model ------------------------------------------------------------------


def sample(args: Namespace) -> None:
    from trainer.codec import Codec

    if args.out is None and args.codes is None:
        raise ConfigError("sample needs --out GRID.png, --codes FILE.npz or both")
    if args.out is not None:
        grid.check_suffix(Path(args.out))
    for path in (args.out, args.codes):
        if path is not None:
            files.check_target(Path(path))
    codec = Codec(args.model, args.device)
    target = sampling.parse_wants(args.want, codec.planes)
    plan = sampling.schedule(codec.planes, target, args.recipe, args.step_size, args.steps)
    parts: list[sampling.Batch] = []
    try:
        with progress_bar("sampling", "face") as update:
            for part in sampling.generate(
                codec.planes,
                target,
                args.count,
                sampler=args.sampler,
                accept=args.accept,
                step_size=plan.step_size,
                steps=plan.steps,
                seed=args.seed,
                progress=update,
            ):
                parts.append(part)
    finally:  # also when it gives up: what was drawn is kept
        if parts and args.codes is not None:
            _write_codes(Path(args.codes), parts)
    if args.out is not None:
        shown = np.concatenate([p.z[p.accepted] for p in parts])[:SHOWN]
        picture = grid.gallery(codec.decode(shown), columns=min(8, len(shown)))
        note = {"model": codec.digest, "want": args.want, "sampler": args.sampler, "seed": args.seed}
        grid.save(picture, Path(args.out), note)


def _write_codes(path: Path, parts: list[sampling.Batch]) -> None:
    accepted = np.concatenate([p.accepted for p in parts])
    with files.atomic_file(path) as file:
        np.savez(
            file,
            z=np.concatenate([p.z for p in parts]).astype(np.float32),
            logits=np.concatenate([p.logits for p in parts]).astype(np.float32),
            accepted=accepted,
        )
    log.info("%d of %d draws accepted: %s", int(accepted.sum()), len(accepted), path)


def encode(args: Namespace) -> None:
    from trainer.codec import Codec

    files.check_target(Path(args.out))
    codec = Codec(args.model, args.device)
    config = codec.model.config
    images = cache_module.open_data(args.data, config.image_size, config.crop)
    attributes = codec.model.attributes
    labels = _labels(images, attributes, codec.card.derive)
    rows = np.arange(len(images.names))
    if args.split != "all":
        rows = dict(zip(SPLITS, split(images), strict=True))[args.split]
    if not len(rows):
        raise DataError(f"{args.data}: no images in split {args.split!r}")
    mus, sigmas = [], []
    with progress_bar("encoding", "image") as update:
        for start in range(0, len(rows), 1024):
            part = rows[start : start + 1024]
            mu, sigma = codec.encode(images.batch(part))
            mus.append(mu)
            sigmas.append(sigma)
            update(start + len(part), len(rows))
    mu = np.concatenate(mus)
    with files.atomic_file(Path(args.out)) as file:
        np.savez(
            file,
            mu=mu,
            sigma=np.concatenate(sigmas),
            logits=codec.planes.logits(mu).astype(np.float32),
            names=np.array([images.names[i] for i in rows]),
            attributes=np.array(attributes),
            labels=labels[rows],
        )
    log.info("%d codes: %s", len(rows), args.out)


def _labels(images: cache_module.Cache, attributes: tuple[str, ...], made: tuple[str, ...]) -> np.ndarray:
    """(N, K) int8 in {0, 1}; -1 throughout a column that the data does not have."""
    known, columns = images.attributes, images.labels
    for text in made:
        try:
            known, columns = derive.extend(known, columns, (text,))
        except DataError as error:
            log.warning("%s", error)
    labels = np.full((len(images.names), len(attributes)), -1, np.int8)
    for k, name in enumerate(attributes):
        if name in known:
            labels[:, k] = columns[:, known.index(name)]
        else:
            log.warning("%s; its labels are written as -1", derive.unknown(name, known))
    return labels


def export(args: Namespace) -> None:
    from trainer import checkpoint

    model, card, digest = checkpoint.load(args.model)
    out = Path(args.out)
    files.make_directory(out)
    if args.to == "half":
        path = out / "model.safetensors"
        checkpoint.save_model(path, model, card, half=True)
    else:
        path = out / "directions.npz"
        directions.save_directions(path, checkpoint.hyperplanes(model), digest)
    log.info("%s", path)


def import_model(args: Namespace) -> None:
    from trainer import authors, checkpoint

    path, out = Path(args.checkpoint), Path(args.out)
    files.check_target(out)
    if out.exists() and path.exists() and out.samefile(path):
        raise ConfigError(f"--out {out} is the checkpoint itself; name another file")
    model, card = authors.read(path, out.stem)
    checkpoint.save_model(out, model, card)
    log.info(
        "%s: %d px, logits %s; %d steps, %s",
        out, model.config.image_size, ", ".join(model.logit_names), card.step,
        "played the game" if card.game_played else "never played the game, so fake is of no use",
    )  # fmt: skip
