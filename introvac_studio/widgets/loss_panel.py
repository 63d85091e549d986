"""The Losses dock: the plots of one run with their toolbar, or several runs over each other."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.settings import Settings
from introvac_studio.widgets.loss_overlay import OverlayPanel
from introvac_studio.widgets.loss_plot import LossPlots
from introvac_studio.widgets.loss_toolbar import LossToolbar
from trainer.run_summary import RunCurves


class LossPanel(QWidget):
    """The loss plots and their toolbar; `overlay` lies over them while several runs are compared."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plots = LossPlots()
        self.toolbar = LossToolbar(self.plots)
        self.overlay = OverlayPanel()
        self._one = QWidget()
        one = QVBoxLayout(self._one)
        one.setContentsMargins(0, 0, 0, 0)
        one.setSpacing(4)
        one.addWidget(self.toolbar)
        one.addWidget(self.plots, 1)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, theme.GRID, 0, 0)
        self._stack.addWidget(self._one)
        self._stack.addWidget(self.overlay)

    def remember_in(self, settings: Settings) -> None:
        """Take up the choices of last time in both toolbars, and keep those to come."""
        for toolbar in (self.toolbar, self.overlay.toolbar):
            toolbar.remember_in(settings)

    @property
    def overlaid(self) -> bool:
        """Whether several runs are on show."""
        return self._stack.currentWidget() is self.overlay

    @Slot(object)
    def show_overlay(self, runs: Sequence[RunCurves]) -> None:
        """Several runs; with none, the one run again."""
        if runs:
            self.overlay.show_runs(runs)
        self._stack.setCurrentWidget(self.overlay if runs else self._one)
