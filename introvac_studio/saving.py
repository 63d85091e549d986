"""Asking where a file is to go, without replacing one that nobody was asked about."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from trainer import files


def ask_target(parent: QWidget, title: str, suggested: Path, kinds: str, suffix: str) -> Path | None:
    """Let the user name a file, which gets `suffix` where it has no ending; None if they gave it up.

    The desktop asks about a file that is there by the name as it was typed. Where only the ending makes it
    one that is there, the question comes again with the whole name.
    """
    while True:
        chosen, _ = QFileDialog.getSaveFileName(parent, title, str(suggested), kinds)
        if not chosen:
            return None
        target = Path(chosen)
        if target.suffix:
            return target
        suggested = target.with_suffix(suffix)
        if not files.exists(suggested):
            return suggested
