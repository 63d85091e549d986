"""The thread that looks for a code nearer to a face's original. It alone imports torch, once it is asked."""

from __future__ import annotations

import logging
import os

from PySide6.QtCore import Signal

from introvac_studio.language import tr
from introvac_studio.messages import RefineEnd, RefineRequest
from introvac_studio.state import Refinement
from introvac_studio.workers.serving import ServingThread
from trainer.errors import Cancelled, IntroVACError, ModelError

_log = logging.getLogger(__name__)


class RefineThread(ServingThread):
    """Serves `RefineRequest`s.

    Signals:
        progressed: what it does, steps done, steps in all.
        finished_: a `RefineEnd`; also when cancelled, replaced or failed.
    """

    progressed = Signal(str, int, int)

    def unserved(self, request: RefineRequest) -> RefineEnd:
        return RefineEnd(request, cancelled=True)

    def serve(self, request: RefineRequest) -> RefineEnd:
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
            progress=lambda done, total: self.progressed.emit(tr("refining"), done, total),
            cancelled=lambda: self.stopped(request),
        )
        return Refinement(face.mu, found.z[0], float(found.before[0]), float(found.after[0]), request.steps)
