"""A training run in a child process, watched by a QThread: events come out, commands go in.

Wiring (by `runs.py`, on the UI's thread)::

    thread = TrainerThread.start_run(request.arguments())   # or TrainerThread.resume_run(run)
    thread.happened.connect(panel.on_event)                 # every event but StepLosses
    thread.ended.connect(panel.on_ended)
    thread.start()
    # a QTimer of 50 ms: panel.on_losses(thread.drain())
    # panel.pauseRequested.connect(thread.pause), likewise resume, stop, snapshot
    # on closing the window: thread.close()

A child whose studio dies writes a checkpoint and ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from introvac_studio.language import mark
from introvac_studio.workers.child import STOP_WAIT, ChildThread, Task
from trainer import events

TRAINING = Task("train", mark("Training"), mark("The run can be resumed from its last checkpoint."))


class TrainerThread(ChildThread):
    """Supervises one child that trains; `StepLosses` wait in a queue and are no signal.

    Args:
        arguments: flags of `python -m trainer train`, without `--events`.
        stop_wait: as `ChildThread`'s.
    """

    def __init__(
        self, arguments: Sequence[str], stop_wait: float = STOP_WAIT, parent: QObject | None = None
    ) -> None:
        super().__init__(TRAINING, arguments, stop_wait, parent)
        self._losses: deque[events.StepLosses] = deque()

    @classmethod
    def start_run(
        cls, arguments: Sequence[str], stop_wait: float = STOP_WAIT, parent: QObject | None = None
    ) -> TrainerThread:
        """For a fresh run; call `start()` when its signals are connected."""
        return cls(arguments, stop_wait, parent)

    @classmethod
    def resume_run(
        cls, run: Path, stop_wait: float = STOP_WAIT, parent: QObject | None = None
    ) -> TrainerThread:
        """For a run to go on with; call `start()` when its signals are connected."""
        return cls(["--resume", "--run", str(run)], stop_wait, parent)

    @Slot()
    def pause(self) -> None:
        self.send("pause")

    @Slot()
    def resume(self) -> None:
        self.send("resume")

    @Slot()
    def snapshot(self) -> None:
        self.send("snapshot")

    def take(self, event: events.Event) -> bool:
        if not isinstance(event, events.StepLosses):
            return False
        self._losses.append(event)
        return True

    def drain(self) -> list[events.StepLosses]:
        """The losses since the last call, in order."""
        return [self._losses.popleft() for _ in range(len(self._losses))]


def read_run(run: Path) -> list[events.Event]:
    """The events of a run directory, without the rows that a later resume made void.

    Lines that are no events, such as one that is still being written, are left out; so is everything
    when there is no `events.jsonl`.
    """
    kept: list[events.Event] = []
    with suppress(FileNotFoundError), (run / "events.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            try:
                event = events.from_line(line)
            except events.EventFormatError:
                continue
            if isinstance(event, events.Resumed):
                kept = [old for old in kept if old.step <= event.step]
            kept.append(event)
    return kept
