"""A display of our own whose pixels can be read: Xvfb with its frame buffer in a file."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = (1280, 800)


class Screen:
    """Xvfb for as long as the `with` block lasts.

    Attributes:
        display: what DISPLAY is to be.

    Raises:
        RuntimeError: Xvfb is not installed or does not start.
    """

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        if shutil.which("Xvfb") is None:
            raise RuntimeError("the screen is Xvfb's; install it with: sudo apt install xvfb")
        self._folder = tempfile.TemporaryDirectory()
        read, write = os.pipe()
        shape = f"{size[0]}x{size[1]}x24"
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", shape, "-nolisten", "tcp"]
        self._server = subprocess.Popen(
            [*command, "-fbdir", self._folder.name], pass_fds=[write], stderr=subprocess.DEVNULL
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError("Xvfb did not start")
        self.display = f":{number}"
        self._map()

    def _map(self) -> None:
        """The file is an XWD dump: a header of big-endian words, a colour table, then the pixels."""
        with (Path(self._folder.name) / "Xvfb_screen0").open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        words = struct.unpack(">25I", self._memory[:100])
        header, width, height, stride, colours = words[0], words[4], words[5], words[12], words[19]
        start = header + 12 * colours
        whole = np.frombuffer(self._memory, np.uint8, height * stride, start)
        self._pixels = whole.reshape(height, stride)[:, : 4 * width].reshape(height, width, 4)

    def pixels(self, place: tuple[int, int, int, int] | None = None) -> NDArray[np.uint8]:
        """What is on it, (H, W, 3) as blue, green, red; `place` is left, top, width, height."""
        left, top, width, height = place or (0, 0, self._pixels.shape[1], self._pixels.shape[0])
        return self._pixels[top : top + height, left : left + width, :3].copy()

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: Any) -> None:
        del self._pixels
        self._memory.close()
        self._server.terminate()
        self._server.wait()
        self._folder.cleanup()


def colours(pixels: NDArray[np.uint8]) -> int:
    """How many different colours there are."""
    packed = pixels.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    return len(np.unique(packed))


def wait_for(condition: Any, seconds: float, every: float = 0.002) -> float:
    """The time (`time.monotonic`) at which `condition()` was first seen to hold; infinity if never."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return time.monotonic()
        time.sleep(every)
    return float("inf")
