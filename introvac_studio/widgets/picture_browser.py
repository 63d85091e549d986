"""Pictures with titles: a list on the left, the chosen one on the right, to zoom and to scroll."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QImageReader,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.evaluation_results import Model, Picture
from introvac_studio.language import tr
from introvac_studio.widgets.texts import muted, tabular

ZOOMS = (0.25, 1 / 3, 0.5, 2 / 3, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # screen pixels a pixel
_MOST_PIXELS = 50_000_000  # of one picture, which is decoded while the window waits


class _Canvas(QWidget):
    """One picture at a zoom in the screen's own pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.pixmap = QPixmap()
        self.zoom = 1.0
        self.said = ""

    def set_zoom(self, zoom: float) -> None:
        self.zoom = zoom
        self.setFixedSize(self.sizeHint())
        self.update()

    def sizeHint(self) -> QSize:
        if self.pixmap.isNull():
            return QSize(240, 120)
        share = self.zoom / self.devicePixelRatioF()
        return QSize(max(1, round(self.pixmap.width() * share)), max(1, round(self.pixmap.height() * share)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self.pixmap.isNull():
            painter.setPen(QColor(theme.current().muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), flags, self.said)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.zoom != int(self.zoom))
        painter.drawPixmap(QRectF(self.rect()), self.pixmap, QRectF(self.pixmap.rect()))


class ZoomView(QScrollArea):
    """A picture that fits its room until someone zooms; a drag scrolls, Ctrl and the wheel zoom.

    Signals:
        zoomed: the zoom differs.
    """

    zoomed = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self._canvas = _Canvas()
        self.setWidget(self._canvas)
        self._fits = True
        self._grip: QPoint | None = None

    @property
    def zoom(self) -> float:
        """Screen pixels for each of the picture's."""
        return self._canvas.zoom

    @property
    def empty(self) -> bool:
        return self._canvas.pixmap.isNull()

    @property
    def picture_size(self) -> QSize:
        """In its own pixels; empty where there is none."""
        return self._canvas.pixmap.size()

    def show_file(self, path: Path | None, absent: str = "") -> None:
        """Read a picture and show it; `absent` is said where there is none."""
        pixmap, said = QPixmap(), absent
        if path is not None:
            reader = QImageReader(str(path))
            size = reader.size()
            if size.width() * size.height() > _MOST_PIXELS:
                said = tr(
                    "{name} is too large to show here: {width} x {height} pixels",
                    name=path.name,
                    width=size.width(),
                    height=size.height(),
                )
            else:
                image = reader.read()
                said = (
                    tr("{name} cannot be read: {reason}", name=path.name, reason=reader.errorString())
                    if image.isNull()
                    else ""
                )
                pixmap = QPixmap.fromImage(image) if not image.isNull() else pixmap
        self._canvas.pixmap, self._canvas.said = pixmap, said
        self.fit()

    @Slot()
    def fit(self) -> None:
        """As large as there is room for, by a whole number where that is at least 1."""
        self._fits = True
        self._refit()

    def _refit(self) -> None:
        if self.empty:
            self._canvas.set_zoom(1.0)
            return
        ratio, size = self.devicePixelRatioF(), self._canvas.pixmap.size()
        room = self.viewport().size()
        share = min(room.width() * ratio / size.width(), room.height() * ratio / size.height())
        self._set(float(int(share)) if share >= 1 else max(share, ZOOMS[0] / 2))

    def step(self, by: int) -> None:
        """The next larger zoom, or the next smaller."""
        self._fits = False
        now = self.zoom
        larger = [zoom for zoom in ZOOMS if zoom > now * 1.01]
        smaller = [zoom for zoom in ZOOMS if zoom < now * 0.99]
        rest = larger[:1] if by > 0 else smaller[-1:]
        if rest:
            self._set(rest[0])

    def _set(self, zoom: float) -> None:
        if zoom != self._canvas.zoom or self._canvas.size() != self._canvas.sizeHint():
            self._canvas.set_zoom(zoom)
            self.zoomed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fits:
            self._refit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and event.angleDelta().y():
            self.step(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._grip = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grip is not None:
            by, self._grip = event.position().toPoint() - self._grip, event.position().toPoint()
            for bar, shift in ((self.horizontalScrollBar(), by.x()), (self.verticalScrollBar(), by.y())):
                bar.setValue(bar.value() - shift)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grip = None


class PictureBrowser(QWidget):
    """The grids of one model, or of two beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self._models: tuple[Model, ...] = ()
        self.list = QListWidget()
        self.list.setAccessibleName(tr("pictures"))
        self.list.setFixedWidth(204)
        self.list.setSpacing(2)
        self.caption = muted(wrap=True)
        self.caption.setTextFormat(Qt.TextFormat.PlainText)
        self.views = (ZoomView(tr("picture of the first model")), ZoomView(tr("picture of the second model")))
        self._names = (QLabel(), QLabel())
        self.zoom = muted()
        self.zoom.setFont(tabular(self.font(), 12))
        fit, less, more = QPushButton(tr("Fit")), QPushButton("−"), QPushButton("+")
        for button, name in (
            (fit, tr("Fit the picture into the page")),
            (less, tr("Smaller")),
            (more, tr("Larger")),
        ):
            button.setAccessibleName(name)
            button.setToolTip(name if button is fit else tr("{what} (Ctrl and the wheel)", what=name))
        bar = QHBoxLayout()
        bar.setSpacing(theme.GRID)
        tools = QHBoxLayout()
        for widget in (self.zoom, less, more, fit):
            tools.addWidget(widget)
        bar.addWidget(self.caption, 1)
        bar.addLayout(tools)
        bar.setAlignment(tools, Qt.AlignmentFlag.AlignTop)
        self._beside = beside = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        beside.setSpacing(theme.GRID)
        self._second = QWidget()
        for box, label, view in zip((QWidget(), self._second), self._names, self.views, strict=True):
            column = QVBoxLayout(box)
            column.setContentsMargins(0, 0, 0, 0)
            label.setTextFormat(Qt.TextFormat.PlainText)
            column.addWidget(label)
            column.addWidget(view, 1)
            beside.addWidget(box, 1)
        right = QVBoxLayout()
        right.setSpacing(theme.GRID)
        right.addLayout(bar)
        right.addLayout(beside, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * theme.GRID)
        layout.addWidget(self.list)
        layout.addLayout(right, 1)
        self.list.currentRowChanged.connect(self._on_row)
        less.clicked.connect(self._less)
        more.clicked.connect(self._more)
        for view in self.views:
            fit.clicked.connect(view.fit)
            view.zoomed.connect(self._tell)

    def show_models(self, models: Sequence[Model], labels: Sequence[str]) -> None:
        """List the pictures of these, one row for those of the same name."""
        self._models = tuple(models)
        for label, text in zip(self._names, (*labels, ""), strict=False):
            label.setText(text)
        self._names[0].setVisible(len(models) > 1)
        self._second.setVisible(len(models) > 1)
        self.list.clear()
        seen: dict[str, str] = {}
        for model in models:
            seen |= {p.name: p.title for p in model.pictures if p.name not in seen}
        for name, title in seen.items():
            item = QListWidgetItem(title)
            item.setData(Qt.ItemDataRole.UserRole, name)
            item.setToolTip(title)
            self.list.addItem(item)
        self.list.setVisible(bool(seen))
        if seen:
            self.list.setCurrentRow(0)
        else:
            self._show(None)

    def _of(self, model: Model, name: str) -> Picture | None:
        return next((p for p in model.pictures if p.name == name), None)

    @Slot(int)
    def _on_row(self, row: int) -> None:
        if row >= 0:
            self._show(str(self.list.item(row).data(Qt.ItemDataRole.UserRole)))

    def _show(self, name: str | None) -> None:
        found = [None if name is None else self._of(model, name) for model in self._models]
        self.caption.setText(next((p.caption for p in found if p is not None), ""))
        for view, picture in zip(self.views, found, strict=False):
            absent = tr("There is no such picture of this model.") if name else tr("No pictures were drawn.")
            view.show_file(None if picture is None else picture.file, absent)
            view.setAccessibleDescription("" if picture is None else f"{picture.title}. {picture.caption}")
        self._turn()
        self._tell()

    def _turn(self) -> None:
        """Wide pictures go below each other, where they are larger."""
        size = self.views[0].picture_size
        room = self.size() - QSize(self.list.width(), 60)
        wide = size.width() * max(room.height(), 1) > size.height() * room.width()
        way = QBoxLayout.Direction.TopToBottom if wide else QBoxLayout.Direction.LeftToRight
        self._beside.setDirection(way)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._turn()

    @Slot()
    def _less(self) -> None:
        for view in self.views:
            view.step(-1)

    @Slot()
    def _more(self) -> None:
        for view in self.views:
            view.step(1)

    @Slot()
    def _tell(self) -> None:
        self.zoom.setText("" if self.views[0].empty else f"{100 * self.views[0].zoom:.0f} %")
