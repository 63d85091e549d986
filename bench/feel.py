"""How the studio feels: measures it on a display of its own, with runs that really train, and prints a table.

    python bench/feel.py                     # every part
    python bench/feel.py start drag          # some
    python bench/feel.py soak --rounds 48    # 8 hours of use, see `feel_parts/soak.py`

Each part runs in a process of its own, on Xvfb at 1280x800. Figures go to `--json` as well, part by part, so
that parts can be measured one after the other; `--table` prints what is there. Linux with Xvfb only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)  # not this folder, whose `cuda.py` pyqtgraph would take for NVIDIA's

from bench.feel_parts import rows as rows_module  # noqa: E402
from bench.feel_parts.rows import Row  # noqa: E402
from bench.feel_parts.screen import Screen  # noqa: E402

PARTS = ("start", "drag-demo", "drag-paper", "lateness", "ends", "speed", "soak")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--json", type=Path, default=Path("feel.json"), help="where figures are kept")
    parser.add_argument("--seconds", type=float, default=60, help="how long lateness is watched")
    parser.add_argument("--rounds", type=int, default=None, help="of soak, ends and speed; launches of start")
    parser.add_argument("--table", action="store_true", help="only print what is kept")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; parts are {', '.join(PARTS)}")
    failed = False
    if not args.table:
        for part in args.parts or PARTS:
            failed |= (_here(part, args) if args.inside else _apart(part, args)) != 0
    if not args.inside:
        print(rows_module.as_table(rows_module.read(args.json)))
    return int(failed)


def _apart(part: str, args: argparse.Namespace) -> int:
    """A part in a process of its own, on a screen of its own."""
    command = [sys.executable, str(HERE / "feel.py"), part, "--inside", "--json", str(args.json)]
    command += ["--seconds", str(args.seconds)]
    if args.rounds is not None:
        command += ["--rounds", str(args.rounds)]
    with Screen() as screen:
        places = {"DISPLAY": screen.display, "QT_QPA_PLATFORM": "xcb", "XDG_SESSION_TYPE": "x11"}
        paths = os.pathsep.join(p for p in (str(HERE.parent), os.environ.get("PYTHONPATH", "")) if p)
        if part == "start":
            return _start(screen, args)
        return subprocess.run(
            command, env=os.environ | places | {"PYTHONPATH": paths}, check=False
        ).returncode


def _start(screen: Screen, args: argparse.Namespace) -> int:
    from bench.feel_parts import start

    with tempfile.TemporaryDirectory() as folder:
        place = (560, 200, 120, 120)  # within the edited face, wherever the layout puts its edges
        found, raw = start.measure(Path(folder), screen, place, args.rounds or 7)
    _told("start", found, raw, args)
    return 0


def _here(part: str, args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, raw = _measured(part, folder, args)
    _told(part, found, raw, args)
    return 0


def _measured(part: str, folder: Path, args: argparse.Namespace) -> tuple[list[Row], Any]:
    if part == "drag-demo":
        from bench.feel_parts import drag

        return drag.measure(folder, None, "demo (64 px)", 20)
    if part == "drag-paper":
        from bench.feel_parts import drag

        model = folder / "paper.safetensors"
        subprocess.run([sys.executable, "-m", "bench.feel_parts.models", str(model)], check=True)
        return drag.measure(folder, model, "the paper's widths (128 px)", 20)
    if part == "lateness":
        from bench.feel_parts import lateness

        return lateness.measure(folder, args.seconds)
    if part == "ends":
        from bench.feel_parts import child

        return child.measure_ends(folder, args.rounds or 4)
    if part == "speed":
        from bench.feel_parts import child

        return child.measure_speed(folder, args.rounds or 2)
    from bench.feel_parts import soak

    return soak.measure(folder, args.rounds or soak.ROUNDS)


def _told(part: str, found: list[Row], raw: Any, args: argparse.Namespace) -> None:
    rows_module.keep(args.json, part, found, raw)


if __name__ == "__main__":
    sys.exit(main())
