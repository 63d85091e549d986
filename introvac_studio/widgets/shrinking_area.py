"""A column of rows that takes the height it needs, and scrolls where there is less."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

SPACING = 2


class ShrinkingArea(QScrollArea):
    """As high as its rows, and no lower than `least` of them."""

    def __init__(self, name: str, least: int = 3) -> None:
        super().__init__()
        self._least = least
        self._follow = False
        inside = QWidget()
        self.rows = QVBoxLayout(inside)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setSpacing(SPACING)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(name)
        self.verticalScrollBar().rangeChanged.connect(self._on_range)
        self.verticalScrollBar().actionTriggered.connect(self._on_scrolled)

    def show_first(self) -> None:
        """Show the first rows."""
        self._follow = False
        self.verticalScrollBar().setValue(0)

    def show_last(self) -> None:
        """Show the last row, and go on doing so until someone scrolls."""
        self._follow = True
        self._on_range()

    @Slot()
    def _on_range(self) -> None:
        if self._follow:
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    @Slot()
    def _on_scrolled(self) -> None:
        self._follow = False

    def _height(self, count: int) -> int:
        heights = [
            widget.sizeHint().height()
            for i in range(min(count, self.rows.count()))
            if (item := self.rows.itemAt(i)) is not None and (widget := item.widget()) is not None
        ]
        return sum(heights) + SPACING * max(0, len(heights) - 1)

    def sizeHint(self) -> QSize:
        return QSize(self.rows.sizeHint().width(), self._height(self.rows.count()))

    def minimumSizeHint(self) -> QSize:
        return QSize(self.rows.minimumSize().width(), self._height(self._least))
