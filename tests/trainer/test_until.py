"""The smallest delta at which a label holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.edits import heading
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.latent import Hyperplanes, sigmoid
from trainer.until import GRID, TOLERANCE, ray, until_code, until_image

DIM = 16


@pytest.fixture
def planes():
    rng = np.random.default_rng(3)
    w = rng.normal(size=(4, DIM)) + 0.5 * rng.normal(size=DIM)
    return Hyperplanes(("Hat", "Beard", "Smile", "fake"), w, rng.normal(size=4))


@pytest.fixture
def z(planes):
    """A code that has no hat, and no doubt about it."""
    return -2.0 * planes.normal("Hat") + 0.1


def brute(z, planes, way, p):
    """The first of many deltas at which all wants hold, and the best of them."""
    deltas = np.linspace(0, way.bound, 20001)
    logits = planes.logits(z + deltas[:, None] * way.unit)
    sure = np.stack(
        [sigmoid(logits[:, planes.index(n)] * (1 if yes else -1)) for n, yes in way.wants.items()]
    ).min(axis=0)
    first = np.flatnonzero(sure >= p)
    return (float(deltas[first[0]]) if first.size else None), float(sure.max()), float(deltas[sure.argmax()])


def test_that_one_attribute_is_reached_where_its_logit_says(planes, z):
    p = 0.9
    found = until_code(z, planes, ray(planes, {"Hat": 50.0}), p)
    wanted = (math.log(p / (1 - p)) - planes.logits(z)[0]) / np.linalg.norm(planes.w[0])
    assert found.reached and found.delta == pytest.approx(wanted, abs=1e-8)
    assert p <= found.probability < p + 1e-6
    assert planes.probabilities(z + found.delta * planes.normal("Hat"))[0] >= p


def test_that_a_negative_delta_wants_the_label_gone(planes, z):
    there = z + 6 * planes.normal("Hat")
    way = ray(planes, {"Hat": -50.0})
    assert way.wants == {"Hat": False}
    found = until_code(there, planes, way, 0.8)
    assert found.reached and planes.probabilities(way.at(there, found.delta))[0] == pytest.approx(
        0.2, abs=1e-6
    )


def test_that_what_holds_already_needs_no_move(planes, z):
    found = until_code(z, planes, ray(planes, {"Hat": -3.0}), 0.6)
    assert found.reached and found.delta == 0
    assert found.probability == pytest.approx(1 - planes.probabilities(z)[0])


def test_that_the_bound_is_where_it_ends_and_the_best_is_told(planes, z):
    way = ray(planes, {"Hat": 0.5})
    found = until_code(z, planes, way, 0.99)
    assert not found.reached and found.delta == 0.5
    assert found.probability == pytest.approx(planes.probabilities(way.at(z, 0.5))[0])
    assert f"not reached, best was probability {found.probability:.3f} at distance 0.50" == str(found)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("keep", [(), ("Smile",)])
def test_that_the_closed_form_agrees_with_looking_everywhere(planes, seed, keep):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=DIM) * 1.5
    amounts = [{"Hat": 6.0, "Beard": -3.0}, {"Hat+Beard": 5.0}, {"Hat": -2.0, "Hat+Beard": -4.0}][seed % 3]
    way = ray(planes, amounts, keep)
    first, best, where = brute(z, planes, way, 0.8)
    found = until_code(z, planes, way, 0.8)
    assert found.reached == (first is not None)
    if first is None:
        assert found.probability == pytest.approx(best, abs=1e-3)
        assert found.delta == pytest.approx(where, abs=way.bound / 100)
    else:
        assert found.delta == pytest.approx(first, abs=way.bound / 10000)
        assert found.probability >= 0.8 - 1e-12


def test_that_a_label_lost_on_the_way_is_not_counted():
    planes = Hyperplanes(
        ("A", "B", "fake"), np.array([[1.0, 0], [-0.8, 0.1], [0, 1.0]]), np.array([-4.0, 3, 0])
    )
    way = ray(planes, {"A": 10.0, "B": 2.0})
    start = np.zeros(2)
    found = until_code(start, planes, way, 0.8)
    first, best, _ = brute(start, planes, way, 0.8)
    assert first is None and not found.reached
    assert found.probability == pytest.approx(best, abs=1e-4) and 0 < found.delta < way.bound


def test_that_a_ray_is_as_long_as_its_displacement_and_keeps(planes, z):
    way = ray(planes, {"Hat": -3.0}, keep=("Beard",))
    assert way.bound == pytest.approx(3)
    np.testing.assert_allclose(way.unit, -heading(planes, "Hat", ("Beard",)).unit, atol=1e-12)
    both = ray(planes, {"Hat": 3.0, "Beard": -1.0})
    assert both.wants == {"Hat": True, "Beard": False}
    np.testing.assert_allclose(
        both.at(z, both.bound) - z, 3 * planes.normal("Hat") - planes.normal("Beard"), atol=1e-12
    )


def test_that_rays_without_a_way_are_refused(planes):
    opposite = Hyperplanes(("A", "B", "fake"), np.array([[1.0, 0], [-1.0, 0], [0, 1]]), np.zeros(3))
    for which, amounts, words in (
        (planes, {}, "no way"),
        (planes, {"Hat": 0.0}, "no way"),
        (planes, {"Hat": 1.0, "Hat+Beard": -2.0}, "both ways"),
        (opposite, {"A": 1.0, "B": 1.0}, "cancel"),
        (planes, {"Scarf": 1.0}, "unknown"),
    ):
        with pytest.raises(ModelError, match=words):
            ray(which, amounts)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.5, float("nan")])
def test_that_a_probability_that_cannot_be_had_is_refused(planes, z, p):
    with pytest.raises(ConfigError, match="until"):
        until_code(z, planes, ray(planes, {"Hat": 1.0}), p)


def test_that_codes_that_are_no_code_are_refused(planes, z):
    way = ray(planes, {"Hat": 1.0})
    with pytest.raises(ModelError, match="NaN"):
        until_code(np.full(DIM, np.nan), planes, way, 0.5)
    with pytest.raises(ModelError, match="one code"):
        until_image(np.zeros((2, DIM)), planes, way, 0.5, lambda codes: codes)


def through(planes, response):
    """A network whose re-encoding shifts the hat's logit by `response` of what the code says."""
    normal, length = planes.normal("Hat"), np.linalg.norm(planes.w[0])

    def see(codes):
        logits = planes.logits(codes)[:, 0]
        wanted = np.array([response(v) for v in logits])
        return codes + ((wanted - logits) / length)[:, None] * normal

    return see


def test_that_the_picture_is_searched_to_the_tolerance(planes, z):
    see = through(planes, lambda v: 0.5 * v - 1)
    way, p = ray(planes, {"Hat": 20.0}), 0.9
    found = until_image(z, planes, way, p, see)
    exact = until_code(z, planes, way, sigmoid(2 * (math.log(9) + 1)))
    assert exact.delta > GRID
    assert found.reached and exact.delta - 1e-9 <= found.delta <= exact.delta + TOLERANCE
    assert found.probability >= p
    assert planes.probabilities(see(way.at(z, found.delta)[None]))[0, 0] == found.probability


def test_that_the_first_crossing_counts_where_there_are_several(planes, z):
    start = float(planes.logits(z)[0])
    wave = through(planes, lambda v: 3 * math.sin(v - start) - 0.5)  # rises, sinks, rises again
    way = ray(planes, {"Hat": 20.0})
    found = until_image(z, planes, way, 0.7, wave)
    crossing = math.asin((math.log(7 / 3) + 0.5) / 3) / np.linalg.norm(planes.w[0])
    assert found.reached and crossing - 1e-9 <= found.delta <= crossing + TOLERANCE


def test_that_an_unreached_picture_tells_its_best_delta(planes, z):
    start = float(planes.logits(z)[0])
    hill = through(planes, lambda v: 1 - (v - start - 8) ** 2 / 20)
    way = ray(planes, {"Hat": 9.1})
    told = []
    found = until_image(z, planes, way, 0.9, hill, progress=lambda done, total: told.append((done, total)))
    top = 8 / np.linalg.norm(planes.w[0])
    assert not found.reached and abs(found.delta - top) <= GRID / 2 + 1e-9
    assert found.probability == pytest.approx(float(sigmoid(1.0)), abs=0.02)
    assert told == sorted(told) and told[-1][0] == math.ceil(9.1 / GRID) + 1 <= told[-1][1]


def test_that_the_bound_itself_is_looked_at(planes, z):
    looked = []

    def see(codes):
        looked.extend((codes - z) @ planes.normal("Hat"))
        return codes

    until_image(z, planes, ray(planes, {"Hat": 0.6}), 0.999, see)
    np.testing.assert_allclose(looked, [0, 0.25, 0.5, 0.6], atol=1e-9)


def test_that_a_crossing_that_only_a_batch_sees_is_none(planes, z):
    def see(codes):
        return codes + 100 * planes.normal("Hat") if len(codes) > 1 else codes

    assert not until_image(z, planes, ray(planes, {"Hat": 0.6}), 0.999, see).reached


def test_that_a_picture_that_holds_already_costs_no_move(planes, z):
    found = until_image(z, planes, ray(planes, {"Hat": -5.0}), 0.6, lambda codes: codes)
    assert found.reached and found.delta == 0


def test_that_a_search_can_be_cancelled_between_looks(planes, z):
    looks = []

    def see(codes):
        looks.append(len(codes))
        return codes

    with pytest.raises(Cancelled):
        until_image(z, planes, ray(planes, {"Hat": 3.0}), 0.99, see, cancelled=lambda: len(looks) >= 1)
    assert len(looks) == 1


def test_that_a_network_that_answers_nonsense_is_refused(planes, z):
    with pytest.raises(ModelError, match="NaN"):
        until_image(z, planes, ray(planes, {"Hat": 1.0}), 0.5, lambda codes: codes * np.nan)
