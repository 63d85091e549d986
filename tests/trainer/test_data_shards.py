"""Shards together are the cache of the whole, whoever made them and when; what does not belong is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer import setup
from trainer.cli import main
from trainer.data import avatars, cache, rows, sharded
from trainer.data.cache import Cache, build, open_data
from trainer.data.select import select
from trainer.data.shards import build_shard, directory
from trainer.data.source import open_source
from trainer.data.splits import own_splits, splits
from trainer.errors import Cancelled, DataError

ROOT = Path(__file__).parents[2]
SPEC, COUNT, SIZE = "avatars:50", 4, 16


def make(out, spec=SPEC, order=range(COUNT), count=COUNT, size=SIZE, **more):
    for index in order:
        build_shard(spec, size, None, index, count, out, workers=1, **more)
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build(open_source(SPEC), SIZE, "none", tmp_path_factory.mktemp("whole") / "cache", workers=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("made") / "shards")


@pytest.fixture
def copy(made, tmp_path):
    """Shards that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "shards"))


def photo_folder(folder, count, first=0, attributes="Glad,Sad"):
    folder.mkdir(parents=True)
    lines = [f"file,{attributes}"]
    for index in range(count):
        Image.fromarray(avatars.draw(avatars.options_for(0, first + index), 24)).save(
            folder / f"é{index}.png"
        )
        lines.append(f"é{index}.png,{index % 2},{(index // 2) % 2}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def test_that_shards_are_the_cache_of_the_whole(whole, made):
    opened = Cache.open(made)
    assert len(opened) == len(whole) == 50
    assert list(opened.names) == whole.names
    assert [opened.names[i] for i in (0, 12, 49)] == [whole.names[i] for i in (0, 12, 49)]
    assert opened.names[10:14] == whole.names[10:14]
    assert np.array_equal(opened.labels, whole.labels) and opened.labels.dtype == np.int8
    assert np.array_equal(opened.splits, whole.splits)
    assert (opened.size, opened.crop, opened.spec) == (whole.size, whole.crop, whole.spec)
    assert (opened.attributes, opened.skipped) == (whole.attributes, [])
    assert opened.key != whole.key
    for index in (0, 11, 12, 13, 49):
        assert opened.options(index) == whole.options(index)


@pytest.mark.parametrize("seed", range(3))
def test_that_batches_are_those_of_the_whole(whole, made, seed):
    wanted = np.random.default_rng(seed).integers(0, 50, 40)  # some come twice
    opened = Cache.open(made)
    assert np.array_equal(opened.batch(wanted), whole.batch(wanted))
    out = np.empty((40, SIZE, SIZE, 3), np.uint8)
    for one in (opened, whole):
        out[:] = 0
        assert one.batch(wanted, out=out) is out
        assert np.array_equal(out, whole.images[wanted])
    assert opened.batch([]).shape == (0, SIZE, SIZE, 3)


@pytest.mark.parametrize("index", [-1, 50])
def test_that_an_index_out_of_range_is_refused(whole, made, index):
    for one in (whole, Cache.open(made)):
        with pytest.raises(IndexError, match="not from 0 to 49"):
            one.batch([0, index])
    with pytest.raises(IndexError, match=r"of 50"):
        Cache.open(made).names[index]


def test_that_selecting_is_as_on_the_whole(whole, made):
    opened = Cache.open(made)
    one, other = (select(c, ("Hat", "Beard"), subset="balanced:1", seed=3) for c in (opened, whole))
    for part in ("train", "valid", "test", "labels"):
        assert np.array_equal(getattr(one, part), getattr(other, part))
    opened.splits[:] = 0  # no valid split: drawn by the names
    assert np.array_equal(own_splits(opened)[1], own_splits(_all_train(whole))[1])
    assert np.array_equal(splits(opened).selection, splits(_all_train(whole)).selection)


def _all_train(whole):
    again = Cache.open(whole.path)
    again.splits[:] = 0
    return again


def test_that_the_order_of_building_does_not_matter(made, tmp_path):
    other = make(tmp_path / "other", order=[2, 0, 3, 1])
    assert Cache.open(other).key == Cache.open(made).key
    for index in range(COUNT):
        for name in ("images.npy", "labels.npy", "names.npy", "meta.json"):
            one, two = (directory(place, index, COUNT) / name for place in (made, other))
            assert one.read_bytes() == two.read_bytes()


def test_that_processes_build_different_shards_at_once(whole, tmp_path):
    command = [sys.executable, "-m", "trainer", "prepare", "--data", SPEC, "--image-size", "32"]
    command += ["--out", str(tmp_path / "s"), "--workers", "1", "--shard"]
    running = [
        subprocess.Popen([*command, f"{i}/2"], cwd=ROOT, stderr=subprocess.PIPE, text=True) for i in range(2)
    ]
    said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    opened = Cache.open(tmp_path / "s")
    assert list(opened.names) == whole.names
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "shard-00000-of-00002",
        "shard-00001-of-00002",
    ]


def test_that_a_finished_shard_is_left_as_it_is_until_its_pictures_change(tmp_path):
    photos = photo_folder(tmp_path / "photos", 6)
    out, spec, calls = tmp_path / "s", f"folder:{photos}", []

    def build_both():
        calls.clear()
        make(out, spec, range(2), 2, progress=lambda done, total: calls.append(total))
        return list(calls)

    assert build_both() == [3, 3]
    assert build_both() == []
    later = (photos / "é5.png").stat().st_mtime_ns + 5_000_000_000
    os.utime(photos / "é5.png", ns=(later, later))
    assert build_both() == [3]  # the second alone
    assert [str(name) for name in Cache.open(out).names] == [f"é{i}.png" for i in range(6)]


def test_that_broken_and_missing_pictures_are_skipped_as_in_the_whole(tmp_path):
    photos = photo_folder(tmp_path / "photos", 9)
    (photos / "é1.png").unlink()
    (photos / "é6.png").write_bytes(b"broken")
    spec = f"folder:{photos}"
    whole = build(open_source(spec), SIZE, "square", tmp_path / "whole", workers=1)
    opened = Cache.open(make(tmp_path / "s", spec, range(3), 3))
    assert len(opened) == 7
    assert list(opened.names) == whole.names
    assert opened.skipped == whole.skipped and len(opened.skipped) == 2
    assert np.array_equal(opened.labels, whole.labels)
    assert np.array_equal(opened.batch(np.arange(7)), whole.images)


def test_that_a_shard_may_have_its_own_folder(tmp_path):
    for part in range(3):
        photo_folder(tmp_path / f"part-{part:03d}", 4 + part, first=10 * part)
    out = make(tmp_path / "s", f"folder:{tmp_path}/part-{{shard:03d}}", range(3), 3)
    opened = Cache.open(out)
    assert len(opened) == 15
    assert list(opened.names)[3:5] == ["00000/é3.png", "00001/é0.png"]  # one name, two pictures
    parts = [open_source(f"folder:{tmp_path}/part-{part:03d}") for part in range(3)]
    pixels = [source.read(i, SIZE, "square") for source in parts for i in range(len(source.names))]
    assert np.array_equal(opened.batch(np.arange(15)), np.stack(pixels))
    (tmp_path / "part-001" / "labels.csv").write_text("file,Glad,Tall\né0.png,1,1\n", "utf-8")
    make(out, f"folder:{tmp_path}/part-{{shard:03d}}", [1], 3)
    with pytest.raises(DataError, match=r"shard-00001-of-00003: its attributes is not .*Tall"):
        Cache.open(out)


def test_that_missing_shards_are_named(copy):
    for index in (1, 3):
        shutil.rmtree(directory(copy, index, COUNT))
    with pytest.raises(DataError, match=r"2 of 4 shards are missing: 1, 3; .*--shard 1/4 --out"):
        open_data(str(copy), SIZE, None)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda out: make(out, "avatars:51", [2]), "list of pictures and labels"),
        (lambda out: make(out, size=8, order=[2]), r"image size is not .*\(8, not 16\)"),
        (lambda out: directory(out, 2, 4).rename(directory(out, 0, 2)), "holds shards of 2 and of 4"),
        (lambda out: _swap(directory(out, 1, 4), directory(out, 2, 4)), "holds shard 2/4; it was renamed"),
        (lambda out: _change_meta(out, version=0), "version 0"),
        (lambda out: _change_meta(out, count=3), "damaged"),
        (lambda out: _change_meta(out, shard=None), "damaged shard"),
        (lambda out: _cut(directory(out, 2, 4) / "images.npy"), "images.npy: damaged"),
        (lambda out: _cut(directory(out, 2, 4) / "labels.npy"), "labels.npy: damaged"),
        (lambda out: (directory(out, 2, 4) / "images.npy").unlink(), r"images.npy: cannot be opened"),
    ],
    ids=["labels", "size", "counts", "renamed", "version", "count", "no shard", "images", "cut", "none"],
)
def test_that_shards_that_do_not_belong_together_are_refused(copy, spoil, said):
    spoil(copy)
    with pytest.raises(DataError, match=said):
        Cache.open(copy)


def _swap(one, other):
    third = one.with_name("aside")
    one.rename(third)
    other.rename(one)
    third.rename(other)


def _change_meta(out, **changes):
    path = directory(out, 2, COUNT) / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def _cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def test_that_a_place_that_holds_something_else_is_refused(whole, copy, tmp_path):
    with pytest.raises(DataError, match="holds shards of 4, not of 5"):
        build_shard(SPEC, SIZE, None, 0, 5, copy)
    with pytest.raises(DataError, match="a cache of its own"):
        build_shard(SPEC, SIZE, None, 0, 5, whole.path)
    with pytest.raises(DataError, match="not empty and not a cache"):
        build(open_source(SPEC), SIZE, "none", copy)
    with pytest.raises(DataError, match="50 faces are too few for 51 shards"):
        build_shard(SPEC, SIZE, None, 0, 51, tmp_path / "s")
    with pytest.raises(Cancelled):
        make(tmp_path / "s", cancelled=lambda: True)
    assert list((tmp_path / "s").iterdir()) == []


@pytest.mark.parametrize(("index", "count"), [(4, 4), (-1, 4), (0, 0), (0, 100_000)])
def test_that_a_shard_of_no_such_number_is_refused(tmp_path, index, count):
    with pytest.raises(DataError, match="numbers are 0 to N - 1"):
        build_shard(SPEC, SIZE, None, index, count, tmp_path)


def test_that_shards_are_data_like_any_cache(made):
    assert open_data(str(made), SIZE, "none").key == Cache.open(made).key
    with pytest.raises(DataError, match="holds images of 16 px, but 32 px"):
        open_data(str(made), 32, None)
    with pytest.raises(DataError, match="holds crop 'none', but 'center'"):
        open_data(str(made), SIZE, "center")
    assert cache.is_cache(made) and not cache.is_cache(made.parent)
    assert setup.resolve("introvac", data=str(made)).model.crop == "none"


def test_that_one_shard_is_a_cache_too(whole, made):
    one = Cache.open(directory(made, 1, COUNT))
    assert one.names == whole.names[12:25]
    assert np.array_equal(one.images, whole.images[12:25])
    assert one.options(0) == whole.options(12)


def test_that_a_shard_is_made_by_the_command_line(tmp_path, capsys):
    arguments = ["prepare", "--data", "avatars:9", "--image-size", "32", "--out", str(tmp_path / "s")]
    assert main([*arguments, "--workers", "1", "--shard", "1/2"]) == 0
    assert "1 of 2 shards are still to be made" in capsys.readouterr().err
    assert main([*arguments, "--workers", "1", "--shard", "0/2"]) == 0
    assert "still to be made" not in capsys.readouterr().err
    assert len(Cache.open(tmp_path / "s")) == 9
    for wrong in ("2/2", "1", "a/2", "-1/2", "0/0"):
        with pytest.raises(SystemExit) as stop:
            main([*arguments, f"--shard={wrong}"])
        assert stop.value.code == 2
        assert "is not a shard" in capsys.readouterr().err


def test_that_few_files_are_open_at_a_time(whole, made, monkeypatch):
    monkeypatch.setattr(sharded, "_OPEN_FILES", 1)
    opened = Cache.open(made)
    wanted = np.random.default_rng(0).permutation(50)
    for _ in range(2):
        assert np.array_equal(opened.batch(wanted), whole.images[wanted])
        assert opened._rows.cache_info().currsize == 1
    assert [opened.names[i] for i in wanted] == [whole.names[i] for i in wanted]


def test_that_neighbours_are_read_in_one_go(whole, made, monkeypatch):
    seen = []
    read = rows.RowFile.read
    monkeypatch.setattr(
        rows.RowFile,
        "read",
        lambda self, first, into: seen.append((first, len(into))) or read(self, first, into),
    )
    wanted = [30, 8, 10, 9, 49, 12, 11, 9]
    assert np.array_equal(Cache.open(made).batch(wanted), whole.images[wanted])
    # 8 and 9; 9 again and 10, 11; 12 is the first of the second shard
    assert seen == [(8, 2), (9, 3), (0, 1), (5, 1), (12, 1)]


@pytest.mark.parametrize("system", ["without", "short"])
def test_that_systems_without_scattered_reading_read_the_same(whole, made, monkeypatch, system):
    if system == "without":
        monkeypatch.delattr(os, "preadv", raising=False)
    else:
        monkeypatch.setattr(os, "preadv", lambda file, buffers, offset: 5, raising=False)
    wanted = np.random.default_rng(1).integers(0, 50, 30)
    assert np.array_equal(Cache.open(made).batch(wanted), whole.images[wanted])


def test_that_a_file_that_shrinks_is_an_error(copy):
    opened = Cache.open(copy)
    opened.batch([49])
    _cut(directory(copy, 3, COUNT) / "images.npy")
    opened.batch([0, 48])
    with pytest.raises(DataError, match=r"shard-00003-of-00004.images\.npy: ends early"):
        opened.batch([49])


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="needs advice on files")
def test_that_storage_is_told_of_whole_stretches(whole, made, monkeypatch):
    told = []
    monkeypatch.setattr(
        os, "posix_fadvise", lambda file, offset, length, advice: told.append((offset, length))
    )
    row, wanted = SIZE * SIZE * 3, np.array([14, 3, 11, 2, 12, 13, 3])
    head = whole.images.offset
    whole.expect(wanted)
    assert told == [(head + 2 * row, 2 * row), (head + 11 * row, 4 * row)]
    told.clear()
    Cache.open(made).expect(wanted)
    assert told == [(head + 2 * row, 2 * row), (head + 11 * row, row), (head, 3 * row)]


def test_that_a_partial_build_of_another_machine_is_left_alone(tmp_path):
    foreign = tmp_path / ".c.999999999-00000000-aaaa.partial"
    foreign.mkdir()
    build(open_source("avatars:3"), 8, "none", tmp_path / "c", workers=1)
    assert foreign.is_dir()
