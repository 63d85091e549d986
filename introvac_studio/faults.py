"""Faults of the program itself: logged to a file, and shown in the window, from whatever thread they come."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import platformdirs

from introvac_studio.language import tr

if TYPE_CHECKING:
    from introvac_studio.notifications import Notifications

log = logging.getLogger("introvac_studio")


def log_file() -> Path:
    """Where the studio's log is kept."""
    return Path(platformdirs.user_log_dir("introvac-studio", appauthor=False)) / "studio.log"


def log_to_file() -> None:
    """Warnings and faults go to a file that does not grow for ever, and to stderr where there is one."""
    handlers: list[logging.Handler] = []
    with contextlib.suppress(OSError):  # a read-only home must not keep the window from opening
        log_file().parent.mkdir(parents=True, exist_ok=True)
        handlers.append(RotatingFileHandler(log_file(), maxBytes=1_000_000, backupCount=2, encoding="utf-8"))
    if sys.stderr is not None:
        handlers.append(logging.StreamHandler())
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=handlers)


def show_in(notifications: Notifications) -> None:
    """From now on a fault in any thread is shown with its traceback, and logged; the window lives on."""

    def show(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        whole = "".join(traceback.format_exception(kind, error, trace))
        log.error("%s", whole)
        text = tr(
            "Something went wrong inside the studio ({kind}: {error}). Your work is untouched.",
            kind=kind.__name__,
            error=error,
        )
        with contextlib.suppress(RuntimeError):  # the window is gone already
            notifications.notify(text, "error", f"{whole}\n{log_file()}")

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            show(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = show
    threading.excepthook = in_thread
