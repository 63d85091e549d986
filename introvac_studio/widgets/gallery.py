"""A scrolling grid of square thumbnails: thousands of them, with captions, badges, marks and a filter.

Indices in signals and methods always number the images as they were given, filtered or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QLabel,
    QListView,
    QStackedLayout,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.pictures import to_qimage

Image = NDArray[np.uint8]
_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
_BADGE_ROLE = Qt.ItemDataRole.UserRole + 1
_NUMBER_ROLE = Qt.ItemDataRole.UserRole + 2
_RADIUS = 4.0
_KEPT = 2000  # scaled thumbnails kept ready
_TICK = ((-3.5, 0.5), (-1.0, 3.0), (3.5, -2.5))
_PICKING = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
NOTHING = mark("Nothing to show yet.")


def picture_side(size: int, wanted: int, ratio: float) -> int:
    """Device pixels of a picture's side: a whole multiple of `size`, or `wanted` where that is smaller."""
    target = max(1, round(wanted * ratio))
    return size * max(1, round(target / size)) if target >= size else target


class _Thumbnails(QAbstractListModel):
    """Images with captions and badges, of which `visible` are rows."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.images: list[Image] = []
        self.captions: list[str] = []
        self.badges: list[str] = []
        self.marked: frozenset[int] = frozenset()
        self.mark_text = tr("in the group")
        self.visible: list[int] = []
        self.filtered = False

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self.visible)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        number = self.visible[index.row()]
        caption, badge = self.captions[number], self.badges[number]
        if role == Qt.ItemDataRole.DisplayRole or role == Qt.ItemDataRole.ToolTipRole:
            return caption
        if role == Qt.ItemDataRole.AccessibleTextRole:
            said = self.mark_text if number in self.marked else ""
            return ", ".join(text for text in (tr("face {n}", n=number + 1), caption, badge, said) if text)
        return {_BADGE_ROLE: badge, _NUMBER_ROLE: number}.get(role)

    def append(self, images: Sequence[Image] | Image, captions: Sequence[str], badges: Sequence[str]) -> None:
        first, count = len(self.images), len(images)
        if not count:
            return
        if not self.filtered:
            row = len(self.visible)
            self.beginInsertRows(QModelIndex(), row, row + count - 1)
        self.images.extend(images)
        self.captions.extend(captions[i] if i < len(captions) else "" for i in range(count))
        self.badges.extend(badges[i] if i < len(badges) else "" for i in range(count))
        if not self.filtered:
            self.visible.extend(range(first, first + count))
            self.endInsertRows()

    def show(self, numbers: Sequence[int] | None) -> None:
        self.beginResetModel()
        self.filtered = numbers is not None
        self.visible = list(range(len(self.images)) if numbers is None else numbers)
        self.endResetModel()

    def clear(self) -> None:
        self.beginResetModel()
        self.images, self.captions, self.badges, self.visible = [], [], [], []
        self.marked = frozenset()
        self.filtered = False
        self.endResetModel()


class _Painter(QStyledItemDelegate):
    """Draws a thumbnail, its caption and its badge."""

    def __init__(self, gallery: Gallery, model: _Thumbnails) -> None:
        super().__init__(gallery)
        self._gallery, self._model = gallery, model
        self._ready: dict[int, QPixmap] = {}

    def forget(self) -> None:
        self._ready.clear()

    def _pixmap(self, number: int) -> QPixmap:
        found = self._ready.get(number)
        if found is None:
            ratio = self._gallery.devicePixelRatioF()
            picture = to_qimage(self._model.images[number])
            side = picture_side(picture.width(), self._gallery.thumbnail_size, ratio)
            nearest = side >= picture.width() and not self._gallery.smooth
            mode = Qt.TransformationMode
            picture = picture.scaled(
                side,
                side,
                Qt.AspectRatioMode.IgnoreAspectRatio,
                mode.FastTransformation if nearest else mode.SmoothTransformation,
            )
            found = QPixmap.fromImage(picture)
            found.setDevicePixelRatio(ratio)
            if len(self._ready) >= _KEPT:
                self.forget()
            self._ready[number] = found
        return found

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return self._gallery.cell_size()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        colours = theme.current()
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        pixmap = self._pixmap(int(index.data(_NUMBER_ROLE)))
        side = pixmap.deviceIndependentSize().width()
        box = QRectF(rect.x() + round((rect.width() - side) / 2), rect.y() + theme.GRID / 2, side, side)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        path.addRoundedRect(box, _RADIUS, _RADIUS)
        painter.save()
        painter.setClipPath(path)
        painter.drawPixmap(box.topLeft(), pixmap)
        painter.restore()
        number = int(index.data(_NUMBER_ROLE))
        selected = bool(state & QStyle.StateFlag.State_Selected)
        pointed = number == self._gallery.pointed
        hovered = pointed or bool(state & QStyle.StateFlag.State_MouseOver)
        focused = bool(state & QStyle.StateFlag.State_HasFocus)
        if selected or hovered or focused:
            lit = colours.accent if selected or focused else colours.text if pointed else colours.muted
            painter.setPen(QPen(QColor(lit), 3 if selected else 2))
            painter.drawRoundedRect(box.adjusted(-2, -2, 2, 2), _RADIUS + 2, _RADIUS + 2)
        if number in self._model.marked:
            self._tick(painter, box)
        self._texts(painter, rect, box, index)
        painter.restore()

    def _tick(self, painter: QPainter, box: QRectF) -> None:
        """A picked face has a tick in its corner: not by colour alone."""
        colours = theme.current()
        middle = box.bottomLeft() + QPointF(10, -10)
        painter.setPen(QPen(QColor(colours.panel), 1.5))
        painter.setBrush(QColor(colours.accent))
        painter.drawEllipse(middle, 7.5, 7.5)
        painter.setPen(QPen(QColor(colours.accent_text), 2, c=Qt.PenCapStyle.RoundCap))
        painter.drawPolyline([middle + QPointF(x, y) for x, y in _TICK])

    def _texts(self, painter: QPainter, rect: QRect, box: QRectF, index: _Index) -> None:
        colours = theme.current()
        painter.setFont(self._gallery.font())
        metrics = painter.fontMetrics()
        caption = str(index.data() or "")
        if caption:
            line = QRectF(rect.x() + 2, box.bottom() + 4, rect.width() - 4, metrics.height())
            text = metrics.elidedText(caption, Qt.TextElideMode.ElideRight, int(line.width()))
            painter.setPen(QColor(colours.muted))
            painter.drawText(line, Qt.AlignmentFlag.AlignCenter, text)
        badge = str(index.data(_BADGE_ROLE) or "")
        if badge:
            width = min(metrics.horizontalAdvance(badge) + 10, box.width() - 8)
            pill = QRectF(box.right() - width - 4, box.top() + 4, width, metrics.height() + 2)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.window))
            painter.setOpacity(0.85)
            painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
            painter.setOpacity(1.0)
            painter.setPen(QColor(colours.text))
            painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, badge)


class _List(QListView):
    """An icon list that spreads its columns over the width; tells of Return, Space, picks and leaving."""

    chosen = Signal(QModelIndex)
    picked = Signal(QModelIndex, bool)
    left = Signal()

    def __init__(self, gallery: Gallery) -> None:
        super().__init__(gallery)
        self._gallery = gallery
        self._picking = False  # a button is down that picks

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        left = event.button() == Qt.MouseButton.LeftButton
        self._picking = self._gallery.pickable and left and bool(event.modifiers() & _PICKING)
        if not self._picking:
            super().mousePressEvent(event)
        elif index.isValid():
            self.picked.emit(index, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self._picking:
            super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._picking:  # what the press picked is not opened, too
            self._picking = False
            return
        super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        index, keys = self.currentIndex(), (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if event.key() in keys and index.isValid():
            if self._gallery.pickable and event.modifiers() & _PICKING:
                self.picked.emit(index, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
            else:
                self.chosen.emit(index)
            return
        if self._gallery.pickable and event.matches(QKeySequence.StandardKey.SelectAll):
            self._gallery.pickChanged.emit(self._gallery.visible)
            return
        if self._gallery.pickable and event.key() == Qt.Key.Key_Escape and self._gallery.marked:
            self._gallery.pickChanged.emit(())
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.spread()
        super().resizeEvent(event)

    def spread(self) -> None:
        """A grid of as many columns as fit, sharing the width evenly."""
        cell = self._gallery.cell_size()
        width = max(1, self.viewport().width() - 2)
        columns = max(1, width // cell.width())
        self.setGridSize(QSize(max(cell.width(), width // columns), cell.height()))

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self.left.emit()
        return super().viewportEvent(event)


class Gallery(QWidget):
    """The grid of thumbnails.

    Signals:
        activated: an image was clicked, or Return or Space pressed on it.
        hovered: the image under the pointer, -1 when there is none any more.
        currentChanged: the image that the keyboard stands on, -1 for none.
        pickChanged: the images that are to be marked, after Ctrl or Shift with a click or Space, Ctrl+A, or
            Escape; whoever answers calls `set_marked`. Only where `pickable`.
    """

    activated = Signal(int)
    hovered = Signal(int)
    currentChanged = Signal(int)
    pickChanged = Signal(object)

    def __init__(self, empty_text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pickable = False
        self._thumbnail_size, self._smooth = 96, False
        self._pointed = self._anchor = -1
        self._model = _Thumbnails(self)
        self._painter = _Painter(self, self._model)
        self._empty = QLabel(empty_text or tr(NOTHING))
        self._empty.setObjectName("empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setMargin(2 * theme.GRID)
        self._view = self._make_view()
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._view)
        self.setFocusProxy(self._view)

    def _make_view(self) -> _List:
        view = _List(self)
        view.setViewMode(QListView.ViewMode.IconMode)
        view.setResizeMode(QListView.ResizeMode.Adjust)
        view.setMovement(QListView.Movement.Static)
        view.setUniformItemSizes(True)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setStyleSheet("QListView { border: none; background: transparent; }")
        view.setMouseTracking(True)
        view.setAccessibleName(tr("faces"))
        view.setModel(self._model)
        view.setItemDelegate(self._painter)
        view.clicked.connect(self._choose)
        view.chosen.connect(self._choose)
        view.entered.connect(self._enter)
        view.viewportEntered.connect(self._leave)
        view.left.connect(self._leave)
        view.picked.connect(self._pick)
        view.selectionModel().currentChanged.connect(self._move)
        return view

    # What it shows

    @property
    def count(self) -> int:
        """Images held, filtered out or not."""
        return len(self._model.images)

    @property
    def visible(self) -> NDArray[np.intp]:
        """The images that pass the filter, in order."""
        return np.array(self._model.visible, dtype=np.intp)

    def image(self, index: int) -> Image:
        """Pixels of an image."""
        return self._model.images[index]

    def caption(self, index: int) -> str:
        """Caption of an image."""
        return self._model.captions[index]

    def set_images(
        self, images: Sequence[Image] | Image, captions: Sequence[str] = (), badges: Sequence[str] = ()
    ) -> None:
        """Show these uint8 (N, S, S, 3) in place of all others; the filter goes."""
        self._painter.forget()
        self._model.clear()
        self._pointed = self._anchor = -1
        self.append(images, captions, badges)
        self._view.scrollToTop()

    def append(
        self, images: Sequence[Image] | Image, captions: Sequence[str] = (), badges: Sequence[str] = ()
    ) -> None:
        """Add images at the end. While a filter is set they stay hidden until the next `set_visible`."""
        first = not self._model.images
        self._model.append(images, captions, badges)
        if first:
            self._view.spread()
        self._restack()

    def clear(self) -> None:
        """Drop all images, and the filter."""
        self.set_images(())

    def set_visible(self, indices: NDArray[np.intp] | Sequence[int] | None) -> None:
        """Show only these images, in this order; None shows all. The current one stays if it can."""
        current = self.current
        self._model.show(None if indices is None else [int(i) for i in indices])
        self._restack()
        if current >= 0:
            self.set_current(current)

    @property
    def marked(self) -> frozenset[int]:
        """The images that bear a tick."""
        return self._model.marked

    def set_mark_text(self, text: str) -> None:
        """What a tick says to those who do not see it."""
        self._model.mark_text = text

    def set_marked(self, numbers: Iterable[int]) -> None:
        """Give these images a tick, and no others."""
        self._model.marked = frozenset(int(i) for i in numbers)
        self._view.viewport().update()

    @property
    def pointed(self) -> int:
        """The image that is pointed at elsewhere, -1 for none."""
        return self._pointed

    def set_pointed(self, number: int) -> None:
        """Frame an image that the pointer is on elsewhere; the grid does not scroll for it."""
        before, self._pointed = self._pointed, number
        for changed in {before, number} & set(self._model.visible):
            self._view.update(self._model.index(self._model.visible.index(changed)))

    def set_empty_text(self, text: str) -> None:
        """What to say, and what to do, where there is nothing to show."""
        self._empty.setText(text)

    def _restack(self) -> None:
        self._stack.setCurrentWidget(self._view if self._model.visible else self._empty)

    # How it looks

    def _get_thumbnail_size(self) -> int:
        return self._thumbnail_size

    def set_thumbnail_size(self, size: int) -> None:
        """Wanted side in device-independent pixels; enlarged pictures take the nearest whole multiple."""
        self._thumbnail_size = max(8, int(size))
        self._relay()

    thumbnail_size = property(_get_thumbnail_size, set_thumbnail_size)

    @property
    def smooth(self) -> bool:
        """Whether enlarged pictures are smoothed; reduced ones always are."""
        return self._smooth

    def set_smooth(self, smooth: bool) -> None:
        """See `smooth`."""
        self._smooth = smooth
        self._relay()

    def cell_size(self) -> QSize:
        """Room of one thumbnail with its caption."""
        ratio = self.devicePixelRatioF()
        images = self._model.images
        side = self._thumbnail_size
        if images:
            side = round(picture_side(images[0].shape[0], side, ratio) / ratio)
        caption = self.fontMetrics().height() + 4 if any(self._model.captions[:1]) else 0
        return QSize(side + theme.GRID, side + theme.GRID + caption)

    def _relay(self) -> None:
        self._painter.forget()
        self._view.spread()
        self._view.viewport().update()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.DevicePixelRatioChange):
            self._relay()
        super().changeEvent(event)

    # Where the user is

    @property
    def current(self) -> int:
        """The selected image, -1 for none."""
        index = self._view.currentIndex()
        return self._model.visible[index.row()] if index.isValid() else -1

    def set_current(self, number: int) -> None:
        """Select an image and scroll to it; one that is filtered out, or -1, selects none."""
        row = self._model.visible.index(number) if number in self._model.visible else -1
        index = self._model.index(row) if row >= 0 else QModelIndex()
        self._view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if index.isValid():
            self._view.scrollTo(index)

    def position(self, number: int) -> QPoint:
        """Middle of a visible image, in coordinates of `viewport()`."""
        rect = self._view.visualRect(self._model.index(self._model.visible.index(number)))
        return rect.center()

    def viewport(self) -> QWidget:
        """The widget that takes the mouse."""
        return self._view.viewport()

    @Slot(QModelIndex)
    def _choose(self, index: QModelIndex) -> None:
        self.activated.emit(self._model.visible[index.row()])

    @Slot(QModelIndex)
    def _enter(self, index: QModelIndex) -> None:
        self.hovered.emit(self._model.visible[index.row()])

    @Slot()
    def _leave(self) -> None:
        self.hovered.emit(-1)

    @Slot(QModelIndex, QModelIndex)
    def _move(self, now: QModelIndex, before: QModelIndex) -> None:
        self.currentChanged.emit(self._model.visible[now.row()] if now.isValid() else -1)

    @Slot(QModelIndex, bool)
    def _pick(self, index: QModelIndex, through: bool) -> None:
        """Mark an image or take its mark away; `through` marks all from the last one that was picked."""
        visible, number = self._model.visible, self._model.visible[index.row()]
        start = self._anchor if self._anchor in visible else self.current
        if through and start >= 0:
            first, last = sorted((visible.index(start), index.row()))
            wanted = self.marked | set(visible[first : last + 1])
        else:
            wanted = self.marked ^ {number}
        self._anchor = number
        self.pickChanged.emit(sorted(wanted))
