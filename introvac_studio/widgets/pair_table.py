"""How many faces have both of two attributes."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from introvac_studio import theme
from introvac_studio.language import tr, trn
from introvac_studio.widgets.texts import tabular

_ROW = 28


class PairTable(QTableWidget):
    """Counts of pairs, shaded by how many; the diagonal counts each attribute alone."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        self.setCornerButtonEnabled(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Faces with both attributes"))

    def show_counts(self, names: tuple[str, ...], counts: np.ndarray) -> None:
        """Show (K, K) counts of K attributes."""
        self.clear()
        self.setRowCount(len(names))
        self.setColumnCount(len(names))
        self.setHorizontalHeaderLabels(list(names))
        self.setVerticalHeaderLabels(list(names))
        most = max(int(counts.max(initial=0)), 1)
        accent = QColor(theme.current().accent)
        for i, row in enumerate(counts.tolist()):
            for j, count in enumerate(row):
                item = QTableWidgetItem(f"{count:,}")
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                item.setFont(tabular(self.font(), 12))
                shade = QColor(accent)
                shade.setAlphaF(0.08 + 0.42 * count / most)
                item.setBackground(shade)
                both = names[i] if i == j else tr("{a} and {b}", a=names[i], b=names[j])
                item.setToolTip(
                    trn("{count} training face has {both}", "{count} training faces have {both}",
                        count, count=f"{count:,}", both=both)
                )  # fmt: skip
                self.setItem(i, j, item)
        self.horizontalHeader().setFixedHeight(_ROW)
        self.resizeColumnsToContents()
        self.setMaximumWidth(self.verticalHeader().sizeHint().width() + self.horizontalHeader().length() + 4)
        self.setFixedHeight(_ROW * (len(names) + 1) + 4 + (12 if len(names) > 6 else 0))
