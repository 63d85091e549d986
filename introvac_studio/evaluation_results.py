"""A written evaluation: what `metrics.json` says of one model or two, read with care. No Qt, no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from introvac_studio import evaluation_cards
from introvac_studio import evaluation_tables as tables
from introvac_studio.evaluation_cards import Card
from introvac_studio.evaluation_figures import Table, maybe
from introvac_studio.evaluation_tables import edit_name
from introvac_studio.language import mark, tr
from trainer import files
from trainer.errors import DataError

FORMAT = 1
METRICS, REPORT = "metrics.json", "report.html"
_LARGEST = 16 * 2**20  # bytes of a file that is read


@dataclass(frozen=True)
class Heat:
    """What edits do to attributes: R rows of C values, None for the edited attribute itself.

    `truly` has the share of faces of which a true edit changes the label too, or None.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    flipped: tuple[tuple[float | None, ...], ...]
    shift: tuple[tuple[float | None, ...], ...]
    truly: tuple[tuple[float | None, ...], ...]
    mean: float | None


@dataclass(frozen=True)
class Curve:
    """The calibration of one attribute: how often yes is right, at which confidence."""

    name: str
    confidence: tuple[float, ...]
    frequency: tuple[float, ...]
    counts: tuple[int, ...]
    error: float


@dataclass(frozen=True)
class Latent:
    """KL of each dimension in nats, their sum, and how many dimensions are in use."""

    kl: tuple[float, ...]
    total: float
    active: int
    threshold: float


@dataclass(frozen=True)
class Picture:
    """A grid that the evaluation drew."""

    name: str
    title: str
    caption: str
    file: Path


@dataclass(frozen=True)
class Model:
    """What one model's part says about itself, and its pictures, curves and heat maps."""

    name: str
    facts: str
    sha256: str
    heats: Mapping[str, Heat | None]  # by `AMOUNTS`
    curves: tuple[Curve, ...]
    latent: Latent | None
    pictures: tuple[Picture, ...]
    success: float | None = None  # that `at_equal_success` was set to


@dataclass(frozen=True)
class Note:
    """Something that was not measured, and why."""

    model: str
    what: str
    why: str


AMOUNTS = (mark("chosen"), mark("equal success"))  # how far edits go


@dataclass(frozen=True)
class Results:
    """All of it.

    Attributes:
        path: of `metrics.json`.
        facts: a line on data, split and faces.
        made: a line on when and where it was measured.
    """

    path: Path
    models: tuple[Model, ...]
    facts: str
    made: str
    cards: tuple[Card, ...]
    distances: Table
    samples: Table
    edits: Mapping[str, Table]  # by `AMOUNTS`
    reading: Table
    notes: tuple[Note, ...]
    labels: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.path.parent

    def about(self, digest: str) -> bool:
        """Whether a model of these weights is among those that were measured."""
        return any(model.sha256 == digest for model in self.models)

    @property
    def report(self) -> Path | None:
        """The report beside it, where there is one."""
        path = self.folder / REPORT
        return path if files.is_file(path) else None


# -- reading --------------------------------------------------------------------------------


def load(path: Path) -> Results:
    """Read `metrics.json`, or the folder that holds one.

    Raises:
        DataError: it cannot be read, is no evaluation, or is one of another version.
    """
    path = path / METRICS if files.is_dir(path) else path
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: too large for an evaluation; choose the {METRICS} of one")
        body = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is no {METRICS} of an evaluation (not JSON); choose the one in its folder"
        ) from error
    if not isinstance(body, dict) or not isinstance(body.get("models"), list) or "format" not in body:
        raise DataError(f"{path}: is no {METRICS} of an evaluation; choose the one in an evaluation's folder")
    if body["format"] != FORMAT:
        raise DataError(
            f"{path}: written in format {body['format']!r}, and this version reads {FORMAT}; evaluate again"
        )
    try:
        return _results(path, body)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: is damaged or incomplete ({what}); evaluate again") from error


def _results(path: Path, body: dict[str, Any]) -> Results:
    parts = [dict(part) for part in body["models"]]
    if not 1 <= len(parts) <= 2:
        raise ValueError(f"{len(parts)} models")
    models = tuple(_model(path.parent, part) for part in parts)
    data, made = dict(body.get("data") or {}), dict(body.get("made") or {})
    return Results(
        path=path,
        models=models,
        facts=_facts(data, body.get("judge")),
        made=_made(made),
        cards=evaluation_cards.cards(parts),
        distances=tables.distances(parts),
        samples=tables.samples(parts),
        edits={
            AMOUNTS[0]: tables.edits(parts, tables.edits_of),
            AMOUNTS[1]: tables.edits(parts, tables.equal_of),
        },
        reading=tables.reading(parts),
        notes=_notes(body, parts),
        labels=labels([model.name for model in models]),
    )


def labels(names: Sequence[str]) -> tuple[str, ...]:
    """Names that tell two models apart, even where both are called the same."""
    if len(names) < 2:
        return tuple(names)
    return tuple(f"{letter} · {name}" for letter, name in zip("AB", names, strict=True))


def _facts(data: Mapping[str, Any], judge: Mapping[str, Any] | None) -> str:
    parts = [str(data.get("spec") or tr("unknown data"))]
    if "faces" in data:
        parts.append(
            tr(
                "{faces} faces of split {split}",
                faces=f"{int(data['faces']):,}",
                split=data.get("split", "?"),
            )
        )
    if data.get("selection"):
        parts.append(tr("amounts chosen on {split}", split=data["selection"]))
    if judge:
        parts.append(tr("judge learned from {faces} faces", faces=f"{int(judge['train_images']):,}"))
    else:
        parts.append(tr("no judge"))
    return "  ·  ".join(parts)


def _made(made: Mapping[str, Any]) -> str:
    parts = []
    if "seconds" in made:
        parts.append(tr("took {time}", time=_seconds(float(made["seconds"]))))
    if made.get("device"):
        parts.append(tr("on {device}", device=made["device"]))
    if made.get("version"):
        parts.append(tr("version {version}", version=made["version"]))
    return ", ".join(parts)


def _seconds(value: float) -> str:
    whole = max(0, round(value))
    return (
        f"{whole} s"
        if whole < 60
        else tr("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    )


def _model(folder: Path, part: Mapping[str, Any]) -> Model:
    facts = [tr("{size} px", size=int(part["image_size"]))] if part.get("image_size") else []
    facts += [tr("{count} dimensions", count=int(part["latent_dim"]))] if part.get("latent_dim") else []
    facts += (
        [tr("{count} parameters", count=f"{int(part['parameters']):,}")] if part.get("parameters") else []
    )
    facts += [tr("step {step}", step=f"{int(part['step']):,}")] if part.get("step") else []
    if part.get("game_played") is False:
        facts.append(tr("not past its warm-up"))
    equal = part.get("at_equal_success")
    reading = part.get("reading") or {}
    return Model(
        name=str(part["name"]),
        facts=", ".join(facts),
        sha256=str(part.get("sha256", "")),
        heats={
            AMOUNTS[0]: _heat(part.get("leakage"), part.get("edits") or ()),
            AMOUNTS[1]: _heat(equal.get("leakage"), equal.get("edits") or ()) if equal else None,
        },
        curves=tuple(_curve(one) for one in reading.get("attributes", ())),
        latent=_latent(reading.get("latent")),
        pictures=tuple(_picture(folder, one) for one in part.get("pictures") or ()),
        success=float(equal["success"]) if equal else None,
    )


def _picture(folder: Path, one: Mapping[str, Any]) -> Picture:
    file = folder / str(one["file"])
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"picture {one['file']!r} lies outside the folder")
    return Picture(str(one["name"]), str(one["title"]), str(one.get("caption", "")), file)


def _curve(one: Mapping[str, Any]) -> Curve:
    found = one["calibration"]
    points = [
        (float(c), float(f), int(n))
        for c, f, n in zip(found["confidence"], found["frequency"], found["counts"], strict=True)
        if c is not None and f is not None
    ]
    x, y, counts = zip(*points, strict=True) if points else ((), (), ())
    return Curve(str(one["name"]), x, y, counts, float(found["error"]))


def _latent(one: Mapping[str, Any] | None) -> Latent | None:
    if not one:
        return None
    kl = tuple(float(v) for v in one["kl"])
    return Latent(kl, float(one["total"]), int(one["active"]), float(one["threshold"]))


def _heat(leak: Mapping[str, Any] | None, edits: Iterable[Mapping[str, Any]]) -> Heat | None:
    if not leak or not leak["rows"]:
        return None
    rows, columns = tuple(map(str, leak["rows"])), tuple(map(str, leak["columns"]))
    truly: dict[tuple[str, str], float | None] = {
        (edit_name(edit), str(change["name"])): maybe(change.get("truly"))
        for edit in edits
        for change in edit["others"]
    }

    def grid(key: str) -> tuple[tuple[float | None, ...], ...]:
        values = tuple(tuple(maybe(v) for v in row) for row in leak[key])
        if len(values) != len(rows) or any(len(row) != len(columns) for row in values):
            raise ValueError(f"leakage.{key} is not {len(rows)} x {len(columns)}")
        return values

    true = tuple(tuple(truly.get((r, c)) for c in columns) for r in rows)
    return Heat(rows, columns, grid("flipped"), grid("shift"), true, maybe(leak.get("mean")))


def _notes(body: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> tuple[Note, ...]:
    found = [
        Note(str(one.get("model") or ""), str(one["what"]), str(one["why"]))
        for one in body.get("missing") or ()
    ]
    if text := (body.get("data") or {}).get("note"):
        found.append(Note("", tr("Data"), str(text)))
    for part in parts:
        warned = (d for d in part.get("distances") or () if d.get("warning"))
        found += [Note("", f"{d['name']}, {d['protocol']['what']}", str(d["warning"])) for d in warned]
    return _gathered(found)


def _gathered(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Those that say the same, as one."""
    same: dict[str, list[Note]] = {}
    for note in notes:
        same.setdefault(note.why, []).append(note)
    return tuple(
        Note(
            ", ".join(dict.fromkeys(n.model for n in group if n.model)),
            "; ".join(dict.fromkeys(n.what for n in group)),
            why,
        )
        for why, group in same.items()
    )
