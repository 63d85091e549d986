"""The names in a run directory, and what reads and writes the plain ones; free of torch."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from trainer import events, files
from trainer.config import TrainConfig

MODEL_FILE = "model.safetensors"
CHECKPOINTS = "checkpoints"  # folder
STATE_FILE = Path(CHECKPOINTS) / "last.safetensors"
BEST_FILE = Path(CHECKPOINTS) / "best.safetensors"
EVENTS_FILE = "events.jsonl"
CONFIG_FILE = "config.json"
LOCK_FILE = ".lock"
ALIVE_FILE = "alive.json"
CONTROL_FILE = "control.json"


def kept_file(epoch: int) -> Path:
    """Where the model of a whole epoch is kept."""
    return Path(CHECKPOINTS) / f"epoch-{epoch:06d}.safetensors"


def kept_models(run: Path) -> dict[str, Path]:
    """The models that a run has kept, oldest first, by name: "epoch 4", ..., and "newest"."""
    kept = sorted((run / CHECKPOINTS).glob("epoch-*.safetensors"))
    named = {f"epoch {path.stem.removeprefix('epoch-').lstrip('0') or '0'}": path for path in kept}
    newest = run / MODEL_FILE
    return named | ({"newest": newest} if newest.is_file() else {})


def drop_oldest(run: Path, count: int) -> None:
    """Delete the oldest kept models until `count` are left."""
    kept = sorted((run / CHECKPOINTS).glob("epoch-*.safetensors"))
    for path in kept[: max(len(kept) - count, 0)]:
        with contextlib.suppress(OSError):  # open elsewhere, on Windows: the next time, then
            path.unlink()


def write_config(run: Path, config: TrainConfig) -> None:
    """`config.json` of a run directory."""
    files.make_directory(run)
    files.write_text(run / CONFIG_FILE, json.dumps(config.to_dict(), indent=2) + "\n")


def end_line(path: Path) -> None:
    """End a line that was cut short, as by a full disk, so that what is appended is not part of it."""
    with suppress(FileNotFoundError), path.open("rb+") as log:
        if log.seek(0, os.SEEK_END):
            log.seek(-1, os.SEEK_END)
            if log.read(1) != b"\n":
                log.write(b"\n")


def read_events(path: Path) -> Iterator[events.Event]:
    """The events of a run so far; a last line that is still being written is left out, and broken ones."""
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as log:
        for line in log:
            if line.endswith("\n"):
                with suppress(events.EventFormatError):
                    yield events.from_line(line)


def lasting(said: Iterable[events.Event]) -> list[events.Event]:
    """Events without those that a later `Resumed` made void: they came earlier and lie after its step."""
    kept: list[events.Event] = []
    for event in said:
        if isinstance(event, events.Resumed):
            kept = [e for e in kept if e.step <= event.step]
        kept.append(event)
    return kept
