"""The order of an epoch follows from seed and epoch, and processes divide each batch among them."""

import numpy as np
import pytest

from trainer.data.order import WINDOW, epoch_order, rank_part
from trainer.errors import ConfigError

TRAIN = np.arange(5000, dtype=np.int64) * 3


def test_that_without_blocks_it_is_the_permutation_of_earlier_runs():
    """Resumed runs go on in the order that they began with."""
    for seed, epoch in ((0, 0), (7, 3)):
        rng = np.random.default_rng([seed, 1, epoch])
        order, flips = rng.permutation(TRAIN), rng.random(len(TRAIN)) < 0.5
        for block in (0, 1):
            got = epoch_order(TRAIN, seed, epoch, block)
            assert np.array_equal(got[0], order)
            assert np.array_equal(got[1], flips)


@pytest.mark.parametrize("block", [0, 4, 300, 10_000])
def test_that_each_image_comes_once_an_epoch(block):
    first, again, later = (epoch_order(TRAIN, 1, epoch, block)[0] for epoch in (0, 0, 1))
    assert np.array_equal(np.sort(first), TRAIN)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)
    assert first.dtype == np.int64


def test_that_half_are_mirrored_or_none():
    assert 2300 < epoch_order(TRAIN, 0, 0)[1].sum() < 2700
    assert 2300 < epoch_order(TRAIN, 0, 0, 16)[1].sum() < 2700
    assert not epoch_order(TRAIN, 0, 0, flip=False)[1].any()


def test_that_blocks_are_read_together_and_mixed_within_a_window():
    block, n = 8, 8 * WINDOW * 5
    order, _ = epoch_order(np.arange(n), 0, 0, block)
    for window in order.reshape(5, -1):
        blocks, counts = np.unique(window // block, return_counts=True)
        assert len(blocks) == WINDOW and (counts == block).all()  # whole blocks, from all over the file
        assert blocks.max() - blocks.min() > n / block / 2
        assert (np.diff(window) == 1).mean() < 0.1  # shuffled into each other


def test_that_a_negative_block_is_refused():
    with pytest.raises(ConfigError, match="block = -1"):
        epoch_order(TRAIN, 0, 0, -1)


def test_that_processes_share_a_batch_without_overlap():
    batch = np.arange(12) * 5
    parts = [rank_part(batch, rank, 4) for rank in range(4)]
    assert [len(part) for part in parts] == [3, 3, 3, 3]
    assert np.array_equal(np.concatenate(parts), batch)
    assert np.array_equal(rank_part(batch, 0, 1), batch)
    with pytest.raises(ConfigError, match="batch_size = 12: 5 processes"):
        rank_part(batch, 0, 5)
