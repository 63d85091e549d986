"""A command that makes one result, for a person or, with `--events`, as a child of the studio."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trainer import events
from trainer.control import Control, heed_signals, listen
from trainer.errors import Cancelled, IntroVACError, RunError

PAUSE = 0.2  # seconds between two events of progress


@contextmanager
def heeding(lines: bool) -> Iterator[Callable[[], bool]]:
    """Run the body; gives whether it was asked to stop, by a signal or, as a child, by its parent.

    A body that raises ends as an event too, where `lines` says that events are wanted.

    Raises:
        RunError: the body was stopped (`Cancelled`).
    """
    control = Control()
    heed_signals(control)
    if lines:
        threading.Thread(target=listen, args=(control, sys.stdin), daemon=True).start()
    try:
        yield lambda: control.stopping
    except Cancelled:
        if lines:
            events.say(events.Finished(reason="stopped", model=""))
        raise RunError("stopped; nothing was written") from None
    except (IntroVACError, OSError) as error:
        if lines:
            events.say(events.Failed(text=str(error)))
        raise


class Pace:
    """Progress as events, not more often than `PAUSE`, each with the time left."""

    def __init__(self) -> None:
        self._began, self._said, self._what = time.monotonic(), 0.0, ""

    def restart(self) -> None:
        """Forget the time that has gone by."""
        self._began = time.monotonic()

    def tell(self, what: str, done: int, total: int) -> None:
        """Say how far `what` is, of all that is to be done."""
        now = time.monotonic()
        if what == self._what and now - self._said < PAUSE and done < total:
            return
        self._what, self._said = what, now
        left = (now - self._began) / done * (total - done) if done and done >= total / 100 else None
        events.say(events.Progress(what=what, done=done, total=total, seconds_left=left))
