"""What a first tour stumbles over: choosers, cut names, steps without a face, covered amounts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QFileDialog, QStyle, QStyleOptionComboBox, QWidget
from pytestqt.qtbot import QtBot

from introvac_studio.panels.faces import ask_for_photo
from introvac_studio.settings import Settings
from introvac_studio.studio import Studio
from introvac_studio.widgets.attribute_pad import AttributePad, Axis, Scene
from tests.studio.conftest import WAIT
from trainer.latent import Line2


def test_that_photos_are_looked_for_where_the_last_one_was(
    qtbot: QtBot, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    photo = tmp_path / "photos" / "me.png"
    photo.parent.mkdir()

    def answer(parent: QWidget, title: str, folder: str, kinds: str) -> tuple[str, str]:
        asked.append(folder)
        return str(photo), kinds

    monkeypatch.setattr(QFileDialog, "getOpenFileName", answer)
    parent = QWidget()
    qtbot.addWidget(parent)
    assert [ask_for_photo(parent, settings) for _ in range(2)] == [photo, photo]
    assert asked[0] not in ("", str(photo.parent)) and asked[1] == str(photo.parent)
    photo.parent.rmdir()
    ask_for_photo(parent, settings)
    assert asked[2] == asked[0]


def test_that_a_group_is_a_step_with_the_face_before_and_names_are_whole(
    studio: Studio, qtbot: QtBot
) -> None:
    history, state = studio.history, studio.state
    qtbot.waitUntil(lambda: 0 in history._faces, timeout=WAIT)
    state.select([1, 2, 3])
    step = state.undo_stack.index()
    assert step == 1 and np.array_equal(history._faces[step], history._faces[0])
    state.undo_stack.undo()
    state.commit("more", state.edit.with_amount(state.model.attributes[0], 2.0))  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: not np.array_equal(history._faces[1], history._faces[0]), timeout=WAIT)
    for combo in (studio.latent.mode, studio.latent.attribute):
        option = QStyleOptionComboBox()
        combo.initStyleOption(option)
        field: QRect = combo.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, combo
        )
        assert combo.fontMetrics().horizontalAdvance(combo.currentText()) <= field.width()


@pytest.mark.parametrize("usual", [2.0, 4.0, 5.5])
def test_that_no_amount_of_the_pad_covers_a_name(
    qtbot: QtBot, usual: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, QRectF]] = []
    plain = AttributePad._text

    def noted(pad: AttributePad, painter: QPainter, at: object, text: str, *rest: str) -> None:
        plain(pad, painter, at, text, *rest)  # type: ignore[arg-type]
        drawn.append((text, pad._boxes[-1]))

    monkeypatch.setattr(AttributePad, "_text", noted)
    pad = AttributePad()
    qtbot.addWidget(pad)
    pad.resize(340, 340)
    lines = Line2(1.0, 0.0, -1.0), Line2(0.0, 1.0, -1.0)
    ways = (1.0, 0.0), (0.0, 1.0)
    names = "Eyeglasses", "FacialHair"
    axes = [Axis(n, "#76b3e4", way, usual, line) for n, way, line in zip(names, ways, lines, strict=True)]
    pad.set_scene(Scene(6.0, (axes[0], axes[1])))
    target = QPixmap(pad.size())
    pad.render(target)
    amounts = [box for text, box in drawn if text[0] in "+−"]
    others = [box for text, box in drawn if text[0] not in "+−"]
    assert amounts and others
    assert not any(a.intersects(b) for a in amounts for b in others)
