"""Which models the figures need, and the configuration of each. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer import config as config_module
from trainer import events, setup
from trainer.config import TrainConfig, with_settings
from trainer.data import cache as cache_module
from trainer.data.derive import extend
from trainer.data.source import open_source
from trainer.errors import ConfigError, DataError
from trainer.reproduce.settings import SCALES, SUBSETS, Settings
from trainer.run_files import CONFIG_FILE, EVENTS_FILE, MODEL_FILE, read_events

# What the loop may do otherwise when a run goes on: nothing of it changes what is learned.
_FREE = {"device", "threads", "log_every", "samples_every", "save_minutes", "keep_every", "keep_count"}


@dataclass(frozen=True)
class Model:
    """One model of the page.

    Attributes:
        name: of its run directory.
        game: whether it plays the introspective game.
        subset: the paper's subset that it learns from, whose attributes are its own.
        values: settings that make it what it is.
    """

    name: str
    game: bool
    subset: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attributes(self) -> tuple[str, ...]:
        """What it classifies."""
        return SUBSETS[self.subset]


def introvac(subset: str) -> str:
    """The name of the introspective model of a subset."""
    return f"introvac-{subset}"


def vac(subset: str) -> str:
    """The name of the plain one."""
    return f"vac-{subset}"


FLAT = "introvac-2d"
MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        *(Model(introvac(subset), True, subset) for subset in SUBSETS),
        *(Model(vac(subset), False, subset) for subset in SUBSETS),
        Model(FLAT, True, "eye", {"latent_dim": 2}),
    )
}


def configuration(model: Model, settings: Settings) -> TrainConfig:
    """The whole configuration of a model.

    A plain model is the introspective one of its subset with the game left out, and nothing else: it sees
    the same images in the same order as often, at the same step sizes.

    Raises:
        ConfigError: settings that make no sense, or leave no epoch for the game.
    """
    base = dict(SCALES[settings.scale])
    if {"image_size", "channels"} & {key.rpartition(".")[2] for key in settings.values}:
        base = {k: v for k, v in base.items() if k not in ("image_size", "channels")}
    own = {"subset": model.subset, "seed": settings.seed, "device": settings.device}
    given = {key.rpartition(".")[2]: value for key, value in settings.values.items()}
    config = setup.resolve(
        settings.preset,
        data=settings.data,
        attributes=model.attributes,
        values=base | given | own | dict(model.values),
    )
    if config.game_from_epoch is None:
        game, epochs = config.game.warmup_epochs, config.optim.epochs
        raise ConfigError(
            f"warmup_epochs = {game}: leaves no epoch of {epochs} for the game, so IntroVAC would be VAC"
        )
    if model.game:
        return config
    return replace(with_settings(config, {"enabled": False, "warmup_epochs": 0}), preset="vac")


def finished(run: Path) -> bool:
    """Whether a run directory holds a model that was trained to the end."""
    last: events.Event | None = None
    for event in read_events(run / EVENTS_FILE):
        last = event
    whole = isinstance(last, events.Finished) and last.reason == "completed"
    return whole and (run / MODEL_FILE).is_file()


def check_same(run: Path, wanted: TrainConfig) -> None:
    """Refuse to go on with, or to show, a model that was trained with other settings.

    Raises:
        ConfigError: names the first difference.
    """
    if not (run / CONFIG_FILE).exists():
        return
    found = config_module.load(run / CONFIG_FILE)
    pairs = [("preset", found.preset, wanted.preset)]
    pairs += [
        (f.name, getattr(getattr(found, section), f.name), getattr(getattr(wanted, section), f.name))
        for section, f in config_module.settings()
        if f.name not in _FREE
    ]
    for name, old, new in pairs:
        if old != new:
            raise ConfigError(
                f"{run}: was trained with {name} = {old!r}, and {new!r} is asked for; choose another --out, "
                f"or the settings that it was trained with"
            )


def spec_of(data: str) -> str:
    """The text of the source that data comes from, also where it is named as a prepared cache's directory.

    Raises:
        DataError: not a cache.
    """
    path = Path(data).expanduser()
    return cache_module.Cache.open(path).spec if path.is_dir() else data


def check_labels(data: str, derive: tuple[str, ...], needed: tuple[str, ...]) -> None:
    """Refuse data without the labels that the chosen figures need, before any work.

    Raises:
        DataError: unusable data, or labels that are missing or the same for every face.
    """
    path = Path(data).expanduser()
    source: Any = cache_module.Cache.open(path) if path.is_dir() else open_source(data)
    known, labels = extend(source.attributes, source.labels, derive)
    if missing := [name for name in needed if name not in known]:
        raise DataError(
            f"{data}: has no labels named {' and '.join(missing)}, which these figures are about; name "
            "columns so, or make them of others, as in --set 'derive=FacialHair=Beard|Moustache'. Known are "
            f"{', '.join(known) or 'none'}"
        )
    for name in needed:
        column = labels[:, known.index(name)]
        if len(np.unique(column)) < 2:
            which = "every face" if column.any() else "no face"
            raise DataError(f"{data}: {which} has {name}, so nothing can be learned about it; use other data")
