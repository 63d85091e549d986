"""A thread that serves one request at a time; a newer one takes the place of the one that runs."""

from __future__ import annotations

import threading
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal, Slot


class ServingThread(QThread):
    """Subclasses say how a request is served and how one ends that never began.

    Signals:
        finished_: what `serve` or `unserved` gives, once for every request.
    """

    finished_ = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._changed = threading.Condition()
        self._next: Any = None
        self._current: Any = None
        self._closing = False

    def serve(self, request: Any) -> Any:
        """Work on a request, in this thread, asking `stopped` now and then; raises nothing."""
        raise NotImplementedError

    def unserved(self, request: Any) -> Any:
        """The end of a request that was cancelled or replaced before it began."""
        raise NotImplementedError

    def stopped(self, request: Any) -> bool:
        """Whether a request that is being served was cancelled or replaced."""
        return self._current is not request

    @Slot(object)
    def submit(self, request: Any) -> None:
        """Serve this request as soon as can be; a running one is cancelled and keeps what it has."""
        with self._changed:
            if self._closing:
                return
            replaced, self._next, self._current = self._next, request, None
            self._changed.notify()
        self._drop(replaced)
        if not self.isRunning():
            self.start()

    @Slot()
    def cancel(self) -> None:
        """Stop what runs and forget what waits."""
        with self._changed:
            forgotten, self._next, self._current = self._next, None, None
        self._drop(forgotten)

    def _drop(self, request: Any) -> None:
        if request is not None:
            self.finished_.emit(self.unserved(request))

    def close(self) -> None:
        """Stop, and wait until the thread has ended."""
        with self._changed:
            self._closing = True
            self._next = self._current = None
            self._changed.notify()
        self.wait()

    def run(self) -> None:
        """Serve requests until closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._next is not None)
                request, self._next = self._next, None
                self._current = request
            if request is None:
                return
            self.finished_.emit(self.serve(request))
