"""Commands that several tests run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trainer.cli import main


def child(arguments: list[str]) -> subprocess.Popen[str]:
    """`python -m trainer` with pipes to and from it."""
    return subprocess.Popen(
        [sys.executable, "-m", "trainer", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def prepare(data: str, out: Path) -> None:
    """Prepare data at 32 px, as a folder of its own."""
    assert main(["prepare", "--data", data, "--image-size", "32", "--out", str(out), "--workers", "1"]) == 0
