"""Table 1: the distance between held-out faces and their reconstructions, by VAC and by IntroVAC."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from trainer.codec import Codec
from trainer.commands import progress_bar
from trainer.errors import CheckpointError, ConfigError, DataError, RunError
from trainer.metrics.comparison import compare_sets, measured
from trainer.metrics.evaluate_sets import card_of
from trainer.metrics.evaluation import public_text
from trainer.metrics.features import Extractor, features_of, open_features
from trainer.metrics.protocol import TITLES, Measured
from trainer.reproduce.desk import Desk, Faces
from trainer.reproduce.models import introvac, vac
from trainer.reproduce.record import Made, Table

log = logging.getLogger("trainer")

_PAPER = ("the paper, CelebA", "FID", "63.9 / 25.5", "2.5")
_PAPER_NOTE = (
    "The paper’s Table 1 gives FID 63.9 for VAC and 25.5 for IntroVAC, a factor of 2.5, on CelebA at 128 px. "
    "A distance on other data, features or numbers of pictures is on another scale: compare the factor, not "
    "the number, and read each number beside real against real."
)


def distances(desk: Desk) -> Made:
    """Both models on each subset compared, with every feature extractor that can be opened."""
    rows: list[tuple[str, ...]] = []
    factors: list[tuple[str, ...]] = [_PAPER]
    notes, numbers, cards = [_PAPER_NOTE], [], {}
    settings = desk.settings
    for name in settings.features:
        try:
            extractor = _opened(desk, name)
        except (DataError, RunError, CheckpointError, ConfigError) as error:
            why = public_text(str(error), settings.weights)
            notes.append(f"Not measured with {TITLES[name]}: {why}. Afterwards: --only table1 --again.")
            log.warning("%s: %s", name, error)
            continue
        for subset in settings.compare:
            found = _pair(desk, extractor, subset)
            for title, (frechet, kernel) in found.items():
                rows += [(title, subset, *_cells(one)) for one in (frechet, kernel)]
                numbers += [{"model": title, "subset": subset, **m.to_json()} for m in (frechet, kernel)]
                cards[f"{title}, {subset}, {name}"] = frechet.card.to_json()
                notes += [frechet.warning] if frechet.warning else []
            plain, ours = found["VAC"][0], found["IntroVAC"][0]
            factor = plain.value / ours.value if ours.value > 0 else None
            numbers.append({"subset": subset, "features": name, "factor": factor})
            shown = "-" if factor is None else f"{factor:.2f}"
            factors.append((subset, plain.name, f"{_short(plain.value)} / {_short(ours.value)}", shown))
    columns = ("Model", "Subset", "Distance", "Value", "Real against real")
    tables = [
        Table("VAC / IntroVAC", ("Data", "Distance", "VAC / IntroVAC", "Factor"), tuple(factors), words=2)
    ]
    if rows:
        tables.insert(0, Table("Held-out faces against their reconstructions", columns, tuple(rows), words=3))
    return Made((), tables, list(dict.fromkeys(notes)), {"distances": numbers}, cards)


def _opened(desk: Desk, name: str) -> Extractor:
    settings = desk.settings
    with progress_bar("weights", "B") as update:
        return open_features(
            name,
            settings.device if name != "pixels" else "cpu",
            settings.weights if name == "inception" else None,
            progress=update,
            cancelled=desk.stopping,
        )


def _pair(desk: Desk, extractor: Extractor, subset: str) -> dict[str, tuple[Measured, Measured]]:
    """Frechet and kernel distance of each model, on the same faces."""
    codecs = {"VAC": desk.codec(vac(subset)), "IntroVAC": desk.codec(introvac(subset))}
    faces = desk.faces(*codecs.values())
    rows = faces.measured(faces.splits.reported)
    pool = np.sort(faces.picked(faces.splits.train, 2 * len(rows)))
    with progress_bar(f"{extractor.name}, real faces", "face") as update:
        real = features_of(extractor, faces.cache.batch, rows, update, desk.stopping)
        others = features_of(extractor, faces.cache.batch, pool, update, desk.stopping)
    found = {}
    for title, codec in codecs.items():
        with progress_bar(f"{extractor.name}, {title}", "face") as update:
            made = features_of(extractor, _reconstructed(codec, faces), rows, update, desk.stopping)
            compared = compare_sets(
                real, made, paired=True, pool=others, seed=desk.settings.seed, cancelled=desk.stopping
            )
        card = card_of(
            extractor, faces.cache, compared,
            what="reconstructions",
            split=faces.splits.reported_name,
            seed=desk.settings.seed,
            note=faces.splits.note,
        )  # fmt: skip
        found[title] = measured(compared, card)
        log.info("%s, %s: %s %s", title, subset, found[title][0].name, _short(found[title][0].value))
    return found


def _reconstructed(codec: Codec, faces: Faces) -> Any:
    return lambda rows: codec.decode(codec.encode(faces.cache.batch(rows))[0])


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 100 else f"{value:.3g}"


def _cells(found: Measured) -> tuple[str, str, str]:
    """A distance's name, its value with the interval, and its floor."""
    reach = "" if found.low is None or found.high is None else f" [{_short(found.low)}, {_short(found.high)}]"
    return found.name, _short(found.value) + reach, "-" if found.floor is None else _short(found.floor)
