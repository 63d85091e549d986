"""The real window as a whole: every action and its keys, history, greeting, preferences, names and room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, QSettings, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QGraphicsView,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from introvac_studio import shortcuts, theme
from introvac_studio import studio as studio_module
from introvac_studio.command_palette import ranked
from introvac_studio.settings import DEVICE, GREETED, MOTION, THEME, Settings
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from tests.studio.conftest import WAIT

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def craft(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One window for all tests here, with the demo model, faces and a face; each test leaves it usable."""
    request.getfixturevalue("qapp")
    path = tmp_path_factory.mktemp("craft") / "settings.ini"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio_module, "AVATARS", "avatars:48:1")
        made = Studio("cpu", Settings(QSettings(str(path), QSettings.Format.IniFormat)))
        made.window.resize(1280, 800)
        made.show()
        made.start(None)
        bot = QtBot(request)
        look = QApplication.palette(), made.window.style().objectName()
        bot.waitUntil(lambda: made.state.codes is not None and made.editor.picture is not None, timeout=WAIT)
        yield made
        made.shut_down()
        made.window.accept_close()
        made.window.deleteLater()
        made.deleteLater()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.setStyleSheet("")  # as other tests expect it
        app.setStyle(look[1])
        app.setPalette(look[0])
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


# -- actions ----------------------------------------------------------------------------------


def test_that_every_action_has_keys_of_its_own(craft: Studio) -> None:
    table = craft.window.table
    assert [text for text in table.commands if not table.actions[text].shortcuts()] == []
    taken: dict[str, str] = {}
    for text, action in table.actions.items():
        for keys in action.shortcuts():
            for other, owner in taken.items():
                known = QKeySequence(other)
                none = QKeySequence.SequenceMatch.NoMatch
                assert keys.matches(known) == none and known.matches(keys) == none, (text, owner, other)
        taken |= {keys.toString(): text for keys in action.shortcuts()}
    assert len(taken) >= 60


def test_that_every_action_can_say_whether_it_can_be_done(craft: Studio) -> None:
    whys = {text: command.trouble() for text, command in craft.window.table.commands.items()}
    assert whys["Stop the run"] and not whys["Open model…"] and not whys["Generate faces"]


def test_that_the_page_of_shortcuts_is_up_to_date(craft: Studio) -> None:
    page = ROOT / "docs" / "shortcuts.md"
    made = shortcuts.as_markdown(shortcuts.rows(craft.window.table, usual=True))
    assert page.read_text("utf-8") == made, "renew it: python -m introvac_studio.shortcuts docs/shortcuts.md"


def test_that_the_palette_holds_actions_buttons_models_and_attributes(craft: Studio, qtbot: QtBot) -> None:
    palette = craft.guide.palette
    craft.window.actions_["Command palette…"].trigger()
    texts = {hit.entry.text for hit in palette.hits}
    plain = {c.title for c in craft.window.table.commands.values() if c.choices is None}
    assert plain <= texts
    assert {"Open recent model: demo", "Add attribute: Eyeglasses", "CelebA folder…"} <= texts
    QTest.keyClicks(palette.field, "add eyegl")
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert craft.state.edit.amount("Eyeglasses") == pytest.approx(craft.state.delta_of("Eyeglasses"))
    craft.window.actions_["Take attribute away"].trigger()
    assert palette.hits[0].entry.text == "Take attribute away: Eyeglasses"
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert craft.state.edit.amount("Eyeglasses") == 0


def test_that_a_button_of_another_page_is_gone_to_and_pressed(craft: Studio, qtbot: QtBot) -> None:
    craft.window.show_workspace("edit")
    with qtbot.waitSignal(craft.generating.sampling.finished_, timeout=WAIT):
        craft.window.actions_["Generate faces"].trigger()
    assert craft.window.workspace == "generate"
    craft.window.actions_["Stop the run"].trigger()
    assert craft.window.notifications.text == "Stop the run: not possible now"
    craft.window.notifications.dismiss()


# -- history ----------------------------------------------------------------------------------


def test_that_the_history_lists_steps_and_goes_to_them(craft: Studio, qtbot: QtBot) -> None:
    state, panel = craft.state, craft.history
    state.undo_stack.clear()
    start = state.edit
    for step, amount in (("first", 2.0), ("second", 4.0), ("third", -3.0)):
        state.commit(step, Edit({"Eyeglasses": amount}))
        serial = state.revision
        qtbot.waitUntil(lambda serial=serial: craft.editor._frame.serial >= serial, timeout=WAIT)
    assert [panel.list.item(i).text() for i in range(panel.list.count())] == [
        "beginning", "first", "second", "third",
    ]  # fmt: skip
    assert panel.list.currentRow() == 3 and panel.note.text() == "3 steps"
    assert {1, 2, 3} <= panel._faces.keys() and not (panel._faces[1] == panel._faces[3]).all()
    panel.list.setCurrentRow(1)
    assert state.edit.amount("Eyeglasses") == 2.0 and state.undo_stack.index() == 1
    assert panel.list.item(2).font().italic(), "what lies ahead looks so"
    panel.redo.click()
    assert state.edit.amount("Eyeglasses") == 4.0 and panel.list.currentRow() == 2
    QTest.keyClick(panel.list, Qt.Key.Key_Up)
    assert state.undo_stack.index() == 1, "the keyboard goes there too"
    state.undo_stack.setClean()
    state.commit("branch", Edit({"Hat": 1.0}))
    assert [panel.list.item(i).text() for i in range(panel.list.count())] == [
        "beginning", "first · saved", "branch",
    ]  # fmt: skip
    panel.list.setCurrentRow(0)
    assert state.edit.same(start) and not panel.undo.isEnabled()
    state.undo_stack.resetClean()


# -- greeting, preferences -------------------------------------------------------------------------


def test_that_the_greeting_comes_once_and_again_when_asked(craft: Studio) -> None:
    welcome, settings = craft.guide.welcome, craft.settings
    craft.guide.greet()
    assert welcome.isVisible() and not craft.window.isModal()
    assert craft.window.focusWidget() is welcome.buttons[0], "the keyboard begins there"
    welcome.buttons[1].click()
    assert craft.window.workspace == "train" and welcome.isHidden() and settings.get(GREETED, False)
    craft.guide.greet()
    assert welcome.isHidden()
    craft.window.actions_["First steps"].trigger()
    assert welcome.isVisible()
    welcome.buttons[0].click()
    assert craft.window.workspace == "edit" and welcome.isHidden()
    craft.window.model_box.setFocus()
    craft.guide.greet()
    assert craft.window.focusWidget() is craft.editor.edited, "and on the face at later launches"


def test_that_preferences_hold_at_once(craft: Studio, qtbot: QtBot) -> None:
    craft.window.actions_["Preferences…"].trigger()
    dialog = craft.guide.preferences
    assert dialog is not None and dialog.isVisible()
    for choice, palette in (("light", theme.LIGHT), ("dark", theme.DARK)):
        dialog.theme.setCurrentIndex(dialog.theme.findData(choice))
        dialog.theme.activated.emit(dialog.theme.currentIndex())
        assert theme.current() is palette and craft.settings.get(THEME, "") == choice
    dialog.theme.setCurrentIndex(0)
    dialog.theme.activated.emit(0)
    assert theme.current() is theme.system()
    table = craft.window.table
    for entry, palette in zip(table.choices("Theme")[1:], (theme.LIGHT, theme.DARK), strict=True):
        entry.act()
        assert theme.current() is palette and dialog.theme.currentData() == craft.settings.get(THEME, "")
    assert ranked(craft.window.table.entries(), "theme", [])[0].entry.text.startswith("Theme: ")
    table.choices("Theme")[0].act()
    assert theme.current() is theme.system()
    dialog.motion.setChecked(True)
    assert not craft.window.notifications.fade and craft.settings.get(MOTION, False)
    dialog.motion.setChecked(False)
    dialog.device.setCurrentIndex(dialog.device.findData("cpu"))
    with qtbot.waitSignal(craft.state.modelChanged, timeout=WAIT):
        dialog.device.activated.emit(dialog.device.currentIndex())
    assert craft.settings.get(DEVICE, "") == "cpu" and craft.generate.device == "cpu"
    dialog.close()
    assert craft.guide.preferences is None
    qtbot.waitUntil(lambda: craft.state.codes is not None and craft.state.face is not None, timeout=WAIT)


# -- names, keys, room -------------------------------------------------------------------------------

_PARTS = (QScrollBar, QTabBar)  # of controls that have names


def _nameless(root: QWidget) -> list[str]:
    """Controls that take the keyboard and have neither a text nor a name for a screen reader."""
    found = []
    for widget in root.findChildren(QWidget):
        if widget.focusPolicy() == Qt.FocusPolicy.NoFocus or isinstance(widget, _PARTS):
            continue
        if _inner(widget):
            continue
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        text = text if len(text.strip()) > 1 else ""
        if not (text or widget.accessibleName() or _labelled(widget)):
            found.append(_where(widget))
    return found


def _inner(widget: QWidget) -> bool:
    """Whether it is a part that Qt made for another control."""
    up: QWidget | None = widget.parentWidget()
    while up is not None:
        if isinstance(up, (QAbstractSpinBox, QComboBox, QLineEdit, QKeySequenceEdit)):
            return True
        up = up.parentWidget()
    plot = isinstance(widget.parentWidget(), QGraphicsView)
    # Labels have their text, and a container that scrolls is read by what is in it.
    own = isinstance(widget, (QHeaderView, QLabel, QScrollArea))
    return own or plot or widget.objectName().startswith("qt_")


def _labelled(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    labels = parent.findChildren(QLabel) if parent is not None else []
    return any(label.buddy() is widget for label in labels)


def _where(widget: QWidget) -> str:
    path = []
    up: QWidget | None = widget
    while up is not None and len(path) < 7:
        path.append(f"{type(up).__name__}{f'#{up.objectName()}' if up.objectName() else ''}")
        up = up.parentWidget()
    return " < ".join(path)


_CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)


def _unexplained(root: QWidget) -> list[str]:
    """Controls with neither a tooltip nor a visible label."""
    found = []
    for widget in root.findChildren(QWidget):
        if not isinstance(widget, _CONTROLS) or isinstance(widget, _PARTS):
            continue
        if _inner(widget):
            continue
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        named = widget.toolTip() or len(text.strip()) > 1 or widget.accessibleName() or _labelled(widget)
        if not named:
            found.append(_where(widget))
    return found


def test_that_every_control_of_every_page_and_dialog_has_a_name(craft: Studio) -> None:
    guide = craft.guide
    guide.show_preferences()
    guide.show_shortcuts()
    guide.show_about()
    roots = [craft.window, guide.preferences, guide.shortcuts, guide.about]
    nameless = [where for root in roots for where in _nameless(root)]
    unexplained = [where for root in roots for where in _unexplained(root)]
    for dialog in (guide.preferences, guide.shortcuts, guide.about):
        dialog.reject()
    found = sorted({*nameless, *unexplained})
    assert not found, "without a name: " + "; ".join(found)


def test_that_delta_and_the_hyperplane_are_explained_where_they_are(craft: Studio) -> None:
    for name, row in craft.editor.rows.items():
        tip = row.slider.toolTip()
        assert "δ" in tip and "hyperplane" in tip and name in tip
    tips = [widget.toolTip() for widget in craft.latent.findChildren(QWidget)]
    assert any("hyperplane" in tip for tip in tips)


def test_that_a_window_of_1280_by_800_needs_no_scrolling(craft: Studio, qtbot: QtBot) -> None:
    craft.window.resize(1280, 800)
    craft.window.reset_layout()
    for name, workspace in craft.window.workspaces.items():
        craft.window.show_workspace(name)
        qtbot.waitUntil(lambda w=workspace: w.isVisible() and w.minimumSizeHint().width() <= w.width())
        assert workspace.minimumSizeHint().height() <= workspace.height(), name
        for area in workspace.findChildren(QScrollArea):
            if area.isVisible() and not area.visibleRegion().isEmpty():
                assert area.verticalScrollBar().maximum() == 0, (name, _where(area))
                assert area.horizontalScrollBar().maximum() == 0, (name, _where(area))
    craft.window.show_workspace("edit")
    latent = craft.window.workspaces["edit"].docks["latent"]
    assert not latent.visibleRegion().isEmpty(), "the latent space stands beside the face"


def test_that_the_narrowest_window_shows_the_whole_editor(craft: Studio, qtbot: QtBot) -> None:
    craft.window.show_workspace("edit")
    craft.window.resize(1024, 640)
    edit = craft.window.workspaces["edit"]
    try:
        qtbot.waitUntil(lambda: edit.minimumSizeHint().width() <= edit.width() <= 1024)
        assert edit.minimumSizeHint().height() <= edit.height()
        welcome = craft.guide.welcome
        welcome.appear()
        qtbot.waitUntil(lambda: edit.mapTo(craft.window, QPoint(0, 0)).y() >= welcome.geometry().bottom())
        qtbot.waitUntil(lambda: edit.minimumSizeHint().height() <= edit.height())  # below the greeting too
    finally:
        craft.guide.welcome.hide()
        craft.window.resize(1280, 800)
        qtbot.waitUntil(lambda: not edit.docks["latent"].visibleRegion().isEmpty())


def test_that_the_keyboard_goes_round_the_edit_page(craft: Studio, qtbot: QtBot) -> None:
    craft.window.show_workspace("edit")
    craft.window.activateWindow()
    craft.editor.edited.setFocus()
    qtbot.waitUntil(craft.editor.edited.hasFocus)
    seen: list[QWidget] = []
    for _ in range(120):
        focus = QApplication.focusWidget()
        if focus is None or focus in seen:
            break
        seen.append(focus)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
    editor = [w for w in seen if craft.editor.isAncestorOf(w)]
    assert craft.editor.edited in seen and len(editor) >= 8 and craft.editor.export in seen
    assert any(isinstance(w, QAbstractScrollArea) or craft.faces.isAncestorOf(w) for w in seen)
    assert not any(isinstance(w, QPlainTextEdit) and not w.isReadOnly() for w in seen), "no trap for Tab"
