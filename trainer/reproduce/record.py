"""What is kept of each figure: pictures, tables and numbers as files that are whole or not there."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from trainer import files, grid
from trainer.errors import DataError

FORMAT = 1
_ITEMS, _PICTURES, RESULTS, PAGE = "items", "pictures", "results.json", "index.html"
_OWN_PICTURE = re.compile(rf"{_PICTURES}/[\w-]+\.png", re.ASCII)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a figure.

    Attributes:
        name: of its file, without suffix.
        title, caption: plain text.
        image: the picture.
    """

    name: str
    title: str
    caption: str
    image: Image.Image


@dataclass(frozen=True)
class Table:
    """Text to read; the same numbers for machines are in `Made.numbers`.

    Attributes:
        title: above it.
        columns: heads.
        rows: of as many cells each; columns other than `words` hold numbers.
        words: how many columns from the left are words.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True, eq=False)
class Made:
    """What a figure came to.

    Attributes:
        pictures, tables: in the order of the page.
        notes: what a reader must know.
        numbers: plain data.
        cards: protocol cards as plain data, by a short name.
    """

    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    numbers: dict[str, Any] = field(default_factory=dict)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)


def finite(value: Any) -> Any:
    """Plain data without NaN and infinities, which JSON does not have: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def key_of(body: dict[str, Any]) -> str:
    """SHA-256 of everything that decides a figure."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def keep(out: Path, name: str, made: Made, about: dict[str, Any]) -> None:
    """Write the pictures and then the record of a figure; what it had before is removed.

    The old record goes first, so that a process that is killed here never leaves it with new pictures.

    Args:
        out: the page's directory.
        name: of the figure.
        made: what it came to.
        about: title, models, key, settings and time, as plain data.

    Raises:
        DataError, RunError: a file cannot be written.
    """
    files.make_directory(out / _PICTURES)
    files.make_directory(out / _ITEMS)
    before = kept(out, name)
    record = out / _ITEMS / f"{name}.json"
    try:
        record.unlink(missing_ok=True)
    except OSError as error:
        raise files.write_error(record, error) from error
    shown = []
    for picture in made.pictures:
        path = Path(_PICTURES) / f"{picture.name}.png"
        models = {model["name"]: model["sha256"] for model in about["models"]}
        grid.save(picture.image, out / path, {"figure": name, "models": models})
        shown.append({"title": picture.title, "caption": picture.caption, "file": path.as_posix()})
    body = {
        "format": FORMAT,
        "name": name,
        **about,
        "pictures": shown,
        "tables": [asdict(table) for table in made.tables],
        "notes": list(made.notes),
        "numbers": made.numbers,
        "protocol": made.cards,
    }
    files.write_text(record, json.dumps(finite(body), indent=1, allow_nan=False) + "\n")
    stale = {str(one["file"]) for one in before["pictures"]} if before else set()
    for file in stale - {one["file"] for one in shown}:
        if _OWN_PICTURE.fullmatch(file):
            with suppress(OSError):  # Windows keeps what someone looks at
                (out / file).unlink(missing_ok=True)


def kept(out: Path, name: str) -> dict[str, Any] | None:
    """The record of a figure that is there whole, else None."""
    path = out / _ITEMS / f"{name}.json"
    try:
        body = json.loads(path.read_text("utf-8"))
        own = all(_OWN_PICTURE.fullmatch(p["file"]) and (out / p["file"]).is_file() for p in body["pictures"])
        whole = body["format"] == FORMAT and own
        return body if whole and isinstance(body["key"], str) and "settings" in body else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_out(out: Path) -> None:
    """Make the directory, and refuse one that holds somebody else's page.

    Raises:
        DataError: it cannot be made, or must not be written to.
    """
    files.make_directory(out)
    if (out / PAGE).exists() and not (out / RESULTS).exists():
        raise DataError(f"{out}: holds an {PAGE} of something else; choose another --out")


def write_results(out: Path, body: dict[str, Any]) -> None:
    """`results.json`.

    Raises:
        DataError, RunError: it cannot be written.
    """
    text = json.dumps({"format": FORMAT, **body}, indent=1, allow_nan=False)
    files.write_text(out / RESULTS, text + "\n")
