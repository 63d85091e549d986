"""Image grids: layout, labels and the recipe inside the file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, PngImagePlugin

from trainer import grid
from trainer.errors import ConfigError, DataError
from trainer.grid import GridStyle

RECIPE = {"model": "ab12", "moves": {"Hat": -2.5}, "note": "Ünïcode ☃", "rows": [1, 2]}


def flat(*colours, side=8):
    return [np.full((side, side, 3), colour, dtype=np.uint8) for colour in colours]


def ink_margins(image, background):
    """Empty columns and rows around everything that differs from the background."""
    marked = (np.asarray(image) != np.array(background, dtype=np.uint8)).any(axis=2)
    xs, ys = np.flatnonzero(marked.any(axis=0)), np.flatnonzero(marked.any(axis=1))
    return xs[0], ys[0], image.width - 1 - xs[-1], image.height - 1 - ys[-1]


def test_that_cells_lie_where_rows_and_columns_say():
    a, b, c = flat((255, 0, 0), (0, 255, 0), (0, 0, 255))
    image = grid.compose([[a, b], [None, c]], GridStyle(padding=2, background=(9, 9, 9)))
    assert image.size == (2 + 8 + 2 + 8 + 2, 2 + 8 + 2 + 8 + 2)
    pixels = np.asarray(image)
    assert np.array_equal(pixels[2:10, 2:10], a)
    assert np.array_equal(pixels[2:10, 12:20], b)
    assert np.array_equal(pixels[12:20, 12:20], c)
    assert (pixels[12:20, 2:10] == 9).all()
    assert (pixels[:2] == 9).all()


def test_that_scaling_repeats_each_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = grid.compose([[picture]], GridStyle(padding=0, scale=3))
    assert np.array_equal(np.asarray(image), picture.repeat(3, axis=0).repeat(3, axis=1))


def test_that_a_gallery_fills_rows_in_reading_order():
    images = flat(*[(i * 20, 0, 0) for i in range(5)])
    image = grid.gallery(images, columns=3, style=GridStyle(padding=1))
    assert image.size == (1 + 3 * 9, 1 + 2 * 9)
    assert image.getpixel((1 + 9 + 4, 1 + 9 + 4)) == (80, 0, 0)
    assert image.getpixel((1 + 18 + 4, 1 + 9 + 4)) == (255, 255, 255)


def test_that_a_gallery_takes_an_array_and_the_columns_of_its_style():
    images = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    assert grid.gallery(images, style=GridStyle(columns=2, padding=0)).size == (16, 16)


def test_that_triplets_put_each_face_in_a_column():
    originals, edits = flat((10, 0, 0), (20, 0, 0)), flat((110, 0, 0), (120, 0, 0))
    image = grid.triplets(originals, flat((60, 0, 0), (70, 0, 0)), edits, GridStyle(labels=False, padding=0))
    assert [[image.getpixel((x, y))[0] for x in (4, 12)] for y in (4, 12, 20)] == [
        [10, 20],
        [60, 70],
        [110, 120],
    ]


def test_that_triplets_of_unequal_length_are_refused():
    with pytest.raises(DataError, match="2, 2, 1"):
        grid.triplets(flat(0, 0), flat(0, 0), flat(0))


@pytest.mark.parametrize("size", [8, 14, 40])
def test_that_no_label_is_clipped(size):
    background = (250, 250, 250)
    style = GridStyle(padding=3, font_size=size, background=background)
    blank = flat(background, background)
    labels = ("a very long label, by jingo", "|ÄÅÇgjpqy|")
    beside = grid.compose([[blank[0]], [blank[1]]], style, row_labels=labels)
    above = grid.compose([blank], style, column_labels=labels)
    for image in (beside, above):
        assert min(ink_margins(image, background)) >= 3


def test_that_labels_do_not_run_into_each_other():
    white = (255, 255, 255)
    image = grid.strip(flat(white, white), ("mmmmmmmm", "mmmmmmmm"), GridStyle(padding=0))
    marked = (np.asarray(image) != 255).any(axis=(0, 2))
    start, stop = np.flatnonzero(marked)[[0, -1]]
    gaps = np.diff(np.flatnonzero(marked[start : stop + 1])) - 1
    assert gaps.max() >= 4


@pytest.mark.parametrize("background", [(255, 255, 255), (30, 30, 34), (0, 0, 90), (250, 240, 60)])
def test_that_text_stands_out_from_its_background(background):
    image = grid.strip(flat(background), ("label",), GridStyle(background=background))
    luma = np.asarray(image.convert("L")).astype(int)
    assert np.abs(luma - luma[0, 0]).max() > 110


def test_that_labels_can_be_left_out():
    image = grid.strip(flat(0), ("label",), GridStyle(labels=False, padding=1))
    assert image.size == (10, 10)


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [[None]],
        [flat(0) + flat(0, side=9)],
        [[np.zeros((8, 8), dtype=np.uint8)]],
        [[np.zeros((8, 8, 3))]],
        [[np.zeros((8, 6, 3), dtype=np.uint8)]],
    ],
)
def test_that_pictures_that_make_no_grid_are_refused(cells):
    with pytest.raises(DataError):
        grid.compose(cells)


@pytest.mark.parametrize(
    "field", [{"columns": 0}, {"scale": 1.5}, {"padding": -1}, {"background": (0, 0, 300)}]
)
def test_that_a_style_that_makes_no_sense_is_refused(field):
    with pytest.raises(ConfigError, match=next(iter(field))):
        GridStyle(**field)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".jpeg", ".PNG"])
def test_that_the_recipe_comes_back_from_the_picture(tmp_path, suffix):
    path = tmp_path / f"grid{suffix}"
    grid.save(grid.gallery(flat((200, 10, 60))), path, RECIPE)
    assert grid.read_recipe(path) == RECIPE
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_that_lossless_formats_keep_each_pixel(tmp_path, suffix):
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    grid.save(Image.fromarray(picture), tmp_path / f"a{suffix}", RECIPE)
    with Image.open(tmp_path / f"a{suffix}") as back:
        assert np.array_equal(np.asarray(back.convert("RGB")), picture)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_that_a_picture_without_a_recipe_has_none(tmp_path, suffix):
    grid.save(grid.gallery(flat(0)), tmp_path / f"a{suffix}")
    assert grid.read_recipe(tmp_path / f"a{suffix}") is None


def test_that_an_unknown_suffix_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"faces\.gif.*\.png"):
        grid.save(grid.gallery(flat(0)), tmp_path / "faces.gif")


def test_that_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.*a\.png"):
        grid.save(grid.gallery(flat(0)), tmp_path / "nowhere" / "a.png")


def test_that_a_failed_save_leaves_the_old_picture_alone(tmp_path):
    path = tmp_path / "a.jpg"
    grid.save(grid.gallery(flat(0)), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"a\.jpg"):
        grid.save(grid.gallery(flat(0)), path, {"text": "x" * 70_000})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]


def test_that_what_is_no_picture_is_refused_by_name(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match=r"a\.png"):
        grid.read_recipe(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"b\.png"):
        grid.read_recipe(tmp_path / "b.png")


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_that_a_recipe_that_is_nested_without_end_is_none(tmp_path, kind):
    note = PngImagePlugin.PngInfo()
    note.add_itxt("introvac", 99_999 * "[")
    how = {"pnginfo": note} if kind == "PNG" else {"comment": 9_999 * b"["}
    Image.new("RGB", (8, 8)).save(tmp_path / "a", kind, **how)
    assert grid.read_recipe(tmp_path / "a") is None


def test_that_a_program_is_not_run_in_search_of_a_recipe(tmp_path, monkeypatch):
    """EPS is a program, which Pillow gives to Ghostscript."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", "EPS")
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "load", lambda self: pytest.fail("was run"))
    assert grid.read_recipe(tmp_path / "a.png") is None


def test_that_smooth_enlarging_has_tones_between(tmp_path):
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    picture[:, 4:] = 200
    sharp, smooth = (
        np.asarray(grid.compose([[picture]], GridStyle(padding=0, scale=4, smooth=s))) for s in (False, True)
    )
    assert set(np.unique(sharp)) == {0, 200} and len(np.unique(smooth)) > 4
    assert smooth.shape == sharp.shape == (32, 32, 3)


def test_that_a_caption_is_whole_below_the_pictures():
    background = (250, 250, 250)
    style = GridStyle(padding=3, background=background)
    blank = flat(background)
    image = grid.compose([blank], style, caption="a caption wider than all of it")
    assert min(ink_margins(image, background)) >= 2 and ink_margins(image, background)[1] >= 8 + 3
    assert grid.compose([blank], style).size == (14, 14)
    captions = ("+1", "", "two\nlines and longer")
    sizes = {grid.compose([blank], style, caption=c, captions=captions).size for c in captions}
    assert len(sizes) == 1 and sizes != {(14, 14)}


def test_that_jpeg_keeps_as_many_codes_as_it_has_room_for(tmp_path):
    faces = [{"name": f"face {k}"} for k in range(40)]
    recipe = {"model": "ab", "faces": faces, "z": [[0.123456789] * 256 for _ in faces], "seed": 7}
    short, left_out = grid.fitting(recipe, tmp_path / "a.jpg")
    assert 0 < left_out < 40 and len(short["z"]) == len(short["faces"]) == 40 - left_out
    assert short["z"][0] == recipe["z"][0] and short["seed"] == 7
    grid.save(grid.gallery(flat(0)), tmp_path / "a.jpg", short)
    assert grid.read_recipe(tmp_path / "a.jpg") == short
    for name in ("a.png", "a.webp"):
        assert grid.fitting(recipe, tmp_path / name) == (recipe, 0)
        grid.save(grid.gallery(flat(0)), tmp_path / name, recipe)
        assert grid.read_recipe(tmp_path / name) == recipe
