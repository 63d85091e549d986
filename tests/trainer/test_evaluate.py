"""`evaluate`: what it writes, on which faces, and what it does where something is missing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.running import child
from trainer import checkpoint, events
from trainer.cli import main, parser
from trainer.codec import Codec
from trainer.data.cache import open_data
from trainer.errors import Cancelled, ConfigError, DataError
from trainer.metrics import classifier, deltas, edits
from trainer.metrics import judge as judges
from trainer.metrics.evaluate import EvaluateConfig, Subject, evaluate, public_spec
from trainer.metrics.evaluation import where_of
from trainer.metrics.features import Pixels
from trainer.metrics.protocol import splits
from trainer.metrics.records import Amount, Faces
from trainer.models import IntroVAC

DATA, COUNT = "avatars:260", 8
ATTRIBUTES = ("Eyeglasses", "FacialHair")


CONFIG = judges.JudgeConfig(32, (*ATTRIBUTES, "Hat"), "none", width=4)


def opinions(model: Path) -> judges.Network:
    """A judge's network that never learned anything; edits of the model turn its opinion nevertheless."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = judges.Network(CONFIG).eval()
    codec, cache = Codec(model, "cpu"), open_data(DATA, 32, "none")
    codes = codec.encode(cache.batch(splits(cache).selection))[0]
    last = network[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight *= 30
        for column, name in enumerate(ATTRIBUTES):
            moved = (codes + delta * codec.planes.normal(name) for delta in (-4, 4))
            less, more = (
                network(torch.from_numpy(codec.decode(z)).permute(0, 3, 1, 2) / 255)[:, column].mean()
                for z in moved
            )
            last.bias[column] -= (less + more) / 2
            last.bias[column] *= torch.sign(more - less)
            last.weight[column] *= torch.sign(more - less)
    return network


def saved(network: judges.Network, path: Path) -> Path:
    accuracy = tuple(judges.Accuracy(name, 0.5, None, 0.5, 0.5) for name in CONFIG.attributes)
    card = judges.JudgeCard("folder:/home/someone/faces", 9, "test", 3, accuracy, judges.JudgeTraining())
    judges.save(path, judges.Judge(network, CONFIG, card))
    return path


@pytest.fixture(scope="module")
def judge_file(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(opinions(tiny_model), tmp_path_factory.mktemp("judge") / "judge.safetensors")


@pytest.fixture(scope="module")
def other_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a louder classifier, under another name, in a run's directory."""
    model, card, _ = checkpoint.load(tiny_model)
    assert isinstance(model, IntroVAC)
    with torch.no_grad():
        model.classifier.weight.mul_(3.0)
    run = tmp_path_factory.mktemp("runs") / "second"
    run.mkdir()
    checkpoint.save_model(run / "model.safetensors", model, card)
    return run


def arguments(model: Path, out: Path, *more: str, count: int = COUNT) -> list[str]:
    first = ["evaluate", "--model", str(model), "--data", DATA, "--features", "pixels", "--device", "cpu"]
    return [*first, "--count", str(count), "--out", str(out), *more]


def read(out: Path) -> dict[str, Any]:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    return json.loads((out / "metrics.json").read_text("utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module")
def done(
    tiny_model: Path, judge_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A whole evaluation by a child process, and the lines that it said."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with child([*arguments(tiny_model, out, "--judge", str(judge_file)), "--events"]) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = process.stdout.readlines()
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    return out, lines


@pytest.fixture(scope="module")
def result(done: tuple[Path, list[str]]) -> dict[str, Any]:
    return read(done[0])


def reported() -> Faces:
    """The faces that an evaluation with `COUNT` looks at, found anew."""
    cache = open_data(DATA, 32, "none")
    rows = np.sort(np.random.default_rng(0).permutation(splits(cache).reported)[:COUNT])
    return Faces.of(cache, rows)


def test_that_its_stdout_is_events_and_the_last_one_names_the_directory(done: tuple[Path, list[str]]) -> None:
    out, lines = done
    said = [events.from_line(line) for line in lines]
    assert isinstance(said[-1], events.Evaluated) and said[-1].out == str(out)
    progress = [one for one in said[:-1] if isinstance(one, events.Progress)]
    assert len(progress) == len(said) - 1 and any("edits" in one.what for one in progress)
    measuring = [one.done / one.total for one in progress if one.what.startswith("tiny: ")]
    assert measuring == sorted(measuring) and any(one.seconds_left for one in progress)


def test_that_all_parts_are_there(
    done: tuple[Path, list[str]], result: dict[str, Any], tiny_model: Path
) -> None:
    out, _ = done
    (model,) = result["models"]
    assert result["format"] == 1 and result["data"] | {"note": ""} == {
        "spec": "avatars:260:0", "split": "test", "selection": "valid", "note": "", "faces": COUNT,
    }  # fmt: skip
    assert [a["name"] for a in model["reading"]["attributes"]] == list(ATTRIBUTES)
    assert {q["want"] for q in model["sample_quality"]} == {
        f"{a}={w}" for a in ATTRIBUTES for w in ("yes", "no")
    }
    assert model["leakage"]["rows"] == [
        f"{e['attribute']} {'yes' if e['wanted'] else 'no'}" for e in model["edits"]
    ]
    assert model["parameters"] == sum(p.numel() for p in checkpoint.load(tiny_model)[0].parameters())
    for picture in model["pictures"]:
        assert (out / picture["file"]).read_bytes().startswith(b"\x89PNG")
    names = {picture["name"] for picture in model["pictures"]}
    assert {"reconstructions", "edits-eyeglasses", "prior-samples", "conditional-samples"} <= names
    assert ("failures" in names) == any(e["judged"]["mean"] < 1 for e in model["edits"])
    html = (out / "report.html").read_text("utf-8")
    assert html.count("data:image/png") == len(model["pictures"]) and "http" not in html.replace(
        "http-equiv", ""
    )


def test_that_no_folder_is_told(done: tuple[Path, list[str]]) -> None:
    out, _ = done
    for name in ("metrics.json", "report.html"):
        text = (out / name).read_text("utf-8")
        assert "someone" not in text and str(out.parent) not in text
    assert read(out)["judge"]["data"] == "folder"
    assert public_spec("celeba:C:\\faces") == "celeba" and public_spec("avatars:9:1") == "avatars:9:1"


def test_that_numbers_are_of_the_reported_faces(
    result: dict[str, Any], tiny_model: Path, judge_file: Path
) -> None:
    codec, judge, faces = Codec(tiny_model, "cpu"), judges.load(judge_file), reported()
    (model,) = result["models"]
    reading = classifier.measure(codec, faces.images, faces.labels, faces.attributes)
    assert model["reading"] == json.loads(json.dumps(asdict(reading)))
    first = model["edits"][0]
    amount = Amount(model["deltas"][first["attribute"]])
    again = edits.measure(codec, judge, faces, first["attribute"], first["wanted"], amount)
    assert first == json.loads(json.dumps(asdict(again)))


def test_that_deltas_and_amounts_are_chosen_on_other_faces(
    result: dict[str, Any], tiny_model: Path, judge_file: Path
) -> None:
    codec, judge, cache = Codec(tiny_model, "cpu"), judges.load(judge_file), open_data(DATA, 32, "none")
    rows = np.sort(np.random.default_rng(0).permutation(splits(cache).selection)[:COUNT])
    chooses = Faces.of(cache, rows)
    (model,) = result["models"]
    for one in model["delta_choices"]:
        assert one == json.loads(json.dumps(asdict(deltas.choose(codec, judge, chooses, one["attribute"]))))
        assert model["deltas"][one["attribute"]] == one["delta"]
    assert [one["attribute"] for one in model["delta_choices"]] == list(ATTRIBUTES)
    for way, delta in model["at_equal_success"]["amounts"].items():
        name, _, wanted = way.partition(" ")
        assert delta == edits.equal_success(codec, judge, chooses, name, wanted == "yes", 0.9)


def test_that_a_delta_of_edits_that_do_nothing_is_declined(tiny_model: Path, tmp_path: Path) -> None:
    network = opinions(tiny_model)
    with torch.no_grad():
        network[-1].weight[0] = 0.0
        network[-1].bias[0] = 9.0  # glasses on every picture
    blind = saved(network, tmp_path / "blind.safetensors")
    assert main(arguments(tiny_model, tmp_path, "--judge", str(blind), "--only", "edits")) == 0
    found = read(tmp_path)
    (model,) = found["models"]
    (gap,) = [gap for gap in found["missing"] if gap["what"] == "choice of the delta of Eyeglasses"]
    assert "do nothing that the judge sees" in gap["why"] and gap["why"].endswith("the file's 4 is taken")
    assert [one["attribute"] for one in model["delta_choices"]] == ["FacialHair"]
    assert model["deltas"]["Eyeglasses"] == 4.0


def test_that_distances_carry_their_protocol_and_their_right_name(result: dict[str, Any]) -> None:
    (model,) = result["models"]
    assert {d["protocol"]["what"] for d in model["distances"]} >= {"reconstructions", "prior samples"}
    for one in model["distances"]:
        card = one["protocol"]
        assert "FID" not in one["name"] and "KID" not in one["name"]
        assert (card["split"], card["chosen_on"], card["data"]) == ("test", ["valid"], "avatars:260:0")
        assert one["low"] <= one["value"] <= one["high"] and one["floor"] is not None
    assert all(d["warning"] for d in model["distances"] if d["kind"] == "frechet")
    (gap,) = [gap for gap in result["missing"] if gap["what"] == "distances of samples of p(z|y)"]
    assert gap["model"] == "tiny" and "Eyeglasses=yes" in gap["why"]


def test_that_samples_of_a_label_are_compared_with_faces_of_that_label(
    tiny_model: Path, tmp_path: Path
) -> None:
    assert main(arguments(tiny_model, tmp_path, "--only", "distances", count=200)) == 0
    cache = open_data(DATA, 32, "none")
    found = read(tmp_path)
    counts = {d["protocol"]["what"]: d["protocol"]["count"] for d in found["models"][0]["distances"]}
    column = cache.labels[splits(cache).reported][:, cache.attributes.index("Eyeglasses")]
    for wanted, word in ((1, "yes"), (0, "no")):
        there = int((column == wanted).sum())
        assert counts.get(f"samples of p(z|Eyeglasses={word})") == (there if there >= 20 else None)
    assert counts["reconstructions"] == len(column) < 200


def test_that_without_a_judge_the_rest_is_measured(tiny_model: Path, tmp_path: Path) -> None:
    assert main(arguments(tiny_model, tmp_path, "--only", "reading,edits,samples")) == 0
    found = read(tmp_path)
    (model,) = found["models"]
    assert model["edits"] == [] and model["leakage"] is None and found["judge"] is None
    assert model["deltas"] == {"Eyeglasses": 4.0, "FacialHair": 4.0}  # the file's
    assert all(q["judged"] is None and q["read"]["n"] == COUNT for q in model["sample_quality"])
    (why,) = [gap["why"] for gap in found["missing"] if gap["what"] == "judge"]
    told = why[why.index("introvac ") + 9 : why.index(", and give")].split()
    asked = parser().parse_args(told)
    assert (asked.data, asked.image_size, asked.crop) == ("avatars:260:0", 32, "none")
    assert asked.attributes == "Eyeglasses,FacialHair"


def test_that_features_that_cannot_be_opened_are_named(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["--features", "inception", "--weights", str(tmp_path / "none.pth")]
    assert main(arguments(tiny_model, tmp_path / "a", *wanted, "--only", "reading,distances")) == 0
    (gap,) = read(tmp_path / "a")["missing"]
    assert gap["what"] == "FID" and gap["why"].startswith("none.pth: no such file")
    assert str(tmp_path) not in (tmp_path / "a" / "report.html").read_text("utf-8")
    assert main(arguments(tiny_model, tmp_path / "b", *wanted, "--only", "distances")) == 1
    assert "nothing could be measured" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_that_two_models_are_measured_on_the_same_faces(
    tiny_model: Path, other_model: Path, tmp_path: Path
) -> None:
    more = ["--against", str(other_model), "--only", "reading,distances"]
    assert main(arguments(tiny_model, tmp_path, *more)) == 0
    found = read(tmp_path)
    first, second = found["models"]
    assert first["name"] != second["name"] and first["sha256"] != second["sha256"]
    assert first["reading"]["reconstruction"] == second["reading"]["reconstruction"]  # the same decoder
    assert first["reading"]["attributes"] != second["reading"]["attributes"]
    assert first["distances"] == second["distances"]  # the same prior, seed and faces
    assert "cannot be compared" not in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--split", "valid"], "give --delta"),
        (["--split", "dev"], "test, valid, train"),
        (["--delta", "Hat=3"], "Hat"),
        (["--delta", "Eyeglasses=far"], "not a number"),
        (["--delta", "Eyeglasses=-1"], "above 0"),
        (["--only", "everything"], "reading"),
        (["--success", "2"], "success"),
        (["--features", "lpips"], "lpips"),
        (["--weights", "w.pth"], "--features inception"),
        (["--count", "3"], "at least 8"),
    ],
)
def test_that_what_cannot_be_done_is_refused(
    tiny_model: Path,
    judge_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    words: str,
) -> None:
    out = tmp_path / "out"
    assert main(arguments(tiny_model, out, "--judge", str(judge_file), *more)) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.strip().splitlines()) == 1
    assert not list(out.glob("*"))


def test_that_models_that_do_not_fit_are_refused(
    tiny_model: Path, judge_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tiny_model, tmp_path, "--against", str(tiny_model))) == 2
    assert "same weights" in capsys.readouterr().err
    assert main(arguments(tmp_path, tmp_path / "out")) == 2
    assert "model.safetensors" in capsys.readouterr().err
    bigger = tmp_path / "bigger.safetensors"
    judge = judges.load(judge_file)
    config = judges.JudgeConfig(64, ATTRIBUTES, "none", width=4)
    judges.save(bigger, judges.Judge(judges.Network(config), config, judge.card))
    assert main(arguments(tiny_model, tmp_path, "--judge", str(bigger))) == 2
    assert "--image-size 32" in capsys.readouterr().err


def test_that_on_the_split_of_choices_only_given_deltas_count(
    tiny_model: Path, judge_file: Path, tmp_path: Path
) -> None:
    given = ["--delta", "Eyeglasses=2", "--delta", "FacialHair=1.5", "--only", "edits,equal-success"]
    more = ["--split", "valid", "--judge", str(judge_file), *given]
    assert main(arguments(tiny_model, tmp_path, *more, count=8)) == 0
    found = read(tmp_path)
    (model,) = found["models"]
    assert model["deltas"] == {"Eyeglasses": 2.0, "FacialHair": 1.5} and model["delta_choices"] == []
    assert {e["amount"] for e in model["edits"]} == {"delta 2", "delta 1.5"}
    assert model["at_equal_success"] is None and found["data"]["selection"] is None
    assert any("leakage at equal success" in gap["what"] for gap in found["missing"])


def test_that_recipes_can_be_compared_on_half_of_what_is_chosen_on(
    tiny_model: Path, judge_file: Path, tmp_path: Path
) -> None:
    asked = ["--split", "selection", "--judge", str(judge_file), "--only", "reading,distances,edits"]
    assert main(arguments(tiny_model, tmp_path, *asked, count=8)) == 0
    found = read(tmp_path)
    assert (found["data"]["split"], found["data"]["selection"]) == (
        "half of valid",
        "the other half of valid",
    )
    assert found["models"][0]["distances"][0]["protocol"]["chosen_on"] == ["the other half of valid"]
    cache = open_data(DATA, 32, "none")
    where = where_of(cache, EvaluateConfig(split="selection"))
    assert where.chooses is not None and not set(where.rows) & set(where.chooses)
    assert sorted([*where.rows, *where.chooses]) == splits(cache).selection.tolist()
    assert "too good" in where.note


def test_that_a_second_evaluation_replaces_the_first(tiny_model: Path, tmp_path: Path) -> None:
    assert main(arguments(tiny_model, tmp_path, "--only", "reading,pictures")) == 0
    drawn = [tmp_path / picture["file"] for picture in read(tmp_path)["models"][0]["pictures"]]
    assert drawn and all(path.is_file() for path in drawn)
    foreign = tmp_path / "pictures" / "mine.png"
    foreign.write_bytes(b"mine")
    assert main(arguments(tiny_model, tmp_path, "--only", "reading", "--no-pictures")) == 0
    assert read(tmp_path)["models"][0]["pictures"] == []
    assert not any(path.exists() for path in drawn) and foreign.read_bytes() == b"mine"


def test_that_a_stop_ends_the_child_and_leaves_nothing(
    tiny_model: Path, judge_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with child([*arguments(tiny_model, out, "--judge", str(judge_file)), "--events"]) as process:
        assert process.stdin is not None and process.stdout is not None
        said = [events.from_line(process.stdout.readline())]
        process.stdin.write('{"do": "stop"}\n')
        process.stdin.flush()
        said += [events.from_line(line) for line in process.stdout]
    assert process.returncode == 1
    assert isinstance(said[-1], events.Finished) and said[-1].reason == "stopped"
    assert not out.exists()


def test_that_it_can_be_cancelled_at_every_step(tiny_model: Path, judge_file: Path) -> None:
    codec = Codec(tiny_model, "cpu")
    cache = open_data(DATA, 32, "none")
    subject = Subject("tiny", codec, codec.config, codec.card, codec.digest, cache)
    steps = [
        "reading",
        "features of real pictures",
        "reconstructions",
        "prior samples",
        "samples, FacialHair=no",
    ]
    for wanted in (*steps, "delta of FacialHair", "edits"):
        seen = [""]
        with pytest.raises(Cancelled):
            evaluate(
                [subject],
                EvaluateConfig(count=8, resamples=2),
                judge=judges.load(judge_file),
                extractors=[Pixels()],
                progress=lambda what, done, total, seen=seen: seen.append(what),
                cancelled=lambda wanted=wanted, seen=seen: seen[-1] == f"tiny: {wanted}",
            )
        assert seen[-1] == f"tiny: {wanted}"


def test_that_without_resamples_distances_have_no_interval(tiny_model: Path, tmp_path: Path) -> None:
    assert main(arguments(tiny_model, tmp_path, "--resamples", "0", "--only", "distances")) == 0
    found = read(tmp_path)["models"][0]["distances"]
    frechet = [one for one in found if one["kind"] == "frechet"]
    assert frechet and all(one["low"] is None and one["value"] >= 0 for one in frechet)
    assert f"{frechet[0]['name']}" in (tmp_path / "report.html").read_text("utf-8")


def test_that_settings_out_of_range_are_refused() -> None:
    for values in (
        {"count": 7},
        {"deltas": {"A": 0.0}},
        {"success": 0.0},
        {"only": ("all",)},
        {"seed": -1},
        {"resamples": 1},
    ):
        with pytest.raises(ConfigError):
            EvaluateConfig(**values)


def test_that_data_without_the_labels_still_gives_distances(tiny_model: Path, tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    rows = ["name,Tall"]
    for i in range(120):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{i % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    out = tmp_path / "out"
    made = arguments(tiny_model, out, "--only", "reading,distances,samples")
    made[made.index(DATA)] = f"folder:{tmp_path}"
    assert main(made) == 0
    found = read(out)
    assert found["data"]["spec"] == "folder" and found["models"][0]["reading"]["attributes"] == []
    assert {gap["what"] for gap in found["missing"]} == {
        "labels of Eyeglasses",
        "labels of FacialHair",
    }  # and no judge, which could not be trained here


def test_that_too_few_faces_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    codec = Codec(tiny_model, "cpu")
    subject = Subject("t", codec, codec.config, codec.card, codec.digest, open_data("avatars:30", 32, "none"))
    with pytest.raises(DataError, match="at least 8"):
        evaluate([subject], EvaluateConfig())
