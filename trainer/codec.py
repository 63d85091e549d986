"""A model as a service: numpy in, numpy out, on the device of choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from trainer import checkpoint, device
from trainer.errors import Cancelled, ModelError
from trainer.loop import to_batch
from trainer.models import IntroVAC

BATCH = 64


class Codec:
    """Encode and decode with one model in evaluation mode.

    Attributes:
        model: the network, which nothing here changes.
        planes: its classifier as `trainer.latent.Hyperplanes`.
        card: what the file says about it.
        digest: SHA-256 of the tensors in name order.
    """

    def __init__(self, path: str | Path, where: str = "auto") -> None:
        """
        Raises:
            CheckpointError: no such file, or not a model.
            ConfigError: the device is not there.
        """
        self.path = Path(path)
        self.device = device.resolve(where)
        self.model: IntroVAC
        self.model, self.card, self.digest = checkpoint.load(self.path)
        self.planes = checkpoint.hyperplanes(self.model)
        self.model.to(self.device)
        self.size = self.model.config.image_size
        self.dim = self.model.config.latent_dim

    @torch.inference_mode()
    def encode(
        self,
        images: NDArray[np.uint8],
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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
        mus, sigmas = [np.zeros((0, self.dim), np.float32)], [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(images), BATCH):
            if cancelled is not None and cancelled():
                raise Cancelled
            part = np.ascontiguousarray(images[start : start + BATCH])
            mu, logvar = self.model.encoder(to_batch(part, self.device))
            mus.append(mu.float().cpu().numpy())
            sigmas.append(torch.exp(0.5 * logvar.float()).cpu().numpy())
            if progress is not None:
                progress(min(start + BATCH, len(images)), len(images))
        return np.concatenate(mus), np.concatenate(sigmas)

    @torch.inference_mode()
    def decode(self, z: ArrayLike) -> NDArray[np.uint8]:
        """uint8 images (N, S, S, 3) of codes (N, d).

        Raises:
            ModelError: codes of another dimension, or not finite.
        """
        codes = np.atleast_2d(np.asarray(z, dtype=np.float32))
        if codes.ndim != 2 or codes.shape[1] != self.dim:
            raise ModelError(f"this model's codes have {self.dim} dimensions, not shape {codes.shape}")
        if not np.isfinite(codes).all():
            raise ModelError("a code holds NaN or infinite values")
        parts = [np.zeros((0, self.size, self.size, 3), np.uint8)]
        for start in range(0, len(codes), BATCH):
            part = torch.from_numpy(codes[start : start + BATCH]).to(self.device)
            image = self.model.decoder(part).float().mul_(255).round_().clamp_(0, 255).byte()
            parts.append(image.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(parts)
