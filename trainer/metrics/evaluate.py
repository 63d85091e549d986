"""A whole evaluation of one model, or of two on the same faces: everything that is measured, as plain data.

Numbers are reported on one split; what is chosen, the deltas and the amounts at equal success, is chosen on
another. What cannot be measured is named in `missing`, and everything else still is. No torch: models, judge
and features are handed in.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from trainer import __version__
from trainer.errors import ConfigError, ModelError, RunError
from trainer.metrics import classifier, edits, figures
from trainer.metrics.evaluate_edits import at_equal_success, deltas_of, measured_edits
from trainer.metrics.evaluate_sets import conditional, unconditional
from trainer.metrics.evaluation import (
    SECTIONS,
    Asked,
    Bench,
    CheckedJudge,
    EvaluateConfig,
    Extractor,
    Keep,
    Meter,
    Progress,
    Subject,
    Where,
    plain,
    public_spec,
    said,
    where_of,
)
from trainer.metrics.pictures import Images
from trainer.metrics.protocol import versions
from trainer.metrics.records import Edit

FORMAT = 1  # of metrics.json


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
    every = [where_of(subject.cache, config) for subject in subjects]
    if judge is not None:
        _check_choice(subjects, config, judge, every[0])
    meter = Meter(progress)
    runs = [
        Bench(subject, config, where, judge, tuple(extractors), meter, cancelled, index)
        for index, (subject, where) in enumerate(zip(subjects, every, strict=True))
    ]
    for run in runs:
        run.expect(shared=run is not runs[0] and _alike(run.subject, runs[0].subject))
    for run in runs[1:]:
        if _alike(run.subject, runs[0].subject):
            run.real = runs[0].real
    found, gaps = [], [dict(one) for one in missing]
    judged = any(config.wants(section) for section in ("edits", "equal-success", "samples"))
    if judge is None and judged and (able := next((run for run in runs if run.labelled), None)):
        gaps.append(_without_judge(able))
    for run in runs:
        found.append(_measure(run, keep))
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
        "settings": plain(asdict(config)),
        "judge": None
        if judge is None
        else plain(asdict(judge.card)) | {"data": public_spec(judge.card.data)},
        "models": found,
        "missing": gaps,
    }


def _holds(model: Mapping[str, Any]) -> bool:
    parts = ("distances", "reading", "edits", "at_equal_success", "sample_quality", "pictures")
    return any(model[key] for key in parts)


def _alike(a: Subject, b: Subject) -> bool:
    return (a.cache.size, a.cache.crop) == (b.cache.size, b.cache.crop)


def _without_judge(on: Bench) -> dict[str, Any]:
    """How to get one that knows what model and labels know."""
    cache, names = on.subject.cache, on.labelled
    data = public_spec(cache.spec)
    made = [f' --derive "{text}"' for text in on.subject.card.derive if text.partition("=")[0] in names]
    return {
        "model": None,
        "what": "judge",
        "why": "without a judge nothing says independently whether an edit or a sample shows what was "
        "wanted, or what else changed; train one with: introvac judge "
        f"--data {data if data.startswith('avatars') else data + ':DIR'} --image-size {cache.size} "
        f"--crop {cache.crop} --attributes {','.join(names)}{''.join(made)} --out judge.safetensors, "
        "and give it as --judge",
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


def _check_choice(
    subjects: Sequence[Subject], config: EvaluateConfig, judge: CheckedJudge, where: Where
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


def _measure(on: Bench, keep: Keep | None) -> dict[str, Any]:
    """The model's part of the result."""
    wants, subject = on.config.wants, on.subject
    reading = _reading(on) if wants("reading") else None
    compared: list[dict[str, Any]] = []
    prior: Images | None = None
    if wants("distances"):
        compared, prior = unconditional(on)
    quality: list[dict[str, Any]] = []
    rows: dict[str, Images] = {}
    if wants("distances") or wants("samples"):
        more, quality, rows = conditional(on)
        compared += more
    amounts, choices = deltas_of(on)
    done = measured_edits(on, amounts) if wants("edits") else ()
    equal = at_equal_success(on, done) if wants("equal-success") else None
    shown: list[dict[str, Any]] = []
    if wants("pictures") and keep is not None:
        shown = _pictures(on, keep, amounts, done, prior, rows)
    return {
        "name": subject.name,
        "preset": subject.card.preset,
        "sha256": subject.digest,
        "image_size": subject.config.image_size,
        "crop": subject.cache.crop,
        "latent_dim": subject.config.latent_dim,
        "attributes": list(subject.codec.planes.attributes),
        "parameters": subject.parameters,
        "step": subject.card.step,
        "game_played": subject.card.game_played,
        "distances": compared,
        "reading": None if reading is None else plain(asdict(reading)),
        "deltas": amounts,
        "delta_choices": [plain(asdict(choice)) for choice in choices],
        "edits": [plain(asdict(edit)) for edit in done],
        "leakage": plain(asdict(edits.leakage(done))) if done else None,
        "at_equal_success": equal,
        "sample_quality": quality,
        "pictures": shown,
    }


def _reading(on: Bench) -> classifier.Reading:
    tell = on.meter.start(on.step("reading"))
    faces = on.faces
    return classifier.measure(
        on.codec, faces.images, faces.labels, faces.attributes,
        seed=on.config.seed, progress=tell, cancelled=on.cancelled,
    )  # fmt: skip


def _pictures(
    on: Bench,
    keep: Keep,
    amounts: Mapping[str, float],
    done: Sequence[Edit],
    prior: Images | None,
    rows: Mapping[str, Images],
) -> list[dict[str, Any]]:
    tell = on.meter.start(on.step("pictures"))
    drawn: list[figures.Figure | None] = [figures.reconstructions(on.codec, on.faces.images)]
    pick = np.random.default_rng(on.config.seed).permutation(len(on.faces.images))
    for i, name in enumerate(on.labelled):
        on.stop()
        try:
            drawn.append(figures.edits(on.codec, on.faces, name, amounts[name], pick))
        except ModelError as error:
            on.lack(f"pictures of edits of {name}", str(error))
        tell(i + 1, len(on.labelled) + 1)
    if done and on.judge is not None:
        drawn.append(figures.failures(on.codec, on.judge, on.faces, done, amounts, on.cancelled))
    if prior is None:
        prior = on.codec.decode(on.draw({}, 2 * figures.SHOWN))
    drawn.append(figures.samples(prior))
    if not rows:
        rows = {
            said(*condition): on.codec.decode(on.draw(dict([condition]), figures.SHOWN))
            for condition in on.conditions
        }
    if rows:
        drawn.append(figures.conditional(rows))
    shown = []
    for figure in figures.renamed([one for one in drawn if one is not None]):
        file = f"pictures/{on.index}-{figure.name}.png"
        recipe = {"model": on.subject.digest, "picture": figure.title, "seed": on.config.seed}
        keep(file, figure.image, recipe)
        shown.append({"name": figure.name, "title": figure.title, "caption": figure.caption, "file": file})
    return shown


__all__ = ["FORMAT", "SECTIONS", "EvaluateConfig", "Subject", "evaluate", "public_spec"]
