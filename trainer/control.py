"""What a run is asked to do, from any thread or signal handler."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

log = logging.getLogger("trainer")

WISHES = ("stop", "pause", "resume", "snapshot")


class Control:
    """Requests to stop, pause or save; the run looks at them between steps."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._stop = False
        self._pause = False
        self._snapshot = False

    def stop(self) -> None:
        with self._wake:
            self._stop = True
            self._wake.notify_all()

    def pause(self) -> None:
        with self._wake:
            self._pause = True

    def resume(self) -> None:
        with self._wake:
            self._pause = False
            self._wake.notify_all()

    def snapshot(self) -> None:
        with self._wake:
            self._snapshot = True
            self._wake.notify_all()

    def heed(self, wish: str) -> bool:
        """Do one of `WISHES`; whether it was one."""
        if wish not in WISHES:
            return False
        getattr(self, wish)()
        return True

    @property
    def stopping(self) -> bool:
        return self._stop

    @property
    def paused(self) -> bool:
        return self._pause and not self._stop

    def take_snapshot(self) -> bool:
        """Whether a snapshot was asked for; asking once gives one."""
        with self._wake:
            wanted, self._snapshot = self._snapshot, False
            return wanted

    def wait(self) -> None:
        """Sleep until something is asked for that a paused run must answer."""
        with self._wake:
            self._wake.wait_for(lambda: self._stop or not self._pause or self._snapshot)


def listen(control: Control, lines: Iterable[str]) -> None:
    """Heed commands such as `{"do": "stop"}`, one a line; their end means that whoever asked is gone."""
    for line in lines:
        try:
            wish = str(json.loads(line).get("do"))
        except (ValueError, AttributeError, RecursionError):
            wish = ""
        if not control.heed(wish):
            log.warning("not understood on stdin: %r", line.strip()[:80])
    control.stop()


def _signals() -> list[signal.Signals]:
    """SIGINT and, where it exists, SIGTERM."""
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM") if hasattr(signal, name)]


def heed_signals(control: Control) -> None:
    """Take SIGINT and SIGTERM as the wish to stop, until `signals_restored` ends."""
    for number in _signals():
        signal.signal(number, lambda *_: control.stop())


@contextmanager
def signals_restored() -> Iterator[None]:
    """Whoever calls a command from its own program has its own handlers back afterwards."""
    if threading.current_thread() is not threading.main_thread():  # others cannot set handlers anyway
        yield
        return
    before = {number: signal.getsignal(number) for number in _signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that was not set from Python cannot be set again
                signal.signal(number, handler)
