"""How fast codes are drawn: exact draws, and the paper's chain against automatic differentiation."""

from __future__ import annotations

import statistics

import numpy as np
import torch
from torch.nn import functional

from trainer.bench.figures import Figure, alone, paired
from trainer.latent import Hyperplanes
from trainer.sampling import Target, exact, langevin, schedule

CHAINS, DIM = 1024, 256
_STEPS = 100  # of the baseline's chain; its cost a step does not change


def measure() -> list[Figure]:
    """Both figures on the CPU, with two torch threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return [_exact(), _paper()]
    finally:
        torch.set_num_threads(threads)


def _planes() -> Hyperplanes:
    """Two attributes and fake, |w| = 5."""
    w = np.random.default_rng(0).standard_normal((3, DIM))
    return Hyperplanes(
        ("Eyeglasses", "FacialHair", "fake"), 5 * w / np.linalg.norm(w, axis=1, keepdims=True), np.zeros(3)
    )


_TARGET = Target({"Eyeglasses": True, "FacialHair": False})


def _exact() -> Figure:
    planes = _planes()
    times = alone(lambda: exact(planes, _TARGET, CHAINS, seed=0), rounds=30, warmup=3)
    return Figure(
        f"exact, {CHAINS:,} codes of {DIM} dimensions, two attributes",
        1e3 * statistics.median(times),
        "ms",
        wanted="at most 50 ms",
    )


def _paper() -> Figure:
    planes = _planes()
    plan = schedule(planes, _TARGET, "paper")

    def ours() -> None:
        langevin(planes, _TARGET, CHAINS, step_size=plan.step_size, steps=plan.steps, seed=0)

    pair = paired(ours, lambda: autograd_chain(planes, _TARGET, CHAINS, plan.step_size, _STEPS), 5, 1)
    theirs = 1e3 * pair.theirs / _STEPS
    return Figure(
        f"langevin, one step of {CHAINS:,} chains of {DIM} dimensions, two attributes",
        1e3 * pair.ours / plan.steps,
        "ms",
        theirs,
        "a gradient by autograd in every dimension and step",
        pair.ratio * plan.steps / _STEPS,
        "25 times faster",
        f"ours over all {plan.steps:,} steps with its start and end; autograd over {_STEPS}",
    )


def autograd_chain(
    planes: Hyperplanes, target: Target, count: int, step_size: float, steps: int, seed: int = 0
) -> torch.Tensor:
    """The chain (count, d) as published code runs it: U from the classifier, its gradient by autograd."""
    rows, signs = target.rows(planes)
    generator = torch.Generator().manual_seed(seed)
    weights, biases = (torch.tensor(x[rows], dtype=torch.float32) for x in (planes.w, planes.b))
    labels = torch.tensor(signs > 0, dtype=torch.float32).expand(count, -1)
    z = torch.randn(count, planes.dim, generator=generator)
    for _ in range(steps):
        z.requires_grad_(True)
        logits = functional.linear(z, weights, biases)
        unlikely = functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        energy = unlikely + 0.5 * z.square().sum()
        (gradient,) = torch.autograd.grad(energy, z)
        noise = torch.randn(z.shape, generator=generator)
        z = z.detach() - step_size * gradient + (2 * step_size) ** 0.5 * noise
    return z
