"""What workers tell the window; free of torch, so that panels may know these types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from introvac_studio.state import Face, FaceSet, Image


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded code. `stamp` is the model's, `serial` counts requests of the kind."""

    stamp: int
    serial: int
    image: Image
    seconds: float


@dataclass(frozen=True, eq=False)
class Seen:
    """Probabilities that the classifier gives the re-encoded picture E(G(z)), by attribute."""

    stamp: int
    serial: int
    probabilities: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Strip:
    """Decoded codes (n, S, S, 3) along one attribute."""

    stamp: int
    serial: int
    images: Image


@dataclass(frozen=True, eq=False)
class Opened:
    """A face that was asked for: a photo, a row of the data, a draw from the prior."""

    stamp: int
    face: Face


@dataclass(frozen=True, eq=False)
class Codes:
    """mu (N, d) of a set of faces."""

    stamp: int
    faces: FaceSet
    mu: NDArray[np.float32]


@dataclass(frozen=True)
class Failure:
    """What did not work, and the sentence to show."""

    what: str
    text: str
