"""Has a sampler of p(z|y) converged? Looked at on many chains of its own, before any threshold.

A gallery of 16 faces cannot tell, and the threshold changes the law; so 8,192 chains run alongside, with the
gallery's settings and seed, in the span of the wanted rows, where alone p(z|y) differs from the prior. The
verdict rests on the distance to the exact marginals: R-hat and effective sample size compare chains with each
other, and cannot see a drift that all of them share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainer.convergence import effective_size, ks_distance, r_hat
from trainer.errors import ConfigError
from trainer.latent import Floats, Hyperplanes
from trainer.marginals import Marginal, marginals
from trainer.samplers.chains import Cancel, Chains, Progress, stop_if
from trainer.samplers.exact import exact, proposal, span_draws
from trainer.samplers.kernels import KERNELS, TILE
from trainer.samplers.schedules import Schedule, schedule
from trainer.targets import Posterior, Target, posterior

CHAINS = 8192
LIMIT = 0.03  # a larger Kolmogorov-Smirnov distance is called not converged
BINS = 48
_POINTS = 200  # of a trace
_TRACED = 64  # chains whose traces are kept


@dataclass(frozen=True, eq=False)
class Direction:
    """One wanted attribute's normal: t = z . w/|w| over the chains.

    Attributes:
        name: the attribute.
        wanted: yes or no.
        edges: (BINS + 1,) of the histogram.
        histogram: (BINS,) shares of all chains divided by the bins' width.
        marginal: what p(z|y) gives; None where that is not known.
        ks: Kolmogorov-Smirnov distance to it, or NaN.
        ess: effective sample size of the second half of 64 chains' traces, out of `kept` states.
        kept: those states.
        r_hat: over the same; 1 where chains agree with each other.
    """

    name: str
    wanted: bool
    edges: Floats
    histogram: Floats
    marginal: Marginal | None
    ks: float
    ess: float
    kept: int
    r_hat: float


@dataclass(frozen=True, eq=False)
class Snapshot:
    """How the chains stand.

    Attributes:
        sampler: what runs; `mala` also where `exact` is hopeless.
        step: steps taken; for `exact`, draws.
        steps: of all.
        chains: how many.
        directions: one for each wanted attribute, in the model's order.
        trace: (n,) steps at which `energy` was taken.
        energy: (n,) mean over the chains of U(z) = -log p(y|z) + |z|^2/2.
        energy_exact: what it is under p(z|y), from exact draws; None where those are not to be had.
        radius: mean of |z|.
        radius_spread: its standard deviation.
        radius_prior: sqrt(d).
        acceptance: share of MALA's steps accepted so far; None for the others.
        converged: the verdict; None before the end, or where there is nothing to compare with.
        verdict: the same in words.
    """

    sampler: str
    step: int
    steps: int
    chains: int
    directions: tuple[Direction, ...]
    trace: Floats
    energy: Floats
    energy_exact: float | None
    radius: float
    radius_spread: float
    radius_prior: float
    acceptance: float | None
    converged: bool | None
    verdict: str


def watch(
    planes: Hyperplanes,
    target: Target,
    *,
    sampler: str,
    step_size: float | None = None,
    steps: int | None = None,
    seed: int,
    chains: int = CHAINS,
    snapshots: int = 25,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Iterator[Snapshot]:
    """Run the chains and show about so many snapshots of them, the last with a verdict.

    Chain i is the sampler's own chain i of this seed (but for `full`), so that a gallery's faces are among
    those looked at.

    Args:
        sampler: "exact", "langevin" or "mala".
        step_size, steps: of the chains; None for the sampler's converged schedule.
        chains: a multiple of 256.
        progress: told (steps done, steps).

    Raises:
        ConfigError: an unknown sampler, or a setting that makes no sense.
        ModelError: an attribute that the model does not know, or whose weights are all zero.
        Cancelled: `cancelled` said so.
    """
    if sampler != "exact" and sampler not in KERNELS:
        raise ConfigError(f"sampler = {sampler!r}: choose exact or one of {', '.join(KERNELS)}")
    if chains < TILE or chains % TILE:
        raise ConfigError(f"chains = {chains}: must be a multiple of {TILE}")
    law = posterior(planes, target)
    if sampler == "exact" and not proposal(law).hopeless:
        states: Iterator[_State] = _exact_states(planes, target, law, chains, seed, cancelled)
    else:
        if sampler == "exact":
            sampler, step_size, steps = "mala", None, None
        plan = schedule(planes, target, step_size=step_size, steps=steps, sampler=sampler)
        states = _chain_states(law, sampler, plan, chains, seed, cancelled)
    board = _Board(law, sampler, cancelled)
    shown = 0
    for state in states:
        board.add(state)
        if progress is not None:
            progress(state.step, state.steps)
        if state.step * snapshots >= (shown + 1) * state.steps or state.step == state.steps:
            shown = state.step * snapshots // state.steps
            yield board.snapshot(state)


@dataclass(frozen=True, eq=False)
class _State:
    """Where n chains are: t (n, r) in the span, |z|^2 (n,), and the share of steps accepted so far."""

    step: int
    steps: int
    t: Floats
    squared: Floats
    acceptance: float | None


def _chain_states(
    law: Posterior, sampler: str, plan: Schedule, chains: int, seed: int, cancelled: Cancel | None
) -> Iterator[_State]:
    stop_if(cancelled)
    group = Chains(law, sampler, plan, seed, range(chains // TILE))
    outside = (group.rest**2).sum(axis=1)
    before, taken = 0, 0.0
    for done in group.run(KERNELS[sampler], -(-plan.steps // _POINTS)):
        stop_if(cancelled)
        t = group.t
        taken += (done - before) * group.accepted
        before = done
        squared = (t**2).sum(axis=1) + outside * group.rest_scale**2
        yield _State(done, plan.steps, t, squared, taken / done if sampler == "mala" else None)


def _exact_states(
    planes: Hyperplanes, target: Target, law: Posterior, chains: int, seed: int, cancelled: Cancel | None
) -> Iterator[_State]:
    """Independent draws, more and more of them."""
    t, squared = np.empty((0, law.rank)), np.empty(0)
    size = max(TILE, chains // 8 // TILE * TILE)
    for first in range(0, chains, size):
        z = exact(
            planes, target, min(size, chains - first), seed=seed, first=first, cancelled=cancelled
        ).astype(np.float64)
        t = np.concatenate([t, z @ law.basis.T])
        squared = np.concatenate([squared, (z**2).sum(axis=1)])
        yield _State(len(t), chains, t, squared, None)


class _Board:
    """Gathers traces, and makes snapshots."""

    def __init__(self, law: Posterior, sampler: str, cancelled: Cancel | None) -> None:
        self.law, self.sampler = law, sampler
        self.marginals = marginals(law, cancelled)
        reference = span_draws(law, CHAINS, 2**63 + 1, cancelled)
        beside = (law.dim - law.rank) / 2  # energy off the span
        self.energy_exact = None if reference is None else float(law.energy(reference).mean()) + beside
        self.steps: list[int] = []
        self.energy: list[float] = []
        self.traces: list[Floats] = []
        self.edges = [self._edges(number) for number in range(len(law.names))]

    def _edges(self, number: int) -> Floats:
        """Wide enough for the prior, where chains start, and for p(z|y), where they should end."""
        if self.marginals is None:
            middle = float(self.law.directions[number] @ self.law.mode())
            low, high = middle - 5, middle + 5
        else:
            low, high = self.marginals[number].quantile([1e-4, 1 - 1e-4])
        return np.linspace(min(low, -3.5), max(high, 3.5), BINS + 1)

    def add(self, state: _State) -> None:
        off_span = (state.squared - (state.t**2).sum(axis=1)) / 2
        self.steps.append(state.step)
        self.energy.append(float((self.law.energy(state.t) + off_span).mean()))
        if self.sampler != "exact":
            self.traces.append(state.t[:_TRACED] @ self.law.directions.T)

    def snapshot(self, state: _State) -> Snapshot:
        along = state.t @ self.law.directions.T
        directions = tuple(
            self._direction(number, along[:, number], self._traces(along, number))
            for number in range(len(self.law.names))
        )
        converged, verdict = _verdict(directions, state)
        radius = np.sqrt(state.squared)
        return Snapshot(
            self.sampler,
            state.step,
            state.steps,
            len(state.t),
            directions,
            np.array(self.steps, dtype=np.float64),
            np.array(self.energy),
            self.energy_exact,
            float(radius.mean()),
            float(radius.std()),
            math.sqrt(self.law.dim),
            state.acceptance,
            converged,
            verdict,
        )

    def _traces(self, along: Floats, number: int) -> Floats:
        """(n, m): the second half of the kept traces; exact draws count as 64 chains of what there is."""
        if self.sampler == "exact":
            rows = len(along) // _TRACED
            return along[: rows * _TRACED, number].reshape(_TRACED, rows).T
        return np.array([row[:, number] for row in self.traces[len(self.traces) // 2 :]])

    def _direction(self, number: int, t: Floats, traces: Floats) -> Direction:
        edges = self.edges[number]
        marginal = self.marginals[number] if self.marginals is not None else None
        return Direction(
            self.law.names[number],
            bool(self.law.signs[number] > 0),
            edges,
            np.histogram(t, edges)[0] / (len(t) * np.diff(edges)),
            marginal,
            math.nan if marginal is None else ks_distance(t, marginal.distribution),
            effective_size(traces),
            traces.size,
            r_hat(traces),
        )


def _verdict(directions: tuple[Direction, ...], state: _State) -> tuple[bool | None, str]:
    if state.step < state.steps:
        return None, f"{state.step:,} of {state.steps:,} steps"
    if not directions:
        return True, "nothing is wanted, so this is the prior itself"
    worst = max(directions, key=lambda direction: direction.ks)
    if math.isnan(worst.ks):
        return None, "no exact marginal to compare with: exact sampling is hopeless for this target"
    if worst.ks > LIMIT:
        return False, f"not converged: KS distance {worst.ks:.3f} along {worst.name} (at most {LIMIT})"
    return True, f"converged: KS distance at most {worst.ks:.3f}, along {worst.name}"
