"""A notification on screen with its details and one action; the bell, and the list of past ones."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QPropertyAnimation, QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QEnterEvent, QGuiApplication, QKeyEvent, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import (
    QFrame,
    QGraphicsOpacityEffect,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr, trn
from introvac_studio.widgets.glyph_button import GlyphButton
from introvac_studio.widgets.popover import Popover

WIDTH = 360
FADE_MS = 160
# Kind: the sign, the word that a screen reader says first, the palette's colour, milliseconds on screen.
KINDS = {
    "info": ("i", mark("Note"), "accent", 6_000),
    "done": ("✓", mark("Done"), "good", 6_000),
    "warning": ("!", mark("Warning"), "warn", 12_000),
    "error": ("✕", mark("Error"), "bad", 0),
}


class Toast(QFrame):
    """A notification that goes by itself, or with its close button where it stays.

    Signals:
        closed(Toast): it is gone, whoever closed it.
        acted: its action was chosen.
        resized: it needs another height.
    """

    closed = Signal(object)
    acted = Signal()
    resized = Signal()

    def __init__(self, parent: QWidget, text: str, kind: str, details: str, action: str) -> None:
        super().__init__(parent)
        self.kind, self.text, self.count = kind, text, 1
        sign, word, _, self._lifetime = KINDS[kind]
        self.setObjectName(f"toast-{kind}")
        self.setFixedWidth(WIDTH)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(f"{tr(word)}: {text}")
        self.label = QLabel(text)
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.badge = QLabel("")
        self.badge.setObjectName("count")
        self.badge.hide()
        mark_ = QLabel(sign)
        mark_.setObjectName("sign")
        mark_.setAlignment(Qt.AlignmentFlag.AlignCenter)
        mark_.setFixedSize(20, 20)
        self.close_button = QToolButton()
        self.close_button.setText("✕")
        self.close_button.setAutoRaise(True)
        self.close_button.setAccessibleName(tr("Close this notification"))
        self.close_button.setToolTip(tr("Close this notification (Esc)"))
        top = QHBoxLayout()
        top.setSpacing(theme.GRID)
        top.addWidget(mark_, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.label, 1)
        top.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.details = QPlainTextEdit(details)
        self.details.setReadOnly(True)
        self.details.setFixedHeight(132)
        self.details.setAccessibleName(tr("Details"))
        self.details.hide()
        self.more = QPushButton(tr("Details"))
        self.more.setCheckable(True)
        self.more.setToolTip(tr("Show what exactly happened"))
        self.copy = QPushButton(tr("Copy"))
        self.copy.setToolTip(tr("Copy the text and its details"))
        self.act = QPushButton(action)
        foot = QHBoxLayout()
        foot.setSpacing(theme.GRID)
        foot.addSpacing(20 + theme.GRID)
        foot.addWidget(self.act)
        foot.addWidget(self.more)
        foot.addWidget(self.copy)
        foot.addStretch(1)
        for button, shown in ((self.act, action), (self.more, details), (self.copy, details)):
            button.setVisible(bool(shown))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID + 4, theme.GRID, theme.GRID, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addLayout(top)
        layout.addWidget(self.details)
        if action or details:
            layout.addLayout(foot)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self._expire)
        self._fade: QPropertyAnimation | None = None
        self.more.toggled.connect(self._unfold)
        self.copy.clicked.connect(self._copy)
        self.act.clicked.connect(self._on_act)
        self.close_button.clicked.connect(self.dismiss)

    def fit(self) -> None:
        """Take the height that the text needs."""
        self.resize(WIDTH, max(self.heightForWidth(WIDTH), self.minimumSizeHint().height()))

    def appear(self, fade: bool) -> None:
        """Come up, and begin to count down."""
        self.fit()
        if fade:
            effect = QGraphicsOpacityEffect(self)
            effect.setOpacity(0.0)
            self.setGraphicsEffect(effect)
            self._fade = QPropertyAnimation(effect, b"opacity", self)
            self._fade.setDuration(FADE_MS)
            self._fade.setEndValue(1.0)
            self._fade.finished.connect(self._faded)
            self._fade.start()
        self.show()
        self.raise_()
        self.count_down()

    @Slot()
    def _faded(self) -> None:
        self._fade = None
        self.setGraphicsEffect(None)  # type: ignore[arg-type]

    def again(self) -> None:
        """The same was said once more."""
        self.count += 1
        self.badge.setText(f"×{self.count}")
        self.badge.setAccessibleName(trn("said {n} time", "said {n} times", self.count))
        self.badge.show()
        self.count_down()

    def count_down(self) -> None:
        """Go after a while, but not while it is looked at."""
        if self._lifetime and not self.watched:
            self._clock.start(self._lifetime)

    @property
    def watched(self) -> bool:
        """Whether the pointer or the keyboard is on it, or its details are open."""
        return self.underMouse() or self.more.isChecked() or self._focused()

    def _focused(self) -> bool:
        focus = QGuiApplication.focusObject()
        return isinstance(focus, QWidget) and (focus is self or self.isAncestorOf(focus))

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._clock.stop()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.count_down()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Delete):
            self.dismiss()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _expire(self) -> None:
        if self.watched:
            self._clock.start(self._lifetime)
        else:
            self.dismiss()

    @Slot(bool)
    def _unfold(self, on: bool) -> None:
        self.details.setVisible(on)
        self.fit()
        self.resized.emit()
        if not on:
            self.count_down()

    @Slot()
    def _copy(self) -> None:
        details = self.details.toPlainText()
        QGuiApplication.clipboard().setText(f"{self.text}\n\n{details}" if details else self.text)
        self.copy.setText(tr("Copied"))

    @Slot()
    def _on_act(self) -> None:
        self.acted.emit()
        self.dismiss()

    @Slot()
    def dismiss(self) -> None:
        """Go; a second call does nothing."""
        if not self.isHidden():
            self._clock.stop()
            self.hide()
            self.closed.emit(self)


class BellButton(GlyphButton):
    """A bell, with a dot while there are notifications that nobody has seen."""

    def __init__(self) -> None:
        super().__init__(tr("Notifications"), tr("Past notifications"))
        self._unseen = 0

    def set_unseen(self, n: int) -> None:
        self._unseen = n
        text = trn("{n} new notification", "{n} new notifications", n) if n else tr("Past notifications")
        self.setToolTip(text)
        self.setAccessibleDescription(text)
        self.update()

    def draw(self, painter: QPainter, colour: QColor) -> None:
        bell = QPainterPath(QPointF(-6, 4))
        bell.cubicTo(QPointF(-3.5, 2), QPointF(-4.5, -1), QPointF(-4, -3))
        bell.cubicTo(QPointF(-3.5, -7.5), QPointF(3.5, -7.5), QPointF(4, -3))
        bell.cubicTo(QPointF(4.5, -1), QPointF(3.5, 2), QPointF(6, 4))
        bell.closeSubpath()
        painter.setPen(QPen(colour, 1.4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(bell)
        painter.drawArc(QRectF(-2, 3.5, 4, 4), 180 * 16, 180 * 16)
        if self._unseen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.current().accent))
            painter.drawEllipse(QPointF(5, -5), 3.2, 3.2)


class PastNotices(Popover):
    """What was said so far, newest first, with details to copy.

    Signals:
        cleared: the list is to be emptied.
    """

    cleared = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, tr("Notifications"))
        self.list = QListWidget()
        self.list.setObjectName("rows")
        self.list.setAccessibleName(tr("Past notifications"))
        self.list.setWordWrap(True)
        self.list.setFixedSize(420, 200)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setFixedHeight(110)
        self.details.setAccessibleName(tr("Details"))
        self.copy = QPushButton(tr("Copy"))
        self.copy.setToolTip(tr("Copy the text and its details"))
        self.clear = QPushButton(tr("Clear"))
        self.clear.setToolTip(tr("Forget all of them"))
        foot = QHBoxLayout()
        foot.addWidget(self.copy)
        foot.addStretch(1)
        foot.addWidget(self.clear)
        self.column.addWidget(self.list)
        self.column.addWidget(self.details)
        self.column.addLayout(foot)
        self.list.currentItemChanged.connect(self._on_current)
        self.copy.clicked.connect(self._copy)
        self.clear.clicked.connect(self.cleared)

    def show_rows(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Rows of (kind, one line, everything)."""
        self.list.clear()
        colours = theme.current()
        for kind, line, whole in rows:
            item = QListWidgetItem(f"{KINDS[kind][0]}   {line}")
            item.setForeground(QColor(colours.text))
            item.setData(Qt.ItemDataRole.UserRole, whole)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{tr(KINDS[kind][1])}: {line}")
            self.list.addItem(item)
        if not rows:
            self.list.addItem(tr("Nothing was said yet. Problems and finished work are listed here."))
        for button in (self.copy, self.clear):
            button.setEnabled(bool(rows))
        self.list.setCurrentRow(0)
        self.list.setFocus()

    @Slot()
    def _on_current(self) -> None:
        item = self.list.currentItem()
        whole = None if item is None else item.data(Qt.ItemDataRole.UserRole)
        self.details.setPlainText(whole or "")

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.details.toPlainText())
