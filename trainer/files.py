"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trainer.errors import DataError


def _sync_directory(folder: Path) -> None:
    """Make a rename durable; Windows neither needs nor allows it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` only once it is complete and on disk.

    Raises:
        DataError: `path` cannot be written (full disk, missing or read-only folder); it is then as it was.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A whole UTF-8 file, or none.

    Raises:
        DataError: as `atomic_file`.
    """
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))
