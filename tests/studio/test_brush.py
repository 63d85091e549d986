"""Which points a brush takes, and what becomes of the group before."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

from introvac_studio.widgets.brush import Mode, Stroke, Tool, combined, inside, mode_of


def test_that_a_rectangle_holds_the_points_between_its_corners() -> None:
    stroke = Stroke(Tool.RECTANGLE, (2.0, 1.0), Mode.REPLACE)
    for corner in ((5.0, 5.0), (-1.0, -1.0)):
        stroke.extend(corner, (0.01, 0.01))
    points = np.random.default_rng(0).uniform(-3, 3, (500, 2))
    between = (np.abs(points - (0.5, 0.0)) < (1.5, 1.0)).all(axis=1)
    assert 0 < between.sum() < 500
    assert np.array_equal(inside(points, stroke.corners), between)


def test_that_a_lasso_follows_its_bays() -> None:
    bay = np.array([(0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4)], dtype=float)
    points = np.array([(0.5, 3), (2, 3), (3.5, 3), (2, 0.5), (2, 5), (-1, 0.5)])
    assert inside(points, bay).tolist() == [True, False, True, True, False, False]
    turned = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert np.array_equal(inside(points @ turned, bay @ turned), inside(points, bay))


def test_that_a_lasso_takes_up_only_corners_that_are_apart_on_screen() -> None:
    stroke = Stroke(Tool.LASSO, (0.0, 0.0), Mode.ADD)
    for x in np.linspace(0, 1, 101)[1:]:
        stroke.extend((float(x), 0.0), (0.01, 0.01))  # a pixel a step
    assert 30 <= len(stroke.corners) <= 51


def test_that_less_than_an_area_holds_nothing() -> None:
    assert not inside(np.zeros((3, 2)), np.array([(-1.0, 0.0), (1.0, 0.0)])).any()
    assert inside(np.zeros((0, 2)), np.eye(3)[:, :2]).shape == (0,)


@pytest.mark.parametrize(
    ("keys", "mode", "left"),
    [
        (Qt.KeyboardModifier.NoModifier, Mode.REPLACE, [2, 3]),
        (Qt.KeyboardModifier.ShiftModifier, Mode.ADD, [1, 2, 3]),
        (Qt.KeyboardModifier.ControlModifier, Mode.REMOVE, [1]),
        (Qt.KeyboardModifier.AltModifier, Mode.REMOVE, [1]),
    ],
)
def test_that_keys_add_and_remove(keys: Qt.KeyboardModifier, mode: Mode, left: list[int]) -> None:
    assert mode_of(keys) is mode
    assert combined(np.array([1, 2]), np.array([3, 2]), mode).tolist() == left
