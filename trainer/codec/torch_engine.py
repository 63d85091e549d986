"""The codec's engine for GPUs, and for CPUs without OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer import checkpoint
from trainer.device import describe
from trainer.modelfile import ModelFile


class TorchEngine:
    """float32 in torch, on one device."""

    def __init__(self, file: ModelFile, device: torch.device) -> None:
        self._device = device
        self._model = checkpoint.build(file).to(device)
        self.name = f"{describe(device)}, torch" if device.type == "cpu" else describe(device)

    @torch.inference_mode()
    def encode(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """mu and sigma, each (N, d), of images (N, S, S, 3)."""
        x = self._put(images).permute(0, 3, 1, 2).float().div_(255)
        mu, logvar = self._model.encoder(x)
        return mu.float().cpu().numpy(), torch.exp(0.5 * logvar.float()).cpu().numpy()

    @torch.inference_mode()
    def decode(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Images (N, S, S, 3) of codes (N, d)."""
        x = self._model.decoder(self._put(codes))
        pixels = x.float().mul_(255).round_().clamp_(0, 255).byte()
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    def _put(self, values: NDArray[Any]) -> Tensor:
        """On the device; torch warns of arrays that it could write to but must not."""
        return torch.from_numpy(values if values.flags.writeable else values.copy()).to(self._device)
