"""Model files: round trips, and refusals that say what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import trainer
from trainer import checkpoint
from trainer.card import ModelCard
from trainer.codec import Codec
from trainer.errors import CheckpointError, ModelError, RunError


def test_that_a_saved_model_computes_the_same(tiny_model: Path, tmp_path: Path) -> None:
    model = trainer.load(tiny_model)
    card = ModelCard(name="again", game_played=True, derive=("A=B|C",), figures={"l1": 0.1})
    checkpoint.save_model(tmp_path / "again.safetensors", model, card)
    again = trainer.load(tmp_path / "again.safetensors")
    x = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model.encoder(x)[0], again.encoder(x)[0])
        assert torch.equal(model.reconstruct(x), again.reconstruct(x))
    assert again.attributes == ("Eyeglasses", "FacialHair") and not again.training
    assert checkpoint.read_card(tmp_path / "again.safetensors") == card
    assert checkpoint.digest(model) == checkpoint.digest(again)


def test_that_a_file_replaced_while_it_is_read_is_not_mixed(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(tiny_model.read_bytes())
    other = trainer.load(tiny_model)
    other.classifier.weight.data.mul_(2)
    real, reads = Path.open, []

    def replaced(self: Path, *args: str, **more: str) -> object:
        if self == path and "rb" in (*args, more.get("mode")):
            reads.append(self)
            if len(reads) == 2:
                checkpoint.save_model(path, other, ModelCard(name="other"))
        return real(self, *args, **more)

    monkeypatch.setattr(Path, "open", replaced)
    loaded = checkpoint.load(path)
    monkeypatch.undo()
    assert (loaded.card.name, loaded.digest) == ("tiny", checkpoint.digest(trainer.load(tiny_model)))
    assert loaded.model.game_played and len(reads) <= 1


def test_that_half_precision_halves_the_file_and_keeps_the_picture(tiny_model: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    checkpoint.save_model(half, trainer.load(tiny_model), checkpoint.read_card(tiny_model), half=True)
    assert half.stat().st_size < 0.6 * tiny_model.stat().st_size
    z = np.random.default_rng(0).standard_normal((4, 8))
    a, b = Codec(tiny_model, "cpu").decode(z), Codec(half, "cpu").decode(z)
    assert np.abs(a.astype(int) - b.astype(int)).max() <= 2


def test_that_a_model_that_never_played_refuses_fake(tiny_model: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.safetensors"
    model = trainer.load(tiny_model)
    model.game_played = False
    checkpoint.save_model(plain, model, ModelCard(game_played=False))
    with pytest.raises(ModelError, match="fake"):
        Codec(plain, "cpu").planes.normal("fake")
    assert Codec(tiny_model, "cpu").planes.normal("fake").shape == (8,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a model"),
        (b"hello, this is no model at all", "not a"),
        (b"\x08\0\0\0\0\0\0\0{}      ", "not a model"),
    ],
)
def test_that_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        trainer.load(path)


def test_that_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.safetensors"):
        trainer.load(tmp_path / "gone.safetensors")


def test_that_a_truncated_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny_model.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        trainer.load(path)


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape", "nan"])
def test_that_wrong_tensors_are_named(tiny_model: Path, tmp_path: Path, fault: str) -> None:
    tensors = safetensors.torch.load_file(tiny_model)
    header = {"introvac": json.dumps(checkpoint.read_header(tiny_model))}
    name = "classifier.weight"
    if fault == "missing":
        del tensors[name]
    elif fault == "unknown":
        name = "surprise"
        tensors[name] = torch.zeros(1)
    elif fault == "shape":
        tensors[name] = torch.zeros(2, 2)
    else:
        tensors[name][0, 0] = float("nan")
    path = tmp_path / "bad.safetensors"
    safetensors.torch.save_file(tensors, path, header)
    with pytest.raises(CheckpointError, match=name):
        trainer.load(path)


def test_that_a_failed_save_keeps_the_old_file(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    model, card = trainer.load(tiny_model), checkpoint.read_card(tiny_model)
    checkpoint.save_model(path, model, card)
    before = path.read_bytes()

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(RunError, match="No space"):
        checkpoint.save_model(path, model, ModelCard(name="other"))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_that_importing_the_package_imports_no_torch() -> None:
    modules = (
        "trainer, trainer.config, trainer.events, trainer.latent, trainer.sampling, trainer.data.cache, "
        "trainer.modelfile, trainer.device, trainer.codec"
    )
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
