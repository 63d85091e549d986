"""The latent view: what is drawn agrees with the classifier, and a drag edits the face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from introvac_studio.panels.latent import LatentPanel
from introvac_studio.state import Edit, Face, FaceSet, ModelInfo, StudioState
from trainer.card import ModelCard
from trainer.errors import ModelError
from trainer.latent import Hyperplanes

# The offscreen platform warns of every top-level window.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

DIM, COUNT = 16, 200
ATTRIBUTES = ("Eyeglasses", "FacialHair")


def model(bias: float = 0.4, stamp: int = 1) -> ModelInfo:
    w = np.random.default_rng(1).standard_normal((3, DIM))
    planes = Hyperplanes((*ATTRIBUTES, "fake"), w, np.array([bias, -0.2, 0.0]))
    return ModelInfo(stamp, Path("demo"), "demo", planes, ModelCard(), "digest", 8, DIM, "none", "cpu")


def codes_of(info: ModelInfo) -> tuple[np.ndarray, np.ndarray]:
    """Clustered codes and the labels that belong to the clusters."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (COUNT, 2)).astype(np.int8)
    codes = 0.4 * rng.standard_normal((COUNT, DIM))
    for k, name in enumerate(ATTRIBUTES):
        codes += np.where(labels[:, k : k + 1] == 1, 1.5, -1.5) * info.planes.normal(name)
    return codes.astype(np.float32), labels


@pytest.fixture
def state(qapp) -> StudioState:
    state = StudioState()
    open_all(state, model())
    return state


def open_all(state: StudioState, info: ModelInfo) -> None:
    codes, labels = codes_of(info)
    state.set_model(info)
    images = np.zeros((COUNT, 8, 8, 3), np.uint8)
    state.set_faces(FaceSet("drawn", images, tuple(f"face {i}" for i in range(COUNT)), ATTRIBUTES, labels))
    state.set_codes(codes)
    first = int(np.flatnonzero(labels[:, 0] == 0)[0])
    state.open_face(Face("one", codes[first].astype(np.float64)))


@pytest.fixture
def panel(state: StudioState, qtbot) -> LatentPanel:
    panel = LatentPanel(state)
    qtbot.addWidget(panel)
    panel.resize(420, 600)
    panel.show()
    qtbot.waitExposed(panel)
    panel.fit_button.click()
    return panel


def logit(state: StudioState, name: str = "Eyeglasses") -> float:
    return float(state.model.planes.logits(state.z)[state.model.planes.index(name)])


def projected(panel: LatentPanel, state: StudioState) -> np.ndarray:
    return panel._projection.project(state.z)


def press_and_move(panel: LatentPanel, to: tuple[float, float]) -> QPoint:
    view = panel.scatter
    start, end = view.position(view.handle), view.position(to)
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=start)
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(view.viewport(), start + (end - start) * share)
    return end


def test_that_a_drag_across_the_hyperplane_flips_the_logit_in_one_undo_step(panel, state, qtbot) -> None:
    before, steps = state.z, state.undo_stack.count()
    assert logit(state) < 0
    x, y = panel.scatter.handle
    end = press_and_move(panel, (1.6, y))
    assert panel.scatter.dragging and logit(state) > 0
    assert state.undo_stack.count() == steps
    QTest.mouseRelease(panel.scatter.viewport(), Qt.MouseButton.LeftButton, pos=end)
    assert state.undo_stack.count() == steps + 1
    assert logit(state) > 0
    assert panel.scatter.handle == pytest.approx((1.6, y), abs=0.05)
    length = np.linalg.norm(state.model.planes.w[0])
    assert logit(state) / length == pytest.approx(panel.scatter.handle[0], abs=1e-5)
    state.undo_stack.undo()
    assert np.allclose(state.z, before)
    assert panel.scatter.handle == pytest.approx((x, y))


def test_that_a_drag_comes_on_top_of_the_sliders(panel, state) -> None:
    state.commit("slide", Edit({"FacialHair": 1.0}))
    before = state.z
    x, y = panel.scatter.handle
    end = press_and_move(panel, (x + 1, y))
    QTest.mouseRelease(panel.scatter.viewport(), Qt.MouseButton.LeftButton, pos=end)
    assert dict(state.edit.amounts) == {"FacialHair": 1.0}
    moved = state.z - before
    assert moved @ state.model.planes.normal("Eyeglasses") == pytest.approx(1.0, abs=0.05)
    assert np.linalg.norm(moved) == pytest.approx(1.0, abs=0.06)


def test_that_escape_gives_a_drag_up(panel, state) -> None:
    before, steps = state.z, state.undo_stack.count()
    end = press_and_move(panel, (1.0, 0.0))
    QTest.keyClick(panel.scatter, Qt.Key.Key_Escape)
    assert np.allclose(state.z, before) and state.edit.empty
    QTest.mouseRelease(panel.scatter.viewport(), Qt.MouseButton.LeftButton, pos=end)
    assert state.undo_stack.count() == steps


def test_that_arrow_keys_move_by_a_quarter_and_settle(panel, state) -> None:
    start, steps = np.array(panel.scatter.handle), state.undo_stack.count()
    panel.scatter.setFocus()
    QTest.keyClick(panel.scatter, Qt.Key.Key_Right)
    QTest.keyClick(panel.scatter, Qt.Key.Key_Up)
    assert np.array(panel.scatter.handle) == pytest.approx(start + 0.25, abs=1e-5)
    assert state.undo_stack.count() == steps + 2


def test_that_the_handle_follows_an_edit_made_elsewhere(panel, state) -> None:
    x, _ = panel.scatter.handle
    state.preview(Edit({"Eyeglasses": 2.0}))
    assert panel.scatter.handle[0] == pytest.approx(x + 2, abs=1e-5)


@pytest.mark.parametrize("mode", [*ATTRIBUTES, "PCA"])
def test_that_the_drawn_line_agrees_with_the_logits_on_both_sides(panel, state, mode) -> None:
    panel.mode.setCurrentIndex(panel.mode.count() - 1 if mode == "PCA" else ATTRIBUTES.index(mode))
    for k, name in enumerate(ATTRIBUTES):
        panel.attribute.setCurrentText(name)
        projection, line = panel._projection, panel.line()
        ends = panel.scatter.plane_end_points()
        assert ends is not None
        if mode == name:
            assert [x for x, _ in ends] == pytest.approx([0, 0], abs=1e-9)
        middle = np.mean(ends, axis=0)
        normal = np.array([line.nx, line.ny]) / np.hypot(line.nx, line.ny)
        for side in (-0.5, 0.5):
            z = projection.origin + projection.lift(middle + side * normal)
            assert np.sign(state.model.planes.logits(z)[k]) == np.sign(side)


def test_that_the_share_of_the_direction_is_told(panel, state) -> None:
    assert "share of w in this plane 100 %" in panel.share_text.text()
    assert f"{COUNT}\u00a0codes" in panel.share_text.text()
    panel.mode.setCurrentIndex(panel.mode.count() - 1)
    inside = panel._projection.basis @ state.model.planes.normal("Eyeglasses")
    assert f"{100 * float(inside @ inside):.1f} %" in panel.share_text.text()


def test_that_a_plane_out_of_sight_is_said_and_found(panel, state) -> None:
    assert not panel.plane_text.isVisible()
    open_all(state, model(bias=60.0, stamp=2))
    assert panel.plane_text.isVisible() and "outside" in panel.plane_text.text()
    assert panel.scatter.plane_end_points() is None
    panel.zoom_button.click()
    assert panel.scatter.plane_end_points() is not None
    assert not panel.plane_text.isVisible() and not panel.zoom_button.isVisible()


def test_that_a_parallel_plane_is_said(panel, state) -> None:
    info = model(stamp=3)
    w = info.planes.w.copy()
    w[0], w[1] = np.eye(DIM)[0], np.eye(DIM)[1]
    planes = Hyperplanes(info.planes.names, w, info.planes.b)
    codes = np.zeros((40, DIM), np.float32)
    codes[:, 2], codes[:, 3] = np.random.default_rng(0).standard_normal((2, 40))
    state.set_model(ModelInfo(3, info.path, "x", planes, info.card, "d", 8, DIM, "none", "cpu"))
    state.set_codes(codes)
    panel.mode.setCurrentIndex(panel.mode.count() - 1)
    assert "parallel" in panel.plane_text.text()
    assert not panel.zoom_button.isVisible()
    assert "in this plane 0 %" in panel.share_text.text()


def lonely_point(panel: LatentPanel, state: StudioState) -> int:
    """The point furthest from the face's marks, so that nothing lies over it."""
    points = panel._projection.project(state.codes)
    return int(np.argmax(points[:, 0]))


def test_that_hovering_shows_the_face_and_a_click_opens_it(panel, state, qtbot) -> None:
    index = lonely_point(panel, state)
    view = panel.scatter
    at = view.position(tuple(panel._projection.project(state.codes[index])))
    QTest.mouseMove(view.viewport(), at)
    assert panel.bubble.isVisible() and panel.bubble.name == f"face {index}"
    with qtbot.waitSignal(panel.faceActivated) as caught:
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert caught.args == [index]
    QTest.mouseMove(view.viewport(), QPoint(view.width() // 2, 6))
    assert not panel.bubble.isVisible()


def test_that_the_legend_counts_the_labels(panel, state) -> None:
    with_it = int(state.faces.labels[:, 1].sum())
    panel.attribute.setCurrentText("FacialHair")
    assert f">&nbsp;with&nbsp;{with_it}<" in panel.legend.text()
    assert f"without&nbsp;{COUNT - with_it}" in panel.legend.text()


def test_that_an_empty_view_says_what_to_do(panel, state) -> None:
    state.set_codes(np.zeros((5, DIM), np.float32))
    assert panel.empty.isVisible() and "two different codes" in panel.empty.text()
    state.set_codes(None)
    assert "being encoded" in panel.empty.text()
    state.set_faces(None)
    assert "Choose faces" in panel.empty.text()
    state.set_model(None)
    assert "Open a model" in panel.empty.text()


def test_that_projections_are_computed_once_for_the_same_codes(panel, state, monkeypatch) -> None:
    first = panel._projection
    panel.mode.setCurrentIndex(1)
    state.preview(Edit({"Eyeglasses": 1.0}))
    panel.mode.setCurrentIndex(0)
    assert panel._projection is first
    state.set_codes(state.codes)
    assert panel._projection is not first


def test_that_a_chain_is_drawn_and_follows_the_view(panel, state) -> None:
    states = np.random.default_rng(3).standard_normal((30, DIM)) * 3
    panel.show_chain(states, "MALA, <b> chain 4")
    assert np.allclose(panel.scatter.chain, panel._projection.project(states))
    assert panel.chain_text.isVisible() and "&lt;b&gt; chain 4" in panel.chain_text.text()
    seen = panel.scatter.view()
    assert all(seen.contains(*xy) for xy in panel.scatter.chain)
    panel.mode.setCurrentIndex(panel.mode.count() - 1)
    assert np.allclose(panel.scatter.chain, panel._projection.project(states))


@pytest.mark.parametrize("how", ["escape", "button", "model"])
def test_that_a_chain_goes_by_escape_by_its_button_and_with_the_model(panel, state, how) -> None:
    panel.show_chain(np.zeros((4, DIM)), "chain")
    if how == "escape":
        panel.scatter.setFocus()
        QTest.keyClick(panel.scatter, Qt.Key.Key_Escape)
    elif how == "button":
        panel.chain_close.click()
    else:
        open_all(state, model(stamp=2))
    assert panel.scatter.chain is None and not panel.chain_text.isVisible()
    assert not panel.scatter._chain.isVisible()


def test_that_a_chain_that_does_not_fit_is_refused(panel, state) -> None:
    with pytest.raises(ModelError, match="do not fit"):
        panel.show_chain(np.zeros((4, DIM + 1)), "chain")
    state.set_model(None)
    with pytest.raises(ModelError, match="open model"):
        panel.show_chain(np.zeros((4, DIM)), "chain")


def test_that_both_axes_have_equal_units(panel) -> None:
    across, up = panel.scatter.getPlotItem().vb.viewPixelSize()
    assert across == pytest.approx(up, rel=0.02)


def test_that_a_title_of_another_length_stays_amid_its_axis(panel) -> None:
    for text in ("a", "a title that is a good deal longer"):
        panel.scatter.set_titles((text,), (text,))
        axis = panel.scatter.getPlotItem().getAxis("bottom")
        drawn = axis.label.mapRectToParent(axis.label.boundingRect())
        assert drawn.center().x() == pytest.approx(axis.size().width() / 2, abs=2)
