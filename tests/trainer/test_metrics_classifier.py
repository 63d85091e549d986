"""Accuracy, calibration, reconstruction and the use of the code, with known answers."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from trainer.errors import Cancelled, DataError
from trainer.latent import Hyperplanes
from trainer.metrics.classifier import calibration, latent_use, measure, scores


def test_that_calibration_has_its_known_error() -> None:
    p = np.repeat([0.05, 0.55, 1.0], [40, 20, 40])
    yes = np.concatenate((np.arange(40) < 10, np.arange(20) < 11, np.ones(40, bool)))
    found = calibration(p, yes, bins=10)
    assert found.error == pytest.approx(0.4 * (0.25 - 0.05))
    assert found.counts == (40, 0, 0, 0, 0, 20, 0, 0, 0, 40) and found.edges[::5] == (0.0, 0.5, 1.0)
    assert found.confidence[0] == pytest.approx(0.05) and found.frequency[0] == pytest.approx(0.25)
    assert found.frequency[5] == pytest.approx(0.55) and found.frequency[1] is None
    assert found.frequency[9] == 1


def test_that_honest_probabilities_are_calibrated_and_sure_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    yes = rng.random(50_000) < p
    assert calibration(p, yes).error < 0.01
    sure = p**3 / (p**3 + (1 - p) ** 3)
    assert calibration(sure, yes).error > 0.1
    with pytest.raises(DataError):
        calibration([1.2], [True])


def test_that_scores_count_right_labels_and_pass_over_unknown_ones() -> None:
    logits = [[2.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [3.0, -1.0, 0.0], [-2.0, -1.0, 0.0], [-2.0, 5.0, 0.0]]
    labels = [[1, 1, -1], [0, 0, -1], [0, -1, -1], [0, -1, -1], [0, 1, -1]]
    first, second = scores(logits, labels, ("A", "B", "C"))
    assert (first.accuracy.mean, first.commoner, first.accuracy.n) == (0.8, 0.8, 5)
    assert first.on_yes is not None and first.on_no is not None
    assert (first.on_yes.mean, first.on_no.mean) == (1, 0.75)
    assert second.accuracy.n == 3 and second.accuracy.mean == pytest.approx(2 / 3)
    (alone,) = scores([[1.0], [2.0]], [[1], [1]], ("A",))
    assert alone.on_no is None and alone.commoner == 1
    with pytest.raises(DataError, match="do not fit together"):
        scores(logits, labels, ("A",))


def test_that_kl_and_active_units_are_exact() -> None:
    rng = np.random.default_rng(1)
    mu = np.stack([np.tile([1.0, -1.0], 50), np.zeros(100), 0.05 * rng.normal(size=100)], axis=1)
    sigma = np.tile([0.5, 1.0, 1.0], (100, 1))
    found = latent_use(mu, sigma)
    assert found.kl[0] == pytest.approx(0.5 * (1 + 0.25 - 1 - np.log(0.25))) and found.kl[1] == 0
    assert found.kl[2] == pytest.approx(0.5 * (mu[:, 2] ** 2).mean())
    assert found.total == pytest.approx(sum(found.kl)) and found.variance[0] == 1
    assert found.active == 1 and found.threshold == 0.01 and found.faces == 100
    with pytest.raises(DataError):
        latent_use(mu, np.zeros_like(mu))


class Average:
    """Code: the mean of red and of green, about the middle; decoded as flat pictures."""

    planes = Hyperplanes(("Red", "Green", "fake"), np.eye(3)[:, :2], np.zeros(3))

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mu = images[..., :2].mean(axis=(1, 2)) / 255 - 0.5
        return mu, np.full_like(mu, 0.5)

    def decode(self, z: np.ndarray) -> np.ndarray:
        flat = np.full((len(z), 16, 16, 3), 100, np.uint8)
        flat[..., :2] = np.round((np.asarray(z)[:, None, None] + 0.5) * 255)
        return flat


def test_that_a_model_is_measured_on_faces() -> None:
    images = np.full((300, 16, 16, 3), 100, np.uint8)
    images[::2, ..., 0] = 200
    images[..., 1] = 50
    images[:150, ..., 2] = 151  # blue, which the code does not hold
    labels = np.zeros((300, 3), np.int8)
    labels[::2, 1] = 1
    told: list[tuple[int, int]] = []
    found = measure(Average(), images, labels, ("Other", "Red", "Green"), progress=lambda *n: told.append(n))
    assert [score.name for score in found.attributes] == ["Red", "Green"]
    assert all(score.accuracy.mean == 1 for score in found.attributes)
    assert found.reconstruction.l1.mean == pytest.approx(0.5 * 0.2 / 3)
    assert found.reconstruction.ssim.mean < 1
    assert found.latent.active == 1 and told == [(256, 300), (300, 300)]
    json.dumps(asdict(found), allow_nan=False)
    with pytest.raises(Cancelled):
        measure(Average(), images, labels, ("Other", "Red", "Green"), cancelled=lambda: True)
    with pytest.raises(DataError, match="no faces"):
        measure(Average(), images[:0], labels[:0], ("Other", "Red", "Green"))
