"""How well a model reads faces and draws them again: classifier, reconstructions, code. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.errors import Cancelled, DataError
from trainer.latent import sigmoid
from trainer.metrics import pictures
from trainer.metrics.estimate import Estimate, estimate
from trainer.metrics.pictures import Images
from trainer.metrics.records import Codec

BINS = 15  # of calibration
ACTIVE = 0.01  # variance of mu over faces above which a dimension is in use
_TOGETHER = 256


@dataclass(frozen=True)
class Calibration:
    """Whether a probability is how often the label holds.

    The bins are of equal width on p(yes), from 0 to 1; the last one includes 1. The reliability curve is
    `frequency` over `confidence`, with one point for each bin.

    Attributes:
        error: the expected calibration error: the mean over faces of |frequency - confidence| of their bin
            (Guo et al. 2017, there of the winning class; here of "yes", as for a binary label).
        edges: (B+1,) of the bins.
        counts: (B,) faces in each.
        confidence: (B,) mean p(yes); None for an empty bin.
        frequency: (B,) share of faces whose label is yes; None for an empty bin.
    """

    error: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    confidence: tuple[float | None, ...]
    frequency: tuple[float | None, ...]


@dataclass(frozen=True)
class AttributeScore:
    """How well one attribute is read.

    Attributes:
        name: the attribute.
        accuracy: share of right labels.
        on_yes, on_no: the same on faces that have the label yes, or no; None where there are none.
        commoner: what always saying the commoner label would reach.
        calibration: of p(yes).
    """

    name: str
    accuracy: Estimate
    on_yes: Estimate | None
    on_no: Estimate | None
    commoner: float
    calibration: Calibration


@dataclass(frozen=True)
class LatentUse:
    """What the code holds.

    Attributes:
        kl: (d,) mean KL(q(z_i|x) || N(0, 1)) of each dimension, in nats.
        total: their sum.
        variance: (d,) Var_x(mu_i).
        active: dimensions with a variance above `threshold` (Burda et al. 2016).
        threshold: 0.01.
        faces: over how many.
    """

    kl: tuple[float, ...]
    total: float
    variance: tuple[float, ...]
    active: int
    threshold: float
    faces: int


@dataclass(frozen=True)
class Reconstruction:
    """How near decoded mean codes come to their faces.

    Attributes:
        l1: mean absolute difference, white being 1.
        ssim: structural similarity.
    """

    l1: Estimate
    ssim: Estimate


@dataclass(frozen=True)
class Reading:
    """A model on labelled faces.

    Attributes:
        attributes: one score for each of the model's attributes that the faces have labels of.
        reconstruction: of the mean code.
        latent: of q(z|x).
    """

    attributes: tuple[AttributeScore, ...]
    reconstruction: Reconstruction
    latent: LatentUse


def calibration(probability: ArrayLike, yes: ArrayLike, bins: int = BINS) -> Calibration:
    """The calibration of (N,) probabilities of yes against (N,) labels.

    Raises:
        DataError: no faces, or values that are no probabilities.
    """
    p, y = np.asarray(probability, np.float64), np.asarray(yes, np.float64)
    if not len(p) or p.shape != y.shape or not ((p >= 0) & (p <= 1)).all():
        raise DataError(f"calibration needs a probability for each label, not {p.shape} for {y.shape}")
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=w, minlength=bins) for w in (p, y)]
    confidence, frequency = (
        tuple(float(s / n) if n else None for s, n in zip(total, counts, strict=True)) for total in sums
    )
    error = float(np.abs(sums[1] - sums[0]).sum() / len(p))
    edges = tuple((np.arange(bins + 1) / bins).tolist())
    return Calibration(error, edges, tuple(counts.tolist()), confidence, frequency)


def scores(
    logits: ArrayLike, labels: ArrayLike, names: Sequence[str], seed: int = 0
) -> tuple[AttributeScore, ...]:
    """A score for each attribute; one without any known label is left out.

    Args:
        logits: (N, K); yes above 0.
        labels: (N, K), 0 or 1; -1 where unknown.
        names: K.
        seed: of the bootstrap.

    Raises:
        DataError: shapes that do not fit.
    """
    table, y = np.asarray(logits, np.float64), np.asarray(labels)
    if table.ndim != 2 or table.shape != y.shape or table.shape[1] != len(names):
        raise DataError(f"logits {table.shape}, labels {y.shape} and {len(names)} names do not fit together")
    found = []
    for k, name in enumerate(names):
        known = y[:, k] >= 0
        if not known.any():
            continue
        yes, logit = y[known, k] == 1, table[known, k]
        right = (logit > 0) == yes
        found.append(
            AttributeScore(
                name=name,
                accuracy=estimate(right, seed),
                on_yes=estimate(right[yes], seed) if yes.any() else None,
                on_no=estimate(right[~yes], seed) if not yes.all() else None,
                commoner=float(max(yes.mean(), 1 - yes.mean())),
                calibration=calibration(sigmoid(logit), yes),
            )
        )
    return tuple(found)


def latent_use(mu: ArrayLike, sigma: ArrayLike) -> LatentUse:
    """KL and activity of each dimension, of q(z|x) = N(mu, sigma^2), both (N, d).

    Raises:
        DataError: fewer than two faces, shapes that differ, or a sigma that is not above 0.
    """
    m, s = np.asarray(mu, np.float64), np.asarray(sigma, np.float64)
    if m.ndim != 2 or m.shape != s.shape or len(m) < 2 or not (s > 0).all():
        raise DataError(f"mu {m.shape} and sigma {s.shape}: two faces or more and sigma above 0 are needed")
    kl = 0.5 * (m**2 + s**2 - 1 - 2 * np.log(s)).mean(axis=0)
    variance = m.var(axis=0)
    return LatentUse(
        kl=tuple(kl.tolist()),
        total=float(kl.sum()),
        variance=tuple(variance.tolist()),
        active=int((variance > ACTIVE).sum()),
        threshold=ACTIVE,
        faces=len(m),
    )


def measure(
    codec: Codec,
    images: Images,
    labels: NDArray[np.int8],
    attributes: Sequence[str],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Reading:
    """Encode and decode faces, and say how well that went.

    Args:
        images: (N, S, S, 3) uint8; a memory-mapped array is read part by part.
        labels: (N, A), 0 or 1; -1 where unknown.
        attributes: A names; those that the model does not know are passed over.
        seed: of the bootstrap.
        progress: told (faces done, N).
        cancelled: asked between parts.

    Raises:
        DataError: fewer than two faces, or labels that do not fit.
        Cancelled: `cancelled` said so.
    """
    if labels.shape != (len(images), len(attributes)):
        raise DataError(f"labels {labels.shape} do not fit {len(images)} faces")
    mus, sigmas, apart, alike = [], [], [], []
    for start in range(0, len(images), _TOGETHER):
        if cancelled is not None and cancelled():
            raise Cancelled("measuring the classifier was stopped")
        part = np.asarray(images[start : start + _TOGETHER])
        mu, sigma = codec.encode(part)
        decoded = codec.decode(mu)
        mus.append(np.asarray(mu))
        sigmas.append(np.asarray(sigma))
        apart.append(pictures.l1(decoded, part))
        alike.append(pictures.ssim(decoded, part))
        if progress is not None:
            progress(start + len(part), len(images))
    if not mus:
        raise DataError("there are no faces to measure; take more data or another split")
    mu = np.concatenate(mus)
    known = [name for name in codec.planes.attributes if name in attributes]
    columns = labels[:, [list(attributes).index(name) for name in known]]
    logits = codec.planes.logits(mu)[:, [codec.planes.index(name) for name in known]]
    return Reading(
        attributes=scores(logits, columns, known, seed),
        reconstruction=Reconstruction(
            estimate(np.concatenate(apart), seed), estimate(np.concatenate(alike), seed)
        ),
        latent=latent_use(mu, np.concatenate(sigmas)),
    )
