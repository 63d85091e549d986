"""The training panel, with real children."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt, QTimer, Slot
from pytestqt.qtbot import QtBot

from introvac_studio.data_summary import DataChoice
from introvac_studio.panels.training import RunRequest, TrainingPanel, default_run
from introvac_studio.workers.child import Ended
from introvac_studio.workers.trainer_thread import TrainerThread, read_run
from tests.conftest import TINY
from trainer import cli, events

LONG = 60_000


class Desk(QObject):
    """Joins a panel and a thread, as the application does."""

    def __init__(self, panel: TrainingPanel) -> None:
        super().__init__()
        self.panel, self.thread_, self.ended = panel, None, False
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.tick)
        panel.startRequested.connect(self.start)
        panel.continueRequested.connect(self.go_on)

    @Slot(object)
    def start(self, request: RunRequest) -> None:
        self.launch(TrainerThread.start_run(request.arguments()))

    @Slot(object)
    def go_on(self, run: Path) -> None:
        self.launch(TrainerThread.resume_run(run))

    def launch(self, thread: TrainerThread) -> None:
        self.thread_, self.ended = thread, False
        panel = self.panel
        thread.happened.connect(panel.on_event)
        thread.ended.connect(panel.on_ended)
        thread.ended.connect(self.on_ended)
        panel.pauseRequested.connect(thread.pause)
        panel.resumeRequested.connect(thread.resume)
        panel.stopRequested.connect(thread.stop)
        panel.snapshotRequested.connect(thread.snapshot)
        thread.start()
        self.timer.start(20)

    @Slot()
    def tick(self) -> None:
        if self.thread_ is not None:
            self.panel.on_losses(self.thread_.drain())

    @Slot(object)
    def on_ended(self, ended: Ended) -> None:
        self.ended = True


@pytest.fixture
def desk(qtbot: QtBot, tmp_path: Path) -> Iterator[Desk]:
    panel = TrainingPanel()
    for widget in (panel.run_panel, panel.losses, panel.samples, panel.log):
        qtbot.addWidget(widget)
        widget.show()
    run = panel.run_panel
    run._root = tmp_path
    run.set_choice(DataChoice("avatars:64"))
    values = {k: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for k, v in TINY.items()}
    run.form.set_values(values)
    run.name.setText("first")
    run.name.textEdited.emit("first")
    desk = Desk(panel)
    yield desk
    desk.timer.stop()
    if desk.thread_ is not None:
        desk.thread_.close()


def click(qtbot: QtBot, button: object) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_that_a_run_shows_points_pauses_gives_a_snapshot_and_stops(desk: Desk, qtbot: QtBot) -> None:
    panel = desk.panel
    run = panel.run_panel
    run.form.set_value("epochs", "400")
    run.form.set_value("warmup_epochs", "300")
    click(qtbot, run.start)
    assert run.phase == "starting"
    qtbot.waitUntil(lambda: len(panel.losses.plots.plots()) >= 3, timeout=LONG)
    qtbot.waitUntil(lambda: panel.samples.shown() is not None, timeout=LONG)
    assert panel.samples.grid.fit() is not None
    click(qtbot, run.pause)
    qtbot.waitUntil(lambda: run.phase == "paused", timeout=LONG)
    with qtbot.waitSignal(panel.openModelRequested, timeout=LONG) as opened:
        click(qtbot, run.edit)
    assert opened.args[0].is_file()
    click(qtbot, run.pause)
    qtbot.waitUntil(lambda: run.phase == "running", timeout=LONG)
    click(qtbot, run.stop)
    qtbot.waitUntil(lambda: desk.ended, timeout=LONG)
    assert run.phase == "ended"
    assert run.start.text() == "Resume this run"
    assert "stopped" in panel.log.text.toPlainText()

    count = len(panel.losses.plots.curves["kl"])
    panel.new_run()
    assert panel.losses.plots.plots() == []
    panel.show_run(run._root / "first", read_run(run._root / "first"))
    assert len(panel.losses.plots.curves["kl"]) >= count
    assert run.form.value("epochs") == "400"
    assert run.phase == "ended"


def test_that_the_space_bar_starts_and_pauses_and_never_stops(desk: Desk, qtbot: QtBot) -> None:
    run = desk.panel.run_panel
    run.form.set_value("epochs", "400")
    run.form.set_value("warmup_epochs", "300")
    run.activateWindow()
    run.start.setFocus()
    qtbot.waitUntil(run.start.hasFocus)
    qtbot.keyClick(run.start, Qt.Key.Key_Space)
    assert run.phase == "starting" and not run.stop.hasFocus()
    qtbot.waitUntil(lambda: run.phase == "running", timeout=LONG)
    run.pause.setFocus()
    qtbot.keyClick(run.pause, Qt.Key.Key_Space)
    assert run.phase == "pausing" and run.pause.hasFocus() and run.pause.text() == "Pausing…"
    qtbot.keyClick(run.pause, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: run.phase == "paused", timeout=LONG)
    assert run.pause.hasFocus() and not desk.ended
    run.stop.setFocus()
    qtbot.keyClick(run.stop, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: desk.ended, timeout=LONG)


def test_that_a_finished_run_is_said_to_be_done(desk: Desk, qtbot: QtBot) -> None:
    run = desk.panel.run_panel
    run.form.set_value("max_steps", "7")  # an epoch of warm-up, and a step of the game
    click(qtbot, run.start)
    qtbot.waitUntil(lambda: desk.ended, timeout=LONG)
    assert run.phase == "done"
    assert "decoder_game" in desk.panel.losses.plots.curves
    assert run.state.text() == "Step 7 of 7. Completed."


def test_that_bad_data_is_told_and_the_form_is_kept(desk: Desk, qtbot: QtBot, tmp_path: Path) -> None:
    run = desk.panel.run_panel
    run.set_choice(DataChoice(f"folder:{tmp_path / 'nowhere'}"))
    values = run.form.values()
    click(qtbot, run.start)
    qtbot.waitUntil(lambda: desk.ended, timeout=LONG)
    assert run.phase == "idle"
    assert "nowhere" in desk.panel.losses.plots._empty.text()
    assert "nowhere" in desk.panel.log.text.toPlainText()
    assert run.form.values() == values
    assert run.name.text() == "first"


def test_that_a_bad_form_cannot_be_started(desk: Desk) -> None:
    run = desk.panel.run_panel
    run.epochs.setText("many")
    run.epochs.textEdited.emit("many")
    assert not run.start.isEnabled()
    assert "epochs" in run.problem.text()
    run.epochs.textEdited.emit("2")
    assert run.start.isEnabled()
    for name in ("a:b", "", "x/y", "dot."):
        run.name.setText(name)
        assert run.problem_text()


def test_that_a_request_is_understood_by_the_command_line(desk: Desk) -> None:
    choice = DataChoice("avatars:64", ("Covered",), ("Covered=Hat|Eyeglasses",), "balanced:2")
    desk.panel.set_choice(choice)
    arguments = desk.panel.run_panel.request().arguments()
    args = cli.parser().parse_args(["train", *arguments])
    assert (args.data, args.derive, args.subset) == (choice.data, list(choice.derive), choice.subset)
    assert f"epochs={TINY['epochs']}" in args.set


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("avatars:64", "quick-avatars-20260102-1"),
        ("folder:/faces/My pics: 2", "quick-My-pics-2-20260102-1"),
        ("folder:/faces/Große Köpfe", "quick-Grosse-Kopfe-20260102-1"),
        ("celeba:/x", "quick-celeba-20260102-1"),
        ("/caches/small.64", "quick-small-64-20260102-1"),
    ],
)
def test_that_run_names_are_portable_and_free(tmp_path: Path, data: str, name: str) -> None:
    today = datetime.date(2026, 1, 2)
    assert default_run(tmp_path, "quick", data, today).name == name
    (tmp_path / name).mkdir()
    assert default_run(tmp_path, "quick", data, today).name == name[:-1] + "2"


def test_that_the_log_says_what_failed(desk: Desk) -> None:
    desk.panel.on_event(events.Notice(level="warning", text="two pictures\nwere skipped"))
    desk.panel.on_event(events.Alert(step=1200, kind="game", text="the encoder sees through all"))
    desk.panel.on_event(events.Failed(text="the disk is full"))
    text = desk.panel.log.text.toPlainText()
    assert "two pictures were skipped" in text and "step 1,200: the encoder sees through all" in text
    assert "the disk is full" in text
