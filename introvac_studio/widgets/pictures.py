"""uint8 arrays as Qt pictures, without a copy that outlives its memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QBuffer, QIODevice, QMimeData, QSize, Qt
from PySide6.QtGui import QImage, QPixmap

from trainer import photos

OWN = "application/x-introvac-face"  # a PNG in the model's size
PNG = "image/png"
LARGE = 512  # least side in pixels, about, of a picture for other programs


def to_qimage(image: NDArray[np.uint8]) -> QImage:
    """A QImage that owns its pixels, of an array (H, W, 3)."""
    rgb = np.ascontiguousarray(image)
    height, width, _ = rgb.shape
    return QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def from_qimage(image: QImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).copy()


def scaled(image: NDArray[np.uint8], side: int, ratio: float = 1.0, smooth: bool = True) -> QPixmap:
    """A pixmap of `side` device-independent pixels, drawn for a screen of this pixel ratio."""
    mode = Qt.TransformationMode.SmoothTransformation if smooth else Qt.TransformationMode.FastTransformation
    size = QSize(round(side * ratio), round(side * ratio))
    pixmap = QPixmap.fromImage(to_qimage(image)).scaled(size, Qt.AspectRatioMode.KeepAspectRatio, mode)
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def whole_scale(side: int, room: float) -> int:
    """The largest whole-number multiple of `side` that fits into `room`, at least 1."""
    return max(1, int(room // max(side, 1)))


def mime_photos(mime: QMimeData) -> list[Path | bytes]:
    """Local files, or the bytes of a picture, that a drop or the clipboard holds."""
    if mime.hasFormat(OWN):  # from a window of ours, with the model's own pixels
        return [bytes(mime.data(OWN).data())]
    files: list[Path | bytes] = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
    if files:
        return files
    if mime.hasFormat(PNG):  # as it was, not as Qt would draw it
        return [bytes(mime.data(PNG).data())]
    if mime.hasImage():  # a picture from a browser brings a web address along
        image = QImage(mime.imageData())
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        if image.save(buffer, "PNG"):  # type: ignore[call-overload]
            return [bytes(buffer.data().data())]
    return []


def web_address(mime: QMimeData) -> str:
    """The address of a picture that is on the web only, as browsers give it away; else empty."""
    if mime_photos(mime):
        return ""
    text = mime.text().strip()
    urls = [url.toString() for url in mime.urls() if url.scheme() in ("http", "https")]
    if not urls and text.startswith(("http://", "https://")) and len(text.split()) == 1:
        urls = [text]
    return urls[0] if urls else ""


def picture_mime(image: NDArray[np.uint8], recipe: Mapping[str, Any] | None) -> QMimeData:
    """A picture (S, S, 3) for the clipboard or a drag, with its recipe inside.

    Other programs get it enlarged by a whole number to about 512 px, this one with its own pixels.
    """
    scale = max(1, LARGE // image.shape[0])
    mime = QMimeData()
    mime.setData(OWN, photos.png(image, recipe))
    mime.setData(PNG, photos.png(image, recipe, scale))
    mime.setImageData(to_qimage(image.repeat(scale, 0).repeat(scale, 1)))
    return mime
