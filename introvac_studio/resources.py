"""Where the files are that come with the program: beside the source tree, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """The file `resources/NAME`."""
    installed = _HERE / "_resources" / name
    return installed if installed.exists() else _HERE.parent / "resources" / name


DEMO = "demo.safetensors"
ICON = "icon.svg"
