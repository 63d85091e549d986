"""Answers that come too late, and files that someone else made."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from introvac_studio import export_kinds, export_plan, exports, resources
from introvac_studio import studio as studio_module
from introvac_studio.comparison import Compared, CompareRequest
from introvac_studio.panels.history import HistoryPanel
from introvac_studio.settings import PHOTOS, Settings, remember_photo
from introvac_studio.state import Edit, Face, StudioState
from introvac_studio.studio import Studio
from trainer import codec, directions, grid
from trainer.errors import CheckpointError, ModelError

from .conftest import WAIT

DEMO = resources.path(resources.DEMO)


@pytest.fixture(scope="module")
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One window for all tests here, on the demo model with 48 faces."""
    qtbot = QtBot(request)
    store = QSettings(str(tmp_path_factory.mktemp("settings") / "s.ini"), QSettings.Format.IniFormat)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio_module, "AVATARS", "avatars:48:1")
        made = Studio("cpu", Settings(store))
        made.window.resize(1280, 800)
        made.show()
        made.start(None)
        qtbot.waitUntil(lambda: made.state.codes is not None and made.state.face is not None, timeout=WAIT)
        yield made
        made.shut_down()
        made.window.accept_close()
        made.window.deleteLater()


def _said(studio: Studio) -> str:
    return " | ".join(notice.text for notice in studio.window.notifications.past)


def test_that_a_late_failure_leaves_the_model_that_came_after_it(
    studio: Studio, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, begun, go = tmp_path / "broken.safetensors", threading.Event(), threading.Event()
    usual = codec.Codec.__init__

    def slow(self: codec.Codec, path: Path, *rest: object) -> None:
        if path == broken:
            begun.set()
            go.wait(60)
            raise CheckpointError(f"{path}: is late and broken")
        usual(self, path, *rest)

    monkeypatch.setattr(codec.Codec, "__init__", slow)
    studio.open_model(broken)
    assert begun.wait(60)
    studio.open_model(DEMO)
    wanted = studio.models.wanted
    go.set()
    qtbot.waitUntil(lambda: "late and broken" in _said(studio), timeout=WAIT)
    qtbot.waitUntil(lambda: studio.state.model.stamp == wanted, timeout=WAIT)
    qtbot.waitUntil(lambda: studio.state.codes is not None and studio.state.face is not None, timeout=WAIT)
    studio.state.commit("edit", Edit({"Eyeglasses": 1.5}))
    qtbot.waitUntil(
        lambda: studio.editor._frame is not None and studio.editor._frame.serial == studio.state.revision,
        timeout=WAIT,
    )


def test_that_a_face_waits_no_longer_for_a_model_that_does_not_open(
    studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.safetensors"
    note = exports.recipe(replace(studio.state.model, digest="x" * 64), [studio.state.face], Edit())
    face = studio.state.face
    studio.exporting._pending = _looked(studio, tmp_path / "a.png", note, gone)
    with qtbot.waitSignal(studio.inference.openFailed, timeout=WAIT):
        studio.open_model(gone)
    said = len(studio.window.notifications.past)
    studio.browsing.open("avatars:24:2")
    qtbot.waitUntil(lambda: studio.state.faces is not None and len(studio.state.faces) == 24, timeout=WAIT)
    assert studio.state.face is face and len(studio.window.notifications.past) == said


def _looked(studio: Studio, path: Path, note: dict[str, object], model: Path) -> object:
    from introvac_studio.workers.exporting import Look, Looked

    return Looked(Look(path, studio.state.model), note, model)


def test_that_another_device_is_the_compared_models_too(studio: Studio) -> None:
    asked: list[CompareRequest] = []
    comparing = studio.comparing
    comparing.shown, submit = True, comparing.thread_.submit
    comparing.thread_.submit = asked.append  # type: ignore[method-assign]
    comparing.panel.model.show_paths([DEMO], DEMO)
    try:
        comparing.set_device("mps")
        comparing._ask_whole()
        studio.guide.deviceChanged.emit("cpu")
        comparing._ask_whole()
    finally:
        comparing.shown, comparing.thread_.submit = False, submit  # type: ignore[method-assign]
    assert [one.device for one in asked] == ["mps", "cpu"]


def test_that_another_device_keeps_a_face_that_no_picture_belongs_to(studio: Studio, qtbot: QtBot) -> None:
    state, before = studio.state, studio.state.face
    drawn, edit = Face("drawn", np.linspace(-1, 1, state.model.dim)), Edit({"Hat": 2.0})
    state.open_face(drawn, edit)
    studio.guide.deviceChanged.emit("cpu")
    qtbot.waitUntil(
        lambda: state.model.stamp == studio.models.wanted and state.codes is not None, timeout=WAIT
    )
    assert state.face is drawn and state.edit.same(edit)
    state.open_face(before)


def test_that_a_model_on_a_lost_disk_stands_in_nobodys_way(studio: Studio, tmp_path: Path) -> None:
    lost, before = tmp_path / ("x" * 300), studio.settings.texts("model/recent")
    with pytest.raises(OSError):
        lost.stat()
    studio.settings.set_texts("model/recent", [*before, str(lost)])
    try:
        studio.comparing._offer()
        studio.evaluations.panel._fill_models()
        studio.models._show_list()
        boxes = (studio.comparing.panel.model, studio.evaluations.panel.model, studio.window.model_box)
        listed = {box.itemData(i) for box in boxes for i in range(box.count())}
        assert DEMO in listed and lost not in listed
        assert lost.name not in " ".join(studio.guide._recent_names())
    finally:
        studio.settings.set_texts("model/recent", before)


def test_that_an_answer_for_a_run_whose_list_is_gone_is_dropped(studio: Studio, tmp_path: Path) -> None:
    panel, state = studio.comparing.panel, studio.state
    panel.way.set_value(panel._ways[1])
    panel.show_run(tmp_path)
    image = np.zeros((32, 32, 3), np.uint8)
    request = CompareRequest(state.revision, Face("a", np.zeros(2)), image, Edit(), {}, False, tmp_path)
    panel.show_compared(Compared(request, "epoch 2", 32, image, {}))
    assert panel._other is None
    panel.way.set_value(panel._ways[0])


def test_that_history_outlives_its_document(qtbot: QtBot) -> None:
    state = StudioState()
    panel = HistoryPanel(state)
    qtbot.addWidget(panel)
    state.face = Face("a", np.zeros(2))
    state.undo_stack.push(_step())
    assert panel.list.count() == 2
    with qtbot.captureExceptions() as raised, qtbot.waitSignal(state.destroyed):
        state.deleteLater()
    assert raised == []


def _step() -> object:
    from PySide6.QtGui import QUndoCommand

    return QUndoCommand("a step")


def test_that_a_recipe_brings_no_flood_of_directions_or_faces(studio: Studio) -> None:
    model = studio.state.model
    row = {"w": [1.0] * model.dim, "b": 0.0}
    some = {f"d{k}": row for k in range(exports.MOST_ADDED)}
    planes = exports.with_directions({"directions": some}, model.planes)
    assert len(planes.names) == len(model.planes.names) + exports.MOST_ADDED
    with pytest.raises(ModelError, match="directions"):
        exports.with_directions({"directions": some | {"more": row}}, model.planes)
    many = {"faces": [{"name": "x" * 100_000}] + [{}] * 20_000, "z": [[0.0] * model.dim] * 20_001}
    assert len(exports.others(many, model)) == exports.MOST_FACES - 1
    face, _ = exports.reopened(exports.recipe(model, [], Edit()) | many, model)
    assert len(face.name) == exports.LONGEST


def test_that_a_direction_of_ones_own_is_known_by_more_than_its_name(studio: Studio) -> None:
    model = studio.state.model
    w = np.arange(model.dim) + 1.0
    planes = directions.extend(model.planes, "Side", w, 0.5)
    taught = replace(model, planes=planes, added=("Side",))
    for edit in (Edit({"Side": 2.0}), Edit({"Hat": 1.0}, None, ("Side",))):
        note = json.loads(json.dumps(exports.recipe(taught, [studio.state.face], edit)))
        assert np.array_equal(exports.with_directions(note, model.planes).w, planes.w)
        assert exports.with_directions(note, planes) is planes
        assert exports.reopened(note, taught)[1].same(edit)
        other = directions.extend(model.planes, "Side", -w, 0.5)
        with pytest.raises(ModelError, match="another direction is called 'Side' here"):
            exports.with_directions(note, other)
    face = Face("a", np.zeros(model.dim))
    options = export_kinds.defaults("strip") | {"attribute": "Side"}
    job = export_plan.Job(
        export_plan.Material(taught, Edit(), face, {"current": (face,)}), "strip", options, ".png"
    )
    shown = export_plan.plan(job)
    assert np.array_equal(exports.with_directions(job.recipe(shown), model.planes).w, planes.w)


@pytest.fixture
def named(studio: Studio, qtbot: QtBot, tmp_path: Path) -> tuple[Path, Path]:
    """A picture whose recipe names a photo that was never opened here, and the photo."""
    state = studio.state
    qtbot.waitUntil(
        lambda: state.model.stamp == studio.models.wanted and state.codes is not None, timeout=WAIT
    )
    private = tmp_path / "private.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (80, 80, 3), np.uint8)).save(private)
    recipe = {"face": "photo", "file": str(private), "crop": "square"}
    face = Face("stranger", np.full(studio.state.model.dim, 0.25), None, recipe)
    path = tmp_path / "gift.png"
    grid.save(
        Image.new("RGB", (64, 64)), path, exports.recipe(studio.state.model, [face], Edit({"Hat": 1.0}))
    )
    return path, private


def test_that_a_photo_which_a_recipe_names_is_read_only_when_the_user_says_so(
    studio: Studio, qtbot: QtBot, named: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, private = named
    read: list[Path] = []
    usual = Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, *a, **k: read.append(getattr(file, "name", file)) or usual(file, *a, **k)
    )
    state = studio.state
    studio.exporting.open_edit(path)
    qtbot.waitUntil(lambda: state.face.name == "stranger", timeout=WAIT)
    assert state.face.original is None and str(private) not in map(str, read)
    toast, notice = studio.window.notifications.toasts[-1]
    assert str(private) in notice.text
    studio.photos.show_crop()
    assert studio.photos.dialog is None and "opened here before" in _said(studio)
    toast.acted.emit()
    qtbot.waitUntil(lambda: state.face.original is not None, timeout=WAIT)
    assert str(private) in map(str, read) and str(private) in studio.settings.texts(PHOTOS)


def test_that_a_file_that_breaks_its_reader_is_answered(
    studio: Studio, qtbot: QtBot, named: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(grid, "read_recipe", broken)
    studio.exporting.open_edit(named[0])
    qtbot.waitUntil(lambda: "gift.png: cannot be read (unpack requires" in _said(studio), timeout=WAIT)
    monkeypatch.undo()
    studio.exporting.open_edit(named[0])
    qtbot.waitUntil(lambda: studio.state.face.name == "stranger", timeout=WAIT)


def test_that_a_photo_opened_here_is_known_and_old_ones_are_forgotten(settings: Settings) -> None:
    for k in range(120):
        remember_photo(settings, f"/p/{k}.png")
    remember_photo(settings, "/p/50.png")
    known = settings.texts(PHOTOS)
    assert known[:2] == ["/p/50.png", "/p/119.png"] and len(known) == len(set(known)) == 100


@pytest.mark.parametrize(
    "change",
    [
        {"deltas": {"Hat": 1e300}},
        {"deltas": {"Hat": -1001.0}},
        {"faces": 3},
        {"z": [[0.0], "text", {"a": 1}]},
        {"keep": [["Hat"]]},
        {"offset": "far"},
        {"offset": [[0.0] * 64] * 3},
        {"offset": [1e300] * 64},
        {"deltas": {"Hat": 10**400}},
        {"z": [[10**400] * 64] * 3},
        {"z": [[1e30] * 64] * 3},
        {"z": [[0.0] * 64, [[0.0] * 64] * 2]},
        {"directions": {"far": {"w": [10**400] * 64, "b": 0.0}}},
    ],
)
def test_that_a_strangers_recipe_is_refused_in_words(studio: Studio, change: dict[str, object]) -> None:
    model = studio.state.model
    face = Face("a", np.zeros(model.dim))
    note = json.loads(json.dumps(exports.recipe(model, [face, face, face], Edit()) | change))
    with pytest.raises(ModelError):
        planes = exports.with_directions(note, model.planes)
        exports.reopened(note, replace(model, planes=planes))
        exports.others(note, model)
