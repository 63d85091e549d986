"""The thread that draws codes for wanted attributes and decodes them.

Wiring: `panel.requested -> thread.submit`, `panel.cancelRequested -> thread.cancel`,
`thread.planned -> panel.show_plan`, `thread.batchReady -> panel.add_batch`,
`thread.progressed -> panel.show_progress`, `thread.finished_ -> panel.end`; call `close()` before the window
goes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from introvac_studio.language import tr
from introvac_studio.messages import SampledBatch, SamplingEnd, SamplingPlan, SamplingRequest
from introvac_studio.workers.serving import ServingThread
from trainer import device, sampling
from trainer.errors import Cancelled, IntroVACError, ModelError
from trainer.latent import Hyperplanes
from trainer.samplers.exact import proposal
from trainer.targets import posterior

if TYPE_CHECKING:
    from trainer.codec import Codec

CHUNK = 16  # faces decoded and shown at once

_log = logging.getLogger(__name__)


class SamplingThread(ServingThread):
    """Serves `SamplingRequest`s.

    It keeps its own copy of the model, and opens it again when path, stamp or device change.

    Signals:
        planned: a `SamplingPlan`, before the first draw.
        batchReady: a `SampledBatch` of at most 16 accepted faces.
        progressed: the request, its faces accepted, and codes drawn for it.
        finished_: a `SamplingEnd`; also when cancelled, replaced or failed.
    """

    planned = Signal(object)
    batchReady = Signal(object)
    progressed = Signal(object, int, int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._codec: Codec | None = None
        self._opened: tuple[Path, int, str] | None = None

    def unserved(self, request: SamplingRequest) -> SamplingEnd:
        return SamplingEnd(request, 0, 0, cancelled=True)

    def serve(self, request: SamplingRequest) -> SamplingEnd:
        drawn = accepted = 0
        cancelled, error = False, ""
        try:
            codec = self._open(request)
            for batch in self._batches(codec, request):
                drawn, accepted = batch.drawn_total, batch.accepted_total
                if len(batch.images):
                    self.batchReady.emit(batch)
                self.progressed.emit(request, accepted, drawn)
        except Cancelled:
            cancelled = True
        except IntroVACError as problem:
            error = str(problem)
        except Exception as problem:
            _log.exception("sampling failed")
            error = tr("Sampling failed: {error}", error=f"{type(problem).__name__}: {problem}")
        return SamplingEnd(request, drawn, accepted, cancelled, error)

    def _open(self, request: SamplingRequest) -> Codec:
        from trainer.codec import Codec

        wanted = (request.model_path, request.stamp, request.device)
        if self._codec is None or self._opened != wanted:
            self._codec = self._opened = None
            codec = Codec(request.model_path, request.device)
            if request.digest and codec.digest != request.digest:
                raise ModelError(
                    f"{request.model_path} has been written again since it was opened; open the model again "
                    "to generate with its newer weights"
                )
            self._codec, self._opened = codec, wanted
        return self._codec

    def _batches(self, codec: Codec, request: SamplingRequest) -> Iterator[SampledBatch]:
        """Accepted rows in chunks; one without rows tells of draws that were all rejected."""

        def stopped() -> bool:
            return self.stopped(request)

        target = sampling.Target(request.wants)
        plan = plan_of(codec.planes, request, codec.device)
        self.planned.emit(plan)
        drawn = accepted = 0
        for batch in sampling.generate(
            codec.planes,
            target,
            request.count,
            sampler=request.sampler,
            step_size=plan.step_size,
            steps=plan.steps,
            seed=request.seed,
            accept=request.accept,
            accept_on=request.accept_on,
            look=sampling.looks_of(codec),
            full=plan.full,
            kernels=kernels_of(request),
            cancelled=stopped,
        ):
            rows = np.flatnonzero(batch.accepted)
            for start in range(0, max(len(rows), 1), CHUNK):
                if stopped():
                    raise Cancelled("sampling was stopped")
                part = rows[start : start + CHUNK]
                last = start + CHUNK >= len(rows)
                yield SampledBatch(
                    request,
                    batch.z[part],
                    codec.decode(batch.z[part]) if batch.images is None else batch.images[part],
                    batch.logits[part],
                    drawn + part.astype(np.int64),
                    batch.drawn_total if last else drawn + int(part[-1]) + 1,
                    accepted + start + len(part),
                    None if batch.reencoded is None else batch.reencoded[part],
                )
            drawn, accepted = batch.drawn_total, batch.accepted_total


def plan_of(planes: Hyperplanes, request: SamplingRequest, decodes_on: str) -> SamplingPlan:
    """How a request is to be served; where a step size has to be tuned, this does it.

    Raises:
        ConfigError: a setting that makes no sense.
        ModelError: an attribute that the model does not know, or cannot tell.
    """
    target = sampling.Target(request.wants)
    chain, full = request.sampler, request.full
    if request.sampler == "exact":
        full = False
        chain = "mala" if proposal(posterior(planes, target)).hopeless else ""
        schedule = sampling.schedule(planes, target, sampler=chain or "exact")
    else:
        schedule = sampling.schedule(
            planes, target, request.recipe, request.step_size, request.steps, sampler=chain, full=full
        )
    on = "" if not full else "CPU (NumPy)" if _on_cpu(request) else device.guess(request.device).upper()
    return SamplingPlan(
        request,
        chain,
        schedule.step_size,
        schedule.steps,
        full,
        schedule.acceptance,
        sampling.explain(planes, target, request.sampler),
        decodes_on,
        on,
    )


def kernels_of(request: SamplingRequest) -> Mapping[str, sampling.Kernel] | None:
    """What runs chains in all dimensions; None is NumPy, which also runs the span on any device."""
    if not request.full or request.sampler == "exact" or _on_cpu(request):
        return None
    from trainer.samplers import torch_kernels

    return torch_kernels.choose(request.device)


def _on_cpu(request: SamplingRequest) -> bool:
    return device.guess(request.device) == "cpu"
