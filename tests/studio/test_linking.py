"""One face and one group, wherever they are shown: in the real window."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from introvac_studio.data_summary import DataChoice, DataRequest, DataSummary
from introvac_studio.messages import SampledBatch, SamplingRequest
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from introvac_studio.widgets.brush import Tool
from introvac_studio.widgets.filmstrip import crossings
from trainer import latent

from .conftest import WAIT
from .test_studio import BUTTON

NO_KEY = Qt.KeyboardModifier.NoModifier
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


def points(studio: Studio) -> np.ndarray:
    """Where the faces' codes are drawn, (N, 2)."""
    assert studio.latent._projection is not None
    return studio.latent._projection.project(studio.state.codes)


def sweep(studio: Studio, low: tuple[float, float], high: tuple[float, float], key=NO_KEY) -> None:
    """Draw a rectangle from corner to corner, in units of the axes."""
    scatter = studio.latent.scatter
    start, end = scatter.position(low), scatter.position(high)
    QTest.mousePress(scatter.viewport(), BUTTON, key, start)
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(scatter.viewport(), start + (end - start) * share)
    QTest.mouseRelease(scatter.viewport(), BUTTON, key, end)


def around(xy: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Corners well outside some points."""
    low, high = xy.min(axis=0) - 0.2, xy.max(axis=0) + 0.2
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def opened(studio: Studio, qtbot: QtBot, row: int) -> None:
    qtbot.waitUntil(lambda: studio.state.row == row, timeout=WAIT)


def test_that_a_face_chosen_anywhere_is_current_everywhere(studio: Studio, qtbot: QtBot) -> None:
    state, gallery, scatter = studio.state, studio.faces.gallery, studio.latent.scatter
    assert gallery.current == state.row >= 0, "the first face too"
    studio.open_row(46)
    opened(studio, qtbot, 46)
    assert gallery.current == 46
    assert gallery.viewport().rect().contains(gallery.position(46)), "scrolled into sight"
    assert scatter._start == pytest.approx(tuple(points(studio)[46]), abs=1e-4)
    at = scatter.position(tuple(points(studio)[7]))
    near = scatter.point_at(at.toPointF())
    QTest.mouseClick(scatter.viewport(), BUTTON, pos=at)
    opened(studio, qtbot, near)
    assert gallery.current == near
    state.undo_stack.undo()
    assert gallery.current == state.row == 46
    studio.browsing.draw()
    qtbot.waitUntil(lambda: state.row == -1, timeout=WAIT)
    assert gallery.current == -1, "a face of elsewhere is none of the thumbnails"


def test_that_pointing_at_a_thumbnail_and_at_its_point_is_the_same(studio: Studio) -> None:
    gallery, latent_view, state = studio.faces.gallery, studio.latent, studio.state
    gallery.hovered.emit(5)
    assert state.hovered == latent_view.scatter.pointed == 5
    assert tuple(latent_view.scatter._halo.getData()) == pytest.approx(tuple(points(studio)[5]), abs=1e-5)
    gallery.hovered.emit(-1)
    assert latent_view.scatter.pointed == -1 and not latent_view.scatter._halo.isVisible()
    at = latent_view.scatter.position(tuple(points(studio)[9]))
    QTest.mouseMove(latent_view.scatter.viewport(), at - QPoint(60, 0))
    QTest.mouseMove(latent_view.scatter.viewport(), at)
    row = latent_view.scatter.point_at(at.toPointF())
    assert gallery.pointed == row and latent_view.bubble.isVisible()
    assert latent_view.bubble.name == state.faces.names[row]


def test_that_brushing_filters_counts_and_is_undone(studio: Studio, qtbot: QtBot) -> None:
    state, gallery, card, scatter = (
        studio.state,
        studio.faces.gallery,
        studio.faces.card,
        studio.latent.scatter,
    )
    xy, steps = points(studio), state.undo_stack.count()
    studio.latent.take_tool(Tool.RECTANGLE)
    right = np.flatnonzero(xy[:, 0] > 0)
    low, high = around(xy[right])
    low = (0.0, low[1])
    sweep(studio, low, high)
    assert state.selection.tolist() == right.tolist() == gallery.visible.tolist()
    assert 0 < len(right) < 48 and state.undo_stack.count() == steps + 1
    assert f"group&nbsp;{len(right)}<" in studio.latent.legend.text()
    assert card.isVisible() and card.text.text() == f"group of {len(right)} of 48"
    shares = {share.name: share for share in card.bars.shares}
    labels = state.faces.labels[:, state.faces.attributes.index("Eyeglasses")]
    assert shares["Eyeglasses"].inside == pytest.approx(labels[right].mean())
    assert shares["Eyeglasses"].overall == pytest.approx(labels.mean())

    one = int(np.flatnonzero(xy[:, 0] <= 0)[0])
    QTest.mouseClick(scatter.viewport(), BUTTON, SHIFT, scatter.position(tuple(xy[one])))
    added = np.setdiff1d(state.selection, right)
    assert len(added) == 1 and len(state.selection) == len(right) + 1
    sweep(studio, low, high, CTRL)
    assert state.selection.tolist() == added.tolist()
    for _ in range(3):
        state.undo_stack.undo()
    assert not len(state.selection) and not card.isVisible() and len(gallery.visible) == 48
    state.undo_stack.redo()
    assert state.selection.tolist() == right.tolist() == gallery.visible.tolist()

    sources = studio.exporting._material(state.model, None, False).sources
    for source in ("group", "visible"):  # what an export takes
        assert {face.name for face in sources[source]} == {state.faces.names[i] for i in right}
    studio.linking.open_mean()
    assert state.face.name == f"mean of {len(right)} faces" and state.row == -1
    assert state.face.mu == pytest.approx(state.codes[right].mean(axis=0), abs=1e-6)
    assert state.selection.tolist() == right.tolist()
    QTest.keyClick(scatter, Qt.Key.Key_Escape)
    assert not len(state.selection) and len(gallery.visible) == 48
    assert studio.window.workspace == "edit"


def test_that_thumbnails_are_picked_into_the_group_and_stay_in_sight(studio: Studio) -> None:
    state, gallery = studio.state, studio.faces.gallery
    face, steps, view = state.face, state.undo_stack.count(), gallery.viewport()
    QTest.mouseClick(view, BUTTON, CTRL, gallery.position(1))
    QTest.mouseClick(view, BUTTON, SHIFT, gallery.position(4))
    QTest.mouseClick(view, BUTTON, CTRL, gallery.position(2))
    assert state.selection.tolist() == [1, 3, 4] and gallery.marked == {1, 3, 4}
    assert len(gallery.visible) == 48 and state.face is face, "picking opens nothing and filters nothing"
    assert studio.latent.scatter._group.tolist() == [1, 3, 4]
    assert state.undo_stack.count() == steps + 1, "picks in a row are one step"
    QTest.keyClick(gallery._view, Qt.Key.Key_Escape)
    assert not len(state.selection)
    state.undo_stack.undo()
    assert state.selection.tolist() == [1, 3, 4], "and clearing them is another"
    assert len(gallery.visible) == 48
    studio.faces.card.only.click()
    assert gallery.visible.tolist() == [1, 3, 4]
    state.undo_stack.undo()
    assert not len(state.selection) and len(gallery.visible) == 48
    state.undo_stack.redo()
    studio.browsing.open("avatars:12:3")
    assert not len(state.selection), "a group belongs to its faces"
    state.undo_stack.undo()
    assert not len(state.selection)


def test_that_examples_of_the_data_page_are_the_same_faces(studio: Studio, qtbot: QtBot) -> None:
    state, data = studio.state, studio.runs.data
    faces, choice = state.faces, DataChoice(studio.state.faces.spec)
    picked = [3, 11, 20]
    data._choice = choice
    data.on_summary(
        DataSummary(
            request=DataRequest(choice),
            size=64,
            crop="none",
            images=48,
            attributes=faces.attributes,
            counts=tuple(int(n) for n in faces.labels.sum(axis=0)),
            splits={"train": 48, "valid": 0, "test": 0},
            selected={"train": 48, "valid": 0, "test": 0},
            chosen=choice.attributes,
            together=np.zeros((2, 2), np.int64),
            examples=faces.images[picked],
            skipped=(),
            names=tuple(faces.names[i] for i in picked),
        )
    )
    studio.window.show_workspace("train")
    studio.window.raise_dock("train", "data")
    QTest.mouseClick(data.examples, BUTTON, pos=data.examples.cell(1).center().toPoint())
    opened(studio, qtbot, 11)
    assert data.examples.current == 1 and studio.faces.gallery.current == 11
    assert state.face.mu == pytest.approx(state.codes[11], abs=1e-3)
    state.hover(20)
    assert data.examples._pointed == 2
    data.examples.hovered.emit(0)
    assert state.hovered == 3


def test_that_the_generated_face_that_is_edited_is_ticked(studio: Studio) -> None:
    generate, state = studio.generate, studio.state
    model = state.model
    request = SamplingRequest(model.path, model.stamp, {}, 2, 0.5, "converged", None, None, 1)
    generate._request = request
    z = np.random.default_rng(1).standard_normal((2, model.dim)).astype(np.float32)
    logits = model.planes.logits(z).astype(np.float32)
    images = np.zeros((2, 64, 64, 3), np.uint8)
    generate.add_batch(SampledBatch(request, z, images, logits, np.arange(2), 2, 2))
    generate.gallery.activated.emit(1)
    assert generate.gallery.marked == {1}
    state.undo_stack.undo()
    assert generate.gallery.marked == frozenset()


def test_that_the_strip_marks_where_code_and_picture_flip(studio: Studio, qtbot: QtBot) -> None:
    editor, strip, state = studio.editor, studio.editor.strip, studio.state
    planes, name = state.model.planes, "Eyeglasses"
    state.commit("beside", Edit({"FacialHair": 1.0}))
    qtbot.waitUntil(lambda: editor.film.logits is not None, timeout=WAIT)
    deltas = np.array(strip.deltas)
    codes = np.stack([state.moved(state.edit.with_amount(name, d)) for d in deltas])
    signs = planes.logits(codes)[:, planes.index(name)] > 0
    assert 0 < signs.sum() < len(signs), "the label flips within the row"
    assert np.array_equal(deltas > strip.flip, signs)
    assert strip._code_p == pytest.approx(planes.probabilities(codes)[:, planes.index(name)])

    codec = studio.inference._codec
    seen = planes.logits(codec.encode(codec.decode(codes))[0])[:, planes.index(name)]
    assert strip._seen_p == pytest.approx(latent.sigmoid(seen), abs=1e-3)
    flips = np.flatnonzero(np.diff(seen > 0))
    assert len(strip.seen_flips) == len(flips) > 0
    for at, i in zip(strip.seen_flips, flips, strict=True):
        assert deltas[i] < at < deltas[i + 1]
    x = strip._x_of(strip.flip)
    assert "logit to 0" in strip.tip_at(QPoint(round(x), 10).toPointF())
    assert f"{strip.flip:+.2f}" in strip.legend and "picture flips" in strip.legend

    state.preview(state.edit.with_amount("FacialHair", 2.0))
    # what is drawn beside another edit says nothing of this one
    qtbot.waitUntil(lambda: strip.seen_flips == (), timeout=WAIT)


def test_that_crossings_lie_between_changes_of_sign() -> None:
    assert crossings((-2, 0, 2, 4), (-1.0, 1.0, 3.0, -1.0)) == pytest.approx((-1.0, 3.5))
    assert crossings((0, 1, 2), (1.0, 2.0, 3.0)) == ()
    assert crossings((0, 1), (0.0, 1.0)) == (0.0,)
