"""A run that others can watch and steer: a sign of life in its directory, and a file for orders.

`alive.json` says which process of which host trains; it is written anew every few seconds and removed at
the end. `control.json` holds `{"do": "stop" | "pause" | "resume" | "snapshot"}`, the words that stdin takes
too; the run removes it when it is heeded. Both work over a shared folder, where locks and process numbers say
nothing, and where no two clocks need to agree: `Vigil` watches signs change. Free of torch.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from trainer import files
from trainer.control import WISHES, Control
from trainer.errors import ConfigError, IntroVACError
from trainer.run_files import ALIVE_FILE, CONTROL_FILE

BEAT = 5.0  # seconds between signs of life
SILENCE = 60.0  # seconds without a new one after which a run of another host counts as dead
STALE = 86_400.0  # seconds by which a sign is too old to have been given just now, whatever clock it is by
_OLD_WORDS = {"save": "snapshot"}  # in files that older versions leave
_LOOK = 0.5  # seconds between looks for an order
_LIMIT = 4096  # bytes of an order or a sign


@dataclass(frozen=True)
class Presence:
    """A sign of life: the process, since when it has been there, how many signs before, and when this one."""

    host: str
    pid: int
    since: float
    count: int
    time: float

    @property
    def here(self) -> bool:
        """Whether the process is, or was, one of this machine."""
        return self.host == socket.gethostname()


def _object(path: Path) -> dict[str, Any]:
    """A small JSON object from a file; empty where there is none, or something else."""
    with suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
        body = json.loads(file.read(_LIMIT))
        if isinstance(body, dict):
            return body
    return {}


def presence(run: Path) -> Presence | None:
    """The run's last sign of life; None where it never gave one, or said that it ended."""
    body = _object(run / ALIVE_FILE)
    try:
        return Presence(
            str(body["host"]), int(body["pid"]), float(body["since"]), int(body["count"]), float(body["time"])
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _lives_here(sign: Presence) -> bool:
    """Whether this machine's process of a sign of life is there still."""
    try:
        process = psutil.Process(sign.pid)
        same = abs(process.create_time() - sign.since) < 2  # numbers are used again
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return False


class Vigil:
    """Watches runs over several looks, and tells who trains them.

    A process of this machine is asked for by its number. One of another host trains if its signs go on, by
    this machine's monotonic clock: when they have not changed for `SILENCE`, it is dead, and when they change
    again, it is not. Only of the first look is a clock asked: a sign more than `STALE` old is of the dead
    until it changes; any other is of the living until it has been silent for long enough.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[Presence | None, float]] = {}  # the last sign, and when it was new

    def sign(self, run: Path) -> Presence | None:
        """The sign of life of the process that trains a run; None where none does."""
        sign, now = presence(run), self._clock()
        first = run not in self._seen
        before, since = self._seen.get(run, (None, now))
        if first and sign is not None and abs(time.time() - sign.time) > STALE:
            since = now - SILENCE
        elif sign != before:
            since = now
        self._seen[run] = sign, since
        if sign is None:
            return None
        lives = _lives_here(sign) if sign.here else now - since < SILENCE
        return sign if lives else None


def ask(run: Path, wish: str) -> None:
    """Leave an order for a run; a newer one takes the place of one that was not heeded yet.

    Raises:
        ConfigError: no such wish.
        DataError, RunError: the directory cannot be written to.
    """
    if wish not in WISHES:
        raise ConfigError(f"{wish!r}: a run can be asked to {', '.join(WISHES)}")
    files.write_text(run / CONTROL_FILE, json.dumps({"do": wish}) + "\n")


def heed(run: Path, control: Control) -> None:
    """Take an order, if there is one, and pass it on; what is no order is removed.

    One that cannot be removed yet, since Windows reads it, is left for the next look: none is heeded twice.
    """
    path = run / CONTROL_FILE
    wish = str(_object(path).get("do"))
    try:
        path.unlink()
    except OSError:  # mostly there is none
        return
    control.heed(_OLD_WORDS.get(wish, wish))


@contextmanager
def attended(run: Path, control: Control) -> Iterator[None]:
    """Give signs of life and heed orders while the block lasts; orders from before it are dropped.

    Whatever goes wrong with these files is no reason to stop training.
    """
    with suppress(OSError):
        (run / CONTROL_FILE).unlink()
    ended = threading.Event()
    thread = threading.Thread(target=_attend, args=(run, control, ended), name="presence", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(OSError):
            (run / ALIVE_FILE).unlink()


def _attend(run: Path, control: Control, ended: threading.Event) -> None:
    me = psutil.Process()
    sign = {"host": socket.gethostname(), "pid": os.getpid(), "since": me.create_time()}
    count, due = 0, 0.0
    while True:
        if time.monotonic() >= due:
            due = time.monotonic() + BEAT
            with suppress(IntroVACError):
                text = json.dumps(sign | {"count": count, "time": time.time()})
                files.write_text(run / ALIVE_FILE, text + "\n")
            count += 1
        if ended.wait(_LOOK):
            return
        heed(run, control)
