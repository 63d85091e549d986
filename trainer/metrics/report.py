"""An evaluation as one self-contained HTML page. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any


def render(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        metrics: what `trainer.metrics.evaluate.evaluate` returns.
        pictures: PNG by the file that `metrics` names.
    """
    return f"<!doctype html><meta charset=utf-8><title>Evaluation</title><pre>{escape(json.dumps(metrics, indent=1))}</pre>"
