"""Codes of faces as a file for other programs: NPZ as `encode` writes it, or CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError
from trainer.files import atomic_file
from trainer.latent import Floats, Hyperplanes

SUFFIXES = (".npz", ".csv")
_MARK = "'"  # before a text that a spreadsheet would compute
_FORMULA = ("=", "+", "-", "@", "\t", "\r", _MARK)  # the mark itself too, so that it can be taken off


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula; `unguarded` gives it back."""
    return _MARK + text if text.startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text.removeprefix(_MARK)


def table(
    names: Sequence[str], mu: Floats, planes: Hyperplanes, labels: NDArray[np.int8], rows: int | None = None
) -> list[list[str]]:
    """Codes as text: a head, then a line a face with its name, labels, logits and code.

    Args:
        names: of the faces (N).
        mu: (N, d).
        planes: whose logits are given, fake's too where the model knows it.
        labels: (N, K) of the attributes; a negative one is unknown and left empty.
        rows: how many faces at most.
    """
    known = planes.names if planes.knows_fake else planes.attributes
    head = ["name", *planes.attributes, *(f"logit {name}" for name in known)]
    head += [f"mu {i}" for i in range(mu.shape[1])]
    logits = planes.logits(mu)
    lines = [head]
    for i in range(len(names) if rows is None else min(rows, len(names))):
        marks = [str(int(v)) if v >= 0 else "" for v in labels[i]]
        numbers = [f"{v:.6g}" for v in (*logits[i, : len(known)], *mu[i])]
        lines.append([names[i], *marks, *numbers])
    return lines


def save(
    path: Path, names: Sequence[str], mu: Floats, planes: Hyperplanes, labels: NDArray[np.int8], digest: str
) -> None:
    """Write codes by suffix, atomically. NPZ holds `mu`, `logits`, `names`, `attributes`, `labels`, `model`.

    In CSV the head and the column of names are texts: one that begins with = + - @, a tab, a carriage return
    or an apostrophe stands there with an apostrophe before it (`guarded`): no spreadsheet computes what
    a file is called. Numbers are as they are.

    Raises:
        DataError: another suffix, or a path that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: cannot save as {path.suffix!r}; choose {' or '.join(SUFFIXES)}")
    with atomic_file(path) as file:
        if path.suffix.lower() == ".npz":
            np.savez(
                file,
                mu=mu.astype(np.float32),
                logits=planes.logits(mu).astype(np.float32),
                names=np.array(list(names)),
                attributes=np.array(planes.attributes),
                labels=labels,
                model=np.array(digest),
            )
            return
        text = io.StringIO(newline="")
        head, *lines = table(names, mu, planes, labels)
        csv.writer(text).writerow([guarded(cell) for cell in head])
        csv.writer(text).writerows([guarded(name), *numbers] for name, *numbers in lines)
        file.write(text.getvalue().encode("utf-8"))
