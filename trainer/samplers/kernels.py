"""The steps of a chain, for tiles of 256 chains.

Chain i depends on the seed and on i only: chains are computed in fixed tiles of 256, each with noise of its
own, and cut to what was asked. Several tiles may move together, which costs less and changes no bit of them:
their products are taken tile by tile. A kernel moves coordinates t (g, r, TILE) of g tiles in place and says
after each block of steps how far it is; the size of a block changes nothing but how often it says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from trainer.latent import Floats
from trainer.targets import Posterior

TILE = 256  # chains that share their noise and are always computed together
BLOCK = 256  # steps between two looks at `cancelled`
_NOISE = 2**21  # numbers of noise held at once


class Noise:
    """A tile's random numbers, in streams that each have a seed of their own.

    Attributes:
        normals: starts and steps.
        uniforms: what decides to accept or to reject.
    """

    def __init__(self, seed: int, tile: int) -> None:
        self.seed, self.tile = seed, tile
        self.normals, self.uniforms = self._stream(0), self._stream(1)

    def of_row(self, row: int) -> np.random.Generator:
        """A stream for one chain of the tile alone, which disturbs no other."""
        return self._stream(2 + row)

    def _stream(self, number: int) -> np.random.Generator:
        seeds = np.random.SeedSequence(self.seed, spawn_key=(self.tile, number))
        return np.random.Generator(np.random.SFC64(seeds))


class Kernel(Protocol):
    """Moves t (g, r, TILE) in place by `steps` steps of size `alpha`; one `Noise` for each tile.

    Yields after each block of at most `block` steps: steps done, and the share of this block's accepted.
    """

    def __call__(
        self,
        t: Floats,
        law: Posterior,
        alpha: float,
        steps: int,
        noises: Sequence[Noise],
        block: int = BLOCK,
    ) -> Iterator[tuple[int, float]]: ...


def blocks(steps: int, block: int, size: int) -> Iterator[int]:
    """Sizes of blocks that add up to `steps`, such that `size` numbers a step stay in memory."""
    block = max(1, min(block, _NOISE // max(1, size)))
    for done in range(0, steps, block):
        yield min(block, steps - done)


def _kicks(noises: Sequence[Noise], size: int, rank: int, scale: float) -> Floats:
    """Gaussian noise (size, g, r, TILE) of some steps, each tile's from its own stream."""
    kicks = np.empty((size, len(noises), rank, TILE))
    for number, noise in enumerate(noises):
        kicks[:, number] = noise.normals.standard_normal((size, rank, TILE))
    kicks *= scale
    return kicks


def langevin_steps(
    t: Floats,
    law: Posterior,
    alpha: float,
    steps: int,
    noises: Sequence[Noise],
    block: int = BLOCK,
) -> Iterator[tuple[int, float]]:
    """z' = z - alpha grad U(z) + sqrt(2 alpha) e, without a test: a `Kernel` that accepts every step.

    grad U(z) = z - sum_k a_k sigmoid(-m_k) for margins m_k of slope a_k. sigmoid(-m) is written as
    (1 - tanh(m/2)) / 2; rows of ones carry what is constant through the products.
    """
    groups, rank, _ = t.shape
    x, m = np.ones((groups, rank + 1, TILE)), np.ones((groups, len(law.offsets) + 1, TILE))
    half = np.column_stack([law.slopes, law.offsets]) / 2  # x -> m/2
    pull = alpha / 2 * np.column_stack([-law.slopes.T, law.slopes.sum(axis=0)])  # tanh(m/2) -> drift
    at, signs, drift = x[:, :-1], m[:, :-1], np.empty_like(t)
    at[...] = t
    done = 0
    for size in blocks(steps, block, t.size):
        for kick in _kicks(noises, size, rank, math.sqrt(2 * alpha)):
            np.matmul(half, x, out=signs)
            np.tanh(signs, out=signs)
            np.matmul(pull, m, out=drift)
            drift += kick
            at *= 1 - alpha
            at += drift
        done += size
        t[...] = at
        yield done, 1.0


def mala_steps(
    t: Floats,
    law: Posterior,
    alpha: float,
    steps: int,
    noises: Sequence[Noise],
    block: int = BLOCK,
) -> Iterator[tuple[int, float]]:
    """Langevin proposals that are accepted or rejected so that p(z|y) itself stays as it is.

    Metropolis-adjusted Langevin (Roberts and Tweedie 1996), in its truncated form: the likelihood's share of
    the drift, alpha sum_k a_k sigmoid(-m_k), is shortened to one standard deviation sqrt(2 alpha) of the
    noise. Untruncated, a chain on the steep side of a hyperplane proposes a leap that is never accepted, and
    stands still. The proposal is a normal around that drift either way, so the usual ratio applies.
    """
    longest = math.sqrt(2 / alpha)  # of the pull: alpha * longest = sqrt(2 alpha)
    up, offsets = np.ascontiguousarray(law.slopes.T), law.offsets[:, None]

    def look(at: Floats) -> tuple[Floats, Floats]:
        """Energy (g, 1, TILE) and the mean of the next proposal (g, r, TILE)."""
        m = np.matmul(law.slopes, at) + offsets
        small = np.exp(-np.abs(m))
        energy = _total(np.log1p(small) - np.minimum(m, 0)) + 0.5 * _total(at * at)
        pull = np.matmul(up, np.where(m > 0, small, 1.0) / (1 + small))
        length = np.sqrt(_total(pull * pull))
        return energy, (1 - alpha) * at + pull * (alpha * longest / np.maximum(length, longest))

    energy, mean = look(t)
    done = 0
    for size in blocks(steps, block, t.size):
        kicks = _kicks(noises, size, t.shape[1], math.sqrt(2 * alpha))
        limits = np.stack([noise.uniforms.random((size, 1, TILE)) for noise in noises], axis=1)
        np.log(1 - limits, out=limits)
        taken = 0
        for kick, limit in zip(kicks, limits, strict=True):
            proposal = mean + kick
            new_energy, new_mean = look(proposal)
            back = t - new_mean
            gain = _total(kick * kick - back * back) / (4 * alpha)
            good = limit < energy - new_energy + gain
            taken += int(np.count_nonzero(good))
            np.copyto(energy, new_energy, where=good)
            np.copyto(mean, new_mean, where=good)
            np.copyto(t, proposal, where=good)
        done += size
        yield done, taken / (size * len(noises) * TILE)


def _total(values: Floats) -> Floats:
    """Sums over the coordinates, (g, 1, TILE)."""
    return values.sum(axis=1, keepdims=True)


KERNELS: dict[str, Kernel] = {"langevin": langevin_steps, "mala": mala_steps}
