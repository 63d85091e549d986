"""The command palette: every action by some letters of its name, with its keys and where it lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QSize,
    Qt,
    Slot,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QTextCharFormat, QTextLayout
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from introvac_studio import fuzzy, theme
from introvac_studio.actions import Entry
from introvac_studio.language import tr
from introvac_studio.settings import Settings
from introvac_studio.widgets.texts import muted

RECENT = "palette/recent"
_KEPT = 12
_WIDTH, _ROWS, _ROW = 600, 11, 30
_TEXT, _ENTRY, _PLACES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1)
_Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Hit:
    """An entry that fits, and the places of its text that do."""

    entry: Entry
    places: tuple[int, ...] = ()


def ranked(entries: Iterable[Entry], query: str, recent: list[str]) -> list[Hit]:
    """What fits the query, best first; without a query all, the ones used last first."""
    order = {key: i for i, key in enumerate(recent)}
    scored = []
    for at, entry in enumerate(entries):
        found = fuzzy.match(query, entry.text)
        score, places = found if found is not None else (0.0, ())
        if found is None:  # the menu's or dock's name may be given too
            wide = fuzzy.match(query, f"{entry.place} {entry.text}")
            if wide is None:
                continue
            score = wide[0] / 2
        bonus = 3.0 / (1 + order[entry.key]) if entry.key in order else 0.0
        rank = order.get(entry.key, len(order)) if not query.strip() else 0
        scored.append((rank, bool(entry.why), -(score + bonus), at, Hit(entry, places)))
    return [hit for *_, hit in sorted(scored, key=lambda s: s[:4])]


class _Rows(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.hits: list[Hit] = []

    def show(self, hits: list[Hit]) -> None:
        self.beginResetModel()
        self.hits = hits
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.hits)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        hit = self.hits[index.row()]
        if role == _TEXT:
            return hit.entry.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            parts = (hit.entry.text, hit.entry.place, hit.entry.shortcut, hit.entry.why)
            return ", ".join(part for part in parts if part)
        if role == _ENTRY:
            return hit
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        return Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled


class _Painter(QStyledItemDelegate):
    """Text with the letters that fit in bold, where it lives, and its keys on the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return QSize(100, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        colours = theme.current()
        hit: Hit = index.data(_ENTRY)
        entry = hit.entry
        rect = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.border))
            painter.drawRoundedRect(rect.adjusted(0, 1, 0, -1), 5, 5)
        inner = rect.adjusted(10, 0, -10, 0)
        dim = QColor(colours.muted)
        keys = painter.fontMetrics().horizontalAdvance(entry.shortcut)
        painter.setPen(dim)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, entry.shortcut)
        inner.setRight(inner.right() - keys - 16)
        width = self._text(painter, inner, hit, QColor(colours.muted if entry.why else colours.text))
        inner.setLeft(inner.left() + width + 12)
        aside = f"{entry.place} — {entry.why}" if entry.why else entry.place
        painter.setPen(QColor(colours.warn) if entry.why else dim)
        cut = painter.fontMetrics().elidedText(aside, Qt.TextElideMode.ElideRight, inner.width())
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, cut)
        painter.restore()

    def _text(self, painter: QPainter, rect: QRect, hit: Hit, colour: QColor) -> int:
        text = painter.fontMetrics().elidedText(
            hit.entry.text,
            Qt.TextElideMode.ElideRight,
            rect.width(),
        )
        layout = QTextLayout(text, painter.font())
        bold = QTextCharFormat()
        bold.setFontWeight(QFont.Weight.Bold)
        bold.setForeground(QColor(theme.current().accent))
        marks = []
        for place in hit.places:
            if place < len(text):
                one = QTextLayout.FormatRange()
                one.start, one.length, one.format = place, 1, bold
                marks.append(one)
        layout.setFormats(marks)
        layout.beginLayout()
        line = layout.createLine()
        layout.endLayout()
        painter.setPen(colour)
        top = rect.y() + (rect.height() - painter.fontMetrics().height()) / 2
        layout.draw(painter, QPointF(rect.x(), top))
        return round(line.naturalTextWidth())


class CommandPalette(QFrame):
    """A field and what fits it, over the window's upper middle; Return does it, Escape leaves.

    `sources` are asked for their entries each time that it opens.
    """

    def __init__(self, window: QWidget, settings: Settings) -> None:
        super().__init__(window)
        self.setObjectName("palette")
        self.setAccessibleName(tr("Command palette"))
        self._window, self._settings = window, settings
        self.sources: list[Callable[[], Iterable[Entry]]] = []
        self._entries: list[Entry] = []
        self._before: QWidget | None = None
        self.field = QLineEdit()
        self.field.setAccessibleName(tr("Find an action"))
        self.field.setClearButtonEnabled(True)
        self.rows = _Rows(self)
        self.list = QListView()
        self.list.setAccessibleName(tr("Actions"))
        self.list.setModel(self.rows)
        self.list.setItemDelegate(_Painter(self.list))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.nothing = muted()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme.GRID] * 4)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.field)
        layout.addWidget(self.list)
        layout.addWidget(self.nothing)
        self.hide()
        self.field.textChanged.connect(self._filter)
        self.field.installEventFilter(self)
        self.list.clicked.connect(self._on_clicked)
        self.list.entered.connect(self.list.setCurrentIndex)
        window.installEventFilter(self)

    @Slot()
    def open(self) -> None:
        """Every action."""
        self.ask([entry for source in self.sources for entry in source()], tr("Type what you want to do…"))

    def ask(self, entries: Iterable[Entry], hint: str) -> None:
        """Let one of these be chosen."""
        self._entries = list(entries)
        if self.isHidden():
            self._before = QApplication.focusWidget()
            QApplication.instance().focusChanged.connect(self._on_focus)  # type: ignore[union-attr]
        self.field.setPlaceholderText(hint)
        self.field.clear()
        self._filter("")
        self._place()
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    def _place(self) -> None:
        window = self._window
        width = min(_WIDTH, window.width() - 32)
        room = min(_ROWS, max((window.height() - 200) // _ROW, 3))
        self.list.setFixedHeight(min(room, max(self.rows.rowCount(), 1)) * _ROW + 4)
        self.setFixedWidth(width)
        self.adjustSize()
        self.move((window.width() - width) // 2, 48)

    @Slot(str)
    def _filter(self, query: str) -> None:
        hits = ranked(self._entries, query, self._settings.texts(RECENT))
        self.rows.show(hits)
        self.list.setCurrentIndex(self.rows.index(0))
        self.nothing.setText("" if hits else tr("No action is called so."))
        self.nothing.setVisible(not hits)
        self._place()

    @property
    def hits(self) -> list[Hit]:
        """What is listed."""
        return self.rows.hits

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._window:
            if event.type() == QEvent.Type.Resize and self.isVisible():
                self._place()
            return False
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._on_key(Qt.Key(event.key()))
        return False

    def _on_key(self, key: Qt.Key) -> bool:
        if key == Qt.Key.Key_Escape:
            self.leave()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.list.currentIndex())
        elif key in _STEPS:
            rows = self.rows.rowCount()
            row = self.list.currentIndex().row() + _STEPS[key]
            if rows:  # one step past an end comes in at the other
                row = row % rows if abs(_STEPS[key]) == 1 else min(max(row, 0), rows - 1)
                self.list.setCurrentIndex(self.rows.index(row))
        else:
            return False
        return True

    @Slot(QModelIndex)
    def _on_clicked(self, index: QModelIndex) -> None:
        self._choose(index)

    def _choose(self, index: QModelIndex) -> None:
        if not index.isValid():
            return
        entry = self.rows.hits[index.row()].entry
        if entry.why:
            self.nothing.setText(entry.why)
            self.nothing.show()
            return
        recent = [entry.key, *(k for k in self._settings.texts(RECENT) if k != entry.key)]
        self._settings.set_texts(RECENT, recent[:_KEPT])
        self.leave()
        entry.act()

    @Slot()
    def leave(self) -> None:
        """Close, and give the keyboard back."""
        if self.isHidden():
            return
        QApplication.instance().focusChanged.disconnect(self._on_focus)  # type: ignore[union-attr]
        self.hide()
        if self._before is not None and isValid(self._before) and self._before.isVisible():
            self._before.setFocus(Qt.FocusReason.PopupFocusReason)
        self._before = None

    @Slot(QWidget, QWidget)
    def _on_focus(self, old: QWidget | None, new: QWidget | None) -> None:
        if new is not None and new is not self and not self.isAncestorOf(new):
            self._before = None
            self.leave()


_STEPS = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: _ROWS, Qt.Key.Key_PageUp: -_ROWS}
