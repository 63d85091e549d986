"""Draws from p(z|y) itself, by rejection in the span of the wanted rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainer.latent import Codes, Floats, Hyperplanes, sigmoid
from trainer.samplers.chains import Cancel, Progress, mala, put, stop_if, tiles_of
from trainer.samplers.kernels import TILE, Kernel, Noise
from trainer.samplers.schedules import schedule
from trainer.targets import Posterior, Target, posterior

RARE = 1e-2  # prior proposals are used down to this acceptance
HOPELESS = 1e-4  # and shifted ones down to this
_PILOT = 2**14
_NUMBERS = 2**20  # proposals of a tile held at once, at most


@dataclass(frozen=True, eq=False)
class Proposal:
    """Proposals N(t; centre, I), accepted with probability prod_k sigmoid(m_k) / exp(height_k + tilt_k m_k).

    log sigmoid is concave, so each of its tangents height + tilt m lies above it and the probability is at
    most 1. With tilts sigmoid(-m_k*), those of the tangents at the density's mode t*, N(t; 0, I) times the
    tangents' exponentials is proportional to N(t; sum_k tilt_k a_k, I), whose centre is t* itself. Tilts and
    heights of 0 give proposals from the prior, which are accepted with p(y|z).

    Attributes:
        centre: (r,).
        tilt: (k,).
        height: (k,).
        rate: the share of proposals accepted, estimated.
        p_y: p(y), the share of the prior's codes that have what is wanted, estimated.
    """

    centre: Floats
    tilt: Floats
    height: Floats
    rate: float
    p_y: float

    @property
    def shifted(self) -> bool:
        """Whether these are other proposals than the prior's."""
        return bool(self.tilt.any())

    @property
    def hopeless(self) -> bool:
        """Whether too few are accepted for rejection to be of use."""
        return self.rate < HOPELESS

    def log_chance(self, law: Posterior, t: Floats) -> Floats:
        """Log of the probability (...) of accepting t (..., r)."""
        m = law.margins(t)
        return (-np.logaddexp(0, -m) - self.height - self.tilt * m).sum(axis=-1)


def proposal(law: Posterior) -> Proposal:
    """How to propose for a density: from the prior, or around the mode where the prior hits too rarely."""
    m = law.margins(law.mode()[None])[0]
    tilt = sigmoid(-m)
    height = -np.logaddexp(0, -m) - tilt * m
    centre = tilt @ law.slopes
    shifted = Proposal(centre, tilt, height, 1.0, 1.0)
    noise = np.random.default_rng(0).standard_normal((_PILOT, law.rank))
    rate = float(np.exp(shifted.log_chance(law, centre + noise)).mean())
    # The envelope's mass: the integral of N(t; 0, I) exp(sum_k height_k + tilt_k (a_k . t + c_k)).
    mass = math.exp(float((height + tilt * law.offsets).sum()) + 0.5 * float(centre @ centre))
    p_y = rate * mass
    if p_y >= RARE:
        return Proposal(np.zeros(law.rank), np.zeros_like(tilt), np.zeros_like(tilt), p_y, p_y)
    return Proposal(centre, tilt, height, rate, p_y)


def note(planes: Hyperplanes, target: Target) -> str:
    """What a user must know about how `exact` draws for this target; empty where it is by prior proposals."""
    plan = proposal(posterior(planes, target))
    if not plan.shifted and not plan.hopeless:
        return ""
    prior, shifted = (f"once in {1 / max(rate, 1e-300):.2g}" for rate in (plan.p_y, plan.rate))
    if plan.hopeless:
        return (
            f"exact: the prior hits the target about {prior} draws, and proposals from around the density's "
            f"mode are accepted {shifted}: hopeless. MALA chains stand in, which come close to p(z|y)"
        )
    return (
        f"exact: the prior hits the target about {prior} draws, so proposals come from around the density's "
        f"mode and are accepted {shifted}; the draws are still exact"
    )


def exact(
    planes: Hyperplanes,
    target: Target,
    count: int,
    *,
    step_size: float | None = None,
    steps: int | None = None,
    seed: int,
    first: int = 0,
    full: bool = False,
    kernels: Mapping[str, Kernel] | None = None,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Codes:
    """Independent draws from p(z|y): proposals from the prior, accepted with probability p(y|z).

    p(y|z) depends on z only through its part in the span of the wanted rows. That part is proposed until it
    is accepted; the rest is Gaussian, and drawn once. Where the prior hits the target in less than 1 of 100
    draws, proposals come from a normal around the density's mode (see `Proposal`), and where less than 1 in
    10,000 of those is accepted, `mala` with a tuned step size stands in; `note` says so in words.

    Args:
        step_size, steps, full, kernels: not used; there is no chain.
        progress: told (done, total) tiles.

    Otherwise as `langevin`.
    """
    law = posterior(planes, target)
    tiles = tiles_of(first, count, seed)
    plan = proposal(law)
    if plan.hopeless:
        tuned = schedule(planes, target, sampler="mala")
        return mala(
            planes,
            target,
            count,
            step_size=tuned.step_size,
            steps=tuned.steps,
            seed=seed,
            first=first,
            progress=progress,
            cancelled=cancelled,
        )
    out = np.empty((count, law.dim), dtype=np.float32)
    for number, tile in enumerate(tiles):
        noise = Noise(seed, tile)
        rest = noise.normals.standard_normal((TILE, law.dim))
        rest -= (rest @ law.basis.T) @ law.basis
        inside = _accepted(law, plan, noise, cancelled)
        put(out, first, tile, rest + inside @ law.basis)
        if progress is not None:
            progress(number + 1, len(tiles))
    return out


def span_draws(law: Posterior, count: int, seed: int, cancelled: Cancel | None = None) -> Floats | None:
    """Exact draws of the span's coordinates alone, (count, r); None where rejection is hopeless."""
    plan = proposal(law)
    if plan.hopeless:
        return None
    parts = [_accepted(law, plan, Noise(seed, tile), cancelled) for tile in tiles_of(0, count, seed)]
    return np.concatenate([np.empty((0, law.rank)), *parts])[:count]


def _accepted(law: Posterior, plan: Proposal, noise: Noise, cancelled: Cancel | None) -> Floats:
    """Each row's first accepted proposal, (TILE, r)."""
    t = np.empty((TILE, law.rank))
    waiting = np.arange(TILE)
    size = max(1, min(math.ceil(1 / plan.rate), _NUMBERS // (TILE * max(1, law.rank))))
    while waiting.size:
        stop_if(cancelled)
        tried = plan.centre + noise.normals.standard_normal((size, waiting.size, law.rank))
        good = np.log(1 - noise.uniforms.random((size, waiting.size))) <= plan.log_chance(law, tried)
        hit, which = good.any(axis=0), good.argmax(axis=0)
        t[waiting[hit]] = tried[which[hit], np.flatnonzero(hit)]
        waiting = waiting[~hit]
    return t
