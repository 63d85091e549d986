"""Which faces a run uses: ratios, splits, counts and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from trainer.data.cache import build
from trainer.data.select import counts, select, summary
from trainer.data.source import open_source
from trainer.errors import DataError

ATTRIBUTES = ("Eyeglasses", "FacialHair", "Smiling")


def faces(n=3000, rates=(0.1, 0.2, 0.5), splits=None, seed=0):
    """Labels without pictures: all that choosing looks at."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, len(rates))) < rates).astype(np.int8)
    splits = rng.choice(3, n, p=[0.6, 0.2, 0.2]).astype(np.uint8) if splits is None else splits
    names = [f"{i}.jpg" for i in range(n)]
    return SimpleNamespace(spec="test", attributes=ATTRIBUTES, labels=labels, splits=splits, names=names)


@pytest.mark.parametrize(
    ("subset", "columns", "ratio"),
    [("eye", [0], 2), ("facial", [1], 1), ("eyefacial", [0, 1], 1), ("balanced:1.5", [0, 2], 1.5)],
)
def test_that_subsets_keep_every_positive_and_the_ratio(subset, columns, ratio):
    cache = faces(rates=(0.1, 0.2, 0.15))
    chosen = select(cache, ("Eyeglasses", "Smiling"), subset=subset)
    positive = cache.labels[:, columns].any(axis=1)
    for split, indices in ((0, chosen.train), (1, chosen.valid)):
        wanted = np.flatnonzero(positive & (cache.splits == split))
        assert set(wanted) <= set(indices)
        assert (cache.splits[indices] == split).all()
        assert len(indices) == len(wanted) + round(ratio * len(wanted))
        assert indices.dtype == np.int64
        assert (np.diff(indices) > 0).all()
    assert np.array_equal(chosen.test, np.flatnonzero(cache.splits == 2))


def test_that_negatives_are_drawn_from_a_seed_and_not_taken_first():
    cache = faces()
    one, same, other = (select(cache, ("Eyeglasses",), subset="eye", seed=s).train for s in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one[-1] > len(cache.labels) * 0.95


def test_that_too_few_negatives_are_all_taken():
    cache = faces(rates=(0.9, 0.5, 0.5))
    assert len(select(cache, ("Eyeglasses",), subset="eye").train) == (cache.splits == 0).sum()


def test_that_none_keeps_everything():
    cache = faces()
    chosen = select(cache, ("Smiling", "Eyeglasses"))
    assert np.array_equal(chosen.train, np.flatnonzero(cache.splits == 0))
    assert np.array_equal(chosen.labels, cache.labels[:, [2, 0]])
    assert chosen.attributes == ("Smiling", "Eyeglasses")


def test_that_derived_attributes_can_be_chosen_and_make_subsets():
    cache = faces()
    chosen = select(cache, ("Plain",), derive=("Plain=!Eyeglasses&!FacialHair",), subset="balanced:1")
    plain = ~cache.labels[:, :2].any(axis=1)
    assert np.array_equal(chosen.labels[:, 0] == 1, plain)
    assert set(np.flatnonzero(plain & (cache.splits == 0))) <= set(chosen.train)


def test_that_a_missing_valid_split_is_taken_from_train():
    cache = faces(n=230, splits=np.repeat(np.array([0, 2], np.uint8), (200, 30)))
    chosen = select(cache, ("Smiling",))
    assert len(chosen.valid) == 20
    assert sorted([*chosen.train, *chosen.valid]) == list(range(200))
    assert np.array_equal(select(cache, ("Smiling",), seed=9).valid, chosen.valid)
    assert not chosen.splits.note


def test_that_valid_is_reported_whole_where_there_is_no_test_split():
    cache = faces(n=1000, splits=np.repeat(np.array([0, 1], np.uint8), (800, 200)))
    whole = select(cache, ("Eyeglasses",))
    assert np.array_equal(whole.test, np.arange(800, 1000))
    assert len(whole.valid) == 80 and (whole.valid < 800).all()
    assert sorted([*whole.train, *whole.valid]) == list(range(800))
    part = select(cache, ("Eyeglasses",), subset="eye", seed=4)
    assert np.array_equal(part.test, whole.test)
    assert set(part.valid) < set(whole.valid) and set(part.train) < set(whole.train)
    positive = cache.labels[:, 0] == 1
    assert set(whole.valid[positive[whole.valid]]) <= set(part.valid)


def test_that_what_stands_in_for_test_is_counted_and_told():
    told = summary(select(faces(n=500, splits=np.arange(500) % 5 == 0), ("Eyeglasses",), subset="eye"))
    assert told.whole == {"train": 360, "valid": 40, "test": 100}
    assert told.images["train"] < 360 and told.images["valid"] <= 40 and told.images["test"] == 100
    assert told.note == "no test split: valid is kept for reporting; 40 of train are set aside to choose on"
    assert summary(select(faces(), ("Eyeglasses",))).note == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"attributes": ("Smilling",)}, r"attributes: no attribute 'Smilling'; did you mean Smiling\?"),
        ({"attributes": ()}, "at least one attribute"),
        ({"attributes": ("Smiling", "Smiling")}, "may appear once"),
        ({"attributes": ("Smiling",), "subset": "few"}, "subset = 'few'"),
        ({"attributes": ("Smiling",), "subset": "balanced:0"}, "positive number"),
        ({"attributes": ("Smiling",), "subset": "balanced"}, "positive number"),
        ({"attributes": ("Smiling",), "subset": "balanced:nan"}, "positive number"),
        ({"attributes": ("Smiling",), "derive": ("X=Hat",)}, "no attribute 'Hat'"),
        ({"attributes": ("Smiling",), "seed": -1}, "seed = -1"),
    ],
)
def test_that_wrong_choices_are_explained(arguments, said):
    with pytest.raises(DataError, match=said):
        select(faces(30), **arguments)


def test_that_empty_splits_are_explained():
    with pytest.raises(DataError, match="no train images"):
        select(faces(30, splits=np.repeat(np.array([1, 2], np.uint8), 15)), ("Smiling",))
    with pytest.raises(DataError, match=r"test: its pictures \(1 train, 0 valid, 0 test\) are too few"):
        select(faces(1, splits=np.zeros(1, np.uint8)), ("Smiling",))
    with pytest.raises(DataError, match="no image of the train split has Eyeglasses"):
        select(faces(rates=(0, 0.5, 0.5)), ("Smiling",), subset="eye")
    third = np.repeat(np.array([0, 1, 2], np.uint8), 10)
    cache = faces(30, splits=third)
    cache.labels[:, 0] = third == 0
    with pytest.raises(DataError, match="no valid images with subset eye"):
        select(cache, ("Smiling",), subset="eye")
    cache.attributes = ("Glasses", "FacialHair", "Smiling")
    with pytest.raises(DataError, match="subset eye: no attribute 'Eyeglasses'"):
        select(cache, ("Smiling",), subset="eye")


def test_that_counts_do_not_overflow_and_agree_with_the_summary():
    labels = np.ones((1000, 2), np.int8)
    assert counts(labels).tolist() == [[1000, 1000], [1000, 1000]]
    assert counts(labels).dtype == np.int64
    cache = faces()
    told = summary(select(cache, ("Eyeglasses", "Smiling")))
    train = cache.labels[cache.splits == 0]
    assert told.images["train"] == len(train)
    assert told.positives["train"] == (train[:, 0].sum(), train[:, 2].sum())
    assert told.together[0, 1] == (train[:, 0] & train[:, 2]).sum()
    assert np.array_equal(np.diag(told.together), told.positives["train"])


def test_that_a_real_cache_can_be_chosen_from(tmp_path):
    cache = build(open_source("avatars:60"), 8, "none", tmp_path / "c", workers=1)
    chosen = select(cache, ("Eyeglasses", "FacialHair"), subset="eyefacial")
    assert chosen.cache.batch(chosen.train[:4]).shape == (4, 8, 8, 3)
    assert len(chosen.labels) == 60
