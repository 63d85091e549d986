"""Preferences: looks, language, where pictures are computed, notifications, and where runs go."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QLocale, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import language, theme
from introvac_studio.language import mark, tr
from introvac_studio.settings import (
    DESKTOP,
    DEVICE,
    LANGUAGE,
    MOTION,
    RUNS,
    THEME,
    Settings,
    runs_folder,
)
from introvac_studio.widgets.texts import Line, muted

THEMES = {"system": mark("as the desktop"), "light": mark("light"), "dark": mark("dark")}
_DEVICES = {
    "auto": mark("the fastest there is"),
    "cpu": mark("processor (cpu)"),
    "cuda": mark("NVIDIA graphics card (cuda)"),
    "mps": mark("Apple graphics (mps)"),
}


class Preferences(QDialog):
    """Every choice holds at once, and is remembered; only the language waits for the next start.

    Signals:
        themeChanged, deviceChanged, motionChanged: the setting of this name differs.
    """

    themeChanged = Signal()
    deviceChanged = Signal()
    motionChanged = Signal()

    def __init__(self, settings: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self._settings = settings
        self.setWindowTitle(tr("Preferences"))
        self.theme = self._chooser({k: tr(v) for k, v in THEMES.items()}, THEME, "system")
        self.theme.setToolTip(tr("Light or dark colours"))
        self.language = self._chooser(_languages(), LANGUAGE, "")
        self.language.setToolTip(tr("The language of menus and texts"))
        self.device = self._chooser({k: tr(v) for k, v in _DEVICES.items()}, DEVICE, "auto")
        self.device.setToolTip(tr("Where faces are decoded; a run has its own setting on the Train page"))
        self.motion = QCheckBox(tr("no fading and sliding"))
        self.motion.setToolTip(tr("Notifications and other things appear at once"))
        self.desktop = QCheckBox(tr("tell me when the window is not in front"))
        self.desktop.setToolTip(tr("A message of the desktop when a run ends or needs a look"))
        self.motion.setChecked(settings.get(MOTION, False))
        self.desktop.setChecked(settings.get(DESKTOP, True))
        self.folder = Line()
        self.folder.say(str(runs_folder(settings)))
        choose = QPushButton(tr("Choose…"))
        choose.setToolTip(tr("The folder that new runs are put into"))
        where = QHBoxLayout()
        where.setSpacing(theme.GRID)
        where.addWidget(self.folder, 1)
        where.addWidget(choose)
        self.note = muted(wrap=True)
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        form.setHorizontalSpacing(2 * theme.GRID)
        for text, field in (
            (tr("Colours"), self.theme),
            (tr("Motion"), self.motion),
            (tr("Language"), self.language),
            (tr("Pictures are computed on"), self.device),
            (tr("Desktop notifications"), self.desktop),
        ):
            field.setAccessibleName(text)
            form.addRow(text, field)
        form.addRow(tr("Runs are kept in"), where)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[2 * theme.GRID] * 4)
        layout.setSpacing(2 * theme.GRID)
        layout.addLayout(form)
        layout.addWidget(self.note)
        layout.addStretch(1)
        layout.addWidget(buttons)
        self.setMinimumWidth(520)
        buttons.rejected.connect(self.reject)
        choose.clicked.connect(self._choose_folder)
        self.theme.activated.connect(self._on_theme)
        self.language.activated.connect(self._on_language)
        self.device.activated.connect(self._on_device)
        self.motion.toggled.connect(self._on_motion)
        self.desktop.toggled.connect(self._on_desktop)

    def _chooser(self, choices: dict[str, str], key: str, default: str) -> QComboBox:
        box = QComboBox()
        for value, text in choices.items():
            box.addItem(text, value)
        box.setCurrentIndex(max(box.findData(self._settings.get(key, default)), 0))
        return box

    @Slot()
    def _on_theme(self) -> None:
        self._settings.set(THEME, self.theme.currentData())
        theme.prefer(self.theme.currentData())
        self.themeChanged.emit()

    @Slot()
    def _on_language(self) -> None:
        self._settings.set(LANGUAGE, self.language.currentData())
        self.note.setText(tr("The language changes with the next start."))

    @Slot()
    def _on_device(self) -> None:
        self._settings.set(DEVICE, self.device.currentData())
        self.deviceChanged.emit()

    @Slot(bool)
    def _on_motion(self, on: bool) -> None:
        self._settings.set(MOTION, on)
        self.motionChanged.emit()

    @Slot(bool)
    def _on_desktop(self, on: bool) -> None:
        self._settings.set(DESKTOP, on)

    @Slot()
    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self, tr("A folder for runs"), str(runs_folder(self._settings))
        )
        if chosen:
            self.set_runs_folder(Path(chosen))

    def set_runs_folder(self, folder: Path) -> None:
        """Keep new runs there."""
        self._settings.set(RUNS, str(folder))
        self.folder.say(str(folder))
        self.note.setText(tr("The Train page uses the folder from the next start."))


def _languages() -> dict[str, str]:
    """The languages that there are, by their codes, each in its own words."""
    found = {"": tr("as the desktop"), "en": "English"}
    for code in language.available():
        name = QLocale(code).nativeLanguageName()
        found[code] = name[:1].upper() + name[1:] if name else code
    return found
