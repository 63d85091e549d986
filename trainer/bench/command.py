"""The `bench` command: runs what `--what` names, prints a table, writes JSON on request."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainer import __version__, files
from trainer.bench.figures import Figure

TOPICS = {name: f"trainer.bench.{name}" for name in ("step", "decode", "data", "sample")}
THREADS = 2  # of every measurement, so that machines compare


def _processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    import torch

    return {
        "version": __version__,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table, one figure a line."""
    lines = ["| what | ours | baseline | ratio | asked for | |", "|---|---|---|---|---|---|"]
    for f in figures:
        baseline = "" if f.baseline is None else f"{_number(f.baseline)} {f.unit} ({f.against})"
        ratio = "" if f.ratio is None else f"{f.ratio:.2f}x"
        lines.append(
            f"| {f.what} | {_number(f.value)} {f.unit} | {baseline} | {ratio} | {f.wanted} | {f.note} |"
        )
    return "\n".join(lines)


def bench(args: Namespace) -> None:
    """Run the chosen measurements, each to its own section of the table."""
    if args.json is not None:
        files.check_target(Path(args.json))
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    figures: list[Figure] = []
    try:
        for topic in [args.what] if args.what else TOPICS:
            sys.stderr.write(f"measuring {topic} ...\n")
            figures += importlib.import_module(TOPICS[topic]).measure()
    finally:
        torch.set_num_threads(before)
    about = machine()
    sys.stdout.write(
        f"{about['processor']}, {about['cores']} cores, {THREADS} threads used, torch {about['torch']}\n\n"
        f"{table(figures)}\n"
    )
    if args.json is not None:
        body = {"machine": about, "figures": [asdict(f) for f in figures]}
        files.write_text(Path(args.json), json.dumps(body, indent=2) + "\n")
