"""One step of each preset against a slow float64 transcription of the equations."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from trainer.config import PRESETS, GameConfig, ModelConfig, preset
from trainer.models import IntroVAC
from trainer.steps import Optimisers, Precision, introvac_step, vac_step

N, D, SIZE = 6, 5, 32


class Recorder:
    """An optimiser that keeps the gradients it was given and does a plain gradient step."""

    def __init__(self, parameters: list[torch.nn.Parameter], rate: float) -> None:
        self.parameters, self.rate, self.seen = parameters, rate, []

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        self.seen = [None if p.grad is None else p.grad.clone() for p in self.parameters]
        for p in self.parameters:
            p -= self.rate * p.grad


def learners(model: IntroVAC) -> list[torch.nn.Parameter]:
    return [*model.encoder.parameters(), *model.classifier.parameters()]


def oracle_losses(model: IntroVAC, x: Tensor, y: Tensor, eps: Tensor, loss) -> tuple[Tensor, Tensor]:
    """The VAC loss written out term by term, and the sampled code."""
    mu, logvar = model.encoder(x)
    z = mu + eps * (0.5 * logvar).exp()
    apart = x - model.decoder(z)
    rows = (apart[:, :, 1:] - apart[:, :, :-1]).abs().mean()
    columns = (apart[:, :, :, 1:] - apart[:, :, :, :-1]).abs().mean()
    l_ae = apart.abs().mean() + loss.edge_weight * (rows + columns)
    p = torch.sigmoid(model.classifier(z))
    target = torch.cat([y, torch.zeros(len(y), 1, dtype=y.dtype)], 1)
    bce = -(target * p.log() + (1 - target) * (1 - p).log())
    bce[:, -1] = bce[:, -1] * loss.fake_on_real
    l_cl = bce.mean() if loss.bce_reduction == "mean" else bce.sum() / len(x)
    kl = (0.5 * (mu**2 + logvar.exp() - logvar - 1)).mean()
    return loss.beta_ae * l_ae + loss.beta_cl * l_cl + loss.beta_reg * kl, z


def oracle(model: IntroVAC, x, y, eps, z_g, loss, game: GameConfig, rate: float):
    """Algorithm 1 with a fresh forward for everything; returns both gradient lists."""
    enc_cls, dec = learners(model), list(model.decoder.parameters())
    vac, z_r = oracle_losses(model, x, y, eps, loss)
    dec_grads = list(torch.autograd.grad(vac, dec, retain_graph=True))
    total = vac
    before = copy.deepcopy(model)
    z_g, wanted, rows = z_g.clone(), [], []
    owed, k = 0.0, -1
    for i in range(len(x)):
        owed += game.mirror_share
        if owed < 1:
            continue
        owed, k = owed - 1, (k + 1) % y.shape[1]
        rows.append(i)
        w, b = model.classifier.weight[k], model.classifier.bias
        unit = (w / w.norm()).detach()
        offset = 0.0 if b is None else float((b[k] / w.norm()).detach())
        z_g[i] = (z_r[i] - 2 * (z_r[i] @ unit + offset) * unit).detach()
        wanted.append([float(y[i, j] != (j == k)) for j in range(y.shape[1])])
    if game.read_draws:
        draws = [i for i in range(len(x)) if i not in rows]
        wanted += torch.sigmoid(model.classifier(z_g[draws]))[:, :-1].tolist()
        rows += draws
    if game.enabled:
        x_rr, x_g = model.decoder(z_r.detach()).detach(), model.decoder(z_g).detach()
        fakes = [torch.sigmoid(model.classifier(model.encoder(f)[0])[:, -1]) for f in (x_rr, x_g)]
        total = vac + loss.beta_ec * (-fakes[0].log().mean() - fakes[1].log().mean())
    ec_grads = torch.autograd.grad(total, enc_cls)
    with torch.no_grad():
        for p, g in zip(enc_cls, ec_grads, strict=True):
            p -= rate * g
    if game.enabled:
        judge = model if game.update_order == "updated" else before
        x_rr, x_g = model.decoder(z_r.detach()), model.decoder(z_g)
        codes = [judge.encoder(f)[0] for f in (x_rr, x_g)]
        c_r, c_g = (torch.sigmoid(judge.classifier(code)) for code in codes)
        l_g = -(1 - c_r[:, -1]).log().mean() - (1 - c_g[:, -1]).log().mean()
        for p, target in ((c_r, y), (c_g[rows], torch.tensor(wanted, dtype=y.dtype))):
            if len(target):
                bce = -(target * p[:, :-1].log() + (1 - target) * (1 - p[:, :-1]).log())
                l_g = l_g + (bce.mean() if loss.bce_reduction == "mean" else bce.sum() / len(target))
        l_g = l_g + game.beta_code * (codes[1] - z_g).square().mean()
        extra = torch.autograd.grad(loss.beta_g * l_g, dec)
        dec_grads = [a + b for a, b in zip(dec_grads, extra, strict=True)]
    return list(ec_grads), dec_grads


EXTRAS = {"edge_weight": 0.5, "fake_on_real": 0.3, "mirror_share": 0.5, "read_draws": True, "beta_code": 2.0}


@pytest.mark.parametrize(
    "extras", [{}, {"mirror_share": 0.5, "read_draws": False}, EXTRAS], ids=["preset", "mirror", "extras"]
)
@pytest.mark.parametrize("attributes", [("A",), ("A", "B")])
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("order", ["updated", "shared"])
def test_that_a_step_has_the_gradients_of_the_equations(
    name: str, order: str, attributes: tuple[str, ...], extras: dict[str, float]
) -> None:
    torch.manual_seed(3)
    config = preset(name, update_order=order, **extras)
    shape = ModelConfig(
        image_size=SIZE,
        channels=(6, 8, 10),
        latent_dim=D,
        attributes=attributes,
        classifier_bias=config.model.classifier_bias,
    )
    model = IntroVAC(shape).double().train()
    twin = copy.deepcopy(model)
    x = torch.rand(N, 3, SIZE, SIZE, dtype=torch.float64)
    y = torch.randint(0, 2, (N, len(attributes))).double()
    eps, z_g = torch.randn(2, N, D, dtype=torch.float64)
    rate = 1e-3
    recorders = Recorder(learners(model), rate), Recorder(list(model.decoder.parameters()), rate)
    where = Precision("cpu")
    if config.game.enabled:
        introvac_step(model, Optimisers(*recorders), x, y, eps, z_g, config.loss, where, config.game)
    else:
        vac_step(model, Optimisers(*recorders), x, y, eps, config.loss, where)

    expected = oracle(twin, x, y, eps, z_g, config.loss, config.game, rate)
    size = len(list(model.encoder.parameters()))
    parts = {
        "encoder": (recorders[0].seen[:size], expected[0][:size]),
        "classifier": (recorders[0].seen[size:], expected[0][size:]),
        "decoder": (recorders[1].seen, expected[1]),
    }
    for part, (got, want) in parts.items():
        error, scale = (
            float(torch.cat([t.flatten() for t in tensors]).norm())
            for tensors in ([a - b for a, b in zip(got, want, strict=True)], want)
        )
        assert error <= 1e-10 * scale, part


def test_that_the_adversarial_step_needs_five_encoder_and_two_decoder_forwards() -> None:
    torch.manual_seed(0)
    model = IntroVAC(ModelConfig(image_size=32, channels=(4, 6, 8), latent_dim=4, attributes=("A",))).train()
    calls = {"encoder": 0, "decoder": 0}
    for part in calls:
        getattr(model, part).register_forward_hook(
            lambda *_, part=part: calls.__setitem__(part, calls[part] + 1)
        )
    recorders = Recorder(learners(model), 1e-3), Recorder(list(model.decoder.parameters()), 1e-3)
    x, y = torch.rand(4, 3, 32, 32), torch.ones(4, 1)
    eps, z_g = torch.randn(2, 4, 4)
    loss = preset("introvac").loss
    introvac_step(model, Optimisers(*recorders), x, y, eps, z_g, loss, Precision("cpu"))
    assert calls == {"encoder": 5, "decoder": 2}
    shared = GameConfig(update_order="shared", mirror_share=0.5, beta_code=1.0)
    introvac_step(model, Optimisers(*recorders), x, y, eps, z_g, loss, Precision("cpu"), shared)
    assert calls == {"encoder": 8, "decoder": 4}
