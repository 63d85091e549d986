"""The results of an evaluation: headline cards on top, and pages of tables, plots and pictures below.

`show_results(Results)` fills it, `clear(text)` says what to do where there is nothing yet.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFont, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.evaluation_results import AMOUNTS, Results
from introvac_studio.evaluation_tables import Card, number
from introvac_studio.widgets import heat_map
from introvac_studio.widgets.evaluation_plots import CalibrationPlot, LatentPlot
from introvac_studio.widgets.heat_map import HeatMap
from introvac_studio.widgets.metric_table import MetricTable, model_colour
from introvac_studio.widgets.picture_browser import PictureBrowser
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import Line, muted, tabular

PAGES = ("Distances", "Samples", "Edits", "Leakage", "Reading", "Pictures", "Notes")
_HOW = "Choose a number to see how it was measured."


def _scrolled(widget: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(widget)
    return area


class CardView(QFrame):
    """A headline: what, the number of each model, and what belongs to it."""

    def __init__(self, card: Card, labels: Sequence[str]) -> None:
        super().__init__()
        self.card = card
        self.setObjectName("card")
        self.setToolTip(card.tip)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, theme.GRID, 12, theme.GRID)
        layout.setSpacing(2)
        title = Line()
        title.setObjectName("heading")
        title.say(card.title)
        layout.addWidget(title)
        self.values: list[QLabel] = []
        told = []
        two = len(labels) > 1
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
                more = _small(reach, "\n".join(lines), 11)
                line.addWidget(more, 1)
                layout.addLayout(line)
            else:
                line.addStretch(1)
                layout.addLayout(line)
                for k in range(2):
                    layout.addWidget(_small(lines[k] if k < len(lines) else " "))
            spoken = f"{labels[i]}: " if two else ""
            told.append(f"{spoken}{value.text()} {' '.join(lines)}{' better' if best else ''}")
        self.setAccessibleName(f"{card.title}: {'; '.join(' '.join(text.split()) for text in told)}")


def _small(text: str, more: str = "", pixels: int = 12) -> Line:
    label = Line()
    label.setFont(tabular(label.font(), pixels))
    label.setStyleSheet(f"font-size: {pixels}px;")
    label.say(text, more)
    return label


class _Detail(QLabel):
    """How the chosen number was measured."""

    def __init__(self) -> None:
        super().__init__(_HOW)
        self.setObjectName("muted")
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    @Slot(str)
    def tell(self, text: str) -> None:
        self.setText(text or _HOW)


class EvaluationView(QWidget):
    """All of an evaluation's results.

    Signals:
        reportRequested, folderRequested, saveRequested, openRequested: the buttons on top.
    """

    reportRequested = Signal()
    folderRequested = Signal()
    saveRequested = Signal()
    openRequested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.results: Results | None = None
        self._empty = QLabel()
        self._empty.setObjectName("empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setMargin(6 * theme.GRID)
        self.open_empty = QPushButton("Open results…")
        blank = QWidget()
        column = QVBoxLayout(blank)
        column.addStretch(1)
        column.addWidget(self._empty)
        column.addWidget(self.open_empty, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self._content = QWidget()
        self._build(self._content)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(blank)
        self._stack.addWidget(_scrolled(self._content))  # in low windows all of it scrolls
        self.open_empty.clicked.connect(self.openRequested)

    def _build(self, content: QWidget) -> None:
        layout = QVBoxLayout(content)
        layout.setContentsMargins(*[12] * 4)
        layout.setSpacing(12)
        layout.addLayout(self._head())
        self._cards = QHBoxLayout()
        self._cards.setSpacing(theme.GRID)
        self.cards: list[CardView] = []
        layout.addLayout(self._cards)
        bar = QHBoxLayout()
        self.tabs = Segmented(PAGES, "results")
        self.amounts = Segmented(AMOUNTS, "amounts of edits")
        self.amounts.setToolTip(
            "At the amounts chosen for the most success, or at those that give every edit the same success"
        )
        self.kind = Segmented(heat_map.KINDS, "what the colours show")
        bar.addWidget(self.tabs)
        bar.addStretch(1)
        bar.addWidget(self.amounts)
        layout.addLayout(bar)
        self.pages = QStackedWidget()
        for page in (
            self._distances_page(),
            self._samples_page(),
            self._edits_page(),
            self._leakage_page(),
            self._reading_page(),
            self._pictures_page(),
            self._notes_page(),
        ):
            self.pages.addWidget(page)
        layout.addWidget(self.pages, 1)
        self.tabs.changed.connect(self._on_page)
        self.amounts.changed.connect(self._on_amounts)
        self.kind.changed.connect(self._on_amounts)
        for place, page_name in enumerate(PAGES, 1):
            shortcut = QShortcut(QKeySequence(f"Alt+{place}"), content)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(lambda name=page_name: self.tabs.set_value(name))

    def _head(self) -> QGridLayout:
        self.title = QLabel()
        self.title.setTextFormat(Qt.TextFormat.RichText)
        self.title.setStyleSheet("font-size: 15px;")
        font = QFont(self.font())
        font.setBold(True)
        self.title.setFont(font)
        self.facts = Line()
        self.report = QPushButton("Open report")
        self.report.setToolTip("The whole evaluation as a page in your browser")
        self.folder = QPushButton("Open folder")
        self.folder.setToolTip("Numbers, report and pictures as files")
        self.save = QPushButton("Save as…")
        self.save.setToolTip("Put a copy of the report elsewhere; it is one file with its pictures inside")
        self.open = QPushButton("Open results…")
        self.open.setToolTip("Look at an earlier evaluation (Ctrl+Shift+M)")
        head = QGridLayout()
        head.setHorizontalSpacing(theme.GRID)
        head.setVerticalSpacing(2)
        head.addWidget(self.title, 0, 0)
        head.addWidget(self.facts, 1, 0, 1, 5)
        head.setColumnStretch(0, 1)
        for k, button in enumerate((self.report, self.folder, self.save, self.open), 1):
            head.addWidget(button, 0, k)
        self.report.clicked.connect(self.reportRequested)
        self.folder.clicked.connect(self.folderRequested)
        self.save.clicked.connect(self.saveRequested)
        self.open.clicked.connect(self.openRequested)
        return head

    def _page(self, *widgets: QWidget) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        for widget in widgets:
            layout.addWidget(widget)
        layout.addStretch(1)
        return page

    def _distances_page(self) -> QWidget:
        self.distances, self._no_distances, detail = MetricTable("distances"), muted(wrap=True), _Detail()
        self.distances.chosen.connect(detail.tell)
        return self._page(self._no_distances, self.distances, detail)

    def _samples_page(self) -> QWidget:
        self.samples, self._no_samples, detail = MetricTable("samples"), muted(wrap=True), _Detail()
        self.samples.chosen.connect(detail.tell)
        return self._page(self._no_samples, self.samples, detail)

    def _edits_page(self) -> QWidget:
        self.edits = MetricTable("edits")
        self._no_edits, detail = muted(wrap=True), _Detail()
        self.edits.chosen.connect(detail.tell)
        return self._page(self._no_edits, self.edits, detail)

    def _leakage_page(self) -> QWidget:
        self.heats = (HeatMap("leakage of the first model"), HeatMap("leakage of the second model"))
        self._heat_names = (QLabel(), QLabel())
        self._no_heat = muted(wrap=True)
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.GRID)
        for k, (name, heat) in enumerate(zip(self._heat_names, self.heats, strict=True)):
            name.setWordWrap(True)
            grid.addWidget(name, 2 * k, 0)
            grid.addWidget(heat, 2 * k + 1, 0)
        grid.setRowStretch(4, 1)
        grid.setColumnStretch(1, 1)
        legend = muted(
            "A row is an edit, a column what it does to another attribute, as the judge sees it. A dashed "
            "border marks what the true edit changes too: a shaved beard is no beard any more. Best is 0 "
            "elsewhere.",
            wrap=True,
        )
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        top = QHBoxLayout()
        top.setSpacing(2 * theme.GRID)
        top.addWidget(legend, 1)
        top.addWidget(self.kind, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(top)
        layout.addWidget(self._no_heat)
        layout.addWidget(_scrolled(inner), 1)
        return page

    def _reading_page(self) -> QWidget:
        self.reading = MetricTable("how rightly attributes are read")
        self.calibration, self.latent = CalibrationPlot(), LatentPlot()
        detail = _Detail()
        self.reading.chosen.connect(detail.tell)
        self._no_reading, self._plots = muted(wrap=True), QWidget()
        plots = QHBoxLayout(self._plots)
        plots.setContentsMargins(0, 0, 0, 0)
        plots.setSpacing(3 * theme.GRID)
        plots.addWidget(self.calibration, 2)
        plots.addWidget(self.latent, 3)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self._no_reading)
        layout.addWidget(self.reading)
        layout.addWidget(detail)
        layout.addWidget(self._plots, 1)
        layout.addStretch(0)
        return page

    def _pictures_page(self) -> QWidget:
        self.pictures = PictureBrowser()
        return self.pictures

    def _notes_page(self) -> QWidget:
        self.notes = QLabel()
        self.notes.setTextFormat(Qt.TextFormat.RichText)
        self.notes.setWordWrap(True)
        self.notes.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        flags = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        self.notes.setTextInteractionFlags(flags)
        return _scrolled(self.notes)

    # -- what it is told ------------------------------------------------------------------

    def clear(self, text: str) -> None:
        """Say what will be here."""
        self.results = None
        self._empty.setText(text)
        self._stack.setCurrentIndex(0)

    @property
    def empty_text(self) -> str:
        """What is said in place of results; empty where there are some."""
        return self._empty.text() if self._stack.currentIndex() == 0 else ""

    def show_results(self, results: Results) -> None:
        """Fill all pages."""
        self.results = results
        names = results.labels
        dots = [f'<span style="color:{model_colour(i).name()}">●</span>&nbsp;' for i in range(len(names))]
        dots = dots if len(names) > 1 else [""]
        self.title.setText(" &nbsp; ".join(dot + html.escape(n) for dot, n in zip(dots, names, strict=True)))
        self.title.setToolTip(
            "\n".join(f"{n}: {m.facts}" for n, m in zip(names, results.models, strict=True))
        )
        self.facts.say(results.facts, f"{results.facts}\n{results.made}\n{results.path}")
        self.report.setEnabled(results.report is not None)
        self.save.setEnabled(results.report is not None)
        self._fill_cards(results)
        self.distances.show_table(results.distances, names)
        self.samples.show_table(results.samples, names)
        self.reading.show_table(results.reading, names)
        for table, note, said in (
            (self.distances, self._no_distances, "Distances were not measured; see the notes."),
            (self.samples, self._no_samples, "How good samples are was not measured; see the notes."),
            (self.reading, self._no_reading, "How labels are read was not measured; see the notes."),
        ):
            there = table.rowCount() > 0
            table.setVisible(there)
            note.setText("" if there else said)
            note.setVisible(not there)
        self._plots.setVisible(any(m.curves or m.latent for m in results.models))
        self.calibration.show_models(results.models)
        self.latent.show_models(results.models, names)
        self.pictures.show_models(results.models, names)
        self._fill_notes(results)
        self._on_amounts()
        self._stack.setCurrentIndex(1)
        self._on_page(self.tabs.value)

    def _fill_cards(self, results: Results) -> None:
        for old in self.cards:
            self._cards.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.cards = [CardView(card, results.labels) for card in results.cards]
        for view in self.cards:
            self._cards.addWidget(view, 1)

    def _fill_notes(self, results: Results) -> None:
        lines = [
            f"<p><b>{html.escape(f'{note.model}: ' if note.model else '')}{html.escape(note.what)}</b>"
            f"<br>{html.escape(note.why)}</p>"
            for note in results.notes
        ]
        about = [
            f"<p><b>{html.escape(name)}</b><br>{html.escape(model.facts)}<br>{html.escape(model.sha256[:16])}</p>"
            for name, model in zip(results.labels, results.models, strict=True)
        ]
        missing = "".join(lines) or "<p>Everything was measured.</p>"
        self.notes.setText(
            f"<h3>What to keep in mind</h3>{missing}<h3>What was evaluated</h3>{''.join(about)}"
            f"<p>{html.escape(results.facts)}<br>{html.escape(results.made)}<br>{html.escape(str(results.path))}</p>"
        )

    @Slot(str)
    def _on_page(self, page: str) -> None:
        self.pages.setCurrentIndex(PAGES.index(page))
        self.amounts.setVisible(page in ("Edits", "Leakage"))

    @Slot()
    def _on_amounts(self) -> None:
        results, amounts = self.results, self.amounts.value
        if results is None:
            return
        table = results.edits[amounts]
        self.edits.show_table(table, results.labels)
        self.edits.setVisible(bool(table.rows))
        equal = amounts == AMOUNTS[1]
        why = "Edits were not measured" + (" at equal success; that needs a judge" if equal else "")
        levels = [m.success for m in results.models if m.success is not None]
        level = (
            f"Amounts at which {number(levels[0], True)} of edits succeed; found on other faces."
            if levels
            else ""
        )
        self._no_edits.setText(
            level if table.rows and equal else "" if table.rows else f"{why}; see the notes."
        )
        self._no_edits.setVisible(bool(self._no_edits.text()))
        found = [model.heats[amounts] for model in results.models]
        for k, (name, view) in enumerate(zip(self._heat_names, self.heats, strict=True)):
            heat = found[k] if k < len(found) else None
            view.show_heat(heat, self.kind.value)
            view.setVisible(heat is not None)
            name.setVisible(heat is not None)
            if heat is not None:
                mean = "" if heat.mean is None else f"  ·  mean leakage {number(heat.mean, True)}"
                name.setText(results.labels[k] + mean)
        absent = "Leakage was not measured; it needs edits and a judge that knows other attributes."
        self._no_heat.setText("" if any(found) else absent)
        self._no_heat.setVisible(not any(found))
