"""Requests to a worker thread: urgent ones where only the newest counts, jobs in order, and slow tasks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

Act = Callable[[], None]


class Mailbox:
    """Thread-safe. What waits is served in this order: channels, most urgent first; duties; jobs; slow tasks.

    A channel holds at most one request: a newer one takes the place of the one that waits. A slow task
    is an iterator that is advanced by one piece whenever nothing else waits; a newer one of its name
    takes its place, even when it was under way. A duty is done even where all else is forgotten, or the box
    is closed. While the box is held, only the most urgent channel, duties and jobs are served.

    Args:
        channels: names, most urgent first.
        slow: names of slow tasks, most urgent first.
    """

    def __init__(self, channels: tuple[str, ...], slow: tuple[str, ...] = ("",)) -> None:
        self._ready = threading.Condition()
        self._latest: dict[str, Act | None] = dict.fromkeys(channels)
        self._duties: deque[Act] = deque()
        self._jobs: deque[Act] = deque()
        self._slow: dict[str, Iterator[None] | None] = dict.fromkeys(slow)
        self._first = next(iter(channels), "")
        self._held = self._closed = False

    def put_latest(self, channel: str, request: Act) -> None:
        with self._ready:
            self._latest[channel] = request
            self._ready.notify()

    def put_back(self, channel: str, request: Act) -> None:
        """Let a request wait again, unless a newer one came meanwhile."""
        with self._ready:
            if self._latest[channel] is None:
                self._latest[channel] = request

    def hold(self, on: bool) -> None:
        """Serve the most urgent at once, with nothing else under way when it comes; or all again."""
        with self._ready:
            self._held = on
            self._ready.notify()

    @property
    def held(self) -> bool:
        return self._held

    def put(self, job: Act) -> None:
        with self._ready:
            self._jobs.append(job)
            self._ready.notify()

    def put_duty(self, job: Act) -> None:
        with self._ready:
            self._duties.append(job)
            self._ready.notify()

    def put_slow(self, task: Iterator[None], name: str = "") -> None:
        """Take up a slow task; one of the same name that was under way is given up."""
        with self._ready:
            self._slow[name] = task
            self._ready.notify()

    def forget(self) -> None:
        """Drop everything that waits but duties, as when another model is opened."""
        with self._ready:
            self._latest = dict.fromkeys(self._latest)
            self._jobs.clear()
            self._slow = dict.fromkeys(self._slow)

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def take(self) -> Act | None:
        """What to do next; waits for it. None once the box is closed, and duties are done."""
        with self._ready:
            while not self._closed:
                for channel, request in self._latest.items():
                    if request is not None and (channel == self._first or not self._held):
                        self._latest[channel] = None
                        return request
                if self._duties:
                    return self._duties.popleft()
                if self._jobs:
                    return self._jobs.popleft()
                for name, task in self._slow.items():
                    if task is not None and not self._held:
                        return partial(self._advance, name, task)
                self._ready.wait()
            return self._duties.popleft() if self._duties else None

    def take_urgent(self, *channels: str) -> Act | None:
        """The most urgent request of these channels, or of any, for a job that looks in between."""
        with self._ready:
            for channel, request in self._latest.items():
                if request is not None and (not channels or channel in channels):
                    self._latest[channel] = None
                    return request
            return None

    def _advance(self, name: str, task: Iterator[None]) -> None:
        """One piece of a slow task; a failure gives it up."""
        over = True
        try:
            over = next(task, _END) is _END
        finally:
            with self._ready:
                if over and self._slow[name] is task:
                    self._slow[name] = None


_END = object()
