"""The page: one HTML file that needs nothing else. Pictures are embedded; every text is escaped."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5a6068; --line: #d5d9de; --back: #fff;
  --tint: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a2a9b2; --line: #3a4048; --back: #16181b; --tint: #1f2327; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 24px; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 28px; line-height: 1.2; margin: 8px 0; }
h2 { font-size: 21px; margin: 56px 0 8px; padding-top: 16px; border-top: 1px solid var(--line); }
h3 { font-size: 16px; margin: 24px 0 8px; }
p, li { max-width: 76ch; }
.soft, figcaption, caption { color: var(--soft); }
nav a { margin-right: 16px; white-space: nowrap; }
a { color: inherit; }
figure { margin: 16px 0; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
figcaption { font-size: 14px; margin-top: 8px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0; font-size: 15px; }
caption { text-align: left; font-size: 14px; padding-bottom: 4px; }
th, td { padding: 6px 12px; border-bottom: 1px solid var(--line); text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th { background: var(--tint); font-weight: 600; }
th.word, td.word { text-align: left; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--soft); }
pre { overflow-x: auto; background: var(--tint); padding: 12px; border-radius: 4px; font-size: 13px; }
"""

_SAME = (
    "The VAC of a subset is its IntroVAC with the game left out and nothing else: both saw the same images, "
    "in the same order, as often, at the same step sizes. The paper trained its VAC four times as long (600 "
    "epochs against 150)."
)


def page(results: dict[str, Any], out: Path) -> str:
    """The page of what `results.json` holds.

    Args:
        results: as written there.
        out: where the pictures are.
    """
    found = list(results["items"].values())
    parts = [_head(results, found)]
    parts += [_item(body, out) for body in found]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>IntroVAC, reproduced</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _head(results: dict[str, Any], found: list[dict[str, Any]]) -> str:
    settings, made = results["settings"], results["made"]
    links = "".join(
        f'<a href="#{escape(b["name"])}">{escape(b["title"].partition(":")[0])}</a>' for b in found
    )
    missing = f"<p>Not made yet: {escape(', '.join(results['missing']))}.</p>" if results["missing"] else ""
    values = " ".join(f"{key}={value}" for key, value in settings["values"].items())
    asked = f"scale {settings['scale']}, preset {settings['preset']}" + (f", {values}" if values else "")
    return (
        "<h1>IntroVAC, reproduced</h1>"
        f"<p class=soft>Data {escape(results['data'])}; {escape(asked)}; seed {settings['seed']}. "
        f"Made {escape(made['time'])} with version {escape(made['version'])}.</p>"
        "<p>The counterparts of Table 1 and Figures 3 to 9 of “IntroVAC: Introspective Variational "
        "Classifiers for Learning Interpretable Latent Subspaces”, made from this data. Pictures and numbers "
        "are of held-out faces; deltas are the paper’s unless it says otherwise. Intervals are 95 %.</p>"
        f"<nav>{links}</nav>{missing}" + _models(found)
    )


def _models(found: list[dict[str, Any]]) -> str:
    """A row for each model that some figure was made with."""
    known = {(m["name"], m["sha256"]): m for body in found for m in body["models"]}
    if not known:
        return ""
    rows = []
    for model in known.values():
        seen = model["images_seen"]
        rows.append(
            [
                model["name"],
                model["preset"] or "-",
                ", ".join(model["attributes"]),
                f"{model['image_size']} px",
                str(model["latent_dim"]),
                str(model["step"]),
                "not known" if seen is None else f"{seen:,}".replace(",", " "),
                "yes" if model["game_played"] else "no",
                "trained here" if model["trained"] else "taken",
            ]
        )
    columns = ["Model", "Preset", "Attributes", "Size", "d", "Steps", "Images seen", "Game", "From"]
    trained = {m["name"] for m in known.values() if m["trained"]}
    pairs = any(name.startswith("vac-") for name in trained) and any(
        n.startswith("introvac-") for n in trained
    )
    taken = [m["name"] for m in known.values() if not m["trained"]]
    notes = f"<p>{escape(_SAME)}</p>" if pairs else ""
    if taken:
        text = f"Taken as they are, so that how they were trained is not known here: {', '.join(taken)}."
        notes += f"<p>{escape(text)}</p>"
    never = [m["name"] for m in known.values() if m["name"].startswith("introvac-") and not m["game_played"]]
    if never:
        text = f"Never played the game, and so no IntroVAC: {', '.join(never)}."
        notes += f"<p><strong>{escape(text)}</strong></p>"
    return "<h2>Models</h2>" + notes + _table("", columns, rows, 3)


def _item(body: dict[str, Any], out: Path) -> str:
    parts = [f'<h2 id="{escape(body["name"])}">{escape(body["title"])}</h2><p>{escape(body["text"])}</p>']
    parts += [_table(t["title"], t["columns"], t["rows"], t["words"]) for t in body["tables"]]
    parts += [_picture(picture, out) for picture in body["pictures"]]
    if body["notes"]:
        parts.append("<ul class=soft>" + "".join(f"<li>{escape(n)}</li>" for n in body["notes"]) + "</ul>")
    if body["protocol"]:
        cards = "".join(_card(name, card) for name, card in body["protocol"].items())
        parts.append(f"<details><summary>How it was measured</summary>{cards}</details>")
    return "\n".join(parts)


def _table(title: str, columns: list[str], rows: list[list[str]], words: int) -> str:
    def cells(tag: str, texts: list[str]) -> str:
        word = ' class="word"'
        return "".join(
            f"<{tag}{word if i < words else ''}>{escape(text)}</{tag}>" for i, text in enumerate(texts)
        )

    caption = f"<caption>{escape(title)}</caption>" if title else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table>{caption}<tr>{cells("th", columns)}</tr>{body}</table></div>'


def _picture(picture: dict[str, str], out: Path) -> str:
    body = base64.b64encode((out / picture["file"]).read_bytes()).decode("ascii")
    title, caption = escape(picture["title"]), escape(picture["caption"])
    return (
        f'<figure><img alt="{title}" src="data:image/png;base64,{body}">'
        f"<figcaption><strong>{title}.</strong> {caption}</figcaption></figure>"
    )


def _card(name: str, card: dict[str, Any]) -> str:
    lines = "\n".join(f"{key}: {_value(value)}" for key, value in card.items())
    return f"<h3>{escape(name)}</h3><pre>{escape(lines)}</pre>"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
