"""Panels that open at a button and go with Escape or a click elsewhere."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.widgets.texts import heading


class Popover(QFrame):
    """A framed column under a title."""

    def __init__(self, parent: QWidget, title: str) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("popover")
        self.title = heading(title)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(*[theme.GRID + theme.GRID // 2] * 4)
        self.column.setSpacing(theme.GRID)
        self.column.addWidget(self.title)

    def open_at(self, button: QWidget) -> None:
        """Open below a widget, or above it where the screen ends."""
        self.adjustSize()
        low = button.mapToGlobal(QPoint(0, button.height() + 4))
        screen = button.screen().availableGeometry()
        x = min(max(low.x() + button.width() - self.width(), screen.left()), screen.right() - self.width())
        y = low.y()
        if y + self.height() > screen.bottom():
            y = button.mapToGlobal(QPoint(0, 0)).y() - 4 - self.height()
        self.move(x, y)
        self.show()
