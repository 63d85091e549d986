"""Directions without training, in the real window: label, fit, add, move, undo, save, load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from introvac_studio import exports
from introvac_studio.direction_dialog import DirectionDialog
from introvac_studio.settings import Settings
from introvac_studio.state import Edit, ModelInfo
from introvac_studio.studio import Studio
from introvac_studio.widgets.label_grid import NO, NONE, YES, LabelGrid
from trainer.directions import extend, load_directions, save_directions

from .conftest import WAIT

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dialog(studio: Studio, qtbot: QtBot) -> DirectionDialog:
    studio.window.actions_["New direction…"].trigger()
    made = studio.directions.dialog
    assert made is not None
    qtbot.waitExposed(made)
    return made


def click(
    grid: LabelGrid, number: int, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    QTest.mouseClick(grid.viewport(), LEFT, modifier, grid.position(number))


def sides(studio: Studio) -> np.ndarray:
    """Labels (N,) by which side of a plane through the codes' middle a face lies on."""
    codes = studio.state.codes
    along = codes @ np.linspace(-1, 1, codes.shape[1])
    return (along > np.median(along)).astype(np.int8)


def fit(dialog: DirectionDialog, qtbot: QtBot, name: str, labels: np.ndarray) -> None:
    dialog.grid.set_labels(labels)
    dialog.name.setText(name)
    with qtbot.waitSignal(dialog.fitRequested):
        QTest.mouseClick(dialog.fit, LEFT)
    qtbot.waitUntil(lambda: dialog.fitted is not None, timeout=WAIT)


def add(studio: Studio, dialog: DirectionDialog, qtbot: QtBot, name: str) -> None:
    fit(dialog, qtbot, name, sides(studio))
    QTest.mouseClick(dialog.add, LEFT)


def test_that_clicks_and_ranges_label_faces(dialog: DirectionDialog) -> None:
    grid = dialog.grid
    seen = []
    for _ in range(3):
        click(grid, 2)
        seen.append(int(grid.labels[2]))
    assert seen == [YES, NO, NONE]
    click(grid, 1)
    click(grid, 5, Qt.KeyboardModifier.ShiftModifier)
    assert grid.labels.tolist()[:7] == [NONE, YES, YES, YES, YES, YES, NONE]
    assert "✓ 5 yes" in dialog.counts.text() and "43 without" in dialog.counts.text()
    QTest.mouseClick(dialog.back, LEFT)
    assert grid.labels.tolist()[:7] == [NONE, YES, NONE, NONE, NONE, NONE, NONE]


def test_that_keys_label_the_current_face_and_step_on(dialog: DirectionDialog) -> None:
    view = dialog.grid.focusProxy()
    for key in (Qt.Key.Key_Y, Qt.Key.Key_N, Qt.Key.Key_Space, Qt.Key.Key_Space):
        QTest.keyClick(view, key)
    assert dialog.grid.labels.tolist()[:4] == [YES, NO, NO, NONE] and dialog.grid.current == 2
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert dialog.grid.labels[2] == NONE


def test_that_the_filter_shows_faces_of_a_label(dialog: DirectionDialog) -> None:
    click(dialog.grid, 3)
    dialog.shown.setCurrentText("labelled yes")
    assert dialog.grid.visible.tolist() == [3]
    dialog.shown.setCurrentText("labelled no")
    assert not len(dialog.grid.visible)


def test_that_the_button_says_what_a_fit_needs(dialog: DirectionDialog) -> None:
    assert dialog.fit.text() == "Fit (needs 4 more yes and 4 more no)"
    labels = np.full(48, NONE)
    labels[:4], labels[4:7] = YES, NO
    dialog.grid.set_labels(labels)
    assert dialog.fit.text() == "Fit (needs 1 more no)" and not dialog.fit.isEnabled()
    click(dialog.grid, 7)
    click(dialog.grid, 7)
    assert dialog.fit.text() == "Fit (needs a name)"
    dialog.name.setText("Eyeglasses")
    assert not dialog.fit.isEnabled() and "the model has one" in dialog.note.text()
    dialog.name.setText("Left side")
    assert dialog.fit.isEnabled() and dialog.note.text() == "" and not dialog.add.isEnabled()


def test_that_a_fit_says_how_good_it_is_until_a_label_changes(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    fit(dialog, qtbot, "Side", sides(studio))
    assert dialog.fitted is not None
    assert (
        f"Right on {100 * dialog.fitted.accuracy:.0f} % of held-out faces (5 folds)" in dialog.verdict.text()
    )
    assert "would be right on 50 %" in dialog.verdict.text()
    click(dialog.grid, 0)
    assert dialog.fitted is None and not dialog.add.isEnabled() and "fit again" in dialog.verdict.text()


def test_that_the_keyboard_stays_where_it_fits(studio: Studio, dialog: DirectionDialog, qtbot: QtBot) -> None:
    dialog.name.setText("Side")
    dialog.grid.set_labels(sides(studio))
    dialog.fit.setFocus()
    qtbot.waitUntil(dialog.fit.hasFocus)
    for _ in range(2):  # the second one while the first is answered
        qtbot.keyClick(dialog.fit, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: dialog.fitted is not None, timeout=WAIT)
    assert dialog.fit.hasFocus() and dialog.isVisible()


def test_that_an_answer_to_older_labels_is_dropped(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    dialog.grid.set_labels(sides(studio))
    dialog.name.setText("Side")
    with qtbot.waitSignal(studio.directions.thread_.answered, timeout=WAIT):
        dialog.ask()
        click(dialog.grid, 0)
    assert dialog.fitted is None and not dialog.add.isEnabled()


def test_that_an_added_direction_gets_a_slider_that_moves_the_face(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    state, editor = studio.state, studio.editor
    state.commit("before", Edit({"Eyeglasses": 2.0}))
    face, mode = state.face, studio.latent.mode.currentText()
    add(studio, dialog, qtbot, "Side")
    assert state.model is not None and state.model.planes.names[-2:] == ("Side", "fake")
    assert state.face is face and state.edit.amount("Eyeglasses") == 2.0
    assert studio.latent.mode.currentText() == mode and studio.latent.attribute.findText("Side") >= 0
    assert editor.horizontal.findText("Side") >= 0 and editor.horizontal.currentText() == "Eyeglasses"

    row = editor.rows["Side"]
    before = state.z
    assert before is not None and row.code.text() == f"p {state.model.planes.probabilities(before)[-2]:.2f}"
    row.box.setValue(3.0)
    assert np.allclose(state.z - before, 3.0 * state.model.planes.normal("Side"))
    qtbot.waitUntil(lambda: row.image.text() != "image –", timeout=WAIT)
    studio.latent.mode.setCurrentText("w/|w| Side")
    assert studio.latent.line() is not None


def test_that_undo_takes_a_direction_away_and_redo_brings_it_back(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    state = studio.state
    add(studio, dialog, qtbot, "Side")
    assert state.undo_stack.undoText() == "add direction Side"
    studio.editor.rows["Side"].box.setValue(3.0)
    state.undo_stack.undo()
    state.undo_stack.undo()
    assert state.added_directions == () and "Side" not in studio.editor.rows and state.edit.empty
    assert studio.latent.mode.findText("w/|w| Side") < 0
    state.undo_stack.redo()
    state.undo_stack.redo()
    assert state.edit.amount("Side") == 3.0 and studio.editor.rows["Side"].slider.value == 3.0


def test_that_labels_survive_closing_and_an_undone_direction(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    click(dialog.grid, 3)
    dialog.name.setText("Half done")
    dialog.reject()
    studio.directions.show_dialog()
    again = studio.directions.dialog
    assert again is not None and again.grid.labels[3] == YES and again.name.text() == "Half done"
    add(studio, again, qtbot, "Side")
    studio.directions.show_dialog()
    assert (studio.directions.dialog.grid.labels == NONE).all()
    studio.directions.dialog.reject()


def test_that_removing_takes_its_part_of_the_edit_along(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    state = studio.state
    add(studio, dialog, qtbot, "Side")
    state.commit("edit", Edit({"Side": 2.0, "Eyeglasses": 1.0}))
    menu = studio.window.menus["Remove direction"]
    menu.aboutToShow.emit()
    assert [a.text() for a in menu.actions()] == ["Side"]
    menu.actions()[0].trigger()
    assert dict(state.edit.amounts) == {"Eyeglasses": 1.0} and state.added_directions == ()
    menu.aboutToShow.emit()
    assert not menu.actions()[0].isEnabled()
    state.undo_stack.undo()
    assert dict(state.edit.amounts) == {"Side": 2.0, "Eyeglasses": 1.0}
    studio.editor.rows["Side"].actions()[0].trigger()
    assert state.added_directions == ()


def test_that_a_model_opened_again_has_its_directions_again(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    state = studio.state
    add(studio, dialog, qtbot, "Side")
    w, face = state.model.planes.w, state.face
    state.commit("edit", Edit({"Side": 2.0, "Hat": 1.0}, keep=("Smiling",)))
    with qtbot.waitSignal(studio.models.opened, timeout=WAIT):
        studio.models.reopen()
    qtbot.waitUntil(lambda: state.codes is not None, timeout=WAIT)
    assert state.added_directions == ("Side",) and np.array_equal(state.model.planes.w, w)
    assert list(studio.editor.rows)[-1] == "Side"
    assert state.face is face and (state.edit.amount("Side"), state.edit.amount("Hat")) == (2, 1)
    assert not state.undo_stack.canUndo(), "the face would go with the step"
    studio.directions.remove("Side")
    assert state.added_directions == () and state.face is face


def test_that_directions_are_there_at_the_next_start_and_rubbish_is_not(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot, settings: Settings
) -> None:
    add(studio, dialog, qtbot, "Side")
    model = studio.state.model
    studio.shut_down()

    def opened() -> ModelInfo:
        """The model as a new start has it."""
        again = Studio("cpu", settings)
        with qtbot.waitSignal(again.models.opened, timeout=WAIT):
            again.open_model(model.path)
        again.window.hide()
        again.shut_down()
        return again.state.model

    found = opened()
    assert found.added == ("Side",) and np.array_equal(found.planes.w, model.planes.w)
    (key,) = (key for key in settings._store.allKeys() if key.startswith("directions/of/"))
    for rubbish in ('{"Side": [[1, 2], 0]}', '{"Side": 3}', '{"": [[], 0]}', "[1]", "?"):
        settings.set(key, rubbish)
        assert opened().added == ()


def test_that_a_recipe_holds_the_added_directions_of_its_edit(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    state = studio.state
    add(studio, dialog, qtbot, "Side")
    assert "directions" not in exports.recipe(state.model, [state.face], Edit({"Eyeglasses": 1.0}))
    note = exports.recipe(state.model, [state.face], Edit({"Side": 1.0}))
    assert note["directions"]["Side"] == {
        "w": state.model.planes.w[-2].tolist(),
        "b": state.model.planes.b[-2],
    }


def test_that_generating_goes_on_beside_an_added_direction(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    add(studio, dialog, qtbot, "Side")
    studio.generate.form.count.setValue(2)
    studio.generate.form.wants_of["fake"].set_value("no")
    with qtbot.waitSignal(studio.generating.sampling.finished_, timeout=WAIT) as ended:
        studio.generate.generate()
    assert ended.args[0].error == "" and studio.generate.gallery.count == 2


def test_that_directions_are_saved_and_loaded(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = studio.state
    add(studio, dialog, qtbot, "Side")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "mine"), ""))
    studio.window.actions_["Save directions…"].trigger()
    path = tmp_path / "mine.npz"
    w = state.model.planes.w.copy()
    studio.directions.remove("Side")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (str(path), ""))
    studio.window.actions_["Load directions…"].trigger()
    assert state.added_directions == ("Side",) and np.array_equal(state.model.planes.w, w)
    count = state.undo_stack.count()
    studio.directions.load(path)
    assert state.undo_stack.count() == count and "nothing" in studio.window.status.text()


def test_that_a_file_of_another_model_is_refused_and_nothing_is_lost(studio: Studio, tmp_path: Path) -> None:
    state = studio.state
    state.commit("edit", Edit({"Eyeglasses": 2.0}))
    model = state.model
    save_directions(tmp_path / "other.npz", model.planes, "0" * 64)
    studio.directions.load(tmp_path / "other.npz")
    assert "belongs to another model" in studio.window.notifications.text
    assert state.model is model and state.edit.amount("Eyeglasses") == 2.0
    studio.directions.save_to(tmp_path / "missing" / "x.npz")
    assert "were not saved" in studio.window.notifications.text
    studio.directions.save_to(tmp_path / "own.npz")
    assert load_directions(tmp_path / "own.npz", model.digest).names == model.planes.names


def test_that_a_table_labels_faces_and_unknown_rows_are_told(
    studio: Studio, dialog: DirectionDialog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = studio.state.faces.names
    table = tmp_path / "labels.csv"
    table.write_text(f"name,Hat\n{names[4]},yes\n{names[9]},no\nnobody.png,1\n", encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (str(table), ""))
    click(dialog.grid, 0)
    QTest.mouseClick(dialog.table, LEFT)
    assert dialog.grid.labels[[0, 4, 9]].tolist() == [YES, YES, NO]
    assert "labels of 2 of the 48 faces" in dialog.note.text()
    assert "1 row names no face here: nobody.png" in dialog.note.text()
    table.write_text("name,Hat\nnobody.png,1\n", encoding="utf-8")
    QTest.mouseClick(dialog.table, LEFT)
    assert "labels no face" in dialog.note.text() and dialog.grid.labels[0] == YES


def test_that_labels_of_the_data_are_a_start(studio: Studio, dialog: DirectionDialog) -> None:
    faces = studio.state.faces
    column = next(k for k, n in enumerate(faces.attributes) if n not in studio.state.model.attributes)
    dialog.known.menu().actions()[column].trigger()
    assert np.array_equal(dialog.grid.labels, faces.labels[:, column])
    assert dialog.name.text() == faces.attributes[column]


def test_that_faces_without_codes_cannot_be_labelled_yet(studio: Studio) -> None:
    studio.state.set_codes(None)
    studio.directions.show_dialog()
    assert studio.directions.dialog is None and "still being encoded" in studio.window.notifications.text
    studio.state.set_faces(None)
    studio.directions.show_dialog()
    assert studio.directions.dialog is None and "Faces from" in studio.window.notifications.text


def test_that_many_sliders_scroll_and_the_new_one_is_in_sight(
    studio: Studio, dialog: DirectionDialog, qtbot: QtBot
) -> None:
    add(studio, dialog, qtbot, "Side")
    model = studio.state.model
    w = np.eye(model.dim)
    planes = model.planes
    for k in range(12):
        planes = extend(planes, f"Axis {k}", w[k], 0.0)
    studio.state.set_planes("many", planes)
    row, editor = studio.editor.rows["Axis 11"], studio.editor
    qtbot.waitUntil(lambda: row.visibleRegion().boundingRect() == row.rect(), timeout=WAIT)
    bottom = editor.export.mapTo(editor.window(), editor.export.rect().bottomLeft()).y()
    assert bottom < studio.window.height() and editor.rows["Eyeglasses"].visibleRegion().isEmpty()
