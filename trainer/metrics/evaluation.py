"""What an evaluation is made of: settings, models, faces, and how far it is. No torch."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer import modelfile, sampling
from trainer.card import ModelCard
from trainer.config import ModelConfig
from trainer.data import derive
from trainer.data.cache import Cache, default_cache_root
from trainer.errors import Cancelled, ConfigError, DataError
from trainer.metrics.pictures import Images
from trainer.metrics.protocol import Splits, splits
from trainer.metrics.records import Codec, Faces, Judge
from trainer.metrics.weights import INCEPTION, LITE0

SECTIONS = ("reading", "distances", "samples", "edits", "equal-success", "pictures")
SELECTION = "selection"  # a split to report on: see `EvaluateConfig`
CHOSEN_ON = 1000  # faces of the selection split that deltas and amounts are found on, at most
SAMPLED = 1000  # samples that are judged for each condition, at most
_STEPS = 1000  # that `progress` tells of

Asked = Callable[[], bool]
Progress = Callable[[str, int, int], None]  # what is being done; (done, total) of everything
Keep = Callable[[str, Image.Image, Mapping[str, Any]], None]  # name of a file, picture, recipe


@dataclass(frozen=True)
class EvaluateConfig:
    """What to measure.

    Attributes:
        split: reported split; None for the data's own. With `SELECTION` half of the selection split is
            reported, and what is chosen is chosen on its other half.
        count: at most so many of its faces, drawn at random, and so many samples; None for all.
        deltas: how far edits go, by attribute; where nothing is given, it is chosen.
        success: share of edits that the judge takes for done, at which leakage is compared.
        only: some of `SECTIONS`; empty for all.
        features: that were asked for; empty for all that can be opened.
        resamples: for the interval of each Frechet distance; 0 leaves it out.
        seed: of faces, samples and resamples.

    Raises:
        ConfigError: a value that makes no sense.
    """

    split: str | None = None
    count: int | None = None
    deltas: Mapping[str, float] = field(default_factory=dict)
    success: float = 0.9
    only: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    resamples: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 8:
            raise ConfigError(f"count = {self.count}: at least 8 faces are needed")
        for name, delta in self.deltas.items():
            if not (math.isfinite(delta) and delta > 0):
                raise ConfigError(f"delta {name} = {delta}: must be a finite number above 0")
        if not 0 < self.success <= 1:
            raise ConfigError(f"success = {self.success}: must be a share above 0 and at most 1")
        if unknown := [name for name in self.only if name not in SECTIONS]:
            raise ConfigError(f"only = {', '.join(unknown)}: choose among {', '.join(SECTIONS)}")
        if self.resamples < 0 or self.resamples == 1:
            raise ConfigError(f"resamples = {self.resamples}: an interval takes 2, and none takes 0")
        if self.seed < 0:
            raise ConfigError(f"seed = {self.seed}: must not be negative")

    def wants(self, section: str) -> bool:
        """Whether a section is to be measured."""
        return not self.only or section in self.only


class Extractor(Protocol):
    """What `trainer.metrics.features.Extractor` is."""

    name: str
    dim: int
    size: int
    resize: str
    weights: str

    def __call__(
        self,
        images: Images,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Asked | None = None,
    ) -> NDArray[np.float32]: ...


class CheckedJudge(Judge, Protocol):
    """What `trainer.metrics.judge.Judge` is."""

    @property
    def card(self) -> Any: ...
    def check(self, image_size: int, crop: str, attributes: Sequence[str] = ()) -> None: ...


@dataclass(frozen=True, eq=False)
class Subject:
    """A model that is evaluated, and its data.

    Attributes:
        name: in the report; two models have two names.
        codec: the model.
        config, card, digest: what its file says.
        cache: the data at its size and crop.
    """

    name: str
    codec: Codec
    config: ModelConfig
    card: ModelCard
    digest: str
    cache: Cache

    @property
    def parameters(self) -> int:
        """Learned numbers; BatchNorm's running statistics are not learned."""
        shapes = modelfile.shapes(self.config).items()
        return sum(math.prod(shape) for name, shape in shapes if ".running_" not in name)


class Where(NamedTuple):
    """What is reported on, and what is chosen on: None where that is the same."""

    reported: str
    rows: NDArray[np.int64]
    selection: str | None
    chooses: NDArray[np.int64] | None
    pool: NDArray[np.int64]
    note: str


def where_of(cache: Cache, config: EvaluateConfig) -> Where:
    """The faces of an evaluation, fewer if a count is given."""
    found: Splits = splits(cache)
    chosen, empty = found.selection_name, np.empty(0, np.int64)
    half, other = np.array_split(np.random.default_rng(config.seed).permutation(found.selection), 2)
    roles = {  # what is reported on, and what is chosen on
        found.reported_name: (found.reported, found.selection),
        chosen: (found.selection, empty),
        "train": (found.train, found.selection),
        SELECTION: (np.sort(half), np.sort(other)),
    }
    name = found.reported_name if config.split is None else config.split
    if name not in roles:
        there = ", ".join(roles)
        raise DataError(f"split = {name!r}: this data has {there}{f' ({found.note})' if found.note else ''}")
    faces, choosers = roles[name]
    rows = some_of(faces, config.count, config.seed)
    if len(rows) < 8:
        raise DataError(f"split {name} has {len(rows)} pictures; at least 8 are needed, so use more data")
    notes = [found.note] if found.note else []
    if name in (chosen, SELECTION):
        notes.append("checkpoints are chosen on this split, so its numbers are too good")
    if name == "train":
        notes.append("models learn from this split, so its numbers are too good")
    if name == SELECTION:
        name, chosen = f"half of {chosen}", f"the other half of {chosen}"
    chooses = len(choosers) > 0
    return Where(
        name,
        rows,
        chosen if chooses else None,
        some_of(choosers, min(config.count or CHOSEN_ON, CHOSEN_ON), config.seed) if chooses else None,
        np.setdiff1d(found.train, rows),
        "; ".join(notes),
    )


def some_of(rows: NDArray[np.int64], count: int | None, seed: int) -> NDArray[np.int64]:
    """`count` of them at random, in their order."""
    if count is None or count >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


class Meter:
    """Says how much of everything is done, from rough costs of all steps."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._costs: dict[str, float] = {}
        self._left: set[str] = set()
        self._now = ""

    def expect(self, what: str, cost: float) -> None:
        self._costs[what] = self._costs.get(what, 0.0) + max(cost, 1e-9)
        self._left.add(what)

    def start(self, what: str) -> Callable[[int, int], None]:
        """The progress of a step; the one before it is then over."""
        self._left.discard(self._now)
        self._now = what
        self._left.add(what)
        self._costs.setdefault(what, 1e-9)
        self._say(0.0)
        return lambda done, total: self._say(done / total if total else 0.0)

    def finish(self) -> None:
        self._left.clear()
        self._say(0.0)

    def _say(self, share: float) -> None:
        if self._progress is None:
            return
        total = sum(self._costs.values())
        left = sum(self._costs[what] for what in self._left)
        if self._now in self._left:
            left -= self._costs[self._now] * share
        self._progress(self._now, round(_STEPS * (1 - left / total)) if total else 0, _STEPS)


class Bench:
    """The evaluation of one model."""

    def __init__(
        self,
        subject: Subject,
        config: EvaluateConfig,
        where: Where,
        judge: CheckedJudge | None,
        extractors: tuple[Extractor, ...],
        meter: Meter,
        cancelled: Asked | None,
        index: int,
    ) -> None:
        self.subject, self.config, self.where, self.judge = subject, config, where, judge
        self.codec, self.extractors, self.index = subject.codec, extractors, index
        self.meter, self.cancelled = meter, cancelled
        self.missing: list[dict[str, Any]] = []
        self.real: dict[str, Any] = {}  # features of real pictures; two models may share them
        names, labels = subject.cache.attributes, subject.cache.labels
        for text in subject.card.derive:
            try:
                names, labels = derive.extend(names, labels, (text,))
            except DataError as error:
                self.lack(f"labels of {text.partition('=')[0]}", str(error))
        self.names, self.labels = names, labels
        self.faces = self.faces_of(where.rows)
        for name in self.codec.planes.attributes:
            if name not in names:
                self.lack(
                    f"labels of {name}", f"{derive.unknown(name, names)}, so nothing is known of it here"
                )

    @property
    def attributes(self) -> list[str]:
        """Those that the model, the labels and the judge all know."""
        if self.judge is None:
            return []
        return [n for n in self.labelled if n in self.judge.attributes]

    @property
    def labelled(self) -> list[str]:
        """Those that the model and the labels know."""
        return [name for name in self.codec.planes.attributes if name in self.names]

    @property
    def conditions(self) -> list[tuple[str, bool]]:
        return [(name, wanted) for name in self.labelled for wanted in (True, False)]

    @property
    def sampled(self) -> int:
        return min(len(self.faces.images), SAMPLED)

    def expect(self, shared: bool) -> None:
        """Tell the meter roughly what each step will cost, in milliseconds of one core."""
        size = self.subject.cache.size
        n, pixels = len(self.faces.images), (size / 64) ** 2
        code, judged = 3.0 * pixels, 2.0 * pixels
        looks = {"inception": 150.0, "lite0": 40.0}
        seen = sum(looks.get(one.name, 0.2) for one in self.extractors)
        resampled = sum(
            self.config.resamples * 0.2 + self.config.resamples * 50.0 * (min(n, one.dim) / 400) ** 3
            for one in self.extractors
        )
        wants = self.config.wants
        if wants("reading"):
            self.meter.expect(self.step("reading"), n * 2 * code)
        if wants("distances") and self.extractors:
            if not shared:
                self.meter.expect(self.step("features of real pictures"), 3 * n * seen)
            self.meter.expect(self.step("reconstructions"), n * (2 * code + seen) + resampled)
            self.meter.expect(self.step("prior samples"), n * (code + seen) + resampled)
        if wants("distances") or wants("samples"):
            for condition in self.conditions:
                per = self.sampled * (2 * code + judged)
                if wants("distances"):
                    per += (n * seen + resampled) / 2
                self.meter.expect(self.step(f"samples, {said(*condition)}"), per)
        known, chosen = len(self.attributes), len(self.selection().images) if self.judge is not None else 0
        drawn = 60.0 if self.faces.options is not None else 0.0
        if known and wants("edits"):
            for name in self.attributes:
                if name not in self.config.deltas:
                    self.meter.expect(self.step(f"delta of {name}"), chosen * 10 * (code + judged))
            self.meter.expect(self.step("edits"), n * known * (4 * code + 2 * judged + drawn))
        if known and wants("equal-success") and self.where.selection is not None:
            self.meter.expect(self.step("amounts at equal success"), chosen * known * 14 * (code + judged))
            self.meter.expect(self.step("edits at equal success"), n * known * (3 * code + 2 * judged))
        if wants("pictures"):
            self.meter.expect(self.step("pictures"), 50 * len(self.labelled) * (code + drawn))

    def step(self, what: str) -> str:
        return f"{self.subject.name}: {what}"

    def lack(self, what: str, why: str) -> None:
        self.missing.append({"model": self.subject.name, "what": what, "why": why})

    def faces_of(self, rows: NDArray[np.int64]) -> Faces:
        bare = Faces.of(self.subject.cache, rows)
        return replace(bare, labels=self.labels[rows], attributes=self.names)

    def selection(self) -> Faces:
        """The faces that are chosen on; none where the reported ones are."""
        if not hasattr(self, "_chooses"):
            rows = self.where.chooses
            self._chooses = self.faces_of(np.empty(0, np.int64) if rows is None else rows)
        return self._chooses

    def stop(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("the evaluation was stopped")

    def encode(self, images: Images) -> NDArray[np.float32]:
        self.stop()
        return np.asarray(self.codec.encode(images)[0])

    def draw(self, wants: Mapping[str, bool], count: int) -> NDArray[np.float32]:
        """Exact draws of p(z|y), none left out."""
        parts = sampling.generate(
            self.codec.planes, sampling.Target(wants), count,
            sampler="exact", accept=0.0, seed=self.config.seed, cancelled=self.cancelled,
        )  # fmt: skip
        return np.concatenate([part.z for part in parts])


def public_spec(spec: str) -> str:
    """The data's text without the folder that it lies in."""
    kind, _, rest = spec.partition(":")
    return spec if kind == "avatars" and rest else kind


def public_text(text: str, file: Path | str | None = None) -> str:
    """A message for others to read: it may name a file of weights, but none of this machine's folders.

    Args:
        file: of weights, as the user named it.
    """
    named = [file, *(os.environ.get(weights.variable) for weights in (INCEPTION, LITE0))]
    folders = {Path(one).expanduser().parent for one in named if one}
    folders |= {default_cache_root(), Path(sys.prefix), Path.home()}
    for folder in sorted(folders, key=lambda one: -len(str(one))):  # a folder before the one that it is in
        if folder.name:  # neither the root nor "."
            text = text.replace(f"{folder}{os.sep}", "")
    return text


def plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def said(name: str, wanted: bool) -> str:
    return f"{name}={'yes' if wanted else 'no'}"
