"""Refining codes toward their photos."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer import checkpoint
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.refine import load, refine


@pytest.fixture(scope="module")
def model(tiny_model):
    return load(tiny_model, "cpu")


@pytest.fixture(scope="module")
def faces(model):
    """Pictures that the decoder can make, and codes beside the ones that make them."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(18, 8)).astype(np.float32)
    with torch.inference_mode():
        decoded = model.decoder(torch.from_numpy(codes)).permute(0, 2, 3, 1)
    images = decoded.mul(255).round().byte().numpy()
    return images, codes + 0.5 * rng.normal(size=codes.shape).astype(np.float32)


def error_of(model, images, z):
    with torch.inference_mode():
        decoded = model.decoder(torch.from_numpy(z.astype(np.float32))).permute(0, 2, 3, 1).numpy()
    return np.abs(decoded - images / np.float32(255)).mean(axis=(1, 2, 3))


def test_that_refining_lowers_every_faces_error_and_says_by_how_much(model, faces):
    images, start = faces
    refined = refine(model, images, start, steps=30)
    assert refined.z.shape == start.shape and refined.z.dtype == np.float64
    np.testing.assert_allclose(refined.before, error_of(model, images, start), rtol=1e-4)
    np.testing.assert_allclose(refined.after, error_of(model, images, refined.z), rtol=1e-4)
    assert (refined.after < 0.7 * refined.before).all()
    np.testing.assert_allclose(refined.gain, 1 - refined.after / refined.before)


def test_that_faces_do_not_meet_and_weights_stay(model, faces):
    images, start = faces
    before = checkpoint.digest(model)
    together = refine(model, images, start, steps=4)
    alone = refine(model, images[17:], start[17:], steps=4)
    np.testing.assert_allclose(together.z[17:], alone.z, atol=1e-4)
    assert checkpoint.digest(model) == before
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_that_a_step_too_long_never_makes_it_worse(model, faces):
    images, start = faces
    refined = refine(model, images[:2], start[:2], steps=3, rate=1.0)
    assert (refined.after <= refined.before).all()
    np.testing.assert_allclose(refined.after, error_of(model, images[:2], refined.z), rtol=1e-4)


def test_that_progress_is_told_to_the_end(model, faces):
    images, start = faces
    told = []
    refine(model, images, start, steps=3, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[0] == (0, 6) and told[-1] == (6, 6)


def test_that_refining_stops_when_asked(model, faces):
    images, start = faces
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Cancelled):
        refine(model, images, start, steps=50, cancelled=cancelled)
    assert len(asked) == 3


def test_that_what_does_not_fit_is_refused(model, faces):
    images, start = faces
    for error, words, arguments, options in (
        (ConfigError, "refine = 0", (images, start), {"steps": 0}),
        (ConfigError, "rate", (images, start), {"rate": 0.0}),
        (ModelError, "17 codes need", (images, start[1:]), {}),
        (ModelError, "float32", (images.astype(np.float32), start), {}),
        (ModelError, "NaN", (images, start * np.nan), {}),
        (ModelError, "shape", (images, start[:, 1:]), {}),
    ):
        with pytest.raises(error, match=words):
            refine(model, *arguments, **options)
