"""The way a chain takes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainer.posteriors import pair_of
from trainer.errors import Cancelled, ConfigError
from trainer.samplers.chains import rest_variance
from trainer.sampling import SAMPLERS, Target, path
from trainer.targets import posterior

PLANES, TARGET = pair_of(5, 3, 0.2, dim=24), Target({"A": True, "B": False})
PLAN = {"step_size": 0.15, "steps": 33, "seed": 4}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("sampler", ["langevin", "mala"])
def test_that_a_path_ends_at_the_code_that_is_drawn(sampler, full):
    for number in (0, 255, 700):
        at, states = path(PLANES, TARGET, number, sampler=sampler, full=full, **PLAN)
        code = SAMPLERS[sampler](PLANES, TARGET, 1, first=number, full=full, **PLAN)[0]
        assert np.array_equal(states[-1], code)
        assert np.array_equal(at, np.arange(34)) and states.shape == (34, 24)


@pytest.mark.parametrize(("steps", "points"), [(33, 5), (1000, 200), (3, 200), (1, 2)])
def test_that_a_path_keeps_its_ends_and_no_more_points_than_asked(steps, points):
    plan = PLAN | {"steps": steps}
    at, states = path(PLANES, TARGET, 3, sampler="langevin", points=points, **plan)
    whole_at, whole = path(PLANES, TARGET, 3, sampler="langevin", points=2000, **plan)
    assert len(at) == len(states) <= points
    assert at[0] == 0 and at[-1] == steps and (np.diff(at) > 0).all()
    basis = posterior(PLANES, TARGET).basis
    # In the span they are states of one and the same chain, however many are kept.
    kept = np.searchsorted(whole_at, at)
    np.testing.assert_array_equal(whole_at[kept], at)
    np.testing.assert_allclose(states @ basis.T, whole[kept] @ basis.T, atol=1e-5)


def off_span_paths(sampler, numbers, **plan):
    """Coordinates (chains, states, d - r) beside the span."""
    basis = posterior(PLANES, TARGET).basis
    off = np.linalg.qr(np.vstack([basis, np.eye(24)]).T)[0][:, 2:]
    return np.stack([path(PLANES, TARGET, i, sampler=sampler, **plan)[1] @ off for i in range(numbers)])


def test_that_off_the_span_a_path_has_the_law_of_the_whole_chain():
    alpha, steps = 0.3, 6
    x = off_span_paths("langevin", 400, step_size=alpha, steps=steps, seed=2).astype(np.float64)
    covariance = np.einsum("cid,cjd->ij", x, x) / (x.shape[0] * x.shape[2])
    v = [rest_variance(alpha, i) for i in range(steps + 1)]
    memory = (1 - alpha) ** np.abs(np.subtract.outer(np.arange(steps + 1), np.arange(steps + 1)))
    expected = memory * np.minimum.outer(v, v)  # the variances rise with time
    np.testing.assert_allclose(covariance, expected, atol=0.06)


def test_that_off_the_span_a_mala_path_stands_still():
    x = off_span_paths("mala", 2, **PLAN)
    np.testing.assert_allclose(x, x[:, :1] + 0 * x, atol=1e-6)


def test_that_exact_draws_have_no_path():
    with pytest.raises(ConfigError, match=r"sampler = 'exact'.*langevin and mala"):
        path(PLANES, TARGET, 0, sampler="exact", **PLAN)


def test_that_a_path_stops_when_asked_and_refuses_a_single_point():
    with pytest.raises(Cancelled):
        path(PLANES, TARGET, 0, sampler="langevin", cancelled=lambda: True, **PLAN)
    with pytest.raises(ConfigError, match="points = 1"):
        path(PLANES, TARGET, 0, sampler="langevin", points=1, **PLAN)
