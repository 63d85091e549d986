"""Shards opened as one cache: labels in memory, pixels and names read when asked for."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np

from trainer.data.cache import Cache
from trainer.data.rows import RowFile, runs
from trainer.data.shards import directory, found, missing
from trainer.data.source import digest
from trainer.errors import DataError

_OPEN_FILES = 256  # of images, and as many of names; systems allow 1024 open files and more


class ShardNames(Sequence[str]):
    """The names of all faces, read when asked for."""

    def __init__(self, files: list[Path], prefixes: list[str], starts: np.ndarray) -> None:
        self._prefixes, self._starts = prefixes, starts
        self._file = functools.lru_cache(_OPEN_FILES)(functools.partial(_name_file, files))

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> str: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[str]: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = operator.index(index)
        if not 0 <= at < len(self):
            raise IndexError(f"name {at} of {len(self)}")
        shard = int(np.searchsorted(self._starts, at, side="right")) - 1
        return self._prefixes[shard] + _text(self._file(shard)[at - int(self._starts[shard])])

    def __iter__(self) -> Iterator[str]:
        for shard, prefix in enumerate(self._prefixes):
            for name in self._file(shard):
                yield prefix + _text(name)


def _name_file(files: list[Path], shard: int) -> np.ndarray:
    try:
        return np.load(files[shard], mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{files[shard]}: cannot be read ({error}); prepare the shard again") from error


def _text(name: Any) -> str:
    return bytes(name).decode("utf-8", "surrogateescape")


def _row_file(folders: list[Path], shapes: list[tuple[int, ...]], shard: int) -> RowFile:
    return RowFile(folders[shard] / "images.npy", shapes[shard])


class ShardedCache(Cache):
    """All shards of a directory as one cache, opened with `Cache.open`.

    It has what a `Cache` has, except `images`: pixels are read by `batch`, without mapping the files, and
    `names` are read when asked for. Labels and splits are in memory.
    """

    def __init__(self, path: Path, shards: list[tuple[Path, dict[str, Any]]]) -> None:
        first = shards[0][1]
        self.path = path
        self.spec, self.crop, self.size = str(first["shard"]["data"]), str(first["crop"]), int(first["size"])
        self.attributes = tuple(str(name) for name in first["attributes"])
        self.key = digest(*(str(meta["key"]).encode() for _, meta in shards))
        self.skipped = [(str(name), str(why)) for _, meta in shards for name, why in meta["skipped"]]
        self._folders = [folder for folder, _ in shards]
        counts = [int(meta["count"]) for _, meta in shards]
        self._starts = np.concatenate(([0], np.cumsum(counts)))
        shapes: list[tuple[int, ...]] = [(count, self.size, self.size, 3) for count in counts]
        self._rows = functools.lru_cache(_OPEN_FILES)(functools.partial(_row_file, self._folders, shapes))
        self.labels = np.empty((len(self), len(self.attributes)), np.int8)
        self.splits = np.empty(len(self), np.uint8)
        for shard, folder in enumerate(self._folders):
            _row_file(self._folders, shapes, shard)  # refuses one that is damaged
            part = slice(int(self._starts[shard]), int(self._starts[shard + 1]))
            _fill(self.labels[part], folder / "labels.npy")
            _fill(self.splits[part], folder / "splits.npy")
        prefixes = [f"{i:05d}/" if first["shard"]["apart"] else "" for i in range(len(shards))]
        self.names = ShardNames([folder / "names.npy" for folder in self._folders], prefixes, self._starts)
        self._shard_options = functools.lru_cache(8)(functools.partial(_options, self._folders))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _stretches(self, indices: np.ndarray) -> Iterator[tuple[int, int, slice]]:
        """Ascending indices as (shard, first row in it, which of the indices)."""
        shard = np.searchsorted(self._starts, indices, side="right") - 1
        rows = indices - self._starts[shard]
        for run in runs(rows, shard):
            yield int(shard[run.start]), int(rows[run.start]), run

    def batch(self, indices: np.ndarray | Iterable[int], out: np.ndarray | None = None) -> np.ndarray:
        """As `Cache.batch`; each stretch of neighbours is read in one go."""
        wanted, out = self._ready(indices, out)
        order = np.argsort(wanted, kind="stable")
        flat = out.reshape(len(wanted), self.size * self.size * 3)
        buffers = [memoryview(flat[at]) for at in order.tolist()]
        for shard, first, run in self._stretches(wanted[order]):
            self._rows(shard).read(first, buffers[run])
        return out

    def expect(self, indices: np.ndarray) -> None:
        """As `Cache.expect`."""
        for shard, first, run in self._stretches(np.unique(indices)):
            self._rows(shard).expect(first, run.stop - run.start)

    def options(self, index: int) -> dict[str, Any] | None:
        """How face `index` was drawn, or None for a photo."""
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        known = self._shard_options(shard)
        return None if known is None else known[index - int(self._starts[shard])]


def _options(folders: list[Path], shard: int) -> list[dict[str, Any] | None] | None:
    path = folders[shard] / "options.json"
    try:
        return json.loads(path.read_text("utf-8")) if path.is_file() else None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); prepare the shard again") from error


def _fill(target: np.ndarray, path: Path) -> None:
    """Read an array into its place.

    Raises:
        DataError: it cannot be read, or does not fit.
    """
    try:
        target[:] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: damaged ({error}); delete its directory and prepare it again") from error


def _meta(folder: Path, index: int, count: int, version: int) -> dict[str, Any]:
    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        if meta["version"] != version:
            raise DataError(
                f"{folder}: a cache of version {meta['version']}, not {version}; prepare it again"
            )
        place = meta["shard"]
        if (place["index"], place["count"]) != (index, count):
            raise DataError(
                f"{folder}: holds shard {place['index']}/{place['count']}; it was renamed or copied"
            )
        for name in ("size", "crop", "attributes", "skipped", "key", "count"):
            meta[name]
        for name in ("data", "listing", "apart"):
            place[name]
        return meta
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{folder}: a damaged shard ({error}); delete it and prepare it again") from error


# What all shards must have in common: where it is in their meta.json, and what it is called.
_COMMON: tuple[tuple[Callable[[dict[str, Any]], Any], str], ...] = (
    (lambda meta: meta["size"], "image size"),
    (lambda meta: meta["crop"], "crop"),
    (lambda meta: meta["attributes"], "attributes"),
    (lambda meta: meta["shard"]["apart"], "kind of data"),
    (lambda meta: meta["shard"]["listing"], "list of pictures and labels"),
)


def open_shards(path: Path, version: int) -> ShardedCache:
    """Open the shards of a directory as one cache.

    Raises:
        DataError: some are missing, damaged, or do not belong together; says which.
    """
    counts = found(path)
    if len(counts) != 1:
        kinds = " and of ".join(map(str, sorted(counts)))
        raise DataError(f"{path}: holds shards of {kinds}; keep one kind")
    [count] = counts
    if lost := missing(path, count):
        shown = ", ".join(map(str, lost[:10])) + (", ..." if len(lost) > 10 else "")
        raise DataError(
            f"{path}: {len(lost)} of {count} shards are missing: {shown}; make each with "
            f"`prepare --shard {lost[0]}/{count} --out {path}`"
        )
    shards = []
    for index in range(count):
        folder = directory(path, index, count)
        shards.append((folder, _meta(folder, index, count, version)))
    for read, what in _COMMON:
        wanted = read(shards[0][1])
        for folder, meta in shards:
            if (got := read(meta)) != wanted:
                detail = "" if what.startswith("list") else f" ({got}, not {wanted})"
                raise DataError(
                    f"{folder}: its {what} is not that of the first shard{detail}; prepare it again"
                )
    return ShardedCache(path, shards)
