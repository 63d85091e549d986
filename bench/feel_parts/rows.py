"""What was measured, what was wanted of it, and whether it is met."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        wanted: its bound, or None where it is only told.
        least: the bound is a lower one.
        note: how many there were, what is beside it.
    """

    part: str
    what: str
    value: float
    unit: str
    wanted: float | None = None
    least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.wanted is None or math.isnan(self.value):
            return None if self.wanted is None else False
        return self.value >= self.wanted if self.least else self.value <= self.wanted


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many are not above; no interpolation, so that a lone outlier counts."""
    return float(np.percentile(values, share, method="higher")) if len(values) else math.nan


def as_table(rows: Iterable[Row]) -> str:
    """Markdown."""
    lines = ["| what | measured | wanted | |", "|---|---|---|---|"]
    for row in rows:
        sign = "at least" if row.least else "at most"
        bound = "" if row.wanted is None else f"{sign} {row.wanted:g} {row.unit}".rstrip()
        verdict = {True: "met", False: "missed", None: ""}[row.met]
        what = f"{row.what} ({row.note})" if row.note else row.what
        lines.append(f"| {what} | {row.value:,.4g} {row.unit} | {bound} | {verdict} |".replace("  |", " |"))
    return "\n".join(lines)


def keep(path: Path, part: str, rows: Sequence[Row], raw: dict[str, Any]) -> None:
    """Put a part's rows into the file, beside those of other parts that it holds already."""
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    held[part] = {"rows": [asdict(row) | {"met": row.met} for row in rows], "raw": raw}
    path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> list[Row]:
    """All rows of a file."""
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    names = Row.__dataclass_fields__
    return [
        Row(**{k: v for k, v in row.items() if k in names}) for part in held.values() for row in part["rows"]
    ]
