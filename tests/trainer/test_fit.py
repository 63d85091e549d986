"""Directions fitted to labels of a few faces, and tables of labels."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.errors import DataError, ModelError
from trainer.fit import fit_direction, read_labels
from trainer.latent import Hyperplanes, move

DIM = 16
NAMES = ["a/one.png", "a/two.png", "b/two.png", "b/three.png", "seven.jpg"]


@pytest.fixture
def planes():
    return Hyperplanes(("Hat", "fake"), np.random.default_rng(3).normal(size=(2, DIM)), np.zeros(2))


@pytest.fixture
def truth():
    normal = np.random.default_rng(8).normal(size=DIM)
    return normal / np.linalg.norm(normal)


def faces(truth, count=400, seed=1):
    codes = np.random.default_rng(seed).normal(size=(count, DIM))
    return codes, (codes @ truth > 0.4).astype(int)


def test_that_a_fitted_direction_points_where_the_label_changes(planes, truth):
    codes, labels = faces(truth)
    fitted = fit_direction(planes, codes, labels, "Smile")
    assert fitted.w @ truth / np.linalg.norm(fitted.w) > 0.98
    assert 0.93 < fitted.accuracy <= 1 and fitted.folds == 5
    assert fitted.baseline == pytest.approx(1 - labels.mean()) and fitted.positives == labels.sum()
    assert -fitted.b / np.linalg.norm(fitted.w) == pytest.approx(0.4, abs=0.1)  # where the hyperplane lies
    joined = fitted.join(planes)
    others, wanted = faces(truth, seed=2)
    assert ((joined.logits(others)[:, 1] > 0) == wanted).mean() > 0.93
    assert (joined.logits(move(others, joined, {"Smile": 5.0}))[:, 1] > 0).mean() > 0.99


def test_that_accuracy_on_labels_at_random_does_not_flatter(planes):
    rng = np.random.default_rng(0)
    fitted = fit_direction(planes, rng.normal(size=(60, DIM)), rng.permutation([0, 1] * 30), "Luck")
    assert 0.3 < fitted.accuracy < 0.7 and fitted.baseline == 0.5
    assert "50.0%" in str(fitted) and f"{fitted.accuracy:.1%}" in str(fitted)


def test_that_the_fit_shuns_dimensions_in_which_codes_hardly_differ(planes, truth):
    codes, labels = faces(truth, count=40)
    codes[:, 0] = 1e-3 * np.random.default_rng(5).normal(
        size=40
    )  # a dimension that the encoder leaves unused
    w = fit_direction(planes, codes, labels, "Smile").w
    assert abs(w[0]) < 0.01 * np.linalg.norm(w)


def test_that_few_faces_mean_few_folds_and_fewer_are_refused(planes, truth):
    codes, labels = faces(truth)
    some = np.concatenate([np.flatnonzero(labels == 1)[:4], np.flatnonzero(labels == 0)[:9]])
    fitted = fit_direction(planes, codes[some], labels[some], "Smile")
    assert (fitted.folds, fitted.positives, fitted.negatives) == (4, 4, 9)
    with pytest.raises(ModelError, match="3 faces with and 9 without; label at least 4"):
        fit_direction(planes, codes[some[1:]], labels[some[1:]], "Smile")


def test_that_what_cannot_be_fitted_is_refused(planes, truth):
    codes, labels = faces(truth, count=20)
    broken = codes.copy()
    broken[3, 3] = np.nan
    for error, words, arguments in (
        (ModelError, "has one of that name", (codes, labels, "Hat")),
        (ModelError, "must not be empty", (codes, labels, "a+b")),
        (ModelError, "NaN", (broken, labels, "S")),
        (ModelError, "shape", (codes[:, 1:], labels, "S")),
        (DataError, "as many labels", (codes, labels[1:], "S")),
        (DataError, "0 or 1", (codes, labels * 2, "S")),
        (ModelError, "all alike", (np.ones((20, DIM)), [0, 1] * 10, "S")),
    ):
        with pytest.raises(error, match=words):
            fit_direction(planes, *arguments)


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_that_faces_are_found_by_name_by_part_and_by_number(table):
    text = "file,label\na/two.png,yes\none.png,no\nthree,-1\n4,1\n./b\\two.png,\n"
    labels = read_labels(table(text), NAMES, "Smile")
    assert labels.rows.tolist() == [0, 1, 3, 4] and labels.values.tolist() == [0, 1, 0, 1]
    assert labels.unknown == ()


def test_that_headings_choose_the_column(table):
    text = "\ufefffile;Old;Smile\r\none;0;1\r\n\r\nthree;1;0\r\n"
    assert read_labels(table(text), NAMES, "smile").values.tolist() == [1, 0]
    with pytest.raises(DataError, match=r"'Young'; there are Old, Smile"):
        read_labels(table(text), NAMES, "Young")


def test_that_a_table_may_go_without_headings(table):
    labels = read_labels(table("seven.jpg,true\n0,false\n"), NAMES, "x")
    assert labels.rows.tolist() == [0, 4] and labels.values.tolist() == [0, 1]


def test_that_a_name_of_two_faces_names_neither(table):
    assert read_labels(table("two.png,1\none,1\n"), NAMES).unknown == ("two.png",)


def test_that_a_name_that_looks_like_a_number_goes_before_numbers(table):
    assert read_labels(table("2,1\n"), ["2.png", "1.png", "0.png"]).rows.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a row a face"),
        ("one\ntwo\n", "a row a face"),
        ("one,1\nthree,maybe\n", "row 2.*'maybe'"),
        ("one,1\na/one.png,0\n", "row 2.*second time"),
        ("one,1\nthree\n", "row 2.*has 1 cells"),
        ("nobody.png,1\n", r"no face.*nobody.png.*a/one.png"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_that_a_broken_table_is_told_where(table, text, words):
    with pytest.raises(DataError, match=rf"labels\.csv.*{words}"):
        read_labels(table(text), NAMES)


def test_that_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv"):
        read_labels(tmp_path / "gone.csv", NAMES)
