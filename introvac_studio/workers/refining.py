"""The thread that looks for a code nearer to a face's original. It alone imports torch, once it is asked."""

from __future__ import annotations

import logging
import os
import threading

from PySide6.QtCore import QObject, QThread, Signal, Slot

from introvac_studio.messages import RefineEnd, RefineRequest
from introvac_studio.state import Refinement
from trainer.errors import Cancelled, IntroVACError, ModelError

WHAT = "refining"

_log = logging.getLogger(__name__)


class RefineThread(QThread):
    """Serves one request at a time; a newer one takes the place of the one that runs.

    Signals:
        progressed: `WHAT`, steps done, steps in all.
        finished_: a `RefineEnd`; also when cancelled, replaced or failed.
    """

    progressed = Signal(str, int, int)
    finished_ = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._changed = threading.Condition()
        self._next: RefineRequest | None = None
        self._current: RefineRequest | None = None
        self._closing = False

    @Slot(object)
    def submit(self, request: RefineRequest) -> None:
        """Serve this request as soon as can be."""
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

    def _drop(self, request: RefineRequest | None) -> None:
        if request is not None:
            self.finished_.emit(RefineEnd(request, cancelled=True))

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
            self.finished_.emit(self._serve(request))

    def _serve(self, request: RefineRequest) -> RefineEnd:
        try:
            return RefineEnd(request, self._refine(request))
        except Cancelled:
            return RefineEnd(request, cancelled=True)
        except IntroVACError as problem:
            return RefineEnd(request, error=str(problem))
        except ImportError as problem:
            return RefineEnd(request, error=f"refining needs PyTorch, which does not load here ({problem})")
        except Exception as problem:
            _log.exception("refining failed")
            return RefineEnd(request, error=f"{type(problem).__name__}: {problem}")

    def _refine(self, request: RefineRequest) -> Refinement:
        import torch

        from trainer import checkpoint, device, refine

        face = request.face
        assert face.original is not None
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))  # the rest draws what the user drags
        loaded = checkpoint.load(request.model_path)
        if loaded.digest != request.digest:
            raise ModelError(
                f"{request.model_path} has been written again since it was opened; open the model again "
                "to refine with its newer weights"
            )
        found = refine.refine(
            loaded.model.to(device.resolve(request.device)),
            face.original[None],
            face.mu[None],
            steps=request.steps,
            progress=lambda done, total: self.progressed.emit(WHAT, done, total),
            cancelled=lambda: self._current is not request,
        )
        return Refinement(face.mu, found.z[0], float(found.before[0]), float(found.after[0]), request.steps)
