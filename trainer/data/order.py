"""In which order a run reads its images: a function of seed and epoch alone, shared by all its processes."""

from __future__ import annotations

import numpy as np

from trainer.errors import ConfigError

WINDOW = 64  # blocks that are shuffled into each other


def epoch_order(
    train: np.ndarray, seed: int, epoch: int, block: int = 0, flip: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The order of one epoch, and which images are mirrored in it.

    Up to `block` 1 every order is equally likely. Beyond, runs of `block` neighbours in `train` change
    places as wholes, then the rows of each `WINDOW` runs are shuffled: images that are read at about the
    same time lie together in the file, and a batch still mixes up to `WINDOW` places of it.

    Args:
        train: (n,) int64 indices, ascending.
        seed: of the run.
        epoch: from 0.
        block: neighbours that stay together; 0 for none.
        flip: mirror half of the images, drawn at random.

    Returns:
        (n,) indices, each of `train` once, and (n,) bool.

    Raises:
        ConfigError: a negative block.
    """
    if block < 0:
        raise ConfigError(f"block = {block}: must not be negative")
    rng = np.random.default_rng([seed, 1, epoch])
    order = rng.permutation(train) if block <= 1 else train[_by_blocks(len(train), block, rng)]
    return order, rng.random(len(order)) < (0.5 if flip else 0.0)


def _by_blocks(n: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) int64: 0 to n - 1 by shuffled blocks, shuffled again within windows of them."""
    starts = rng.permutation(-(-n // block)) * block
    places = (starts[:, None] + np.arange(block)).reshape(-1)
    places = places[places < n]  # the last block may be short
    for at in range(0, n, WINDOW * block):
        rng.shuffle(places[at : at + WINDOW * block])
    return places


def rank_part(rows: np.ndarray, rank: int, world: int) -> np.ndarray:
    """What process `rank` of `world` takes of a global batch's (n, ...) rows: the rank-th n / world of them.

    Raises:
        ConfigError: n is not a multiple of `world`.
    """
    n = len(rows)
    if n % world:
        raise ConfigError(
            f"batch_size = {n}: {world} processes share a batch, so it must be a multiple of {world}"
        )
    share = n // world
    return rows[rank * share : (rank + 1) * share]
