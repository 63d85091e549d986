"""Builds a cache's directory: in parallel, in a temporary place, renamed when whole."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import platform
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from trainer.data.source import Source, digest
from trainer.errors import Cancelled, DataError, RunError
from trainer.files import write_error

CACHE_VERSION = 2  # raise it when `prepare` or the layout changes: caches are then built anew
_CHUNK = 32  # pictures between two looks at progress and cancellation
_SPARE = 32 * 2**20  # bytes to leave free on the disk
_META = "meta.json"

Failures = list[tuple[int, str]]  # (index, reason)


@dataclass(frozen=True)
class Identity:
    """What a cache is of.

    Attributes:
        key: changes whenever its content would.
        fingerprint: the source's.
        shard: for a part of a larger data set, what its shards must agree on; names then have a file.
    """

    key: str
    fingerprint: dict[str, Any]
    shard: dict[str, Any] | None = None


class _Writer:
    """Prepares chunks of pictures into `images.npy`; lives once in each process.

    It writes instead of mapping: a chunk costs one call, and a full disk is an error, not a dead process.
    """

    def __init__(self, source: Source, size: int, crop: str, path: Path) -> None:
        self._source, self._size, self._crop = source, size, crop
        self._first = _first_byte(path)
        self._file = path.open("r+b")

    def write(self, start: int, stop: int) -> Failures:
        """Prepare pictures `start` to `stop` - 1; gives those that cannot be read."""
        failures: Failures = []
        chunk = np.zeros((stop - start, self._size, self._size, 3), np.uint8)
        for index in range(start, stop):
            try:
                chunk[index - start] = self._source.read(index, self._size, self._crop)
            except DataError as error:
                failures.append((index, str(error)))
        self._file.seek(self._first + start * chunk[0].nbytes)
        self._file.write(chunk.data)
        self._file.flush()
        return failures

    def close(self) -> None:
        """Let go of the file: Windows renames no open one."""
        self._file.close()


def _first_byte(path: Path) -> int:
    """Where the first picture of an .npy file begins."""
    images = np.load(path, mmap_mode="r")
    try:
        return images.offset
    finally:
        _close(images)


def _close(images: np.ndarray) -> None:
    if isinstance(images, np.memmap):
        images.flush()
        images._mmap.close()  # type: ignore[attr-defined]


_WRITER: list[_Writer] = []  # in a worker process: its one writer


def _follow_parent() -> None:
    """End this process when the one that started it is gone: the pool's queue would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _start_worker(source: Source, size: int, crop: str, path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole group; the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()
    _WRITER.append(_Writer(source, size, crop, path))


def _work(start: int, stop: int) -> Failures:
    return _WRITER[0].write(start, stop)


def _in_process(
    writer: _Writer, chunks: list[tuple[int, int]]
) -> Generator[tuple[int, Failures], None, None]:
    try:
        for start, stop in chunks:
            yield stop - start, writer.write(start, stop)
    finally:
        writer.close()


def _in_pool(
    arguments: tuple[Any, ...], chunks: list[tuple[int, int]], workers: int
) -> Generator[tuple[int, Failures], None, None]:
    """Chunks by `workers` processes, few in flight so that a cancelled build ends soon."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, arguments)
    flying: dict[Future[Failures], int] = {}
    waiting = iter(chunks)
    try:
        while True:
            for start, stop in waiting:
                flying[pool.submit(_work, start, stop)] = stop - start
                if len(flying) >= 2 * workers:
                    break
            if not flying:
                return
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                yield flying.pop(future), future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "a process that prepared pictures died, perhaps for want of memory; use fewer workers. A script "
            'of your own calls this under `if __name__ == "__main__":`, or with workers=1'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_all(
    source: Source,
    size: int,
    crop: str,
    images: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Failures:
    """Fill `images.npy`; gives the pictures that could not be read, in order."""
    total = len(source.names)
    chunks = [(start, min(start + _CHUNK, total)) for start in range(0, total, _CHUNK)]
    workers = min(workers or os.cpu_count() or 1, len(chunks))
    arguments = (source, size, crop, images)
    steps = _in_pool(arguments, chunks, workers) if workers > 1 else _in_process(_Writer(*arguments), chunks)
    done, failures = 0, []
    with contextlib.closing(steps):
        for count, failed in steps:
            done += count
            failures += failed
            if progress:
                progress(done, total)
            if cancelled and cancelled():
                raise Cancelled(f"preparing {source.spec} was cancelled")
    return sorted(failures)


def _compact(path: Path, good: np.ndarray) -> None:
    """Keep the rows `good` (n,) of an .npy file."""
    old = np.load(path, mmap_mode="r")
    new_path = path.with_name("compact.npy")
    new = np.lib.format.open_memmap(new_path, "w+", old.dtype, (len(good), *old.shape[1:]))
    for start in range(0, len(good), 1024):
        new[start : start + 1024] = old[good[start : start + 1024]]
    _close(new)
    _close(old)
    new_path.replace(path)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise RunError(
            f"{folder}: {needed / 2**20:.0f} MiB are needed for the cache and {free / 2**20:.0f} MiB are "
            "free; free some space, or set INTROVAC_CACHE to another disk"
        )


def _check_target(out: Path) -> None:
    """Only a free name, an empty directory or an older cache may be replaced."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; name a directory for the cache")
    if out.is_dir() and any(out.iterdir()) and not (out / _META).is_file():
        raise DataError(f"{out}: is not empty and not a cache; name another directory")


def _host() -> str:
    """This machine, as eight hexadecimal digits: a process id says nothing about another's processes."""
    return digest(platform.node().encode("utf-8", "surrogateescape"))[:8]


def _temporary(out: Path, kind: str) -> Path:
    return out.with_name(f".{out.name}.{os.getpid()}-{_host()}-{secrets.token_hex(4)}.{kind}")


def _sweep(out: Path) -> None:
    """Remove what builds that were killed on this machine left beside `out`; living processes' stay."""
    for kind in ("partial", "old"):
        for path in out.parent.glob(f".{out.name}.*.{kind}"):
            owner, _, rest = path.name.removeprefix(f".{out.name}.").partition("-")
            ours = rest.startswith(_host()) and owner.isdigit()
            if ours and not psutil.pid_exists(int(owner)):
                shutil.rmtree(path, ignore_errors=True)


def _move_into_place(partial: Path, out: Path, key: str) -> None:
    """Rename `partial` to `out`; an older cache there goes away, or stays if the renaming fails."""
    old = _temporary(out, "old")
    try:
        if out.is_dir():
            out.rename(old)
        try:
            partial.rename(out)
        except OSError:
            if old.is_dir():
                old.rename(out)
            raise
    except OSError as error:
        if key_at(out) == key:
            return  # another process made the same in the meantime
        raise DataError(
            f"{out}: the finished cache cannot be put there ({error.strerror}); is it open?"
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def key_at(out: Path) -> str | None:
    """The key of the cache in a directory; None where there is none."""
    try:
        return str(json.loads((out / _META).read_text("utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_json(path: Path, body: Any) -> None:
    with path.open("w", encoding="utf-8") as stream:
        json.dump(body, stream, ensure_ascii=False)
        stream.flush()
        os.fsync(stream.fileno())


def _write_names(path: Path, names: list[str]) -> None:
    """Names as UTF-8 bytes of one length, so that one can be read without the others."""
    np.save(path, np.array([name.encode("utf-8", "surrogateescape") for name in names], np.bytes_))


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _fill(
    partial: Path,
    source: Source,
    size: int,
    crop: str,
    identity: Identity,
    workers: int,
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Write all files of a cache into `partial`, `meta.json` last."""
    total = len(source.names)
    images = partial / "images.npy"
    _close(np.lib.format.open_memmap(images, "w+", np.uint8, (total, size, size, 3)))
    failures = _prepare_all(source, size, crop, images, workers, progress, cancelled)
    bad = {index for index, _ in failures}
    good = np.array([index for index in range(total) if index not in bad], np.int64)
    if not len(good):
        raise DataError(f"{source.spec}: none of {total} pictures can be read; the first: {failures[0][1]}")
    if bad:
        _compact(images, good)
    _sync(images)  # before meta.json, which calls the cache whole
    np.save(partial / "labels.npy", source.labels[good])
    np.save(partial / "splits.npy", source.splits[good])
    options: Iterable[Any] = [source.options(int(index)) for index in good] if source.options(0) else ()
    if options:
        _write_json(partial / "options.json", options)
    names = [source.names[index] for index in good]
    meta = {
        "version": CACHE_VERSION,
        "spec": source.spec,
        "size": size,
        "crop": crop,
        "attributes": source.attributes,
        "skipped": [*source.skipped, *((source.names[index], reason) for index, reason in failures)],
        "fingerprint": identity.fingerprint,
        "key": identity.key,
    }
    if identity.shard is None:
        meta["names"] = names
    else:
        _write_names(partial / "names.npy", names)
        meta |= {"count": len(names), "shard": identity.shard}
    _write_json(partial / _META, meta)


def build_directory(
    source: Source,
    size: int,
    crop: str,
    out: Path,
    identity: Identity,
    workers: int,
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Make the directory `out`; arguments and errors as `trainer.data.cache.build`."""
    out = out.absolute()
    _check_target(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        _check_space(out.parent, len(source.names) * size * size * 3)
        partial = _temporary(out, "partial")
        partial.mkdir()
    except OSError as error:
        raise write_error(out.parent, error) from error
    try:
        _fill(partial, source, size, crop, identity, workers, progress, cancelled)
        _move_into_place(partial, out, identity.key)
    except OSError as error:
        raise write_error(out, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
