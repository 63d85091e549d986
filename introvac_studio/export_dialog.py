"""Saves decoded faces as one picture: a live preview, the layout's options, the recipe inside the file.

Wiring: `ExportDialog(job, parent=window).open()` (or `exec()`) with an `introvac_studio.messages.ExportJob`.
The layouts offered are those that the job brings tables for. Composition and metadata are `trainer.grid`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QEvent, QMargins, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.messages import ExportJob, Sheet
from introvac_studio.settings import Settings
from introvac_studio.widgets.pictures import to_qimage
from trainer import grid
from trainer.errors import DataError, IntroVACError

FILTERS = {".png": "PNG (*.png)", ".jpg": "JPEG (*.jpg *.jpeg)", ".webp": "WebP (*.webp)"}
BACKGROUNDS = {"white": (255, 255, 255), "dark": (24, 26, 32), "black": (0, 0, 0)}
_MEGAPIXELS = 50  # a larger picture is refused
_EXIF_ROOM = 60_000  # bytes of recipe that JPEG and WebP take
_FOLDER = "export/folder"


@dataclass(frozen=True)
class Layout:
    """How a table becomes a picture: its title, and whether `columns` breaks it into bands."""

    title: str
    wraps: bool


LAYOUTS = {
    "triplets": Layout("Triplets", True),
    "strip": Layout("Strip over δ", False),
    "gallery": Layout("Gallery", True),
}


def compose(layout: str, sheet: Sheet, style: grid.GridStyle) -> Image.Image:
    """A table as a picture; a layout that wraps stands in bands of `style.columns`, without column labels.

    Raises:
        DataError: no pictures, or pictures of different sizes.
    """
    columns = max((len(row) for row in sheet.rows), default=0)
    if not LAYOUTS[layout].wraps or columns <= style.columns:
        return grid.compose(sheet.rows, style, sheet.row_labels, sheet.column_labels)
    bands: list[Sequence[NDArray[np.uint8] | None]] = []
    labels: list[str] = []
    for start in range(0, columns, style.columns):
        bands.extend(row[start : start + style.columns] for row in sheet.rows)
        labels.extend(sheet.row_labels)
    return grid.compose(bands, style, labels)


class _Preview(QWidget):
    """The picture at its size, or reduced to fit."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("preview")
        self.setMinimumSize(320, 240)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._image = QImage()

    def sizeHint(self) -> QSize:
        return QSize(640, 480)

    def set_image(self, image: QImage) -> None:
        self._image = image
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(theme.current().border))
        painter.setBrush(QColor(theme.current().raised))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 6, 6)
        if self._image.isNull():
            return
        ratio = self.devicePixelRatioF()
        room = self.size().shrunkBy(QMargins(*[2 * theme.GRID] * 4)) * ratio
        size = self._image.size()
        if size.width() > room.width() or size.height() > room.height():
            size.scale(room, Qt.AspectRatioMode.KeepAspectRatio)
        mode = Qt.TransformationMode.SmoothTransformation
        shown = self._image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, mode)
        shown.setDevicePixelRatio(ratio)
        where = shown.deviceIndependentSize()
        painter.drawImage(
            round((self.width() - where.width()) / 2), round((self.height() - where.height()) / 2), shown
        )


class ExportDialog(QDialog):
    """The dialog; it stays open after saving, so that other layouts and formats can follow."""

    def __init__(
        self, job: ExportJob, settings: Settings | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._job = job
        self._settings = settings or Settings()
        self._picture: Image.Image | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self.refresh)
        self.setWindowTitle("Export")
        self._build()
        self._lay_out()
        self._layout_changed()
        self.refresh()

    def _build(self) -> None:
        self.layout_box, self.background = QComboBox(), QComboBox()
        for key, layout in LAYOUTS.items():
            if key in self._job.sheets:
                self.layout_box.addItem(layout.title, key)
        for name in BACKGROUNDS:
            self.background.addItem(name, name)
        self.columns, self.padding, self.scale = QSpinBox(), QSpinBox(), QSpinBox()
        for box, low, high, value in (
            (self.columns, 1, 64, 8), (self.padding, 0, 64, 4), (self.scale, 1, 16, 2)
        ):  # fmt: skip
            box.setRange(low, high)
            box.setValue(value)
            box.valueChanged.connect(self._later)
        self.padding.setSuffix(" px")
        self.scale.setPrefix("× ")
        self.labels = QCheckBox("Labels")
        self.labels.setChecked(True)
        self.labels.toggled.connect(self._later)
        self.preview = _Preview()
        self.size_text, self.message = QLabel(), QLabel()
        self.size_text.setObjectName("muted")
        self.message.setWordWrap(True)
        self.message.setMinimumHeight(40)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.save_button = QPushButton("Save…")
        self.save_button.setObjectName("primary")
        self.save_button.setDefault(True)
        self.copy_button = QPushButton("Copy to clipboard")
        self.close_button = QPushButton("Close")
        self.layout_box.currentIndexChanged.connect(self._layout_changed)
        self.background.currentIndexChanged.connect(self._later)
        self.save_button.clicked.connect(self._ask)
        self.copy_button.clicked.connect(self.copy)
        self.close_button.clicked.connect(self.reject)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.setVerticalSpacing(theme.GRID)
        for text, field in (
            ("Layout", self.layout_box), ("Columns", self.columns), ("Padding", self.padding),
            ("Scale", self.scale), ("Background", self.background), ("", self.labels),
        ):  # fmt: skip
            label = QLabel(text)
            label.setObjectName("muted")
            label.setBuddy(field)
            field.setAccessibleName(text or "labels")
            form.addRow(label, field)
        side = QVBoxLayout()
        side.setSpacing(theme.GRID)
        side.addLayout(form)
        side.addWidget(self.size_text)
        side.addWidget(self.message)
        side.addStretch(1)
        for button in (self.save_button, self.copy_button, self.close_button):
            side.addWidget(button)
        box = QWidget()
        box.setLayout(side)
        side.setContentsMargins(0, 0, 0, 0)
        box.setFixedWidth(312)
        row = QHBoxLayout(self)
        row.setContentsMargins(*[2 * theme.GRID] * 4)
        row.setSpacing(2 * theme.GRID)
        row.addWidget(self.preview, 1)
        row.addWidget(box)

    @property
    def layout_key(self) -> str:
        """The layout taken, a key of `LAYOUTS`; empty where the job brings no pictures."""
        return self.layout_box.currentData() or ""

    @property
    def style_options(self) -> grid.GridStyle:
        """The options as the grid takes them."""
        return grid.GridStyle(
            columns=self.columns.value(),
            padding=self.padding.value(),
            scale=self.scale.value(),
            background=BACKGROUNDS[self.background.currentData()],
            labels=self.labels.isChecked(),
        )

    @property
    def recipe(self) -> dict[str, Any]:
        """What goes into the file's metadata."""
        return {**self._job.recipe, "layout": self.layout_key}

    # The preview

    @Slot()
    def _layout_changed(self) -> None:
        layout = LAYOUTS.get(self.layout_key)
        self.columns.setEnabled(layout is not None and layout.wraps)
        sheet = self._job.sheets.get(self.layout_key)
        self.labels.setEnabled(sheet is not None and any((*sheet.row_labels, *sheet.column_labels)))
        self._later()

    @Slot()
    def _later(self) -> None:
        self._timer.start()

    @Slot()
    def refresh(self) -> None:
        """Compose anew and show it."""
        self._timer.stop()
        self._picture = None
        try:
            self._picture = self._compose()
        except IntroVACError as error:
            self._say(str(error), bad=True)
        else:
            self._say("")
        ready = self._picture is not None
        for button in (self.save_button, self.copy_button):
            button.setEnabled(ready)
        self.size_text.setText(
            f"{self._picture.width:,} × {self._picture.height:,} pixels" if self._picture else ""
        )
        self.preview.set_image(to_qimage(np.asarray(self._picture)) if self._picture else QImage())

    def _compose(self) -> Image.Image:
        sheet = self._job.sheets.get(self.layout_key)
        pictures = [cell for row in sheet.rows for cell in row if cell is not None] if sheet else []
        if sheet is None or not pictures:
            raise DataError("There are no pictures to export.")
        style = self.style_options
        cells = len(sheet.rows) * max(len(row) for row in sheet.rows)
        pixels = cells * (pictures[0].shape[0] * style.scale + style.padding) ** 2
        if pixels > _MEGAPIXELS * 1_000_000:
            raise DataError(f"Too large: {pixels / 1e6:,.0f} megapixels. Lower the scale.")
        return compose(self.layout_key, sheet, style)

    def _say(self, text: str, bad: bool = False) -> None:
        colours = theme.current()
        self.message.setText(text)
        self.message.setStyleSheet(f"color: {colours.bad if bad else colours.good};")

    # Saving

    @Slot()
    def _ask(self) -> None:
        folder = self._settings.get(_FOLDER, str(Path.home()))
        chosen, kind = QFileDialog.getSaveFileName(
            self, "Export", str(Path(folder) / f"{self._job.name}.png"), ";;".join(FILTERS.values())
        )
        if chosen:
            path = Path(chosen)
            suffixes = {text: suffix for suffix, text in FILTERS.items()}
            self.save_to(path if path.suffix else path.with_suffix(suffixes.get(kind, ".png")))

    def save_to(self, path: Path) -> bool:
        """Write the picture; what went wrong is said in the dialog, which stays as it is."""
        if self._timer.isActive():
            self.refresh()
        if self._picture is None:
            return False
        recipe, left_out = _fitting(self.recipe, path)
        try:
            grid.save(self._picture, path, recipe)
        except IntroVACError as error:
            self._say(str(error), bad=True)
            return False
        self._settings.set(_FOLDER, str(path.parent))
        note = " The codes did not fit into its metadata; a PNG keeps them." if left_out else ""
        self._say(f"Saved {path.name}.{note}")
        return True

    @Slot()
    def copy(self) -> None:
        """Put the picture on the clipboard."""
        if self._timer.isActive():
            self.refresh()
        if self._picture is not None:
            QGuiApplication.clipboard().setImage(to_qimage(np.asarray(self._picture)))
            self._say("Copied.")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "preview"):
            self.preview.update()


def _fitting(recipe: dict[str, Any], path: Path) -> tuple[dict[str, Any], bool]:
    """The recipe, without its codes where the format has no room for them; and whether they went."""
    if path.suffix.lower() == ".png" or "z" not in recipe or len(json.dumps(recipe)) <= _EXIF_ROOM:
        return recipe, False
    return {key: value for key, value in recipe.items() if key != "z"}, True
