"""Photos come in, are cropped by hand or by the eyes, and faces go out with their pixels and their recipe."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QHoverEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from introvac_studio.photo_dialog import SHOW, PhotoDialog
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from introvac_studio.widgets.crop_view import BOX, LEFT_EYE, RIGHT_EYE, TURN, CropView
from introvac_studio.widgets.pictures import OWN, PNG, mime_photos, picture_mime, to_qimage, web_address
from tests.studio.conftest import WAIT
from trainer import align, face_detector, photos
from trainer.align import Box
from trainer.data import avatars
from trainer.grid import read_recipe

LEFT = Qt.MouseButton.LeftButton
EYES = ((240.0, 270.0), (330.0, 250.0))  # of the face in `portrait`


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """A wide photo of one drawn face that is turned."""
    target = align.Target(*align.AVATAR_EYES)
    box = Box.of_eyes(*EYES, target)
    image = Image.new("RGB", (640, 480), (200, 210, 190))
    side = round(box.side)
    face = Image.fromarray(avatars.draw(avatars.options_for(1, 12), side)).convert("RGBA")
    face = face.rotate(-box.angle, Image.Resampling.BICUBIC, expand=True)
    image.paste(face, (round(box.x - face.width / 2), round(box.y - face.height / 2)), face)
    path = tmp_path / "me.png"
    image.save(path)
    return path


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without the extra `align`."""
    monkeypatch.setattr(face_detector, "PACKAGE", "no_such_package_here")
    face_detector._networks.cache_clear()


def drop(studio: Studio, mime: QMimeData) -> None:
    """Drop something on the editor, of which the window takes it."""
    how = Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(studio.editor, QDragEnterEvent(QPoint(200, 200), *how))
    QApplication.sendEvent(studio.editor, QDropEvent(QPointF(200, 200), *how))


def opened(studio: Studio, qtbot: QtBot, path: Path) -> PhotoDialog:
    """Drop a photo that needs a crop; the dialog with its first previews."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        drop(studio, mime)
    dialog = studio.photos.dialog
    assert dialog is not None and not dialog.isModal()
    qtbot.waitUntil(lambda: dialog.fresh, timeout=WAIT)
    return dialog


def drag(view: QWidget, start: QPointF, end: QPointF) -> None:
    QTest.mousePress(view, LEFT, Qt.KeyboardModifier.NoModifier, start.toPoint())
    QTest.mouseMove(view, ((start + end) / 2).toPoint())
    QTest.mouseMove(view, end.toPoint())
    QTest.mouseRelease(view, LEFT, Qt.KeyboardModifier.NoModifier, end.toPoint())


def test_that_dragging_the_eyes_aligns_the_face(
    studio: Studio, qtbot: QtBot, portrait: Path, by_hand: None
) -> None:
    dialog = opened(studio, qtbot, portrait)
    face = studio.state.face
    assert face is not None and face.recipe == {"face": "photo", "file": str(portrait), "crop": "square"}
    assert "introvac-studio[align]" in dialog.message.text() and not dialog.find_button.isEnabled()
    assert np.array_equal(dialog.seen.image, face.original), "the dialog begins with the crop that was opened"
    view = dialog.view
    for grip, eye in ((LEFT_EYE, EYES[0]), (RIGHT_EYE, EYES[1])):
        drag(view, view.grip(grip), view.on_screen(QPointF(*eye)))
    pixel = 1.5 / view._scale()
    for seen, eye in zip(view.eyes(), EYES, strict=True):
        assert math.dist(seen.toTuple(), eye) < pixel
    qtbot.waitUntil(lambda: dialog.fresh, timeout=WAIT)
    box = dialog.box
    assert np.array_equal(dialog.seen.image, photos.crop_photo(photos.open_photo(portrait), 64, "none", box))
    assert dialog.made.image.shape == (64, 64, 3)
    studio.state.commit("edit", Edit({"Eyeglasses": 2.0}))
    steps = studio.state.undo_stack.index()
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        dialog.use.click()
    again = studio.state.face
    assert again is not None and studio.photos.dialog is None
    assert np.array_equal(again.original, dialog.seen.image) and studio.state.edit.amount("Eyeglasses") == 2.0
    assert studio.state.undo_stack.index() == steps + 1
    assert np.array_equal(photos.redo(again.recipe, 64), again.original), "the recipe redoes the crop"
    studio.state.undo_stack.undo()
    assert studio.state.face is not None and studio.state.face is not again

    studio.state.undo_stack.redo()  # the crop of a photo that was read before can be taken up again
    studio.photos._read = None
    assert studio.editor.crop.isVisible()
    studio.editor.crop.click()
    qtbot.waitUntil(lambda: studio.photos.dialog is not None and studio.photos.dialog.fresh, timeout=WAIT)
    assert studio.photos.dialog is not None
    assert studio.photos.dialog.box == Box.from_note(again.recipe["box"])


@pytest.mark.skipif(not face_detector.available(), reason="the extra align is not installed")
def test_that_a_photo_is_cropped_by_its_eyes_and_faces_can_be_stepped_through(
    studio: Studio, qtbot: QtBot, portrait: Path
) -> None:
    wanted = Box.of_eyes(*EYES, align.target_of("avatars", "none"))
    with Image.open(portrait) as image:
        both = Image.new("RGB", (1000, 480), (200, 210, 190))
        both.paste(image, (0, 0))
        both.paste(Image.fromarray(avatars.draw(avatars.options_for(1, 28), 200)), (720, 140))
    both.save(portrait)
    dialog = opened(studio, qtbot, portrait)
    face = studio.state.face
    assert face is not None and dialog.face_text.text() == "face 1 of 2"
    assert math.dist((dialog.box.x, dialog.box.y), (wanted.x, wanted.y)) < 0.1 * wanted.side
    assert dialog.box.angle == pytest.approx(wanted.angle, abs=5)
    assert Box.from_note(face.recipe["box"]).note() == dialog.box.note()
    qtbot.keyClick(dialog, Qt.Key.Key_PageDown)
    assert (
        dialog.face_text.text() == "face 2 of 2" and math.dist((dialog.box.x, dialog.box.y), (820, 240)) < 25
    )
    dialog.view.turn(5)
    assert dialog.face_text.text() == "2 faces found"
    dialog.find_button.click()
    qtbot.waitUntil(lambda: dialog.face_text.text() == "face 1 of 2", timeout=WAIT)
    dialog.reset.click()
    assert Box.from_note(face.recipe["box"]).note() == dialog.box.note()
    dialog.always.setChecked(False)
    assert studio.settings.get(SHOW, True) is False
    dialog.reject()
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(portrait))])
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        drop(studio, mime)
    assert studio.photos.dialog is None, "it does not come by itself any more"


def test_that_a_copied_face_is_pasted_with_the_same_pixels(
    studio: Studio, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.window.actions_["Copy face"].trigger()
    image = studio.editor.edited.image
    mime = QApplication.clipboard().mimeData()
    (tmp_path / "copied.png").write_bytes(bytes(mime.data(PNG).data()))
    recipe = read_recipe(tmp_path / "copied.png")
    assert recipe is not None and recipe["model"] == studio.state.model.digest
    with Image.open(tmp_path / "copied.png") as large:
        assert np.array_equal(np.asarray(large)[::8, ::8], image), "other programs get it eight times as wide"
    with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
        studio.window.actions_["Paste photo"].trigger()
    assert np.array_equal(studio.editor.original.image, image) and studio.photos.dialog is None
    studio.window.actions_["Copy original"].trigger()
    assert mime_photos(QApplication.clipboard().mimeData()) == [photos.png(image)]

    carried: list[tuple[QWidget, QMimeData]] = []
    monkeypatch.setattr(studio.photos, "carry", lambda source, mime, pixmap: carried.append((source, mime)))
    qtbot.waitUntil(lambda: studio.editor.picture is not None, timeout=WAIT)
    view = studio.editor.edited
    at = view.grip_rect().center()
    QApplication.sendEvent(view, QHoverEvent(QEvent.Type.HoverMove, at, at, QPointF(20, 20)))
    assert view.cursor().shape() == Qt.CursorShape.PointingHandCursor
    drag(view, at, QPointF(20, 20))
    assert not view.dragging and studio.state.edit.empty, "the grip does not edit"
    gallery = studio.faces.gallery
    start = gallery.position(3)
    drag(gallery.viewport(), QPointF(start), QPointF(start + QPoint(60, 30)))
    files = [Path(mime.urls()[0].toLocalFile()) for _, mime in carried]
    assert [source for source, _ in carried] == [view, gallery] and all(f.is_file() for f in files)
    assert files[0].name.endswith("-edited.png") and read_recipe(files[0]) is not None
    with Image.open(files[1]) as thumbnail:
        assert np.array_equal(np.asarray(thumbnail)[::8, ::8], studio.state.faces.images[3])
    studio.photos.close()
    assert not any(f.exists() for f in files)


def test_that_a_pasted_photo_is_not_taken_for_another(studio: Studio, qtbot: QtBot, portrait: Path) -> None:
    with Image.open(portrait) as image:
        first = np.asarray(image.convert("RGB"))
    faces = []
    for pixels in (first, first[:, ::-1].copy()):
        QApplication.clipboard().setImage(to_qimage(pixels))
        with qtbot.waitSignal(studio.state.faceChanged, timeout=WAIT):
            studio.photos.paste()
        faces.append(studio.state.face)
    studio.photos.dialog.reject()
    studio.state.undo_stack.undo()
    assert studio.state.face is faces[0]
    studio.photos.show_crop()
    assert studio.photos.dialog is None and "paste it again" in studio.window.notifications.text
    studio.state.undo_stack.redo()
    studio.photos.show_crop()
    assert studio.photos.dialog is not None


def test_that_what_is_no_picture_is_said(studio: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    said: list[str] = []
    studio.photos.complained.connect(said.append)
    link = QMimeData()
    link.setText("https://example.org/face.jpg")
    link.setUrls([QUrl("https://example.org/face.jpg")])
    drop(studio, link)
    assert len(said) == 1 and "https://example.org/face.jpg is on the web: save or copy" in said[0]
    QApplication.clipboard().setText("just words")
    studio.photos.paste()
    studio.window.actions_["Crop photo…"].trigger()
    assert "holds no picture" in said[1] and "Only a photo" in said[2]
    folder = QMimeData()
    folder.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    with qtbot.waitSignal(studio.inference.failed, timeout=WAIT) as answer:
        drop(studio, folder)
    assert f"{tmp_path}: a folder, not a picture" in answer.args[0].text


def test_that_a_browsers_picture_is_taken_before_its_address() -> None:
    image = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/face.jpg")])
    mime.setImageData(to_qimage(image))
    assert web_address(mime) == ""
    assert np.array_equal(np.asarray(photos.open_photo(mime_photos(mime)[0]).image), image)
    own = picture_mime(image[:7], {"a": 1})
    own.setUrls([QUrl.fromLocalFile("/somewhere/large.png")])
    assert own.hasFormat(OWN) and np.array_equal(
        np.asarray(photos.open_photo(mime_photos(own)[0]).image), image[:7]
    )


def test_that_the_box_is_moved_turned_and_resized_by_mouse_and_keys(qtbot: QtBot) -> None:
    view = CropView("crop")
    qtbot.addWidget(view)
    view.resize(456, 356)
    start = Box(200, 150, 120)
    view.set_photo(np.zeros((300, 400, 3), np.uint8), (400, 300), align.target_of("", "square"), start)
    view.show()
    assert view._scale() == pytest.approx(1)
    drag(view, view.grip(BOX), view.grip(BOX) + QPointF(-30, 20))
    assert view.box == Box(170, 170, 120)
    far = view.box.corners()[0]
    drag(view, view._corners()[2], view._corners()[2] + QPointF(40, 10))
    assert view.box.side == pytest.approx(160) and view.box.corners()[0] == pytest.approx(far)
    middle = view.grip(BOX)
    drag(view, view.grip(TURN), middle + QPointF(100, 0))
    assert view.box.angle == pytest.approx(90, abs=1)
    far = view.box.corners()[1]
    drag(view, view._corners()[3], view._corners()[3] + QPointF(0, -30))
    assert view.box.side == pytest.approx(190) and view.box.corners()[1] == pytest.approx(far, abs=1e-9), (
        "turned, too"
    )
    view.set_box(start)
    qtbot.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(view, "+]]")
    assert view.box == Box(pytest.approx(206), 150, pytest.approx(122.4), pytest.approx(2))
    view.set_box(start)
    left, right = view.eyes()
    view.pick(RIGHT_EYE)
    qtbot.keyClick(view, Qt.Key.Key_Up)
    now = view.eyes()
    assert now[0].toTuple() == pytest.approx(left.toTuple())
    assert now[1].toTuple() == pytest.approx((right.x(), right.y() - 0.6))
    drag(view, QPointF(10, 10), QPointF(-900, 10))  # beside the box: pans, and leaves the box alone
    assert view.eyes() == now
    view.fit()
    view.pick(BOX)
    for _ in range(9):
        view.shift(-60, 0)
    assert view.box.x == 0, "its middle stays in the photo"
