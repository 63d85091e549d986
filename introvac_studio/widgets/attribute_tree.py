"""The attributes of a data set, with how many faces have each; those to learn are ticked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.texts import tabular

_SHARE_ROLE = Qt.ItemDataRole.UserRole + 1


class _Bar(QStyledItemDelegate):
    """A share as a bar with its number."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        share = index.data(_SHARE_ROLE)
        if share is None:
            super().paint(painter, option, index)
            return
        p = theme.current()
        box: QRect = option.rect
        track = QRect(box.left() + 4, box.center().y() - 3, max(box.width() - 60, 10), 6)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(p.border))
        painter.drawRoundedRect(track, 3, 3)
        painter.setBrush(QColor(p.accent))
        track.setWidth(max(round(track.width() * share), 2))
        painter.drawRoundedRect(track, 3, 3)
        painter.setPen(QColor(p.muted))
        painter.setFont(tabular(painter.font(), 12))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(box.adjusted(0, 0, -4, 0), right, f"{100 * share:.1f} %")
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(120, 26)


class AttributeTree(QTreeWidget):
    """One row for each attribute.

    Signals:
        toggled(str, bool): the user ticked an attribute, or took its tick away.
    """

    toggled = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filling = False
        self._sought = ""
        self.setColumnCount(3)
        self.setHeaderLabels([tr("Attribute"), tr("Share"), tr("Faces")])
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setItemDelegateForColumn(1, _Bar(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setAccessibleName(tr("Attributes to learn"))
        head = self.header()
        head.setStretchLastSection(False)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        head.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        head.resizeSection(1, 132)
        self.itemChanged.connect(self._on_changed)

    def show_counts(
        self,
        names: Sequence[str],
        counts: Sequence[int],
        images: int,
        ticked: Collection[str],
        derived: Collection[str] = (),
    ) -> None:
        """Show these attributes in place of all others; the view stays where it is.

        Args:
            names: A attributes.
            counts: A numbers of faces that have them.
            images: of how many faces.
            ticked: those to learn.
            derived: those that a rule makes of others.
        """
        self._filling = True
        place = self.verticalScrollBar().value()
        self.clear()
        for name, count in zip(names, counts, strict=True):
            item = QTreeWidgetItem([name, "", f"{count:,}"])
            item.setData(1, _SHARE_ROLE, count / max(images, 1))
            item.setData(1, Qt.ItemDataRole.AccessibleTextRole, f"{100 * count / max(images, 1):.1f} %")
            item.setCheckState(0, Qt.CheckState.Checked if name in ticked else Qt.CheckState.Unchecked)
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setFont(2, tabular(self.font(), 12))
            if name in derived:
                item.setToolTip(0, tr("made of other attributes by a rule"))
            self.addTopLevelItem(item)
        self.verticalScrollBar().setValue(place)
        self._filling = False
        self.narrow(self._sought)

    @Slot(str)
    def narrow(self, text: str) -> None:
        """Show only attributes whose names contain the text."""
        self._sought = text
        for i in range(self.topLevelItemCount()):
            if (item := self.topLevelItem(i)) is not None:
                item.setHidden(text.strip().casefold() not in item.text(0).casefold())

    def tick(self, name: str) -> None:
        """Put a tick back, without a signal."""
        self._filling = True
        for item in self.findItems(name, Qt.MatchFlag.MatchExactly):
            item.setCheckState(0, Qt.CheckState.Checked)
        self._filling = False

    @Slot(QTreeWidgetItem, int)
    def _on_changed(self, item: QTreeWidgetItem, column: int) -> None:
        if not self._filling and column == 0:
            self.toggled.emit(item.text(0), item.checkState(0) == Qt.CheckState.Checked)
