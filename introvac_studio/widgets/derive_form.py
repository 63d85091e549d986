"""Attributes that a rule makes of others, such as Covered=Hat|Eyeglasses."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QListWidget, QPushButton, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from trainer.data.derive import parse, unknown
from trainer.errors import DataError


class DeriveForm(QWidget):
    """A line for a new rule, and the rules there are.

    Signals:
        added(str): a rule that the data can follow.
        removed(int): the rule of this row is to go.
    """

    added = Signal(str)
    removed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._known: tuple[str, ...] = ()
        self.field = QLineEdit()
        self.field.setPlaceholderText(
            tr("{rule}, as in {example}", rule="NAME=A|B|!C", example="Covered=Hat|Eyeglasses")
        )
        self.field.setToolTip(tr("| is or, & is and (binds tighter), ! is not"))
        self.field.setAccessibleName(tr("A new attribute by a rule"))
        self.add, self.remove = QPushButton(tr("Add")), QPushButton(tr("Remove"))
        self.add.setToolTip(tr("Add this attribute, and learn it"))
        self.remove.setToolTip(tr("Remove the chosen rule"))
        self.rules = QListWidget()
        self.rules.setMaximumHeight(84)
        self.rules.setAccessibleName(tr("Attributes by rules"))
        self.error = QLabel()
        self.error.setObjectName("warning")
        self.error.setWordWrap(True)
        entry = QHBoxLayout()
        entry.addWidget(self.field, 1)
        entry.addWidget(self.add)
        entry.addWidget(self.remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GRID)
        layout.addLayout(entry)
        layout.addWidget(self.error)
        layout.addWidget(self.rules)
        self.add.clicked.connect(self._on_add)
        self.field.returnPressed.connect(self._on_add)
        self.field.textChanged.connect(self._on_typed)
        self.remove.clicked.connect(self._on_remove)
        self.show_rules(())

    def show_rules(self, rules: Sequence[str], known: Sequence[str] = ()) -> None:
        """Show these rules; new ones may name the attributes `known`."""
        self._known = tuple(known)
        self.rules.clear()
        self.rules.addItems(list(rules))
        for widget in (self.rules, self.remove):
            widget.setVisible(bool(rules))
        self._on_typed()

    @Slot()
    def _on_typed(self) -> None:
        """A line that changes is not wrong yet."""
        self._say("")
        self.add.setEnabled(bool(self.field.text().strip()))

    def _say(self, text: str) -> None:
        self.error.setText(text)
        self.error.setVisible(bool(text))

    @Slot()
    def _on_add(self) -> None:
        text = self.field.text().strip()
        try:
            missing = [name for name in parse(text).columns if name not in self._known]
        except DataError as error:
            self._say(str(error))
            return
        if missing:
            text = unknown(missing[0], self._known)
            self._say(text[:1].upper() + text[1:])
            return
        self.field.clear()
        self.added.emit(text)

    @Slot()
    def _on_remove(self) -> None:
        row = self.rules.currentRow()
        self.removed.emit(row if row >= 0 else self.rules.count() - 1)
