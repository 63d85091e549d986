"""The export dialog: sizes, layouts, recipe, formats, errors, clipboard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from introvac_studio.export_dialog import ExportDialog
from introvac_studio.messages import ExportJob, Sheet
from introvac_studio.settings import Settings
from introvac_studio.widgets.pictures import from_qimage
from trainer.grid import read_recipe

# The offscreen platform warns of every top-level window.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

SIDE = 16
RECIPE = {"model": "ab12", "model_name": "tiny", "z": [[0.25, -1.0]], "deltas": [-3, 0, 3], "seed": 7}


def faces(count: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(count)
    return tuple(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(count))


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def dialog(qtbot, settings) -> ExportDialog:
    sheets = {
        "triplets": Sheet((faces(5), faces(5), faces(5)), ("original", "reconstruction", "edited")),
        "strip": Sheet((faces(3),), (), ("-3", "0", "+3")),
        "gallery": Sheet((faces(10),)),
    }
    dialog = ExportDialog(ExportJob(sheets, RECIPE, "trial"), settings)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitExposed(dialog)
    dialog.labels.setChecked(False)
    dialog.padding.setValue(4)
    dialog.scale.setValue(2)
    return dialog


def choose(dialog: ExportDialog, layout: str) -> None:
    dialog.layout_box.setCurrentIndex(dialog.layout_box.findData(layout))


def grid_size(columns: int, rows: int, scale: int = 2, padding: int = 4) -> tuple[int, int]:
    cell = SIDE * scale + padding
    return columns * cell + padding, rows * cell + padding


@pytest.mark.parametrize(
    ("layout", "columns", "size"),
    [
        ("triplets", 8, (5, 3)),
        ("triplets", 3, (3, 6)),
        ("strip", 2, (3, 1)),
        ("gallery", 4, (4, 3)),
        ("gallery", 64, (10, 1)),
    ],
)
def test_that_a_saved_picture_has_its_size_and_recipe(dialog, tmp_path, layout, columns, size) -> None:
    choose(dialog, layout)
    dialog.columns.setValue(columns)
    path = tmp_path / "out.png"
    assert dialog.save_to(path)
    with Image.open(path) as image:
        assert image.size == grid_size(*size)
    assert read_recipe(path) == {**RECIPE, "layout": layout}
    assert "Saved out.png" in dialog.message.text()


def test_that_pixels_are_those_of_the_faces(dialog, tmp_path) -> None:
    choose(dialog, "gallery")
    dialog.columns.setValue(4)
    dialog.scale.setValue(1)
    assert dialog.save_to(tmp_path / "out.webp")
    with Image.open(tmp_path / "out.webp") as image:
        pixels = np.asarray(image.convert("RGB"))
    x, y = 4 + 1 * (SIDE + 4), 4 + 2 * (SIDE + 4)
    assert np.array_equal(pixels[y : y + SIDE, x : x + SIDE], faces(10)[9])


def test_that_labels_make_room(dialog, qtbot) -> None:
    choose(dialog, "strip")
    dialog.refresh()
    bare = dialog.size_text.text()
    dialog.labels.setChecked(True)
    qtbot.waitUntil(lambda: dialog.size_text.text() != bare)
    choose(dialog, "gallery")
    assert not dialog.labels.isEnabled()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_that_every_format_keeps_the_recipe(dialog, tmp_path, name) -> None:
    assert dialog.save_to(tmp_path / name)
    assert read_recipe(tmp_path / name)["deltas"] == [-3, 0, 3]


def test_that_codes_too_long_for_jpeg_are_left_out_and_said(qtbot, settings, tmp_path) -> None:
    recipe = {**RECIPE, "z": [[0.123456789] * 256] * 40}
    assert len(json.dumps(recipe)) > 65_536
    dialog = ExportDialog(ExportJob({"gallery": Sheet((faces(4),))}, recipe), settings)
    qtbot.addWidget(dialog)
    assert dialog.save_to(tmp_path / "a.jpg") and "did not fit" in dialog.message.text()
    assert "z" not in read_recipe(tmp_path / "a.jpg") and read_recipe(tmp_path / "a.jpg")["seed"] == 7
    assert dialog.save_to(tmp_path / "a.png") and len(read_recipe(tmp_path / "a.png")["z"]) == 40


def test_that_what_cannot_be_written_is_said_and_nothing_is_lost(dialog, tmp_path) -> None:
    target = tmp_path / "missing" / "out.png"
    assert not dialog.save_to(target)
    assert "cannot be written" in dialog.message.text() and dialog.isVisible()
    assert not dialog.save_to(tmp_path / "out.tiff") and ".tiff" in dialog.message.text()
    assert dialog.save_to(tmp_path / "out.png")


def test_that_the_file_dialog_starts_where_the_last_picture_went(dialog, tmp_path, monkeypatch) -> None:
    asked = []

    def answer(parent, title, start, filters):
        asked.append(Path(start))
        return str(tmp_path / "here"), "WebP (*.webp)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    QTest.mouseClick(dialog.save_button, Qt.MouseButton.LeftButton)
    assert (tmp_path / "here.webp").exists()
    QTest.mouseClick(dialog.save_button, Qt.MouseButton.LeftButton)
    assert asked[1] == tmp_path / "trial.png"


def test_that_the_picture_goes_to_the_clipboard(dialog) -> None:
    choose(dialog, "gallery")
    QTest.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    image = QGuiApplication.clipboard().image()
    assert (image.width(), image.height()) == grid_size(8, 2)
    assert np.array_equal(from_qimage(image)[4, 4], faces(10)[0][0, 0])


def test_that_only_given_layouts_are_offered_and_none_is_no_crash(qtbot, settings, tmp_path) -> None:
    dialog = ExportDialog(ExportJob({"gallery": Sheet((faces(2),))}), settings)
    qtbot.addWidget(dialog)
    assert [dialog.layout_box.itemData(i) for i in range(dialog.layout_box.count())] == ["gallery"]
    empty = ExportDialog(ExportJob({}), settings)
    qtbot.addWidget(empty)
    assert not empty.save_button.isEnabled() and "no pictures" in empty.message.text()
    assert not empty.save_to(tmp_path / "x.png")


def test_that_a_picture_too_large_is_refused_before_it_is_made(qtbot, settings) -> None:
    many = tuple(np.zeros((128, 128, 3), np.uint8) for _ in range(64))
    dialog = ExportDialog(ExportJob({"gallery": Sheet((many,))}), settings)
    qtbot.addWidget(dialog)
    dialog.scale.setValue(16)
    dialog.refresh()
    assert "Too large" in dialog.message.text() and not dialog.save_button.isEnabled()
    dialog.scale.setValue(1)
    dialog.refresh()
    assert dialog.save_button.isEnabled()
