"""The form that starts a run, and the buttons that pause, stop and continue it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.catalogue import preset_help
from introvac_studio.data_summary import DataChoice, DataSummary, sound_choice
from introvac_studio.language import tr
from introvac_studio.run_request import RunRequest, default_run
from introvac_studio.settings import RUNS, Settings, runs_folder
from introvac_studio.widgets.config_form import ConfigForm, as_text
from introvac_studio.widgets.form_area import form_area
from introvac_studio.widgets.texts import heading, muted, tabular
from trainer import config, files, run_names
from trainer.errors import ConfigError
from trainer.run_files import CONFIG_FILE

ELSEWHERE = ("data", "attributes", "derive", "subset")  # settings that the data panel chooses


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
        self.setWindowTitle(tr("All settings of the run"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        reset = buttons.addButton(tr("Back to the preset"), QDialogButtonBox.ButtonRole.ResetRole)
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
    rootChanged = Signal(object)
    complained = Signal(str)

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._choice = DataChoice()
        self._phase = "idle"
        self._named = False
        self._run: Path | None = None
        self._editable = self._elsewhere = False
        self.snapshot_due = False  # one was asked for, and is not there yet
        self.model: Path | None = None
        self._root = runs_folder(settings) if settings else Path.home() / "IntroVAC" / "runs"
        self.form = ConfigForm(ELSEWHERE)
        self.form.setParent(self)
        self.form.hide()
        self._dialog: _SettingsDialog | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        area = form_area(self._build_form())
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
        self.choose = QPushButton(tr("Choose data…"))
        self.preset, self.preset_help = QComboBox(), muted(wrap=True)
        for name in config.PRESETS:
            self.preset.addItem(name)
            tip = tr(preset_help(name))
            self.preset.setItemData(self.preset.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.side = QComboBox()
        for side in config.SIZES:
            self.side.addItem(tr("{n} px", n=side), side)
        self.device = QComboBox()
        self.device.setEditable(True)
        self.device.addItems(["auto", "cpu", "cuda", "mps"])
        self.epochs, self.batch, self.name = QLineEdit(), QLineEdit(), QLineEdit()
        self.place = muted(wrap=True)
        self.folder = QPushButton("…")
        self.folder.setFixedWidth(36)
        self.folder.setToolTip(tr("Choose the folder that holds the runs"))
        self.folder.setAccessibleName(tr("Choose the folder that holds the runs"))
        self.all_settings = QPushButton(tr("All settings…"))
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setObjectName("warning")
        where = QHBoxLayout()
        where.setSpacing(4)
        where.addWidget(self.place, 1)
        where.addWidget(self.folder)
        line = 0
        for widget in (heading(tr("Data")), self.data_title, self.data_more, self.choose):
            grid.addWidget(widget, line, 0, 1, 2)
            line += 1
        below = heading(tr("Settings"))
        below.setContentsMargins(0, theme.GRID, 0, 0)
        grid.addWidget(below, line, 0, 1, 2)
        line += 1
        fields: list[tuple[str, QWidget | QHBoxLayout]] = [
            (tr("Preset"), self.preset), ("", self.preset_help), (tr("Size"), self.side),
            (tr("Epochs"), self.epochs), (tr("Batch"), self.batch), (tr("Device"), self.device),
            (tr("Run"), self.name), ("", where),
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
        self.name.setAccessibleName(tr("Name of the run"))
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
        self.bar.setAccessibleName(tr("Progress of the run"))
        self.pace = muted(wrap=True)
        for label in (self.state, self.pace):
            label.setFont(tabular(self.font(), 13))
        self.start = QPushButton()
        self.start.setObjectName("primary")
        self.pause, self.stop = QPushButton(tr("Pause")), QPushButton(tr("Stop"))
        self.edit = QPushButton(tr("Edit this snapshot"))
        self.fresh, self.earlier = QPushButton(tr("New run")), QPushButton(tr("Open a run…"))
        self.earlier.setToolTip(tr("Look at an earlier run, and resume it"))
        for i, widget in enumerate((self.state, self.bar, self.pace, self.start)):
            layout.addWidget(widget, i, 0, 1, 2)
        layout.addWidget(self.pause, 4, 0)
        layout.addWidget(self.stop, 4, 1)
        layout.addWidget(self.edit, 5, 0, 1, 2)
        last = QHBoxLayout()
        last.setSpacing(theme.GRID)
        last.addWidget(self.fresh, 1)
        last.addWidget(self.earlier, 1)
        layout.addLayout(last, 6, 0, 1, 2)
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
        self.preset_help.setText(tr(preset_help(name)))
        self.form.set_preset(name)

    @Slot(object)
    def set_choice(self, choice: DataChoice) -> None:
        """Other data, or other attributes of it."""
        if choice == self._choice and self.data_title.text():
            return  # what is known of it stays
        self._choice = choice
        self.data_title.setText(choice.title)
        self.data_title.setToolTip(choice.data)
        subset = "" if choice.subset == "none" else "\n" + tr("Subset {name}", name=choice.subset)
        self.data_more.setText((", ".join(choice.attributes) or tr("No attribute chosen")) + subset)
        self.form.set_context(choice.data, choice.attributes)

    @property
    def root(self) -> Path:
        """The folder of new runs."""
        return self._root

    @property
    def choices(self) -> dict[str, Any]:
        """What the form says, for `take_up`; made of JSON's types."""
        choice = self._choice
        return {
            "data": choice.data,
            "attributes": list(choice.attributes),
            "derive": list(choice.derive),
            "subset": choice.subset,
            "preset": self.form.preset,
            "values": self.form.values(),
        }

    def take_up(self, choices: dict[str, Any]) -> None:
        """Fill the form with `choices`, as far as they are sound and their data is still there."""
        choice = sound_choice(choices)
        if choice is not None:
            self.set_choice(choice)
        if choices.get("preset") in config.PRESETS:
            self.set_preset(choices["preset"])
        values = choices.get("values")
        if isinstance(values, dict):
            known = {setting.name for _, setting in config.settings()} - set(ELSEWHERE)
            self.form.set_values({name: str(value) for name, value in values.items() if name in known})

    def clone(self, resolved: config.TrainConfig, run: Path) -> None:
        """A new run with the settings and data of another, to be changed and started."""
        self.set_run(None)
        self.set_phase("idle")
        self.show_config(resolved)
        self.name.setText(run_names.next_free(self._root / run.name).name)
        self._named = True
        self._refresh()
        self.name.setFocus()
        self.name.selectAll()

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
            more = f"{', '.join(self._choice.attributes)}\n" + tr("{n} faces to train on", n=f"{train:,}")
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
        text = tr("All settings… ({n} changed)", n=count) if count else tr("All settings…")
        self.all_settings.setText(text)
        self._name_run()
        self._refresh()

    def _name_run(self) -> None:
        if not self._named and self._run is None:
            today = datetime.date.today()
            path = default_run(self._root, self.form.preset, self._choice.data, today)
            self.name.setText(path.name)
        home = str(Path.home())
        where = str(self._root if self._run is None else self._run.parent)
        text = tr("in {folder}", folder="~" + where[len(home) :] if where.startswith(home) else where)
        self.place.setText(text + ("\n" + tr("trained by another process") if self._elsewhere else ""))

    def set_elsewhere(self, on: bool) -> None:
        """Whether another process than this studio's child trains the run on show."""
        self._elsewhere = on
        self._name_run()

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
        chosen = QFileDialog.getExistingDirectory(self, tr("Folder that holds the runs"), str(self._root))
        if chosen:
            self._root = Path(chosen)
            if self._settings:
                self._settings.set(RUNS, chosen)
            self.rootChanged.emit(self._root)
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
            return tr("Choose at least one attribute: press Choose data…")
        if not name:
            return tr("Give the run a name.")
        try:
            run_names.check_name(name)
        except ConfigError as error:
            return str(error)
        if files.exists(self._root / name / CONFIG_FILE):
            return tr(
                "There is a run {name} already: open it to resume it, or choose another name.", name=name
            )
        return ""

    # -- the run --------------------------------------------------------------------------

    def set_phase(self, phase: str) -> None:
        """`idle`, `starting`, `running`, `pausing`, `paused`, `stopping`, `ended` (resumable) or `done`."""
        pressed = next((b for b in (self.start, self.pause, self.stop, self.edit) if b.hasFocus()), None)
        self._phase = phase
        if phase not in ("running", "pausing", "paused"):
            self.snapshot_due = False
        self._refresh()
        if pressed is not None and not (pressed.isVisibleTo(self) and pressed.isEnabled()):
            self.setFocus()  # else the keyboard would be on the next button: Space after Start would stop

    def set_editable(self, on: bool) -> None:
        """Whether the run has taken steps, so that its model is worth a look."""
        if on != self._editable:
            self._editable = on
            self._refresh()

    def set_snapshot_due(self, on: bool) -> None:
        """Whether a snapshot is awaited."""
        self.snapshot_due = on
        self._refresh()

    @property
    def phase(self) -> str:
        return self._phase

    def set_run(self, run: Path | None, keep_name: bool = False) -> None:
        """The run on show; None is back to a new one, with a name of its own unless the old one is kept."""
        self._run = run
        self.model = None
        self._editable = self._elsewhere = False
        if run is None:
            self._named = self._named and keep_name
        else:
            self.name.setText(run.name)
        self._name_run()
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
        self.start.setText(tr("Resume this run") if over else tr("Start training"))
        self.start.setVisible(phase in ("idle", "ended"))
        self.start.setEnabled(not problem)
        self.pause.setVisible(alive)
        words = {"paused": tr("Resume"), "pausing": tr("Pausing…")}
        self.pause.setText(words.get(phase, tr("Pause")))
        self.pause.setEnabled(phase in ("running", "pausing", "paused"))  # else the keyboard would leave it
        self.stop.setVisible(alive)
        self.stop.setText(tr("Stopping…") if phase == "stopping" else tr("Stop"))
        self.stop.setEnabled(phase != "stopping")
        self.edit.setVisible(alive or (over and self.model is not None))
        self.edit.setText(tr("Edit with this model") if over else tr("Edit this snapshot"))
        _restyle(self.edit, "primary" if alive or phase == "done" else "")
        why = "" if over else self._why_not_edited()
        can = tr("Open the run's model on the Edit page") if over else tr("Edit with the model as it is now")
        self.edit.setEnabled(not why)
        self.edit.setToolTip(why or can)
        self.fresh.setVisible(over)
        self.earlier.setVisible(not alive)
        for widget in (self.state, self.bar):
            widget.setVisible(alive or over)
        self.pace.setVisible(alive)
        for field in (self.choose, self.preset, self.side, self.epochs, self.batch, self.device,
                      self.name, self.folder, self.form):  # fmt: skip
            field.setEnabled(phase == "idle")

    def _why_not_edited(self) -> str:
        """Why the model in training cannot be edited with now, or empty."""
        if self._phase == "stopping":
            return tr("The run is stopping")
        if not self._editable or self._phase == "starting":
            return tr("There is nothing to edit with before the run's first steps")
        return tr("The snapshot is being saved") if self.snapshot_due or self._phase == "pausing" else ""

    @Slot()
    def _on_start(self) -> None:
        if self._phase == "ended":
            self.continue_run()
        elif not self.problem_text():
            self.startRequested.emit(self.request())

    def continue_run(self) -> None:
        """Go on with the run on show, if it can be gone on with."""
        if self._phase == "ended" and self._run is not None:
            self.continueRequested.emit(self._run)

    @Slot()
    def _on_pause(self) -> None:
        if self._phase == "paused":
            self.resumeRequested.emit()
        elif self._phase == "running":
            self.set_phase("pausing")
            self.pauseRequested.emit()

    @Slot()
    def _on_stop(self) -> None:
        begun = self._phase != "starting"
        self.set_phase("stopping")
        saving = tr("Saving a checkpoint…")
        self.state.setText(saving if begun else tr("Stopping before the first step…"))
        if not begun:
            self.bar.setRange(0, 0)
        self.stopRequested.emit()

    @Slot()
    def _on_edit(self) -> None:
        if self._phase in ("ended", "done") and self.model is not None:
            self.openModelRequested.emit(self.model)
        else:
            self.set_snapshot_due(True)
            self.snapshotRequested.emit()

    @Slot()
    def _on_earlier(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, tr("A run to open"), str(self._root))
        if not chosen:
            return
        if files.is_file(Path(chosen) / CONFIG_FILE):
            self.openRunRequested.emit(Path(chosen))
        else:
            text = tr("{folder} is no run: it holds no {file}. Choose a run's own folder.",
                      folder=chosen, file=CONFIG_FILE)  # fmt: skip
            self.complained.emit(text)
