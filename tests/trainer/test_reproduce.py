"""`reproduce` from the data to the page, with models of seconds."""

from __future__ import annotations

import json
import logging
import re
import shutil
import signal
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY_ARGUMENTS
from tests.trainer.refusals import error_of
from tests.trainer.running import prepare
from trainer import config, files, modelfile
from trainer.cli import main
from trainer.reproduce import drawn, record
from trainer.reproduce.items import ITEMS
from trainer.reproduce.models import MODELS, configuration
from trainer.reproduce.settings import Settings
from trainer.run_files import STATE_FILE

# Without the device, which is a flag of the command.
_SETTINGS = [*TINY_ARGUMENTS[: TINY_ARGUMENTS.index("device=cpu") - 1], "--set", "epochs=2"]
FLAGS = ["--scale", "quick", "--device", "cpu", "--features", "pixels", "--count", "24", *_SETTINGS]
DATA = "avatars:200"


@pytest.fixture(scope="module", autouse=True)
def signals_as_before() -> Iterator[None]:
    """The command takes signals for the rest of its process, in `made` before any test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def command(out: Path, *more: str) -> list[str]:
    return ["reproduce", "--data", DATA, "--out", str(out), *FLAGS, *more]


def results(out: Path) -> dict[str, Any]:
    return json.loads((out / "results.json").read_text("utf-8"))


def steps(out: Path, name: str) -> int:
    return modelfile.read_card(out / "runs" / name / "model.safetensors").step


def times(folder: Path, pattern: str) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob(pattern))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Path:
    """Everything, made once."""
    out = tmp_path_factory.mktemp("reproduced") / "page"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "_MEASURED", 16)
        assert main(command(out)) == 0
    return out


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.sources += [found[key] or "" for key in ("src", "href") if key in found]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_that_every_item_comes_out_whole(made: Path) -> None:
    found = results(made)
    assert tuple(found["items"]) == tuple(ITEMS) and not found["missing"]
    for name, item in found["items"].items():
        assert item["pictures"] or item["tables"], name
        for picture in item["pictures"]:
            with Image.open(made / picture["file"]) as image:
                assert image.format == "PNG" and min(image.size) > 100
    page = (made / "index.html").read_text("utf-8")
    parsed = _Page()
    parsed.feed(page)
    assert not parsed.open and parsed.ids == list(ITEMS)
    pictures = sum(len(item["pictures"]) for item in found["items"].values())
    assert sum(source.startswith("data:image/png") for source in parsed.sources) == pictures
    assert all(source.startswith(("data:", "#")) for source in parsed.sources)
    assert "saw the same images" in page and str(made) not in page + json.dumps(found)


def test_that_the_quick_scale_changes_the_size_and_not_the_recipe() -> None:
    for preset in ("introvac", "studio"):
        wanted = config.preset(preset)
        found = configuration(
            MODELS["introvac-eye"], Settings(DATA, Path("page"), scale="quick", preset=preset)
        )
        assert found.loss == wanted.loss and found.model.image_size == 64
        assert found.model.classifier_bias == wanted.model.classifier_bias
        for name in ("mirror_share", "read_draws"):
            assert getattr(found.game, name) == getattr(wanted.game, name)


def test_that_both_models_saw_the_same_images_and_differ_in_the_game_alone(made: Path) -> None:
    known = {model["name"]: model for item in results(made)["items"].values() for model in item["models"]}
    assert set(known) == {
        "vac-eyefacial", "introvac-eyefacial", "introvac-eye", "introvac-facial", "introvac-2d"
    }  # fmt: skip
    plain, ours = known["vac-eyefacial"], known["introvac-eyefacial"]
    assert plain["images_seen"] == ours["images_seen"] == 8 * ours["step"] > 0
    assert ours["game_played"] and not plain["game_played"]
    assert plain["settings"].pop("game")["enabled"] is False
    assert ours["settings"].pop("game")["enabled"] is True
    assert (plain["settings"].pop("preset"), ours["settings"].pop("preset")) == ("vac", "introvac")
    assert plain["settings"] == ours["settings"]
    assert known["introvac-2d"]["latent_dim"] == 2


def test_that_table_1_has_its_protocol_and_the_factor(made: Path) -> None:
    found = results(made)["items"]["table1"]
    numbers = found["numbers"]["distances"]
    frechet = {n["model"]: n for n in numbers if n.get("kind") == "frechet"}
    assert set(frechet) == {"VAC", "IntroVAC"} and {n.get("kind") for n in numbers} > {"kernel"}
    for one in frechet.values():
        assert one["name"] == "Frechet distance (8 x 8 pixels)"
        assert one["low"] < one["value"] < one["high"] and one["floor"] > 0
        assert one["protocol"]["split"] == "test" and one["protocol"]["what"] == "reconstructions"
    factor = next(n["factor"] for n in numbers if "factor" in n)
    assert factor == pytest.approx(frechet["VAC"]["value"] / frechet["IntroVAC"]["value"])
    assert ["the paper, CelebA", "FID", "63.9 / 25.5", "2.5"] in found["tables"][1]["rows"]


def test_that_edits_go_by_the_papers_deltas(made: Path) -> None:
    items = results(made)["items"]
    amounts = {
        name: [e["amounts"] for e in items[name]["numbers"]["edits"]] for name in ("fig4", "fig5", "fig6")
    }
    assert amounts["fig4"] == [{"Eyeglasses": 3}, {"Eyeglasses": -3}]
    assert amounts["fig5"] == [{"FacialHair": 4}, {"FacialHair": -4}]
    assert {"Eyeglasses+FacialHair": 5} in amounts["fig6"] and {"FacialHair": -4} in amounts["fig6"]
    models = [e["model"] for e in items["fig7"]["numbers"]["eyefacial"]["edits"]]
    assert set(models) == {"VAC", "IntroVAC"}
    samples = items["fig8"]["numbers"]["samples"]
    assert {s["sampler"] for s in samples} == {"exact", "langevin"}
    for one in samples:
        assert one["drawn"] == one["kept"] if one["sampler"] == "exact" else one["on_code"]["mean"] == 1


def test_that_what_is_there_is_kept_until_asked_again(copy: Path) -> None:
    before, models = times(copy / "pictures", "*"), times(copy / "runs", "*/model.safetensors")
    assert main(command(copy)) == 0
    assert times(copy / "pictures", "*") == before
    assert main(command(copy, "--only", "fig9", "--again")) == 0
    after = times(copy / "pictures", "*")
    assert {name for name in after if after[name] != before[name]} == {
        "prior-vac-eyefacial.png", "prior-introvac-eyefacial.png"
    }  # fmt: skip
    assert times(copy / "runs", "*/model.safetensors") == models
    assert tuple(results(copy)["items"]) == tuple(ITEMS)


def test_that_another_delta_makes_only_what_depends_on_it(copy: Path) -> None:
    before = times(copy / "items", "*")
    assert main(command(copy, "--delta", "eye=2.5")) == 0
    after = times(copy / "items", "*")
    assert {name for name in after if after[name] != before[name]} == {"fig4.json"}
    assert results(copy)["items"]["fig4"]["numbers"]["edits"][0]["amounts"] == {"Eyeglasses": 2.5}


def test_that_one_item_trains_only_what_it_needs(tmp_path: Path) -> None:
    assert main(command(tmp_path / "page", "--only", "fig3")) == 0
    assert [path.name for path in (tmp_path / "page" / "runs").iterdir()] == ["introvac-2d"]
    found = results(tmp_path / "page")
    assert list(found["items"]) == ["fig3"] and "table1" in found["missing"]
    assert 0 <= found["items"]["fig3"]["numbers"]["right"]["Eyeglasses"]["mean"] <= 1


def test_that_models_are_taken_instead_of_trained(
    made: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page"
    taken = ["--take", f"vac-eyefacial={tiny_model}", "--take", f"introvac-eyefacial={tiny_model}"]
    assert main(command(out, "--only", "fig6,fig9", *taken)) == 0
    assert not (out / "runs").exists()
    model = results(out)["items"]["fig6"]["models"][0]
    assert model["sha256"] == modelfile.load(tiny_model).digest
    assert not model["trained"] and model["images_seen"] is None
    assert "how they were trained is not known" in (out / "index.html").read_text("utf-8")

    other = tmp_path / "other"
    assert main(command(other, "--only", "fig4", "--models", str(made / "runs"))) == 0
    assert not (other / "runs").exists()
    capsys.readouterr()
    assert main(command(tmp_path / "x", "--only", "fig3", "--take", f"introvac-2d={tiny_model}")) == 2
    assert "must have 2 dimensions, not 8" in capsys.readouterr().err
    eye = made / "runs" / "introvac-eye"
    assert main(command(tmp_path / "y", "--only", "fig5", "--take", f"introvac-facial={eye}")) == 2
    assert "must know FacialHair; it knows Eyeglasses" in capsys.readouterr().err


def test_that_the_page_of_a_prepared_cache_names_the_source_and_no_folder(
    tmp_path: Path, tiny_model: Path
) -> None:
    cache, out = tmp_path / "avatars-of-mine", tmp_path / "page"
    prepare("avatars:60", cache)
    taken = ["--take", f"vac-eyefacial={tiny_model}", "--take", f"introvac-eyefacial={tiny_model}"]
    body = command(out, "--only", "fig9", *taken)
    body[body.index(DATA)] = str(cache)
    assert main(body) == 0
    assert results(out)["data"] == "avatars:60:0" and not results(out)["unlike"]
    written = [path.read_text("utf-8") for path in (out / "index.html", out / "results.json")]
    assert not any(str(tmp_path) in text for text in written)
    assert "both saw the same images" not in written[0]  # models that were taken

    assert main([*body, "--only", "fig6", "--seed", "1"]) == 0
    assert results(out)["unlike"] == ["fig9"]
    assert "with --only fig9 it is made with them" in (out / "index.html").read_text("utf-8")


def test_that_a_record_never_stands_beside_pictures_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(shade: int, *names: str) -> record.Made:
        image = Image.new("L", (2, 2), shade)
        return record.Made([record.Picture(name, "t", "c", image) for name in names])

    about = {"title": "t", "text": "t", "key": "old", "settings": {}, "seconds": 0.0, "models": []}
    record.keep(tmp_path, "fig9", made(0, "prior-a", "prior-b"), about)
    record.keep(tmp_path, "fig9", made(1, "prior-a"), about)
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["prior-a.png"]
    assert record.kept(tmp_path, "fig9") is not None

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_text", fail)
    with pytest.raises(KeyboardInterrupt):
        record.keep(tmp_path, "fig9", made(2, "prior-a"), about | {"key": "new"})
    assert record.kept(tmp_path, "fig9") is None


class _At(logging.Handler):
    """Does what a signal's handler would, when something is said."""

    def __init__(self, pattern: str, number: int) -> None:
        super().__init__()
        self.pattern, self.number, self.done = re.compile(pattern), number, False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.done and self.pattern.search(record.getMessage()):
            self.done = True
            handler = signal.getsignal(self.number)
            assert callable(handler) and handler is not signal.default_int_handler
            handler(self.number, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_that_a_stopped_run_goes_on_where_it_was(
    tmp_path: Path, made: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out, log = tmp_path / "page", logging.getLogger("trainer")
    at = _At("introvac-eye: epoch 1,", number)
    log.addHandler(at)
    try:
        assert main(command(out, "--only", "fig4")) == 0
    finally:
        log.removeHandler(at)
    assert at.done and "the same command goes on from here" in capsys.readouterr().err
    assert (out / "runs" / "introvac-eye" / STATE_FILE).exists() and not (out / "index.html").exists()
    whole = steps(made, "introvac-eye")
    assert steps(out, "introvac-eye") < whole
    assert main(command(out, "--only", "fig4")) == 0
    assert "introvac-eye: going on from step" in capsys.readouterr().err
    assert steps(out, "introvac-eye") == whole and list(results(out)["items"]) == ["fig4"]
    body = [(path / "runs" / "introvac-eye" / "model.safetensors") for path in (made, out)]
    assert modelfile.load(body[0]).digest == modelfile.load(body[1]).digest


def test_that_a_stop_between_figures_keeps_what_is_there(copy: Path) -> None:
    log, at = logging.getLogger("trainer"), _At("fig5: Figure", signal.SIGINT)
    before = times(copy / "items", "*")
    log.addHandler(at)
    try:
        assert main(command(copy, "--only", "fig4,fig5,fig6", "--again")) == 0
    finally:
        log.removeHandler(at)
    after = times(copy / "items", "*")
    assert {name for name in after if after[name] != before[name]} == {"fig4.json"}
    assert tuple(results(copy)["items"]) == tuple(ITEMS)


def faces(root: Path, header: str, row: str) -> str:
    root.mkdir()
    rng = np.random.default_rng(0)
    lines = [header]
    for i in range(20):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(root / f"{i}.png")
        lines.append(f"{i}.png,{row.format(i % 2)}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return f"folder:{root}"


def test_that_data_without_the_labels_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page"
    lacking = faces(tmp_path / "lacking", "file,Eyeglasses,Beard", "{0},{0}")
    same = faces(tmp_path / "same", "file,Eyeglasses,FacialHair", "{0},0")
    base = ["reproduce", "--out", str(out), *FLAGS]
    said = error_of(capsys, [*base, "--data", lacking])
    assert "no labels named FacialHair" in said and "derive=" in said and "Eyeglasses, Beard" in said
    assert "no face has FacialHair" in error_of(capsys, [*base, "--data", same])
    assert "no such directory" in error_of(capsys, [*base, "--data", f"folder:{tmp_path / 'nowhere'}"])
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--only", "fig2"], "--only 'fig2': choose from table1, fig3"),
        (["--only", ""], "--only: name some of"),
        (["--take", "vac=x"], "--take vac: choose one of introvac-eye"),
        (["--models", "nowhere"], "--models nowhere: holds none of"),
        (["--delta", "nose=2"], "delta = 'nose': choose one of eye, facial, eyefacial, both"),
        (["--delta", "eye=-2"], "delta eye = -2.0: must be a finite number above 0"),
        (["--delta", "eye=much"], "--delta: expected NAME=NUMBER"),
        (["--features", "fid"], "features = 'fid': choose one of"),
        (["--compare", "nose"], "compare = 'nose': choose one of eye"),
        (["--preset", "vac"], "plays no game"),
        (["--set", "warmup_epochs=2"], "leaves no epoch of 2 for the game"),
        (["--set", "data.subset=eye"], "--set data.subset: is decided by"),
        (["--set", "seed=3"], "is decided by --seed"),
        (["--seed", "-1"], "--seed -1: must not be negative"),
        (["--count", "7"], "count = 7: at least 8 faces are needed"),
    ],
)
def test_that_bad_wishes_end_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert message in error_of(capsys, command(tmp_path / "page", *flags))
    assert not (tmp_path / "page").exists()


def test_that_models_of_other_settings_and_foreign_pages_are_not_mixed_in(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = error_of(capsys, command(copy, "--set", "beta_reg=1"))
    assert "beta_reg = 3.0, and 1.0 is asked for" in said
    assert "seed = 0, and 1 is asked for" in error_of(capsys, command(copy, "--seed", "1"))
    foreign = tmp_path / "site"
    foreign.mkdir()
    (foreign / "index.html").write_text("mine", "utf-8")
    assert "holds an index.html of something else" in error_of(capsys, command(foreign))
    assert (foreign / "index.html").read_text("utf-8") == "mine"
