"""A model as a service: numpy in, numpy out, by the engine that suits the device.

Torch computes on CUDA and MPS, OpenVINO on the CPU, and torch again where OpenVINO is missing or fails.
Importing this module, and computing with OpenVINO, imports no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer import device as devices
from trainer import modelfile
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.modelfile import ModelFile

BATCH = 64  # pictures between two looks at `cancelled`
ENGINES = ("auto", "openvino", "torch")

_log = logging.getLogger(__name__)

Codes = NDArray[np.float32]
Images = NDArray[np.uint8]


class Engine(Protocol):
    """What computes; arguments are checked and contiguous.

    Attributes:
        name: device, software and precision, for a status bar.
    """

    name: str

    def encode(self, images: Images) -> tuple[Codes, Codes]:
        """mu and sigma, each (N, d), of images (N, S, S, 3)."""

    def decode(self, codes: Codes) -> Images:
        """Images (N, S, S, 3) of codes (N, d)."""


class Codec:
    """Encode and decode with one model.

    Attributes:
        path: the model file.
        config: the model's shape, its attributes and its crop.
        card: what the file says about it.
        planes: its classifier as `trainer.latent.Hyperplanes`.
        digest: SHA-256 of the tensors in name order.
        size: side S of its images.
        dim: dimensions d of its codes.
        device: where and how it computes, as text.
    """

    def __init__(
        self, path: str | Path, device: str = "auto", engine: str = "auto", threads: int | None = None
    ) -> None:
        """
        Args:
            device: as `trainer.device.resolve` takes it.
            engine: "auto", or "openvino" or "torch" alone.
            threads: of OpenVINO; None takes OMP_NUM_THREADS, or else what OpenVINO thinks best.

        Raises:
            CheckpointError: no such file, or not a model.
            ConfigError: the device or engine is not there.
        """
        file = modelfile.load(path)
        self.path = file.path
        self.config, self.card, self.planes, self.digest = file.config, file.card, file.planes, file.digest
        self.size, self.dim = self.config.image_size, self.config.latent_dim
        self._engine = _choose(file, device, engine, threads)
        self.device = self._engine.name

    def encode(
        self,
        images: Images,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[Codes, Codes]:
        """mu and sigma of q(z|x), each (N, d), for uint8 images (N, S, S, 3).

        Raises:
            ModelError: images of another shape.
            Cancelled: `cancelled` said so.
        """
        if images.ndim != 4 or images.shape[1:] != (self.size, self.size, 3) or images.dtype != np.uint8:
            raise ModelError(
                f"this model takes uint8 images ({self.size}, {self.size}, 3), not {images.dtype} "
                f"{images.shape[1:]}"
            )
        mu, sigma = np.empty((2, len(images), self.dim), np.float32)
        for start in range(0, len(images), BATCH):
            if cancelled is not None and cancelled():
                raise Cancelled
            part = slice(start, min(start + BATCH, len(images)))
            mu[part], sigma[part] = self._engine.encode(np.ascontiguousarray(images[part]))
            if progress is not None:
                progress(part.stop, len(images))
        return mu, sigma

    def decode(self, z: ArrayLike) -> Images:
        """uint8 images (N, S, S, 3) of codes (N, d).

        Raises:
            ModelError: codes of another dimension, or not finite.
        """
        codes = np.atleast_2d(np.ascontiguousarray(z, dtype=np.float32))
        if codes.ndim != 2 or codes.shape[1] != self.dim:
            raise ModelError(f"this model's codes have {self.dim} dimensions, not shape {codes.shape}")
        if not np.isfinite(codes).all():
            raise ModelError("a code holds NaN or infinite values")
        images = np.empty((len(codes), self.size, self.size, 3), np.uint8)
        for start in range(0, len(codes), BATCH):
            images[start : start + BATCH] = self._engine.decode(codes[start : start + BATCH])
        return images


def _choose(file: ModelFile, device: str, engine: str, threads: int | None) -> Engine:
    if engine not in ENGINES:
        raise ConfigError(f"engine = {engine!r}: choose one of {', '.join(ENGINES)}")
    if engine == "openvino":
        if device not in ("auto", "cpu"):
            raise ConfigError(f"device = {device!r}: OpenVINO computes on the CPU here; try --device cpu")
    elif engine == "torch" or (devices.guess(device) != "cpu" and devices.resolve(device).type != "cpu"):
        return _torch(file, device)
    try:
        from trainer.codec.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(file, threads)
    except Exception as error:  # whatever is wrong with it, there is another engine
        if engine == "openvino":
            raise ConfigError(f"OpenVINO cannot compute here ({error}); install it, or use torch") from error
        _log.warning("OpenVINO cannot compute here (%s: %s); torch does", type(error).__name__, error)
        return _torch(file, "cpu")


def _torch(file: ModelFile, device: str) -> Engine:
    from trainer.codec.torch_engine import TorchEngine

    return TorchEngine(file, devices.resolve(device))
