"""The benchmark's baseline: the authors' passes, and the same gradients as the step it is compared with."""

from __future__ import annotations

import pytest
import torch

from trainer.bench.baseline import Baseline
from trainer.config import ModelConfig, preset
from trainer.models import IntroVAC
from trainer.steps import Optimisers, Precision, introvac_step

N, D = 4, 5


def a_step(dtype: torch.dtype) -> tuple[IntroVAC, Baseline, tuple[torch.Tensor, ...]]:
    torch.manual_seed(2)
    shape = ModelConfig(image_size=64, channels=(6, 8, 10, 12), latent_dim=D, attributes=("A", "B"))
    model = IntroVAC(shape).to(dtype).train()
    noise, z_g = torch.randn(2, N, D, dtype=dtype)
    labels = torch.randint(0, 2, (N, 2)).to(dtype)
    return model, Baseline(model).train(), (torch.rand(N, 3, 64, 64, dtype=dtype), labels, noise, z_g)


def test_that_the_baseline_runs_the_authors_passes() -> None:
    _, baseline, inputs = a_step(torch.float32)
    calls = {"encoder": 0, "decoder": 0}
    for part in calls:
        getattr(baseline, part).register_forward_hook(
            lambda *_, part=part: calls.__setitem__(part, calls[part] + 1)
        )
    baseline.step(*inputs, preset("authors").loss)
    assert calls == {"encoder": 5, "decoder": 4}


class Recorder:
    """An optimiser that keeps the gradients it is given and changes nothing."""

    def __init__(self, module: torch.nn.Module, parts: tuple[str, ...]) -> None:
        self.named = [(n, p) for n, p in module.named_parameters() if n.startswith(parts)]
        self.seen: dict[str, torch.Tensor] = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        for _, p in self.named:
            p.grad = None

    def step(self) -> None:
        self.seen = {n: p.grad.clone() for n, p in self.named}


@pytest.mark.parametrize("name", ["introvac", "authors"])
def test_that_both_steps_have_the_same_gradients(name: str) -> None:
    model, baseline, inputs = a_step(torch.float64)
    loss = preset(name).loss
    parts = (("encoder", "classifier"), ("decoder",))
    ours = Optimisers(*(Recorder(model, part) for part in parts))
    theirs = Optimisers(*(Recorder(baseline, part) for part in parts))
    baseline.learns, baseline.decodes = theirs.both()

    expected = baseline.step(*inputs, loss)
    got = introvac_step(model, ours, *inputs, loss, Precision("cpu")).losses
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, rtol=1e-12, atol=1e-12)
    for mine, other in zip(ours.both(), theirs.both(), strict=True):
        assert mine.seen.keys() == other.seen.keys() and mine.seen
        scale = max(float(g.norm()) for g in other.seen.values())
        for key, gradient in other.seen.items():
            assert float((mine.seen[key] - gradient).norm()) <= 1e-10 * scale, key
