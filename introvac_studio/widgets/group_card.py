"""What a group of faces has: a bar an attribute, with a mark at the share of all faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.texts import tabular

ROW = 18  # height of a bar's row in pixels


@dataclass(frozen=True)
class Share:
    """How many of a group and of all have an attribute."""

    name: str
    colour: str
    group: int
    group_size: int
    all: int
    all_size: int

    @property
    def inside(self) -> float:
        """The share of the group, in [0, 1]."""
        return self.group / max(1, self.group_size)

    @property
    def overall(self) -> float:
        """The share of all."""
        return self.all / max(1, self.all_size)

    @property
    def sentence(self) -> str:
        """Both shares with their counts."""
        return tr(
            "{name}: {share} % of the group ({n} of {size}), {all_share} % of all ({all_n} of {all_size})",
            name=self.name,
            share=f"{100 * self.inside:.0f}",
            n=f"{self.group:,}",
            size=f"{self.group_size:,}",
            all_share=f"{100 * self.overall:.0f}",
            all_n=f"{self.all:,}",
            all_size=f"{self.all_size:,}",
        )


class ShareBars(QWidget):
    """The rows."""

    def __init__(self) -> None:
        super().__init__()
        self._shares: tuple[Share, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def shares(self) -> tuple[Share, ...]:
        return self._shares

    def show_shares(self, shares: Sequence[Share]) -> None:
        self._shares = tuple(shares)
        self.setAccessibleName("; ".join(share.sentence for share in shares))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(180, ROW * len(self._shares))

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            row = event.pos().y() // ROW
            self.setToolTip(self._shares[row].sentence if 0 <= row < len(self._shares) else "")
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        colours, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font(), 12))
        metrics = painter.fontMetrics()
        number = metrics.horizontalAdvance("100 %") + 6
        names = max((metrics.horizontalAdvance(share.name) for share in self._shares), default=0)
        left = min(names + theme.GRID, self.width() // 2)
        middle, right = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignRight
        for i, share in enumerate(self._shares):
            y = i * ROW
            painter.setPen(QColor(colours.muted))
            name = metrics.elidedText(share.name, Qt.TextElideMode.ElideRight, left - 6)
            painter.drawText(QRectF(0, y, left, ROW), middle, name)
            text = f"{100 * share.inside:.0f} %"
            painter.setPen(QColor(colours.text))
            painter.drawText(QRectF(self.width() - number, y, number, ROW), middle | right, text)
            track = QRectF(left, y + ROW / 2 - 3, max(8, self.width() - left - number), 6)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.border))
            painter.drawRoundedRect(track, 3, 3)
            painter.setBrush(QColor(share.colour))
            painter.drawRoundedRect(QRectF(track.topLeft(), track.size()).adjusted(
                0, 0, (share.inside - 1) * track.width(), 0), 3, 3)  # fmt: skip
            x = track.left() + share.overall * track.width()
            painter.setPen(QPen(QColor(colours.text), 1.5))
            painter.drawLine(int(x), int(track.top()) - 3, int(x), int(track.bottom()) + 3)


class GroupCard(QFrame):
    """A group's size, what it has, and what can be done with it.

    Signals:
        onlyToggled: whether nothing but the group is to be shown.
        meanRequested: its mean is to be opened as a face.
        cleared: there is to be no group.
    """

    onlyToggled = Signal(bool)
    meanRequested = Signal()
    cleared = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self.text = QLabel()
        self.text.setFont(tabular(self.text.font()))
        self.bars = ShareBars()
        self.only, self.mean, self.clear = (
            QPushButton(tr("Only these")),
            QPushButton(tr("Mean")),
            QPushButton(),
        )
        self.clear.setText("✕")
        self.only.setCheckable(True)
        self.only.setToolTip(tr("Show nothing but the group"))
        self.mean.setToolTip(tr("Edit the mean of the group's codes as a face (Ctrl+Shift+B)"))
        self.clear.setToolTip(tr("No group any more (Escape; Ctrl+Shift+A)"))
        self.clear.setAccessibleName(tr("clear the group"))
        head = QHBoxLayout()
        head.addWidget(self.text, 1)
        head.addWidget(self.clear)
        acts = QHBoxLayout()
        acts.setSpacing(theme.GRID)
        acts.addWidget(self.only, 1)
        acts.addWidget(self.mean, 1)
        for button in (self.only, self.mean, self.clear):
            button.setObjectName("side")
        self.clear.setFixedWidth(28)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GRID, 6, theme.GRID, theme.GRID)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self.bars)
        column.addLayout(acts)
        self.only.toggled.connect(self.onlyToggled)
        self.mean.clicked.connect(self.meanRequested)
        self.clear.clicked.connect(self.cleared)

    def show_group(self, size: int, of: int, shares: Sequence[Share], codes: bool) -> None:
        """Say how many there are and what they have; without codes there is no mean."""
        self.text.setText(tr("group of {n} of {all}", n=f"{size:,}", all=f"{of:,}"))
        self.mean.setEnabled(codes)
        self.bars.show_shares(shares)
