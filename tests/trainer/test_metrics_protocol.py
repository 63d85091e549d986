"""Numbers carry their protocol, FID is only what is FID, and nothing is chosen on the reported split."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trainer.data.source import TEST, TRAIN, VALID
from trainer.errors import ConfigError, DataError
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


def cache(*parts: int) -> Any:
    """A stand-in with so many pictures in train, valid and test."""
    marks = np.repeat(np.array([TRAIN, VALID, TEST], np.uint8), parts)
    return SimpleNamespace(splits=marks, names=[f"face-{i}" for i in range(len(marks))], spec="folder:faces")


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


def test_that_test_is_reported_and_valid_chosen_on_where_both_exist() -> None:
    found = protocol.splits(cache(20, 5, 6))
    assert (found.reported_name, found.selection_name, found.note) == ("test", "valid", "")
    assert [len(part) for part in (found.train, found.selection, found.reported)] == [20, 5, 6]


def test_that_without_a_test_split_selection_is_carved_from_train() -> None:
    found = protocol.splits(cache(400, 50, 0))
    assert (found.reported_name, found.selection_name) == ("valid", "selection")
    assert "no test split" in found.note
    np.testing.assert_array_equal(found.reported, np.arange(400, 450))
    assert 20 <= len(found.selection) <= 60
    np.testing.assert_array_equal(np.sort(np.concatenate((found.selection, found.train))), np.arange(400))


def test_that_without_any_split_three_parts_share_nothing() -> None:
    found = protocol.splits(cache(400, 0, 0))
    parts = np.concatenate((found.train, found.selection, found.reported))
    assert len(parts) == len(np.unique(parts)) == 400
    assert len(found.reported) == 40


def test_that_a_face_is_carved_whatever_others_there_are() -> None:
    names = [f"face-{i}" for i in range(300)]
    whole, left = protocol.carve(names, np.arange(300))
    half, _ = protocol.carve(names[:150], np.arange(150))
    np.testing.assert_array_equal(half, whole[whole < 150])
    assert not set(whole) & set(left)
    assert len(protocol.carve(names, np.arange(300), share=0.5)[0]) > len(whole)


def test_that_data_without_enough_pictures_is_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        protocol.carve(["a"], np.arange(1))
    with pytest.raises(DataError, match="share"):
        protocol.carve(["a"], np.arange(1), share=1.0)
    with pytest.raises(DataError, match="report on"):
        protocol.splits(cache(1, 0, 0))
