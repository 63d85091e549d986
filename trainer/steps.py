"""One training step as a pure function of weights, batch and noise: the VAC step and Algorithm 1.

Passes of the adversarial step, and why no fewer (5 encoder and 2 decoder forwards):

* E(x): the VAC loss. Its sampled code z_r is cut from the graph (`z_leaf`), so that the decoder's
  graph can be walked twice: once for the encoder's sake (data gradients only), once for its own.
* x_r = G(z_r) and x_g = G(z_g), separately: joint BatchNorm statistics would change the gradients.
  Algorithm 1 decodes z_r again to get x_rr = G(dt(z_r)); that equals x_r in value, so x_r detached serves.
* E(x_rr), E(x_g): the encoder and classifier learn to see through both; E and C step.
* E'(x_rr), E'(x_g): the *stepped* encoder scores them for the decoder; E' is frozen, so only gradients
  with respect to the images are formed. With `update_order: shared` the earlier scores serve (3 forwards).
* The decoder's image gradients (reconstruction plus game) are summed first and walked back once.

Every update is guarded on the device, without waiting for it: where a loss or a gradient it depends on is
NaN or infinite, weights and moments stay as they were (`Stepped.finite`). Training steps touch no running
statistics of normalisation, which are taken at checkpoints (`trainer.models.recalibration`).

Forwards per step, and work per image at 128 px with the paper's widths (convolutions and linear layers,
forward and backward, as torch counts them): the authors' algorithm 5 encoder and 4 decoder, 49.6 GFLOP;
this one 5 and 2, 40.0 GFLOP; with resampling folded into blocks (`trainer.models.ResidualBlock`) 36.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer import losses
from trainer.config import GameConfig, LossConfig
from trainer.models import IntroVAC


@dataclass(frozen=True)
class Optimisers:
    """Adam for the encoder and classifier, and Adam for the decoder."""

    encoder_classifier: torch.optim.Optimizer
    decoder: torch.optim.Optimizer

    def both(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        return self.encoder_classifier, self.decoder


Reduce = Callable[[list[Tensor]], None]  # averages tensors over processes, in place


class AbandonedError(Exception):
    """A step was given up before it changed anything."""


def _unless(unwanted: Callable[[], bool] | None) -> None:
    if unwanted is not None and unwanted():
        raise AbandonedError


@dataclass(frozen=True)
class Stepped:
    """What a step did.

    Attributes:
        losses: scalars on the device.
        finite: bool scalar on the device: whether all updates were made.
    """

    losses: dict[str, Tensor]
    finite: Tensor


@dataclass(frozen=True)
class Precision:
    """Autocast for the networks; losses and the classifier stay in float32. float64 is for checking."""

    device: str
    dtype: torch.dtype = torch.float32

    def cast(self) -> torch.autocast:
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16)


@dataclass
class _Vac:
    """What the first half of either step leaves for the second."""

    terms: dict[str, Tensor]
    encoder_loss: Tensor  # classification and KL, with a graph into E and C
    z: Tensor  # sampled code, with a graph into E
    z_leaf: Tensor  # the same values, a leaf
    decoded: Tensor  # x_r, with a graph into G and z_leaf
    image_gradient: Tensor  # of b_AE * L_AE with respect to x_r


def _weights(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def _update(
    optimiser: torch.optim.Optimizer,
    learners: list[nn.Parameter],
    losses: list[Tensor],
    before: Tensor | None,
    reduce: Reduce | None,
) -> Tensor:
    """Step, unless a loss or gradient is not finite in any process or `before` is false; whether it did.

    Losses travel with the gradients, so that all processes decide alike.
    """
    seen = [p.grad for p in learners if p.grad is not None]
    seen.append(torch.stack([loss.detach() for loss in losses]).to(seen[0].dtype))
    if reduce is not None:
        reduce(seen)
    finite = torch.nn.utils.get_total_norm(seen).isfinite()
    if before is not None:
        finite = finite & before
    if getattr(optimiser, "defaults", {}).get("fused"):
        optimiser.found_inf = (~finite).float()  # type: ignore[attr-defined]  # read by the fused kernels
        optimiser.step()
    elif finite:  # no fused kernel on this device: a host sync
        optimiser.step()
    return finite


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    for p in module.parameters():
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in module.parameters():
            p.requires_grad_(True)


def _vac_forward(
    model: IntroVAC, x: Tensor, labels: Tensor, noise: Tensor, config: LossConfig, precision: Precision
) -> _Vac:
    with precision.cast():
        mu, logvar = model.encoder(x)
        z = mu + noise * torch.exp(0.5 * logvar)
        z_leaf = z.detach().requires_grad_(True)
        decoded = model.decoder(z_leaf)
    image = decoded.detach().requires_grad_(True)
    l_ae = losses.reconstruction(x, image, config.reconstruction, config.edge_weight)
    (image_gradient,) = torch.autograd.grad(config.beta_ae * l_ae, image)
    targets, weight = losses.real_targets(labels.to(z.dtype), config.fake_on_real)
    l_cl = losses.attribute_bce(model.classifier(z), targets, config.bce_reduction, weight)
    l_kl = losses.kl_divergence(mu, logvar)
    terms = {
        "reconstruction": l_ae.detach(),
        "classification": l_cl.detach(),
        "kl": l_kl.detach(),
        "vac": (config.beta_ae * l_ae + config.beta_cl * l_cl + config.beta_reg * l_kl).detach(),
    }
    return _Vac(terms, config.beta_cl * l_cl + config.beta_reg * l_kl, z, z_leaf, decoded, image_gradient)


@torch.no_grad()
def mirrored(model: IntroVAC, z: Tensor, labels: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (N, d) mirrored at one attribute's hyperplane each, and the labels (N, K) they then stand for.

    A mirrored code has the opposite logit of that attribute: it is an edit that goes exactly as far
    beyond the hyperplane as the code was before it. A code on the wrong side of its label is mirrored to
    where the label says, and the label is turned all the same: the two then disagree.

    Args:
        turns: (N,) int64, the attribute of each code.
    """
    rows = torch.arange(len(z), device=z.device)
    w = model.classifier.weight[turns]
    apart = model.classifier(z)[rows, turns] / w.square().sum(dim=1).clamp_min(1e-12)
    wanted = labels.clone()
    wanted[rows, turns] = 1 - wanted[rows, turns]
    return z - 2 * apart[:, None] * w, wanted


@dataclass(frozen=True)
class _Generated:
    """What the game decodes beside reconstructions.

    Attributes:
        codes: (N, d).
        wanted: (N, K), labels or probabilities that their pictures must show.
        weight: (N, 1) of the rows of `wanted`; None where no picture must show anything.
    """

    codes: Tensor
    wanted: Tensor
    weight: Tensor | None


@torch.no_grad()
def _generated(
    model: IntroVAC, z: Tensor, labels: Tensor, z_g: Tensor, game: GameConfig, first: int
) -> _Generated:
    """Draws from the prior, an even share of them replaced by mirrored training codes.

    Which rows are replaced, and at which attribute, follows from their place in the whole batch, so that
    processes that share a batch do together what one would do alone.
    """
    place = torch.arange(first, first + len(z_g), device=z_g.device, dtype=torch.float64)
    before, after = (place * game.mirror_share).floor(), ((place + 1) * game.mirror_share).floor()
    picked = (after > before)[:, None]
    turned, switched = mirrored(model, z, labels, before.long() % labels.shape[1])
    codes = torch.where(picked, turned.to(z_g.dtype), z_g)
    if game.read_draws:
        read = model.classifier(z_g)[:, :-1].sigmoid()
        return _Generated(
            codes, torch.where(picked, switched.to(read.dtype), read), torch.ones_like(codes[:, :1])
        )
    weight = picked.to(codes.dtype) / game.mirror_share if game.mirror_share else None
    return _Generated(codes, switched, weight)


def vac_step(
    model: IntroVAC,
    optimisers: Optimisers,
    x: Tensor,
    labels: Tensor,
    noise: Tensor,
    config: LossConfig,
    precision: Precision,
    reduce: Reduce | None = None,
    unwanted: Callable[[], bool] | None = None,
) -> Stepped:
    """One step on b_AE L_AE + b_CL L_CL + b_reg KL.

    Args:
        x: images (N, 3, S, S) in [0, 1].
        labels: (N, K) in {0, 1}.
        noise: standard normal (N, d), the reparametrisation's.
        reduce: averages gradients over processes that share the batch; None for one process.
        unwanted: whether to give up; asked between passes until the first update. None never does.

    Returns:
        The losses `reconstruction`, `classification`, `kl` (unweighted) and `vac` (weighted sum).
        Gradients are left in place for inspection.

    Raises:
        AbandonedError: it was unwanted; weights and moments are as before.
    """
    for optimiser in optimisers.both():
        optimiser.zero_grad(set_to_none=True)
    vac = _vac_forward(model, x, labels, noise, config, precision)
    _unless(unwanted)
    vac.decoded.backward(vac.image_gradient)  # G's weights, and z_leaf
    _unless(unwanted)
    torch.autograd.backward([vac.encoder_loss, vac.z], [None, vac.z_leaf.grad])
    _unless(unwanted)
    losses_ = list(vac.terms.values())
    learners = [*_weights(model.encoder), *_weights(model.classifier)]
    finite = _update(optimisers.encoder_classifier, learners, losses_, None, reduce)
    finite = _update(optimisers.decoder, _weights(model.decoder), losses_, finite, reduce)
    return Stepped(vac.terms, finite)


def introvac_step(
    model: IntroVAC,
    optimisers: Optimisers,
    x: Tensor,
    labels: Tensor,
    noise: Tensor,
    z_g: Tensor,
    config: LossConfig,
    precision: Precision,
    game: GameConfig | None = None,
    reduce: Reduce | None = None,
    first: int = 0,
    unwanted: Callable[[], bool] | None = None,
) -> Stepped:
    """One step of Algorithm 1: the VAC loss and both sides of the game.

    With `game.mirror_share` some of the generated codes are training codes mirrored at one hyperplane
    (`mirrored`), and the decoder also minimises the cross entropy of their pictures against the labels
    with that one switched; with `game.read_draws` also that of the draws' pictures against C_class(z_g). With
    `game.beta_code` it minimises so many times the distance of generated codes from what the encoder
    reads off their pictures. None of it costs a pass.

    Args:
        x, labels, noise, reduce, unwanted: as in `vac_step`.
        z_g: draws from the prior (N, d).
        game: the rules; `update_order` `updated` scores the decoder's fakes with the stepped encoder and
            classifier, `shared` with those from before the step. None for the paper's.
        first: place of the first row in the batch that processes share.

    Returns:
        The losses of `vac_step`, and `encoder_game`, `decoder_game` (unweighted), `fake_reconstructed`,
        `fake_generated`: the mean probability of *fake* that the encoder gives the two kinds.

    Raises:
        AbandonedError: it was unwanted; weights and moments are as before.
    """
    for optimiser in optimisers.both():
        optimiser.zero_grad(set_to_none=True)
    game = game or GameConfig()
    shared = game.update_order == "shared"
    vac = _vac_forward(model, x, labels, noise, config, precision)
    _unless(unwanted)
    made = _generated(model, vac.z_leaf.detach(), labels, z_g, game, first)
    with precision.cast():
        generated = model.decoder(made.codes)
    images = [t.detach().requires_grad_(shared) for t in (vac.decoded, generated)]

    def score() -> tuple[Tensor, Tensor, Tensor]:
        """Logits of both kinds of pictures, and the codes that are read off the generated ones."""
        with precision.cast():
            codes = [model.encoder(image)[0] for image in images]
        return model.classifier(codes[0]), model.classifier(codes[1]), codes[1]

    def decoder_loss(logits_r: Tensor, logits_g: Tensor, seen: Tensor) -> Tensor:
        loss = losses.attribute_bce(logits_r[:, :-1], labels, config.bce_reduction)
        loss = loss + losses.real_loss(logits_r[:, -1]) + losses.real_loss(logits_g[:, -1])
        if made.weight is not None:
            shown = logits_g[:, :-1]
            loss = loss + losses.attribute_bce(shown, made.wanted, config.bce_reduction, made.weight)
        if game.beta_code:
            loss = loss + game.beta_code * losses.latent_regression(seen, made.codes)
        return loss

    # Encoder and classifier.
    _unless(unwanted)
    logits_r, logits_g, seen = score()
    _unless(unwanted)
    l_ec = losses.fake_loss(logits_r[:, -1]) + losses.fake_loss(logits_g[:, -1])
    (z_gradient,) = torch.autograd.grad(vac.decoded, vac.z_leaf, vac.image_gradient, retain_graph=True)
    if shared:
        l_g = decoder_loss(logits_r, logits_g, seen)
        image_gradients = torch.autograd.grad(config.beta_g * l_g, images, retain_graph=True)
    learners = [*_weights(model.encoder), *_weights(model.classifier)]
    torch.autograd.backward(
        [vac.encoder_loss + config.beta_ec * l_ec, vac.z], [None, z_gradient], inputs=learners
    )
    _unless(unwanted)
    finite = _update(optimisers.encoder_classifier, learners, [*vac.terms.values(), l_ec], None, reduce)

    # Decoder.
    if not shared:
        for image in images:
            image.requires_grad_(True)
        with _frozen(model.encoder), _frozen(model.classifier):
            l_g = decoder_loss(*score())
            image_gradients = torch.autograd.grad(config.beta_g * l_g, images)
    torch.autograd.backward(
        [vac.decoded, generated],
        [vac.image_gradient + image_gradients[0], image_gradients[1]],
        inputs=_weights(model.decoder),
    )
    finite = _update(optimisers.decoder, _weights(model.decoder), [l_g], finite, reduce)
    told = {
        "encoder_game": l_ec.detach(),
        "decoder_game": l_g.detach(),
        "fake_reconstructed": torch.sigmoid(logits_r[:, -1].detach()).mean(),
        "fake_generated": torch.sigmoid(logits_g[:, -1].detach()).mean(),
    }
    return Stepped(vac.terms | told, finite)
