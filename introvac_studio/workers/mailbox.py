"""Requests to a worker thread: urgent ones where only the newest counts, and a queue of jobs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

Job = Callable[[], Iterator[None]]  # a job yields between pieces, so that urgent work can go first


class Mailbox:
    """Thread-safe. A channel holds at most one request: a newer one takes the place of the one that waits.

    Args:
        channels: names, most urgent first.
    """

    def __init__(self, channels: tuple[str, ...]) -> None:
        self._ready = threading.Condition()
        self._latest: dict[str, Any] = dict.fromkeys(channels)
        self._jobs: deque[Job] = deque()
        self._closed = False

    def put_latest(self, channel: str, request: Callable[[], None]) -> None:
        with self._ready:
            self._latest[channel] = request
            self._ready.notify()

    def put(self, job: Job) -> None:
        with self._ready:
            self._jobs.append(job)
            self._ready.notify()

    def forget(self) -> None:
        """Drop everything that waits, as when another model is opened."""
        with self._ready:
            self._latest = dict.fromkeys(self._latest)
            self._jobs.clear()

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def take_urgent(self) -> Callable[[], None] | None:
        """The most urgent request that waits, without waiting."""
        with self._ready:
            return self._take_urgent()

    def _take_urgent(self) -> Callable[[], None] | None:
        for channel, request in self._latest.items():
            if request is not None:
                self._latest[channel] = None
                return request
        return None

    def take(self, busy: bool) -> tuple[Callable[[], None] | None, Job | None]:
        """An urgent request, else a job; waits for either unless `busy`. Both None: closed, or busy."""
        with self._ready:
            while not self._closed:
                if (request := self._take_urgent()) is not None:
                    return request, None
                if busy:
                    return None, None
                if self._jobs:
                    return None, self._jobs.popleft()
                self._ready.wait()
            return None, None
