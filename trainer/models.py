"""The networks: encoder, decoder and linear attribute classifier (fidelity: "Network")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config import FAKE, ModelConfig

LEAK = 0.2
PRIOR_SHARE = 1 / 3  # of the codes that the decoder's statistics are taken from


def _full(t: Tensor) -> Tensor:
    """Leave autocast's half precision; float64 stays."""
    return t.float() if t.dtype in (torch.bfloat16, torch.float16) else t


class _BatchNorm(nn.BatchNorm2d):
    """Batch statistics in training, without the running averages of all the batches, real and fake, that
    pass: those describe none of them (fidelity, point 14). `recalibration` takes the running statistics."""

    calibrating = False

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not self.calibrating:
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        return super().forward(x)


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "group":
        groups = next(g for g in (32, 16, 8, 4, 2, 1) if (channels % g == 0 and channels // g >= 2) or g == 1)
        return nn.GroupNorm(groups, channels)
    return _BatchNorm(channels, momentum=None)  # running statistics are plain means over batches


class _AvgPool2(torch.autograd.Function):
    """2x2 average pooling whose backward spreads the gradient by nearest upsampling: the same values as
    torch's own on the CPU, which first fills with zeros and then adds."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _double(gradient * 0.25)


def _pool(x: Tensor) -> Tensor:
    """2x2 average pooling."""
    if x.device.type != "cpu":
        return F.avg_pool2d(x, 2)
    pooled: Tensor = _AvgPool2.apply(x)
    return pooled


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


# Taps of a 3-kernel on an upsampled axis, gathered into a 4-kernel of stride 2 on the axis before.
_FOLD = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def folded(weight: Tensor) -> Tensor:
    """The kernel (in, out, 4, 4) of a transposed convolution of stride 2 and padding 1 that equals nearest
    upsampling followed by the 3x3 convolution `weight` (out, in, 3, 3) with padding 1.

    Each output pixel sees the nine taps fall on four pixels of the input, so taps that fall together
    are added: 16 products where there were 36. A linear map of the weights: gradients pass through.
    """
    fold = weight.new_tensor(_FOLD)
    with torch.autocast(weight.device.type, enabled=False):  # rounded once, by the convolution
        return torch.einsum("ak,oikl,bl->ioab", fold, weight, fold)


def blocked(weight: Tensor) -> Tensor:
    """The kernel (4 * out, in, 6, 6) of a convolution of stride 2 and padding 2 whose output, through
    `pixel_shuffle`, equals the 5x5 convolution `weight` (out, in, 5, 5) with padding 2.

    Each of the four pixels of a block reads the 6x6 window through its own shift of the 5x5 kernel.
    """
    shifts = [F.pad(weight, (b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)]
    return torch.stack(shifts, dim=1).flatten(0, 1)


class ResidualBlock(nn.Module):
    """conv3 - norm - LeakyReLU, twice; the skip is added after the last activation.

    Resampling that stands before or after a block is done inside it, where the same mathematics is
    cheaper: a 1x1 convolution commutes with pooling and with nearest upsampling, so the skip is taken at
    the smaller size, and upsampling folds into the first convolution (`folded`).
    """

    def __init__(self, width_in: int, width_out: int, norm: str) -> None:
        super().__init__()
        self.expand = (
            nn.Conv2d(width_in, width_out, 1, bias=False) if width_in != width_out else nn.Identity()
        )
        self.conv1 = nn.Conv2d(width_in, width_out, 3, padding=1, bias=False)
        self.norm1 = _norm(norm, width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.norm2 = _norm(norm, width_out)
        self.act = nn.LeakyReLU(LEAK, inplace=True)

    def forward(self, x: Tensor, resample: str = "none") -> Tensor:
        """(N, C, H, W) to (N, C', H, W); `up` doubles the sides first, `pool` halves them last."""
        h = self._upsampled(x) if resample == "up" else self.conv1(x)
        h = self.act(self.norm1(h))
        h = self.act(self.norm2(self.conv2(h)))
        if resample == "pool":
            return _pool(h) + self.expand(_pool(x))
        skip = self.expand(x)
        return h + (_double(skip) if resample == "up" else skip)

    def _upsampled(self, x: Tensor) -> Tensor:
        """conv1 of the upsampled x; tiny pictures do not pay back the folding of the weights."""
        if x.device.type != "cpu" or x.shape[-1] < 8:
            return self.conv1(_double(x))
        return F.conv_transpose2d(x, folded(self.conv1.weight), stride=2, padding=1)


class Encoder(nn.Module):
    """q(z|x) = N(mu(x), diag sigma^2(x)): (N, 3, S, S) in [0, 1] to mu and log sigma^2, each (N, d)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, *inner = config.channels
        layers: list[nn.Module] = [
            nn.Conv2d(3, width, 5, padding=2, bias=False),
            _norm(config.norm, width),
            nn.LeakyReLU(LEAK, inplace=True),
            nn.AvgPool2d(2),
        ]
        for following in inner:
            layers += [ResidualBlock(width, following, config.norm), nn.AvgPool2d(2)]
            width = following
        layers.append(ResidualBlock(width, width, config.norm))
        self.body = nn.Sequential(*layers)
        self.fc = nn.Linear(width * 16, 2 * config.latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        conv, norm, act, _, *rest = self.body
        *pooled, last = rest[::2]  # the pools between them are the blocks' own work
        h = _pool(act(norm(conv(x))))
        for block in pooled:
            h = block(h, "pool")
        mu, logvar = _full(self.fc(last(h).flatten(1))).chunk(2, dim=1)
        return mu, logvar


class Decoder(nn.Module):
    """G: codes (N, d) to images (N, 3, S, S) in [0, 1], float32."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        outward = config.channels[::-1]
        self.width = outward[0]
        self.fc = nn.Sequential(nn.Linear(config.latent_dim, self.width * 16), nn.ReLU(inplace=True))
        layers: list[nn.Module] = []
        width = self.width
        for following in outward:
            layers += [
                ResidualBlock(width, following, config.norm),
                nn.Upsample(scale_factor=2, mode="nearest"),
            ]
            width = following
        layers.append(ResidualBlock(width, width, config.norm))
        self.body = nn.Sequential(*layers)
        self.predict = nn.Conv2d(width, 3, 5, padding=2)

    def forward(self, z: Tensor) -> Tensor:
        h = self.fc(z).view(-1, self.width, 4, 4).contiguous(memory_format=torch.channels_last)
        first, *upsampled = list(self.body)[::2]  # the upsampling between them is the blocks' own work
        h = first(h)
        for block in upsampled:
            h = block(h, "up")
        return torch.sigmoid(_full(self._pixels(h)))

    def _pixels(self, h: Tensor) -> Tensor:
        """`predict`; on the CPU, whose kernels want many output channels, by blocks of 2x2 pixels."""
        conv = self.predict
        if h.device.type != "cpu" or conv.bias is None:
            return conv(h)
        return F.pixel_shuffle(
            F.conv2d(h, blocked(conv.weight), conv.bias.repeat_interleave(4), stride=2, padding=2), 2
        )


class AttributeClassifier(nn.Linear):
    """C: linear logits (N, K + 1) of codes (N, d), `fake` last; p(y|z) = prod_k Bernoulli(sigmoid)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.latent_dim, len(config.attributes) + 1, bias=config.classifier_bias)

    def forward(self, z: Tensor) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            return super().forward(z.to(self.weight.dtype))


class IntroVAC(nn.Module):
    """The three networks together, with the config that made them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.classifier = AttributeClassifier(config)
        self.game_played = False  # a model that never saw a fake has no use for its fake logit
        self.to(memory_format=torch.channels_last)

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.config.attributes

    @property
    def logit_names(self) -> tuple[str, ...]:
        """Names of the K + 1 logits, `fake` last."""
        return (*self.config.attributes, FAKE)

    def reconstruct(self, x: Tensor) -> Tensor:
        """G(mu(x)), (N, 3, S, S)."""
        return self.decoder(self.encoder(x)[0])


def _norms(module: nn.Module) -> list[_BatchNorm]:
    return [m for m in module.modules() if isinstance(m, _BatchNorm)]


def recalibrate(model: IntroVAC, batches: Iterable[Tensor], generator: torch.Generator | None = None) -> None:
    """`recalibration` in one go."""
    for _ in recalibration(model, batches, generator):
        pass


@torch.no_grad()
def recalibration(
    model: IntroVAC, batches: Iterable[Tensor], generator: torch.Generator | None = None
) -> Iterator[None]:
    """Take BatchNorm's running statistics from real images, with the weights as they are.

    In training, real, reconstructed and generated batches each pass with their own statistics,
    which leave no trace (fidelity, point 14). Here the encoder
    sees real images, and the decoder, which has to serve both, batches of which two thirds are
    sampled codes z ~ q(z|x) of them and one third draws from the prior; each statistic becomes the
    plain mean over these batches. docs/method.md has what other shares give.

    Args:
        model: changed in place, left in evaluation mode.
        batches: images (N, 3, S, S) in [0, 1] on the model's device.
        generator: noise for z; None takes torch's global one.

    Yields:
        None after each batch, so that the caller can report progress.
    """
    norms = _norms(model)
    if not norms:
        model.eval()
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.calibrating = True
    model.train()
    try:
        for x in batches:
            mu, logvar = model.encoder(x)
            noise = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
            codes = mu + noise * torch.exp(0.5 * logvar)
            drawn = round(PRIOR_SHARE * len(codes))
            codes[:drawn] = noise[:drawn]
            model.decoder(codes)
            yield
    finally:
        for norm in norms:
            norm.calibrating = False
        model.eval()
