"""Timing in pairs: two ways of doing one thing, taken in turn, compared by the median of their ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: what was timed, with its size.
        value: this project's median (or the percentile that `what` names), in `unit`.
        unit: `images/s`, `ms`, ...
        baseline: the other way's median, in the same unit; None where there is none.
        against: what the other way is.
        ratio: how many times faster, the median over pairs; None without a baseline.
        wanted: what the project asks of itself, as text.
        note: anything a reader must know.
    """

    what: str
    value: float
    unit: str
    baseline: float | None = None
    against: str = ""
    ratio: float | None = None
    wanted: str = ""
    note: str = ""


@dataclass(frozen=True)
class Pair:
    """Medians of seconds a call, and the median ratio (theirs / ours) over the rounds."""

    ours: float
    theirs: float
    ratio: float


def timed(act: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def paired(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 7, warmup: int = 2
) -> Pair:
    """Call both in turn; a load that comes and goes meets both alike."""
    for _ in range(warmup):
        ours()
        theirs()
    times = [(timed(ours), timed(theirs)) for _ in range(rounds)]
    return Pair(
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
        statistics.median(b / a for a, b in times),
    )


def alone(act: Callable[[], object], rounds: int = 50, warmup: int = 5) -> list[float]:
    """Seconds of each of `rounds` calls, sorted."""
    for _ in range(warmup):
        act()
    return sorted(timed(act) for _ in range(rounds))


def percentile(sorted_times: list[float], share: float) -> float:
    """The value that `share` of the times do not exceed."""
    return sorted_times[min(int(share * len(sorted_times)), len(sorted_times) - 1)]
