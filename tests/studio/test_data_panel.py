"""The data panel and its thread, on real data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from introvac_studio.data_summary import DataChoice
from introvac_studio.panels.data import DataPanel
from introvac_studio.widgets.source_form import spec_of_folder
from introvac_studio.workers.data_thread import DataThread

LONG = 60_000


@pytest.fixture
def thread(qtbot: QtBot) -> Iterator[DataThread]:
    thread = DataThread()
    yield thread
    thread.close()


@pytest.fixture
def panel(qtbot: QtBot, thread: DataThread) -> DataPanel:
    panel = DataPanel()
    qtbot.addWidget(panel)
    panel.set_preparation(32, None, 0)
    panel.summaryRequested.connect(thread.request)
    panel.cancelRequested.connect(thread.cancel)
    thread.progress.connect(panel.on_progress)
    thread.ready.connect(panel.on_summary)
    thread.failed.connect(panel.on_failed)
    panel.show()
    return panel


def faces(root: Path) -> Path:
    """Twelve pictures, one of them broken, with one attribute."""
    root.mkdir()
    rows = ["file,Tall"]
    for i in range(12):
        pixels = np.full((40, 32, 3), 20 * i, np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
        rows.append(f"{i}.png,{i % 2}")
    (root / "3.png").write_bytes(b"no picture")
    (root / "labels.csv").write_text("\n".join(rows), "utf-8")
    return root


def item(panel: DataPanel, name: str) -> object:
    found = panel.attributes.findItems(name, Qt.MatchFlag.MatchExactly)
    assert len(found) == 1
    return found[0]


def test_that_avatars_are_counted(panel: DataPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.choose("avatars:64")
    summary = panel._summary
    assert summary is not None
    assert summary.images == sum(summary.splits.values()) == 64
    assert summary.examples.shape == (24, 32, 32, 3)
    assert panel.attributes.topLevelItemCount() == len(summary.attributes)
    row = item(panel, "Eyeglasses")
    assert row.text(2) == str(summary.counts[summary.attributes.index("Eyeglasses")])  # type: ignore[attr-defined]
    assert panel.matrix.item(0, 0).text() == str(summary.together[0, 0])
    assert panel.use.isEnabled()


def test_that_attributes_subsets_and_derived_ones_are_chosen(panel: DataPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.choose("avatars:64")
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        item(panel, "Hat").setCheckState(0, Qt.CheckState.Checked)  # type: ignore[attr-defined]
    assert panel.choice().attributes == ("Eyeglasses", "FacialHair", "Hat")
    panel.rules.field.setText("Covered=Hat|Nothing")
    qtbot.keyClick(panel.rules.field, Qt.Key.Key_Return)
    assert "Nothing" in panel.rules.error.text()
    panel.rules.field.setText("Covered=Hat|Eyeglasses")
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        qtbot.keyClick(panel.rules.field, Qt.Key.Key_Return)
    assert panel.choice().derive == ("Covered=Hat|Eyeglasses",)
    assert "Covered" in panel.choice().attributes
    whole = panel._summary.selected["train"]  # type: ignore[union-attr]
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.subset.setCurrentIndex(panel.subset.findData("eye"))
        panel.subset.activated.emit(panel.subset.currentIndex())
    assert panel._summary.selected["train"] <= whole  # type: ignore[union-attr]
    panel.search.setText("hat")
    assert not item(panel, "Hat").isHidden()  # type: ignore[attr-defined]
    assert item(panel, "Smiling").isHidden()  # type: ignore[attr-defined]


def test_that_a_folder_brings_its_own_attributes_and_names_bad_pictures(
    panel: DataPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = faces(tmp_path / "faces")
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.choose(spec_of_folder(folder))
    assert panel.choice().attributes == ("Tall",)
    assert "3.png" in panel.skipped.toPlainText()
    assert panel.skipped.isVisibleTo(panel)
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.choose("avatars:64")
    assert panel.choice().attributes == ("Eyeglasses", "FacialHair"), "what the folder lacked is chosen again"


def test_that_it_says_where_validation_stands_in_for_a_test_split(
    panel: DataPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = faces(tmp_path / "faces")
    header, *rows = (folder / "labels.csv").read_text("utf-8").splitlines()
    splits = ["valid" if i < 2 else "train" for i in range(len(rows))]
    table = [f"{header},split", *(f"{row},{split}" for row, split in zip(rows, splits, strict=True))]
    (folder / "labels.csv").write_text("\n".join(table), "utf-8")
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.choose(f"folder:{folder}")
    counts, note = panel.splits.text().split("\n")
    assert counts.split("   ·   ") == ["8 training", "1 to choose on", "2 validation"]
    assert note == "No test split: valid is kept for reporting; 1 of train are set aside to choose on."
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.choose("avatars:64")
    assert "\n" not in panel.splits.text() and panel.splits.text().endswith(" test")


def test_that_data_which_is_not_there_is_told(panel: DataPanel, qtbot: QtBot, tmp_path: Path) -> None:
    with qtbot.waitSignal(panel.summaryRequested):
        panel.choose(f"folder:{tmp_path / 'nowhere'}")
    qtbot.waitUntil(lambda: "nowhere" in panel.message.text(), timeout=LONG)
    assert not panel.use.isEnabled()


def test_that_the_latest_request_wins(thread: DataThread, qtbot: QtBot, panel: DataPanel) -> None:
    answers: list[str] = []
    panel.choiceChanged.connect(lambda choice: answers.append(choice.data))
    panel.choose("avatars:80:3")
    with qtbot.waitSignal(panel.choiceChanged, timeout=LONG):
        panel.choose("avatars:48")
    assert answers == ["avatars:48"]


def test_that_dropped_folders_are_recognised(tmp_path: Path) -> None:
    assert spec_of_folder(tmp_path) == f"folder:{tmp_path}"
    (tmp_path / "list_attr_celeba.txt").touch()
    assert spec_of_folder(tmp_path) == f"celeba:{tmp_path}"
    (tmp_path / "meta.json").touch()
    (tmp_path / "images.npy").touch()
    assert spec_of_folder(tmp_path) == str(tmp_path)
    assert DataChoice(str(tmp_path)).kind == "cache"
    shards = tmp_path / "shards"
    (shards / "shard-00001-of-00002").mkdir(parents=True)
    assert spec_of_folder(shards) == str(shards)
