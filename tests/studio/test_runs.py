"""The list of runs, runs of other processes, their curves over each other, and alerts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QMimeData, QObject, QPoint, Qt, QUrl, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QLineEdit, QMessageBox, QSystemTrayIcon
from pytestqt.qtbot import QtBot

from introvac_studio.alerting import Alerting
from introvac_studio.data_summary import DataChoice
from introvac_studio.settings import DESKTOP
from introvac_studio.studio import Studio
from introvac_studio.workers import run_list
from introvac_studio.workers.follow import EventTail
from tests.conftest import TINY_ARGUMENTS
from trainer import cli, events
from trainer.control import Control
from trainer.presence import ask, attended
from trainer.run_files import ALIVE_FILE, EVENTS_FILE

from .conftest import WAIT


def train(run: Path, *more: str) -> list[str]:
    return ["train", "--preset", "quick", "--data", "avatars:96", "--attributes", "Eyeglasses,FacialHair",
            "--run", str(run), *TINY_ARGUMENTS, *more]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Path:
    """A folder with a short run."""
    folder = tmp_path_factory.mktemp("trained")
    assert cli.main(train(folder / "one", "--max-steps", "12")) == 0
    return folder


@pytest.fixture
def desk(bare_studio: Studio, trained: Path, tmp_path: Path, qtbot: QtBot) -> Studio:
    """The Train page over a folder with two runs and a broken one."""
    folder = tmp_path / "runs"
    for name in ("one", "two"):
        shutil.copytree(trained / "one", folder / name)
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text("{", encoding="utf-8")
    bare_studio.runs.training.run_panel._root = folder
    bare_studio.runs.browser.set_folder(folder)
    bare_studio.runs.show_list()
    panel = bare_studio.runs.browser.panel
    qtbot.waitUntil(lambda: len(panel.table.rows) == 3, timeout=WAIT)
    return bare_studio


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A long run of another process that knows nothing of the studio."""
    run = tmp_path / "elsewhere"
    command = [
        sys.executable,
        "-m",
        "trainer",
        *train(run, "--set", "epochs=900", "--set", "warmup_epochs=800"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield run
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun's gloo on loopback is tested on POSIX")
def test_that_a_run_of_several_processes_is_followed_and_stopped_as_one(
    bare_studio: Studio, tmp_path: Path, qtbot: QtBot
) -> None:
    """Two ranks under torchrun: one voice, one sign of life, and one word ends them both."""
    run = tmp_path / "joint"
    panel, plots = bare_studio.runs.training.run_panel, bare_studio.runs.training.losses.plots
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    long = train(run, "--set", "epochs=5000", "--set", "warmup_epochs=4000")
    process = subprocess.Popen(
        [*torchrun, "-m", "--", "trainer", *long],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        qtbot.waitUntil(lambda: (run / EVENTS_FILE).exists() or process.poll() is not None, timeout=WAIT)
        bare_studio.open_path(run)
        qtbot.waitUntil(
            lambda: panel.phase == "running" and len(plots.curves.get("kl", ())) > 3, timeout=WAIT
        )
        steps = list(plots.curves["kl"].steps)
        assert steps == sorted(set(steps)), "one rank speaks for all"
        ranks = [p for p in psutil.Process(process.pid).children(recursive=True) if "trainer" in p.cmdline()]
        assert len(ranks) == 2
        sign = json.loads((run / ALIVE_FILE).read_text("utf-8"))
        assert sign["pid"] in {rank.pid for rank in ranks}
        panel.stop.click()
        qtbot.waitUntil(lambda: panel.phase == "ended", timeout=WAIT)
        assert process.wait(timeout=60) == 0 and not any(rank.is_running() for rank in ranks)
        assert "is gone" not in bare_studio.window.notifications.text
        assert not (run / ALIVE_FILE).exists()
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []:
            one.kill()
        process.kill()
        process.wait()


def names(studio: Studio) -> set[str]:
    return {row.summary.name for row in studio.runs.browser.panel.table.rows}


def test_that_a_run_of_another_process_is_followed_paused_stopped_and_resumed(
    bare_studio: Studio, elsewhere: Path, qtbot: QtBot
) -> None:
    runs, training = bare_studio.runs, bare_studio.runs.training
    panel, plots = training.run_panel, training.losses.plots
    qtbot.waitUntil(lambda: (elsewhere / EVENTS_FILE).exists(), timeout=WAIT)
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(elsewhere))])
    enter = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
                            Qt.KeyboardModifier.NoModifier)  # fmt: skip
    QApplication.sendEvent(bare_studio.window, enter)
    assert enter.isAccepted()
    drop = QDropEvent(QPoint(9, 9), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
                      Qt.KeyboardModifier.NoModifier)  # fmt: skip
    QApplication.sendEvent(bare_studio.window, drop)
    qtbot.waitUntil(lambda: len(plots.curves.get("kl", ())) > 3, timeout=WAIT)
    qtbot.waitUntil(lambda: panel.phase == "running", timeout=WAIT)
    assert bare_studio.window.workspace == "train" and not bare_studio.busy
    panel.pause.click()
    qtbot.waitUntil(lambda: panel.phase == "paused", timeout=WAIT)
    drawn = len(plots.curves["kl"])
    panel.pause.click()
    qtbot.waitUntil(lambda: panel.phase == "running" and len(plots.curves["kl"]) > drawn + 2, timeout=WAIT)
    panel.stop.click()
    qtbot.waitUntil(lambda: panel.phase == "ended", timeout=WAIT)
    assert "is gone" not in bare_studio.window.notifications.text
    last = plots.curves["kl"].steps[-1]
    again = subprocess.Popen(
        [sys.executable, "-m", "trainer", "train", "--resume", "--run", str(elsewhere)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        qtbot.waitUntil(
            lambda: panel.phase == "running" and plots.curves["kl"].steps[-1] > last, timeout=WAIT
        )
        steps = list(plots.curves["kl"].steps)
        assert steps == sorted(set(steps))
        again.kill()
        again.wait()
        qtbot.waitUntil(lambda: panel.phase == "ended", timeout=WAIT)
        assert "is gone" in bare_studio.window.notifications.text
    finally:
        again.kill()
        again.wait()
    moved = elsewhere.with_name("moved")
    elsewhere.rename(moved)
    qtbot.waitUntil(lambda: "not there any more" in panel.state.text(), timeout=WAIT)
    moved.rename(elsewhere)
    qtbot.waitUntil(lambda: panel.phase == "ended" and "Not finished" in panel.state.text(), timeout=WAIT)
    assert runs.follower is not None


def test_that_a_growing_file_is_read_by_whole_lines_and_anew_where_it_began_anew(tmp_path: Path) -> None:
    path, tail = tmp_path / EVENTS_FILE, EventTail(tmp_path / EVENTS_FILE)
    lines = [events.to_line(events.Notice(level="info", text=f"täxt {i}", step=i)) + "\n" for i in range(3)]
    raw = "".join(lines).encode()
    cut = raw.index("ä".encode(), len(lines[0].encode())) + 1  # within a letter
    path.write_bytes(raw[:cut])
    assert [e.step for e in tail.read()[1]] == [0]
    assert tail.read() == (False, [])
    path.write_bytes(raw)
    anew, found = tail.read()
    assert not anew and [e.text for e in found] == ["täxt 1", "täxt 2"]  # type: ignore[attr-defined]
    path.write_bytes("".join(reversed(lines)).encode())  # as long, but another
    anew, found = tail.read()
    assert anew and [e.step for e in found] == [2, 1, 0]
    path.write_bytes(lines[2].encode())
    assert tail.read()[0]


def test_that_runs_are_listed_filtered_overlaid_and_shown(desk: Studio, qtbot: QtBot) -> None:
    panel, training = desk.runs.browser.panel, desk.runs.training
    rows = {row.summary.name: row for row in panel.table.rows}
    assert rows["one"].summary.state == "finished" and not rows["one"].thumb.isNull()
    assert rows["broken"].summary.state == "broken"
    panel.filter.setText("avatars one")
    assert panel._filtered.rowCount() == 1
    panel.filter.clear()
    folder = rows["one"].path.parent
    panel.choose([folder / "broken"])
    assert not panel.show_action.isEnabled() and panel.trash_action.isEnabled()
    panel.choose([folder / "one", folder / "two"])
    qtbot.waitUntil(lambda: training.losses.overlaid, timeout=WAIT)
    overlay = training.losses.overlay
    assert {run.name for run in overlay.shown} == {"one", "two"}
    assert "Game losses: encoder, dotted decoder" in [g.title for g in overlay.plots.groups]
    group = next(g for g in overlay.plots.groups if g.key == "kl")
    assert len(group.lines) == 2 and group.lines[0].colour != group.lines[1].colour
    assert len(overlay.plots.curves[group.lines[0].key]) == len(overlay.plots.curves[group.lines[1].key]) > 3
    overlay.back.click()
    assert not training.losses.overlaid and not panel.chosen()
    panel.choose([folder / "two"])
    qtbot.keyClick(panel.view, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: training.run_panel.phase == "done", timeout=WAIT)
    qtbot.waitUntil(lambda: len(training.losses.plots.curves.get("kl", ())) > 3, timeout=WAIT)
    assert training.run_panel.run == folder / "two"


def test_that_a_run_is_cloned_copied_and_deleted(
    desk: Studio, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panel, form = desk.runs.browser.panel, desk.runs.training.run_panel
    folder = tmp_path / "runs"
    panel.choose([folder / "one"])
    panel.command_action.trigger()
    words = QGuiApplication.clipboard().text()
    assert words.startswith("introvac train --preset quick --data avatars:96") and "latent_dim=8" in words
    panel.clone_action.trigger()
    request = form.request()
    assert request.choice == DataChoice("avatars:96") and dict(request.values)["latent_dim"] == "8"
    assert form.phase == "idle" and form.start.isEnabled() and request.run.name == "one-2"
    assert desk.runs.data.choice() == request.choice
    bin_ = tmp_path / "bin"

    def to_trash(run: Path) -> tuple[bool, str]:
        shutil.move(run, bin_)
        return True, str(bin_)

    monkeypatch.setattr(run_list, "_to_trash", to_trash)
    panel.trash_action.trigger()
    qtbot.waitUntil(lambda: names(desk) == {"two", "broken"}, timeout=WAIT)
    toast = desk.window.notifications.toast
    assert toast is not None and "trash" in desk.window.notifications.text
    toast.acted.emit()
    qtbot.waitUntil(lambda: names(desk) == {"one", "two", "broken"}, timeout=WAIT)
    assert (folder / "one" / EVENTS_FILE).is_file()
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    asked: list[str] = []

    def question(parent: object, title: str, text: str, *rest: object) -> QMessageBox.StandardButton:
        asked.append(text)
        return answers[len(asked) - 1]

    monkeypatch.setattr(QMessageBox, "question", question)
    monkeypatch.setattr(run_list, "_to_trash", lambda run: (False, ""))
    panel.choose([folder / "broken"])
    panel.trash_action.trigger()
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=WAIT)
    assert (folder / "broken").exists()
    panel.trash_action.trigger()
    qtbot.waitUntil(lambda: names(desk) == {"one", "two"}, timeout=WAIT)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="a trash of one's own is made with XDG's names"
)
def test_that_the_trash_says_where_a_run_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    run = tmp_path / "run"
    run.mkdir()
    (run / "note").write_text("here")
    gone, place = run_list._to_trash(run)
    if not gone:
        pytest.skip("this system has no trash")
    assert not run.exists() and (Path(place) / "note").read_text() == "here"


def test_that_a_run_is_renamed_in_its_place_and_stays_on_show(desk: Studio, qtbot: QtBot) -> None:
    panel, training = desk.runs.browser.panel, desk.runs.training
    folder = next(row.path.parent for row in panel.table.rows)

    def rename(to: str) -> None:
        """F2, as a user does it."""
        panel.view.setFocus()
        panel.rename_action.trigger()
        editor = panel.view.findChildren(QLineEdit)[-1]  # one before it may not be gone yet
        editor.setText(to)
        qtbot.keyClick(editor, Qt.Key.Key_Return)

    assert panel.rename_action.shortcut().toString() == "F2"
    panel.choose([folder / "two"])
    panel.show_action.trigger()
    qtbot.waitUntil(lambda: training.run_panel.run == folder / "two", timeout=WAIT)
    for wrong, why in (("one", "is taken"), ("nul", "device")):
        rename(wrong)
        qtbot.waitUntil(lambda why=why: why in desk.window.notifications.text, timeout=WAIT)
    rename("three")
    qtbot.waitUntil(lambda: names(desk) == {"one", "three", "broken"}, timeout=WAIT)
    qtbot.waitUntil(lambda: [run.name for run in panel.chosen()] == ["three"], timeout=WAIT)
    qtbot.waitUntil(lambda: training.run_panel.run == folder / "three", timeout=WAIT)
    assert (folder / "three" / EVENTS_FILE).is_file() and not (folder / "two").exists()
    with attended(folder / "three", Control()):
        qtbot.waitUntil(lambda: panel.chosen()[0].active, timeout=WAIT)
        for act, then in ((panel.rename_action, "rename"), (panel.trash_action, "delete")):
            act.trigger()
            assert f"stop it first, then {then} it" in desk.window.notifications.text


def test_that_the_whole_line_of_a_chosen_run_is_marked(desk: Studio, qtbot: QtBot) -> None:
    """By what is drawn: every cell differs from the one in the line above."""
    panel = desk.runs.browser.panel
    view = panel.view
    qtbot.waitUntil(view.isVisible, timeout=WAIT)
    view.selectRow(1)
    view.setFocus()
    picture = view.viewport().grab().toImage()
    scale = picture.devicePixelRatio()

    def colour(row: int, column: int) -> str:
        box = view.visualRect(view.model().index(row, column))
        return picture.pixelColor(round(scale * (box.center().x())), round(scale * (box.top() + 2))).name()

    seen = [c for c in range(9) if view.viewport().rect().contains(view.visualRect(view.model().index(1, c)))]
    assert len(seen) > 3
    assert all(colour(1, c) != colour(0, c) for c in seen)


class FakeTray(QObject):
    messageClicked = Signal()
    activated = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.visible = False

    def show(self) -> None:
        self.visible = True

    def hide(self) -> None:
        self.visible = False

    def showMessage(self, title: str, text: str, icon: QSystemTrayIcon.MessageIcon, wait: int) -> None:
        self.said.append(text)


def test_that_the_desktop_is_told_only_behind_other_windows_and_if_wanted(
    bare_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, settings, tray = bare_studio.window, bare_studio.settings, FakeTray()
    alerting = Alerting(window, settings, lambda parent: tray)  # type: ignore[arg-type, return-value]
    bare_studio.runs.alerted.connect(alerting.alert)
    monkeypatch.setattr(window, "isActiveWindow", lambda: True)
    bare_studio.runs._on_event(events.Alert(kind="diversity", text="much alike"))
    assert not tray.said and "much alike" in window.notifications.text
    monkeypatch.setattr(window, "isActiveWindow", lambda: False)
    bare_studio.runs._on_event(events.Alert(kind="finished", text="complete"))
    assert len(tray.said) == 1 and "complete" in tray.said[0] and tray.visible
    settings.set(DESKTOP, False)
    bare_studio.runs._on_event(events.Alert(kind="game", text="won"))
    assert len(tray.said) == 1 and "won" in window.notifications.text
    rung: list[object] = []
    settings.set(DESKTOP, True)
    monkeypatch.setattr(QApplication, "alert", lambda *of: rung.append(of))
    Alerting(window, settings, lambda parent: None).alert("failed", "error", "")
    assert rung


def test_that_a_stop_can_be_left_for_a_run_from_the_command_line(tmp_path: Path, cache_root: Path) -> None:
    run = tmp_path / "alone"
    command = [sys.executable, "-m", "trainer", *train(run, "--set", "epochs=900"), "--events"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ.copy())
    assert process.stdout is not None and process.stdin is not None
    said = []
    for line in process.stdout:
        said.append(events.from_line(line.decode()))
        if isinstance(said[-1], events.StepLosses) and said[-1].step == 5:
            ask(run, "stop")
    process.stdin.close()
    process.stdout.close()
    assert process.wait() == 0
    assert isinstance(said[-1], events.Finished) and said[-1].reason == "stopped"
