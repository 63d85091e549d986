"""Generation in the whole window: diagnostics in their dock, and a chain's path in the latent view."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from introvac_studio.settings import Settings
from introvac_studio.studio import Studio

from .conftest import WAIT


@pytest.fixture
def generated(studio: Studio, qtbot: QtBot) -> Studio:
    """The demo model has drawn four faces by MALA and looked at its chains."""
    panel = studio.generate
    studio.window.show_workspace("generate")
    panel.form.sampler.set_value("mala")
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.form.count.setValue(4)
    QTest.mouseClick(panel.generate_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.cancel_button.isEnabled(), timeout=WAIT)
    return studio


def test_that_diagnostics_stand_beside_the_gallery(generated: Studio) -> None:
    view = generated.generate.diagnostics
    assert generated.generate.gallery.count == 4
    assert view.isVisible() and view.verdict.text().startswith("✓  converged")
    assert view.directions["Eyeglasses"].plot.isVisible()
    dock = generated.window.workspaces["generate"].docks["diagnostics"]
    assert dock.isAncestorOf(view) and dock.width() >= 280


def test_that_what_was_chosen_is_there_at_the_next_start(generated: Studio, settings: Settings) -> None:
    told = generated.generate.form.choices
    generated.shut_down()
    again = Studio("cpu", settings)
    form = again.generate.form
    again.window.hide()
    again.shut_down()
    assert form.choices == told and form.sampler.value == "mala" and form.count.value() == 4


def test_that_a_chains_path_opens_in_the_latent_view(generated: Studio, qtbot: QtBot, monkeypatch) -> None:
    shown = []
    real = generated.latent.show_chain

    def show(states, label) -> None:
        shown.append((states, label))
        real(states, label)

    monkeypatch.setattr(generated.latent, "show_chain", show)
    panel = generated.generate
    panel.gallery.set_current(3)
    face = panel.face(3)
    QTest.mouseClick(panel.path_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(shown), timeout=WAIT)
    ((states, label),) = shown
    assert generated.window.workspace == "edit" and generated.latent.isVisible()
    assert label == "generated 4, seed 0" and generated.state.face is not None
    assert (states[-1] == face.mu).all() and (generated.state.face.mu == face.mu).all()


def test_that_a_path_that_comes_after_another_model_is_dropped(
    generated: Studio, qtbot: QtBot, monkeypatch
) -> None:
    shown: list[object] = []
    monkeypatch.setattr(generated.latent, "show_chain", lambda *path: shown.append(path))
    panel = generated.generate
    panel.gallery.set_current(0)
    with qtbot.waitSignal(generated.generating.diagnostics.pathReady, timeout=WAIT):
        panel.path_button.click()
        generated.state.set_model(None)
    assert not shown and generated.window.workspace == "generate"
