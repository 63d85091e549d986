"""What happened in a run, a line each."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QColor, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.texts import tabular
from trainer import events

LOG_LINES = 5000


class LogPanel(QWidget):
    """What happened, a line each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(LOG_LINES)
        self.text.setPlaceholderText(tr("What a run reports is listed here."))
        self.text.setFont(tabular(self.font(), 12))
        self.text.setAccessibleName(tr("Log of the run"))
        self.copy = QPushButton(tr("Copy"))
        self.copy.setToolTip(tr("Copy the whole log"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, theme.GRID, 12, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignRight)
        self.copy.clicked.connect(self._on_copy)

    def say(self, when: float, text: str, level: str = "info") -> None:
        """Add a line; the view stays where the user scrolled to."""
        bar = self.text.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        p = theme.current()
        form = QTextCharFormat()
        form.setForeground(QColor({"warning": p.warn, "error": p.bad}.get(level, p.text)))
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        line = f"{time.strftime('%H:%M:%S', time.localtime(when))}  {' '.join(text.split())}"
        cursor.insertText(("" if self.text.document().isEmpty() else "\n") + line, form)
        if at_end:
            bar.setValue(bar.maximum())

    @Slot()
    def clear(self) -> None:
        self.text.clear()

    @Slot()
    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())


def log_line(event: events.Event) -> tuple[str, str] | None:
    """(text, level) of an event that belongs in the log."""
    at = tr("step {n}", n=f"{event.step:,}")
    if isinstance(event, events.RunStarted):
        return tr(
            "{run}: {train} training and {valid} validation faces, {size} million parameters, {steps} steps "
            "on {device} ({precision})",
            run=event.run, train=f"{event.train_images:,}", valid=f"{event.valid_images:,}",
            size=f"{event.parameters / 1e6:.1f}", steps=f"{event.total_steps:,}", device=event.device,
            precision=event.precision,
        ), "info"  # fmt: skip
    if isinstance(event, events.Notice):
        return event.text, "warning" if event.level == "warning" else "info"
    if isinstance(event, events.Alert):
        return f"{at}: {event.text}", "info" if event.fine else "warning"
    if isinstance(event, events.Validated):
        figures = "  ".join(f"{name} {value:.3g}" for name, value in event.figures.items())
        return tr("{at}, validation: {figures}", at=at, figures=figures), "info"
    if isinstance(event, events.CheckpointSaved):
        return tr("{at}: saved {kind}, {file}", at=at, kind=event.kind, file=event.model), "info"
    if isinstance(event, events.PhaseChanged):
        return f"{at}: {tr('the game begins') if event.phase == 'game' else event.phase}", "info"
    if isinstance(event, events.Diverged):
        back = event.action == "rolled back"
        done = tr("went back to the last checkpoint") if back else tr("stopped")
        lost = tr("{at}: {loss} was no longer a finite number; {done}, step size {rate}",
                  at=at, loss=event.loss, done=done, rate=f"{event.learning_rate:g}")  # fmt: skip
        return lost, "warning"
    if isinstance(event, events.OutOfMemory):
        fits = tr("batch_size = {n} fits", n=event.fits) if event.fits else tr("no smaller batch fits")
        return tr("{at}: out of memory with batch_size = {n}; {fits}",
                  at=at, n=event.batch_size, fits=fits), "error"  # fmt: skip
    if isinstance(event, events.Failed):
        return event.text, "error"
    if isinstance(event, events.Finished):
        return f"{at}: {tr(event.reason)}", "info"
    simple = {
        events.Resumed: mark("resumed"), events.Paused: mark("paused"), events.Continued: mark("goes on")
    }  # fmt: skip
    text = simple.get(type(event))
    return None if text is None else (f"{at}: {tr(text)}", "info")
