"""What p(z|y) looks like along each wanted attribute's normal: ground truth for every sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trainer.latent import Floats, span_basis
from trainer.samplers.exact import span_draws
from trainer.targets import Posterior

_REACH = 8.0  # half-width of the grids around the mode, in standard deviations of the prior
_NODES = 2**24  # of one quadrature, at most
_DRAWS = 2**16  # where the span is too wide for quadrature
_SEED = 2**63


@dataclass(frozen=True, eq=False)
class Marginal:
    """The law of t = z . w/|w| under p(z|y), on a grid.

    Attributes:
        x: (n,) values of t, rising.
        density: (n,).
        cumulative: (n,) P(t <= x), from 0 to 1.
        draws: 0 where it was integrated; else how many exact draws stand for it.
    """

    x: Floats
    density: Floats
    cumulative: Floats
    draws: int = 0

    def distribution(self, t: ArrayLike) -> Floats:
        """P(T <= t)."""
        return np.interp(np.asarray(t, dtype=np.float64), self.x, self.cumulative, left=0.0, right=1.0)

    def quantile(self, share: ArrayLike) -> Floats:
        """The t that this share does not exceed."""
        return np.interp(np.asarray(share, dtype=np.float64), self.cumulative, self.x)

    @property
    def mean(self) -> float:
        """The mean of t."""
        steps, middles = np.diff(self.cumulative), (self.x[1:] + self.x[:-1]) / 2
        return float((steps * middles).sum() / steps.sum())


def marginals(
    law: Posterior, cancelled: Callable[[], bool] | None = None, nodes: int = _NODES
) -> tuple[Marginal, ...] | None:
    """The marginal along each wanted normal, in the posterior's order; None where there is no way to know.

    The density is N(t; 0, 1) E[prod_k sigmoid(m_k) | t] / Z. With one or two coordinates in the span the
    expectation is a trapezoidal sum over the other one. The integrands are smooth and vanish at both ends,
    where that rule's error falls exponentially as its spacing shrinks below the 1/|w| on which a sigmoid
    turns. log p(z|y) is concave with curvature 1 or more, so p(z|y) lies within some 8 standard deviations of
    its mode. A wider span, or one too steep for `nodes` nodes, is represented by 65,536 exact draws, which
    leave an error of about 0.003 in the distribution function.

    Raises:
        Cancelled: `cancelled` said so.
    """
    if not law.names:
        return ()
    steep = float(np.linalg.norm(law.slopes, axis=1).max())
    fine, coarse = min(0.01, 0.1 / steep), min(0.1, 1 / steep)
    cost = 2 * _REACH / fine * (2 * _REACH / coarse) ** (law.rank - 1)
    if law.rank <= 2 and cost <= nodes:
        mode = law.mode()
        return tuple(_integrated(law, unit, mode, fine, coarse) for unit in law.directions)
    t = span_draws(law, _DRAWS, _SEED, cancelled)
    return None if t is None else tuple(_counted(t @ unit) for unit in law.directions)


def _integrated(law: Posterior, unit: Floats, mode: Floats, fine: float, coarse: float) -> Marginal:
    """Along `unit` (r,), over the one coordinate beside it or none."""
    frame = span_basis(np.vstack([unit, np.eye(law.rank)]))  # first axis along `unit`
    centre = frame @ mode
    x = centre[0] + np.arange(-_REACH, _REACH + fine / 2, fine)
    across = np.arange(-_REACH, _REACH + coarse / 2, coarse)[:, None] + centre[None, 1:]
    others = across if law.rank > 1 else np.zeros((1, 0))
    density = np.zeros_like(x)
    lowest = float(law.energy(mode[None])[0])
    for rest in others:
        points = np.column_stack([x, np.broadcast_to(rest, (len(x), law.rank - 1))])
        density += np.exp(lowest - law.energy(points @ frame))
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return Marginal(x, density / (cumulative[-1] * fine), cumulative / cumulative[-1])


def _counted(t: Floats) -> Marginal:
    """From draws (n,)."""
    ordered = np.sort(t)
    shares = np.linspace(0, 1, 513)
    x = np.interp(shares, np.linspace(0, 1, len(ordered)), ordered)
    edges = np.linspace(x[0], x[-1], 129)
    heights = np.histogram(t, edges, density=True)[0]
    return Marginal(x, np.interp(x, (edges[1:] + edges[:-1]) / 2, heights), shares, len(t))
