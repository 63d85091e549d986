"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trainer.errors import ConfigError, DataError, IntroVACError, RunError

_WINDOWS = os.name == "nt"
_PATIENCE = 2.0  # seconds that Windows gets to let go of a file that someone reads or scans

# The disk gave out: no fault of the path, nothing that another argument would mend.
_GAVE_OUT = {
    getattr(errno, name)
    for name in ("ENOSPC", "EIO", "EDQUOT", "EFBIG", "ENOMEM", "EMFILE", "ENFILE", "ESTALE", "ENODEV")
    if hasattr(errno, name)
}


def write_error(path: Path, error: OSError) -> IntroVACError:
    """What to raise when `path` cannot be written: RunError for a disk that gave out, else DataError."""
    kind = RunError if error.errno in _GAVE_OUT else DataError
    return kind(f"{path}: cannot be written ({error.strerror or error})")


def exists(path: str | Path) -> bool:
    """Whether something is there; where that cannot be asked, as on a disk that is gone, it is not."""
    return _asked(Path(path).exists)


def is_file(path: str | Path) -> bool:
    """Whether a file is there, as far as one may ask."""
    return _asked(Path(path).is_file)


def is_dir(path: str | Path) -> bool:
    """Whether a directory is there, as far as one may ask."""
    return _asked(Path(path).is_dir)


def _asked(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # no permission, no connection, a name that is too long
        return False


def make_directory(path: Path) -> None:
    """Make a directory and its parents, unless it is there.

    Raises:
        DataError: it cannot be made, or is a file.
        RunError: the disk is full or broken.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def check_target(path: Path) -> None:
    """Make sure, before any work, that a file can be put at `path`; its folder is made if needed.

    Raises:
        DataError: `path` is a directory, or its folder cannot be made or written to.
    """
    make_directory(path.parent)
    if path.is_dir():
        raise DataError(f"{path}: is a directory; name a file")
    if not os.access(path.parent, os.W_OK):
        raise DataError(f"{path}: cannot be written (the folder is read-only)")


def _sync_directory(folder: Path) -> None:
    """Make a rename durable; Windows neither needs nor allows it."""
    if _WINDOWS:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(scratch: Path, path: Path) -> None:
    """Rename over `path`; on Windows again and again for a while, as long as someone has it open."""
    until, pause = time.monotonic() + _PATIENCE, 0.01
    while True:
        try:
            scratch.replace(path)
            return
        except PermissionError:
            if not _WINDOWS or time.monotonic() >= until:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 0.2)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` only once it is complete and on disk.

    Raises:
        DataError: `path` cannot be written (missing or read-only folder); it is then as it was.
        RunError: the disk is full or broken; `path` is then as it was.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _replace(scratch, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file for as long as this process lives in the block; the system lets go for the dead.

    Raises:
        ConfigError: another process holds it; the text begins with `what`.
        DataError, RunError: it cannot be made.
    """
    try:
        file = path.open("a+b")
    except OSError as error:
        raise write_error(path, error) from error
    with file:
        try:
            if sys.platform == "win32":
                import msvcrt

                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK):
                yield  # a file system without locks: better than no training at all
                return
            raise ConfigError(f"{what}; wait for it, or stop it first") from error
        yield


def sweep(folder: Path) -> None:
    """Remove what `atomic_file` left in a folder when its process was killed; nobody else may write there."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """A whole UTF-8 file, or none.

    Raises:
        DataError, RunError: as `atomic_file`.
    """
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))
