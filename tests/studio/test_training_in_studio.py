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
from introvac_studio.settings import Settings
from introvac_studio.studio import Studio
from tests.conftest import TINY
from trainer import modelfile, setup
from trainer.run_files import EVENTS_FILE, write_config

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


def test_that_form_and_run_are_there_at_the_next_start(
    ready: Studio, settings: Settings, qtbot: QtBot, tmp_path: Path
) -> None:
    training = ready.runs.training
    told = training.run_panel.choices
    training.run_panel._root = tmp_path / "other"
    ready.shut_down()

    def again() -> Studio:
        made = Studio("cpu", settings)
        qtbot.addWidget(made.window, before_close_func=lambda window: made.shut_down())
        made.window.show_workspace("train")
        with qtbot.waitExposed(made.window):
            made.show()
        return made

    first = again()
    assert first.runs.training.run_panel.choices == told and told["data"] == "avatars:96"
    assert first.runs.data.choice() == DataChoice("avatars:96") and first.runs.follower is None
    run = tmp_path / "run"
    write_config(run, setup.resolve("quick", data="avatars:96", values=told["values"]))
    (run / EVENTS_FILE).touch()
    first.runs.show_run(run)
    qtbot.waitUntil(lambda: first.runs.training.run_panel.state.text() == "Not finished.", timeout=WAIT)
    first.shut_down()
    second = again()
    panel = second.runs.training.run_panel
    qtbot.waitUntil(lambda: panel.phase == "done" and panel.run == run, timeout=WAIT)
    assert panel.place.text().endswith(tmp_path.name)
    second.runs.training.new_run()
    second.shut_down()
    assert settings.get("training/shown", "?") == ""


def test_that_choices_that_make_no_sense_are_not_taken_up(ready: Studio, tmp_path: Path) -> None:
    panel = ready.runs.training.run_panel
    told = panel.choices
    for found in (
        {},
        {"data": f"folder:{tmp_path / 'gone'}", "attributes": ["Hat"], "derive": [], "subset": "none"},
        {"data": 3, "attributes": "Hat", "preset": "none", "values": [1]},
        {"data": "avatars:5", "attributes": [1], "derive": None, "subset": "none"},
    ):
        panel.take_up(found)
        assert panel.choices == told
    panel.take_up({"values": {"nothing": "1", "epochs": 3, "data": "x"}})
    assert panel.form.values() == {"epochs": "3"}
