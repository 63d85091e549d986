"""The notebook-style example, run as a reader would run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trainer import grid, modelfile

ROOT = Path(__file__).resolve().parents[2]


def test_that_the_example_runs_without_qt_and_leaves_pictures_with_recipes(tmp_path: Path) -> None:
    guard = "import sys; sys.modules['PySide6'] = None; import runpy; runpy.run_path(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", guard, str(ROOT / "docs" / "examples" / "first_steps.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    assert "p = 0.50" in done.stdout, "a code on the hyperplane is undecided"
    recipe = grid.read_recipe(tmp_path / "first_steps" / "glasses.png")
    assert recipe is not None and recipe["deltas"] == {"Eyeglasses": 5.0}
    assert recipe["model"] == modelfile.load(ROOT / "resources" / "demo.safetensors").digest
    assert (tmp_path / "first_steps" / "wanted.png").is_file()
