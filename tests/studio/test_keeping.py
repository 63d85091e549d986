"""The open weights stay usable while a run writes newer ones over their file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from introvac_studio.keeping import Keeping
from introvac_studio.studio import Studio
from trainer import checkpoint, modelfile
from trainer.run_files import BEST_FILE, EVENTS_FILE, MODEL_FILE

from .conftest import WAIT


def write_newer(path: Path, seed: int, step: int) -> str:
    """Other weights in the same file; returns their digest."""
    import torch

    loaded = checkpoint.load(path)
    torch.manual_seed(seed)
    with torch.no_grad():
        loaded.model.classifier.weight += torch.randn_like(loaded.model.classifier.weight)
    card = modelfile.read_card(path)
    checkpoint.save_model(
        path, loaded.model, type(card)(name="tiny", data="avatars", step=step, game_played=True)
    )
    return modelfile.load(path).digest


@pytest.fixture
def model(tmp_path: Path, tiny_model: Path) -> Path:
    """The newest model of a run."""
    run = tmp_path / "first"
    run.mkdir()
    (run / EVENTS_FILE).touch()
    shutil.copy(tiny_model, run / MODEL_FILE)
    return run / MODEL_FILE


@pytest.fixture
def opened(studio: Studio, qtbot: QtBot, model: Path) -> Studio:
    """A studio in which that model is open."""
    open_model(studio, qtbot, model)
    return studio


def open_model(studio: Studio, qtbot: QtBot, path: Path) -> None:
    with qtbot.waitSignal(studio.models.opened, timeout=WAIT):
        studio.open_model(path)
    state = studio.state
    qtbot.waitUntil(lambda: state.codes is not None and state.face is not None, timeout=WAIT)


def test_that_an_open_snapshot_generates_and_is_measured_after_the_run_wrote_again(
    opened: Studio, qtbot: QtBot, model: Path
) -> None:
    state, panel = opened.state, opened.generate
    was = state.model.digest
    assert write_newer(model, 1, 20) != was
    panel.form.sampler.set_value("exact")
    panel.form.count.setValue(2)
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.generate()
    qtbot.waitUntil(lambda: panel.gallery.count == 2, timeout=WAIT)
    assert not panel.banner.isVisible()
    request = opened.evaluations.panel.request()
    assert request is not None and modelfile.load(request.model).digest == was
    opened.evaluations.panel._choose_model(model)  # chosen once more, the open weights are meant
    assert modelfile.load(opened.evaluations.panel.request().model).digest == was
    copy = state.model.weights
    opened.shut_down()
    assert copy != model and not copy.exists(), "copies go with the studio"


def test_that_newer_weights_are_offered_and_opened(opened: Studio, qtbot: QtBot, model: Path) -> None:
    box, models = opened.window.model_box, opened.models
    texts = [box.itemText(i) for i in range(box.count())]
    newer = write_newer(model, 2, 1240)
    opened.runs.saved.emit(model.with_name("other.safetensors"), 1240)
    assert [box.itemText(i) for i in range(box.count())] == texts
    opened.runs.saved.emit(model, 1240)
    assert box.currentIndex() == 0 and box.itemText(1) == "Open newer weights (step 1,240)"
    with qtbot.waitSignal(models.opened, timeout=WAIT):
        box.activated.emit(1)
    assert opened.state.model.digest == newer and opened.state.model.card.step == 1240
    assert "newer" not in box.itemText(1)
    again = write_newer(model, 3, 1300)
    with qtbot.waitSignal(models.opened, timeout=WAIT):
        opened.window.actions_["Open the model again"].trigger()
    assert opened.state.model.digest == again


def test_that_the_model_of_a_run_that_ended_is_among_those_to_choose(
    studio: Studio, qtbot: QtBot, model: Path
) -> None:
    box = studio.window.model_box
    assert model not in [box.itemData(i) for i in range(box.count())]
    studio.runs.made.emit(model)
    assert model in [box.itemData(i) for i in range(box.count())]
    assert box.currentData() == studio.state.model.path
    studio.comparing._offer()
    offered = studio.comparing.panel.model
    assert model in [offered.itemData(i) for i in range(offered.count())]


def test_that_few_copies_are_kept_and_only_of_runs(model: Path, tiny_model: Path) -> None:
    keeping = Keeping()
    assert keeping.keep(tiny_model, modelfile.load(tiny_model).digest) is None
    first = keeping.keep(model, modelfile.load(model).digest)
    assert first is not None and keeping.keep(model, modelfile.load(model).digest) == first
    assert keeping.keep(model, "0" * 64) is None, "it was written since it was opened"
    best = model.parent / BEST_FILE
    best.parent.mkdir()
    shutil.copy(model, best)
    second = keeping.keep(best, modelfile.load(best).digest)
    assert second is not None
    copies = [keeping.keep(model, write_newer(model, seed, seed)) for seed in range(3)]
    assert not first.exists() and second.is_file(), "of the same weights, and each goes in its turn"
    copies.append(keeping.keep(model, write_newer(model, 3, 3)))
    assert not second.exists() and all(copy is not None and copy.is_file() for copy in copies)
    assert keeping.keep(best, modelfile.load(best).digest) == second and second.is_file()
    keeping.close()
    assert not any(copy.exists() for copy in copies if copy)
