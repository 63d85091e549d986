"""A command of `python -m trainer` in a child process, watched by a QThread: events out, commands in.

The child ends by itself when its stdin ends; so it also ends when the studio dies.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import psutil
from PySide6.QtCore import QObject, QThread, Signal, Slot

import trainer
from introvac_studio.language import tr
from trainer import events

log = logging.getLogger(__name__)

STOP_WAIT = 10.0  # seconds of silence after a stop before the child is killed
STOP_BOUND = 60.0  # seconds after a stop at which it is killed even if it still speaks
TAIL_LINES = 200
NICENESS = 10
Reason = Literal["completed", "stopped", "failed", "killed"]


@dataclass(frozen=True)
class Task:
    """What a child does, in words for its end.

    Attributes:
        command: of `python -m trainer`.
        title: begins a sentence, such as "Training".
        after_kill: a sentence on what is left when it was killed.
    """

    command: str
    title: str
    after_kill: str


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        reason: `killed` covers a crash, a kill from outside, and our own after a stop that took too long.
        text: one sentence for a banner; empty when it completed or stopped as asked.
        exit_code: the process's; negative for a signal, None if it never started.
        made: the newest that it reported to have written, if any: weights, or a folder of results.
        details: the last lines of its stderr.
    """

    reason: Reason
    text: str
    exit_code: int | None
    made: Path | None
    details: str = ""


class ChildThread(QThread):
    """Supervises one child.

    Args:
        task: what it does.
        arguments: flags of its command, without `--events`.
        stop_wait: seconds without an event, after a cooperative stop, before a kill; a child that still
            speaks has up to `STOP_BOUND`.

    Signals:
        happened(Event): what it says, in order, less what a subclass takes.
        ended(Ended): last of all, exactly once for each start.
    """

    happened = Signal(object)
    ended = Signal(object)

    def __init__(
        self,
        task: Task,
        arguments: Sequence[str],
        stop_wait: float = STOP_WAIT,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.task = task
        self._arguments = list(arguments)
        self._stop_wait = stop_wait
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[str] = []  # commands from before the child was there
        self._deadline: threading.Timer | None = None
        self._asked = self._heard = 0.0  # when a stop was asked for; when the child last spoke
        self._over = False
        self._we_killed = False

    def take(self, event: events.Event) -> bool:
        """Whether a subclass keeps an event from `happened`; called in this thread."""
        return False

    # -- commands, from any thread --------------------------------------------------------

    @Slot()
    def stop(self) -> None:
        """Ask for an end; after `stop_wait` silent seconds the child is killed."""
        self.send("stop")
        with self._lock:
            if self._over or self._deadline is not None:
                return
            self._asked = self._heard = time.monotonic()
            self._await_silence(self._stop_wait)

    def _await_silence(self, seconds: float) -> None:
        """Look again in so many seconds; the caller holds the lock."""
        self._deadline = threading.Timer(max(seconds, 0.01), self._kill_if_silent)
        self._deadline.daemon = True
        self._deadline.start()

    def _kill_if_silent(self) -> None:
        with self._lock:
            if self._over:
                return
            due = min(self._heard + self._stop_wait, self._asked + max(STOP_BOUND, self._stop_wait))
            left = due - time.monotonic()
            if left > 0 or self._process is None:  # a child that is not there yet finds the stop waiting
                self._await_silence(left if left > 0 else self._stop_wait)
                return
        self.kill()

    def kill(self) -> None:
        """End the child and its own children at once; what it has written stays."""
        with self._lock:
            process = self._process
            if process is None or self._over:
                return
            self._we_killed = True
        _kill_tree(process)

    def close(self, timeout: float | None = None) -> None:
        """Stop, and return when child and thread are gone; kill after `timeout` seconds, else as `stop`."""
        if not self.isRunning():
            return
        self.stop()
        if timeout is not None and not self.wait(round(timeout * 1000)):
            self.kill()
        self.wait()

    @property
    def pid(self) -> int | None:
        """Of the child, once it runs."""
        process = self._process
        return None if process is None else process.pid

    def send(self, wish: str) -> None:
        """Tell the child something on its stdin; one that is not there yet hears it first of all."""
        line = json.dumps({"do": wish})
        with self._lock:
            if self._process is None:
                self._waiting.append(line)
            elif not self._over:
                self._write(line)

    def _write(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        with suppress(OSError):  # the child is gone: `run` reports it
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    # -- the thread -----------------------------------------------------------------------

    def run(self) -> None:
        """Start the child, pass its events on, and say how it ended."""
        command = [sys.executable, "-m", "trainer", self.task.command, *self._arguments, "--events"]
        try:
            process = _start(command)
        except OSError as error:
            with self._lock:
                self._over = True  # there is nothing to kill
                if self._deadline is not None:
                    self._deadline.cancel()
            text = tr(
                "{task} could not be started: {error}",
                task=tr(self.task.title),
                error=error.strerror or error,
            )
            self.ended.emit(Ended("failed", text, None, None))
            return
        assert process.stdout is not None and process.stderr is not None and process.stdin is not None
        with self._lock:
            self._process = process
            for line in self._waiting:
                self._write(line)
            self._waiting.clear()
        helpers = [
            threading.Thread(target=self._read_stderr, args=(process.stderr,), daemon=True),
            threading.Thread(target=_bury, args=(process,), daemon=True),
        ]
        for helper in helpers:
            helper.start()
        outcome = _Outcome()
        for raw in process.stdout:
            self._hear(raw.decode("utf-8", "replace"), outcome)
        for helper in helpers:
            helper.join()
        with self._lock:
            self._over = True
            if self._deadline is not None:
                self._deadline.cancel()
            for pipe in (process.stdin, process.stdout, process.stderr):
                with suppress(OSError):
                    pipe.close()
        self.ended.emit(self._verdict(process.returncode, outcome))

    def _hear(self, line: str, outcome: _Outcome) -> None:
        try:
            event = events.from_line(line)
        except events.EventFormatError as error:
            log.warning("%s", error)
            return
        self._heard = time.monotonic()
        if self.take(event):
            return
        outcome.hear(event)
        self.happened.emit(event)

    def _read_stderr(self, pipe: IO[bytes]) -> None:
        for raw in pipe:
            self._tail.append(raw.decode("utf-8", "replace").rstrip())

    def _verdict(self, code: int, outcome: _Outcome) -> Ended:
        details, task = "\n".join(self._tail), self.task
        if outcome.finished == "completed" and code == 0:
            return Ended("completed", "", code, outcome.made, details)
        if outcome.finished == "stopped" and code in (0, 1):  # 1 where nothing could be kept
            return Ended("stopped", "", code, outcome.made, details)
        if self._we_killed:
            text = tr("{task} did not stop in time and was ended.", task=tr(task.title))
            text = f"{text} {tr(task.after_kill)}"
            return Ended("killed", text, code, outcome.made, details)
        if outcome.failed:
            return Ended("failed", outcome.failed, code, outcome.made, details)
        if code in (0, 1, 2):
            last = next((line for line in reversed(self._tail) if line.strip()), "")
            text = last.removeprefix(f"introvac {task.command}: ")
            text = text or tr("{task} ended without a word (exit {code}).", task=tr(task.title), code=code)
            return Ended("failed", text, code, outcome.made, details)
        text = tr("{task} died ({how}).", task=tr(task.title), how=_death(code))
        text = f"{text} {tr(task.after_kill)}"
        return Ended("killed", text, code, outcome.made, details)


@dataclass
class _Outcome:
    """What a child said that matters at its end."""

    finished: str = ""
    failed: str = ""
    made: Path | None = None

    def hear(self, event: events.Event) -> None:
        if isinstance(event, events.Finished):
            self.finished = event.reason
        elif isinstance(event, events.Evaluated):
            self.finished, self.made = "completed", Path(event.out)
        elif isinstance(event, events.Failed):
            self.failed = event.text
        if isinstance(event, events.CheckpointSaved | events.Finished) and event.model:
            self.made = Path(event.model)


def _death(code: int) -> str:
    name = f"exit code {code:#x}" if code > 0 else f"signal {-code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name if code < 0 else name
    return name + (", perhaps for want of memory" if name == "SIGKILL" else "")


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """A child below the studio's priority, deaf to the terminal's Ctrl+C, that finds our `trainer`."""
    root = str(Path(trainer.__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    environment = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    kinds: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        kinds = {"creationflags": flags | subprocess.CREATE_NEW_PROCESS_GROUP}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, **kinds)
    if sys.platform != "win32":
        with suppress(psutil.Error):
            psutil.Process(process.pid).nice(NICENESS)
        _nice_session(process.pid)
    return process


def _nice_session(pid: int) -> None:
    """Linux schedules sessions against each other where autogrouping is on: `nice` counts only within one."""
    with suppress(OSError):  # another system, or autogrouping is off
        Path(f"/proc/{pid}/autogroup").write_text(f"{NICENESS}\n", encoding="ascii")


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Wait for the child's end, then end what it left behind, so that its pipes close."""
    process.wait()
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its session, of which it was the leader


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    with suppress(psutil.Error):
        top = psutil.Process(process.pid)
        for one in [*top.children(recursive=True), top]:
            with suppress(psutil.Error):
                one.kill()
