"""The Runs dock's wiring: the list of runs, their curves over each other, and what is done to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMessageBox

from introvac_studio import desktop
from introvac_studio.data_summary import DataChoice
from introvac_studio.language import tr
from introvac_studio.panels.runs import RunsPanel
from introvac_studio.run_request import RunRequest
from introvac_studio.run_rows import RunRow
from introvac_studio.settings import Settings
from introvac_studio.widgets.config_form import as_text
from introvac_studio.widgets.loss_overlay import MOST
from introvac_studio.workers.run_list import RunListThread
from trainer import config, files, setup
from trainer.config import TrainConfig
from trainer.errors import ConfigError
from trainer.run_files import CONFIG_FILE
from trainer.run_summary import RunCurves

FOLDERS = "runs/folders"  # listed besides the folder of new runs
LOOK_MS = 2000  # between looks while the list is on screen
_SETTLE_MS = 200  # after a change in a watched folder


def command_of(resolved: TrainConfig, run: Path) -> list[str]:
    """The words of the command that starts a run with these settings.

    Raises:
        ConfigError: the preset is no longer known.
    """
    data = resolved.data
    choice = DataChoice(data.data, resolved.model.attributes, data.derive, data.subset)
    usual = setup.resolve(resolved.preset, data=data.data, attributes=resolved.model.attributes)
    values = []
    for section, setting in config.settings():
        mine, theirs = (getattr(getattr(c, section), setting.name) for c in (resolved, usual))
        if mine != theirs and setting.name not in ("data", "attributes", "derive", "subset"):
            values.append((setting.name, as_text(mine)))
    return ["introvac", "train", *RunRequest(resolved.preset, choice, run, tuple(values)).arguments()]


class RunBrowser(QObject):
    """Keeps the list fresh while it is on screen, and does what its buttons say.

    Signals:
        showRequested, resumeRequested (Path of a run), openModelRequested (Path of a model).
        cloneRequested(TrainConfig, Path): a new run with the settings of this one is to be set up.
        renamed(Path, Path): a run that was here is there now.
        overlaid(tuple[RunCurves]): several runs are to be drawn; none when one run is enough.
        complained(str): what did not work.
        told(str, str, object): a text, its kind, and an action (text, callable) or None.
    """

    showRequested = Signal(object)
    resumeRequested = Signal(object)
    cloneRequested = Signal(object, object)
    openModelRequested = Signal(object)
    overlaid = Signal(object)
    renamed = Signal(object, object)
    gone = Signal(object)
    complained = Signal(str)
    told = Signal(str, str, object)

    def __init__(self, settings: Settings, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings, self._folder = settings, folder
        self._drawn: tuple[Path, ...] = ()
        self._choose: Path | None = None  # once it is listed
        self.panel = RunsPanel()
        self.thread_ = RunListThread(self)
        self._watcher = QFileSystemWatcher(self)
        self._timer, self._soon = QTimer(self), QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._soon.setInterval(_SETTLE_MS)
        self._soon.setSingleShot(True)
        panel, thread = self.panel, self.thread_
        thread.listed.connect(self._on_listed)
        thread.overlaid.connect(self._on_overlaid)
        thread.failed.connect(self.complained)
        thread.trashed.connect(self._on_trashed)
        thread.untrashed.connect(self._on_untrashed)
        thread.renamed.connect(self._on_renamed)
        self._timer.timeout.connect(self.look)
        self._soon.timeout.connect(self.look)
        self._watcher.directoryChanged.connect(self._on_changed)
        panel.shown.connect(self._on_shown)
        panel.showRequested.connect(self.showRequested)
        panel.resumeRequested.connect(self.resumeRequested)
        panel.modelRequested.connect(self.openModelRequested)
        panel.cloneRequested.connect(self._on_clone)
        panel.commandRequested.connect(self._on_command)
        panel.folderRequested.connect(self._on_folder)
        panel.trashRequested.connect(self._on_trash)
        panel.renameRequested.connect(thread.rename)
        panel.complained.connect(self.complained)
        panel.folderAdded.connect(self._on_add)
        panel.overlayRequested.connect(self._on_overlay)

    @property
    def folders(self) -> list[Path]:
        """What is looked through: the folder of new runs, and those that the user added."""
        return list(dict.fromkeys([self._folder, *map(Path, self._settings.texts(FOLDERS))]))

    def set_folder(self, folder: Path) -> None:
        """New runs go elsewhere now."""
        if folder != self._folder:
            self._folder = folder
            self._on_changed()

    def add_folder(self, folder: Path) -> None:
        """List the runs of another folder too, or a run itself."""
        if folder not in self.folders:
            self._settings.set_texts(FOLDERS, [*self._settings.texts(FOLDERS), str(folder)])
        self.look()

    def close(self) -> None:
        """Stop looking, and wait for the thread."""
        self._timer.stop()
        self._soon.stop()
        self._watcher.deleteLater()  # now and in this thread, not whenever Python comes by
        self.thread_.close()

    # -- what is listed -------------------------------------------------------------------

    @Slot()
    def look(self) -> None:
        """Read what is new; costs little where nothing is."""
        if not self.thread_.isRunning():
            self.thread_.start()
        folders = self.folders
        there = {str(f) for f in folders if files.is_dir(f)}
        known = set(self._watcher.directories())
        if there - known:
            self._watcher.addPaths(sorted(there - known))
        self.panel.say_empty(
            tr("No runs in {folder} yet. Press Start training, or add a folder that holds some.",
               folder=folders[0])
        )  # fmt: skip
        self.thread_.look(folders)

    @Slot()
    def _on_changed(self) -> None:
        if self._timer.isActive():
            self._soon.start()

    @Slot(bool)
    def _on_shown(self, visible: bool) -> None:
        """Only a list that somebody sees is kept fresh."""
        if visible:
            self._timer.start()
            self.look()
        else:
            self._timer.stop()
            self._soon.stop()

    @Slot(object)
    def _on_listed(self, rows: Sequence[RunRow]) -> None:
        self.panel.set_rows(rows)
        if self._choose is not None and any(row.path == self._choose for row in rows):
            self.panel.choose([self._choose])
            self._choose = None
        if self._drawn:
            self.thread_.curves(self._drawn)

    # -- curves of several ----------------------------------------------------------------

    @Slot(object)
    def _on_overlay(self, runs: tuple[Path, ...]) -> None:
        if len(runs) > MOST:
            text = tr("Colours tell {n} runs apart; the first {n} of those chosen are drawn.", n=MOST)
            self.told.emit(text, "info", None)
        self._drawn = runs[:MOST]
        if self._drawn:
            self.thread_.curves(self._drawn)
        else:
            self.overlaid.emit(())

    @Slot(object)
    def _on_overlaid(self, found: tuple[RunCurves, ...]) -> None:
        if self._drawn:
            self.overlaid.emit(tuple(c for c in found if c.path in self._drawn))

    @Slot()
    def end_overlay(self) -> None:
        """One run is enough again."""
        self.panel.view.clearSelection()

    # -- what is done to one --------------------------------------------------------------

    def _config(self, run: Path) -> TrainConfig | None:
        try:
            return config.load(run / CONFIG_FILE)
        except ConfigError as error:
            self.complained.emit(str(error))
            return None

    @Slot(object)
    def _on_clone(self, run: Path) -> None:
        if (resolved := self._config(run)) is not None:
            self.cloneRequested.emit(resolved, run)

    @Slot(object)
    def _on_command(self, run: Path) -> None:
        resolved = self._config(run)
        if resolved is None:
            return
        try:
            words = command_of(resolved, run)
        except ConfigError as error:
            self.complained.emit(str(error))
            return
        QGuiApplication.clipboard().setText(desktop.command_line(words))
        self.told.emit(tr("The command line of {name} is copied.", name=run.name), "done", None)

    @Slot(object)
    def _on_folder(self, run: Path) -> None:
        if trouble := desktop.visit(run):
            self.complained.emit(trouble)

    @Slot()
    def _on_add(self) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self.panel, tr("A folder with runs, or a run"), str(self._folder)
        )
        if chosen:
            self.add_folder(Path(chosen))

    @Slot(object, object)
    def _on_renamed(self, run: Path, now: Path) -> None:
        """It stays chosen, and listed where it was listed by itself."""
        folders = self._settings.texts(FOLDERS)
        if str(run) in folders:
            self._settings.set_texts(FOLDERS, [str(now) if f == str(run) else f for f in folders])
        self._choose = now
        self.look()
        self.renamed.emit(run, now)

    @Slot(object)
    def _on_trash(self, run: Path) -> None:
        self.thread_.trash(run)

    @Slot(object, str, bool)
    def _on_trashed(self, run: Path, place: str, undo: bool) -> None:
        self.look()
        self.gone.emit(run)
        if undo:
            action = (tr("Undo"), lambda: self._put_back(run, place))
            self.told.emit(tr("{name} is in the trash.", name=run.name), "done", action)
        else:
            self.told.emit(tr("{name} is deleted.", name=run.name), "done", None)

    def _put_back(self, run: Path, place: str) -> None:
        self.thread_.put_back(run, place)
        self.look()

    @Slot(object, str)
    def _on_untrashed(self, run: Path, why: str) -> None:
        """Where there is no trash, deleting is for good: ask."""
        text = tr(
            "{folder} cannot be moved to the trash ({why}). Delete the run for good?", folder=run, why=why
        )
        yes = QMessageBox.StandardButton.Yes
        cancel = QMessageBox.StandardButton.Cancel
        if QMessageBox.question(self.panel, tr("Delete a run"), text, yes | cancel, cancel) == yes:
            self.thread_.delete(run)
