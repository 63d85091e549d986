"""Colours that can be read and told apart, also by eyes that lack a kind of cone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from introvac_studio import theme

# Viénot, Brettel and Mollon (1999): linear RGB to LMS, and what dichromats see of it.
_LMS = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
_SEEN = {
    "trichromat": np.eye(3),
    "protanope": np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
    "deuteranope": np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
}
APART = 9.0  # CIEDE2000 between any two of the colours of one plot; 1 is just noticeable side by side
READABLE = 4.5  # contrast of text, WCAG 2 AA
VISIBLE = 3.0  # contrast of what is no text: a focus ring, a sign


def linear(colour: str) -> NDArray[np.float64]:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def seen(colour: str, eyes: str) -> NDArray[np.float64]:
    """The linear RGB that these eyes cannot tell from the colour."""
    simulated = np.linalg.inv(_LMS) @ _SEEN[eyes] @ _LMS @ linear(colour)
    return np.clip(simulated, 0, 1)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    xyz = (
        np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                  [0.0193339, 0.1191920, 0.9503041]]) @ rgb / np.array([0.95047, 1.0, 1.08883])
    )  # fmt: skip
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Sharma, Wu and Dalal (2005), with unit weights."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = (1 - np.sqrt(c7 / (c7 + 25**7))) / 2
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    dh = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dl, dc, dH = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    if c1 * c2 == 0:
        hm = h1 + h2
    elif abs(h1 - h2) <= 180:
        hm = (h1 + h2) / 2
    else:
        hm = (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2
    cos = lambda degrees: np.cos(np.radians(degrees))  # noqa: E731
    t = 1 - 0.17 * cos(hm - 30) + 0.24 * cos(2 * hm) + 0.32 * cos(3 * hm + 6) - 0.2 * cos(4 * hm - 63)
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    rt = -np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2)))) * 2 * np.sqrt(cm**7 / (cm**7 + 25**7))
    return float(np.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dH / sh) ** 2 + rt * dc / sc * dH / sh))


def contrast(one: str, two: str) -> float:
    """WCAG 2."""
    y = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(c)) for c in (one, two))
    return (y[1] + 0.05) / (y[0] + 0.05)


def test_that_the_formula_gives_published_differences() -> None:
    # Pairs 1, 7 and 25 of the table in Sharma, Wu and Dalal.
    for one, two, wanted in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ):
        assert ciede2000(np.array(one), np.array(two)) == pytest.approx(wanted, abs=1e-4)
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("eyes", _SEEN)
@pytest.mark.parametrize("paper", ["dark", "light"])
def test_that_attributes_and_losses_can_be_told_apart(eyes: str, paper: str) -> None:
    # Losses take their colours from the attributes' set.
    dark = paper == "dark"
    colours = [c if dark else QColor(c).darker(135).name() for c in theme.ATTRIBUTE_COLOURS]  # as `ink` does
    found = {
        (a, b): ciede2000(lab(seen(a, eyes)), lab(seen(b, eyes)))
        for a, b in itertools.combinations(colours, 2)
    }
    assert min(found.values()) >= APART, sorted(found.items(), key=lambda item: item[1])[:4]


@pytest.mark.parametrize("palette", [theme.DARK, theme.LIGHT], ids=["dark", "light"])
def test_that_text_can_be_read(palette: theme.Palette) -> None:
    p = palette
    grounds = (p.window, p.panel, p.raised)
    pairs = [(text, ground) for text in (p.text, p.muted, p.warn) for ground in grounds]
    pairs += [(p.accent_text, p.accent), (p.text, p.border)]
    bad = {pair: round(contrast(*pair), 2) for pair in pairs if contrast(*pair) < READABLE}
    assert not bad
    rings = {(c, g): round(contrast(c, g), 2) for c in (p.accent, p.good, p.bad, p.plane) for g in grounds}
    assert min(rings.values()) >= VISIBLE, rings


def test_that_the_keyboards_place_is_ringed() -> None:
    sheet = theme.stylesheet(theme.DARK)
    controls = "QPushButton QToolButton QComboBox QLineEdit QCheckBox::indicator QListView QTableView"
    for control in f"{controls} QSlider::handle QTabBar::tab QPlainTextEdit".split():
        assert f"{control}:focus" in sheet.replace(
            "QSlider::handle:horizontal:focus", "QSlider::handle:focus"
        )
