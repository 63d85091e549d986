"""Draws from p(z|y) as the last states of chains that start in the prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from trainer.errors import Cancelled, ConfigError
from trainer.latent import Codes, Floats, Hyperplanes
from trainer.samplers.kernels import BLOCK, KERNELS, TILE, Kernel, Noise
from trainer.samplers.schedules import Schedule
from trainer.targets import Posterior, Target, posterior

_TOGETHER = 2**14  # numbers that move together, at most

Progress = Callable[[int, int], None]
Cancel = Callable[[], bool]


def stop_if(cancelled: Cancel | None) -> None:
    """
    Raises:
        Cancelled: `cancelled` says so.
    """
    if cancelled is not None and cancelled():
        raise Cancelled("sampling was stopped")


class Chains:
    """The chains of some tiles at work, n = 256 a tile.

    Attributes:
        tiles: their numbers.
        rest: (n, d) the part of their starts that is orthogonal to the span of the wanted rows.
        done: steps taken.
        accepted: the share of the last block's steps that were accepted.
    """

    def __init__(self, law: Posterior, sampler: str, plan: Schedule, seed: int, tiles: range) -> None:
        self.law, self.sampler, self.plan, self.tiles = law, sampler, plan, tiles
        self.noises = [Noise(seed, tile) for tile in tiles]
        self._t = np.empty((len(tiles), law.rank, TILE))
        self.rest = np.empty((len(tiles) * TILE, law.dim))
        for number, noise in enumerate(self.noises):
            start = noise.normals.standard_normal((TILE, law.dim))
            inside = start @ law.basis.T
            self._t[number] = inside.T
            self.rest[number * TILE : (number + 1) * TILE] = start - inside @ law.basis
        self.done, self.accepted = 0, 1.0

    def run(self, kernel: Kernel, block: int = BLOCK) -> Iterator[int]:
        """Take all steps; yields the steps done after each block."""
        blocks = kernel(self._t, self.law, self.plan.step_size, self.plan.steps, self.noises, block)
        for self.done, self.accepted in blocks:
            yield self.done

    @property
    def t(self) -> Floats:
        """(n, r) where they are in the span."""
        return np.array(self._t.transpose(0, 2, 1), order="C").reshape(len(self.rest), self.law.rank)

    @property
    def rest_scale(self) -> float:
        """What `rest` is to be multiplied by to stand for the rest of the chains after `done` steps."""
        if self.sampler == "mala":  # drawn, not walked
            return 1.0
        return math.sqrt(rest_variance(self.plan.step_size, self.done))

    def codes(self) -> Floats:
        """(n, d) where they are in all of code space."""
        t, out = self.t, self.rest * self.rest_scale
        for low in range(0, len(out), TILE):  # tile by tile, so that company changes no bit
            out[low : low + TILE] += t[low : low + TILE] @ self.law.basis
        return out


def langevin(
    planes: Hyperplanes,
    target: Target,
    count: int,
    *,
    step_size: float,
    steps: int,
    seed: int,
    first: int = 0,
    full: bool = False,
    kernels: Mapping[str, Kernel] | None = None,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Codes:
    """The last states of unadjusted Langevin chains that start in the prior.

    Each step is z' = z - alpha grad U(z) + sqrt(2 alpha) e with U(z) = -log p(y|z) - log p(z), so
    grad U(z) = z - sum_k s_k w_k sigmoid(-s_k (w_k.z + b_k)).

    The sum lies in the span of the wanted rows, and Gaussian noise looks the same in every rotated frame.
    In a frame whose first r axes span those rows, the first r coordinates therefore evolve by themselves,
    and each of the others by itself as z' = (1 - alpha) z + sqrt(2 alpha) e. From a standard normal start
    the latter is Gaussian after k steps, independent of everything else, with a variance v_k that is known
    at every step size: v_0 = 1, v' = (1 - alpha)^2 v + 2 alpha. Only the first r coordinates are run step
    by step; the rest of the start, scaled by sqrt(v_k), stands for the rest of the end. This leaves the
    law of the unadjusted chain as it is, however large alpha. What is left to compute is a number or two a
    step, so that there is nothing for an accelerator to do: the span is run by NumPy in float64 whatever
    the device, and one seed gives the same codes everywhere.

    Args:
        planes: K+1 logits on codes (d,).
        target: what is wanted; empty is the prior.
        count: how many chains.
        step_size: alpha, above 0 and below 2.
        steps: steps of each chain.
        seed: decides, with a chain's number, all of its noise.
        first: number of the first chain.
        full: run all d coordinates step by step, to teach and to check; r/d times as fast.
        kernels: what runs the full chains, such as `torch_kernels.on(device)`; None is NumPy. The law is
            the same, the noise another.
        progress: told (done, total) tile-steps.
        cancelled: asked now and then; true ends it.

    Returns:
        (count, d) float32.

    Raises:
        ConfigError: a setting that makes no sense.
        ModelError: an attribute that the model does not know, or whose weights are all zero.
        Cancelled: `cancelled` said so.
    """
    plan = Schedule(step_size, steps)
    law = posterior(planes, target, full)
    return _draw(law, "langevin", plan, count, seed, first, kernels if full else None, progress, cancelled)


def mala(
    planes: Hyperplanes,
    target: Target,
    count: int,
    *,
    step_size: float,
    steps: int,
    seed: int,
    first: int = 0,
    full: bool = False,
    kernels: Mapping[str, Kernel] | None = None,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Codes:
    """The last states of Metropolis-adjusted Langevin chains (`kernels.mala_steps`) that start in the prior.

    p(z|y) is their stationary law at every step size. They run in the span of the wanted rows, where p(z|y)
    differs from the prior; the rest of a code is drawn from the prior, which there is exact. With `full` they
    run in all d coordinates and accept or reject all of them at once, which calls for shorter steps.
    `schedules.schedule(..., sampler="mala")` gives a step size tuned to acceptance.

    Arguments, result and errors are those of `langevin`.
    """
    plan = Schedule(step_size, steps)
    law = posterior(planes, target, full)
    return _draw(law, "mala", plan, count, seed, first, kernels if full else None, progress, cancelled)


def _draw(
    law: Posterior,
    sampler: str,
    plan: Schedule,
    count: int,
    seed: int,
    first: int,
    kernels: Mapping[str, Kernel] | None,
    progress: Progress | None,
    cancelled: Cancel | None,
) -> Codes:
    tiles = tiles_of(first, count, seed)
    out = np.empty((count, law.dim), dtype=np.float32)
    kernel = (KERNELS if kernels is None else kernels)[sampler]
    group = max(1, _TOGETHER // (TILE * max(1, law.rank))) if kernels is None else 1
    total = len(tiles) * plan.steps
    for low in range(0, len(tiles), group):
        stop_if(cancelled)
        chains = Chains(law, sampler, plan, seed, tiles[low : low + group])
        for done in chains.run(kernel):
            stop_if(cancelled)
            if progress is not None:
                progress(low * plan.steps + len(chains.tiles) * done, total)
        put(out, first, chains.tiles[0], chains.codes())
    return out


def tiles_of(first: int, count: int, seed: int) -> range:
    """The tiles that hold rows first, ..., first + count - 1.

    Raises:
        ConfigError: a number out of range.
    """
    for name, value, high in (("count", count, 2**40), ("first", first, 2**40), ("seed", seed, 2**64 - 1)):
        if not 0 <= value <= high:
            raise ConfigError(f"{name} = {value}: must be from 0 to {high}")
    return range(first // TILE, -(-(first + count) // TILE) if count else first // TILE)


def put(out: Codes, first: int, tile: int, codes: Floats) -> None:
    """Copy what `out`, whose first row is `first`, wants of the codes (n, d) of tiles from `tile` on."""
    low, high = max(first, tile * TILE), min(first + len(out), tile * TILE + len(codes))
    out[low - first : high - first] = codes[low - tile * TILE : high - tile * TILE]


def rest_variance(step_size: float, steps: int) -> float:
    """v_k of v' = (1 - alpha)^2 v + 2 alpha from v_0 = 1, in closed form."""
    settled = 2 / (2 - step_size)
    return settled + (1 - step_size) ** (2 * steps) * (1 - settled)


def path(
    planes: Hyperplanes,
    target: Target,
    number: int,
    *,
    sampler: str,
    step_size: float,
    steps: int,
    seed: int,
    full: bool = False,
    kernels: Mapping[str, Kernel] | None = None,
    points: int = 200,
    cancelled: Cancel | None = None,
) -> tuple[NDArray[np.int64], Codes]:
    """Where a chain has been, from its start in the prior to the code that it gives.

    In the span of the wanted rows these are the very states of the chain. The rest was drawn in one go, only
    its end being known; for `langevin` its past is drawn here from the chain's law given that end, backwards
    (the process is Gaussian and Markov), so that the whole path has the law of a chain that takes every step
    in all d coordinates. The rest of a `mala` chain is drawn once, and stands still.

    Args:
        number: of the chain, as `first` counts them.
        points: keep at most so many states; the first and the last are always among them.

    Returns:
        The steps (n,) of the states kept, from 0 on, and the states (n, d); the last is, to the bit, the code
        that the sampler gives for this number.

    Raises:
        As `langevin`; ConfigError also where the sampler has no chain.
    """
    if sampler not in KERNELS:
        raise ConfigError(f"sampler = {sampler!r}: only {' and '.join(KERNELS)} have a path")
    if points < 2:
        raise ConfigError(f"points = {points}: must be at least 2")
    plan = Schedule(step_size, steps)
    tiles = tiles_of(number, 1, seed)
    row = number - tiles[0] * TILE
    law = posterior(planes, target, full)
    chains = Chains(law, sampler, plan, seed, tiles)
    kernel = (kernels if kernels is not None and full else KERNELS)[sampler]
    at, inside, every = [0], [chains.t[row].copy()], -(-steps // (points - 1))
    for done in chains.run(kernel, every):
        stop_if(cancelled)
        if done - at[-1] >= every or done == steps:
            at.append(done)
            inside.append(chains.t[row])
    rest = np.empty((len(at), law.dim))
    rest[-1] = chains.rest[row] * chains.rest_scale
    if sampler == "mala":
        rest[:] = rest[-1]
    else:
        _backwards(rest, at, step_size, law, chains.noises[0].of_row(row).standard_normal(rest.shape))
    states = (rest + np.array(inside) @ law.basis).astype(np.float32)
    states[-1] = chains.codes()[row]
    return np.array(at), states


def _backwards(rest: Floats, at: list[int], step_size: float, law: Posterior, noise: Floats) -> None:
    """Fill in an AR(1) path off the span from its end.

    For i < j, cov(x_i, x_j) = (1 - alpha)^(j - i) v_i, hence x_i given x_j is normal with mean
    (1 - alpha)^(j - i) v_i / v_j x_j and variance v_i - (1 - alpha)^(2 (j - i)) v_i^2 / v_j.
    """
    noise = noise - (noise @ law.basis.T) @ law.basis
    for i in range(len(at) - 2, -1, -1):
        memory = (1 - step_size) ** (at[i + 1] - at[i])
        before, after = rest_variance(step_size, at[i]), rest_variance(step_size, at[i + 1])
        spread = before - memory**2 * before**2 / after
        rest[i] = memory * before / after * rest[i + 1] + math.sqrt(max(spread, 0.0)) * noise[i]
