"""How soon `python main.py` has a window, and a face in it, as seen on the screen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.feel_parts.rows import Row, percentile
from bench.feel_parts.screen import Screen, colours, wait_for

MAIN = Path(__file__).resolve().parents[2] / "main.py"
MIDDLE = (40, 80, 1200, 640)  # left, top, width, height
FULL = 200  # the frame alone has fewer colours there
FLAT = 200  # a place with more colours than this shows a picture


def measure(
    folder: Path, screen: Screen, place: tuple[int, int, int, int], runs: int
) -> tuple[list[Row], Any]:
    """Rows of fresh processes with a warm file cache; the first launch, which warms it, is not counted.

    Args:
        folder: the home directory of the launched studios, so that nobody's settings change.
        place: where the edited face is on the screen: left, top, width, height.
    """
    # Bytecode, images and the demo's faces are in the caches; settings of an earlier launch are there.
    environment = os.environ | {"HOME": str(folder), "DISPLAY": screen.display, "QT_QPA_PLATFORM": "xcb"}
    environment.pop("XDG_CONFIG_HOME", None)
    seen: dict[str, list[float]] = {"window": [], "panels": [], "face": []}
    for k in range(runs + 1):
        begun = time.monotonic()
        with subprocess.Popen(
            [sys.executable, str(MAIN)], env=environment, stdout=subprocess.DEVNULL
        ) as child:
            window = wait_for(lambda: screen.pixels(MIDDLE).any(), 20)
            panels = wait_for(lambda: colours(screen.pixels(MIDDLE)) > FULL, 20)
            face = wait_for(lambda: colours(screen.pixels(place)) > FLAT, 20)
            time.sleep(1)  # codes of the faces are being computed; a launch is not to end in the middle
            child.terminate()
        wait_for(lambda: not screen.pixels().any(), 5)
        if k:
            for name, when in (("window", window), ("panels", panels), ("face", face)):
                seen[name].append(when - begun)
    rows = []
    for name, what, bound in (
        ("window", "first window on screen", 1.0),
        ("panels", "its panels on screen", None),
        ("face", "demo face on screen", 3.0),
    ):
        note = f"median of {runs}, largest {max(seen[name]):.2f} s"
        rows.append(Row("start", what, percentile(seen[name], 50), "s", bound, note=note))
    rows += [
        Row("start", "first window, the slowest launch", max(seen["window"]), "s", 1.0),
        Row("start", "demo face, the slowest launch", max(seen["face"]), "s", 3.0),
    ]
    return rows, seen
