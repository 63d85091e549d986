"""Batches are the same bits whichever way they take to the device, and reading ahead ends when it should."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
import torch

from trainer import feed as feed_module
from trainer.config import with_settings
from trainer.data.cache import Cache, build, open_data
from trainer.data.select import select
from trainer.data.shards import build_shard
from trainer.data.source import open_source
from trainer.errors import DataError
from trainer.feed import READ_AHEAD, Feed, to_floats
from trainer.loop import Trainer

N, SIZE = 60, 16
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    out = tmp_path_factory.mktemp("feed") / "cache"
    return build(open_source(f"avatars:{N}"), SIZE, "none", out, workers=1)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    out = tmp_path_factory.mktemp("feed") / "shards"
    for index in range(3):
        build_shard(f"avatars:{N}", SIZE, "none", index, 3, out, workers=1)
    return Cache.open(out)


def plan_of(count, rows=8, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, N, rows), rng.random(rows) < 0.5) for _ in range(count)]


def as_before(cache, indices, flips, device="cpu"):
    """The path of earlier runs, whose bits a resumed run must meet again."""
    images = cache.images[indices]
    if flips is not None and flips.any():
        images = np.where(flips[:, None, None, None], images[:, :, ::-1], images)
    x = torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float().div_(255)
    return x, torch.from_numpy(cache.labels[indices]).to(device)


def assert_same(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        assert one.dtype == other.dtype and one.device == other.device
        assert torch.equal(one, other)


def feeding_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("feed")]


def flat(lists):
    return [item for part in lists for item in part]


class Watched:
    """Images that note what is asked of them."""

    size = SIZE

    def __init__(self, fail_at=None):
        self.told, self.read = [], []  # indices, batch by batch
        self.ahead = []  # at each reading, how many were told and not yet read
        self.fail_at = fail_at
        self.read_second = threading.Event()

    def __len__(self):
        return N

    def expect(self, indices):
        self.told.append(indices.tolist())

    def batch(self, indices, out=None):
        if self.fail_at is not None and len(self.read) == self.fail_at:
            raise DataError("the disk is gone")
        self.ahead.append(len(flat(self.told)) - len(flat(self.read)))
        self.read.append(indices.tolist())
        if len(self.read) == 2:
            self.read_second.set()
        out[:] = indices[:, None, None, None]
        return out


LABELS = np.zeros((N, 1), np.int8)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("resident", [True, False])
def test_that_batches_are_the_bits_of_earlier_runs(cache, device, resident):
    feed = Feed(cache, cache.labels, device, resident=resident)
    plan = [*plan_of(5), (np.array([3, 3, 0]), np.array([True, False, True])), (np.array([59]), None)]
    for wanted, streamed in zip(plan, feed.batches(plan), strict=True):
        before = as_before(cache, *wanted, device=feed.device)
        assert_same(streamed, before)
        assert_same(feed.batch(*wanted), before)
        assert streamed[0].is_contiguous(memory_format=torch.channels_last)


def test_that_shards_feed_the_same(cache, sharded):
    feed = Feed(sharded, sharded.labels, "cpu")
    plan = plan_of(20, rows=16)
    for wanted, got in zip(plan, feed.batches(plan), strict=True):
        assert_same(got, as_before(cache, *wanted))


def test_that_a_run_on_shards_is_the_run_on_the_whole(tiny_config, tmp_path):
    config = with_settings(tiny_config, {"max_steps": 3, "shuffle_block": 4})
    for index in range(2):
        build_shard("avatars:96", 32, "none", index, 2, tmp_path / "shards", workers=1)
    weights = []
    for data in ("avatars:96", str(tmp_path / "shards")):
        chosen = select(open_data(data, 32, "none", workers=1), ("Eyeglasses", "Hat"))
        trainer = Trainer(config, chosen, tmp_path / f"run-{len(weights)}")
        list(trainer.train())
        weights.append({name: p.detach().clone() for name, p in trainer.model.named_parameters()})
    assert all(torch.equal(weights[0][name], p) for name, p in weights[1].items())
    assert not feeding_threads()


def test_that_the_images_themselves_are_never_mirrored(cache):
    before = cache.images.copy()
    for resident in (True, False):
        feed = Feed(cache, cache.labels, "cpu", resident=resident)
        everything, all_flipped = np.arange(N), np.ones(N, bool)
        once = feed.batch(everything, all_flipped)[0]
        assert torch.equal(feed.batch(everything, all_flipped)[0], once)
        assert torch.equal(feed.batch(everything)[0], once.flip(3))
    assert np.array_equal(cache.images, before)


def test_that_both_ways_to_mirror_agree(cache):
    x = torch.from_numpy(cache.batch(np.arange(10))).permute(0, 3, 1, 2)
    mirrored = torch.tensor([True, False] * 5)
    wanted = torch.stack([x[k].flip(2) if mirrored[k] else x[k] for k in range(10)])
    assert torch.equal(feed_module._mirror_all(x, mirrored), wanted)
    assert torch.equal(feed_module._mirror_each(x.clone(), mirrored), wanted)


def test_that_every_level_is_divided_as_before():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    assert torch.equal(
        to_floats(torch.from_numpy(levels)), torch.from_numpy(levels).permute(0, 3, 1, 2).float().div_(255)
    )


def test_that_only_the_rows_of_a_run_are_resident(cache):
    rows = np.array([40, 2, 9, 9, 30])
    feed = Feed(cache, cache.labels, "cpu", rows=rows, resident=True)
    assert feed.resident
    assert feed._here[0].shape == (4, SIZE, SIZE, 3)
    for asked in (np.array([30, 2, 40, 9, 30]), np.array([2, 3]), np.array([59])):
        flips = np.arange(len(asked)) % 2 == 0
        assert_same(feed.batch(asked, flips), as_before(cache, asked, flips))


def test_that_pixels_stay_on_a_gpu_where_they_fit(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 80_000))
    gpu = torch.device("cuda", 0)
    assert feed_module._fits(3000, gpu)
    assert not feed_module._fits(3001, gpu)
    assert not feed_module._fits(1, torch.device("cpu"))
    assert not Feed(Watched(), LABELS, "cpu").resident


def test_that_the_next_batch_is_read_while_one_is_worked_on():
    images = Watched()
    batches = Feed(images, LABELS, "cpu").batches(plan_of(4))
    next(batches)
    assert images.read_second.wait(30)  # though nobody has asked for it
    batches.close()


def test_that_storage_is_told_before_anything_is_read_and_once():
    images = Watched()
    plan = plan_of(READ_AHEAD // 4, rows=16)
    assert len(list(Feed(images, LABELS, "cpu").batches(plan))) == len(plan)
    assert flat(images.told) == flat(images.read) == [i for indices, _ in plan for i in indices]
    assert len(images.told) == 4  # in stretches, which storage can sort
    assert images.ahead[0] == 2 * READ_AHEAD
    assert min(images.ahead[: -READ_AHEAD // 16]) > READ_AHEAD


@pytest.mark.parametrize("end", ["close", "forget", "use up"])
def test_that_the_thread_ends_with_the_iterator(end):
    images = Watched()
    batches = Feed(images, LABELS, "cpu").batches(plan_of(50))
    next(batches)
    assert feeding_threads()
    if end == "close":
        batches.close()
    elif end == "forget":
        del batches
        gc.collect()
    else:
        assert len(list(batches)) == 49
    assert not feeding_threads()
    assert (len(images.read) == 50) == (end == "use up")


def test_that_an_error_in_reading_comes_in_its_place():
    images = Watched(fail_at=3)
    batches = Feed(images, LABELS, "cpu").batches(plan_of(10))
    for _ in range(3):
        next(batches)
    with pytest.raises(DataError, match="the disk is gone"):
        next(batches)
    assert not feeding_threads()


def test_that_an_error_in_the_plan_reaches_the_consumer():
    def broken():
        yield from plan_of(2)
        raise ValueError("no plan")

    with pytest.raises(ValueError, match="no plan"):
        list(Feed(Watched(), LABELS, "cpu").batches(broken()))
    assert not feeding_threads()


def test_that_an_empty_plan_is_no_batch(cache):
    for resident in (True, False):
        assert list(Feed(cache, cache.labels, "cpu", resident=resident).batches([])) == []
