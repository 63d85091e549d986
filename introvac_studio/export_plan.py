"""What an export shows: codes to decode, and how their pictures lie in a table or follow each other.

Neither Qt nor torch: the window makes a `Job`, the export thread computes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from introvac_studio import exports
from introvac_studio.export_kinds import BACKGROUNDS, Options
from introvac_studio.language import tr
from introvac_studio.state import Edit, Face, FaceSet, Image, ModelInfo
from trainer import animation, codes, grid, paths
from trainer.errors import DataError, ModelError

MEGAPIXELS = 50  # a larger picture is refused
MOST = 2048  # pictures to decode for one export
_FILM_MEGAPIXELS = 4  # of one frame

Cell = int | Image | None  # a row of the codes, a picture that is there already, or a gap
Row = tuple[Cell, ...]


@dataclass(frozen=True, eq=False)
class Material:
    """What is there to be exported.

    Attributes:
        model: the open model.
        edit: the current edit.
        face: the current face.
        sources: name -> faces, keys of `export_dialog.SOURCES`; empty ones are left out.
        ends: where a path may lead.
        faceset: the data in the browser, for labels.
        attribute: that the user looks at now; empty where there is none.
        deltas: how far edits of each attribute usually go.
    """

    model: ModelInfo
    edit: Edit
    face: Face | None
    sources: Mapping[str, tuple[Face, ...]]
    ends: tuple[Face, ...] = ()
    faceset: FaceSet | None = None
    attribute: str = ""
    deltas: Mapping[str, float] = field(default_factory=dict)

    def reach(self, name: str) -> float:
        """How far edits of an attribute usually go."""
        return self.deltas.get(name, 4.0)

    def chosen(self, options: Options) -> tuple[Face, ...]:
        """The faces of a source, the first `count` of them.

        Raises:
            DataError: there are none.
        """
        source = str(options.get("source", "current"))
        faces = self.sources.get(source, ())
        if not faces:
            raise DataError(tr("There are no such faces now; choose others, or open some in the browser."))
        return faces if source == "current" else faces[: int(options.get("count", len(faces)))]


@dataclass(frozen=True, eq=False)
class Table:
    """Pictures in rows, with what is said beside them."""

    rows: tuple[Row, ...]
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    caption: str = ""
    captions: tuple[str, ...] = ()  # of the other frames


@dataclass(frozen=True, eq=False)
class Plan:
    """Codes (n, d) to decode, and the tables that hold their pictures: one, or a frame after the other.

    `faces` are those that it shows, for the recipe.
    """

    codes: NDArray[np.float64]
    tables: tuple[Table, ...]
    faces: tuple[Face, ...]


@dataclass(frozen=True, eq=False)
class Job:
    """One export, as the dialog has it: to look at where `target` is None, else to be written.

    Attributes:
        material: what is there.
        kind: a key of `introvac_studio.export_kinds.KINDS`.
        options: the kind's.
        suffix: of the file.
        target: where it goes.
        serial: counts what was asked, so that stale answers can be dropped.
    """

    material: Material
    kind: str
    options: Mapping[str, Any]
    suffix: str
    target: Path | None = None
    serial: int = 0

    @property
    def moving(self) -> bool:
        """Whether its file is an animation."""
        return self.kind in ("film", "path") and self.suffix in animation.SUFFIXES

    @property
    def numbers(self) -> bool:
        """Whether its file holds numbers, not pictures."""
        return self.kind in ("codes", "directions")

    @property
    def style(self) -> grid.GridStyle:
        """The options as the grid takes them."""
        get = self.options.get
        scale = int(get("scale", 1))
        side = self.material.model.size * scale
        return grid.GridStyle(
            columns=int(get("columns", 8)),
            padding=int(get("padding", 0)),
            scale=scale,
            background=BACKGROUNDS[str(get("background", "white"))],
            labels=bool(get("labels", True)),
            font_size=max(11, min(32, round(side / 8))),
            smooth=get("smooth") == "smooth",
        )

    def recipe(self, plan: Plan) -> dict[str, Any]:
        """What made it, as JSON: enough to make it again with the same model, and to open it again."""
        along = [str(self.options[key]) for key in ("attribute", "second") if key in self.options]
        return exports.recipe(self.material.model, plan.faces, self.material.edit, along) | {
            "export": {"kind": self.kind, "options": dict(self.options), "suffix": self.suffix}
        }


# -- plans ----------------------------------------------------------------------------------------


def plan(job: Job) -> Plan:
    """Which codes a job of pictures decodes, and where they go.

    Raises:
        IntroVACError: it cannot be made of what is there; says why.
    """
    made = _PLANS[job.kind](job)
    if len(made.codes) > MOST:
        raise DataError(
            tr("{n:,} pictures are too many; choose fewer faces or steps (at most {most:,}).",
               n=len(made.codes), most=MOST)
        )  # fmt: skip
    return made


def _face(job: Job) -> Plan:
    material, show = job.material, job.options["show"]
    face = _current(material)
    z = face.mu + material.edit.step(material.model.planes)
    if show == "edited":
        return Plan(z[None], (_captioned(job, ((0,),)),), (face,))
    stages: list[tuple[Cell, str]] = [(0, tr("edited"))]
    if show == "all":
        stages.insert(0, (1, tr("reconstruction")))
    if face.original is not None:
        stages.insert(0, (face.original, tr("original")))
    elif show == "both":
        stages.insert(0, (1, tr("as drawn")))
    cells, labels = zip(*stages, strict=True)
    return Plan(np.stack([z, face.mu]), (_captioned(job, (cells,), columns=labels),), (face,))


def _grid(job: Job) -> Plan:
    material, options = job.material, job.options
    if options["content"] == "one":
        return _strip(job)
    if options["content"] == "two":
        return _plane(job)
    faces = material.chosen(options)
    z = _mu(faces) + material.edit.step(material.model.planes)
    rows = _bands([tuple(range(len(faces)))], int(options["columns"]))
    return Plan(z, (_captioned(job, rows),), faces)


def _plane(job: Job) -> Plan:
    """One face: an attribute from left to right, another from top to bottom."""
    material, options = job.material, job.options
    face, planes = _current(material), material.model.planes
    across, down = (_attribute(material, options[key]) for key in ("attribute", "second"))
    if across == down:
        raise DataError(tr("Both axes are {name}; choose another for one of them.", name=across))
    xs, ys = (_amounts(job, a, b) for a, b in (("from", "to"), ("from2", "to2")))
    edits = [material.edit.with_amount(across, x).with_amount(down, y) for y in ys for x in xs]
    z = np.stack([face.mu + edit.step(planes) for edit in edits])
    rows = tuple(tuple(range(k * len(xs), (k + 1) * len(xs))) for k in range(len(ys)))
    heads = tuple(_signed(x) for x in xs)
    table = _captioned(
        job, rows, tuple(f"{down} {_signed(y)}" if k == 0 else _signed(y) for k, y in enumerate(ys)),
        tuple(f"{across} {head}" if k == 0 else head for k, head in enumerate(heads)),
    )  # fmt: skip
    return Plan(z, (table,), (face,))


def _triplets(job: Job) -> Plan:
    material = job.material
    faces = material.chosen(job.options)
    mu, n = _mu(faces), len(faces)
    z = np.concatenate([mu, mu + material.edit.step(material.model.planes)])
    originals: Row = tuple(face.original for face in faces)
    stages: list[Row] = [originals, tuple(range(n)), tuple(range(n, 2 * n))]
    labels = [tr("original"), tr("reconstruction"), tr("edited")]
    if all(face.original is None for face in faces):
        stages, labels = stages[1:], labels[1:]
    rows = _bands(stages, int(job.options["columns"]))
    return Plan(z, (_captioned(job, rows, tuple(labels) * (len(rows) // len(labels))),), faces)


def _strip(job: Job) -> Plan:
    material, options = job.material, job.options
    faces, name = material.chosen(options), _attribute(material, options["attribute"])
    amounts = _amounts(job, "from", "to")
    mu = _mu(faces)
    z = np.concatenate([mu + step for step in _steps(material, name, amounts)])
    n = len(faces)
    rows = tuple(tuple(k * n + i for k in range(len(amounts))) for i in range(n))
    heads = tuple(_signed(a) for a in amounts)
    return Plan(z, (_captioned(job, rows, (name,) if n == 1 else (), heads),), faces)


def _film(job: Job) -> Plan:
    material, options = job.material, job.options
    faces, name = material.chosen(options), _attribute(material, options["attribute"])
    ways = animation.amounts(
        float(options["from"]), float(options["to"]), int(options["frames"]), options["easing"]
    )
    mu, n = _mu(faces), len(faces)
    z = np.concatenate([mu + step for step in _steps(material, name, ways)])
    wide = math.ceil(math.sqrt(n))
    said = tuple(_said(options, f"{name} {amount:+.1f}") for amount in ways)
    tables = [
        Table(_bands([tuple(range(k * n, (k + 1) * n))], wide), caption=text, captions=said)
        for k, text in enumerate(said)
    ]
    return Plan(z, tuple(tables), faces)


def _said(options: Options, amount: str) -> str:
    """What stands below a frame."""
    parts = (amount if options["labels"] else "", str(options["caption"]))
    return "\n".join(part for part in parts if part)


def _path(job: Job) -> Plan:
    material, options = job.material, job.options
    face = _current(material)
    end = next((one for one in material.ends if one.name == options["end"]), None)
    end = end or next(iter(material.ends), None)
    if end is None:
        raise DataError(tr("A path leads to another face; open some in the browser."))
    start = face.mu + material.edit.step(material.model.planes)
    z = paths.path(start, end.mu, int(options["frames"]), options["way"])
    if not job.moving:
        return Plan(z, (_captioned(job, (tuple(range(len(z))),)),), (face, end))
    tables = tuple(_captioned(job, ((k,),)) for k in range(len(z)))
    return Plan(z, tables, (face, end))


_PLANS: Mapping[str, Callable[[Job], Plan]] = {
    "face": _face,
    "grid": _grid,
    "triplets": _triplets,
    "strip": _strip,
    "film": _film,
    "path": _path,
}


def _current(material: Material) -> Face:
    if material.face is None:
        raise DataError(tr("There is no face to export yet; choose one on the left first."))
    return material.face


def _mu(faces: Sequence[Face]) -> NDArray[np.float64]:
    return np.stack([face.mu for face in faces])


def _attribute(material: Material, name: Any) -> str:
    """An attribute of the model, the first where none was chosen."""
    if name in material.model.attributes:
        return str(name)
    if not material.model.attributes:
        raise ModelError(tr("This model has no attributes to move along."))
    return material.model.attributes[0]


def _amounts(job: Job, first: str, last: str) -> list[float]:
    """Evenly spaced amounts, as exact as they are written beside the pictures."""
    start, end = float(job.options[first]), float(job.options[last])
    return [round(float(a), 2) for a in np.linspace(start, end, int(job.options["steps"]))]


def _steps(material: Material, name: str, amounts: Sequence[float] | NDArray[np.float64]) -> Iterator[Any]:
    material.edit.heading(material.model.planes, name)  # says so where keeping others leaves no way
    for amount in amounts:
        yield material.edit.with_amount(name, float(amount)).step(material.model.planes)


def _bands(rows: Sequence[Row], columns: int) -> tuple[Row, ...]:
    """Long rows as bands of so many columns, one below the other."""
    longest = max(len(row) for row in rows)
    return tuple(row[at : at + columns] for at in range(0, longest, columns) for row in rows)


def _signed(amount: float) -> str:
    return f"{amount:+g}" if amount else "0"


def _captioned(
    job: Job, rows: tuple[Row, ...], labels: tuple[str, ...] = (), columns: tuple[str, ...] = ()
) -> Table:
    return Table(rows, labels, columns, str(job.options.get("caption", "")))


# -- pictures --------------------------------------------------------------------------------------


def check_room(job: Job, made: Plan) -> None:
    """Refuse what would take too much memory.

    Raises:
        DataError: too many pixels.
    """
    table, style = made.tables[0], job.style
    cells = len(table.rows) * max(len(row) for row in table.rows)
    pixels = cells * (job.material.model.size * style.scale + style.padding) ** 2
    most = _FILM_MEGAPIXELS if job.moving else MEGAPIXELS
    if pixels > most * 1_000_000:
        raise DataError(
            tr("Too large: {n:,.0f} megapixels of at most {most}. Lower the scale, or show fewer pictures.",
               n=pixels / 1e6, most=most)
        )  # fmt: skip


def picture(job: Job, table: Table, images: Image) -> PillowImage.Image:
    """A table as a picture; `images` (n, S, S, 3) are those of the plan's codes."""
    cells = [[images[cell] if isinstance(cell, int) else cell for cell in row] for row in table.rows]
    return grid.compose(
        cells, job.style, table.row_labels, table.column_labels, table.caption, table.captions
    )


def shown(job: Job, made: Plan) -> list[int]:
    """The numbers of an animation's tables as they follow each other."""
    return animation.order(len(made.tables), bool(job.options.get("back", False)))


# -- numbers ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Numbers:
    """Codes to be written: names, codes (N, d) and labels (N, K), -1 where unknown."""

    names: tuple[str, ...]
    mu: NDArray[np.float64]
    labels: NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, 0), np.int8))


def numbers(job: Job) -> Numbers:
    """The codes of a job's faces.

    Raises:
        DataError: there are no such faces.
    """
    material = job.material
    model, faces = material.model, material.chosen(job.options)
    mu = _mu(faces)
    if job.options["edited"] == "edited":
        mu = mu + material.edit.step(model.planes)
    labels = np.full((len(faces), len(model.attributes)), -1, np.int8)
    data = material.faceset
    if data is not None:
        known = [
            (k, data.attributes.index(a)) for k, a in enumerate(model.attributes) if a in data.attributes
        ]
        for i, face in enumerate(faces):
            row = data.rows.get(str(face.recipe.get("file")), -1)
            if face.recipe.get("data") == data.spec and row >= 0:
                for k, column in known:
                    labels[i, k] = data.labels[row, column]
    return Numbers(tuple(face.name for face in faces), mu, labels)


def text(job: Job, rows: int = 27, columns: int = 6) -> str:
    """The beginning of a file of numbers, as text in columns of one width."""
    planes = job.material.model.planes
    if job.kind == "directions":
        lines = [["name", "|w|", "b", *(f"w {i}" for i in range(columns - 3)), "…"]]
        for name, w, b in zip(planes.names, planes.w, planes.b, strict=True):
            lines.append(
                [name, f"{np.linalg.norm(w):.4g}", f"{b:+.4g}", *(f"{v:+.4g}" for v in w[: columns - 3])]
            )
    else:
        found = numbers(job)
        whole = codes.table(found.names, found.mu, planes, found.labels, rows)
        lines = [[*line[:columns], "…"] if len(line) > columns else line for line in whole]
    widths = [max(len(line[k]) for line in lines if k < len(line)) for k in range(len(lines[0]))]
    return "\n".join("  ".join(t.ljust(w) for t, w in zip(line, widths, strict=False)) for line in lines)
