"""Model files read without torch: the same model, card and digest as torch makes of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import trainer
from trainer import checkpoint, modelfile
from trainer.card import ModelCard
from trainer.config import ModelConfig
from trainer.errors import CheckpointError
from trainer.models import IntroVAC

SHAPES = [
    ModelConfig(attributes=("A", "B")),
    ModelConfig(image_size=32, channels=(4, 4, 6), latent_dim=3, norm="group", classifier_bias=False),
    ModelConfig(image_size=64, channels=(8, 4, 4, 8), latent_dim=5, attributes=("A",)),
]


@pytest.mark.parametrize("config", SHAPES)
def test_that_names_and_shapes_are_the_networks(config: ModelConfig) -> None:
    with torch.device("meta"):
        state = IntroVAC(config).state_dict()
    wanted = {k: tuple(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert modelfile.shapes(config) == wanted


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_that_a_file_of_any_precision_is_read_as_float32(
    tiny_model: Path, tmp_path: Path, kind: torch.dtype
) -> None:
    path = tmp_path / "model.safetensors"
    stored = {k: v.to(kind) for k, v in safetensors.torch.load_file(tiny_model).items()}
    header = {"introvac": json.dumps(modelfile.read_header(tiny_model))}
    safetensors.torch.save_file(stored, path, header)
    file = modelfile.load(path)
    assert file.tensors.keys() == stored.keys()
    for name, data in file.tensors.items():
        assert data.dtype == np.float32 and np.array_equal(data, stored[name].float().numpy())


def test_that_the_digest_is_of_names_types_shapes_and_bytes(tiny_model: Path, tmp_path: Path) -> None:
    """The digest names models in recipes and in direction files, so it must stay what it is."""
    sha = hashlib.sha256()
    for name, tensor in sorted(safetensors.torch.load_file(tiny_model).items()):
        sha.update(f"{name}torch.float32{tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    model = trainer.load(tiny_model)
    assert modelfile.load(tiny_model).digest == checkpoint.digest(model) == sha.hexdigest()
    half = tmp_path / "half.safetensors"
    checkpoint.save_model(half, model, ModelCard(), half=True)
    assert modelfile.load(half).digest == checkpoint.digest(trainer.load(half)) != sha.hexdigest()


@pytest.mark.parametrize("bias", [True, False])
def test_that_the_hyperplanes_are_the_classifiers(tmp_path: Path, bias: bool) -> None:
    path = tmp_path / "model.safetensors"
    config = replace(SHAPES[2], classifier_bias=bias)
    card = ModelCard(name="planes", game_played=True, derive=("A=B|C",))
    checkpoint.save_model(path, IntroVAC(config), card)
    file, model = modelfile.load(path), trainer.load(path)
    assert file.card == card and file.config == config
    wanted, z = checkpoint.hyperplanes(model), torch.randn(4, config.latent_dim)
    assert file.planes.names == wanted.names == ("A", "fake") and file.planes.knows_fake
    assert np.array_equal(file.planes.w, wanted.w) and np.array_equal(file.planes.b, wanted.b)
    assert np.allclose(file.planes.logits(z.numpy()), model.classifier(z).detach().numpy(), atol=1e-5)


def write(path: Path, tensors: dict[str, torch.Tensor], **header: object) -> None:
    body = {"format": modelfile.FORMAT, "kind": "model", "card": {}} | header
    safetensors.torch.save_file(tensors, path, {"introvac": json.dumps(body)})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": 99}, "another version"),
        ({"kind": "resume"}, "a model file is expected"),
        ({"config": {"image_size": 31}}, "image_size = 31"),
        ({"card": {"surprise": 1}}, "card is of another version"),
        ({"card": [1]}, "card is of another version"),
        ({"card": {"delta": 0}}, "its card has delta = 0: must be a finite number above 0"),
        ({"card": {"delta": "far"}}, "its card has delta = 'far'"),
        ({"card": {"deltas": [4.0]}}, "its card has deltas = "),
        ({"card": {"deltas": None}}, "its card has deltas = None"),
        ({"card": {"deltas": {"A": float("nan")}}}, "its card has delta of 'A' = nan"),
        ({"card": {"deltas": {"A": float("inf")}}}, "its card has delta of 'A' = inf"),
        ({"card": {"deltas": {"A": -1}}}, "its card has delta of 'A' = -1"),
        ({"card": {"deltas": {"A": True}}}, "its card has delta of 'A' = True"),
        ({"card": {"deltas": {"A": 10**400}}}, "its card has delta of 'A' = 1000"),
    ],
)
def test_that_a_header_that_makes_no_sense_is_refused(
    tmp_path: Path, header: dict[str, object], message: str
) -> None:
    path = tmp_path / "x.safetensors"
    write(path, {"w": torch.zeros(1)}, **({"config": asdict(SHAPES[2])} | header))
    with pytest.raises(CheckpointError, match=message):
        modelfile.load(path)


def test_that_an_attribute_without_a_delta_of_its_own_has_the_models(tmp_path: Path) -> None:
    path, config = tmp_path / "model.safetensors", replace(SHAPES[2], attributes=("A", "B"))
    checkpoint.save_model(path, IntroVAC(config), ModelCard(delta=5.0, deltas={"A": 2.5}))
    for card in (modelfile.load(path).card, checkpoint.load(path).card, modelfile.read_card(path)):
        assert (card.delta_of("A"), card.delta_of("B")) == (2.5, 5.0) and card.deltas == {"A": 2.5}


def test_that_a_file_of_before_has_one_delta(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write(path, {"w": torch.zeros(1)}, config=asdict(SHAPES[2]), card={"name": "old", "delta": 6})
    card = modelfile.read_card(path)
    assert card.deltas == {} and card.delta_of("A") == 6.0


def test_that_deltas_of_attributes_that_a_model_lacks_are_not_taken(tmp_path: Path) -> None:
    """A direction that is added later, under such a name, is another one."""
    path = tmp_path / "x.safetensors"
    told = {"A": 2.5, "fake": 3.0, "Hat": 1.0, "": None}
    write(path, {"w": torch.zeros(1)}, config=asdict(SHAPES[2]), card={"deltas": told})
    assert modelfile.read_card(path).deltas == {"A": 2.5}


def test_that_integers_are_no_weights(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {k: v.to(torch.int64) for k, v in safetensors.torch.load_file(tiny_model).items()}
    write(path, tensors, config=asdict(modelfile.load(tiny_model).config))
    with pytest.raises(CheckpointError, match="I64; floating point is expected"):
        modelfile.load(path)


def test_that_an_enormous_configuration_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    wide = replace(SHAPES[2], channels=(10**9,) * 4)
    write(path, {"encoder.fc.bias": torch.zeros(10)}, config=asdict(wide))
    with pytest.raises(CheckpointError, match="lacks"):
        modelfile.load(path)


def test_that_a_model_is_called_by_its_run_as_that_is_called_now(tmp_path: Path) -> None:
    run = tmp_path / "renamed"
    assert modelfile.title(run / "model.safetensors", "quick-1") == "renamed"
    assert modelfile.title(run / "checkpoints" / "epoch-3.safetensors", "quick-1") == "quick-1"
    assert modelfile.title(Path("mine.safetensors")) == "mine"
