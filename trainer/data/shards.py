"""Data too large for one build: shards that processes and hosts make side by side.

DIR/shard-00003-of-00016 is the fourth of sixteen. Its faces are the fourth sixteenth of the source, so that
all shards together hold the same faces in the same order as one cache of the whole source.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.build import build_directory, key_at
from trainer.data.cache import Cache, Progress, check_size_and_crop, identity
from trainer.data.source import FileSource, Source, digest, open_source
from trainer.errors import DataError

_NAME = re.compile(r"shard-(\d{5})-of-(\d{5})")
_MOST = 99_999  # shards
_PLACE = re.compile(r"\{shard(?::0(\d)d)?\}")


def directory(out: Path, index: int, count: int) -> Path:
    """Where shard `index` of `count` goes."""
    return out / f"shard-{index:05d}-of-{count:05d}"


def found(path: Path) -> dict[int, set[int]]:
    """The shards in a directory: indices by their count."""
    counts: dict[int, set[int]] = {}
    if path.is_dir():
        for child in path.iterdir():
            if match := _NAME.fullmatch(child.name):
                counts.setdefault(int(match[2]), set()).add(int(match[1]))
    return counts


def any_in(path: Path) -> bool:
    """Whether a directory holds shards, be they complete or not."""
    return bool(found(path))


def missing(path: Path, count: int) -> list[int]:
    """Which of `count` shards are not in a directory."""
    return sorted(set(range(count)) - found(path).get(count, set()))


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
    if others := sorted(set(found(out)) - {count}):
        raise DataError(f"{out}: holds shards of {others[0]}, not of {count}; name another directory")
    source, place = open_part(spec, index, count)
    crop = source.default_crop if crop is None else crop
    check_size_and_crop(size, crop)
    wanted = identity(source, size, crop, place)
    target = directory(out, index, count)
    if key_at(target) != wanted.key:
        build_directory(source, size, crop, target, wanted, workers, progress, cancelled)
    return Cache.open(target)
