"""The results of an evaluation: headline cards on top, and pages of tables, plots and pictures below.

`show_results(Results)` fills it, `clear(text)` says what to do where there is nothing yet.
"""

from __future__ import annotations

import html

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QFont, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.evaluation_figures import number
from introvac_studio.evaluation_results import AMOUNTS, Results
from introvac_studio.language import mark, tr
from introvac_studio.widgets.evaluation_plots import CalibrationPlot, LatentPlot
from introvac_studio.widgets.leakage_page import LeakagePage, scrolled
from introvac_studio.widgets.metric_card import CardView
from introvac_studio.widgets.metric_table import model_colour
from introvac_studio.widgets.picture_browser import PictureBrowser
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.table_page import TablePage
from introvac_studio.widgets.texts import Line

PAGES = (
    mark("Distances"),
    mark("Samples"),
    mark("Edits"),
    mark("Leakage"),
    mark("Reading"),
    mark("Pictures"),
    mark("Notes"),
)


class _Pages(QStackedWidget):
    """Pages that scroll inside themselves: the highest one does not make all of them as high."""

    def hasHeightForWidth(self) -> bool:
        return False


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
        self._open = ""  # digest of the open model
        self._empty = QLabel()
        self._empty.setObjectName("empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setMargin(6 * theme.GRID)
        self.open_empty = QPushButton(tr("Open results…"))
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
        self._stack.addWidget(scrolled(self._content))  # in low windows all of it scrolls
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
        self.tabs = Segmented(PAGES, tr("results"))
        self.tabs.setToolTip(tr("{first} to {last}", first="Alt+1", last=f"Alt+{len(PAGES)}"))
        self.amounts = Segmented(AMOUNTS, tr("amounts of edits"))
        self.amounts.setToolTip(
            tr(
                "At the amounts chosen for the most success, or at those that give every edit the same "
                "success"
            )
        )
        bar.addWidget(self.tabs)
        bar.addStretch(1)
        bar.addWidget(self.amounts)
        layout.addLayout(bar)
        self.pages = _Pages()
        self._build_pages()
        layout.addWidget(self.pages, 1)
        self.tabs.changed.connect(self._on_page)
        self.amounts.changed.connect(self._on_amounts)
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
        self.other = QLabel(tr("These are results of another model than the one that is open."))
        self.other.setObjectName("warning")
        self.report = QPushButton(tr("Open report"))
        self.report.setToolTip(tr("The whole evaluation as a page in your browser"))
        self.folder = QPushButton(tr("Open folder"))
        self.folder.setToolTip(tr("Numbers, report and pictures as files"))
        self.save = QPushButton(tr("Save as…"))
        self.save.setToolTip(
            tr("Put a copy of the report elsewhere; it is one file with its pictures inside")
        )
        self.open = QPushButton(tr("Open results…"))
        self.open.setToolTip(tr("Look at an earlier evaluation (Ctrl+Shift+M)"))
        head = QGridLayout()
        head.setHorizontalSpacing(theme.GRID)
        head.setVerticalSpacing(2)
        head.addWidget(self.title, 0, 0)
        head.addWidget(self.facts, 1, 0, 1, 5)
        head.addWidget(self.other, 2, 0, 1, 5)
        head.setColumnStretch(0, 1)
        for k, button in enumerate((self.report, self.folder, self.save, self.open), 1):
            head.addWidget(button, 0, k)
        self.report.clicked.connect(self.reportRequested)
        self.folder.clicked.connect(self.folderRequested)
        self.save.clicked.connect(self.saveRequested)
        self.open.clicked.connect(self.openRequested)
        return head

    def _build_pages(self) -> None:
        self.calibration, self.latent = CalibrationPlot(), LatentPlot()
        self._plots = QWidget()
        plots = QHBoxLayout(self._plots)
        plots.setContentsMargins(0, 0, 0, 0)
        plots.setSpacing(3 * theme.GRID)
        plots.addWidget(self.calibration, 2)
        plots.addWidget(self.latent, 3)
        self.distances, self.samples = TablePage(tr("distances")), TablePage(tr("samples"))
        self.edits = TablePage(tr("edits"))
        self.leakage = LeakagePage()
        self.reading = TablePage(tr("how rightly attributes are read"), self._plots)
        self.pictures = PictureBrowser()
        for page in (
            self.distances, self.samples, self.edits, self.leakage, self.reading, self.pictures,
            self._notes_page(),
        ):  # fmt: skip
            self.pages.addWidget(page)

    def _notes_page(self) -> QWidget:
        self.notes = QLabel()
        self.notes.setTextFormat(Qt.TextFormat.RichText)
        self.notes.setWordWrap(True)
        self.notes.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        flags = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        self.notes.setTextInteractionFlags(flags)
        return scrolled(self.notes)

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

    def set_open_model(self, digest: str) -> None:
        """Which model is open, "" for none: results of another one say so."""
        self._open = digest
        self._tell_whose()

    def _tell_whose(self) -> None:
        self.other.setVisible(
            bool(self._open) and self.results is not None and not self.results.about(self._open)
        )

    def show_results(self, results: Results) -> None:
        """Fill all pages."""
        self.results = results
        names = results.labels
        self.title.setToolTip(
            "\n".join(f"{n}: {m.facts}" for n, m in zip(names, results.models, strict=True))
        )
        self.facts.say(results.facts, f"{results.facts}\n{results.made}\n{results.path}")
        self.report.setEnabled(results.report is not None)
        self.save.setEnabled(results.report is not None)
        self._tell_whose()
        self._fill_head(results)
        for page, table, absent in (
            (self.distances, results.distances, tr("Distances were not measured; see the notes.")),
            (self.samples, results.samples, tr("How good samples are was not measured; see the notes.")),
            (self.reading, results.reading, tr("How labels are read was not measured; see the notes.")),
        ):
            page.show_table(table, names, absent)
        self._plots.setVisible(any(m.curves or m.latent for m in results.models))
        self.calibration.show_models(results.models)
        self.latent.show_models(results.models, names)
        self.pictures.show_models(results.models, names)
        self._fill_notes(results)
        self._on_amounts()
        self._stack.setCurrentIndex(1)
        self._on_page(self.tabs.value)

    def _fill_head(self, results: Results) -> None:
        """The title and the cards, in the theme's colours."""
        names = results.labels
        dots = [f'<span style="color:{model_colour(i).name()}">●</span>&nbsp;' for i in range(len(names))]
        dots = dots if len(names) > 1 else [""]
        self.title.setText(" &nbsp; ".join(dot + html.escape(n) for dot, n in zip(dots, names, strict=True)))
        self._fill_cards(results)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.results is not None:
            self._fill_head(self.results)

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
        missing = "".join(lines) or f"<p>{html.escape(tr('Everything was measured.'))}</p>"
        self.notes.setText(
            f"<h3>{html.escape(tr('What to keep in mind'))}</h3>{missing}"
            f"<h3>{html.escape(tr('What was evaluated'))}</h3>{''.join(about)}"
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
        equal = amounts == AMOUNTS[1]
        absent = (
            tr("Edits were not measured at equal success; that needs a judge; see the notes.")
            if equal
            else tr("Edits were not measured; see the notes.")
        )
        levels = [m.success for m in results.models if m.success is not None]
        level = ""
        if equal and levels:
            level = tr(
                "Amounts at which {share} of edits succeed; found on other faces.",
                share=number(levels[0], True),
            )
        self.edits.show_table(results.edits[amounts], results.labels, absent, level)
        self.leakage.show_heats(results.labels, [model.heats[amounts] for model in results.models])
