"""The child that trains: how soon it stops, how soon its death is noticed, and what the studio costs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

from PySide6.QtCore import QObject, Slot

from bench.feel_parts.desk import ATTRIBUTES, DATA, Desk, Stream
from bench.feel_parts.rows import Row
from introvac_studio.workers.child import Ended
from trainer.run_files import STATE_FILE

GAME = (("warmup_epochs", "0"),)  # the slower steps, from the first on
FROM, TO = 20, 90  # steps whose pace is compared


class _Ears(QObject):
    """When the studio's window heard that a child had ended."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.at: float | None = None
        self.ended: Ended | None = None
        thread = desk.studio.runs.thread_
        assert thread is not None
        thread.ended.connect(self._on_ended)

    @Slot(object)
    def _on_ended(self, ended: Ended) -> None:
        self.at, self.ended = time.monotonic(), ended


def measure_ends(folder: Path, rounds: int) -> tuple[list[Row], Any]:
    """Rows of runs that are stopped, and of runs whose child is killed, at random moments of a step."""
    desk = Desk(folder)
    desk.window.show_workspace("train")
    raw: dict[str, list[float]] = {"stop": [], "stop in the game": [], "kill": []}
    for k in range(rounds):
        for name, settings in (("stop", ()), ("stop in the game", GAME), ("kill", ())):
            run = desk.train(*settings)
            stream, ears = Stream(desk), _Ears(desk)
            desk.live(0.5 + 0.37 * k)
            begun, wall = time.monotonic(), time.time()
            if name == "kill":
                thread = desk.studio.runs.thread_
                assert thread is not None and thread.pid is not None
                os.kill(thread.pid, signal.SIGKILL)
            else:
                desk.studio.runs.stop()
            desk.until(lambda ears=ears: ears.at is not None)
            desk.until(lambda: not desk.studio.runs.running)
            del stream
            assert ears.at is not None and ears.ended is not None
            if name == "kill":
                assert ears.ended.reason == "killed" and "SIGKILL" in ears.ended.text, ears.ended
            else:
                assert ears.ended.reason == "stopped", ears.ended
                assert (run / STATE_FILE).stat().st_mtime >= wall - 0.01, "no checkpoint was written"
            raw[name].append(ears.at - begun)
    desk.close()
    rows = []
    for name, what, bound in (
        ("stop", "stop to the child's end, checkpoint written", 1.0),
        ("stop in the game", "the same in the game", 1.0),
        ("kill", "a killed child is noticed", 0.2),
    ):
        note = f"slowest of {rounds}; median {median(raw[name]):.2f} s"
        rows.append(Row("ends", what, max(raw[name]), "s", bound, note=note))
    return rows, raw


def _alone(folder: Path, k: int) -> float:
    """Images per second of the same command without a studio."""
    run = folder / f"alone-{k}"
    command = [sys.executable, "-m", "trainer", "train", "--preset", "quick", "--data", DATA, "--events"]
    command += ["--attributes", ",".join(ATTRIBUTES), "--subset", "none", "--run", str(run)]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None and child.stdin is not None
    for line in child.stdout:
        event = json.loads(line)
        if event["type"] == "StepLosses" and event["step"] >= TO:
            break
    child.stdin.close()
    child.stdout.read()
    child.wait()
    return _pace(run)


def _pace(run: Path) -> float:
    """Steps FROM to TO of a run, as images per second of the wall clock."""
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    batch = next(e for e in events if e["type"] == "RunStarted")["config"]["optim"]["batch_size"]
    losses = [e for e in events if e["type"] == "StepLosses" and FROM <= e["step"] <= TO]
    first, last = losses[0], losses[-1]
    return float(batch * (last["step"] - first["step"]) / (last["time"] - first["time"]))


def _watched(desk: Desk, more: int) -> float:
    run = desk.train()
    Stream(desk, more)
    desk.until(lambda: _step(run) >= TO, every=0.5)  # looking costs as well
    desk.stop()
    return _pace(run)


def _step(run: Path) -> int:
    with (run / "events.jsonl").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4000))
        lines = [line for line in file.read().splitlines() if line.startswith(b"{") and line.endswith(b"}")]
    return int(json.loads(lines[-1]).get("step", 0)) if lines else 0


def measure_speed(folder: Path, rounds: int) -> tuple[list[Row], Any]:
    """Rows of the child's pace beside a visible studio, as a share of its pace alone; in turn."""
    cases = {"with its own points": 0, "with 20 more points a second": 1}
    raw: dict[str, list[float]] = {"alone": [], **{name: [] for name in cases}}
    for k in range(rounds):
        raw["alone"].append(_alone(folder, k))
        for name, more in cases.items():
            here = folder / f"desk-{k}-{more}"
            here.mkdir()
            desk = Desk(here)
            desk.window.show_workspace("train")
            raw[name].append(_watched(desk, more))
            desk.close()
    rows = []
    for name, bound in zip(cases, (90.0, None), strict=True):
        share = 100 * mean(raw[name]) / mean(raw["alone"])
        note = f"{mean(raw[name]):.1f} of {mean(raw['alone']):.1f} images/s, {rounds} runs each"
        what = f"training beside the studio {name}, of its speed alone"
        rows.append(Row("speed", what, share, "%", bound, True, note))
    return rows, raw
