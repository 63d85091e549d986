"""Eight hours of use, compressed into minutes: what is left behind when all of it is done?

A round is ten minutes of use, as we take it: 2 faces opened, 6 drags of 20 moves, 6 slider steps, 2 undos
and a redo; a walk through all workspaces; a dialog opened and closed; a run of a few steps started and
stopped every second round, in turn with a generation of 16 faces; another model every third; the other
theme every fourth. 48 rounds are 8 hours. What the user would wait or think is left out.
"""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PySide6.QtWidgets import QApplication, QDialog, QMessageBox

from bench.feel_parts.desk import Desk
from bench.feel_parts.drag import Dragger
from bench.feel_parts.rows import Row
from introvac_studio import resources, theme

ROUNDS = 48  # of ten minutes
DIALOGS = ("Path between two faces…", "New direction…", "Export…", "About IntroVAC Studio", "Preferences…")
SETTLED = 0.25  # of the rounds fill caches and are not part of the slope
SHORT = (
    ("image_size", "32"),
    ("channels", "8,8,8"),
    ("latent_dim", "8"),
    ("batch_size", "8"),
    ("calibration_images", "64"),
    ("valid_images", "16"),
    ("epochs", "50"),
    ("log_every", "1"),
)


def _held() -> dict[str, float]:
    """What this process holds, less what the C library keeps of freed memory."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    me = psutil.Process()
    return {
        "rss": me.memory_info().rss / 2**20,
        "widgets": len(QApplication.allWidgets()),
        "top-level widgets": len(QApplication.topLevelWidgets()),
        "threads": threading.active_count(),
        "native threads": me.num_threads(),
        "children": len(me.children(recursive=True)),
        "files": me.num_fds(),
    }


def _kinds() -> Counter[str]:
    """What the widgets, threads and children are that this process holds."""
    named = [f"{type(w).__name__} {w.objectName()}".strip() for w in QApplication.allWidgets()]
    named += [f"thread {thread.name}" for thread in threading.enumerate()]
    named += [f"child {' '.join(child.cmdline())[-80:]}" for child in psutil.Process().children()]
    return Counter(named)


class _User:
    """Does a round of use."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk, self._studio = desk, desk.studio
        demo = resources.path(resources.DEMO)
        other = folder / "other.safetensors"
        shutil.copy(demo, other)
        self._models = (other, demo)
        self._dark = theme.current().dark

    def round(self, k: int) -> None:
        self._faces(k)
        self._drags()
        self._walk()
        self._dialog(k)
        if k % 2 == 0:
            self._run()
        else:
            self._generate()
        if k % 3 == 2:
            self._model(self._models[k // 3 % 2])
        if k % 4 == 3:
            self._theme()

    def _settled(self) -> bool:
        frame = self._studio.editor._frame
        return frame is not None and frame.serial == self._studio.state.revision

    def _faces(self, k: int) -> None:
        for row in (2 * k, 2 * k + 1):
            before = self._studio.state.face
            self._studio.open_row(row % 500)
            self._desk.until(lambda before=before: self._studio.state.face is not before and self._settled())

    def _drags(self) -> None:
        state = self._studio.state
        dragger = Dragger(self._desk)
        dragger.start()
        self._desk.live(1)
        dragger.stop()
        for amount in (1.0, 2.0, 3.0):
            edit = state.edit.with_amount(state.model.attributes[0], amount)
            state.preview(edit)
            state.commit(f"{amount}", edit)
        state.undo_stack.undo()
        state.undo_stack.undo()
        state.undo_stack.redo()
        self._desk.until(self._settled)

    def _walk(self) -> None:
        window = self._desk.window
        for name in (*list(window.workspaces)[1:], "edit"):
            window.show_workspace(name)
            self._desk.live(0.15)

    def _dialog(self, k: int) -> None:
        before = set(_dialogs())
        self._desk.window.actions_[DIALOGS[k % len(DIALOGS)]].trigger()
        self._desk.until(lambda: set(_dialogs()) - before)
        self._desk.live(0.2)
        for dialog in set(_dialogs()) - before:
            dialog.reject()
        self._desk.until(lambda: not set(_dialogs()) - before)

    def _run(self) -> None:
        run = self._desk.train(*SHORT, data="avatars:96")
        self._desk.live(0.5)
        self._desk.stop()
        shutil.rmtree(run)

    def _generate(self) -> None:
        ends: list[Any] = []
        self._studio.generating.sampling.finished_.connect(ends.append)
        self._studio.generate.generate_button.click()
        self._desk.until(lambda: bool(ends))
        self._studio.generating.sampling.finished_.disconnect(ends.append)

    def _model(self, path: Path) -> None:
        state, before = self._studio.state, self._studio.state.model
        self._studio.open_model(path)
        self._desk.until(lambda: state.model is not before and state.codes is not None and self._settled())

    def _theme(self) -> None:
        self._dark = not self._dark
        palette = theme.DARK if self._dark else theme.LIGHT
        self._desk.app.setPalette(theme.qt_palette(palette))
        self._desk.app.setStyleSheet(theme.stylesheet(palette))
        self._desk.live(0.1)


def _dialogs() -> list[QDialog]:
    shown = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog | QMessageBox)]
    return [w for w in shown if w.isVisible()]


def measure(folder: Path, rounds: int) -> tuple[list[Row], Any]:
    """Rows of what was held at the end, less what was held when caches were warm.

    Rounds differ in what they open, so the most of the last ones is set against that of the first warm ones.
    """
    desk = Desk(folder)
    user = _User(desk, folder)
    begun, samples, kinds = time.monotonic(), [_held()], [_kinds()]
    for k in range(rounds):
        user.round(k)
        desk.live(0.2)
        samples.append(_held())
        kinds.append(_kinds())
        held = ", ".join(f"{name} {value:.0f}" for name, value in samples[-1].items())
        print(f"round {k + 1} of {rounds}, {time.monotonic() - begun:.0f} s: {held}", file=sys.stderr)
    spent = time.monotonic() - begun
    desk.close()
    del user
    desk.live(1)
    after = _held()
    left = [t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    first = max(1, round(SETTLED * rounds))
    hours = np.arange(first, rounds + 1) / 6
    rss = [one["rss"] for one in samples[first:]]
    slope = float(np.polyfit(hours, rss, 1)[0]) if len(rss) > 2 else float("nan")
    note = f"{samples[0]['rss']:.0f} at first, {rss[0]:.0f} warm, {rss[-1]:.0f} MiB at the end"
    told = f"{rounds} rounds of ten minutes in {spent / 60:.1f} minutes"
    rows = [Row("soak", f"memory, growth in an hour of use, {told}", slope, "MiB", 2.0, note=note)]
    for what in ("widgets", "top-level widgets", "threads", "native threads", "children", "files"):
        early = max(one[what] for one in samples[first : 2 * first])
        late = max(one[what] for one in samples[-first:])
        note = f"{early:.0f} warm, {late:.0f} at the end"
        rows.append(Row("soak", f"{what}, more than when warm", late - early, "", 0.0, note=note))
    rows.append(Row("soak", "threads left when it was closed", float(len(left)), "", 0.0))
    rows.append(Row("soak", "child processes left when it was closed", after["children"], "", 0.0))
    warm: Counter[str] = Counter()
    for one in kinds[first : 2 * first]:
        warm |= one
    more = {name: count for name, count in (kinds[-1] - warm).items() if count}
    return rows, {"samples": samples, "after": after, "more": more, "left": _kinds(), "cpus": os.cpu_count()}
