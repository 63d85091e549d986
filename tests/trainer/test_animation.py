"""Animations: the way of an amount, the three formats, what made them, and that none is left half written."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from trainer import animation, grid
from trainer.errors import Cancelled, ConfigError, DataError

RECIPE = {"model": "ab12", "note": "Ünïcode ☃", "z": [[0.123456] * 256] * 60}


@pytest.fixture(scope="module")
def frames():
    """Six pictures (31, 46) with a bright square that walks to the right."""
    made = []
    for k in range(6):
        pixels = np.full((31, 46, 3), 40, np.uint8)
        pixels[8:24, 6 * k : 6 * k + 16] = (220, 120, 30)
        made.append(Image.fromarray(pixels))
    return made


def test_that_every_easing_joins_both_ends_and_never_turns_back():
    for easing in animation.EASINGS:
        way = animation.amounts(-3.0, 5.0, 41, easing)
        assert way[0] == -3.0 and way[-1] == pytest.approx(5.0) and way[20] == pytest.approx(1.0)
        assert (np.diff(way) > 0).all()
    steps = [np.diff(animation.amounts(0, 1, 41, easing))[0] for easing in animation.EASINGS]
    assert steps[0] > 10 * steps[1] > 100 * steps[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((0, 1, 1), "frames = 1"), ((0, 1, 9, "jump"), "jump"), ((0, np.nan, 9), "finite")],
)
def test_that_a_way_that_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        animation.amounts(*arguments)


def test_that_there_and_back_stops_at_neither_end():
    assert animation.order(4, back=True) == [0, 1, 2, 3, 2, 1]
    assert animation.order(4, back=False) == [0, 1, 2, 3]
    assert animation.order(2, back=True) == [0, 1]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.MP4"])
def test_that_an_animation_tells_what_made_it(frames, tmp_path, name):
    if name.lower().endswith("mp4"):
        pytest.importorskip("av")
    taken: list[int] = []
    animation.save(frames, tmp_path / name, fps=10, recipe=RECIPE, progress=taken.append)
    assert grid.read_recipe(tmp_path / name) == RECIPE
    assert taken == [1, 2, 3, 4, 5, 6] and [p.name for p in tmp_path.iterdir()] == [name]
    animation.save(frames, tmp_path / name)
    assert grid.read_recipe(tmp_path / name) is None


def test_that_an_mp4_shows_the_frames_at_their_rate(frames, tmp_path):
    av = pytest.importorskip("av")
    animation.save(frames, tmp_path / "a.mp4", fps=12.5)
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        shown = [f.to_ndarray(format="rgb24") for f in film.decode(stream)]
        assert stream.codec_context.name == "h264" and stream.average_rate == 12.5
    assert len(shown) == 6 and shown[0].shape == (32, 46, 3)  # 31 rows made even
    for got, frame in zip(shown, frames, strict=True):
        assert np.abs(got[:31].astype(int) - np.asarray(frame)).mean() < 4


@pytest.mark.parametrize("fps", [7, 12, 24, 30, 40, 50])
def test_that_a_gif_takes_as_long_as_its_rate_says(frames, tmp_path, fps):
    animation.save(frames * 2, tmp_path / "a.gif", fps=fps)
    with Image.open(tmp_path / "a.gif") as film:
        times = []
        for k in range(film.n_frames):
            film.seek(k)
            times.append(film.info["duration"])
    assert len(times) == 12 and abs(sum(times) - 12_000 / fps) <= 5
    assert max(times) - min(times) <= 10 and "duration" not in frames[0].info


def test_that_a_gif_may_play_once(frames, tmp_path):
    animation.save(frames, tmp_path / "a.gif", loop=False)
    animation.save(frames, tmp_path / "b.gif")
    with Image.open(tmp_path / "a.gif") as once, Image.open(tmp_path / "b.gif") as ever:
        assert "loop" not in once.info and ever.info["loop"] == 0


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.mp4"])
def test_that_a_cancelled_animation_leaves_the_old_file(frames, tmp_path, name):
    if name.endswith("mp4"):
        pytest.importorskip("av")
    (tmp_path / name).write_bytes(b"old")
    taken: list[int] = []
    with pytest.raises(Cancelled):
        animation.save(frames, tmp_path / name, progress=taken.append, cancelled=lambda: len(taken) == 3)
    assert (tmp_path / name).read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_that_what_makes_no_animation_is_said(frames, tmp_path, monkeypatch):
    for error, said, shown, name, options in (
        (DataError, "two pictures", frames[:1], "a.gif", {}),
        (DataError, "one size", [*frames, Image.new("RGB", (9, 9))], "a.webp", {}),
        (DataError, r"\.avi.*\.gif, \.webp or \.mp4", frames, "a.avi", {}),
        (ConfigError, "fps = 51", frames, "a.gif", {"fps": 51}),
        (DataError, r"a\.webp.*JSON", frames, "a.webp", {"recipe": {"p": float("nan")}}),
    ):
        with pytest.raises(error, match=said):
            animation.save(shown, tmp_path / name, **options)
    monkeypatch.setattr(animation, "has_video", lambda: False)
    with pytest.raises(ConfigError, match=r"introvac-studio\[video\]"):
        animation.save(frames, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_that_a_broken_mp4_has_no_recipe(frames, tmp_path):
    pytest.importorskip("av")
    animation.save(frames, tmp_path / "a.mp4", recipe={"model": "x"})
    body = (tmp_path / "a.mp4").read_bytes()
    at = body.index(b"moov")
    for k, broken in enumerate((body[: at + 20], body[:24], body[:at] + b"free" + body[at + 4 :])):
        (tmp_path / f"{k}.mp4").write_bytes(broken)
        assert grid.read_recipe(tmp_path / f"{k}.mp4") is None
