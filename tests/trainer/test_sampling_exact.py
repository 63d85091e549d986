"""Exact draws against sums on a grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.trainer.posteriors import exact_marginal, pair_marginals, pair_of, planes_of
from trainer.errors import Cancelled, ConfigError
from trainer.latent import Hyperplanes
from trainer.samplers.exact import note, proposal
from trainer.sampling import TILE, Target, exact
from trainer.targets import posterior

YES = Target({"A": True})


def p_values(planes, target, marginals, seeds=20, count=8192):
    """Kolmogorov-Smirnov's p for each seed and wanted attribute, (seeds, k)."""
    found = []
    for seed in range(seeds):
        z = exact(planes, target, count, seed=seed).astype(np.float64)
        names = sorted(target.wants)
        found.append(
            [stats.kstest(z @ planes.normal(n), f).pvalue for n, f in zip(names, marginals, strict=True)]
        )
    return np.array(found)


@pytest.mark.parametrize(
    ("length", "bias", "wanted"),
    [(1, 0.0, True), (2, -1.0, True), (5, 1.0, False), (10, 0.0, True), (20, 3.0, True)],
)
def test_that_draws_have_the_exact_marginal(length, bias, wanted):
    marginal, _ = exact_marginal(length, bias, 1.0 if wanted else -1.0)
    p = p_values(planes_of(length, bias=bias), Target({"A": wanted}), [marginal])
    assert (p > 0.01).sum() >= 18


@pytest.mark.parametrize(("first", "second", "cosine"), [(3, 6, 0.6), (20, 1, -0.4)])
def test_that_two_attributes_have_the_exact_marginals(first, second, cosine):
    planes = pair_of(first, second, cosine, biases=(0.5, -1.0))
    marginals = pair_marginals(first, second, cosine, (0.5, -1.0), (1.0, -1.0))
    p = p_values(planes, Target({"A": True, "B": False}), marginals)
    assert ((p > 0.01).sum(axis=0) >= 18).all()


@pytest.mark.parametrize(("length", "bias"), [(4, -24.0), (20, -100.0)])
def test_that_draws_stay_exact_where_the_prior_hits_the_target_too_rarely(length, bias):
    planes = planes_of(length, bias=bias)
    plan = proposal(posterior(planes, YES))
    assert plan.p_y < 1e-5 and plan.shifted and not plan.hopeless
    p = p_values(planes, YES, [exact_marginal(length, bias)[0]])
    assert (p > 0.01).sum() >= 18
    assert "mode" in note(planes, YES) and "exact" in note(planes, YES)


def many_far_planes():
    """Eight orthogonal attributes whose hyperplanes each lie 3 away on the wrong side."""
    frame = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))[0]
    return Hyperplanes((*"ABCDEFGH", "fake"), 20 * frame[:9], np.full(9, -60.0))


def test_that_mala_stands_in_and_is_named_where_rejection_is_hopeless():
    planes, target = many_far_planes(), Target(dict.fromkeys("ABCDEFGH", True))
    assert proposal(posterior(planes, target)).hopeless
    assert "MALA" in note(planes, target)
    z = exact(planes, target, 1024, seed=0).astype(np.float64)
    marginal, _ = exact_marginal(20, -60.0)  # orthogonal, hence independent
    assert all(stats.kstest(z @ planes.normal(name), marginal).pvalue > 1e-3 for name in "ABCDEFGH")


def test_that_the_envelope_lies_above_the_density():
    planes, target = pair_of(8, 5, 0.5, biases=(-20.0, 12.0)), Target({"A": True, "B": False})
    law = posterior(planes, target)
    plan = proposal(law)
    t = np.random.default_rng(0).normal(size=(5000, 2)) * 4 + law.mode()
    chance = plan.log_chance(law, t)
    assert plan.shifted and (chance <= 1e-12).all()
    # Proposal density times chance is the density, up to one factor for all t.
    factor = -0.5 * ((t - plan.centre) ** 2).sum(axis=1) + chance + law.energy(t)
    assert np.ptp(factor) < 1e-8


def test_that_the_estimated_acceptance_is_the_true_one():
    for length, bias in ((3, -2.0), (5, -40.0)):
        plan = proposal(posterior(planes_of(length, bias=bias), YES))
        t = np.linspace(-12, 20, 100_001)
        p_y = float((stats.norm.pdf(t) / (1 + np.exp(-(length * t + bias)))).sum() * (t[1] - t[0]))
        assert plan.p_y == pytest.approx(p_y, rel=0.05)


def test_that_off_the_span_draws_are_the_prior():
    planes = pair_of(5, 3, 0.2, dim=12)
    z = exact(planes, Target({"A": True, "B": False}), 2048, seed=3).astype(np.float64)
    off = np.linalg.qr(np.vstack([planes.w[:2], np.eye(12)]).T)[0][:, 2:]
    rest = z @ off
    assert stats.kstest(rest.ravel(), "norm").pvalue > 0.01
    correlation = np.corrcoef(np.column_stack([rest, z @ planes.w[0]]).T)[-1, :-1]
    assert np.abs(correlation).max() < 4 / np.sqrt(2048)


def test_that_no_want_is_the_prior():
    z = exact(planes_of(3, dim=16), Target(), 1024, seed=0)
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01


def test_that_a_draw_does_not_depend_on_how_many_are_drawn():
    planes, target = pair_of(5, 3, 0.2), Target({"A": True, "B": True})
    together = exact(planes, target, 600, seed=5)
    for first, count in ((0, 1), (255, 2), (300, 77), (512, 88)):
        assert np.array_equal(exact(planes, target, count, seed=5, first=first), together[first:][:count])
    assert len(np.unique(together[:, 0])) == 600
    assert not np.isin(exact(planes, target, 4, seed=6), together).any()


def test_that_steps_change_nothing():
    planes = planes_of(3)
    assert np.array_equal(
        exact(planes, YES, 5, seed=1, step_size=0.1, steps=7, full=True), exact(planes, YES, 5, seed=1)
    )


def test_that_progress_is_told_and_drawing_stops_when_asked():
    told = []
    exact(planes_of(3), YES, 3 * TILE, seed=0, progress=lambda *p: told.append(p))
    assert told == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled):
        exact(planes_of(3), YES, 1, seed=0, cancelled=lambda: True)


def test_that_a_seed_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="seed = -1"):
        exact(planes_of(3), YES, 1, seed=-1)
