"""The `reproduce` command: models, figures and the page, in order, from where it stopped the last time."""

from __future__ import annotations

import json
import logging
import platform
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from trainer import __version__, device, files
from trainer.commands import names, pairs
from trainer.control import Control, heed_signals
from trainer.errors import Cancelled, ConfigError
from trainer.metrics.evaluate_command import model_file
from trainer.metrics.evaluation import public_spec
from trainer.metrics.features import NAMES as FEATURES
from trainer.reproduce import items, models, page, record, training
from trainer.reproduce.desk import Desk
from trainer.reproduce.items import ITEMS
from trainer.reproduce.models import MODELS
from trainer.reproduce.settings import Settings
from trainer.run_files import MODEL_FILE

log = logging.getLogger("trainer")

_LOCK = ".lock"


def reproduce(args: Namespace) -> None:
    """Make what is missing; a stop leaves everything so that the same command goes on.

    Raises:
        ConfigError, DataError, CheckpointError, ModelError, RunError: as what it calls.
    """
    settings, wanted = _settings(args), items.chosen(args.only)
    configs = _configurations(settings, wanted)
    attributes = {a for name in _needed(settings, wanted) for a in MODELS[name].attributes}
    models.check_labels(settings.data, settings.derive, tuple(sorted(attributes)))
    out = settings.out
    record.check_out(out)
    control = Control()
    busy = f"{out}: another process is making this page"
    heed_signals(control)
    with files.held(out / _LOCK, busy):
        try:
            _Work(settings, configs, control).all(wanted, args.again)
        except Cancelled:
            log.info("stopped; the same command goes on from here")
            return
    log.info("%s", out / record.PAGE)


def _settings(args: Namespace) -> Settings:
    device_type = device.guess(args.device)
    take = _taken(args.models, args.take)
    try:
        deltas = {key: float(value) for key, value in pairs(args.delta, "--delta")}
    except ValueError as error:
        raise ConfigError(f"--delta: expected NAME=NUMBER ({error})") from error
    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}: must not be negative")
    return Settings(
        data=args.data,
        out=Path(args.out),
        scale=args.scale or ("paper" if device_type == "cuda" else "quick"),
        preset=args.preset,
        values=dict(pairs(args.set, "--set")),
        compare=tuple(dict.fromkeys(names(args.compare))),
        take=take,
        deltas=deltas,
        features=tuple(dict.fromkeys(names(args.features))) if args.features else FEATURES,
        weights=None if args.weights is None else Path(args.weights),
        count=args.count,
        seed=args.seed,
        device=args.device,
    )


def _taken(folder: str | None, texts: list[str]) -> dict[str, Path]:
    """Model files to use instead of training: those of a folder, and those named one by one."""
    found: dict[str, Path] = {}
    if folder is not None:
        root = Path(folder)
        for name in MODELS:
            for path in (root / f"{name}.safetensors", root / name / MODEL_FILE):
                if path.is_file():
                    found.setdefault(name, path)
        if not found:
            raise ConfigError(
                f"--models {folder}: holds none of {', '.join(MODELS)}, as NAME.safetensors or as run NAME"
            )
    for name, text in pairs(texts, "--take"):
        if name not in MODELS:
            raise ConfigError(f"--take {name}: choose one of {', '.join(MODELS)}")
        found[name] = model_file(text)
    return found


def _needed(settings: Settings, wanted: tuple[str, ...]) -> list[str]:
    """Names of the models that some items need, in the order in which they are needed."""
    return list(dict.fromkeys(name for item in wanted for name in ITEMS[item].models(settings)))


def _configurations(settings: Settings, wanted: tuple[str, ...]) -> dict[str, Any]:
    """The configuration of every model that is to be trained, checked against what is there."""
    found = {}
    for name in _needed(settings, wanted):
        if name not in settings.take:
            found[name] = models.configuration(MODELS[name], settings)
            models.check_same(settings.out / "runs" / name, found[name])
    return found


class _Work:
    """What is left to do, done in order."""

    def __init__(self, settings: Settings, configs: dict[str, Any], control: Control) -> None:
        self.settings, self.configs, self.control = settings, configs, control
        self.data = public_spec(models.spec_of(settings.data))
        self.desk = Desk(settings, control)
        self._ready: set[str] = set()

    def all(self, wanted: tuple[str, ...], again: bool) -> None:
        """Each item with its models, and the page anew after each.

        Raises:
            Cancelled: a stop was asked for.
        """
        needed = _needed(self.settings, wanted)
        for name in wanted:
            for model in ITEMS[name].models(self.settings):
                self._prepare(model, needed)
            self.desk.check()
            key = self._key(name)
            there = record.kept(self.settings.out, name)
            if there is not None and there["key"] == key and not again:
                log.info("%s: kept as it is (--again makes it again)", name)
            else:
                self._make(name, key)
            self._write()

    def _run(self, name: str) -> Path:
        return self.settings.out / "runs" / name

    def _prepare(self, name: str, needed: list[str]) -> None:
        """Train a model unless it is there or taken."""
        if name in self._ready:
            return
        if name in self.settings.take:
            path = self.settings.take[name]
        elif models.finished(self._run(name)):
            path = self._run(name) / MODEL_FILE
        else:
            place = needed.index(name) + 1
            log.info("%s: model %d of %d", name, place, len(needed))
            others = [n for n in needed if n != name and self._to_train(n)]
            ahead = sum(training.work(self.configs[n]) for n in others) / training.work(self.configs[name])
            path = training.train(self.configs[name], self._run(name), self.control, ahead)
        self.desk.add(name, path)
        self._ready.add(name)

    def _to_train(self, name: str) -> bool:
        taken = name in self.settings.take or name in self._ready
        return not taken and not models.finished(self._run(name))

    def _key(self, name: str) -> str:
        settings = self.settings
        return record.key_of(
            {
                "models": {model: self.desk.digest(model) for model in ITEMS[name].models(settings)},
                **self._decides(name),
                "data": settings.data,
            }
        )

    def _decides(self, name: str) -> dict[str, Any]:
        """The settings that a figure depends on, as plain data without a folder."""
        settings = self.settings
        found = {
            "data": self.data,
            "derive": settings.derive,
            "seed": settings.seed,
            "count": settings.count,
            **ITEMS[name].decides(settings),
        }
        return dict(json.loads(json.dumps(found)))

    def _make(self, name: str, key: str) -> None:
        item, settings = ITEMS[name], self.settings
        log.info("%s: %s", name, item.title)
        began = time.monotonic()
        made = item.make(self.desk)
        about = {
            "title": item.title,
            "text": item.text,
            "key": key,
            "settings": self._decides(name),
            "seconds": round(time.monotonic() - began, 1),
            "models": [self.desk.about(model) for model in item.models(settings)],
        }
        record.keep(settings.out, name, made, about)

    def _write(self) -> None:
        """`results.json` and the page, of everything that is there."""
        out, settings = self.settings.out, self.settings
        found = [body for name in ITEMS if (body := record.kept(out, name)) is not None]
        results = {
            "made": {
                "version": __version__,
                "python": platform.python_version(),
                "machine": platform.machine(),
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
            "data": self.data,
            "settings": {
                "scale": settings.scale,
                "preset": settings.preset,
                "values": dict(settings.values),
                "compare": list(settings.compare),
                "deltas": dict(settings.deltas),
                "seed": settings.seed,
                "count": settings.count,
            },
            "items": {body["name"]: body for body in found},
            "missing": [name for name in ITEMS if name not in {body["name"] for body in found}],
            "unlike": [body["name"] for body in found if body["settings"] != self._decides(body["name"])],
        }
        record.write_results(out, results)
        files.write_text(out / record.PAGE, page.render(results, out))
