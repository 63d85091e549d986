"""The choice of how far edits go, on a codec and a judge whose every answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.errors import Cancelled, ConfigError, DataError, ModelError
from trainer.latent import Hyperplanes
from trainer.metrics.deltas import choose
from trainer.metrics.records import Faces


class Grey:
    """A code is one number, a face is that number as a grey level: 128 + 10 z."""

    planes = Hyperplanes(("Hat", "fake"), np.array([[2.0], [1.0]]), np.zeros(2))

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = (images[:, 0, 0, :1].astype(float) - 128) / 10
        return z, np.ones_like(z)

    def decode(self, z: np.ndarray) -> np.ndarray:
        grey = np.clip(np.round(128 + 10 * np.asarray(z)), 0, 255).astype(np.uint8)
        return np.broadcast_to(grey[:, :, None, None], (len(grey), 2, 2, 3)).copy()


class Sees:
    """Sees a hat in codes from `low` to `high`."""

    attributes = ("Hat",)

    def __init__(self, low: float, high: float = 99.0) -> None:
        self.low, self.high = low, high

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        z = Grey().encode(images)[0]
        return ((z >= self.low) & (z <= self.high)).astype(float)


def faces(without: list[float], having: list[float], name: str = "Hat") -> Faces:
    images = Grey().decode(np.array(without + having).reshape(-1, 1))
    labels = np.array([0] * len(without) + [1] * len(having), np.int8)[:, None]
    return Faces(images, labels, (name,))


def test_that_the_shortest_of_the_best_is_chosen_and_nothing_longer_tried() -> None:
    told: list[tuple[int, int]] = []
    choice = choose(
        Grey(), Sees(0.0), faces([-1.0, -1.8], [1.0]), "Hat", progress=lambda *step: told.append(step)
    )
    assert choice.delta == 2.0  # the second face needs 1.8, the third more than 1
    assert choice.grid == (0.5, 1.0, 1.5, 2.0) and choice.success == (0.0, 0.25, 0.75, 1.0)
    assert (choice.lacking, choice.having) == (2, 1)
    assert told[-1] == (12, 12)


def test_that_both_ways_count_alike_however_many_faces_they_have() -> None:
    choice = choose(Grey(), Sees(0.0), faces([-9.0] * 6, [0.4]), "Hat", grid=(0.5, 1.0))
    assert choice.success == (0.5, 0.5) and choice.delta == 0.5


def test_that_going_too_far_is_not_taken_for_better() -> None:
    choice = choose(Grey(), Sees(0.0, high=1.2), faces([-1.0, -2.5], []), "Hat", grid=(1.0, 2.0, 4.0))
    assert choice.success == (0.5, 0.5, 0.0) and choice.delta == 1.0


def test_that_half_a_point_less_success_is_no_reason_to_go_further() -> None:
    near, far = [-1.0] * 399, [-3.0] * 2
    choice = choose(Grey(), Sees(0.0), faces(near + far, []), "Hat", grid=(1.0, 3.0))
    assert choice.success == (399 / 401, 1.0) and choice.delta == 1.0
    choice = choose(Grey(), Sees(0.0), faces(near[:99] + far, []), "Hat", grid=(1.0, 3.0))
    assert choice.delta == 3.0


def test_that_what_cannot_be_chosen_is_refused() -> None:
    some = faces([-1.0], [1.0])
    with pytest.raises(ModelError, match="Beard"):
        choose(Grey(), Sees(0.0), some, "Beard")
    with pytest.raises(DataError, match="Hat"):
        choose(Grey(), Sees(0.0), faces([-1.0], [1.0], "Smiling"), "Hat")
    with pytest.raises(DataError, match="Hat"):
        choose(Grey(), Sees(0.0), faces([], []), "Hat")
    with pytest.raises(ConfigError, match="grid"):
        choose(Grey(), Sees(0.0), some, "Hat", grid=(2.0, 1.0))
    with pytest.raises(Cancelled):
        choose(Grey(), Sees(0.0), some, "Hat", cancelled=lambda: True)


@pytest.mark.parametrize("low", [-200.0, 50.0])
def test_that_nothing_is_chosen_where_no_delta_does_anything(low: float) -> None:
    with pytest.raises(ModelError, match=r"edits of Hat do nothing .* 50\.0% of them .* 50\.0% of the recon"):
        choose(Grey(), Sees(low, 200.0), faces([-1.0, -2.0], [1.0]), "Hat")


def test_that_what_is_lost_without_an_edit_is_no_success_of_edits() -> None:
    blind = Sees(9.0)  # no hat survives; edits up to 6 bring none
    with pytest.raises(ModelError, match="do nothing"):
        choose(Grey(), blind, faces([-1.0], [1.0] * 9), "Hat")
    choice = choose(Grey(), Sees(5.0), faces([-1.0] * 4, [1.0] * 4), "Hat")
    assert choice.delta == 6.0 and choice.success[-1] == 1.0
