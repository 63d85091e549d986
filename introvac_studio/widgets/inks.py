"""Colours of curves on the present paper."""

from __future__ import annotations

from PySide6.QtGui import QColor

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
