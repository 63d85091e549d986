"""Shapes, sizes, and evaluation mode that looks like training mode."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from trainer.config import ModelConfig, preset
from trainer.errors import ConfigError
from trainer.models import IntroVAC, ResidualBlock, blocked, folded, recalibrate
from trainer.setup import WIDTHS


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_that_every_size_encodes_decodes_and_classifies(size: int) -> None:
    widths = tuple(4 for _ in WIDTHS[size])
    shape = ModelConfig(image_size=size, channels=widths, latent_dim=6, attributes=("A", "B", "C"))
    model = IntroVAC(shape).eval()
    x = torch.rand(2, 3, size, size)
    with torch.no_grad():
        mu, logvar = model.encoder(x)
        decoded = model.decoder(mu)
        logits = model.classifier(mu)
    assert mu.shape == logvar.shape == (2, 6)
    assert decoded.shape == x.shape and decoded.min() >= 0 and decoded.max() <= 1
    assert logits.shape == (2, 4) and model.logit_names == ("A", "B", "C", "fake")


def test_that_the_papers_network_has_the_published_size() -> None:
    model = IntroVAC(preset("introvac", attributes=("A",)).model)
    assert round(parameters(model.encoder) / 1e6, 2) == 13.80
    assert round(parameters(model.decoder) / 1e6, 2) == 9.37


def test_that_the_authors_classifier_has_no_bias_and_ours_has() -> None:
    assert IntroVAC(ModelConfig(32, (4, 4, 4), 6, ("A",), classifier_bias=False)).classifier.bias is None
    assert IntroVAC(ModelConfig(32, (4, 4, 4), 6, ("A",))).classifier.bias is not None


def test_that_group_norm_does_not_look_at_the_batch() -> None:
    torch.manual_seed(0)
    model = IntroVAC(ModelConfig(32, (8, 8, 8), 6, ("A",), norm="group")).train()
    x = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(model.encoder(x)[0][:1], model.encoder(x[:1])[0], atol=1e-5)


def test_that_widths_and_size_must_agree() -> None:
    with pytest.raises(ConfigError, match="image_size = 64"):
        ModelConfig(image_size=64, channels=(8, 8, 8))


def test_that_recalibration_gives_the_statistics_of_the_real_images() -> None:
    torch.manual_seed(0)
    model = IntroVAC(ModelConfig(32, (8, 8, 8), 6, ("A",))).train()
    stem = model.encoder.body[1]
    model.encoder(torch.rand(8, 3, 32, 32) * 5)  # what running averages would remember of other pictures
    batches = [torch.rand(8, 3, 32, 32) for _ in range(3)]
    recalibrate(model, batches)
    with torch.no_grad():
        seen = torch.stack([model.encoder.body[0](x).mean(dim=(0, 2, 3)) for x in batches]).mean(0)
    assert torch.allclose(stem.running_mean, seen, atol=1e-6)
    assert not stem.calibrating and not model.training


@pytest.mark.parametrize("side", [4, 8, 16])
def test_that_a_folded_convolution_equals_upsampling_first(side: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, side, side, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    plain = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)
    fast = F.conv_transpose2d(x, folded(weight), stride=2, padding=1)
    torch.testing.assert_close(fast, plain, rtol=1e-12, atol=1e-12)
    probe = torch.randn_like(plain)
    for a, b in zip(
        torch.autograd.grad(fast, (x, weight), probe),
        torch.autograd.grad(plain, (x, weight), probe),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_that_pixels_by_blocks_equal_pixels_one_by_one() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    weight = torch.randn(3, 4, 5, 5, dtype=torch.float64)
    fast = F.pixel_shuffle(F.conv2d(x, blocked(weight), stride=2, padding=2), 2)
    torch.testing.assert_close(fast, F.conv2d(x, weight, padding=2), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_that_resampling_inside_a_block_equals_resampling_beside_it(norm: str) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(6, 4, norm).double()
    x = torch.randn(2, 6, 8, 8, dtype=torch.float64, requires_grad=True)
    for resample, plain in (
        ("pool", lambda: F.avg_pool2d(block(x), 2)),
        ("up", lambda: block(F.interpolate(x, scale_factor=2.0, mode="nearest"))),
    ):
        results = []
        for make in (lambda resample=resample: block(x, resample), plain):
            out = make()
            grads = torch.autograd.grad((out * out.detach().cos()).sum(), [x, *block.parameters()])
            results.append((out, *grads))
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
