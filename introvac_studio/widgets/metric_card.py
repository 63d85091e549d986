"""A headline of an evaluation: a number of each model, what belongs to it, the better one marked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout

from introvac_studio import theme
from introvac_studio.evaluation_cards import Card
from introvac_studio.language import tr
from introvac_studio.widgets.metric_table import model_colour
from introvac_studio.widgets.texts import Line, tabular


class CardView(QFrame):
    """A headline: what, the number of each model, and what belongs to it."""

    def __init__(self, card: Card, labels: Sequence[str]) -> None:
        super().__init__()
        self.card = card
        self.setObjectName("card")
        self.setToolTip(card.tip)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        two = len(labels) > 1
        side = theme.GRID if two else 12
        layout.setContentsMargins(side, theme.GRID, side, theme.GRID)
        layout.setSpacing(2)
        title = Line()
        title.setObjectName("heading")
        title.say(card.title)
        layout.addWidget(title)
        self.values: list[QLabel] = []
        told = []
        for i, (figure, below) in enumerate(zip(card.cell.figures, card.below, strict=True)):
            line = QHBoxLayout()
            line.setSpacing(4 if two else 6)
            value = QLabel("–" if figure is None else figure.text)
            value.setFont(tabular(self.font(), 15 if two else 22, bold=True))
            value.setStyleSheet(f"font-size: {15 if two else 22}px;")
            self.values.append(value)
            if two:
                dot = QLabel("●")
                dot.setStyleSheet(f"color: {model_colour(i).name()}; font-size: 10px;")
                line.addWidget(dot)
            line.addWidget(value)
            best = card.cell.best == i
            if best:
                mark = QLabel("✓")
                mark.setStyleSheet(f"color: {theme.current().good}; font-weight: 700;")
                line.addWidget(mark)
            reach = "" if figure is None else figure.interval
            lines = [part for part in (reach, *below) if part]
            if two:
                more = _small(reach, "\n".join(lines))
                line.addWidget(more, 1)
                layout.addLayout(line)
            else:
                line.addStretch(1)
                layout.addLayout(line)
                for k in range(2):
                    layout.addWidget(_small(lines[k] if k < len(lines) else " "))
            spoken = f"{labels[i]}: " if two else ""
            said = [f"{spoken}{value.text()}", *lines, *([tr("better")] if best else [])]
            told.append(" ".join(said))
        self.setAccessibleName(f"{card.title}: {'; '.join(' '.join(text.split()) for text in told)}")


def _small(text: str, more: str = "") -> Line:
    label = Line()
    label.setFont(tabular(label.font(), 11))
    label.setStyleSheet("font-size: 11px;")
    label.say(text, more)
    return label
