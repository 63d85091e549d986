"""The whole window, driven as a user would: real threads, real files, the demo model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from introvac_studio.messages import Frame
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from introvac_studio.widgets.image_view import ImageView
from trainer import grid

from .conftest import WAIT

BUTTON = Qt.MouseButton.LeftButton


def drag(view: ImageView, dx: float, dy: float, steps: int = 6) -> None:
    """Press in the middle of a picture, move by shares of its width, and release."""
    rect = view.picture_rect()
    start = rect.center()
    QTest.mousePress(view, BUTTON, pos=start.toPoint())
    for i in range(1, steps + 1):
        shift = QPointF(dx * rect.width() * i / steps, -dy * rect.width() * i / steps)
        QTest.mouseMove(view, (start + shift).toPoint())
    QTest.mouseRelease(view, BUTTON, pos=(start + QPointF(dx * rect.width(), -dy * rect.width())).toPoint())


def settled(studio: Studio, qtbot: QtBot) -> np.ndarray:
    """The picture of the code as it is now."""
    editor, state = studio.editor, studio.state
    qtbot.waitUntil(
        lambda: editor._frame is not None and editor._frame.serial == state.revision, timeout=WAIT
    )
    picture = editor.picture
    assert picture is not None
    return picture.astype(int)


def probability(studio: Studio, name: str) -> float:
    assert studio.state.model is not None
    return float(
        studio.state.model.planes.probabilities(studio.state.z)[studio.state.model.attributes.index(name)]
    )


def test_that_the_first_launch_shows_the_demo_with_faces_and_a_face(studio: Studio) -> None:
    assert studio.state.model is not None and {"Eyeglasses", "FacialHair"} <= set(
        studio.state.model.attributes
    )
    assert studio.faces.gallery.count == 48
    assert studio.editor.original.image is not None and studio.editor.edited.image is not None
    assert studio.window.workspace == "edit" and studio.window.notifications.text == ""


def test_that_dragging_the_face_moves_pixels_and_probability(studio: Studio, qtbot: QtBot) -> None:
    before, p = settled(studio, qtbot), probability(studio, "Eyeglasses")
    assert p < 0.5
    drag(studio.editor.edited, dx=0.45, dy=0.0)
    after = settled(studio, qtbot)
    limit = studio.editor.limit_of("Eyeglasses")
    assert studio.state.edit.amount("Eyeglasses") == pytest.approx(0.45 * limit, rel=0.02)
    assert probability(studio, "Eyeglasses") > max(0.5, p)
    eyes = (slice(20, 44), slice(10, 54))
    outside = np.ones(after.shape[:2], bool)
    outside[eyes] = False
    change = np.abs(after - before).mean(axis=2)
    assert change[eyes].mean() > 2 * change[outside].mean() > 0
    assert studio.editor.rows["Eyeglasses"].code.text() == f"p {probability(studio, 'Eyeglasses'):.2f}"

    studio.state.undo_stack.undo()
    assert studio.state.edit.empty and np.array_equal(settled(studio, qtbot), before)
    studio.state.undo_stack.redo()
    assert np.array_equal(settled(studio, qtbot), after)


def test_that_an_upward_drag_moves_the_second_attribute(studio: Studio) -> None:
    studio.editor.vertical.setCurrentText("FacialHair")
    drag(studio.editor.edited, dx=0.0, dy=-0.25)
    limit = studio.editor.limit_of("FacialHair")
    assert studio.state.edit.amount("FacialHair") == pytest.approx(-0.25 * limit, rel=0.02)
    assert studio.state.edit.amount("Eyeglasses") == 0
    assert studio.state.undo_stack.undoText() == "drag on the face"


def test_that_one_drag_is_one_step_of_history(studio: Studio) -> None:
    count = studio.state.undo_stack.count()
    drag(studio.editor.edited, dx=0.2, dy=0.1, steps=20)
    assert studio.state.undo_stack.count() == count + 1


def test_that_escape_gives_up_a_drag(studio: Studio) -> None:
    view = studio.editor.edited
    view.setFocus()
    QTest.mousePress(view, BUTTON, pos=view.picture_rect().center().toPoint())
    QTest.mouseMove(view, (view.picture_rect().center() + QPointF(80, 0)).toPoint())
    assert not studio.state.edit.empty
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert studio.state.edit.empty and not view.dragging


def test_that_the_slider_fills_from_zero_and_sets_the_amount(studio: Studio, qtbot: QtBot) -> None:
    row = studio.editor.rows["FacialHair"]
    x = round(row.slider.position_of(3.0))
    QTest.mouseClick(row.slider, BUTTON, pos=QPoint(x, row.slider.height() // 2))
    assert studio.state.edit.amount("FacialHair") == pytest.approx(3.0, abs=0.2)
    row.box.setValue(-2.5)
    assert studio.state.edit.amount("FacialHair") == -2.5 and row.slider.value == -2.5


def test_that_the_image_probability_comes_after_the_release(studio: Studio, qtbot: QtBot) -> None:
    row = studio.editor.rows["Eyeglasses"]
    studio.state.preview(Edit({"Eyeglasses": 3.0}))
    qtbot.waitUntil(lambda: row.image.text() == "image –", timeout=WAIT)
    studio.state.commit("test")
    qtbot.waitUntil(lambda: row.image.text() != "image –", timeout=WAIT)
    assert row.image.text().startswith("image ")


def test_that_a_stale_frame_is_dropped(studio: Studio, qtbot: QtBot) -> None:
    shown = settled(studio, qtbot)
    state = studio.state
    assert state.model is not None
    black = np.zeros_like(shown, dtype=np.uint8)
    studio.editor.show_frame(Frame(state.model.stamp, state.face_revision - 1, black, 0.0))
    studio.editor.show_frame(Frame(state.model.stamp - 1, state.revision + 1, black, 0.0))
    assert np.array_equal(studio.editor.picture, shown)


def test_that_holding_compare_shows_the_reconstruction(studio: Studio, qtbot: QtBot) -> None:
    studio.state.commit("edit", Edit({"Eyeglasses": 6.0}))
    edited = settled(studio, qtbot)
    studio.editor.compare.pressed.emit()
    assert np.array_equal(studio.editor.edited.image, studio.editor.reconstruction.image)
    studio.editor.compare.released.emit()
    assert np.array_equal(studio.editor.edited.image, edited)


def test_that_the_filmstrip_marks_the_flip_and_a_click_takes_its_delta(studio: Studio, qtbot: QtBot) -> None:
    strip = studio.editor.strip
    qtbot.waitUntil(lambda: strip._images is not None, timeout=WAIT)
    flip = strip._flip
    studio.state.commit("edit", Edit({"Eyeglasses": flip + 0.01}))
    assert probability(studio, "Eyeglasses") > 0.5
    studio.state.commit("edit", Edit({"Eyeglasses": flip - 0.01}))
    assert probability(studio, "Eyeglasses") < 0.5
    QTest.mouseClick(strip, BUTTON, pos=strip._cell(8).center().toPoint())
    assert studio.state.edit.amount("Eyeglasses") == strip.deltas[8]


def test_that_dragging_the_point_across_the_plane_edits_the_face(studio: Studio, qtbot: QtBot) -> None:
    """The handle of the latent view, in the mode whose x axis is the signed distance to the plane."""
    latent, state = studio.latent, studio.state
    latent.mode.setCurrentIndex(latent.mode.findText("Eyeglasses", Qt.MatchFlag.MatchContains))
    before, p = settled(studio, qtbot), probability(studio, "Eyeglasses")
    assert p < 0.5
    scatter, view = latent.scatter, latent.scatter.viewport()
    assert scatter.handle is not None and scatter.handle[0] < 0
    start, end = scatter.position(scatter.handle), scatter.position((2.0, scatter.handle[1]))
    QTest.mousePress(view, BUTTON, pos=start)
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(view, start + (end - start) * share)
    QTest.mouseRelease(view, BUTTON, pos=end)
    assert probability(studio, "Eyeglasses") > 0.5
    assert state.edit.offset is not None and not state.edit.amounts
    assert np.abs(settled(studio, qtbot) - before).mean() > 1
    state.undo_stack.undo()
    assert probability(studio, "Eyeglasses") == pytest.approx(p) and state.edit.empty


def test_that_filtering_and_clicking_a_thumbnail_opens_that_face(studio: Studio, qtbot: QtBot) -> None:
    faces = studio.faces
    index = next(
        i for i in range(faces.filter.count()) if faces.filter.itemText(i).startswith("with Eyeglasses")
    )
    faces.filter.setCurrentIndex(index)
    assert studio.state.faces is not None
    column = studio.state.faces.attributes.index("Eyeglasses")
    assert (studio.state.faces.labels[faces.gallery.visible, column] == 1).all() and len(
        faces.gallery.visible
    )
    chosen = int(faces.gallery.visible[2])
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        faces.gallery.activated.emit(chosen)
    assert studio.state.face is not None and studio.state.face.name == studio.state.faces.names[chosen]
    assert np.array_equal(studio.editor.original.image, studio.state.faces.images[chosen])


def test_that_a_random_face_has_no_original(studio: Studio, qtbot: QtBot) -> None:
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        studio.faces.prior.click()
    assert studio.state.face is not None and studio.state.face.recipe["face"] == "prior"
    assert studio.editor.original.image is None
    settled(studio, qtbot)


def drop(studio: Studio, path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    how = Qt.DropAction.CopyAction, mime, BUTTON, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(studio.editor, QDragEnterEvent(QPoint(200, 200), *how))
    QApplication.sendEvent(studio.editor, QDropEvent(QPointF(200, 200), *how))


def test_that_a_dropped_photo_becomes_the_face(studio: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    assert studio.state.faces is not None
    path = tmp_path / "me.png"
    Image.fromarray(studio.state.faces.images[5]).resize((300, 300)).save(path)
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        drop(studio, path)
    assert studio.state.face is not None and studio.state.face.name == "me.png"
    settled(studio, qtbot)


def test_that_a_broken_photo_is_said_and_nothing_is_lost(
    studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff no picture")
    face, before = studio.state.face, settled(studio, qtbot)
    drop(studio, path)
    qtbot.waitUntil(lambda: "broken.jpg" in studio.window.notifications.text, timeout=WAIT)
    assert studio.state.face is face and np.array_equal(settled(studio, qtbot), before)


def test_that_a_picture_can_be_pasted(studio: Studio, qtbot: QtBot) -> None:
    assert studio.state.faces is not None
    from introvac_studio.widgets.pictures import to_qimage

    QApplication.clipboard().setImage(to_qimage(studio.state.faces.images[7]))
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        studio.photos.paste()
    assert np.array_equal(studio.editor.original.image, studio.state.faces.images[7])


def test_that_a_bad_model_is_refused_and_the_old_one_stays(
    studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not a model")
    model = studio.state.model
    studio.open_path(path)
    qtbot.waitUntil(lambda: "bad.safetensors" in studio.window.notifications.text, timeout=WAIT)
    assert studio.state.model is model
    studio.state.commit("edit", Edit({"Eyeglasses": 1.0}))
    settled(studio, qtbot)


def test_that_another_model_can_be_opened(studio: Studio, qtbot: QtBot, tiny_model: Path) -> None:
    studio.open_path(tiny_model)
    qtbot.waitUntil(
        lambda: studio.state.model is not None and studio.state.model.name == "tiny", timeout=WAIT
    )
    qtbot.waitUntil(
        lambda: studio.state.codes is not None and studio.editor.picture is not None, timeout=WAIT
    )
    assert studio.editor.picture.shape == (32, 32, 3) and list(studio.editor.rows) == [
        "Eyeglasses",
        "FacialHair",
    ]
    assert not studio.state.undo_stack.canUndo()


def test_that_sixteen_faces_are_generated_with_rejection_and_one_is_edited(
    studio: Studio, qtbot: QtBot
) -> None:
    panel = studio.generate
    studio.window.show_workspace("generate")
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    with qtbot.waitSignal(studio.generating.sampling.finished_, timeout=WAIT) as ended:
        panel.generate_button.click()
    end = ended.args[0]
    assert end.accepted == 16 and end.drawn >= 16 and not end.error
    assert panel.gallery.count == 16
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        panel.gallery.activated.emit(3)
    assert studio.window.workspace == "edit" and probability(studio, "Eyeglasses") >= 0.5
    settled(studio, qtbot)


def test_that_the_editors_button_exports_a_grid_with_its_recipe(
    studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    studio.state.commit("edit", Edit({"Eyeglasses": 4.0}))
    studio.settings.set("export/folder", str(tmp_path))
    studio.editor.export.click()
    dialog = studio.exporting.dialog
    assert dialog is not None and dialog.kind == "grid"
    qtbot.waitUntil(dialog.export.isEnabled, timeout=WAIT)
    path = dialog.target
    dialog.export.click()
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    dialog.reject()
    with Image.open(path) as picture:
        assert picture.width > 8 * 64 and picture.height > 3 * 64
    note = grid.read_recipe(path)
    assert note is not None and studio.state.model is not None and studio.state.face is not None
    assert note["model"] == studio.state.model.digest and note["deltas"] == {"Eyeglasses": 4.0}
    assert np.allclose(note["z"][0], studio.state.face.mu, atol=1e-5)


def test_that_a_saved_face_is_the_face_on_screen(studio: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    shown, state = settled(studio, qtbot), studio.state
    with qtbot.waitSignal(studio.inference.rendered, timeout=WAIT):
        studio.exporting.save_code(tmp_path / "face.png", state.model, state.z, {"note": "kept"})
    assert grid.read_recipe(tmp_path / "face.png") == {"note": "kept"}
    with Image.open(tmp_path / "face.png") as picture:
        saved = np.asarray(picture)
    assert np.array_equal(saved[4::8, 4::8], shown)


def test_that_an_unwritable_path_is_said(studio: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "face.png"
    studio.exporting.save_code(path, studio.state.model, studio.state.z, {})
    qtbot.waitUntil(lambda: "missing" in studio.window.notifications.text, timeout=WAIT)


def test_that_faces_of_a_bad_folder_are_said_and_the_old_ones_return(
    studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    studio.faces.dataRequested.emit(f"folder:{tmp_path / 'nowhere'}")
    qtbot.waitUntil(lambda: "nowhere" in studio.window.notifications.text, timeout=WAIT)
    qtbot.waitUntil(lambda: studio.state.codes is not None, timeout=WAIT)
    assert len(studio.state.faces) == 48


def test_that_layout_and_model_are_remembered(studio: Studio, qtbot: QtBot, tiny_model: Path) -> None:
    studio.open_path(tiny_model)
    qtbot.waitUntil(
        lambda: studio.state.model is not None and studio.state.model.name == "tiny", timeout=WAIT
    )
    studio.window.remember()
    again = Studio("cpu", studio.settings)
    qtbot.addWidget(again.window)
    try:
        again.start(None)
        qtbot.waitUntil(lambda: again.state.model is not None, timeout=WAIT)
        assert again.state.model.path == tiny_model
        assert again.window.workspaces["edit"].arranged
    finally:
        again.shut_down()
        again.window.accept_close()


def test_that_steps_in_a_row_at_one_slider_are_one_change(studio: Studio) -> None:
    stack, slider = studio.state.undo_stack, studio.editor.rows["Eyeglasses"].slider
    count = stack.count()
    for _ in range(5):
        QTest.keyClick(slider, Qt.Key.Key_Right)
    assert studio.state.edit.amount("Eyeglasses") == 1.25 and stack.count() == count + 1
    QTest.keyClick(studio.editor.rows["FacialHair"].slider, Qt.Key.Key_Left)
    assert stack.count() == count + 2
    stack.undo()
    stack.undo()
    assert studio.state.edit.empty


def test_that_history_begins_with_the_first_face(studio: Studio) -> None:
    assert not studio.state.undo_stack.canUndo() and studio.state.face is not None


def test_that_a_face_survives_another_model_of_its_size(studio: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    state = studio.state
    assert state.model is not None and state.face is not None
    studio.state.commit("edit", Edit({"Eyeglasses": 2.0}))
    original = state.face.original
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(state.model.path.read_bytes())
    studio.open_path(copy)
    qtbot.waitUntil(lambda: state.model.path == copy and state.face is not None, timeout=WAIT)
    assert np.array_equal(state.face.original, original) and state.edit.amount("Eyeglasses") == 2.0
    settled(studio, qtbot)


def test_that_a_model_switch_in_the_middle_of_a_drag_is_harmless(
    studio: Studio, qtbot: QtBot, tiny_model: Path
) -> None:
    view = studio.editor.edited
    QTest.mousePress(view, BUTTON, pos=view.picture_rect().center().toPoint())
    QTest.mouseMove(view, (view.picture_rect().center() + QPointF(60, 0)).toPoint())
    studio.open_path(tiny_model)
    qtbot.waitUntil(
        lambda: studio.state.model is not None and studio.state.model.name == "tiny", timeout=WAIT
    )
    assert not view.dragging
    QTest.mouseMove(view, QPoint(5, 5))
    QTest.mouseRelease(view, BUTTON, pos=QPoint(5, 5))
    qtbot.waitUntil(lambda: studio.editor.picture is not None, timeout=WAIT)
    assert studio.state.edit.empty


def test_that_a_directory_that_is_no_run_is_refused_and_the_demo_opens(
    bare_studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    bare_studio.start(tmp_path)
    qtbot.waitUntil(lambda: bare_studio.state.model is not None, timeout=WAIT)
    assert bare_studio.state.model.path.name == "demo.safetensors"
    assert "no run directory" in bare_studio.window.notifications.text


def test_that_a_broken_last_model_gives_way_to_the_demo(
    bare_studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "last.safetensors"
    path.write_bytes(b"broken")
    bare_studio.settings.set("model/last", str(path))
    bare_studio.start(None)
    qtbot.waitUntil(lambda: bare_studio.state.model is not None, timeout=WAIT)
    assert bare_studio.state.model.path.name == "demo.safetensors"


def test_that_preparing_faces_can_be_cancelled(studio: Studio, qtbot: QtBot) -> None:
    studio.faces.dataRequested.emit("avatars:3000:9")
    qtbot.waitUntil(lambda: studio.window.cancel.isVisible(), timeout=WAIT)
    studio.window.cancel.click()
    qtbot.waitUntil(lambda: studio.state.faces is not None and len(studio.state.faces) == 48, timeout=WAIT)
    assert not studio.window.notifications.past, "what a user gave up is no error"


def test_that_one_close_closes_the_window_and_ends_its_threads(studio: Studio) -> None:
    assert studio.window.close() and not studio.window.isVisible()
    assert not any(
        t.isRunning() for t in (studio.inference, studio.browsing.thread_, studio.generating.sampling)
    )


def test_that_the_keyboard_goes_to_where_it_was_in_a_page(studio: Studio) -> None:
    window = studio.window
    edit, train = window.workspaces["edit"], window.workspaces["train"]
    assert window.focusWidget() is edit, "no control has the ring before a key is pressed"
    studio.editor.edited.setFocus()
    window.show_workspace("train")
    assert window.focusWidget() is train or train.isAncestorOf(window.focusWidget())
    preset = studio.runs.training.run_panel.form
    preset.setFocus()
    held = window.focusWidget()
    window.show_workspace("edit")
    assert window.focusWidget() is studio.editor.edited
    window.show_workspace("train")
    assert window.focusWidget() is held and train.isAncestorOf(held)
