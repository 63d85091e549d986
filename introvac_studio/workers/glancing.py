"""Small work for the thread that owns the open model, done only while nothing of the edit waits.

Every piece is one picture, so that a drag which begins meanwhile waits for at most one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from introvac_studio.glances import Cell, Glance, Judged, Sheet
from introvac_studio.state import Code, Image
from introvac_studio.workers.inference import InferenceThread

if TYPE_CHECKING:
    from trainer.codec import Codec


class Glancing(QObject):
    """Asks the inference thread; of each kind the newest request counts, and takes the place of the others.

    Signals:
        seen: a `Glance`.
        drawn: a `Cell`, one a picture of a sheet.
        judged: a `Judged`.
    """

    seen = Signal(object)
    drawn = Signal(object)
    judged = Signal(object)

    def __init__(self, inference: InferenceThread, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._inference = inference

    @Slot(int, object, int)
    def look(self, stamp: int, z: Code, serial: int) -> None:
        """The picture of a code (d,): `seen`."""

        def work(codec: Codec) -> Iterator[None]:
            self.seen.emit(Glance(serial, codec.decode(z[None])[0]))
            yield

        self._inference.at_leisure("glance", stamp, work)

    @Slot(object)
    def draw(self, sheet: Sheet) -> None:
        """The pictures of a sheet, from the middle outwards: `drawn`."""
        middle = (len(sheet.codes) - 1) / 2

        def work(codec: Codec) -> Iterator[None]:
            for i in sorted(range(len(sheet.codes)), key=lambda i: abs(i - middle)):
                self.drawn.emit(Cell(sheet, i, codec.decode(sheet.codes[i][None])[0]))
                yield

        self._inference.at_leisure("sheet", sheet.stamp, work)

    @Slot(int, object, object)
    def judge(self, stamp: int, codes: Code, images: Image) -> None:
        """Encode the pictures (n, S, S, 3) of codes (n, d) again: `judged`."""

        def work(codec: Codec) -> Iterator[None]:
            parts = []
            for image in images:
                parts.append(codec.encode(image[None])[0])
                yield
            self.judged.emit(Judged(codes, np.concatenate(parts).astype(np.float64)))

        self._inference.at_leisure("judge", stamp, work)
