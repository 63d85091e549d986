"""New directions for a finished model: labels of some faces, and a linear classifier of their codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.data.folder import read_label, read_table
from trainer.directions import check_name, extend
from trainer.errors import DataError, ModelError
from trainer.latent import Floats, Hyperplanes, finite_codes

MIN_OF_EACH = 4  # faces with and without; fewer say nothing
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Fitted:
    """A direction learnt from labelled codes: logit w . z + b.

    Attributes:
        name: of the new attribute.
        w: (d,).
        b: the bias.
        accuracy: on held-out faces, mean over `folds` cross-validation folds.
        baseline: what always answering with the commoner label would give.
        positives, negatives: faces with and without.
        folds: of the cross-validation.
    """

    name: str
    w: Floats
    b: float
    accuracy: float
    baseline: float
    positives: int
    negatives: int
    folds: int

    def join(self, planes: Hyperplanes) -> Hyperplanes:
        """The hyperplanes with this one added in front of "fake".

        Raises:
            ModelError: the name is taken, or the dimensions differ.
        """
        return extend(planes, self.name, self.w, self.b)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.accuracy:.1%} right on held-out faces in {self.folds} folds "
            f"(always the commoner label: {self.baseline:.1%}), {self.positives} with and "
            f"{self.negatives} without"
        )


def fit_direction(
    planes: Hyperplanes, codes: ArrayLike, labels: ArrayLike, name: str, *, seed: int = 0
) -> Fitted:
    """Logistic regression of 0/1 labels (N,) on codes (N, d).

    The codes are taken as they are, not standardised: a unit is one standard deviation of the prior in
    every dimension, as it is for delta, and the ridge penalty (scikit-learn's C = 1) then keeps the
    normal out of dimensions in which codes hardly differ. Accuracy is over stratified folds.

    Raises:
        ModelError: a name that is taken, codes that do not fit or are not finite, fewer than four faces of
            a label, or codes that are all alike.
        DataError: labels that are not 0 or 1, or not one for each code.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    check_name(planes, name)
    x, y = np.atleast_2d(finite_codes(codes, planes.dim)), np.asarray(labels)
    if y.shape != (len(x),) or not np.isin(y, (0, 1)).all():
        raise DataError(f"{name}: {len(x)} codes need as many labels, each 0 or 1")
    y = y.astype(np.int8)
    positives = int(y.sum())
    negatives = len(y) - positives
    if min(positives, negatives) < MIN_OF_EACH:
        raise ModelError(
            f"{name}: {positives} faces with and {negatives} without; label at least {MIN_OF_EACH} of each"
        )
    if not np.ptp(x, axis=0).any():
        raise ModelError(f"{name}: the labelled codes are all alike; label other faces")
    folds = min(FOLDS, positives, negatives)
    model = LogisticRegression(C=1.0, max_iter=10_000)
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    accuracy = float(cross_val_score(model, x, y, cv=split, scoring="accuracy").mean())
    model.fit(x, y)
    w, b = np.asarray(model.coef_, dtype=np.float64)[0], float(model.intercept_[0])
    baseline = max(positives, negatives) / len(y)
    return Fitted(name, w, b, accuracy, baseline, positives, negatives, folds)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of some of N faces.

    Attributes:
        rows: (n,) indices of the labelled faces, ascending.
        values: (n,) int8, 0 or 1.
        unknown: names in the table that no face has.
    """

    rows: NDArray[np.intp]
    values: NDArray[np.int8]
    unknown: tuple[str, ...]


def read_labels(path: Path, names: Sequence[str], column: str = "") -> Labels:
    """Read a table of labels: the first column names the face, the second says 0/1, -1/1, yes/no, true/false.

    A face is named as the data does, by its file name without folders or suffix where only one face has
    it, or else by its number from 0. The first row may be a heading; of a wider table with headings, the
    column headed `column` counts. Rows without a label are skipped.

    Args:
        path: UTF-8, comma or semicolon separated.
        names: N names of the data.
        column: what the attribute is called.

    Raises:
        DataError: unreadable, a label that is none (names the row), a face labelled twice in two ways, or
            no row that names a face.
    """
    rows = [(n, row) for n, row in enumerate(read_table(path), start=1) if any(row)]
    if not rows or len(rows[0][1]) < 2:
        raise DataError(f"{path}: expected a row a face: its name, then its label")
    at, places = 1, _places(names)
    first = rows[0][1]
    if first[0] not in places and not _is_label(first[1]):
        headings, rows = [text.casefold() for text in first], rows[1:]
        if column.casefold() in headings[1:]:
            at = headings.index(column.casefold(), 1)
        elif len(headings) > 2:
            raise DataError(f"{path}: no column is headed {column!r}; there are {', '.join(first[1:])}")
    found: dict[int, int] = {}
    unknown = []
    for number, row in rows:
        where = f"{path}: row {number}"
        if len(row) <= at:
            raise DataError(f"{where}: has {len(row)} cells, its label would be in cell {at + 1}")
        if not row[at]:
            continue
        value = read_label(row[at], where)
        face = places.get(row[0].replace("\\", "/").removeprefix("./"))
        if face is None:
            unknown.append(row[0])
        elif found.setdefault(face, value) != value:
            raise DataError(f"{where}: labels {row[0]} a second time, the other way")
    if not found:
        hint = f", such as {unknown[0]}; the data's are like {names[0]}" if unknown and len(names) else ""
        raise DataError(f"{path}: labels no face of the data{hint}")
    order = sorted(found)
    return Labels(
        np.array(order, dtype=np.intp), np.array([found[i] for i in order], np.int8), tuple(unknown)
    )


def _places(names: Sequence[str]) -> dict[str, int]:
    """What a face may be called -> its index; whole names go before parts, and parts before numbers."""
    places = {str(i): i for i in range(len(names))}
    last = [name.rpartition("/")[2] for name in names]
    for texts in ([text.rpartition(".")[0] for text in last], last):
        counts: dict[str, int] = {}
        for text in texts:
            counts[text] = counts.get(text, 0) + 1
        places |= {text: i for i, text in enumerate(texts) if text and counts[text] == 1}
    return places | {name: i for i, name in enumerate(names)}


def _is_label(text: str) -> bool:
    try:
        read_label(text, "")
    except DataError:
        return False
    return True
