"""Numbers with their intervals as text, in cells, rows and columns; which is better. No Qt, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from introvac_studio.language import tr

Better = Literal["low", "high", ""]
Part = Mapping[str, Any]  # of one model, as read


@dataclass(frozen=True)
class Figure:
    """One number, where there is an interval with it.

    Attributes:
        value: the number.
        low, high: its interval, or None.
        share: whether it is a share, shown in per cent.
        notes: (what, text) on how it was measured.
        warning: why it misleads, or "".
        n: faces that it is the mean of, or 0.
    """

    value: float
    low: float | None = None
    high: float | None = None
    share: bool = False
    notes: tuple[tuple[str, str], ...] = ()
    warning: str = ""
    n: int = 0

    @property
    def reach(self) -> tuple[float, float] | None:
        """The interval that a comparison takes.

        Where all n faces agree, theirs has no width: 3 / n is taken on either side, the 95 % bound of what
        was never seen in n ("rule of three").
        """
        if self.low is None or self.high is None:
            return None
        extra = 3 / self.n if self.n and self.low == self.high else 0.0
        return self.low - extra, self.high + extra

    @property
    def text(self) -> str:
        """The number alone."""
        return number(self.value, self.share)

    @property
    def interval(self) -> str:
        """Such as "0.12–0.15"; empty without one."""
        if self.low is None or self.high is None:
            return ""
        if self.share:
            return f"{_digits(100 * self.low, 0)}–{_digits(100 * self.high, 0)}"
        low, high = number(self.low), number(self.high)
        return f"{low}–{high}" if self.low >= 0 else tr("{low} to {high}", low=low, high=high)


@dataclass(frozen=True)
class Cell:
    """A figure of each model; None where it was not measured."""

    figures: tuple[Figure | None, ...]
    better: Better = ""

    @property
    def best(self) -> int | None:
        """The better of two models, only where their intervals have nothing in common."""
        if not self.better or len(self.figures) != 2 or None in self.figures:
            return None
        a, b = self.figures
        assert a is not None and b is not None
        first, second = a.reach, b.reach
        if first is None or second is None:
            return None
        if first[1] < second[0]:
            return 0 if self.better == "low" else 1
        if second[1] < first[0]:
            return 1 if self.better == "low" else 0
        return None


@dataclass(frozen=True)
class Row:
    """One line of a table; `tip` says what it is about."""

    name: str
    cells: tuple[Cell, ...]
    group: str = ""
    tip: str = ""


@dataclass(frozen=True)
class Column:
    """A heading and one line on what its numbers mean."""

    title: str
    tip: str


@dataclass(frozen=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


# -- numbers as text ----------------------------------------------------------------------


def _digits(value: float, places: int) -> str:
    text = f"{value:,.{places}f}"
    return text.replace("-", "−")


def number(value: float, share: bool = False) -> str:
    """Per cent with one digit, or three significant digits."""
    if not math.isfinite(value):
        return "–"
    if share:
        return f"{_digits(100 * value, 1)} %"
    size = abs(value)
    if size and size < 1e-3:
        return f"{value:.1e}".replace("-", "−")
    places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
    return _digits(value, places)


def maybe(value: Any) -> float | None:
    return None if value is None else float(value)
