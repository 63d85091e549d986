"""Every text of the window goes through the catalogue: a language of brackets shows those that do not."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDockWidget,
    QLabel,
    QLineEdit,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from introvac_studio import catalogue, language
from introvac_studio import studio as studio_module
from introvac_studio.settings import Settings
from introvac_studio.studio import Studio
from tests.studio.conftest import WAIT
from trainer import config
from trainer.config import FAKE
from trainer.data.avatars import CREDIT

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

# What Qt and pyqtgraph say themselves; Qt's own catalogues translate the first.
THEIRS = {"Close", "Float", "Scroll Left", "Scroll Right", "Press shortcut", "Export...", CREDIT}
# Names and units that no language translates.
NAMES = (
    "IntroVAC Studio", "CelebA", "Avatars", "avatars", "labels.csv", "OpenVINO", "float32", "float16",
    "bfloat16", "English", "px", "cpu", "cuda", "mps", "Esc", "Escape",
    "Return", "Space", "Ctrl", "Shift", "PC", "PCA", "JPEG", "PNG",
)  # fmt: skip


class Brackets(gettext.NullTranslations):
    """A language in which every text stands in brackets."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


@pytest.fixture
def foreign(qtbot: QtBot, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """The window with the demo model, in brackets."""
    monkeypatch.setattr(studio_module, "AVATARS", "avatars:48:1")
    before = language.speak(Brackets())
    try:
        made = Studio("cpu", settings)
        qtbot.addWidget(made.window, before_close_func=lambda window: made.shut_down())
        made.show()
        made.start(None)
        qtbot.waitUntil(
            lambda: made.state.codes is not None and made.editor.picture is not None, timeout=WAIT
        )
        yield made
    finally:
        language.speak(before)


def bare(text: str, data: list[str]) -> str:
    """What is left of a text without brackets, markup, names, data and numbers."""
    inner = None
    while inner != text:  # brackets within brackets
        inner, text = text, re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    text = re.sub(r"<[^>]*>|&[a-z]+;|--set \w+=…", " ", text)
    text = re.sub(r"\S*[/\\]\S*", " ", text)  # paths are data
    for word in sorted((*data, *NAMES), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", text)
    return " ".join(re.findall(r"[^\W\d_]{2,}", text))


def words_of_settings() -> list[str]:
    """What `--set` takes, which is the same in every language."""
    return [str(word) for _, setting in config.settings() for word in setting.metadata.get("choices") or ()]


def said(widget: QWidget) -> Iterator[str]:
    """What a widget says, on screen, when it is pointed at, and to a screen reader."""
    if isinstance(widget, QLabel | QAbstractButton):
        yield widget.text()
    if isinstance(widget, QComboBox):
        yield from (widget.itemText(i) for i in range(widget.count()))
    if isinstance(widget, QTabBar):
        yield from (widget.tabText(i) for i in range(widget.count()))
    if isinstance(widget, QLineEdit):
        yield widget.placeholderText()
    if isinstance(widget, QDockWidget) or (widget.isWindow() and widget.windowTitle()):
        yield widget.windowTitle()
    yield widget.toolTip()
    yield widget.accessibleName()


def owner(widget: QWidget) -> str:
    """The module of the nearest of our own classes that a widget is in."""
    up: QWidget | None = widget
    while up is not None:
        if type(up).__module__.startswith("introvac_studio."):
            return type(up).__module__
        up = up.parentWidget()
    return "?"


def test_that_no_text_passes_the_catalogue_by(foreign: Studio) -> None:
    state = foreign.state
    assert state.model is not None and state.faces is not None
    data = [*state.model.attributes, *state.faces.attributes, *state.faces.names, state.model.name]
    data += [FAKE, *config.PRESETS, *words_of_settings()]
    data += [state.model.device, str(state.model.path), state.model.path.name]
    found: dict[str, set[str]] = {}
    guide = foreign.guide
    for opened in (guide.show_preferences, guide.show_shortcuts, guide.show_about):
        opened()
    for root in (foreign.window, guide.preferences, guide.shortcuts, guide.about):
        for widget in (root, *root.findChildren(QWidget)):
            module = owner(widget)
            for text in said(widget):
                if text not in THEIRS and bare(text, data):
                    found.setdefault(module, set()).add(text)
    for action in foreign.window.findChildren(QAction):
        parent = action.parent()
        module = owner(parent) if isinstance(parent, QWidget) else "an action"
        if action.text() not in THEIRS and bare(action.text(), data):
            found.setdefault(module, set()).add(action.text())
    for dialog in (guide.preferences, guide.shortcuts, guide.about):
        dialog.reject()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not found, "\n".join(f"{m}: {sorted(texts)}" for m, texts in sorted(found.items()))


def test_that_data_and_brackets_are_told_from_words() -> None:
    assert bare("⟦open⟧ Eyeglasses 3.0 px", ["Eyeglasses"]) == ""
    assert bare("⟦a ⟦nested⟧ text⟧ — left over", []) == "left over"
    assert bare("<b>⟦x⟧</b>&nbsp;plain", []) == "plain"


def test_that_the_template_holds_the_texts_of_today() -> None:
    kept, now = (
        [line for line in text.splitlines() if not line.startswith("#")]  # where a text is may change
        for text in (catalogue.path().read_text("utf-8"), catalogue.template())
    )
    assert kept == now, "renew it: python -m introvac_studio.catalogue"
    assert 'msgid "Open model…"' in kept and 'msgid_plural "{n} steps"' in kept
