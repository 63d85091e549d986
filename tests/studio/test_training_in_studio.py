"""A run from the window's own form: real thread, real child, plots, snapshot, close."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

import trainer
from introvac_studio.data_summary import DataChoice
from introvac_studio.studio import Studio
from tests.conftest import TINY
from trainer import modelfile

from .conftest import WAIT


def click(qtbot: QtBot, button: QPushButton) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def ready(studio: Studio, tmp_path: Path) -> Studio:
    """The Train workspace with a tiny, long `quick` run filled in."""
    studio.window.show_workspace("train")
    panel = studio.runs.training.run_panel
    panel._root = tmp_path
    studio.runs.training.set_choice(DataChoice("avatars:96"))
    values = {k: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for k, v in TINY.items()}
    panel.form.set_values(values | {"epochs": "900", "warmup_epochs": "800"})
    panel.name.setText("run")
    panel.name.textEdited.emit("run")
    return studio


def start(studio: Studio, qtbot: QtBot) -> psutil.Process:
    """Press Start, and wait until points have arrived in the plots."""
    training = studio.runs.training
    click(qtbot, training.run_panel.start)
    curves = training.losses.plots.curves
    qtbot.waitUntil(lambda: "kl" in curves and len(curves["kl"]) > 3, timeout=WAIT)
    assert studio.runs.thread_ is not None and studio.runs.thread_.pid is not None
    return psutil.Process(studio.runs.thread_.pid)


def test_that_a_run_draws_pauses_resumes_and_stops(ready: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    child = start(ready, qtbot)
    panel, curves = ready.runs.training.run_panel, ready.runs.training.losses.plots.curves
    click(qtbot, panel.pause)
    qtbot.waitUntil(lambda: panel.phase == "paused", timeout=WAIT)
    drawn = len(curves["kl"])
    click(qtbot, panel.pause)
    qtbot.waitUntil(lambda: panel.phase == "running" and len(curves["kl"]) > drawn + 3, timeout=WAIT)
    assert list(curves["kl"].steps) == sorted(set(curves["kl"].steps))
    assert ready.window.run_status.text()
    with qtbot.waitSignal(ready.runs.idle, timeout=WAIT):
        click(qtbot, panel.stop)
    assert not child.is_running()
    step = modelfile.read_card(tmp_path / "run" / "model.safetensors").step
    assert panel.bar.value() == step and panel.state.text().startswith(f"Step {step:,} of "), (
        "not of the save"
    )
    assert trainer.load(tmp_path / "run" / "model.safetensors").attributes == ("Eyeglasses", "FacialHair")


def test_that_a_model_in_training_opens_in_the_editor(ready: Studio, qtbot: QtBot, tmp_path: Path) -> None:
    child = start(ready, qtbot)
    click(qtbot, ready.runs.training.run_panel.edit)
    state = ready.state
    path = tmp_path / "run" / "model.safetensors"
    qtbot.waitUntil(lambda: state.model is not None and state.model.path == path, timeout=WAIT)
    assert ready.window.workspace == "edit" and child.is_running()
    qtbot.waitUntil(lambda: state.codes is not None and ready.editor.picture is not None, timeout=WAIT)
    assert ready.editor.picture.shape == (32, 32, 3)
    assert ready.runs.running


def test_that_closing_asks_stops_the_child_and_leaves_a_run_to_resume(
    ready: Studio, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start(ready, qtbot)
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    asked: list[str] = []

    def question(parent: object, title: str, text: str, *rest: object) -> QMessageBox.StandardButton:
        asked.append(text)
        return answers[len(asked) - 1]

    monkeypatch.setattr(QMessageBox, "question", question)
    ready.window.close()
    assert ready.window.isVisible() and ready.runs.running and "resumed" in asked[0]
    ready.window.close()
    qtbot.waitUntil(lambda: not ready.window.isVisible(), timeout=WAIT)
    assert len(asked) == 2 and not child.is_running()
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()
    threads = (ready.inference, ready.browsing.thread_, ready.generating.sampling, ready.runs.data_thread)
    assert not any(t.isRunning() for t in threads)


def test_that_a_killed_child_is_said_and_the_window_lives(ready: Studio, qtbot: QtBot) -> None:
    child = start(ready, qtbot)
    with qtbot.waitSignal(ready.runs.idle, timeout=WAIT):
        child.kill()
    panel = ready.runs.training.run_panel
    assert "Training died" in ready.window.notifications.text
    assert "Ended by an error" in panel.state.text() and panel.phase == "ended"
    ready.window.show_workspace("edit")
    assert ready.window.isVisible() and ready.state.model is not None


def test_that_a_run_directory_opens_with_its_curves_and_its_model(
    ready: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    start(ready, qtbot)
    with qtbot.waitSignal(ready.runs.idle, timeout=WAIT):
        click(qtbot, ready.runs.training.run_panel.stop)
    ready.runs.training.new_run()
    assert not ready.runs.training.losses.plots.curves
    ready.open_path(tmp_path / "run")
    plots = ready.runs.training.losses.plots
    qtbot.waitUntil(lambda: len(plots.curves.get("kl", ())) > 3, timeout=WAIT)
    assert ready.window.workspace == "train"
    qtbot.waitUntil(lambda: ready.state.model is not None and ready.state.model.size == 32, timeout=WAIT)
