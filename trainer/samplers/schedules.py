"""How far a chain steps and for how long."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from trainer.errors import ConfigError
from trainer.latent import Floats, Hyperplanes
from trainer.samplers.kernels import TILE, Noise, mala_steps
from trainer.targets import Posterior, Target, curvature, posterior

ACCEPTANCE = 0.8  # what MALA's step size is tuned to; in few dimensions more than the 0.574 of many is best
_ROUNDS, _ROUND = 40, 5  # of tuning, and steps in each
_TUNING = 2**40  # a tile that no chain has


@dataclass(frozen=True)
class Schedule:
    """Step size alpha and number of steps of a chain; alpha * steps is its diffusion time.

    Attributes:
        acceptance: the share of steps that MALA accepted once its step size was tuned; None where it was not.
    """

    step_size: float
    steps: int
    acceptance: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        # Off the span the chain multiplies by 1 - alpha: from 2 on it would run away.
        if not 0 < self.step_size < 2:
            raise ConfigError(f"step_size = {self.step_size}: must be above 0 and below 2")
        if self.steps < 1:
            raise ConfigError(f"steps = {self.steps}: must be at least 1")


def _paper(planes: Hyperplanes, target: Target) -> Schedule:
    """The paper's 5000 steps of 2e-4: a diffusion time of 1, which has not converged."""
    return Schedule(2e-4, 5000)


def _converged(planes: Hyperplanes, target: Target) -> Schedule:
    """A step that suits the steepest direction, for a diffusion time of 10.

    Langevin's bias grows with alpha times the curvature, which is at most 1 + lambda_max(W W^T) / 4 over the
    wanted rows W. alpha = 0.05 / (1 + lambda_max(W W^T) / 4) keeps the Kolmogorov-Smirnov distance of the
    chain's law below 0.0035 for one attribute of |w| in 1..20 (by powers of the transition matrix on a grid).
    Since U is at least as curved as the prior, what a start leaves behind shrinks like exp(-time).
    """
    step_size = 0.05 / curvature(planes.w[target.places(planes)[0]])
    return Schedule(step_size, math.ceil(10 / step_size))


RECIPES: dict[str, Callable[[Hyperplanes, Target], Schedule]] = {"paper": _paper, "converged": _converged}


def schedule(
    planes: Hyperplanes,
    target: Target,
    recipe: str = "converged",
    step_size: float | None = None,
    steps: int | None = None,
    *,
    sampler: str = "langevin",
    full: bool = False,
) -> Schedule:
    """A recipe's schedule, or the tuned one for `mala`, with what the user chose put in its place.

    A step size alone keeps the diffusion time, steps alone keep the step size. `mala` needs no recipe: its
    step size is tuned on chains that are then discarded, which takes some 10 ms, or a second with `full`.
    `exact` has no steps; what it gets is never used.

    Raises:
        ConfigError: unknown recipe, or values that make no sense.
        ModelError: the target names an attribute that the model does not know.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"recipe = {recipe!r}: choose one of {', '.join(RECIPES)}")
    if step_size is not None:
        Schedule(step_size, 1 if steps is None else steps)  # refuses before any work
    if sampler == "mala":
        if step_size is not None:
            return Schedule(step_size, mala_length(step_size) if steps is None else steps)
        tuned, acceptance = tune(posterior(planes, target, full))
        return Schedule(tuned, mala_length(tuned) if steps is None else steps, acceptance)
    base = RECIPES[recipe](planes, target)
    if step_size is None:
        return Schedule(base.step_size, base.steps if steps is None else steps)
    if steps is not None:
        return Schedule(step_size, steps)
    time = base.step_size * base.steps * (1 - 1e-12)  # so that rounding does not add a step
    return Schedule(step_size, math.ceil(time / step_size))


def mala_length(step_size: float) -> int:
    """Steps for a diffusion time of 40, since some are rejected and steep drifts cut; 200 or more."""
    return max(200, math.ceil(40 / step_size))


def tune(law: Posterior) -> tuple[float, float]:
    """MALA's step size for an acceptance of 0.8, at most 1, and the acceptance that it then has.

    One tile of chains from the prior, whose seed is fixed so that the answer depends on the target alone.
    Stochastic approximation on log alpha (Robbins and Monro 1951); then alpha is frozen and looked at.
    """
    noise = Noise(0, _TUNING)
    t = noise.normals.standard_normal((1, law.rank, TILE))
    log_step = math.log(0.5)
    for number in range(_ROUNDS):
        accepted = _accepted(t, law, math.exp(log_step), _ROUND, noise)
        log_step = min(0.0, log_step + 3 * (accepted - ACCEPTANCE) / math.sqrt(1 + number))
    step_size = math.exp(log_step)
    return step_size, _accepted(t, law, step_size, 10 * _ROUND, noise)


def _accepted(t: Floats, law: Posterior, step_size: float, steps: int, noise: Noise) -> float:
    before, total = 0, 0.0
    for done, share in mala_steps(t, law, step_size, steps, [noise]):
        total += share * (done - before)
        before = done
    return total / steps
