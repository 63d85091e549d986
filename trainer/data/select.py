"""Which faces and attributes a run uses: the paper's subsets, drawn at random from a seed.

Source: the subsets Eye, Facial and EyeFacial of the IntroVAC paper with the ratios of its authors'
code, which took the *first* negatives in file order; here they are drawn (docs: fidelity, point 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.data.cache import Cache
from trainer.data.derive import extend, unknown
from trainer.data.source import TRAIN, VALID
from trainer.data.splits import Splits, splits
from trainer.errors import DataError

# subset: (attributes of which a positive has any, negatives for each positive)
_SUBSETS: dict[str, tuple[tuple[str, ...], float]] = {
    "eye": (("Eyeglasses",), 2.0),
    "facial": (("FacialHair",), 1.0),
    "eyefacial": (("Eyeglasses", "FacialHair"), 1.0),
}

_COUNTED_TOGETHER = 2**16  # rows, so that labels of millions of faces are not copied as wide numbers


@dataclass(frozen=True)
class Selection:
    """What a run trains on.

    Attributes:
        cache: the faces.
        attributes: K chosen names.
        labels: (N, K) int8, 0 or 1, over the whole cache.
        train: int64 indices into the cache, ascending, to learn from.
        valid: the same, to choose on: the data's valid split, or a part of train where it has no test split.
        test: the same, to report on: the data's test split, or its valid split where it has none.
        splits: all three before the subset, with what the data calls them.
    """

    cache: Cache
    attributes: tuple[str, ...]
    labels: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    splits: Splits


@dataclass(frozen=True)
class Summary:
    """Counts that the studio shows before a run.

    Attributes:
        attributes: K names.
        images: pictures by split: train, valid (to choose on) and test (to report on).
        whole: the same before the subset.
        positives: pictures by split that have each attribute, K numbers.
        together: (K, K) int64, co-occurrence on train; the diagonal counts each attribute alone.
        note: says so where valid stands in for a missing test split, else "".
    """

    attributes: tuple[str, ...]
    images: dict[str, int]
    whole: dict[str, int]
    positives: dict[str, tuple[int, ...]]
    together: np.ndarray
    note: str = ""


def counts(labels: np.ndarray) -> np.ndarray:
    """Co-occurrence: (K, K) int64, how many of the (N, K) 0/1 labels have both attributes."""
    total = np.zeros((labels.shape[1], labels.shape[1]), np.int64)
    for start in range(0, len(labels), _COUNTED_TOGETHER):
        wide = labels[start : start + _COUNTED_TOGETHER].astype(np.float64)  # exact, and fast at products
        total += (wide.T @ wide).astype(np.int64)
    return total


def summary(selection: Selection) -> Summary:
    """How many pictures and positives a selection holds."""
    parts = {"train": selection.train, "valid": selection.valid, "test": selection.test}
    roles = selection.splits
    whole = {"train": roles.train, "valid": roles.selection, "test": roles.reported}
    return Summary(
        attributes=selection.attributes,
        images={name: len(indices) for name, indices in parts.items()},
        whole={name: len(indices) for name, indices in whole.items()},
        positives={
            name: tuple(int(n) for n in selection.labels[indices].sum(axis=0, dtype=np.int64))
            for name, indices in parts.items()
        },
        together=counts(selection.labels[selection.train]),
        note=roles.note,
    )


def _columns(names: Sequence[str], known: tuple[str, ...], labels: np.ndarray, why: str) -> np.ndarray:
    for name in names:
        if name not in known:
            raise DataError(f"{why}: {unknown(name, known)}")
    return labels[:, [known.index(name) for name in names]]


def _rule(subset: str, chosen: tuple[str, ...]) -> tuple[tuple[str, ...], float] | None:
    """The attributes that make a positive, and the ratio; None for no subset."""
    if subset == "none":
        return None
    if subset in _SUBSETS:
        return _SUBSETS[subset]
    kind, _, text = subset.partition(":")
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if kind != "balanced" or not 0 < ratio < math.inf:
        known = ", ".join(("none", *_SUBSETS))
        raise DataError(f"subset = {subset!r}: choose {known}, or balanced:R with a positive number R")
    return chosen, ratio


def _draw(indices: np.ndarray, positive: np.ndarray, ratio: float, seed: Sequence[int]) -> np.ndarray:
    """All positives among `indices`, and `ratio` times as many of the others (all, if there are fewer)."""
    yes, no = indices[positive[indices]], indices[~positive[indices]]
    wanted = min(len(no), round(ratio * len(yes)))
    drawn = np.random.default_rng(seed).permutation(no)[:wanted]
    return np.sort(np.concatenate((yes, drawn)))


def select(
    cache: Cache,
    attributes: Sequence[str],
    derive: Sequence[str] = (),
    subset: str = "none",
    seed: int = 0,
) -> Selection:
    """Choose attributes and faces.

    A subset keeps every positive of what is trained and chosen on, plus negatives drawn at random: `eye`
    (Eyeglasses, 2 for each positive), `facial` (FacialHair, 1), `eyefacial` (either, 1), `balanced:R` (any
    chosen attribute, R). What is reported on stays whole, as do all splits with `none`. Where the data has
    no valid or no test split, `trainer.data.splits.splits` says what takes its place.

    Args:
        cache: the faces.
        attributes: K names, from the cache or from `derive`.
        derive: derived attributes, each `NAME=A|B|!C`.
        subset: see above.
        seed: not negative; decides the negatives.

    Raises:
        DataError: an unknown attribute or subset, no positive, or a split without images.
    """
    chosen = tuple(attributes)
    if not chosen:
        raise DataError("choose at least one attribute, as in --attributes Eyeglasses")
    if len(set(chosen)) != len(chosen):
        raise DataError(f"attributes = {','.join(chosen)}: each may appear once")
    if seed < 0:
        raise DataError(f"seed = {seed}: must not be negative")
    known, labels = extend(cache.attributes, cache.labels, derive)
    wanted = _columns(chosen, known, labels, "attributes")
    roles = splits(cache)
    train, valid = roles.train, roles.selection
    rule = _rule(subset, chosen)
    if rule:
        positive = _columns(rule[0], known, labels, f"subset {subset}").max(axis=1) == 1
        if not positive[train].any():
            raise DataError(f"subset {subset}: no image of the train split has {' or '.join(rule[0])}")
        train = _draw(train, positive, rule[1], (seed, TRAIN))
        valid = _draw(valid, positive, rule[1], (seed, VALID))
    for name, indices in (("train", train), (roles.selection_name, valid)):
        if not len(indices):
            raise DataError(
                f"{cache.spec}: no {name} images with subset {subset}; use more data or another subset"
            )
    return Selection(cache, chosen, np.ascontiguousarray(wanted), train, valid, roles.reported, roles)
