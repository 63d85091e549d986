"""The kernels of `trainer.samplers.kernels` in torch, for full-dimension chains on CUDA, MPS or the CPU.

In the span there are a few coordinates a chain and nothing to gain; all d of them are worth a device. The law
is that of the NumPy kernels; the noise comes from the device's own generator, seeded by (seed, tile), so that
a chain depends on seed, number and kind of device, but not on how many run together. float64, or float32 on
MPS, which has no other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from trainer.device import resolve
from trainer.latent import Floats
from trainer.samplers.kernels import BLOCK, Kernel, Noise, blocks
from trainer.targets import Posterior


def on(device: torch.device | str) -> dict[str, Kernel]:
    """Kernels that run on a device, to be given to a sampler as `kernels` together with `full`."""
    where = torch.device(device)
    return {"langevin": partial(_langevin_steps, where), "mala": partial(_mala_steps, where)}


def choose(name: str) -> dict[str, Kernel] | None:
    """Kernels for a device as `trainer.device.resolve` names it; None, which is NumPy, where that is the CPU.

    Raises:
        ConfigError: the device is not there.
    """
    where = resolve(name)
    return None if where.type == "cpu" else on(where)


class _Bench:
    """A tile's numbers on the device, (TILE, r)."""

    def __init__(self, device: torch.device, t: Floats, law: Posterior, noises: Sequence[Noise]) -> None:
        dtype = torch.float32 if device.type == "mps" else torch.float64

        def put(values: Floats) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(values), dtype=dtype, device=device)

        self.t, self.slopes, self.offsets = put(t[0].T).clone(), put(law.slopes), put(law.offsets)
        (noise,) = noises  # one tile at a time
        self._generator = torch.Generator(device)
        words = np.random.SeedSequence([noise.seed, noise.tile]).generate_state(1, np.uint64)
        self._generator.manual_seed(int(words[0] >> np.uint64(1)))

    def normal(self) -> Tensor:
        """One step's noise. Always drawn step by step: a longer draw would be cut up in another way."""
        like = self.t
        return torch.randn(like.shape, generator=self._generator, dtype=like.dtype, device=like.device)

    def uniform(self) -> Tensor:
        """(TILE,)"""
        like = self.t
        return torch.rand(len(like), generator=self._generator, dtype=like.dtype, device=like.device)


def _langevin_steps(
    device: torch.device,
    t: Floats,
    law: Posterior,
    alpha: float,
    steps: int,
    noises: Sequence[Noise],
    block: int = BLOCK,
) -> Iterator[tuple[int, float]]:
    bench = _Bench(device, t, law, noises)
    x, done = bench.t, 0
    for size in blocks(steps, block, 1):
        for _ in range(size):
            pull = torch.sigmoid(-torch.addmm(bench.offsets, x, bench.slopes.T)) @ bench.slopes
            x = (1 - alpha) * x + alpha * pull + math.sqrt(2 * alpha) * bench.normal()
        done += size
        t[0] = x.T.cpu().numpy()
        yield done, 1.0


def _mala_steps(
    device: torch.device,
    t: Floats,
    law: Posterior,
    alpha: float,
    steps: int,
    noises: Sequence[Noise],
    block: int = BLOCK,
) -> Iterator[tuple[int, float]]:
    bench = _Bench(device, t, law, noises)
    longest = math.sqrt(2 / alpha)

    def look(at: Tensor) -> tuple[Tensor, Tensor]:
        m = torch.addmm(bench.offsets, at, bench.slopes.T)
        energy = torch.nn.functional.softplus(-m).sum(dim=1) + 0.5 * (at * at).sum(dim=1)
        pull = torch.sigmoid(-m) @ bench.slopes
        length = pull.norm(dim=1, keepdim=True)
        return energy, (1 - alpha) * at + pull * (alpha * longest / length.clamp_min(longest))

    x, done = bench.t, 0
    energy, mean = look(x)
    for size in blocks(steps, block, 1):
        taken = torch.zeros((), dtype=torch.int64, device=device)
        for _ in range(size):
            kick = math.sqrt(2 * alpha) * bench.normal()
            proposal = mean + kick
            new_energy, new_mean = look(proposal)
            forth, back = (kick * kick).sum(dim=1), ((x - new_mean) ** 2).sum(dim=1)
            good = torch.log1p(-bench.uniform()) < energy - new_energy + (forth - back) / (4 * alpha)
            taken += good.sum()
            x = torch.where(good[:, None], proposal, x)
            mean = torch.where(good[:, None], new_mean, mean)
            energy = torch.where(good, new_energy, energy)
        done += size
        t[0] = x.T.cpu().numpy()
        yield done, int(taken) / (size * len(x))
