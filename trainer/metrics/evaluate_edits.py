"""The edits of an evaluation: how far they go, what they do there, and at equal success. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from trainer.errors import DataError, ModelError
from trainer.metrics import deltas, edits
from trainer.metrics.evaluation import (
    Bench,
    plain,
)
from trainer.metrics.records import Amount, Edit


def deltas_of(on: Bench) -> tuple[dict[str, float], list[deltas.Choice]]:
    """How far the edits of each attribute go: as given, as chosen, or as the model's file says."""
    found: dict[str, float] = {}
    choices: list[deltas.Choice] = []
    for name in on.codec.planes.attributes:
        if name in on.config.deltas:
            found[name] = float(on.config.deltas[name])
            continue
        found[name] = float(on.subject.card.delta_of(name))
        if on.judge is None or not on.config.wants("edits") or name not in on.labelled:
            continue
        if name not in on.judge.attributes:
            known = ", ".join(on.judge.attributes)
            on.lack(
                f"edits of {name}",
                f"the judge was not trained on {name}; it knows {known}; train one that does",
            )
            continue
        tell = on.meter.start(on.step(f"delta of {name}"))
        try:
            choice = deltas.choose(
                on.codec, on.judge, on.selection(), name, progress=tell, cancelled=on.cancelled
            )
        except (DataError, ModelError) as error:
            on.lack(f"choice of the delta of {name}", f"{error}; the file's {found[name]:g} is taken")
            continue
        choices.append(choice)
        found[name] = choice.delta
    return found, choices


def measured_edits(on: Bench, amounts: Mapping[str, float]) -> tuple[Edit, ...]:
    if on.judge is None or not on.attributes:
        return ()
    tell = on.meter.start(on.step("edits"))
    try:
        return edits.measure_all(
            on.codec, on.judge, on.faces, _amounts(on, amounts),
            attributes=on.attributes, seed=on.config.seed, progress=tell, cancelled=on.cancelled,
        )  # fmt: skip
    except (DataError, ModelError) as error:
        on.lack("edits", str(error))
        return ()


def at_equal_success(on: Bench, done: Sequence[Edit]) -> dict[str, Any] | None:
    """Edits that go just far enough for the wanted success, found on the selection split.

    The truth is known from `done`; it is not drawn again where it is, since that takes most of the time.
    """
    if on.judge is None or not on.attributes:
        return None
    if on.where.selection is None:
        on.lack(
            "leakage at equal success",
            f"its amounts are found on {on.where.reported!r}, so nothing can be reported on it; "
            "report on another split",
        )
        return None
    tell = on.meter.start(on.step("amounts at equal success"))
    try:
        found = edits.equal_amounts(
            on.codec, on.judge, on.selection(), on.config.success,
            attributes=on.attributes, progress=tell, cancelled=on.cancelled,
        )  # fmt: skip
        tell = on.meter.start(on.step("edits at equal success"))
        faces = replace(on.faces, options=None) if done else on.faces
        made = edits.measure_all(
            on.codec, on.judge, faces, found,
            attributes=on.attributes, seed=on.config.seed, progress=tell, cancelled=on.cancelled,
        )  # fmt: skip
    except (DataError, ModelError) as error:
        on.lack("leakage at equal success", str(error))
        return None
    if done:
        made = tuple(_with_truth(edit, done) for edit in made)
    return {
        "success": on.config.success,
        "amounts": {
            f"{name} {'yes' if wanted else 'no'}": None if amount is None else amount.delta
            for (name, wanted), amount in found.items()
        },
        "edits": [plain(asdict(edit)) for edit in made],
        "leakage": plain(asdict(edits.leakage(made))),
    }


def _amounts(on: Bench, amounts: Mapping[str, float]) -> dict[tuple[str, bool], Amount | None]:
    return {(name, wanted): Amount(amounts[name]) for name in on.attributes for wanted in (True, False)}


def _with_truth(edit: Edit, done: Sequence[Edit]) -> Edit:
    """With what the true edit does to the other labels, as it was seen on the same faces at another delta."""
    for other in done:
        if other.name == edit.name:
            truly = {change.name: change.truly for change in other.others}
            return replace(
                edit, others=tuple(replace(change, truly=truly.get(change.name)) for change in edit.others)
            )
    return edit
