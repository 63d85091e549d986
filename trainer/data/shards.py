"""Data too large for one build: shards that processes and hosts make side by side, opened as one cache.

DIR/shard-00003-of-00016 is the fourth of sixteen. Its faces are the fourth sixteenth of the source, so that
all shards together hold the same faces in the same order as one cache of the whole source.
"""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np

from trainer.data.build import build_directory, key_at
from trainer.data.cache import Cache, Progress, check_size_and_crop, identity
from trainer.data.rows import RowFile, runs
from trainer.data.source import FileSource, Source, digest, open_source
from trainer.errors import DataError

_NAME = re.compile(r"shard-(\d{5})-of-(\d{5})")
_MOST = 99_999  # shards
_PLACE = re.compile(r"\{shard(?::0(\d)d)?\}")
_OPEN_FILES = 256  # of images, and as many of names; systems allow 1024 open files and more


def directory(out: Path, index: int, count: int) -> Path:
    """Where shard `index` of `count` goes."""
    return out / f"shard-{index:05d}-of-{count:05d}"


def _found(path: Path) -> dict[int, set[int]]:
    """The shards in a directory: indices by their count."""
    found: dict[int, set[int]] = {}
    if path.is_dir():
        for child in path.iterdir():
            if match := _NAME.fullmatch(child.name):
                found.setdefault(int(match[2]), set()).add(int(match[1]))
    return found


def any_in(path: Path) -> bool:
    """Whether a directory holds shards, be they complete or not."""
    return bool(_found(path))


def missing(path: Path, count: int) -> list[int]:
    """Which of `count` shards are not in a directory."""
    return sorted(set(range(count)) - _found(path).get(count, set()))


# -- making them --------------------------------------------------------------------------


class _Part:
    """Faces `start` to `stop` - 1 of a source whose pictures are no files."""

    def __init__(self, whole: Source, start: int, stop: int) -> None:
        self._whole, self._start = whole, start
        self.spec, self.attributes, self.default_crop = whole.spec, whole.attributes, whole.default_crop
        self.names = whole.names[start:stop]
        self.labels, self.splits = whole.labels[start:stop], whole.splits[start:stop]
        self.skipped: list[tuple[str, str]] = []

    def read(self, index: int, size: int, crop: str) -> np.ndarray:
        return self._whole.read(self._start + index, size, crop)

    def fingerprint(self) -> dict[str, Any]:
        return self._whole.fingerprint()

    def options(self, index: int) -> dict[str, Any] | None:
        return self._whole.options(self._start + index)


def part_of(whole: Source, index: int, count: int) -> Source:
    """The `index`-th of `count` stretches of a source, as even as can be.

    Raises:
        DataError: the source has fewer faces than parts.
    """
    n = len(whole.names)
    if n < count:
        raise DataError(f"{whole.spec}: {n} faces are too few for {count} shards")
    start, stop = n * index // count, n * (index + 1) // count
    if not isinstance(whole, FileSource):
        return _Part(whole, start, stop)
    return FileSource(  # a worker process gets its own names only, and only its own files are looked at
        spec=whole.spec,
        root=whole.root,
        names=whole.names[start:stop],
        attributes=whole.attributes,
        labels=whole.labels[start:stop],
        splits=whole.splits[start:stop],
        default_crop=whole.default_crop,
        skipped=whole.skipped if index == 0 else [],
    )


def open_part(spec: str, index: int, count: int) -> tuple[Source, dict[str, Any]]:
    """The faces of one shard, and what is stored of its place among the others.

    Args:
        spec: what `open_source` takes: the whole data, of which the shard is a part. With `{shard}` or
            `{shard:03d}` in it the number of the shard is put there, and the shard is all of that data.
        index: from 0.
        count: how many shards there are.

    Raises:
        DataError: a number out of range, or as `open_source`.
    """
    if not 1 <= count <= _MOST or not 0 <= index < count:
        raise DataError(f"shard {index}/{count}: of N shards the numbers are 0 to N - 1, N at most {_MOST}")
    place: dict[str, Any] = {"index": index, "count": count}
    if _PLACE.search(spec):
        own = _PLACE.sub(lambda match: format(index, f"0{match[1] or 1}d"), spec)
        return open_source(own), place | {"data": spec, "listing": "", "apart": True}
    whole = open_source(spec)
    listing = digest(
        "\n".join(whole.names).encode("utf-8", "surrogateescape"),
        whole.labels.tobytes(),
        whole.splits.tobytes(),
    )
    place |= {"data": whole.spec, "listing": listing, "apart": False}
    return part_of(whole, index, count), place


def build_shard(
    spec: str,
    size: int,
    crop: str | None,
    index: int,
    count: int,
    out: Path,
    workers: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Cache:
    """Prepare one shard into `out`; one that is there already, of the same pictures, is left as it is.

    Different shards may be made at the same time, by processes on any number of hosts.

    Args:
        spec, index, count: as for `open_part`.
        crop: None for what suits the data.
        out: the directory of all shards.
        size, workers, progress, cancelled: as for `trainer.data.cache.build`.

    Raises:
        DataError: as `build`, or `out` holds something else.
        RunError, Cancelled: as `build`.
    """
    if (out / "meta.json").is_file():
        raise DataError(f"{out}: is a cache of its own; name another directory for shards")
    if others := sorted(set(_found(out)) - {count}):
        raise DataError(f"{out}: holds shards of {others[0]}, not of {count}; name another directory")
    source, place = open_part(spec, index, count)
    crop = source.default_crop if crop is None else crop
    check_size_and_crop(size, crop)
    wanted = identity(source, size, crop, place)
    target = directory(out, index, count)
    if key_at(target) != wanted.key:
        build_directory(source, size, crop, target, wanted, workers, progress, cancelled)
    return Cache.open(target)


# -- opening them -------------------------------------------------------------------------


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
    found = _found(path)
    if len(found) != 1:
        kinds = " and of ".join(map(str, sorted(found)))
        raise DataError(f"{path}: holds shards of {kinds}; keep one kind")
    [count] = found
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
