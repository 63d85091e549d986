"""An evaluation as one self-contained HTML page: what `metrics.json` says, to be read. No torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from trainer.metrics import page
from trainer.metrics.page import Html, Number, details, digits, number, table, text
from trainer.metrics.protocol import ProtocolCard

Model = Mapping[str, Any]

_FACTS = (
    "preset",
    "sha256",
    "image_size",
    "crop",
    "latent_dim",
    "attributes",
    "parameters",
    "step",
    "game_played",
    "deltas",
)

_DARKEST = 0.25  # of edits: a share that is coloured in full, unless there are larger ones
_BETTER = "▲ marks the better of two numbers where their 95 % intervals do not overlap; nowhere else."


def render(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Html:
    """The page.

    Args:
        metrics: what `trainer.metrics.evaluate.evaluate` returns.
        pictures: PNG by the file that `metrics` names; one that is not there is left out.
    """
    models: list[Model] = metrics["models"]
    title = "Evaluation of " + " and ".join(model["name"] for model in models)
    body = [
        _head(title, metrics),
        page.section("At a glance", _glance(models)),
        _missing(metrics["missing"]),
        page.section("Distances from real pictures", *_distances(models)),
        page.section("Edits", *_edits(models)),
        page.section("What edits change besides", *_leakage(models)),
        page.section("Samples with a wanted label", _quality(models)),
        page.section("The classifier", *_classifier(models)),
        page.section("The code", *_code(models)),
        page.section("Pictures", *_pictures(models, pictures)),
        page.section("How this was measured", *_method(metrics)),
    ]
    return page.document(title, "\n".join(part for part in body if part))


def _head(title: str, metrics: Mapping[str, Any]) -> Html:
    data, made = metrics["data"], metrics["made"]
    words = f"{data['faces']} faces of {data['spec']}, split {data['split']}"
    if data["selection"]:
        words += f"; what is chosen is chosen on {data['selection']}"
    if data["note"]:
        words += f" ({data['note']})"
    line = f"IntroVAC Studio {made['version']}, {made['device']}, {made['seconds']:g} s"
    return (
        f"<h1>{text(title)}</h1>{page.paragraph(words + '.')}{page.paragraph(line, 'soft')}"
        + page.paragraph("Numbers in brackets are 95 % intervals.", "soft")
    )


def _missing(gaps: Sequence[Mapping[str, Any]]) -> Html:
    if not gaps:
        return ""
    items = "".join(
        f"<li><b>{text(gap['what'])}</b>{text(' (' + gap['model'] + ')' if gap['model'] else '')}: "
        f"{text(gap['why'])}</li>"
        for gap in gaps
    )
    return f'<section class="notes"><b>Not measured</b><ul>{items}</ul></section>'


def _side_by_side(
    models: Sequence[Model],
    head: str,
    rows: Sequence[tuple[str, Callable[[Model], Number | None], bool, bool | None]],
    caption: str = "",
) -> Html:
    """A column for each model.

    Args:
        rows: name, number of a model, whether a share, whether less is better (None: neither).
    """
    body = []
    for name, of, percent, lower in rows:
        values = [of(model) for model in models]
        if all(value is None for value in values):
            continue
        best = None if lower is None else page.better(values, lower)
        body.append([text(name), *(number(v, percent, i == best) for i, v in enumerate(values))])
    if len(models) == 2:
        caption = f"{caption} {_BETTER}".strip()
    return table((head, *(model["name"] for model in models)), body, caption)


def _plain(value: float | None) -> Number | None:
    return None if value is None else {"mean": value}


def _mean(values: Sequence[float]) -> Number | None:
    return _plain(sum(values) / len(values)) if values else None


# -- sections -----------------------------------------------------------------------------


def _glance(models: Sequence[Model]) -> Html:
    first = next((d["protocol"]["features"] for model in models for d in model["distances"]), None)
    name = next((d["name"] for m in models for d in m["distances"] if d["kind"] == "frechet"), "")

    def distance(what: str) -> Callable[[Model], Number | None]:
        def of(model: Model) -> Number | None:
            return _distance(model, "frechet", first, what)

        return of

    def latent(key: str) -> Callable[[Model], Number | None]:
        return lambda model: _plain(model["reading"]["latent"][key]) if model["reading"] else None

    ways = _shared([model["edits"] for model in models])
    equal = [_equal(model) for model in models]
    reached = _shared(equal)
    asked = {way for model in models for way in (model["at_equal_success"] or {}).get("amounts", ())}
    at_equal = "The same at equal success"
    if len(reached) < len(asked):
        at_equal += f", of the {len(reached)} of {len(asked)} edits that reach it"
    named = set.intersection(*(set(_accuracies(model)) for model in models))
    unlike = len({tuple(model["attributes"]) for model in models}) > 1

    def edited(key: str) -> Callable[[Model], Number | None]:
        return lambda model: _mean([edit[key]["mean"] for edit in model["edits"] if _way(edit) in ways])

    def right(model: Model) -> Number | None:
        return _mean([share for name, share in _accuracies(model).items() if name in named])

    unlike_faces = len({(model["image_size"], model.get("crop")) for model in models}) > 1
    comparable = not unlike_faces and not _differences(models)
    lower: bool | None = True if comparable else None
    return _side_by_side(
        models,
        "",
        [
            (f"{name}, reconstructions", distance("reconstructions"), False, lower),
            (f"{name}, prior samples", distance("prior samples"), False, lower),
            ("L1 of reconstructions", lambda m: _score(m, "l1"), False, lower),
            ("SSIM of reconstructions", lambda m: _score(m, "ssim"), False, False if comparable else None),
            ("Edits that the judge takes for done", edited("judged"), True, False),
            ("The same, read by the model itself", edited("reencoded"), True, False),
            ("Other labels that an edit changes", lambda m: _leak(m["edits"], ways), True, True),
            (at_equal, lambda m: _leak(_equal(m), reached), True, True),
            ("Labels read right", right, True, False),
            ("KL of the code, nats", latent("total"), False, None),
            ("Dimensions in use", latent("active"), False, None),
            ("Parameters", lambda m: _plain(m["parameters"]), False, None),
        ],
        "Means over attributes and ways carry no interval."
        + (" They are over what both models know." if unlike else "")
        + (" The models see faces of unlike size or crop: distances, L1 and SSIM do not compare."
           if unlike_faces else ""),
    )  # fmt: skip


def _equal(model: Model) -> Sequence[Mapping[str, Any]]:
    """The edits at equal success; none for the ways that do not reach it."""
    return (model["at_equal_success"] or {}).get("edits", [])


def _shared(edits: Sequence[Sequence[Mapping[str, Any]]]) -> set[str]:
    """The ways that all models have, of those that have any."""
    found = [{_way(edit) for edit in some} for some in edits if some]
    return set.intersection(*found) if found else set()


def _leak(edits: Sequence[Mapping[str, Any]], ways: Collection[str]) -> Number | None:
    """As `trainer.metrics.edits.leakage`, over some ways: nobody gains by failing at the hard ones."""
    return _mean(
        [
            change["flipped"]["mean"]
            for edit in edits
            if _way(edit) in ways
            for change in edit["others"]
            if not change["truly"]
        ]
    )


def _accuracies(model: Model) -> dict[str, float]:
    """The share of right labels by attribute."""
    scores = model["reading"]["attributes"] if model["reading"] else []
    return {one["name"]: one["accuracy"]["mean"] for one in scores}


def _score(model: Model, key: str) -> Number | None:
    return model["reading"]["reconstruction"][key] if model["reading"] else None


def _distance(model: Model, kind: str, features: str | None, what: str) -> Mapping[str, Any] | None:
    for one in model["distances"]:
        if (one["kind"], one["protocol"]["features"], one["protocol"]["what"]) == (kind, features, what):
            return one
    return None


def _differences(models: Sequence[Model]) -> tuple[str, ...]:
    """In what the protocols of two models differ."""
    cards = [[ProtocolCard.from_json(d["protocol"]) for d in model["distances"]] for model in models]
    found = [
        a.differences(b)
        for a in cards[0]
        for b in (cards[1] if len(cards) > 1 else ())
        if (a.what, a.features) == (b.what, b.features)
    ]
    return tuple(dict.fromkeys(name for one in found for name in one))


def _distances(models: Sequence[Model]) -> list[Html]:
    keys = dict.fromkeys(
        (d["name"], d["kind"], d["protocol"]["features"]) for m in models for d in m["distances"]
    )
    different = _differences(models)
    parts: list[Html] = []
    if keys:
        parts.append(
            page.paragraph(
                "Smaller is nearer. The floor is real against real: what the distance comes to when "
                "nothing is wrong, at the same number of pictures where there are enough; reconstructions "
                "are of the very faces that they are compared with, and may lie below it. Samples of a "
                "label are compared with real pictures of that label."
            )
        )
    if different:
        parts.append(
            page.paragraph(
                f"The models differ in {', '.join(different)}: these numbers cannot be compared.", "warn"
            )
        )
    for name, kind, features in keys:
        whats = dict.fromkeys(d["protocol"]["what"] for m in models for d in m["distances"])
        rows = []
        for what in whats:
            found = [_distance(model, kind, features, what) for model in models]
            one = next((f for f in found if f), None)
            if one is None:
                continue
            best = None if different else page.better(found, lower=True)
            floor = "-" if one["floor"] is None else f"{digits(one['floor'])} ({one['floor_count']})"
            counts = f"{one['protocol']['count']} / {one['protocol']['against']}"
            row = [text(what), *(number(f, False, i == best) for i, f in enumerate(found)), floor, counts]
            rows.append(row)
        head = (
            "compared with real pictures",
            *(m["name"] for m in models),
            "floor (pictures)",
            "real / made",
        )
        parts += [f"<h3>{text(name)}</h3>", table(head, rows, _BETTER if len(models) == 2 else "")]
        warnings = dict.fromkeys(
            d["warning"] for m in models for d in m["distances"] if d["name"] == name and d["warning"]
        )
        if warnings:
            least = min(
                warnings, key=lambda words: int(words.split()[0]) if words.split()[0].isdigit() else 0
            )
            parts.append(page.paragraph(f"{least[0].upper()}{least[1:]}.", "warn"))
    parts += [details("Protocol cards", "".join(_cards(model) for model in models))] if keys else []
    return parts


def _cards(model: Model) -> Html:
    return "".join(
        details(f"{model['name']}: {d['name']}, {d['protocol']['what']}", page.facts(d["protocol"]))
        for d in model["distances"]
    )


def _way(edit: Mapping[str, Any]) -> str:
    return f"{edit['attribute']} {'yes' if edit['wanted'] else 'no'}"


def _edits(models: Sequence[Model]) -> list[Html]:
    parts: list[Html] = []
    if any(model["edits"] for model in models):
        parts.append(
            page.paragraph(
                "Each label is switched on all faces that have the other one. The judge never met the "
                "model; the model's own view of its picture, encoded again, stands beside it."
            )
        )
    if len(models) == 2:
        ways = dict.fromkeys(_way(e) for m in models for e in m["edits"])

        def judged(way: str) -> Callable[[Model], Number | None]:
            return lambda m: next((e["judged"] for e in m["edits"] if _way(e) == way), None)

        rows = [(way, judged(way), True, False) for way in ways]
        parts.append(_side_by_side(models, "judged done", rows))
    for model in models:
        if model["edits"]:
            parts += [
                f"<h3>{text(model['name'])}</h3>",
                _edit_table(model["edits"]),
                _truth_table(model["edits"]),
            ]
        parts.append(_choices(model))
    return parts


def _edit_table(edits: Sequence[Mapping[str, Any]]) -> Html:
    rows = [
        [
            text(_way(e)),
            digits(e["delta"]["mean"]),
            str(e["faces"]),
            number(e["judged"], True),
            number(e["judged_before"], True),
            number(e["reencoded"], True),
            number(e["distance"]),
        ]
        for e in edits
    ]
    head = (
        "edit",
        "delta",
        "faces",
        "judged done",
        "before the edit",
        "read by the model",
        "L1 of the change",
    )
    return table(
        head, rows, "Before the edit: the share of mere reconstructions that show the label already."
    )


def _truth_table(edits: Sequence[Mapping[str, Any]]) -> Html:
    rows = [
        [
            text(_way(e)),
            *(number(e["truth"][key]["l1"]) for key in ("edited", "allowed", "unedited")),
            number(e["truth"]["inside"]),
            number(e["truth"]["outside"]),
            digits(e["truth"]["region"]["mean"], True),
        ]
        for e in edits
        if e["truth"]
    ]
    head = (
        "edit",
        "L1 to the truth",
        "best to expect",
        "without the edit",
        "change inside",
        "outside",
        "region",
    )
    return table(
        head,
        rows,
        "Avatars can be drawn again with the other label: the truth. The best to expect is the truth's "
        "own reconstruction. Inside and outside: L1 between edit and reconstruction where the truth "
        "changes, and where it does not; region: the share of the picture that it changes.",
    )


def _choices(model: Model) -> Html:
    plots = "".join(
        "<figure>"
        + page.curve(
            list(zip(one["grid"], one["success"], strict=True)),
            [1.0] * len(one["grid"]),
            f"Choice of the delta of {one['attribute']}",
            "delta",
            "judged done",
            right=6.0,
            chosen=one["delta"],
        )
        + f"<figcaption>{text(one['attribute'])}: {one['delta']:g}</figcaption></figure>"
        for one in model["delta_choices"]
    )
    title = f"How far edits of {model['name']} go, chosen on the selection split"
    return details(title, f'<div class="row">{plots}</div>') if plots else ""


def _leakage(models: Sequence[Model]) -> list[Html]:
    parts: list[Html] = []
    found: list[tuple[Mapping[str, Any], str]] = []
    for model in models:
        found.append((model, f"{model['name']}, at the deltas above"))
        if equal := model["at_equal_success"]:
            title = (
                f"{model['name']}, each just far enough for {digits(equal['success'], True)} judged success"
            )
            found.append((equal, title))
    asides = [_in_truth(one["edits"]) for one, _ in found]
    shares = [_shares(one, aside) for (one, _), aside in zip(found, asides, strict=True)]
    top = max(_DARKEST, *(share for some in shares for share in some), 0.0)
    for (one, title), aside in zip(found, asides, strict=True):
        leak = one["leakage"]
        if not leak:
            continue
        caption = "Share of edits that change the judged label of another attribute."
        if aside:
            caption += " * The true edit changes it too."
        if leak["mean"] is not None:
            caption += f" On average {digits(leak['mean'], True)}{', these aside' if aside else ''}."
        rows = list(zip(leak["rows"], leak["flipped"], strict=True))
        parts += [f"<h3>{text(title)}</h3>", page.heat(leak["columns"], rows, aside, caption, top)]
        if "amounts" in one:
            judged = {_way(edit): edit["judged"] for edit in one["edits"]}
            amounts = [
                [
                    text(way),
                    "not reached" if amount is None else digits(amount),
                    number(judged.get(way), True),
                ]
                for way, amount in one["amounts"].items()
            ]
            under = (
                "How far was found on the selection split, where no edit goes further than 10; judged done "
                "is what came of it on the reported faces."
            )
            parts.append(details("Amounts", table(("edit", "delta", "judged done"), amounts, under)))
    if parts:
        words = "Equal success is the fairer comparison: an edit that does nothing changes nothing else."
        parts.append(page.paragraph(words, "soft"))
    return parts


def _in_truth(edits: Sequence[Mapping[str, Any]]) -> set[tuple[int, int]]:
    """Cells of the leakage matrix whose label the true edit changes too, as `edits.leakage` orders them."""
    columns = list(dict.fromkeys(change["name"] for edit in edits for change in edit["others"]))
    return {
        (i, columns.index(change["name"]))
        for i, edit in enumerate(edits)
        for change in edit["others"]
        if change["truly"]
    }


def _shares(one: Mapping[str, Any], aside: set[tuple[int, int]]) -> list[float]:
    """What is coloured in a leakage matrix."""
    rows = one["leakage"]["flipped"] if one["leakage"] else []
    return [
        share
        for i, row in enumerate(rows)
        for j, share in enumerate(row)
        if share is not None and (i, j) not in aside
    ]


def _quality(models: Sequence[Model]) -> Html:
    wants = dict.fromkeys(q["want"] for m in models for q in m["sample_quality"])

    def of(want: str, key: str) -> Callable[[Model], Number | None]:
        return lambda m: next((q[key] for q in m["sample_quality"] if q["want"] == want), None)

    names = {"judged": "seen by the judge", "read": "read by the model"}
    rows = [
        (f"{want}, {words}", of(want, key), True, False) for want in wants for key, words in names.items()
    ]
    return _side_by_side(models, "samples of p(z|y)", rows, "Share of samples that show the label wanted.")


def _classifier(models: Sequence[Model]) -> list[Html]:
    parts: list[Html] = []
    for model in models:
        scores = model["reading"]["attributes"] if model["reading"] else []
        if not scores:
            continue
        rows = [
            [
                text(one["name"]),
                number(one["accuracy"], True),
                number(one["on_yes"], True),
                number(one["on_no"], True),
                digits(one["commoner"], True),
                digits(one["calibration"]["error"], True),
            ]
            for one in scores
        ]
        head = ("attribute", "right", "where yes", "where no", "always the commoner", "calibration error")
        plots = "".join(_reliability(one) for one in scores)
        parts += [
            f"<h3>{text(model['name'])}</h3>",
            table(head, rows),
            f'<div class="row">{plots}</div>',
        ]
    if parts:
        words = "On the dashed line a probability is how often the label holds; larger discs: more faces."
        parts.append(page.paragraph(words, "soft"))
    return parts


def _reliability(one: Mapping[str, Any]) -> Html:
    bins = one["calibration"]
    filled = [
        (c, f, n) for c, f, n in zip(bins["confidence"], bins["frequency"], bins["counts"], strict=True) if n
    ]
    plot = page.curve(
        [(c, f) for c, f, _ in filled],
        [n for *_, n in filled],
        f"Calibration of {one['name']}",
        "p(yes) of the model",
        "share of yes",
        diagonal=True,
    )
    return f"<figure>{plot}<figcaption>{text(one['name'])}</figcaption></figure>"


def _code(models: Sequence[Model]) -> list[Html]:
    parts: list[Html] = []
    for model in models:
        if not model["reading"]:
            continue
        use = model["reading"]["latent"]
        used = [v > use["threshold"] for v in use["variance"]]
        order = sorted(range(len(used)), key=lambda i: -use["kl"][i])
        words = (
            f"{model['name']}: {digits(use['total'])} nats in all; {use['active']} of {len(used)} dimensions "
            f"are in use (variance of the mean above {use['threshold']:g})."
        )
        if not all(used):
            words += " The others are pale."
        plot = page.bars(
            [use["kl"][i] for i in order], [used[i] for i in order],
            "KL of each dimension", "dimensions, by their KL", "KL, nats",
        )  # fmt: skip
        parts.append(f"<figure>{plot}<figcaption>{text(words)}</figcaption></figure>")
    return parts


def _pictures(models: Sequence[Model], pictures: Mapping[str, bytes]) -> list[Html]:
    names = dict.fromkeys(one["name"] for model in models for one in model["pictures"])
    parts = []
    for name in names:
        for model in models:
            for one in model["pictures"]:
                if one["name"] == name and one["file"] in pictures:
                    title = one["title"] if len(models) == 1 else f"{model['name']}: {one['title']}"
                    parts.append(page.picture(pictures[one["file"]], title, one["caption"]))
    return parts


def _method(metrics: Mapping[str, Any]) -> list[Html]:
    parts: list[Html] = []
    for model in metrics["models"]:
        own = {key: model.get(key) for key in _FACTS}
        parts.append(details(f"Model {model['name']}", page.facts(own)))
    if judge := metrics["judge"]:
        rows = [
            [text(a["name"]), digits(a["right"], True), digits(a["blurred"], True)] for a in judge["accuracy"]
        ]
        learned = (
            f"It learned from {judge['train_images']} pictures of {judge['data']}; right on its held-out "
        )
        words = page.paragraph(f"{learned}{judge['held_out_images']} of split {judge['held_out']}:")
        parts.append(details("The judge", words + table(("attribute", "right", "blurred pictures"), rows)))
    parts.append(details("Settings", page.facts(metrics["settings"])))
    parts.append(details("Software", page.facts(metrics["made"])))
    return parts
