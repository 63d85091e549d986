"""CelebA in its official layout: aligned pictures, 40 attributes and the authors' partition.

Source: Liu et al., "Deep Learning Face Attributes in the Wild" (ICCV 2015), files
`img_align_celeba/`, `list_attr_celeba.txt` and `list_eval_partition.txt`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.data import derive
from trainer.data.source import FileSource
from trainer.errors import DataError

BUILT_IN = "FacialHair=!No_Beard|Goatee|Mustache"
_IMAGES = ("img_align_celeba/img_align_celeba", "Img/img_align_celeba", "img_align_celeba")


def _find(root: Path, name: str, folder: str) -> Path:
    for path in (root / name, root / folder / name):
        if path.is_file():
            return path
    raise DataError(f"{root}: no {name} here or in {folder}/; expected CelebA's official layout")


def _lines(path: Path) -> list[str]:
    """Lines without ends, whichever ends the file mixes; blank ones are dropped."""
    try:
        text = path.read_text("utf-8")  # universal newlines
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})") from error
    return [line for line in text.split("\n") if line.strip()]


def _attributes(path: Path) -> tuple[tuple[str, ...], list[str], np.ndarray]:
    """Attribute names, file names and (N, A) int8 labels of `list_attr_celeba.txt`."""
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise DataError(f"{path}: expected the number of pictures, then the attributes' names")
    columns = tuple(lines[1].split())
    names: list[str] = []
    labels = np.zeros((len(lines) - 2, len(columns)), np.int8)
    for row, line in enumerate(lines[2:]):
        name, *values = line.split()
        if len(values) != len(columns):
            raise DataError(f"{path}: {name} has {len(values)} values for {len(columns)} attributes")
        if not set(values) <= {"1", "-1", "0"}:
            column, value = next(
                (c, v) for c, v in zip(columns, values, strict=True) if v not in ("1", "-1", "0")
            )
            raise DataError(f"{path}: {name}, column {column}: {value!r} is not 1 or -1")
        names.append(name)
        labels[row] = [value == "1" for value in values]
    return columns, names, labels


def _partition(path: Path) -> dict[str, int]:
    splits: dict[str, int] = {}
    for line in _lines(path):
        parts = line.split()
        if len(parts) != 2 or parts[1] not in ("0", "1", "2"):
            raise DataError(f"{path}: {line.strip()!r} is not a file name and 0, 1 or 2")
        splits[parts[0]] = int(parts[1])
    return splits


def open_celeba(root: Path) -> FileSource:
    """Open a directory in the official layout; nested folders as in the official archives are fine.

    `FacialHair` is added as the last attribute. Pictures that are listed but not on disk are skipped.

    Raises:
        DataError: a file or folder is missing, or malformed; names it.
    """
    attributes, names, labels = _attributes(_find(root, "list_attr_celeba.txt", "Anno"))
    splits = _partition(_find(root, "list_eval_partition.txt", "Eval"))
    folder = next((root / place for place in _IMAGES if (root / place).is_dir()), None)
    if folder is None:
        raise DataError(f"{root}: no folder img_align_celeba; expected CelebA's official layout")
    present = {path.name for path in folder.iterdir()}
    skipped: list[tuple[str, str]] = []
    rows: list[int] = []
    for row, name in enumerate(names):
        if name not in present:
            skipped.append((name, "missing on disk"))
        elif name not in splits:
            skipped.append((name, "not in list_eval_partition.txt"))
        else:
            rows.append(row)
    kept = [names[row] for row in rows]
    if set(derive.parse(BUILT_IN).columns) <= set(attributes):
        attributes, labels = derive.extend(attributes, labels, (BUILT_IN,))
    return FileSource(
        spec=f"celeba:{root}",
        root=folder,
        names=kept,
        attributes=attributes,
        labels=labels[rows],
        splits=np.array([splits[name] for name in kept], np.uint8),
        default_crop="center",
        skipped=skipped,
    )
