"""How fast images come: batches from a cache against decoding the photos, and making the cache itself."""

from __future__ import annotations

import io
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from trainer.bench.figures import Figure, paired, timed
from trainer.data import avatars
from trainer.data.cache import Cache, build
from trainer.data.source import Source, open_source
from trainer.feed import Feed

SIZE, CROP, BATCH, PROCESSES = 64, "center", 64, 2
PHOTOS, DRAWN = 12_000, 256  # files, and how many of them differ
TOGETHER = 8  # batches in one timing
_WIDTH, _HEIGHT = 178, 218  # of an aligned CelebA picture
_NOISE, _QUALITY = 4.0, 75  # files of about 7 kB, as CelebA's are


def write_photos(folder: Path, count: int, drawn: int) -> Source:
    """Drawn faces with a camera's noise as JPEGs in CelebA's layout; every `drawn`-th file is the same."""
    pictures = folder / "img_align_celeba"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(0)
    encoded = []
    for index in range(drawn):
        face = avatars.draw(avatars.options_for(0, index), _HEIGHT)[:, (_HEIGHT - _WIDTH) // 2 :][:, :_WIDTH]
        noisy = np.clip(face + rng.normal(0, _NOISE, face.shape), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noisy).save(stream, "JPEG", quality=_QUALITY)
        encoded.append(stream.getvalue())
    names = [f"{index:06d}.jpg" for index in range(1, count + 1)]
    for index, name in enumerate(names):
        (pictures / name).write_bytes(encoded[index % drawn])
    rows = [f"{name} {1 if index % 2 else -1}" for index, name in enumerate(names)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(count), "Smiling", *rows, ""]))
    (folder / "list_eval_partition.txt").write_text("\n".join([*(f"{name} 0" for name in names), ""]))
    return open_source(f"celeba:{folder}")


def decode(source: Source, indices: np.ndarray, flips: np.ndarray) -> torch.Tensor:
    """What a batch costs without a cache: open, decode and prepare each photo, mirror, convert."""
    images = np.stack([source.read(int(index), SIZE, CROP) for index in indices])
    images = np.where(flips[:, None, None, None], images[:, :, ::-1], images)
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)


def measure() -> list[Figure]:
    """Batches of 64 at 64 px with flips, and a cache of 64 px `center` made by two processes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        source = write_photos(folder / "photos", PHOTOS, DRAWN)
        caches = [folder / f"cache-{k}" for k in range(3)]
        times = [timed(partial(build, source, SIZE, CROP, out, PROCESSES)) for out in caches]
        figures = [_batches(source, Cache.open(caches[0]))]
    figures.append(
        Figure(
            f"make a cache of {SIZE} px from JPEGs, {PROCESSES} processes",
            PHOTOS / statistics.median(times),
            "images/s",
            wanted="2,000 images/s",
            note=f"{PHOTOS:,} photos of {_WIDTH} x {_HEIGHT}, start of the processes included",
        )
    )
    return figures


def _batches(source: Source, cache: Cache) -> Figure:
    feed = Feed(cache, cache.labels, "cpu")
    rng = np.random.default_rng(0)
    plan = [(rng.integers(0, len(cache), BATCH), rng.random(BATCH) < 0.5) for _ in range(TOGETHER)]

    def ours() -> None:
        for wanted in plan:
            feed.batch(*wanted)

    def theirs() -> None:
        for wanted in plan:
            decode(source, *wanted)

    pair = paired(ours, theirs)
    return Figure(
        f"random batch of {BATCH} at {SIZE} px, mirrored and as floats",
        TOGETHER * BATCH / pair.ours,
        "images/s",
        TOGETHER * BATCH / pair.theirs,
        "decoding and preparing the same JPEGs with Pillow",
        pair.ratio,
        "8,000 images/s and 4x",
        f"{torch.get_num_threads()} threads; the cache is in memory by then",
    )
