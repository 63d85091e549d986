"""Chains that converge: Metropolis-adjusted ones, and Langevin's with the converged recipe."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.trainer.posteriors import exact_marginal, pair_marginals, pair_of, planes_of
from trainer.errors import ConfigError
from trainer.samplers.exact import span_draws
from trainer.samplers.kernels import TILE, Noise, mala_steps
from trainer.sampling import SAMPLERS, Schedule, Target, mala, schedule
from trainer.targets import posterior

YES = Target({"A": True})
SHORT = {"step_size": 0.3, "steps": 30, "seed": 11}


@pytest.mark.parametrize("sampler", ["langevin", "mala"])
@pytest.mark.parametrize(("length", "bias", "wanted"), [(1, 0.0, True), (6, 3.0, False), (20, 0.0, True)])
def test_that_converged_chains_reach_the_exact_marginal(sampler, length, bias, wanted):
    planes, target = planes_of(length, bias=bias), Target({"A": wanted})
    plan = schedule(planes, target, sampler=sampler)
    z = SAMPLERS[sampler](planes, target, 8192, step_size=plan.step_size, steps=plan.steps, seed=3)
    marginal, _ = exact_marginal(length, bias, 1.0 if wanted else -1.0)
    assert stats.kstest(z.astype(np.float64) @ planes.normal("A"), marginal).statistic <= 0.02


@pytest.mark.parametrize("sampler", ["langevin", "mala"])
def test_that_converged_chains_reach_both_marginals_of_two_attributes(sampler):
    planes, target = pair_of(4, 7, 0.6, biases=(0.5, -1.0)), Target({"A": True, "B": False})
    plan = schedule(planes, target, sampler=sampler)
    z = SAMPLERS[sampler](planes, target, 8192, step_size=plan.step_size, steps=plan.steps, seed=3)
    marginals = pair_marginals(4, 7, 0.6, (0.5, -1.0), (1.0, -1.0))
    for name, marginal in zip("AB", marginals, strict=True):
        assert stats.kstest(z.astype(np.float64) @ planes.normal(name), marginal).statistic <= 0.02


@pytest.mark.parametrize("alpha", [0.1, 0.6, 1.0])
def test_that_an_adjusted_step_leaves_the_density_as_it_is(alpha):
    planes, target = pair_of(20, 6, -0.5, biases=(-5.0, 2.0)), Target({"A": True, "B": True})
    law = posterior(planes, target)
    before = span_draws(law, 16 * TILE, seed=1)
    t = before.reshape(16, TILE, 2).transpose(0, 2, 1).copy()
    *_, (done, accepted) = mala_steps(t, law, alpha, 5, [Noise(2, tile) for tile in range(16)])
    after = t.transpose(0, 2, 1).reshape(-1, 2)
    assert done == 5 and 0.05 < accepted < 1
    fresh = span_draws(law, 16 * TILE, seed=3)
    for unit in (*law.directions, np.array([0.6, 0.8])):
        assert stats.ks_2samp(after @ unit, fresh @ unit).pvalue > 0.01
    assert (after != before).any(axis=1).mean() > accepted


def test_that_adjustment_matters_at_this_step():
    planes = planes_of(2)
    plan = {"step_size": 1.0, "steps": 100, "seed": 0}
    marginal, _ = exact_marginal(2, 0.0)
    found = {
        name: stats.kstest(
            SAMPLERS[name](planes, YES, 4096, **plan).astype(np.float64) @ planes.normal("A"), marginal
        ).statistic
        for name in ("langevin", "mala")
    }
    assert found["mala"] < 0.03 < 0.1 < found["langevin"]


@pytest.mark.parametrize(("length", "bias"), [(1, 0.0), (5, -10.0), (20, 0.0), (20, -60.0)])
def test_that_the_tuned_step_is_accepted_often_but_not_always(length, bias):
    planes = planes_of(length, bias=bias)
    plan = schedule(planes, YES, sampler="mala")
    assert 0.5 < plan.acceptance < 0.99
    law, t = posterior(planes, YES), span_draws(posterior(planes, YES), TILE, seed=0).T[None].copy()
    *_, (_, accepted) = mala_steps(t, law, plan.step_size, 100, [Noise(9, 0)])
    assert accepted == pytest.approx(plan.acceptance, abs=0.05)
    assert plan == schedule(planes, YES, sampler="mala")


def test_that_a_chosen_step_is_not_tuned():
    planes = planes_of(3)
    assert schedule(planes, YES, step_size=0.01, sampler="mala") == Schedule(0.01, 4000)
    assert schedule(planes, YES, step_size=0.01, steps=3, sampler="mala") == Schedule(0.01, 3)
    tuned = schedule(planes, YES, sampler="mala")
    assert schedule(planes, YES, steps=3, sampler="mala") == Schedule(tuned.step_size, 3)
    with pytest.raises(ConfigError, match="step_size = 2"):
        schedule(planes, YES, step_size=2.0, sampler="mala")


def test_that_full_chains_reach_the_density_too():
    planes = planes_of(6, dim=12)
    plan = schedule(planes, YES, sampler="mala", full=True)
    assert 0.5 < plan.acceptance < 0.99
    z = mala(planes, YES, 2048, step_size=plan.step_size, steps=plan.steps, seed=1, full=True)
    t = z.astype(np.float64) @ planes.normal("A")
    assert stats.kstest(t, exact_marginal(6, 0.0)[0]).pvalue > 0.01
    rest = z - np.outer(t, planes.normal("A"))
    assert (rest**2).sum() / 2048 == pytest.approx(11, rel=0.03)


@pytest.mark.parametrize("full", [False, True])
def test_that_a_chain_does_not_depend_on_how_many_run_together(full):
    planes, target = pair_of(5, 3, 0.2), Target({"A": True, "B": True})
    together = mala(planes, target, 600, full=full, **SHORT)
    for first, count in ((0, 1), (255, 2), (300, 77), (512, 88)):
        alone = mala(planes, target, count, first=first, full=full, **SHORT)
        assert np.array_equal(alone, together[first : first + count])


def test_that_no_want_is_the_prior():
    plan = schedule(planes_of(3), Target(), sampler="mala")
    z = mala(planes_of(3, dim=16), Target(), 512, step_size=plan.step_size, steps=plan.steps, seed=0)
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
