"""Attributes made from others: `NAME=A|B|!C`, where | is or, & is and (binds tighter), ! is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainer.errors import DataError


@dataclass(frozen=True)
class Derived:
    """A derived attribute: an or of ands of (wanted, column)."""

    name: str
    terms: tuple[tuple[tuple[bool, str], ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The attributes it is made from, in order, each once."""
        return tuple(dict.fromkeys(column for term in self.terms for _, column in term))


def _factor(text: str, whole: str) -> tuple[bool, str]:
    text, wanted = text.strip(), True
    while text.startswith("!"):
        text, wanted = text[1:].strip(), not wanted
    if not text or "!" in text or "=" in text:
        raise DataError(f"derived attribute {whole!r}: expected NAME=A|B|!C with a name between the signs")
    return wanted, text


def parse(text: str) -> Derived:
    """Read `NAME=A|B|!C`.

    Raises:
        DataError: the text does not follow the grammar.
    """
    name, sign, body = text.partition("=")
    name = name.strip()
    if not sign or not name or any(c in name for c in ",+|&!"):
        raise DataError(f"derived attribute {text!r}: expected NAME=A|B|!C")
    terms = tuple(tuple(_factor(part, text) for part in term.split("&")) for term in body.split("|"))
    return Derived(name, terms)


def unknown(name: str, attributes: Iterable[str]) -> str:
    """A sentence about a column that is not there, with close matches or all there are."""
    known = list(attributes)
    folded = {a.casefold(): a for a in known}
    close = [folded[m] for m in difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known) or 'none'}"
    return f"no attribute {name!r}; {hint}"


def evaluate(derived: Derived, attributes: tuple[str, ...], labels: np.ndarray) -> np.ndarray:
    """The derived column.

    Args:
        derived: what to compute.
        attributes: A names of the columns.
        labels: (N, A) int8, 0 or 1.

    Returns:
        (N,) int8, 0 or 1.

    Raises:
        DataError: it needs a column that is not there.
    """
    result = np.zeros(len(labels), bool)
    for term in derived.terms:
        both = np.ones(len(labels), bool)
        for wanted, column in term:
            if column not in attributes:
                raise DataError(f"derived attribute {derived.name!r}: {unknown(column, attributes)}")
            both &= (labels[:, attributes.index(column)] == 1) == wanted
        result |= both
    return result.astype(np.int8)


def extend(
    attributes: tuple[str, ...], labels: np.ndarray, texts: Iterable[str]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Add derived attributes as last columns, in order; a later one may use an earlier one.

    A name that exists already is replaced in its place.

    Args:
        attributes: A names.
        labels: (N, A) int8.
        texts: each `NAME=A|B|!C`.

    Returns:
        The longer names and (N, A + ...) int8 labels; `labels` itself is not changed.

    Raises:
        DataError: as `parse` and `evaluate`.
    """
    for text in texts:
        derived = parse(text)
        column = evaluate(derived, attributes, labels)
        if derived.name in attributes:
            labels = labels.copy()
            labels[:, attributes.index(derived.name)] = column
        else:
            attributes, labels = (*attributes, derived.name), np.column_stack((labels, column))
    return attributes, labels
