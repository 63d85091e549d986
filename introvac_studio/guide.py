"""Finding one's way: command palette, shortcuts, preferences, the greeting, and what the program is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QPushButton

import trainer
from introvac_studio import desktop, faults, resources, theme
from introvac_studio.about_dialog import AboutDialog
from introvac_studio.actions import Command, Entry
from introvac_studio.command_palette import CommandPalette
from introvac_studio.language import mark, tr
from introvac_studio.main_window import MainWindow
from introvac_studio.panels.editor_sliders import left_of
from introvac_studio.preferences import THEMES, Preferences
from introvac_studio.settings import DEVICE, GREETED, MOTION, THEME, Settings, runs_folder
from introvac_studio.shortcuts_dialog import ShortcutsDialog
from introvac_studio.state import StudioState
from introvac_studio.welcome import Welcome
from trainer import files

_FILE, _EDIT, _VIEW, _HELP = mark("&File"), mark("&Edit"), mark("&View"), mark("&Help")


def telling(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of different paths, of a file and its folder at least, that tell them apart."""
    parts = [2] * len(paths)
    while True:
        names = [str(Path(*path.parts[-n:])) for path, n in zip(paths, parts, strict=True)]
        alike = [
            k for k, name in enumerate(names) if names.count(name) > 1 and parts[k] < len(paths[k].parts)
        ]
        if not alike:
            return names
        for k in alike:
            parts[k] += 1


class Guide(QObject):
    """What helps to find things and to make the program one's own.

    Signals:
        modelWanted(Path): a recent model was chosen.
        photoWanted: a photo is to be chosen.
        dragWanted: the user goes to drag the face.
        trainWanted: a run on avatars is to be set up.
        deviceChanged(str): pictures are to be computed elsewhere from now on.
        themeChanged: the user chose other colours.
    """

    modelWanted = Signal(object)
    photoWanted = Signal()
    dragWanted = Signal()
    trainWanted = Signal()
    deviceChanged = Signal(str)
    themeChanged = Signal()

    def __init__(self, state: StudioState, settings: Settings, window: MainWindow) -> None:
        super().__init__(window)
        self._state, self._settings, self._window = state, settings, window
        self.palette = CommandPalette(window, settings)
        self.palette.sources += [window.table.entries, self._buttons]
        window.table.chooseRequested.connect(self._choose)
        self.welcome = Welcome()
        self.welcome.hide()
        window.greet(self.welcome)
        self.welcome.dragWanted.connect(self.dragWanted)
        self.welcome.photoWanted.connect(self.photoWanted)
        self.welcome.trainWanted.connect(self.trainWanted)
        self.welcome.closed.connect(self._on_greeted)
        self.preferences: Preferences | None = None
        self.shortcuts: ShortcutsDialog | None = None
        self.about: AboutDialog | None = None
        self._on_motion()

    def file_commands(self) -> tuple[Command, ...]:
        """Models of before."""
        return (
            Command(_FILE, mark("Open recent model"), "Ctrl+Shift+L", self._open_recent, self._recent_names),
        )

    def edit_commands(self) -> tuple[Command, ...]:
        """Sliders by name, and the preferences."""
        need = self._why_no_face
        return (
            Command(_EDIT, mark("Add attribute"), "Ctrl+Shift+Up", self._add, self._attributes, need),
            Command(
                _EDIT, mark("Take attribute away"), "Ctrl+Shift+Down", self._take, self._attributes, need
            ),
            Command(_EDIT, "", "", lambda: None),
            Command(_EDIT, mark("Preferences…"), "Ctrl+,", self.show_preferences),
        )

    def view_commands(self) -> tuple[Command, ...]:
        """The colours."""
        return (Command(_VIEW, mark("Theme"), "Ctrl+K, T", self._dress, self._themes),)

    def help_commands(self) -> tuple[Command, ...]:
        """The Help menu."""
        notices = self._window.notifications
        return (
            Command(_HELP, mark("Command palette…"), "Ctrl+Shift+P", self.palette.open),
            Command(_HELP, mark("All shortcuts"), "F1", self.show_shortcuts),
            Command(_HELP, mark("First steps"), "Shift+F1", self.welcome.appear),
            Command(_HELP, "", "", lambda: None),
            Command(_HELP, mark("Past notifications"), "Ctrl+F8", notices.show_past),
            Command(_HELP, mark("Go to the notification"), "F8", notices.focus),
            Command(_HELP, mark("Dismiss notifications"), "Shift+F8", notices.dismiss),
            Command(_HELP, "", "", lambda: None),
            Command(_HELP, mark("Open the run folder"), "Ctrl+K, R", self._open_runs),
            Command(_HELP, mark("Open the log's folder"), "Ctrl+K, L", self._open_log),
            Command(_HELP, mark("About IntroVAC Studio"), "Ctrl+F1", self.show_about),
        )

    # -- the palette --------------------------------------------------------------------------

    def _buttons(self) -> Iterable[Entry]:
        """Buttons of the docks that are no commands, by what stands on them."""
        known = {_letters(c.title) for c in self._window.table.commands.values()}
        for name, workspace in self._window.workspaces.items():
            for spec in workspace.specs:
                for button in spec.widget.findChildren(QPushButton):
                    text = button.text() or button.accessibleName()
                    there = button.isVisibleTo(spec.widget) and not button.isCheckable()
                    if not there or len(_letters(text)) < 2 or _letters(text) in known:
                        continue
                    known.add(_letters(text))
                    place = f"{tr(self._window.titles[name])} › {tr(spec.title)}"
                    why = "" if button.isEnabled() else tr("not possible now")
                    keys = button.shortcut().toString()
                    yield Entry(
                        f"{name}/{spec.name}/{text}",
                        text,
                        place,
                        keys,
                        why,
                        _Press(self, name, spec.name, button),
                    )

    def press(self, workspace: str, dock: str, button: QPushButton) -> None:
        """Go to a button and press it."""
        self._window.show_workspace(workspace)
        self._window.raise_dock(workspace, dock)
        button.click()

    @Slot(str)
    def _choose(self, text: str) -> None:
        table = self._window.table
        self.palette.ask(table.choices(text), f"{table.commands[text].title.rstrip('…')}…")

    # -- models and attributes ----------------------------------------------------------------

    def _recent(self) -> dict[str, Path]:
        """Recent models that are still there, by what tells them apart."""
        demo = resources.path(resources.DEMO)
        paths = [Path(text) for text in self._settings.texts("model/recent")]
        paths = [path for path in paths if path != demo and files.exists(path)]
        return dict(zip(telling(paths), paths, strict=True)) | {tr("demo"): demo}

    def _recent_names(self) -> tuple[str, ...]:
        return tuple(self._recent())

    def _open_recent(self, name: str) -> None:
        if (path := self._recent().get(name)) is not None:
            self.modelWanted.emit(path)

    def _attributes(self) -> tuple[str, ...]:
        model = self._state.model
        return model.attributes if model is not None and self._state.face is not None else ()

    def _why_no_face(self) -> str:
        return "" if self._state.face is not None else tr("no face is open")

    def _add(self, name: str) -> None:
        self._move(name, 1)

    def _take(self, name: str) -> None:
        self._move(name, -1)

    def _move(self, name: str, sign: int) -> None:
        """Move the face by the attribute's usual distance."""
        state = self._state
        if state.face is None or name not in self._attributes():
            return
        kept = name in state.edit.keep
        if kept or left_of(state, name) is None:
            text = mark("{name} is kept: open its padlock") if kept else mark("{name}: nothing left to move")
            self._window.notifications.tell(tr(text, name=name))
            return
        amount = state.edit.amount(name) + sign * state.delta_of(name)
        text = tr("more {name}", name=name) if sign > 0 else tr("less {name}", name=name)
        state.commit(text, state.edit.with_amount(name, amount))
        self._window.show_workspace("edit")

    # -- dialogs ------------------------------------------------------------------------------

    @Slot()
    def show_preferences(self) -> None:
        if self.preferences is None:
            self.preferences = Preferences(self._settings, self._window)
            self.preferences.themeChanged.connect(self.themeChanged)
            self.preferences.motionChanged.connect(self._on_motion)
            self.preferences.deviceChanged.connect(self._on_device)
            self.preferences.finished.connect(self._on_preferences_closed)
        self.preferences.show()
        self.preferences.raise_()

    @Slot()
    def _on_preferences_closed(self) -> None:
        if self.preferences is not None:
            self.preferences.deleteLater()
            self.preferences = None

    @Slot()
    def _on_device(self) -> None:
        self.deviceChanged.emit(self._settings.get(DEVICE, "auto"))

    def _themes(self) -> tuple[str, ...]:
        return tuple(tr(text) for text in THEMES.values())

    def _dress(self, text: str) -> None:
        """Take the colours of this name; the preferences, where they are open, say so too."""
        chosen = next((key for key, name in THEMES.items() if tr(name) == text), "system")
        self._settings.set(THEME, chosen)
        theme.prefer(chosen)
        self.themeChanged.emit()
        if self.preferences is not None:
            self.preferences.theme.setCurrentIndex(self.preferences.theme.findData(chosen))

    @Slot()
    def _on_motion(self) -> None:
        self._window.notifications.fade = not self._settings.get(MOTION, False)

    @Slot()
    def show_shortcuts(self) -> None:
        """Every action with its shortcut."""
        if self.shortcuts is None:
            self.shortcuts = ShortcutsDialog(self._window.table, self._settings, self._window)
            self.shortcuts.failed.connect(self._window.notifications.tell)
            self.shortcuts.finished.connect(self._on_shortcuts_closed)
        self.shortcuts.show()
        self.shortcuts.raise_()

    @Slot()
    def _on_shortcuts_closed(self) -> None:
        if self.shortcuts is not None:
            self.shortcuts.deleteLater()
            self.shortcuts = None

    @Slot()
    def show_about(self) -> None:
        if self.about is None:
            self.about = AboutDialog(trainer.__version__, self._window)
            self.about.finished.connect(self._on_about_closed)
        self.about.show()
        self.about.raise_()

    @Slot()
    def _on_about_closed(self) -> None:
        if self.about is not None:
            self.about.deleteLater()
            self.about = None

    # -- greeting -----------------------------------------------------------------------------

    @Slot()
    def greet(self) -> None:
        """Say hello at the first launch; later ones begin with the keyboard on the face."""
        if not self._settings.get(GREETED, False):
            self.welcome.appear()
        elif self._window.workspace == "edit":
            self.dragWanted.emit()

    @Slot()
    def _on_greeted(self) -> None:
        self._settings.set(GREETED, True)

    # -- folders ------------------------------------------------------------------------------

    @Slot()
    def _open_runs(self) -> None:
        self._visit(runs_folder(self._settings))

    @Slot()
    def _open_log(self) -> None:
        self._visit(faults.log_file().parent)

    def _visit(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            trouble = desktop.visit(folder)
        except OSError as error:
            trouble = str(error)
        if trouble:
            self._window.notifications.notify(trouble, "warning")


def _letters(text: str) -> str:
    return text.replace("&", "").rstrip("… ").casefold()


class _Press:
    """Goes to a button and presses it, later."""

    def __init__(self, guide: Guide, workspace: str, dock: str, button: QPushButton) -> None:
        self._guide, self._where, self._button = guide, (workspace, dock), button

    def __call__(self) -> None:
        self._guide.press(*self._where, self._button)
