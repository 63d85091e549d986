"""Several processes that train one model: who they are, and what they tell each other.

`torchrun` starts them and sets RANK, LOCAL_RANK and WORLD_SIZE. Each works on its part of every batch; losses
are means over rows, so the mean of the parts' gradients is the whole batch's gradient. A step's several
backward passes do not fit torch's data-parallel wrapper: gradients are averaged here, explicitly, before each
update. Process 0 alone writes and speaks.

    torchrun --nproc-per-node=8 -m -- trainer train --preset introvac --data ... --run ...

The `--` keeps torchrun from reading `--run` as an abbreviation of its own `--run-path`, which some versions
of argparse do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from trainer.errors import ConfigError, RunError

PATIENCE = timedelta(hours=2)  # how long others wait while one prepares data or validates

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Which of how many processes this one is; `local` counts on its host."""

    rank: int = 0
    world: int = 1
    local: int = 0


def place() -> Place:
    """This process's place, from the environment that torchrun sets; alone where there is none.

    Raises:
        ConfigError: the variables make no sense.
    """
    values = {}
    for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")):
        text = os.environ.get(name) or default
        if not text.isdigit():
            raise ConfigError(f"{name} = {text!r}: expected a whole number; start with torchrun")
        values[name] = int(text)
    rank, world = values["RANK"], values["WORLD_SIZE"]
    if rank >= world or (world > 1 and not os.environ.get("RANK")):
        given = os.environ.get("RANK") or "not set"
        raise ConfigError(f"WORLD_SIZE = {world} and RANK = {given}: unset both, or start with torchrun")
    return Place(rank, world, values["LOCAL_RANK"])


class Group:
    """The processes of a run. Alone, every method is free and does nothing.

    Attributes:
        place: this process's.
    """

    def __init__(self, where: Place | None = None) -> None:
        self.place = where or Place()
        self._wishes: Any = None

    @property
    def main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.place.rank == 0

    @property
    def several(self) -> bool:
        return self.place.world > 1

    def _connect(self, kind: str) -> None:
        backend = "nccl" if kind == "cuda" and dist.is_nccl_available() else "gloo"
        self._guarded(lambda: dist.init_process_group(backend, timeout=timedelta(minutes=30)))
        # Wishes and waiting go through the CPU: no device has to be brought to a halt for them.
        self._wishes = self._guarded(lambda: dist.new_group(backend="gloo", timeout=PATIENCE))

    def mean_(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over the processes.

        Raises:
            RunError: another process is gone.
        """
        if not self.several or not tensors:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        self._guarded(lambda: dist.all_reduce(flat))
        flat /= self.place.world
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def same(self, tensors: list[Tensor]) -> bool:
        """Whether all processes hold the same values, as far as their sums tell."""
        if not self.several:
            return True
        sums = torch.stack([t.detach().double().sum() for t in tensors]).cpu()
        low, high = sums.clone(), sums
        self._guarded(lambda: dist.all_reduce(low, dist.ReduceOp.MIN, group=self._wishes))
        self._guarded(lambda: dist.all_reduce(high, dist.ReduceOp.MAX, group=self._wishes))
        return bool(torch.equal(low, high))

    def spread_(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by process 0's."""
        if self.several:
            for tensor in tensors:
                self._guarded(partial(dist.broadcast, tensor, src=0))

    def agree(self, *wishes: bool) -> tuple[bool, ...]:
        """What any process wishes; the same for all of them. Waits for the slowest.

        Raises:
            RunError: another process is gone.
        """
        if not self.several:
            return wishes
        flags = torch.tensor(wishes, dtype=torch.int32)
        self._guarded(lambda: dist.all_reduce(flags, dist.ReduceOp.MAX, group=self._wishes))
        return tuple(bool(flag) for flag in flags.tolist())

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Process 0 goes first, then the first of every other host, then the rest: what the first writes
        to storage that others share, they find."""
        turn = 0 if self.main else 1 if self.place.local == 0 else 2
        for _ in range(turn):
            self.agree(False)
        try:
            yield
        finally:
            for _ in range(turn, 2):
                self.agree(False)

    def _guarded(self, talk: Callable[[], T]) -> T:
        try:
            return talk()
        except (RuntimeError, ValueError) as error:  # what a lost connection is depends on the backend
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise RunError(
                f"another process of this run has ended or cannot be reached ({reason}); the last "
                "checkpoint is whole: start the same command again with --resume"
            ) from error


@contextmanager
def joined(kind: str) -> Iterator[Group]:
    """The group of this run's processes, connected while it lasts.

    Args:
        kind: type of the device that computes, `cpu` or `cuda`.

    Raises:
        ConfigError: the environment makes no sense.
        RunError: the others cannot be reached.
    """
    group = Group(place())
    if not group.several:
        yield group
        return
    if not dist.is_available():
        raise ConfigError("this build of torch has no distributed training; start without torchrun")
    group._connect(kind)
    try:
        yield group
    finally:
        dist.destroy_process_group()
