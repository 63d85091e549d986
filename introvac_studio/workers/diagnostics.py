"""The thread that looks at a sampler beside the run, and follows single chains.

Decoding is not held up by it. Wiring: `panel.watchRequested -> thread.watch`,
`panel.pathRequested -> thread.follow`, `panel.cancelRequested -> thread.cancel`,
`thread.snapshotReady -> panel.show_snapshot`, `thread.watchEnded -> panel.end_watch`,
`thread.pathReady` and `pathFailed` to whoever shows paths; call `close()` before the window goes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from PySide6.QtCore import QObject, QThread, Signal, Slot

from introvac_studio.language import tr
from introvac_studio.messages import ChainPath, PathWanted, Watch, WatchEnd
from introvac_studio.workers.mailbox import Mailbox
from introvac_studio.workers.sampling import kernels_of
from trainer import diagnostics, sampling
from trainer.errors import Cancelled, IntroVACError

_log = logging.getLogger(__name__)


class DiagnosticsThread(QThread):
    """Runs one watch at a time, piece by piece; the newest wins, and paths go in between.

    Signals:
        snapshotReady: a `Watch` and a `trainer.diagnostics.Snapshot` of it.
        watchEnded: a `WatchEnd`; a watch that a newer one replaced may end without a word.
        pathReady: a `ChainPath`.
        pathFailed: the sentence to show.
    """

    snapshotReady = Signal(object, object)
    watchEnded = Signal(object)
    pathReady = Signal(object)
    pathFailed = Signal(str)

    def __init__(self, parent: QObject | None = None, chains: int = diagnostics.CHAINS) -> None:
        super().__init__(parent)
        self._chains = chains
        self._mail = Mailbox(("path",))
        self._watched: Watch | None = None
        self._followed: PathWanted | None = None

    # -- called from the window's thread ----------------------------------------------------

    @Slot(object)
    def watch(self, watch: Watch) -> None:
        """Run chains with a request's settings, in place of those that run."""
        self._watched = watch
        self._mail.put_slow(self._watch(watch))
        self._wake()

    @Slot(object)
    def follow(self, wanted: PathWanted) -> None:
        """Find where a chain has been: `pathReady`."""
        self._followed = wanted
        self._mail.put_latest("path", lambda: self._follow(wanted))
        self._wake()

    @Slot()
    def cancel(self) -> None:
        """Stop the watch that runs."""
        self._watched = None

    def close(self) -> None:
        """Stop everything, and wait until the thread has ended."""
        self._watched = self._followed = None
        self._mail.close()
        self.wait()

    def _wake(self) -> None:
        if not self.isRunning() and not self._mail.closed:
            self.start(QThread.Priority.LowPriority)

    # -- in the worker's thread ---------------------------------------------------------------

    def run(self) -> None:
        """Serve until closed."""
        while (act := self._mail.take()) is not None:
            act()

    def _watch(self, watch: Watch) -> Iterator[None]:
        error, cancelled = "", False
        try:
            for snapshot in self._snapshots(watch):
                self.snapshotReady.emit(watch, snapshot)
                yield
        except Cancelled:
            cancelled = True
        except IntroVACError as problem:
            error = str(problem)
        except Exception as problem:
            _log.exception("diagnostics failed")
            error = tr("Diagnostics failed: {error}", error=f"{type(problem).__name__}: {problem}")
        self.watchEnded.emit(WatchEnd(watch, cancelled, error))

    def _snapshots(self, watch: Watch) -> Iterator[diagnostics.Snapshot]:
        def stopped() -> bool:
            return self._watched is not watch

        if stopped():
            raise Cancelled("the watch was stopped")
        request = watch.request
        target = sampling.Target(request.wants)
        plan = sampling.schedule(
            watch.planes,
            target,
            request.recipe,
            request.step_size,
            request.steps,
            sampler=request.sampler,
            full=request.full,
        )
        yield from diagnostics.watch(
            watch.planes,
            target,
            sampler=request.sampler,
            step_size=plan.step_size,
            steps=plan.steps,
            seed=request.seed,
            chains=self._chains,
            cancelled=stopped,
        )

    def _follow(self, wanted: PathWanted) -> None:
        plan = wanted.plan
        try:
            steps, states = sampling.path(
                wanted.planes,
                sampling.Target(plan.request.wants),
                wanted.draw,
                sampler=plan.chain,
                step_size=plan.step_size,
                steps=plan.steps,
                seed=plan.request.seed,
                full=plan.full,
                kernels=kernels_of(plan.request),
                cancelled=lambda: self._followed is not wanted,
            )
        except Cancelled:
            return
        except IntroVACError as problem:
            self.pathFailed.emit(str(problem))
        except Exception as problem:
            _log.exception("following a chain failed")
            self.pathFailed.emit(
                tr("Following the chain failed: {error}", error=f"{type(problem).__name__}: {problem}")
            )
        else:
            self.pathReady.emit(ChainPath(wanted, steps, states))
