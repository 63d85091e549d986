"""An evaluation's numbers in rows and columns, with their intervals; which is better; the headlines.

Each cell has one figure for each of one or two models. Free of Qt and of torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from trainer.metrics.protocol import TITLES

Better = Literal["low", "high", ""]
Part = Mapping[str, Any]  # of one model, as read
_PREFERRED = ("inception", "lite0", "pixels")  # features of the headline
_CARD_WORDS = {
    "count": "pictures made", "against": "real pictures", "what": "compared", "dim": "numbers a picture",
    "input_size": "input of the features, px", "chosen_on": "chosen on", "size": "size, px",
}  # fmt: skip


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
        return f"{number(self.low)}{'–' if self.low >= 0 else ' to '}{number(self.high)}"


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


@dataclass(frozen=True)
class Card:
    """A headline: a cell, and for each model two short lines below its number."""

    title: str
    tip: str
    cell: Cell
    below: tuple[tuple[str, str], ...]


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


# -- tables -----------------------------------------------------------------------------------


def _figure(one: Part | None, share: bool = False) -> Figure | None:
    """Of an `Estimate`."""
    if not one:
        return None
    notes = (("faces", f"{int(one['n']):,}"), ("interval", "95 %, bootstrap over faces"))
    low, high = float(one["low"]), float(one["high"])
    return Figure(float(one["mean"]), low, high, share, notes, n=int(one["n"]))


def _joined(found: Sequence[Mapping[Any, Any]]) -> tuple[Any, ...]:
    """The keys of all, in order."""
    return tuple(dict.fromkeys(key for one in found for key in one))


def _distance(one: Part | None) -> Figure | None:
    if one is None:
        return None
    notes = [("measured", str(one["name"]))]
    level = one.get("level")
    if one.get("low") is not None and level is not None:
        notes.append(("interval", f"{100 * float(level):.0f} %"))
    if one.get("floor") is not None:
        notes.append(("real against real", f"{number(float(one['floor']))}, {one['floor_count']:,} a set"))
    for key, value in dict(one["protocol"]).items():
        if value in ("", None, [], {}):
            continue
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        text = ", ".join(map(str, text)) if isinstance(text, list | tuple) else text
        text = f"{text[:12]}…" if key == "weights" else text
        notes.append((_CARD_WORDS.get(key, key), f"{text:,}" if isinstance(text, int) else str(text)))
    low, high = maybe(one.get("low")), maybe(one.get("high"))
    return Figure(float(one["value"]), low, high, False, tuple(notes), str(one.get("warning") or ""))


def distances(parts: Sequence[Part]) -> Table:
    found: list[dict[tuple[str, str], dict[str, Part]]] = []
    for part in parts:
        mine: dict[tuple[str, str], dict[str, Part]] = {}
        for one in part.get("distances") or ():
            card = one["protocol"]
            mine.setdefault((str(card["what"]), str(card["features"])), {})[str(one["kind"])] = one
        found.append(mine)
    rows = []
    for what, features in _joined(found):
        here = [mine.get((what, features), {}) for mine in found]
        cells = []
        for kind in ("frechet", "kernel"):
            cells.append(Cell(tuple(_distance(one.get(kind)) for one in here), "low"))
            cells.append(Cell(tuple(_floor(one.get(kind)) for one in here)))
        names = {str(one["name"]) for group in here for one in group.values()}
        title = TITLES.get(features, features)
        proper = " (FID, KID)" if names & {"FID", "KID"} else ""
        rows.append(Row(f"{title}{proper}", tuple(cells), _capital(what)))
    columns = (
        Column("Fréchet", "Distance between two normal distributions fitted to features; smaller is nearer"),
        Column("real vs real", "The same distance between two sets of real pictures, a floor"),
        Column("Kernel", "Squared kernel distance (MMD) of features; smaller is nearer, 0 is no difference"),
        Column("real vs real", "The kernel distance between two sets of real pictures"),
    )  # fmt: skip
    return Table(columns, tuple(rows))


def _floor(one: Part | None) -> Figure | None:
    if one is None or one.get("floor") is None:
        return None
    return Figure(float(one["floor"]), notes=(("pictures", f"{int(one['floor_count']):,} in each set"),))


def samples(parts: Sequence[Part]) -> Table:
    found = [{str(one["want"]): one for one in part.get("sample_quality") or ()} for part in parts]
    columns = (
        Column("Judged", "Share of samples in which the independent judge sees what was wanted"),
        Column("Re-encoded", "Share of samples that the model, encoding them again, finds to have it"),
    )
    rows = tuple(
        Row(
            want.replace("=", " "),
            tuple(
                Cell(tuple(_figure(one.get(want, {}).get(key), True) for one in found), "high")
                for key in ("judged", "read")
            ),
            "",
            f"Samples of p(z|{want})",
        )
        for want in _joined(found)
    )
    return Table(columns, rows)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def edit_name(edit: Part) -> str:
    return f"{edit['attribute']} {'yes' if edit['wanted'] else 'no'}"


def edits_of(part: Part) -> Sequence[Part]:
    return part.get("edits") or ()


def equal_of(part: Part) -> Sequence[Part]:
    return (part.get("at_equal_success") or {}).get("edits") or ()


@dataclass(frozen=True)
class _EditColumn:
    column: Column
    take: Callable[[Part], Part | None]
    share: bool
    better: Better = ""
    reach: bool = True  # whether its interval is shown


def _truth(*keys: str) -> Callable[[Part], Part | None]:
    def take(edit: Part) -> Part | None:
        found = edit.get("truth")
        for key in keys:
            found = found[key] if found else None
        return found

    return take


_JUDGED = "Judged"
_EDIT_COLUMNS = (
    _EditColumn(
        Column("Amount", "How far the code is moved: delta"),
        lambda e: e["delta"], False, reach=False,
    ),
    _EditColumn(
        Column(_JUDGED, "Share of edits in which the independent judge sees the wanted label"),
        lambda e: e["judged"], True, "high",
    ),
    _EditColumn(
        Column("Re-encoded", "Share of edits that the model itself, encoding them again, finds right"),
        lambda e: e["reencoded"], True, "high",
    ),
    _EditColumn(
        Column("To truth", "Mean difference to the nearest true edit, white being 1; known for avatars"),
        _truth("edited", "l1"), False, "low",
    ),
    _EditColumn(
        Column("Truth’s own", "The same of the truth’s own reconstruction, which no edit can hope to beat"),
        _truth("allowed", "l1"), False, reach=False,
    ),
    _EditColumn(
        Column("Outside", "Change where the true edit changes nothing; smaller leaves more as it was"),
        _truth("outside"), False, "low",
    ),
)  # fmt: skip


def edits(parts: Sequence[Part], of: Callable[[Part], Sequence[Part]]) -> Table:
    found = [{edit_name(edit): edit for edit in of(part)} for part in parts]
    keys = _joined(found)
    kept, cells = [], []
    for one in _EDIT_COLUMNS:
        column = [
            Cell(tuple(_edit_figure(one, mine.get(key)) for mine in found), one.better) for key in keys
        ]  # fmt: skip
        if any(figure for cell in column for figure in cell.figures):
            kept.append(one.column)
            cells.append(column)
    rows = tuple(
        Row(key, tuple(column[i] for column in cells), "", _edit_tip(key, found))
        for i, key in enumerate(keys)
    )
    return Table(tuple(kept), rows)


def _edit_figure(column: _EditColumn, edit: Part | None) -> Figure | None:
    figure = None if edit is None else _figure(column.take(edit), column.share)
    if figure is None or edit is None:
        return None
    if column.column.title == _JUDGED and edit.get("judged_before"):
        before = number(float(edit["judged_before"]["mean"]), True)
        figure = replace(figure, notes=(*figure.notes, ("judged so before the edit", before)))
    if column.reach:
        return figure
    return replace(figure, low=None, high=None, notes=figure.notes[:1])


def _edit_tip(key: str, found: Sequence[Mapping[str, Part]]) -> str:
    name, _, wanted = key.rpartition(" ")
    edit = next(mine[key] for mine in found if key in mine)
    before = "without" if wanted == "yes" else "with"
    return f"{int(edit['faces']):,} faces {before} {name}, {edit['amount']}"


def reading(parts: Sequence[Part]) -> Table:
    readings = [part.get("reading") or {} for part in parts]
    found = [{str(one["name"]): one for one in reading.get("attributes", ())} for reading in readings]
    columns = (
        Column("Right", "Share of faces whose label the model reads rightly"),
        Column("On yes", "The same of faces that have it"),
        Column("On no", "The same of faces that do not"),
        Column("Commoner", "What always saying the commoner label would reach"),
        Column("Calibration error", "How far stated probabilities are from how often they hold (ECE)"),
    )  # fmt: skip

    def of(key: str, name: str, share: bool = True) -> tuple[Figure | None, ...]:
        return tuple(_figure(one.get(name, {}).get(key), share) for one in found)

    def plain(name: str, take: Callable[[Part], Any]) -> tuple[Figure | None, ...]:
        return tuple(Figure(float(take(one[name])), share=True) if name in one else None for one in found)

    rows = tuple(
        Row(
            name,
            (
                Cell(of("accuracy", name), "high"),
                Cell(of("on_yes", name), "high"),
                Cell(of("on_no", name), "high"),
                Cell(plain(name, lambda one: one["commoner"])),
                Cell(plain(name, lambda one: one["calibration"]["error"])),
            ),
        )
        for name in _joined(found)
    )
    return Table(columns, rows)


# -- headlines --------------------------------------------------------------------------------


def cards(parts: Sequence[Part]) -> tuple[Card, ...]:
    made = (_distance_card(parts), _edit_card(parts), _leak_card(parts), _accuracy_card(parts))
    return tuple(card for card in (*made, _code_card(parts)) if card is not None)


_Headline = tuple[Figure | None, tuple[str, str]]


def _card(
    title: str, tip: str, found: Sequence[tuple[Figure | None, tuple[str, str]]], better: Better
) -> Card | None:
    if not any(figure for figure, _ in found):
        return None
    return Card(title, tip, Cell(tuple(f for f, _ in found), better), tuple(lines for _, lines in found))


def _distance_card(parts: Sequence[Part]) -> Card | None:
    """Of reconstructions, on the best features that all models have; of pixels' means, failing that."""
    every = [
        {
            str(d["protocol"]["features"]): d
            for d in part.get("distances") or ()
            if d["kind"] == "frechet" and d["protocol"]["what"] == "reconstructions"
        }
        for part in parts
    ]
    features = next((f for f in _PREFERRED if all(f in mine for mine in every)), None)
    if features is None:
        return None
    found: list[_Headline] = []
    for mine in every:
        one = mine[features]
        floor = f"real vs real {number(float(one['floor']))}" if one.get("floor") is not None else ""
        found.append((_distance(one), (floor, "")))
    name = str(every[0][features]["name"])
    tip = f"{name} between real faces and their reconstructions; smaller is nearer"
    return _card("Reconstruction FID" if name == "FID" else "Reconstruction", tip, found, "low")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _edit_card(parts: Sequence[Part]) -> Card | None:
    found: list[_Headline] = []
    judged = any(e["judged"] for part in parts for e in edits_of(part))
    shared = set.intersection(*({edit_name(edit) for edit in edits_of(part)} for part in parts))
    for part in parts:
        edits = [edit for edit in edits_of(part) if edit_name(edit) in shared]
        right = [float(e["reencoded"]["mean"]) for e in edits if e["reencoded"]]
        seen = [float(e["judged"]["mean"]) for e in edits if e["judged"]]
        again = f"re-encoded {number(_mean(right), True)}" if right else ""
        least, name = min(
            ((float(e["judged"]["mean"]), edit_name(e)) for e in edits if e["judged"]), default=(1.0, "")
        )
        weakest = f"least {name} {number(least, True)}" if name else ""
        if judged:
            found.append((Figure(_mean(seen), share=True) if seen else None, (again, weakest)))
        else:
            found.append((Figure(_mean(right), share=True) if right else None, ("by its own reading", "")))
    tip = "Share of edits that the independent judge finds done, over attributes (of both models) and ways"
    plain = "Share of edits that the model itself finds done; a judge would say it independently"
    return _card("Edit success" if judged else "Edits re-encoded", tip if judged else plain, found, "high")


def _leak_card(parts: Sequence[Part]) -> Card | None:
    found: list[_Headline] = []
    for part in parts:
        mean = (part.get("leakage") or {}).get("mean")
        equal = ((part.get("at_equal_success") or {}).get("leakage") or {}).get("mean")
        below = f"at equal success {number(float(equal), True)}" if equal is not None else ""
        found.append((None if mean is None else Figure(float(mean), share=True), (below, "")))
    tip = "Share of other attributes’ judged labels that an edit changes although a true edit would not"
    return _card("Leakage", tip, found, "low")


def _accuracy_card(parts: Sequence[Part]) -> Card | None:
    found: list[_Headline] = []
    readings = [(part.get("reading") or {}).get("attributes", ()) for part in parts]
    shared = set.intersection(*({str(one["name"]) for one in reading} for reading in readings))
    for reading in readings:
        every = [(float(a["accuracy"]["mean"]), str(a["name"])) for a in reading if a["name"] in shared]
        if not every:
            found.append((None, ("", "")))
            continue
        least, name = min(every)
        figure = Figure(_mean([value for value, _ in every]), share=True)
        found.append((figure, (f"least {name} {number(least, True)}" if len(every) > 1 else name, "")))
    tip = "Share of faces whose labels the model’s classifier reads rightly, over attributes (of both models)"
    return _card("Classifier accuracy", tip, found, "high")


def _code_card(parts: Sequence[Part]) -> Card | None:
    found: list[_Headline] = []
    for part in parts:
        use = (part.get("reading") or {}).get("latent")
        if not use:
            found.append((None, ("", "")))
            continue
        below = f"{int(use['active'])} of {len(use['kl'])} units active"
        found.append((Figure(float(use["total"])), (below, "")))
    tip = "KL divergence of the code from the prior, in nats, and how many dimensions vary over faces"
    return _card("KL, nats", tip, found, "")
