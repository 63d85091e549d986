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

from pathlib import Path

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice, DataRequest, DataSummary
from introvac_studio.language import tr
from introvac_studio.settings import Settings
from introvac_studio.widgets.examples import Examples
from introvac_studio.widgets.form_area import form_area
from introvac_studio.widgets.texts import heading, muted, tabular
from trainer.data.derive import parse
from trainer.data.shards import any_in
from trainer.errors import DataError
from trainer.setup import DEFAULT_ATTRIBUTES

RECENT_KEY, RECENT_KEPT = "data/recent", 8
SHARE_ROLE = Qt.ItemDataRole.UserRole + 1
SUBSETS = (
    ("none", "All faces"),
    ("eye", "Eyeglasses, and twice as many without"),
    ("facial", "Facial hair, and as many without"),
    ("eyefacial", "Either of both, and as many without"),
    ("balanced", "Any chosen attribute, and a share without"),
)


def spec_of_folder(folder: Path) -> str:
    """The data that a dropped folder holds: a cache or shards of one, CelebA, or labelled pictures."""
    if ((folder / "meta.json").is_file() and (folder / "images.npy").is_file()) or any_in(folder):
        return str(folder)
    for place in (folder, folder / "Anno"):
        if (place / "list_attr_celeba.txt").is_file():
            return f"celeba:{folder}"
    return f"folder:{folder}"


class _Bar(QStyledItemDelegate):
    """A share as a bar with its number."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        share = index.data(SHARE_ROLE)
        if share is None:
            super().paint(painter, option, index)
            return
        p = theme.current()
        box: QRect = option.rect
        track = QRect(box.left() + 4, box.center().y() - 3, max(box.width() - 60, 10), 6)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(p.border))
        painter.drawRoundedRect(track, 3, 3)
        painter.setBrush(QColor(p.accent))
        track.setWidth(max(round(track.width() * share), 2))
        painter.drawRoundedRect(track, 3, 3)
        painter.setPen(QColor(p.muted))
        painter.setFont(tabular(painter.font(), 12))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(box.adjusted(0, 0, -4, 0), right, f"{100 * share:.1f} %")
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(120, 26)


class Matrix(QTableWidget):
    """How many faces have both of two attributes; the diagonal counts each alone."""

    def __init__(self) -> None:
        super().__init__()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        self.setCornerButtonEnabled(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(28)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Faces with both attributes")

    def show_counts(self, names: tuple[str, ...], counts: np.ndarray) -> None:
        self.clear()
        self.setRowCount(len(names))
        self.setColumnCount(len(names))
        self.setHorizontalHeaderLabels(list(names))
        self.setVerticalHeaderLabels(list(names))
        most = max(int(counts.max(initial=0)), 1)
        accent = QColor(theme.current().accent)
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                item = QTableWidgetItem(f"{int(count):,}")
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                item.setFont(tabular(self.font(), 12))
                shade = QColor(accent)
                shade.setAlphaF(0.08 + 0.42 * int(count) / most)
                item.setBackground(shade)
                what = names[i] if i == j else f"{names[i]} and {names[j]}"
                item.setToolTip(f"{int(count):,} training faces have {what}")
                self.setItem(i, j, item)
        self.horizontalHeader().setFixedHeight(28)
        self.resizeColumnsToContents()
        self.setMaximumWidth(self.verticalHeader().sizeHint().width() + self.horizontalHeader().length() + 4)
        self.setFixedHeight(28 * (len(names) + 1) + 4 + (12 if len(names) > 6 else 0))


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
        self._settings = settings
        self._choice = DataChoice()
        self._size = 64
        self._crop: str | None = None
        self._seed = 0
        self._summary: DataSummary | None = None
        self._filling = False
        self.setAcceptDrops(True)
        left, right = QWidget(), QWidget()
        self._build_left(left)
        self._build_right(right)
        area = form_area(right)
        left.setMinimumWidth(320)
        left.setMaximumWidth(420)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(2 * theme.GRID)
        layout.addWidget(left, 2)
        layout.addWidget(area, 3)
        self._show_nothing("")

    def sizeHint(self) -> QSize:
        return QSize(1000, 660)

    def _build_left(self, left: QWidget) -> None:
        self.count = QSpinBox()
        self.count.setRange(100, 1_000_000)
        self.count.setSingleStep(1000)
        self.count.setValue(4000)
        self.count.setGroupSeparatorShown(True)
        self.count.setKeyboardTracking(False)
        self.count.setAccessibleName("Number of avatars")
        use = QPushButton("Use avatars")
        celeba, folder = QPushButton("CelebA folder…"), QPushButton("Labelled folder…")
        cache, self.recent = QPushButton("Prepared cache…"), QPushButton("Recent")
        celeba.setToolTip("CelebA's official layout: list_attr_celeba.txt and img_align_celeba")
        folder.setToolTip("Pictures with labels.csv, or one sub-folder per class")
        cache.setToolTip("What `introvac prepare` made")
        self.recent.setMenu(QMenu(self.recent))
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find an attribute")
        self.search.setClearButtonEnabled(True)
        self.attributes = QTreeWidget()
        self.attributes.setColumnCount(3)
        self.attributes.setHeaderLabels(["Attribute", "Share", "Faces"])
        self.attributes.setRootIsDecorated(False)
        self.attributes.setUniformRowHeights(True)
        self.attributes.setItemDelegateForColumn(1, _Bar(self.attributes))
        self.attributes.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.attributes.setAccessibleName("Attributes to learn")
        head = self.attributes.header()
        head.setStretchLastSection(False)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        head.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        head.resizeSection(1, 132)
        grid = QGridLayout(left)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.GRID)
        grid.addWidget(heading("Source"), 0, 0, 1, 2)
        grid.addWidget(self.count, 1, 0)
        grid.addWidget(use, 1, 1)
        grid.addWidget(celeba, 2, 0)
        grid.addWidget(folder, 2, 1)
        grid.addWidget(cache, 3, 0)
        grid.addWidget(self.recent, 3, 1)
        grid.addWidget(muted("Or drop a folder here."), 4, 0, 1, 2)
        grid.addWidget(heading("Attributes to learn"), 5, 0, 1, 2)
        grid.addWidget(self.search, 6, 0, 1, 2)
        grid.addWidget(self.attributes, 7, 0, 1, 2)
        grid.setRowStretch(7, 1)
        use.clicked.connect(self._on_avatars)
        celeba.clicked.connect(self._on_celeba)
        folder.clicked.connect(self._on_folder)
        cache.clicked.connect(self._on_cache)
        self.recent.menu().aboutToShow.connect(self._fill_recent)
        self.recent.menu().triggered.connect(self._on_recent)
        self.search.textChanged.connect(self._on_search)
        self.attributes.itemChanged.connect(self._on_checked)

    def _build_right(self, right: QWidget) -> None:
        self.title, self.message = QLabel(), muted(wrap=True)
        font = self.title.font()
        font.setPixelSize(15)
        font.setBold(True)
        self.title.setFont(font)
        self.title.setStyleSheet("font-size: 15px;")
        self.title.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel = QPushButton("Cancel")
        self.splits = QLabel()
        self.splits.setWordWrap(True)
        self.splits.setFont(tabular(self.font(), 13))
        self.examples, self.matrix = Examples(), Matrix()
        self.subset, self.ratio = QComboBox(), QDoubleSpinBox()
        for key, text in SUBSETS:
            self.subset.addItem(text, key)
        self.ratio.setRange(0.1, 100)
        self.ratio.setDecimals(1)
        self.ratio.setValue(1)
        self.ratio.setSingleStep(0.5)
        self.ratio.setSuffix(" × as many without")
        self.ratio.setKeyboardTracking(False)
        self.derive = QLineEdit()
        self.derive.setPlaceholderText("NAME=A|B|!C, as in Covered=Hat|Eyeglasses")
        self.derive.setToolTip("| is or, & is and (binds tighter), ! is not")
        self.add = QPushButton("Add")
        self.derived = QListWidget()
        self.derived.setMaximumHeight(84)
        self.remove = QPushButton("Remove")
        self.derive_error = QLabel()
        self.derive_error.setObjectName("warning")
        self.derive_error.setWordWrap(True)
        self.skipped = QPlainTextEdit()
        self.skipped.setReadOnly(True)
        self.skipped.setMaximumHeight(110)
        for field, name in (
            (self.search, tr("Find an attribute")),
            (self.examples, tr("Example pictures")),
            (self.subset, tr("Part of the data")),
            (self.ratio, tr("Faces without for each face with")),
            (self.derive, tr("A new attribute by a rule")),
            (self.derived, tr("Attributes by rules")),
            (self.skipped, tr("Pictures that were left out")),
        ):
            field.setAccessibleName(name)
        self.use = QPushButton("Use this data")
        self.use.setObjectName("primary")
        layout = QVBoxLayout(right)
        layout.setContentsMargins(0, 0, theme.GRID, 0)
        layout.setSpacing(theme.GRID)
        working = QHBoxLayout()
        working.addWidget(self.bar, 1)
        working.addWidget(self.cancel)
        for widget in (self.title, self.message):
            layout.addWidget(widget)
        layout.addLayout(working)
        self._sections: list[QWidget] = []

        def section(text: str, *widgets: QWidget | QHBoxLayout) -> None:
            box = QWidget()
            inside = QVBoxLayout(box)
            inside.setContentsMargins(0, theme.GRID, 0, 0)
            inside.setSpacing(theme.GRID)
            inside.addWidget(heading(text))
            for widget in widgets:
                if isinstance(widget, QWidget):
                    inside.addWidget(widget)
                else:
                    inside.addLayout(widget)
            layout.addWidget(box)
            self._sections.append(box)

        section("Examples", self.examples)
        pick = QHBoxLayout()
        pick.addWidget(self.subset, 1)
        pick.addWidget(self.ratio)
        section("Faces to train on", pick, self.splits)
        section("Training faces that have both", self.matrix)
        entry = QHBoxLayout()
        entry.addWidget(self.derive, 1)
        entry.addWidget(self.add)
        entry.addWidget(self.remove)
        section("Derived attributes", entry, self.derive_error, self.derived)
        section("Pictures that cannot be used", self.skipped)
        layout.addStretch(1)
        layout.addWidget(self.use, 0, Qt.AlignmentFlag.AlignRight)
        self.cancel.clicked.connect(self.cancelRequested)
        self.subset.activated.connect(self._on_subset)
        self.ratio.valueChanged.connect(self._on_subset)
        self.add.clicked.connect(self._on_derive)
        self.derive.returnPressed.connect(self._on_derive)
        self.remove.clicked.connect(self._on_remove)
        self.use.clicked.connect(self._on_accept)
        self.examples.chosen.connect(self.faceActivated)

    # -- the choice -----------------------------------------------------------------------

    def choice(self) -> DataChoice:
        """What a run would train on."""
        return self._choice

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

    def choose(self, spec: str) -> None:
        """Other data; derived attributes go, chosen ones stay where the new data has them."""
        self._choice = DataChoice(spec, self._choice.attributes or DEFAULT_ATTRIBUTES)
        self.subset.setCurrentIndex(0)
        self._summary = None
        self._request()

    def _change(self, **parts: object) -> None:
        old = self._choice
        fields = {"data": old.data, "attributes": old.attributes, "derive": old.derive, "subset": old.subset}
        self._choice = DataChoice(**(fields | parts))  # type: ignore[arg-type]
        self._request()

    def _request(self) -> None:
        self.title.setText(self._choice.title)
        self.message.setText("Looking at the pictures…")
        self.message.show()
        self.use.setEnabled(False)
        self.summaryRequested.emit(DataRequest(self._choice, self._size, self._crop, self._seed))

    def _show_nothing(self, text: str) -> None:
        self.title.setText("Choose faces to train on" if not text else self._choice.title)
        self.message.setText(
            text or "Use drawn avatars, open a folder on the left, or drop a folder anywhere on this page."
        )
        for widget in (self.bar, self.cancel, *self._sections):
            widget.hide()
        self.use.setEnabled(False)

    # -- answers --------------------------------------------------------------------------

    @Slot(int, int, object)
    def on_progress(self, done: int, total: int, seconds_left: float | None) -> None:
        """Pictures are being prepared."""
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        left = "" if seconds_left is None else f", {max(1, round(seconds_left)):,} s left"
        self.message.setText(f"Preparing pictures: {done:,} of {total:,}{left}")
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
        if summary.request.choice != self._choice:
            return
        first = self._summary is None
        self._summary = summary
        known = tuple(a for a in self._choice.attributes if a in summary.attributes)
        if known != self._choice.attributes:
            self._change(attributes=known or summary.attributes[:1])
            return
        self.bar.hide()
        self.cancel.hide()
        crop = "" if summary.crop == "none" else f", crop {summary.crop}"
        self.title.setText(f"{self._choice.title} · {summary.size} px{crop}")
        self.message.setText(summary.problem)
        self.message.setVisible(bool(summary.problem))
        self._fill_attributes(summary)
        self.examples.show_images(summary.examples, summary.names)
        self.matrix.show_counts(summary.chosen, summary.together)
        self.splits.setText(self._split_text(summary))
        self.skipped.setPlainText("\n".join(f"{name}: {reason}" for name, reason in summary.skipped))
        shown = (True, True, bool(summary.chosen), True, bool(summary.skipped))
        for box, visible in zip(self._sections, shown, strict=True):
            box.setVisible(visible)
        self.summaryShown.emit()
        self._fill_derived()
        self.ratio.setVisible(self.subset.currentData() == "balanced")
        self.use.setEnabled(not summary.problem)
        if first:
            self._remember(self._choice.data)
        if not summary.problem:
            self.choiceChanged.emit(self._choice)

    def _split_text(self, summary: DataSummary) -> str:
        words = {"train": "training", "valid": "validation", "test": "test"}
        if summary.note:
            words |= {"valid": "to choose on", "test": "validation"}
        parts = []
        for name, word in words.items():
            whole, chosen = summary.splits.get(name, 0), summary.selected.get(name)
            of = f" of {whole:,}" if chosen is not None and chosen != whole else ""
            parts.append(f"{whole if chosen is None else chosen:,}{of} {word}")
        note = f"\n{summary.note[:1].upper()}{summary.note[1:]}." if summary.note else ""
        return "   ·   ".join(parts) + note

    def _fill_attributes(self, summary: DataSummary) -> None:
        self._filling = True
        place = self.attributes.verticalScrollBar().value()
        self.attributes.clear()
        derived = {parse(text).name for text in self._choice.derive}
        for name, count in zip(summary.attributes, summary.counts, strict=True):
            item = QTreeWidgetItem([name, "", f"{count:,}"])
            item.setData(0, Qt.ItemDataRole.UserRole, name)
            item.setData(1, SHARE_ROLE, count / max(summary.images, 1))
            checked = name in self._choice.attributes
            item.setCheckState(0, Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setFont(2, tabular(self.font(), 12))
            if name in derived:
                item.setToolTip(0, "derived")
            self.attributes.addTopLevelItem(item)
        self.attributes.verticalScrollBar().setValue(place)
        self._filling = False
        self._on_search(self.search.text())

    def _fill_derived(self) -> None:
        self.derived.clear()
        for text in self._choice.derive:
            self.derived.addItem(QListWidgetItem(text))
        self.derived.setVisible(bool(self._choice.derive))
        self.remove.setVisible(bool(self._choice.derive))
        self.derive_error.setVisible(bool(self.derive_error.text()))

    # -- what the user does ---------------------------------------------------------------

    @Slot(str)
    def _on_search(self, text: str) -> None:
        for i in range(self.attributes.topLevelItemCount()):
            if (item := self.attributes.topLevelItem(i)) is not None:
                item.setHidden(text.strip().casefold() not in item.text(0).casefold())

    @Slot(QTreeWidgetItem, int)
    def _on_checked(self, item: QTreeWidgetItem, column: int) -> None:
        if self._filling or column != 0:
            return
        name = str(item.data(0, Qt.ItemDataRole.UserRole))
        rest = tuple(a for a in self._choice.attributes if a != name)
        on = item.checkState(0) == Qt.CheckState.Checked
        if not on and not rest:
            self._filling = True
            item.setCheckState(0, Qt.CheckState.Checked)  # at least one must be learnt
            self._filling = False
            return
        self._change(attributes=(*rest, name) if on else rest)

    @Slot()
    def _on_subset(self) -> None:
        kind = str(self.subset.currentData())
        self.ratio.setVisible(kind == "balanced")
        text = f"balanced:{self.ratio.value():g}" if kind == "balanced" else kind
        if text != self._choice.subset:
            self._change(subset=text)

    @Slot()
    def _on_derive(self) -> None:
        text = self.derive.text().strip()
        try:
            derived = parse(text)
            known = self._summary.attributes if self._summary else ()
            missing = [c for c in derived.columns if c not in known]
            if missing:
                raise DataError(f"There is no attribute {missing[0]} in this data.")
        except DataError as error:
            self.derive_error.setText(str(error))
            self.derive_error.show()
            return
        self.derive_error.setText("")
        self.derive_error.hide()
        self.derive.clear()
        names = tuple(dict.fromkeys((*self._choice.attributes, derived.name)))
        self._change(derive=(*self._choice.derive, text), attributes=names)

    @Slot()
    def _on_remove(self) -> None:
        row = self.derived.currentRow() if self.derived.currentRow() >= 0 else self.derived.count() - 1
        gone = self._choice.derive[row]
        rest = tuple(text for i, text in enumerate(self._choice.derive) if i != row)
        names = tuple(a for a in self._choice.attributes if a != parse(gone).name)
        self._change(derive=rest, attributes=names or DEFAULT_ATTRIBUTES)

    @Slot()
    def _on_accept(self) -> None:
        self.choiceChanged.emit(self._choice)
        self.accepted.emit()

    @Slot()
    def _on_avatars(self) -> None:
        self.choose(f"avatars:{self.count.value()}")

    @Slot()
    def _on_celeba(self) -> None:
        self._ask("The folder of CelebA", "celeba:")

    @Slot()
    def _on_folder(self) -> None:
        self._ask("A folder of labelled pictures", "folder:")

    @Slot()
    def _on_cache(self) -> None:
        self._ask("The folder of a prepared cache", "")

    def _ask(self, title: str, prefix: str) -> None:
        chosen = QFileDialog.getExistingDirectory(self, title)
        if chosen:
            self.choose(prefix + chosen)

    def _remember(self, spec: str) -> None:
        if self._settings is not None:
            rest = [s for s in self._settings.texts(RECENT_KEY) if s != spec]
            self._settings.set_texts(RECENT_KEY, [spec, *rest][:RECENT_KEPT])

    @Slot()
    def _fill_recent(self) -> None:
        menu = self.recent.menu()
        menu.clear()
        specs = self._settings.texts(RECENT_KEY) if self._settings is not None else []
        for spec in specs:
            action = menu.addAction(DataChoice(spec).title)
            action.setToolTip(spec)
            action.setData(spec)
        if not specs:
            menu.addAction("Nothing yet").setEnabled(False)

    @Slot(object)
    def _on_recent(self, action: object) -> None:
        spec = action.data()  # type: ignore[attr-defined]
        if spec:
            self.choose(str(spec))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(Path(url.toLocalFile()).is_dir() for url in event.mimeData().urls() if url.isLocalFile()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        folders = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        folder = next((f for f in folders if f.is_dir()), None)
        if folder is not None:
            event.acceptProposedAction()
            self.choose(spec_of_folder(folder))
