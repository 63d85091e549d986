"""Paths between two codes, and their films."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from trainer.errors import ConfigError, DataError, ModelError
from trainer.grid import read_recipe
from trainer.paths import path, save_film

DIM = 32


@pytest.fixture
def ends():
    a, b = np.random.default_rng(2).normal(size=(2, DIM))
    return a * 2, b


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_that_a_path_begins_and_ends_exactly_at_its_faces(ends, kind):
    codes = path(*ends, 7, kind)
    assert codes.shape == (7, DIM)
    assert np.array_equal(codes[0], ends[0]) and np.array_equal(codes[-1], ends[1])
    np.testing.assert_allclose(path(*ends[::-1], 7, kind), codes[::-1], atol=1e-12)


def test_that_a_linear_path_is_straight_and_even(ends):
    steps = np.diff(path(*ends, 9), axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to((ends[1] - ends[0]) / 8, steps.shape), atol=1e-12)


def test_that_a_spherical_path_turns_and_grows_evenly_in_one_plane(ends):
    codes = path(*ends, 9, "spherical")
    lengths = np.linalg.norm(codes, axis=1)
    np.testing.assert_allclose(np.diff(lengths), np.diff(lengths)[0], atol=1e-12)
    units = codes / lengths[:, None]
    angles = np.arccos((units[1:] * units[:-1]).sum(axis=1))
    np.testing.assert_allclose(angles, angles[0], atol=1e-9)
    assert np.linalg.matrix_rank(codes, tol=1e-9) == 2
    assert lengths[4] > 1.2 * np.linalg.norm(path(*ends, 9)[4])


def test_that_a_path_between_like_directions_is_straight(ends):
    near = ends[0] * 1.5 + 1e-9
    np.testing.assert_allclose(path(ends[0], near, 5, "spherical"), path(ends[0], near, 5), atol=1e-12)


def test_that_paths_without_a_way_are_refused(ends):
    a, b = ends
    for error, words, arguments in (
        (ModelError, "opposite", (a, -2 * a, 5, "spherical")),
        (ModelError, "origin", (a, 0 * a, 5, "spherical")),
        (ModelError, "NaN", (a, b * np.nan, 5)),
        (ModelError, "shapes", (a, b[1:], 5)),
        (ModelError, "shapes", (np.stack([a, b]), np.stack([b, a]), 5)),
        (ConfigError, "steps = 1", (a, b, 1)),
        (ConfigError, "steps = 1001", (a, b, 1001)),
        (ConfigError, "'cubic': choose linear or spherical", (a, b, 5, "cubic")),
    ):
        with pytest.raises(error, match=words):
            path(*arguments)


def frames_of(file):
    with Image.open(file) as film:
        shown = []
        for i in range(film.n_frames):
            film.seek(i)
            shown.append(np.asarray(film.convert("RGB")))
        return shown


def test_that_a_film_goes_there_and_back_without_a_jump(pictures, tmp_path):
    file = tmp_path / "way.webp"
    save_film(pictures, file, fps=10, scale=2, recipe={"kind": "linear", "from": "Zoë"})
    shown = frames_of(file)
    assert len(shown) == 8 and shown[0].shape == (32, 32, 3)
    for frame, i in zip(shown, (0, 1, 2, 3, 4, 3, 2, 1), strict=True):
        assert np.array_equal(frame[::2, ::2], pictures[i])
    assert read_recipe(file) == {"kind": "linear", "from": "Zoë"}
    assert [p.name for p in tmp_path.iterdir()] == ["way.webp"]


def test_that_a_gif_plays_for_ever_at_its_rate_and_tells_its_recipe(pictures, tmp_path):
    file = tmp_path / "way.GIF"
    save_film(pictures, file, fps=10, back=False, recipe={"kind": "spherical"})
    with Image.open(file) as film:
        assert (film.format, film.n_frames, film.info["duration"], film.info["loop"]) == ("GIF", 5, 100, 0)
        assert json.loads(film.info["comment"])["introvac"] == {"kind": "spherical"}
    for frame, picture in zip(frames_of(file), pictures, strict=True):
        assert np.abs(frame.astype(int) - picture).mean() < 8  # 256 colours


def test_that_a_film_that_cannot_be_is_refused_and_leaves_nothing(pictures, tmp_path):
    for error, words, images, name, options in (
        (DataError, r"\.png", pictures, "way.png", {}),
        (DataError, "two pictures", pictures[:1], "way.gif", {}),
        (DataError, "one size", [pictures[0], pictures[1][:8, :8]], "way.gif", {}),
        (ConfigError, "fps", pictures, "way.gif", {"fps": 0.0}),
        (ConfigError, "scale", pictures, "way.gif", {"scale": 0}),
        (DataError, r"way\.gif.*JSON", pictures, "way.gif", {"recipe": {"p": float("nan")}}),
        (DataError, r"way\.webp.*JSON", pictures, "way.webp", {"recipe": {"p": float("nan")}}),
        (DataError, "nowhere", pictures, "nowhere/way.gif", {}),
    ):
        with pytest.raises(error, match=words):
            save_film(images, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []
