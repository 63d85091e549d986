"""A few choices side by side, of which one is taken.

A choice is a key; what its button says is the key in the user's language.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from introvac_studio.language import tr

_STYLE = """
QPushButton { border-radius: 0; padding: 3px 10px; min-height: 18px; margin-left: -1px; }
QPushButton:checked { background: palette(highlight); color: palette(highlighted-text);
    border-color: palette(highlight); }
QPushButton[end="first"] { border-top-left-radius: 5px; border-bottom-left-radius: 5px; margin-left: 0; }
QPushButton[end="last"] { border-top-right-radius: 5px; border-bottom-right-radius: 5px; }
"""


class Segmented(QWidget):
    """Exclusive buttons; `changed` carries the key of the one now taken."""

    changed = Signal(str)

    def __init__(self, choices: Sequence[str], name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setStyleSheet(_STYLE)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._choices = tuple(choices)
        self._group = QButtonGroup(self)
        for number, text in enumerate(map(tr, choices)):
            button = QPushButton(text)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a ring only for the keyboard
            button.setAccessibleName(f"{name}: {text}")
            if number in (0, len(choices) - 1):
                button.setProperty("end", "last" if number else "first")
            self._group.addButton(button, number)
            layout.addWidget(button, 1)
        self._group.button(0).setChecked(True)
        self._group.idToggled.connect(self._toggled)

    @property
    def value(self) -> str:
        """The key of the choice taken."""
        return self._choices[self._group.checkedId()]

    def set_value(self, text: str) -> None:
        """Take a choice; one that does not exist changes nothing."""
        if text in self._choices:
            self._group.button(self._choices.index(text)).setChecked(True)

    @Slot(int, bool)
    def _toggled(self, number: int, checked: bool) -> None:
        if checked:
            self.changed.emit(self._choices[number])
