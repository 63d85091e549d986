"""The run on show: paths of elsewhere, other names, the trash, orders that nobody hears."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from introvac_studio import desktop
from introvac_studio.data_summary import DataChoice
from introvac_studio.studio import Studio
from introvac_studio.workers import run_list
from introvac_studio.workers.follow import FollowThread, Past
from trainer import events, run_summary
from trainer.errors import RunError
from trainer.run_files import BEST_FILE, EVENTS_FILE, MODEL_FILE

from .conftest import WAIT
from .test_runs import desk, names, trained

__all__ = ["desk", "trained"]  # fixtures


def shown(studio: Studio, qtbot: QtBot, name: str) -> Path:
    """A run of the list, on show."""
    panel, form = studio.runs.browser.panel, studio.runs.training.run_panel
    run = next(row.path for row in panel.table.rows if row.summary.name == name)
    studio.runs.show_run(run)
    qtbot.waitUntil(lambda: form.run == run and studio.runs._standing != "", timeout=WAIT)
    return run


def test_that_paths_of_a_followed_run_are_those_from_here(tmp_path: Path, qtbot: QtBot) -> None:
    run = tmp_path / "run"
    run.mkdir()
    at = {"step": 1, "epoch": 1}
    said = [
        events.CheckpointSaved(**at, kind="last", model="runs/first/model.safetensors"),
        events.CheckpointSaved(**at, kind="best", model=r"D:\runs\first\checkpoints\best.safetensors"),
        events.Finished(**at, reason="stopped", model="/mnt/checkpoints/model.safetensors"),
    ]
    (run / EVENTS_FILE).write_text("".join(events.to_line(e) + "\n" for e in said), "utf-8")
    thread = FollowThread(run)
    with qtbot.waitSignal(thread.opened, timeout=WAIT) as opened:
        thread.start()
    past: Past = opened.args[0]
    assert [e.model for e in past.events] == [
        str(run / MODEL_FILE),
        str(run / BEST_FILE),
        str(run / MODEL_FILE),
    ]
    with qtbot.waitSignal(thread.happened, timeout=WAIT) as happened, (run / EVENTS_FILE).open("a") as log:
        log.write(events.to_line(replace(said[0], step=2)) + "\n")
    assert happened.args[0].model == str(run / MODEL_FILE)
    thread.close()


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all"
)
def test_that_a_folder_that_may_not_be_read_hides_no_run(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / EVENTS_FILE).touch()
    assert run_summary.find(tmp_path) == [tmp_path / "run"]


def test_that_what_cannot_be_asked_hides_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lost", "run"):
        (tmp_path / name).mkdir()
        (tmp_path / name / EVENTS_FILE).touch()
    real = Path.is_file

    def asked(path: Path) -> bool:
        if "lost" in path.parts:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "is_file", asked)
    assert run_summary.find(tmp_path) == [tmp_path / "run"]


def test_that_a_new_run_is_followed_by_nobody_and_takes_the_data_chosen_meanwhile(
    desk: Studio, qtbot: QtBot
) -> None:
    runs = desk.runs
    shown(desk, qtbot, "one")
    choice = DataChoice("avatars:64:7", ("Hat",), (), "none")
    runs.data.choiceChanged.emit(choice)
    assert runs.training.run_panel.choice != choice, "the run on show keeps its own"
    runs.data.accepted.emit()
    assert "New run" in desk.window.notifications.text
    runs.training.run_panel.fresh.click()
    assert runs.follower is None and runs.training.run_panel.phase == "idle"
    assert runs.training.run_panel.choice == choice


def test_that_an_order_nobody_hears_leaves_the_run_as_it_was(
    desk: Studio, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, panel = desk.runs, desk.runs.training.run_panel
    run = shown(desk, qtbot, "two")

    def refuses(run: Path, wish: str) -> None:
        raise RunError(f"{run}: is read-only")

    monkeypatch.setattr("introvac_studio.workers.follow.ask", refuses)
    runs._on_stands("running")
    assert panel.phase == "running"
    panel.stop.click()
    assert panel.phase == "stopping"
    qtbot.waitUntil(lambda: panel.phase == "running", timeout=WAIT)
    assert f"{run}: is read-only" in desk.window.notifications.text and panel.stop.isEnabled()


def test_that_a_run_resumes_only_if_nothing_else_was_shown_meanwhile(desk: Studio, qtbot: QtBot) -> None:
    runs = desk.runs
    one, two = (row.path for row in runs.browser.panel.table.rows if row.summary.name in ("one", "two"))
    runs._resume_from_list(one)
    runs.show_run(two)
    qtbot.waitUntil(lambda: runs._standing != "", timeout=WAIT)
    runs.show_run(one)
    qtbot.waitUntil(lambda: runs.training.run_panel.run == one and runs._standing != "", timeout=WAIT)
    assert not runs.running


def test_that_a_renamed_run_keeps_its_open_model(desk: Studio, qtbot: QtBot) -> None:
    run = shown(desk, qtbot, "one")
    with qtbot.waitSignal(desk.models.opened, timeout=WAIT):
        desk.open_model(run / MODEL_FILE)
    desk.runs.browser.thread_.rename(run, "named")
    now = run.with_name("named")
    qtbot.waitUntil(lambda: desk.runs.training.run_panel.run == now, timeout=WAIT)
    state = desk.state
    assert state.model.path == now / MODEL_FILE and state.model.name == "named"
    assert desk.settings.get("model/last", "") == str(now / MODEL_FILE)
    assert str(run) not in " ".join(desk.settings.texts("model/recent"))
    assert desk.window.model_box.currentText().startswith("named")
    with qtbot.waitSignal(desk.models.opened, timeout=WAIT):
        desk.models.reopen()


def test_that_a_run_that_is_about_to_train_is_not_moved(desk: Studio, qtbot: QtBot) -> None:
    panel = desk.runs.browser.panel
    run = next(row.path for row in panel.table.rows if row.summary.name == "one")
    panel.choose([run])
    panel.set_mine(run)
    for action in (panel.rename_action, panel.trash_action):
        action.trigger()
        assert "is in training" in desk.window.notifications.text
        desk.window.notifications.tell("")
    assert run.is_dir()


def test_that_deleting_for_good_takes_all_or_nothing(
    desk: Studio, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = desk.runs.browser.panel
    run = next(row.path for row in panel.table.rows if row.summary.name == "one")
    asked: list[str] = []

    def question(parent: object, title: str, text: str, *rest: object) -> QMessageBox.StandardButton:
        asked.append(text)
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", question)
    monkeypatch.setattr(run_list, "_to_trash", lambda run: (False, "it is in use"))
    real = Path.rename

    def in_use(path: Path, target: Path) -> Path:
        raise PermissionError(13, "in use")

    monkeypatch.setattr(Path, "rename", in_use)
    files = sorted(run.rglob("*"))
    panel.choose([run])
    panel.trash_action.trigger()
    qtbot.waitUntil(lambda: "nothing has changed" in desk.window.notifications.text, timeout=WAIT)
    assert sorted(run.rglob("*")) == files and "it is in use" in asked[0]
    monkeypatch.setattr(Path, "rename", real)
    panel.trash_action.trigger()
    qtbot.waitUntil(lambda: names(desk) == {"two", "broken"}, timeout=WAIT)
    assert not [p for p in run.parent.iterdir() if "one" in p.name]


def test_that_a_page_says_that_its_run_went_and_shows_it_when_it_is_back(
    desk: Studio, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = desk.runs.training.run_panel
    run = shown(desk, qtbot, "one")
    desk.runs._leave()  # as after a run of one's own
    form.set_phase("ended")

    def to_trash(run: Path) -> tuple[bool, str]:
        shutil.move(run, tmp_path / "bin")
        return True, str(tmp_path / "bin")

    monkeypatch.setattr(run_list, "_to_trash", to_trash)
    desk.runs.browser.thread_.trash(run)
    qtbot.waitUntil(lambda: "not there any more" in form.state.text(), timeout=WAIT)
    shutil.move(tmp_path / "bin", run)
    qtbot.waitUntil(lambda: "not there any more" not in form.state.text(), timeout=WAIT)


def test_that_a_command_line_suits_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["introvac", "train", "--run", r"C:\my runs\first"]
    monkeypatch.setattr(sys, "platform", "win32")
    assert desktop.command_line(words) == r'introvac train --run "C:\my runs\first"'
    monkeypatch.setattr(sys, "platform", "linux")
    assert desktop.command_line(words) == r"introvac train --run 'C:\my runs\first'"


def test_that_a_form_takes_no_name_that_a_system_refuses(desk: Studio) -> None:
    form = desk.runs.training.run_panel
    for name, why in (("nul", "device"), ("a" * 300, "255"), ("a/b", "cannot hold"), ("", "Give the run")):
        form.name.setText(name)
        assert why in form.problem_text()
    form.name.setText("fine")
    assert "name" not in form.problem_text()
