"""All that the window can do: commands as a table, their menus, their shortcuts, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QMenuBar

from introvac_studio.language import tr
from introvac_studio.settings import Settings

CUSTOM = "shortcuts/custom"  # texts of the form "command<tab>keys"
_KEY = QKeySequence.StandardKey
_FORMAT = QKeySequence.SequenceFormat.PortableText
# What the platform has keys of its own for; ours hold beside them.
STANDARD = {
    "Open model…": _KEY.Open,
    "Save face…": _KEY.Save,
    "Paste photo": _KEY.Paste,
    "Preferences…": _KEY.Preferences,
    "Quit": _KEY.Quit,
    "Undo": _KEY.Undo,
    "Redo": _KEY.Redo,
    "All shortcuts": _KEY.HelpContents,
    "Full screen": _KEY.FullScreen,
}


@dataclass(frozen=True)
class Command:
    """One action: where it sits, what it says, its shortcut, and what it does.

    With `choices` it is a submenu of what these are when it opens; `act` takes the one chosen, and the
    shortcut lets the user choose from the keyboard. `why` says why it cannot be done now; an empty text
    means that it can. `on` makes it a box to tick: whether it is ticked now. A menu within a menu is
    written with a slash. `label` is shown where the text is not to be translated as it stands.
    """

    menu: str
    text: str
    shortcut: str
    act: Callable[..., object]
    choices: Callable[[], Sequence[str]] | None = None
    why: Callable[[], str] | None = None
    on: Callable[[], bool] | None = None
    label: str = ""

    @property
    def title(self) -> str:
        """What it is called on screen."""
        return self.label or tr(self.text)

    @property
    def place(self) -> str:
        """Where it lives, as a user would say it."""
        return " › ".join(tr(part).replace("&", "") for part in self.menu.split("/"))

    def trouble(self) -> str:
        """Why it cannot be done now; empty if it can."""
        return "" if self.why is None else self.why()


@dataclass(frozen=True)
class Entry:
    """One line to choose: what it does, where it lives, its keys, why it cannot be done now, and how to."""

    key: str
    text: str
    place: str
    shortcut: str
    why: str
    act: Callable[[], object]


class ActionTable(QObject):
    """Builds menus from commands, and knows every one of them.

    Signals:
        chooseRequested(str): the shortcut of a command with choices was pressed; its text.
        shortcutsChanged: the user gave an action other keys.
    """

    chooseRequested = Signal(str)
    shortcutsChanged = Signal()

    def __init__(self, window: QMainWindow, bar: QMenuBar, settings: Settings) -> None:
        super().__init__(window)
        self._window, self._bar, self._settings = window, bar, settings
        self._tops: dict[str, QMenu] = {}
        self.commands: dict[str, Command] = {}
        self.actions: dict[str, QAction] = {}  # of commands without choices, and the keys of those with
        self.menus: dict[str, QMenu] = {}  # of commands with choices
        self._custom = dict(
            line.split("\t", 1) for line in settings.texts(CUSTOM) if line.count("\t") == 1
        )  # command: keys, maybe none

    def add(self, commands: Iterable[Command]) -> None:
        """Menus from a table; an empty text is a separator."""
        for command in commands:
            menu = self._top(command.menu)
            if not command.text:
                menu.addSeparator()
                continue
            assert command.text not in self.commands, f"two commands are called {command.text!r}"
            self.commands[command.text] = command
            action = QAction(command.title, self._window)
            self.actions[command.text] = action
            if command.choices is None:
                action.triggered.connect(lambda _=False, act=command.act: act())
                action.setCheckable(command.on is not None)
                menu.addAction(action)
            else:
                action.triggered.connect(lambda _=False, text=command.text: self.chooseRequested.emit(text))
                self._window.addAction(action)
                menu.addMenu(self._submenu(command, command.choices))
            self._give_keys(command.text)

    def _top(self, name: str) -> QMenu:
        if name not in self._tops:
            above, _, own = name.rpartition("/")
            menu = self._tops[name] = (self._top(above) if above else self._bar).addMenu(tr(own))
            menu.setToolTipsVisible(True)
            menu.aboutToShow.connect(lambda: self._look(name))
            menu.aboutToHide.connect(lambda: self._free(name))
        return self._tops[name]

    def _look(self, menu: str) -> None:
        """Grey what cannot be done now and say why, and tick what is on."""
        for text, command in self.commands.items():
            if command.menu == menu:
                why = command.trouble()
                self.actions[text].setEnabled(not why)
                self.actions[text].setToolTip(why or self.actions[text].text())
                if command.on is not None:
                    self.actions[text].setChecked(command.on())

    def _free(self, menu: str) -> None:
        """Keys work always, and what cannot be done says so itself."""
        for text, command in self.commands.items():
            if command.menu == menu:
                self.actions[text].setEnabled(True)

    def _submenu(self, command: Command, choices: Callable[[], Sequence[str]]) -> QMenu:
        menu = QMenu(command.title, self._window)

        def fill() -> None:
            menu.clear()
            for text in choices():
                menu.addAction(text).triggered.connect(lambda _=False, chosen=text: command.act(chosen))
            if menu.isEmpty():
                menu.addAction(command.trouble() or tr("none yet")).setEnabled(False)

        menu.aboutToShow.connect(fill)
        self.menus[command.text] = menu
        return menu

    # -- keys -----------------------------------------------------------------------------------

    def _give_keys(self, text: str) -> None:
        keys = self._custom.get(text)
        if keys is not None:
            sequences = [QKeySequence(keys, _FORMAT)] if keys else []
        else:
            sequences = self.usual(text)
        self.actions[text].setShortcuts(sequences)

    def usual(self, text: str) -> list[QKeySequence]:
        """The keys of a command where the user gave no others: the table's, then the platform's own."""
        keys = self.commands[text].shortcut
        given = [QKeySequence(keys, _FORMAT)] if keys else []
        if text in STANDARD:
            given += [k for k in QKeySequence.keyBindings(STANDARD[text]) if k not in given]
        return given

    def shortcut(self, text: str) -> str:
        """The keys of a command as the platform writes them; empty where it has none."""
        return self.actions[text].shortcut().toString(QKeySequence.SequenceFormat.NativeText)

    def owner(self, keys: QKeySequence, but: str = "") -> str | None:
        """The command, other than `but`, that these keys belong to, or the one that they would shadow."""
        for text, action in self.actions.items():
            for known in action.shortcuts() if text != but else ():
                exact = QKeySequence.SequenceMatch.NoMatch
                if known.matches(keys) != exact or keys.matches(known) != exact:
                    return text
        return None

    def set_shortcut(self, text: str, keys: QKeySequence | None) -> None:
        """Give a command other keys, remembered; None gives back the usual ones."""
        if keys is None:
            self._custom.pop(text, None)
        else:
            self._custom[text] = keys.toString(_FORMAT)
        self._settings.set_texts(CUSTOM, [f"{name}\t{keys}" for name, keys in self._custom.items()])
        self._give_keys(text)
        self.shortcutsChanged.emit()

    def customised(self, text: str) -> bool:
        """Whether the user gave it other keys."""
        return text in self._custom

    # -- lists ------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """A line for each command, and for each choice of those that have choices."""
        lines = []
        for text, command in self.commands.items():
            if command.choices is None:
                act = self.actions[text].trigger
                keys, why = self.shortcut(text), command.trouble()
                lines.append(Entry(text, command.title, command.place, keys, why, act))
            else:
                lines += self.choices(text)
        return lines

    def choices(self, text: str) -> list[Entry]:
        """A line for each choice that a command has now; one that cannot be chosen where it has none."""
        command = self.commands[text]
        assert command.choices is not None
        title, place = command.title.rstrip("…"), command.place
        found = command.choices()
        if not found:
            why = command.trouble() or tr("none yet")
            return [Entry(text, title, place, self.shortcut(text), why, lambda: None)]
        return [
            Entry(
                f"{text}\t{choice}",
                f"{title}: {choice}",
                place,
                self.shortcut(text),
                "",
                lambda chosen=choice: command.act(chosen),  # type: ignore[misc]
            )
            for choice in found
        ]
