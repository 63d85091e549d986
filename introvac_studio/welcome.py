"""The greeting of a first launch: three things to do, above a window that works already."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr

_ROOMY = 1100  # width from which there is a text below each title
_LOW, _MOST = 32, 96  # pixels high: of titles alone, and at most
# Title, text, and the button's words.
_DRAG = (
    mark("Drag the face"),
    mark("Pull it left and right: an attribute comes and goes."),
    mark("Let me try"),
)
_TRAIN = (
    mark("Train a model of your own"),
    mark("On drawn avatars: about eight minutes on two cores."),
    mark("Set up a run"),
)
_PHOTO = (
    mark("Open a photo"),
    mark("From a file, the clipboard, or dropped on the window."),
    mark("Open photo…"),
)


class Welcome(QFrame):
    """Goes with its close button, Escape or the first choice.

    Signals:
        dragWanted, trainWanted, photoWanted: what was chosen.
        closed: it is gone.
    """

    dragWanted = Signal()
    trainWanted = Signal()
    photoWanted = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("welcome")
        self.setAccessibleName(tr("First steps"))
        close = QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setAccessibleName(tr("Close this greeting"))
        close.setToolTip(tr("Close this greeting; Help › First steps shows it again"))
        grid = self._grid = QGridLayout(self)
        grid.setContentsMargins(2 * theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        grid.setHorizontalSpacing(2 * theme.GRID)
        self.buttons: list[QPushButton] = []
        self._texts: list[QLabel] = []
        for column, ((title, text, word), signal) in enumerate(
            ((_DRAG, self.dragWanted), (_TRAIN, self.trainWanted), (_PHOTO, self.photoWanted))
        ):
            label = QLabel(tr(text))
            label.setWordWrap(True)
            button = QPushButton(tr(word))
            button.setToolTip(tr(title))
            button.clicked.connect(self._leave)
            button.clicked.connect(signal)
            self.buttons.append(button)
            self._texts.append(label)
            head = QLabel(tr(title))
            head.setObjectName("title")
            words = QVBoxLayout()  # in the middle of the button's height, with the text and without
            words.setSpacing(theme.GRID // 2)
            words.addStretch(1)
            words.addWidget(head)
            words.addWidget(label)
            words.addStretch(1)
            grid.addLayout(words, 0, 2 * column)
            grid.addWidget(button, 0, 2 * column + 1, Qt.AlignmentFlag.AlignVCenter)
            grid.setColumnStretch(2 * column, 1)
        grid.addWidget(close, 0, 6, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)
        close.clicked.connect(self._leave)

    def sizeHint(self) -> QSize:
        return QSize(900, _LOW if self.width() < _ROOMY else 64)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        roomy = self.width() >= _ROOMY
        for label in self._texts:  # titles say enough where the page needs the room
            label.setVisible(roomy)
        self.setMaximumHeight(_MOST if roomy else _LOW)
        edge = theme.GRID if roomy else 0
        self._grid.setContentsMargins(2 * theme.GRID, edge, theme.GRID, edge)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._leave()
        else:
            super().keyPressEvent(event)

    @Slot()
    def appear(self) -> None:
        """Show it, with the keyboard on the first choice."""
        self.show()
        self.buttons[0].setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _leave(self) -> None:
        self.hide()
        self.closed.emit()
