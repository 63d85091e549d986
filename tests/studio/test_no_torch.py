"""The studio in its own process: looking, dragging, fitting and generating on the CPU import no torch."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds, for a machine that is busy with other things

Steps = Generator[Callable[[], bool], None, None]


def use(folder: Path) -> None:
    """Run the application, drive it, and leave what was seen in `folder`; called in the child process."""
    from PySide6.QtCore import QTimer

    from introvac_studio import app, faults, studio

    seen: dict[str, Any] = {}

    class Driven(studio.Studio):
        """Goes through `_steps`, each as soon as the condition that the last one gave holds."""

        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            self._steps = _steps(self, seen)
            self._holds: Callable[[], bool] = lambda: True
            self._timer = QTimer(self)
            self._timer.timeout.connect(self._go_on)
            self._timer.start(5)
            QTimer.singleShot(PATIENCE * 1000, self.window, self.window.close)

        def _go_on(self) -> None:
            if self._holds() and (holds := next(self._steps, None)) is not None:
                self._holds = holds
            elif self._holds():
                self._timer.stop()
                self.window.close()

    studio.AVATARS = "avatars:24:1"
    studio.Studio = Driven  # type: ignore[misc]
    faults.log_file = lambda: folder / "studio.log"  # type: ignore[assignment]
    code = app.main(["--device", "cpu"])
    modules = sorted(m for m in sys.modules if m.partition(".")[0] in ("torch", "openvino_telemetry"))
    seen |= {"code": code, "unwanted": modules, "openvino": "openvino" in sys.modules}
    (folder / "seen.json").write_text(json.dumps(seen), encoding="utf-8")


def _steps(studio: Any, seen: dict[str, Any]) -> Steps:
    """What the user does; yields what to wait for."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    editor, state = studio.editor, studio.state

    def settled() -> bool:
        return editor._frame is not None and editor._frame.serial == state.revision

    yield lambda: editor.picture is not None and editor.reconstruction.image is not None
    yield lambda: state.codes is not None and settled()
    seen |= {"device": studio.window.device.text(), "first": editor.picture.mean()}

    view = editor.edited
    middle = view.picture_rect().center().toPoint()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    for pixels in (20, 40, 60):
        QTest.mouseMove(view, middle + QPoint(pixels, 0))
        yield settled
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=middle + QPoint(60, 0))
    yield lambda: settled() and editor.strip._images is not None
    seen["dragged"] = editor.picture.mean()

    studio.directions.show_dialog()
    dialog = studio.directions.dialog
    dialog.grid.set_labels([k % 2 for k in range(24)])
    dialog.name.setText("Every other")
    dialog.ask()
    yield lambda: dialog.fitted is not None
    dialog.add.click()
    seen["added"] = list(state.added_directions)

    studio.walking.show()
    walk = studio.walking.dialog
    walk.choose_row(3)
    yield lambda: walk.ready
    seen["path"] = len(walk.images)
    walk.reject()

    studio.window.show_workspace("generate")
    ends: list[Any] = []
    studio.generating.sampling.finished_.connect(ends.append)
    studio.generate.generate_button.click()
    yield lambda: bool(ends)
    seen |= {"generated": studio.generate.gallery.count, "error": ends[0].error}

    panel, paths = studio.generate, []
    panel.form.sampler.set_value("mala")
    panel.form.accept_on.set_value("picture")
    panel.form.wants_of["Eyeglasses"].set_value("yes")
    panel.form.full.setChecked(True)
    panel.form.count.setValue(4)
    studio.generating.diagnostics.pathReady.connect(paths.append)
    panel.generate_button.click()
    yield lambda: not panel.cancel_button.isEnabled()
    seen |= {"verdict": panel.diagnostics.verdict.text(), "judged": panel.gallery.count}
    panel.gallery.set_current(0)
    panel.path_button.click()
    yield lambda: bool(paths)
    studio.window.show_workspace("train")


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed here")
def test_that_looking_dragging_fitting_and_generating_import_no_torch(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = (
        f"from pathlib import Path; from tests.studio.test_no_torch import use; use(Path({str(tmp_path)!r}))"
    )
    places = {"HOME": str(home), "USERPROFILE": str(home), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads((tmp_path / "seen.json").read_text(encoding="utf-8"))
    assert seen["code"] == 0 and seen["error"] == "" and seen["generated"] == 16, (seen, done.stderr)
    assert "converged: KS" in seen["verdict"] and seen["judged"] == 4, (seen, done.stderr)
    assert seen["first"] != seen["dragged"]
    assert seen["added"] == ["Every other"] and seen["path"] == 24
    assert "OpenVINO" in seen["device"] and seen["openvino"]
    assert seen["unwanted"] == []
    assert not (home / "intel").exists()  # where OpenVINO's converter would leave an identifier
