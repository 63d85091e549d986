"""Pictures of every kind become the same squares, for training data and for a user's photo."""

import io

import numpy as np
import pytest
from PIL import Image

from trainer.data.source import open_source
from trainer.data.transforms import open_image, prepare
from trainer.errors import DataError


def picture(width, height):
    """A smooth picture in which every place has its own colour."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 90)], -1).astype(np.uint8))


def file_bytes(image, kind, **how):
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


@pytest.mark.parametrize("crop", ["center", "introvac", "square", "none"])
@pytest.mark.parametrize("shape", [(178, 218), (64, 64), (300, 40), (1, 1), (3, 500)])
def test_that_any_shape_becomes_a_square(crop, shape):
    made = prepare(picture(*shape), 32, crop)
    assert made.shape == (32, 32, 3)
    assert made.dtype == np.uint8


def test_that_center_is_the_148_px_square_of_an_aligned_face():
    image = picture(178, 218)
    wanted = image.crop((15, 35, 163, 183)).resize((64, 64), Image.Resampling.LANCZOS)
    assert np.array_equal(prepare(image, 64, "center"), np.array(wanted))


def test_that_introvac_squashes_and_crops_as_the_authors_did():
    image = picture(178, 218)
    squashed = image.resize((256, 256), Image.Resampling.LANCZOS).crop((32, 32, 224, 224))
    wanted = np.array(squashed.resize((64, 64), Image.Resampling.LANCZOS))
    assert np.array_equal(prepare(image, 64, "introvac"), wanted)


def test_that_square_takes_the_middle():
    made = prepare(picture(300, 100), 50, "square")
    assert 75 < made[..., 0].min() < 95
    assert 160 < made[..., 0].max() < 180
    assert made[..., 1].min() < 5 < 250 < made[..., 1].max()


def test_that_a_picture_of_the_right_size_is_not_touched():
    image = picture(64, 64)
    assert np.array_equal(prepare(image, 64, "none"), np.array(image))


def test_that_an_unknown_crop_is_named():
    with pytest.raises(DataError, match="crop = 'round'"):
        prepare(picture(8, 8), 8, "round")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_that_exif_orientation_turns_the_picture(orientation):
    upright = picture(60, 60)
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned left, so shown turned right
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = prepare(open_image(file_bytes(stored, "PNG", exif=exif)), 60, "square")
    assert np.array_equal(made, np.array(upright))


def test_that_broken_exif_turns_nothing():
    data = file_bytes(picture(40, 40), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    assert prepare(open_image(data), 40, "square").shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(m, "PNG") for m in ("L", "1", "P", "LA", "RGBA")]
    + [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF")],
)
def test_that_every_mode_becomes_rgb(mode, kind):
    image = picture(40, 40).convert(mode)
    made = prepare(open_image(file_bytes(image, kind)), 40, "none")
    assert np.abs(made - np.array(image.convert("RGB")).astype(int)).mean() < 4


def test_that_16_bit_grey_keeps_its_levels():
    levels = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    made = prepare(open_image(file_bytes(Image.fromarray(levels), "PNG")), 64, "none")
    assert np.abs(made[..., 0] - levels / 257).max() <= 1


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_that_wide_grey_in_a_tiff_keeps_its_levels(kind):
    levels = np.tile(np.arange(256), (256, 1)).astype(kind)
    made = prepare(open_image(file_bytes(Image.fromarray(levels), "TIFF")), 256, "none")
    assert np.array_equal(made[0, :, 0], np.arange(256))


def test_that_transparency_is_laid_over_white():
    clear = Image.new("RGBA", (20, 20), (200, 0, 0, 0))
    half = Image.new("RGBA", (20, 20), (0, 0, 0, 128))
    assert (prepare(open_image(file_bytes(clear, "PNG")), 20, "none") == 255).all()
    assert np.abs(prepare(half, 20, "none").astype(int) - 127).max() <= 1


def test_that_a_palette_with_a_clear_colour_is_laid_over_white():
    image = Image.new("P", (20, 20), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    assert (prepare(open_image(file_bytes(image, "PNG", transparency=0)), 20, "none") == 255).all()


def test_that_a_broken_picture_is_refused_with_its_path(tmp_path):
    data = file_bytes(picture(200, 200), "JPEG")
    cases = {"truncated.jpg": data[: len(data) // 2], "text.jpg": b"no picture at all", "empty.png": b""}
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=name):
            open_image(path)
    with pytest.raises(DataError, match=r"gone\.jpg"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(DataError, match="the picture"):
        open_image(b"nothing")


def test_that_a_decompression_bomb_is_refused(monkeypatch):
    data = file_bytes(picture(100, 100), "PNG")
    with pytest.raises(DataError, match="100 x 100 pixels"):
        open_image(data, max_pixels=9_999)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4_000)
    with pytest.raises(DataError, match="too large"):
        open_image(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9_000)  # Pillow would only warn
    assert open_image(data).size == (100, 100)


@pytest.mark.parametrize("crop", ["center", "introvac", "square"])
def test_that_training_data_and_a_photo_are_prepared_alike(tmp_path, crop):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "class").mkdir()
    path = tmp_path / "class" / "face.jpg"
    picture(178, 218).save(path, exif=exif)
    source = open_source(f"folder:{tmp_path}")
    assert np.array_equal(source.read(0, 64, crop), prepare(open_image(path), 64, crop))
    assert np.array_equal(source.read(0, 64, crop), prepare(open_image(path.read_bytes()), 64, crop))
