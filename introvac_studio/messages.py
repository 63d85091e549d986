"""What panels ask for and workers answer: frozen messages, free of torch and of widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from introvac_studio.state import Code, Edit, Face, FaceSet, Image, Refinement
from trainer.align import Box, Target
from trainer.latent import Hyperplanes
from trainer.photos import Photo
from trainer.until import Ray, Reach

if TYPE_CHECKING:
    from trainer.fit import Fitted


@dataclass(frozen=True, eq=False)
class SamplingRequest:
    """Draw codes with wanted attributes and decode them.

    Attributes:
        model_path: the model file.
        stamp: of the opening that asked; see `state.ModelInfo`.
        wants: attribute -> True for yes, False for no; an attribute left out is open.
        count: faces to accept.
        accept: P that each wanted attribute must reach.
        recipe: a name in `trainer.sampling.RECIPES`.
        step_size: alpha, or None for the recipe's.
        steps: steps a chain, or None for the recipe's.
        seed: decides all noise.
        device: as `trainer.device.resolve` takes it.
        digest: of the model that is open; a file with other weights is refused. Empty takes any.
        sampler: a name in `trainer.sampling.SAMPLERS`.
        accept_on: whose label decides, as in `trainer.sampling.ACCEPT_ON`.
        full: run chains in all dimensions.
    """

    model_path: Path
    stamp: int
    wants: Mapping[str, bool]
    count: int
    accept: float
    recipe: str
    step_size: float | None
    steps: int | None
    seed: int
    device: str = "auto"
    digest: str = ""
    sampler: str = "langevin"
    accept_on: str = "code"
    full: bool = False


@dataclass(frozen=True, eq=False)
class SamplingPlan:
    """How a request is served, said before its first face.

    Attributes:
        request: the very object that asked.
        chain: "langevin" or "mala" where each draw is the end of a chain, which has a path; else empty.
            "mala" also where it stands in for "exact".
        step_size: alpha of those chains.
        steps: of each.
        full: whether they run in all dimensions.
        acceptance: the share of steps that MALA accepted once its step size was tuned; else None.
        note: what a user must know about how the sampler draws; often empty.
        decodes_on: the device that decodes, in words.
        runs_on: what runs chains in all dimensions, in words; empty where none do.
    """

    request: SamplingRequest
    chain: str
    step_size: float
    steps: int
    full: bool
    acceptance: float | None
    note: str
    decodes_on: str
    runs_on: str


@dataclass(frozen=True, eq=False)
class SampledBatch:
    """Accepted faces as they come, n of them.

    Attributes:
        request: the very object that asked; tells stale answers apart.
        z: (n, d) float32.
        images: (n, S, S, 3).
        logits: (n, K+1).
        draws: (n,) number of each face's chain: with the seed it gives the code back.
        drawn_total: draws up to and with the last face.
        accepted_total: those accepted.
        reencoded: (n, K+1) logits of the pictures, encoded again, where these decide; else None.
    """

    request: SamplingRequest
    z: NDArray[np.float32]
    images: Image
    logits: NDArray[np.float32]
    draws: NDArray[np.int64]
    drawn_total: int
    accepted_total: int
    reencoded: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class SamplingEnd:
    """How a request ended: complete, cancelled, or with an `error` that a user can act on."""

    request: SamplingRequest
    drawn: int
    accepted: int
    cancelled: bool = False
    error: str = ""


@dataclass(frozen=True, eq=False)
class Watch:
    """Look at how well a request's sampler draws, on many chains of its own."""

    request: SamplingRequest
    planes: Hyperplanes


@dataclass(frozen=True, eq=False)
class WatchEnd:
    """A watch has ended: with a verdict in its last snapshot, cancelled, or with an `error`."""

    watch: Watch
    cancelled: bool = False
    error: str = ""


@dataclass(frozen=True, eq=False)
class PathWanted:
    """Where the chain of one face has been.

    Attributes:
        plan: of the run that the face is from.
        planes: of the model.
        draw: the number of the face's chain.
        face: the face itself; its name labels the path.
    """

    plan: SamplingPlan
    planes: Hyperplanes
    draw: int
    face: Face


@dataclass(frozen=True, eq=False)
class ChainPath:
    """States (n, d) of a chain at `steps` (n,), from its start in the prior to the face's code."""

    wanted: PathWanted
    steps: NDArray[np.int64]
    states: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table of pictures (S, S, 3), all of one size; None leaves a gap."""

    rows: tuple[tuple[Image | None, ...], ...]
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ExportJob:
    """Images to export, decoded already.

    Attributes:
        sheets: layout -> its table; "gallery" is all pictures in one row.
        recipe: JSON-able: `model` and `model_name`, `z` (codes as lists), `deltas`, `seed` ...
        name: suggested file name without suffix.
    """

    sheets: Mapping[str, Sheet]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    name: str = "faces"


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
    """Decoded codes (n, S, S, 3) along one attribute; `codes` is the very array (n, d) that asked."""

    stamp: int
    serial: int
    images: Image
    codes: Code | None = None


@dataclass(frozen=True, eq=False)
class Opened:
    """A face that was asked for: a photo, a row of the data, a draw from the prior."""

    stamp: int
    face: Face


@dataclass(frozen=True, eq=False)
class PhotoRead:
    """A photo of the user's, and how its face was cropped.

    Attributes:
        stamp: of the model.
        photo: with all its pixels, or those that were worth reading.
        view: (H, W, 3), small enough for a screen.
        crop: how the model's training data was cropped.
        target: where the model expects the eyes.
        box: that was cut; None for the middle.
        boxes: of the faces that were found, the largest first.
        searched: whether faces were looked for.
        asked: whether it was read for its crop to be changed.
    """

    stamp: int
    photo: Photo
    view: Image
    crop: str
    target: Target
    box: Box | None
    boxes: tuple[Box, ...]
    searched: bool
    asked: bool


@dataclass(frozen=True, eq=False)
class Cropped:
    """What a model sees of a photo, (S, S, 3), and what it makes of it."""

    stamp: int
    serial: int
    image: Image
    reconstruction: Image


@dataclass(frozen=True, eq=False)
class FacesFound:
    """Boxes of the faces in a photo, or `trouble`: why none were looked for."""

    photo: Photo
    boxes: tuple[Box, ...]
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class Codes:
    """mu (N, d) of a set of faces."""

    stamp: int
    faces: FaceSet
    mu: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FitRequest:
    """Learn a direction: labels (N,) in {0, 1} of codes (N, d), to join `planes` under `name`."""

    planes: Hyperplanes
    codes: NDArray[np.float32]
    labels: NDArray[np.int8]
    name: str


@dataclass(frozen=True, eq=False)
class FitAnswer:
    """The direction that was learnt, or `trouble`: why there is none."""

    request: FitRequest
    fitted: Fitted | None = None
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class UntilRequest:
    """Move one attribute of a face until it holds.

    Attributes:
        stamp: of the model; see `state.ModelInfo`.
        face: the face as it was.
        edit: its edit, with the attribute's amount at zero.
        name: the attribute.
        wanted: the label to reach.
        z: (d,), the code under `edit`.
        planes: the classifier that judges.
        way: from `z`, as far as the slider reaches.
        p: the probability to reach.
        picture: whether the drawn picture is judged, not the code.
    """

    stamp: int
    face: Face
    edit: Edit
    name: str
    wanted: bool
    z: Code
    planes: Hyperplanes
    way: Ray
    p: float
    picture: bool


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found; None where it was stopped."""

    request: UntilRequest
    reach: Reach | None


@dataclass(frozen=True, eq=False)
class RefineRequest:
    """Look for a code whose picture is nearer to a face's original.

    Attributes:
        stamp: of the model.
        model_path: its file.
        digest: of the weights that are open; a file with others is refused.
        face: with an original, and the encoder's code.
        device: as `trainer.device.resolve` takes it.
        steps: gradient steps.
    """

    stamp: int
    model_path: Path
    digest: str
    face: Face
    device: str
    steps: int


@dataclass(frozen=True, eq=False)
class RefineEnd:
    """How refining ended: with a code, or cancelled, or with an `error` that a user can act on."""

    request: RefineRequest
    refinement: Refinement | None = None
    cancelled: bool = False
    error: str = ""


@dataclass(frozen=True)
class Failure:
    """What did not work, and the sentence to show."""

    what: str
    text: str
    stamp: int = 0  # of the opening that failed, where it was one
