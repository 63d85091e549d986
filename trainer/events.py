"""What a run says: frozen events, and the JSON lines they travel as.

One channel for everything: `Trainer` yields these, `events.jsonl` stores them, the
child's stdout carries them, and the studio draws them. A line is a JSON object
with `v`, `type`, `time` (seconds since the epoch), `step`, `epoch` and the event's own fields.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import sys
import time as _time
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Any, ClassVar

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events; `step` counts optimiser steps, `epoch` whole passes begun."""

    step: int = 0
    epoch: int = 0
    time: float = field(default_factory=_time.time)


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """First event of a process that trains; `config` is the resolved one."""

    run: str
    device: str
    precision: str
    parameters: int
    train_images: int
    valid_images: int
    steps_per_epoch: int
    total_steps: int
    game_from_step: int | None
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resumed(Event):
    """Training goes on from `step`; rows after it that came earlier are void."""


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """Work that is not training: building a cache, say. `total` is 0 where nobody knows how much it is."""

    what: str
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepLosses(Event):
    """Losses averaged over the steps since the last such event."""

    losses: dict[str, float]
    images_per_second: float
    seconds_left: float | None
    learning_rate: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class PhaseChanged(Event):
    """`phase` is `warm-up` or `game`."""

    phase: str


@dataclass(frozen=True, kw_only=True)
class Validated(Event):
    """Figures on the validation split after an epoch, in evaluation mode."""

    figures: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class SamplesWritten(Event):
    """A grid of fixed faces; rows and columns let a viewer cut it up."""

    path: str
    rows: tuple[str, ...]
    columns: int
    cell: int


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved(Event):
    """`kind` is `last`, `best`, `kept` or `snapshot`; `model` can be opened at once."""

    kind: str
    model: str


@dataclass(frozen=True, kw_only=True)
class Paused(Event):
    """The run waits for `resume`."""


@dataclass(frozen=True, kw_only=True)
class Continued(Event):
    """The run goes on after a pause."""


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """A line for the log; `level` is `info` or `warning`."""

    level: str
    text: str


# What an alert can be about, as `Alert.kind`; a newer run may know more.
ALERTS: dict[str, str] = {
    "not finite": "steps changed nothing, because a loss or gradient was NaN or infinite",
    "explosion": "a loss has risen far above where it was",
    "game": "one side of the game has won for good: the other learns nothing from it",
    "posterior": "codes hardly depend on the picture: few dimensions are in use",
    "diversity": "pictures drawn from the prior look much alike",
    "finished": "the run is complete; no fault",
}


@dataclass(frozen=True, kw_only=True)
class Alert(Event):
    """Something to look at, said once when it begins, and once more with `over` when it has passed.

    `kind` is a key of `ALERTS`; `name` is the loss or figure it was read from, where there is one, and
    `value` what that was; `text` is a sentence for people that says what to do.
    """

    kind: str
    text: str
    name: str = ""
    value: float | None = None
    over: bool = False

    @property
    def fine(self) -> bool:
        """Whether it is good news: something has passed, or the run is complete."""
        return self.over or self.kind == "finished"


@dataclass(frozen=True, kw_only=True)
class Diverged(Event):
    """Losses or gradients stay NaN or infinite; `loss` is the first of them.

    `action` is `rolled back` (a `Resumed` follows, and `learning_rate` is the new one) or `stopped`.
    """

    loss: str
    action: str
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class OutOfMemory(Event):
    """A step did not fit; `fits` is a batch size that was tried and does, None where none did."""

    batch_size: int
    fits: int | None


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """The run ended by an error; `text` says what and what to do."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """The run ended well; `reason` is `completed` or `stopped`."""

    reason: str
    model: str


@dataclass(frozen=True, kw_only=True)
class Evaluated(Event):
    """An evaluation ended well; `out` is the directory with `metrics.json` and `report.html`."""

    out: str


_TYPES: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        RunStarted,
        Resumed,
        Progress,
        StepLosses,
        PhaseChanged,
        Validated,
        SamplesWritten,
        CheckpointSaved,
        Paused,
        Continued,
        Notice,
        Alert,
        Diverged,
        OutOfMemory,
        Failed,
        Finished,
        Evaluated,
    )
}


class EventFormatError(ValueError):
    """A line that is no event of this version."""

    LIMIT: ClassVar[int] = 120

    def __init__(self, line: str, why: str) -> None:
        super().__init__(f"not an event ({why}): {line[: self.LIMIT]!r}")


def _plain(value: Any) -> Any:
    """JSON has no NaN or infinity: they travel as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


def to_line(event: Event) -> str:
    """One JSON object without a newline."""
    body = {f.name: _plain(getattr(event, f.name)) for f in dataclasses.fields(event)}
    return json.dumps({"v": VERSION, "type": type(event).__name__, **body}, ensure_ascii=False)


def say(event: Event) -> None:
    """Write an event on stdout; once nobody listens any more, nowhere."""
    try:
        sys.stdout.write(to_line(event) + "\n")
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL is Windows' broken pipe
            raise
        # Nobody listens any more: the end of stdin ends the work, which still writes what it must.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _numbers(mapping: dict[str, Any]) -> dict[str, float]:
    return {str(k): float(v) for k, v in mapping.items()}


def _within(path: str) -> bool:
    """Whether a path stays in the folder that it is joined to, on any system."""
    parted = PureWindowsPath(path)
    return not parted.anchor and ".." not in parted.parts


def from_line(line: str) -> Event:
    """The event of a line; unknown fields are dropped so that newer runs stay readable.

    Raises:
        EventFormatError: the line is not JSON, or of an unknown type or version.
    """
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EventFormatError(line, "not JSON") from error
    if not isinstance(body, dict) or body.get("v") != VERSION:
        raise EventFormatError(line, "unknown version")
    cls = _TYPES.get(str(body.get("type")))
    if cls is None:
        raise EventFormatError(line, "unknown type")
    known = {f.name for f in dataclasses.fields(cls)}
    fields = {k: v for k, v in body.items() if k in known}
    try:
        for name in ("losses", "figures"):
            if name in fields:
                fields[name] = _numbers(fields[name])
        if fields.get("value") is not None:
            fields["value"] = float(fields["value"])
        if cls is SamplesWritten and not _within(fields["path"]):
            raise ValueError("its picture lies outside of the run")
        if "rows" in fields:
            fields["rows"] = tuple(fields["rows"])
        return cls(**fields)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        raise EventFormatError(line, str(error)) from error
