"""Commands of buttons in the docks: each goes to its page, shows its dock and presses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtWidgets import QAbstractButton

from introvac_studio.actions import Command
from introvac_studio.language import mark, tr
from introvac_studio.main_window import MainWindow

Buttons = dict[str, Callable[[], QAbstractButton]]


@dataclass(frozen=True)
class Press:
    """A button that a shortcut presses: the key of its button, the command, and where the button is."""

    key: str
    menu: str
    text: str
    shortcut: str
    workspace: str
    dock: str


_RUN, _VIEW = mark("&Run"), mark("&View")
PRESSES = (
    Press("start", _RUN, mark("Start training"), "Ctrl+Return", "train", "run"),
    Press("pause", _RUN, mark("Pause the run, or go on"), "Ctrl+Shift+Return", "train", "run"),
    Press("stop", _RUN, mark("Stop the run"), "Ctrl+.", "train", "run"),
    Press("snapshot", _RUN, mark("Edit this snapshot"), "Ctrl+K, N", "train", "run"),
    Press("new", _RUN, mark("New run"), "Ctrl+N", "train", "run"),
    Press("earlier", _RUN, mark("Open a run…"), "Ctrl+Shift+N", "train", "run"),
    Press("data", _RUN, mark("Choose data…"), "Ctrl+K, C", "train", "run"),
    Press("settings", _RUN, mark("All settings…"), "Ctrl+K, A", "train", "run"),
    Press("generate", _RUN, mark("Generate faces"), "Ctrl+Shift+G", "generate", "generate"),
    Press("quit", _RUN, mark("Stop generating"), "Ctrl+Shift+.", "generate", "generate"),
    Press("export", _RUN, mark("Export generated faces…"), "Ctrl+K, E", "generate", "generate"),
    Press("path", _RUN, mark("Show the chain's path"), "Ctrl+K, P", "generate", "generate"),
    Press("judge", _RUN, mark("Train a judge…"), "Ctrl+K, J", "evaluate", "measure"),
    Press("end", _RUN, mark("Stop the evaluation"), "Ctrl+K, .", "evaluate", "measure"),
    Press("fit", _VIEW, mark("Fit the latent view"), "Ctrl+K, F", "edit", "latent"),
    Press("zoom", _VIEW, mark("Zoom to the hyperplane"), "Ctrl+K, Z", "edit", "latent"),
    Press("faces", _VIEW, mark("Faces from…"), "Ctrl+K, M", "edit", "faces"),
)


def _press(window: MainWindow, press: Press, button: Callable[[], QAbstractButton]) -> None:
    window.show_workspace(press.workspace)
    window.raise_dock(press.workspace, press.dock)
    if button().isEnabled() and not button().isHidden():
        button().click()
    else:
        window.notifications.notify(f"{tr(press.text)}: {tr('not possible now')}", "info")


def _why(button: Callable[[], QAbstractButton]) -> str:
    return "" if button().isEnabled() and not button().isHidden() else tr("not possible now")


def commands(window: MainWindow, buttons: Buttons, menu: str) -> tuple[Command, ...]:
    """The commands of a menu ("&Run" or "&View")."""
    return tuple(
        Command(
            press.menu,
            press.text,
            press.shortcut,
            partial(_press, window, press, buttons[press.key]),
            why=partial(_why, buttons[press.key]),
        )
        for press in PRESSES
        if press.menu == menu
    )
