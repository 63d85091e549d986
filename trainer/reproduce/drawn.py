"""Figures 8 and 9: faces drawn from p(z|y) and from the prior."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from trainer import grid, sampling
from trainer.codec import Codec
from trainer.errors import ModelError
from trainer.metrics.estimate import estimate
from trainer.reproduce.desk import Codes, Desk
from trainer.reproduce.edited import COLUMNS, SELF_GRADED, share, style
from trainer.reproduce.models import introvac, vac
from trainer.reproduce.record import Made, Picture, Table
from trainer.sampling import Target

_WANTS: dict[str, dict[str, bool]] = {
    "Eyeglasses": {"Eyeglasses": True},
    "FacialHair": {"FacialHair": True},
    "both": {"Eyeglasses": True, "FacialHair": True},
    "neither": {"Eyeglasses": False, "FacialHair": False},
}
# Sampler, what it is called, and the confidence below which a draw is rejected.
_WAYS = (
    ("exact", "exact draws", 0.0),
    ("langevin", "the paper’s Langevin chain, with rejection", 0.5),
)
_MEASURED = 256  # samples of each kind
_PRIOR_ROWS = 4


def conditional(desk: Desk) -> Made:
    """Samples of p(z|y), exact and by the paper's chain of 5000 steps of 2e-4."""
    codec = desk.codec(introvac("eyefacial"))
    pictures, rows, notes, numbers = [], [], [SELF_GRADED], []
    for sampler, words, accept in _WAYS:
        cells: dict[str, list[Any]] = {}
        for name, wants in _WANTS.items():
            try:
                z, drawn = _draw(desk, codec, sampler, Target(wants), accept)
            except ModelError as error:
                notes.append(f"{words}, {name}: {error}.")
                continue
            images = codec.decode(z)
            cells[name] = list(images[:COLUMNS])
            found = _look(desk, codec, z, images, Target(wants))
            numbers.append({"sampler": sampler, "wants": wants, "accept": accept, "drawn": drawn, **found})
            kept = f"{len(z)} of {drawn}"
            rows.append((words, name, kept, share(found["on_code"]), share(found["encoded_again"])))
        if cells:
            picture = grid.compose(list(cells.values()), style(codec.size), list(cells))
            title = f"p(z|y): {words}"
            pictures.append(
                Picture(f"conditional-{sampler}", title, "The rows name what is wanted.", picture)
            )
    columns = ("Sampler", "Wanted", "Kept", "On the code", "Encoded again")
    table = Table("Samples that have what was wanted", columns, tuple(rows), words=2)
    notes.append(
        "An exact draw is a draw from p(z|y) itself, so nothing is rejected; it need not be a sure one. The "
        "paper’s 5000 steps of 2e-4 come to a diffusion time of 1, which has not converged, and rejection "
        "then keeps codes that the classifier gives at least 1/2."
    )
    return Made(pictures, [table], notes, {"samples": numbers})


def _draw(desk: Desk, codec: Codec, sampler: str, target: Target, accept: float) -> tuple[Codes, int]:
    """Codes that were kept, and how many were drawn for them."""
    plan = sampling.schedule(codec.planes, target, "paper", sampler=sampler)
    parts = list(
        sampling.generate(
            codec.planes,
            target,
            _MEASURED,
            sampler=sampler,
            accept=accept,
            step_size=plan.step_size,
            steps=plan.steps,
            seed=desk.settings.seed,
            cancelled=desk.stopping,
        )
    )
    return np.concatenate([part.z[part.accepted] for part in parts]), parts[-1].drawn_total


def _look(desk: Desk, codec: Codec, z: Codes, images: Any, target: Target) -> dict[str, Any]:
    """Shares of samples whose label is as wanted."""
    again = np.concatenate([codec.encode(images[part])[0] for part in desk.parts(np.arange(len(z)))])
    rows, signs = target.rows(codec.planes)
    held = [(signs * codec.planes.logits(codes)[:, rows] > 0).all(axis=1) for codes in (z, again)]
    code, encoded = (asdict(estimate(column.astype(np.float64), desk.settings.seed)) for column in held)
    return {"kept": len(z), "on_code": code, "encoded_again": encoded}


def prior(desk: Desk) -> Made:
    """Samples of the prior by both models; codes of equal dimension are equal."""
    pictures = []
    for subset in desk.settings.compare:
        for title, name in (("VAC", vac(subset)), ("IntroVAC", introvac(subset))):
            desk.check()
            codec = desk.codec(name)
            rng = np.random.default_rng([desk.settings.seed, 2])
            z = rng.standard_normal((_PRIOR_ROWS * COLUMNS, codec.dim)).astype(np.float32)
            picture = grid.gallery(codec.decode(z), COLUMNS, style(codec.size))
            caption = "Codes drawn from N(0, I), none chosen; the same codes for both models."
            pictures.append(Picture(f"prior-{name}", f"{title}, {subset}", caption, picture))
    return Made(pictures)
