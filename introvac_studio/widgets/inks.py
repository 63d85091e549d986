"""Colours of curves and axes on the present paper."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtGui import QColor, QFont

from introvac_studio import theme


def ink(colour: str) -> QColor:
    """A curve's colour, darker on light paper."""
    return QColor(colour) if theme.current().dark else QColor(colour).darker(135)


def mixed(colour: QColor, ground: str, share: float = 0.35) -> QColor:
    """A colour as it would look on a ground with so much opacity."""
    under = QColor(ground)
    pairs = (
        (colour.red(), under.red()),
        (colour.green(), under.green()),
        (colour.blue(), under.blue()),
    )
    return QColor(*(round(share * a + (1 - share) * b) for a, b in pairs))


def dress_axes(item: pg.PlotItem, font: QFont) -> None:
    """Small figures and quiet lines, in the colours of the present theme."""
    p = theme.current()
    for side in ("left", "bottom"):
        axis = item.getAxis(side)
        axis.enableAutoSIPrefix(False)
        axis.setStyle(tickFont=font, tickLength=-4, maxTickLevel=0, tickTextOffset=4)
        axis.setPen(pg.mkPen(p.border))
        axis.setTextPen(pg.mkPen(p.muted))
