"""Small posteriors with references of their own: sums on a grid, and chains as the equation says."""

from __future__ import annotations

import numpy as np

from trainer.latent import Hyperplanes


def planes_of(length, dim=3, bias=0.0):
    """One attribute A with a weight row of the given length, and fake."""
    rng = np.random.default_rng(int(length * 10))
    w = rng.normal(size=(2, dim))
    return Hyperplanes(("A", "fake"), w / np.linalg.norm(w, axis=1)[:, None] * length, np.array([bias, 0.0]))


def pair_of(first, second, cosine, dim=4, biases=(0.0, 0.0)):
    """Attributes A and B with weight rows of given lengths and angle, and fake."""
    frame = np.linalg.qr(np.random.default_rng(7).normal(size=(dim, dim)))[0]
    w = np.stack(
        [first * frame[0], second * (cosine * frame[0] + np.sqrt(1 - cosine**2) * frame[1]), frame[2]]
    )
    return Hyperplanes(("A", "B", "fake"), w, np.array([*biases, 0.0]))


def exact_marginal(length, bias, sign=1.0):
    """Distribution function of t = z.w/|w| under N(t; 0, 1) sigmoid(sign (|w| t + b)) / Z, and its mean."""
    t = np.linspace(-12, 12, 80_001)
    logs = -(t**2) / 2 - np.logaddexp(0, -sign * (length * t + bias))
    density = np.exp(logs - logs.max())
    total = np.cumsum(density)
    return (lambda x: np.interp(x, t, total / total[-1])), float((t * density).sum() / density.sum())


def pair_marginals(first, second, cosine, biases, signs):
    """Distribution functions along A's and B's normals, by a sum over a plane of points."""
    x = np.linspace(-8, 8, 1601)
    along, across = np.meshgrid(x, x, indexing="ij")
    found = []
    for own, other, bias, far, sign, opposite in (
        (first, second, biases[0], biases[1], signs[0], signs[1]),
        (second, first, biases[1], biases[0], signs[1], signs[0]),
    ):
        beside = other * (cosine * along + np.sqrt(1 - cosine**2) * across) + far
        logs = -(along**2 + across**2) / 2 - np.logaddexp(0, -sign * (own * along + bias))
        total = np.cumsum(np.exp(logs - np.logaddexp(0, -opposite * beside)).sum(axis=1))
        found.append(lambda t, total=total: np.interp(t, x + 0.005, total / total[-1]))
    return found


def plain_chains(planes, target, count, step_size, steps, seed):
    """The unadjusted chain, by the gradient of each term."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, planes.dim))
    for _ in range(steps):
        gradient = z.copy()
        for name, wanted in target.wants.items():
            k, s = planes.index(name), 1 if wanted else -1
            p = 1 / (1 + np.exp(s * (z @ planes.w[k] + planes.b[k])))
            gradient -= s * p[:, None] * planes.w[k]
        z = z - step_size * gradient + np.sqrt(2 * step_size) * rng.normal(size=z.shape)
    return z
