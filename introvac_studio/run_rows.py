"""A run as a list shows it: its summary, a small picture, and words for its state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QImage

from introvac_studio.language import mark, tr
from trainer.run_summary import RunSummary

_STATES = {
    "running": mark("running"),
    "paused": mark("paused"),
    "finished": mark("finished"),
    "stopped": mark("stopped"),
    "failed": mark("failed"),
    "interrupted": mark("interrupted"),
    "new": mark("not started"),
    "broken": mark("unreadable"),
}


@dataclass(frozen=True, eq=False)
class RunRow:
    """One line of the list; `thumb` is a strip of faces from the newest samples, or null."""

    summary: RunSummary
    thumb: QImage

    @property
    def path(self) -> Path:
        return self.summary.path


def state_text(summary: RunSummary, mine: bool) -> str:
    """How a run stands, and where it trains if not here."""
    text = tr(_STATES[summary.state])
    if not summary.active or mine:
        return tr("{state} here", state=text) if summary.active else text
    sign = summary.sign
    if sign is None or sign.here:
        return tr("{state} elsewhere", state=text)
    return tr("{state} on {host}", state=text, host=sign.host)
