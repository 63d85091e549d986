"""The list of runs: pictures, states and last figures, to sort, filter, overlay and act on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QDate,
    QDateTime,
    QEvent,
    QItemSelectionModel,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QAction, QColor, QHideEvent, QIcon, QKeyEvent, QKeySequence, QPixmap, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QStackedLayout,
    QStyledItemDelegate,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice
from introvac_studio.language import mark, tr, trn
from introvac_studio.run_rows import RunRow, state_text
from introvac_studio.widgets.texts import muted, tabular
from trainer.run_summary import RunSummary

_Index = QModelIndex | QPersistentModelIndex
SORT = Qt.ItemDataRole.UserRole
_COLUMNS = (
    mark("Run"), mark("State"), mark("Data"), mark("Preset"), mark("Epoch"), mark("L1"), mark("Accuracy"),
    mark("Best L1"), mark("Last heard"),
)  # fmt: skip
_TIPS = (
    mark("Name of the run, and faces that it rebuilt last"),
    mark("How the run stands"),
    mark("What it trains on"),
    mark("The preset that it was started from"),
    mark("Passes over the data so far, and in all"),
    mark("Mean difference between validation faces and their reconstructions, at the last validation"),
    mark("Share of validation faces whose attributes are read off correctly, at the last validation"),
    mark("The same difference for the best model that the run has kept"),
    mark("When it last wrote something"),
)
_RIGHT = {4, 5, 6, 7}
_NONE = "–"
_TOP = QModelIndex()
_PLAIN = Qt.ItemFlag.NoItemFlags


class RunTable(QAbstractTableModel):
    """The runs as a table; `SORT` gives what a column is sorted by.

    Signals:
        named(Path, str): a run is to have this name.
    """

    named = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[RunRow] = []
        self.mine: Path | None = None  # what this studio trains itself
        self._icons: dict[Path, tuple[RunRow, QIcon]] = {}

    def set_rows(self, rows: Sequence[RunRow]) -> None:
        """Take over what is there now; rows that stay keep their place and selection."""
        before, after = [r.path for r in self.rows], [r.path for r in rows]
        if before == after:
            for i, row in enumerate(rows):
                if row is not self.rows[i]:
                    self.rows[i] = row
                    self.dataChanged.emit(self.index(i, 0), self.index(i, len(_COLUMNS) - 1))
            return
        there = set(after)
        for i in reversed(range(len(self.rows))):
            if self.rows[i].path not in there:
                self.beginRemoveRows(QModelIndex(), i, i)
                del self.rows[i]
                self.endRemoveRows()
        at = {row.path: i for i, row in enumerate(self.rows)}
        fresh = [row for row in rows if row.path not in at]
        for row in rows:
            if row.path in at and self.rows[at[row.path]] is not row:
                i = at[row.path]
                self.rows[i] = row
                self.dataChanged.emit(self.index(i, 0), self.index(i, len(_COLUMNS) - 1))
        if fresh:
            self.beginInsertRows(QModelIndex(), len(self.rows), len(self.rows) + len(fresh) - 1)
            self.rows += fresh
            self.endInsertRows()

    def set_mine(self, run: Path | None) -> None:
        """The run that this studio trains."""
        self.mine = run
        if self.rows:
            self.dataChanged.emit(self.index(0, 1), self.index(len(self.rows) - 1, 1))

    def rowCount(self, parent: _Index = _TOP) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = _TOP) -> int:
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if way == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return tr(_COLUMNS[section])
            if role == Qt.ItemDataRole.ToolTipRole:
                return tr(_TIPS[section])
            if role == Qt.ItemDataRole.TextAlignmentRole and section in _RIGHT:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = self.rows[index.row()], index.column()
        run = row.summary
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(run, column)
        if role == SORT:
            return self._order(run, column)
        if role == Qt.ItemDataRole.DecorationRole and column == 0 and not row.thumb.isNull():
            return self._icon(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            if run.error and column <= 1:
                return run.error
            return self._text(run, column) if column in (1, 2) else str(run.path)
        if role == Qt.ItemDataRole.ForegroundRole and column == 1:
            p = theme.current()
            colours = {"running": p.good, "paused": p.warn, "failed": p.bad, "broken": p.bad,
                       "interrupted": p.warn}  # fmt: skip
            return QColor(colours.get(run.state, p.text))
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Names can be edited, by an action alone."""
        return super().flags(index) | (Qt.ItemFlag.ItemIsEditable if not index.column() else _PLAIN)

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Ask for another name; it is shown once the folder has it."""
        run = self.rows[index.row()].summary
        if role == Qt.ItemDataRole.EditRole and not index.column() and str(value) != run.name:
            self.named.emit(run.path, str(value))
        return False

    def _icon(self, row: RunRow) -> QIcon:
        """The faces, not tinted where the row is chosen."""
        known = self._icons.get(row.path)
        if known is None or known[0] is not row:
            icon, picture = QIcon(), QPixmap.fromImage(row.thumb)
            for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
                icon.addPixmap(picture, mode)
            known = self._icons[row.path] = (row, icon)
        return known[1]

    def _text(self, run: RunSummary, column: int) -> str:
        if column == 0:
            return run.name
        if column == 1:
            return state_text(run, run.path == self.mine)
        if run.state == "broken":
            return run.error if column == 2 else ""
        if column == 2:
            return DataChoice(run.data).title
        if column == 3:
            return run.preset
        if column == 4:
            return f"{run.epoch} / {run.epochs}"
        if column == 8:
            if not run.time:
                return _NONE
            when = QDateTime.fromSecsSinceEpoch(round(run.time))
            year = "" if when.date().year() == QDate.currentDate().year() else " yyyy"
            return QLocale().toString(when, f"d MMM{year} HH:mm")
        values = {5: run.figures.get("l1"), 6: run.accuracy, 7: run.best.get("l1")}
        value = values[column]
        if value is None:
            return _NONE
        return f"{100 * value:.1f} %" if column == 6 else f"{value:.4f}"

    def _order(self, run: RunSummary, column: int) -> Any:
        last = float("inf")
        share = run.epoch / run.epochs if run.epochs else 0.0
        numbers = {4: share, 5: run.figures.get("l1", last), 6: run.accuracy or 0.0,
                   7: run.best.get("l1", last), 8: run.time}  # fmt: skip
        return numbers[column] if column in numbers else self._text(run, column).casefold()


class _Editing(QStyledItemDelegate):
    """Return ends the editing of a name, and is no shortcut of the list meanwhile."""

    def eventFilter(self, editor: QObject, event: QEvent) -> bool:
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        ):
            event.accept()
            return True
        return super().eventFilter(editor, event)


class _Filter(QSortFilterProxyModel):
    """Rows in which every word occurs somewhere: name, state, data, preset or attributes."""

    def __init__(self) -> None:
        super().__init__()
        self._words: list[str] = []
        self.setSortRole(SORT)
        self.setDynamicSortFilter(True)

    def set_text(self, text: str) -> None:
        """Show rows with these words."""
        newer = hasattr(self, "beginFilterChange") and hasattr(self, "endFilterChange")  # since Qt 6.10
        if newer:
            self.beginFilterChange()
        self._words = text.casefold().split()
        if newer:
            self.endFilterChange()
        else:
            self.invalidateFilter()

    def filterAcceptsRow(self, at: int, parent: _Index) -> bool:
        model = self.sourceModel()
        assert isinstance(model, RunTable)
        run = model.rows[at].summary
        state = state_text(run, run.path == model.mine)
        whole = f"{run.path} {run.data} {run.preset} {state} {' '.join(run.attributes)}".casefold()
        return all(word in whole for word in self._words)


class RunsPanel(QWidget):
    """The list with its filter and buttons.

    Signals, each with the run's directory:
        showRequested, resumeRequested, cloneRequested, modelRequested (the model's file), trashRequested,
        folderRequested, commandRequested: what a button, menu or key asks for.
        overlayRequested(tuple[Path]): several runs are chosen, in the order of the list; empty: no longer.
        renameRequested(Path, str): a run is to have this name.
        complained(str): why something cannot be done.
        folderAdded: the user wants to list another folder too.
        shown(bool): whether anybody can see the list.
    """

    showRequested = Signal(object)
    resumeRequested = Signal(object)
    cloneRequested = Signal(object)
    modelRequested = Signal(object)
    trashRequested = Signal(object)
    folderRequested = Signal(object)
    commandRequested = Signal(object)
    overlayRequested = Signal(object)
    renameRequested = Signal(object, str)
    complained = Signal(str)
    folderAdded = Signal()
    shown = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Runs"))
        self.table, self._filtered = RunTable(), _Filter()
        self._filtered.setSourceModel(self.table)
        self._overlaid: tuple[Path, ...] = ()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(tr("Filter: name, data, preset, state…"))
        self.filter.setAccessibleName(tr("Filter the runs"))
        self.filter.setClearButtonEnabled(True)
        self.count = muted()
        self.add = QPushButton(tr("Add folder…"))
        self.add.setToolTip(tr("List the runs of another folder too, or a run of its own"))
        self.view = self._build_view()
        self._build_actions()
        self.empty = QLabel()
        self.empty.setObjectName("empty")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.view)
        bar = QHBoxLayout()
        bar.setSpacing(theme.GRID)
        bar.addWidget(self.filter, 1)
        bar.addWidget(self.count)
        for action in (self.show_action, self.resume_action, self.clone_action, self.model_action):
            bar.addWidget(_ActionButton(action))
        bar.addWidget(self._more())
        bar.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, theme.GRID, 12, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addLayout(bar)
        layout.addWidget(holder, 1)
        self.filter.textChanged.connect(self._on_filter)
        self.table.named.connect(self.renameRequested)
        self.add.clicked.connect(self.folderAdded)
        self.say_empty("")
        self._on_selection()

    def _build_view(self) -> QTableView:
        view = QTableView()
        view.setObjectName("runs")
        view.setAccessibleName(tr("List of runs; several chosen ones are drawn over each other"))
        view.setModel(self._filtered)
        view.setFont(tabular(self.font()))
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setItemDelegate(_Editing(view))
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        view.setTabKeyNavigation(False)
        view.setIconSize(QSize(48, 24))
        view.setSortingEnabled(True)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(40)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        head = view.horizontalHeader()
        head.setHighlightSections(False)
        head.setStretchLastSection(True)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, width in enumerate((224, 98, 146, 62, 64, 64, 74, 68)):
            head.resizeSection(column, width)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        view.sortByColumn(8, Qt.SortOrder.DescendingOrder)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._on_menu)
        view.doubleClicked.connect(self._on_double)
        view.selectionModel().selectionChanged.connect(self._on_selection)
        return view

    def _build_actions(self) -> None:
        self.show_action = self._action(
            tr("Show"), "Return", tr("Show this run's curves, samples and log; one in training is followed")
        )
        self.resume_action = self._action(tr("Resume"), "Ctrl+Shift+Space", tr("Go on training this run"))
        self.clone_action = self._action(
            tr("Clone…"),
            "Ctrl+Shift+J",
            tr("A new run with this one's settings and data, to be changed first"),
        )
        self.model_action = self._action(tr("Edit model"), "Ctrl+Shift+I", tr("Open its newest model"))
        self.folder_action = self._action(
            tr("Open folder"), "Ctrl+Shift+F", tr("Show its files in the file manager")
        )
        self.command_action = self._action(
            tr("Copy command line"), "Ctrl+C", tr("The command that starts the same run")
        )
        self.rename_action = self._action(
            tr("Rename…"), "F2", tr("Give this run, and its folder, another name")
        )
        self.trash_action = self._action(tr("Move to trash"), "Del", tr("Delete this run; it can be undone"))
        self.show_action.triggered.connect(self._on_show)
        self.resume_action.triggered.connect(self._on_resume)
        self.clone_action.triggered.connect(self._on_clone)
        self.model_action.triggered.connect(self._on_model)
        self.folder_action.triggered.connect(self._on_folder)
        self.command_action.triggered.connect(self._on_command)
        self.rename_action.triggered.connect(self._on_rename)
        self.trash_action.triggered.connect(self._on_trash)

    def _action(self, text: str, keys: str, tip: str) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{tip} ({shown})")
        self.view.addAction(action)
        return action

    @property
    def actions_(self) -> tuple[QAction, ...]:
        """All actions on the chosen run, in the order of the menu."""
        return (self.show_action, self.resume_action, self.clone_action, self.model_action,
                self.folder_action, self.command_action, self.rename_action, self.trash_action)  # fmt: skip

    def _more(self) -> QPushButton:
        button = QPushButton("⋯")
        button.setAccessibleName(tr("More actions on the run"))
        button.setToolTip(tr("More actions on the run"))
        menu = QMenu(button)
        menu.addActions([self.folder_action, self.command_action, self.rename_action, self.trash_action])
        button.setMenu(menu)
        return button

    # -- what is listed -------------------------------------------------------------------

    @Slot(object)
    def set_rows(self, rows: Sequence[RunRow]) -> None:
        """What there is now."""
        self.table.set_rows(rows)
        self._refresh()
        self._on_selection()

    def say_empty(self, text: str) -> None:
        """What to say where there is no run."""
        self.empty.setText(text or tr("Runs are listed here as soon as there is one. Press Start training."))
        self._refresh()

    def set_mine(self, run: Path | None) -> None:
        """The run that this studio trains."""
        self.table.set_mine(run)
        self._on_selection()

    def _refresh(self) -> None:
        there, seen = len(self.table.rows), self._filtered.rowCount()
        self._stack.setCurrentWidget(self.view if there else self.empty)
        runs = trn("{n} run", "{n} runs", there)
        self.count.setText(runs if seen == there else tr("{n} of {runs}", n=seen, runs=runs))

    @Slot(str)
    def _on_filter(self, text: str) -> None:
        self._filtered.set_text(text)
        self._refresh()

    # -- what is chosen -------------------------------------------------------------------

    def chosen(self) -> list[RunSummary]:
        """The chosen runs, in the order of the list."""
        rows = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        found = (self._filtered.mapToSource(self._filtered.index(row, 0)).row() for row in rows)
        return [self.table.rows[i].summary for i in found]

    def choose(self, runs: Sequence[Path]) -> None:
        """Choose these runs, as far as they are listed."""
        selection, wanted = self.view.selectionModel(), set(runs)
        selection.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for i, row in enumerate(self.table.rows):
            if row.path in wanted:
                selection.select(self._filtered.mapFromSource(self.table.index(i, 0)), flags)

    @Slot()
    def _on_selection(self) -> None:
        runs = self.chosen()
        one = runs[0] if len(runs) == 1 else None
        whole = one is not None and one.state != "broken"
        self.show_action.setEnabled(whole)
        self.clone_action.setEnabled(whole)
        self.command_action.setEnabled(whole)
        self.folder_action.setEnabled(one is not None)
        self.rename_action.setEnabled(one is not None)
        self.resume_action.setEnabled(
            one is not None and one.resumable and not one.active and one.state not in ("finished", "broken")
        )
        self.model_action.setEnabled(one is not None and one.model is not None)
        self.trash_action.setEnabled(one is not None)
        drawn = tuple(run.path for run in runs if run.state != "broken") if len(runs) > 1 else ()
        if drawn != self._overlaid:
            self._overlaid = drawn
            self.overlayRequested.emit(drawn)

    def _one(self) -> RunSummary | None:
        runs = self.chosen()
        return runs[0] if len(runs) == 1 else None

    @Slot(QPoint)
    def _on_menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addActions(list(self.actions_))
        menu.popup(self.view.viewport().mapToGlobal(place))

    @Slot(QModelIndex)
    def _on_double(self, index: QModelIndex) -> None:
        self.show_action.trigger()

    @Slot()
    def _on_show(self) -> None:
        if (run := self._one()) is not None:
            self.showRequested.emit(run.path)

    @Slot()
    def _on_resume(self) -> None:
        if (run := self._one()) is not None:
            self.resumeRequested.emit(run.path)

    @Slot()
    def _on_clone(self) -> None:
        if (run := self._one()) is not None:
            self.cloneRequested.emit(run.path)

    @Slot()
    def _on_model(self) -> None:
        if (run := self._one()) is not None and run.model is not None:
            self.modelRequested.emit(run.model)

    @Slot()
    def _on_folder(self) -> None:
        if (run := self._one()) is not None:
            self.folderRequested.emit(run.path)

    @Slot()
    def _on_command(self) -> None:
        if (run := self._one()) is not None:
            self.commandRequested.emit(run.path)

    def _trains(self, run: RunSummary) -> bool:
        """Whether a process trains it, or one of the studio's is about to."""
        return run.active or run.path == self.table.mine

    @Slot()
    def _on_rename(self) -> None:
        """Edit the name in its place."""
        run = self._one()
        if run is None:
            return
        if self._trains(run):
            self.complained.emit(tr("{name} is in training: stop it first, then rename it.", name=run.name))
            return
        (chosen,) = self.view.selectionModel().selectedRows()
        self.view.scrollTo(chosen)
        self.view.setCurrentIndex(chosen)
        self.view.edit(chosen)

    @Slot()
    def _on_trash(self) -> None:
        run = self._one()
        if run is not None and self._trains(run):
            self.complained.emit(tr("{name} is in training: stop it first, then delete it.", name=run.name))
        elif run is not None:
            self.trashRequested.emit(run.path)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.shown.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.shown.emit(False)


class _ActionButton(QPushButton):
    """A button of an action, enabled as that is."""

    def __init__(self, action: QAction) -> None:
        super().__init__(action.text())
        self._action = action
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    @Slot()
    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setToolTip(self._action.toolTip())
