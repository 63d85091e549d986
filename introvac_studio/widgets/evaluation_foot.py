"""The foot of the Evaluate form: what is going on, how far it is, and the buttons."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.texts import duration, muted, tabular
from trainer import events


class EvaluationFoot(QWidget):
    """Progress of a child, and two buttons; `can_start` is set by who knows what lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.running = self.ending = False
        self._can_start = False
        layout = QGridLayout(self)
        layout.setContentsMargins(12, theme.GRID, 12, 12)
        layout.setSpacing(theme.GRID)
        self.status, self.pace = QLabel(), muted(wrap=True)
        self.status.setWordWrap(True)
        for label in (self.status, self.pace):
            label.setFont(tabular(self.font(), 13))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress of the evaluation"))
        self.evaluate, self.cancel = QPushButton(tr("Evaluate")), QPushButton(tr("Cancel"))
        self.evaluate.setObjectName("primary")
        self.evaluate.setToolTip(tr("Measure the model (Ctrl+M)"))
        self.cancel.setToolTip(tr("Stop; what is there of earlier evaluations stays"))
        for i, widget in enumerate((self.status, self.bar, self.pace)):
            layout.addWidget(widget, i, 0, 1, 2)
        layout.addWidget(self.evaluate, 3, 0)
        layout.addWidget(self.cancel, 3, 1)
        layout.setColumnStretch(0, 2)
        layout.setColumnStretch(1, 1)
        self._tell()

    def set_can_start(self, can: bool) -> None:
        """Whether the form asks for something that can be done."""
        self._can_start = can
        self._tell()

    def begin(self, text: str) -> None:
        """A child has been started."""
        self.running, self.ending = True, False
        self.bar.setRange(0, 0)
        self.status.setText(text)
        self.pace.setText(tr("starting…"))
        self._tell()

    @Slot(object)
    def on_event(self, event: events.Event) -> None:
        """How far it is; one that was asked to stop is ending, whatever it still says."""
        if isinstance(event, events.Progress) and self.running and not self.ending:
            self.bar.setRange(0, max(event.total, 1))
            self.bar.setValue(min(event.done, event.total))
            left = "" if event.seconds_left is None else tr("{time} left", time=duration(event.seconds_left))
            share = f"{100 * event.done / event.total:.0f} %" if event.total else ""
            self.pace.setText("  ·  ".join(part for part in (event.what, share, left) if part))

    def stopping(self) -> None:
        """The child has been asked to stop."""
        self.ending = True
        self.bar.setRange(0, 0)
        self.pace.setText(tr("stopping…"))
        self._tell()

    def end(self, text: str) -> None:
        """No child works any more."""
        self.running = self.ending = False
        self.status.setText(text)
        self._tell()

    def _tell(self) -> None:
        self.evaluate.setEnabled(self._can_start and not self.running)
        self.cancel.setEnabled(self.running and not self.ending)
        for widget in (self.bar, self.pace):
            widget.setVisible(self.running)
        self.status.setVisible(bool(self.status.text()))
