"""A cache holds what its source does, is whole or absent, and is built again when anything changes."""

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.data import avatars
from trainer.data.cache import Cache, build, cache_key, default_cache_root, open_data
from trainer.data.source import open_source
from trainer.errors import Cancelled, DataError, RunError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """40 avatars at 16 px, built once."""
    return build(open_source("avatars:40"), 16, "none", tmp_path_factory.mktemp("drawn") / "cache", workers=1)


@pytest.fixture
def photos(tmp_path):
    """A folder of five photos in two classes, the third of which is broken."""
    folder = tmp_path / "photos"
    for index in range(5):
        path = folder / ("Glad" if index < 3 else "Sad") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(avatars.draw(avatars.options_for(0, index), 24)).save(path)
    broken = folder / "Glad" / "2.png"
    broken.write_bytes(broken.read_bytes()[:300])
    return folder


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_that_a_cache_holds_what_its_source_does(drawn):
    source = open_source("avatars:40")
    assert drawn.images.shape == (40, 16, 16, 3)
    assert drawn.attributes == source.attributes
    assert drawn.names == source.names
    assert np.array_equal(drawn.labels, source.labels)
    assert np.array_equal(drawn.splits, source.splits)
    assert (drawn.size, drawn.crop, drawn.spec, drawn.skipped) == (16, "none", "avatars:40:0", [])
    for index in (0, 31, 32, 39):
        assert np.array_equal(drawn.images[index], source.read(index, 16, "none"))
        assert drawn.options(index) == source.options(index)


def test_that_a_batch_is_a_copy_in_the_asked_order(drawn):
    batch = drawn.batch([7, 3, 7])
    assert type(batch) is np.ndarray
    assert np.array_equal(batch, np.stack([drawn.images[i] for i in (7, 3, 7)]))
    batch[:] = 0
    assert drawn.images[7].any()


def test_that_processes_build_the_same_and_report_progress(drawn, tmp_path):
    seen = []
    again = build(
        open_source("avatars:40"), 16, "none", tmp_path / "c", workers=2, progress=lambda *at: seen.append(at)
    )
    assert np.array_equal(again.images, drawn.images)
    assert seen[-1] == (40, 40)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert listing(tmp_path) == ["c"]


def test_that_broken_pictures_are_skipped_and_named(photos, tmp_path):
    cache = build(open_source(f"folder:{photos}"), 24, "square", tmp_path / "c", workers=1)
    assert cache.names == ["Glad/0.png", "Glad/1.png", "Sad/3.png", "Sad/4.png"]
    assert cache.labels.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert cache.images.shape == (4, 24, 24, 3)
    assert np.array_equal(cache.images[2], avatars.draw(avatars.options_for(0, 3), 24))
    [(name, reason)] = cache.skipped
    assert name == "Glad/2.png"
    assert "2.png" in reason
    assert cache.options(0) is None


def test_that_no_good_picture_at_all_is_an_error(photos, tmp_path):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match="none of 5 pictures"):
        build(open_source(f"folder:{photos}"), 24, "square", tmp_path / "c", workers=1)
    assert listing(tmp_path) == ["photos"]


@pytest.mark.parametrize("workers", [1, 2])
def test_that_a_cancelled_build_leaves_nothing(tmp_path, workers):
    with pytest.raises(Cancelled):
        build(open_source("avatars:100"), 8, "none", tmp_path / "c", workers=workers, cancelled=lambda: True)
    assert listing(tmp_path) == []


def test_that_an_interrupted_build_is_never_opened(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from trainer.data.cache import build;"
        "from trainer.data.source import open_source;"
        "build(open_source('avatars:100'), 8, 'none', Path(sys.argv[1]), 1, lambda *at: os._exit(9))"
    )
    out = tmp_path / "c"
    ended = subprocess.run([sys.executable, "-c", program, str(out)], cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == 9
    [partial] = tmp_path.iterdir()  # what the killed process left
    for path in (out, partial):
        with pytest.raises(DataError, match="not a cache"):
            Cache.open(path)
    living = tmp_path / f".c.{os.getpid()}-0.partial"
    living.mkdir()
    build(open_source("avatars:3"), 8, "none", out, workers=1)
    assert listing(tmp_path) == [living.name, "c"]


def test_that_only_a_cache_or_nothing_is_replaced(tmp_path):
    out = tmp_path / "c"
    assert len(build(open_source("avatars:3"), 8, "none", out, workers=1)) == 3
    assert len(build(open_source("avatars:4"), 8, "none", out, workers=1)) == 4
    assert listing(tmp_path) == ["c"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for name, said in (("mine", "not empty"), ("mine/letter.txt", "is a file")):
        with pytest.raises(DataError, match=said):
            build(open_source("avatars:3"), 8, "none", tmp_path / name, workers=1)
    assert listing(tmp_path / "mine") == ["letter.txt"]


def test_that_a_cache_that_is_in_use_is_kept(tmp_path, monkeypatch):
    """Windows renames no directory with an open file in it."""
    out = tmp_path / "c"
    build(open_source("avatars:3"), 8, "none", out, workers=1)

    def refuse(self, target):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(Path, "rename", refuse)
    assert len(build(open_source("avatars:3"), 8, "none", out, workers=1)) == 3  # the same: nothing to do
    with pytest.raises(DataError, match="is it open"):
        build(open_source("avatars:4"), 8, "none", out, workers=1)
    assert len(Cache.open(out)) == 3
    assert listing(tmp_path) == ["c"]


def test_that_a_full_disk_is_noticed_first(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 10))
    with pytest.raises(RunError, match="MiB are needed"):
        build(open_source("avatars:3"), 8, "none", tmp_path / "c", workers=1)
    assert listing(tmp_path) == []


@pytest.mark.parametrize(("size", "crop"), [(0, "none"), (8, "round")])
def test_that_a_wrong_size_or_crop_is_refused(tmp_path, size, crop):
    with pytest.raises(DataError, match=r"image size|crop"):
        build(open_source("avatars:3"), size, crop, tmp_path / "c", workers=1)


@pytest.mark.parametrize("damage", ["version", "json", "images", "labels", "rows"])
def test_that_a_damaged_cache_is_refused(tmp_path, damage):
    out = tmp_path / "c"
    build(open_source("avatars:3"), 8, "none", out, workers=1)
    meta = json.loads((out / "meta.json").read_text("utf-8"))
    if damage == "version":
        (out / "meta.json").write_text(json.dumps(meta | {"version": 0}))
    elif damage == "json":
        (out / "meta.json").write_text("{")
    elif damage == "images":
        (out / "images.npy").write_bytes((out / "images.npy").read_bytes()[:-100])
    elif damage == "labels":
        (out / "labels.npy").unlink()
    else:
        (out / "meta.json").write_text(json.dumps(meta | {"names": ["one"]}))
    with pytest.raises(DataError, match=r"prepare it again"):
        Cache.open(out)


def test_that_opening_again_reuses_the_cache(tmp_path):
    first = open_data("avatars:6", 8, None, workers=1, cache_root=tmp_path)
    stamp = (first.path / "images.npy").stat().st_mtime_ns
    calls = []
    again = open_data("avatars:6", 8, None, progress=lambda *at: calls.append(at), cache_root=tmp_path)
    assert (again.path, calls) == (first.path, [])
    assert (again.path / "images.npy").stat().st_mtime_ns == stamp
    assert first.path.name.startswith("avatars-8px-")
    for spec, size in (("avatars:7", 8), ("avatars:6:1", 8), ("avatars:6", 9)):
        assert open_data(spec, size, None, workers=1, cache_root=tmp_path).path != first.path


def test_that_a_damaged_cache_is_built_again(tmp_path):
    first = open_data("avatars:3", 8, None, workers=1, cache_root=tmp_path)
    (first.path / "meta.json").unlink()
    assert len(open_data("avatars:3", 8, None, workers=1, cache_root=tmp_path)) == 3


def test_that_the_directory_of_a_cache_must_fit(drawn, tmp_path):
    given = str(drawn.path)
    assert open_data(given, 16, None).crop == "none"
    assert open_data(given, 16, "none").path == drawn.path
    with pytest.raises(DataError, match=r"holds images of 16 px, but 32 px"):
        open_data(given, 32, None)
    with pytest.raises(DataError, match=r"holds crop 'none', but 'center'"):
        open_data(given, 16, "center")
    with pytest.raises(DataError, match="holds no cache"):
        open_data(str(tmp_path), 16, None)


def test_that_the_key_changes_with_files_labels_and_crop(photos):
    def key(size=8, crop="square"):
        return cache_key(open_source(f"folder:{photos}"), size, crop)

    first = key()
    assert key() == first
    assert len({first, key(9), key(8, "center")}) == 3
    path = photos / "Glad" / "0.png"
    later = path.stat().st_mtime_ns + 5_000_000_000
    os.utime(path, ns=(later, later))
    touched = key()
    path.rename(photos / "Sad" / "0.png")
    assert len({first, touched, key()}) == 3


def test_that_the_place_of_caches_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("INTROVAC_CACHE", str(tmp_path))
    assert default_cache_root() == tmp_path
    assert open_data("avatars:2", 8, None, workers=1).path.parent == tmp_path
    monkeypatch.delenv("INTROVAC_CACHE")
    assert default_cache_root().name.lower().startswith("introvac") or "introvac-studio" in str(
        default_cache_root()
    )


def test_that_no_heavy_library_is_imported():
    program = (
        "import sys, trainer.data.cache, trainer.data.select;"
        "print([m for m in sys.modules if m in ('torch', 'PySide6')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
