"""All that the window can do: menus, shortcuts, the palette, and the list of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QMainWindow
from pytestqt.qtbot import QtBot

from introvac_studio import fuzzy
from introvac_studio.actions import ActionTable, Command, Entry
from introvac_studio.command_palette import CommandPalette, ranked
from introvac_studio.settings import Settings
from introvac_studio.shortcuts import as_text, rows
from introvac_studio.shortcuts_dialog import ShortcutsDialog
from introvac_studio.studio import Studio

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


class Desk:
    """A window with three commands, and what they did."""

    def __init__(self, qtbot: QtBot, settings: Settings) -> None:
        self.done: list[str] = []
        self.why = ""
        self.names: list[str] = ["Hat", "Smile"]
        self.settings = settings
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        self.field = QLineEdit()
        self.window.setCentralWidget(self.field)
        self.window.resize(800, 600)
        self.table = self.make()
        self.palette = CommandPalette(self.window, settings)
        self.palette.sources.append(self.table.entries)
        with qtbot.waitExposed(self.window):
            self.window.show()
        self.window.activateWindow()

    def make(self) -> ActionTable:
        table = ActionTable(self.window, self.window.menuBar(), self.settings)
        table.add(
            (
                Command("&File", "Open model…", "Ctrl+O", lambda: self.done.append("open")),
                Command("&File", "", "", lambda: None),
                Command("&Edit", "Undo", "Ctrl+Z", lambda: self.done.append("undo"), why=lambda: self.why),
                Command("&Edit", "Add attribute", "Ctrl+U", self.done.append, lambda: self.names),
                Command(
                    "&View/&Docks", "Faces", "Ctrl+K, 1", lambda: self.done.append("faces"), on=lambda: True
                ),
            )
        )
        return table


@pytest.fixture
def desk(qtbot: QtBot, settings: Settings) -> Desk:
    return Desk(qtbot, settings)


def test_that_letters_in_a_row_and_first_letters_fit_best() -> None:
    texts = ["Take a group with a lasso", "Add attribute: Eyeglasses", "Open model…", "New direction…"]

    def best(query: str) -> str:
        found = {text: m[0] for text in texts if (m := fuzzy.match(query, text)) is not None}
        return max(found, key=lambda text: found[text])

    assert best("glas") == "Add attribute: Eyeglasses" and best("nd") == "New direction…"
    assert fuzzy.match("om", "Open model…") == (fuzzy.match("OM", "Open model…")) != None  # noqa: E711
    assert fuzzy.match("om", "Open model…")[1] == (0, 5)
    assert fuzzy.match("theme", "Evaluate the model") is None, "Return would start what nobody meant"
    assert fuzzy.match("xq", "Open model…") is None and fuzzy.match(" ", "Open") == (0.0, ())


def test_that_the_palette_finds_and_does_and_remembers(desk: Desk) -> None:
    desk.palette.open()
    assert [h.entry.text for h in desk.palette.hits] == [
        "Open model…", "Undo", "Add attribute: Hat", "Add attribute: Smile", "Faces",
    ]  # fmt: skip
    QTest.keyClicks(desk.palette.field, "hat")
    assert [h.entry.text for h in desk.palette.hits] == ["Add attribute: Hat"]
    QTest.keyClick(desk.palette.field, Qt.Key.Key_Return)
    assert desk.done == ["Hat"] and desk.palette.isHidden()
    desk.palette.open()
    assert desk.palette.hits[0].entry.text == "Add attribute: Hat", "the last used comes first"
    QTest.keyClicks(desk.palette.field, "view docks")
    assert [h.entry.text for h in desk.palette.hits] == ["Faces"], "the place may be named too"
    QTest.keyClick(desk.palette.field, Qt.Key.Key_Escape)
    assert desk.palette.isHidden() and desk.done == ["Hat"]


def test_that_what_cannot_be_done_says_why_and_comes_last(desk: Desk, qtbot: QtBot) -> None:
    desk.why = "nothing to undo"
    desk.palette.open()
    assert desk.palette.hits[-1].entry.why == "nothing to undo"
    QTest.keyClicks(desk.palette.field, "undo")
    QTest.keyClick(desk.palette.field, Qt.Key.Key_Return)
    assert desk.done == [] and desk.palette.isVisible() and desk.palette.nothing.text() == "nothing to undo"
    menu = desk.table._tops["&Edit"]
    menu.aboutToShow.emit()
    assert not desk.table.actions["Undo"].isEnabled()
    assert desk.table.actions["Undo"].toolTip() == "nothing to undo"
    menu.aboutToHide.emit()
    assert desk.table.actions["Undo"].isEnabled(), "the keys are heard, and say themselves what is wrong"


def test_that_the_palette_moves_by_keys_and_gives_the_keyboard_back(desk: Desk, qtbot: QtBot) -> None:
    desk.field.setFocus()
    qtbot.waitUntil(desk.field.hasFocus)
    desk.palette.open()
    QTest.keyClick(desk.palette.field, Qt.Key.Key_Up)
    assert desk.palette.list.currentIndex().row() == 4, "from the first up to the last"
    QTest.keyClick(desk.palette.field, Qt.Key.Key_Down)
    QTest.keyClick(desk.palette.field, Qt.Key.Key_Down)
    QTest.keyClick(desk.palette.field, Qt.Key.Key_Return)
    assert desk.done == ["undo"] and desk.field.hasFocus()
    desk.palette.open()
    desk.field.setFocus()
    assert desk.palette.isHidden(), "a click elsewhere leaves it"


def test_that_the_keys_of_a_command_with_choices_ask(desk: Desk, qtbot: QtBot) -> None:
    asked = []
    desk.table.chooseRequested.connect(asked.append)
    desk.table.actions["Add attribute"].trigger()
    assert asked == ["Add attribute"]
    assert [e.text for e in desk.table.choices("Add attribute")] == [
        "Add attribute: Hat",
        "Add attribute: Smile",
    ]
    desk.names = []
    assert desk.table.choices("Add attribute")[0].why == "none yet"


def test_that_a_long_list_is_ranked_and_nothing_is_listed_twice() -> None:
    entries = [Entry(f"k{i}", f"Action {i}", "Edit", "", "", lambda: None) for i in range(300)]
    hits = ranked(entries, "action 29", [])
    assert hits[0].entry.text == "Action 29" and len({h.entry.key for h in hits}) == len(hits)


def test_that_keys_can_be_changed_and_are_remembered(desk: Desk, qtbot: QtBot, tmp_path: Path) -> None:
    dialog = ShortcutsDialog(desk.table, desk.settings, desk.window)
    qtbot.addWidget(dialog)
    dialog.search.setText("undo")
    assert dialog.command == "Undo"
    dialog.keys.setKeySequence(QKeySequence("Ctrl+O"))
    assert not dialog.change.isEnabled() and "Open model…" in dialog.say.text()
    dialog.keys.setKeySequence(QKeySequence("Ctrl+K"))
    assert not dialog.change.isEnabled(), "it would shadow Ctrl+K, 1"
    dialog.keys.setKeySequence(QKeySequence("Ctrl+J"))
    dialog.change.click()
    assert [k.toString() for k in desk.table.actions["Undo"].shortcuts()] == ["Ctrl+J"]
    again = desk.make()
    assert again.shortcut("Undo") == "Ctrl+J" and again.customised("Undo")
    dialog.usual.click()
    assert QKeySequence("Ctrl+Z") in desk.table.actions["Undo"].shortcuts()
    assert not desk.table.customised("Undo") and desk.make().shortcut("Undo") == "Ctrl+Z"
    dialog.keys.setKeySequence(QKeySequence("Ctrl+J"))
    dialog.change.click()
    dialog.search.setText("open model")
    dialog.keys.setKeySequence(QKeySequence("Ctrl+Z"))
    dialog.change.click()
    dialog.search.setText("undo")
    dialog.usual.click()
    assert desk.table.shortcut("Undo") == "Ctrl+J" and "Open model…" in dialog.say.text()
    desk.table.set_shortcut("Open model…", None)
    dialog.usual.click()
    assert not desk.table.customised("Undo")
    dialog.search.setText("faces")
    desk.table.set_shortcut("Add attribute", QKeySequence("Ctrl+K, 2"))
    dialog.keys.setKeySequence(QKeySequence("Ctrl+K"))
    assert not dialog.change.isEnabled(), "it would shadow Ctrl+K, 2"
    desk.table.set_shortcut("Add attribute", None)
    dialog.save_to(tmp_path / "keys.txt")
    text = (tmp_path / "keys.txt").read_text("utf-8")
    assert text == as_text(rows(desk.table)) and "Ctrl+O" in text.splitlines()[0]
    failed = []
    dialog.failed.connect(failed.append)
    dialog.save_to(tmp_path / "none" / "keys.txt")
    assert len(failed) == 1 and "keys.txt" in failed[0]


def test_that_the_first_of_two_keys_says_what_it_waits_for(studio: Studio, qtbot: QtBot) -> None:
    page, bar = studio.window.workspaces["edit"], studio.window.statusBar()
    page.docks["history"].close()
    qtbot.keyClick(page, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    assert bar.currentMessage().endswith("now press the second key (F1 lists them)")
    qtbot.keyClick(page, Qt.Key.Key_0)
    qtbot.waitUntil(lambda: not page.docks["history"].isHidden())


def test_that_bad_remembered_keys_are_ignored(qtbot: QtBot, tmp_path: Path) -> None:
    settings = Settings(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    settings.set_texts("shortcuts/custom", ["no tab here", "Unknown\tCtrl+1", "Undo\t"])
    desk = Desk(qtbot, settings)
    assert desk.table.shortcut("Undo") == "" and desk.table.shortcut("Open model…") == "Ctrl+O"


def test_that_ticks_follow_what_is_on(desk: Desk) -> None:
    desk.table._tops["&View/&Docks"].aboutToShow.emit()
    assert desk.table.actions["Faces"].isChecked()
