"""The child process that trains: events, commands, ends of every kind, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QObject, Slot
from pytestqt.qtbot import QtBot

from introvac_studio.workers import child as child_module
from introvac_studio.workers.child import Ended
from introvac_studio.workers.trainer_thread import TrainerThread, read_run
from tests.conftest import TINY_ARGUMENTS
from trainer import events

LONG = 60_000


def arguments(run: Path, data: str = "avatars:64", *more: str) -> list[str]:
    return ["--preset", "quick", "--data", data, "--run", str(run), *TINY_ARGUMENTS, *more]


class Ears:
    """What a thread said."""

    def __init__(self, thread: TrainerThread) -> None:
        self.thread = thread
        self.events: list[events.Event] = []
        self.ended: Ended | None = None

    def heard(self, kind: type[events.Event]) -> bool:
        return any(isinstance(event, kind) for event in self.events)


@pytest.fixture
def watch(qtbot: QtBot) -> Iterator[Callable[[TrainerThread], Ears]]:
    class Listener(QObject):
        def __init__(self, ears: Ears) -> None:
            super().__init__()
            self.ears = ears

        @Slot(object)
        def on_event(self, event: events.Event) -> None:
            self.ears.events.append(event)

        @Slot(object)
        def on_ended(self, ended: Ended) -> None:
            self.ears.ended = ended

    made: list[tuple[TrainerThread, Listener]] = []

    def start(thread: TrainerThread) -> Ears:
        ears = Ears(thread)
        listener = Listener(ears)
        thread.happened.connect(listener.on_event)
        thread.ended.connect(listener.on_ended)
        made.append((thread, listener))
        thread.start()
        return ears

    yield start
    for thread, _ in made:
        thread.close(1)
        assert thread.pid is None or not psutil.pid_exists(thread.pid)


def test_that_a_run_pauses_goes_on_stops_and_can_be_resumed(
    qtbot: QtBot, tmp_path: Path, watch: Callable[[TrainerThread], Ears]
) -> None:
    run = tmp_path / "run"
    long = ["--set", "epochs=500", "--set", "warmup_epochs=400"]
    ears = watch(TrainerThread.start_run(arguments(run, "avatars:64", *long)))
    losses: list[events.StepLosses] = []

    def points() -> bool:
        losses.extend(ears.thread.drain())
        return len(losses) >= 3

    qtbot.waitUntil(points, timeout=LONG)
    assert all(isinstance(event, events.StepLosses) for event in losses)
    assert [event.step for event in losses] == sorted(event.step for event in losses)
    assert not ears.heard(events.StepLosses)
    child = psutil.Process(ears.thread.pid)
    if hasattr(signal, "SIGKILL"):
        assert child.nice() >= child_module.NICENESS > 0
    ears.thread.pause()
    qtbot.waitUntil(lambda: ears.heard(events.Paused), timeout=LONG)
    ears.thread.snapshot()
    qtbot.waitUntil(
        lambda: any(isinstance(e, events.CheckpointSaved) and e.kind == "snapshot" for e in ears.events),
        timeout=LONG,
    )
    ears.thread.resume()
    qtbot.waitUntil(lambda: ears.heard(events.Continued), timeout=LONG)
    ears.thread.stop()
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
    assert ears.ended is not None
    assert (ears.ended.reason, ears.ended.exit_code, ears.ended.text) == ("stopped", 0, "")
    assert ears.ended.made == run / "model.safetensors"
    assert ears.ended.made.is_file()
    assert not child.is_running()

    again = watch(TrainerThread.resume_run(run))
    qtbot.waitUntil(lambda: again.heard(events.Resumed), timeout=LONG)
    resumed = next(e for e in again.events if isinstance(e, events.Resumed))
    assert resumed.step > 0
    again.thread.close()
    assert not psutil.pid_exists(again.thread.pid or -1)


def test_that_a_killed_child_is_reported_at_once(
    qtbot: QtBot, tmp_path: Path, watch: Callable[[TrainerThread], Ears]
) -> None:
    ears = watch(TrainerThread.start_run(arguments(tmp_path / "run", "avatars:64", "--set", "epochs=500")))
    qtbot.waitUntil(lambda: ears.heard(events.RunStarted), timeout=LONG)
    psutil.Process(ears.thread.pid).kill()
    began = time.monotonic()
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
    assert time.monotonic() - began < 1  # 0.2 s on an idle machine
    assert ears.ended is not None
    assert ears.ended.reason == "killed"
    assert "died" in ears.ended.text
    assert ears.ended.exit_code != 0


def test_that_bad_data_is_reported_in_one_line(
    qtbot: QtBot, tmp_path: Path, watch: Callable[[TrainerThread], Ears]
) -> None:
    ears = watch(TrainerThread.start_run(arguments(tmp_path / "run", f"folder:{tmp_path / 'nowhere'}")))
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
    assert ears.ended is not None
    assert (ears.ended.reason, ears.ended.exit_code) == ("failed", 2)
    assert "nowhere" in ears.ended.text
    assert "\n" not in ears.ended.text
    assert "Traceback" not in ears.ended.details


def test_that_bad_arguments_are_reported_from_stderr(
    qtbot: QtBot, tmp_path: Path, watch: Callable[[TrainerThread], Ears]
) -> None:
    ears = watch(TrainerThread.start_run(["--preset", "quick", "--set", "nonsense=1"]))
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
    assert ears.ended is not None
    assert ears.ended.reason == "failed"
    assert "nonsense" in ears.ended.text


def test_that_a_deaf_child_is_killed_after_the_wait(
    qtbot: QtBot, tmp_path: Path, watch: Callable[[TrainerThread], Ears]
) -> None:
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("no SIGSTOP here")
    thread = TrainerThread.start_run(arguments(tmp_path / "run", "avatars:64"), stop_wait=0.2)
    ears = watch(thread)
    qtbot.waitUntil(lambda: thread.pid is not None, timeout=LONG)
    child = psutil.Process(thread.pid)
    child.suspend()
    thread.stop()
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
    assert ears.ended is not None
    assert ears.ended.reason == "killed"
    assert not child.is_running()


TALKER = """
import sys, time
from trainer import events

def say(event):
    print(events.to_line(event), flush=True)

say(events.Notice(level="info", text="here"))
sys.stdin.readline()
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    say(events.Progress(what="saving", done=1, total=2))
    time.sleep(0.05)
say(events.Finished(reason="stopped", model=""))
"""


@pytest.mark.parametrize(("seconds", "reason"), [(2.5, "stopped"), (100.0, "killed")])
def test_that_a_child_that_still_saves_is_waited_for_up_to_a_bound(
    qtbot: QtBot,
    watch: Callable[[TrainerThread], Ears],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    reason: str,
) -> None:
    real = child_module._start
    talker = [sys.executable, "-c", TALKER, str(seconds)]
    monkeypatch.setattr(child_module, "_start", lambda command: real(talker))
    monkeypatch.setattr(child_module, "STOP_BOUND", 30.0 if reason == "stopped" else 2.0)
    thread = TrainerThread.start_run([], stop_wait=1.0)
    ears = watch(thread)
    qtbot.waitUntil(lambda: ears.heard(events.Notice), timeout=LONG)
    began = time.monotonic()
    thread.stop()
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
    assert ears.ended is not None
    assert ears.ended.reason == reason
    assert time.monotonic() - began >= 1.9


def test_that_nothing_waits_for_a_child_that_never_started(
    qtbot: QtBot, watch: Callable[[TrainerThread], Ears], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(command: list[str]) -> subprocess.Popen[bytes]:
        raise OSError(12, "no memory")

    monkeypatch.setattr(child_module, "_start", refuse)
    thread = TrainerThread.start_run([], stop_wait=0.05)
    thread.stop()  # before it runs
    ears = watch(thread)
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
    assert ears.ended is not None and "could not be started: no memory" in ears.ended.text
    deadline = thread._deadline
    assert deadline is not None
    deadline.join(10)
    assert thread._deadline is deadline  # none follows


def test_that_a_child_whose_studio_died_saves_and_ends(tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = arguments(run, "avatars:64", "--set", "epochs=500", "--set", "warmup_epochs=400")
    command = [sys.executable, "-m", "trainer", "train", *flags, "--events"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        for line in child.stdout:
            if isinstance(events.from_line(line.decode()), events.StepLosses):
                break
        for end in (child.stdout, child.stderr, child.stdin):
            end.close()
        assert child.wait(60) == 0
    said = read_run(run)
    assert isinstance(said[-1], events.Finished)
    assert (run / "checkpoints" / "last.safetensors").is_file()


def test_that_rows_before_a_resume_that_come_later_are_dropped(tmp_path: Path) -> None:
    def losses(step: int, value: float) -> events.StepLosses:
        return events.StepLosses(
            step=step, losses={"kl": value}, images_per_second=1, seconds_left=None, learning_rate=1,
            memory_bytes=0,
        )  # fmt: skip

    rows: list[events.Event] = [losses(10, 1), losses(20, 2), losses(30, 3), events.Resumed(step=20)]
    rows += [losses(30, 4)]
    text = "\n".join(events.to_line(row) for row in rows) + '\n{"v": 1, "type": "StepLo'
    (tmp_path / "events.jsonl").write_text(text, "utf-8")
    kept = [e for e in read_run(tmp_path) if isinstance(e, events.StepLosses)]
    assert [(e.step, e.losses["kl"]) for e in kept] == [(10, 1), (20, 2), (30, 4)]
    assert read_run(tmp_path / "none") == []


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="the kernel groups no sessions")
def test_that_a_child_gives_way_to_the_studio_across_sessions(
    qtbot: QtBot, tmp_path: Path, watch: Callable[[TrainerThread], Ears]
) -> None:
    thread = TrainerThread.start_run(arguments(tmp_path / "run"))
    ears = watch(thread)
    qtbot.waitUntil(lambda: ears.heard(events.RunStarted), timeout=LONG)
    group = Path(f"/proc/{thread.pid}/autogroup").read_text(encoding="ascii")
    assert group.split()[-1] == str(child_module.NICENESS)
    thread.stop()
    qtbot.waitUntil(lambda: ears.ended is not None, timeout=LONG)
