"""`edit`, `path` and `fit` as a script uses them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.trainer.refusals import error_of
from trainer import align, checkpoint, face_detector
from trainer.cli import main
from trainer.codec import Codec
from trainer.data.avatars import draw, options_for
from trainer.data.cache import open_data
from trainer.directions import load_directions, save_directions
from trainer.edits import ascend
from trainer.fit import fit_direction
from trainer.grid import read_recipe
from trainer.latent import sigmoid


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("photos")
    for i in range(3):
        Image.fromarray(draw(options_for(3, i), 48)).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(3)]


@pytest.fixture
def edit(tiny_model: Path, photos: list[str], tmp_path: Path):
    """Run `edit` on the photos; returns its records."""

    def act(flags: str) -> list[dict[str, Any]]:
        arguments = ["--model", str(tiny_model), "--input", *photos, "--out", str(tmp_path / "out")]
        assert main(["edit", *arguments, *shlex.split(flags)]) == 0
        return json.loads((tmp_path / "out" / "edits.json").read_text("utf-8"))

    return act


def test_that_kept_logits_stay_in_the_record(edit, capsys: pytest.CaptureFixture[str]) -> None:
    records = edit("--move Eyeglasses=7 --keep FacialHair,fake")
    assert f"Eyeglasses: {100 * records[0]['left']['Eyeglasses']:.1f} % of its" in capsys.readouterr().err
    for record in records:
        logits = record["logits"]
        for name in ("FacialHair", "fake"):
            allowed = 1e-6 * (1 + abs(logits["before"][name]))
            assert abs(logits["after"][name] - logits["before"][name]) < allowed
        assert logits["after"]["Eyeglasses"] > logits["before"]["Eyeglasses"]
        assert record["keep"] == ["FacialHair", "fake"] and 0 < record["left"]["Eyeglasses"] < 1
        assert record["delta"] == 7.0 and record["reached"] is None
    plain = edit("--move Eyeglasses=7")[0]["logits"]
    assert abs(plain["after"]["FacialHair"] - plain["before"]["FacialHair"]) > 1e-2


def test_that_the_code_goes_just_far_enough(edit, tiny_model: Path) -> None:
    planes = checkpoint.hyperplanes(checkpoint.load_model(tiny_model))
    for record in edit("--move Eyeglasses=-40 --until 0.8"):
        before, after = (record["logits"][stage]["Eyeglasses"] for stage in ("before", "after"))
        assert record["reached"] is True and record["moves"] == {"Eyeglasses": -40.0}
        assert sigmoid(-after) == pytest.approx(0.8, abs=1e-6) and -40 < record["delta"] < 0
        assert after - before == pytest.approx(record["delta"] * np.linalg.norm(planes.w[0]))
        assert record["until"] == {"p": 0.8, "on": "code", "probability": pytest.approx(0.8, abs=1e-6)}


def test_that_a_bound_too_near_is_told_and_the_best_is_shown(
    edit, capsys: pytest.CaptureFixture[str]
) -> None:
    records = edit("--move Eyeglasses+FacialHair=0.1 --until 0.999")
    assert [(r["reached"], r["delta"]) for r in records] == [(False, 0.1)] * 3
    assert capsys.readouterr().err.count("not reached, best was probability") == 3
    for record in records:
        worst = min(record["logits"]["after"][name] for name in ("Eyeglasses", "FacialHair"))
        assert record["until"]["probability"] == pytest.approx(float(sigmoid(worst)))


def test_that_the_picture_goes_just_far_enough(edit, tmp_path: Path, tiny_model: Path) -> None:
    def shown(record: dict[str, Any]) -> float:
        return float(sigmoid(record["logits"]["reencoded"]["Eyeglasses"]))

    here, end = shown(edit("--move Eyeglasses=0")[0]), shown(edit("--move Eyeglasses=6")[0])
    assert end > here
    p = (here + end) / 2
    records = edit(f"--move Eyeglasses=6 --until {p} --until-on image")
    assert records[0]["reached"] and 0 < records[0]["delta"] < 6
    assert p <= shown(records[0]) < p + 0.1 * (end - here)
    codec = Codec(tiny_model, "cpu")
    for i, record in enumerate(records):
        assert record["until"] == {"p": p, "on": "image", "probability": shown(record)}
        assert record["reached"] is (shown(record) >= p)
        with Image.open(tmp_path / "out" / f"{i}.edited.png") as picture:
            mu, _ = codec.encode(np.array(picture)[None])
        assert codec.planes.probabilities(mu[0])[0] == pytest.approx(shown(record), abs=1e-6)


def test_that_ascending_follows_the_gradient(edit, tiny_model: Path, photos: list[str]) -> None:
    codec = Codec(tiny_model, "cpu")
    records = edit("--ascend Eyeglasses=yes --ascend FacialHair=no --distance 4 --keep fake")
    wants = {"Eyeglasses": True, "FacialHair": False}
    for record in records:
        assert record["wants"] == wants and record["moves"] == {} and record["delta"] == 4
        before, after = record["logits"]["before"], record["logits"]["after"]
        assert after["Eyeglasses"] - after["FacialHair"] > before["Eyeglasses"] - before["FacialHair"]
        assert after["fake"] == pytest.approx(before["fake"], abs=1e-9)
    with Image.open(photos[0]) as photo:
        image = np.array(photo.resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=3.0))
    walked = ascend(codec.encode(image[None])[0][0], codec.planes, wants, 4.0, ("fake",))
    assert codec.planes.logits(walked)[0] == pytest.approx(
        records[0]["logits"]["after"]["Eyeglasses"], abs=1e-3
    )


def test_that_refining_comes_first_and_its_gain_is_written(edit, tmp_path: Path) -> None:
    plain = edit("--move Eyeglasses=1")
    for i, (record, unrefined) in enumerate(zip(edit("--move Eyeglasses=1 --refine 10"), plain, strict=True)):
        note = record["refined"]
        assert note["steps"] == 10 and note["l1_after"] < note["l1_before"]
        pictures = []
        for kind in ("original", "reconstruction"):
            with Image.open(tmp_path / "out" / f"{i}.{kind}.png") as picture:
                pictures.append(np.asarray(picture) / 255.0)
        assert np.abs(pictures[0] - pictures[1]).mean() == pytest.approx(note["l1_after"], abs=2e-3)
        assert record["logits"]["before"] != unrefined["logits"]["before"] and "refined" not in unrefined


def test_that_a_fitted_direction_edits(
    edit, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = open_data("avatars:96", 32, "none", workers=1)
    bright = images.images[:, 10:22, 10:22].mean(axis=(1, 2, 3))
    labels = (bright > np.median(bright[:40])).astype(int)
    table, out = tmp_path / "bright.csv", tmp_path / "more.npz"
    rows = [f"{images.names[i]},{labels[i]}" for i in range(40)]
    table.write_text("\n".join(["face,Bright", *rows, "nobody,1"]) + "\n", "utf-8")
    flags = ["--model", str(tiny_model), "--data", "avatars:96", "--labels", str(table), "--name", "Bright"]
    assert main(["fit", *flags, "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert (
        "right on held-out faces in 5 folds" in said and "nobody" in said and "cosine with Eyeglasses" in said
    )
    planes = load_directions(out, Codec(tiny_model, "cpu").digest)
    assert planes.names == ("Eyeglasses", "FacialHair", "Bright", "fake")
    mu, _ = Codec(tiny_model, "cpu").encode(images.batch(range(40)))
    wanted = fit_direction(Codec(tiny_model, "cpu").planes, mu, labels[:40], "Bright")
    np.testing.assert_allclose(planes.w[2], wanted.w, rtol=1e-6)
    assert planes.b[2] == pytest.approx(wanted.b) and f"{wanted.accuracy:.1%} right" in said

    for record in edit(
        f"--directions {shlex.quote(str(out))} --move Bright=30 --until 0.9 --keep Eyeglasses"
    ):
        logits = record["logits"]
        assert record["reached"] and set(logits["reencoded"]) == {
            "Eyeglasses",
            "FacialHair",
            "Bright",
            "fake",
        }
        assert sigmoid(logits["after"]["Bright"]) >= 0.9
        assert logits["after"]["Eyeglasses"] == pytest.approx(logits["before"]["Eyeglasses"], abs=1e-9)

    # fitted again with other labels: it takes the place of the first
    table.write_text("\n".join(f"{i},{1 - labels[i]}" for i in range(30)), "utf-8")
    assert main(["fit", *flags, "--directions", str(out), "--out", str(out)]) == 0
    again = load_directions(out)
    assert again.names == planes.names and again.w[2] @ planes.w[2] < 0


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_that_a_path_makes_a_strip_and_a_film(
    tiny_model: Path, photos: list[str], tmp_path: Path, kind: str
) -> None:
    flags = ["--model", str(tiny_model), "--from", photos[0], "--to", photos[2], "--kind", kind]
    assert main(["path", *flags, "--steps", "5", "--out", str(tmp_path / "way.png")]) == 0
    with Image.open(tmp_path / "way.png") as strip:
        assert strip.size == (4 + 5 * 36, 40)
    assert read_recipe(tmp_path / "way.png")["kind"] == kind
    assert main(["path", *flags, "--steps", "5", "--scale", "2", "--out", str(tmp_path / "way.webp")]) == 0
    with Image.open(tmp_path / "way.webp") as film, Image.open(tmp_path / "way.png") as strip:
        assert film.n_frames == 8 and film.size == (64, 64)
        for i in range(5):
            film.seek(i)
            cell = strip.convert("RGB").crop((4 + 36 * i, 4, 36 + 36 * i, 36))
            assert np.array_equal(np.asarray(film.convert("RGB"))[::2, ::2], np.asarray(cell))


def test_that_bad_requests_are_one_line_before_anything_is_written(
    tiny_model: Path, photos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, broken, table = tmp_path / "other.npz", tmp_path / "broken.npz", tmp_path / "labels.csv"
    save_directions(other, Codec(tiny_model, "cpu").planes, "ab" * 32)
    broken.write_bytes(b"no archive")
    table.write_text("0,1\n1,0\n", "utf-8")
    out = tmp_path / "out"
    editing = ["edit", "--model", str(tiny_model), "--input", photos[0], "--out", str(out)]
    fitting = ["fit", "--model", str(tiny_model), "--data", "avatars:96", "--labels", str(table)]
    fitting += ["--out", str(out)]
    walking = ["path", "--model", str(tiny_model), "--from", photos[0], "--to", photos[1]]
    for needle, arguments in (
        ("--move", editing),
        ("not both", [*editing, "--move", "Eyeglasses=1", "--ascend", "FacialHair=yes"]),
        ("--distance", [*editing, "--ascend", "FacialHair=yes"]),
        ("nothing is wanted", [*editing, "--ascend", "FacialHair=any", "--distance", "1"]),
        ("--distance", [*editing, "--move", "Eyeglasses=1", "--distance", "1"]),
        ("--until-on", [*editing, "--move", "Eyeglasses=1", "--until-on", "code"]),
        ("until = 0.0", [*editing, "--move", "Eyeglasses=1", "--until", "0"]),
        ("not a probability", [*editing, "--move", "Eyeglasses=1", "--until", "nan"]),
        ("no way", [*editing, "--move", "Eyeglasses=0", "--until", "0.5"]),
        ("moved and to be kept", [*editing, "--move", "Eyeglasses=1", "--keep", "Eyeglasses"]),
        ("'Moustache'", [*editing, "--move", "Eyeglasses=1", "--keep", "Moustache"]),
        ("nan", [*editing, "--move", "Eyeglasses=nan"]),
        ("another model", [*editing, "--move", "Eyeglasses=1", "--directions", str(other)]),
        ("broken.npz", [*editing, "--move", "Eyeglasses=1", "--directions", str(broken)]),
        ("1 faces with", [*fitting, "--name", "Smile"]),
        ("one of that name", [*fitting, "--name", "Eyeglasses"]),
        (".tiff", [*walking, "--out", str(tmp_path / "way.tiff")]),
        ("steps = 1", [*walking, "--steps", "1", "--out", str(tmp_path / "way.gif")]),
        ("fps = 0", [*walking, "--steps", "2", "--fps", "0", "--out", str(tmp_path / "way.gif")]),
        ("gone.png", [*walking[:-1], "gone.png", "--out", str(tmp_path / "way.gif")]),
    ):
        assert needle in error_of(capsys, arguments), needle
        assert not out.exists() and not list(tmp_path.glob("way*")), needle


@pytest.mark.skipif(not face_detector.available(), reason="the extra align is not installed")
def test_that_faces_are_aligned_before_they_are_edited(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Image.new("RGB", (500, 360), (200, 210, 190))
    scene.paste(Image.fromarray(draw(options_for(1, 12), 200)), (230, 100))
    paths = [str(tmp_path / "scene.png"), str(tmp_path / "meadow.png")]
    scene.save(paths[0])
    Image.new("RGB", (300, 200), "green").save(paths[1])
    command = ["edit", "--model", str(tiny_model), "--move", "Eyeglasses=2", "--align", "--out"]
    out = tmp_path / "out"
    assert main([*command, str(out), "--input", paths[0]]) == 0
    box = json.loads((out / "edits.json").read_text("utf-8"))[0]["box"]
    assert box["side"] == pytest.approx(200, rel=0.15) and abs(box["angle"]) < 8
    with Image.open(out / "scene.original.png") as made:
        again = align.cut(scene, align.Box.from_note(box), 32)
        assert np.abs(np.asarray(made).astype(int) - again).max() <= 1
    assert main([*command, str(tmp_path / "other"), "--input", *paths]) == 2
    assert "meadow.png: no face was found" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("kind", ["webp", "mp4"])
def test_that_an_edit_can_be_animated(edit, tmp_path: Path, tiny_model: Path, kind: str) -> None:
    if kind == "mp4":
        pytest.importorskip("av")
    records = edit(f"--move Eyeglasses=5 --film {kind}")
    path = tmp_path / "out" / f"0.film.{kind}"
    recipe = read_recipe(path)
    assert recipe is not None and recipe["moves"] == {"Eyeglasses": 5.0}
    assert recipe["logits"] == records[0]["logits"]
    start, end = np.array(recipe["z"])
    assert np.linalg.norm(end - start) == pytest.approx(5.0, abs=1e-4)
    if kind == "webp":
        with Image.open(path) as film, Image.open(tmp_path / "out" / "0.edited.png") as edited:
            assert film.n_frames == 46 and film.size == (256, 256)
            film.seek(23)
            assert np.array_equal(np.asarray(film.convert("RGB"))[::8, ::8], np.asarray(edited))
