"""The application: one process, one window, and all wiring in one place."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import trainer
from introvac_studio import faults, preflight
from trainer import files

if TYPE_CHECKING:
    from introvac_studio.settings import Settings


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
    if trouble is None and args.open is not None and not files.exists(args.open):
        trouble = f"{args.open}: no such file or directory; give a run directory or a model file"
    if trouble is not None:
        _tell(trouble)
        return 2
    faults.log_to_file()
    return _run(args)


def _tell(text: str) -> None:
    """One line on stderr; a box where a windowed Windows program has none."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
    elif sys.platform == "win32":
        import ctypes

        ctypes.windll.user32.MessageBoxW(None, text, "IntroVAC Studio", 0x10)


def _run(args: argparse.Namespace) -> int:
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from introvac_studio import theme
    from introvac_studio.opening import Opening
    from introvac_studio.settings import DEVICE, THEME, Settings

    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("IntroVAC Studio")
    app.setOrganizationName("IntroVAC")
    app.setApplicationVersion(trainer.__version__)
    settings = Settings()
    _speak(settings)
    theme.prefer(settings.get(THEME, "system"))
    theme.dress(app)
    device = settings.get(DEVICE, "auto") if args.device == "auto" else args.device
    opening = Opening(device, None if args.open is None else Path(args.open))
    faults.show_in(opening.window.notifications)
    opening.opened.connect(lambda studio: studio.guide.greet())
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


def _speak(settings: Settings) -> None:
    """Take the language that the user chose, else the desktop's, for our texts and for Qt's own."""
    from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

    from introvac_studio import language
    from introvac_studio.settings import LANGUAGE

    chosen = settings.get(LANGUAGE, "")
    wanted = [chosen] if chosen else QLocale.system().uiLanguages()
    language.use(wanted)
    spoken = language.spoken()
    if spoken != "en":
        words = QTranslator(QCoreApplication.instance())
        folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        if words.load(QLocale(spoken), "qtbase", "_", folder):
            QCoreApplication.installTranslator(words)
