"""Nothing is chosen on what is reported, whichever splits the data has and however small it is."""

from types import SimpleNamespace

import numpy as np
import pytest

from trainer.data.source import TEST, TRAIN, VALID
from trainer.data.splits import own_splits, splits
from trainer.errors import DataError


def cache(train=0, valid=0, test=0):
    """So many names in each split, in no order: all that parting looks at."""
    marks = np.repeat(np.array([TRAIN, VALID, TEST], np.uint8), (train, valid, test))
    marks = np.random.default_rng(len(marks)).permutation(marks)
    return SimpleNamespace(splits=marks, names=[f"face-{i}" for i in range(len(marks))], spec="folder:faces")


@pytest.mark.parametrize(
    "counts",
    [
        {"train": 200, "valid": 30, "test": 40},
        {"train": 200, "valid": 30},
        {"train": 200, "test": 40},
        {"train": 200},
        {"train": 1, "valid": 1, "test": 1},
        {"train": 2, "valid": 1},
        {"train": 2, "test": 1},
        {"train": 3},
    ],
    ids=lambda counts: "-".join(f"{k}{v}" for k, v in counts.items()),
)
def test_that_the_three_parts_share_nothing_and_none_is_empty(counts):
    data = cache(**counts)
    found = splits(data)
    parts = (found.train, found.selection, found.reported)
    assert sorted(np.concatenate(parts)) == list(range(len(data.names)))
    for part in parts:
        assert len(part) and part.dtype == np.int64 and (np.diff(part) > 0).all()
    own = {"train": TRAIN, "valid": VALID, "test": TEST}
    reported = own[found.reported_name] if found.reported_name in counts else TRAIN
    assert (data.splits[found.reported] == reported).all()
    assert (data.splits[found.train] == TRAIN).all()
    assert (found.reported_name == "test") == ("test" in counts)


def test_that_with_a_test_split_all_stays_as_the_data_has_it():
    data = cache(20, 5, 6)
    found = splits(data)
    assert (found.reported_name, found.selection_name, found.note) == ("test", "valid", "")
    for part, mark in ((found.train, TRAIN), (found.selection, VALID), (found.reported, TEST)):
        np.testing.assert_array_equal(part, np.flatnonzero(data.splits == mark))


def test_that_without_a_test_split_a_tenth_of_train_is_set_aside_to_choose_on():
    data = cache(395, 50)
    found = splits(data)
    assert (found.reported_name, found.selection_name) == ("valid", "selection")
    np.testing.assert_array_equal(found.reported, np.flatnonzero(data.splits == VALID))
    assert len(found.selection) == 40 and len(found.train) == 355
    assert found.note == "no test split: valid is kept for reporting; 40 of train are set aside to choose on"


def test_that_with_train_alone_a_tenth_is_reported_and_another_chosen_on():
    found = splits(cache(400))
    assert [len(part) for part in (found.train, found.selection, found.reported)] == [324, 36, 40]
    assert "40 of train are kept for reporting" in found.note and "36 of train are set aside" in found.note
    np.testing.assert_array_equal(found.reported, own_splits(cache(400))[1])


def test_that_the_data_keeps_its_own_splits_beside_their_roles():
    data = cache(40, 10)
    train, valid, test = own_splits(data)
    np.testing.assert_array_equal(train, np.flatnonzero(data.splits == TRAIN))
    np.testing.assert_array_equal(valid, np.flatnonzero(data.splits == VALID))
    assert not len(test)


def test_that_names_alone_decide_who_is_set_aside():
    one, other = cache(100, 10), cache(100, 10)
    order = np.random.default_rng(1).permutation(110)
    other.names, other.splits = [one.names[i] for i in order], one.splits[order]

    def chosen(data):
        return {data.names[i] for i in splits(data).selection}

    assert chosen(one) == chosen(other)
    other.names = [f"other-{name}" for name in other.names]
    assert {name.removeprefix("other-") for name in chosen(other)} != chosen(one)


@pytest.mark.parametrize(
    "counts", [{"train": 2}, {"train": 1, "valid": 9}, {"train": 1, "test": 9}, {"valid": 9}, {"test": 9}]
)
def test_that_data_too_small_for_three_parts_is_refused_with_its_counts(counts):
    told = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("train", "valid", "test"))
    with pytest.raises(DataError, match=rf"folder:faces: its pictures \({told}\) are too few"):
        splits(cache(**counts))
