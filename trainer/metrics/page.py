"""Parts of an HTML page that needs nothing from outside: tables, heat tables, plots as inline SVG. No torch.

What is a string of HTML is of type `Html`; any other text goes through `text` first.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

Html = str
Number = Mapping[str, Any]  # mean, low, high and n, or value, low and high

STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #5b6475; --paper: #ffffff; --card: #f5f6f9;
  --line: #d9dde5; --accent: 0 90 181; --good: #00664f; --warn: #8a4b00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --soft: #a0a8b8; --paper: #14171d; --card: #1d222b;
  --line: #343b48; --accent: 102 178 255; --good: #5fd3b3; --warn: #f0b35f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; } p { margin: .25rem 0 .75rem; max-width: 46rem; }
.soft, caption, figcaption { color: var(--soft); } .wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; caption-side: bottom; padding-top: .35rem; font-size: .87rem; max-width: 60rem; }
td.soft { color: var(--soft); }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: baseline; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; } tbody th { font-weight: 500; white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; } .i { color: var(--soft); font-size: .87em; }
.better { color: var(--good); font-weight: 700; } .warn { color: var(--warn); }
.notes { border-left: 4px solid var(--warn); background: var(--card); padding: .6rem 1rem; border-radius: 0 6px 6px 0; }
.notes ul { margin: .25rem 0; padding-left: 1.2rem; } .notes li { overflow-wrap: anywhere; }
details { margin: .25rem 0; } summary { cursor: pointer; color: var(--soft); }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
figure { margin: .75rem 0 1.5rem; } figure img { max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
figcaption { font-size: .87rem; max-width: 60rem; }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.axis { stroke: var(--line); fill: none; } .dash { stroke: var(--soft); stroke-dasharray: 4 4; fill: none; }
.mark { fill: rgb(var(--accent)); } .curve { stroke: rgb(var(--accent)); stroke-width: 2; fill: none; }
.bar { fill: rgb(var(--accent)); } .bar.idle { fill: var(--line); }
"""  # noqa: E501  CSS reads best with a rule a line


def text(value: object) -> Html:
    """Any text as HTML."""
    return escape(str(value))


def document(title: str, body: Html) -> Html:
    """The whole page."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def paragraph(words: str, kind: str = "") -> Html:
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def section(title: str, *parts: Html) -> Html:
    """A heading with what belongs to it; nothing where there is nothing."""
    body = "\n".join(part for part in parts if part)
    return f"<section><h2>{text(title)}</h2>\n{body}</section>\n" if body else ""


def table(head: Sequence[str], rows: Sequence[Sequence[Html]], caption: str = "", names: int = 1) -> Html:
    """A table whose first `names` columns are text and whose other columns are numbers.

    Args:
        head: plain text.
        rows: HTML; a row begins with its heading.
    """
    if not rows:
        return ""
    top = "".join(_cell("th", text(one), i >= names, 'scope="col"') for i, one in enumerate(head))
    body = "\n".join(
        "<tr>"
        + "".join(
            _cell("th" if i == 0 else "td", one, i >= names, 'scope="row"' if i == 0 else "")
            for i, one in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    below = f"<caption>{text(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{below}<thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _cell(tag: str, body: Html, number: bool, more: str) -> Html:
    kind = ' class="n"' if number else ""
    return f"<{tag}{kind}{' ' + more if more else ''}>{body}</{tag}>"


def digits(value: float, percent: bool = False) -> str:
    """A number as it is read: shares in percent, counts whole, others to three significant digits."""
    if percent:
        return f"{100 * value:.1f} %"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if value and abs(value) < 1e-4:
        return f"{value:.1e}"
    return f"{value:#.3g}".removesuffix(".")


def number(one: Number | None, percent: bool = False, better: bool = False) -> Html:
    """A number with its interval."""
    if one is None:
        return "-"
    value = one["mean"] if "mean" in one else one["value"]
    shown = digits(value, percent)
    if better:
        shown = f'<span class="better" title="better: the intervals do not overlap">{shown} ▲</span>'
    if one.get("low") is None or one.get("high") is None:
        return shown
    ends = digits(one["low"], percent).removesuffix(" %"), digits(one["high"], percent)
    return f'{shown} <span class="i">[{ends[0]}, {ends[1]}]</span>'


def better(numbers: Sequence[Number | None], lower: bool) -> int | None:
    """Which of two numbers is better beyond doubt: its interval lies wholly on the better side.

    Where all N faces agree an interval has no width; 3 / N is taken on either side, the 95 % bound of what
    was never seen in N ("rule of three").
    """
    if len(numbers) != 2 or any(one is None or one.get("low") is None for one in numbers):
        return None
    ends = []
    for one in numbers:
        assert one is not None
        extra = 3 / one["n"] if one["low"] == one["high"] and one.get("n") else 0.0
        ends.append((one["low"] - extra, one["high"] + extra))
    if ends[0][1] < ends[1][0]:
        return 0 if lower else 1
    if ends[1][1] < ends[0][0]:
        return 1 if lower else 0
    return None


def heat(
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float | None]]],
    aside: Collection[tuple[int, int]],
    caption: str,
    top: float,
) -> Html:
    """Shares as a table whose cells are the darker the larger they are, `top` being the darkest.

    Args:
        aside: (row, column) of cells that are not coloured, but marked with an asterisk.
    """
    if not rows:
        return ""
    head = "".join(f'<th class="n" scope="col">{text(one)}</th>' for one in ("", *columns))
    body = []
    for i, (name, values) in enumerate(rows):
        cells = "".join(_shade(value, top, (i, j) in aside) for j, value in enumerate(values))
        body.append(f'<tr><th scope="row">{text(name)}</th>{cells}</tr>')
    return (
        f'<div class="wide"><table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _shade(value: float | None, top: float, aside: bool) -> Html:
    if value is None:
        return '<td class="n soft">·</td>'
    if aside:
        return f'<td class="n soft">{digits(value, True)}*</td>'
    depth = 0.6 * min(abs(value) / top, 1.0) if top else 0.0
    return f'<td class="n" style="background: rgb(var(--accent) / {depth:.3f})">{digits(value, True)}</td>'


def details(title: str, body: Html) -> Html:
    """What is shown when it is asked for."""
    return f"<details><summary>{text(title)}</summary>{body}</details>"


def facts(mapping: Mapping[str, Any]) -> Html:
    """Names and values as a small table."""
    rows = []
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, (list, tuple)):
            value = ", ".join(str(one) for one in value)
        if value not in ("", None):
            rows.append([text(key.replace("_", " ")), text(value)])
    return table(("", ""), rows, names=2)


def picture(png: bytes, title: str, caption: str) -> Html:
    """An embedded PNG."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(title)}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>{text(title)}.</b> {text(caption)}</figcaption></figure>"
    )


# -- plots --------------------------------------------------------------------------------

_W, _H, _LEFT, _BOTTOM = 230.0, 170.0, 34.0, 28.0


def _frame(title: str, x: str, y: str, inside: Html) -> Html:
    right, base = _W - 8, _H - _BOTTOM
    return (
        f'<svg viewBox="0 0 {_W:g} {_H:g}" width="{_W:g}" height="{_H:g}" role="img" '
        f'aria-label="{escape(title)}">'
        f'<path class="axis" d="M{_LEFT:g} 10V{base:g}H{right:g}"/>{inside}'
        f'<text x="{(_LEFT + right) / 2:g}" y="{_H - 2:g}" text-anchor="middle">{text(x)}</text>'
        f'<text transform="translate(10 {(base + 10) / 2:g}) rotate(-90)" '
        f'text-anchor="middle">{text(y)}</text></svg>'
    )


def curve(
    points: Sequence[tuple[float, float]],
    weights: Sequence[float],
    title: str,
    x: str,
    y: str,
    diagonal: bool = False,
    right: float = 1.0,
    chosen: float | None = None,
) -> Html:
    """Points joined by a line, heights from 0 to 1; the size of a point's disc is the root of its weight."""

    def place(px: float, py: float) -> tuple[float, float]:
        return _LEFT + px / right * (_W - 8 - _LEFT), _H - _BOTTOM - py * (_H - _BOTTOM - 10)

    where = [place(*point) for point in points]
    heavy = max(weights, default=1) or 1
    parts = []
    for value in (0.0, 0.5, 1.0):
        at, up = place(value * right, 0)[0], place(0, value)[1]
        parts.append(
            f'<text x="{at:.1f}" y="{_H - _BOTTOM + 12:g}" text-anchor="middle">{value * right:g}</text>'
        )
        parts.append(f'<text x="{_LEFT - 4:g}" y="{up + 4:.1f}" text-anchor="end">{value:g}</text>')
    if diagonal:
        (ax, ay), (bx, by) = place(0, 0), place(right, 1)
        parts.append(f'<path class="dash" d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}"/>')
    if chosen is not None:
        (ax, ay), (bx, by) = place(chosen, 0), place(chosen, 1)
        parts.append(f'<path class="dash" d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}"/>')
    if where:
        parts.append(f'<path class="curve" d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in where)}"/>')
    for (a, b), weight, point in zip(where, weights, points, strict=True):
        size = 1.5 + 4 * (weight / heavy) ** 0.5
        parts.append(
            f'<circle class="mark" cx="{a:.1f}" cy="{b:.1f}" r="{size:.1f}">'
            f"<title>{digits(point[0])}: {digits(point[1])}, {weight:g} faces</title></circle>"
        )
    return _frame(title, x, y, "".join(parts))


def bars(values: Sequence[float], active: Sequence[bool], title: str, x: str, y: str) -> Html:
    """A bar for each value, those that are not active pale."""
    width, height, base = 660.0, 150.0, 122.0
    top = max(values, default=0.0) or 1.0
    step = (width - 60) / max(len(values), 1)
    parts = [
        f'<rect class="bar{"" if used else " idle"}" x="{52 + i * step:.2f}" '
        f'y="{base - value / top * (base - 12):.2f}" width="{max(step - 1, 0.5):.2f}" '
        f'height="{max(value / top * (base - 12), 0.5):.2f}"><title>{digits(value)}</title></rect>'
        for i, (value, used) in enumerate(zip(values, active, strict=True))
    ]
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(title)}"><path class="axis" d="M48 8V{base:g}H{width - 8:g}"/>{"".join(parts)}'
        f'<text x="44" y="16" text-anchor="end">{digits(top)}</text>'
        f'<text x="44" y="{base:g}" text-anchor="end">0</text>'
        f'<text x="{width / 2:g}" y="{height - 8:g}" text-anchor="middle">{text(x)}</text>'
        f'<text transform="translate(12 {base / 2 + 6:g}) rotate(-90)" '
        f'text-anchor="middle">{text(y)}</text></svg>'
    )
