"""IntroVAC as a library: train, load, edit and sample. Importing it imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.models import IntroVAC


def load(path: str | Path) -> IntroVAC:
    """The model of a file, on the CPU and in evaluation mode.

    It has `encoder(x) -> (mu, logvar)`, `decoder(z) -> x`, `classifier(z) -> logits`, `config` and
    `attributes`; x is (N, 3, S, S) float in [0, 1], z is (N, d), logits are (N, K + 1) with `fake` last.

    Raises:
        CheckpointError: no such file, or not a model of this project.
    """
    from trainer import checkpoint

    return checkpoint.load_model(path)
