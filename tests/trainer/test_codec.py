"""Both engines of the codec: the same model, the same pictures, and torch where OpenVINO fails."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trainer import checkpoint, modelfile
from trainer.card import ModelCard
from trainer.codec import Codec
from trainer.config import ModelConfig
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.modelfile import ModelFile
from trainer.models import IntroVAC

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed here"
)
SHAPES = [
    ModelConfig(image_size=32, channels=(8, 12, 16), latent_dim=5),
    ModelConfig(image_size=64, channels=(8, 16, 8, 8), latent_dim=16),
    ModelConfig(image_size=32, channels=(3, 1, 33), latent_dim=2),
    ModelConfig(image_size=64, channels=(4, 6, 8, 64), latent_dim=7, norm="group"),
    ModelConfig(image_size=256, channels=(4, 4, 8, 8, 8, 8), latent_dim=8),
]


def save(path: Path, config: ModelConfig) -> Path:
    """A model file whose norms all do something, and whose pictures have contrast."""
    torch.manual_seed(3)
    model = IntroVAC(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.3, 2)
    checkpoint.save_model(path, model, ModelCard(name="random"))
    return path


def codes(config: ModelConfig, count: int = 4) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, config.latent_dim)).astype(np.float32)


@needs_openvino
@pytest.mark.parametrize("config", SHAPES, ids=lambda c: f"{c.image_size}-{c.norm}-{c.channels[-1]}")
def test_that_both_engines_compute_the_same(tmp_path: Path, config: ModelConfig) -> None:
    path = save(tmp_path / "model.safetensors", config)
    ours, theirs = Codec(path, "cpu", "openvino"), Codec(path, "cpu", "torch")
    z = codes(config)
    pictures, wanted = ours.decode(z), theirs.decode(z)
    assert pictures.shape == (4, config.image_size, config.image_size, 3) and wanted.std() > 5
    apart = np.abs(pictures.astype(int) - wanted)
    # One level where a value lies on the edge between two; 1e-5 in [0, 1] would tip 0.5 % of them.
    assert apart.max() <= 1 and apart.mean() < 2e-3
    for a, b in zip(ours.encode(wanted), theirs.encode(wanted), strict=True):
        assert a.shape == (4, config.latent_dim) and np.abs(a - b).max() < 2e-5


@needs_openvino
@pytest.mark.parametrize("size", [4, 7])
def test_that_upsampling_and_convolution_fold_exactly(size: int) -> None:
    from trainer.codec.graph import upsampled_kernel

    x, weight = torch.randn(2, 3, size, size).double(), torch.randn(5, 3, 3, 3).double()
    wanted = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, padding=1)
    kernel = torch.from_numpy(upsampled_kernel(weight.numpy()))
    assert torch.allclose(F.conv_transpose2d(x, kernel, stride=2, padding=1), wanted, atol=1e-12)


@needs_openvino
def test_that_four_pixels_at_once_are_the_same_pixels() -> None:
    from trainer.codec.graph import paired_kernel

    x, weight = torch.randn(1, 4, 8, 8).double(), torch.randn(3, 4, 5, 5).double()
    blocks = F.conv2d(x, torch.from_numpy(paired_kernel(weight.numpy())), stride=2, padding=2)
    picture = blocks.reshape(2, 2, 3, 4, 4).permute(2, 3, 0, 4, 1).reshape(3, 8, 8)
    assert torch.allclose(picture, F.conv2d(x, weight, padding=2)[0], atol=1e-12)


@needs_openvino
def test_that_the_cost_is_that_of_the_convolutions(tmp_path: Path) -> None:
    """Multiply-adds of each block, counted in the graph itself."""
    from trainer.codec import graph

    config = SHAPES[0]
    file = modelfile.load(save(tmp_path / "model.safetensors", config))
    for blocks in (1, 2, 3):
        first, _ = graph.decoder(file, blocks)
        cost = 0
        for node in first.get_ordered_ops():
            kind = node.get_type_name()
            if kind == "MatMul":
                cost += int(np.prod(node.input(1).get_shape()))
            elif kind.startswith("Convolution") and node.input(1).get_shape()[-1] > 1:
                turned = kind == "ConvolutionBackpropData"
                side = node.input(0).get_shape() if turned else node.output(0).get_shape()
                cost += int(np.prod(node.input(1).get_shape())) * side[2] * side[3]
        assert graph.decoder_costs(config)[blocks - 1] == cost


@needs_openvino
@pytest.mark.parametrize("blocks", [0, 2])
def test_that_a_decoder_may_end_in_bfloat16(tmp_path: Path, blocks: int) -> None:
    """Where the CPU has no such instructions, all of it stays in float32."""
    from trainer.codec.graph import decoder_costs
    from trainer.codec.openvino_engine import OpenVINOEngine

    config = SHAPES[1]
    file = modelfile.load(save(tmp_path / "model.safetensors", config))
    exact = decoder_costs(config)[blocks - 1] if blocks else 0
    engine, full = OpenVINOEngine(file, 1, exact), OpenVINOEngine(file, 1)
    assert "float32" in full.name
    apart = np.abs(engine.decode(codes(config)).astype(int) - full.decode(codes(config)))
    assert apart.max() <= 3
    assert engine.name == full.name or ("bf16" in engine.name and apart.any())


@pytest.mark.parametrize("engine", [pytest.param("openvino", marks=needs_openvino), "torch"])
def test_that_a_picture_does_not_depend_on_its_neighbours(tiny_model: Path, engine: str) -> None:
    codec, again = Codec(tiny_model, "cpu", engine), Codec(tiny_model, "cpu", engine)
    z = codes(codec.config, 70)
    pictures = codec.decode(z)
    assert np.array_equal(pictures, again.decode(z))
    mu, sigma = codec.encode(pictures)
    assert (sigma > 0).all()
    for i in (0, 64, 69):
        alone, one = codec.decode(z[i]), codec.encode(pictures[i : i + 1])
        apart = np.abs(alone[0].astype(int) - pictures[i])
        if engine == "openvino":  # which takes them one by one
            assert (
                not apart.any() and np.array_equal(one[0][0], mu[i]) and np.array_equal(one[1][0], sigma[i])
            )
        else:
            assert apart.max() <= 1 and np.abs(one[0][0] - mu[i]).max() < 1e-5


@pytest.mark.parametrize("engine", [pytest.param("openvino", marks=needs_openvino), "torch"])
def test_that_what_makes_no_sense_is_refused(tiny_model: Path, engine: str) -> None:
    codec = Codec(tiny_model, "cpu", engine)
    with pytest.raises(ModelError, match="8 dimensions"):
        codec.decode(np.zeros((2, 9)))
    with pytest.raises(ModelError, match="NaN"):
        codec.decode(np.full(8, np.nan))
    with pytest.raises(ModelError, match=r"\(32, 32, 3\)"):
        codec.encode(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(ModelError, match="float64"):
        codec.encode(np.zeros((1, 32, 32, 3)))
    assert codec.decode(np.zeros((0, 8))).shape == (0, 32, 32, 3)
    assert codec.encode(np.zeros((0, 32, 32, 3), np.uint8))[1].shape == (0, 8)


@pytest.mark.parametrize("engine", [pytest.param("openvino", marks=needs_openvino), "torch"])
def test_that_arrays_of_any_layout_serve(tiny_model: Path, engine: str) -> None:
    codec = Codec(tiny_model, "cpu", engine)
    z = codes(codec.config, 6)
    pictures = codec.decode(z)
    mirrored = pictures[::2, :, ::-1]
    frozen = np.ascontiguousarray(mirrored)
    frozen.setflags(write=False)
    assert np.array_equal(codec.encode(mirrored)[0], codec.encode(frozen)[0])
    assert np.array_equal(codec.decode(z.astype(np.float64)[::2]), pictures[::2])


def test_that_encoding_tells_how_far_it_is_and_can_be_stopped(tiny_model: Path) -> None:
    codec = Codec(tiny_model, "cpu")
    images, told = np.zeros((130, 32, 32, 3), np.uint8), []
    codec.encode(images, lambda done, total: told.append((done, total)))
    assert told == [(64, 130), (128, 130), (130, 130)]
    with pytest.raises(Cancelled):
        codec.encode(images, cancelled=lambda: True)


@needs_openvino
def test_that_the_cpu_gets_openvino(tiny_model: Path) -> None:
    assert Codec(tiny_model, "cpu").device == "cpu (OpenVINO, float32)"
    assert "torch" in Codec(tiny_model, "cpu", "torch").device


def test_that_a_missing_openvino_is_logged_and_torch_serves(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with caplog.at_level(logging.WARNING):
        codec = Codec(tiny_model, "cpu")
    assert "torch" in codec.device and "OpenVINO cannot compute here" in caplog.text
    assert codec.decode(np.zeros(8)).shape == (1, 32, 32, 3)
    with pytest.raises(ConfigError, match="OpenVINO cannot compute here"):
        Codec(tiny_model, "cpu", "openvino")


@needs_openvino
def test_that_a_graph_that_does_not_compile_is_logged_and_torch_serves(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr("trainer.codec.openvino_engine._compile", fail)
    assert "torch" in Codec(tiny_model, "cpu").device
    assert "no such instruction" in caplog.text


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the guess would be right")
def test_that_a_wrong_guess_of_a_gpu_ends_on_the_cpu(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.device.guess", lambda name="auto": "cuda")
    assert Codec(tiny_model).device.startswith("cpu")


@pytest.mark.parametrize(
    ("device", "engine", "message"),
    [("toaster", "auto", "toaster"), ("cuda:99", "auto", "cuda:99"), ("cpu", "abacus", "abacus")],
)
def test_that_a_device_or_engine_that_is_not_there_is_refused(
    tiny_model: Path, device: str, engine: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Codec(tiny_model, device, engine)
    with pytest.raises(ConfigError, match="OpenVINO computes on the CPU"):
        Codec(tiny_model, "cuda", "openvino")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_that_a_gpu_agrees_with_the_cpu(tiny_model: Path) -> None:
    gpu, cpu = Codec(tiny_model, "cuda"), Codec(tiny_model, "cpu", "torch")
    pictures = gpu.decode(codes(gpu.config))
    assert "cuda" in gpu.device
    assert np.abs(pictures.astype(int) - cpu.decode(codes(cpu.config))).max() <= 2
    assert np.abs(gpu.encode(pictures)[0] - cpu.encode(pictures)[0]).max() < 1e-2


def test_that_the_codec_says_what_the_file_says(tiny_model: Path) -> None:
    codec, file = Codec(tiny_model, "cpu"), modelfile.load(tiny_model)
    assert isinstance(file, ModelFile)
    assert (codec.path, codec.card, codec.config) == (tiny_model, file.card, file.config)
    assert codec.digest == file.digest and codec.planes.names == ("Eyeglasses", "FacialHair", "fake")
    assert (codec.size, codec.dim) == (32, 8)


_INTERRUPTED = """
import faulthandler, gc, signal, sys

faulthandler.enable()  # with a signal stack, as under pytest
from trainer.codec import Codec

first, second = (Codec(sys.argv[1], "cpu", "openvino") for _ in range(2))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGINT, lambda *_: print("heard"))
signal.raise_signal(signal.SIGINT)
"""


@needs_openvino
def test_that_a_signal_is_heard_after_codecs_are_gone(tiny_model: Path) -> None:
    command = [sys.executable, "-c", _INTERRUPTED, str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
