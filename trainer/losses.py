"""The paper's equations as pure functions of tensors; every one returns a scalar mean over the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def reconstruction(x: Tensor, decoded: Tensor, kind: str = "l1", edges: float = 0.0) -> Tensor:
    """L_AE: mean absolute (`l1`, as text and code of the paper) or squared (`mse`, as its equation) error.

    Both inputs are (N, 3, S, S); the mean runs over batch, channels and pixels. `edges` adds so many times
    the mean absolute error of the differences between neighbours in a row and in a column, summed: L1
    alone prefers the median of what may be there, which is blurred (compare Mathieu et al. 2016, equation 6).
    """
    loss = F.l1_loss(decoded, x) if kind == "l1" else F.mse_loss(decoded, x)
    if edges:
        error = decoded - x
        loss = loss + edges * sum(error.diff(dim=axis).abs().mean() for axis in (2, 3))
    return loss


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag exp(logvar)) || N(0, I)), in nats, averaged over batch *and latent dimensions*.

    mu and logvar are (N, d). Because of the mean over dimensions a weight of b_reg = 3 is 3 / d per
    dimension of the KL of the usual evidence bound: 0.012 at d = 256, 0.047 at d = 64. `expm1` keeps
    the value exact where logvar is near 0.
    """
    return 0.5 * (mu.square() + torch.expm1(logvar) - logvar).mean()


def attribute_bce(
    logits: Tensor, labels: Tensor, reduction: str = "sum", weight: Tensor | None = None
) -> Tensor:
    """Cross entropy of independent Bernoullis: -log p(y|z), (N, K) logits against (N, K) labels in {0, 1}.

    `sum` adds the logits up, as the paper's product of Bernoullis does; `mean` divides by their number,
    as its authors' code does (fidelity, point 7). `weight` multiplies parts: (K,) logits or (N, 1) rows.
    """
    loss = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), weight, reduction="sum")
    return loss / (logits.numel() if reduction == "mean" else logits.shape[0])


def real_targets(labels: Tensor, fake_on_real: float = 1.0) -> tuple[Tensor, Tensor | None]:
    """Labels (N, K) of real images with "not fake" after them, (N, K+1), and the weights of the logits.

    Without that last column the fake logit is degenerate (fidelity, point 6). No weights where all are 1.
    """
    targets = F.pad(labels, (0, 1))
    if fake_on_real == 1.0:
        return targets, None
    weight = torch.ones_like(targets[0])
    weight[-1] = fake_on_real
    return targets, weight


def latent_regression(seen: Tensor, meant: Tensor) -> Tensor:
    """Mean squared error between (N, d) codes that pictures were decoded from and those read off them."""
    return F.mse_loss(seen, meant)


def fake_loss(fake_logit: Tensor) -> Tensor:
    """-log C_fake, (N,) logits: the encoder and classifier want decoded images to be seen through."""
    return F.softplus(-fake_logit).mean()


def real_loss(fake_logit: Tensor) -> Tensor:
    """-log(1 - C_fake), (N,) logits: the decoder wants its images to pass for real."""
    return F.softplus(fake_logit).mean()
