"""What a report shows of a model: grids of faces, edits, failures and samples. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer import grid
from trainer.data.avatars import ATTRIBUTES
from trainer.errors import Cancelled
from trainer.metrics.counterfactual import nearest
from trainer.metrics.pictures import Images
from trainer.metrics.records import Codec, Edit, Faces, Judge

SHOWN = 8  # faces in a row
_LOOKED_AT = 64  # edits judged together in search of failures
_WIDE = 128  # px, up to which pictures are enlarged


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture with its words.

    Attributes:
        name: short, of small letters, digits, "-" and "_": part of a file's name.
        title: a heading.
        caption: a sentence on what is seen.
        image: the grid.
    """

    name: str
    title: str
    caption: str
    image: Image.Image


def file_name(text: str) -> str:
    """A text as part of a file's name that every system takes."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-") or "picture"


def _style(size: int) -> grid.GridStyle:
    return grid.GridStyle(scale=max(1, _WIDE // size))


def reconstructions(codec: Codec, images: Images) -> Figure:
    """Faces above what the model makes of them."""
    shown = images[:SHOWN]
    made = codec.decode(codec.encode(shown)[0])
    picture = grid.compose([list(shown), list(made)], _style(shown.shape[1]), ("original", "reconstruction"))
    caption = "Faces of the reported split, and their codes decoded."
    return Figure("reconstructions", "Reconstructions", caption, picture)


def edits(codec: Codec, faces: Faces, attribute: str, delta: float, pick: NDArray[np.int64]) -> Figure | None:
    """Some faces switched to yes, and some to no; None where no face has a label.

    Args:
        pick: indices of `faces`, in the order in which they are taken.
    """
    columns: list[tuple[bool, int]] = []
    for wanted in (True, False):
        lacking = set(faces.lacking(attribute, wanted).tolist())
        columns += [(wanted, int(i)) for i in pick if int(i) in lacking][: SHOWN // 2]
    if not columns:
        return None
    chosen = np.array([i for _, i in columns])
    images = faces.images[chosen]
    codes = np.asarray(codec.encode(images)[0], np.float64)
    unit = codec.planes.normal(attribute)
    moved = codes + delta * np.array([1.0 if wanted else -1.0 for wanted, _ in columns])[:, None] * unit
    edited = codec.decode(moved)
    rows: list[list[Images]] = [list(images), list(codec.decode(codes)), list(edited)]
    names = ["original", "reconstruction", "edited"]
    if faces.options is not None and attribute in ATTRIBUTES:
        truths = [
            nearest([faces.options[i]], attribute, wanted, edited[k : k + 1], faces.crop).images[0]
            for k, (wanted, i) in enumerate(columns)
        ]
        rows.append(truths)
        names.append("truth")
    labels = ["to yes" if wanted else "to no" for wanted, _ in columns]
    picture = grid.compose(rows, _style(images.shape[1]), names, labels)
    caption = f"{attribute} switched on and off by {delta:g} along its direction."
    if len(rows) == 4:
        caption += " The truth is the nearest drawing of that very face with the other label."
    return Figure(f"edits-{file_name(attribute)}", f"Edits: {attribute}", caption, picture)


def failures(
    codec: Codec,
    judge: Judge,
    faces: Faces,
    measured: Sequence[Edit],
    deltas: Mapping[str, float],
    cancelled: Callable[[], bool] | None = None,
) -> Figure | None:
    """Edits that the judge does not take for done, in turn over attributes and ways; None without any.

    Args:
        measured: at `deltas`; says of which edits there are failures.

    Raises:
        Cancelled: `cancelled` said so.
    """
    found: list[list[tuple[str, Images]]] = []
    counts = []
    for edit in measured:
        refused = round(edit.faces * (1 - edit.judged.mean))
        if not refused:
            continue
        counts.append(f"{edit.name} {refused} of {edit.faces}")
        some = _refused(codec, judge, faces, edit, deltas[edit.attribute], cancelled)
        found.append([(edit.name, triple) for triple in some])
    turns = [one[i] for i in range(SHOWN) for one in found if i < len(one)][:SHOWN]
    if not turns:
        return None
    rows = [[triple[row] for _, triple in turns] for row in range(3)]
    names = ("original", "reconstruction", "edited")
    picture = grid.compose(rows, _style(faces.images.shape[1]), names, [name for name, _ in turns])
    caption = f"Edits after which the judge does not see the wanted label: {'; '.join(counts)}."
    return Figure("failures", "Edits that the judge refuses", caption, picture)


def _refused(
    codec: Codec,
    judge: Judge,
    faces: Faces,
    edit: Edit,
    delta: float,
    cancelled: Callable[[], bool] | None,
) -> list[Images]:
    """At most `SHOWN` times original, reconstruction and edit, (3, S, S, 3)."""
    rows = faces.lacking(edit.attribute, edit.wanted)
    step = (delta if edit.wanted else -delta) * codec.planes.normal(edit.attribute)
    column = judge.attributes.index(edit.attribute)
    found: list[Images] = []
    for start in range(0, len(rows), _LOOKED_AT):
        if cancelled is not None and cancelled():
            raise Cancelled("drawing pictures was stopped")
        images = faces.images[rows[start : start + _LOOKED_AT]]
        codes = np.asarray(codec.encode(images)[0], np.float64)
        edited = codec.decode(codes + step)
        bad = np.flatnonzero((judge.probabilities(edited)[:, column] > 0.5) != edit.wanted)
        bad = bad[: SHOWN - len(found)]
        if len(bad):
            plain = codec.decode(codes[bad])
            found += [np.stack([images[i], one, edited[i]]) for i, one in zip(bad, plain, strict=True)]
        if len(found) == SHOWN:
            break
    return found


def samples(images: Images) -> Figure:
    """Pictures decoded from the prior."""
    picture = grid.gallery(images[: 2 * SHOWN], SHOWN, _style(images.shape[1]))
    caption = "The first samples of z from N(0, I), decoded; none left out."
    return Figure("prior-samples", "Prior samples", caption, picture)


def conditional(rows: Mapping[str, Images]) -> Figure:
    """Pictures of p(z|y), a row for each condition."""
    size = next(iter(rows.values())).shape[1]
    cells = [list(images[:SHOWN]) for images in rows.values()]
    picture = grid.compose(cells, _style(size), tuple(rows))
    return Figure(
        "conditional-samples",
        "Samples of p(z|y)",
        "The first exact samples of p(z|y) for each label, decoded; none left out.",
        picture,
    )


def renamed(figures: Sequence[Figure]) -> list[Figure]:
    """The same, with numbers after names that repeat."""
    seen: dict[str, int] = {}
    out = []
    for figure in figures:
        seen[figure.name] = seen.get(figure.name, 0) + 1
        again = seen[figure.name]
        out.append(figure if again == 1 else replace(figure, name=f"{figure.name}-{again}"))
    return out
