"""The window: workspaces as tabs on top, each a set of docks; menus and shortcuts from one table."""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QByteArray, QEvent, QKeyCombination, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QColor,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
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
from shiboken6 import isValid

from introvac_studio import theme
from introvac_studio.actions import ActionTable, Command
from introvac_studio.language import mark, tr
from introvac_studio.notifications import Notifications
from introvac_studio.settings import Settings

LAYOUT_VERSION = 3
LEFT = Qt.DockWidgetArea.LeftDockWidgetArea
_FIRST_KEY = QKeyCombination(Qt.KeyboardModifier.ControlModifier, Qt.Key.Key_K)  # of two
_HINT_MS = 2500
_REACH = 48  # pixels of a floating dock that must be on a screen, each way
_OWN = QByteArray(b"own")  # before a layout that the user made
_VIEW, _DOCKS = mark("&View"), mark("&Docks")
_SIZE, _FRAME = QSize(1280, 800), QSize(16, 48)  # of a first window, and what a desktop adds around it
_ROOMY = 1200  # width from which the program's name stands in the top row


@dataclass(frozen=True)
class Dock:
    """One panel of a workspace.

    `beside` and `below` name the dock that this one is split from, `over` the one it is tabbed with, and
    `narrow` the one that it is tabbed with where the window has no room for it beside the others.
    """

    name: str
    title: str
    widget: QWidget
    width: int = 0
    height: int = 0
    beside: str = ""
    below: str = ""
    over: str = ""
    narrow: str = ""


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
        self.own = False  # whether the user moved docks
        self._awaiting = QByteArray()  # a layout that has to wait until the page is seen
        self._room = 0  # width that all docks of the default layout need
        self._squeezed = self._arranging = False
        self.docks: dict[str, QDockWidget] = {}
        for spec in docks:
            dock = QDockWidget(tr(spec.title))
            dock.setObjectName(f"dock.{spec.name}")
            dock.setFeatures(_MOVABLE)
            dock.setWidget(_framed(spec.widget))
            _name_buttons(dock)
            dock.visibilityChanged.connect(self._rest_behind)
            dock.visibilityChanged.connect(self._trim_titles)
            dock.topLevelChanged.connect(self._trim_titles)
            dock.dockLocationChanged.connect(self._trim_titles)
            dock.dockLocationChanged.connect(self._on_moved)
            dock.topLevelChanged.connect(self._on_moved)
            self.docks[spec.name] = dock
        self.arrange()

    def arrange(self) -> None:
        """The default layout."""
        self._awaiting = QByteArray()
        self._arranging = True
        for dock in self.docks.values():
            self.removeDockWidget(dock)
        over = {s.name: (s.narrow if self._squeezed else "") or s.over for s in self._specs}
        # What is split from a tab becomes a tab: those come last.
        for spec in sorted(self._specs, key=lambda s: bool(over[s.name])):
            dock = self.docks[spec.name]
            if over[spec.name]:
                self.tabifyDockWidget(self.docks[over[spec.name]], dock)
            elif spec.below:
                self.splitDockWidget(self.docks[spec.below], dock, Qt.Orientation.Vertical)
            elif spec.beside:
                self.splitDockWidget(self.docks[spec.beside], dock, Qt.Orientation.Horizontal)
            else:
                self.addDockWidget(LEFT, dock)
            dock.setFloating(False)
            dock.show()
        for name in reversed(list(over.values())):
            if name:
                self.docks[name].raise_()
        self.resize_docks()
        QTimer.singleShot(0, self, self._rest_behind)
        self._arranging = self.own = False

    @Slot()
    def _rest_behind(self) -> None:
        """Hide the panel of each dock that is behind another one's tab.

        Qt only moves such docks out of sight, where their panels would count as visible and go on working.
        """
        for spec in self._specs:
            dock = self.docks.get(spec.name)
            if dock is not None and isValid(dock) and isValid(spec.widget):  # not while the window ends
                spec.widget.setVisible(dock.isFloating() or dock.geometry().right() >= 0)

    @Slot()
    def _on_moved(self) -> None:
        if not self._arranging and self.isVisible():
            self.own = True

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self._squeezed:
            self._room = self.minimumSizeHint().width()
        squeezed = any(s.narrow for s in self._specs) and self.width() < self._room
        if squeezed != self._squeezed and not self.own:
            self._squeezed = squeezed
            if self._awaiting.isEmpty():
                QTimer.singleShot(0, self, self.arrange)

    @property
    def specs(self) -> tuple[Dock, ...]:
        """What it was made of."""
        return self._specs

    @property
    def layout_key(self) -> str:
        """Where its layout is remembered; a layout of other docks is none of this one."""
        names = zlib.crc32(" ".join(self.docks).encode())
        return f"window/layout.{LAYOUT_VERSION}.{self.objectName()}.{names:08x}"

    def remembered(self) -> QByteArray:
        """The layout as bytes; none for the default one of a narrow window, which a wide one cannot use."""
        if self._squeezed and not self.own:
            return QByteArray()
        if not self._awaiting.isEmpty():
            return self._awaiting
        return (_OWN if self.own else QByteArray()) + self.saveState(LAYOUT_VERSION)

    def take_up(self, layout: QByteArray) -> None:
        """A layout of `remembered`; the default one where it cannot be read.

        Sizes are shares of the room that there is: a page that is not on screen takes it up when it is.
        """
        if self.isVisible():
            self._restore(layout)
        else:
            self._awaiting, self.arranged = layout, True
            self.own = layout.startsWith(_OWN)

    def _restore(self, layout: QByteArray) -> None:
        own = layout.startsWith(_OWN)
        self._arranging = True
        self.arranged = self.restoreState(layout.mid(_OWN.size()) if own else layout, LAYOUT_VERSION)
        self._arranging = False
        if self.arranged:
            self.own = own
            self.bring_back()
            QTimer.singleShot(0, self, self._trim_titles)
        else:
            self.arrange()

    def bring_back(self) -> None:
        """Floating docks whose screen is gone come to the window."""
        for dock in self.docks.values():
            if dock.isFloating() and not dock.isHidden():
                there = any(
                    (seen := screen.availableGeometry().intersected(dock.frameGeometry())).width() >= _REACH
                    and seen.height() >= _REACH
                    for screen in QGuiApplication.screens()
                )
                if not there:
                    dock.move(self.window().geometry().center() - dock.rect().center())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if all(dock.isHidden() or dock.isFloating() for dock in self.docks.values()):
            painter = QPainter(self)
            painter.setPen(QColor(theme.current().muted))
            text = tr("All docks of this page are closed or float. View › Docks brings them back.")
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self, self._rest_behind)
        if not self._awaiting.isEmpty():
            layout, self._awaiting = self._awaiting, QByteArray()
            if self._squeezed and not self.own:
                self.arrange()  # it may have been left by a wider window
            else:
                self._restore(layout)
        if not self.arranged:
            self.arranged = True
            QTimer.singleShot(0, self, self.resize_docks)  # sizes mean something only once there is a window

    @Slot()
    def _trim_titles(self) -> None:
        """A dock in a group of tabs has its name on the tab; a title bar would say it twice."""
        for dock in self.docks.values():
            if not isValid(dock):  # the window ends
                continue
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


def _name_buttons(dock: QDockWidget) -> None:
    """Say what the small buttons of a dock's title do."""
    for name, text in (
        ("qt_dockwidget_floatbutton", tr("Take this dock out of the window, or put it back")),
        ("qt_dockwidget_closebutton", tr("Close this dock; View › Docks brings it back")),
    ):
        for button in dock.findChildren(QAbstractButton, name):
            button.setToolTip(text)
            button.setAccessibleName(text)


def _framed(widget: QWidget) -> QWidget:
    """A panel on the panel's background, with a border."""
    frame = QWidget()
    frame.setObjectName("panel")
    frame.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    column = QVBoxLayout(frame)
    column.setContentsMargins(1, 0, 1, 1)
    column.addWidget(widget)
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)  # behind a tab, see `_rest_behind`
    widget.setSizePolicy(policy)
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
        self._titles: dict[str, str] = {}
        self.setWindowTitle("IntroVAC Studio")
        self.setMinimumSize(QSize(1024, 640))
        self.resize(_SIZE.boundedTo(self.screen().availableSize() - _FRAME))
        self._stack = QStackedWidget()
        self._tabs = QButtonGroup(self)
        self._tab_row = QHBoxLayout()
        self._menus = QMenuBar()
        self.table = ActionTable(self, self._menus, settings)
        self.model_box = QComboBox()
        self.model_box.setAccessibleName(tr("open model"))
        self.model_box.setMinimumWidth(150)
        self.model_box.setToolTip(tr("The model that edits, latent view and generation use"))
        self.device = QLabel("")
        self.device.setObjectName("muted")
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(12, 0, 12, 0)
        column.setSpacing(2)
        column.addWidget(self._top_bar())
        self._column = column
        column.addWidget(self._stack, 1)
        self.setCentralWidget(centre)
        self.notifications = Notifications(self, self.statusBar())
        self._status_bar()
        self._tabs.idClicked.connect(self._stack.setCurrentIndex)
        self.model_box.activated.connect(self._on_model_activated)
        QGuiApplication.instance().screenRemoved.connect(self._on_screen_gone)  # type: ignore[union-attr]

    def _top_bar(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("topbar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(0, 2, 0, 2)
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
        self._model_label = QLabel(tr("model"))
        self._model_label.setObjectName("muted")
        row.addWidget(self._model_label)
        row.addWidget(self.model_box)
        row.addWidget(self.device)
        return bar

    def _status_bar(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.setContentsMargins(0, 0, 12, 0)
        bar.setMaximumHeight(28)
        self.status = QLabel("")
        self.run_status = QLabel("")
        self.status.setContentsMargins(12, 0, 0, 0)
        self.progress = QProgressBar()
        self.progress.setFixedWidth(220)
        self.progress.setAccessibleName(tr("progress"))
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.setToolTip(tr("Stop what is going on (what was there before stays)"))
        bar.addWidget(self.status, 1)
        bar.addPermanentWidget(self.run_status)
        bar.addPermanentWidget(self.progress)
        bar.addPermanentWidget(self.cancel)
        bar.addPermanentWidget(self.notifications.bell)
        self.cancel.clicked.connect(self.cancelRequested)
        self.show_progress("", 0, 0)

    # -- content ------------------------------------------------------------------------------

    def add_workspace(self, name: str, title: str, docks: tuple[Dock, ...]) -> None:
        """A tab on top and its docks."""
        workspace = Workspace(name, docks)
        self.workspaces[name], self._titles[name] = workspace, title
        index = self._stack.addWidget(workspace)
        button = QPushButton(tr(title))
        button.setObjectName("workspace")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a ring only for the keyboard
        button.setCheckable(True)
        button.setToolTip(f"{tr(title)} (Ctrl+{index + 1})")
        self._tabs.addButton(button, index)
        self._tab_row.addWidget(button)
        if index == 0:
            button.setChecked(True)

    def greet(self, widget: QWidget) -> None:
        """Put something between the top row and the workspaces."""
        self._column.insertWidget(1, widget)

    def add_commands(self, commands: tuple[Command, ...]) -> None:
        """Menus from a table; an empty text is a separator."""
        self.table.add(commands)

    def commands(self) -> tuple[Command, ...]:
        """The View menu's: workspaces, docks and layout; once the workspaces are there."""
        pages = tuple(
            Command(_VIEW, title, f"Ctrl+{i}", partial(self.show_workspace, name))
            for i, (name, title) in enumerate(self._titles.items(), 1)
        )
        docks: list[Command] = []
        for page, (name, workspace) in enumerate(self.workspaces.items(), 1):
            title = self._titles[name]
            docks += [
                Command(
                    f"{_VIEW}/{_DOCKS}",
                    f"{title}: {spec.title}",
                    f"Ctrl+K, {page}, {at}",
                    partial(self.toggle_dock, name, spec.name),
                    on=partial(self.dock_open, name, spec.name),
                    label=f"{tr(title)}: {tr(spec.title)}",
                )
                for at, spec in enumerate(workspace.specs, 1)
            ]
        return (
            *pages,
            Command(_VIEW, "", "", lambda: None),
            *docks,
            Command(_VIEW, mark("Full screen"), "F11", self.toggle_full_screen, on=self.isFullScreen),
            Command(_VIEW, mark("Reset layout"), "Ctrl+K, 0", self.reset_layout),
        )

    @property
    def actions_(self) -> dict[str, QAction]:
        """Every action by its English text."""
        return self.table.actions

    @property
    def menus(self) -> dict[str, QMenu]:
        """Submenus of commands with choices."""
        return self.table.menus

    def show_workspace(self, name: str) -> None:
        """Bring a page to the front; the keyboard goes to where it was in that page, or to its beginning."""
        index = list(self.workspaces).index(name)
        self._stack.setCurrentIndex(index)
        self._tabs.button(index).setChecked(True)
        self._focus_page()

    def _focus_page(self) -> None:
        """Let Tab go on in the page on screen, unless the keyboard is in it."""
        page = self.workspaces[self.workspace]
        if not page.isAncestorOf(self.focusWidget()):
            (page.focusWidget() or page).setFocus()

    @property
    def workspace(self) -> str:
        """Name of the one on screen."""
        return list(self.workspaces)[self._stack.currentIndex()]

    def raise_dock(self, workspace: str, dock: str) -> None:
        """Bring a dock of a workspace to the front, also if it was closed."""
        found = self.workspaces[workspace].docks[dock]
        found.show()
        found.raise_()

    def dock_open(self, workspace: str, dock: str) -> bool:
        """Whether a dock is open, be it behind another in a group of tabs."""
        return not self.workspaces[workspace].docks[dock].isHidden()

    def toggle_dock(self, workspace: str, dock: str) -> None:
        """Close a dock that is in front; bring any other to the front."""
        found = self.workspaces[workspace].docks[dock]
        if workspace == self.workspace and found.isVisible() and not found.visibleRegion().isEmpty():
            found.close()
        else:
            self.show_workspace(workspace)
            self.raise_dock(workspace, dock)

    @Slot()
    def toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    @property
    def titles(self) -> dict[str, str]:
        """English titles of the workspaces, by their names."""
        return self._titles

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
        for workspace in self.workspaces.values():
            blob = self._settings.blob(workspace.layout_key)
            if not blob.isEmpty():
                workspace.take_up(blob)
        last = self._settings.get("window/workspace", "")
        if last in self.workspaces:
            self.show_workspace(last)
        if self.workspaces:
            self.workspaces[self.workspace].setFocus()  # else Qt rings what happens to come first

    def remember(self) -> None:
        self._settings.set_blob("window/geometry", self.saveGeometry())
        for workspace in self.workspaces.values():
            self._settings.set_blob(workspace.layout_key, workspace.remembered())
        if self.workspaces:
            self._settings.set("window/workspace", self.workspace)

    @Slot()
    def _on_screen_gone(self) -> None:
        for workspace in self.workspaces.values():
            workspace.bring_back()

    @Slot()
    def reset_layout(self) -> None:
        """Every dock where it was at first."""
        self._settings.forget("window/")
        for workspace in self.workspaces.values():
            workspace.arrange()
            workspace.arranged = True

    def accept_close(self) -> None:
        """Let the window go."""
        self._may_close = True
        self.close()

    def event(self, event: QEvent) -> bool:
        """The first of two keys of a shortcut says what it waits for."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.keyCombination() == _FIRST_KEY
        ):
            keys = QKeySequence(_FIRST_KEY).toString(QKeySequence.SequenceFormat.NativeText)
            text = tr("{keys}: now press the second key (F1 lists them)", keys=keys)
            self.statusBar().showMessage(text, _HINT_MS)
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for extra in (self._brand, self._model_label, self.device):  # menus and workspaces come first
            extra.setVisible(self.width() >= _ROOMY)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._may_close:
            self.closing.emit()  # may call `accept_close` at once; a nested close() does nothing
        event.setAccepted(self._may_close)


_MOVABLE = (
    QDockWidget.DockWidgetFeature.DockWidgetMovable
    | QDockWidget.DockWidgetFeature.DockWidgetFloatable
    | QDockWidget.DockWidgetFeature.DockWidgetClosable
)
