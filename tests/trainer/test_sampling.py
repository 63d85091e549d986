"""Langevin chains against plain references and exact marginals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.trainer.posteriors import exact_marginal, plain_chains, planes_of
from trainer import sampling
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.latent import Hyperplanes
from trainer.sampling import Schedule, Target, langevin, parse_wants, schedule

SHORT = {"step_size": 0.05, "steps": 40, "seed": 11}


@pytest.fixture
def planes():
    rng = np.random.default_rng(5)
    return Hyperplanes(("A", "B", "C", "fake"), rng.normal(size=(4, 32)) * 0.5, np.array([0.5, -1, 0, 0.2]))


@pytest.mark.parametrize("full", [False, True])
def test_that_chains_follow_the_law_of_the_plain_chain(planes, full):
    target, plan = Target({"A": True, "B": False}), {"step_size": 0.2, "steps": 12}
    z = langevin(planes, target, 4096, seed=1, full=full, **plan).astype(np.float64)
    plain = plain_chains(planes, target, 4096, seed=2, **plan)
    off = np.random.default_rng(0).normal(size=planes.dim)
    for w in [*planes.w[:3], off]:
        assert stats.ks_2samp(z @ w, plain @ w).pvalue > 0.01
    joint = [c @ (planes.w[0] / 2 - planes.w[1]) for c in (z, plain)]
    assert stats.ks_2samp(*joint).pvalue > 0.01
    assert stats.ks_2samp((z**2).sum(axis=1), (plain**2).sum(axis=1)).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.05, 1.0, 1.8])
def test_that_the_rest_has_the_variance_of_its_recursion(planes, alpha):
    target, steps, v = Target({"A": True}), 3, 1.0
    for _ in range(steps):
        v = (1 - alpha) ** 2 * v + 2 * alpha
    z = langevin(planes, target, 4096, step_size=alpha, steps=steps, seed=0).astype(np.float64)
    u = planes.normal("A")
    rest = z - np.outer(z @ u, u)
    assert (rest**2).sum() / (4096 * (planes.dim - 1)) == pytest.approx(v, rel=0.02)


def test_that_the_paper_recipe_stops_short_of_the_posterior():
    planes, target = planes_of(1), Target({"A": True})
    plan = schedule(planes, target, "paper")
    assert plan == Schedule(2e-4, 5000)
    z = langevin(planes, target, 4096, step_size=plan.step_size, steps=plan.steps, seed=4)
    _, exact = exact_marginal(1, 0.0)
    assert exact == pytest.approx(0.41, abs=0.01)
    assert float((z @ planes.normal("A")).mean()) == pytest.approx(0.28, abs=0.045)


def test_that_the_converged_step_shrinks_with_the_curvature():
    slow = schedule(planes_of(20), Target({"A": True}))
    assert slow.step_size == pytest.approx(0.05 / 101)
    assert slow.steps == pytest.approx(10 / slow.step_size, abs=1)
    assert schedule(planes_of(20), Target()) == Schedule(0.05, 200)


def test_that_a_chosen_step_size_keeps_the_diffusion_time(planes):
    assert schedule(planes, Target(), "paper", step_size=0.05) == Schedule(0.05, 20)
    assert schedule(planes, Target(), "paper", steps=7) == Schedule(2e-4, 7)
    assert schedule(planes, Target(), "paper", 0.1, 3) == Schedule(0.1, 3)


def test_that_no_want_is_the_prior(planes):
    z = langevin(planes, Target(), 2000, step_size=1e-3, steps=2000, seed=0)
    assert stats.kstest(z.ravel()[::7], "norm").pvalue > 0.01


@pytest.mark.parametrize("full", [False, True])
def test_that_a_chain_does_not_depend_on_how_many_run_together(planes, full):
    target = Target({"A": True, "C": False})
    together = langevin(planes, target, 600, full=full, **SHORT)
    for first, count in ((0, 1), (255, 2), (300, 77), (512, 88)):
        alone = langevin(planes, target, count, first=first, full=full, **SHORT)
        assert np.array_equal(alone, together[first : first + count])


def test_that_seeds_and_tiles_give_different_chains(planes):
    z = langevin(planes, Target({"A": True}), 2 * sampling.TILE, **SHORT)
    other = langevin(planes, Target({"A": True}), 4, **(SHORT | {"seed": 12}))
    assert len(np.unique(z[:, 0])) == len(z)
    assert not np.isin(other, z).any()


def test_that_the_order_of_wants_changes_nothing(planes):
    one = langevin(planes, Target({"A": True, "C": False}), 8, **SHORT)
    two = langevin(planes, Target({"C": False, "A": True}), 8, **SHORT)
    assert np.array_equal(one, two)


def test_that_dependent_weight_rows_are_sampled_too():
    w = np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 0, 1.0]])
    planes, target = Hyperplanes(("A", "twin", "fake"), w, np.zeros(3)), Target({"A": True, "twin": True})
    z = langevin(planes, target, 2048, step_size=0.05, steps=100, seed=0)
    plain = plain_chains(planes, target, 2048, 0.05, 100, seed=1)
    assert stats.ks_2samp(z[:, 0], plain[:, 0]).pvalue > 0.01
    assert np.isfinite(z).all()


def test_that_codes_are_float32_and_none_are_none(planes):
    assert langevin(planes, Target(), 3, **SHORT).dtype == np.float32
    assert langevin(planes, Target(), 0, **SHORT).shape == (0, planes.dim)


def test_that_progress_rises_to_its_total(planes):
    told = []
    langevin(
        planes,
        Target({"A": True}),
        300,
        step_size=0.01,
        steps=600,
        seed=0,
        progress=lambda *p: told.append(p),
    )
    done = [d for d, _ in told]
    assert done == sorted(set(done))
    assert told[-1] == (1200, 1200)
    assert len(told) > 2


def test_that_sampling_stops_when_asked(planes):
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) == 2

    with pytest.raises(Cancelled):
        langevin(planes, Target({"A": True}), 4, step_size=0.01, steps=10**9, seed=0, cancelled=cancelled)


@pytest.mark.parametrize(
    "wrong", [{"step_size": 0.0}, {"step_size": 2.0}, {"step_size": float("nan")}, {"steps": 0}, {"seed": -1}]
)
def test_that_settings_without_sense_are_refused_by_name(planes, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        langevin(planes, Target(), 1, **(SHORT | wrong))


def test_that_wants_are_parsed(planes):
    assert parse_wants(["A=yes", "B=NO", "C=any", "fake=no"], planes) == Target(
        {"A": True, "B": False, "fake": False}
    )
    assert parse_wants([], planes) == Target()
    assert parse_wants(["A=yes", "A=yes"], planes) == Target({"A": True})


@pytest.mark.parametrize(
    "texts", [["D=yes"], ["A=maybe"], ["A"], ["=yes"], ["A=yes", "A=no"], ["A=any", "A=no"]]
)
def test_that_wants_without_sense_are_refused(planes, texts):
    with pytest.raises(ModelError, match=r"'D'|A|=yes"):
        parse_wants(texts, planes)


def test_that_fake_is_no_target_for_a_model_that_never_saw_one(planes):
    vac = Hyperplanes(planes.names, planes.w, planes.b, knows_fake=False)
    with pytest.raises(ModelError, match="fake"):
        parse_wants(["fake=no"], vac)
    with pytest.raises(ModelError, match="fake"):
        langevin(vac, Target({"fake": False}), 1, **SHORT)
