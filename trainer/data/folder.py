"""A folder of pictures as data: labels from `labels.csv`, or one sub-folder per class."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from trainer.data.source import SPLITS, FileSource, hashed_split
from trainer.data.transforms import SUFFIXES
from trainer.errors import DataError

_YES = frozenset({"1", "+1", "1.0", "yes", "true"})
_NO = frozenset({"0", "-1", "0.0", "-1.0", "no", "false"})
_SPLIT_NAMES = SPLITS | {"val": SPLITS["valid"], "validation": SPLITS["valid"]}


def _pictures(root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Relative POSIX names of all pictures below a folder, sorted; hidden files and folders are left out.

    Gives those, too, whose name is no text, which no cache or recipe could hold, and says so.
    """
    names, skipped = [], []
    for place, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for file in files:
            path = Path(place, file)
            if path.suffix.lower() in SUFFIXES and not file.startswith("."):
                name = path.relative_to(root).as_posix()
                said = name.encode("utf-8", "backslashreplace").decode()
                if said == name:
                    names.append(name)
                else:
                    skipped.append((said, "its name is not UTF-8; rename it"))
    return sorted(names), sorted(skipped)


def read_table(path: Path) -> list[list[str]]:
    """Cells of a table, comma or semicolon separated, with or without a byte order mark.

    Raises:
        DataError: it cannot be read, or is no table.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","
    try:
        return [[c.strip() for c in row] for row in csv.reader(text.splitlines(), delimiter=delimiter)]
    except csv.Error as error:
        raise DataError(f"{path}: not a table of comma-separated values ({error})") from error


def _check_names(where: Path, names: list[str]) -> None:
    for name in names:
        if not name or any(c in name for c in "=,+|&!"):
            raise DataError(f"{where}: attribute {name!r} must not be empty or contain = , + | & !")
        if names.count(name) > 1:
            raise DataError(f"{where}: column {name!r} appears more than once")


def read_label(text: str, where: str) -> int:
    """1 or 0 of a label's text.

    Raises:
        DataError: neither; names `where` it stands.
    """
    if text.lower() in _YES:
        return 1
    if text.lower() in _NO:
        return 0
    raise DataError(f"{where}: {text!r} is not 0/1, -1/1, yes/no or true/false")


def _from_table(root: Path, table: Path) -> FileSource:
    rows = read_table(table)
    if not rows or len(rows[0]) < 2:
        raise DataError(f"{table}: the first row must name the file column and at least one attribute")
    header = rows[0]
    columns = [i for i in range(1, len(header)) if header[i].lower() != "split"]
    split_at = next((i for i in range(1, len(header)) if header[i].lower() == "split"), None)
    attributes = [header[i] for i in columns]
    if not attributes:
        raise DataError(f"{table}: has no attribute columns")
    _check_names(table, attributes)
    pictures, _ = _pictures(root)
    exact, folded = set(pictures), {name.casefold(): name for name in pictures}
    names: list[str] = []
    seen: set[str] = set()
    labels, splits = [], []
    skipped: list[tuple[str, str]] = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise DataError(f"{table}: row {number} has {len(row)} cells, the first row has {len(header)}")
        values = [read_label(row[i], f"{table}: row {number}, column {header[i]}") for i in columns]
        listed = row[0].replace("\\", "/").removeprefix("./")
        name = listed if listed in exact else folded.get(listed.casefold())
        if name is None:
            skipped.append((listed, "missing on disk"))
            continue
        if name in seen:
            raise DataError(f"{table}: row {number} names {name} a second time")
        seen.add(name)
        split = hashed_split(name)
        if split_at is not None:
            word = row[split_at].lower()
            if word not in _SPLIT_NAMES:
                raise DataError(
                    f"{table}: row {number}, column {header[split_at]}: {row[split_at]!r} "
                    "is not train, valid or test"
                )
            split = _SPLIT_NAMES[word]
        names.append(name)
        labels.append(values)
        splits.append(split)
    return _source(root, names, attributes, np.array(labels, np.int8), splits, skipped)


def _from_classes(root: Path) -> FileSource:
    pictures, skipped = _pictures(root)
    names = [name for name in pictures if "/" in name]
    if not names:
        raise DataError(
            f"{root}: neither a labels.csv nor sub-folders with pictures; expected one sub-folder per class, "
            "or a labels.csv with the file name and attributes in each row"
        )
    classes = [name.partition("/")[0] for name in names]
    attributes = sorted(set(classes))
    _check_names(root, attributes)
    labels = np.array([[c == a for a in attributes] for c in classes], np.int8)
    return _source(root, names, attributes, labels, [hashed_split(name) for name in names], skipped)


def _source(
    root: Path,
    names: list[str],
    attributes: list[str],
    labels: np.ndarray,
    splits: list[int],
    skipped: list[tuple[str, str]],
) -> FileSource:
    return FileSource(
        spec=f"folder:{root}",
        root=root,
        names=names,
        attributes=tuple(attributes),
        labels=labels,
        splits=np.array(splits, np.uint8),
        default_crop="square",
        skipped=skipped,
    )


def open_folder(root: Path) -> FileSource:
    """Open a folder of pictures.

    With `labels.csv`: the first column is the file name relative to the folder, the others are attributes
    as 0/1, -1/1, yes/no or true/false; a column `split` may say train, valid or test. Without: one
    sub-folder per class, each class one attribute. Without a `split` column 80/10/10 by a hash of the
    relative name. Pictures that are listed but not on disk are skipped.

    Raises:
        DataError: a malformed table (names row and column), or nothing to read.
    """
    table = root / "labels.csv"
    return _from_table(root, table) if table.is_file() else _from_classes(root)
