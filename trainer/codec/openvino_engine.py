"""The codec's engine for CPUs: OpenVINO, without torch.

The encoder computes in float32: its codes decide labels, and bfloat16 would move mu by up to 2 % of its
spread. So does a small decoder. A large one goes on in bfloat16 after its first blocks, where the CPU has
instructions for it: those blocks decide the whole picture, and in bfloat16 their rounding would be most of
its error, while they are less than a quarter of its work.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.codec import graph
from trainer.codec.quiet import openvino
from trainer.modelfile import ModelFile

EXACT = 160_000_000  # multiply-adds of the decoder in float32: about 2 ms on two cores


_making = threading.Lock()


@functools.cache
def _core(module: Any) -> Any:
    """The one core of this process, which is never given back.

    Each core puts a signal stack of its own in place of the thread's, and the one before back when it is
    freed. Of two that are freed in the order in which they were made, the second thus leaves the thread
    with memory that is gone, and the next Ctrl-C, whose handler runs there, ends in a segmentation fault.
    """
    return module.Core()


class OpenVINOEngine:
    """Both networks, compiled for single pictures.

    Args:
        threads: None takes OMP_NUM_THREADS, or else what OpenVINO thinks best.
        exact: multiply-adds of the decoder that are done in float32 whatever the CPU is fast at.

    Raises:
        ImportError, RuntimeError: OpenVINO is not there, or cannot compute on this CPU.
    """

    def __init__(self, file: ModelFile, threads: int | None = None, exact: int = EXACT) -> None:
        module = openvino()
        with _making:
            core = _core(module)
        costs = graph.decoder_costs(file.config)
        # GroupNorm takes its statistics from the picture at hand; they stay in float32.
        fast = file.config.norm == "batch" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        first, rest = graph.decoder(file, sum(c <= exact for c in costs) if fast else len(costs))
        self._decoder = [_compile(core, first, "f32", threads)]
        if rest is not None:
            self._decoder.append(_compile(core, rest, "bf16", threads))
        self._encoder = [_compile(core, graph.encoder(file), "f32", threads)]
        self._size, self._dim = file.config.image_size, file.config.latent_dim
        self._one_at_a_time = threading.Lock()  # a request holds its own memory
        self.name = f"cpu (OpenVINO, {'float32' if rest is None else 'bf16'})"
        self.encode(self.decode(np.zeros((1, self._dim), np.float32)))  # the first call lays out memory

    def encode(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """mu and sigma, each (N, d), of images (N, S, S, 3)."""
        codes = np.empty((len(images), 2 * self._dim), np.float32)
        self._run(self._encoder, images, codes)
        mu, logvar = np.split(codes, 2, axis=1)
        return mu, np.exp(0.5 * logvar)

    def decode(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Images (N, S, S, 3) of codes (N, d)."""
        images = np.empty((len(codes), self._size, self._size, 3), np.uint8)
        self._run(self._decoder, codes, images)
        return images

    def _run(self, stages: list[Any], rows: NDArray[Any], out: NDArray[Any]) -> None:
        with self._one_at_a_time:
            for i in range(len(rows)):
                value = rows[i : i + 1]
                for request in stages:
                    value = request.infer([value], share_inputs=True, share_outputs=True)[0]
                out[i] = value[0]


def _compile(core: Any, model: Any, precision: str, threads: int | None) -> Any:
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,  # a training run, and another model, want the same cores
    }
    if threads is None and os.environ.get("OMP_NUM_THREADS", "").isdigit():
        threads = int(os.environ["OMP_NUM_THREADS"])
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return core.compile_model(model, "CPU", settings).create_infer_request()
