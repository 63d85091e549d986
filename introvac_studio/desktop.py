"""What is left to the desktop: folders, reports and help that its own programs open."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from introvac_studio.language import tr
from trainer import files


def visit(path: Path) -> str:
    """Open a file or folder with the program that the desktop has for it; why not, or empty."""
    if not files.exists(path):
        return tr("{path} is not there any more.", path=path)
    if QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.resolve()))):
        return ""
    return tr("Nothing here opens {path}; open it yourself.", path=path)


def command_line(words: Sequence[str]) -> str:
    """Words as the system's shell takes them."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
