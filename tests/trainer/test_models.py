"""Shapes, sizes, and evaluation mode that looks like training mode."""

from __future__ import annotations

import pytest
import torch

from trainer.config import ModelConfig, preset
from trainer.errors import ConfigError
from trainer.models import IntroVAC, recalibrate
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
    assert stem.momentum == 0.1 and not model.training
