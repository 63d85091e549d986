"""The real window with the demo model, on a data set that is quick to draw."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from introvac_studio import studio as studio_module
from introvac_studio.settings import Settings
from introvac_studio.studio import Studio
from introvac_studio.workers import child

WAIT = 60_000  # bound of every wait, in ms


@pytest.fixture(autouse=True)
def children_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children give way a little: as much as for a user, they would starve beside other tests."""
    monkeypatch.setattr(child, "NICENESS", 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of this test alone."""
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def bare_studio(qtbot: QtBot, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """A studio on screen in which nothing is open yet."""
    monkeypatch.setattr(studio_module, "AVATARS", "avatars:48:1")
    made = Studio("cpu", settings)
    # Threads and a training child end before qtbot closes the window, which would ask about the child.
    qtbot.addWidget(made.window, before_close_func=lambda window: made.shut_down())
    made.window.resize(1280, 800)
    with qtbot.waitExposed(made.window):
        made.show()
    return made


@pytest.fixture
def studio(bare_studio: Studio, qtbot: QtBot) -> Studio:
    """The demo model with faces, codes, a current face and its picture."""
    bare_studio.start(None)
    state = bare_studio.state
    qtbot.waitUntil(lambda: state.codes is not None and bare_studio.editor.picture is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: bare_studio.editor.reconstruction.image is not None, timeout=WAIT)
    return bare_studio
