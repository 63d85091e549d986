"""The grid of thumbnails: order, filter, activation, keyboard, sizes."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from introvac_studio.widgets.gallery import Gallery, picture_side

# The offscreen platform warns of every top-level window.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def gallery(qtbot) -> Gallery:
    widget = Gallery("Nothing here. Open something.")
    qtbot.addWidget(widget)
    widget.resize(420, 300)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def pictures(count: int, size: int = 8) -> np.ndarray:
    shades = np.linspace(10, 240, count).astype(np.uint8)
    return np.broadcast_to(shades[:, None, None, None], (count, size, size, 3)).copy()


def click(gallery: Gallery, number: int) -> None:
    QTest.mouseClick(gallery.viewport(), Qt.MouseButton.LeftButton, pos=gallery.position(number))


def test_that_an_empty_gallery_says_what_to_do(gallery: Gallery) -> None:
    assert not gallery.viewport().isVisible()
    gallery.append(pictures(1))
    assert gallery.viewport().isVisible()
    gallery.clear()
    assert not gallery.viewport().isVisible() and gallery.count == 0


def test_that_a_click_activates_the_image_under_it(gallery: Gallery, qtbot) -> None:
    gallery.append(pictures(3), ["a", "b", "c"])
    gallery.append(pictures(2), ["d", "e"])
    with qtbot.waitSignal(gallery.activated) as caught:
        click(gallery, 4)
    assert caught.args == [4]
    assert gallery.caption(4) == "e"
    assert gallery.current == 4


def test_that_a_filter_keeps_the_numbers_of_the_images(gallery: Gallery, qtbot) -> None:
    gallery.set_images(pictures(10))
    gallery.set_current(7)
    gallery.set_visible(np.array([2, 7, 9]))
    assert gallery.visible.tolist() == [2, 7, 9]
    assert gallery.current == 7
    with qtbot.waitSignal(gallery.activated) as caught:
        click(gallery, 9)
    assert caught.args == [9]
    gallery.append(pictures(1))
    assert gallery.visible.tolist() == [2, 7, 9]
    gallery.set_visible(None)
    assert gallery.visible.tolist() == list(range(11))
    gallery.set_visible(np.array([], dtype=np.intp))
    assert not gallery.viewport().isVisible()


def test_that_the_keyboard_walks_and_activates(gallery: Gallery, qtbot) -> None:
    gallery.set_images(pictures(6))
    gallery.set_current(1)
    gallery.setFocus()
    QTest.keyClick(gallery.focusProxy(), Qt.Key.Key_Right)
    with qtbot.waitSignal(gallery.activated) as caught:
        QTest.keyClick(gallery.focusProxy(), Qt.Key.Key_Return)
    assert caught.args == [2]


def test_that_hovering_tells_the_image_and_the_leaving(gallery: Gallery, qtbot) -> None:
    gallery.set_images(pictures(6))
    gallery.grab()
    with qtbot.waitSignal(gallery.hovered, check_params_cb=lambda i: i == 3):
        QTest.mouseMove(gallery.viewport(), gallery.position(2))
        QTest.mouseMove(gallery.viewport(), gallery.position(3))


def test_that_thousands_of_images_are_held_and_reached(gallery: Gallery) -> None:
    gallery.set_images(pictures(5000), [str(i) for i in range(5000)], ["new"])
    gallery.set_current(4999)
    assert gallery.viewport().rect().contains(gallery.position(4999))
    assert not gallery.viewport().rect().contains(gallery.position(0))
    gallery.grab()


def test_that_pictures_grow_by_whole_numbers_only(gallery: Gallery) -> None:
    assert picture_side(32, 112, 1.0) == 128
    assert picture_side(64, 100, 2.0) == 192
    assert picture_side(128, 96, 1.0) == 96
    gallery.set_images(pictures(4, 32))
    gallery.thumbnail_size = 64
    image = gallery.grab().toImage()
    where = gallery.position(0)
    assert image.pixelColor(where).red() == 10


def test_that_captions_and_badges_are_drawn_and_spoken(gallery: Gallery) -> None:
    gallery.set_images(pictures(2), ["p 0.91"], ["edited"])
    model = gallery.focusProxy().model()
    assert model.index(0).data(Qt.ItemDataRole.AccessibleTextRole) == "face 1, p 0.91, edited"
    assert model.index(1).data(Qt.ItemDataRole.AccessibleTextRole) == "face 2"
