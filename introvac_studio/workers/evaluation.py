"""An evaluation, or the training of a judge for it, in a child process; see `child`."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject

from introvac_studio.language import mark
from introvac_studio.workers.child import ChildThread, Task

EVALUATION = Task("evaluate", mark("The evaluation"), mark("Nothing was written; start it again."))
JUDGE = Task("judge", mark("The judge’s training"), mark("No judge was written; start it again."))


def evaluation(arguments: Sequence[str], parent: QObject | None = None) -> ChildThread:
    """With flags of `python -m trainer evaluate`; call `start()` when its signals are connected."""
    return ChildThread(EVALUATION, arguments, parent=parent)


def judge_training(arguments: Sequence[str], parent: QObject | None = None) -> ChildThread:
    """With flags of `python -m trainer judge`; call `start()` when its signals are connected."""
    return ChildThread(JUDGE, arguments, parent=parent)
