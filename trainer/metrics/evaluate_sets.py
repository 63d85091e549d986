"""Sets of pictures that a model makes, held against real ones and against what was wanted. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.data.cache import Cache
from trainer.errors import ModelError
from trainer.metrics import figures
from trainer.metrics.comparison import SetDistances, compare_sets, measured
from trainer.metrics.estimate import estimate
from trainer.metrics.evaluation import (
    Bench,
    Extractor,
    plain,
    public_spec,
    said,
    some_of,
)
from trainer.metrics.pictures import Images
from trainer.metrics.protocol import ProtocolCard

FeaturesOf = Mapping[str, NDArray[np.float32]]  # (N, dim) by extractor

FEWEST = 20  # real pictures with a label, for samples to be compared with them
_TOGETHER = 64  # pictures decoded together


def unconditional(on: Bench) -> tuple[list[dict[str, Any]], Images | None]:
    """Distances of reconstructions and of prior samples, and the first of the samples."""
    if not on.extractors:
        return [], None
    images, count = on.faces.images, len(on.faces.images)
    _real(on)
    tell = on.meter.start(on.step("reconstructions"))
    codes = np.concatenate([on.encode(images[i : i + _TOGETHER]) for i in range(0, count, _TOGETHER)])
    remade = _features(on, lambda s: on.codec.decode(codes[s]), count, tell)
    found = _compare(on, "reconstructions", remade, paired=True)
    tell = on.meter.start(on.step("prior samples"))
    drawn = on.draw({}, count)
    made = _features(on, lambda s: on.codec.decode(drawn[s]), count, tell)
    found += _compare(on, "prior samples", made)
    return found, on.codec.decode(drawn[: 2 * figures.SHOWN])


def conditional(on: Bench) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Images]]:
    """Distances and quality of samples of p(z|y), and the first pictures by condition."""
    found: list[dict[str, Any]] = []
    quality: list[dict[str, Any]] = []
    rows: dict[str, Images] = {}
    scarce: list[str] = []
    for name, wanted in on.conditions:
        on.stop()
        tell = on.meter.start(on.step(f"samples, {said(name, wanted)}"))
        real = on.faces.labels[:, on.names.index(name)] == int(wanted)
        compare = on.config.wants("distances") and bool(on.extractors)
        if compare and real.sum() < FEWEST:
            scarce.append(f"{said(name, wanted)} ({int(real.sum())})")
            compare = False
        try:
            codes = on.draw({name: wanted}, max(on.sampled, int(real.sum()) if compare else 0))
        except ModelError as error:
            on.lack(f"samples of p(z|{said(name, wanted)})", str(error))
            continue
        seen = _look_at(on, codes, name, wanted, int(real.sum()) if compare else 0, tell)
        rows[said(name, wanted)] = seen.first
        if len(seen.read):
            judged = asdict(estimate(seen.judged, on.config.seed)) if len(seen.judged) else None
            read = asdict(estimate(seen.read, on.config.seed))
            quality.append({"want": said(name, wanted), "judged": judged, "read": read})
        if compare:
            pooled = on.labels[_real(on).rows][:, on.names.index(name)] == int(wanted)
            found += _compare(on, f"samples of p(z|{said(name, wanted)})", seen.features, real, pooled)
    if scarce:
        on.lack(
            "distances of samples of p(z|y)",
            f"too few pictures of the split to compare with, {FEWEST} being needed, have "
            f"{', '.join(scarce)}; use more data",
        )
    return found, quality, rows


class _Seen(NamedTuple):
    """What N samples show.

    Attributes:
        first: the first pictures.
        judged, read: whether judge and model see what was wanted, of the first ones; may be empty.
        features: of the first ones, by extractor.
    """

    first: Images
    judged: NDArray[np.bool_]
    read: NDArray[np.bool_]
    features: FeaturesOf


def _look_at(
    on: Bench,
    codes: NDArray[np.float32],
    name: str,
    wanted: bool,
    featured: int,
    tell: Callable[[int, int], None],
) -> _Seen:
    """Decode samples for a label, each once for all that looks at it; features of the first `featured`."""
    judged: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    read: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    seen: dict[str, list[NDArray[np.float32]]] = {one.name: [] for one in on.extractors}
    column = on.codec.planes.index(name)
    for start in range(0, len(codes), _TOGETHER):
        on.stop()
        images = on.codec.decode(codes[start : start + _TOGETHER])
        if start == 0:
            first = images[: figures.SHOWN]
        if on.config.wants("samples") and start < on.sampled:
            some = images[: on.sampled - start]
            read.append((on.codec.planes.logits(on.encode(some))[:, column] > 0) == wanted)
            if on.judge is not None and name in on.judge.attributes:
                p = on.judge.probabilities(some)[:, on.judge.attributes.index(name)]
                judged.append((p > 0.5) == wanted)
        if start < featured:
            for one in on.extractors:
                seen[one.name].append(one(images[: featured - start], None, on.cancelled))
        tell(start + len(images), len(codes))
    features = {key: np.concatenate(parts) for key, parts in seen.items() if parts}
    return _Seen(first, np.concatenate(judged), np.concatenate(read), features)


def _compare(
    on: Bench,
    what: str,
    made: FeaturesOf,
    chosen: NDArray[np.bool_] | None = None,
    pooled: NDArray[np.bool_] | None = None,
    paired: bool = False,
) -> list[dict[str, Any]]:
    """Both distances of every feature, with their cards.

    Args:
        made: features by extractor.
        chosen, pooled: which real pictures count, of the faces and of the pool; None for all.
    """
    faces, pool, _ = _real(on)
    found: list[dict[str, Any]] = []
    for one in on.extractors:
        real = faces[one.name] if chosen is None else faces[one.name][chosen]
        spare = pool.get(one.name)
        if spare is not None and pooled is not None:
            spare = spare[pooled]
        if spare is not None and len(spare) < 8:
            spare = None
        result = compare_sets(
            real, made[one.name], paired, spare,
            resamples=on.config.resamples, seed=on.config.seed, cancelled=on.cancelled,
        )  # fmt: skip
        card = card_of(
            one, on.subject.cache, result,
            what=what,
            split=on.where.reported,
            chosen_on=() if on.where.selection is None else (on.where.selection,),
            seed=on.config.seed,
            note=on.where.note,
        )  # fmt: skip
        found += [plain(number.to_json()) for number in measured(result, card)]
    return found


def card_of(
    extractor: Extractor,
    cache: Cache,
    result: SetDistances,
    *,
    what: str,
    split: str,
    seed: int,
    note: str,
    chosen_on: tuple[str, ...] = (),
) -> ProtocolCard:
    """The protocol card of a result: pictures of the cache's size and crop, compared by these features."""
    return ProtocolCard(
        data=public_spec(cache.spec),
        what=what,
        split=split,
        count=result.counts[0],
        against=result.counts[1],
        crop=cache.crop,
        size=cache.size,
        features=extractor.name,
        dim=extractor.dim,
        input_size=extractor.size,
        resize=extractor.resize,
        weights=extractor.weights,
        chosen_on=chosen_on,
        seed=seed,
        note=note,
    )


class _Real(NamedTuple):
    """Features of the reported faces and of the pool for real against real, and the pool's rows."""

    faces: FeaturesOf
    pool: FeaturesOf
    rows: NDArray[np.int64]


def _real(on: Bench) -> _Real:
    """Measured once, also where two models are compared on the same pictures."""
    if not on.real:
        cache, images = on.subject.cache, on.faces.images
        rows = some_of(on.where.pool, 2 * len(images), on.config.seed)
        total = len(images) + len(rows)
        tell = on.meter.start(on.step("features of real pictures"))
        mine = _features(on, lambda s: images[s], len(images), lambda done, _: tell(done, total))
        pool: FeaturesOf = {}
        if len(rows):
            pool = _features(
                on, lambda s: cache.batch(rows[s]), len(rows), lambda done, _: tell(len(images) + done, total)
            )
        on.real["features"] = _Real(mine, pool, rows)
    return on.real["features"]


def _features(
    on: Bench, fetch: Callable[[slice], Images], count: int, tell: Callable[[int, int], None]
) -> FeaturesOf:
    """Features of pictures that are made a few at a time, (count, dim) by extractor."""
    parts = [
        _look(on, fetch(slice(i, min(i + _TOGETHER, count))), i, count, tell)
        for i in range(0, count, _TOGETHER)
    ]
    return {one.name: np.concatenate([part[one.name] for part in parts]) for one in on.extractors}


def _look(on: Bench, images: Images, start: int, total: int, tell: Callable[[int, int], None]) -> FeaturesOf:
    """Features of a few pictures by extractor."""
    on.stop()
    found = {one.name: one(images, None, on.cancelled) for one in on.extractors}
    tell(start + len(images), total)
    return found
