"""The command line as a script uses it: real processes for training, calls of `main` for the rest."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

import trainer
from tests.conftest import TINY_ARGUMENTS
from tests.trainer.refusals import error_of
from tests.trainer.running import child, prepare
from trainer import checkpoint, edit_commands, events
from trainer.cli import main, parser
from trainer.codec import Codec
from trainer.data.avatars import draw, options_for
from trainer.data.cache import open_data
from trainer.data.select import select
from trainer.grid import read_recipe

ATTRIBUTES = ("Eyeglasses", "FacialHair")


def train_arguments(run: Path, *more: str) -> list[str]:
    return ["train", "--preset", "quick", "--data", "avatars:96", "--run", str(run), *TINY_ARGUMENTS, *more]


def spoken(process: subprocess.Popen[str]) -> Iterator[events.Event]:
    """Events of a child's stdout: every line must be one."""
    assert process.stdout is not None
    for line in process.stdout:
        yield events.from_line(line)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two pictures of one name in two folders, one of them not square."""
    paths = []
    for i, (folder, size) in enumerate((("a", (90, 90)), ("b", (120, 90)))):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "face.png"
        Image.fromarray(draw(options_for(3, i), 96)).resize(size).save(path)
        paths.append(path)
    return paths


def test_that_train_edit_sample_encode_and_export_work_in_a_row(
    tmp_path: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(train_arguments(run)) == 0
    for name in ("config.json", "events.jsonl", "checkpoints", "samples", "model.safetensors"):
        assert (run / name).exists()
    model = str(run / "model.safetensors")

    out = tmp_path / "edited"
    arguments = ["--input", *map(str, photos), "--move", "Eyeglasses=2", "--move", "Eyeglasses=1"]
    assert (
        main(["edit", "--model", model, *arguments, "--move", "Eyeglasses+FacialHair=-2", "--out", str(out)])
        == 0
    )
    names = {
        f"{stem}.{kind}.png"
        for stem in ("face", "face-2")
        for kind in ("original", "reconstruction", "edited")
    }
    assert {p.name for p in out.iterdir()} == names | {"edits.json"}
    with Image.open(out / "face-2.edited.png") as picture:
        assert picture.size == (32, 32)
    record = json.loads((out / "edits.json").read_text("utf-8"))[1]
    assert record["input"] == str(photos[1])
    assert record["moves"] == {"Eyeglasses": 3.0, "Eyeglasses+FacialHair": -2.0}
    assert set(record["logits"]) == {"before", "after", "reencoded"}
    planes = checkpoint.hyperplanes(trainer.load(model))
    step = 3 * planes.normal("Eyeglasses")
    joint = planes.normal("Eyeglasses") + planes.normal("FacialHair")
    step = step - 2 * joint / np.linalg.norm(joint)
    moved = record["logits"]["after"]["FacialHair"] - record["logits"]["before"]["FacialHair"]
    assert moved == pytest.approx(float(planes.w[1] @ step), abs=1e-4)

    grid_path, codes_path = tmp_path / "grid.png", tmp_path / "codes.npz"
    flags = "--want Eyeglasses=yes --want FacialHair=any --sampler langevin --recipe converged --accept 0.6"
    files = ["--out", str(grid_path), "--codes", str(codes_path)]
    assert main(["sample", "--model", model, *flags.split(), "--count", "5", "--seed", "4", *files]) == 0
    with np.load(codes_path, allow_pickle=False) as codes:
        assert codes["accepted"].sum() == 5 and codes["z"].dtype == np.float32
        p = 1 / (1 + np.exp(-codes["logits"][:, 0]))
        assert ((p >= 0.6) == codes["accepted"]).all() and codes["logits"].shape[1] == 3
    assert read_recipe(grid_path) is not None

    encoded = tmp_path / "encoded.npz"
    assert (
        main(["encode", "--model", model, "--data", "avatars:96", "--split", "valid", "--out", str(encoded)])
        == 0
    )
    with np.load(encoded, allow_pickle=False) as codes:
        n = len(codes["names"])
        assert 0 < n < 96 and codes["mu"].shape == codes["sigma"].shape == (n, 8)
        assert codes["logits"].shape == (n, 3) and codes["labels"].shape == (n, 2)
        assert tuple(codes["attributes"]) == ATTRIBUTES and set(np.unique(codes["labels"])) <= {0, 1}

    assert main(["export", "--model", model, "--to", "directions", "--out", str(tmp_path / "d")]) == 0
    with np.load(tmp_path / "d" / "directions.npz", allow_pickle=False) as directions:
        assert tuple(directions["names"]) == (*ATTRIBUTES, "fake")
        assert np.allclose(directions["w"], planes.w) and np.allclose(directions["b"], planes.b)
        assert str(directions["model"]) == checkpoint.digest(trainer.load(model))
    assert main(["export", "--model", model, "--to", "half", "--out", str(tmp_path / "h")]) == 0
    assert trainer.load(tmp_path / "h" / "model.safetensors").attributes == ATTRIBUTES


def test_that_accept_zero_gives_exactly_the_count(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "codes.npz"
    wants = ["--want", "Eyeglasses=no", "--want", "fake=no"]
    arguments = ["--sampler", "langevin", "--count", "7", "--accept", "0", "--codes", str(path)]
    assert main(["sample", "--model", str(tiny_model), *wants, *arguments, "--steps", "20"]) == 0
    with np.load(path, allow_pickle=False) as codes:
        assert codes["z"].shape == (7, 8) and codes["accepted"].all()


def test_that_prepare_makes_a_cache_that_train_takes(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepare("avatars:96", cache)
    arguments = train_arguments(tmp_path / "run", "--max-steps", "2")
    arguments[arguments.index("avatars:96")] = str(cache)
    assert main(arguments) == 0


def test_that_show_prints_the_resolved_config_and_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(train_arguments(run, "--show", "--subset", "balanced:2", "--seed", "5")) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["model"]["image_size"] == 32 and shown["loop"]["seed"] == 5
    assert shown["data"]["subset"] == "balanced:2" and shown["model"]["crop"] == "none"
    assert not run.exists()


def test_that_a_child_speaks_only_events_and_obeys_stdin(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = child(train_arguments(run, "--events", "--set", "epochs=500"))
    assert process.stdin is not None
    said = []
    for event in spoken(process):
        said.append(event)
        if isinstance(event, events.StepLosses) and event.step == 3:
            process.stdin.write('{"do": "pause"}\n')
            process.stdin.flush()
        if isinstance(event, events.Paused):
            process.stdin.write('{"do": "snapshot"}\n{"do": "resume"}\n')
            process.stdin.flush()
        if isinstance(event, events.Continued):
            process.stdin.write('{"do": "stop"}\n')
            process.stdin.flush()
    assert process.wait(60) == 0
    process.communicate()
    kinds = [type(e).__name__ for e in said]
    assert kinds.count("Paused") == kinds.count("Continued") == 1
    assert isinstance(said[-1], events.Finished) and said[-1].reason == "stopped"
    assert trainer.load(run / "model.safetensors").attributes == ATTRIBUTES


def test_that_the_end_of_stdin_stops_the_child_with_a_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = child(train_arguments(run, "--events", "--set", "epochs=500"))
    assert process.stdin is not None
    for event in spoken(process):
        if isinstance(event, events.StepLosses):
            break
    process.stdin.close()
    last = list(spoken(process))[-1]
    assert process.wait(60) == 0
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert isinstance(last, events.Finished) and (run / "checkpoints" / "last.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM; the studio writes to stdin")
def test_that_sigterm_ends_with_a_checkpoint_and_resume_needs_only_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = child(train_arguments(run, "--events", "--max-steps", "24"))
    for event in spoken(process):
        if isinstance(event, events.StepLosses) and event.step >= 2:
            process.send_signal(signal.SIGTERM)
            break
    said = list(spoken(process))
    process.communicate()
    assert process.returncode == 0
    stopped = said[-1]
    assert isinstance(stopped, events.Finished) and stopped.reason == "stopped" and stopped.step < 24
    assert main(["train", "--resume", "--run", str(run)]) == 0
    lines = [events.from_line(x) for x in (run / "events.jsonl").read_text("utf-8").splitlines()]
    assert [e.step for e in lines if isinstance(e, events.Resumed)] == [stopped.step]
    assert lines[-1].step == 24


def test_that_a_killed_run_resumes_to_the_weights_of_one_never_stopped(tmp_path: Path) -> None:
    """Killed within an epoch, while progress is saved over and over."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    steps = ["--max-steps", "24", "--set", "save_minutes=0.01", "--set", "log_every=1"]
    process = child(train_arguments(cut, "--events", *steps))
    for event in spoken(process):
        if isinstance(event, events.StepLosses) and event.step >= 15:
            process.kill()
            break
    process.communicate()
    assert process.returncode != 0
    (cut / "checkpoints" / ".last.safetensors.0123abcd.tmp").write_bytes(b"half a save")
    assert main(["train", "--resume", "--run", str(cut)]) == 0
    assert main(train_arguments(whole, *steps)) == 0
    ends = [safetensors.torch.load_file(run / "checkpoints" / "last.safetensors") for run in (whole, cut)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert not list(cut.rglob("*.tmp"))


def test_that_errors_are_one_line_with_exit_two(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    on_model, run = f"--model {shlex.quote(str(tiny_model))}", f"--run {shlex.quote(str(tmp_path / 'r'))}"
    text, nowhere = shlex.quote(str(tmp_path / "text.png")), shlex.quote(f"celeba:{tmp_path / 'nowhere'}")
    langevin = f"sample {on_model} --sampler langevin --out o.png --count"
    cases = {
        "Eyeglases": f"edit {on_model} --input x.png --move Eyeglases=1 --out o",
        "expected a number": f"edit {on_model} --input x.png --move Eyeglasses=a --out o",
        "text.png": f"edit {on_model} --input {text} --move Eyeglasses=1 --out o",
        "gone.safetensors": "export --model gone.safetensors --to directions --out o",
        "Moustache": f"{langevin} 1 --want Moustache=yes",
        "--out GRID.png": f"sample {on_model} --sampler langevin --count 1",
        "positive whole": f"{langevin} 0",
        "learning_rte": f"train --preset quick {run} --set learning_rte=1",
        "epochs = 0": f"train --preset quick {run} --set epochs=0",
        "--preset": f"train {run}",
        "nowhere": f"train --preset quick --data {nowhere} {run}",
        "Goggles": f"train --preset quick --data avatars:96 --attributes Goggles --set image_size=32 {run}",
        "device": f"train --preset quick --data avatars:96 --device abacus --set image_size=32 {run}",
        "config.json": f"train --resume --run {shlex.quote(str(tmp_path / 'never'))}",
        "invalid choice": "frobnicate",
    }
    for needle, arguments in cases.items():
        assert needle in error_of(capsys, shlex.split(arguments)), needle


def test_that_training_says_when_validation_is_kept_for_reporting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rows = ["name,Eyeglasses,FacialHair,split"]
    for i in range(24):
        Image.fromarray(draw(options_for(5, i), 32)).save(photos / f"{i}.png")
        rows.append(f"{i}.png,{i % 2},{i // 2 % 2},{'valid' if i < 4 else 'train'}")
    (photos / "labels.csv").write_text("\n".join(rows), "utf-8")
    run = tmp_path / "run"
    assert main([*train_arguments(run, "--max-steps", "1"), "--data", f"folder:{photos}"]) == 0
    note = "no test split: valid is kept for reporting; 2 of train are set aside to choose on"
    assert capsys.readouterr().err.count(note) == 1
    started = events.from_line((run / "events.jsonl").read_text("utf-8").splitlines()[0])
    assert isinstance(started, events.RunStarted)
    assert (started.train_images, started.valid_images) == (18, 2)


def test_that_a_run_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(train_arguments(run, "--max-steps", "1")) == 0
    capsys.readouterr()
    assert "--resume" in error_of(capsys, train_arguments(run))


def test_that_a_run_without_checkpoint_may_start_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert main(train_arguments(run, "--show")) == 0
    (run / "config.json").write_text(capsys.readouterr().out)
    said = error_of(capsys, ["train", "--resume", "--run", str(run)])
    assert "last.safetensors" in said and "without --resume" in said
    assert main(train_arguments(run, "--max-steps", "1")) == 0


def test_that_resume_heeds_flags_keeps_them_and_refuses_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert main(train_arguments(run, "--max-steps", "1")) == 0
    resume = ["train", "--resume", "--run", str(run)]
    before = (run / "config.json").read_bytes()
    for flags in (["--seed", "3"], ["--set", "latent_dim=16"], ["--data", "avatars:97"]):
        capsys.readouterr()
        assert flags[-1].partition("=")[0] in error_of(capsys, [*resume, *flags])
    assert (run / "config.json").read_bytes() == before
    monkeypatch.chdir(tmp_path)
    assert main([*resume, "--max-steps", "3", "--set", "learning_rate=1e-5", "--device", "cpu"]) == 0
    config = json.loads((run / "config.json").read_text("utf-8"))
    assert (config["loop"]["max_steps"], config["optim"]["learning_rate"]) == (3, 1e-5)
    lines = [events.from_line(x) for x in (run / "events.jsonl").read_text("utf-8").splitlines()]
    assert lines[-1].step == 3
    assert [e.learning_rate for e in lines if isinstance(e, events.StepLosses)][-1] == 1e-5


def test_that_half_of_what_torchrun_sets_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    assert "RANK = not set" in error_of(capsys, train_arguments(tmp_path / "run"))


def test_that_a_failure_is_one_line_with_exit_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    assert main(train_arguments(tmp_path / "warm", "--max-steps", "1")) == 0  # the images' cache
    capsys.readouterr()
    monkeypatch.setattr("os.fsync", full_disk)
    assert main(train_arguments(tmp_path / "run", "--max-steps", "1")) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert "No space" in lines[-1] and not any("Traceback" in line for line in lines)


def test_that_names_that_differ_in_case_alone_are_kept_apart() -> None:
    assert edit_commands._unique(["face", "Face", "FACE-2", "face"]) == ["face", "Face-3", "FACE-2", "face-4"]


def test_that_outputs_are_refused_before_the_work_and_folders_made(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Codec, "__init__", lambda *_: pytest.fail("work began"))
        (tmp_path / "file").write_text("")
        sampling = ["sample", "--model", str(tiny_model), "--sampler", "langevin", "--count", "1"]
        assert "gif" in error_of(capsys, [*sampling, "--out", str(tmp_path / "grid.gif")])
        assert "file" in error_of(capsys, [*sampling, "--codes", str(tmp_path / "file" / "c.npz")])
        encoding = ["encode", "--model", str(tiny_model), "--data", "avatars:96"]
        assert "file" in error_of(capsys, [*encoding, "--out", str(tmp_path / "file" / "c.npz")])
    deep = tmp_path / "new" / "deep" / "codes.npz"
    assert main([*sampling, "--steps", "2", "--accept", "0", "--codes", str(deep)]) == 0
    assert deep.exists()


def test_that_what_was_drawn_is_kept_when_too_little_is_accepted(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "codes.npz"
    flags = "--want Eyeglasses=yes --sampler langevin --steps 1 --count 1 --accept 0.99999"
    code = main(["sample", "--model", str(tiny_model), *flags.split(), "--codes", str(path)])
    assert code == 2 and "0 of 1 accepted" in capsys.readouterr().err
    with np.load(path, allow_pickle=False) as codes:
        assert len(codes["z"]) == len(codes["accepted"]) == 200 and not codes["accepted"].any()


def test_that_encode_keeps_labels_and_splits_as_training_does(tmp_path: Path, tiny_model: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(12):
        Image.fromarray(draw(options_for(5, i), 32)).save(photos / f"{i}.png")
    model = checkpoint.load_model(tiny_model)
    card = checkpoint.read_card(tiny_model)
    derived = tmp_path / "derived.safetensors"
    checkpoint.save_model(derived, model, replace(card, derive=("FacialHair=Beard|Goatee", "X=Y")))

    def encoded(word: str, split: str, header: str) -> dict[str, np.ndarray]:
        rows = [f"{i}.png,{i % 2},{word}" for i in range(12)]
        (photos / "labels.csv").write_text("\n".join([f"name,{header},split", *rows]) + "\n", "utf-8")
        out = tmp_path / "codes.npz"
        data = ["--data", f"folder:{photos}", "--split", split, "--out", str(out)]
        assert main(["encode", "--model", str(derived), *data]) == 0
        with np.load(out, allow_pickle=False) as codes:
            return dict(codes)

    # No image to train on: the one column is there, the other is not.
    labels = encoded("test", "all", "Eyeglasses")["labels"]
    assert labels[:, 0].tolist() == [i % 2 for i in range(12)] and (labels[:, 1] == -1).all()
    # No valid and no test split: the images that training keeps for reporting.
    names = encoded("train", "valid", "Eyeglasses")["names"]
    images = open_data(f"folder:{photos}", 32, "none", workers=1)
    assert names.tolist() == [images.names[i] for i in select(images, ("Eyeglasses",)).test]


def test_that_a_failed_child_says_why_as_an_event(tmp_path: Path) -> None:
    arguments = train_arguments(tmp_path / "run", "--events")
    arguments[arguments.index("avatars:96")] = f"folder:{tmp_path / 'nowhere'}"
    process = child(arguments)
    out, err = process.communicate()
    assert process.returncode == 2
    said = [events.from_line(line) for line in out.splitlines()]
    assert isinstance(said[-1], events.Failed) and "nowhere" in said[-1].text
    assert len(err.strip().splitlines()) == 1


def test_that_help_names_every_flag_of_every_command() -> None:
    actions = next(a for a in parser()._actions if a.dest == "command")
    known = {"prepare", "train", "edit", "path", "fit", "sample", "encode", "export", "import", "bench"}
    assert set(actions.choices) == known | {"judge", "evaluate", "reproduce", "tensorboard"}
    for name, sub in actions.choices.items():
        text = sub.format_help()
        for action in sub._actions:
            assert all(flag in text for flag in action.option_strings), (name, action.dest)


def test_that_a_command_gives_signal_handlers_back(tmp_path: Path) -> None:
    import signal

    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGINT, own)
    try:
        run = ["train", "--preset", "quick", "--data", "avatars:40", "--run", str(tmp_path / "run")]
        small = ["image_size=32", "channels=4,4,4", "latent_dim=4", "batch_size=4", "device=cpu"]
        assert main([*run, *(f"--set={one}" for one in small), "--max-steps", "1"]) == 0
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
