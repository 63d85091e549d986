"""What is said of a run before its first losses, by a clock that the test turns."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from introvac_studio.run_start import RunStart
from trainer import events

_STARTED = events.RunStarted(
    run="r",
    device="cpu",
    precision="fp32",
    parameters=1,
    train_images=1,
    valid_images=1,
    steps_per_epoch=1,
    total_steps=1,
    game_from_step=None,
    config={},
)


def test_that_phases_and_their_times_are_told(qtbot: QtBot) -> None:
    now = [100.0]
    start = RunStart(lambda: now[0])
    told: list[str] = []
    start.changed.connect(lambda: told.append(start.headline))
    assert not start.active
    start.begin()
    assert start.active and start.headline == "Starting Python and PyTorch…" and start.progress is None
    now[0] += 4
    start.see(events.Progress(what="opening data", done=0, total=0))
    now[0] += 2
    start.see(events.Progress(what="preparing images", done=50, total=2000, seconds_left=30.0))
    assert start.headline == "Preparing pictures: 50 of 2,000"
    assert start.pace == "0:06 since the start · 0:30 left"
    now[0] += 31
    start.see(events.Progress(what="preparing images", done=2000, total=2000, seconds_left=0.0))
    start.see(_STARTED)
    assert start.progress is None and start.headline == "Taking the first steps…"
    now[0] += 1
    assert start.report.splitlines() == [
        "✓ Python and PyTorch started · 0:04",
        "✓ Data read · 0:02",
        "✓ Pictures prepared · 0:31",
        "Taking the first steps… 0:01",
    ]
    start.end()
    start.see(events.Progress(what="saving", done=0, total=3))
    assert not start.active and len(told) == 5 and start._timer.isActive() is False


def test_that_another_run_begins_at_nothing_and_unknown_phases_keep_their_name(qtbot: QtBot) -> None:
    now = [0.0]
    start = RunStart(lambda: now[0])
    start.begin()
    now[0] = 50
    start.see(events.Progress(what="waiting for others", done=0, total=0))
    assert start.headline == "Waiting for others…"
    start.begin()
    assert start.headline == "Starting Python and PyTorch…" and start.report.count("\n") == 0
    assert start.pace == "0:00 since the start"
