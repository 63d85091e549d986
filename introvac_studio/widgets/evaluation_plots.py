"""Calibration of the classifier, and what each dimension of the code holds, of one model or two."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.evaluation_figures import number
from introvac_studio.evaluation_results import Curve, Latent, Model
from introvac_studio.language import tr
from introvac_studio.widgets.diagnostics_view import SmallPlot
from introvac_studio.widgets.inks import ink, mixed
from introvac_studio.widgets.metric_table import model_colour
from introvac_studio.widgets.texts import heading, muted, tabular


class _Titled(QWidget):
    """A heading, a legend and a plot that follows the theme."""

    def __init__(self, title: str, name: str, tip: str) -> None:
        super().__init__()
        self.title, self.legend, self.said = heading(title), muted(wrap=True), muted(wrap=True)
        self.title.setToolTip(tip)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.said.setFont(tabular(self.said.font()))
        self.plot = SmallPlot(name, 150)
        self.plot.setToolTip(tip)
        # A table above has the height it needs first; a plot takes what is left.
        self.plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.title, self.legend, self.said):
            layout.addWidget(widget)
        self.said.hide()
        layout.addWidget(self.plot, 1)

    def draw(self) -> None:
        """Draw what is kept in the present colours."""
        raise NotImplementedError

    def restyle(self) -> None:
        self.plot.restyle(left=True)
        axes = self.plot.getPlotItem()
        for side in ("left", "bottom"):
            axes.getAxis(side).setStyle(maxTickLevel=0)
        self.plot.getPlotItem().clear()
        self.draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.restyle()


class CalibrationPlot(_Titled):
    """How often yes holds, over the stated probability of it; the diagonal is perfect."""

    def __init__(self) -> None:
        tip = tr(
            "Faces in bins of the stated probability: how often the label holds in each. On the line is best."
        )
        super().__init__(tr("Calibration: yes holds, by stated probability"), tr("calibration"), tip)
        self._curves: tuple[tuple[Curve, ...], ...] = ()
        self.restyle()

    def show_models(self, models: Sequence[Model]) -> None:
        self._curves = tuple(model.curves for model in models)
        told = []
        for letter, curves in zip("AB", self._curves, strict=False):
            who = f"{letter} " if len(models) > 1 else ""
            told += [
                tr("{name} error {share}", name=f"{who}{curve.name}", share=number(curve.error, True))
                for curve in curves
            ]
        self.plot.setAccessibleDescription("; ".join(told))
        self.restyle()

    def draw(self) -> None:
        p, item = theme.current(), self.plot.getPlotItem()
        self.plot.set_range((-0.03, 1.03), (-0.03, 1.03))
        pen = pg.mkPen(p.muted, width=1, style=Qt.PenStyle.DashLine)
        item.addItem(pg.PlotDataItem([0, 1], [0, 1], pen=pen))
        names = list(dict.fromkeys(curve.name for curves in self._curves for curve in curves))
        for k, curves in enumerate(self._curves):
            for curve in curves:
                colour = ink(theme.attribute_colour(names.index(curve.name)))
                style = Qt.PenStyle.DotLine if k else Qt.PenStyle.SolidLine
                counts = np.asarray(curve.counts, float)
                size = 5 + 9 * np.sqrt(counts / max(counts.sum(), 1)) if len(counts) else 5
                item.addItem(
                    pg.PlotDataItem(
                        np.asarray(curve.confidence), np.asarray(curve.frequency),
                        pen=pg.mkPen(colour, width=1.5, style=style), symbol="s" if k else "o",
                        symbolSize=size, symbolPen=pg.mkPen(colour),
                        symbolBrush=pg.mkBrush(p.panel if k else colour),
                    )
                )  # fmt: skip
        dots = [
            f'<span style="color:{ink(theme.attribute_colour(i)).name()}">●</span>&nbsp;{html.escape(name)}'
            for i, name in enumerate(names)
        ]
        two = [tr("larger: more faces; B open") if len(self._curves) > 1 else tr("larger: more faces")]
        self.legend.setText(" &nbsp; ".join(dots + two))


class LatentPlot(_Titled):
    """KL of each dimension, the largest first."""

    def __init__(self) -> None:
        tip = tr(
            "Mean KL of q(z|x) from the prior by dimension, in nats: near 0, one says nothing of a face."
        )
        super().__init__(tr("KL of each dimension in nats, largest first"), tr("KL by dimension"), tip)
        self._found: tuple[tuple[int, str, Latent], ...] = ()  # which model, its label, its code
        self.restyle()

    def show_models(self, models: Sequence[Model], labels: Sequence[str]) -> None:
        self._found = tuple(
            (i, label, model.latent)
            for i, (label, model) in enumerate(zip(labels, models, strict=True))
            if model.latent is not None
        )
        two = len(models) > 1
        told = [
            (f"{label}: " if two else "")
            + tr(
                "total {total}, {active} of {count} dimensions vary by more than {limit}",
                total=number(use.total),
                active=use.active,
                count=len(use.kl),
                limit=f"{use.threshold:g}",
            )
            for _, label, use in self._found
        ]
        self.said.setText("\n".join(told))
        self.said.setVisible(bool(told))
        self.plot.setAccessibleDescription("; ".join(told))
        self.restyle()

    def draw(self) -> None:
        p, item = theme.current(), self.plot.getPlotItem()
        self.legend.setVisible(len(self._found) > 1)
        self.legend.setText(tr("A filled, B as a line"))
        if not self._found:
            return
        top = max(max(use.kl, default=0.0) for _, _, use in self._found)
        most = max(len(use.kl) for _, _, use in self._found)
        self.plot.set_range((0.4, most + 0.6), (0.0, 1.08 * max(top, 1e-9)))
        for k, (i, _, use) in enumerate(self._found):
            colour, heights = model_colour(i), np.sort(np.asarray(use.kl))[::-1]
            x = np.arange(1, len(heights) + 1)
            if k == 0:
                bars = pg.BarGraphItem(
                    x=x, height=heights, width=0.72, pen=pg.mkPen(None), brush=mixed(colour, p.panel, 0.75)
                )
                item.addItem(bars)
            else:
                edges = np.arange(len(heights) + 1) + 0.5
                item.addItem(
                    pg.PlotDataItem(edges, heights, stepMode="center", pen=pg.mkPen(colour, width=2))
                )
