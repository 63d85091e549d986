"""`sample` on the command line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer import checkpoint
from trainer.cli import main
from trainer.codec import Codec
from trainer.grid import read_recipe
from trainer.latent import sigmoid
from trainer.sampling import SAMPLERS, Target, exact


def codes_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def run(model: Path, path: Path, flags: str) -> int:
    return main(["sample", "--model", str(model), *flags.split(), "--codes", str(path), "--device", "cpu"])


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_that_a_row_is_a_finished_draw(tmp_path: Path, tiny_model: Path, sampler: str) -> None:
    path = tmp_path / "codes.npz"
    flags = f"--want Eyeglasses=yes --want fake=no --sampler {sampler} --count 9 --accept 0.55 --seed 2"
    assert run(tiny_model, path, flags + (" --steps 20" if sampler == "langevin" else "")) == 0
    codes = codes_of(path)
    assert set(codes) == {"z", "logits", "accepted"}
    assert codes["z"].shape[1] == 8 and codes["z"].dtype == np.float32 and codes["accepted"].dtype == bool
    planes = checkpoint.hyperplanes(checkpoint.load_model(tiny_model))
    np.testing.assert_allclose(codes["logits"], planes.logits(codes["z"]), atol=1e-4)
    p = sigmoid(codes["logits"])
    assert np.array_equal(codes["accepted"], (p[:, 0] >= 0.55) & (1 - p[:, 2] >= 0.55))
    assert codes["accepted"].sum() == 9 and codes["accepted"][-1]


def test_that_exact_writes_its_draws_and_none_of_its_proposals(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "codes.npz"
    assert run(tiny_model, path, "--want Eyeglasses=no --sampler exact --count 300 --accept 0 --seed 5") == 0
    planes = checkpoint.hyperplanes(checkpoint.load_model(tiny_model))
    codes = codes_of(path)
    assert np.array_equal(codes["z"], exact(planes, Target({"Eyeglasses": False}), 300, seed=5))
    assert codes["accepted"].all()


def test_that_the_picture_decides_when_asked(tmp_path: Path, tiny_model: Path) -> None:
    path, grid = tmp_path / "codes.npz", tmp_path / "grid.png"
    flags = "--want Eyeglasses=yes --sampler exact --count 30 --accept 0.31 --accept-on image"
    assert run(tiny_model, path, f"{flags} --out {grid}") == 0
    codes = codes_of(path)
    assert (
        set(codes) == {"z", "logits", "accepted", "reencoded"} and read_recipe(grid)["accept_on"] == "image"
    )
    codec = Codec(tiny_model, "cpu")
    seen = codec.planes.logits(codec.encode(codec.decode(codes["z"]))[0])
    np.testing.assert_allclose(codes["reencoded"], seen, atol=1e-3)
    by_picture, by_code = (sigmoid(codes[key][:, 0]) >= 0.31 for key in ("reencoded", "logits"))
    assert np.array_equal(codes["accepted"], by_picture) and codes["accepted"].sum() == 30
    assert (by_picture != by_code).any()
    with Image.open(grid) as picture:
        assert picture.width >= 8 * 32


@pytest.fixture
def far_model(tmp_path: Path, tiny_model: Path) -> Path:
    """The tiny model with Eyeglasses so far away that the prior never has them."""
    model, card = checkpoint.load_model(tiny_model), checkpoint.read_card(tiny_model)
    weight = model.classifier.weight.data
    weight[0] *= 10 / weight[0].norm()
    model.classifier.bias.data[0] = -60.0
    path = tmp_path / "far.safetensors"
    checkpoint.save_model(path, model, card)
    return path


def test_that_other_proposals_are_said(
    tmp_path: Path, far_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "codes.npz"
    assert run(far_model, path, "--want Eyeglasses=yes --sampler exact --count 50") == 0
    codes, said = codes_of(path), capsys.readouterr().err
    assert "still exact" in said
    assert f"50 wanted, {len(codes['z'])} drawn, 50 accepted" in said
    assert (sigmoid(codes["logits"][codes["accepted"], 0]) >= 0.5).all()


def test_that_malas_step_is_tuned_and_said_and_kept(
    tmp_path: Path, far_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = tmp_path / "grid.png"
    flags = f"--want Eyeglasses=yes --sampler mala --count 2 --out {grid}"
    assert run(far_model, tmp_path / "codes.npz", flags) == 0
    assert "mala: step size" in capsys.readouterr().err
    recipe = read_recipe(grid)
    assert 0 < recipe["step_size"] <= 1 and recipe["steps"] >= 200 and recipe["sampler"] == "mala"


def test_that_full_chains_have_the_same_law_but_other_noise(tmp_path: Path, tiny_model: Path) -> None:
    flags = "--want Eyeglasses=yes --sampler langevin --steps 30 --step-size 0.1 --count 2000 --accept 0"
    found = []
    for number, more in enumerate(("", " --full")):
        path = tmp_path / f"{number}.npz"
        assert run(tiny_model, path, flags + more) == 0
        found.append(codes_of(path)["z"].astype(np.float64))
    assert not np.array_equal(*found)
    for a, b in zip(found[0].T, found[1].T, strict=True):
        assert a.mean() == pytest.approx(b.mean(), abs=5 * math.sqrt(2 / 2000))


def test_that_nothing_is_written_when_nothing_can_be_drawn(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "codes.npz"
    assert run(tiny_model, path, "--want Hat=yes --sampler exact --count 1") == 2
    assert "Hat" in capsys.readouterr().err and not path.exists()
