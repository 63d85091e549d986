"""The bench command: what it writes; how fast anything is, no test asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.bench import command, figures, step
from trainer.cli import main
from trainer.config import preset


def test_that_figures_are_printed_as_a_table_and_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = figures.Figure("a thing", 1234.5, "images/s", 400.0, "another way", 3.1, "3x", "batch 2")
    monkeypatch.setattr(step, "measure", lambda: [told])
    path = tmp_path / "figures.json"
    assert main(["bench", "--what", "step", "--json", str(path)]) == 0
    assert "| a thing | 1,234 images/s | 400 images/s (another way) | 3.10x | 3x | batch 2 |" in (
        capsys.readouterr().out
    )
    body = json.loads(path.read_text("utf-8"))
    assert body["figures"][0]["ratio"] == 3.1 and body["machine"]["threads"] == command.THREADS


def test_that_a_pair_is_compared_by_the_median_of_its_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 2.0, 4.0, 12.0, 1.0, 10.0])  # ours, theirs, three times
    monkeypatch.setattr(figures, "timed", lambda act: next(seconds))
    pair = figures.paired(lambda: None, lambda: None, rounds=3, warmup=1)
    assert pair == figures.Pair(1.0, 10.0, 3.0)


def test_that_both_sides_of_the_step_are_taken_in_processes_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step, "ROUNDS", 1)
    config = preset(
        "quick", attributes=("A", "B"), image_size=32, channels=(4, 4, 4), latent_dim=4, precision="fp32"
    )
    figure = step._against_baseline("tiny", config, "")
    assert figure.value > 0 and figure.baseline is not None and figure.baseline > 0
    assert figure.ratio == pytest.approx(figure.value / figure.baseline)
