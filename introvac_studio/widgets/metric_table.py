"""Numbers with their intervals in rows and columns, one line a model, the better one marked.

`show_table(table, labels)`; `chosen(str)` carries how the current number was measured, as rich text.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.evaluation_figures import Cell, Figure, Row, Table
from introvac_studio.language import tr
from introvac_studio.widgets.inks import ink
from introvac_studio.widgets.texts import tabular

_ROLE = Qt.ItemDataRole.UserRole + 1
_LINE, _PAD, _DOT = 22, 6, 14
_Index = QModelIndex | QPersistentModelIndex


def model_colour(index: int) -> QColor:
    """Of the first or the second model, everywhere."""
    return ink(theme.ATTRIBUTE_COLOURS[index % 2])


class _Figures(QStyledItemDelegate):
    """A number at the right of its column, its interval beside it, and a tick at the better one."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        cell = index.data(_ROLE)
        if not isinstance(cell, Cell):
            named = QStyleOptionViewItem(option)
            named.rect = option.rect.adjusted(_PAD - 3, 0, 0, 0)  # the style itself leaves 3
            super().paint(painter, named, index)
            self._dots(painter, option.rect, index)
            return
        p, box = theme.current(), option.rect
        size = self._table.sizes(index.column())
        top = box.center().y() - _LINE * len(cell.figures) // 2
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for i, figure in enumerate(cell.figures):
            line = QRect(box.left() + _PAD, top + i * _LINE, box.width() - 2 * _PAD, _LINE)
            best = cell.best == i
            if best:
                painter.setPen(QPen(QColor(p.good), 2, c=Qt.PenCapStyle.RoundCap))
                x, y = line.left() + 1, line.center().y()
                painter.drawPolyline([QPoint(x, y), QPoint(x + 3, y + 4), QPoint(x + 9, y - 4)])
            line.setLeft(line.left() + size.mark)
            self._write(painter, line, figure, size.value, best)
        painter.restore()

    @property
    def _table(self) -> MetricTable:
        table = self.parent()
        assert isinstance(table, MetricTable)
        return table

    def _dots(self, painter: QPainter, box: QRect, index: _Index) -> None:
        """Which line is whose, at the end of a row's name."""
        count = self._table.models if index.data(_ROLE) == "row" else 0
        if count < 2:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        top = box.center().y() - _LINE * count // 2
        for i in range(count):
            painter.setBrush(model_colour(i))
            painter.drawEllipse(box.right() - _DOT, top + i * _LINE + _LINE // 2 - 3, 7, 7)
        painter.restore()

    def _write(self, painter: QPainter, line: QRect, figure: Figure | None, wide: int, best: bool) -> None:
        p, font = theme.current(), self._table.font()
        middle, right = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignRight
        place = QRect(line.left(), line.top(), wide, line.height())
        painter.setFont(tabular(font, 13, bold=best))
        if figure is None:
            painter.setPen(QColor(p.muted))
            painter.drawText(place, middle | right, "–")
            return
        painter.setPen(QColor(p.warn if figure.warning else p.text))
        painter.drawText(place, middle | right, figure.text)
        painter.setFont(tabular(font, 11))
        painter.setPen(QColor(p.muted))
        place = QRect(place.right() + 9, line.top(), line.right() - place.right(), line.height())
        painter.drawText(place, middle, figure.interval)

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        cell = index.data(_ROLE)
        if not isinstance(cell, Cell):
            dots = _DOT + 4 if self._table.models > 1 else 0
            return super().sizeHint(option, index) + QSize(2 * _PAD + dots, 0)
        size = self._table.sizes(index.column())
        beside = size.interval + 12 if size.interval else 0
        return QSize(2 * _PAD + size.mark + size.value + beside, _LINE * len(cell.figures) + 10)


class _Widths(NamedTuple):
    """Of what a column's cells hold."""

    mark: int
    value: int
    interval: int


class MetricTable(QTableWidget):
    """Rows and columns of figures; groups of rows have a heading of their own.

    Signals:
        chosen(str): how the current number was measured, as rich text; empty for a heading.
    """

    chosen = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._labels: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()
        self._sizes: list[_Widths] = []
        self._kept = Table((), ())
        self._was_too_wide = False
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setCornerButtonEnabled(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head = self.horizontalHeader()
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setHighlightSections(False)
        self.setItemDelegate(_Figures(self))
        self._restyle()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.currentItemChanged.connect(self._on_current)

    def show_table(self, table: Table, labels: Sequence[str]) -> None:
        """Show it; `labels` name the models."""
        self.clear()
        self.clearSpans()
        self._labels = tuple(labels)
        self._columns = tuple(column.title for column in table.columns)
        self._measure(table)
        lines: list[Row | str] = []
        for row in table.rows:
            if row.group and not any(isinstance(one, Row) and one.group == row.group for one in lines):
                lines.append(row.group)
            lines.append(row)
        self.setRowCount(len(lines))
        self.setColumnCount(len(table.columns) + 1)
        self.setHorizontalHeaderLabels(["", *self._columns])
        for k, column in enumerate(table.columns, 1):
            if (head := self.horizontalHeaderItem(k)) is not None:
                head.setToolTip(column.tip)
        for i, line in enumerate(lines):
            if isinstance(line, Row):
                self._fill(i, line, table)
            else:
                self._head(i, line)
        self.resizeRowsToContents()
        self.updateGeometry()
        self.chosen.emit("")

    def sizeHint(self) -> QSize:
        """As high as its rows."""
        rows = self.verticalHeader().length() + self.horizontalHeader().sizeHint().height()
        below = self.horizontalScrollBar().sizeHint().height() if self._too_wide() else 0
        return QSize(super().sizeHint().width(), rows + below + 2 * self.frameWidth())

    def _too_wide(self) -> bool:
        """Whether the columns need a scroll bar, where all rows have room."""
        return self.horizontalHeader().length() > self.width() - 2 * self.frameWidth()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A width that lets the scroll bar come or go is another height, too."""
        super().resizeEvent(event)
        if self._too_wide() != self._was_too_wide:
            self._was_too_wide = self._too_wide()
            self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        return QSize(200, min(self.sizeHint().height(), 130))

    def _restyle(self) -> None:
        tint = QColor(theme.current().accent)
        style = (
            "QHeaderView { background: palette(alternate-base); border: none; } QTableWidget "
            f"{{ selection-background-color: rgba({tint.red()}, {tint.green()}, {tint.blue()}, 60); }}"
        )
        if style != self.styleSheet():
            self.setStyleSheet(style)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._restyle()

    def _measure(self, table: Table) -> None:
        """Widths of numbers and intervals, the same down a column."""
        large = QFontMetrics(tabular(self.font(), 13, bold=True))
        small = QFontMetrics(tabular(self.font(), 11))
        self._kept, self._sizes = table, []
        for k, column in enumerate(table.columns):
            cells = [row.cells[k] for row in table.rows]
            figures = [one for cell in cells for one in cell.figures if one is not None]
            wide = max((large.horizontalAdvance(one.text) for one in figures), default=16)
            beside = max(
                (small.horizontalAdvance(one.interval) for one in figures if one.interval), default=0
            )
            mark = _DOT if any(cell.best is not None for cell in cells) else 0
            if not beside:  # under its heading
                wide = max(wide, self.horizontalHeader().fontMetrics().horizontalAdvance(column.title) - mark)
            self._sizes.append(_Widths(mark, wide, beside))

    def sizes(self, column: int) -> _Widths:
        """Of a column of figures; 0 is that of names."""
        return self._sizes[column - 1]

    @property
    def models(self) -> int:
        """How many lines a cell has."""
        return len(self._labels)

    def _head(self, i: int, text: str) -> None:
        item = QTableWidgetItem(text)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        font = self.font()
        font.setBold(True)
        item.setFont(font)
        self.setItem(i, 0, item)
        if self.columnCount() > 1:
            self.setSpan(i, 0, 1, self.columnCount())

    def _fill(self, i: int, row: Row, table: Table) -> None:
        name = QTableWidgetItem(row.name)
        name.setData(_ROLE, "row")
        name.setToolTip(row.tip)
        self.setItem(i, 0, name)
        for k, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True), 1):
            item = QTableWidgetItem()
            item.setData(_ROLE, cell)
            text = self._spoken(cell)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{row.name}, {column.title}: {text}")
            item.setToolTip(self._long(row, column.title, column.tip, cell, short=True))
            self.setItem(i, k, item)

    def _spoken(self, cell: Cell) -> str:
        parts = []
        for i, figure in enumerate(cell.figures):
            who = f"{self._labels[i]} " if len(cell.figures) > 1 else ""
            said = [tr("not measured") if figure is None else figure.text]
            if figure is not None and figure.interval:
                said.append(tr("interval {interval}", interval=figure.interval))
            said += [tr("better")] if cell.best == i else []
            parts.append(who + ", ".join(said))
        return "; ".join(parts)

    def _long(self, row: Row, title: str, tip: str, cell: Cell, short: bool = False) -> str:
        """What a number means and how it was measured, as rich text."""
        name = f"{row.group}, {row.name}" if row.group else row.name
        lines = [f"<b>{html.escape(name)}: {html.escape(title)}</b>", html.escape(tip) + "."]
        if row.tip and not short:
            lines.append(html.escape(row.tip) + ".")
        lines.append(html.escape(self._spoken(cell)) + ".")
        if cell.better and len(cell.figures) > 1 and cell.best is None:
            lines.append(tr("Neither is marked better: the intervals overlap, or there are none."))
        shown = [figure for figure in cell.figures if figure is not None]
        lines += [html.escape(text) for text in dict.fromkeys(f.warning for f in shown if f.warning)]
        notes = [figure.notes for figure in shown]
        if short:
            return "<br>".join(lines)
        if notes:
            pairs = dict.fromkeys(pair for one in notes for pair in one)
            lines.append(" &nbsp;·&nbsp; ".join(f"{html.escape(k)}: {html.escape(v)}" for k, v in pairs))
        return "<br>".join(lines)

    @Slot()
    def _on_current(self) -> None:
        item = self.currentItem()
        cell = item.data(_ROLE) if item is not None else None
        if not isinstance(cell, Cell):
            self.chosen.emit("")
            return
        for row in self._kept.rows:
            for k, one in enumerate(row.cells):
                if one is cell:
                    column = self._kept.columns[k]
                    self.chosen.emit(self._long(row, column.title, column.tip, cell))
                    return
