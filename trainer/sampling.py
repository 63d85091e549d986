"""Codes for wanted attributes: draws from p(z|y) by one of three samplers, kept where the label is sure.

`exact` draws from p(z|y) itself; `langevin` is the paper's iteration; `mala` is its Metropolis-adjusted form.
What is wanted is in `trainer.targets`, how they draw in `trainer.samplers`, how well in
`trainer.diagnostics`. Row i depends on the seed and on i only, not on how many are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ConfigError, ModelError
from trainer.latent import Codes, Floats, Hyperplanes, sigmoid
from trainer.samplers.chains import Cancel, Progress, langevin, mala, path
from trainer.samplers.exact import exact, note
from trainer.samplers.kernels import TILE, Kernel
from trainer.samplers.schedules import RECIPES, Schedule, schedule
from trainer.targets import Posterior, Target, parse_wants, posterior

__all__ = [
    "ACCEPT_ON",
    "RECIPES",
    "SAMPLERS",
    "TILE",
    "Batch",
    "Coder",
    "Kernel",
    "Look",
    "Sampler",
    "Schedule",
    "Target",
    "accepts",
    "exact",
    "explain",
    "generate",
    "langevin",
    "looks_of",
    "mala",
    "parse_wants",
    "path",
    "row_logits",
    "schedule",
]

LOOK = 64  # draws that are decoded and encoded together
ACCEPT_ON = ("code", "image")  # whose label decides: the code's, or its picture's, encoded again

Pictures = NDArray[np.uint8]
Look = Callable[[Codes], tuple[Pictures, Codes]]


class Sampler(Protocol):
    """What a sampler of p(z|y) looks like; chain or draw i depends on (seed, i) only.

    See `langevin` for the arguments. `exact` does without step size and steps.
    """

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
        full: bool = False,
        kernels: Mapping[str, Kernel] | None = None,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> Codes: ...


SAMPLERS: dict[str, Sampler] = {"exact": exact, "langevin": langevin, "mala": mala}


def explain(planes: Hyperplanes, target: Target, sampler: str) -> str:
    """What a user must know about how this sampler draws for this target; often empty."""
    return note(planes, target) if sampler == "exact" else ""


class Coder(Protocol):
    """What is needed of `trainer.codec.Codec`, without importing torch."""

    def encode(self, images: Pictures) -> tuple[Codes, Codes]: ...

    def decode(self, z: Codes) -> Pictures: ...


def looks_of(codec: Coder) -> Look:
    """What `generate` wants for `accept_on="image"`: pictures of codes, and mu of those pictures."""

    def look(z: Codes) -> tuple[Pictures, Codes]:
        images = codec.decode(z)
        return images, codec.encode(images)[0]

    return look


@dataclass(frozen=True, eq=False)
class Batch:
    """Finished draws in order, accepted or not.

    Attributes:
        z: (n, d).
        logits: (n, K+1) of the codes.
        accepted: (n,) whether every wanted attribute reached the threshold.
        drawn_total: draws up to and with this batch.
        accepted_total: those accepted.
        note: what a user must know about the sampler; see `explain`.
        images: (n, S, S, 3), where pictures decide; else None.
        reencoded: (n, K+1) logits of the pictures, encoded again, where these decide; else None.
    """

    z: Codes
    logits: NDArray[np.float32]
    accepted: NDArray[np.bool_]
    drawn_total: int
    accepted_total: int
    note: str = ""
    images: Pictures | None = None
    reencoded: NDArray[np.float32] | None = None


def generate(
    planes: Hyperplanes,
    target: Target,
    count: int,
    *,
    step_size: float | None = None,
    steps: int | None = None,
    seed: int,
    sampler: str = "langevin",
    accept: float = 0.5,
    accept_on: str = "code",
    look: Look | None = None,
    max_draws: int | None = None,
    batch: int = TILE,
    full: bool = False,
    kernels: Mapping[str, Kernel] | None = None,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Iterator[Batch]:
    """Draw until `count` codes are accepted; the last row is the one that completes them.

    The rows are the same whatever `batch` is; multiples of 256 waste no work. Pictures are always looked at
    in the same groups of 64 draws, so that what a device rounds does not depend on `batch` either.

    Args:
        step_size, steps: of the chains; None for the sampler's converged schedule.
        accept: P that every wanted attribute must reach (1 - p where it is not wanted); 0 takes
            every draw, so that there are exactly `count` rows.
        accept_on: "code" for the label of the code, "image" for that of its picture, encoded again.
        look: pictures and their codes, for "image"; see `looks_of`.
        max_draws: give up after so many; by default 200 draws a code, at most a million (or `count`).
        full, kernels: see `langevin`.
        progress: told (accepted, count) after each batch.

    Raises:
        ConfigError: unknown sampler, or a setting that makes no sense.
        ModelError: unknown attribute; wants that no code can meet; or too few accepted, once everything
            drawn has been handed over.
        Cancelled: `cancelled` said so.
    """
    if sampler not in SAMPLERS:
        raise ConfigError(f"sampler = {sampler!r}: choose one of {', '.join(SAMPLERS)}")
    if accept_on not in ACCEPT_ON or (accept_on == "image" and look is None):
        raise ConfigError(f"accept_on = {accept_on!r}: choose code, or image with a way to look at pictures")
    if not 0 <= accept <= 1:
        raise ConfigError(f"accept = {accept}: must be from 0 to 1")
    if count < 1 or batch < 1:
        raise ConfigError(f"count = {count}, batch = {batch}: must be at least 1")
    law = posterior(planes, target)
    if accept_on == "code":
        law.check_reachable(accept)
    if sampler != "exact" and (step_size is None or steps is None):
        plan = schedule(planes, target, step_size=step_size, steps=steps, sampler=sampler, full=full)
        step_size, steps = plan.step_size, plan.steps
    said = explain(planes, target, sampler)
    limit = max(count, min(200 * count, 1_000_000)) if max_draws is None else max_draws
    unit = LOOK if accept_on == "image" else batch
    drawn = accepted = 0
    while accepted < count:
        if drawn >= limit:
            raise ModelError(_given_up(law, accept, accept_on, accepted, count, drawn))
        size = min(unit, limit - drawn, count - accepted if accept == 0 else unit)
        z = SAMPLERS[sampler](
            planes,
            target,
            size,
            step_size=step_size or 0.0,
            steps=steps or 0,
            seed=seed,
            first=drawn,
            full=full,
            kernels=kernels,
            cancelled=cancelled,
        )
        logits = deciding = row_logits(planes, z)
        images = None
        if accept_on == "image" and look is not None:
            images, again = look(z)
            deciding = row_logits(planes, again)
        good = accepts(planes, target, deciding, accept)
        enough = np.flatnonzero(np.cumsum(good) >= count - accepted)
        keep = int(enough[0]) + 1 if enough.size else size
        drawn += keep
        accepted += int(good[:keep].sum())
        yield Batch(
            z[:keep],
            logits[:keep].astype(np.float32),
            good[:keep],
            drawn,
            accepted,
            said,
            None if images is None else images[:keep],
            None if images is None else deciding[:keep].astype(np.float32),
        )
        if progress is not None:
            progress(accepted, count)


def _given_up(law: Posterior, accept: float, accept_on: str, accepted: int, count: int, drawn: int) -> str:
    text = f"{accepted} of {count} accepted in {drawn} draws"
    if accept_on == "code":
        text += f" (the nearest code that passes lies {law.nearest(accept):.1f} from the prior's mean)"
    return f"{text}; lower accept ({accept}) or want less"


def row_logits(planes: Hyperplanes, z: Codes) -> Floats:
    """Logits (N, K+1) of codes (N, d), to the last bit independent of how many rows there are."""
    codes = z.astype(np.float64)
    return np.stack([(codes * w).sum(axis=1) + b for w, b in zip(planes.w, planes.b, strict=True)], axis=1)


def accepts(planes: Hyperplanes, target: Target, logits: Floats, threshold: float) -> NDArray[np.bool_]:
    """Which rows of logits (N, K+1) give every wanted attribute at least the threshold, (N,)."""
    rows, signs = target.rows(planes)
    return np.all(sigmoid(signs * logits[:, rows]) >= threshold, axis=1)
