"""The application: one process, one window, and all wiring in one place."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import platformdirs

import trainer
from introvac_studio import preflight

if TYPE_CHECKING:
    from introvac_studio.studio import Studio

log = logging.getLogger("introvac_studio")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="introvac-studio",
        description="Explore the latent space of faces: train, edit, look, generate, export.",
    )
    parser.add_argument("open", nargs="?", metavar="RUN_OR_MODEL", help="a run directory or a model file")
    parser.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda[:N]|mps", help="where pictures are computed"
    )
    parser.add_argument("--version", action="version", version=f"IntroVAC Studio {trainer.__version__}")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Open the studio; 0 when it was closed, 2 when it cannot open."""
    args = _arguments(argv)
    trouble = preflight.problem()
    if trouble is None and args.open is not None and not Path(args.open).exists():
        trouble = f"{args.open}: no such file or directory; give a run directory or a model file"
    if trouble is not None:
        _tell(trouble)
        return 2
    _log_to_file()
    return _run(args)


def _tell(text: str) -> None:
    """One line on stderr; a box where a windowed Windows program has none."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
    elif sys.platform == "win32":
        import ctypes

        ctypes.windll.user32.MessageBoxW(None, text, "IntroVAC Studio", 0x10)


def log_file() -> Path:
    """Where the studio's log is kept."""
    return Path(platformdirs.user_log_dir("introvac-studio", appauthor=False)) / "studio.log"


def _log_to_file() -> None:
    """Warnings and faults go to a file that does not grow for ever, and to stderr where there is one."""
    handlers: list[logging.Handler] = []
    with contextlib.suppress(OSError):  # a read-only home must not keep the window from opening
        log_file().parent.mkdir(parents=True, exist_ok=True)
        handlers.append(RotatingFileHandler(log_file(), maxBytes=1_000_000, backupCount=2, encoding="utf-8"))
    if sys.stderr is not None:
        handlers.append(logging.StreamHandler())
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=handlers)


def _run(args: argparse.Namespace) -> int:
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from introvac_studio import theme
    from introvac_studio.opening import Opening

    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("IntroVAC Studio")
    app.setOrganizationName("IntroVAC")
    app.setApplicationVersion(trainer.__version__)
    theme.dress(app)
    opening = Opening(args.device, None if args.open is None else Path(args.open))
    opening.opened.connect(_hook_errors)
    opening.show()
    for name in ("SIGINT", "SIGTERM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: opening.window.close())
    awake = QTimer()  # Python sees a signal only when it runs; Qt's loop alone would sleep on
    awake.timeout.connect(opening.breathe)
    awake.start(500)
    try:
        code = app.exec()
    finally:
        opening.shut_down()
    if opening.fault is not None:
        raise opening.fault
    return code


def _hook_errors(studio: Studio) -> None:
    """A fault in any thread is shown and logged; the window lives on."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.error("%s", "".join(traceback.format_exception(kind, error, trace)))
        studio.faulted.emit(
            f"Something went wrong inside the studio ({kind.__name__}: {error}). Your work is untouched; "
            f"details are in {log_file()}"
        )

    sys.excepthook = hook
