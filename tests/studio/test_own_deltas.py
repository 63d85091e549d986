"""Attributes whose edits go differently far: each slider, drag, search and strip has its own distance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from introvac_studio.state import Edit, ModelInfo
from introvac_studio.studio import Studio
from trainer import checkpoint, directions

from .conftest import WAIT
from .test_studio import BUTTON, drag

# The offscreen platform warns of every popup.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

GLASSES, HAIR = "Eyeglasses", "FacialHair"
DELTA, OWN = 4.0, 1.5


@pytest.fixture
def told(bare_studio: Studio, qtbot: QtBot, tiny_model: Path, tmp_path: Path) -> Studio:
    """A studio with a model that says how far one of its two attributes goes."""
    model, card, _ = checkpoint.load(tiny_model)
    path = tmp_path / "told.safetensors"
    checkpoint.save_model(path, model, replace(card, name="told", delta=DELTA, deltas={GLASSES: OWN}))
    bare_studio.start(path)
    state, editor = bare_studio.state, bare_studio.editor
    qtbot.waitUntil(lambda: state.codes is not None and editor.picture is not None, timeout=WAIT)
    assert model_of(bare_studio).name == "told"
    return bare_studio


def model_of(studio: Studio) -> ModelInfo:
    assert studio.state.model is not None
    return studio.state.model


def test_that_each_slider_goes_to_twice_its_own_delta(told: Studio) -> None:
    for name, delta in ((GLASSES, OWN), (HAIR, DELTA)):
        row = told.editor.rows[name]
        assert told.editor.limit_of(name) == row.slider.limit == row.box.maximum() == 2 * delta
        assert f"{delta:g} is usual" in row.slider.toolTip()
        mark = QPoint(round(row.slider.position_of(delta)), 12)
        assert mark.x() == pytest.approx(9 + 0.75 * (row.slider.width() - 18), abs=1)
        QTest.mouseClick(row.slider, BUTTON, pos=mark)
        assert told.state.edit.amount(name) == pytest.approx(delta, abs=0.03 * delta)


def test_that_a_drag_goes_as_far_as_the_attributes_of_its_axes(told: Studio) -> None:
    told.editor.horizontal.setCurrentText(GLASSES)
    told.editor.vertical.setCurrentText(HAIR)
    drag(told.editor.edited, dx=0.3, dy=0.3)
    assert told.state.edit.amount(GLASSES) == pytest.approx(0.3 * 2 * OWN, rel=0.03)
    assert told.state.edit.amount(HAIR) == pytest.approx(0.3 * 2 * DELTA, rel=0.03)
    drag(told.editor.edited, dx=0.95, dy=0.0)
    assert told.state.edit.amount(GLASSES) == 2 * OWN


def test_that_the_filmstrip_and_its_export_go_as_far_as_its_attribute(told: Studio, qtbot: QtBot) -> None:
    editor = told.editor
    for name, delta in ((HAIR, DELTA), (GLASSES, OWN)):
        with qtbot.waitSignal(editor.stripRequested) as asked:
            editor.horizontal.setCurrentText(name)
            editor.film.request()
        step = asked.args[0][-1] - asked.args[0][0]
        assert np.linalg.norm(step) == pytest.approx(3 * delta)
        qtbot.waitUntil(lambda d=delta: editor.strip.deltas[-1:] == (1.5 * d,), timeout=WAIT)
        QTest.mouseClick(editor.strip, BUTTON, pos=editor.strip._cell(8).center().toPoint())
        assert told.state.edit.amount(name) == 1.5 * delta
        editor.exportRequested.emit()
        dialog = told.exporting.dialog
        assert dialog is not None
        dialog.choose("strip")
        options = dialog.options
        assert options["attribute"] == name and options["to"] == -options["from"] == 1.5 * delta
        dialog.reject()
        told.settings.forget("export/strip")


def test_that_a_search_stops_at_the_attributes_own_bound(told: Studio) -> None:
    planes = model_of(told).planes
    b = planes.b.copy()
    b[:2] -= 1000
    told.state.set_planes("far", replace(planes, b=b))
    for name, delta in ((GLASSES, OWN), (HAIR, DELTA)):
        told.editor.until.asked.emit(name, True, 0.9, False)
        assert told.state.edit.amount(name) == 2 * delta


def test_that_a_walk_may_go_as_far_as_the_longest_slider(told: Studio) -> None:
    told.reaching.ask_wants()
    assert told.editor.wants.distance.maximum() == 2 * DELTA
    assert told.editor.wants.distance.value() == DELTA
    told.editor.wants.close()


def test_that_an_added_direction_has_the_models_delta(told: Studio) -> None:
    planes = model_of(told).planes
    told.state.set_planes("add", directions.extend(planes, "Hat", np.arange(planes.dim) + 1.0, 0.0))
    assert told.state.delta_of("Hat") == DELTA and told.editor.limit_of("Hat") == 2 * DELTA
    assert told.editor.limit_of(GLASSES) == 2 * OWN


def test_that_an_edit_beyond_the_range_is_shown_whole_and_the_next_face_is_not_stretched(
    told: Studio,
) -> None:
    """As a picture brings it that was saved before the model's file had deltas of its own."""
    state, row = told.state, told.editor.rows[GLASSES]
    face = state.face
    assert face is not None
    state.open_face(replace(face, name="before"), Edit({GLASSES: 5.0}))
    assert row.slider.value == row.box.value() == 5.0 == told.editor.limit_of(GLASSES)
    state.open_face(replace(face, name="next"))
    assert told.editor.limit_of(GLASSES) == 2 * OWN
    state.undo_stack.undo()
    assert row.slider.value == 5.0


@pytest.mark.parametrize("delta", [1e308, 5e-324])
def test_that_a_file_with_an_absurd_delta_does_not_break_the_window(told: Studio, delta: float) -> None:
    model = model_of(told)
    told.state.set_model(replace(model, card=replace(model.card, delta=delta, deltas={GLASSES: delta})))
    for name in (GLASSES, HAIR):
        limit = told.editor.limit_of(name)
        assert limit == min(2 * delta, 200.0)
        slider = told.editor.rows[name].slider
        assert np.isfinite([slider.position_of(x) for x in (-limit, 0.0, limit)]).all()
        slider.grab()
