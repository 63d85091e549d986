"""Every action with its shortcut: to search, to change, and to save as text."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import fuzzy, shortcuts, theme
from introvac_studio.actions import ActionTable
from introvac_studio.language import tr
from introvac_studio.settings import Settings
from introvac_studio.widgets.texts import muted
from trainer.errors import IntroVACError
from trainer.files import atomic_file

_FOLDER = "export/folder"
_COMMAND = Qt.ItemDataRole.UserRole


class ShortcutsDialog(QDialog):
    """A table of all actions; the keys of the chosen one can be changed below it.

    Signals:
        failed(str): the text could not be saved.
    """

    failed = Signal(str)

    def __init__(self, table: ActionTable, settings: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self._table, self._settings = table, settings
        self.setWindowTitle(tr("All shortcuts"))
        self.resize(640, 620)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Find by action, menu or keys…"))
        self.search.setAccessibleName(tr("Find a shortcut"))
        self.search.setClearButtonEnabled(True)
        self.view = QTableWidget(0, 3)
        self.view.setObjectName("rows")
        self.view.setAccessibleName(tr("All shortcuts"))
        self.view.setHorizontalHeaderLabels([tr("Action"), tr("Shortcut"), tr("Where")])
        self.view.verticalHeader().hide()
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.setShowGrid(False)
        self.view.setTabKeyNavigation(False)
        head = self.view.horizontalHeader()
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.keys = QKeySequenceEdit()
        self.keys.setAccessibleName(tr("New shortcut"))
        self.keys.setToolTip(tr("Press the new keys here"))
        self.keys.setClearButtonEnabled(True)
        self.change, self.usual = QPushButton(tr("Change")), QPushButton(tr("Usual one"))
        self.change.setToolTip(tr("Give the chosen action these keys"))
        self.usual.setToolTip(tr("Give the chosen action back the keys it had at first"))
        self.say = muted(wrap=True)
        edit = QHBoxLayout()
        edit.setSpacing(theme.GRID)
        edit.addWidget(self.keys, 1)
        edit.addWidget(self.change)
        edit.addWidget(self.usual)
        self.save = QPushButton(tr("Save as text…"))
        self.save.setToolTip(tr("Write this table to a file"))
        close = QPushButton(tr("Close"))
        close.setDefault(False)
        foot = QHBoxLayout()
        foot.addWidget(self.save)
        foot.addStretch(1)
        foot.addWidget(close)
        for button in (self.change, self.usual, self.save, close):
            button.setAutoDefault(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[2 * theme.GRID] * 4)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.search)
        layout.addWidget(self.view, 1)
        layout.addLayout(edit)
        layout.addWidget(self.say)
        layout.addLayout(foot)
        self._fill()
        self.search.textChanged.connect(self._filter)
        self.view.currentCellChanged.connect(self._on_row)
        self.keys.keySequenceChanged.connect(self._check)
        self.change.clicked.connect(self._change)
        self.usual.clicked.connect(self._reset)
        self.save.clicked.connect(self._choose_file)
        close.clicked.connect(self.accept)
        table.shortcutsChanged.connect(self._refresh)
        self.view.setCurrentCell(0, 0)
        self.search.setFocus()

    def _fill(self) -> None:
        commands = [*self._table.commands, *[""] * len(shortcuts.ELSEWHERE)]
        listed = shortcuts.rows(self._table)
        self.view.setRowCount(len(listed))
        for i, (command, row) in enumerate(zip(commands, listed, strict=True)):
            for j, text in enumerate((row.text, row.keys, row.place)):
                item = QTableWidgetItem(text)
                item.setData(_COMMAND, command)
                if j == 2:
                    item.setForeground(QColor(theme.current().muted))
                self.view.setItem(i, j, item)

    @Slot()
    def _refresh(self) -> None:
        for i, row in enumerate(shortcuts.rows(self._table)):
            item = self.view.item(i, 1)
            assert item is not None
            item.setText(row.keys)
        self._on_row()

    @Slot(str)
    def _filter(self, query: str) -> None:
        first = -1
        for i in range(self.view.rowCount()):
            texts = [item.text() for j in range(3) if (item := self.view.item(i, j)) is not None]
            shown = any(fuzzy.match(query, t) is not None for t in (texts[0], texts[2]))
            shown = shown or query.casefold().strip() in texts[1].casefold()
            self.view.setRowHidden(i, not shown)
            first = i if shown and first < 0 else first
        if first >= 0:
            self.view.setCurrentCell(first, 0)

    @property
    def command(self) -> str:
        """The chosen action; empty where its keys are fixed."""
        item = self.view.item(self.view.currentRow(), 0)
        return "" if item is None else str(item.data(_COMMAND))

    @Slot()
    def _on_row(self) -> None:
        name = self.command
        self.keys.setKeySequence(self._table.actions[name].shortcut() if name else QKeySequence())
        self.keys.setEnabled(bool(name))
        self.usual.setEnabled(bool(name) and self._table.customised(name))
        self._check()
        if not name:
            self.say.setText(tr("These keys belong to the panel and stay as they are."))

    @Slot()
    def _check(self) -> None:
        keys, name = self.keys.keySequence(), self.command
        owner = None if keys.isEmpty() else self._table.owner(keys, name)
        now = self._table.actions[name].shortcut() if name else QKeySequence()
        self.change.setEnabled(bool(name) and owner is None and keys != now)
        self.say.setText("" if owner is None else self._taken(owner))

    def _taken(self, owner: str) -> str:
        return tr("These keys belong to “{action}”.", action=self._table.commands[owner].title)

    @Slot()
    def _change(self) -> None:
        self._table.set_shortcut(self.command, self.keys.keySequence())

    @Slot()
    def _reset(self) -> None:
        """The keys of before, unless another action was given them meanwhile: then neither would act."""
        name = self.command
        owners = (self._table.owner(keys, name) for keys in self._table.usual(name))
        owner = next((one for one in owners if one is not None and self._table.customised(one)), None)
        if owner is None:
            self._table.set_shortcut(name, None)
        else:
            self.say.setText(self._taken(owner))

    @Slot()
    def _choose_file(self) -> None:
        name = Path(self._settings.get(_FOLDER, str(Path.home()))) / "shortcuts.txt"
        path, _ = QFileDialog.getSaveFileName(self, tr("Save the shortcuts"), str(name), tr("Text (*.txt)"))
        if path:
            self.save_to(Path(path))

    def save_to(self, path: Path) -> None:
        """Write the table as text."""
        try:
            with atomic_file(path) as file:
                file.write(shortcuts.as_text(shortcuts.rows(self._table)).encode())
        except (IntroVACError, OSError) as error:
            self.failed.emit(tr("The shortcuts were not saved: {error}", error=error))
