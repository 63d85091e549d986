"""What is wanted of a code, and the density p(z|y) that follows from it.

p(z|y) is proportional to N(z; 0, I) prod_k sigmoid(s_k (w_k.z + b_k)), with s_k = +1 where attribute k is
wanted and -1 where its absence is. It differs from N(0, I) only inside the span of the wanted rows, so
everything that matters happens in r <= K+1 coordinates t. NumPy in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ModelError
from trainer.latent import Floats, Hyperplanes, sigmoid, span_basis

_SURE = 37.0  # a logit beyond which float64 calls the probability 1


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
            ModelError: an attribute that the model does not know, or cannot tell.
        """
        rows, signs = self.places(planes)
        for row in rows:
            if not planes.w[row].any():
                raise ModelError(
                    f"{planes.names[row]!r} cannot be wanted: its weights are all zero, so every code is "
                    "equally likely to have it; leave it open or train the model further"
                )
        return rows, signs

    def places(self, planes: Hyperplanes) -> tuple[NDArray[np.intp], Floats]:
        """Like `rows`, whatever the weights are."""
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


@dataclass(frozen=True, eq=False)
class Posterior:
    """p(z|y) in coordinates t = basis z: N(t; 0, I) prod_k sigmoid(slopes_k . t + offsets_k), up to a factor.

    Attributes:
        names: the k wanted attributes, in the model's order.
        signs: (k,) +1 for yes, -1 for no.
        basis: (r, d) orthonormal rows that span the wanted ones.
        slopes: (k, r) signed weight rows in these coordinates.
        offsets: (k,) signed biases.
    """

    names: tuple[str, ...]
    signs: Floats
    basis: Floats
    slopes: Floats
    offsets: Floats

    @property
    def rank(self) -> int:
        """r, the number of coordinates."""
        return int(self.basis.shape[0])

    @property
    def dim(self) -> int:
        """d, the dimensions of a code."""
        return int(self.basis.shape[1])

    @property
    def directions(self) -> Floats:
        """(k, r): each wanted row's unit normal, so that t @ directions[k] is z . w_k/|w_k|."""
        return self.signs[:, None] * self.slopes / np.linalg.norm(self.slopes, axis=1, keepdims=True)

    def margins(self, t: Floats) -> Floats:
        """Signed logits (N, k) at t (N, r): positive where the attribute is as wanted."""
        return t @ self.slopes.T + self.offsets

    def energy(self, t: Floats) -> Floats:
        """U(t) = -log p(y|z) + |t|^2 / 2, (N,); in all of code space, |z - basis^T t|^2 / 2 comes on top."""
        return np.logaddexp(0, -self.margins(t)).sum(axis=1) + 0.5 * (t * t).sum(axis=1)

    def mode(self) -> Floats:
        """Where the density is highest, (r,), by damped Newton steps on the convex U."""
        t = np.zeros(self.rank)
        value = float(self.energy(t[None])[0])
        for _ in range(200):
            p = sigmoid(-self.margins(t[None])[0])
            gradient = t - p @ self.slopes
            hessian = np.eye(self.rank) + (self.slopes.T * (p * (1 - p))) @ self.slopes
            step = np.linalg.solve(hessian, gradient)
            fall, scale = float(gradient @ step), 1.0
            if fall < 1e-16:
                break
            while scale > 1e-10:
                trial = t - scale * step
                lower = float(self.energy(trial[None])[0])
                if lower <= value - 0.1 * scale * fall:
                    t, value = trial, lower
                    break
                scale /= 2
            else:  # rounding hides any further fall
                break
        return t

    def nearest(self, threshold: float) -> float:
        """Distance from the prior's mean to the nearest code that gives each want the threshold.

        Infinite where there is none: the wanted half-spaces do not meet. Solved as a least distance problem
        (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23).
        """
        if not self.names or threshold <= 0:
            return 0.0
        from scipy.optimize import nnls  # type: ignore[import-untyped]

        wanted = _SURE if threshold >= 1 else math.log(threshold / (1 - threshold))
        lengths = np.linalg.norm(self.slopes, axis=1)
        system = np.vstack([(self.slopes / lengths[:, None]).T, (wanted - self.offsets) / lengths])
        unit = np.zeros(self.rank + 1)
        unit[-1] = 1
        weights, _ = nnls(system, unit)
        residual = system @ weights - unit
        if np.linalg.norm(residual) < 1e-8:
            return math.inf
        return float(np.linalg.norm(residual[:-1]) / abs(residual[-1]))

    def check_reachable(self, threshold: float) -> None:
        """
        Raises:
            ModelError: no code at all gives each want the threshold.
        """
        # Linearly independent rows reach any logits, so only dependent ones can contradict each other.
        if np.linalg.matrix_rank(self.slopes) < len(self.names) and math.isinf(self.nearest(threshold)):
            wants = ", ".join(
                f"{n}={'yes' if s > 0 else 'no'}" for n, s in zip(self.names, self.signs, strict=True)
            )
            raise ModelError(
                f"{wants}: no code gives each at least {threshold:g}, since their hyperplanes face away from "
                "each other; lower accept or want less"
            )


def posterior(planes: Hyperplanes, target: Target, full: bool = False) -> Posterior:
    """The density of a target, in the span of its rows, or in all d coordinates.

    Raises:
        ModelError: an attribute that the model does not know, or whose weights are all zero.
    """
    rows, signs = target.rows(planes)
    basis = np.eye(planes.dim) if full else span_basis(planes.w[rows])
    return Posterior(
        tuple(planes.names[row] for row in rows),
        signs,
        basis,
        signs[:, None] * planes.w[rows] @ basis.T,
        signs * planes.b[rows],
    )


def curvature(slopes: Floats) -> float:
    """A bound on the energy's curvature, 1 + lambda_max(W W^T) / 4, for rows W (k, d) or their coordinates.

    The Hessian of U is I + sum_k p_k (1 - p_k) w_k w_k^T, and p (1 - p) is at most 1/4.
    """
    return 1 + float(np.linalg.eigvalsh(slopes @ slopes.T)[-1]) / 4 if len(slopes) else 1.0
