"""Runs at a glance, and their curves."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from trainer import events, run_summary
from trainer.config import TrainConfig, with_settings
from trainer.presence import Vigil, attended
from trainer.run_files import EVENTS_FILE, read_events, write_config
from trainer.run_summary import RunSummary, curves, find


def say(run: Path, *said: events.Event) -> None:
    with (run / EVENTS_FILE).open("a", encoding="utf-8") as log:
        log.writelines(events.to_line(event) + "\n" for event in said)


def started(config: TrainConfig) -> events.RunStarted:
    return events.RunStarted(
        run="run", device="cpu", precision="float32", parameters=10, train_images=80, valid_images=16,
        steps_per_epoch=10, total_steps=30, game_from_step=10, config=config.to_dict(),
    )  # fmt: skip


def losses(step: int, value: float = 1.0) -> events.StepLosses:
    return events.StepLosses(
        step=step, epoch=1 + step // 10, losses={"kl": value}, images_per_second=1.0, seconds_left=None,
        learning_rate=0.001, memory_bytes=1,
    )  # fmt: skip


def summarise(run: Path) -> RunSummary:
    return run_summary.summarise(run, Vigil().sign(run))


@pytest.fixture
def run(tiny_config: TrainConfig, tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "first"
    write_config(run, tiny_config)
    (run / "samples").mkdir()
    for step in (10, 20):
        Image.new("RGB", (96, 64)).save(run / "samples" / f"step-{step:08d}.png")
    say(run, started(tiny_config), losses(5), losses(12))
    say(run, events.Validated(step=12, epoch=2, figures={"l1": 0.25, "accuracy.A": 0.5, "accuracy.B": 1.0}))
    return run


def test_that_a_run_says_what_it_is_and_how_far(run: Path) -> None:
    with (run / EVENTS_FILE).open("a", encoding="utf-8") as log:
        log.write('{"v": 1, "type": "StepLo')  # being written
    one = summarise(run)
    assert (one.name, one.state, one.step, one.total, one.epoch, one.epochs) == (
        "first", "interrupted", 12, 30, 2, 3,
    )  # fmt: skip
    assert one.figures["l1"] == 0.25 and one.accuracy == 0.75
    assert one.picture == run / "samples" / "step-00000020.png"


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (events.Finished(step=30, epoch=3, reason="completed", model="m"), "finished"),
        (events.Finished(step=12, epoch=2, reason="stopped", model="m"), "stopped"),
        (events.Failed(step=12, epoch=2, text="no memory"), "failed"),
    ],
)
def test_that_the_last_word_tells_the_state(run: Path, last: events.Event, state: str) -> None:
    say(run, last)
    assert summarise(run).state == state


def test_that_a_process_that_trains_tells_the_state(run: Path) -> None:
    from trainer.control import Control

    with attended(run, Control()):
        while (one := summarise(run)).state != "running":
            pass
        assert one.sign is not None and one.active
        say(run, events.Paused(step=12, epoch=2))
        assert summarise(run).state == "paused"
    assert summarise(run).state == "interrupted"


def test_that_figures_far_from_the_end_are_found(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_summary, "_TAIL", 500)
    say(run, *(losses(step) for step in range(13, 30)))
    one = summarise(run)
    assert one.figures["l1"] == 0.25 and one.step == 29 and one.total == 30


def test_that_broken_runs_are_told_and_others_listed(run: Path) -> None:
    broken, empty = run.parent / "broken", run.parent / "empty"
    broken.mkdir()
    empty.mkdir()
    (broken / "config.json").write_text("{", encoding="utf-8")
    assert find(run.parent) == [broken, run] and find(run) == [run] and find(run / "nothing") == []
    one = summarise(broken)
    assert one.state == "broken" and "config.json" in one.error
    (run / EVENTS_FILE).write_bytes(b"\xff\xfe\n[]\n{}\n")
    assert summarise(run).state == "new"
    say(run, losses(5))
    nonsense = '"type": "StepLosses", "v": 1, "losses": {"kl": '
    for line in (99_999 * "[", "{" + nonsense + 400 * "9" + "}}", '{"type": "Resumed", "step": 1e999}'):
        with (run / EVENTS_FILE).open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        assert summarise(run).step == 5
        assert curves(run).series["kl"][0].tolist() == [5]


def test_that_a_resumed_run_is_as_far_as_its_last_process_says(run: Path, tiny_config: TrainConfig) -> None:
    say(run, events.Validated(step=20, epoch=3, figures={"l1": 9.0}))
    write_config(run, with_settings(tiny_config, {"epochs": 5}))
    say(run, events.Resumed(step=12, epoch=2))
    one = summarise(run)
    assert (one.step, one.epoch, one.total) == (12, 2, 50) and one.figures["l1"] == 0.25


def test_that_curves_forget_what_a_resume_made_void(run: Path) -> None:
    say(run, events.Resumed(step=6, epoch=1), losses(8, 2.0), losses(12, 3.0))
    drawn = curves(run)
    steps, values = drawn.series["kl"]
    assert steps.tolist() == [5, 8, 12] and values.tolist() == [1.0, 2.0, 3.0]
    assert "valid:l1" not in drawn.series or not len(drawn.series["valid:l1"][0])
    assert drawn.steps_per_epoch == 10


def test_that_damaged_lines_are_left_out_of_curves_and_events(run: Path) -> None:
    whole = curves(run).series["kl"][0].tolist()
    said = list(read_events(run / EVENTS_FILE))
    far = b'{"v": 1, "type": "StepLosses", "step": 1%s, "losses": {"kl": 1}}\n' % (b"0" * 400)
    with (run / EVENTS_FILE).open("ab") as log:
        log.write(b"\xff\xfe \xc3\n" + far)
    assert curves(run).series["kl"][0].tolist() == whole
    assert list(read_events(run / EVENTS_FILE))[: len(said)] == said
