"""`export --deltas`: how far edits go, from an evaluation or by hand, into a model's card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.cli import main
from trainer.modelfile import load, read_card

from .refusals import error_of


def exporting(model: Path, out: Path, *deltas: object) -> list[str]:
    flags = [part for text in deltas for part in ("--deltas", str(text))]
    return ["export", "--model", str(model), "--to", "half", *flags, "--out", str(out)]


def exported(model: Path, out: Path, *deltas: object) -> Path:
    assert main(exporting(model, out, *deltas)) == 0
    return out / "model.safetensors"


def written(path: Path, **body: object) -> Path:
    path.write_text(json.dumps({"format": 1} | body), "utf-8")
    return path


def test_that_an_evaluations_deltas_are_those_of_the_copy_and_of_its_next_evaluation(
    tiny_model: Path, tmp_path: Path
) -> None:
    def evaluated(model: Path, out: Path, *more: str) -> Path:
        data = ["--data", "avatars:260", "--count", "8", "--only", "reading", "--no-pictures", *more]
        assert main(["evaluate", "--model", str(model), *data, "--device", "cpu", "--out", str(out)]) == 0
        return out / "metrics.json"

    first = evaluated(tiny_model, tmp_path / "first", "--delta", "Eyeglasses=2.5")
    copy = exported(tiny_model, tmp_path / "copy", first)
    card, before = read_card(copy), read_card(tiny_model)
    assert card.deltas == {"Eyeglasses": 2.5, "FacialHair": before.delta}
    assert (card.name, card.delta, before.deltas) == (before.name, before.delta, {})
    (model,) = json.loads(evaluated(copy, tmp_path / "second").read_text("utf-8"))["models"]
    assert model["deltas"] == card.deltas


def test_that_deltas_leave_weights_and_digest_alone(tiny_model: Path, tmp_path: Path) -> None:
    plain, told = exported(tiny_model, tmp_path / "a"), exported(tiny_model, tmp_path / "b", "Eyeglasses=3")
    assert load(plain).digest == load(told).digest != load(tiny_model).digest
    assert read_card(plain) == read_card(tiny_model) and read_card(told).deltas == {"Eyeglasses": 3.0}
    again = exported(told, tmp_path / "c", "FacialHair=1.5")
    assert read_card(again).deltas == {"Eyeglasses": 3.0, "FacialHair": 1.5}


def test_that_what_is_named_goes_before_the_file_of_the_model_that_it_measured(
    tiny_model: Path, tmp_path: Path
) -> None:
    own = {"sha256": load(tiny_model).digest, "deltas": {"Eyeglasses": 2, "FacialHair": 3}}
    metrics = written(
        tmp_path / "a=b.json", models=[{"sha256": "f" * 64, "deltas": {"Eyeglasses": 9.0}}, own]
    )
    copy = exported(tiny_model, tmp_path / "copy", "FacialHair=1.5", metrics, "FacialHair=2.5")
    assert read_card(copy).deltas == {"Eyeglasses": 2.0, "FacialHair": 2.5}


def test_that_an_evaluation_of_the_copy_is_not_one_of_its_source(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = exported(tiny_model, tmp_path / "copy")
    digest = load(copy).digest
    metrics = written(tmp_path / "metrics.json", models=[{"sha256": digest, "deltas": {"Eyeglasses": 2.0}}])
    capsys.readouterr()
    error = error_of(capsys, exporting(tiny_model, tmp_path / "wrong", metrics))
    assert str(metrics) in error and digest[:12] in error and load(tiny_model).digest[:12] in error
    assert not (tmp_path / "wrong").exists()
    assert read_card(exported(copy, tmp_path / "right", metrics)).deltas == {"Eyeglasses": 2.0}


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("Hat=3", "no attribute 'Hat'; it has Eyeglasses, FacialHair"),
        ("fake=3", "no attribute 'fake'"),
        ("Eyeglasses=far", "'far' is not a number"),
        ("Eyeglasses=", "'' is not a number"),
        ("Eyeglasses=0", "'Eyeglasses' = 0.0: must be a finite number above 0"),
        ("Eyeglasses=-2", "must be a finite number above 0"),
        ("Eyeglasses=nan", "must be a finite number above 0"),
        ("=3", "expected NAME=VALUE"),
        ("Eyeglasses", "cannot be read"),
    ],
)
def test_that_a_delta_that_makes_no_sense_is_refused(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, needle: str
) -> None:
    assert needle in error_of(capsys, exporting(tiny_model, tmp_path / "x", text))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("content", "needle"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "is no metrics.json of an evaluation"),
        ('{"format": 1, "models": 3}', "is no metrics.json of an evaluation"),
        ('{"format": 1, "models": [3]}', "is no metrics.json of an evaluation"),
        ('{"format": 7, "models": []}', "in format 7"),
        ('{"format": 1, "models": []}', "other weights (none)"),
        ('{"format": 1, "models": [{}]}', "other weights (None)"),
        ('{"format": 1, "models": [{"sha256": DIGEST, "deltas": [4]}]}', "deltas = [4]"),
        ('{"format": 1, "models": [{"sha256": DIGEST, "deltas": {"Hat": 4}}]}', "no attribute 'Hat'"),
        ('{"format": 1, "models": [{"sha256": DIGEST, "deltas": {"Hat": null}}]}', "delta of 'Hat' = None"),
        ('{"format": 1, "models": [{"sha256": DIGEST, "deltas": {"Hat": NaN}}]}', "delta of 'Hat' = nan"),
    ],
)
def test_that_a_file_that_says_nothing_of_the_model_is_refused(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, needle: str
) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text(content.replace("DIGEST", json.dumps(load(tiny_model).digest)), "utf-8")
    error = error_of(capsys, exporting(tiny_model, tmp_path / "x", metrics))
    assert needle in error and str(metrics) in error


def test_that_directions_take_no_deltas(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = exporting(tiny_model, tmp_path / "x", "Eyeglasses=3")
    flags[flags.index("half")] = "directions"
    assert "use --to half" in error_of(capsys, flags)
