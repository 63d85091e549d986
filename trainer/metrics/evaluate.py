"""A whole evaluation of one model, or of two on the same faces: everything that is measured, as plain data.

Numbers are reported on one split; what is chosen, the deltas and the amounts at equal success, is chosen on
another. What cannot be measured is named in `missing`, and everything else still is. No torch: models, judge
and features are handed in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer import __version__, modelfile, sampling
from trainer.card import ModelCard
from trainer.config import ModelConfig
from trainer.data import derive
from trainer.data.cache import Cache
from trainer.errors import Cancelled, ConfigError, DataError, IntroVACError, ModelError, RunError
from trainer.metrics import classifier, deltas, edits, figures
from trainer.metrics.comparison import compare_sets, measured
from trainer.metrics.estimate import estimate
from trainer.metrics.pictures import Images
from trainer.metrics.protocol import ProtocolCard, Splits, splits, versions
from trainer.metrics.records import Amount, Codec, Edit, Faces, Judge

FORMAT = 1  # of metrics.json
SECTIONS = ("reading", "distances", "samples", "edits", "equal-success", "pictures")
CHOSEN_ON = 1000  # faces of the selection split that deltas and amounts are found on, at most
SAMPLED = 1000  # samples that are judged for each condition, at most
FEWEST = 20  # real pictures with a label, for samples to be compared with them
_TOGETHER = 64  # pictures decoded together
_STEPS = 1000  # that `progress` tells of

Asked = Callable[[], bool]
Progress = Callable[[str, int, int], None]  # what is being done; (done, total) of everything
Keep = Callable[[str, Image.Image, Mapping[str, Any]], None]  # name of a file, picture, recipe


@dataclass(frozen=True)
class EvaluateConfig:
    """What to measure.

    Attributes:
        split: reported split; None for the data's own.
        count: at most so many of its faces, drawn at random, and so many samples; None for all.
        deltas: how far edits go, by attribute; where nothing is given, it is chosen.
        success: share of edits that the judge takes for done, at which leakage is compared.
        only: some of `SECTIONS`; empty for all.
        features: that were asked for; empty for all that can be opened.
        resamples: of each Frechet distance.
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
        if self.resamples < 2 or self.seed < 0:
            raise ConfigError(f"resamples = {self.resamples}, seed = {self.seed}: at least 2, and at least 0")

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


class _Split(NamedTuple):
    """What is reported on, and what is chosen on: None where that is the same."""

    reported: str
    rows: NDArray[np.int64]
    selection: str | None
    chooses: NDArray[np.int64] | None
    pool: NDArray[np.int64]
    note: str


class _Meter:
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


def evaluate(
    subjects: Sequence[Subject],
    config: EvaluateConfig,
    *,
    judge: CheckedJudge | None = None,
    extractors: Sequence[Extractor] = (),
    missing: Sequence[Mapping[str, Any]] = (),
    device: str = "cpu",
    keep: Keep | None = None,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> dict[str, Any]:
    """Measure one model, or two on the same faces.

    Args:
        subjects: one or two, of the same data.
        config: what to measure.
        judge: who says what edits and samples show; None leaves that out.
        extractors: the features that pictures are compared by.
        missing: what is known to be missing already, as in the result.
        device: where it is computed, in words.
        keep: takes pictures, each with the name of its file; None draws none.
        progress: told what is being done, and (done, total) of everything.
        cancelled: asked again and again.

    Returns:
        Plain data, as `metrics.json` holds it (docs/evaluation.md).

    Raises:
        ConfigError, DataError, ModelError: data, settings or judge that do not fit the models.
        RunError: nothing at all could be measured.
        Cancelled: `cancelled` said so.
    """
    began = time.monotonic()
    _check(subjects, config, judge)
    every = [_split(subject.cache, config) for subject in subjects]
    if judge is not None:
        _check_choice(subjects, config, judge, every[0])
    meter = _Meter(progress)
    runs = [
        _Run(subject, config, where, judge, tuple(extractors), meter, cancelled, index)
        for index, (subject, where) in enumerate(zip(subjects, every, strict=True))
    ]
    for run in runs:
        run.expect(shared=run is not runs[0] and _alike(run.subject, runs[0].subject))
    for run in runs[1:]:
        if _alike(run.subject, runs[0].subject):
            run.real = runs[0].real
    found, gaps = [], [dict(one) for one in missing]
    if judge is None and any(config.wants(section) for section in ("edits", "equal-success", "samples")):
        gaps.append(_without_judge(subjects[0]))
    for run in runs:
        found.append(run.measure(keep))
        gaps += run.missing
    if not any(_holds(one) for one in found):
        raise RunError("; ".join(["nothing could be measured", *(str(gap["why"]) for gap in gaps)]))
    meter.finish()
    where = every[0]
    seconds = round(time.monotonic() - began, 1)
    own = versions()
    return {
        "format": FORMAT,
        "made": {
            "version": __version__,
            "python": own["python"],
            "torch": own["torch"],
            "device": device,
            "seconds": seconds,
        },
        "data": {
            "spec": public_spec(subjects[0].cache.spec),
            "split": where.reported,
            "selection": where.selection,
            "note": where.note,
            "faces": len(where.rows),
        },
        "settings": _plain(asdict(config)),
        "judge": None
        if judge is None
        else _plain(asdict(judge.card)) | {"data": public_spec(judge.card.data)},
        "models": found,
        "missing": gaps,
    }


def public_spec(spec: str) -> str:
    """The data's text without the folder that it lies in."""
    kind, _, rest = spec.partition(":")
    return spec if kind == "avatars" and rest else kind


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _holds(model: Mapping[str, Any]) -> bool:
    parts = ("distances", "reading", "edits", "at_equal_success", "sample_quality", "pictures")
    return any(model[key] for key in parts)


def _alike(a: Subject, b: Subject) -> bool:
    return (a.cache.size, a.cache.crop) == (b.cache.size, b.cache.crop)


def _without_judge(subject: Subject) -> dict[str, Any]:
    names = ",".join(subject.config.attributes)
    data = public_spec(subject.cache.spec)
    return {
        "model": None,
        "what": "judge",
        "why": "without a judge nothing says independently whether an edit or a sample shows what was "
        "wanted, or what else changed; train one with: introvac judge "
        f"--data {data if data.startswith('avatars') else data + ':DIR'} --image-size {subject.cache.size} "
        f"--attributes {names} --out judge.safetensors, and give it as --judge",
    }


def _check(subjects: Sequence[Subject], config: EvaluateConfig, judge: CheckedJudge | None) -> None:
    if not 1 <= len(subjects) <= 2:
        raise ConfigError(f"{len(subjects)} models: one is evaluated, or two are compared")
    if len({subject.name for subject in subjects}) < len(subjects):
        raise ConfigError(f"two models are called {subjects[0].name!r}; give them different names")
    known = {name for subject in subjects for name in subject.codec.planes.attributes}
    if unknown := [name for name in config.deltas if name not in known]:
        raise ModelError(f"delta of {', '.join(unknown)}: unknown; there are {', '.join(sorted(known))}")
    if judge is not None:
        for subject in subjects:
            judge.check(subject.config.image_size, subject.cache.crop)


def _split(cache: Cache, config: EvaluateConfig) -> _Split:
    """The faces of an evaluation, fewer if a count is given."""
    found: Splits = splits(cache)
    roles = {
        found.reported_name: found.reported,
        found.selection_name: found.selection,
        "train": found.train,
    }
    name = found.reported_name if config.split is None else config.split
    if name not in roles:
        there = ", ".join(roles)
        raise DataError(f"split = {name!r}: this data has {there}{f' ({found.note})' if found.note else ''}")
    rows = _some(roles[name], config.count, config.seed)
    if len(rows) < 8:
        raise DataError(f"split {name} has {len(rows)} pictures; at least 8 are needed, so use more data")
    notes = [found.note] if found.note else []
    if name == found.selection_name:
        notes.append("checkpoints are chosen on this split, so its numbers are too good")
    if name == "train":
        notes.append("models learn from this split, so its numbers are too good")
    chooses = name != found.selection_name
    return _Split(
        name,
        rows,
        found.selection_name if chooses else None,
        _some(found.selection, min(config.count or CHOSEN_ON, CHOSEN_ON), config.seed) if chooses else None,
        np.setdiff1d(found.train, rows),
        "; ".join(notes),
    )


def _some(rows: NDArray[np.int64], count: int | None, seed: int) -> NDArray[np.int64]:
    """`count` of them at random, in their order."""
    if count is None or count >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def _check_choice(
    subjects: Sequence[Subject], config: EvaluateConfig, judge: CheckedJudge, where: _Split
) -> None:
    """Nothing is reported on the split that deltas are chosen on."""
    if where.selection is not None or not config.wants("edits"):
        return
    open_ = {
        name
        for subject in subjects
        for name in subject.codec.planes.attributes
        if name in judge.attributes and name not in config.deltas
    }
    if open_:
        raise ConfigError(
            f"split = {where.reported!r}: deltas are chosen on it, so nothing can be reported on it; "
            f"give --delta for {', '.join(sorted(open_))}, or report on another split"
        )


class _Run:
    """The evaluation of one model."""

    def __init__(
        self,
        subject: Subject,
        config: EvaluateConfig,
        where: _Split,
        judge: CheckedJudge | None,
        extractors: tuple[Extractor, ...],
        meter: _Meter,
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
                self._lack(f"labels of {text.partition('=')[0]}", str(error))
        self.names, self.labels = names, labels
        self.faces = self._faces(where.rows)
        for name in self.codec.planes.attributes:
            if name not in names:
                self._lack(
                    f"labels of {name}", f"{derive.unknown(name, names)}, so nothing is known of it here"
                )

    # -- the plan -------------------------------------------------------------------------

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
            self.meter.expect(self._step("reading"), n * 2 * code)
        if wants("distances") and self.extractors:
            if not shared:
                self.meter.expect(self._step("features of real pictures"), 3 * n * seen)
            self.meter.expect(self._step("reconstructions"), n * (2 * code + seen) + resampled)
            self.meter.expect(self._step("prior samples"), n * (code + seen) + resampled)
        if wants("distances") or wants("samples"):
            for condition in self.conditions:
                per = self.sampled * (2 * code + judged)
                if wants("distances"):
                    per += (n * seen + resampled) / 2
                self.meter.expect(self._step(f"samples, {_said(*condition)}"), per)
        known, chosen = len(self.attributes), len(self._selection().images) if self.judge is not None else 0
        drawn = 60.0 if self.faces.options is not None else 0.0
        if known and wants("edits"):
            for name in self.attributes:
                if name not in self.config.deltas:
                    self.meter.expect(self._step(f"delta of {name}"), chosen * 10 * (code + judged))
            self.meter.expect(self._step("edits"), n * known * (4 * code + 2 * judged + drawn))
        if known and wants("equal-success") and self.where.selection is not None:
            self.meter.expect(self._step("amounts at equal success"), chosen * known * 14 * (code + judged))
            self.meter.expect(self._step("edits at equal success"), n * known * (3 * code + 2 * judged))
        if wants("pictures"):
            self.meter.expect(self._step("pictures"), 50 * len(self.labelled) * (code + drawn))

    def _step(self, what: str) -> str:
        return f"{self.subject.name}: {what}"

    def _lack(self, what: str, why: str) -> None:
        self.missing.append({"model": self.subject.name, "what": what, "why": why})

    def _faces(self, rows: NDArray[np.int64]) -> Faces:
        bare = Faces.of(self.subject.cache, rows)
        return replace(bare, labels=self.labels[rows], attributes=self.names)

    def _selection(self) -> Faces:
        """The faces that are chosen on; none where the reported ones are."""
        if not hasattr(self, "_chooses"):
            rows = self.where.chooses
            self._chooses = self._faces(np.empty(0, np.int64) if rows is None else rows)
        return self._chooses

    def _stop(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("the evaluation was stopped")

    # -- measuring ------------------------------------------------------------------------

    def measure(self, keep: Keep | None) -> dict[str, Any]:
        """The model's part of the result."""
        wants, subject = self.config.wants, self.subject
        reading = self._reading() if wants("reading") else None
        compared: list[dict[str, Any]] = []
        prior: Images | None = None
        if wants("distances"):
            compared, prior = self._unconditional()
        quality: list[dict[str, Any]] = []
        rows: dict[str, Images] = {}
        if wants("distances") or wants("samples"):
            more, quality, rows = self._conditional()
            compared += more
        amounts, choices = self._deltas()
        done = self._edits(amounts) if wants("edits") else ()
        equal = self._equal(done) if wants("equal-success") else None
        shown: list[dict[str, Any]] = []
        if wants("pictures") and keep is not None:
            shown = self._pictures(keep, amounts, done, prior, rows)
        return {
            "name": subject.name,
            "preset": subject.card.preset,
            "sha256": subject.digest,
            "image_size": subject.config.image_size,
            "latent_dim": subject.config.latent_dim,
            "attributes": list(subject.codec.planes.attributes),
            "parameters": subject.parameters,
            "step": subject.card.step,
            "game_played": subject.card.game_played,
            "distances": compared,
            "reading": None if reading is None else _plain(asdict(reading)),
            "deltas": amounts,
            "delta_choices": [_plain(asdict(choice)) for choice in choices],
            "edits": [_plain(asdict(edit)) for edit in done],
            "leakage": _plain(asdict(edits.leakage(done))) if done else None,
            "at_equal_success": equal,
            "sample_quality": quality,
            "pictures": shown,
        }

    def _reading(self) -> classifier.Reading:
        tell = self.meter.start(self._step("reading"))
        faces = self.faces
        return classifier.measure(
            self.codec, faces.images, faces.labels, faces.attributes,
            seed=self.config.seed, progress=tell, cancelled=self.cancelled,
        )  # fmt: skip

    # -- distances ------------------------------------------------------------------------

    def _look(
        self, images: Images, start: int, total: int, tell: Callable[[int, int], None]
    ) -> dict[str, NDArray[np.float32]]:
        """Features of a few pictures by extractor."""
        self._stop()
        found = {one.name: one(images, None, self.cancelled) for one in self.extractors}
        tell(start + len(images), total)
        return found

    def _features(
        self, fetch: Callable[[slice], Images], count: int, tell: Callable[[int, int], None]
    ) -> dict[str, NDArray[np.float32]]:
        """Features of pictures that are made a few at a time, (count, dim) by extractor."""
        parts = [
            self._look(fetch(slice(i, min(i + _TOGETHER, count))), i, count, tell)
            for i in range(0, count, _TOGETHER)
        ]
        return {one.name: np.concatenate([part[one.name] for part in parts]) for one in self.extractors}

    def _real(
        self,
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]], NDArray[np.int64]]:
        """Features of the reported faces and of the pool for real against real, and the pool's rows."""
        if not self.real:
            cache, images = self.subject.cache, self.faces.images
            rows = _some(self.where.pool, 2 * len(images), self.config.seed)
            total = len(images) + len(rows)
            tell = self.meter.start(self._step("features of real pictures"))
            mine = self._features(lambda s: images[s], len(images), lambda done, _: tell(done, total))
            pool = self._features(
                lambda s: cache.batch(rows[s]), len(rows), lambda done, _: tell(len(images) + done, total)
            ) if len(rows) else {}  # fmt: skip
            self.real |= {"faces": mine, "pool": pool, "rows": rows}
        return self.real["faces"], self.real["pool"], self.real["rows"]

    def _compare(
        self,
        what: str,
        made: Mapping[str, NDArray[np.float32]],
        chosen: NDArray[np.bool_] | None = None,
        pooled: NDArray[np.bool_] | None = None,
        paired: bool = False,
    ) -> list[dict[str, Any]]:
        """Both distances of every feature, with their cards.

        Args:
            made: features by extractor.
            chosen, pooled: which real pictures count, of the faces and of the pool; None for all.
        """
        faces, pool, _ = self._real()
        found = []
        for one in self.extractors:
            real = faces[one.name] if chosen is None else faces[one.name][chosen]
            spare = pool.get(one.name)
            if spare is not None and pooled is not None:
                spare = spare[pooled]
            if spare is not None and len(spare) < 8:
                spare = None
            result = compare_sets(
                real, made[one.name], paired, spare,
                resamples=self.config.resamples, seed=self.config.seed, cancelled=self.cancelled,
            )  # fmt: skip
            card = ProtocolCard(
                data=public_spec(self.subject.cache.spec),
                what=what,
                split=self.where.reported,
                count=len(real),
                against=len(made[one.name]),
                crop=self.subject.cache.crop,
                size=self.subject.cache.size,
                features=one.name,
                dim=one.dim,
                input_size=one.size,
                resize=one.resize,
                weights=one.weights,
                chosen_on=() if self.where.selection is None else (self.where.selection,),
                seed=self.config.seed,
                note=self.where.note,
            )
            found += [_plain(number.to_json()) for number in measured(result, card)]
        return found

    def _unconditional(self) -> tuple[list[dict[str, Any]], Images | None]:
        """Distances of reconstructions and of prior samples, and the first of the samples."""
        if not self.extractors:
            return [], None
        images, count = self.faces.images, len(self.faces.images)
        self._real()
        tell = self.meter.start(self._step("reconstructions"))
        codes = np.concatenate([self._encode(images[i : i + _TOGETHER]) for i in range(0, count, _TOGETHER)])
        remade = self._features(lambda s: self.codec.decode(codes[s]), count, tell)
        found = self._compare("reconstructions", remade, paired=True)
        tell = self.meter.start(self._step("prior samples"))
        drawn = self._draw({}, count)
        made = self._features(lambda s: self.codec.decode(drawn[s]), count, tell)
        found += self._compare("prior samples", made)
        return found, self.codec.decode(drawn[: 2 * figures.SHOWN])

    def _encode(self, images: Images) -> NDArray[np.float32]:
        self._stop()
        return np.asarray(self.codec.encode(images)[0])

    def _draw(self, wants: Mapping[str, bool], count: int) -> NDArray[np.float32]:
        """Exact draws of p(z|y), none left out."""
        parts = sampling.generate(
            self.codec.planes, sampling.Target(wants), count,
            sampler="exact", accept=0.0, seed=self.config.seed, cancelled=self.cancelled,
        )  # fmt: skip
        return np.concatenate([part.z for part in parts])

    def _conditional(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Images]]:
        """Distances and quality of samples of p(z|y), and the first pictures by condition."""
        found: list[dict[str, Any]] = []
        quality: list[dict[str, Any]] = []
        rows: dict[str, Images] = {}
        scarce: list[str] = []
        for name, wanted in self.conditions:
            self._stop()
            tell = self.meter.start(self._step(f"samples, {_said(name, wanted)}"))
            real = self.faces.labels[:, self.names.index(name)] == int(wanted)
            compare = self.config.wants("distances") and bool(self.extractors)
            if compare and real.sum() < FEWEST:
                scarce.append(f"{_said(name, wanted)} ({int(real.sum())})")
                compare = False
            try:
                codes = self._draw({name: wanted}, max(self.sampled, int(real.sum()) if compare else 0))
            except ModelError as error:
                self._lack(f"samples of p(z|{_said(name, wanted)})", str(error))
                continue
            total = len(codes)
            kept: list[Images] = []
            judged: list[NDArray[np.bool_]] = []
            read: list[NDArray[np.bool_]] = []
            seen: dict[str, list[NDArray[np.float32]]] = {one.name: [] for one in self.extractors}
            limit = int(real.sum()) if compare else 0
            for start in range(0, total, _TOGETHER):
                self._stop()
                images = self.codec.decode(codes[start : start + _TOGETHER])
                if start == 0:
                    kept.append(images[: figures.SHOWN])
                if self.config.wants("samples") and start < self.sampled:
                    some = images[: self.sampled - start]
                    logits = self.codec.planes.logits(self._encode(some))[:, self.codec.planes.index(name)]
                    read.append((logits > 0) == wanted)
                    if self.judge is not None and name in self.judge.attributes:
                        p = self.judge.probabilities(some)[:, self.judge.attributes.index(name)]
                        judged.append((p > 0.5) == wanted)
                if start < limit:
                    for one in self.extractors:
                        seen[one.name].append(one(images[: limit - start], None, self.cancelled))
                tell(start + len(images), total)
            rows[_said(name, wanted)] = kept[0]
            if read:
                quality.append(
                    {
                        "want": _said(name, wanted),
                        "judged": asdict(estimate(np.concatenate(judged), self.config.seed))
                        if judged
                        else None,
                        "read": asdict(estimate(np.concatenate(read), self.config.seed)),
                    }
                )
            if compare:
                made = {key: np.concatenate(parts) for key, parts in seen.items()}
                _, _, pool = self._real()
                pooled = self.labels[pool][:, self.names.index(name)] == int(wanted)
                found += self._compare(f"samples of p(z|{_said(name, wanted)})", made, real, pooled)
        if scarce:
            self._lack(
                "distances of samples of p(z|y)",
                f"too few pictures of the split to compare with, {FEWEST} being needed, have "
                f"{', '.join(scarce)}; use more data",
            )
        return found, quality, rows

    # -- edits ----------------------------------------------------------------------------

    def _deltas(self) -> tuple[dict[str, float], list[deltas.Choice]]:
        """How far the edits of each attribute go: as given, as chosen, or as the model's file says."""
        found: dict[str, float] = {}
        choices: list[deltas.Choice] = []
        for name in self.codec.planes.attributes:
            if name in self.config.deltas:
                found[name] = float(self.config.deltas[name])
                continue
            found[name] = float(self.subject.card.delta)
            if self.judge is None or not self.config.wants("edits") or name not in self.labelled:
                continue
            if name not in self.judge.attributes:
                known = ", ".join(self.judge.attributes)
                self._lack(
                    f"edits of {name}",
                    f"the judge was not trained on {name}; it knows {known}; train one that does",
                )
                continue
            tell = self.meter.start(self._step(f"delta of {name}"))
            try:
                choice = deltas.choose(
                    self.codec, self.judge, self._selection(), name, progress=tell, cancelled=self.cancelled
                )
            except (DataError, ModelError) as error:
                self._lack(f"choice of the delta of {name}", f"{error}; the file's {found[name]:g} is taken")
                continue
            choices.append(choice)
            found[name] = choice.delta
        return found, choices

    def _amounts(self, amounts: Mapping[str, float]) -> dict[tuple[str, bool], Amount | None]:
        return {(name, wanted): Amount(amounts[name]) for name in self.attributes for wanted in (True, False)}

    def _edits(self, amounts: Mapping[str, float]) -> tuple[Edit, ...]:
        if self.judge is None or not self.attributes:
            return ()
        tell = self.meter.start(self._step("edits"))
        try:
            return edits.measure_all(
                self.codec, self.judge, self.faces, self._amounts(amounts),
                attributes=self.attributes, seed=self.config.seed, progress=tell, cancelled=self.cancelled,
            )  # fmt: skip
        except (DataError, ModelError) as error:
            self._lack("edits", str(error))
            return ()

    def _equal(self, done: Sequence[Edit]) -> dict[str, Any] | None:
        """Edits that go just far enough for the wanted success, found on the selection split.

        The truth is known from `done`; it is not drawn again where it is, since that takes most of the time.
        """
        if self.judge is None or not self.attributes:
            return None
        if self.where.selection is None:
            self._lack(
                "leakage at equal success",
                f"its amounts are found on {self.where.reported!r}, so nothing can be reported on it; "
                "report on another split",
            )
            return None
        tell = self.meter.start(self._step("amounts at equal success"))
        try:
            found = edits.equal_amounts(
                self.codec, self.judge, self._selection(), self.config.success,
                attributes=self.attributes, progress=tell, cancelled=self.cancelled,
            )  # fmt: skip
            tell = self.meter.start(self._step("edits at equal success"))
            faces = replace(self.faces, options=None) if done else self.faces
            made = edits.measure_all(
                self.codec, self.judge, faces, found,
                attributes=self.attributes, seed=self.config.seed, progress=tell, cancelled=self.cancelled,
            )  # fmt: skip
        except (DataError, ModelError) as error:
            self._lack("leakage at equal success", str(error))
            return None
        if done:
            made = tuple(_with_truth(edit, done) for edit in made)
        return {
            "success": self.config.success,
            "amounts": {
                f"{name} {'yes' if wanted else 'no'}": None if amount is None else amount.delta
                for (name, wanted), amount in found.items()
            },
            "edits": [_plain(asdict(edit)) for edit in made],
            "leakage": _plain(asdict(edits.leakage(made))),
        }

    # -- pictures -------------------------------------------------------------------------

    def _pictures(
        self,
        keep: Keep,
        amounts: Mapping[str, float],
        done: Sequence[Edit],
        prior: Images | None,
        rows: Mapping[str, Images],
    ) -> list[dict[str, Any]]:
        tell = self.meter.start(self._step("pictures"))
        drawn: list[figures.Figure | None] = [figures.reconstructions(self.codec, self.faces.images)]
        pick = np.random.default_rng(self.config.seed).permutation(len(self.faces.images))
        for i, name in enumerate(self.labelled):
            self._stop()
            try:
                drawn.append(figures.edits(self.codec, self.faces, name, amounts[name], pick))
            except ModelError as error:
                self._lack(f"pictures of edits of {name}", str(error))
            tell(i + 1, len(self.labelled) + 1)
        if done and self.judge is not None:
            drawn.append(figures.failures(self.codec, self.judge, self.faces, done, amounts, self.cancelled))
        if prior is None:
            prior = self.codec.decode(self._draw({}, 2 * figures.SHOWN))
        drawn.append(figures.samples(prior))
        if not rows:
            rows = {
                _said(*condition): self.codec.decode(self._draw(dict([condition]), figures.SHOWN))
                for condition in self.conditions
            }
        if rows:
            drawn.append(figures.conditional(rows))
        shown = []
        for figure in figures.renamed([one for one in drawn if one is not None]):
            file = f"pictures/{self.index}-{figure.name}.png"
            recipe = {"model": self.subject.digest, "picture": figure.title, "seed": self.config.seed}
            keep(file, figure.image, recipe)
            shown.append(
                {"name": figure.name, "title": figure.title, "caption": figure.caption, "file": file}
            )
        return shown


def _said(name: str, wanted: bool) -> str:
    return f"{name}={'yes' if wanted else 'no'}"


def _with_truth(edit: Edit, done: Sequence[Edit]) -> Edit:
    """With what the true edit does to the other labels, as it was seen on the same faces at another delta."""
    for other in done:
        if other.name == edit.name:
            truly = {change.name: change.truly for change in other.others}
            return replace(
                edit, others=tuple(replace(change, truly=truly.get(change.name)) for change in edit.others)
            )
    return edit


__all__ = ["FORMAT", "SECTIONS", "EvaluateConfig", "IntroVACError", "Subject", "evaluate", "public_spec"]
