"""The window: workspaces as tabs on top, each a set of docks; menus and shortcuts from one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QMenuBar,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.notifications import Notifications
from introvac_studio.settings import Settings

LAYOUT_VERSION = 2
LEFT = Qt.DockWidgetArea.LeftDockWidgetArea
_ROOMY = 1200  # width from which the program's name stands in the top row


@dataclass(frozen=True)
class Dock:
    """One panel of a workspace.

    `beside` and `below` name the dock that this one is split from, `over` the one it is tabbed with.
    """

    name: str
    title: str
    widget: QWidget
    width: int = 0
    height: int = 0
    beside: str = ""
    below: str = ""
    over: str = ""


@dataclass(frozen=True)
class Command:
    """One action: where it sits, what it says, its shortcut, and what it does.

    With `choices` it is a submenu of what these are when it opens; `act` takes the one chosen.
    """

    menu: str
    text: str
    shortcut: str
    act: Callable[..., object]
    choices: Callable[[], Sequence[str]] | None = None


class Workspace(QMainWindow):
    """Docks that the user may rearrange, without a fixed centre."""

    def __init__(self, name: str, docks: tuple[Dock, ...]) -> None:
        super().__init__()
        self.setObjectName(f"workspace.{name}")
        self.setWindowFlag(Qt.WindowType.Window, False)
        self.setDockNestingEnabled(True)
        self.setDockOptions(self.dockOptions() | QMainWindow.DockOption.GroupedDragging)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self._specs = docks
        self.arranged = False  # whether the docks have sizes of their own, remembered or given
        self.docks: dict[str, QDockWidget] = {}
        for spec in docks:
            dock = QDockWidget(spec.title)
            dock.setObjectName(f"dock.{spec.name}")
            dock.setFeatures(_MOVABLE)
            dock.setWidget(_framed(spec.widget))
            dock.visibilityChanged.connect(self._trim_titles)
            dock.topLevelChanged.connect(self._trim_titles)
            dock.dockLocationChanged.connect(self._trim_titles)
            self.docks[spec.name] = dock
        self.arrange()

    def arrange(self) -> None:
        """The default layout."""
        for dock in self.docks.values():
            self.removeDockWidget(dock)
        for spec in self._specs:
            dock = self.docks[spec.name]
            if spec.over:
                self.tabifyDockWidget(self.docks[spec.over], dock)
            elif spec.below:
                self.splitDockWidget(self.docks[spec.below], dock, Qt.Orientation.Vertical)
            elif spec.beside:
                self.splitDockWidget(self.docks[spec.beside], dock, Qt.Orientation.Horizontal)
            else:
                self.addDockWidget(LEFT, dock)
            dock.setFloating(False)
            dock.show()
        for spec in self._specs:
            if spec.over:
                self.docks[spec.over].raise_()
        self.resize_docks()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self.arranged:
            self.arranged = True
            QTimer.singleShot(0, self, self.resize_docks)  # sizes mean something only once there is a window

    @Slot()
    def _trim_titles(self) -> None:
        """A dock in a group of tabs has its name on the tab; a title bar would say it twice."""
        for dock in self.docks.values():
            tabbed = bool(self.tabifiedDockWidgets(dock)) and not dock.isFloating()
            if tabbed and dock.titleBarWidget() is None:
                dock.setTitleBarWidget(QWidget(dock))
            elif not tabbed and (blank := dock.titleBarWidget()) is not None:
                dock.setTitleBarWidget(None)  # type: ignore[arg-type]
                blank.deleteLater()

    def resize_docks(self) -> None:
        """Give the docks their default sizes."""
        for orientation, size in ((Qt.Orientation.Horizontal, "width"), (Qt.Orientation.Vertical, "height")):
            chosen = [s for s in self._specs if getattr(s, size)]
            if chosen:
                self.resizeDocks(
                    [self.docks[s.name] for s in chosen], [getattr(s, size) for s in chosen], orientation
                )


def _framed(widget: QWidget) -> QWidget:
    """A panel on the panel's background, with a border."""
    frame = QWidget()
    frame.setObjectName("panel")
    frame.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    column = QVBoxLayout(frame)
    column.setContentsMargins(1, 0, 1, 1)
    column.addWidget(widget)
    return frame


class MainWindow(QMainWindow):
    """Frame of the application. Panels come from outside; the window knows none of them.

    Signals:
        closing: the user wants to leave; `accept_close` or nothing answers.
        modelChosen: a row of the model menu was chosen (its data).
        cancelRequested: the cancel button of the status bar.
    """

    closing = Signal()
    modelChosen = Signal(object)
    cancelRequested = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._may_close = False
        self.workspaces: dict[str, Workspace] = {}
        self.actions_: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {}  # submenus
        self.setWindowTitle("IntroVAC Studio")
        self.setMinimumSize(QSize(1024, 640))
        self.resize(1280, 800)
        self._stack = QStackedWidget()
        self._tabs = QButtonGroup(self)
        self._tab_row = QHBoxLayout()
        self._menus = QMenuBar()
        self.model_box = QComboBox()
        self.model_box.setAccessibleName("open model")
        self.model_box.setMinimumWidth(150)
        self.model_box.setToolTip("The model that edits, latent view and generation use")
        self.device = QLabel("")
        self.device.setObjectName("muted")
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(12, 0, 12, 0)
        column.setSpacing(4)
        column.addWidget(self._top_bar())
        column.addWidget(self._stack, 1)
        self.setCentralWidget(centre)
        self.notifications = Notifications(self, self.statusBar())
        self._status_bar()
        self._tabs.idClicked.connect(self._stack.setCurrentIndex)
        self.model_box.activated.connect(self._on_model_activated)

    def _top_bar(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("topbar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(0, 4, 0, 4)
        row.setSpacing(theme.GRID)
        self._brand = QLabel("IntroVAC Studio")
        self._brand.setObjectName("brand")
        row.addWidget(self._brand)
        if sys.platform == "darwin":
            self.setMenuBar(self._menus)
        else:
            row.addWidget(self._menus)
            self._menus.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        row.addSpacing(theme.GRID)
        row.addLayout(self._tab_row)
        row.addStretch(1)
        label = QLabel("model")
        label.setObjectName("muted")
        row.addWidget(label)
        row.addWidget(self.model_box)
        row.addWidget(self.device)
        return bar

    def _status_bar(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.setContentsMargins(0, 0, 12, 0)
        self.status = QLabel("")
        self.run_status = QLabel("")
        self.status.setContentsMargins(12, 0, 0, 0)
        self.progress = QProgressBar()
        self.progress.setFixedWidth(220)
        self.cancel = QPushButton("Cancel")
        bar.addWidget(self.status, 1)
        bar.addPermanentWidget(self.run_status)
        bar.addPermanentWidget(self.progress)
        bar.addPermanentWidget(self.cancel)
        bar.addPermanentWidget(self.notifications.bell)
        self.cancel.clicked.connect(self.cancelRequested)
        self.show_progress("", 0, 0)

    @property
    def banner(self) -> Notifications:
        """What complaints go to."""
        return self.notifications

    # -- content ------------------------------------------------------------------------------

    def add_workspace(self, name: str, title: str, docks: tuple[Dock, ...]) -> None:
        """A tab on top and its docks."""
        workspace = Workspace(name, docks)
        self.workspaces[name] = workspace
        index = self._stack.addWidget(workspace)
        button = QPushButton(title)
        button.setObjectName("workspace")
        button.setCheckable(True)
        button.setToolTip(f"{title} (Ctrl+{index + 1})")
        self._tabs.addButton(button, index)
        self._tab_row.addWidget(button)
        if index == 0:
            button.setChecked(True)

    def add_commands(self, commands: tuple[Command, ...]) -> None:
        """Menus from a table; an empty text is a separator."""
        menus = {}
        for command in commands:
            if command.menu not in menus:
                menus[command.menu] = self._menus.addMenu(command.menu)
            menu = menus[command.menu]
            if not command.text:
                menu.addSeparator()
                continue
            if command.choices is not None:
                menu.addMenu(self._submenu(command, command.choices))
                continue
            action = QAction(command.text, self)
            if command.shortcut:
                action.setShortcut(QKeySequence(command.shortcut))
            action.triggered.connect(command.act)
            self.actions_[command.text] = action
            menu.addAction(action)

    def _submenu(self, command: Command, choices: Callable[[], Sequence[str]]) -> QMenu:
        menu = QMenu(command.text, self)

        def fill() -> None:
            menu.clear()
            for text in choices():
                menu.addAction(text).triggered.connect(lambda _=False, chosen=text: command.act(chosen))
            if menu.isEmpty():
                menu.addAction("none yet").setEnabled(False)

        menu.aboutToShow.connect(fill)
        self.menus[command.text] = menu
        return menu

    def show_workspace(self, name: str) -> None:
        index = list(self.workspaces).index(name)
        self._stack.setCurrentIndex(index)
        self._tabs.button(index).setChecked(True)

    @property
    def workspace(self) -> str:
        """Name of the one on screen."""
        return list(self.workspaces)[self._stack.currentIndex()]

    def raise_dock(self, workspace: str, dock: str) -> None:
        self.workspaces[workspace].docks[dock].raise_()

    @Slot(int)
    def _on_model_activated(self, index: int) -> None:
        self.modelChosen.emit(self.model_box.itemData(index))

    # -- status -------------------------------------------------------------------------------

    def show_progress(self, text: str, done: int, total: int, cancellable: bool = False) -> None:
        """What is going on, in the status bar; `total` 0 hides the bar."""
        self.status.setText(text)
        self.progress.setVisible(total > 0)
        self.cancel.setVisible(total > 0 and cancellable)
        if total > 0:
            self.progress.setRange(0, 1000)
            self.progress.setValue(round(1000 * min(done, total) / total))
            self.progress.setFormat(f"{100 * min(done, total) / total:.0f} %")

    @Slot(str)
    def set_run_status(self, text: str) -> None:
        """What the training run is doing, whatever else goes on."""
        self.run_status.setText(text)

    # -- remembered ---------------------------------------------------------------------------

    def restore(self) -> None:
        """The geometry, layouts and workspace of last time; defaults where there was none."""
        self.restoreGeometry(self._settings.blob("window/geometry"))
        for name, workspace in self.workspaces.items():
            blob = self._settings.blob(f"window/layout.{LAYOUT_VERSION}.{name}")
            if not blob.isEmpty():
                workspace.arranged = workspace.restoreState(blob, LAYOUT_VERSION)

    def remember(self) -> None:
        self._settings.set_blob("window/geometry", self.saveGeometry())
        for name, workspace in self.workspaces.items():
            self._settings.set_blob(
                f"window/layout.{LAYOUT_VERSION}.{name}", workspace.saveState(LAYOUT_VERSION)
            )

    @Slot()
    def reset_layout(self) -> None:
        self._settings.forget("window/")
        for workspace in self.workspaces.values():
            workspace.arrange()

    def accept_close(self) -> None:
        """Let the window go."""
        self._may_close = True
        self.close()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._brand.setVisible(self.width() >= _ROOMY)  # menus and workspaces come first

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._may_close:
            self.closing.emit()  # may call `accept_close` at once; a nested close() does nothing
        event.setAccepted(self._may_close)


_MOVABLE = QDockWidget.DockWidgetFeature.DockWidgetMovable | QDockWidget.DockWidgetFeature.DockWidgetFloatable
