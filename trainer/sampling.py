"""Codes for wanted attributes: draws from p(z|y).

The density is proportional to N(z; 0, I) prod_k sigmoid(s_k (w_k.z + b_k)), with s_k = +1 where attribute k
is wanted and -1 where its absence is. NumPy in float64 on the processor alone, so that one seed gives the
same codes whatever device decodes them. Chain i depends on the seed and on i only: chains are computed in
fixed tiles of 256, each with its own Philox stream, and cut to what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.latent import Codes, Floats, Hyperplanes, sigmoid

TILE = 256  # chains that share a noise stream and are always computed together
_BLOCK = 256  # steps between two looks at `cancelled`
_NOISE = 2**21  # numbers of noise held at once

Progress = Callable[[int, int], None]
Cancel = Callable[[], bool]


@dataclass(frozen=True)
class Target:
    """What is wanted: attribute name -> True for yes, False for no. Empty is the prior."""

    wants: Mapping[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.wants.items():
            if not isinstance(value, bool):
                raise ModelError(f"want {name}={value!r}: expected True or False")
        object.__setattr__(self, "wants", dict(self.wants))

    def rows(self, planes: Hyperplanes) -> tuple[NDArray[np.intp], Floats]:
        """Rows of the wanted logits in the model's order, and their signs +1 or -1.

        Raises:
            ModelError: an attribute that the model does not know.
        """
        signs = {planes.usable(name): 1.0 if wanted else -1.0 for name, wanted in self.wants.items()}
        order = sorted(signs)
        return np.array(order, dtype=np.intp), np.array([signs[row] for row in order])


def parse_wants(texts: Iterable[str], planes: Hyperplanes) -> Target:
    """A target from texts such as "Eyeglasses=yes"; "any" leaves an attribute open.

    Raises:
        ModelError: unknown attribute, a value other than yes, no and any, or two that disagree.
    """
    values = {"yes": True, "no": False, "any": None}
    found: dict[str, bool | None] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.rpartition("="))
        if not name or value.lower() not in values:
            raise ModelError(f"want {text!r}: expected NAME=yes, NAME=no or NAME=any")
        planes.usable(name)
        wanted = values[value.lower()]
        if found.setdefault(name, wanted) != wanted:
            raise ModelError(f"want {name}: given twice with different values")
    return Target({name: wanted for name, wanted in found.items() if wanted is not None})


@dataclass(frozen=True)
class Schedule:
    """Step size alpha and number of steps of a chain; alpha * steps is its diffusion time."""

    step_size: float
    steps: int

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

    The Hessian of U is I + sum_k p_k (1 - p_k) w_k w_k^T over the wanted rows W, so its largest eigenvalue is
    at most 1 + lambda_max(W W^T) / 4. Langevin's bias grows with alpha times that curvature, which
    alpha = 0.1 / (1 + lambda_max(W W^T) / 4) keeps at 0.1; and since U is at least as curved as the
    prior, what a start leaves behind shrinks like exp(-time): ceil(10 / alpha) steps leave 5e-5.
    """
    rows, _ = target.rows(planes)
    w = planes.w[rows]
    steepest = float(np.linalg.eigvalsh(w @ w.T)[-1]) if rows.size else 0.0
    step_size = 0.1 / (1 + steepest / 4)
    return Schedule(step_size, math.ceil(10 / step_size))


RECIPES: dict[str, Callable[[Hyperplanes, Target], Schedule]] = {"paper": _paper, "converged": _converged}


def schedule(
    planes: Hyperplanes,
    target: Target,
    recipe: str = "converged",
    step_size: float | None = None,
    steps: int | None = None,
) -> Schedule:
    """A recipe's schedule, with what the user chose put in its place.

    A step size alone keeps the recipe's diffusion time, steps alone keep its step size.

    Raises:
        ConfigError: unknown recipe, or values that make no sense.
        ModelError: the target names an attribute that the model does not know.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"recipe = {recipe!r}: choose one of {', '.join(RECIPES)}")
    base = RECIPES[recipe](planes, target)
    if step_size is None:
        return Schedule(base.step_size, base.steps if steps is None else steps)
    if steps is not None or not step_size > 0:
        return Schedule(step_size, base.steps if steps is None else steps)
    time = base.step_size * base.steps * (1 - 1e-12)  # so that rounding does not add a step
    return Schedule(step_size, math.ceil(time / step_size))


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
    law of the unadjusted chain as it is, however large alpha.

    Args:
        planes: K+1 logits on codes (d,).
        target: what is wanted; empty is the prior.
        count: how many chains.
        step_size: alpha, above 0 and below 2.
        steps: steps of each chain.
        seed: decides, with a chain's number, all of its noise.
        first: number of the first chain.
        full: run all d coordinates step by step, to teach and to check; r/d times as fast.
        progress: told (done, total) tile-steps.
        cancelled: asked now and then; true ends it.

    Returns:
        (count, d) float32.

    Raises:
        ConfigError: a setting that makes no sense.
        ModelError: an attribute that the model does not know.
        Cancelled: `cancelled` said so.
    """
    plan = Schedule(step_size, steps)
    for name, value, high in (("count", count, 2**40), ("first", first, 2**40), ("seed", seed, 2**64 - 1)):
        if not 0 <= value <= high:
            raise ConfigError(f"{name} = {value}: must be from 0 to {high}")
    rows, signs = target.rows(planes)
    basis = np.eye(planes.dim) if full else _span(planes.w[rows])
    slopes = signs[:, None] * planes.w[rows] @ basis.T
    offsets = signs * planes.b[rows]
    out = np.empty((count, planes.dim), dtype=np.float32)
    tiles = range(first // TILE, -(-(first + count) // TILE) if count else first // TILE)
    for number, tile in enumerate(tiles):
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, tile], dtype=np.uint64)))
        start = stream.standard_normal((TILE, planes.dim))
        inside = start @ basis.T
        rest = (start - inside @ basis) * math.sqrt(_rest_variance(plan))
        for done in _walk(inside, slopes, offsets, plan, stream):
            if cancelled is not None and cancelled():
                raise Cancelled("sampling was stopped")
            if progress is not None:
                progress(number * steps + done, len(tiles) * steps)
        low, high = max(first, tile * TILE), min(first + count, (tile + 1) * TILE)
        out[low - first : high - first] = (rest + inside @ basis)[low - tile * TILE : high - tile * TILE]
    return out


def _walk(
    t: Floats, slopes: Floats, offsets: Floats, plan: Schedule, stream: np.random.Generator
) -> Iterator[int]:
    """Run coordinates t (TILE, r) in place; yields the steps done after each block.

    `slopes` (k, r) and `offsets` (k,) give the signed logits m. sigmoid(-m) is written as
    (1 - tanh(m/2)) / 2, and everything constant is folded out of the loop.
    """
    alpha = plan.step_size
    half_slopes, half_offsets = np.ascontiguousarray(slopes.T / 2), offsets / 2
    pull, push = -alpha / 2 * slopes, alpha / 2 * slopes.sum(axis=0)
    m, drift = np.empty((TILE, offsets.size)), np.empty_like(t)
    block = max(1, min(_BLOCK, _NOISE // max(1, t.size)))
    done = 0
    while done < plan.steps:
        noise = stream.standard_normal((min(block, plan.steps - done), *t.shape))
        noise *= math.sqrt(2 * alpha)
        noise += push
        for kick in noise:
            np.matmul(t, half_slopes, out=m)
            m += half_offsets
            np.tanh(m, out=m)
            np.matmul(m, pull, out=drift)
            t *= 1 - alpha
            t += drift
            t += kick
        done += len(noise)
        yield done


def _span(w: Floats) -> Floats:
    """An orthonormal basis (r, d) of the rows' span, by Gram-Schmidt in their order."""
    basis = np.empty((0, w.shape[1]))
    for row in w:
        length = np.linalg.norm(row)
        rest = row.copy()
        for _ in range(2):  # the second pass removes what rounding left
            rest -= (rest @ basis.T) @ basis
        left = np.linalg.norm(rest)
        if left > 1e-10 * length:
            basis = np.vstack([basis, rest / left])
    return basis


def _rest_variance(plan: Schedule) -> float:
    """v_k of v' = (1 - alpha)^2 v + 2 alpha from v_0 = 1, in closed form."""
    settled = 2 / (2 - plan.step_size)
    return settled + (1 - plan.step_size) ** (2 * plan.steps) * (1 - settled)


class Sampler(Protocol):
    """What a sampler of p(z|y) looks like; chain or draw i depends on (seed, i) only."""

    def __call__(
        self,
        planes: Hyperplanes,
        target: Target,
        count: int,
        *,
        step_size: float,
        steps: int,
        seed: int,
        first: int = 0,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> Codes: ...


SAMPLERS: dict[str, Sampler] = {"langevin": langevin}


@dataclass(frozen=True, eq=False)
class Batch:
    """Finished draws in order, accepted or not.

    Attributes:
        z: (n, d).
        logits: (n, K+1).
        accepted: (n,) whether every wanted attribute reached the threshold.
        drawn_total: draws up to and with this batch.
        accepted_total: those accepted.
    """

    z: Codes
    logits: NDArray[np.float32]
    accepted: NDArray[np.bool_]
    drawn_total: int
    accepted_total: int


def generate(
    planes: Hyperplanes,
    target: Target,
    count: int,
    *,
    step_size: float,
    steps: int,
    seed: int,
    sampler: str = "langevin",
    accept: float = 0.5,
    max_draws: int | None = None,
    batch: int = TILE,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Iterator[Batch]:
    """Draw until `count` codes are accepted; the last row is the one that completes them.

    The rows are the same whatever `batch` is; multiples of 256 waste no work.

    Args:
        accept: P that every wanted attribute must reach (1 - p where it is not wanted); 0 takes
            every draw, so that there are exactly `count` rows.
        max_draws: give up after so many; by default 200 draws a code, at most a million (or `count`).
        progress: told (accepted, count) after each batch.

    Raises:
        ConfigError: unknown sampler, or a setting that makes no sense.
        ModelError: unknown attribute; or too few accepted, once everything drawn has been handed over.
        Cancelled: `cancelled` said so.
    """
    if sampler not in SAMPLERS:
        raise ConfigError(f"sampler = {sampler!r}: choose one of {', '.join(SAMPLERS)}")
    if not 0 <= accept <= 1:
        raise ConfigError(f"accept = {accept}: must be from 0 to 1")
    if count < 1 or batch < 1:
        raise ConfigError(f"count = {count}, batch = {batch}: must be at least 1")
    limit = max(count, min(200 * count, 1_000_000)) if max_draws is None else max_draws
    drawn = accepted = 0
    while accepted < count:
        if drawn >= limit:
            raise ModelError(
                f"{accepted} of {count} accepted in {drawn} draws; lower accept ({accept}) or want less"
            )
        size = min(batch, limit - drawn, count - accepted if accept == 0 else batch)
        z = SAMPLERS[sampler](
            planes,
            target,
            size,
            step_size=step_size,
            steps=steps,
            seed=seed,
            first=drawn,
            cancelled=cancelled,
        )
        logits = row_logits(planes, z)
        good = accepts(planes, target, logits, accept)
        enough = np.flatnonzero(np.cumsum(good) >= count - accepted)
        keep = int(enough[0]) + 1 if enough.size else size
        drawn += keep
        accepted += int(good[:keep].sum())
        yield Batch(z[:keep], logits[:keep].astype(np.float32), good[:keep], drawn, accepted)
        if progress is not None:
            progress(accepted, count)


def row_logits(planes: Hyperplanes, z: Codes) -> Floats:
    """Logits (N, K+1) of codes (N, d), to the last bit independent of how many rows there are."""
    codes = z.astype(np.float64)
    return np.stack([(codes * w).sum(axis=1) + b for w, b in zip(planes.w, planes.b, strict=True)], axis=1)


def accepts(planes: Hyperplanes, target: Target, logits: Floats, threshold: float) -> NDArray[np.bool_]:
    """Which rows of logits (N, K+1) give every wanted attribute at least the threshold, (N,)."""
    rows, signs = target.rows(planes)
    return np.all(sigmoid(signs * logits[:, rows]) >= threshold, axis=1)
