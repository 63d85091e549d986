"""Notifications: what went wrong or is done, in a corner of the window, from any thread, and listed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from PySide6.QtCore import QEvent, QObject, QThread, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QApplication, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from introvac_studio.widgets.toast import KINDS, BellButton, PastNotices, Toast

Action = tuple[str, Callable[[], object]]
MOST = 4  # on screen at a time; older ones are in the list
KEPT = 200  # in the list


@dataclass
class Notice:
    """One thing that was said, and how often in a row."""

    text: str
    kind: str = "info"
    details: str = ""
    action: Action | None = None
    at: datetime = field(default_factory=datetime.now)
    count: int = 1

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.text

    @property
    def line(self) -> str:
        """When, what, how often."""
        often = f"  ×{self.count}" if self.count > 1 else ""
        return f"{self.at:%H:%M}  {self.text}{often}"


class Notifications(QObject):
    """Shows notices in the lower right corner of a window and remembers them.

    Args:
        window: they lie over its contents.
        foot: what they stay above, as the status bar.

    Signals:
        noticed(Notice): something was said (again); in the window's thread.
    """

    noticed = Signal(object)
    _asked = Signal(object)

    def __init__(self, window: QWidget, foot: QWidget | None = None) -> None:
        super().__init__(window)
        self._window, self._foot = window, foot
        self.fade = True
        self.past: deque[Notice] = deque(maxlen=KEPT)
        self.toasts: list[tuple[Toast, Notice]] = []  # oldest first
        self.bell = BellButton()
        self._unseen = 0
        self._list = PastNotices(window)
        self._list.cleared.connect(self._clear)
        self._asked.connect(self._show)
        self.bell.clicked.connect(self.show_past)
        window.installEventFilter(self)

    def notify(self, text: str, kind: str = "info", details: str = "", action: Action | None = None) -> None:
        """Say it; from any thread.

        Args:
            text: one or two sentences: what, where, and what to do.
            kind: "info", "done", "warning" or "error"; errors stay until they are closed.
            details: what may be unfolded and copied, as the output of a child.
            action: a button's text and what it does, in the window's thread.
        """
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; it is one of {', '.join(KINDS)}")
        notice = Notice(text, kind, details, action)
        if QThread.currentThread() is self.thread():
            self._show(notice)
        else:
            self._asked.emit(notice)

    @property
    def text(self) -> str:
        """The newest text on screen; empty where there is none."""
        return self.toasts[-1][1].text if self.toasts else ""

    @property
    def toast(self) -> Toast | None:
        """The newest on screen."""
        return self.toasts[-1][0] if self.toasts else None

    def tell(self, text: str, details: str = "") -> None:
        """Say what went wrong."""
        self.notify(text, "error", details)

    @Slot(object)
    def _show(self, notice: Notice) -> None:
        alike = ((t, n) for t, n in self.toasts if n.key == notice.key and n.action is None)
        before = next(alike, None) if notice.action is None else None  # equal texts may undo different things
        if before is not None:
            toast, known = before
            known.count, known.at = known.count + 1, notice.at
            if notice.details and notice.details != known.details:
                known.details = notice.details
                toast.details.setPlainText(notice.details)
            toast.again()
            self._announce(toast, known)
            self.noticed.emit(known)
            self._place()
            return
        if self.past and self.past[0].key == notice.key:
            notice.count += self.past.popleft().count
        self.past.appendleft(notice)
        self._unseen += 1
        self.bell.set_unseen(self._unseen)
        while len(self.toasts) >= MOST:
            self.toasts[0][0].dismiss()
        toast = Toast(
            self._window, notice.text, notice.kind, notice.details, notice.action[0] if notice.action else ""
        )
        if notice.action is not None:
            toast.acted.connect(notice.action[1])
        toast.closed.connect(self._on_closed)
        toast.resized.connect(self._place)
        self.toasts.append((toast, notice))
        self._place()  # before it is shown, lest it comes up under the pointer in another corner
        toast.appear(self.fade)
        self._place()
        self._announce(toast, notice)
        self.noticed.emit(notice)

    def _announce(self, toast: Toast, notice: Notice) -> None:
        event = QAccessibleAnnouncementEvent(toast, f"{tr(KINDS[notice.kind][1])}: {notice.text}")
        if notice.kind == "error":
            event.setPoliteness(QAccessible.AnnouncementPoliteness.Assertive)
        QAccessible.updateAccessibility(event)

    @Slot(object)
    def _on_closed(self, toast: Toast) -> None:
        focus = QApplication.focusWidget()
        focused = focus is not None and (focus is toast or toast.isAncestorOf(focus))
        self.toasts = [(t, n) for t, n in self.toasts if t is not toast]
        toast.deleteLater()
        self._place()
        if focused and self.toasts:
            self.toasts[-1][0].setFocus()

    @Slot()
    def _place(self) -> None:
        """Stack them upwards from the lower right corner, the newest below."""
        margin = theme.GRID + theme.GRID // 2
        right, y = self._window.width() - margin, self._window.height() - margin
        if self._foot is not None and self._foot.isVisible():
            y -= self._foot.height()
        for toast, _ in reversed(self.toasts):
            toast.fit()
            y -= toast.height()
            toast.move(max(right - toast.width(), 0), max(y, 0))
            toast.raise_()
            y -= theme.GRID

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show) and watched is self._window:
            self._place()
        return False

    # -- from the keyboard --------------------------------------------------------------------

    @Slot()
    def focus(self) -> None:
        """Put the keyboard on the newest one, or from one to the next older; the list where there is none."""
        if not self.toasts:
            self.show_past()
            return
        toasts = [t for t, _ in self.toasts]
        at = next((i for i, t in enumerate(toasts) if t.hasFocus()), len(toasts))
        toasts[at - 1].setFocus()

    @Slot()
    def dismiss(self) -> None:
        """Close all that are on screen; the list keeps them."""
        for toast, _ in list(self.toasts):
            toast.dismiss()

    @Slot()
    def show_past(self) -> None:
        """The list of all that was said, at the bell."""
        self._unseen = 0
        self.bell.set_unseen(0)
        rows = []
        for notice in self.past:
            whole = f"{notice.text}\n\n{notice.details}" if notice.details else notice.text
            rows.append((notice.kind, notice.line, whole))
        self._list.show_rows(rows)
        self._list.open_at(self.bell)

    @Slot()
    def _clear(self) -> None:
        self.past.clear()
        self._list.hide()
