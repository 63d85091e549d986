"""Moves that keep other attributes, and walks up the gradient."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from trainer.edits import ascend, cosines, displacement, heading
from trainer.errors import ConfigError, ModelError
from trainer.latent import Hyperplanes, direction, move, sigmoid

DIM = 24
NAMES = ("Hat", "Beard", "Smile", "Young")


@pytest.fixture
def planes():
    """Four attributes that share much of their normals, and fake."""
    rng = np.random.default_rng(3)
    w = rng.normal(size=(5, DIM)) + 1.5 * rng.normal(size=DIM)
    return Hyperplanes((*NAMES, "fake"), w * 4, rng.normal(size=5))


@pytest.fixture
def codes():
    return np.random.default_rng(4).normal(size=(50, DIM)).astype(np.float32)


def change(planes, codes, moved):
    """How far each logit moved, in units of what a kept one is allowed."""
    before = planes.logits(codes)
    return np.abs(planes.logits(moved) - before) / (1e-6 * (1 + np.abs(before)))


def test_that_cosines_are_those_of_the_normals(planes):
    table = cosines(planes)
    assert table.shape == (4, 4)
    for i, a in enumerate(NAMES):
        for j, b in enumerate(NAMES):
            assert table[i, j] == pytest.approx(planes.normal(a) @ planes.normal(b))
    assert cosines(planes, ("fake", "Hat"))[0, 1] == pytest.approx(
        planes.normal("fake") @ planes.normal("Hat")
    )
    assert (np.diag(table) == 1).all()


@pytest.mark.parametrize("keep", [("Beard",), ("Beard", "Smile", "fake"), ("Beard", "Beard")])
def test_that_kept_logits_stay_and_the_delta_stays_a_distance(planes, codes, keep):
    step = displacement(planes, {"Hat": 6.0}, keep)
    assert np.linalg.norm(step) == pytest.approx(6.0)
    moves = change(planes, codes, codes + step)
    kept = [planes.index(name) for name in keep]
    assert moves[:, kept].max() < 1e-3  # a thousandth of what is allowed
    others = [k for k in range(5) if k not in kept]
    assert moves[:, others].min() > 1e3  # and without the guarantee they do move


def test_that_a_plain_move_breaks_what_keep_promises(planes, codes):
    assert change(planes, codes, move(codes, planes, {"Hat": 6.0}))[:, 1:].min() > 1e3


def test_that_left_is_the_share_of_the_logits_change_that_remains(planes):
    plain, kept = heading(planes, "Hat"), heading(planes, "Hat", ("Beard", "Young"))
    w = planes.w[0]
    assert plain.left == 1 and np.array_equal(plain.unit, planes.normal("Hat"))
    assert 0 < kept.left < 1
    assert w @ kept.unit == pytest.approx(kept.left * (w @ plain.unit))
    assert heading(planes, "Hat", ("Beard", "Young", "fake")).left < kept.left


def test_that_every_move_is_taken_off_the_kept_span_by_itself(planes):
    amounts = {"Hat": 2.0, "Smile+Young": -3.0}
    whole = displacement(planes, amounts, ("Beard",))
    alone = [a * heading(planes, key, ("Beard",)).unit for key, a in amounts.items()]
    np.testing.assert_allclose(whole, sum(alone), atol=1e-12)
    np.testing.assert_allclose(
        displacement(planes, amounts), move(np.zeros(DIM), planes, amounts), atol=1e-12
    )


def test_that_sliders_that_keep_each_other_do_not_meddle(planes):
    start = np.zeros(DIM)
    moved = (
        start
        + displacement(planes, {"Hat": 2.0}, ("Beard",))
        + displacement(planes, {"Beard": 1.0}, ("Hat",))
    )
    only = start + displacement(planes, {"Hat": 2.0}, ("Beard",))
    assert planes.logits(moved)[0] == pytest.approx(planes.logits(only)[0], rel=1e-12)


def test_that_kept_normals_that_depend_on_each_other_count_once(planes):
    copy = Hyperplanes(
        ("Hat", "Beard", "Again", "Nearly", "fake"),
        np.stack([planes.w[0], planes.w[1], -3 * planes.w[1], planes.w[1] + 1e-9 * planes.w[2], planes.w[4]]),
        planes.b,
    )
    step = displacement(copy, {"Hat": 6.0}, ("Beard", "Again", "Nearly"))
    assert np.abs(copy.w[1:4] @ step).max() < 1e-9
    twice = heading(copy, "Hat", ("Beard", "Again"))
    assert twice.left == pytest.approx(heading(copy, "Hat", ("Beard",)).left, abs=1e-9)


def test_that_a_direction_of_which_nothing_is_left_is_refused_with_reasons(planes):
    w = planes.w.copy()
    w[0] = w[1] - 2 * w[2]
    flat = Hyperplanes(planes.names, w, planes.b)
    with pytest.raises(ModelError, match=r"nothing is left of 'Hat' .*Beard, Smile; keep fewer"):
        displacement(flat, {"Hat": 1.0}, ("Beard", "Smile"))
    assert heading(flat, "Hat", ("Beard",)).left > 0.1


def test_that_a_direction_that_is_nearly_gone_still_keeps(planes, codes):
    w = planes.w.copy()
    w[0] = w[1] + 1e-5 * w[3]
    thin = Hyperplanes(planes.names, w, planes.b)
    head = heading(thin, "Hat", ("Beard",))
    assert 1e-6 < head.left < 1e-4
    assert change(thin, codes, codes + 8 * head.unit)[:, 1].max() < 1e-3


@pytest.mark.parametrize("key", ["Hat", "Hat+Beard"])
def test_that_what_is_moved_cannot_be_kept(planes, key):
    with pytest.raises(ModelError, match=r"'Hat' is to be moved and to be kept"):
        displacement(planes, {"Smile": 1.0, key: 1.0}, ("Hat",))
    with pytest.raises(ModelError, match="kept"):
        ascend(np.zeros(DIM), planes, {"Hat": True}, 1.0, ("Hat",))


def test_that_unknown_and_impossible_requests_are_refused(planes):
    with pytest.raises(ModelError, match=r"'Scarf'.*Hat"):
        displacement(planes, {"Hat": 1.0}, ("Scarf",))
    with pytest.raises(ModelError, match=r"Hat = nan"):
        displacement(planes, {"Hat": float("nan")}, ("Beard",))
    zero = Hyperplanes(planes.names, planes.w * [[1], [0], [1], [1], [1]], planes.b)
    for act in (lambda: displacement(zero, {"Beard": 1.0}), lambda: cosines(zero)):
        with pytest.raises(ModelError, match="'Beard' has no direction"):
            act()
    vac = Hyperplanes(planes.names, planes.w, planes.b, knows_fake=False)
    with pytest.raises(ModelError, match="fake"):
        displacement(vac, {"Hat": 1.0}, ("fake",))


@pytest.mark.parametrize("wanted", [True, False])
def test_that_ascending_one_logit_is_the_straight_move(planes, codes, wanted):
    walked = ascend(codes, planes, {"Hat": wanted}, 3.0)
    np.testing.assert_allclose(walked, move(codes, planes, {"Hat": 3.0 if wanted else -3.0}), atol=1e-12)


def test_that_a_walk_is_along_the_gradient_of_the_log_probability(planes):
    z, wants = np.random.default_rng(1).normal(size=DIM) * 0.3, {"Hat": True, "Smile": False}

    def log_p(code):
        logits = planes.logits(code)
        return float(np.log(sigmoid(logits[0])) + np.log(sigmoid(-logits[2])))

    h = 1e-6
    gradient = np.array([(log_p(z + h * e) - log_p(z - h * e)) / (2 * h) for e in np.eye(DIM)])
    step = ascend(z, planes, wants, 1e-3) - z
    assert np.linalg.norm(step) == pytest.approx(1e-3)
    np.testing.assert_allclose(step / 1e-3, gradient / np.linalg.norm(gradient), atol=1e-6)


def test_that_a_walk_bends_to_what_is_still_in_doubt():
    planes = Hyperplanes(("A", "B", "fake"), np.eye(3) * 2, np.array([6.0, -6.0, 0.0]))
    start = np.zeros(3)
    walked = planes.probabilities(ascend(start, planes, {"A": True, "B": True}, 3.5))
    joint = planes.probabilities(start + 3.5 * direction(planes, "A+B"))
    assert walked[:2].min() > 0.7 > 0.5 > joint[:2].min()


def test_that_a_walk_between_opposite_wants_ends_at_the_top_and_survives_saturation():
    planes = Hyperplanes(("A", "B", "fake"), np.array([[2.0, 0], [-2.0, 0], [0, 1.0]]), np.zeros(3))
    for start in (0.0, 2.0, 500.0, -500.0):
        far = abs(start) + 5
        z = ascend(np.array([start, 1.0]), planes, {"A": True, "B": True}, far)
        assert abs(z[0]) < 0.06 and z[1] == 1.0


def test_that_a_walk_keeps_logits_too_and_rows_do_not_meet(planes, codes):
    wants = {"Hat": True, "Young": False}
    walked = ascend(codes, planes, wants, 4.0, keep=("Beard", "fake"))
    assert change(planes, codes, walked)[:, [1, 4]].max() < 1e-3
    np.testing.assert_allclose(
        walked[7], ascend(codes[7], planes, wants, 4.0, keep=("Beard", "fake")), atol=1e-12
    )
    surer = np.log(sigmoid(planes.logits(walked)[:, [0, 3]] * [1, -1])).sum(axis=1)
    assert (surer > np.log(sigmoid(planes.logits(codes)[:, [0, 3]] * [1, -1])).sum(axis=1)).all()


def test_that_a_walk_to_nowhere_is_refused(planes):
    with pytest.raises(ModelError, match="nothing is wanted"):
        ascend(np.zeros(DIM), planes, {}, 1.0)
    with pytest.raises(ConfigError, match="distance = -1"):
        ascend(np.zeros(DIM), planes, {"Hat": True}, -1.0)
    with pytest.raises(ModelError, match="NaN"):
        ascend(np.full(DIM, np.nan), planes, {"Hat": True}, 1.0)
    with pytest.raises(ModelError, match="unknown"):
        ascend(np.zeros(DIM), planes, {"Scarf": True}, 1.0)


def test_that_panels_can_use_edits_without_torch():
    modules = "edits, until, directions, fit, paths"
    code = f"import sys; from trainer import {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
