"""The Compare dock: the same edit by another model, and by one model over its training."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from introvac_studio import resources
from introvac_studio.panels import compare as compare_panel
from introvac_studio.panels.compare import ComparePanel
from introvac_studio.state import Edit, Face
from introvac_studio.studio import Studio
from trainer import checkpoint, run_files
from trainer.codec import Codec
from trainer.config import ModelConfig
from trainer.modelfile import read_card
from trainer.models import IntroVAC

WAIT = 60_000
DEMO = resources.path(resources.DEMO)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 32 px that knows glasses, and an attribute that the demo lacks."""
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    shape = ModelConfig(
        image_size=32, channels=(8, 8, 8), latent_dim=8, attributes=("Eyeglasses", "Male"), crop="none"
    )
    checkpoint.save_model(path, IntroVAC(shape), read_card(DEMO))
    return path


@pytest.fixture
def run(tmp_path: Path, small: Path) -> Path:
    """A run that kept its second and tenth epoch, both of them small, and ended with the demo's weights."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / run_files.CONFIG_FILE).write_text("{}")
    for epoch in (10, 2):
        shutil.copy(small, folder / run_files.kept_file(epoch))
    shutil.copy(DEMO, folder / run_files.MODEL_FILE)
    return folder


def _shown(studio: Studio, qtbot: QtBot) -> ComparePanel:
    studio.window.raise_dock("edit", "compare")
    panel = studio.comparing.panel
    qtbot.waitUntil(lambda: studio.comparing.shown, timeout=WAIT)
    return panel


def _picture(panel: ComparePanel, kind: str) -> np.ndarray | None:
    return panel.views[kind, 1].image


def test_that_another_model_makes_the_same_edit(studio: Studio, small: Path, qtbot: QtBot) -> None:
    panel = _shown(studio, qtbot)
    panel.model.show_paths([small], small)
    panel.changed.emit()
    studio.state.commit("edit", Edit({"Eyeglasses": 3.0, "Hat": 2.0}))
    qtbot.waitUntil(lambda: "Hat" in panel.note.whole, timeout=WAIT)
    qtbot.waitUntil(lambda: _picture(panel, "reconstruction") is not None, timeout=WAIT)
    face = studio.state.face
    assert face is not None and face.original is not None
    codec = Codec(small, "cpu")
    source = np.asarray(compare_source(face.original, 32))
    mu = codec.encode(source[None])[0][0].astype(np.float64)
    z = mu + 3.0 * codec.planes.normal("Eyeglasses")
    edited = _picture(panel, "edited")
    assert edited is not None
    assert np.abs(edited.astype(int) - codec.decode(z[None])[0]).max() <= 1
    names = [panel.table.item(row, 0).text() for row in range(panel.table.rowCount())]  # type: ignore[union-attr]
    assert set(names) >= {"Eyeglasses", "Hat", "Male"}
    row = names.index("Eyeglasses")
    told = panel.table.item(row, 3)
    assert told is not None
    assert float(told.text()) == pytest.approx(float(codec.planes.probabilities(z)[0]), abs=0.006)
    assert panel.table.item(names.index("Hat"), 3).text() == "–"  # type: ignore[union-attr]

    panel.scaled.setChecked(True)  # both cards give the same usual deltas
    studio.state.commit("more", Edit({"Eyeglasses": 6.0}))
    further = codec.decode((mu + 6.0 * codec.planes.normal("Eyeglasses"))[None])[0]

    def shows_it() -> bool:
        now = _picture(panel, "edited")
        return now is not None and np.abs(now.astype(int) - further).max() <= 1

    qtbot.waitUntil(shows_it, timeout=WAIT)


def compare_source(image: np.ndarray, size: int) -> np.ndarray:
    """The original at the other model's size."""
    from PIL import Image

    from trainer.data.transforms import prepare

    return prepare(Image.fromarray(image), size, "none")


def test_that_the_slider_walks_through_the_checkpoints_of_a_run(
    studio: Studio, run: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = _shown(studio, qtbot)
    panel.way.set_value("Over training")
    panel.show_run(run)
    panel.changed.emit()
    qtbot.waitUntil(lambda: panel.at.text() == "newest", timeout=WAIT)
    qtbot.waitUntil(lambda: len(panel._answers) == 3, timeout=WAIT)
    assert panel.slider.maximum() == 2

    def edited() -> np.ndarray:
        picture = _picture(panel, "edited")
        assert picture is not None
        return picture

    same = studio.editor.picture
    assert same is not None
    assert np.array_equal(edited(), same), "the newest weights are those of the open model"
    panel.slider.setValue(0)
    assert panel.at.text() == "epoch 2" and edited().shape[0] == 32

    monkeypatch.setattr(compare_panel, "FRAME_MS", 1)
    panel._timer.setInterval(1)
    panel.play.click()
    qtbot.waitUntil(lambda: panel.slider.value() == 2 and not panel.play.isChecked(), timeout=WAIT)
    assert panel.at.text() == "newest"


def test_that_one_broken_checkpoint_hides_no_other(studio: Studio, run: Path, qtbot: QtBot) -> None:
    panel = _shown(studio, qtbot)
    broken = run_files.kept_file(2)
    (run / broken).write_bytes(b"no model")
    panel.way.set_value("Over training")
    panel.show_run(run)
    panel.changed.emit()
    qtbot.waitUntil(lambda: broken.name in panel.note.whole, timeout=WAIT)
    assert panel.at.text() == "newest" and np.array_equal(_picture(panel, "edited"), studio.editor.picture)
    panel.slider.setValue(1)
    assert panel.at.text() == "epoch 10" and _picture(panel, "edited").shape[0] == 32
    panel.slider.setValue(0)
    qtbot.waitUntil(lambda: _picture(panel, "edited") is None, timeout=WAIT)
    assert broken.name in panel.note.whole


def test_that_a_checkpoint_that_the_run_has_dropped_leaves_the_slider(
    studio: Studio, run: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = _shown(studio, qtbot)
    kept, asked = run_files.kept_models, []

    def kept_models(folder: Path) -> dict[str, Path]:
        """The run drops its oldest right after the first look."""
        found = kept(folder)
        if not asked:
            (run / run_files.kept_file(2)).unlink()
        asked.append(folder)
        return found

    monkeypatch.setattr(run_files, "kept_models", kept_models)
    panel.way.set_value("Over training")
    panel.show_run(run)
    panel.changed.emit()
    qtbot.waitUntil(lambda: panel._labels == ("epoch 10", "newest"), timeout=WAIT)
    assert panel.note.whole == "" and panel.at.text() == "newest"


def test_that_nothing_is_computed_while_nobody_looks(studio: Studio, small: Path, qtbot: QtBot) -> None:
    panel = studio.comparing.panel
    assert not studio.comparing.shown, "another dock is on top"
    panel.model.show_paths([small], small)
    studio.state.commit("edit", Edit({"Eyeglasses": 3.0}))
    assert not studio.comparing.thread_.isRunning()


def test_that_a_face_from_the_prior_is_compared_by_its_picture(
    studio: Studio, small: Path, qtbot: QtBot
) -> None:
    panel = _shown(studio, qtbot)
    panel.model.show_paths([small], small)
    panel.changed.emit()
    qtbot.waitUntil(lambda: _picture(panel, "edited") is not None, timeout=WAIT)
    before = _picture(panel, "edited")
    studio.browsing.draw()
    qtbot.waitUntil(lambda: _is_prior(studio.state.face), timeout=WAIT)
    qtbot.waitUntil(lambda: not np.array_equal(_picture(panel, "edited"), before), timeout=WAIT)  # type: ignore[arg-type]
    assert panel.below[0].text() == "", "there is no original to be near to"


def _is_prior(face: Face | None) -> bool:
    return face is not None and face.original is None


def test_that_a_broken_model_is_named_and_nothing_is_shown(
    studio: Studio, tmp_path: Path, qtbot: QtBot
) -> None:
    panel = _shown(studio, qtbot)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no model")
    panel.model.show_paths([broken], broken)
    panel.changed.emit()
    qtbot.waitUntil(lambda: "broken.safetensors" in panel.note.whole, timeout=WAIT)
    assert _picture(panel, "edited") is None
