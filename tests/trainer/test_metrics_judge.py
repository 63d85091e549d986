"""The judge: learns from real pictures, knows its own accuracy, refuses what it cannot judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from trainer.cli import main
from trainer.data.cache import Cache, open_data
from trainer.data.select import Selection, select
from trainer.errors import Cancelled, CheckpointError, ConfigError, DataError, ModelError
from trainer.metrics import judge as judges
from trainer.metrics.judge import Judge, JudgeConfig, JudgeTraining

ATTRIBUTES = ("Eyeglasses", "FacialHair")
SETTINGS = JudgeTraining(epochs=10, batch_size=32, seed=3)


@pytest.fixture(scope="module")
def selection() -> Selection:
    return select(open_data("avatars:500:2", 32, "none", workers=1), ATTRIBUTES)


@pytest.fixture(scope="module")
def judge(selection: Selection) -> Judge:
    return judges.train(selection, SETTINGS, width=8)


@pytest.fixture
def saved(judge: Judge, tmp_path: Path) -> Path:
    judges.save(tmp_path / "judge.safetensors", judge)
    return tmp_path / "judge.safetensors"


def pictures(selection: Selection) -> np.ndarray:
    return selection.cache.batch(selection.test)


def test_that_it_learns_and_tells_its_held_out_accuracy(judge: Judge, selection: Selection) -> None:
    found = judge.probabilities(pictures(selection))
    labels = selection.labels[selection.test] == 1
    for k, one in enumerate(judge.card.accuracy):
        assert one.name == ATTRIBUTES[k]
        assert one.right == pytest.approx(((found[:, k] > 0.5) == labels[:, k]).mean())
        assert one.on_yes == pytest.approx((found[labels[:, k], k] > 0.5).mean())
        assert one.right > 0.8 and one.blurred > 0.75
    card = judge.card
    assert (card.held_out, card.held_out_images) == ("test", len(selection.test))
    assert card.train_images == len(selection.train) and card.data == "avatars:500:2"


def test_that_a_saved_judge_judges_alike(judge: Judge, saved: Path, selection: Selection) -> None:
    again = judges.load(saved)
    assert again.config == judge.config and again.card == judge.card
    images = pictures(selection)
    assert np.array_equal(again.probabilities(images), judge.probabilities(images))


def test_that_training_repeats_itself_and_tells_its_progress(selection: Selection) -> None:
    short, told = JudgeTraining(epochs=2, batch_size=32, max_images=70), []
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = judges.train(selection, short, width=4, progress=lambda *n: told.append(n))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(7)
    second = judges.train(selection, short, width=4)
    images = pictures(selection)
    assert np.array_equal(first.probabilities(images), second.probabilities(images))
    assert told == [(i, 4) for i in range(1, 5)] and first.card.train_images == 70
    other = judges.train(selection, JudgeTraining(epochs=2, batch_size=32, max_images=70, seed=1), width=4)
    assert not np.array_equal(other.probabilities(images), first.probabilities(images))


@pytest.mark.parametrize("reported", ["test", "valid"])
def test_that_it_sees_what_models_train_on_and_then_what_is_reported(
    selection: Selection, monkeypatch, reported: str
) -> None:
    if reported == "valid":  # no test split: part of train is set aside, also from the judge
        images = open_data("avatars:500:2", 32, "none", workers=1)
        images.splits = np.minimum(images.splits, 1)
        selection = select(images, ATTRIBUTES)
        assert set(selection.test.tolist()) == set(np.flatnonzero(images.splits == 1).tolist())
    read: list[int] = []
    plain = Cache.batch

    def watched(cache: Cache, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        read.extend(np.asarray(rows).tolist())
        return plain(cache, rows, out)

    monkeypatch.setattr(Cache, "batch", watched)
    read_at: list[int] = []
    short = JudgeTraining(epochs=1)
    card = judges.train(selection, short, width=4, progress=lambda *_: read_at.append(len(read))).card
    assert (card.held_out, card.held_out_images) == (reported, len(selection.test))
    assert set(read[: read_at[-1]]) <= set(selection.train.tolist())
    assert set(read[read_at[-1] :]) == set(selection.test.tolist())


def test_that_training_can_be_stopped(selection: Selection) -> None:
    steps: list[int] = []
    with pytest.raises(Cancelled):
        judges.train(
            selection,
            JudgeTraining(epochs=3),
            width=4,
            progress=lambda done, _: steps.append(done),
            cancelled=lambda: len(steps) == 2,
        )
    assert steps == [1, 2]


def test_that_other_pictures_and_attributes_are_refused(judge: Judge) -> None:
    judge.check(32, "square", ("FacialHair",))
    with pytest.raises(ModelError, match="takes pictures of 32 px, not 64; train one with --image-size 64"):
        judge.check(64, "none")
    with pytest.raises(ModelError, match="crop 'none', not 'center'"):
        judge.check(32, "center")
    with pytest.raises(ModelError, match="not trained on Young; it knows Eyeglasses, FacialHair"):
        judge.check(32, "none", ("Eyeglasses", "Young"))
    for wrong in (np.zeros((2, 64, 64, 3), np.uint8), np.zeros((2, 32, 32, 3), np.float32)):
        with pytest.raises(ModelError, match="takes uint8 images"):
            judge.probabilities(wrong)
    with pytest.raises(Cancelled):
        judge.probabilities(np.zeros((2, 32, 32, 3), np.uint8), cancelled=lambda: True)
    assert judge.probabilities(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, 2)


def test_that_useless_settings_and_labels_are_refused(selection: Selection) -> None:
    for wrong in ({"epochs": 0}, {"learning_rate": 1.0}, {"seed": -1}, {"max_images": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            JudgeTraining(**wrong)
    with pytest.raises(ConfigError, match="attributes"):
        JudgeConfig(32, ("A", "A"), "none")
    same = replace(selection, labels=np.ones_like(selection.labels))
    with pytest.raises(DataError, match="every train image has Eyeglasses = yes"):
        judges.train(same)


def test_that_augmented_pictures_keep_their_range_and_brightness() -> None:
    x = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    seen = judges.augment(x, np.random.default_rng(0))
    assert seen.shape == x.shape and float(seen.min()) >= 0 and float(seen.max()) <= 1
    means = seen.mean(dim=(1, 2, 3)) - x.mean(dim=(1, 2, 3))
    assert float(means.abs().max()) < 0.12 and float(means.std()) > 0.03
    views = [judges.augment(x, np.random.default_rng(seed)) for seed in range(8)]
    softened = [float((v.std(dim=(1, 2, 3)) < 0.75 * x.std(dim=(1, 2, 3))).float().mean()) for v in views]
    assert 0.3 < max(softened) < 0.7  # blur takes contrast from half of them
    assert torch.equal(seen, judges.augment(x, np.random.default_rng(0)))


def test_that_blur_is_a_gaussian_that_keeps_the_mean() -> None:
    x = torch.zeros(1, 3, 21, 21)
    x[..., 10, 10] = 1
    seen = judges.blur(x, 1.5)
    at = torch.arange(21) - 10.0
    assert float(seen.sum()) == pytest.approx(3, rel=1e-5)
    assert float((seen[0, 0].sum(0) * at**2).sum()) == pytest.approx(1.5**2, rel=0.1)
    flat = torch.full((1, 3, 16, 16), 0.25)
    assert torch.allclose(judges.blur(flat, 2.0), flat)


def change(path: Path, header: dict[str, object] | None = None, **tensors: torch.Tensor) -> None:
    """Write a judge's file again with other metadata or tensors."""
    body = path.read_bytes()
    length = int.from_bytes(body[:8], "little")
    kept = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["introvac"])
    for key, value in (header or {}).items():
        kept[key] = kept[key] | value if isinstance(value, dict) else value
    weights = safetensors.torch.load(body) | tensors
    path.write_bytes(safetensors.torch.save(weights, {"introvac": json.dumps(kept)}))


def test_that_broken_files_are_refused(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    cases = [
        ({"kind": "model"}, {}, "is a model file; a judge file is expected"),
        ({"config": {"width": 9}}, {}, "tensors do not fit"),
        ({"config": {"width": 1024, "image_size": 1024}}, {}, "tensors do not fit"),
        ({"config": {"width": 8.5}}, {}, "another version"),
        ({"config": {"more": 1}}, {}, "another version"),
        ({"config": {"image_size": 10**9}}, {}, "another version"),
        ({"card": {"accuracy": 3}}, {}, "another version"),
        ({}, {"0.weight": torch.full((8, 3, 3, 3), torch.nan)}, "other than finite"),
        ({}, {"0.weight": torch.zeros(2)}, "tensors do not fit"),
        ({}, {"extra": torch.zeros(2)}, "tensors do not fit"),
    ]
    for header, tensors, message in cases:
        saved.write_bytes(whole)
        change(saved, header, **tensors)
        with pytest.raises(CheckpointError, match=message):
            judges.load(saved)
    saved.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        judges.load(saved)
    with pytest.raises(CheckpointError, match="cannot be read"):
        judges.load(tmp_path / "nothing.safetensors")


def test_that_a_script_can_train_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made" / "judge.safetensors"
    flags = ["--attributes", "Eyeglasses,Either", "--derive", "Either=Hat|Smiling", "--epochs", "1"]
    command = [
        "judge",
        "--data",
        "avatars:120",
        "--image-size",
        "32",
        "--device",
        "cpu",
        "--max-images",
        "64",
    ]
    assert main([*command, *flags, "--out", str(out)]) == 0
    said = capsys.readouterr().err
    found = judges.load(out)
    assert found.attributes == ("Eyeglasses", "Either") and found.card.train_images == 64
    assert f"Eyeglasses: {100 * found.card.accuracy[0].right:.1f} %" in said and str(out) in said


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--attributes", "Young"], "Young"),
        (["--attributes", "Hat", "--seed", "-1"], "seed = -1: must not be negative"),
        (["--attributes", ""], "at least one attribute"),
    ],
)
def test_that_bad_wishes_end_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    out = tmp_path / "judge.safetensors"
    assert main(["judge", "--data", "avatars:120", "--image-size", "32", *flags, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1] and not out.exists()
