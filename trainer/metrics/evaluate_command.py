"""The `evaluate` command: measure a model, or two, and write numbers, pictures and a report.

Imports torch only when it runs. Everything is computed before the first file is written.
"""

from __future__ import annotations

import json
import logging
import re
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from tqdm import tqdm

from trainer import events, files, grid
from trainer.child_command import Pace, heeding
from trainer.commands import names, pairs
from trainer.data.cache import Cache, open_data
from trainer.errors import CheckpointError, ConfigError, DataError, RunError
from trainer.metrics import report
from trainer.metrics.evaluate import EvaluateConfig, Subject
from trainer.metrics.evaluate import evaluate as measure
from trainer.metrics.evaluation import public_text
from trainer.metrics.protocol import INCEPTION, TITLES, distance_name
from trainer.run_files import MODEL_FILE

if TYPE_CHECKING:
    from trainer.metrics.features import Extractor

log = logging.getLogger("trainer")

METRICS_FILE, REPORT_FILE, PICTURES = "metrics.json", "report.html", "pictures"
_OWN_PICTURE = re.compile(rf"{PICTURES}/[\w-]+\.png", re.ASCII)


class _Voice:
    """Progress of the whole evaluation: JSON lines on stdout, or a bar on stderr."""

    def __init__(self, as_lines: bool) -> None:
        self._pace = Pace() if as_lines else None
        self._bar = None
        if not as_lines:
            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
            self._bar = tqdm(desc="evaluating", disable=None, dynamic_ncols=True, bar_format=form)

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell (done, total) of all, or of preparing the data before it."""
        if self._pace is not None:
            self._pace.tell(what, done, total)
        elif self._bar is not None:
            self._bar.set_description(what, refresh=False)
            self._bar.total, self._bar.n = total, done
            self._bar.refresh()

    def restart(self) -> None:
        """Forget the time that has gone by."""
        if self._pace is not None:
            self._pace.restart()
        if self._bar is not None:
            self._bar.reset()

    def say(self, event: events.Event) -> None:
        if self._pace is not None:
            events.say(event)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def evaluate(args: Namespace) -> int:
    voice = _Voice(args.events)
    out = Path(args.out)
    there = out.exists()
    try:
        with heeding(args.events) as stopping:
            _evaluate(args, voice, stopping)
    finally:
        voice.close()
        if not there:
            with suppress(OSError):  # it holds something, or was never made
                out.rmdir()
    return 0


def _evaluate(args: Namespace, voice: _Voice, cancelled: Callable[[], bool]) -> None:
    out = Path(args.out)
    files.check_target(out / METRICS_FILE)
    config = _config(args)
    subjects, judge, device = _opened(args, voice, cancelled)
    extractors, missing = _extractors(args, config, voice, cancelled)
    drawn = _Drawn()
    voice.restart()
    found = measure(
        subjects,
        config,
        judge=judge,
        extractors=extractors,
        missing=missing,
        device=device,
        keep=None if args.no_pictures else drawn.keep,
        progress=voice.progress,
        cancelled=cancelled,
    )
    _write(out, found, drawn)
    voice.say(events.Evaluated(out=str(out)))
    for gap in found["missing"]:
        log.warning("missing: %s: %s", gap["what"], gap["why"])
    log.info("%s", out / REPORT_FILE)


def _config(args: Namespace) -> EvaluateConfig:
    deltas: dict[str, float] = {}
    for name, text in pairs(args.delta, "--delta"):
        try:
            deltas[name] = float(text)
        except ValueError:
            raise ConfigError(f"--delta {name}={text}: {text!r} is not a number") from None
    features = names(args.features) if args.features else ()
    for name in features:
        if name not in TITLES:
            raise ConfigError(f"features = {name!r}: choose among {', '.join(TITLES)}")
    if args.weights and features and INCEPTION not in features:
        raise ConfigError(f"--weights is the file of Inception features; add them: --features {INCEPTION}")
    return EvaluateConfig(
        split=args.split,
        count=args.count,
        deltas=deltas,
        success=args.success,
        only=names(args.only) if args.only else (),
        resamples=args.resamples,
        features=features,
        seed=args.seed,
    )


# -- what is measured, and by what --------------------------------------------------------


def _opened(args: Namespace, voice: _Voice, cancelled: Callable[[], bool]) -> tuple[list[Subject], Any, str]:
    """Models with their data, the judge, and where it is computed."""
    from trainer import device
    from trainer.codec import Codec
    from trainer.metrics import judge as judges

    codecs = [Codec(model_file(path), args.device) for path in (args.model, args.against) if path is not None]
    judge = None
    if args.judge is not None:
        judge = judges.load(args.judge, device.resolve(args.device))
        for codec in codecs:
            judge.check(codec.size, codec.config.crop)
    called = [codec.card.name or codec.path.stem for codec in codecs]
    if len(set(called)) < len(called):
        called = [f"{name} {codec.digest[:8]}" for name, codec in zip(called, codecs, strict=True)]
        if len(set(called)) < len(called):
            raise ConfigError(f"--model and --against hold the same weights ({called[0]}); name two models")
    caches: dict[tuple[int, str], Cache] = {}
    subjects = []
    for name, codec in zip(called, codecs, strict=True):
        key = codec.size, codec.config.crop
        if key not in caches:
            caches[key] = open_data(
                args.data,
                *key,
                progress=lambda done, total: voice.progress("preparing images", done, total),
                cancelled=cancelled,
            )
        subjects.append(Subject(name, codec, codec.config, codec.card, codec.digest, caches[key]))
    return subjects, judge, codecs[0].device


def model_file(path: str | Path) -> Path:
    """A model's file: the one given, or that of a run's directory.

    Raises:
        CheckpointError: a directory without one.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    if not (path / MODEL_FILE).is_file():
        raise CheckpointError(f"{path}: holds no {MODEL_FILE}; name a model file, or the directory of a run")
    return path / MODEL_FILE


def _extractors(
    args: Namespace, config: EvaluateConfig, voice: _Voice, cancelled: Callable[[], bool]
) -> tuple[list[Extractor], list[dict[str, Any]]]:
    """The features that can be opened, and why the others cannot."""
    if not config.wants("distances"):
        return [], []
    from trainer.metrics.features import open_features

    found, missing = [], []
    for name in config.features or tuple(TITLES):
        weights = Path(args.weights) if args.weights and name == INCEPTION else None

        def tell(done: int, total: int, name: str = name) -> None:
            voice.progress(f"downloading weights of {TITLES[name]}", done, total)

        try:
            one = open_features(name, args.device, weights, progress=tell, cancelled=cancelled)
        except (DataError, RunError, CheckpointError) as error:
            why = public_text(str(error), weights)
            missing.append({"model": None, "what": distance_name("frechet", name), "why": why})
        else:
            found.append(one)
    return found, missing


# -- files --------------------------------------------------------------------------------


@dataclass
class _Drawn:
    """Pictures until all of them are written together, by name of their file."""

    pictures: dict[str, tuple[Image.Image, Mapping[str, Any]]] = field(default_factory=dict)

    def keep(self, file: str, image: Image.Image, recipe: Mapping[str, Any]) -> None:
        self.pictures[file] = image, recipe


def _write(out: Path, found: dict[str, Any], drawn: _Drawn) -> None:
    """Pictures, report and, last of all, the numbers; pictures of an evaluation before are removed."""
    body = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    before = _pictures_of(out / METRICS_FILE)
    if drawn.pictures:
        files.make_directory(out / PICTURES)
    for file, (image, recipe) in drawn.pictures.items():
        grid.save(image, out / file, dict(recipe))
    shown = {file: (out / file).read_bytes() for file in drawn.pictures}
    files.write_text(out / REPORT_FILE, report.render(found, shown))
    files.write_text(out / METRICS_FILE, body + "\n")
    for file in before - drawn.pictures.keys():
        with suppress(OSError):  # Windows keeps what someone looks at
            (out / file).unlink(missing_ok=True)


def _pictures_of(path: Path) -> set[str]:
    """Files that an earlier evaluation wrote into this directory."""
    try:
        models = json.loads(path.read_text("utf-8"))["models"]
        listed = {str(one["file"]) for model in models for one in model["pictures"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {file for file in listed if _OWN_PICTURE.fullmatch(file)}
