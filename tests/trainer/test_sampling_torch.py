"""Full chains in torch: the same law as NumPy's, on every device there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tests.trainer.posteriors import exact_marginal, pair_of, plain_chains, planes_of
from trainer.bench import sample
from trainer.samplers import torch_kernels
from trainer.sampling import SAMPLERS, Target, langevin, mala, path, schedule

DEVICES = [
    pytest.param(name, marks=pytest.mark.skipif(not there, reason=f"no {name} here"))
    for name, there in (
        ("cpu", True),
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    )
]
on_each_device = pytest.mark.parametrize("device", DEVICES)

TARGET = Target({"A": True, "B": False})


@on_each_device
def test_that_langevin_chains_follow_the_law_of_the_plain_chain(device):
    planes, plan = pair_of(3, 4, 0.4, dim=16), {"step_size": 0.2, "steps": 12}
    z = langevin(planes, TARGET, 4096, seed=1, full=True, kernels=torch_kernels.on(device), **plan)
    plain = plain_chains(planes, TARGET, 4096, seed=2, **plan)
    off = np.random.default_rng(0).normal(size=16)
    for w in [*planes.w[:2], planes.w[0] / 2 - planes.w[1], off]:
        assert stats.ks_2samp(z @ w, plain @ w).pvalue > 0.01
    assert stats.ks_2samp((z**2).sum(axis=1), (plain**2).sum(axis=1)).pvalue > 0.01


@on_each_device
@pytest.mark.parametrize("length", [1, 20])
def test_that_mala_reaches_the_exact_marginal(device, length):
    planes, target = planes_of(length, dim=8), Target({"A": True})
    plan = schedule(planes, target, sampler="mala", full=True)
    z = mala(
        planes,
        target,
        2048,
        step_size=plan.step_size,
        steps=plan.steps,
        seed=3,
        full=True,
        kernels=torch_kernels.on(device),
    )
    t = z.astype(np.float64) @ planes.normal("A")
    assert stats.kstest(t, exact_marginal(length, 0.0)[0]).pvalue > 0.01


@on_each_device
@pytest.mark.parametrize("name", ["langevin", "mala"])
def test_that_a_chain_does_not_depend_on_how_many_run_together(device, name):
    planes, plan = pair_of(3, 4, 0.4), {"step_size": 0.2, "steps": 20, "seed": 5, "full": True}
    kernels = torch_kernels.on(device)
    together = SAMPLERS[name](planes, TARGET, 600, kernels=kernels, **plan)
    for first, count in ((0, 1), (255, 2), (512, 88)):
        alone = SAMPLERS[name](planes, TARGET, count, first=first, kernels=kernels, **plan)
        assert np.array_equal(alone, together[first : first + count])
    at, states = path(planes, TARGET, 300, sampler=name, kernels=kernels, points=4, **plan)
    assert len(at) == 4 and np.array_equal(states[-1], together[300])
    assert len(np.unique(together[:, 0])) == 600


@on_each_device
def test_that_without_full_the_device_changes_nothing(device):
    planes, plan = pair_of(3, 4, 0.4), {"step_size": 0.2, "steps": 20, "seed": 5}
    here = langevin(planes, TARGET, 9, **plan)
    assert np.array_equal(langevin(planes, TARGET, 9, kernels=torch_kernels.on(device), **plan), here)


def test_that_the_cpu_keeps_to_numpy():
    assert torch_kernels.choose("cpu") is None


def test_that_the_benchmarks_baseline_runs_the_same_chain():
    planes, plan = pair_of(3, 4, 0.4, dim=16), {"step_size": 0.2, "steps": 12}
    theirs = sample.autograd_chain(planes, TARGET, 4096, **plan).numpy()
    ours = langevin(planes, TARGET, 4096, seed=7, **plan)
    for w in planes.w[:2]:
        assert stats.ks_2samp(theirs @ w, ours @ w).pvalue > 0.01


def test_that_the_benchmark_gives_both_figures(monkeypatch):
    monkeypatch.setattr(sample, "CHAINS", 32)
    monkeypatch.setattr(sample, "_STEPS", 2)
    before = torch.get_num_threads()
    exact, paper = sample.measure()
    assert exact.unit == paper.unit == "ms" and exact.value > 0 and paper.value > 0
    assert paper.ratio > 0 and torch.get_num_threads() == before
