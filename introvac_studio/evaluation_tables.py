"""The tables of an evaluation, from what `metrics.json` says of one model or two. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from introvac_studio.evaluation_figures import Better, Cell, Column, Figure, Part, Row, Table, maybe, number
from introvac_studio.language import mark, tr, trn
from trainer.metrics.protocol import TITLES

_CARD_WORDS = {
    "count": mark("real pictures"), "against": mark("pictures made"), "what": mark("compared"),
        "dim": mark("numbers a picture"),
    "input_size": mark("input of the features, px"), "chosen_on": mark("chosen on"), "size": mark("size, px"),
}  # fmt: skip


def _figure(one: Part | None, share: bool = False) -> Figure | None:
    """Of an `Estimate`."""
    if not one:
        return None
    notes = ((tr("faces"), f"{int(one['n']):,}"), (tr("interval"), tr("95 %, bootstrap over faces")))
    low, high = float(one["low"]), float(one["high"])
    return Figure(float(one["mean"]), low, high, share, notes, n=int(one["n"]))


def _joined(found: Sequence[Mapping[Any, Any]]) -> tuple[Any, ...]:
    """The keys of all, in order."""
    return tuple(dict.fromkeys(key for one in found for key in one))


def distance(one: Part | None) -> Figure | None:
    """Of a distance, with its protocol card."""
    if one is None:
        return None
    notes = [(tr("measured"), str(one["name"]))]
    level = one.get("level")
    if one.get("low") is not None and level is not None:
        notes.append((tr("interval"), f"{100 * float(level):.0f} %"))
    if one.get("floor") is not None:
        notes.append(
            (
                tr("real against real"),
                tr(
                    "{value}, {count} a set",
                    value=number(float(one["floor"])),
                    count=f"{one['floor_count']:,}",
                ),
            )
        )
    for key, value in dict(one["protocol"]).items():
        if value in ("", None, [], {}):
            continue
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        text = ", ".join(map(str, text)) if isinstance(text, list | tuple) else text
        text = f"{text[:12]}…" if key == "weights" else text
        notes.append((tr(_CARD_WORDS.get(key, key)), f"{text:,}" if isinstance(text, int) else str(text)))
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
            cells.append(Cell(tuple(distance(one.get(kind)) for one in here), "low"))
            cells.append(Cell(tuple(_floor(one.get(kind)) for one in here)))
        names = {str(one["name"]) for group in here for one in group.values()}
        title = TITLES.get(features, features)
        proper = " (FID, KID)" if names & {"FID", "KID"} else ""
        rows.append(Row(f"{title}{proper}", tuple(cells), _capital(what)))
    columns = (
        Column(tr("Fréchet"), tr("Distance between two normal distributions fitted to features; smaller "
        "is nearer")),
        Column(tr("real vs real"), tr("The same distance between two sets of real pictures, a floor")),
        Column(tr("Kernel"), tr("Squared kernel distance (MMD) of features; smaller is nearer, 0 is no "
        "difference")),
        Column(tr("real vs real"), tr("The kernel distance between two sets of real pictures")),
    )  # fmt: skip
    return Table(columns, tuple(rows))


def _floor(one: Part | None) -> Figure | None:
    if one is None or one.get("floor") is None:
        return None
    return Figure(
        float(one["floor"]),
        notes=((tr("pictures"), tr("{count} in each set", count=f"{int(one['floor_count']):,}")),),
    )


def samples(parts: Sequence[Part]) -> Table:
    found = [{str(one["want"]): one for one in part.get("sample_quality") or ()} for part in parts]
    columns = (
        Column(tr("Judged"), tr("Share of samples in which the independent judge sees what was wanted")),
        Column(
            tr("Re-encoded"), tr("Share of samples that the model, encoding them again, finds to have it")
        ),
    )
    rows = tuple(
        Row(
            want.replace("=", " "),
            tuple(
                Cell(tuple(_figure(one.get(want, {}).get(key), True) for one in found), "high")
                for key in ("judged", "read")
            ),
            "",
            tr("Samples of p(z|{want})", want=want),
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


_JUDGED = mark("Judged")
_EDIT_COLUMNS = (
    _EditColumn(
        Column(mark("Amount"), mark("How far the code is moved: delta")),
        lambda e: e["delta"], False, reach=False,
    ),
    _EditColumn(
        Column(_JUDGED, mark("Share of edits in which the independent judge sees the wanted label")),
        lambda e: e["judged"], True, "high",
    ),
    _EditColumn(
        Column(mark("Re-encoded"), mark("Share of edits that the model itself, encoding them again, finds "
        "right")),
        lambda e: e["reencoded"], True, "high",
    ),
    _EditColumn(
        Column(mark("To truth"), mark("Mean difference to the nearest true edit, white being 1; known for "
        "avatars")),
        _truth("edited", "l1"), False, "low",
    ),
    _EditColumn(
        Column(mark("Truth’s own"), mark("The same of the truth’s own reconstruction, which no edit can "
        "hope to beat")),
        _truth("allowed", "l1"), False, reach=False,
    ),
    _EditColumn(
        Column(mark("Outside"), mark("Change where the true edit changes nothing; smaller leaves more as "
        "it was")),
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
            kept.append(Column(tr(one.column.title), tr(one.column.tip)))
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
        figure = replace(figure, notes=(*figure.notes, (tr("judged so before the edit"), before)))
    if column.reach:
        return figure
    return replace(figure, low=None, high=None, notes=figure.notes[:1])


def _edit_tip(key: str, found: Sequence[Mapping[str, Part]]) -> str:
    name, _, wanted = key.rpartition(" ")
    edit = next(mine[key] for mine in found if key in mine)
    n = int(edit["faces"])
    values = {"count": f"{n:,}", "name": name, "amount": edit["amount"]}
    if wanted == "yes":
        return trn(
            "{count} face without {name}, {amount}", "{count} faces without {name}, {amount}", n, **values
        )
    return trn("{count} face with {name}, {amount}", "{count} faces with {name}, {amount}", n, **values)


def reading(parts: Sequence[Part]) -> Table:
    readings = [part.get("reading") or {} for part in parts]
    found = [{str(one["name"]): one for one in reading.get("attributes", ())} for reading in readings]
    columns = (
        Column(tr("Right"), tr("Share of faces whose label the model reads rightly")),
        Column(tr("On yes"), tr("The same of faces that have it")),
        Column(tr("On no"), tr("The same of faces that do not")),
        Column(tr("Commoner"), tr("What always saying the commoner label would reach")),
        Column(tr("Calibration error"), tr("How far stated probabilities are from how often they hold "
        "(ECE)")),
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
