"""From indices to batches on a device: pixels that stay there, or reading while a batch is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

Wanted = tuple[np.ndarray, np.ndarray | None]  # (n,) indices; (n,) bool, which are mirrored, or None

READ_AHEAD = 512  # images of which storage is told before they are read
_BATCHES_AHEAD = 2  # read while one is worked on
_SHARE = 0.3  # of a GPU's free memory that pixels may take for good; training needs the rest
_LOADED_TOGETHER = 1024


class Images(Protocol):
    """Where pixels come from: a `trainer.data.cache.Cache`."""

    size: int

    def __len__(self) -> int: ...
    def batch(self, indices: np.ndarray, out: np.ndarray | None = None) -> np.ndarray: ...
    def expect(self, indices: np.ndarray) -> None: ...


@dataclass(frozen=True)
class _Bytes:
    """A batch on its way: pixels (n, S, S, 3), labels (n, K) and, unless none is, which are mirrored (n,)."""

    tensors: tuple[Tensor, ...]
    ready: torch.cuda.Event | None = None  # when they have arrived on a GPU


class Feed:
    """Batches of some images and their labels, on one device.

    The same indices and flips give the same values whichever way they take.

    Args:
        images: N images.
        labels: (N, K) int8.
        device: where batches go.
        rows: (R,) indices that will be asked for, the only ones that are made resident; None for all.
        resident: keep the pixels of `rows` on the device. None: on a GPU in whose memory they fit.
    """

    def __init__(
        self,
        images: Images,
        labels: np.ndarray,
        device: torch.device | str,
        rows: np.ndarray | None = None,
        resident: bool | None = None,
    ) -> None:
        self.device = torch.device(device)
        self._images, self._labels = images, labels
        count = len(images) if rows is None else len(rows)
        if resident is None:
            resident = _fits(count * images.size**2 * 3, self.device)
        self._rows = np.empty(0, np.int64)  # the resident ones, ascending
        self._here: tuple[Tensor, ...] | None = None  # their pixels and labels
        if resident and count:
            self._rows = np.arange(count) if rows is None else _ascending(rows)
            self._here = self._load()
        # On a GPU, copies run beside the computation.
        self._aside = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    @property
    def resident(self) -> bool:
        """Whether pixels stay on the device."""
        return self._here is not None

    def batch(self, indices: np.ndarray, flips: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
        """One batch, made now.

        Args:
            indices: (n,) int64 into the images.
            flips: (n,) bool, which are mirrored; None for none.

        Returns:
            x (n, 3, S, S) float32 in [0, 1], channels last in memory, and labels (n, K) int8.
        """
        return self._arrive(self._gather(indices, flips) or self._read(indices, flips))

    def batches(
        self, plan: Iterable[Wanted], ahead: int = READ_AHEAD
    ) -> Generator[tuple[Tensor, Tensor], None, None]:
        """A batch for each (indices, flips) of a plan, in order.

        What is not resident is read by a thread while the consumer works, and storage is told of images
        long before. The thread ends with the iterator, also when that is closed early. An error in reading
        is raised where its batch would have come.

        Args:
            plan: followed in the consumer's thread, some batches early.
            ahead: images of which storage is told: at least so many, at most about twice.
        """
        if self.resident:
            for wanted in plan:
                yield self.batch(*wanted)
            return
        thread = ThreadPoolExecutor(1, "feed")
        flying: deque[Future[_Bytes]] = deque()
        try:
            for wanted in _announced(plan, ahead, lambda rows: thread.submit(self._images.expect, rows)):
                flying.append(thread.submit(self._read, *wanted))
                if len(flying) > _BATCHES_AHEAD:
                    yield self._arrive(flying.popleft().result())
            while flying:
                yield self._arrive(flying.popleft().result())
        finally:
            thread.shutdown(cancel_futures=True)

    def _load(self) -> tuple[Tensor, ...]:
        """Pixels (R, S, S, 3) and labels (R, K) of the resident rows."""
        size, count = self._images.size, len(self._rows)
        pixels = torch.empty((count, size, size, 3), dtype=torch.uint8, device=self.device)
        for start in range(0, count, _LOADED_TOGETHER):
            part, later = (self._rows[s : s + _LOADED_TOGETHER] for s in (start, start + _LOADED_TOGETHER))
            self._images.expect(later)
            pixels[start : start + len(part)].copy_(torch.from_numpy(self._images.batch(part)))
        return pixels, torch.from_numpy(self._labels[self._rows]).to(self.device)

    def _gather(self, indices: np.ndarray, flips: np.ndarray | None) -> _Bytes | None:
        """A batch of resident images; None if one of them is not."""
        if self._here is None:
            return None
        places = np.minimum(np.searchsorted(self._rows, indices), len(self._rows) - 1)
        if not np.array_equal(self._rows[places], indices):
            return None
        where, *mirrored = (_send(t, self.device) for t in (torch.from_numpy(places), *_mirrored(flips)))
        return _Bytes((*(kept.index_select(0, where) for kept in self._here), *mirrored))

    def _read(self, indices: np.ndarray, flips: np.ndarray | None) -> _Bytes:
        """A batch from the images, its copy to a GPU begun; in any thread."""
        shape = (len(indices), self._images.size, self._images.size, 3)
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=self._aside is not None)
        self._images.batch(indices, out=pixels.numpy())
        tensors = (pixels, torch.from_numpy(self._labels[indices]), *_mirrored(flips))
        if self._aside is None:
            return _Bytes(tensors)
        with torch.cuda.stream(self._aside):
            return _Bytes(tuple(_send(t, self.device) for t in tensors), self._aside.record_event())

    def _arrive(self, batch: _Bytes) -> tuple[Tensor, Tensor]:
        """A batch on the device, as floats; in the consumer's thread."""
        if batch.ready is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(batch.ready)
            for tensor in batch.tensors:
                tensor.record_stream(stream)
        pixels, labels, *mirrored = (tensor.to(self.device) for tensor in batch.tensors)
        return to_floats(pixels, *mirrored), labels


def to_floats(pixels: Tensor, mirrored: Tensor | None = None) -> Tensor:
    """uint8 (n, S, S, 3) to float32 (n, 3, S, S) in [0, 1], channels last in memory.

    Args:
        pixels: on any device; on the CPU some may be mirrored in place.
        mirrored: (n,) bool on the same device; None for none.
    """
    x = pixels.permute(0, 3, 1, 2)
    if mirrored is not None:
        x = (_mirror_each if x.device.type == "cpu" else _mirror_all)(x, mirrored)
    return x.to(torch.float32, memory_format=torch.channels_last).div_(255)


def _mirror_each(x: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror some of (n, 3, S, S) in place; on a CPU several times as fast as by a list of indices."""
    for k in mirrored.nonzero().flatten().tolist():
        x[k : k + 1] = x[k : k + 1].flip(3)
    return x


def _mirror_all(x: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror some of (n, 3, S, S) without the host learning which."""
    return torch.where(mirrored[:, None, None, None], x.flip(3), x)


def _ascending(rows: np.ndarray) -> np.ndarray:
    """Each of (R,) indices once; of millions that are nearly in order faster than `np.unique`."""
    rows = np.sort(rows, kind="stable")
    return rows[np.diff(rows, prepend=rows[0] - 1) != 0]


def _mirrored(flips: np.ndarray | None) -> tuple[Tensor, ...]:
    return () if flips is None or not flips.any() else (torch.from_numpy(np.ascontiguousarray(flips)),)


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    """To the device; to a GPU without waiting for what it computes."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _fits(needed: int, device: torch.device) -> bool:
    """Whether so many bytes may stay in a GPU's memory."""
    return device.type == "cuda" and needed <= _SHARE * torch.cuda.mem_get_info(device)[0]


def _announced(
    plan: Iterable[Wanted], ahead: int, announce: Callable[[np.ndarray], object]
) -> Iterator[Wanted]:
    """The plan as it is; the indices of each stretch of it are announced one stretch early."""
    now: list[Wanted] = []
    for later in _stretches(plan, ahead):
        announce(np.concatenate([indices for indices, _ in later]))
        yield from now
        now = later
    yield from now


def _stretches(plan: Iterable[Wanted], rows: int) -> Iterator[list[Wanted]]:
    """The plan in lists of at least so many rows, the last one perhaps shorter."""
    stretch: list[Wanted] = []
    for wanted in plan:
        stretch.append(wanted)
        if sum(len(indices) for indices, _ in stretch) >= rows:
            yield stretch
            stretch = []
    if stretch:
        yield stretch
