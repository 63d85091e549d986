"""What a run directory says at a glance, and its curves: for lists and overlays of many runs; free of torch.

The ends of `events.jsonl` are read, not all of it: a list of a thousand runs has to be quick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer import config as config_module
from trainer import events, files, modelfile
from trainer.config import TrainConfig
from trainer.errors import ConfigError, IntroVACError
from trainer.presence import Presence
from trainer.run_files import BEST_FILE, CONFIG_FILE, EVENTS_FILE, MODEL_FILE, STATE_FILE, lasting

_HEAD = 32 * 1024  # bytes in which a run's first event lies
_TAIL = 32 * 1024  # bytes read from the end at first ...
_FAR = 2 * 1024 * 1024  # ... and at most, in search of the last validation

STATES = ("running", "paused", "finished", "stopped", "failed", "interrupted", "new", "broken")


@dataclass(frozen=True)
class RunSummary:
    """A run at a glance.

    Attributes:
        path: its directory.
        state: one of `STATES`: `interrupted` has no end but nobody trains it; `new` said nothing yet;
            `broken` cannot be read, and `error` says why.
        data, attributes, preset, image_size: of its settings.
        step, total, epoch, epochs: how far it is, of how much.
        figures: of its last validation; `best` of its best model's.
        picture: the newest sample grid; `cell` is the side of a face in it.
        time: of the last event, in seconds since the epoch; 0 where there is none.
        size: bytes of `events.jsonl`.
        model: the newest weights, if any; `resumable` whether it can be gone on with.
        sign: who trains it, where the state is `running` or `paused`.
    """

    path: Path
    state: str = "new"
    error: str = ""
    data: str = ""
    attributes: tuple[str, ...] = ()
    preset: str = ""
    image_size: int = 0
    step: int = 0
    total: int = 0
    epoch: int = 0
    epochs: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    picture: Path | None = None
    cell: int = 0
    time: float = 0.0
    size: int = 0
    model: Path | None = None
    resumable: bool = False
    sign: Presence | None = None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def active(self) -> bool:
        """Whether a process trains it."""
        return self.state in ("running", "paused")

    @property
    def accuracy(self) -> float | None:
        """Mean accuracy of the attributes at the last validation."""
        shares = [v for name, v in self.figures.items() if name.startswith("accuracy.")]
        return sum(shares) / len(shares) if shares else None


def is_run(path: Path) -> bool:
    """Whether a directory holds a run, or what is left of one."""
    return files.is_file(path / CONFIG_FILE) or files.is_file(path / EVENTS_FILE)


def find(folder: Path) -> list[Path]:
    """The runs right in a folder, or the folder itself if it is one; none where it cannot be read."""
    if is_run(folder):
        return [folder]
    try:
        with os.scandir(folder) as entries:
            inside = sorted(
                Path(e.path) for e in entries if not e.name.startswith(".") and files.is_dir(e.path)
            )
    except OSError:
        return []
    return [path for path in inside if is_run(path)]


def stamp(run: Path) -> tuple[int, ...]:
    """Changes when a run has something new to say; cheap to ask."""
    marks: list[int] = []
    for name in (EVENTS_FILE, CONFIG_FILE, MODEL_FILE):
        try:
            found = (run / name).stat()
            marks += [found.st_size, found.st_mtime_ns]
        except OSError:
            marks += [-1, -1]
    return tuple(marks)


def summarise(run: Path, sign: Presence | None) -> RunSummary:
    """A run at a glance; one that cannot be read is `broken`, and nothing is raised.

    Args:
        run: its directory.
        sign: of whoever trains it, from a `Vigil`; None where nobody does.
    """
    try:
        return _summarise(run, sign)
    except (IntroVACError, OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        reason = str(error) if isinstance(error, IntroVACError) else f"{run}: cannot be read ({error})"
        return RunSummary(run, "broken", reason)


def _summarise(run: Path, sign: Presence | None) -> RunSummary:
    if not files.is_file(run / CONFIG_FILE):
        raise ConfigError(f"{run}: holds no {CONFIG_FILE}; it is no run, or what is left of one")
    config = config_module.load(run / CONFIG_FILE)
    first, end, size = _ends(run / EVENTS_FILE)
    last = lasting(end)
    said = {type(event): event for event in last}
    started = next((e for e in (*reversed(end), first) if isinstance(e, events.RunStarted)), None)
    newest = said.get(events.Validated)
    best: dict[str, Any] = {}
    with suppress(IntroVACError):
        best = modelfile.read_header(run / BEST_FILE).get("card", {}).get("figures", {})
    names = sorted(path.name for path in (run / "samples").glob("step-*.png"))
    grid = said.get(events.SamplesWritten)
    model = run / MODEL_FILE
    return RunSummary(
        path=run,
        state=_state(last, sign is not None),
        error=next((e.text for e in reversed(last) if isinstance(e, events.Failed)), ""),
        data=config.data.data,
        attributes=config.model.attributes,
        preset=config.preset,
        image_size=config.model.image_size,
        step=last[-1].step if last else 0,
        total=_total(config, started) if started else 0,
        epoch=last[-1].epoch if last else 0,
        epochs=config.optim.epochs,
        figures=dict(newest.figures) if isinstance(newest, events.Validated) else {},
        best={str(k): float(v) for k, v in best.items()},
        picture=run / "samples" / names[-1] if names else None,
        cell=grid.cell if isinstance(grid, events.SamplesWritten) else config.model.image_size,
        time=last[-1].time if last else 0.0,
        size=size,
        model=model if files.is_file(model) else None,
        resumable=files.is_file(run / STATE_FILE),
        sign=sign,
    )


def _total(config: TrainConfig, started: events.RunStarted) -> int:
    """All steps, by the settings as they are now: a resumed run may have been given more epochs."""
    whole, most = started.steps_per_epoch * config.optim.epochs, config.loop.max_steps
    return min(whole, most) if most else whole


def _state(last: list[events.Event], lives: bool) -> str:
    """What the last telling event and the sign of life make of a run."""
    telling = (events.Paused, events.Continued, events.Resumed, events.RunStarted, events.Finished,
               events.Failed, events.StepLosses)  # fmt: skip
    event = next((e for e in reversed(last) if isinstance(e, telling)), None)
    if lives:
        return "paused" if isinstance(event, events.Paused) else "running"
    if isinstance(event, events.Finished):
        return "finished" if event.reason == "completed" else "stopped"
    if isinstance(event, events.Failed):
        return "failed"
    return "new" if event is None else "interrupted"


def _ends(path: Path) -> tuple[events.Event | None, list[events.Event], int]:
    """The first event, the last ones with a validation among them where one is near, and the file's size."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None, [], 0
    with file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        first = next(iter(_parsed(file.read(_HEAD).split(b"\n")[:1])), None)
        reach = _TAIL
        while True:
            start = max(size - reach, 0)
            file.seek(start)
            lines = file.read(size - start).split(b"\n")
            whole = lines[1:-1] if start else lines[:-1]  # the first may be cut, the last be in the making
            if not start or reach >= _FAR or any(b'"Validated"' in line for line in whole):
                return first, list(_parsed(whole)), size
            reach *= 8


def _parsed(lines: list[bytes]) -> Iterator[events.Event]:
    for line in lines:
        with suppress(events.EventFormatError):
            yield events.from_line(line.decode("utf-8", "replace"))


Series = tuple[NDArray[np.float64], NDArray[np.float64]]  # steps (n,), values (n,)


@dataclass(frozen=True, eq=False)
class RunCurves:
    """The losses of a run, and its validation figures with `valid:` before their names, over steps."""

    path: Path
    steps_per_epoch: int
    images_per_step: int  # 0 where the run does not say
    series: dict[str, Series]


def images_per_step(config: Mapping[str, Any], train_images: int) -> int:
    """Training images in a step of a run, as `RunStarted` tells of it; 0 where its settings do not say."""
    size = (config.get("optim") or {}).get("batch_size")
    return min(size, train_images) if isinstance(size, int) else 0


def curves(run: Path) -> RunCurves:
    """All curves of a run, without what a resume made void.

    Raises:
        ConfigError: there is no `events.jsonl`, or it cannot be read.
    """
    rows: dict[str, tuple[list[int], list[float]]] = {}
    per_epoch = per_step = 0
    try:
        with (run / EVENTS_FILE).open("rb") as log:
            for line in log:
                with suppress(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                    body = json.loads(line)
                    kind, step = body["type"], int(body.get("step", 0))
                    float(step)  # as it is drawn; one that no float holds is no step
                    if kind == "RunStarted":
                        per_epoch = int(body["steps_per_epoch"])
                        per_step = images_per_step(body["config"], int(body["train_images"]))
                    elif kind == "Resumed":
                        _cut(rows, step)
                    elif kind in ("StepLosses", "Validated"):
                        mark = "valid:" if kind == "Validated" else ""
                        for name, value in body["figures" if mark else "losses"].items():
                            steps, values = rows.setdefault(mark + name, ([], []))
                            values.append(float(value))
                            steps.append(step)
    except OSError as error:
        raise ConfigError(f"{run / EVENTS_FILE}: cannot be read ({error.strerror})") from error
    made = {name: (np.array(steps, float), np.array(values, float)) for name, (steps, values) in rows.items()}
    return RunCurves(run, per_epoch, per_step, made)


def _cut(rows: dict[str, tuple[list[int], list[float]]], step: int) -> None:
    for steps, values in rows.values():
        keep = len(steps)
        while keep and steps[keep - 1] > step:
            keep -= 1
        del steps[keep:], values[keep:]
