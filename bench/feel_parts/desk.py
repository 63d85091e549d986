"""A real studio in this process: the whole window on the display, its threads, and children that train."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QEventLoop, QObject, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice
from introvac_studio.opening import Opening
from introvac_studio.panels.training import RunRequest
from trainer import events

DATA, ATTRIBUTES = "avatars:4000", ("Eyeglasses", "FacialHair")
CURVES = ("reconstruction", "classification", "kl", "encoder_game", "decoder_game", "fake_reconstructed")
POINTS = 100_000
PATIENCE = 240.0  # seconds


class Desk:
    """The studio on screen, with a model open and a face.

    Args:
        folder: where its settings, and runs, go.
        model: what to open; None for the demo.

    Raises:
        TimeoutError: from `until`, when what is waited for does not come.
    """

    def __init__(self, folder: Path, model: Path | None = None) -> None:
        app = QApplication.instance() or QApplication(["feel"])
        assert isinstance(app, QApplication)
        app.setApplicationName("IntroVAC Studio bench")
        theme.dress(app)
        self.app, self.folder = app, folder
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
        self._opening = Opening("cpu", model)
        self._opening.show()
        self.until(lambda: self._opening.studio is not None)
        assert self._opening.studio is not None
        self.studio, self.window = self._opening.studio, self._opening.window
        state, editor = self.studio.state, self.studio.editor
        self.until(lambda: state.codes is not None and editor.picture is not None)
        self._runs = 0

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE, every: float = 0.005) -> None:
        """Let the window live until the condition holds, which is looked at every so many seconds."""
        loop, end = QEventLoop(), time.monotonic() + seconds
        looking = QTimer()
        looking.timeout.connect(lambda: (condition() or time.monotonic() > end) and loop.quit())
        looking.start(round(1000 * every))
        loop.exec()
        looking.stop()
        if not condition():
            raise TimeoutError(f"not within {seconds:.0f} s: {condition.__qualname__}")

    def live(self, seconds: float) -> None:
        """Let the window live for so long, with no timer of ours but the one that ends it."""
        loop = QEventLoop()
        QTimer.singleShot(round(1000 * seconds), loop.quit)
        loop.exec()

    def train(self, *settings: tuple[str, str], data: str = DATA) -> Path:
        """Start a `quick` run and wait for its first losses; where it is."""
        self._runs += 1
        run = self.folder / f"run-{self._runs}"
        training = self.studio.runs.training
        choice = DataChoice(data=data, attributes=ATTRIBUTES, derive=(), subset="none")
        training._on_start(RunRequest("quick", choice, run, settings))
        self.until(lambda: bool(training.losses.plots.curves) or not self.studio.runs.running)
        assert self.studio.runs.running, training.losses.plots._empty.text()
        return run

    def stop(self) -> None:
        """End what trains."""
        self.studio.runs.stop()
        self.until(lambda: not self.studio.runs.running)

    def close(self) -> None:
        self._opening.shut_down()
        self.window.accept_close()
        self.window.deleteLater()


class Stream(QObject):
    """Six curves of 100,000 points on the Train page, to which the run's own are added.

    Args:
        desk: with a run under way.
        more: further points at each look into the run's queue, of which there are 20 a second.
    """

    def __init__(self, desk: Desk, more: int = 1) -> None:
        super().__init__()
        self._more = more
        thread = desk.studio.runs.thread_
        assert thread is not None
        self._real = thread.drain
        self._noise = np.random.default_rng(0)
        self.step = 0
        self.plots = desk.studio.runs.training.losses.plots
        for curve in self.plots.curves.values():
            curve.truncate(0)
        self.plots.append([self._event() for _ in range(POINTS)])
        thread.drain = self.drain  # type: ignore[method-assign]

    def _event(self) -> events.StepLosses:
        self.step += 1
        fall = 0.2 + math.exp(-3 * self.step / POINTS)
        values = fall * np.exp(0.2 * self._noise.standard_normal(len(CURVES)))
        losses = dict(zip(CURVES, values.tolist(), strict=True))
        return events.StepLosses(
            step=self.step, losses=losses, images_per_second=30, seconds_left=60, learning_rate=1e-3,
            memory_bytes=2**29,
        )  # fmt: skip

    def drain(self) -> list[events.StepLosses]:
        return [self._event() for _ in range(self._more + len(self._real()))]
