"""A code nearer to its photo than the encoder's: gradient descent on the reconstruction. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from trainer import checkpoint, device
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.latent import Floats, finite_codes
from trainer.models import IntroVAC

STEPS = 50
RATE = 0.05  # Adam's step, in standard deviations of the prior
MAX_STEPS = 10_000
_TOGETHER = 16


@dataclass(frozen=True, eq=False)
class Refined:
    """What refining gave.

    Attributes:
        z: (N, d), of each face the best code met, the encoder's included.
        before: (N,) mean absolute error of the encoder's reconstructions, of pixels in [0, 1].
        after: (N,) of the refined ones; never more.
    """

    z: Floats
    before: Floats
    after: Floats

    @property
    def gain(self) -> Floats:
        """(N,) the share of the error that is gone, in [0, 1]."""
        return 1 - self.after / np.maximum(self.before, 1e-12)


def load(path: str | Path, where: str = "auto") -> IntroVAC:
    """A model to refine with, on a device.

    Raises:
        CheckpointError: no such file, or not a model.
        ConfigError: the device is not there.
    """
    return checkpoint.load_model(path).to(device.resolve(where))


def refine(
    model: IntroVAC,
    images: NDArray[np.uint8],
    mu: ArrayLike,
    *,
    steps: int = STEPS,
    rate: float = RATE,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Refined:
    """Take Adam steps on codes to lower the mean absolute error |x - G(z)|, the paper's L_AE.

    Faces do not meet: each code's steps depend on its own picture alone. The weights stay as they are.

    Args:
        model: in evaluation mode, on any device.
        images: (N, S, S, 3), prepared as the model was trained.
        mu: (N, d), where to start.
        steps: gradient steps; each costs a pass through the decoder and one back.
        rate: Adam's step size.
        progress: told (steps done, steps in all), counting each batch of faces.
        cancelled: asked at each step; true ends the work.

    Raises:
        ConfigError: steps or rate make no sense.
        ModelError: codes or pictures that do not fit.
        Cancelled: `cancelled` said so.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"refine = {steps}: must be from 1 to {MAX_STEPS} steps")
    if not 0 < rate <= 1:
        raise ConfigError(f"rate = {rate}: must be above 0 and at most 1")
    size, dim = model.config.image_size, model.config.latent_dim
    start = np.atleast_2d(finite_codes(mu, dim))
    if images.dtype != np.uint8 or images.shape != (len(start), size, size, 3):
        raise ModelError(
            f"{len(start)} codes need as many uint8 images ({size}, {size}, 3), "
            f"not {images.dtype} {images.shape}"
        )
    batches = range(0, len(start), _TOGETHER)
    z, before, after = start.copy(), np.zeros(len(start)), np.zeros(len(start))
    for number, first in enumerate(batches):
        part = slice(first, first + _TOGETHER)

        def tell(done: int, number: int = number) -> None:
            if cancelled is not None and cancelled():
                raise Cancelled("refining was stopped")
            if progress is not None:
                progress(number * steps + done, len(batches) * steps)

        z[part], before[part], after[part] = _descend(model, images[part], start[part], steps, rate, tell)
    return Refined(z, before, after)


def _descend(
    model: IntroVAC,
    images: NDArray[np.uint8],
    start: Floats,
    steps: int,
    rate: float,
    tell: Callable[[int], None],
) -> tuple[Floats, Floats, Floats]:
    """The best codes met, and each face's error before and after."""
    here = next(model.decoder.parameters()).device
    x = torch.from_numpy(np.ascontiguousarray(images)).to(here).permute(0, 3, 1, 2).float() / 255
    z = torch.tensor(start, dtype=torch.float32, device=here, requires_grad=True)
    adam = torch.optim.Adam([z], lr=rate)
    best, least = z.detach().clone(), torch.full((len(start),), torch.inf, device=here)
    first = least
    for step in range(steps + 1):
        with torch.set_grad_enabled(step < steps):
            errors = (model.decoder(z) - x).abs().mean(dim=(1, 2, 3))
        now = errors.detach()
        first = now if step == 0 else first
        best = torch.where((now < least)[:, None], z.detach(), best)
        least = torch.minimum(now, least)
        tell(step)
        if step < steps:
            (z.grad,) = torch.autograd.grad(errors.sum(), z)
            adam.step()
    return best.double().cpu().numpy(), first.double().cpu().numpy(), least.double().cpu().numpy()
