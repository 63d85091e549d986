"""Small pieces of text: headings, muted lines, figures of one width, times, and the banner of an error."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from introvac_studio import theme
from introvac_studio.language import tr


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


class Banner(QFrame):
    """What went wrong: what, where, and what to do; with details to copy, until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setMaximumHeight(120)
        self.details.setAccessibleName(tr("Details"))
        self.more = QPushButton(tr("Details"))
        self.more.setCheckable(True)
        close = QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setAccessibleName(tr("Close this message"))
        close.setToolTip(tr("Close this message"))
        top = QHBoxLayout()
        top.addWidget(self.label, 1)
        top.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addLayout(top)
        layout.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.details)
        close.clicked.connect(self.hide)
        self.more.toggled.connect(self.details.setVisible)
        self.hide()

    @property
    def text(self) -> str:
        """What is said; empty once it is closed."""
        return "" if self.isHidden() else self.label.text()

    def tell(self, text: str, details: str = "") -> None:
        """Say it."""
        self.label.setText(text)
        self.details.setPlainText(details)
        self.more.setVisible(bool(details))
        self.more.setChecked(False)
        self.details.hide()
        self.show()
