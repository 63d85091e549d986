"""`python main.py` where no window can open: one sentence and exit 2, no abort."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from introvac_studio import preflight

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux lacks displays and libraries"
)


def run_main(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@linux
@pytest.mark.parametrize("display", ["", ":4242"])
def test_that_no_display_is_one_sentence_and_exit_two(display: str) -> None:
    done = run_main(DISPLAY=display)
    assert done.returncode == 2 and done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and "sudo apt install" in lines[0]


@linux
def test_that_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: str) -> None:
        raise OSError("libxcb-cursor.so.0: cannot open shared object file: No such file or directory")

    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    monkeypatch.setattr(preflight.ctypes, "CDLL", load)
    said = preflight.problem()
    assert said is not None and "libxcb-cursor.so.0" in said and "sudo apt install libxcb-cursor0" in said


def test_that_help_and_version_need_no_display() -> None:
    assert "RUN_OR_MODEL" in run_main("--help").stdout
    assert "IntroVAC Studio" in run_main("--version").stdout


def test_that_a_missing_path_is_refused(tmp_path: Path) -> None:
    done = run_main(str(tmp_path / "nothing"), QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 2 and "nothing" in done.stderr and len(done.stderr.strip().splitlines()) == 1
