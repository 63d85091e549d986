"""The exponential moving average of a model's weights."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.models import IntroVAC


class Average:
    """Follows a model: w' = d w' + (1 - d) w after each step, with d = min(decay, (1 + step) / (10 + step)).

    The rising decay lets the first steps, far from where training goes, be forgotten.

    Attributes:
        model: a model of its own that holds the averages; its running statistics are not touched.
    """

    def __init__(self, model: IntroVAC, decay: float) -> None:
        self.model, self._decay = model, decay

    @torch.no_grad()
    def follow(self, model: IntroVAC, step: int, finite: Tensor) -> None:
        """Take in the weights after a step; where `finite` (a bool scalar) is false, nothing changes."""
        share = (1 - min(self._decay, (1 + step) / (10 + step))) * finite.float()
        for mine, theirs in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.add_((theirs - mine) * share)
