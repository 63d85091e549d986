"""The path between two faces, in the real window: preview, playing, files, and taking a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from introvac_studio.messages import Strip
from introvac_studio.path_dialog import PathDialog
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from trainer import paths
from trainer.grid import read_recipe

from .conftest import WAIT

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

LEFT = Qt.MouseButton.LeftButton
SPACE = Qt.Key.Key_Space


@pytest.fixture
def dialog(studio: Studio, qtbot: QtBot) -> PathDialog:
    studio.state.commit("edit", Edit({"Eyeglasses": 2.0}))
    studio.window.actions_["Path between two faces…"].trigger()
    made = studio.walking.dialog
    assert made is not None
    qtbot.waitUntil(lambda: made.start.image is not None, timeout=WAIT)
    return made


@pytest.fixture
def walked(dialog: PathDialog, qtbot: QtBot) -> PathDialog:
    """The dialog with a path to the fifth face."""
    QTest.mouseClick(dialog.gallery.viewport(), LEFT, pos=dialog.gallery.position(5))
    qtbot.waitUntil(lambda: dialog.ready, timeout=WAIT)
    return dialog


def test_that_a_path_goes_from_the_edited_face_to_the_one_chosen(
    studio: Studio, walked: PathDialog, qtbot: QtBot
) -> None:
    state, codes = studio.state, walked._codes
    assert codes is not None and walked.images is not None and len(walked.images) == 24
    assert np.array_equal(codes[0], state.z) and np.allclose(codes[-1], state.codes[5], atol=1e-5)
    assert np.array_equal(walked.end.image, state.faces.images[5])
    walked.slider.setValue(23)
    assert np.array_equal(walked.view.image, walked.images[23]) and walked.place.text() == "24 of 24"


def test_that_nothing_can_be_done_before_an_end_is_chosen(dialog: PathDialog) -> None:
    buttons = (dialog.play, dialog.slider, dialog.use, dialog.export)
    assert not any(b.isEnabled() for b in buttons) and dialog.view.image is not None
    QTest.keyClick(dialog.slider, SPACE)
    assert dialog.play.text() == "Play"


def test_that_kind_and_steps_make_another_path(walked: PathDialog, qtbot: QtBot) -> None:
    linear = walked._codes.copy()
    walked.kind.set_value("spherical")
    assert not walked.ready and not walked.export.isEnabled()
    qtbot.waitUntil(lambda: walked.ready, timeout=WAIT)
    assert np.allclose(walked._codes, paths.path(linear[0], linear[-1], 24, "spherical"))
    assert not np.allclose(walked._codes, linear)
    walked.steps.setValue(7)
    qtbot.waitUntil(lambda: walked.ready, timeout=WAIT)
    assert len(walked.images) == 7 and walked.slider.maximum() == 6


def test_that_pictures_of_an_older_path_are_dropped(walked: PathDialog) -> None:
    shown = walked.images
    walked.show_pictures(Strip(walked._model.stamp, walked._serial - 1, np.zeros_like(shown)))
    assert walked.images is shown


def test_that_choices_are_remembered(studio: Studio, walked: PathDialog) -> None:
    walked.kind.set_value("spherical")
    walked.steps.setValue(9)
    walked.back.setChecked(False)
    walked.reject()
    studio.walking.show()
    again = studio.walking.dialog
    assert again.kind.value == "spherical" and again.steps.value() == 9 and not again.back.isChecked()


def test_that_it_plays_there_and_back(walked: PathDialog, qtbot: QtBot) -> None:
    walked.fps.setValue(50)
    walked.steps.setValue(3)
    qtbot.waitUntil(lambda: walked.ready, timeout=WAIT)
    walked.slider.setValue(0)
    seen: list[int] = []
    walked.slider.valueChanged.connect(seen.append)
    QTest.keyClick(walked.slider, SPACE)
    qtbot.waitUntil(lambda: len(seen) >= 5, timeout=WAIT)
    QTest.keyClick(walked.slider, SPACE)
    assert seen[:5] == [1, 2, 1, 0, 1] and walked.play.text() == "Play"


def test_that_the_strip_shows_what_fits_and_a_click_goes_there(walked: PathDialog) -> None:
    shown = walked.strip.shown()
    assert shown[0] == 0 and shown[-1] == 23 and 4 <= len(shown) < 24
    QTest.mouseClick(walked.strip, LEFT, pos=walked.strip.cell(2).center().toPoint())
    assert walked.slider.value() == shown[2]


def exported(studio: Studio, walked: PathDialog, qtbot: QtBot, path: Path) -> Path:
    """Export the path as the dialog offers it, in the format of a file's name."""
    QTest.mouseClick(walked.export, LEFT)
    dialog = studio.exporting.dialog
    assert dialog is not None and dialog.kind == "path"
    studio.settings.set("export/folder", str(path.parent))
    dialog.format.setCurrentIndex(dialog.format.findData(path.suffix))
    dialog.name.setText(path.stem)
    qtbot.waitUntil(dialog.export.isEnabled, timeout=WAIT)
    QTest.mouseClick(dialog.export, LEFT)
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    return path


@pytest.mark.parametrize("name", ["way.gif", "way.webp", "way.png"])
def test_that_a_path_is_exported_as_it_is_and_tells_how_it_was_made(
    studio: Studio, walked: PathDialog, qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    walked.steps.setValue(5)
    walked.kind.set_value("spherical")
    qtbot.waitUntil(lambda: walked.ready, timeout=WAIT)
    path = exported(studio, walked, qtbot, tmp_path / name)
    assert "Saved" in studio.exporting.dialog.message.text()
    recipe = read_recipe(path)
    assert recipe["export"]["options"]["way"] == "spherical" and recipe["export"]["options"]["frames"] == 5
    assert recipe["deltas"] == {"Eyeglasses": 2.0}
    assert np.allclose(recipe["z"][0], studio.state.face.mu, atol=1e-5)
    assert np.allclose(recipe["z"][1], walked._codes[-1], atol=1e-5)
    with Image.open(path) as film:
        assert (film.width == 5 * 256) if name.endswith("png") else (film.n_frames == 8)
    studio.exporting.dialog.reject()


def test_that_what_cannot_be_written_is_said_in_the_dialog(
    studio: Studio, walked: PathDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    exported(studio, walked, qtbot, tmp_path / "missing" / "way.gif")
    assert "cannot be written" in studio.exporting.dialog.message.text()
    studio.exporting.dialog.reject()
    assert walked.ready and walked.isVisible() and studio.window.notifications.text == ""


def test_that_a_photo_may_be_the_end_and_a_broken_one_changes_nothing(
    studio: Studio, walked: PathDialog, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, face = walked._codes, studio.state.face
    (tmp_path / "no.png").write_bytes(b"no picture")
    chosen = [tmp_path / "no.png"]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (str(chosen[0]), ""))
    QTest.mouseClick(walked.photo, LEFT)
    qtbot.waitUntil(lambda: "no.png" in walked.message.text(), timeout=WAIT)
    assert walked._codes is codes and walked.ready

    chosen[0] = tmp_path / "me.png"
    Image.fromarray(studio.state.faces.images[9]).save(chosen[0])
    with qtbot.waitSignal(studio.inference.pathReady, timeout=WAIT):
        QTest.mouseClick(walked.photo, LEFT)
    assert np.allclose(walked._codes[-1], studio.state.codes[9], atol=1e-4)
    assert walked.end_text.text() == "me.png" and studio.state.face is face


def test_that_a_frame_becomes_the_edited_face_and_undo_brings_it_back(
    studio: Studio, walked: PathDialog, qtbot: QtBot
) -> None:
    state = studio.state
    before, face = state.z, state.face
    walked.slider.setValue(12)
    QTest.mouseClick(walked.use, LEFT)
    assert np.allclose(state.z, walked._codes[12]) and state.face is face
    assert state.undo_stack.undoText() == "frame 13 of the path"
    editor = studio.editor
    qtbot.waitUntil(
        lambda: editor._frame is not None and editor._frame.serial == state.revision, timeout=WAIT
    )
    assert np.array_equal(editor.picture, walked.images[12])
    walked.reject()
    state.undo_stack.undo()
    assert np.array_equal(state.z, before) and state.edit.amount("Eyeglasses") == 2.0


def test_that_another_model_closes_the_dialog(studio: Studio, walked: PathDialog) -> None:
    studio.state.set_model(None)
    assert studio.walking.dialog is None
    studio.walking.show()
    assert studio.walking.dialog is None and "begins at the edited face" in studio.window.notifications.text
