"""Small pieces of text: headings, muted lines, figures of one width, and times."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy


def tabular(font: QFont, pixels: int = 0, bold: bool = False) -> QFont:
    """The font with figures of one width, so that numbers do not dance; `pixels` 0 keeps its size."""
    font = QFont(font)
    if pixels:
        font.setPixelSize(pixels)
    if bold:
        font.setBold(True)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def heading(text: str) -> QLabel:
    """The title of a group of controls."""
    label = QLabel(text)
    label.setObjectName("heading")
    return label


def muted(text: str = "", wrap: bool = False) -> QLabel:
    """A line that stays in the background."""
    label = QLabel(text)
    label.setObjectName("muted")
    label.setWordWrap(wrap)
    return label


class Line(QLabel):
    """One muted line that is cut with an ellipsis where room is short; the tooltip has all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("muted")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._whole = self._more = ""

    @property
    def whole(self) -> str:
        """The text without a cut."""
        return self._whole

    def say(self, text: str, more: str = "") -> None:
        """Show a text; `more` says it at length in the tooltip."""
        self._whole, self._more = text, more
        self.setAccessibleName(more or text)
        self._cut()

    def _cut(self) -> None:
        shown = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width())
        self.setText(shown)
        self.setToolTip(self._more or (self._whole if shown != self._whole else ""))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._cut()
