"""What is asked of other models about the current face, and what they answer; free of torch and widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from introvac_studio.state import Edit, Face, Image


@dataclass(frozen=True, eq=False)
class CompareRequest:
    """Make the same edit of the same face with another model, or with all that a run has kept.

    Attributes:
        serial: of the document's revision that asked.
        face: the current face.
        source: what other models encode, (S, S, 3): its original, or its picture where it has none.
        edit: its edit with the open model.
        deltas: the open model's usual distances, by attribute of the edit.
        scaled: moves count in usual distances of each model, not in units of its code space.
        target: a model file, or the directory of a run.
        first: of a run, the label of the checkpoint that matters most; empty for the newest.
        whole: everything of every checkpoint; else only the edited face of the first.
        device: as `trainer.device.resolve` takes it.
    """

    serial: int
    face: Face
    source: Image
    edit: Edit
    deltas: Mapping[str, float]
    scaled: bool
    target: Path
    first: str = ""
    whole: bool = True
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class Kept:
    """The models that a run has kept, oldest first, by the names that a user reads."""

    request: CompareRequest
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Compared:
    """What one model made of a request.

    Attributes:
        request: the very object that asked.
        label: the model's name, or which checkpoint of the run it is.
        size: side of its pictures.
        edited: (S, S, 3).
        reconstruction: the same unedited; None where not the whole was asked for.
        error: mean absolute difference of source and reconstruction, of pixels in [0, 1].
        code: P of each attribute of the model for the edited code.
        seen: the same for the picture, encoded again.
        unknown: attributes of the edit that the model does not know.
    """

    request: CompareRequest
    label: str
    size: int
    edited: Image
    code: Mapping[str, float]
    reconstruction: Image | None = None
    error: float = float("nan")
    seen: Mapping[str, float] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CompareEnd:
    """A request is over; `trouble` says why something of it was not done."""

    request: CompareRequest
    cancelled: bool = False
    trouble: str = ""
