"""Exact marginals, statistics of chains, and the verdict on a sampler."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.trainer.posteriors import exact_marginal, pair_marginals, pair_of, planes_of
from trainer.convergence import effective_size, ks_distance, r_hat
from trainer.diagnostics import BINS, watch
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.latent import Hyperplanes
from trainer.marginals import marginals
from trainer.sampling import Target, exact, langevin, schedule
from trainer.targets import posterior

YES = Target({"A": True})
X = np.linspace(-6, 6, 241)


@pytest.mark.parametrize(
    ("length", "bias", "sign"), [(1, 0.0, 1), (20, -2.0, 1), (7, 3.0, -1), (100, 0.0, 1)]
)
def test_that_one_attribute_has_the_marginal_of_its_formula(length, bias, sign):
    (found,) = marginals(posterior(planes_of(length, bias=bias), Target({"A": sign > 0})))
    distribution, mean = exact_marginal(length, bias, sign)
    np.testing.assert_allclose(found.distribution(X), distribution(X), atol=1e-3)
    assert found.mean == pytest.approx(mean, abs=1e-3)
    assert found.draws == 0
    assert float(found.density @ np.gradient(found.x)) == pytest.approx(1, abs=1e-3)
    assert found.distribution(found.quantile(0.3)) == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("cosine", [0.0, 0.7, -1.0])
def test_that_two_attributes_have_the_marginals_of_a_plane_of_sums(cosine):
    planes = pair_of(3, 8, cosine, biases=(0.5, -1.0))
    found = marginals(posterior(planes, Target({"A": True, "B": False})))
    for marginal, distribution in zip(
        found, pair_marginals(3, 8, cosine, (0.5, -1.0), (1.0, -1.0)), strict=True
    ):
        np.testing.assert_allclose(marginal.distribution(X), distribution(X), atol=2e-3)


def test_that_a_marginal_far_out_is_found():
    (found,) = marginals(posterior(planes_of(10, bias=-90.0), YES))
    distribution, mean = exact_marginal(10, -90.0)
    np.testing.assert_allclose(found.distribution(X + 9), distribution(X + 9), atol=1e-3)
    assert found.mean == pytest.approx(mean, abs=1e-3) and mean > 8


def orthogonal_planes(count, length, bias=0.0):
    frame = np.linalg.qr(np.random.default_rng(1).normal(size=(count + 2, count + 2)))[0][: count + 1]
    return Hyperplanes((*"ABCDEFGH"[:count], "fake"), length * frame, np.full(count + 1, bias))


def test_that_many_attributes_are_represented_by_exact_draws():
    planes = orthogonal_planes(4, 5, bias=1.0)
    found = marginals(posterior(planes, Target(dict.fromkeys("ABCD", True))))
    distribution, _ = exact_marginal(5, 1.0)  # orthogonal, hence independent
    for marginal in found:
        assert marginal.draws > 0
        np.testing.assert_allclose(marginal.distribution(X), distribution(X), atol=0.008)
        widths = np.gradient(marginal.x)
        assert float(marginal.density @ widths) == pytest.approx(1, abs=0.05)


def test_that_no_marginal_is_made_up_where_exact_draws_are_hopeless():
    planes = orthogonal_planes(8, 20, bias=-60.0)
    assert marginals(posterior(planes, Target(dict.fromkeys("ABCDEFGH", True)))) is None
    assert marginals(posterior(planes, Target())) == ()


def test_that_the_distance_is_kolmogorovs_and_smirnovs():
    t = np.random.default_rng(0).normal(0.2, size=500)
    assert ks_distance(t, stats.norm.cdf) == pytest.approx(stats.kstest(t, "norm").statistic)


def chains(rho, n=400, m=16, seed=0):
    """Stationary AR(1) chains (n, m) of variance 1."""
    rng = np.random.default_rng(seed)
    x = np.empty((n, m))
    x[0] = rng.normal(size=m)
    for i in range(1, n):
        x[i] = rho * x[i - 1] + math.sqrt(1 - rho**2) * rng.normal(size=m)
    return x


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.5, 0.9])
def test_that_effective_size_is_that_of_an_autoregression(rho):
    found = np.mean([effective_size(chains(rho, seed=seed)) for seed in range(6)])
    assert found == pytest.approx(400 * 16 * (1 - rho) / (1 + rho), rel=0.15)


def test_that_r_hat_tells_chains_that_disagree():
    x = chains(0.3)
    assert r_hat(x) == pytest.approx(1, abs=0.01)
    moved = x.copy()
    moved[:, :8] += 1
    assert r_hat(moved) > 1.1
    wider = x.copy()
    wider[:, :8] *= 3  # same place, other spread
    assert r_hat(wider) > 1.1
    drifting = x + np.linspace(0, 3, 400)[:, None]
    assert r_hat(drifting) > 1.2  # halves of chains are compared


def test_that_statistics_of_too_little_or_of_nothing_are_not_numbers():
    for traces in (np.zeros((3, 4)), np.zeros((0, 4)), np.ones((50, 4))):
        assert math.isnan(r_hat(traces)) and math.isnan(effective_size(traces))


def last(*args, **kwargs):
    *_, snapshot = watch(*args, **kwargs)
    return snapshot


def test_that_the_papers_schedule_is_called_not_converged():
    planes = planes_of(1)
    plan = schedule(planes, YES, "paper")
    seen = list(watch(planes, YES, sampler="langevin", step_size=plan.step_size, steps=plan.steps, seed=0))
    assert [s.converged for s in seen[:-1]] == [None] * (len(seen) - 1) and 10 <= len(seen) <= 30
    end = seen[-1]
    assert end.converged is False and "A" in end.verdict and end.chains == 8192
    assert 0.03 < end.directions[0].ks < 0.1
    assert end.directions[0].r_hat > 1.5  # half a unit of diffusion time


@pytest.mark.parametrize("sampler", ["exact", "langevin", "mala"])
@pytest.mark.parametrize("target", [YES, Target({"A": False, "B": True})])
def test_that_converged_samplers_are_called_converged(sampler, target):
    planes = pair_of(2, 3, 0.5, dim=64)
    end = last(planes, target, sampler=sampler, seed=1)
    assert end.converged is True
    assert [d.name for d in end.directions] == sorted(target.wants)
    assert [d.wanted for d in end.directions] == [target.wants[n] for n in sorted(target.wants)]
    assert all(d.ks <= 0.02 and d.r_hat < 1.3 and 100 < d.ess <= 1.3 * d.kept for d in end.directions)
    assert end.energy[-1] == pytest.approx(end.energy_exact, abs=1.0)
    assert end.radius == pytest.approx(8, abs=0.2) and end.radius_prior == 8
    assert (end.acceptance is not None) == (sampler == "mala")


def test_that_exact_draws_count_in_full():
    (direction,) = last(planes_of(3), YES, sampler="exact", seed=1).directions
    assert direction.r_hat == pytest.approx(1, abs=0.01)
    assert direction.ess == pytest.approx(direction.kept, rel=0.1) and direction.kept == 8192


def test_that_the_chains_looked_at_are_the_samplers_own():
    planes, plan = planes_of(3, dim=9), {"step_size": 0.05, "steps": 30, "seed": 5}
    end = last(planes, YES, sampler="langevin", chains=512, **plan)
    z = langevin(planes, YES, 512, **plan).astype(np.float64)
    t, direction = z @ planes.normal("A"), end.directions[0]
    expected = np.histogram(t, direction.edges)[0] / (512 * np.diff(direction.edges))
    np.testing.assert_allclose(direction.histogram, expected, atol=0.02)
    assert direction.ks == pytest.approx(ks_distance(t, direction.marginal.distribution), abs=1e-5)
    assert end.radius == pytest.approx(np.linalg.norm(z, axis=1).mean(), rel=1e-5)
    energy = -np.log(planes.probabilities(z)[:, 0]) + 0.5 * (z**2).sum(axis=1)
    assert end.energy[-1] == pytest.approx(energy.mean(), rel=1e-5)
    assert direction.edges.shape == (BINS + 1,)


def test_that_energy_falls_from_the_priors_and_the_trace_keeps_every_step():
    end = last(planes_of(20, dim=4), YES, sampler="langevin", step_size=0.001, steps=100, seed=0, chains=512)
    assert np.array_equal(end.trace, np.arange(1, 101))
    assert end.energy[0] > end.energy[-1] + 1


def test_that_mala_is_looked_at_where_exact_draws_are_hopeless():
    planes, target = orthogonal_planes(8, 20, bias=-60.0), Target(dict.fromkeys("ABCDEFGH", True))
    end = last(planes, target, sampler="exact", seed=0, chains=256)
    assert end.sampler == "mala" and 0.5 < end.acceptance < 0.99
    assert end.converged is None and "no exact marginal" in end.verdict
    assert all(math.isnan(d.ks) and d.marginal is None for d in end.directions) and end.energy_exact is None


def test_that_the_prior_needs_no_verdict():
    end = last(planes_of(3), Target(), sampler="langevin", step_size=0.1, steps=5, seed=0, chains=256)
    assert end.converged is True and end.directions == () and "prior" in end.verdict


def test_that_progress_is_told_and_watching_stops_when_asked():
    told = []
    plan = {"sampler": "mala", "step_size": 0.3, "steps": 20, "seed": 0, "chains": 256}
    list(watch(planes_of(3), YES, progress=lambda *p: told.append(p), **plan))
    assert told == [(i, 20) for i in range(1, 21)]
    for sampler in ("exact", "mala"):
        with pytest.raises(Cancelled):
            list(watch(planes_of(3), YES, **(plan | {"sampler": sampler}), cancelled=lambda: True))


@pytest.mark.parametrize("wrong", [{"sampler": "gibbs"}, {"chains": 100}, {"step_size": 3.0}])
def test_that_settings_without_sense_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        last(planes_of(3), YES, **({"sampler": "langevin", "seed": 0} | wrong))
    with pytest.raises(ModelError, match="Hat"):
        last(planes_of(3), Target({"Hat": True}), sampler="langevin", seed=0)


def test_that_the_gallery_is_part_of_what_exact_diagnostics_look_at():
    planes = planes_of(3, dim=5)
    end = last(planes, YES, sampler="exact", seed=2, chains=256)
    t = exact(planes, YES, 256, seed=2).astype(np.float64) @ planes.normal("A")
    assert end.directions[0].ks == pytest.approx(ks_distance(t, end.directions[0].marginal.distribution))
