"""Notifications in a corner of the window."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from introvac_studio.notifications import MOST, Notifications

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


@pytest.fixture
def notifications(qtbot: QtBot) -> Notifications:
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(900, 600)
    made = Notifications(window, window.statusBar())
    made.fade = False
    window.statusBar().addPermanentWidget(made.bell)
    with qtbot.waitExposed(window):
        window.show()
    return made


def test_that_they_stack_in_the_lower_right_corner_and_follow_the_window(
    notifications: Notifications, qtbot: QtBot
) -> None:
    notifications.notify("first")
    notifications.notify("second", "done")
    (low, _), (high, _) = reversed(notifications.toasts)
    assert high.geometry().bottom() < low.geometry().top() and low.text == "second"
    window = low.window()
    assert window.rect().right() - low.geometry().right() <= 16
    window.resize(700, 500)
    qtbot.waitUntil(lambda: low.geometry().right() < 700 and low.geometry().bottom() < 500)


def test_that_only_an_error_stays(notifications: Notifications, qtbot: QtBot) -> None:
    notifications.notify("broken", "error")
    notifications.notify("saved", "done")
    error, done = (toast for toast, _ in notifications.toasts)
    assert not error._clock.isActive() and done._clock.isActive()
    done._clock.setInterval(1)
    done._clock.start()
    qtbot.waitUntil(lambda: notifications.text == "broken")


def test_that_one_that_is_looked_at_stays(notifications: Notifications, qtbot: QtBot) -> None:
    notifications.notify("saved", "done", details="where it went")
    toast = notifications.toast
    assert toast is not None
    toast.more.click()
    toast._clock.setInterval(1)
    toast._expire()
    assert notifications.text == "saved" and toast._clock.isActive()
    height = toast.height()
    toast.more.click()
    assert toast.height() < height


def test_that_equal_ones_are_counted(notifications: Notifications) -> None:
    for _ in range(3):
        notifications.notify("disk full", "error", details="no space")
    assert len(notifications.toasts) == 1 and notifications.toasts[0][1].count == 3
    toast = notifications.toast
    assert toast is not None and toast.badge.text() == "×3"
    toast.dismiss()
    notifications.notify("disk full", "error")
    assert len(notifications.past) == 1 and notifications.past[0].count == 4


def test_that_the_screen_holds_a_few_and_the_list_all(notifications: Notifications) -> None:
    for i in range(MOST + 2):
        notifications.notify(f"problem {i}", "error", details=f"details {i}")
    assert [n.text for _, n in notifications.toasts] == [f"problem {i}" for i in range(2, MOST + 2)]
    assert notifications.bell.toolTip() == f"{MOST + 2} new notifications"
    notifications.bell.click()
    past = notifications._list
    assert past.isVisible() and past.list.count() == MOST + 2
    past.list.setCurrentRow(MOST + 1)
    past.copy.click()
    assert QGuiApplication.clipboard().text() == "problem 0\n\ndetails 0"
    past.clear.click()
    assert not notifications.past and not past.isVisible()


def test_that_details_can_be_copied_and_the_action_is_taken(notifications: Notifications) -> None:
    taken: list[int] = []
    notifications.notify("saved", "done", details="a\nb", action=("Open folder", lambda: taken.append(1)))
    toast = notifications.toast
    assert toast is not None
    toast.copy.click()
    assert QGuiApplication.clipboard().text() == "saved\n\na\nb"
    toast.act.click()
    assert taken == [1] and notifications.text == ""


def test_that_equal_ones_keep_their_own_actions(notifications: Notifications) -> None:
    taken: list[int] = []
    for k in range(2):
        notifications.notify("first is in the trash.", "done", action=("Undo", partial(taken.append, k)))
    notifications.notify("first is in the trash.", "done")
    assert len(notifications.toasts) == 3 and notifications.past[0].count == 3
    for toast, notice in list(notifications.toasts):
        if notice.action is not None:
            toast.act.click()
    assert taken == [0, 1] and len(notifications.toasts) == 1


def test_that_another_thread_may_notify(notifications: Notifications, qtbot: QtBot) -> None:
    threading.Thread(target=notifications.notify, args=("from afar", "error")).start()
    qtbot.waitUntil(lambda: notifications.text == "from afar")


def test_that_the_keyboard_reaches_and_dismisses_them(notifications: Notifications, qtbot: QtBot) -> None:
    notifications.notify("one", "error")
    notifications.notify("two", "error")
    window = notifications.parent()
    assert isinstance(window, QMainWindow)
    window.activateWindow()
    notifications.focus()
    older, newest = (toast for toast, _ in notifications.toasts)
    qtbot.waitUntil(newest.hasFocus)
    notifications.focus()
    assert older.hasFocus()
    QTest.keyClick(older, Qt.Key.Key_Escape)
    assert [n.text for _, n in notifications.toasts] == ["two"] and newest.hasFocus()
    notifications.dismiss()
    assert notifications.text == "" and len(notifications.past) == 2


def test_that_an_unknown_kind_is_refused(notifications: Notifications) -> None:
    with pytest.raises(ValueError, match="'fatal'"):
        notifications.notify("x", "fatal")


def test_that_a_screen_reader_hears_the_kind_first(notifications: Notifications) -> None:
    notifications.notify("the disk is full", "error")
    toast = notifications.toast
    assert toast is not None and toast.accessibleName() == "Error: the disk is full"
