"""The authors' algorithm, transcribed plainly: what the adversarial step is timed against.

Their passes, in their order, with their recomputation: contiguous tensors, one precision, torch's own
Adam, a graph through everything that a loss touches. Nothing is slowed down on purpose: no anomaly mode, no
optimisers rebuilt on every batch, no host sync. Five encoder and four decoder forwards a step, which
tests/trainer/test_baseline.py counts; it also shows that the step's gradients are those of
`trainer.steps.introvac_step`, so that the two differ in cost alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config import LossConfig, ModelConfig
from trainer.models import LEAK, IntroVAC


class _Block(nn.Module):
    """As in the published network; the names are this project's, so that weights can be copied."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(width_in, width_out, 1, bias=False) if width_in != width_out else None
        self.conv1 = nn.Conv2d(width_in, width_out, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width_out)
        self.act = nn.LeakyReLU(LEAK, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.expand is None else self.expand(x)
        h = self.act(self.norm1(self.conv1(x)))
        return self.act(self.norm2(self.conv2(h))) + skip


class _Encoder(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, *inner = config.channels
        layers: list[nn.Module] = [
            nn.Conv2d(3, width, 5, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(LEAK, inplace=True),
            nn.AvgPool2d(2),
        ]
        for following in inner:
            layers += [_Block(width, following), nn.AvgPool2d(2)]
            width = following
        self.body = nn.Sequential(*layers, _Block(width, width))
        self.fc = nn.Linear(width * 16, 2 * config.latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.fc(self.body(x).flatten(1)).chunk(2, dim=1)
        return mu, logvar


class _Decoder(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        outward = config.channels[::-1]
        self.width = width = outward[0]
        self.fc = nn.Sequential(nn.Linear(config.latent_dim, width * 16), nn.ReLU(inplace=True))
        layers: list[nn.Module] = []
        for following in outward:
            layers += [_Block(width, following), nn.Upsample(scale_factor=2, mode="nearest")]
            width = following
        self.body = nn.Sequential(*layers, _Block(width, width))
        self.predict = nn.Conv2d(width, 3, 5, padding=2)

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.predict(self.body(self.fc(z).view(-1, self.width, 4, 4))))


class Baseline(nn.Module):
    """The published networks and one step of the published training loop.

    Args:
        model: whose shape and weights are copied; its norm must be `batch`.
        learning_rate: Adam's.
    """

    def __init__(self, model: IntroVAC, learning_rate: float = 2e-4) -> None:
        super().__init__()
        config = model.config
        self.encoder, self.decoder = _Encoder(config), _Decoder(config)
        self.classifier = nn.Linear(
            config.latent_dim, len(config.attributes) + 1, bias=config.classifier_bias
        )
        self.load_state_dict(model.state_dict())
        self.to(next(model.parameters()).dtype)
        learners = [*self.encoder.parameters(), *self.classifier.parameters()]
        self.learns = torch.optim.Adam(learners, lr=learning_rate)
        self.decodes = torch.optim.Adam(self.decoder.parameters(), lr=learning_rate)

    def step(
        self, x: Tensor, labels: Tensor, noise: Tensor, z_g: Tensor, config: LossConfig
    ) -> dict[str, Tensor]:
        """One adversarial step; arguments as for `trainer.steps.introvac_step`."""
        self.learns.zero_grad()
        self.decodes.zero_grad()
        mu, logvar = self.encoder(x)
        z = mu + noise * torch.exp(0.5 * logvar)
        x_r = self.decoder(z)
        pixels = F.l1_loss(x_r, x) if config.reconstruction == "l1" else F.mse_loss(x_r, x)
        targets = torch.cat([labels.to(z.dtype), torch.zeros_like(z[:, :1])], dim=1)
        kl = 0.5 * (mu.square() + logvar.exp() - logvar - 1).mean()
        vac = (
            config.beta_ae * pixels
            + config.beta_cl * self._bce(self.classifier(z), targets, config)
            + config.beta_reg * kl
        )
        x_g = self.decoder(z_g)
        seen_r, seen_g = (self._logits(image.detach())[:, -1] for image in (x_r, x_g))
        game = F.softplus(-seen_r).mean() + F.softplus(-seen_g).mean()
        (vac + config.beta_ec * game).backward()
        self.learns.step()

        x_rr, x_g = self.decoder(z.detach()), self.decoder(z_g)
        logits_r, logits_g = self._logits(x_rr), self._logits(x_g)
        fooled = (
            self._bce(logits_r[:, :-1], labels.to(z.dtype), config)
            + F.softplus(logits_r[:, -1]).mean()
            + F.softplus(logits_g[:, -1]).mean()
        )
        (config.beta_g * fooled).backward()
        self.decodes.step()
        return {"vac": vac.detach(), "encoder_game": game.detach(), "decoder_game": fooled.detach()}

    def _logits(self, images: Tensor) -> Tensor:
        return self.classifier(self.encoder(images)[0])

    @staticmethod
    def _bce(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
        loss = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        return loss / (logits.numel() if config.bce_reduction == "mean" else len(logits))
