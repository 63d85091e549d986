"""Figures 4 to 7: faces, their reconstructions, and both moved along the classifier's directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trainer import grid
from trainer.codec import Codec
from trainer.grid import GridStyle
from trainer.latent import move
from trainer.metrics.estimate import Estimate, estimate
from trainer.metrics.pictures import l1
from trainer.reproduce.desk import Codes, Desk, Faces, Images, Rows
from trainer.reproduce.models import introvac, vac
from trainer.reproduce.record import Made, Picture, Table
from trainer.reproduce.settings import SUBSETS, Settings

COLUMNS = 8  # faces in a picture
_WAYS = ((1.0, "add", "added to faces without"), (-1.0, "remove", "removed from faces with"))
SELF_GRADED = (
    "“On the code” and “encoded again” are the model’s own classifier, on the moved code and on the code "
    "of the decoded picture: the model grades itself, which flatters. `introvac evaluate` with a judge does "
    "not."
)


@dataclass(frozen=True)
class Edit:
    """One edit of a figure.

    Attributes:
        title: for a label.
        amounts: as `trainer.latent.move` takes them, for adding.
        names: the attributes that it is to change.
    """

    title: str
    amounts: Mapping[str, float]
    names: tuple[str, ...]


def edits(subset: str, settings: Settings) -> list[Edit]:
    """Each attribute alone, and where there are two, both along the joint direction."""
    names, delta = SUBSETS[subset], settings.deltas[subset]
    found = [Edit(f"{name} {delta:g}", {name: delta}, (name,)) for name in names]
    if len(names) > 1:
        both = settings.deltas["both"]
        found.append(Edit(f"both {both:g}", {"+".join(names): both}, names))
    return found


def style(size: int) -> GridStyle:
    """Faces of about 128 px and legible labels, whatever the model's size."""
    return GridStyle(scale=max(1, 128 // size), padding=4, font_size=16)


def triplets(desk: Desk, subset: str) -> Made:
    """Original, reconstruction and edits by the introspective model of one subset."""
    return _figure(desk, subset, (("IntroVAC", introvac(subset)),))


def compared(desk: Desk) -> Made:
    """The same faces and edits by VAC and IntroVAC."""
    parts = [
        _figure(desk, subset, (("VAC", vac(subset)), ("IntroVAC", introvac(subset))))
        for subset in desk.settings.compare
    ]
    return Made(
        [picture for part in parts for picture in part.pictures],
        [table for part in parts for table in part.tables],
        list(dict.fromkeys(note for part in parts for note in part.notes)),
        {subset: part.numbers for subset, part in zip(desk.settings.compare, parts, strict=True)},
    )


def _figure(desk: Desk, subset: str, models: Sequence[tuple[str, str]]) -> Made:
    codecs = {title: desk.codec(name) for title, name in models}
    faces = desk.faces(*codecs.values())
    wanted, names = edits(subset, desk.settings), SUBSETS[subset]
    words = " and ".join(names)
    pictures, rows, notes, numbers = [], [], [SELF_GRADED], []
    for sign, way, verb in _WAYS:
        having = faces.having(names, sign < 0)
        if not len(having):
            notes.append(f"No held-out face {'has' if sign < 0 else 'is without'} {words}.")
            continue
        chosen = faces.picked(having, COLUMNS)
        pictures.append(
            Picture(
                f"{'compared' if len(models) > 1 else 'triplets'}-{subset}-{way}",
                f"{words} {verb}",
                f"Held-out faces, chosen at random among {len(having)}. The rows name attribute and delta.",
                _picture(codecs, faces, chosen, wanted, sign),
            )
        )
        for title, codec in codecs.items():
            for found in _measured(desk, codec, faces, faces.measured(having), wanted, sign):
                numbers.append({"model": title, "way": way, **found})
                rows.append(_row(title, way, found))
    columns = ("Model", "Edit", "Faces", "L1 of reconstruction", "On the code", "Encoded again")
    table = Table(f"Edits recognised, {subset}", columns, tuple(rows), words=2)
    return Made(pictures, [table] if rows else [], notes, {"edits": numbers})


def _picture(
    codecs: Mapping[str, Codec], faces: Faces, chosen: Rows, wanted: Sequence[Edit], sign: float
) -> Any:
    """Rows of a figure: originals, each model's reconstructions, and each model's edits."""
    images = faces.cache.batch(chosen)
    codes = {title: codec.encode(images)[0] for title, codec in codecs.items()}
    several = len(codecs) > 1
    cells: list[Images] = [images]
    labels = ["original"]
    for title, codec in codecs.items():
        cells.append(codec.decode(codes[title]))
        labels.append(f"reconstruction,\n{title}" if several else "reconstruction")
    plus = "+" if sign > 0 else "-"
    for edit in wanted:
        name, amount = edit.title.rsplit(" ", 1)
        for title, codec in codecs.items():
            cells.append(codec.decode(_moved(codec, codes[title], edit, sign)))
            labels.append(f"{name} {plus}{amount}" + (f",\n{title}" if several else ""))
    side = images.shape[1]
    return grid.compose([list(row) for row in cells], style(side), labels)


def _moved(codec: Codec, codes: Codes, edit: Edit, sign: float) -> Codes:
    amounts = {key: sign * amount for key, amount in edit.amounts.items()}
    return move(codes, codec.planes, amounts).astype(np.float32)


def _measured(
    desk: Desk, codec: Codec, faces: Faces, rows: Rows, wanted: Sequence[Edit], sign: float
) -> Iterator[dict[str, Any]]:
    """For each edit the share of faces whose label it changes, and the L1 of reconstructions."""
    apart: list[np.ndarray] = []
    held: dict[str, list[np.ndarray]] = {edit.title: [] for edit in wanted}
    for part in desk.parts(rows):
        images = faces.cache.batch(part)
        codes = codec.encode(images)[0]
        apart.append(l1(images, codec.decode(codes)))
        for edit in wanted:
            moved = _moved(codec, codes, edit, sign)
            again = codec.encode(codec.decode(moved))[0]
            held[edit.title].append(np.stack([_holds(codec, z, edit, sign) for z in (moved, again)], axis=1))
    distance = estimate(np.concatenate(apart), desk.settings.seed)
    for edit in wanted:
        both = np.concatenate(held[edit.title])
        code, reencoded = (estimate(column, desk.settings.seed) for column in both.T)
        yield {
            "edit": edit.title,
            "amounts": {key: sign * amount for key, amount in edit.amounts.items()},
            "faces": len(rows),
            "reconstruction_l1": asdict(distance),
            "on_code": asdict(code),
            "encoded_again": asdict(reencoded),
        }


def _holds(codec: Codec, codes: Codes, edit: Edit, sign: float) -> np.ndarray:
    """(n,) whether every attribute of the edit is as it is to be."""
    columns = [codec.planes.index(name) for name in edit.names]
    right = sign * codec.planes.logits(codes)[:, columns] > 0
    return np.asarray(right.all(axis=1), np.float64)


def share(found: Mapping[str, Any]) -> str:
    """An estimated share in percent with its interval."""
    return f"{100 * found['mean']:.1f} % [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _row(title: str, way: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    distance = Estimate(**found["reconstruction_l1"])
    return (
        title,
        f"{way} {found['edit']}",
        str(found["faces"]),
        f"{distance.mean:.4f} [{distance.low:.4f}, {distance.high:.4f}]",
        share(found["on_code"]),
        share(found["encoded_again"]),
    )
