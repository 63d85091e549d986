"""The application: one process, one window, and all wiring in one place."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

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
        sys.stderr.write(trouble + "\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from introvac_studio.studio import Studio, dress

    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("IntroVAC Studio")
    app.setOrganizationName("IntroVAC")
    app.setApplicationVersion(trainer.__version__)
    dress(app)
    studio = Studio(device=args.device)
    _hook_errors(studio)
    studio.show()
    target = None if args.open is None else Path(args.open)
    QTimer.singleShot(0, studio, lambda: studio.start(target))
    try:
        return app.exec()
    finally:
        studio.shut_down()


def _hook_errors(studio: Studio) -> None:
    """A fault in a slot is shown and logged; the window lives on."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            studio.shut_down()
            sys.exit(130)
        ident = secrets.token_hex(3)
        log.error("fault %s\n%s", ident, "".join(traceback.format_exception(kind, error, trace)))
        studio.complain(
            f"Something went wrong inside the studio ({kind.__name__}: {error}). The log has it as {ident}."
        )

    sys.excepthook = hook
