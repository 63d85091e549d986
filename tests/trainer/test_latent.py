"""Hyperplanes, moves and flat views of code space."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.errors import ModelError
from trainer.latent import (
    Hyperplanes,
    Line2,
    clip_line,
    direction,
    discriminant_projection,
    move,
    nearest_point,
    pca_projection,
)

DIM = 12


@pytest.fixture
def planes():
    rng = np.random.default_rng(3)
    return Hyperplanes(("Hat", "Beard", "fake"), rng.normal(size=(3, DIM)) * 2, rng.normal(size=3))


@pytest.fixture
def codes():
    rng = np.random.default_rng(4)
    return (rng.normal(size=(300, DIM)) * np.linspace(2, 0.5, DIM) + 0.7).astype(np.float32)


def test_that_logits_of_one_code_are_a_row_of_logits_of_many(planes, codes):
    many = planes.logits(codes)
    assert many.shape == (300, 3)
    np.testing.assert_allclose(planes.logits(codes[5]), many[5])
    np.testing.assert_allclose(many[:, 1], codes.astype(np.float64) @ planes.w[1] + planes.b[1])


def test_that_probabilities_survive_huge_logits():
    planes = Hyperplanes(("A", "fake"), np.array([[1.0], [1.0]]), np.zeros(2))
    p = planes.probabilities(np.array([[-800.0], [0.0], [800.0], [-40.0]]))[:, 0]
    np.testing.assert_allclose(p, [0.0, 0.5, 1.0, np.exp(-40.0)], rtol=1e-12)


def test_that_the_distance_is_the_length_to_the_foot_on_the_hyperplane(planes, codes):
    away = planes.distance(codes, "Beard")
    feet = codes - away[:, None] * planes.normal("Beard")
    np.testing.assert_allclose(planes.logits(feet)[:, 1], 0, atol=1e-9)
    assert np.array_equal(away > 0, planes.logits(codes)[:, 1] > 0)


@pytest.mark.parametrize(
    ("names", "w", "b"),
    [
        (("A", "B", "fake"), np.ones((2, 4)), np.ones(2)),
        (("A", "fake"), np.ones((2, 4)), np.ones(3)),
        (("A", "B"), np.ones((2, 4)), np.ones(2)),
        (("fake", "fake"), np.ones((2, 4)), np.ones(2)),
        (("A", "fake"), np.full((2, 4), np.nan), np.ones(2)),
    ],
)
def test_that_hyperplanes_that_do_not_fit_are_refused(names, w, b):
    with pytest.raises(ModelError):
        Hyperplanes(names, w, b)


def test_that_an_unknown_attribute_is_answered_with_the_known_ones(planes):
    with pytest.raises(ModelError, match=r"'Scarf'.*Hat, Beard, fake"):
        planes.normal("Scarf")


def test_that_a_weight_row_of_zeros_has_no_direction():
    planes = Hyperplanes(("A", "fake"), np.array([[0.0, 0.0], [1.0, 0.0]]), np.zeros(2))
    with pytest.raises(ModelError, match="no direction"):
        planes.normal("A")


def test_that_a_model_that_never_saw_a_fake_refuses_fake_as_direction(planes):
    vac = Hyperplanes(planes.names, planes.w, planes.b, knows_fake=False)
    with pytest.raises(ModelError, match="fake"):
        move(np.zeros(DIM), vac, {"fake": 1.0})
    assert vac.logits(np.zeros(DIM)).shape == (3,)


def test_that_codes_of_another_dimension_are_refused(planes):
    with pytest.raises(ModelError, match=f"{DIM + 1}"):
        planes.logits(np.zeros((2, DIM + 1)))


def test_that_a_move_changes_its_logit_by_amount_times_weight_length(planes, codes):
    moved = move(codes, planes, {"Hat": -2.5})
    assert moved.dtype == np.float64
    change = planes.logits(moved)[:, 0] - planes.logits(codes)[:, 0]
    np.testing.assert_allclose(change, -2.5 * np.linalg.norm(planes.w[0]), rtol=1e-12)


def test_that_a_move_leaves_what_is_orthogonal_to_the_normal(planes, codes):
    change = move(codes, planes, {"Hat": 3.0}) - codes
    off = change - np.outer(change @ planes.normal("Hat"), planes.normal("Hat"))
    np.testing.assert_allclose(off, 0, atol=1e-13)


def test_that_moves_add_up_and_leave_their_input_alone(planes, codes):
    before = codes.copy()
    both = move(codes, planes, {"Hat": 1.0, "Beard": -2.0})
    np.testing.assert_allclose(
        both, move(move(codes, planes, {"Beard": -2.0}), planes, {"Hat": 1.0}), atol=1e-13
    )
    assert np.array_equal(codes, before)


def test_that_the_joint_direction_is_the_normalised_sum_of_unit_normals(planes):
    joint = direction(planes, "Hat+Beard")
    assert np.linalg.norm(joint) == pytest.approx(1)
    assert joint @ planes.normal("Hat") == pytest.approx(joint @ planes.normal("Beard"))
    np.testing.assert_allclose(move(np.zeros(DIM), planes, {"Hat+Beard": 5.0}), 5 * joint, rtol=1e-6)


def test_that_an_attribute_with_a_plus_in_its_name_is_itself():
    planes = Hyperplanes(("A+", "A", "fake"), np.eye(3), np.zeros(3))
    assert np.array_equal(direction(planes, "A+"), [1, 0, 0])


def test_that_normals_that_cancel_have_no_joint_direction():
    planes = Hyperplanes(("A", "B", "fake"), np.array([[1.0, 0], [-2.0, 0], [0, 1.0]]), np.zeros(3))
    with pytest.raises(ModelError, match="cancel"):
        direction(planes, "A+B")


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
def test_that_a_move_by_no_finite_amount_is_refused(planes, amount):
    with pytest.raises(ModelError, match="Hat"):
        move(np.zeros(DIM), planes, {"Hat": amount})


@pytest.mark.parametrize("view", ["pca", "Hat"])
def test_that_a_hyperplane_line_divides_lifted_points_as_the_logit_does(planes, codes, view):
    plot = pca_projection(codes) if view == "pca" else discriminant_projection(codes, planes, view)
    xy = np.random.default_rng(0).uniform(-6, 6, (200, 2))
    lifted = plot.origin + np.stack([plot.lift(p) for p in xy])
    np.testing.assert_allclose(plot.project(lifted), xy, atol=1e-9)
    for k, name in enumerate(planes.names):
        line = plot.line(planes, name)
        np.testing.assert_allclose(line.value(xy), planes.logits(lifted)[:, k], atol=1e-9)
        assert 0 < (line.value(xy) > 0).mean() < 1


def test_that_pca_axes_hold_the_largest_variances(codes):
    plot = pca_projection(codes)
    covariance = np.cov(codes.astype(np.float64).T)
    largest = np.linalg.eigvalsh(covariance)[::-1]
    np.testing.assert_allclose(plot.project(codes).var(axis=0, ddof=1), largest[:2], rtol=1e-5)
    np.testing.assert_allclose(plot.explained, largest[:2] / largest.sum(), rtol=1e-5)
    np.testing.assert_allclose(plot.project(codes).mean(axis=0), 0, atol=1e-6)


def test_that_pca_axes_do_not_depend_on_the_order_of_the_codes(codes):
    np.testing.assert_allclose(pca_projection(codes).basis, pca_projection(codes[::-1]).basis, atol=1e-6)


def test_that_shares_over_a_whole_basis_sum_to_one(planes, codes):
    rest = np.linalg.svd(pca_projection(codes).basis)[2]
    first = pca_projection(codes)
    others = [type(first)(first.origin, rest[i : i + 2], ("x", "y")) for i in range(2, DIM, 2)]
    total = sum(plot.share(planes, "Beard") for plot in [first, *others])
    assert total == pytest.approx(1)
    assert 0 < first.share(planes, "Beard") < 1


def test_that_discriminant_x_is_the_signed_distance_and_its_plane_x_zero(planes, codes):
    plot = discriminant_projection(codes, planes, "Beard")
    np.testing.assert_allclose(plot.project(codes)[:, 0], planes.distance(codes, "Beard"), atol=1e-9)
    assert plot.share(planes, "Beard") == pytest.approx(1, abs=1e-12)
    line = plot.line(planes, "Beard")
    for point in clip_line(line, -3, 3, -4, 4):
        assert point[0] == pytest.approx(0, abs=1e-9)
        assert abs(point[1]) == pytest.approx(4)


def test_that_discriminant_y_is_where_the_rest_of_the_codes_varies_most(planes, codes):
    plot = discriminant_projection(codes, planes, "Beard")
    u = planes.normal("Beard")
    rest = codes - codes.mean(axis=0, dtype=np.float64)
    rest = rest - np.outer(rest @ u, u)
    largest = np.linalg.eigvalsh(np.cov(rest.T))[-1]
    assert plot.project(codes)[:, 1].var(ddof=1) == pytest.approx(largest, rel=1e-5)


def test_that_a_hyperplane_parallel_to_the_view_has_no_line():
    planes = Hyperplanes(("A", "fake"), np.array([[0, 0, 1.0], [1.0, 0, 0]]), np.ones(2))
    rng = np.random.default_rng(0)
    flat = np.column_stack([rng.normal(size=(50, 2)), np.zeros(50)])
    assert pca_projection(flat).line(planes, "A") is None
    assert pca_projection(flat).line(planes, "fake") is not None


@pytest.mark.parametrize("mu", [np.zeros((1, DIM)), np.ones((5, DIM)), np.zeros(DIM)])
def test_that_codes_without_spread_have_no_view(planes, mu):
    with pytest.raises(ModelError):
        pca_projection(mu)


def test_that_codes_along_one_normal_have_no_second_axis(planes):
    line = np.outer(np.arange(5.0), planes.normal("Hat"))
    with pytest.raises(ModelError, match="second axis"):
        discriminant_projection(line, planes, "Hat")


def test_that_a_clipped_line_ends_on_the_frame_and_lies_on_the_line():
    line = Line2(1.0, -2.0, 0.5)
    ends = clip_line(line, -1, 2, -3, 3)
    for x, y in ends:
        assert line.value((x, y)) == pytest.approx(0, abs=1e-12)
    assert [e[0] for e in sorted(ends)] == pytest.approx([-1, 2])


@pytest.mark.parametrize("line", [Line2(1, 1, -10), Line2(1, 0, 5), Line2(0, 1, -9)])
def test_that_a_line_beside_the_frame_is_off_screen(line):
    assert clip_line(line, -1, 1, -1, 1) is None


def test_that_the_nearest_point_lies_on_the_line_at_a_right_angle():
    line = Line2(3.0, 4.0, -10.0)
    x, y = nearest_point(line, (5.0, 1.0))
    assert line.value((x, y)) == pytest.approx(0, abs=1e-12)
    assert (5.0 - x) * 4.0 - (1.0 - y) * 3.0 == pytest.approx(0, abs=1e-12)
