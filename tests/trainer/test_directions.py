"""Directions files, and hyperplanes with directions added."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.directions import extend, join, load_directions, remove, save_directions
from trainer.errors import CheckpointError, DataError, ModelError
from trainer.latent import Hyperplanes, move

DIM = 12


@pytest.fixture
def planes():
    rng = np.random.default_rng(3)
    return Hyperplanes(("Hat", "Beard", "fake"), rng.normal(size=(3, DIM)) * 2, rng.normal(size=3))


def test_that_directions_remember_whether_fake_means_anything(tmp_path):
    path = tmp_path / "d.npz"
    for knows in (True, False):
        save_directions(path, Hyperplanes(("A", "fake"), np.eye(2), np.zeros(2), knows_fake=knows), "ab12")
        assert load_directions(path).knows_fake is knows
    np.savez(path, names=np.array(["A", "fake"]), w=np.eye(2), b=np.zeros(2), model=np.array("ab12"))
    assert load_directions(path).knows_fake  # written before the key was there


def test_that_directions_come_back_as_they_were(planes, tmp_path):
    path = tmp_path / "directions.npz"
    save_directions(path, planes, "ab12")
    back = load_directions(path, "ab12")
    assert back.names == planes.names
    assert np.array_equal(back.w, planes.w)
    assert np.array_equal(back.b, planes.b)
    assert [p.name for p in tmp_path.iterdir()] == ["directions.npz"]
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == {"names", "w", "b", "model", "knows_fake"}
        assert str(arrays["model"]) == "ab12"


def test_that_directions_of_another_model_are_refused(planes, tmp_path):
    path = tmp_path / "directions.npz"
    save_directions(path, planes, "ab12")
    with pytest.raises(CheckpointError, match="another model"):
        load_directions(path, "cd34")
    assert load_directions(path).names == planes.names


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 broken", b"hello"])
def test_that_a_broken_directions_file_is_named(tmp_path, body):
    path = tmp_path / "directions.npz"
    path.write_bytes(body)
    with pytest.raises(CheckpointError, match=r"directions\.npz"):
        load_directions(path)


def test_that_a_directions_file_without_weights_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", names=np.array(["A", "fake"]))
    with pytest.raises(CheckpointError, match=r"d\.npz"):
        load_directions(tmp_path / "d.npz")


def test_that_a_folder_that_does_not_exist_is_named_when_saving(planes, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        save_directions(tmp_path / "nowhere" / "d.npz", planes, "")


def test_that_an_added_direction_stands_before_fake_and_moves_its_own_logit(planes):
    w = np.random.default_rng(5).normal(size=DIM)
    more = extend(planes, "Smile", w, 0.25)
    assert more.names == ("Hat", "Beard", "Smile", "fake")
    z = np.ones(DIM)
    np.testing.assert_allclose(more.logits(z)[[0, 1, 3]], planes.logits(z), rtol=1e-13)
    assert more.logits(z)[2] == pytest.approx(w.sum() + 0.25)
    assert more.logits(move(z, more, {"Smile": 2.0}))[2] == pytest.approx(
        w.sum() + 0.25 + 2 * np.linalg.norm(w)
    )
    back = remove(more, "Smile")
    assert (
        back.names == planes.names and np.array_equal(back.w, planes.w) and np.array_equal(back.b, planes.b)
    )


@pytest.mark.parametrize("name", ["", " ", "a=b", "a+b", "x,y", "Hat", "fake"])
def test_that_a_direction_needs_a_name_of_its_own(planes, name):
    with pytest.raises(ModelError, match="direction"):
        extend(planes, name, np.ones(DIM), 0.0)


@pytest.mark.parametrize("w", [np.ones(DIM - 1), np.ones((1, DIM)), np.full(DIM, np.nan)])
def test_that_weights_that_do_not_fit_are_refused(planes, w):
    with pytest.raises(ModelError):
        extend(planes, "Smile", w, 0.0)


def test_that_fake_stays(planes):
    with pytest.raises(ModelError, match="fake"):
        remove(planes, "fake")


def test_that_loaded_directions_join_the_models_own(planes, tmp_path):
    rng = np.random.default_rng(6)
    saved = extend(extend(planes, "Smile", rng.normal(size=DIM), 0.5), "Young", rng.normal(size=DIM), -1.0)
    save_directions(tmp_path / "d.npz", saved, "ab12")
    joined = join(planes, load_directions(tmp_path / "d.npz", "ab12"))
    assert joined.names == ("Hat", "Beard", "Smile", "Young", "fake")
    assert np.array_equal(joined.w, saved.w) and np.array_equal(joined.b, saved.b)
    assert join(joined, saved).names == joined.names


def test_that_a_file_may_not_give_a_models_name_to_another_direction(planes):
    other = Hyperplanes(planes.names, planes.w * [[1], [-1], [1]], planes.b)
    with pytest.raises(CheckpointError, match=r"mine\.npz.*'Beard'"):
        join(planes, other, "mine.npz")
    wide = Hyperplanes(("A", "fake"), np.ones((2, DIM + 1)), np.zeros(2))
    with pytest.raises(CheckpointError, match=f"{DIM + 1} dimensions"):
        join(planes, wide)
