"""Names of files that are to be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from introvac_studio.messages import Frame
from introvac_studio.saving import ask_target
from introvac_studio.studio import Studio

from .conftest import WAIT


def test_that_an_added_ending_replaces_no_file_unasked(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    asked: list[str] = []
    typed = [str(tmp_path / name) for name in ("face", "face.png", "face", "other", "")]
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *a: (typed.pop(0) if typed[0] else "", asked.append(a[2]))
    )

    def ask() -> Path | None:
        return ask_target(window, "Save", tmp_path / "start.png", "Pictures (*.png)", ".png")

    (tmp_path / "face.png").write_bytes(b"old")
    assert ask() == tmp_path / "face.png" and [Path(text).name for text in asked] == ["start.png", "face.png"]
    assert ask() == tmp_path / "other.png"  # "face" would have taken the old one's place
    typed[:] = [""]
    assert ask() is None


def test_that_a_face_is_saved_beside_one_of_its_name(
    studio: Studio, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "mine.png"
    old.write_bytes(b"old")
    typed = [str(tmp_path / "mine"), ""]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (typed.pop(0), ""))
    done: list[object] = []
    studio.inference.rendered.connect(done.append)
    studio.exporting.save_face()
    assert typed == []  # it was asked once more, and given up
    typed[:] = [str(tmp_path / "new")]
    studio.exporting.save_face()
    qtbot.waitUntil(lambda: any(not isinstance(one, Frame) for one in done), timeout=WAIT)
    assert old.read_bytes() == b"old" and (tmp_path / "new.png").exists()
