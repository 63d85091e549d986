"""What is measured and drawn after an epoch, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer import losses
from trainer.config import TrainConfig
from trainer.models import IntroVAC
from trainer.schedule import derived_seed
from trainer.steps import Precision

GRID_FACES = 8
ACTIVE_VARIANCE = 0.01  # of a dimension of mu over pictures, above which it is in use
_TRAINED = "reconstruction"  # the pixel loss that training minimises, told where it is not L1


def unit_normals(model: IntroVAC) -> Tensor:
    """w_k / |w_k| of the K attributes, (K, d)."""
    w = model.classifier.weight[:-1].detach()
    return w / w.norm(dim=1, keepdim=True).clamp_min(1e-12)


@torch.inference_mode()
def validate(
    model: IntroVAC, batches: Iterable[tuple[Tensor, Tensor]], config: TrainConfig, precision: Precision
) -> dict[str, float]:
    """Figures over (x (N, 3, S, S), labels (N, K)) batches; the model is in evaluation mode.

    `l1`, `kl`, `classification` and the training loss `vac`, all of the mean code mu; for each attribute A
    `accuracy.A`, and `edit.A`: the share of faces that, moved by `edit_delta` along A's unit normal to
    the side opposite to their label and decoded, re-encode with the wanted label. The model grades
    itself there, which overstates. `reconstruction`: the pixel loss of training, where it is not L1 alone.

    `active`: the share of latent dimensions whose mu varies over the pictures by more than `ACTIVE_VARIANCE`
    (the active units of Burda et al. 2016). `diversity`: the mean distance in pixels between decoded draws
    from the prior, divided by that between as many real pictures, those of the first batch.
    """
    sums: dict[str, Tensor] = {}
    total = 0
    spread: list[Tensor] = []  # sums and sums of squares of mu, each (d,)
    diversity: Tensor | None = None
    normals = unit_normals(model)
    delta = config.loop.edit_delta

    def add(name: str, value: Tensor) -> None:
        sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value

    for x, labels in batches:
        rows = len(x)
        total += rows
        with precision.cast():
            mu, logvar = model.encoder(x)
            decoded = model.decoder(mu)
        moments = [mu.float().sum(0), mu.float().square().sum(0)]
        spread = [a + b for a, b in zip(spread, moments, strict=True)] if spread else moments
        if diversity is None and rows > 1:
            generator = torch.Generator(mu.device).manual_seed(derived_seed(config.loop.seed, 6))
            with precision.cast():
                drawn = model.decoder(torch.randn(mu.shape, generator=generator, device=mu.device))
            diversity = mean_distance(drawn) / mean_distance(x)
        logits = model.classifier(mu)
        targets, weight = losses.real_targets(labels.to(mu.dtype), config.loss.fake_on_real)
        add("l1", rows * losses.reconstruction(x, decoded))
        trained = losses.reconstruction(x, decoded, config.loss.reconstruction, config.loss.edge_weight)
        add(_TRAINED, rows * trained)
        add("kl", rows * losses.kl_divergence(mu, logvar))
        add("classification", rows * losses.attribute_bce(logits, targets, config.loss.bce_reduction, weight))
        for k, name in enumerate(model.attributes):
            add(f"accuracy.{name}", ((logits[:, k] > 0) == labels[:, k].bool()).sum())
            wanted = ~labels[:, k].bool()
            sign = torch.where(wanted, 1.0, -1.0)[:, None]
            with precision.cast():
                seen = model.encoder(model.decoder(mu + sign * delta * normals[k]))[0]
            add(f"edit.{name}", ((model.classifier(seen)[:, k] > 0) == wanted).sum())
    figures = {name: float(value) / max(total, 1) for name, value in sums.items()}
    loss = config.loss
    pixels = figures.pop(_TRAINED)
    if loss.edge_weight or loss.reconstruction != "l1":
        figures[_TRAINED] = pixels
    figures["vac"] = (
        loss.beta_ae * pixels + loss.beta_cl * figures["classification"] + loss.beta_reg * figures["kl"]
    )
    if diversity is not None and diversity.isfinite():
        figures["diversity"] = float(diversity)
    if total > 1 and all(bool(part.isfinite().all()) for part in spread):
        mean, square = (part / total for part in spread)
        figures["active"] = float((square - mean.square() > ACTIVE_VARIANCE).float().mean())
    return figures


def mean_distance(images: Tensor) -> Tensor:
    """Euclidean, over the pairs of (N, 3, S, S) images; N of at least 2."""
    flat = images.float().flatten(1)
    return torch.cdist(flat, flat).sum() / (len(flat) * (len(flat) - 1))


def criterion(figures: dict[str, float], by: str) -> float:
    """What the best model has least of: a loss, or minus the mean of `accuracy.*` or `edit.*`."""
    if by in figures:
        return figures[by]
    shares = [value for name, value in figures.items() if name.startswith(f"{by}.")]
    return -sum(shares) / len(shares)


@torch.inference_mode()
def sample_grid(
    model: IntroVAC, x: Tensor, labels: Tensor, delta: float, generator: torch.Generator
) -> dict[str, NDArray[np.uint8]]:
    """Rows of uint8 images (N, S, S, 3): original, reconstruction, each attribute switched, prior."""
    mu = model.encoder(x)[0]
    rows = {"original": x, "reconstruction": model.decoder(mu)}
    for k, (name, normal) in enumerate(zip(model.attributes, unit_normals(model), strict=True)):
        sign = 1.0 - 2.0 * labels[:, k : k + 1].to(mu.dtype)
        rows[f"± {name}"] = model.decoder(mu + sign * delta * normal)
    z = torch.randn(mu.shape, generator=generator, device=mu.device)
    rows["prior"] = model.decoder(z)
    return {
        name: image.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        for name, image in rows.items()
    }
