"""Between a request and its answer: models that change, faces that come late, keys let go elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from introvac_studio.guide import telling
from introvac_studio.settings import DEVICE
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from trainer import codec, grid

from .conftest import WAIT
from .test_studio import settled

MISSING = "cuda" if sys.platform == "darwin" else "mps"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Set at the end, so that no thread waits for it for ever."""
    event = threading.Event()
    yield event
    event.set()


def test_that_a_model_that_came_too_late_does_not_take_the_place_of_the_open_one(
    studio: Studio,
    qtbot: QtBot,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    gate: threading.Event,
) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"not a model")
    begun, real = threading.Event(), codec.Codec

    def slow(path: Path, device: str) -> codec.Codec:
        if path == tiny_model:
            begun.set()
            gate.wait()
        return real(path, device)

    monkeypatch.setattr(codec, "Codec", slow)
    model = studio.state.model
    studio.open_path(tiny_model)
    qtbot.waitUntil(begun.is_set, timeout=WAIT)
    studio.open_path(bad)
    gate.set()
    qtbot.waitUntil(lambda: "bad.safetensors" in studio.window.notifications.text, timeout=WAIT)
    assert studio.state.model is model
    studio.state.commit("edit", Edit({"Eyeglasses": 3.0}))
    settled(studio, qtbot)  # by the model that is open


def test_that_a_device_that_is_not_there_gives_way(bare_studio: Studio, qtbot: QtBot) -> None:
    studio = bare_studio
    studio.settings.set(DEVICE, MISSING)
    studio.models.device = MISSING
    studio.start(None)
    qtbot.waitUntil(lambda: studio.editor.picture is not None, timeout=WAIT)
    assert studio.models.device == studio.settings.get(DEVICE, "") == "auto"
    assert MISSING in studio.window.notifications.text
    assert studio.state.model.path.name == "demo.safetensors"


def test_that_a_broken_demo_is_tried_once(
    bare_studio: Studio, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "demo.safetensors"
    broken.write_bytes(b"broken")
    monkeypatch.setattr("introvac_studio.resources.path", lambda name: broken)
    failures: list[object] = []
    bare_studio.inference.openFailed.connect(failures.append)
    bare_studio.start(broken)
    qtbot.waitUntil(lambda: "demo.safetensors" in bare_studio.window.notifications.text, timeout=WAIT)
    served = threading.Event()
    bare_studio.inference._mail.put(served.set)
    qtbot.waitUntil(served.is_set, timeout=WAIT)
    assert len(failures) == 1


def test_that_a_face_is_saved_before_another_model_opens(
    studio: Studio, qtbot: QtBot, tmp_path: Path, tiny_model: Path, gate: threading.Event
) -> None:
    state = studio.state
    studio.inference._mail.put(gate.wait)
    studio.exporting.save_code(tmp_path / "face.png", state.model, state.z, {"note": "kept"})
    studio.open_path(tiny_model)
    gate.set()
    qtbot.waitUntil(lambda: state.model is not None and state.model.path == tiny_model, timeout=WAIT)
    assert grid.read_recipe(tmp_path / "face.png") == {"note": "kept"}


def test_that_the_face_to_begin_with_does_not_take_the_place_of_the_users(
    bare_studio: Studio, qtbot: QtBot, gate: threading.Event
) -> None:
    state = bare_studio.state

    def at_once() -> None:
        """The user draws a face while the model's own are still being prepared."""
        bare_studio.inference._mail.put(gate.wait)
        bare_studio.browsing.draw()

    state.modelChanged.connect(at_once)
    bare_studio.start(None)
    qtbot.waitUntil(lambda: state.faces is not None, timeout=WAIT)
    gate.set()
    qtbot.waitUntil(lambda: state.codes is not None, timeout=WAIT)
    assert state.face.recipe["face"] == "prior" and not state.undo_stack.canUndo()
    bare_studio.browsing.open_row(0)
    qtbot.waitUntil(lambda: state.row == 0, timeout=WAIT)


def test_that_comparing_ends_when_the_keyboard_goes_elsewhere(studio: Studio, qtbot: QtBot) -> None:
    editor = studio.editor
    studio.state.commit("edit", Edit({"Eyeglasses": 6.0}))
    edited = settled(studio, qtbot)
    editor.edited.setFocus()
    QTest.keyPress(editor.edited, Qt.Key.Key_Space)
    assert np.array_equal(editor.edited.image, editor.reconstruction.image)
    studio.window.model_box.setFocus()
    assert np.array_equal(editor.edited.image, edited)


def test_that_a_kept_attribute_is_not_added_to_by_keys(studio: Studio) -> None:
    state = studio.state
    state.keep("Eyeglasses", True)
    studio.guide._add("Eyeglasses")
    assert state.edit.amount("Eyeglasses") == 0
    assert "padlock" in studio.window.notifications.text
    studio.guide._add("FacialHair")
    assert state.edit.amount("FacialHair") > 0


def test_that_recent_models_are_told_apart(tmp_path: Path) -> None:
    paths = [
        tmp_path / folder / "model.safetensors"
        for folder in ("a/first/checkpoints", "b/first/checkpoints", "b/second/checkpoints", "other")
    ]
    ends = ["a/first/checkpoints", "b/first/checkpoints", "second/checkpoints", "other"]
    assert telling(paths) == [str(Path(end) / "model.safetensors") for end in ends]
