"""Numbers carry their protocol, and FID is only what is FID."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trainer.data import splits
from trainer.data.source import TRAIN, VALID
from trainer.errors import ConfigError
from trainer.metrics import features, protocol
from trainer.metrics.protocol import Measured, ProtocolCard


def card(**changes: Any) -> ProtocolCard:
    values: dict[str, Any] = {
        "data": "avatars:100:0",
        "what": "reconstructions",
        "split": "test",
        "count": 10,
        "against": 10,
        "crop": "none",
        "size": 64,
        "features": "lite0",
        "dim": 1280,
        "input_size": 224,
        "resize": "bicubic",
        "weights": "57",
        "chosen_on": ("valid",),
    }
    return ProtocolCard(**{**values, **changes})


def test_that_only_inception_features_give_fid() -> None:
    assert protocol.distance_name("frechet", "inception") == "FID"
    assert protocol.distance_name("kernel", "inception") == "KID"
    assert protocol.distance_name("frechet", "lite0") == "Frechet distance (Lite0 features)"
    assert protocol.distance_name("kernel", "pixels") == "Kernel distance (8 x 8 pixels)"
    for name in set(features.NAMES) - {"inception"}:
        assert "ID" not in card(features=name).name("frechet")


def test_that_every_extractor_has_a_title() -> None:
    assert set(protocol.TITLES) == set(features.NAMES)


def test_that_a_number_is_written_with_its_card() -> None:
    measured = Measured("frechet", 12.5, card(), low=11.0, high=14.0, level=0.95, warning="few")
    body = json.loads(json.dumps(measured.to_json()))
    assert body["name"] == "Frechet distance (Lite0 features)" and body["value"] == 12.5
    assert body["protocol"]["weights"] == "57" and {"python", "torch"} <= set(body["protocol"]["versions"])
    assert ProtocolCard.from_json(body["protocol"]) == card()
    assert ProtocolCard.from_json({**body["protocol"], "newer": 1}) == card()
    with pytest.raises(ConfigError, match="split"):
        ProtocolCard.from_json({k: v for k, v in body["protocol"].items() if k != "split"})


def test_that_cards_tell_why_numbers_do_not_compare() -> None:
    assert card().differences(replace(card(), versions={}, note="again")) == ()
    assert card().differences(card(count=9, resize="bilinear-tf1")) == ("count", "resize")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"split": "valid"}, "chosen on 'valid'"),
        ({"count": 0}, "count = 0"),
        ({"features": "vgg"}, "vgg"),
        ({"features": "inception", "weights": ""}, "digest"),
        ({"source": "screen"}, "screen"),
    ],
)
def test_that_a_card_that_cannot_be_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        card(**changes)


def test_that_a_card_takes_its_splits_from_where_training_does() -> None:
    assert protocol.splits is splits.splits and protocol.Splits is splits.Splits
    marks = np.repeat(np.array([TRAIN, VALID], np.uint8), (50, 9))
    names = [f"face-{i}" for i in range(59)]
    found = protocol.splits(SimpleNamespace(splits=marks, names=names, spec="folder:faces"))  # type: ignore[arg-type]
    assert (
        card(split=found.reported_name, chosen_on=(found.selection_name,), note=found.note).split == "valid"
    )
