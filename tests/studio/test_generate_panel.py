"""The Generate workspace, through the real thread and a tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from introvac_studio.messages import SamplingEnd
from introvac_studio.panels.generate import GeneratePanel
from introvac_studio.state import ModelInfo, StudioState
from introvac_studio.workers.sampling import SamplingThread
from trainer.latent import sigmoid

# The offscreen platform warns of every top-level window.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def model_info(path: Path) -> ModelInfo:
    from trainer.codec import Codec

    codec = Codec(path, "cpu")
    return ModelInfo(1, path, "tiny", codec.planes, codec.card, codec.digest, 32, 8, "none", "cpu, 2 threads")


@pytest.fixture
def state(qapp, tiny_model) -> StudioState:
    state = StudioState()
    state.set_model(model_info(tiny_model))
    return state


@pytest.fixture
def panel(state, qtbot) -> Iterator[GeneratePanel]:
    panel, thread = GeneratePanel(state), SamplingThread()
    qtbot.addWidget(panel)
    panel.requested.connect(thread.submit)
    panel.cancelRequested.connect(thread.cancel)
    thread.batchReady.connect(panel.add_batch)
    thread.progressed.connect(panel.show_progress)
    thread.finished_.connect(panel.end)
    panel.resize(1100, 640)
    panel.show()
    qtbot.waitExposed(panel)
    yield panel
    thread.close()


def press(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def wait_for_end(panel: GeneratePanel, qtbot) -> None:
    qtbot.waitUntil(lambda: not panel.cancel_button.isEnabled(), timeout=20_000)


def test_that_sixteen_faces_come_and_all_reach_the_threshold(panel, state, qtbot) -> None:
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.form.wants_of["FacialHair"].set_value("no")
    panel.form.threshold.setValue(55)
    press(panel.generate_button)
    assert panel.cancel_button.isEnabled()
    wait_for_end(panel, qtbot)
    assert panel.gallery.count == 16
    logits = state.model.planes.logits(np.stack([panel.face(i).mu for i in range(16)]))
    assert (sigmoid(logits[:, 0]) >= 0.55).all() and (sigmoid(-logits[:, 1]) >= 0.55).all()
    least = min(float(panel.gallery.caption(i).removeprefix("p ")) for i in range(16))
    assert least >= 0.55
    assert panel.status.text().startswith("accepted 16 of ") and " drawn (" in panel.status.text()
    assert "against √d 2.83" in panel.diagnostics.text() and "cpu, 2 threads" in panel.diagnostics.text()


def test_that_fields_follow_the_recipe_and_what_is_wanted(panel, qtbot) -> None:
    form = panel.form
    assert form.recipe.currentData() == "paper"
    form.recipe.setCurrentIndex(form.recipe.findData("converged"))
    loose = form.steps.value()
    form.wants_of["Eyeglasses"].set_value("yes")
    assert form.steps.value() > loose
    assert form.time == pytest.approx(10, rel=0.02)
    form.recipe.setCurrentIndex(form.recipe.findData("paper"))
    assert form.step_size.value() == pytest.approx(2e-4) and form.steps.value() == 5000
    assert form.step_size.text() == "0.0002"
    assert "May not have converged" in panel.note.text() and panel.note.isVisible()
    form.recipe.setCurrentIndex(form.recipe.findData("converged"))
    assert not panel.note.isVisible()


def test_that_the_request_carries_what_the_form_shows(panel, state, qtbot) -> None:
    form = panel.form
    form.wants_of["FacialHair"].set_value("no")
    form.step_size.setValue(0.125)
    form.steps.setValue(77)
    form.count.setValue(3)
    press(form.dice)
    with qtbot.waitSignal(panel.requested) as caught:
        press(panel.generate_button)
    (wanted,) = caught.args
    assert wanted.wants == {"FacialHair": False} and wanted.count == 3 and wanted.accept == 0.5
    assert (wanted.step_size, wanted.steps, wanted.seed) == (0.125, 77, form.seed.value())
    assert (wanted.model_path, wanted.stamp, wanted.device) == (state.model.path, 1, "auto")
    wait_for_end(panel, qtbot)


def test_that_a_click_sends_a_face_with_its_recipe(panel, state, qtbot) -> None:
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.form.seed.setValue(11)
    press(panel.generate_button)
    wait_for_end(panel, qtbot)
    panel.gallery.grab()
    with qtbot.waitSignal(panel.faceChosen) as caught:
        gallery = panel.gallery
        QTest.mouseClick(gallery.viewport(), Qt.MouseButton.LeftButton, pos=gallery.position(2))
    (face,) = caught.args
    assert face.mu.shape == (8,) and face.mu.dtype == np.float64
    assert face.recipe["model"] == state.model.digest and face.recipe["wants"] == {"Eyeglasses": True}
    assert face.recipe["seed"] == 11 and face.recipe["index"] == 2 and face.recipe["sampler"] == "langevin"
    state.open_face(face)
    assert np.array_equal(state.z, face.mu)


def test_that_cancelling_keeps_the_panel_usable(panel, qtbot) -> None:
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.form.steps.setValue(10_000_000)
    press(panel.generate_button)
    press(panel.cancel_button)
    wait_for_end(panel, qtbot)
    assert panel.status.text().startswith("cancelled") and not panel.banner.isVisible()
    panel.form.fill()
    press(panel.generate_button)
    wait_for_end(panel, qtbot)
    assert panel.gallery.count == 16


def test_that_the_newest_request_alone_fills_the_gallery(panel, qtbot) -> None:
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.form.steps.setValue(10_000_000)
    panel.generate()
    panel.form.fill()
    panel.form.count.setValue(5)
    panel.generate()
    wait_for_end(panel, qtbot)
    assert panel.gallery.count == 5 and not panel.banner.isVisible()


def test_that_a_request_that_cannot_be_served_is_said_in_place(panel, state, tiny_model, qtbot) -> None:
    good = state.model
    state.set_model(ModelInfo(2, Path("/none.safetensors"), *_rest(good)))
    press(panel.generate_button)
    wait_for_end(panel, qtbot)
    assert panel.banner.isVisible() and "none.safetensors" in panel.banner.text()
    assert panel.generate_button.isEnabled()
    state.set_model(good)
    assert not panel.banner.isVisible()
    press(panel.generate_button)
    wait_for_end(panel, qtbot)
    assert panel.gallery.count == 16


def _rest(info: ModelInfo) -> tuple:
    return info.name, info.planes, info.card, info.digest, info.size, info.dim, info.crop, info.device


def test_that_answers_to_an_older_model_are_dropped(panel, state, qtbot) -> None:
    panel.form.steps.setValue(10_000_000)
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    with qtbot.waitSignal(panel.requested) as caught:
        panel.generate()
    state.set_model(None)
    panel.end(SamplingEnd(caught.args[0], 5, 5, error="late"))
    assert not panel.banner.isVisible() and not panel.generate_button.isEnabled()
    assert panel.form.wants == {}


def test_that_an_export_carries_pictures_codes_and_recipe(panel, state, qtbot) -> None:
    assert not panel.export_button.isEnabled()
    panel.form.count.setValue(6)
    press(panel.generate_button)
    wait_for_end(panel, qtbot)
    with qtbot.waitSignal(panel.exportRequested) as caught:
        press(panel.export_button)
    (job,) = caught.args
    assert len(job.sheets["gallery"].rows[0]) == 6
    assert np.array_equal(job.sheets["gallery"].rows[0][1], panel.gallery.image(1))
    assert job.recipe["z"][1] == panel.face(1).mu.tolist() and job.recipe["model"] == state.model.digest
