"""Choosing data: where faces come from, which attributes, which of them, with counts and examples.

Wiring::

    panel = DataPanel(settings)
    panel.summaryRequested(DataRequest) -> DataThread.request
    panel.cancelRequested               -> DataThread.cancel
    DataThread.progress -> panel.on_progress; ready -> panel.on_summary; failed -> panel.on_failed
    panel.choiceChanged(DataChoice)     -> TrainingPanel.set_choice
    panel.faceActivated(index)          an example of `panel.summary` is to be edited
    panel.accepted                      -> back to the Train page ("Use this data")
    panel.set_preparation(size, crop, seed)  <- of the run, when its form changes
    panel.load()                        once it is shown for the first time
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice, DataRequest, DataSummary
from introvac_studio.language import mark, tr
from introvac_studio.settings import Settings
from introvac_studio.widgets.attribute_tree import AttributeTree
from introvac_studio.widgets.derive_form import DeriveForm
from introvac_studio.widgets.examples import Examples
from introvac_studio.widgets.form_area import form_area
from introvac_studio.widgets.pair_table import PairTable
from introvac_studio.widgets.source_form import SourceForm, spec_of_folder
from introvac_studio.widgets.texts import duration, heading, muted, tabular
from trainer import files
from trainer.data.derive import parse
from trainer.setup import DEFAULT_ATTRIBUTES

SUBSETS = (
    ("none", mark("All faces")),
    ("eye", mark("Eyeglasses, and twice as many without")),
    ("facial", mark("Facial hair, and as many without")),
    ("eyefacial", mark("Either of both, and as many without")),
    ("balanced", mark("Any chosen attribute, and a share without")),
)
# Where the data has a test split, and where valid stands in for it.
_SPLITS = {
    "train": mark("{n} training"), "valid": mark("{n} validation"), "test": mark("{n} test")
}  # fmt: skip
_STAND_IN = _SPLITS | {"valid": mark("{n} to choose on"), "test": mark("{n} validation")}


class DataPanel(QWidget):
    """The page that chooses data.

    Signals:
        summaryRequested(DataRequest): look at this data.
        cancelRequested: give that up.
        choiceChanged(DataChoice): the choice differs, and the data is good for it.
        accepted: the user is done.
        faceActivated(int): this example of `summary` is to be edited.
        summaryShown: other examples are there, or none.
    """

    summaryRequested = Signal(object)
    cancelRequested = Signal()
    choiceChanged = Signal(object)
    accepted = Signal()
    faceActivated = Signal(int)
    summaryShown = Signal()

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choice = DataChoice()
        self._wished = self._choice.attributes  # also those that the data does not have
        self._size = 64
        self._crop: str | None = None
        self._seed = 0
        self._summary: DataSummary | None = None
        self.source = SourceForm(settings)
        self.setAcceptDrops(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(2 * theme.GRID)
        layout.addWidget(self._build_left(), 2)
        right = QVBoxLayout()
        right.setSpacing(theme.GRID)
        right.addLayout(self._build_head())
        right.addWidget(form_area(self._build_right()), 1)
        layout.addLayout(right, 3)
        self._show_nothing("")

    def sizeHint(self) -> QSize:
        return QSize(1000, 660)

    def _build_left(self) -> QWidget:
        left = QWidget()
        left.setMinimumWidth(320)
        left.setMaximumWidth(420)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Find an attribute"))
        self.search.setAccessibleName(tr("Find an attribute"))
        self.search.setClearButtonEnabled(True)
        self.attributes = AttributeTree()
        layout = QVBoxLayout(left)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.source)
        layout.addSpacing(theme.GRID // 2)
        layout.addWidget(heading(tr("Attributes to learn")))
        layout.addWidget(self.search)
        layout.addWidget(self.attributes, 1)
        self.source.chosen.connect(self.choose)
        self.search.textChanged.connect(self.attributes.narrow)
        self.attributes.toggled.connect(self._on_toggled)
        return left

    def _build_head(self) -> QHBoxLayout:
        self.title = QLabel()
        font = self.title.font()
        font.setPixelSize(15)
        font.setBold(True)
        self.title.setFont(font)
        self.title.setStyleSheet("font-size: 15px;")
        self.title.setWordWrap(True)
        self.use = QPushButton(tr("Use this data"))
        self.use.setObjectName("primary")
        self.use.setToolTip(tr("Train on it: back to the run"))
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        head.addWidget(self.title, 1)
        head.addWidget(self.use, 0, Qt.AlignmentFlag.AlignTop)
        self.use.clicked.connect(self._on_accept)
        return head

    def _build_right(self) -> QWidget:
        right = QWidget()
        self.message = muted(wrap=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress of the preparation"))
        self.cancel = QPushButton(tr("Cancel"))
        self.splits = QLabel()
        self.splits.setWordWrap(True)
        self.splits.setFont(tabular(self.font(), 13))
        self.examples, self.matrix, self.rules = Examples(), PairTable(), DeriveForm()
        self.examples.setAccessibleName(tr("Example pictures"))
        self.skipped = QPlainTextEdit()
        self.skipped.setReadOnly(True)
        self.skipped.setMaximumHeight(110)
        self.skipped.setAccessibleName(tr("Pictures that were left out"))
        layout = QVBoxLayout(right)
        layout.setContentsMargins(0, 0, theme.GRID, 0)
        layout.setSpacing(theme.GRID)
        working = QHBoxLayout()
        working.addWidget(self.bar, 1)
        working.addWidget(self.cancel)
        layout.addWidget(self.message)
        layout.addLayout(working)
        self._sections = [
            _section(tr("Examples"), self.examples),
            _section(tr("Faces to train on"), self._build_subset(), self.splits),
            _section(tr("Training faces that have both"), self.matrix),
            _section(tr("Derived attributes"), self.rules),
            _section(tr("Pictures that cannot be used"), self.skipped),
        ]
        for box in self._sections:
            layout.addWidget(box)
        layout.addStretch(1)
        self.cancel.clicked.connect(self.cancelRequested)
        self.rules.added.connect(self._on_rule)
        self.rules.removed.connect(self._on_rule_removed)
        self.examples.chosen.connect(self.faceActivated)
        return right

    def _build_subset(self) -> QHBoxLayout:
        self.subset, self.ratio = QComboBox(), QDoubleSpinBox()
        self.subset.setAccessibleName(tr("Part of the data"))
        for key, text in SUBSETS:
            self.subset.addItem(tr(text), key)
        self.ratio.setAccessibleName(tr("Faces without for each face with"))
        self.ratio.setRange(0.1, 100)
        self.ratio.setDecimals(1)
        self.ratio.setValue(1)
        self.ratio.setSingleStep(0.5)
        self.ratio.setSuffix(tr(" × as many without"))
        self.ratio.setKeyboardTracking(False)
        pick = QHBoxLayout()
        pick.addWidget(self.subset, 1)
        pick.addWidget(self.ratio)
        self.subset.activated.connect(self._on_subset)
        self.ratio.valueChanged.connect(self._on_subset)
        return pick

    # -- the choice -----------------------------------------------------------------------

    def choice(self) -> DataChoice:
        """What a run would train on."""
        return self._choice

    def take_up(self, choice: DataChoice) -> None:
        """Begin with a choice that comes from elsewhere; it is looked at when the page is."""
        self._choice, self._summary = choice, None
        self._wished = choice.attributes
        kind, _, ratio = choice.subset.partition(":")
        self.subset.setCurrentIndex(max(0, self.subset.findData(kind)))
        with QSignalBlocker(self.ratio), suppress(ValueError):
            self.ratio.setValue(float(ratio or 1))

    def set_preparation(self, size: int, crop: str | None, seed: int) -> None:
        """Prepare pictures as the run will, so that it finds them prepared; `crop` None: the data's own."""
        if (size, crop, seed) != (self._size, self._crop, self._seed):
            self._size, self._crop, self._seed = size, crop, seed
            if self._summary is not None:
                self._request()

    @Slot()
    def load(self) -> None:
        """Look at the present choice, unless that was done."""
        if self._summary is None:
            self._request()

    @Slot(str)
    def choose(self, spec: str) -> None:
        """Other data; derived attributes go, chosen ones stay where the new data has them.

        What it lacks is chosen again in the next data that has it.
        """
        self._choice = DataChoice(spec, self._wished or DEFAULT_ATTRIBUTES)
        self.subset.setCurrentIndex(0)
        self._summary = None
        self._request()

    def _change(self, **parts: Any) -> None:
        self._choice = replace(self._choice, **parts)
        self._request()

    def _request(self) -> None:
        self.title.setText(self._choice.title)
        self.message.setObjectName("muted")
        self.message.style().polish(self.message)
        self.message.setText(tr("Looking at the pictures…"))
        self.message.show()
        self.use.setEnabled(False)
        self.summaryRequested.emit(DataRequest(self._choice, self._size, self._crop, self._seed))

    def _show_nothing(self, text: str) -> None:
        self.title.setText(self._choice.title if text else tr("Choose faces to train on"))
        self.message.setObjectName("warning" if text else "muted")
        self.message.style().polish(self.message)
        hint = tr("Use drawn avatars, open a folder on the left, or drop a folder anywhere on this page.")
        self.message.setText(text or hint)
        for widget in (self.bar, self.cancel, *self._sections):
            widget.hide()
        self.use.setEnabled(False)

    # -- answers --------------------------------------------------------------------------

    @Slot(int, int, object)
    def on_progress(self, done: int, total: int, seconds_left: float | None) -> None:
        """Pictures are being prepared."""
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        text = tr("Preparing pictures: {n} of {all}", n=f"{done:,}", all=f"{total:,}")
        left = "" if seconds_left is None else " · " + tr("{time} left", time=duration(seconds_left))
        self.message.setText(text + left)
        for widget in (self.message, self.bar, self.cancel):
            widget.show()

    @Slot(str)
    def on_failed(self, text: str) -> None:
        """The data cannot be used; what was shown of other data is gone."""
        self._summary = None
        self.attributes.clear()
        self._show_nothing(text)
        self.summaryShown.emit()

    @property
    def summary(self) -> DataSummary | None:
        """What is known of the data whose examples are shown."""
        return self._summary

    @Slot(object)
    def on_summary(self, summary: DataSummary) -> None:
        """Show what is known now; answers to older requests are dropped."""
        choice = self._choice
        if summary.request.choice != choice:
            return
        first = self._summary is None
        self._summary = summary
        known = tuple(a for a in choice.attributes if a in summary.attributes)
        if known != choice.attributes:
            self._change(attributes=known or summary.attributes[:1])
            return
        self.bar.hide()
        self.cancel.hide()
        crop = "" if summary.crop == "none" else " · " + tr("crop {name}", name=summary.crop)
        self.title.setText(f"{choice.title} · {summary.size} px{crop}")
        self.message.setText(summary.problem)
        self.message.setVisible(bool(summary.problem))
        derived = {parse(text).name for text in choice.derive}
        self.attributes.show_counts(
            summary.attributes, summary.counts, summary.images, choice.attributes, derived
        )
        self.examples.show_images(summary.examples, summary.names)
        self.matrix.show_counts(summary.chosen, summary.together)
        self.splits.setText(_split_text(summary))
        self.rules.show_rules(choice.derive, summary.attributes)
        self.skipped.setPlainText("\n".join(f"{name}: {reason}" for name, reason in summary.skipped))
        shown = (True, True, bool(summary.chosen), True, bool(summary.skipped))
        for box, visible in zip(self._sections, shown, strict=True):
            box.setVisible(visible)
        self.summaryShown.emit()
        self.ratio.setVisible(self.subset.currentData() == "balanced")
        self.use.setEnabled(not summary.problem)
        if first:
            self.source.remember(choice.data)
        if not summary.problem:
            self.choiceChanged.emit(choice)

    # -- what the user does ---------------------------------------------------------------

    @Slot(str, bool)
    def _on_toggled(self, name: str, on: bool) -> None:
        rest = tuple(a for a in self._choice.attributes if a != name)
        if on or rest:
            self._wished = (*(a for a in self._wished if a != name), *((name,) if on else ()))
            self._change(attributes=(*rest, name) if on else rest)
        else:
            self.attributes.tick(name)  # at least one must be learnt

    @Slot()
    def _on_subset(self) -> None:
        kind = str(self.subset.currentData())
        self.ratio.setVisible(kind == "balanced")
        text = f"balanced:{self.ratio.value():g}" if kind == "balanced" else kind
        if text != self._choice.subset:
            self._change(subset=text)

    @Slot(str)
    def _on_rule(self, text: str) -> None:
        names = tuple(dict.fromkeys((*self._choice.attributes, parse(text).name)))
        self._change(derive=(*self._choice.derive, text), attributes=names)

    @Slot(int)
    def _on_rule_removed(self, row: int) -> None:
        gone = parse(self._choice.derive[row]).name
        rest = tuple(text for i, text in enumerate(self._choice.derive) if i != row)
        names = tuple(a for a in self._choice.attributes if a != gone)
        self._change(derive=rest, attributes=names or DEFAULT_ATTRIBUTES)

    @Slot()
    def _on_accept(self) -> None:
        self.choiceChanged.emit(self._choice)
        self.accepted.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(files.is_dir(Path(url.toLocalFile())) for url in event.mimeData().urls() if url.isLocalFile()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        folders = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        folder = next((f for f in folders if files.is_dir(f)), None)
        if folder is not None:
            event.acceptProposedAction()
            self.choose(spec_of_folder(folder))


def _section(text: str, *parts: QWidget | QHBoxLayout) -> QWidget:
    """A headed part of the page."""
    box = QWidget()
    inside = QVBoxLayout(box)
    inside.setContentsMargins(0, theme.GRID, 0, 0)
    inside.setSpacing(theme.GRID)
    inside.addWidget(heading(text))
    for part in parts:
        if isinstance(part, QWidget):
            inside.addWidget(part)
        else:
            inside.addLayout(part)
    return box


def _split_text(summary: DataSummary) -> str:
    """How many faces each split has, and what stands in for a missing one."""
    parts = []
    for name, text in (_STAND_IN if summary.note else _SPLITS).items():
        whole, chosen = summary.splits.get(name, 0), summary.selected.get(name)
        count = f"{whole if chosen is None else chosen:,}"
        if chosen is not None and chosen != whole:
            count = tr("{n} of {all}", n=count, all=f"{whole:,}")
        parts.append(tr(text, n=count))
    note = f"\n{summary.note[:1].upper()}{summary.note[1:]}." if summary.note else ""
    return "   ·   ".join(parts) + note
