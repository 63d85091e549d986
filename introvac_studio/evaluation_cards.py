"""The headlines of an evaluation: a number of each model, and two short lines. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from introvac_studio.evaluation_figures import Better, Cell, Figure, Part, number
from introvac_studio.evaluation_tables import distance, edit_name, edits_of
from introvac_studio.language import tr

_PREFERRED = ("inception", "lite0", "pixels")  # features of the headline


@dataclass(frozen=True)
class Card:
    """A headline: a cell, and for each model two short lines below its number."""

    title: str
    tip: str
    cell: Cell
    below: tuple[tuple[str, str], ...]


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
        floor = (
            tr("real vs real {value}", value=number(float(one["floor"])))
            if one.get("floor") is not None
            else ""
        )
        found.append((distance(one), (floor, "")))
    name = str(every[0][features]["name"])
    tip = tr("{name} between real faces and their reconstructions; smaller is nearer", name=name)
    return _card(tr("Reconstruction FID") if name == "FID" else tr("Reconstruction"), tip, found, "low")


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
        again = tr("re-encoded {share}", share=number(_mean(right), True)) if right else ""
        least, name = min(
            ((float(e["judged"]["mean"]), edit_name(e)) for e in edits if e["judged"]), default=(1.0, "")
        )
        weakest = tr("least {share}, {name}", share=number(least, True), name=name) if name else ""
        if judged:
            found.append((Figure(_mean(seen), share=True) if seen else None, (again, weakest)))
        else:
            found.append(
                (Figure(_mean(right), share=True) if right else None, (tr("by its own reading"), ""))
            )
    tip = tr(
        "Share of edits that the independent judge finds done, over attributes (of both models) and ways"
    )
    plain = tr("Share of edits that the model itself finds done; a judge would say it independently")
    return _card(
        tr("Edit success") if judged else tr("Edits re-encoded"), tip if judged else plain, found, "high"
    )


def _leak_card(parts: Sequence[Part]) -> Card | None:
    chosen = _leaks([edits_of(part) for part in parts])
    equal = _leaks([(part.get("at_equal_success") or {}).get("edits", ()) for part in parts])
    found: list[_Headline] = [
        (
            None if mean is None else Figure(mean, share=True),
            ("" if same is None else tr("at equal success {share}", share=number(same, True)), ""),
        )
        for mean, same in zip(chosen, equal, strict=True)
    ]
    tip = tr(
        "Share of other attributes’ judged labels that an edit changes, those left out that a true edit is "
        "known to change too; over edits that both models reach"
    )
    return _card(tr("Leakage"), tip, found, "low")


def _leaks(every: Sequence[Sequence[Part]]) -> list[float | None]:
    """Of each model, over the edits that all have, as in the report: nobody gains by failing at hard ones."""
    ways = [{edit_name(edit) for edit in edits} for edits in every if edits]
    shared = set.intersection(*ways) if ways else set()
    found: list[float | None] = []
    for edits in every:
        shares = [
            float(other["flipped"]["mean"])
            for edit in edits
            if edit_name(edit) in shared
            for other in edit["others"]
            if not other["truly"]
        ]
        found.append(_mean(shares) if shares else None)
    return found


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
        found.append(
            (
                figure,
                (
                    tr("least {share}, {name}", share=number(least, True), name=name)
                    if len(every) > 1
                    else name,
                    "",
                ),
            )
        )
    tip = tr(
        "Share of faces whose labels the model’s classifier reads rightly, over attributes (of both models)"
    )
    return _card(tr("Classifier accuracy"), tip, found, "high")


def _code_card(parts: Sequence[Part]) -> Card | None:
    found: list[_Headline] = []
    for part in parts:
        use = (part.get("reading") or {}).get("latent")
        if not use:
            found.append((None, ("", "")))
            continue
        below = tr("{active} of {count} units active", active=int(use["active"]), count=len(use["kl"]))
        found.append((Figure(float(use["total"])), (below, "")))
    tip = tr("KL divergence of the code from the prior, in nats, and how many dimensions vary over faces")
    return _card(tr("KL, nats"), tip, found, "")
