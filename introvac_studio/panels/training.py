"""Training: the form that starts a run, its losses, its samples and its log.

Wiring (everything by slots and signals; no worker is known here)::

    training = TrainingPanel(settings)          # a QObject that ties four widgets, one for each dock:
    training.run_panel, training.losses, training.samples, training.log
    training.startRequested(RunRequest)         -> TrainerThread.start_run(request.arguments()), start()
    training.continueRequested(Path)            -> TrainerThread.resume_run(run), start()
    training.openRunRequested(Path)             -> training.show_run(run, read_run(run))
    training.pauseRequested, resumeRequested, stopRequested, snapshotRequested -> the thread's slots
    training.openModelRequested(Path)           -> open that model on the Edit page
    training.chooseDataRequested                -> show the data panel
    thread.happened -> training.on_event; thread.ended -> training.on_ended
    a QTimer of 50 ms: training.on_losses(thread.drain())
    data_panel.choiceChanged -> training.set_choice; data_thread.ready -> training.set_summary
    training.statusChanged(str)                 -> the status bar
"""

from __future__ import annotations

import datetime
import re
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice, DataSummary
from introvac_studio.settings import Settings
from introvac_studio.widgets.config_form import ConfigForm, as_text
from introvac_studio.widgets.loss_plot import LossPlots, LossToolbar
from introvac_studio.widgets.samples_view import SamplesView
from introvac_studio.widgets.texts import Banner, heading, muted, tabular
from trainer import config, events
from trainer.errors import ConfigError

ELSEWHERE = ("data", "attributes", "derive", "subset")  # settings that the data panel chooses
LOG_LINES = 5000
CONFIG_FILE = "config.json"


class RunEnded(Protocol):
    """What the worker says of a run's end."""

    @property
    def reason(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def made(self) -> Path | None: ...
    @property
    def details(self) -> str: ...


@dataclass(frozen=True)
class RunRequest:
    """A run to start: what the command line would be told."""

    preset: str
    choice: DataChoice
    run: Path
    values: tuple[tuple[str, str], ...] = ()

    def arguments(self) -> list[str]:
        """Flags of `python -m trainer train`."""
        flags = ["--preset", self.preset, "--data", self.choice.data]
        flags += ["--attributes", ",".join(self.choice.attributes), "--run", str(self.run)]
        flags += ["--subset", self.choice.subset]
        for text in self.choice.derive:
            flags += ["--derive", text]
        for name, value in self.values:
            flags += ["--set", f"{name}={value}"]
        return flags


def default_run(root: Path, preset: str, data: str, today: datetime.date) -> Path:
    """The first free `<root>/<preset>-<data>-<date>-<n>`, in letters that every file system takes."""
    kind, _, rest = data.partition(":")
    known = {"avatars": "avatars", "celeba": "celeba", "folder": Path(rest).name}
    name = known.get(kind, Path(data).name)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-.")[:40] or "data"
    n = 1
    while (path := root / f"{preset}-{name}-{today:%Y%m%d}-{n}").exists():
        n += 1
    return path


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def size_of(count: int) -> str:
    """Bytes in the unit that suits."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _restyle(button: QPushButton, name: str) -> None:
    """Another look from the stylesheet, by the object's name."""
    if button.objectName() != name:
        button.setObjectName(name)
        button.style().unpolish(button)
        button.style().polish(button)


class _SettingsDialog(QDialog):
    """The whole form in a window of its own."""

    def __init__(self, form: ConfigForm, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("All settings of the run")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        reset = buttons.addButton("Back to the preset", QDialogButtonBox.ButtonRole.ResetRole)
        layout = QVBoxLayout(self)
        layout.addWidget(form, 1)
        layout.addWidget(buttons)
        buttons.rejected.connect(self.close)
        reset.clicked.connect(form.reset_all)

    def sizeHint(self) -> QSize:
        return QSize(520, 640)


class RunPanel(QWidget):
    """The form on the left, and the buttons that start, pause and stop.

    Signals as `TrainingPanel`'s of the same names.
    """

    startRequested = Signal(object)
    continueRequested = Signal(object)
    openRunRequested = Signal(object)
    pauseRequested = Signal()
    resumeRequested = Signal()
    stopRequested = Signal()
    snapshotRequested = Signal()
    openModelRequested = Signal(object)
    chooseDataRequested = Signal()
    newRunRequested = Signal()

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._choice = DataChoice()
        self._phase = "idle"
        self._named = False
        self._run: Path | None = None
        self.model: Path | None = None
        root = settings.get("training/root", "") if settings else ""
        self._root = Path(root) if root else Path.home() / "IntroVAC" / "runs"
        self.form = ConfigForm(ELSEWHERE)
        self.form.setParent(self)
        self.form.hide()
        self._dialog: _SettingsDialog | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(self._build_form())
        layout.addWidget(area, 1)
        layout.addWidget(self._build_foot())
        self.setMinimumWidth(256)
        self.form.changed.connect(self._on_form)
        self.set_preset("quick")
        self.set_choice(self._choice)
        self.set_phase("idle")

    def sizeHint(self) -> QSize:
        return QSize(288, 640)

    def _build_form(self) -> QWidget:
        body = QWidget()
        self._body = body
        grid = QGridLayout(body)
        grid.setContentsMargins(12, 12, 12, theme.GRID)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(theme.GRID)
        grid.setColumnStretch(1, 1)
        self.data_title, self.data_more = QLabel(), muted(wrap=True)
        self.data_title.setWordWrap(True)
        self.choose = QPushButton("Choose data…")
        self.preset, self.preset_help = QComboBox(), muted(wrap=True)
        for name in config.PRESETS:
            self.preset.addItem(name)
            self.preset.setItemData(
                self.preset.count() - 1, config.PRESET_HELP[name], Qt.ItemDataRole.ToolTipRole
            )
        self.side = QComboBox()
        for side in config.SIZES:
            self.side.addItem(f"{side} px", side)
        self.device = QComboBox()
        self.device.setEditable(True)
        self.device.addItems(["auto", "cpu", "cuda", "mps"])
        self.epochs, self.batch, self.name = QLineEdit(), QLineEdit(), QLineEdit()
        self.place = muted(wrap=True)
        self.folder = QPushButton("…")
        self.folder.setFixedWidth(36)
        self.folder.setToolTip("Choose the folder that holds the runs")
        self.folder.setAccessibleName("Choose the folder that holds the runs")
        self.all_settings = QPushButton("All settings…")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setObjectName("warning")
        self.banner = Banner()
        named = QHBoxLayout()
        named.setSpacing(4)
        named.addWidget(self.name, 1)
        named.addWidget(self.folder)
        line = 0
        for widget in (self.banner, heading("Data"), self.data_title, self.data_more, self.choose):
            grid.addWidget(widget, line, 0, 1, 2)
            line += 1
        below = heading("Settings")
        below.setContentsMargins(0, theme.GRID, 0, 0)
        grid.addWidget(below, line, 0, 1, 2)
        line += 1
        fields: list[tuple[str, QWidget | QHBoxLayout]] = [
            ("Preset", self.preset), ("", self.preset_help), ("Size", self.side), ("Epochs", self.epochs),
            ("Batch", self.batch), ("Device", self.device), ("Run", named), ("", self.place),
        ]  # fmt: skip
        for text, field in fields:
            if text:
                grid.addWidget(muted(text), line, 0)
            if isinstance(field, QWidget):
                field.setAccessibleName(text)
                grid.addWidget(field, line, 1)
            else:
                grid.addLayout(field, line, 1)
            line += 1
        grid.addWidget(self.all_settings, line, 0, 1, 2)
        grid.addWidget(self.problem, line + 1, 0, 1, 2)
        grid.setRowStretch(line + 2, 1)
        self.name.setAccessibleName("Name of the run")
        self.choose.clicked.connect(self.chooseDataRequested)
        self.preset.currentTextChanged.connect(self.set_preset)
        self.side.activated.connect(self._on_size)
        self.epochs.textEdited.connect(self._on_epochs)
        self.batch.textEdited.connect(self._on_batch)
        self.device.currentTextChanged.connect(self._on_device)
        self.name.textEdited.connect(self._on_name)
        self.folder.clicked.connect(self._on_folder)
        self.all_settings.clicked.connect(self._on_all)
        return body

    def _build_foot(self) -> QWidget:
        foot = QWidget()
        layout = QGridLayout(foot)
        layout.setContentsMargins(12, theme.GRID, 12, 12)
        layout.setSpacing(theme.GRID)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the run")
        self.pace = muted(wrap=True)
        for label in (self.state, self.pace):
            label.setFont(tabular(self.font(), 13))
        self.start = QPushButton()
        self.start.setObjectName("primary")
        self.pause, self.stop = QPushButton("Pause"), QPushButton("Stop")
        self.edit = QPushButton("Edit this snapshot")
        self.fresh, self.earlier = QPushButton("New run"), QPushButton("Open a run…")
        self.earlier.setToolTip("Look at an earlier run, and resume it")
        for i, widget in enumerate((self.state, self.bar, self.pace, self.start)):
            layout.addWidget(widget, i, 0, 1, 2)
        layout.addWidget(self.pause, 4, 0)
        layout.addWidget(self.stop, 4, 1)
        layout.addWidget(self.edit, 5, 0, 1, 2)
        layout.addWidget(self.fresh, 6, 0)
        layout.addWidget(self.earlier, 6, 1)
        self.start.clicked.connect(self._on_start)
        self.pause.clicked.connect(self._on_pause)
        self.stop.clicked.connect(self._on_stop)
        self.edit.clicked.connect(self._on_edit)
        self.fresh.clicked.connect(self.newRunRequested)
        self.earlier.clicked.connect(self._on_earlier)
        return foot

    # -- the form -------------------------------------------------------------------------

    @property
    def choice(self) -> DataChoice:
        return self._choice

    @property
    def run(self) -> Path:
        """Where the run on show is, or the next one will be."""
        return self._run or self._root / (self.name.text().strip() or "run")

    def request(self) -> RunRequest:
        """The run that the form describes."""
        return RunRequest(self.form.preset, self._choice, self.run, tuple(self.form.values().items()))

    @Slot(str)
    def set_preset(self, name: str) -> None:
        self.preset.setCurrentText(name)
        text = config.PRESET_HELP.get(name, "")
        self.preset_help.setText(text[:1].upper() + text[1:])
        self.form.set_preset(name)

    @Slot(object)
    def set_choice(self, choice: DataChoice) -> None:
        """Other data, or other attributes of it."""
        self._choice = choice
        self.data_title.setText(choice.title)
        self.data_title.setToolTip(choice.data)
        subset = "" if choice.subset == "none" else f"\nSubset {choice.subset}"
        self.data_more.setText((", ".join(choice.attributes) or "No attribute chosen") + subset)
        self.form.set_context(choice.data, choice.attributes)

    def show_config(self, resolved: config.TrainConfig) -> None:
        """Fill the form with the settings of a run that exists."""
        data = resolved.data
        self.set_preset(resolved.preset)
        self.set_choice(DataChoice(data.data, resolved.model.attributes, data.derive, data.subset))
        self.form.set_values(
            {
                setting.name: as_text(getattr(getattr(resolved, section), setting.name))
                for section, setting in config.settings()
            }
        )

    @Slot(object)
    def set_summary(self, summary: DataSummary) -> None:
        """What is known of the data; a cache decides the size of the pictures."""
        if summary.request.choice.kind == "cache" and self.form.value("image_size") != str(summary.size):
            self.form.set_value("image_size", str(summary.size))
        train = summary.selected.get("train")
        if train is not None and summary.request.choice == self._choice:
            more = f"{', '.join(self._choice.attributes)}\n{train:,} faces to train on"
            self.data_more.setText(more)

    @Slot()
    def _on_form(self) -> None:
        side = int(self.form.value("image_size") or 0)
        self.side.setCurrentIndex(self.side.findData(side))
        for name, field in (("epochs", self.epochs), ("batch_size", self.batch)):
            if not field.hasFocus():
                field.setText(self.form.value(name))
        if self.device.currentText() != self.form.value("device"):
            self.device.setCurrentText(self.form.value("device"))
        count = len(self.form.values())
        self.all_settings.setText(f"All settings… ({count} changed)" if count else "All settings…")
        self._name_run()
        self._refresh()

    def _name_run(self) -> None:
        if not self._named and self._run is None:
            today = datetime.date.today()
            path = default_run(self._root, self.form.preset, self._choice.data, today)
            self.name.setText(path.name)
        home = str(Path.home())
        root = str(self._root)
        self.place.setText("in " + ("~" + root[len(home) :] if root.startswith(home) else root))

    @Slot(int)
    def _on_size(self, index: int) -> None:
        self.form.set_value("image_size", str(self.side.itemData(index)))

    @Slot(str)
    def _on_epochs(self, text: str) -> None:
        self.form.set_value("epochs", text.strip())

    @Slot(str)
    def _on_batch(self, text: str) -> None:
        self.form.set_value("batch_size", text.strip())

    @Slot(str)
    def _on_device(self, text: str) -> None:
        self.form.set_value("device", text.strip())

    @Slot(str)
    def _on_name(self, text: str) -> None:
        self._named = bool(text.strip())
        self._refresh()

    @Slot()
    def _on_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder that holds the runs", str(self._root))
        if chosen:
            self._root = Path(chosen)
            if self._settings:
                self._settings.set("training/root", chosen)
            self._name_run()
            self._refresh()

    @Slot()
    def _on_all(self) -> None:
        if self._dialog is None:
            self._dialog = _SettingsDialog(self.form, self)
        self.form.show()
        self._dialog.show()
        self._dialog.raise_()

    def problem_text(self) -> str:
        """Why the form cannot be started, or empty."""
        name = self.name.text().strip()
        if self.form.errors:
            return next(iter(self.form.errors.values()))
        if not self._choice.attributes:
            return "Choose at least one attribute: press Choose data…"
        if not name or re.search(r'[<>:"/\\|?*\x00-\x1f]', name) or name.strip(". ") != name:
            return "The run's name must not be empty, nor contain any of < > : \" / \\ | ? *"
        if (self._root / name / CONFIG_FILE).exists():
            return f"There is a run {name} already: open it to resume it, or choose another name."
        return ""

    # -- the run --------------------------------------------------------------------------

    def set_phase(self, phase: str) -> None:
        """`idle`, `starting`, `running`, `pausing`, `paused`, `stopping`, `ended` (resumable) or `done`."""
        self._phase = phase
        self._refresh()

    @property
    def phase(self) -> str:
        return self._phase

    def set_run(self, run: Path | None, keep_name: bool = False) -> None:
        """The run on show; None is back to a new one, with a name of its own unless the old one is kept."""
        self._run = run
        self.model = None
        if run is None:
            self._named = self._named and keep_name
            self._name_run()
        else:
            self.name.setText(run.name)
        self.state.setText("")
        self.pace.setText("")
        self.bar.setRange(0, 1)
        self.bar.setValue(0)
        self._refresh()

    def _refresh(self) -> None:
        phase = self._phase
        alive = phase in ("starting", "running", "pausing", "paused", "stopping")
        over = phase in ("ended", "done")
        problem = "" if alive or over else self.problem_text()
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.start.setText("Resume this run" if over else "Start training")
        self.start.setVisible(phase in ("idle", "ended"))
        self.start.setEnabled(not problem)
        self.pause.setVisible(alive)
        self.pause.setText("Resume" if phase in ("paused",) else "Pause")
        self.pause.setEnabled(phase in ("running", "paused"))
        self.stop.setVisible(alive)
        self.stop.setText("Stopping…" if phase == "stopping" else "Stop")
        self.stop.setEnabled(phase != "stopping")
        self.edit.setVisible(alive or (over and self.model is not None))
        self.edit.setText("Edit with this model" if over else "Edit this snapshot")
        _restyle(self.edit, "primary" if alive or phase == "done" else "")
        self.edit.setEnabled(over or phase in ("running", "paused"))
        self.fresh.setVisible(over)
        self.earlier.setVisible(not alive)
        for widget in (self.state, self.bar):
            widget.setVisible(alive or over)
        self.pace.setVisible(alive)
        for field in (self.choose, self.preset, self.side, self.epochs, self.batch, self.device,
                      self.name, self.folder, self.form):  # fmt: skip
            field.setEnabled(phase == "idle")

    @Slot()
    def _on_start(self) -> None:
        self.banner.hide()
        if self._phase == "ended" and self._run is not None:
            self.continueRequested.emit(self._run)
        elif not self.problem_text():
            self.startRequested.emit(self.request())

    @Slot()
    def _on_pause(self) -> None:
        if self._phase == "paused":
            self.resumeRequested.emit()
        else:
            self.set_phase("pausing")
            self.pauseRequested.emit()

    @Slot()
    def _on_stop(self) -> None:
        self.set_phase("stopping")
        self.state.setText("Finishing the step and saving a checkpoint…")
        self.stopRequested.emit()

    @Slot()
    def _on_edit(self) -> None:
        if self._phase in ("ended", "done") and self.model is not None:
            self.openModelRequested.emit(self.model)
        else:
            self.edit.setEnabled(False)
            self.snapshotRequested.emit()

    @Slot()
    def _on_earlier(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "A run to open", str(self._root))
        if not chosen:
            return
        if (Path(chosen) / CONFIG_FILE).is_file():
            self.openRunRequested.emit(Path(chosen))
        else:
            self.banner.tell(f"{chosen} is no run: it holds no {CONFIG_FILE}. Choose a run's own folder.", "")


class LossPanel(QWidget):
    """The loss plots and their toolbar."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plots = LossPlots()
        self.toolbar = LossToolbar(self.plots)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, theme.GRID, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.toolbar)
        layout.addWidget(self.plots, 1)


class LogPanel(QWidget):
    """What happened, a line each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(LOG_LINES)
        self.text.setPlaceholderText("What a run reports is listed here.")
        self.text.setFont(tabular(self.font(), 12))
        self.text.setAccessibleName("Log of the run")
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the whole log")
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
    at = f"step {event.step:,}"
    if isinstance(event, events.RunStarted):
        return (
            f"{event.run}: {event.train_images:,} training and {event.valid_images:,} validation faces, "
            f"{event.parameters / 1e6:.1f} million parameters, {event.total_steps:,} steps on {event.device} "
            f"({event.precision})"
        ), "info"
    if isinstance(event, events.Notice):
        return event.text, "warning" if event.level == "warning" else "info"
    if isinstance(event, events.Alert):
        return f"{at}: {event.text}", "info" if event.fine else "warning"
    if isinstance(event, events.Validated):
        figures = "  ".join(f"{name} {value:.3g}" for name, value in event.figures.items())
        return f"{at}, validation: {figures}", "info"
    if isinstance(event, events.CheckpointSaved):
        return f"{at}: saved {event.kind}, {event.model}", "info"
    if isinstance(event, events.PhaseChanged):
        return f"{at}: {'the game begins' if event.phase == 'game' else event.phase}", "info"
    if isinstance(event, events.Diverged):
        done = "went back to the last checkpoint" if event.action == "rolled back" else "stopped"
        lost = f"{at}: {event.loss} was no longer a finite number; {done}, step size {event.learning_rate:g}"
        return lost, "warning"
    if isinstance(event, events.OutOfMemory):
        fits = f"batch_size = {event.fits} fits" if event.fits else "no smaller batch fits"
        return f"{at}: out of memory with batch_size = {event.batch_size}; {fits}", "error"
    if isinstance(event, events.Failed):
        return event.text, "error"
    if isinstance(event, events.Finished):
        return f"{at}: {event.reason}", "info"
    simple = {events.Resumed: "resumed", events.Paused: "paused", events.Continued: "goes on"}
    text = simple.get(type(event))
    return None if text is None else (f"{at}: {text}", "info")


class TrainingPanel(QObject):
    """Ties the four widgets of a run together. See the module for the wiring."""

    startRequested = Signal(object)
    continueRequested = Signal(object)
    openRunRequested = Signal(object)
    pauseRequested = Signal()
    resumeRequested = Signal()
    stopRequested = Signal()
    snapshotRequested = Signal()
    openModelRequested = Signal(object)
    chooseDataRequested = Signal()
    statusChanged = Signal(str)

    def __init__(self, settings: Settings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run_panel, self.losses = RunPanel(settings), LossPanel()
        self.samples, self.log = SamplesView(), LogPanel()
        self._total = 0
        self._wants_snapshot = False
        self._replaying = False
        run = self.run_panel
        run.startRequested.connect(self._on_start)
        run.continueRequested.connect(self._on_continue)
        run.snapshotRequested.connect(self._on_snapshot)
        run.newRunRequested.connect(self.new_run)
        for source, target in (
            (run.openRunRequested, self.openRunRequested),
            (run.pauseRequested, self.pauseRequested),
            (run.resumeRequested, self.resumeRequested),
            (run.stopRequested, self.stopRequested),
            (run.openModelRequested, self.openModelRequested),
            (run.chooseDataRequested, self.chooseDataRequested),
        ):
            source.connect(target)

    # -- what the user asks for -----------------------------------------------------------

    @Slot(object)
    def _on_start(self, request: RunRequest) -> None:
        self._forget(request.run)
        self.log.say(time.time(), "introvac train " + shlex.join(request.arguments()))
        self._begin()
        self.startRequested.emit(request)

    @Slot(object)
    def _on_continue(self, run: Path) -> None:
        self.continueRequested.emit(run)
        self._begin()  # after it, as the run may have been read anew

    def _begin(self) -> None:
        self.run_panel.set_phase("starting")
        self.run_panel.state.setText("Starting…")
        self.run_panel.bar.setRange(0, 0)
        self.losses.plots.set_empty_text("The run is starting. Losses appear after its first steps.")
        self.statusChanged.emit("training starts")

    @Slot()
    def _on_snapshot(self) -> None:
        self._wants_snapshot = True
        self.snapshotRequested.emit()

    @Slot()
    def new_run(self) -> None:
        """Clear the page for another run; settings stay."""
        self._forget(None)
        self.run_panel.set_phase("idle")
        self.losses.plots.set_empty_text("Press Start training: losses appear here after the first steps.")
        self.statusChanged.emit("")

    def _forget(self, run: Path | None) -> None:
        self._total, self._wants_snapshot = 0, False
        self.run_panel.banner.hide()
        self.run_panel.set_run(run)
        self.losses.plots.clear()
        self.samples.set_run(run or Path())
        self.log.clear()

    @Slot(object)
    def set_choice(self, choice: DataChoice) -> None:
        self.run_panel.set_choice(choice)

    @Slot(object)
    def set_summary(self, summary: DataSummary) -> None:
        self.run_panel.set_summary(summary)

    def show_run(self, run: Path, past: Sequence[events.Event]) -> None:
        """Show a run from its events, ready to be resumed."""
        self._forget(run)
        with suppress(ConfigError):
            self.run_panel.show_config(config.load(run / CONFIG_FILE))
        self._replaying = True
        for event in past:
            if not isinstance(event, events.StepLosses):
                self.on_event(event)
        self.on_losses([e for e in past if isinstance(e, events.StepLosses)])
        self._replaying = False
        self.statusChanged.emit("")
        finished = [e for e in past if isinstance(e, events.Finished)]
        model = run / "model.safetensors"
        self.run_panel.model = model if model.is_file() else None
        whole = bool(finished) and finished[-1].reason == "completed"
        self._rest(
            "done" if whole else "ended", "Completed." if whole else "Not finished: it can be resumed."
        )

    # -- what a run says ------------------------------------------------------------------

    @Slot(object)
    def on_event(self, event: events.Event) -> None:
        """Any event but StepLosses."""
        panel = self.run_panel
        if (line := log_line(event)) is not None:
            self.log.say(event.time, *line)
        if isinstance(event, events.RunStarted):
            self._total = event.total_steps
            if not self._replaying and self.samples.run != Path(event.run):
                self.samples.set_run(Path(event.run))
            panel.bar.setRange(0, max(event.total_steps, 1))
            self._progress(event.step)
            self._alive("running")
        elif isinstance(event, events.Progress):
            panel.bar.setRange(0, max(event.total, 1))
            panel.bar.setValue(event.done)
            panel.state.setText(f"{event.what.capitalize()}: {event.done:,} of {event.total:,}")
            left = event.seconds_left
            panel.pace.setText("" if left is None else f"{duration(left)} left")
        elif isinstance(event, events.SamplesWritten):
            self.samples.add(event)
        elif isinstance(event, events.Resumed):
            self.samples.drop_after(event.step)
        elif isinstance(event, events.Paused):
            self._alive("paused")
        elif isinstance(event, events.Continued):
            self._alive("running")
        elif isinstance(event, events.CheckpointSaved):
            self._on_checkpoint(event)
        if isinstance(event, events.RunStarted | events.Resumed | events.Validated):
            self.losses.plots.append([event])

    def _alive(self, phase: str) -> None:
        if self._replaying or self.run_panel.phase == "stopping":
            return
        self.run_panel.set_phase(phase)
        if phase == "paused":
            self.run_panel.pace.setText("Paused: a checkpoint is saved.")
            self.statusChanged.emit("training is paused")

    def _on_checkpoint(self, event: events.CheckpointSaved) -> None:
        if event.kind in ("last", "snapshot"):
            self.run_panel.model = Path(event.model)
        if event.kind == "snapshot" and self._wants_snapshot:
            self._wants_snapshot = False
            self.run_panel.set_phase(self.run_panel.phase)
            self.openModelRequested.emit(Path(event.model))

    @Slot(object)
    def on_losses(self, batch: Sequence[events.StepLosses]) -> None:
        """Losses since the last call."""
        if not batch:
            return
        self.losses.plots.append(batch)
        last = batch[-1]
        self._progress(last.step)
        left = "" if last.seconds_left is None else f"{duration(last.seconds_left)} left · "
        pace = f"{last.images_per_second:,.0f} images/s"
        self.run_panel.pace.setText(f"{left}{pace}\n{size_of(last.memory_bytes)} memory")
        if not self._replaying:
            self.statusChanged.emit(f"training · step {last.step:,} of {self._total:,} · {left}{pace}")

    def _progress(self, step: int) -> None:
        self.run_panel.bar.setValue(step)
        if self.run_panel.phase != "stopping":
            share = f"{100 * step / self._total:.0f} %" if self._total else ""
            self.run_panel.state.setText(f"Step {step:,} of {self._total:,} · {share}")

    @Slot(object)
    def on_ended(self, ended: RunEnded) -> None:
        """The child is gone, whatever the reason."""
        panel = self.run_panel
        run = panel.run
        if ended.made is not None:
            panel.model = ended.made
        if ended.text:
            self.log.say(time.time(), ended.text, "error")
            panel.banner.tell(ended.text, ended.details)
        can_resume = (run / "checkpoints" / "last.safetensors").is_file()
        if ended.reason == "completed":
            self._rest("done", "Completed.")
        elif can_resume:
            self._rest("ended", "Stopped: it can be resumed." if not ended.text else "Ended by an error.")
        else:
            panel.set_run(None, keep_name=True)
            panel.set_phase("idle")
            self.losses.plots.set_empty_text(ended.text or "The run was stopped before its first step.")
        self.statusChanged.emit(f"training {ended.reason}")

    def _rest(self, phase: str, text: str) -> None:
        panel = self.run_panel
        if panel.bar.maximum() == 0:
            panel.bar.setRange(0, 1)
        panel.set_phase(phase)
        steps = f"Step {panel.bar.value():,} of {self._total:,}. " if self._total else ""
        panel.state.setText(steps + text)
        panel.pace.setText("")
