"""Exports in the real window: what files hold, what is said, and pictures that open what made them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QStyle, QStyleOptionComboBox
from pytestqt.qtbot import QtBot

from introvac_studio import studio as studio_module
from introvac_studio.export_dialog import FOLDER, ExportDialog
from introvac_studio.export_kinds import KINDS
from introvac_studio.messages import ExportJob
from introvac_studio.settings import Settings
from introvac_studio.state import Edit, Face
from introvac_studio.studio import Studio
from introvac_studio.widgets.pictures import from_qimage
from introvac_studio.workers.child import Ended
from trainer import directions, events, export_onnx
from trainer.grid import read_recipe

from .conftest import WAIT

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

LEFT = Qt.MouseButton.LeftButton


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


@pytest.fixture
def dialog(studio: Studio, qtbot: QtBot, tmp_path: Path) -> Iterator[ExportDialog]:
    """The dialog over an edited face that keeps an attribute; nothing is remembered."""
    state = studio.state
    studio.settings.forget("export/")
    studio.settings.set(FOLDER, str(tmp_path))
    studio.exporting._set = studio.exporting._generated = ()
    offset = 0.1 * np.random.default_rng(5).standard_normal(state.model.dim)
    faces = state.faces
    face = Face(faces.names[2], state.codes[2].astype(np.float64), faces.images[2], faces.recipe(2))
    state.open_face(face, Edit({"Eyeglasses": 2.0}, offset, ("Smiling",)))
    state.select([])
    yield opened(studio, qtbot)
    if (left := studio.exporting.dialog) is not None:
        qtbot.waitUntil(lambda: not left.busy, timeout=WAIT)
        left.reject()


def opened(studio: Studio, qtbot: QtBot) -> ExportDialog:
    studio.window.actions_["Export…"].trigger()
    made = studio.exporting.dialog
    assert made is not None
    qtbot.waitUntil(lambda: made._shown is not None, timeout=WAIT)
    return made


def choose(dialog: ExportDialog, qtbot: QtBot, kind: str, suffix: str = "", **options: object) -> None:
    """Take a kind and options as a user would, and wait for what they look like."""
    dialog.choose(kind, {**dialog.options, **options} if kind == dialog.kind else options or None)
    if suffix:
        dialog.format.setCurrentIndex(dialog.format.findData(suffix))
    dialog._later()
    dialog.refresh()
    qtbot.waitUntil(lambda: dialog._shown is not None or bool(dialog.message.text()), timeout=WAIT)


def export(dialog: ExportDialog, qtbot: QtBot, name: str) -> Path:
    dialog.name.setText(name)
    dialog._on_name()
    path = dialog.target
    QTest.mouseClick(dialog.export, LEFT)
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    assert dialog.message.text().startswith(f"Saved {path.name}"), dialog.message.text()
    assert dialog.reveal.isVisible()
    return path


def reopen(studio: Studio, qtbot: QtBot, path: Path) -> None:
    with qtbot.waitSignal(studio.exporting.thread_.finished_, timeout=WAIT):
        studio.exporting.open_edit(path)


FILES = (
    ("face", ".png", {"show": "all", "scale": 2}),
    ("grid", ".jpg", {"content": "edit", "source": "visible", "count": 5, "scale": 1}),
    ("grid", ".png", {"content": "two", "steps": 3, "attribute": "Eyeglasses", "second": "Hat", "scale": 1}),
    ("strip", ".webp", {"attribute": "Hat", "from": -4.0, "to": 8.0, "steps": 4, "caption": "Zoë"}),
    ("film", ".gif", {"attribute": "Hat", "from": 0.0, "to": 6.0, "frames": 3, "scale": 1}),
    ("film", ".webp", {"source": "visible", "count": 2, "frames": 4, "easing": "linger", "back": False}),
    ("film", ".mp4", {"attribute": "Eyeglasses", "frames": 3, "fps": 7}),
    ("path", ".gif", {"end": "avatar-1-000007", "frames": 4, "way": "spherical", "scale": 1}),
)


def test_that_every_kind_of_picture_opens_what_made_it(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot
) -> None:
    pytest.importorskip("av")
    state = studio.state
    face, edit, z = state.face, state.edit, state.z
    for number, (kind, suffix, options) in enumerate(FILES):
        choose(dialog, qtbot, kind, suffix, **options)
        path = export(dialog, qtbot, f"{number}")
        made = dialog.options
        shown = dialog._shown
        dialog.reject()
        state.open_face(replace(face, name="another", mu=np.zeros(state.model.dim), original=None))
        studio.settings.forget("export/film")
        reopen(studio, qtbot, path)
        case = (kind, suffix)
        assert np.allclose(state.z, z, atol=1e-5) and state.edit.keep == edit.keep, case
        assert dict(state.edit.amounts) == {"Eyeglasses": 2.0} and state.face.name == face.name, case
        assert np.array_equal(state.face.original, face.original), case
        assert "Ctrl+E exports it again" in studio.window.status.text(), case
        dialog = opened(studio, qtbot)
        assert (dialog.kind, dialog.suffix) == case
        again = dialog.options
        if made.get("source") == "visible":
            assert again["source"] == "reopened" and again["count"] == made["count"], case
            assert dialog._material.sources["reopened"][0].name == face.name, case
        elif kind == "path":
            assert again["end"] == made["end"] == options["end"], case
        assert {**again, "source": 0, "count": 0} == {**made, "source": 0, "count": 0}, case
        for old, new in zip(shown.frames, dialog._shown.frames, strict=True):  # drawn anew, they are the same
            assert np.abs(old.astype(int) - new).max() <= 2, case


def test_that_a_picture_is_what_the_preview_shows(dialog: ExportDialog, qtbot: QtBot, studio: Studio) -> None:
    choose(dialog, qtbot, "triplets", count=3, columns=2, scale=1, padding=2, labels=False)
    assert dialog.size_text.text().startswith("134 × 398 px")
    path = export(dialog, qtbot, "three")
    with Image.open(path) as image:
        pixels = np.asarray(image)
    assert np.array_equal(pixels, dialog._shown.frames[0]) if dialog._shown else pixels.shape == (398, 134, 3)
    assert np.array_equal(pixels[2:66, 2:66], studio.state.face.original)
    QTest.mouseClick(dialog.copy_button, LEFT)
    assert np.array_equal(from_qimage(QGuiApplication.clipboard().image()), pixels)
    assert "Copied" in dialog.message.text()


def test_that_a_file_is_only_replaced_knowingly_and_a_stop_leaves_it(
    dialog: ExportDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    choose(dialog, qtbot, "film", ".webp", frames=60, scale=8, source="current")
    (tmp_path / "old.webp").write_bytes(b"old")
    dialog.name.setText("old")
    dialog._on_name()
    assert dialog.export.text() == "Replace" and "will be replaced" in dialog.message.text()
    assert dialog.close_button.isDefault() and not dialog.export.isDefault(), "Return replaces nothing"
    dialog.write()
    assert dialog.busy and dialog.close_button.text() == "Cancel" and not dialog.form.isEnabled()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    assert dialog.isVisible() and dialog.message.text() == "Stopped; nothing was written."
    assert (tmp_path / "old.webp").read_bytes() == b"old" and len(list(tmp_path.glob("*.webp"))) == 1
    dialog.name.setText("new")
    dialog._on_name()
    assert dialog.export.text() == "Export"


def test_that_what_cannot_be_made_is_said_where_it_is_asked(
    dialog: ExportDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    choose(dialog, qtbot, "grid", content="two", attribute="Hat", second="Hat")
    assert "Both axes are Hat" in dialog.message.text() and not dialog.export.isEnabled()
    choose(dialog, qtbot, "grid", content="edit", source="all", count=48, scale=16, padding=64)
    assert "Too large" in dialog.message.text()
    choose(dialog, qtbot, "grid", scale=1, padding=0)
    qtbot.waitUntil(dialog.export.isEnabled, timeout=WAIT)
    assert dialog.message.text() == ""
    dialog._settings.set(FOLDER, str(tmp_path / "missing"))
    dialog.write()
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    assert "cannot be written" in dialog.message.text() and dialog.isVisible()
    dialog._settings.set(FOLDER, str(tmp_path))
    dialog.name.setText("x" * 300)
    dialog._on_name()
    assert dialog.export.isEnabled() and dialog.export.text() == "Export"
    dialog.write()
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    assert "xxx" in dialog.message.text() and "cannot be written" in dialog.message.text()
    dialog.name.setText(" . ")
    dialog._on_name()
    assert not dialog.export.isEnabled()
    dialog.name.setText("a/b.WEBP")
    dialog._on_named()
    assert dialog.suffix == ".webp" and dialog.target.name == "b.webp"


def test_that_numbers_are_those_of_the_faces(studio: Studio, dialog: ExportDialog, qtbot: QtBot) -> None:
    state = studio.state
    names, rows = list(state.faces.names), len(state.faces)
    choose(dialog, qtbot, "codes", ".npz", source="all")
    assert f"{rows} faces" in dialog.size_text.text() and "logit Eyeglasses" in dialog.preview.text
    with np.load(export(dialog, qtbot, "codes"), allow_pickle=False) as found:
        assert np.allclose(found["mu"], state.codes) and list(found["names"]) == names
        assert np.allclose(found["logits"], state.model.planes.logits(state.codes), atol=1e-4)
        column = state.faces.attributes.index("Hat")
        own = list(found["attributes"]).index("Hat")
        assert np.array_equal(found["labels"][:, own], state.faces.labels[:, column])
        assert str(found["model"]) == state.model.digest
    choose(dialog, qtbot, "codes", ".csv", source="current", edited="edited")
    with export(dialog, qtbot, "codes").open(newline="", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert line["name"] == state.face.name and line["Eyeglasses"] in ("0", "1")
    assert np.allclose([float(line[f"mu {i}"]) for i in range(state.model.dim)], state.z, rtol=1e-4)
    choose(dialog, qtbot, "directions")
    planes = directions.load_directions(export(dialog, qtbot, "d"), state.model.digest)
    assert np.array_equal(planes.w, state.model.planes.w)


def test_that_an_animation_plays_and_a_group_can_be_exported(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot
) -> None:
    choose(dialog, qtbot, "film", ".gif", frames=5, fps=50, scale=1)
    assert dialog.preview.frames == 8 and "8 frames" in dialog.size_text.text()
    seen = set()
    qtbot.waitUntil(lambda: bool(seen.add(dialog.preview.at)) or len(seen) >= 4, timeout=WAIT)
    dialog.reject()
    assert studio.exporting.dialog is None
    studio.state.select([3, 5, 11])
    dialog = opened(studio, qtbot)
    choose(dialog, qtbot, "grid", content="edit", source="group", scale=1)
    recipe = read_recipe(export(dialog, qtbot, "group"))
    assert [f["file"] for f in recipe["faces"]] == [studio.state.faces.names[i] for i in (3, 5, 11)]


def test_that_generated_faces_are_offered_without_the_edit_of_another(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot
) -> None:
    dialog.reject()
    z = np.random.default_rng(1).standard_normal((3, studio.state.model.dim))
    job = ExportJob({}, {"seed": 9, "sampler": "exact", "draws": [4, 8, 15], "z": z.tolist()}, "generated")
    studio.generate.exportRequested.emit(job)
    dialog = studio.exporting.dialog
    qtbot.waitUntil(lambda: dialog._shown is not None, timeout=WAIT)
    assert dialog.kind == "grid" and dialog.options["source"] == "generated"
    recipe = read_recipe(export(dialog, qtbot, "drawn"))
    assert np.allclose(recipe["z"], z, atol=1e-5) and recipe["deltas"] == {} and recipe["seed"] == 9
    assert [f["draw"] for f in recipe["faces"]] == [4, 8, 15]


def test_that_a_picture_of_another_model_opens_that_model_first(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot, tiny_model: Path
) -> None:
    state, demo = studio.state, studio.state.model.digest
    choose(dialog, qtbot, "face")
    path = export(dialog, qtbot, "face")
    name, original = state.face.name, state.face.original
    dialog.reject()
    studio.open_model(tiny_model)
    qtbot.waitUntil(lambda: state.codes is not None and state.model.digest != demo, timeout=WAIT)
    studio.exporting.open_edit(path)
    qtbot.waitUntil(lambda: state.model.digest == demo and state.face is not None, timeout=WAIT)
    assert state.face.name == name and state.edit.amount("Eyeglasses") == 2.0
    qtbot.waitUntil(lambda: state.codes is not None, timeout=WAIT)
    assert state.edit.amount("Eyeglasses") == 2.0 and np.array_equal(state.face.original, original)


def test_that_added_directions_come_with_the_picture(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot
) -> None:
    dialog.reject()
    state = studio.state
    planes = directions.extend(state.model.planes, "Side", np.arange(state.model.dim) + 1.0, 0.5)
    state.set_planes("add", planes)
    state.commit("edit", Edit({"Side": 3.0}))
    dialog = opened(studio, qtbot)
    choose(dialog, qtbot, "face")
    path = export(dialog, qtbot, "side")
    dialog.reject()
    state.set_planes("remove", directions.remove(planes, "Side"))
    reopen(studio, qtbot, path)
    assert state.added_directions == ("Side",) and state.edit.amount("Side") == 3.0
    assert np.array_equal(state.model.planes.w, planes.w)
    state.set_planes("remove", directions.remove(planes, "Side"))


def drop(studio: Studio, path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    how = Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(studio.editor, QDragEnterEvent(QPoint(200, 200), *how))
    QApplication.sendEvent(studio.editor, QDropEvent(QPointF(200, 200), *how))


def test_that_a_dropped_picture_opens_its_edit_or_else_a_photo(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    choose(dialog, qtbot, "face")
    path = export(dialog, qtbot, "face")
    dialog.reject()
    studio.state.reset()
    drop(studio, path)
    qtbot.waitUntil(lambda: studio.state.edit.amount("Eyeglasses") == 2.0, timeout=WAIT)
    Image.fromarray(studio.state.faces.images[4]).save(tmp_path / "plain.png")
    with qtbot.waitSignal(studio.exporting.photoWanted, timeout=WAIT) as wanted:
        drop(studio, tmp_path / "plain.png")
    assert wanted.args == [tmp_path / "plain.png"]


def test_that_onnx_files_are_told_with_what_their_check_measured(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    exporting = studio.exporting
    dialog.choose("onnx")
    qtbot.waitUntil(lambda: "encoder.onnx" in dialog.preview.text, timeout=WAIT)
    state = studio.state
    model = state.model
    state.model = replace(model, path=tmp_path / "gone.safetensors")
    dialog.write()
    assert dialog.busy
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    assert "gone.safetensors" in dialog.message.text() and exporting._child is None
    state.model = replace(model, digest="0" * 64)  # a run has replaced the file since it was opened
    dialog.write()
    qtbot.waitUntil(lambda: not dialog.busy, timeout=WAIT)
    assert "holds other weights by now" in dialog.message.text()
    assert not list(tmp_path.rglob("*.onnx"))
    state.model = model
    dialog._exporting_onnx = True
    dialog._set_busy(True)
    exporting._on_event(events.Progress(what="checking the encoder", done=1, total=4))
    assert dialog.doing.whole == "checking the encoder" and dialog.progress.value() == 1
    exporting._on_event(events.Notice(level="info", text="pixels differ by 1e-6"))
    exporting._on_onnx_end(Ended("completed", "", 0, tmp_path / "o" / "decoder.onnx"))
    assert "pixels differ by 1e-6" in dialog.message.text() and not dialog.busy
    monkeypatch.setattr(export_onnx, "missing", lambda: ("onnxscript",))
    dialog.refresh()
    assert "onnxscript" in dialog.message.text() and not dialog.export.isEnabled()


def test_that_options_are_remembered_for_each_kind_and_nonsense_is_not(
    studio: Studio, dialog: ExportDialog, qtbot: QtBot
) -> None:
    choose(dialog, qtbot, "strip", ".webp", attribute="Hat", steps=5, background="dark", to=3.25)
    dialog.choose("codes")
    dialog.choose("strip")
    assert dialog.suffix == ".webp" and dialog.options["to"] == 3.25
    dialog.reject()
    for text in ('{"steps": 5000, "background": 3, "attribute": "Nose", "labels": "x"}', "[", "[1]"):
        studio.settings.set("export/strip", text)
        dialog = opened(studio, qtbot)
        dialog.choose("strip")
        assert dialog.options["steps"] == 9 and dialog.options["background"] == "white"
        assert dialog.options["attribute"] == studio.editor.horizontal.currentText()
        dialog.form.set_values({})
        dialog.reject()
    assert json.loads(studio.settings.get("export/strip", ""))["steps"] == 9
    studio.settings.set("export/grid", '{"source": "generated"}')  # of which there are none now
    dialog = opened(studio, qtbot)
    dialog.choose("grid")
    assert dialog.options["source"] == "visible"
    dialog.reject()


def test_that_every_control_has_a_name_and_says_what_it_does(dialog: ExportDialog) -> None:
    for kind in KINDS:
        dialog.choose(kind)
        for control in dialog.form.controls.values():
            assert control.accessibleName() and control.toolTip(), kind
    for control in (dialog.kinds, dialog.name, dialog.format, dialog.folder, dialog.preview):
        assert control.accessibleName()


def test_that_the_names_of_faces_are_shown_whole(dialog: ExportDialog, qtbot: QtBot) -> None:
    many = {"reopened": dialog._material.sources["all"] * 3000}
    material = replace(dialog._material, sources=many | dict(dialog._material.sources))
    large = ExportDialog(material, dialog._settings, "grid")
    qtbot.addWidget(large)
    with qtbot.waitExposed(large):
        large.show()
    assert large.form is not None
    box = large.form.controls["source"]
    assert isinstance(box, QComboBox)
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    field = box.style().subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box
    )
    names = [box.itemText(row) for row in range(box.count())]
    assert len(names) > 1
    assert max(box.fontMetrics().horizontalAdvance(name) for name in names) <= field.width(), names
