"""A launch: first the frame, then what is in it; and nothing left of one that fails or is closed at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QSettings
from pytestqt.qtbot import QtBot

from introvac_studio import opening as opening_module
from introvac_studio import studio as studio_module
from introvac_studio.opening import Opening, first_model
from introvac_studio.settings import Settings

WAIT = 60_000
HEAVY = ("torch", "sklearn", "scipy", "pyqtgraph", "openvino", "PIL", "dicebear", "jsonschema")


@pytest.fixture
def opening(qtbot: QtBot, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Opening:
    """A launch that remembers nothing."""
    monkeypatch.setattr(studio_module, "AVATARS", "avatars:24:1")
    monkeypatch.setattr(opening_module, "Settings", lambda: settings)
    made = Opening("cpu", None)
    qtbot.addWidget(made.window, before_close_func=lambda window: made.shut_down())
    return made


def test_that_the_frame_waits_for_no_heavy_import() -> None:
    code = (
        "import json, sys; import introvac_studio.app, introvac_studio.opening; "
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_that_the_frame_is_painted_before_it_is_filled(opening: Opening, qtbot: QtBot) -> None:
    seen: list[tuple[bool, int]] = []
    opening.opened.connect(
        lambda studio: seen.append((opening.window.isVisible(), len(studio.window.workspaces)))
    )
    with qtbot.waitSignal(opening.opened, timeout=WAIT):
        opening.show()
        assert opening.window.isVisible() and not opening.window.workspaces
    studio = opening.studio
    assert studio is not None and studio.window is opening.window and seen == [(True, 4)]
    qtbot.waitUntil(lambda: studio.editor.picture is not None, timeout=WAIT)
    opening.shut_down()
    assert not studio.inference.isRunning() and not studio.browsing.thread_.isRunning()


def test_that_the_model_opened_ahead_is_the_one_that_is_used(
    opening: Opening, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import codec

    opened: list[Path] = []
    real = codec.Codec.__init__

    def counted(self: codec.Codec, path: Path, *rest: object) -> None:
        opened.append(path)
        real(self, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(codec.Codec, "__init__", counted)
    with qtbot.waitSignal(opening.opened, timeout=WAIT):
        opening.show()
    studio = opening.studio
    assert studio is not None
    qtbot.waitUntil(lambda: studio.state.model is not None, timeout=WAIT)
    assert opened == [first_model(None, opening.settings)]


def test_that_a_frame_closed_at_once_stays_empty(opening: Opening, qtbot: QtBot) -> None:
    opening.show()
    opening.window.close()
    assert not opening.window.isVisible()
    opening._fill()
    assert opening.studio is None and opening.fault is None


def test_that_a_fault_while_filling_ends_the_launch(
    opening: Opening, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(QCoreApplication, "exit", codes.append)

    def broken(*_: object) -> None:
        raise RuntimeError("no such dock")

    monkeypatch.setattr(studio_module, "Studio", broken)
    opening.show()
    qtbot.waitUntil(lambda: opening.fault is not None, timeout=WAIT)
    assert str(opening.fault) == "no such dock" and codes == [1]
    opening.shut_down()


def test_that_the_last_model_opens_first_if_it_is_still_there(tmp_path: Path) -> None:
    settings = Settings(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    demo = first_model(None, settings)
    last = tmp_path / "mine.safetensors"
    settings.set("model/last", str(last))
    assert first_model(None, settings) == demo
    last.touch()
    assert first_model(None, settings) == last
    assert first_model(tmp_path, settings) == tmp_path / "model.safetensors"
    settings.set("model/last", str(tmp_path / ("x" * 300)))  # asking for it fails, as on a lost disk
    assert first_model(None, settings) == demo
