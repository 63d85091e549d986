"""Events as JSON lines: round trips, numbers that JSON lacks, and lines that are none."""

from __future__ import annotations

import json
import math

import pytest

from trainer import events

SOME = [
    events.StepLosses(
        step=3,
        epoch=1,
        losses={"kl": 0.5},
        images_per_second=9.0,
        seconds_left=None,
        learning_rate=1e-3,
        memory_bytes=1,
    ),
    events.Validated(step=3, epoch=1, figures={"l1": 0.1}),
    events.SamplesWritten(
        step=3, epoch=1, path="samples/a.png", rows=("original", "prior"), columns=8, cell=64
    ),
    events.Progress(what="preparing", done=1, total=2, seconds_left=1.5),
    events.Alert(step=4, epoch=1, kind="explosion", text="kl rises", name="kl", value=math.inf),
    events.Alert(step=9, epoch=1, kind="diversity", text="they differ again", over=True),
    events.Finished(step=9, epoch=2, reason="completed", model="m"),
    events.Evaluated(out="evaluated"),
]


OUTSIDE = '{"v": 1, "type": "SamplesWritten", "rows": [], "columns": 1, "cell": 8, "path": "%s"}'


@pytest.mark.parametrize("event", SOME, ids=lambda e: type(e).__name__)
def test_that_an_event_survives_its_line(event: events.Event) -> None:
    line = events.to_line(event)
    assert "\n" not in line and events.from_line(line) == event
    assert {"v", "type", "time", "step", "epoch"} <= json.loads(line).keys()


def test_that_nan_travels_as_valid_json() -> None:
    line = events.to_line(events.Validated(figures={"l1": math.nan, "kl": math.inf}))
    json.loads(line, parse_constant=pytest.fail)
    figures = events.from_line(line).figures
    assert math.isnan(figures["l1"]) and figures["kl"] == math.inf


def test_that_unknown_fields_are_dropped() -> None:
    line = json.dumps({"v": 1, "type": "Paused", "time": 1.0, "step": 2, "epoch": 1, "colour": "red"})
    assert events.from_line(line) == events.Paused(time=1.0, step=2, epoch=1)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "[]",
        '{"v": 2, "type": "Paused"}',
        '{"v": 1, "type": "Party"}',
        '{"v": 1, "type": "Finished"}',
        '{"v": 1, "type": "Validated", "figures": 3}',
        99_999 * "[",
        *(
            OUTSIDE % path
            for path in ("../a.png", "samples/../../a.png", "/a.png", "C:a.png", "//host/share/a.png")
        ),
    ],
)
def test_that_other_lines_are_refused(line: str) -> None:
    with pytest.raises(events.EventFormatError):
        events.from_line(line)
