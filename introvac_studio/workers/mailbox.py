"""Requests to a worker thread: urgent ones where only the newest counts, jobs in order, and one slow task."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

Act = Callable[[], None]


class Mailbox:
    """Thread-safe. What waits is served in this order: channels, most urgent first; jobs; the slow task.

    A channel holds at most one request: a newer one takes the place of the one that waits. The slow task
    is an iterator that is advanced by one piece whenever nothing else waits.

    Args:
        channels: names, most urgent first.
    """

    def __init__(self, channels: tuple[str, ...]) -> None:
        self._ready = threading.Condition()
        self._latest: dict[str, Act | None] = dict.fromkeys(channels)
        self._jobs: deque[Act] = deque()
        self._slow: Iterator[None] | None = None
        self._closed = False

    def put_latest(self, channel: str, request: Act) -> None:
        with self._ready:
            self._latest[channel] = request
            self._ready.notify()

    def put(self, job: Act) -> None:
        with self._ready:
            self._jobs.append(job)
            self._ready.notify()

    def put_slow(self, task: Iterator[None]) -> None:
        """Take up a slow task; one that was under way is given up."""
        with self._ready:
            self._slow = task
            self._ready.notify()

    def forget(self) -> None:
        """Drop everything that waits, as when another model is opened."""
        with self._ready:
            self._latest = dict.fromkeys(self._latest)
            self._jobs.clear()
            self._slow = None

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def take(self) -> Act | None:
        """What to do next; waits for it. None once the box is closed."""
        with self._ready:
            while not self._closed:
                for channel, request in self._latest.items():
                    if request is not None:
                        self._latest[channel] = None
                        return request
                if self._jobs:
                    return self._jobs.popleft()
                if self._slow is not None:
                    return self._advance
                self._ready.wait()
            return None

    def take_urgent(self, *channels: str) -> Act | None:
        """The most urgent request of these channels, or of any, for a job that looks in between."""
        with self._ready:
            for channel, request in self._latest.items():
                if request is not None and (not channels or channel in channels):
                    self._latest[channel] = None
                    return request
            return None

    def _advance(self) -> None:
        """One piece of the slow task; a failure gives it up."""
        task, over = self._slow, True
        if task is None:
            return
        try:
            over = next(task, _END) is _END
        finally:
            with self._ready:
                if over and self._slow is task:
                    self._slow = None


_END = object()
