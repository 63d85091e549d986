"""Prepared faces in one memory-mapped array: built once, whole or not at all, then read at full speed."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from trainer.data.build import CACHE_VERSION, Identity, build_directory
from trainer.data.rows import RowFile, runs
from trainer.data.source import Source, open_source
from trainer.data.transforms import CROPS
from trainer.errors import DataError

if TYPE_CHECKING:
    from trainer.data.sharded import ShardNames

Progress = Callable[[int, int], None]  # (done, total) pictures
_META = {"version", "spec", "size", "crop", "attributes", "skipped", "key"}


class Cache:
    """Faces of one size and crop with all their attributes, opened with `Cache.open`.

    Attributes:
        path: the directory.
        images: (N, S, S, 3) uint8, memory-mapped, read-only.
        labels: (N, A) int8, 0 or 1.
        splits: (N,) uint8: 0 train, 1 valid, 2 test.
        attributes: A names.
        names: N names, as the source gives them.
        size: S, the side in pixels.
        crop: how pictures were cut.
        spec: the source's text.
        skipped: (name, reason) of pictures that are missing or broken.
    """

    def __init__(self, path: Path, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.path = path
        self.images, self.labels, self.splits = arrays["images"], arrays["labels"], arrays["splits"]
        self.spec, self.crop, self.key = str(meta["spec"]), str(meta["crop"]), str(meta["key"])
        self.size = int(meta["size"])
        self.attributes = tuple(str(name) for name in meta["attributes"])
        self.names: list[str] | ShardNames = [str(name) for name in meta["names"]]
        self.skipped = [(str(name), str(reason)) for name, reason in meta["skipped"]]
        self._pixels = self.images.view(np.ndarray)

    @classmethod
    def open(cls, path: Path) -> Cache:
        """Open a finished cache, or all shards of one.

        Raises:
            DataError: not a cache, of another version, damaged, or shards are missing.
        """
        if not (path / "meta.json").is_file():
            from trainer.data.sharded import open_shards
            from trainer.data.shards import any_in

            if any_in(path):
                return open_shards(path, CACHE_VERSION)
            raise DataError(f"{path}: not a cache; `prepare` makes one")
        try:
            meta = json.loads((path / "meta.json").read_text("utf-8"))
            version = meta.get("version")
            if version != CACHE_VERSION:
                raise DataError(
                    f"{path}: a cache of version {version}, not {CACHE_VERSION}; prepare it again"
                )
            arrays = {
                "images": np.load(path / "images.npy", mmap_mode="r", allow_pickle=False),
                "labels": np.load(path / "labels.npy", allow_pickle=False),
                "splits": np.load(path / "splits.npy", allow_pickle=False),
            }
            missing = _META - set(meta)
            if "shard" in meta:
                written = np.load(path / "names.npy", allow_pickle=False)
                meta["names"] = [bytes(name).decode("utf-8", "surrogateescape") for name in written]
            n, size, wide = len(meta.get("names", ())), meta.get("size"), len(meta.get("attributes", ()))
            shapes = {name: array.shape for name, array in arrays.items()}
            wanted = {"images": (n, size, size, 3), "labels": (n, wide), "splits": (n,)}
            if missing or shapes != wanted or arrays["images"].dtype != np.uint8:
                raise DataError(f"{path}: a damaged cache; delete the directory and prepare it again")
            return cls(path, meta, arrays)
        except (OSError, ValueError, EOFError, AttributeError, TypeError) as error:
            raise DataError(
                f"{path}: a damaged cache ({error}); delete the directory and prepare it again"
            ) from error

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: np.ndarray | Iterable[int], out: np.ndarray | None = None) -> np.ndarray:
        """Copy faces out.

        Args:
            indices: n of them, each from 0 to N - 1.
            out: contiguous memory to fill and return; None for new memory.

        Returns:
            (n, S, S, 3) uint8, in the order of the indices.

        Raises:
            IndexError: an index out of range.
        """
        wanted, out = self._ready(indices, out)
        return np.take(self._pixels, wanted, axis=0, out=out, mode="clip")  # others buffer `out`

    def _ready(
        self, indices: np.ndarray | Iterable[int], out: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Indices that are in range, as an array, and the memory for their faces."""
        wanted = np.asarray(indices, np.intp)
        if len(wanted) and not 0 <= int(wanted.min()) <= int(wanted.max()) < len(self):
            raise IndexError(f"{self.path}: an index is not from 0 to {len(self) - 1}")
        shape = (len(wanted), self.size, self.size, 3)
        out = np.empty(shape, np.uint8) if out is None else out
        assert out.shape == shape and out.dtype == np.uint8 and out.flags.c_contiguous
        return wanted, out

    def expect(self, indices: np.ndarray) -> None:
        """Tell the system which faces will be asked for next, so that it reads them meanwhile."""
        if hasattr(os, "posix_fadvise"):
            rows = np.unique(indices)
            for run in runs(rows):
                self._file.expect(int(rows[run.start]), run.stop - run.start)

    @functools.cached_property
    def _file(self) -> RowFile:
        return RowFile(self.path / "images.npy", self.images.shape)

    @functools.cached_property
    def _options(self) -> list[dict[str, Any] | None] | None:
        path = self.path / "options.json"
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); prepare the cache again") from error

    def options(self, index: int) -> dict[str, Any] | None:
        """How face `index` was drawn, or None for a photo."""
        return None if self._options is None else self._options[index]


def identity(source: Source, size: int, crop: str, shard: dict[str, Any] | None = None) -> Identity:
    """What a cache of a source is of; its key is the SHA-256 of everything that decides the content."""
    fingerprint = source.fingerprint()
    body = {"fingerprint": fingerprint, "size": size, "crop": crop, "version": CACHE_VERSION}
    if shard is not None:
        body["shard"] = {k: v for k, v in shard.items() if k != "data"}  # hosts mount it where they like
    return Identity(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(), fingerprint, shard)


def cache_key(source: Source, size: int, crop: str) -> str:
    """SHA-256, hexadecimal, of everything that decides a cache's content."""
    return identity(source, size, crop).key


def is_cache(path: Path) -> bool:
    """Whether a directory holds a cache or shards of one."""
    from trainer.data.shards import any_in

    return (path / "meta.json").is_file() or any_in(path)


def crop_of(path: Path) -> str | None:
    """The crop of the cache or the shards in a directory; None where there is none."""
    for meta in (path / "meta.json", *sorted(path.glob("shard-*-of-*/meta.json"))[:1]):
        try:
            return str(json.loads(meta.read_text("utf-8"))["crop"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def build(
    source: Source,
    size: int,
    crop: str,
    out: Path,
    workers: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Cache:
    """Prepare every face of a source into a new cache; all attributes are kept.

    The directory appears under its name only when it is whole. Broken pictures are skipped, and named in
    `Cache.skipped`. An older cache at `out` is replaced.

    Args:
        source: the faces.
        size: S, the side in pixels.
        crop: see `trainer.data.transforms.prepare`.
        out: the directory to make.
        workers: processes; 0 means one for each core, 1 none besides this one.
        progress: called with (done, total) pictures.
        cancelled: asked now and then; true ends the work.

    Raises:
        DataError: no usable picture, or `out` holds something else.
        RunError: too little disk space, or a process that died.
        Cancelled: `cancelled` said so; nothing is left behind.
    """
    check_size_and_crop(size, crop)
    build_directory(source, size, crop, out, identity(source, size, crop), workers, progress, cancelled)
    return Cache.open(out)


def default_cache_root() -> Path:
    """Where caches go: the variable INTROVAC_CACHE, or else the user's cache directory."""
    named = os.environ.get("INTROVAC_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("introvac-studio", False))


def check_size_and_crop(size: int, crop: str) -> None:
    """Refuse what no cache can have.

    Raises:
        DataError: names the value.
    """
    if size < 1:
        raise DataError(f"image size = {size}: must be at least 1 pixel")
    if crop not in CROPS:
        raise DataError(f"crop = {crop!r}: choose one of {', '.join(CROPS)}")


def _open_given(path: Path, size: int, crop: str | None) -> Cache:
    """A cache that the user named; it must hold what is wanted."""
    if not is_cache(path):
        raise DataError(f"{path}: holds no cache; for pictures write folder:{path} or celeba:{path}")
    cache = Cache.open(path)
    if cache.size != size:
        raise DataError(f"{path}: holds images of {cache.size} px, but {size} px are wanted; prepare another")
    if crop is not None and cache.crop != crop:
        raise DataError(f"{path}: holds crop {cache.crop!r}, but {crop!r} is wanted; prepare another")
    return cache


def open_data(
    spec: str,
    size: int,
    crop: str | None,
    workers: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    cache_root: Path | None = None,
) -> Cache:
    """Open data, prepared at a size: a cache's directory as it is, anything else through a cache.

    Args:
        spec: the directory of a cache or of all its shards, or what `open_source` takes.
        size: S, the side in pixels.
        crop: see `prepare`; None means the cache's or the source's own.
        workers, progress, cancelled: as in `build`.
        cache_root: where caches are kept; None means `default_cache_root()`.

    Raises:
        DataError: unusable data, or a cache that holds another size or crop.
        RunError, Cancelled: as `build`.
    """
    given = Path(spec).expanduser()
    if given.is_dir():
        return _open_given(given, size, crop)
    source = open_source(spec)
    crop = source.default_crop if crop is None else crop
    check_size_and_crop(size, crop)
    key = cache_key(source, size, crop)
    path = (cache_root or default_cache_root()) / f"{spec.partition(':')[0]}-{size}px-{key[:16]}"
    try:
        cache = Cache.open(path)
        if cache.key == key:
            return cache
    except DataError:
        shutil.rmtree(path, ignore_errors=True)  # not there yet, or damaged: built below
    return build(source, size, crop, path, workers, progress, cancelled)
