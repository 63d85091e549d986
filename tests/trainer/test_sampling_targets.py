"""Densities in the span: where they are highest, and what cannot be wanted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.trainer.posteriors import pair_of, planes_of
from trainer.errors import ModelError
from trainer.latent import Hyperplanes
from trainer.sampling import SAMPLERS, Target, generate, schedule
from trainer.targets import curvature, posterior

BOTH = Target({"A": True, "B": True})


@pytest.mark.parametrize("scale", [0.1, 5, 200])
def test_that_the_mode_is_where_nothing_near_is_higher(scale):
    law = posterior(pair_of(scale, 2 * scale, -0.9, biases=(-3 * scale, scale)), BOTH)
    mode = law.mode()
    near = (
        mode + np.random.default_rng(0).normal(size=(500, 2)) * 10.0 ** np.arange(-4, 1).repeat(100)[:, None]
    )
    assert (law.energy(near) > law.energy(mode[None])).all()


def test_that_span_and_whole_space_agree_on_logits_and_energy():
    planes, target = pair_of(3, 4, 0.4, dim=6, biases=(0.5, -1.0)), Target({"A": True, "B": False})
    small, whole = posterior(planes, target), posterior(planes, target, full=True)
    z = np.random.default_rng(0).normal(size=(20, 6))
    t = z @ small.basis.T
    assert small.rank == 2 and whole.rank == small.dim == 6
    np.testing.assert_allclose(small.margins(t), planes.logits(z)[:, :2] * [1, -1])
    np.testing.assert_allclose(whole.margins(z), small.margins(t))
    beside = 0.5 * ((z - t @ small.basis) ** 2).sum(axis=1)
    np.testing.assert_allclose(whole.energy(z), small.energy(t) + beside)
    np.testing.assert_allclose(t @ small.directions[1], z @ planes.normal("B"))


def test_that_the_curvature_bound_holds_and_is_reached():
    law = posterior(pair_of(6, 3, 0.5), BOTH)  # both hyperplanes pass through 0, where p (1 - p) is 1/4
    eps, moves = 1e-3, np.array([[0.0, 0.0], *np.random.default_rng(0).normal(size=(200, 2))])
    highest = []
    for point in moves:
        second = np.empty((2, 2))
        for i, j in np.ndindex(2, 2):
            di, dj = eps * np.eye(2)[i], eps * np.eye(2)[j]
            around = np.array([point + di + dj, point + di - dj, point - di + dj, point - di - dj])
            second[i, j] = law.energy(around) @ [1, -1, -1, 1] / (4 * eps**2)
        highest.append(np.linalg.eigvalsh(second)[-1])
    assert max(highest) <= curvature(law.slopes) + 1e-4
    assert highest[0] == pytest.approx(curvature(law.slopes), abs=1e-3)


@pytest.mark.parametrize(("cosine", "accept"), [(0.5, 0.9), (-0.8, 0.99), (-0.8, 0.6)])
def test_that_the_nearest_passing_code_is_the_nearest_of_many(cosine, accept):
    law = posterior(pair_of(3, 5, cosine, biases=(-2.0, 1.0)), BOTH)
    grid = np.stack(np.meshgrid(*[np.linspace(-6, 6, 1201)] * 2), axis=-1).reshape(-1, 2)
    passing = (law.margins(grid) >= math.log(accept / (1 - accept))).all(axis=1)
    best = np.linalg.norm(grid[passing], axis=1).min()
    assert law.nearest(accept) == pytest.approx(best, abs=0.02)


def test_that_half_spaces_that_do_not_meet_are_infinitely_far():
    planes = pair_of(3, 5, -1.0, biases=(-2.0, -1.0))
    assert math.isinf(posterior(planes, BOTH).nearest(0.7))
    assert posterior(planes, BOTH).nearest(0.0) == 0
    assert posterior(planes, Target({"A": True})).nearest(0.7) == pytest.approx((2 + math.log(7 / 3)) / 3)
    with pytest.raises(ModelError, match="A=yes, B=yes"):
        posterior(planes, BOTH).check_reachable(0.7)
    posterior(planes, Target({"A": True, "B": False})).check_reachable(0.7)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_that_weights_of_zero_cannot_be_wanted(sampler):
    planes = Hyperplanes(("A", "nil", "fake"), np.array([[1.0, 0], [0, 0], [0, 1]]), np.zeros(3))
    with pytest.raises(ModelError, match=r"'nil'.*all zero"):
        next(generate(planes, Target({"nil": True}), 1, sampler=sampler, seed=0))
    assert len(next(generate(planes, Target({"A": True}), 1, sampler=sampler, accept=0, seed=0)).z) == 1


def test_that_a_schedule_can_be_shown_while_a_want_makes_no_sense():
    planes = Hyperplanes(("nil", "fake"), np.array([[0.0, 0], [0, 1]]), np.zeros(2))
    assert schedule(planes, Target({"nil": True})).step_size == pytest.approx(0.05)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_that_unknown_attributes_are_named_with_those_that_there_are(sampler):
    with pytest.raises(ModelError, match=r"'Hat'.*knows A, fake"):
        next(generate(planes_of(2), Target({"Hat": True}), 1, sampler=sampler, seed=0))


def test_that_weights_that_are_not_numbers_are_refused():
    with pytest.raises(ModelError, match="not finite"):
        Hyperplanes(("A", "fake"), np.array([[np.nan, 1.0], [0, 1]]), np.zeros(2))
