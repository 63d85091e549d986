"""Fixtures for both halves, and checks that a test leaves nothing behind."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors, and other processes beside

from trainer.config import TrainConfig

TINY = {
    "image_size": 32,
    "channels": (8, 8, 8),
    "latent_dim": 8,
    "batch_size": 8,
    "epochs": 3,
    "warmup_epochs": 1,
    "lr_milestones": (2,),
    "log_every": 1,
    "calibration_images": 64,
    "valid_images": 16,
    "precision": "fp32",
    "device": "cpu",
}
TINY_ARGUMENTS = [
    item
    for key, value in TINY.items()
    for item in ("--set", f"{key}={','.join(map(str, value)) if isinstance(value, tuple) else value}")
]


@pytest.fixture(scope="session", autouse=True)
def cache_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One image cache for the whole run, away from the user's; child processes inherit it."""
    root = tmp_path_factory.mktemp("cache")
    before = os.environ.get("INTROVAC_CACHE")
    os.environ["INTROVAC_CACHE"] = str(root)
    yield root
    if before is None:
        del os.environ["INTROVAC_CACHE"]
    else:
        os.environ["INTROVAC_CACHE"] = before


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail a test that leaves a Python thread of its own running."""
    before = set(threading.enumerate())
    yield
    gc.collect()
    left = [t for t in threading.enumerate() if t not in before and not t.daemon and t.is_alive()]
    assert not left, f"threads left running: {left}"


@pytest.fixture
def tiny_config() -> TrainConfig:
    """Seconds of training on 96 avatars of 32 px, with a warm-up epoch and the game."""
    from trainer.setup import resolve

    return resolve("quick", data="avatars:96", values=TINY)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of the tiny shape, weights at random but the same in every run."""
    import torch

    from trainer import checkpoint
    from trainer.card import ModelCard
    from trainer.config import ModelConfig
    from trainer.models import IntroVAC, recalibrate

    torch.manual_seed(7)
    shape = ModelConfig(
        image_size=32, channels=(8, 8, 8), latent_dim=8, attributes=("Eyeglasses", "FacialHair"), crop="none"
    )
    model = IntroVAC(shape)
    recalibrate(model, [torch.rand(16, 3, 32, 32) for _ in range(2)], torch.Generator().manual_seed(1))
    model.game_played = True
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    checkpoint.save_model(path, model, ModelCard(name="tiny", data="avatars", game_played=True))
    return path
