"""The list of all actions with their shortcuts: `python -m introvac_studio.shortcuts docs/shortcuts.md`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from introvac_studio.actions import ActionTable
from introvac_studio.language import mark, tr
from trainer.files import atomic_file

# What keys do where no menu has them: where, keys, what.
ELSEWHERE = (
    (mark("Editor"), "Space", mark("hold to compare with the reconstruction")),
    (mark("Editor, at a slider"), "K", mark("keep its attribute while others move")),
    (mark("Editor, at a slider"), "U", mark("go until its attribute holds…")),
    (mark("Latent space"), "V / M / L", mark("move the view / rectangle / lasso")),
    (mark("Latent space"), "Shift / Ctrl or Alt", mark("with a brush: add to the group / remove from it")),
    (mark("Latent space, Faces"), "Escape", mark("clear the group")),
    (mark("Faces"), "Ctrl / Shift", mark("with a click or Space: pick into the group, or all up to here")),
    (mark("Faces"), "Ctrl+A", mark("pick all that are shown")),
    (mark("Runs"), "Return", mark("show the run and follow it")),
    (mark("Runs"), "Ctrl / Shift", mark("with a click: draw several runs over each other")),
    (mark("Runs"), "Ctrl+Shift+Space", mark("go on training it")),
    (mark("Runs"), "Ctrl+Shift+J", mark("clone it with other settings")),
    (mark("Runs"), "Ctrl+Shift+I", mark("edit with its model")),
    (mark("Runs"), "Ctrl+Shift+F", mark("open its folder")),
    (mark("Runs"), "Ctrl+C", mark("copy its command line")),
    (mark("Runs"), "F2", mark("rename it")),
    (mark("Runs"), "Delete", mark("move it to the trash")),
    (mark("Losses"), "A", mark("show whole curves again")),
    (mark("Evaluation"), "Alt+1 / 2 / …", mark("go to the page of that number")),
    (mark("New direction"), "Y / N / Delete", mark("label the face: yes, no, not at all")),
    (mark("Pad"), "Arrows, with Shift", mark("move the face by 0.25, by 1")),
    (mark("Pad"), "Home", mark("bring both amounts back to 0")),
)


@dataclass(frozen=True)
class Row:
    """One action: where it lives, what it does, its keys."""

    place: str
    text: str
    keys: str


def rows(table: ActionTable, usual: bool = False) -> list[Row]:
    """Every action in the order of the menus; with `usual` the keys before any change of the user's."""
    listed = [
        Row(c.place, c.title, c.shortcut if usual else table.shortcut(text))
        for text, c in table.commands.items()
    ]
    return listed + [Row(tr(where), tr(what), keys) for where, keys, what in ELSEWHERE]


def as_text(listed: Sequence[Row]) -> str:
    """Columns of plain text."""
    wide = max((len(r.keys) for r in listed), default=0)
    far = max((len(r.text) for r in listed), default=0)
    return "".join(f"{r.keys:<{wide}}  {r.text:<{far}}  {r.place}".rstrip() + "\n" for r in listed)


def as_markdown(listed: Sequence[Row]) -> str:
    """The page of the documentation."""
    places = list(dict.fromkeys(r.place for r in listed))
    lines = [
        "# Shortcuts",
        "",
        "Every action of the studio. Those of the menus can be changed under Help › All shortcuts, and",
        "found by name with the command palette (Ctrl+Shift+P); keys of single panels, from *Editor* on,",
        "are fixed. On macOS, Ctrl is the command key. Where a platform has other",
        "keys of its own for an action (such as Ctrl+Y for redo on Windows), those work too. Keys after a",
        "comma are pressed one after the other.",
    ]
    for place in places:
        lines += ["", f"## {place}", "", "| Keys | Action |", "|---|---|"]
        lines += [f"| {_keys(r.keys)} | {r.text} |" for r in listed if r.place == place]
    return "\n".join(lines) + "\n"


def _keys(text: str) -> str:
    return ", ".join(f"<kbd>{part}</kbd>" for part in text.split(", ")) if text else ""


def main(target: Path) -> None:
    """Write the page of the documentation, from a window that nobody sees."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from introvac_studio.settings import Settings
    from introvac_studio.studio import Studio

    app = QApplication(sys.argv[:1])
    studio = Studio("cpu", Settings(QSettings(os.devnull, QSettings.Format.IniFormat)))
    text = as_markdown(rows(studio.window.table, usual=True))
    studio.shut_down()
    with atomic_file(target) as file:
        file.write(text.encode())
    del app


if __name__ == "__main__":
    main(Path(sys.argv[1]))
