"""Faults of the program end as notifications, from whatever thread they come."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QMainWindow
from pytestqt.exceptions import capture_exceptions
from pytestqt.qtbot import QtBot

from introvac_studio import faults
from introvac_studio.notifications import Notifications


@pytest.fixture
def notifications(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Notifications:
    window = QMainWindow()
    qtbot.addWidget(window)
    monkeypatch.setattr(faults, "log_file", lambda: tmp_path / "studio.log")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    made = Notifications(window)
    faults.show_in(made)
    window.show()
    return made


def test_that_a_fault_in_a_slot_is_shown_with_its_traceback(
    notifications: Notifications, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    hook = sys.excepthook

    def fail() -> None:
        raise ZeroDivisionError("no such number")

    with capture_exceptions() as caught, caplog.at_level(logging.ERROR):
        sys.excepthook = hook  # what the studio runs with, not what the test catches with
        QTimer.singleShot(0, fail)
        qtbot.waitUntil(lambda: "ZeroDivisionError: no such number" in notifications.text)
    assert not caught and "Your work is untouched" in notifications.text
    details = notifications.past[0].details
    assert "in fail" in details and "studio.log" in details and notifications.past[0].kind == "error"
    assert "no such number" in caplog.text
    assert notifications._window.isVisible()


def test_that_a_fault_in_a_thread_is_shown_too(notifications: Notifications, qtbot: QtBot) -> None:
    def fail() -> None:
        raise LookupError("lost in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: "lost in a thread" in notifications.text)


def test_that_a_fault_after_the_window_is_gone_is_only_logged(
    notifications: Notifications, caplog: pytest.LogCaptureFixture
) -> None:
    import shiboken6

    shiboken6.delete(notifications)
    with caplog.at_level(logging.ERROR):
        sys.excepthook(ValueError, ValueError("too late"), None)
    assert "too late" in caplog.text
