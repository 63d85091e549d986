"""What the loss plots show: their groups, the lines of each, titles and help. No widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from introvac_studio import theme
from introvac_studio.language import mark, tr

BLUE, ORANGE, GREEN, PINK, YELLOW, VIOLET, RED, GREY = theme.ATTRIBUTE_COLOURS


@dataclass(frozen=True)
class Line:
    """One curve of a plot; `key` is a loss, or a validation figure with `valid:` before it."""

    key: str
    name: str
    colour: str
    dashed: bool = False

    @property
    def dots(self) -> bool:
        """Validation figures are few: their points are marked, and they are never smoothed."""
        return self.key.startswith("valid:")


@dataclass
class Group:
    """One plot. Curves that no group lists join the one whose key comes before their dot, or a new one."""

    key: str
    title: str
    lines: tuple[Line, ...] = ()
    share: bool = False  # values are shares of 1
    shown: bool = True


def standard() -> list[Group]:
    train, valid = tr("train"), tr("valid")
    return [
        Group(
            "reconstruction", tr("Reconstruction"),
            (
                Line("reconstruction", train, BLUE),
                Line("valid:reconstruction", valid, GREY),
                Line("valid:l1", tr("valid L1"), GREY, True),
            ),
        ),
        Group(
            "classification", tr("Classification (BCE)"),
            (Line("classification", train, ORANGE), Line("valid:classification", valid, GREY)),
        ),
        Group("kl", tr("KL per dimension"), (Line("kl", train, GREEN), Line("valid:kl", valid, GREY))),
        Group(
            "game", tr("Game losses"),
            (Line("encoder_game", tr("encoder"), VIOLET), Line("decoder_game", tr("decoder"), PINK)),
        ),
        Group(
            "fake", tr("Seen as fake"),
            (Line("fake_reconstructed", tr("rebuilt"), BLUE), Line("fake_generated", tr("prior"), RED)),
            share=True,
        ),
        Group("edit", tr("Edits seen"), share=True),
        Group("accuracy", tr("Attribute accuracy"), share=True, shown=False),
        Group(
            "vac", tr("VAC loss, weighted"),
            (Line("vac", train, BLUE), Line("valid:vac", valid, GREY)), shown=False,
        ),
        Group(
            "variety", tr("Variety of draws and codes"),
            (Line("valid:diversity", tr("draws"), RED), Line("valid:active", tr("dimensions in use"), GREEN)),
            shown=False,
        ),
    ]  # fmt: skip


_HELP = {
    "reconstruction": mark(
        "Mean difference between pictures and their reconstructions, pixels from 0 to 1, as trained on; "
        "valid L1 is without edges and the same for all recipes"
    ),
    "classification": mark("Cross entropy of the attributes, read off the codes of real faces"),
    "kl": mark("How far codes are from the standard normal prior, in nats per latent dimension"),
    "game": mark("Both sides of the adversarial game: encoder and classifier, and decoder"),
    "fake": mark(
        "How sure the encoder is that decoded faces are not real: rebuilt ones, and ones from the prior"
    ),
    "edit": mark("Share of validation faces whose edit is recognised when encoded again"),
    "accuracy": mark("Share of validation faces whose attribute is read off their code correctly"),
    "vac": mark("Reconstruction, classification and KL with their weights"),
    "variety": mark(
        "How far apart draws are, real faces being 1, and the share of latent dimensions that vary"
    ),
}
_TITLES = {
    ("reconstruction", "l1", False): mark("Reconstruction (L1)"),
    ("reconstruction", "mse", False): mark("Reconstruction (MSE)"),
    ("reconstruction", "l1", True): mark("Reconstruction (L1, edges)"),
    ("reconstruction", "mse", True): mark("Reconstruction (MSE, edges)"),
}


def help_of(key: str) -> str:
    """What a group's figures are, in one line; empty for groups that runs bring along."""
    return tr(_HELP.get(key, ""))


def adopt(groups: list[Group], key: str) -> None:
    """Give a curve that no group lists a place in one, or in a new one."""
    if any(line.key == key for group in groups for line in group.lines):
        return
    head, _, name = key.removeprefix("valid:").partition(".")
    group = next((g for g in groups if g.key == head), None)
    if group is None:
        group = Group(head, head.replace("_", " ").capitalize())
        groups.append(group)
    colour = theme.attribute_colour(len(group.lines))
    group.lines = (*group.lines, Line(key, name or head.replace("_", " "), colour))


def entitle(groups: Sequence[Group], config: Mapping[str, Any]) -> None:
    """Titles that say what a run's settings (`RunStarted.config`) make of a figure."""
    loss = config.get("loss", {})
    reconstruction, edges = str(loss.get("reconstruction")), bool(loss.get("edge_weight"))
    delta = config.get("loop", {}).get("edit_delta")
    for group in groups:
        title = _TITLES.get((group.key, reconstruction, edges))
        if title:
            group.title = tr(title)
        elif group.key == "edit" and isinstance(delta, int | float):
            group.title = tr("Edits seen, δ {delta}", delta=f"{delta:g}")
