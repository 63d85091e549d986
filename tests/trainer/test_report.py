"""The page of an evaluation: whole, harmless, and careful with what it calls better."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from typing import Any

import pytest

from trainer.metrics import page, report

VOID = {"meta", "img", "br", "path", "circle", "rect"}
PICTURE = "pictures/0-edits-hat.png"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


class Page(HTMLParser):
    """Checks that tags are balanced, and keeps texts, tags and what is loaded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def share(mean: float, reach: float = 0.01) -> dict[str, Any]:
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "n": 50}


def edit(judged: float, truly: float | None = None) -> dict[str, Any]:
    change = {"name": "Beard", "flipped": share(0.125), "shift": share(0.1), "truly": truly}
    numbers = {
        key: share(0.5) for key in ("delta", "judged_before", "reencoded", "distance", "reconstruction")
    }
    return {
        "attribute": "Hat", "wanted": True, "amount": "delta 4", "faces": 50, "judged": share(judged),
        "reached": None, "others": [change], "identity": None, "truth": None, **numbers,
    }  # fmt: skip


def distance(value: float, **card: Any) -> dict[str, Any]:
    protocol = {
        "data": "avatars:400:0", "what": "reconstructions", "split": "test", "count": 50, "against": 50,
        "crop": "none", "size": 64, "features": "pixels", "dim": 192, "input_size": 8, "resize": "area",
        "weights": "", "source": "tensor", "chosen_on": ["valid"], "seed": 0, "note": "", "versions": {},
    } | card  # fmt: skip
    return {
        "name": "Frechet distance (8 x 8 pixels)", "kind": "frechet", "value": value, "low": value - 0.1,
        "high": value + 0.1, "level": 0.95, "floor": 0.3, "floor_count": 50, "error": None,
        "warning": "50 pictures are few for 192 features", "protocol": protocol,
    }  # fmt: skip


def model(name: str = "first", judged: float = 0.9, apart: float = 1.0, **card: Any) -> dict[str, Any]:
    bins = {
        "error": 0.02,
        "edges": [0, 0.5, 1],
        "counts": [20, 30],
        "confidence": [0.1, 0.9],
        "frequency": [0.0, 1.0],
    }
    score = {"name": "Hat", "accuracy": share(0.98), "on_yes": share(1.0), "on_no": None, "commoner": 0.6}
    leak = {"rows": ["Hat yes"], "columns": ["Beard"], "flipped": [[0.125]], "shift": [[0.1]], "mean": 0.125}
    return {
        "name": name, "preset": "quick", "sha256": "ab" * 32, "image_size": 64, "latent_dim": 2,
        "attributes": ["Hat"], "parameters": 1234567, "step": 9, "game_played": True,
        "distances": [distance(apart, **card)],
        "reading": {
            "attributes": [score | {"calibration": bins}],
            "reconstruction": {"l1": share(0.05), "ssim": share(0.8)},
            "latent": {
                "kl": [1.5, 0.001], "total": 1.501, "variance": [0.9, 0.001],
                "active": 1, "threshold": 0.01, "faces": 50,
            },
        },
        "deltas": {"Hat": 4.0},
        "delta_choices": [
            {
                "attribute": "Hat", "delta": 4.0, "grid": [2.0, 4.0], "success": [0.5, 0.9],
                "lacking": 5, "having": 5,
            }
        ],
        "edits": [edit(judged)],
        "leakage": leak,
        "at_equal_success": {
            "success": 0.9, "amounts": {"Hat yes": 3.25, "Hat no": None},
            "edits": [edit(0.9)], "leakage": leak,
        },
        "sample_quality": [{"want": "Hat=yes", "judged": None, "read": share(0.75)}],
        "pictures": [
            {"name": "edits-hat", "title": "Edits: Hat", "caption": "Some.", "file": PICTURE}
        ],
    }  # fmt: skip


def metrics(*models: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": 1,
        "made": {"version": "0", "python": "3", "torch": "2", "device": "cpu", "seconds": 1.5},
        "data": {"spec": "avatars:400:0", "split": "test", "selection": "valid", "note": "", "faces": 50},
        "settings": {"count": None, "deltas": {}},
        "judge": None,
        "models": list(models),
        "missing": [{"model": None, "what": "FID", "why": "no weights"}],
    }


def test_that_the_page_is_whole_and_loads_nothing() -> None:
    seen = Page(report.render(metrics(model()), {PICTURE: PNG}))
    assert "script" not in seen.tags and "link" not in seen.tags
    assert len(seen.loaded) == 1 and seen.loaded[0].startswith("data:image/png;base64,")
    assert "svg" in seen.tags and "details" in seen.tags


def test_that_names_and_reasons_are_only_text() -> None:
    evil = '<script>alert("x")</script>'
    body = metrics(model(evil))
    body["missing"][0]["why"] = evil
    body["data"]["note"] = evil
    body["models"][0]["pictures"][0]["title"] = f'"><img src=x onerror=y>{evil}'
    seen = Page(report.render(body, {PICTURE: PNG}))
    assert "script" not in seen.tags and len(seen.loaded) == 1
    assert evil in seen.text


def test_that_numbers_are_shown_with_their_intervals() -> None:
    seen = Page(report.render(metrics(model(judged=0.85, apart=12.3456)), {})).text
    for words in (
        "85.0 %",
        "[84.0, 86.0 %]",
        "12.3",
        "[12.2, 12.4]",
        "0.300 (50)",
        "1,234,567",
        "50 pictures are few",
    ):
        assert words in seen, words
    assert "no weights" in seen and "not reached" in seen and "3.25" in seen


def test_that_better_is_said_only_where_intervals_do_not_overlap() -> None:
    near = report.render(metrics(model("a", judged=0.90), model("b", judged=0.915)), {})
    assert 'class="better"' not in near
    apart = report.render(metrics(model("a", judged=0.90), model("b", judged=0.95)), {})
    assert apart.count('class="better"') == 1 and "95.0 % ▲" in apart
    lower = report.render(metrics(model("a", apart=1.0), model("b", apart=2.0)), {})
    assert "1.00 ▲" in lower and "2.00 ▲" not in lower


def test_that_distances_of_unlike_protocols_are_not_compared() -> None:
    html = report.render(metrics(model("a", apart=1.0), model("b", apart=2.0, size=128)), {})
    assert "▲</span>" not in html and "differ in size" in html


def test_that_reconstructions_of_unlike_faces_are_not_compared() -> None:
    bare = {"distances": []}
    near, far = model("a") | bare, model("b") | bare
    far["reading"]["reconstruction"]["l1"] = share(0.5)
    assert "0.0500 ▲" in report.render(metrics(near, far), {})
    html = report.render(metrics(near, far | {"image_size": 128}), {})
    assert "0.0500 ▲" not in html and "do not compare" in html


def test_that_leakage_of_two_models_is_over_the_edits_that_both_reach() -> None:
    second = model("b")
    second["at_equal_success"]["edits"].append(edit(0.9) | {"wanted": False})
    second["at_equal_success"]["edits"][1]["others"] = [
        {"name": "Beard", "flipped": share(0.9), "shift": share(0.1), "truly": None}
    ]
    second["at_equal_success"]["amounts"]["Hat no"] = 5.0
    seen = Page(report.render(metrics(model("a"), second), {})).text
    glance = seen[seen.index("The same at equal success, of the 1 of 2 edits that reach it") :]
    assert glance.split("\n")[1:3] == ["12.5 %", "12.5 %"]


def test_that_the_success_that_equal_amounts_had_is_shown() -> None:
    body = model()
    body["at_equal_success"]["edits"] = [edit(0.8125)]
    assert "81.2 %" in Page(report.render(metrics(body), {})).text


def test_that_what_was_not_measured_leaves_no_empty_section() -> None:
    bare = model() | {
        "distances": [], "reading": None, "edits": [], "leakage": None, "at_equal_success": None,
        "sample_quality": [], "pictures": [], "delta_choices": [],
    }  # fmt: skip
    text = Page(report.render(metrics(bare), {})).text
    for heading in (
        "Distances",
        "Edits",
        "What edits change",
        "Samples",
        "The classifier",
        "The code",
        "Pictures",
    ):
        assert heading not in text, heading
    assert "How this was measured" in text and "no weights" in text


def test_that_a_true_change_is_set_aside_in_the_heat_table() -> None:
    body = model()
    body["at_equal_success"] = None
    assert "12.5 %*" not in Page(report.render(metrics(body), {})).text
    body = copy.deepcopy(body)
    body["edits"] = [edit(0.9, truly=1.0)]
    assert "12.5 %*" in Page(report.render(metrics(body), {})).text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (64, "64"),
        (5006280, "5,006,280"),
        (0.02, "0.0200"),
        (123.4, "123"),
        (0.0, "0.00"),
        (0.00001234, "1.2e-05"),
    ],
)
def test_how_numbers_read(value: float, shown: str) -> None:
    assert page.digits(value) == shown


def test_that_unanimity_of_few_faces_is_not_taken_for_certainty() -> None:
    sure, lower = (
        {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 12},
        {"mean": 0.8, "low": 0.7, "high": 0.9, "n": 12},
    )
    assert page.better([sure, lower], lower=False) is None
    assert page.better([sure | {"n": 1000}, lower], lower=False) == 0
    assert page.better([lower, sure | {"n": 1000}], lower=True) == 0
    assert page.better([sure, None], lower=False) is None


def test_that_means_of_two_models_are_over_what_both_know() -> None:
    second = model("b", judged=0.5)
    second["edits"].append(edit(1.0) | {"wanted": False})
    second["attributes"] = ["Hat", "Beard"]
    seen = Page(report.render(metrics(model("a", judged=0.9), second), {})).text
    glance = seen[seen.index("Edits that the judge") :]
    assert glance.split("\n")[1:3] == ["90.0 %", "50.0 %"] and "both models know" in seen
