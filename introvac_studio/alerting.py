"""What the user should know wherever they look: a notice in the window, and one of the desktop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from introvac_studio import resources
from introvac_studio.language import tr
from introvac_studio.main_window import MainWindow
from introvac_studio.settings import DESKTOP, Settings

SHOWN_MS = 10_000
_ICONS = {
    "error": QSystemTrayIcon.MessageIcon.Critical,
    "warning": QSystemTrayIcon.MessageIcon.Warning,
    "done": QSystemTrayIcon.MessageIcon.Information,
}


def _tray(parent: QObject) -> QSystemTrayIcon | None:
    """The desktop's own place for messages, where it has one."""
    if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
        return None
    return QSystemTrayIcon(QIcon(str(resources.path(resources.ICON))), parent)


class Alerting(QObject):
    """Says things in the window, and on the desktop while another window is in front.

    Args:
        window: whose notices they are.
        settings: whether the desktop may be told.
        tray: makes the tray's icon when first needed; None where there is no tray.
    """

    def __init__(
        self,
        window: MainWindow,
        settings: Settings,
        tray: Callable[[QObject], QSystemTrayIcon | None] = _tray,
    ) -> None:
        super().__init__(window)
        self._window, self._settings, self._make = window, settings, tray
        self._tray: QSystemTrayIcon | None = None

    @Slot(str, str, str)
    def alert(self, text: str, kind: str, details: str) -> None:
        """Say it in the window and, if nobody looks at that, on the desktop."""
        self._window.notifications.notify(text, kind, details)
        if self._window.isActiveWindow() or not self._settings.get(DESKTOP, True):
            return
        if self._tray is None:
            self._tray = self._make(self)
            if self._tray is not None:
                self._tray.messageClicked.connect(self._to_front)
                self._tray.activated.connect(self._to_front)
        if self._tray is None:
            QApplication.alert(self._window)
            return
        self._tray.show()
        icon = _ICONS.get(kind, QSystemTrayIcon.MessageIcon.Information)
        self._tray.showMessage(tr("IntroVAC Studio"), text, icon, SHOWN_MS)

    @Slot(str, str, object)
    def tell(self, text: str, kind: str, action: object) -> None:
        """Say it in the window alone, perhaps with a button (text, callable)."""
        self._window.notifications.notify(text, kind, action=action)  # type: ignore[arg-type]

    @Slot()
    def _to_front(self) -> None:
        self._window.show()
        self._window.raise_()
        self._window.activateWindow()
        if self._tray is not None:
            self._tray.hide()
