"""The two-attribute pad: its plane agrees with code space, its drags with the sliders."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from introvac_studio.edit_plane import EditPlane, edit_plane
from introvac_studio.panels.pad import PadPanel
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from introvac_studio.widgets.attribute_pad import CELLS
from introvac_studio.workers.mailbox import Mailbox
from trainer.errors import ModelError
from trainer.latent import Hyperplanes, clip_line

from .conftest import WAIT
from .test_studio import BUTTON

A, B = "Eyeglasses", "FacialHair"
NAMES = ("A", "B", "C", "fake")
WEIGHTS = np.random.default_rng(4).standard_normal((4, 12))
PLANES = Hyperplanes(NAMES, WEIGHTS, np.array([0.5, -1.0, 0.2, 0.0]))
MU = np.random.default_rng(5).standard_normal(12)


@pytest.mark.parametrize("keep", [(), ("C",)])
def test_that_places_amounts_and_codes_agree_with_the_edit(keep: tuple[str, ...]) -> None:
    rest = Edit({"C": 1.5} if not keep else {}, 0.3 * np.ones(12), keep)
    plane = edit_plane(MU, rest.with_amount("A", 9.0), PLANES, "A", "B")
    for a, b in ((0.0, 0.0), (2.0, -1.0), (-3.5, 4.0)):
        place = plane.place((a, b))
        assert plane.amounts(place) == pytest.approx((a, b))
        code = MU + rest.with_amount("A", a).with_amount("B", b).step(PLANES)
        assert plane.code(place) == pytest.approx(code)
        assert np.linalg.norm(place) == pytest.approx(np.linalg.norm(code - plane.view.origin))


@pytest.mark.parametrize("keep", [(), ("C",)])
def test_that_the_lines_are_where_the_logits_change_sign(keep: tuple[str, ...]) -> None:
    plane = edit_plane(MU, Edit(keep=keep), PLANES, "A", "B")
    places = np.random.default_rng(6).uniform(-6, 6, (400, 2))
    logits = PLANES.logits(plane.code(places))
    for name in ("A", "B"):
        line = plane.line(PLANES, name)
        assert line is not None
        assert line.value(places) == pytest.approx(logits[:, PLANES.index(name)])
        ends = clip_line(line, -50, 50, -50, 50)
        assert ends is not None
        on_it = np.array(ends[0]) + np.linspace(0, 1, 5)[:, None] * (np.array(ends[1]) - ends[0])
        assert PLANES.logits(plane.code(on_it))[:, PLANES.index(name)] == pytest.approx(0, abs=1e-9)
    if not keep:
        line = plane.line(PLANES, "A")
        assert line is not None and line.ny == pytest.approx(0, abs=1e-12), "its own axis meets it squarely"


def test_that_two_directions_on_one_line_are_no_plane() -> None:
    w = PLANES.w.copy()
    w[1] = -2 * w[0]
    twins = Hyperplanes(NAMES, w, PLANES.b)
    with pytest.raises(ModelError, match="A and B lie along one line"):
        edit_plane(MU, Edit(), twins, "A", "B")
    with pytest.raises(ModelError, match="two different"):
        edit_plane(MU, Edit(), PLANES, "A", "A")


def test_that_slow_work_waits_for_all_else_and_the_newest_of_a_kind_counts() -> None:
    box, said = Mailbox(("frame",), ("glance", "sheet")), []

    def work(name: str, count: int):
        for i in range(count):
            said.append(f"{name} {i}")
            if name == "sheet" and i == 1:
                box.put_slow(work("old glance", 1), "glance")
                box.put_slow(work("glance", 1), "glance")
                box.put(lambda: said.append("job"))
                box.put_latest("frame", lambda: said.append("frame"))
            yield
        if name == "sheet":
            box.close()

    box.put_slow(work("old sheet", 2), "sheet")
    act = box.take()
    assert act is not None
    act()
    box.put_slow(work("sheet", 3), "sheet")
    while (act := box.take()) is not None:
        act()
    assert said == ["old sheet 0", "sheet 0", "sheet 1", "frame", "job", "glance 0", "sheet 2"]


# -- in the window ----------------------------------------------------------------------------


@pytest.fixture
def pad(studio: Studio, qtbot: QtBot) -> PadPanel:
    studio.window.raise_dock("edit", "pad")
    panel = studio.linking.pad
    qtbot.waitUntil(lambda: panel.isVisible() and panel.plane is not None, timeout=WAIT)
    return panel


def plane_of(panel: PadPanel) -> EditPlane:
    assert panel.plane is not None
    return panel.plane


def pixel(panel: PadPanel, amounts: tuple[float, float]) -> QPoint:
    x, y = plane_of(panel).place(amounts)
    return panel.pad.pixel((float(x), float(y))).toPoint()


def pressed_to(panel: PadPanel, amounts: tuple[float, float]) -> QPoint:
    start, end = pixel(panel, (0.0, 0.0)), pixel(panel, amounts)
    QTest.mousePress(panel.pad, BUTTON, pos=start)
    for share in (0.4, 1.0):
        QTest.mouseMove(panel.pad, start + (end - start) * share)
    return end


def test_that_a_drag_sets_both_sliders_in_one_step(studio: Studio, pad: PadPanel, qtbot: QtBot) -> None:
    state, steps = studio.state, studio.state.undo_stack.count()
    assert pad.names == (A, B)
    end = pressed_to(pad, (3.0, -2.0))
    fine = 1.5 / pad.pad.unit  # units of delta that a pixel and its rounding make
    assert state.edit.amount(A) == pytest.approx(3.0, abs=fine)
    other = studio.editor.rows[B].slider
    qtbot.waitUntil(lambda: other.value == pytest.approx(-2.0, abs=fine), timeout=WAIT)
    assert state.undo_stack.count() == steps
    QTest.mouseRelease(pad.pad, BUTTON, pos=end)
    assert state.undo_stack.count() == steps + 1 and pad.pad.handle == pytest.approx(
        tuple(plane_of(pad).place((state.edit.amount(A), state.edit.amount(B))))
    )
    expected = state.face.mu + state.edit.amount(A) * state.model.planes.normal(A)
    expected = expected + state.edit.amount(B) * state.model.planes.normal(B)
    assert state.z == pytest.approx(expected)
    QTest.keyClick(pad.pad, Qt.Key.Key_Right)
    QTest.keyClick(pad.pad, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert state.edit.amount(A) == pytest.approx(3.25, abs=fine)
    assert state.edit.amount(B) == pytest.approx(-3.0, abs=fine)
    assert state.undo_stack.count() == steps + 2, "keys in a row are one step"
    state.undo_stack.undo()
    state.undo_stack.undo()
    assert state.edit.empty and pad.pad.handle == pytest.approx((0.0, 0.0))

    pressed_to(pad, (1.0, 1.0))
    QTest.keyClick(pad.pad, Qt.Key.Key_Escape)
    assert state.edit.empty and not pad.pad.dragging
    state.keep(B, True)
    QTest.mouseClick(pad.pad, BUTTON, pos=pixel(pad, (2.0, 2.0)))
    assert state.edit.amount(B) == 0 and state.edit.amount(A) > 1
    assert "is kept" in pad.note.whole
    QTest.keyClick(pad.pad, Qt.Key.Key_Home)
    assert state.edit.empty and state.edit.keep == (B,)


def test_that_regions_are_labelled_as_the_classifier_labels(studio: Studio, pad: PadPanel) -> None:
    studio.state.commit("beside", Edit({"Hat": 2.0}))
    planes, regions = studio.state.model.planes, pad.pad.regions()
    assert len(regions) >= 3
    for signs, corners in regions.items():
        inside = np.mean(corners, axis=0)
        logits = planes.logits(plane_of(pad).code(inside))
        assert tuple(bool(logits[planes.index(name)] > 0) for name in (A, B)) == signs


def test_that_small_faces_and_the_one_under_the_pointer_are_drawn(
    studio: Studio, pad: PadPanel, qtbot: QtBot
) -> None:
    square, codec = pad.pad, studio.inference._codec
    qtbot.waitUntil(
        lambda: len(square.pictures) == CELLS**2 and all(p is not None for p in square.pictures), timeout=WAIT
    )
    places = square.cell_places(pad._reach)
    top_right = codec.decode(plane_of(pad).code(places[CELLS - 1])[None])[0].astype(int)
    assert np.abs(square.pictures[CELLS - 1] - top_right).max() <= 1
    assert (places[CELLS - 1] > 0).all(), "the second amount grows upwards"

    at = pixel(pad, (2.0, 1.0))
    QTest.mouseMove(square, at - QPoint(9, 9))
    QTest.mouseMove(square, at)
    qtbot.waitUntil(lambda: pad._shown == pad._serial > 0, timeout=WAIT)
    x, y = square.place(QPointF(at))
    expected = codec.decode(plane_of(pad).code((x, y))[None])[0].astype(int)
    assert np.abs(pad.preview.image - expected).max() <= 1
    assert studio.state.edit.empty, "pointing edits nothing"
    QTest.mousePress(square, BUTTON, pos=at)
    assert pad.preview.image is None and pad._serial == pad._shown, "a drag asks for no pictures of its own"
    QTest.mouseRelease(square, BUTTON, pos=at)

    pad.faces.click()
    assert square.pictures == []


def test_that_the_pad_says_what_it_lacks(studio: Studio, pad: PadPanel) -> None:
    pad.second.setCurrentText(A)
    assert pad.names == (B, A), "choosing the other's direction swaps them"
    model = studio.state.model
    rows = [model.planes.index(A), len(model.planes.names) - 1]
    one = Hyperplanes((A, "fake"), model.planes.w[rows], model.planes.b[rows])
    studio.state.set_planes("only one", one)
    assert pad.empty.isVisible() and "two directions" in pad.empty.text() and not pad.second.isEnabled()
    studio.state.undo_stack.undo()
    assert not pad.empty.isVisible() and pad.plane is not None
