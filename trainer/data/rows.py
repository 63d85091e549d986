"""Rows of an images.npy read by position: for files larger than memory and storage that answers slowly."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainer.errors import DataError

_AT_ONCE = 512  # rows in one call; systems allow 1024 buffers


class RowFile:
    """The rows of one file; several threads may use it at once.

    Args:
        path: an .npy file of unsigned bytes.
        shape: what it must hold, (N, ...).

    Raises:
        DataError: missing, of another shape, or cut off.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path = path
        self.row_bytes = int(np.prod(shape[1:]))
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise DataError(f"{path}: cannot be opened ({error.strerror}); prepare it again") from error
        try:
            major, _ = np.lib.format.read_magic(self._file)
            header = np.lib.format
            read = header.read_array_header_1_0 if major == 1 else header.read_array_header_2_0
            found, by_columns, kind = read(self._file)
            self._first = self._file.tell()
            whole = os.fstat(self._file.fileno()).st_size >= self._first + shape[0] * self.row_bytes
            if found != shape or by_columns or kind != np.uint8 or not whole:
                raise DataError(f"{path}: damaged; delete its directory and prepare it again")
        except (OSError, ValueError) as error:
            self._file.close()
            raise DataError(f"{path}: damaged ({error}); prepare it again") from error
        except DataError:
            self._file.close()
            raise
        self._turn = threading.Lock()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # where opening failed
            self._file.close()

    def read(self, first: int, into: Sequence[memoryview]) -> None:
        """Read as many consecutive rows as there are buffers, from row `first`.

        Raises:
            DataError: the file ends early or cannot be read.
        """
        for at in range(0, len(into), _AT_ONCE):
            self._read(self._first + (first + at) * self.row_bytes, into[at : at + _AT_ONCE])

    def _read(self, offset: int, into: Sequence[memoryview]) -> None:
        try:
            wanted = len(into) * self.row_bytes
            if hasattr(os, "preadv") and os.preadv(self._file.fileno(), into, offset) == wanted:
                return
            with self._turn:  # no such call here, or it was cut short
                self._file.seek(offset)
                for row in into:
                    self._fill(row)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error

    def _fill(self, row: memoryview) -> None:
        while len(row):
            got = self._file.readinto(row)
            if not got:
                raise DataError(f"{self.path}: ends early; delete its directory and prepare it again")
            row = row[got:]

    def expect(self, first: int, count: int) -> None:
        """Tell the system that rows will soon be read; where it takes no such advice, nothing happens."""
        if hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(
                    self._file.fileno(),
                    self._first + first * self.row_bytes,
                    count * self.row_bytes,
                    os.POSIX_FADV_WILLNEED,
                )


def runs(rows: np.ndarray, file: np.ndarray | None = None) -> Iterator[slice]:
    """Cut ascending rows (n,) into stretches of consecutive ones; `file` (n,) says in which file each is."""
    breaks = np.diff(rows) != 1
    if file is not None:
        breaks |= np.diff(file) != 0
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(rows)]
    for start, stop in itertools.pairwise(edges):
        if stop > start:
            yield slice(start, stop)
