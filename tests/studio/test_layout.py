"""Docks: moved, closed, floated, remembered and reset."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QByteArray, QPoint, QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QMainWindow, QTabBar, QWidget
from pytestqt.qtbot import QtBot

from introvac_studio.main_window import LEFT, Dock, MainWindow, Workspace
from introvac_studio.settings import Settings
from introvac_studio.state import Edit
from introvac_studio.studio import Studio

from .conftest import WAIT

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

AREAS = Qt.DockWidgetArea


def panel(width: int) -> QWidget:
    label = QLabel("panel")
    label.setMinimumWidth(width)
    return label


def make(qtbot: QtBot, settings: Settings, width: int = 1280) -> MainWindow:
    window = MainWindow(settings)
    qtbot.addWidget(window, before_close_func=lambda w: setattr(w, "_may_close", True))
    window.add_workspace(
        "edit",
        "Edit",
        (
            Dock("faces", "Faces", panel(240), width=240),
            Dock("history", "History", panel(100), over="faces"),
            Dock("editor", "Editor", panel(560), width=640, beside="faces"),
            Dock("latent", "Latent space", panel(340), width=360, beside="editor", narrow="faces"),
        ),
    )
    window.add_workspace(
        "train",
        "Train",
        (
            Dock("run", "Run", panel(200), width=240),
            Dock("log", "Log", panel(200), over="run"),
            Dock("plots", "Plots", panel(200), width=500, beside="run"),
        ),
    )
    window.add_commands(window.commands())
    window.resize(width, 800)
    window.restore()
    with qtbot.waitExposed(window):
        window.show()
    return window


@pytest.fixture
def window(qtbot: QtBot, settings: Settings) -> MainWindow:
    return make(qtbot, settings)


def places(workspace: Workspace) -> dict[str, tuple[object, ...]]:
    """Where each dock is, what it is tabbed with, and about how wide."""
    found = {}
    for name, dock in workspace.docks.items():
        front = dock.isVisible() and not dock.visibleRegion().isEmpty()
        tabs = frozenset(d.objectName() for d in workspace.tabifiedDockWidgets(dock))
        x = dock.mapTo(workspace, QPoint()).x()
        found[name] = (
            *(dock.isHidden(), dock.isFloating(), workspace.dockWidgetArea(dock), tabs, front),
            (x, dock.width()) if front else None,
        )
    return found


def tabs_on(page: Workspace) -> list[str]:
    """The tabs that can be seen on a page."""
    bars = [bar for bar in page.findChildren(QTabBar) if bar.isVisible()]
    seen = [bar for bar in bars if bar.geometry().intersects(page.rect())]
    return [bar.tabText(i) for bar in seen for i in range(bar.count())]


def scramble(workspace: Workspace) -> None:
    docks = workspace.docks
    docks["editor"].setFloating(True)
    docks["faces"].close()
    workspace.addDockWidget(AREAS.RightDockWidgetArea, docks["latent"])
    workspace.tabifyDockWidget(docks["latent"], docks["history"])


def test_that_reset_layout_undoes_any_scramble(window: MainWindow, qtbot: QtBot) -> None:
    workspace = window.workspaces["edit"]
    qtbot.waitUntil(lambda: workspace.arranged and abs(workspace.docks["editor"].width() - 640) < 16)
    before = places(workspace)
    scramble(workspace)
    assert places(workspace) != before and workspace.own
    window.actions_["Reset layout"].trigger()
    qtbot.waitUntil(lambda: places(workspace) == before)
    assert not workspace.own


def test_that_layout_workspace_and_tab_are_remembered(
    window: MainWindow, qtbot: QtBot, settings: Settings
) -> None:
    scramble(window.workspaces["edit"])
    window.show_workspace("train")
    window.raise_dock("train", "log")
    window.remember()
    again = make(qtbot, settings)
    docks = again.workspaces["edit"].docks
    assert again.workspace == "train"
    log = again.workspaces["train"].docks["log"]
    qtbot.waitUntil(lambda: not log.visibleRegion().isEmpty())
    assert again.workspaces["edit"].own
    again.show_workspace("edit")
    assert docks["editor"].isFloating() and docks["faces"].isHidden()
    assert again.workspaces["edit"].dockWidgetArea(docks["latent"]) == AREAS.RightDockWidgetArea


def test_that_sizes_are_remembered_of_pages_that_come_to_the_front_later(
    qtbot: QtBot, settings: Settings
) -> None:
    width = 1024  # the least one, for the screen bounds what is restored
    first = make(qtbot, settings, width)
    train = first.workspaces["train"]
    first.show_workspace("train")
    qtbot.waitUntil(lambda: train.docks["run"].width() < 400)

    def drag_the_border() -> bool:
        train.resizeDocks([train.docks["run"]], [600], Qt.Orientation.Horizontal)
        return bool(train.docks["run"].width() > 500)

    qtbot.waitUntil(drag_the_border)
    there = train.docks["run"].width()
    first.show_workspace("edit")
    first.remember()
    for _ in range(2):  # also where the page was not looked at in between
        again = make(qtbot, settings, width)
        assert again.width() == first.width()
        again.remember()
    again.show_workspace("train")
    run = again.workspaces["train"].docks["run"]
    qtbot.waitUntil(lambda: abs(run.width() - there) < 4)


def test_that_a_remembered_layout_has_each_tab_and_each_title_once(
    window: MainWindow, qtbot: QtBot, settings: Settings
) -> None:
    window.show_workspace("train")
    window.show_workspace("edit")
    window.remember()
    again = make(qtbot, settings)
    for name in ("train", "edit"):
        again.show_workspace(name)
        page = again.workspaces[name]
        groups = {frozenset([dock, *page.tabifiedDockWidgets(dock)]) for dock in page.docks.values()}
        wanted = sorted(dock.windowTitle() for group in groups if len(group) > 1 for dock in group)
        assert len(wanted) > 1
        qtbot.waitUntil(lambda page=page, wanted=wanted: sorted(tabs_on(page)) == wanted)
        for group in groups:
            titled = [dock for dock in group if dock.titleBarWidget() is None]
            assert bool(titled) == (len(group) == 1)


def test_that_a_layout_of_other_docks_or_rubbish_is_the_default(
    window: MainWindow, qtbot: QtBot, settings: Settings
) -> None:
    workspace = window.workspaces["edit"]
    scramble(workspace)
    workspace.take_up(QByteArray(b"rubbish"))
    assert not workspace.docks["faces"].isHidden() and not workspace.docks["editor"].isFloating()
    more = Workspace("edit", (*workspace.specs, Dock("new", "New", QLabel("new"))))
    qtbot.addWidget(more)
    assert more.layout_key != workspace.layout_key


def test_that_docks_close_and_open_from_the_menu(window: MainWindow) -> None:
    docks = window.workspaces["edit"].docks
    action = window.actions_["Edit: Editor"]
    action.trigger()
    assert docks["editor"].isHidden() and not window.dock_open("edit", "editor")
    action.trigger()
    assert not docks["editor"].isHidden()
    window.actions_["Edit: History"].trigger()
    assert not docks["history"].visibleRegion().isEmpty(), "what is behind a tab comes to the front"
    window.show_workspace("train")
    action.trigger()
    assert window.workspace == "edit" and not docks["editor"].isHidden(), "first it is gone to, not closed"


def test_that_a_floating_dock_comes_back_when_its_screen_is_gone(window: MainWindow) -> None:
    workspace = window.workspaces["edit"]
    dock = workspace.docks["editor"]
    dock.setFloating(True)
    dock.move(30_000, 20_000)
    QGuiApplication.instance().screenRemoved.emit(QGuiApplication.primaryScreen())
    assert QGuiApplication.primaryScreen().availableGeometry().intersects(dock.frameGeometry())
    there = dock.pos()
    workspace.bring_back()
    assert dock.pos() == there, "one that can be seen stays"


def test_that_a_narrow_window_puts_docks_behind_tabs_and_a_wide_one_beside(
    window: MainWindow, qtbot: QtBot
) -> None:
    workspace = window.workspaces["edit"]
    latent, faces = workspace.docks["latent"], workspace.docks["faces"]
    assert not workspace.tabifiedDockWidgets(latent)
    window.resize(1024, 640)
    qtbot.waitUntil(lambda: faces in workspace.tabifiedDockWidgets(latent))
    qtbot.waitUntil(lambda: workspace.minimumSizeHint().width() <= workspace.width())
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: not workspace.tabifiedDockWidgets(latent))


def test_that_a_layout_of_ones_own_is_left_alone(window: MainWindow, qtbot: QtBot) -> None:
    workspace = window.workspaces["edit"]
    workspace.addDockWidget(AREAS.BottomDockWidgetArea, workspace.docks["latent"])
    window.resize(1024, 640)
    qtbot.waitUntil(lambda: window.size() == QSize(1024, 640))
    assert workspace.dockWidgetArea(workspace.docks["latent"]) == AREAS.BottomDockWidgetArea


def test_that_an_empty_page_says_what_to_do(window: MainWindow) -> None:
    workspace = window.workspaces["edit"]
    full = workspace.grab().toImage()
    for dock in workspace.docks.values():
        dock.close()
    empty = workspace.grab().toImage()
    middle = empty.copy(empty.width() // 4, empty.height() // 2 - 12, empty.width() // 2, 24)
    assert empty != full and len({middle.pixel(x, y) for x in range(middle.width()) for y in range(24)}) > 3


def test_that_a_new_window_is_left_to_the_left(qtbot: QtBot) -> None:
    workspace = Workspace("alone", (Dock("one", "One", QLabel("1")),))
    qtbot.addWidget(workspace)
    assert isinstance(workspace, QMainWindow) and workspace.dockWidgetArea(workspace.docks["one"]) == LEFT


def test_that_a_panel_behind_a_tab_rests_until_it_is_chosen(studio: Studio, qtbot: QtBot) -> None:
    docks = studio.window.workspaces["edit"].docks
    latent, pad = studio.latent, studio.linking.pad
    qtbot.waitUntil(lambda: latent.isVisible() and not pad.isVisible(), timeout=WAIT)
    asked: list[object] = []
    pad.sheetRequested.connect(asked.append)
    studio.state.commit("edit", Edit({studio.state.model.attributes[0]: 1.0}))
    assert not asked and pad.plane is None
    docks["pad"].raise_()
    qtbot.waitUntil(lambda: pad.isVisible() and not latent.isVisible(), timeout=WAIT)
    assert asked and pad.plane is not None
    size = docks["pad"].minimumSizeHint()
    docks["latent"].raise_()
    qtbot.waitUntil(lambda: not pad.isVisible(), timeout=WAIT)
    assert docks["pad"].minimumSizeHint() == size, "no dock shrinks under those beside it"
    docks["pad"].setFloating(True)
    qtbot.waitUntil(lambda: pad.isVisible() and latent.isVisible(), timeout=WAIT)
