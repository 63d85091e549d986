"""The truth of avatars."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.data import avatars
from trainer.errors import Cancelled, DataError
from trainer.metrics.counterfactual import alternatives, grow, nearest, redraw

FACES = [avatars.options_for(5, i) for i in range(30)]


@pytest.mark.parametrize("attribute", avatars.ATTRIBUTES)
@pytest.mark.parametrize("wanted", [True, False])
def test_that_only_the_attributes_own_option_changes(attribute: str, wanted: bool) -> None:
    own = {
        "Eyeglasses": {"accessories", "accessoriesColor"},
        "Hat": {"top", "hatColor"},
        "Smiling": {"mouth"},
    }.get(attribute, {"facialHair", "facialHairColor"})
    for face in FACES:
        ways = alternatives(face, attribute, wanted)
        assert ways and len({str(way) for way in ways}) == len(ways)
        for way in ways:
            assert avatars.labels_of(way)[attribute] == wanted
            assert {key for key in face if way[key] != face[key]} <= own
            assert not (way["top"] == "hijab" and way["facialHair"] and face["top"] != "hijab")


def test_that_removing_has_one_truth_and_adding_as_many_as_there_are_values() -> None:
    for face in FACES:
        for name, part in (("Eyeglasses", "accessories"), ("FacialHair", "facialHair")):
            if face[part] is not None:
                (way,) = alternatives(face, name, False)
                assert way == face | {part: None}
        if face["accessories"] is None:
            frames = len(avatars._FRAMES_ON[face["skinColor"]])
            assert len(alternatives(face, "Eyeglasses", True)) == 5 * frames
        if avatars.labels_of(face)["Smiling"]:
            assert alternatives(face, "Smiling", True) == [face]


def test_that_the_generators_own_faces_are_among_the_alternatives() -> None:
    for face in FACES:
        for name, wanted in avatars.labels_of(face).items():
            for other in alternatives(face, name, not wanted)[:3]:
                back = alternatives(other, name, wanted)
                parts = [{k: v for k, v in way.items() if not k.endswith("Color")} for way in back]
                if name not in ("Mustache", "Beard") or wanted:
                    assert {k: v for k, v in face.items() if not k.endswith("Color")} in parts


def test_that_the_nearest_truth_is_found_with_what_it_changes() -> None:
    faces = [face for face in FACES if face["accessories"] is None][:4]
    worn = [
        face | {"accessories": "round", "accessoriesColor": avatars._FRAMES_ON[face["skinColor"]][-1]}
        for face in faces
    ]
    noise = np.random.default_rng(0).integers(0, 3, (4, 32, 32, 3), np.uint8)
    edited = np.stack([np.minimum(redraw(face, 32), 252) + n for face, n in zip(worn, noise, strict=True)])
    told: list[tuple[int, int]] = []
    found = nearest(faces, "Eyeglasses", True, edited, progress=lambda *done: told.append(done))
    assert list(found.options) == worn and told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for i, face in enumerate(faces):
        assert np.array_equal(found.images[i], redraw(worn[i], 32))
        apart = (redraw(worn[i], 32) != redraw(face, 32)).any(axis=-1)
        assert np.array_equal(found.changed[i], apart) and 0 < apart.mean() < 0.5
        assert found.choices[i] == 5 * len(avatars._FRAMES_ON[face["skinColor"]])


def test_that_a_cut_face_is_drawn_as_the_data_set_has_it() -> None:
    from trainer.data.source import open_source

    source = open_source("avatars:3:5")
    for crop in ("none", "center"):
        assert np.array_equal(redraw(FACES[2], 32, crop), source.read(2, 32, crop))


def test_that_regions_grow_by_whole_pixels() -> None:
    region = np.zeros((1, 7, 7), np.bool_)
    region[0, 0, 3] = True
    wide = grow(region, 2)
    assert wide.sum() == 3 * 5 and wide[0, :3, 1:6].all()
    assert np.array_equal(grow(region, 0), region)


def test_that_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="'Young' is no attribute of avatars"):
        alternatives(FACES[0], "Young", True)
    with pytest.raises(DataError, match="2 faces"):
        nearest(FACES[:2], "Hat", True, np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises(Cancelled):
        nearest(FACES[:1], "Hat", True, np.zeros((1, 16, 16, 3), np.uint8), cancelled=lambda: True)
