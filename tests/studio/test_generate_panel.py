"""The Generate workspace, through the real thread and a tiny model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from introvac_studio.messages import SamplingEnd, Watch
from introvac_studio.panels.generate import GeneratePanel
from introvac_studio.state import ModelInfo, StudioState
from introvac_studio.workers.diagnostics import DiagnosticsThread
from introvac_studio.workers.sampling import SamplingThread
from trainer.latent import Hyperplanes, sigmoid

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
    panel, thread, beside = GeneratePanel(state), SamplingThread(), DiagnosticsThread(chains=4096)
    qtbot.addWidget(panel)
    qtbot.addWidget(panel.diagnostics)
    panel.requested.connect(thread.submit)
    panel.cancelRequested.connect(thread.cancel)
    thread.planned.connect(panel.show_plan)
    thread.batchReady.connect(panel.add_batch)
    thread.progressed.connect(panel.show_progress)
    thread.finished_.connect(panel.end)
    panel.watchRequested.connect(beside.watch)
    panel.pathRequested.connect(beside.follow)
    panel.cancelRequested.connect(beside.cancel)
    beside.snapshotReady.connect(panel.show_snapshot)
    beside.watchEnded.connect(panel.end_watch)
    beside.pathFailed.connect(panel.say)
    panel.paths = []
    beside.pathReady.connect(panel.paths.append)
    panel.resize(1100, 640)
    panel.show()
    qtbot.waitExposed(panel)
    yield panel
    thread.close()
    beside.close()


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
    assert panel.status.text().startswith("16 of 16 faces from ") and "% accepted)" in panel.status.text()
    assert "against √d 2.83" in panel.summary.text() and "decodes on cpu" in panel.summary.text()


def test_that_fields_follow_the_recipe_and_what_is_wanted(panel, qtbot) -> None:
    form = panel.form
    assert form.recipe.currentData() == "converged", "what is right before what the paper ran"
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


def test_that_choices_come_to_another_form_and_rubbish_changes_nothing(panel, state, qtbot) -> None:
    form = panel.form
    form.sampler.set_value("mala")
    form.wants_of["FacialHair"].set_value("no")
    form.accept_on.set_value("picture")
    form.threshold.setValue(83)
    form.count.setValue(5)
    form.full.setChecked(True)
    told = json.loads(json.dumps(form.choices))
    other_panel = GeneratePanel(state)
    qtbot.addWidget(other_panel)
    other = other_panel.form
    assert other.choices != told
    other.take_up(told)
    assert other.choices == told and other.wants == {"FacialHair": False}
    other.take_up({"wanted": ["?"], "sampler": 3, "threshold": "high", "recipe": "none", "full": True})
    assert other.choices == told
    other.set_planes(None)
    other.set_planes(state.model.planes)
    assert other.wants == {"FacialHair": False}, "a wish waits for a model that has the attribute"
    other.wants_of["FacialHair"].set_value("any")
    other.set_planes(state.model.planes)
    assert other.wants == {}


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
    assert (wanted.sampler, wanted.accept_on, wanted.full) == ("langevin", "code", False)
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


def settle(panel: GeneratePanel, qtbot, sampler: str, recipe: str = "", **wants: str) -> None:
    """Choose, press Generate, and wait for the end of both threads' work."""
    panel.form.sampler.set_value(sampler)
    if recipe:
        panel.form.recipe.setCurrentIndex(panel.form.recipe.findData(recipe))
    for name, box in panel.form.wants_of.items():
        box.set_value(wants.get(name, "any"))
    press(panel.generate_button)
    wait_for_end(panel, qtbot)


def steep(state: StudioState, length: float = 5.0, bias: float = -12.0) -> None:
    """Give the open model one rare attribute of a long w, for the chains beside a run; its file stays."""
    model = state.model
    assert model is not None
    w, b = np.array(model.planes.w), np.array(model.planes.b)
    w[0] *= length / np.linalg.norm(w[0])
    b[0] = bias
    state.set_model(replace(model, stamp=5, planes=Hyperplanes(model.planes.names, w, b)))


@pytest.mark.parametrize("sampler", ["exact", "langevin", "mala"])
def test_that_each_sampler_fills_gallery_and_diagnostics(panel, state, qtbot, sampler) -> None:
    recipe = "converged" if sampler == "langevin" else ""
    settle(panel, qtbot, sampler, recipe, Eyeglasses="yes", FacialHair="no")
    assert panel.gallery.count == 16 and not panel.banner.isVisible()
    view = panel.diagnostics
    assert list(view.directions) == ["Eyeglasses", "FacialHair"]
    assert view.verdict.text().startswith("✓  converged: KS distance"), view.verdict.text()
    assert view.directions["FacialHair"].ks.text().startswith("KS 0.0")
    assert "√d 2.83" in view.radius.wanted.text() and "exact" in view.energy.wanted.text()
    assert view.hint.isHidden()
    assert ("MALA" in panel.summary.text()) == (sampler == "mala")
    recipe_of_face = panel.face(0).recipe
    assert recipe_of_face["sampler"] == sampler and ("steps" in recipe_of_face) == (sampler != "exact")


def test_that_a_run_that_has_not_converged_is_called_so(panel, state, qtbot) -> None:
    steep(state)
    settle(panel, qtbot, "langevin", "paper", Eyeglasses="yes")
    view = panel.diagnostics
    assert view.verdict.text().startswith("✗  not converged: KS distance"), view.verdict.text()
    assert "along Eyeglasses (at most 0.03)" in view.verdict.text()
    assert "“converged”" in view.hint.text() and not view.hint.isHidden()
    settle(panel, qtbot, "exact", Eyeglasses="yes")
    assert view.verdict.text().startswith("✓") and view.hint.isHidden()
    assert "draws of exact" in view.legend.text()


def test_that_without_wants_there_is_nothing_to_converge_to(panel, qtbot) -> None:
    settle(panel, qtbot, "exact")
    assert panel.gallery.count == 16 and panel.gallery.caption(0) == ""
    assert "the prior itself" in panel.diagnostics.verdict.text() and not panel.diagnostics.directions


def test_that_cancelling_stops_the_diagnostics_too(panel, qtbot) -> None:
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.form.steps.setValue(10_000_000)
    press(panel.generate_button)
    press(panel.cancel_button)
    wait_for_end(panel, qtbot)
    assert "cancelled" in panel.diagnostics.verdict.text()
    settle(panel, qtbot, "exact", Eyeglasses="yes")
    assert panel.diagnostics.verdict.text().startswith("✓")


def test_that_diagnostics_which_fail_say_why_and_show_no_old_plots(panel, state, qtbot) -> None:
    view = panel.diagnostics
    assert "is shown here while it runs" in view.page_text
    settle(panel, qtbot, "exact", Eyeglasses="yes")
    assert view.page_text == ""
    flat = Hyperplanes(state.model.planes.names, np.zeros_like(state.model.planes.w), state.model.planes.b)
    real = panel.watchRequested.emit
    panel.generate()
    panel._watch = Watch(panel._request, flat)
    real(panel._watch)
    wait_for_end(panel, qtbot)
    assert "No diagnostics" in view.page_text and "weights are all zero" in view.page_text
    assert panel.gallery.count == 16 and not panel.banner.isVisible()


def test_that_pictures_can_decide(panel, state, qtbot) -> None:
    from trainer.codec import Codec

    panel.form.accept_on.set_value("picture")
    panel.form.count.setValue(4)
    with qtbot.waitSignal(panel.requested) as caught:
        settle(panel, qtbot, "exact", Eyeglasses="yes")
    assert caught.args[0].accept_on == "image"
    assert panel.gallery.count == 4 or "accepted in" in panel.banner.text()
    if panel.gallery.count:
        codec = Codec(state.model.path, "cpu")
        pictures = np.stack([panel.gallery.image(i) for i in range(panel.gallery.count)])
        p = sigmoid(codec.planes.logits(codec.encode(pictures)[0])[:, 0])
        assert (p >= 0.499).all()
        shown = [float(panel.gallery.caption(i).removeprefix("p ")) for i in range(len(p))]
        assert np.allclose(shown, p, atol=0.01)
        assert panel.face(0).recipe["accept_on"] == "image"


def test_that_fields_without_meaning_are_hidden(panel, qtbot) -> None:
    form = panel.form
    form.sampler.set_value("exact")
    assert form.recipe.isHidden() and form.step_size.isHidden() and form.steps.isHidden()
    assert form.full.isHidden() and form.schedule == ("converged", None, None)
    assert "Independent" in form.about.text() and "diffusion time" not in panel.summary.text()
    form.sampler.set_value("mala")
    assert not form.steps.isHidden() and not form.steps.isEnabled() and form.steps.text() == "tuned"
    assert form.schedule == ("converged", None, None)
    form.recipe.setCurrentIndex(form.recipe.findData("own"))
    assert form.steps.isEnabled() and form.schedule == ("converged", 0.5, 200)
    form.full.setChecked(True)
    assert form.in_full and form.schedule == ("converged", 0.5, 200)
    form.sampler.set_value("langevin")
    assert form.recipe.currentData() == "converged" and form.time == pytest.approx(10, rel=0.02)
    form.sampler.set_value("exact")
    assert not form.in_full


def test_that_chains_run_in_all_dimensions_where_asked(panel, qtbot) -> None:
    panel.form.full.setChecked(True)
    panel.form.count.setValue(3)
    settle(panel, qtbot, "langevin", "converged", Eyeglasses="yes")
    assert panel.gallery.count == 3 and panel.face(0).recipe["full"] is True
    assert "chains in 8 dimensions on CPU (NumPy)" in panel.summary.text()


def test_that_the_path_of_a_selected_face_leads_to_it(panel, qtbot) -> None:
    assert not panel.path_button.isEnabled()
    settle(panel, qtbot, "exact", Eyeglasses="yes")
    panel.gallery.set_current(2)
    assert not panel.path_button.isEnabled() and "independent" in panel.path_button.toolTip()
    settle(panel, qtbot, "langevin", "paper", Eyeglasses="yes")
    assert not panel.path_button.isEnabled() and "Select a face" in panel.path_button.toolTip()
    panel.gallery.set_current(2)
    press(panel.path_button)
    qtbot.waitUntil(lambda: bool(panel.paths), timeout=20_000)
    (path,) = panel.paths
    assert path.wanted.face.name == "generated 3, seed 0" and len(path.states) > 2
    assert np.array_equal(path.states[-1].astype(np.float64), panel.face(2).mu)


def test_that_a_threshold_that_nothing_reaches_keeps_what_was_there(panel, state, qtbot) -> None:
    settle(panel, qtbot, "exact", Eyeglasses="yes")
    before = panel.face(3)
    panel.form.threshold.setValue(99)
    settle(panel, qtbot, "exact", Eyeglasses="yes", FacialHair="yes")
    assert "lower accept" in panel.banner.text() and panel.banner.isVisible()
    assert "those of the run before" in panel.banner.text()
    assert panel.gallery.count == 16 and np.array_equal(panel.face(3).mu, before.mu)
    assert panel.face(3).recipe["accept"] == 0.5
    assert panel.generate_button.isEnabled()
    panel.form.threshold.setValue(50)
    settle(panel, qtbot, "exact", FacialHair="yes")
    assert panel.banner.isHidden() and panel.gallery.count == 16


def test_that_an_attribute_without_weights_cannot_be_wanted(panel, state, qtbot) -> None:
    model = state.model
    w = np.array(model.planes.w)
    w[1] = 0
    state.set_model(replace(model, stamp=6, planes=Hyperplanes(model.planes.names, w, model.planes.b)))
    panel.form.wants_of["FacialHair"].set_value("yes")
    assert "weights are all zero" in panel.note.text() and not panel.generate_button.isEnabled()
    panel.form.wants_of["FacialHair"].set_value("any")
    assert panel.generate_button.isEnabled()


def test_that_a_model_without_fakes_does_not_offer_them(panel, state, qtbot) -> None:
    assert panel.form.wants_of["fake"].isEnabled()
    settle(panel, qtbot, "exact", fake="no")
    assert panel.gallery.count == 16 and list(panel.diagnostics.directions) == ["fake"]
    planes = state.model.planes
    state.set_model(
        replace(state.model, stamp=7, planes=Hyperplanes(planes.names, planes.w, planes.b, False))
    )
    assert not panel.form.wants_of["fake"].isEnabled()
    assert "cannot tell fakes" in panel.form.wants_of["fake"].toolTip()
    assert panel.gallery.count == 0


def save_odd(path: Path, w: np.ndarray, b: np.ndarray) -> Path:
    """A model file whose classifier has these rows (K+1, d) and biases (K+1,)."""
    import torch

    from trainer import checkpoint
    from trainer.card import ModelCard
    from trainer.config import ModelConfig
    from trainer.models import IntroVAC

    names = tuple("ABCDEFGHIJKLMNOP"[: len(w) - 1])
    shape = ModelConfig(
        image_size=32, channels=(8, 8, 8), latent_dim=w.shape[1], attributes=names, crop="none"
    )
    torch.manual_seed(7)
    model = IntroVAC(shape)
    with torch.no_grad():
        model.classifier.weight[:] = torch.as_tensor(w)
        model.classifier.bias[:] = torch.as_tensor(b)
    model.game_played = True
    checkpoint.save_model(path, model, ModelCard(name="odd", data="avatars", game_played=True))
    return path


@pytest.fixture
def odd_model(tmp_path) -> Path:
    """Two attributes that exclude each other, the first of them rare."""
    w = np.zeros((3, 8))
    w[:, 0] = (3, -3, 0)
    w[2, 1] = 1
    return save_odd(tmp_path / "odd.safetensors", w, np.array([-9.0, 0, 0]))


def test_that_it_is_said_where_exact_draws_in_another_way(panel, state, odd_model, qtbot) -> None:
    state.set_model(model_info(odd_model))
    settle(panel, qtbot, "exact", A="yes")
    assert "still exact" in panel.note.text() and panel.note.isVisible()
    assert panel.gallery.count == 16 and panel.diagnostics.verdict.text().startswith("✓")
    settle(panel, qtbot, "exact", B="yes")
    assert not panel.note.isVisible()


def test_that_wants_which_exclude_each_other_are_refused(panel, state, odd_model, qtbot) -> None:
    state.set_model(model_info(odd_model))
    settle(panel, qtbot, "exact", B="yes")
    settle(panel, qtbot, "exact", A="yes", B="yes")
    assert "face away from each other" in panel.banner.text()
    assert panel.gallery.count == 16 and panel.generate_button.isEnabled()
    settle(panel, qtbot, "exact", B="yes")
    assert panel.banner.isHidden() and panel.gallery.count == 16


def test_that_a_hopeless_target_falls_back_to_chains_and_says_so(panel, state, tmp_path, qtbot) -> None:
    path = save_odd(tmp_path / "far.safetensors", 5 * np.eye(15, 16), np.full(15, -10.0))
    state.set_model(model_info(path))
    panel.form.threshold.setValue(0)
    panel.form.count.setValue(3)
    settle(panel, qtbot, "exact", **dict.fromkeys("ABCDEFGHIJKLMN", "yes"))
    assert panel.gallery.count == 3 and "MALA chains stand in" in panel.note.text()
    view = panel.diagnostics
    assert "chains of mala" in view.legend.text() and "no exact marginal" in view.verdict.text()
    assert view.directions["A"].ks.text() == "" and len(view.directions) == 14
    panel.gallery.set_current(0)
    press(panel.path_button)
    qtbot.waitUntil(lambda: bool(panel.paths), timeout=20_000)
    assert np.array_equal(panel.paths[0].states[-1].astype(np.float64), panel.face(0).mu)
