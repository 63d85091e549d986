"""Keeping attributes, going until a label holds, refining: in the real window, with the demo model."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt, QThread, QTimer
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from introvac_studio import exports
from introvac_studio.messages import RefineRequest
from introvac_studio.state import Edit
from introvac_studio.studio import Studio
from introvac_studio.widgets.cosine_view import mixed
from trainer import edits
from trainer.latent import Hyperplanes

from .conftest import WAIT
from .test_studio import BUTTON, drag, settled

# The offscreen platform warns of every popup.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

HAT, OTHERS = "Hat", ("Eyeglasses", "FacialHair", "Smiling")


def logits(studio: Studio) -> dict[str, float]:
    planes = studio.state.model.planes
    return dict(zip(planes.names, map(float, planes.logits(studio.state.z)), strict=True))


def assert_kept(before: dict[str, float], after: dict[str, float], names: tuple[str, ...]) -> None:
    for name in names:
        assert abs(after[name] - before[name]) <= 1e-6 * (1 + abs(before[name])), name


def lock(studio: Studio, *names: str) -> None:
    for name in names:
        QTest.mouseClick(studio.editor.rows[name].lock, BUTTON)


def test_that_kept_logits_stay_while_a_slider_moves_another(studio: Studio) -> None:
    before = logits(studio)
    studio.state.commit("free", Edit({HAT: 6.0}))
    free = logits(studio)
    assert max(abs(free[n] - before[n]) for n in OTHERS) > 0.01
    studio.state.reset()
    lock(studio, *OTHERS)
    row = studio.editor.rows[HAT]
    QTest.mouseClick(row.slider, BUTTON, pos=QPoint(round(row.slider.position_of(6.0)), 12))
    assert studio.state.edit.amount(HAT) == pytest.approx(6.0, abs=0.3)
    assert_kept(before, logits(studio), OTHERS)
    left = edits.heading(studio.state.model.planes, HAT, OTHERS).left
    assert row.left.text() == f"{100 * left:.0f} % left" and row.left.isVisible()
    gain = logits(studio)[HAT] - before[HAT]
    row_length = np.linalg.norm(studio.state.model.planes.w[studio.state.model.planes.index(HAT)])
    assert gain == pytest.approx(studio.state.edit.amount(HAT) * row_length * left)


def test_that_drags_and_the_filmstrip_leave_kept_logits_alone(studio: Studio, qtbot: QtBot) -> None:
    editor, before = studio.editor, logits(studio)
    editor.horizontal.setCurrentText(HAT)
    editor.vertical.setCurrentText("FacialHair")
    lock(studio, "Eyeglasses", "Smiling")
    drag(editor.edited, dx=0.3, dy=0.2)
    assert studio.state.edit.amount(HAT) > 1 and studio.state.edit.amount("FacialHair") > 1
    assert_kept(before, logits(studio), ("Eyeglasses", "Smiling"))
    with qtbot.waitSignal(editor.stripRequested) as asked:
        editor.film.request()
    for z in asked.args[0]:
        after = studio.state.model.planes.logits(z)
        assert_kept(before, dict(zip(studio.state.model.planes.names, after, strict=True)), ("Eyeglasses",))
    QTest.mouseClick(editor.strip, BUTTON, pos=editor.strip._cell(8).center().toPoint())
    assert studio.state.edit.amount(HAT) == editor.strip.deltas[8]
    assert_kept(before, logits(studio), ("Eyeglasses", "Smiling"))
    studio.state.commit("flip", studio.state.edit.with_amount(HAT, editor.strip._flip))
    assert logits(studio)[HAT] == pytest.approx(0.0, abs=1e-6)


def test_that_nothing_else_is_computed_during_a_drag(studio: Studio, qtbot: QtBot) -> None:
    state, editor = studio.state, studio.editor
    name = state.model.attributes[0]
    strips: list[object] = []
    studio.inference.stripReady.connect(strips.append)
    state.commit("further", state.edit.with_amount(name, 1.0))  # asks for another strip ...
    state.preview(state.edit.with_amount(name, 2.0))  # ... and a drag begins before it is whole
    qtbot.waitUntil(lambda: editor._frame.serial == state.revision, timeout=WAIT)
    before = len(strips)
    state.preview(state.edit.with_amount(name, 3.0))
    qtbot.waitUntil(lambda: editor._frame.serial == state.revision, timeout=WAIT)
    assert len(strips) == before
    state.commit("drag")
    qtbot.waitUntil(lambda: len(strips) > before, timeout=WAIT)
    for leave in (state.discard_preview, state.reset, lambda: studio.open_row(5)):
        state.preview(state.edit.with_amount(name, 2.5))
        with qtbot.waitSignal(studio.inference.stripReady, timeout=WAIT):
            leave()


def test_that_panels_follow_a_drag_when_its_picture_is_there(studio: Studio, qtbot: QtBot) -> None:
    state, editor = studio.state, studio.editor
    name = state.model.attributes[0]
    box = editor.rows[name].box
    state.preview(state.edit.with_amount(name, 2.0))
    assert box.value() == 0  # the decoder has the processor
    qtbot.waitUntil(lambda: box.value() == 2, timeout=WAIT)
    assert editor._frame.serial == state.revision or state._behind.interval() > 0
    state.preview(state.edit.with_amount(name, 3.0))
    state.commit("drag")
    assert box.value() == 3 and not state._behind.isActive()  # what is settled is shown at once


def test_that_the_latent_handle_slides_past_a_kept_attribute(studio: Studio) -> None:
    before, start = logits(studio), studio.state.z
    lock(studio, "Eyeglasses", HAT)
    studio.latent.scatter.handleMoved.emit(5.0, 5.0)
    studio.latent.scatter.handleReleased.emit()
    assert np.linalg.norm(studio.state.z - start) > 0.5
    assert_kept(before, logits(studio), ("Eyeglasses", HAT))


def test_that_a_kept_attribute_rests_until_its_padlock_opens(studio: Studio) -> None:
    row, editor = studio.editor.rows["Eyeglasses"], studio.editor
    lock(studio, "Eyeglasses")
    assert not row.slider.isEnabled() and not row.box.isEnabled() and not row.until.isEnabled()
    assert row.left.text() == "kept"
    editor.vertical.setCurrentText("nothing")
    drag(editor.edited, dx=0.4, dy=0.0)
    assert studio.state.edit.empty and "Eyeglasses is kept" in editor.hint.whole
    QTest.mouseClick(editor.strip, BUTTON, pos=editor.strip._cell(8).center().toPoint())
    assert studio.state.edit.empty
    lock(studio, "Eyeglasses")
    assert row.slider.isEnabled() and not row.left.isVisible()


def test_that_locks_are_undone_redone_and_reset(studio: Studio) -> None:
    stack, rows = studio.state.undo_stack, studio.editor.rows
    studio.state.commit("hat", Edit({HAT: 6.0}))
    moved = logits(studio)
    lock(studio, "Smiling")
    kept = logits(studio)
    assert stack.undoText() == "keep Smiling" and moved["Smiling"] != kept["Smiling"]
    stack.undo()
    assert not rows["Smiling"].lock.isChecked() and logits(studio) == moved
    stack.redo()
    assert rows["Smiling"].lock.isChecked() and logits(studio) == kept
    studio.state.reset()
    assert not rows["Smiling"].lock.isChecked() and studio.state.edit.keep == ()
    stack.undo()
    assert rows["Smiling"].lock.isChecked() and studio.state.edit.amount(HAT) == 6.0


def test_that_a_lock_that_leaves_nothing_is_refused_and_nothing_is_lost(studio: Studio) -> None:
    planes, state = studio.state.model.planes, studio.state
    w = planes.w.copy()
    w[planes.index("Smiling")] = 2 * w[planes.index(HAT)] - 3 * w[planes.index("Eyeglasses")]
    state.set_planes("dependent", Hyperplanes(planes.names, w, planes.b))
    state.commit("hat", Edit({HAT: 4.0}))
    lock(studio, "Smiling")
    count, before = state.undo_stack.count(), state.z
    lock(studio, "Eyeglasses")
    assert "nothing is left of 'Hat'" in studio.window.notifications.text
    assert not studio.editor.rows["Eyeglasses"].lock.isChecked() and state.edit.keep == ("Smiling",)
    assert state.undo_stack.count() == count and np.array_equal(state.z, before)
    state.commit("no hat", state.edit.with_amount(HAT, 0.0))
    lock(studio, "Eyeglasses")
    row = studio.editor.rows[HAT]
    assert row.left.text() == "0 % left" and not row.slider.isEnabled()
    state.reset()
    assert row.slider.isEnabled()


def test_that_keys_keep_and_ask_until(studio: Studio) -> None:
    row = studio.editor.rows[HAT]
    row.slider.setFocus()
    QTest.keyClick(row.slider, Qt.Key.Key_K)
    assert studio.state.edit.keep == (HAT,)
    QTest.keyClick(row.lock, Qt.Key.Key_K)
    assert studio.state.edit.keep == ()
    QTest.keyClick(row.slider, Qt.Key.Key_U)
    popover = studio.editor.until
    assert popover.isVisible() and popover.attribute == HAT and popover.label.value == "with"
    QTest.keyClick(popover, Qt.Key.Key_Escape)
    assert not popover.isVisible()


def test_that_until_on_the_code_is_one_step_to_the_first_delta_that_holds(studio: Studio) -> None:
    lock(studio, "Smiling")
    before, count = logits(studio), studio.state.undo_stack.count()
    QTest.mouseClick(studio.editor.rows[HAT].until, BUTTON)
    popover = studio.editor.until
    popover.p.setValue(0.9)
    QTest.keyClick(popover.p, Qt.Key.Key_Return)
    assert studio.state.undo_stack.count() == count + 1
    assert logits(studio)[HAT] == pytest.approx(np.log(9), abs=1e-6)
    assert_kept(before, logits(studio), ("Smiling",))
    amount = studio.state.edit.amount(HAT)
    assert studio.editor.hint.whole == f"Hat holds from {amount:+.2f} (p 0.90)"
    said = f"Hat, judged on the code: reached at distance {amount:.2f} with probability 0.900"
    assert studio.window.status.text() == said
    studio.state.undo_stack.undo()
    assert studio.state.edit.amount(HAT) == 0 and "holds" not in studio.editor.hint.whole


def test_that_until_without_goes_the_other_way(studio: Studio) -> None:
    studio.state.commit("glasses", Edit({"Eyeglasses": studio.state.delta}))
    studio.editor.until.asked.emit("FacialHair", False, 0.8, False)
    assert studio.state.edit.amount("FacialHair") <= 0 and studio.state.edit.amount("Eyeglasses") > 0
    assert logits(studio)["FacialHair"] <= -np.log(4) + 1e-6


def test_that_a_label_out_of_reach_is_said_with_the_best(studio: Studio) -> None:
    planes = studio.state.model.planes
    b = planes.b.copy()
    b[planes.index(HAT)] -= 1000
    studio.state.set_planes("far", Hyperplanes(planes.names, planes.w, b))
    studio.editor.until.asked.emit(HAT, True, 0.95, False)
    limit = studio.editor.limit_of(HAT)
    assert studio.state.edit.amount(HAT) == limit
    assert f"Hat not reached, best {limit:+.2f}" in studio.editor.hint.whole
    said = f"not reached, best was probability 0.000 at distance {limit:.2f}"
    assert said in studio.window.status.text()


def test_that_until_on_the_picture_is_searched_in_the_worker(studio: Studio, qtbot: QtBot) -> None:
    state = studio.state
    seen: list[tuple[str, int, int]] = []
    studio.inference.progressed.connect(lambda *args: seen.append(args))
    with qtbot.waitSignal(studio.inference.found, timeout=WAIT):
        studio.editor.until.asked.emit("Eyeglasses", True, 0.8, True)
        state.preview(state.edit)  # a picture asked for meanwhile does not wait for the search
    amount = state.edit.amount("Eyeglasses")
    assert 0 < amount <= studio.editor.limit_of("Eyeglasses")
    assert f"judged on the picture: reached at distance {amount:.2f}" in studio.window.status.text()
    row = studio.editor.rows["Eyeglasses"]
    qtbot.waitUntil(lambda: row.image.text() != "image –", timeout=WAIT)
    assert float(row.image.text().split()[1]) >= 0.8
    assert seen[0][0] == "searching with Eyeglasses" and seen[-1][1] == seen[-1][2]
    assert studio.window.progress.isHidden()


def cancel_once_under_way(studio: Studio, qtbot: QtBot, worker: QThread) -> None:
    """Click Cancel while the worker waits after its first progress."""
    gate = threading.Event()
    worker.progressed.connect(lambda *_: gate.wait(WAIT / 1000), Qt.ConnectionType.DirectConnection)
    qtbot.waitUntil(studio.window.cancel.isVisible, timeout=WAIT)
    studio.window.cancel.click()
    gate.set()


def test_that_a_search_can_be_cancelled(studio: Studio, qtbot: QtBot) -> None:
    with qtbot.waitSignal(studio.inference.found, timeout=WAIT) as found:
        QTimer.singleShot(0, lambda: studio.editor.until.asked.emit("Eyeglasses", True, 0.999, True))
        cancel_once_under_way(studio, qtbot, studio.inference)
    assert found.args[0].reach is None and studio.state.edit.empty
    assert studio.editor.hint.whole == "search stopped" and studio.window.cancel.isHidden()


def test_that_a_result_for_another_edit_is_not_set(studio: Studio, qtbot: QtBot) -> None:
    with qtbot.waitSignal(studio.inference.found, timeout=WAIT):
        studio.editor.until.asked.emit("Eyeglasses", True, 0.8, True)
        studio.state.commit("other", Edit({HAT: 1.0}))
    assert dict(studio.state.edit.amounts) == {HAT: 1.0}
    assert "nothing was set" in studio.editor.hint.whole


def test_that_refining_lowers_the_error_and_toggles_in_single_steps(
    studio: Studio, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("introvac_studio.refining.STEPS", 8)
    state, button = studio.state, studio.editor.refine
    state.commit("keep", Edit({HAT: 2.0}, keep=("Smiling",)))
    mu, edit, count = state.face.mu, state.edit, state.undo_stack.count()
    with qtbot.waitSignal(studio.refining.thread_.finished_, timeout=WAIT) as ended:
        button.click()
        assert not button.isEnabled()
    assert ended.args[0].error == ""
    found = state.face.refinement
    assert found.after < found.before and found.steps == 8
    assert state.undo_stack.count() == count + 1 and state.edit.same(edit) and button.isChecked()
    assert not np.array_equal(state.face.mu, mu) and np.array_equal(found.encoded, mu)
    assert f"{found.before:.4f} → {found.after:.4f}" in studio.editor.hint.whole
    before = np.abs(studio.editor.original.image.astype(float) - reconstruction(studio, qtbot)).mean() / 255
    assert before == pytest.approx(found.after, abs=0.003)
    assert exports.recipe(state.model, [state.face], state.edit)["faces"][0]["refined"]["steps"] == 8
    button.click()
    assert np.array_equal(state.face.mu, mu) and not button.isChecked()
    assert state.undo_stack.count() == count + 2
    button.click()
    assert state.face.refined
    for _ in range(3):
        state.undo_stack.undo()
    assert state.face.refinement is None and not button.isChecked() and button.text() == "Refine"


def reconstruction(studio: Studio, qtbot: QtBot) -> np.ndarray:
    qtbot.waitUntil(lambda: studio.editor._reconstruction is not None, timeout=WAIT)
    return studio.editor.reconstruction.image.astype(float)


def test_that_refining_can_be_cancelled(studio: Studio, qtbot: QtBot) -> None:
    face = studio.state.face
    with qtbot.waitSignal(studio.refining.thread_.finished_, timeout=WAIT) as ended:
        QTimer.singleShot(0, studio.editor.refine.click)
        cancel_once_under_way(studio, qtbot, studio.refining.thread_)
    assert ended.args[0].cancelled and studio.state.face is face
    assert studio.editor.hint.whole == "refining stopped" and studio.editor.refine.isEnabled()


def test_that_a_drag_is_drawn_while_a_refinement_goes_on(studio: Studio, qtbot: QtBot) -> None:
    gate, before = threading.Event(), settled(studio, qtbot)
    studio.refining.thread_.progressed.connect(
        lambda *_: gate.wait(WAIT / 1000), Qt.ConnectionType.DirectConnection
    )
    studio.editor.refine.click()
    studio.state.commit("edit", Edit({HAT: 6.0}))
    assert np.abs(settled(studio, qtbot) - before).mean() > 1
    with qtbot.waitSignal(studio.refining.thread_.finished_, timeout=WAIT):
        studio.refining.thread_.cancel()
        gate.set()
    assert studio.state.edit.amount(HAT) == 6.0


def test_that_other_weights_are_not_refined_with(studio: Studio, qtbot: QtBot, tiny_model: Path) -> None:
    model, face = studio.state.model, studio.state.face
    with qtbot.waitSignal(studio.refining.thread_.finished_, timeout=WAIT) as ended:
        studio.refining.thread_.submit(RefineRequest(model.stamp, tiny_model, model.digest, face, "cpu", 2))
    assert "written again" in ended.args[0].error
    assert "not refined" in studio.window.notifications.text and studio.state.face is face


def test_that_a_face_without_an_original_cannot_be_refined(studio: Studio) -> None:
    studio.state.open_face(replace(studio.state.face, original=None))
    assert not studio.editor.refine.isEnabled()


def test_that_a_walk_towards_wanted_labels_keeps_and_is_one_step(studio: Studio) -> None:
    state, before = studio.state, logits(studio)
    lock(studio, "Smiling")
    count, start = state.undo_stack.count(), state.z
    studio.window.actions_["Towards what is wanted…"].trigger()
    popover = studio.editor.wants
    assert popover.isVisible() and not popover.go.isEnabled() and not popover.fields["Smiling"].isEnabled()
    popover.fields[HAT].set_value("with")
    popover.fields["FacialHair"].set_value("without")
    popover.distance.setValue(6.0)
    popover.go.click()
    after = logits(studio)
    assert after[HAT] > 0 > after["FacialHair"] and state.undo_stack.count() == count + 1
    assert_kept(before, after, ("Smiling",))
    assert np.linalg.norm(state.z - start) <= 6.0 + 1e-9
    wants = {HAT: True, "FacialHair": False}
    assert np.allclose(state.z, edits.ascend(start, state.model.planes, wants, 6.0, ("Smiling",)))
    assert "no FacialHair" in studio.window.status.text()
    state.undo_stack.undo()
    assert np.array_equal(state.z, start)


def saved(studio: Studio, qtbot: QtBot, path: Path, note: dict) -> Path:
    with qtbot.waitSignal(studio.inference.rendered, timeout=WAIT):
        studio.exporting.save_code(path, studio.state.model, studio.state.z, note)
    return path


def reopen(studio: Studio, qtbot: QtBot, path: Path) -> None:
    with qtbot.waitSignal(studio.exporting.thread_.finished_, timeout=WAIT):
        studio.exporting.open_edit(path)


def test_that_a_saved_picture_reopens_the_edit_with_what_it_keeps(
    studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    state = studio.state
    offset = np.random.default_rng(5).standard_normal(state.model.dim)
    state.commit("edit", Edit({HAT: 5.0, "Smiling": -2.0}, offset, ("Eyeglasses", "FacialHair")))
    z, original = state.z, state.face.original
    path = saved(studio, qtbot, tmp_path / "a.png", exports.recipe(state.model, [state.face], state.edit))
    another = replace(state.face, name="another", mu=np.zeros(state.model.dim), original=None)
    state.open_face(another)
    assert state.edit.empty and state.edit.keep == ("Eyeglasses", "FacialHair"), "padlocks stay shut"
    state.open_face(another, Edit())
    reopen(studio, qtbot, path)
    assert np.allclose(state.z, z, atol=1e-5) and state.edit.keep == ("Eyeglasses", "FacialHair")
    assert dict(state.edit.amounts) == {HAT: 5.0, "Smiling": -2.0}
    assert np.array_equal(state.face.original, original)
    assert studio.editor.rows["Eyeglasses"].lock.isChecked()
    state.undo_stack.undo()
    assert state.face.name == "another" and state.edit.empty and state.edit.keep == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "other"}, "made with the model"),
        ({"z": [[1.0, 2.0]]}, "do not fit"),
        ({"deltas": {"Nose": 1.0}}, "unknown attribute 'Nose'"),
        ({"keep": ["Nose"]}, "unknown attribute 'Nose'"),
        ({"deltas": [1]}, "not that of an edited face"),
        ({"faces": []}, "not that of an edited face"),
    ],
)
def test_that_a_recipe_that_does_not_fit_is_said_and_nothing_is_lost(
    studio: Studio, qtbot: QtBot, tmp_path: Path, change: dict, said: str
) -> None:
    state = studio.state
    note = exports.recipe(state.model, [state.face], Edit({HAT: 1.0})) | change
    face = state.face
    reopen(studio, qtbot, saved(studio, qtbot, tmp_path / "a.png", note))
    assert said in studio.window.notifications.text and state.face is face and state.edit.empty


def test_that_a_picture_without_a_recipe_is_said(studio: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    reopen(studio, qtbot, tmp_path / "plain.png")
    assert "plain.png carries no recipe" in studio.window.notifications.text


def test_that_the_cosines_are_shown_with_numbers(studio: Studio) -> None:
    planes = studio.state.model.planes
    QTest.mouseClick(studio.editor.independence, BUTTON)
    popover = studio.editor.cosines
    assert popover.isVisible()
    table, values = popover.table, edits.cosines(planes)
    at = table.cell(0, 2).center().toPoint()
    assert table.text_at(at) == f"Eyeglasses and Smiling: cosine {values[0, 2]:+.3f}"
    assert f"Eyeglasses and Smiling {values[0, 2]:+.2f}" in table.accessibleDescription()
    colour = table.grab().toImage().pixelColor(table.cell(0, 2).topLeft().toPoint() + QPoint(6, 6))
    ground = table.grab().toImage().pixelColor(table.cell(1, 1).topLeft().toPoint() + QPoint(6, 6))
    wanted = mixed(values[0, 2], ground)
    assert abs(colour.red() - wanted.red()) + abs(colour.blue() - wanted.blue()) <= 4
    QTest.keyClick(popover, Qt.Key.Key_Escape)
    assert not popover.isVisible()
