"""The data bench times what it says: photos like CelebA's, and two ways to one and the same batch."""

import numpy as np
import torch

from trainer.bench import data
from trainer.data.cache import build
from trainer.feed import Feed


def test_that_both_ways_give_the_same_batch(tmp_path):
    source = data.write_photos(tmp_path / "photos", 12, 3)
    assert source.spec.startswith("celeba:") and len(source.names) == 12
    with (tmp_path / "photos" / "img_align_celeba" / "000012.jpg").open("rb") as file:
        assert 3000 < len(file.read()) < 12_000
    cache = build(source, data.SIZE, data.CROP, tmp_path / "cache", workers=1)
    indices, flips = np.array([11, 0, 5, 5]), np.array([True, False, False, True])
    ours, _ = Feed(cache, cache.labels, "cpu").batch(indices, flips)
    assert torch.equal(ours, data.decode(source, indices, flips))
    assert not torch.equal(ours[2], ours[3])


def test_that_figures_carry_what_was_measured(monkeypatch):
    for name, value in (("PHOTOS", 70), ("DRAWN", 3), ("PROCESSES", 1), ("TOGETHER", 1)):
        monkeypatch.setattr(data, name, value)
    batch, made = data.measure()
    assert batch.unit == made.unit == "images/s"
    assert batch.value > 0 and batch.baseline is not None and batch.ratio is not None
    assert made.value > 0 and made.ratio is None
    assert "70 photos" in made.note and "1 processes" in made.what
