"""What the page holds: a table of the paper's Table 1 and Figures 3 to 9, with the models each needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from trainer.errors import ConfigError
from trainer.reproduce import drawn, edited, plane, table1
from trainer.reproduce.desk import Desk
from trainer.reproduce.models import FLAT, introvac, vac
from trainer.reproduce.record import Made
from trainer.reproduce.settings import SUBSETS, Settings


def _both(settings: Settings) -> tuple[str, ...]:
    return tuple(name for subset in settings.compare for name in (vac(subset), introvac(subset)))


def _one(*names: str) -> Callable[[Settings], tuple[str, ...]]:
    return lambda settings: names


def _deltas(*keys: str) -> Callable[[Settings], dict[str, Any]]:
    return lambda settings: {"deltas": {key: settings.deltas[key] for key in keys}}


def _compared(settings: Settings) -> dict[str, Any]:
    keys = [*settings.compare, *(["both"] if "eyefacial" in settings.compare else [])]
    return {"compare": settings.compare, **_deltas(*keys)(settings)}


@dataclass(frozen=True)
class Item:
    """A table or figure of the page.

    Attributes:
        title: its heading.
        text: what it shows and what the paper's counterpart is.
        models: names of the models that it needs.
        make: makes it.
        decides: the settings, besides data, seed, count and models, that decide what it comes to.
    """

    title: str
    text: str
    models: Callable[[Settings], tuple[str, ...]]
    make: Callable[[Desk], Made]
    decides: Callable[[Settings], dict[str, Any]] = lambda settings: {}


ITEMS: dict[str, Item] = {
    "table1": Item(
        "Table 1: distance of reconstructions",
        "Real held-out faces against their reconstructions, by VAC and by IntroVAC. Smaller is better; real "
        "against real is what two sets of real faces come to.",
        _both,
        table1.distances,
        lambda settings: {"compare": settings.compare, "features": settings.features},
    ),
    "fig3": Item(
        "Figure 3: a latent space of two dimensions",
        "An IntroVAC with two latent dimensions, trained on the subset eye: held-out codes by label, the "
        "classifier’s hyperplane, and what the plane decodes to.",
        _one(FLAT),
        plane.plane,
    ),
    **{
        f"fig{number}": Item(
            f"Figure {number}: edits of {' and '.join(SUBSETS[subset])}",
            f"Original, reconstruction and edit by the IntroVAC that was trained on the subset {subset}.",
            _one(introvac(subset)),
            partial(edited.triplets, subset=subset),
            _deltas(subset, *(["both"] if subset == "eyefacial" else [])),
        )
        for number, subset in zip((4, 5, 6), SUBSETS, strict=True)
    },
    "fig7": Item(
        "Figure 7: the same edits by VAC and by IntroVAC",
        "The same held-out faces, moved by the same distance, each along its own model’s direction.",
        _both,
        edited.compared,
        _compared,
    ),
    "fig8": Item(
        "Figure 8: faces drawn from p(z|y)",
        "Faces drawn for wanted labels, by exact draws and by the paper’s Langevin chain with rejection; the "
        "IntroVAC of the subset eyefacial.",
        _one(introvac("eyefacial")),
        drawn.conditional,
    ),
    "fig9": Item(
        "Figure 9: faces drawn from the prior",
        "Unconditional samples of both models.",
        _both,
        drawn.prior,
        lambda settings: {"compare": settings.compare},
    ),
}


def chosen(text: str | None) -> tuple[str, ...]:
    """The items of a list such as "table1,fig3", in the page's order; all of them for None.

    Raises:
        ConfigError: an unknown name, or none at all.
    """
    if text is None:
        return tuple(ITEMS)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    for name in wanted:
        if name not in ITEMS:
            raise ConfigError(f"--only {name!r}: choose from {', '.join(ITEMS)}")
    if not wanted:
        raise ConfigError(f"--only: name some of {', '.join(ITEMS)}")
    return tuple(name for name in ITEMS if name in wanted)
