"""Who may be used for what: pictures to train on, to choose on and to report on share nothing. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.data.cache import Cache
from trainer.data.source import SPLITS, VALID, uniform
from trainer.errors import DataError


@dataclass(frozen=True, eq=False)
class Splits:
    """Ascending int64 indices into a cache; the three parts share no picture.

    Attributes:
        train: what models and judges learn from, and the pool of real pictures for real against real.
        selection: what checkpoints, deltas and recipes are chosen on.
        reported: what numbers are reported on.
        reported_name: "test" or "valid".
        selection_name: "valid" or "selection".
        note: says so where valid stands in for a missing test split, else "".
    """

    train: np.ndarray
    selection: np.ndarray
    reported: np.ndarray
    reported_name: str
    selection_name: str
    note: str


def own_splits(cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ascending int64 indices of train, valid and test, as the data has them.

    Without a valid split it is the tenth of train whose names have the smallest hashes.
    """
    train, valid, test = (np.flatnonzero(cache.splits == s).astype(np.int64) for s in SPLITS.values())
    if not len(valid):
        valid, train = _tenth(cache.names, train, "valid")
    return train, valid, test


def splits(cache: Cache) -> Splits:
    """Report on test and choose on valid; without a test split report on valid and choose on a part of train.

    That part is the tenth of train whose names have the smallest hashes, so it depends on neither seed nor
    subset, and every model and judge of the same data leaves out the same pictures.

    Raises:
        DataError: too few pictures to choose on and to report on.
    """
    train, valid, test = own_splits(cache)
    if len(test):
        found = Splits(train, valid, test, "test", "valid", "")
    else:
        selection, rest = _tenth(cache.names, train, "selection")
        if (cache.splits == VALID).any():
            kept = "no test split: valid is kept for reporting"
        else:
            kept = f"no test split and no valid split: {len(valid)} of train are kept for reporting, as valid"
        note = f"{kept}; {len(selection)} of train are set aside to choose on"
        found = Splits(rest, selection, valid, "valid", "selection", note)
    if not len(found.selection) or not len(found.reported):
        counts = ", ".join(f"{(cache.splits == s).sum()} {name}" for name, s in SPLITS.items())
        raise DataError(
            f"{cache.spec}: its pictures ({counts}) are too few to train, to choose and to report on; "
            "use more data"
        )
    return found


def _tenth(names: Sequence[str], rows: np.ndarray, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """(taken, left): the tenth, rounded up, with the smallest hashes of purpose and name; none of one row."""
    if len(rows) < 2:
        return rows[:0], rows
    hashes = np.fromiter((uniform(f"{purpose}:{names[i]}") for i in rows), np.float64, len(rows))
    order = np.argsort(hashes, kind="stable")
    count = math.ceil(len(rows) / 10)
    return rows[np.sort(order[:count])], rows[np.sort(order[count:])]
