"""The page of everything that was made: one HTML file that needs nothing else. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.metrics import page
from trainer.metrics.page import Html, paragraph, text

_SAME = (
    "The VAC of a subset is its IntroVAC with the game left out and nothing else: both saw the same images, "
    "in the same order, as often, at the same step sizes. The paper trained its VAC four times as long (600 "
    "epochs against 150)."
)
_ABOUT = (
    "The counterparts of Table 1 and Figures 3 to 9 of “IntroVAC: Introspective Variational Classifiers for "
    "Learning Interpretable Latent Subspaces”, made from this data. Pictures and numbers are of held-out "
    "faces. Intervals are 95 %."
)
_UNLIKE = "Made earlier with other settings than those above; with --only {name} it is made with them."
_COLUMNS = ("Model", "Preset", "Attributes", "From", "Size", "d", "Steps", "Images seen", "Game")


def render(results: Mapping[str, Any], out: Path) -> Html:
    """The page of what `results.json` holds.

    Args:
        results: as written there.
        out: where the pictures are.
    """
    found = list(results["items"].values())
    parts = [_head(results), _models(found)]
    parts += [_item(body, out, body["name"] in results["unlike"]) for body in found]
    return page.document("IntroVAC, reproduced", "\n".join(part for part in parts if part))


def _head(results: Mapping[str, Any]) -> Html:
    settings, made = results["settings"], results["made"]
    values = "".join(f", {key}={value}" for key, value in settings["values"].items())
    asked = f"scale {settings['scale']}, preset {settings['preset']}{values}; seed {settings['seed']}"
    deltas = ", ".join(f"{name} {value:g}" for name, value in settings["deltas"].items())
    links = " · ".join(
        f'<a href="#{text(name)}">{text(body["title"].partition(":")[0])}</a>'
        for name, body in results["items"].items()
    )
    missing = ", ".join(results["missing"])
    return (
        "<h1>IntroVAC, reproduced</h1>"
        + paragraph(f"Data {results['data']}; {asked}; deltas {deltas}.")
        + paragraph(f"IntroVAC Studio {made['version']}, {made['time']}.", "soft")
        + paragraph(_ABOUT)
        + f"<nav>{links}</nav>"
        + (paragraph(f"Not made yet: {missing}.", "warn") if missing else "")
    )


def _models(found: Sequence[Mapping[str, Any]]) -> Html:
    """A row for each model that some figure was made with."""
    known = {(m["name"], m["sha256"]): m for body in found for m in body["models"]}
    models = list(known.values())
    rows = [[text(cell) for cell in _row(model)] for model in models]
    trained = [m["name"] for m in models if m["trained"]]
    taken = ", ".join(m["name"] for m in models if not m["trained"])
    never = ", ".join(m["name"] for m in models if m["name"].startswith("introvac") and not m["game_played"])
    plain = {name.removeprefix("vac-") for name in trained if name.startswith("vac-")}
    pair = plain and plain <= {name.removeprefix("introvac-") for name in trained}
    return page.section(
        "Models",
        paragraph(_SAME) if pair else "",
        paragraph(f"Taken as files, so that how they were trained is not known here: {taken}.", "warn")
        if taken
        else "",
        paragraph(f"Never played the game, and so no IntroVAC: {never}.", "warn") if never else "",
        page.table(_COLUMNS, rows, names=4),
        *(
            page.details(f"Settings of {m['name']}", page.facts(_settings(m["settings"])))
            for m in models
            if m["settings"]
        ),
    )


def _row(model: Mapping[str, Any]) -> list[str]:
    seen = model["images_seen"]
    return [
        model["name"],
        model["preset"] or "-",
        ", ".join(model["attributes"]),
        "trained here" if model["trained"] else "a file",
        f"{model['image_size']} px",
        str(model["latent_dim"]),
        f"{model['step']:,}",
        "not known" if seen is None else f"{seen:,}",
        "yes" if model["game_played"] else "no",
    ]


def _settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings without their sections."""
    own = {key: value for part in body.values() if isinstance(part, dict) for key, value in part.items()}
    return {"preset": body["preset"], **own}


def _item(body: Mapping[str, Any], out: Path, unlike: bool) -> Html:
    notes = "".join(f"<li>{text(note)}</li>" for note in body["notes"])
    inside = page.section(
        body["title"],
        paragraph(body["text"]),
        paragraph(_UNLIKE.format(name=body["name"]), "warn") if unlike else "",
        page.details("Made with", page.facts(body["settings"])) if unlike else "",
        *(
            page.table(
                t["columns"], [[text(cell) for cell in row] for row in t["rows"]], t["title"], t["words"]
            )
            for t in body["tables"]
        ),
        *(page.picture((out / p["file"]).read_bytes(), p["title"], p["caption"]) for p in body["pictures"]),
        f'<div class="notes"><ul>{notes}</ul></div>' if notes else "",
        *(page.details(f"Protocol: {name}", page.facts(card)) for name, card in body["protocol"].items()),
    )
    return f'<div id="{text(body["name"])}">{inside}</div>'
