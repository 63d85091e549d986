"""Measures of edits, on a codec and a judge whose every deed is known."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from trainer.codec import Codec
from trainer.data import avatars
from trainer.data.avatars import labels_of, options_for
from trainer.data.cache import open_data
from trainer.errors import Cancelled, ConfigError, DataError, ModelError
from trainer.latent import Hyperplanes
from trainer.metrics import classifier, edits, pictures
from trainer.metrics import judge as judges
from trainer.metrics.counterfactual import grow, redraw
from trainer.metrics.estimate import estimate, estimates
from trainer.metrics.records import Amount, Change, Edit, Faces

SIZE = 32
FACES = [options_for(9, i) for i in range(16)]
NAMES = ("Eyeglasses", "Smiling", "Hat")


@functools.cache
def original(index: int) -> np.ndarray:
    return redraw(FACES[index], SIZE)


@functools.cache
def drawing(index: int, glasses: bool, smile: bool) -> np.ndarray:
    """Face `index` with or without round glasses and a smile; as it is where it has what is asked for."""
    face = dict(FACES[index])
    if labels_of(face)["Eyeglasses"] != glasses:
        frame = avatars._FRAMES_ON[face["skinColor"]][0]
        face |= {"accessories": "round", "accessoriesColor": frame} if glasses else {"accessories": None}
    if labels_of(face)["Smiling"] != smile:
        face["mouth"] = "smile" if smile else "serious"
    return redraw(face, SIZE)


class Perfect:
    """Code: (glasses, smile, index); a label holds from 0 on. Knows all that it drew, and is its own judge.

    Args:
        leak: of every how many faces one loses or gains its smile with its glasses; 0 for none.
        bright: grey levels by which every decoded picture is too bright; the judge then sees more hats.
        smear: pixels around what an edit changes that change too.
    """

    planes = Hyperplanes(("Eyeglasses", "Smiling", "fake"), np.eye(3), np.zeros(3))
    attributes = NAMES

    def __init__(self, leak: int = 0, bright: int = 0, smear: int = 0) -> None:
        self.leak, self.bright, self.smear = leak, bright, smear
        self.seen: dict[bytes, tuple[int, bool, bool]] = {}
        for i, face in enumerate(FACES):
            for glasses in (False, True):
                self.draw(i, glasses, labels_of(face)["Smiling"])

    def draw(self, index: int, glasses: bool, smile: bool) -> np.ndarray:
        image = drawing(index, glasses, smile)
        for one in (image, self.brighter(image)):
            self.seen.setdefault(one.tobytes(), (index, glasses, smile))
        return self.brighter(image)

    def brighter(self, image: np.ndarray) -> np.ndarray:
        return np.minimum(image.astype(int) + self.bright, 255).astype(np.uint8)

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        codes = []
        for image in images:
            found = self.seen.get(image.tobytes())
            if found is None:  # a truth in another colour: put by as it is
                found = self.seen[image.tobytes()] = (-len(self.seen), True, True)
                self.kept = getattr(self, "kept", {}) | {found[0]: image}
            codes.append([3.0 if found[1] else -1.0, 1.0 if found[2] else -1.0, found[0]])
        return np.array(codes), np.ones((len(images), 3))

    def decode(self, z: np.ndarray) -> np.ndarray:
        out = []
        for glasses, smile, index in np.asarray(z):
            i = round(index)
            if i < 0:
                out.append(self.brighter(self.kept[i]))
                continue
            has, smiles = glasses >= 0, smile >= 0
            edited = has != labels_of(FACES[i])["Eyeglasses"]
            smiles = smiles != bool(edited and self.leak and i % self.leak == 0)
            out.append(self.smeared(self.draw(i, has, smiles), i, has, smiles))
        return np.stack(out)

    def smeared(self, image: np.ndarray, index: int, glasses: bool, smile: bool) -> np.ndarray:
        changed = (image != original(index)).any(axis=-1)
        around = grow(changed[None], self.smear)[0] & ~changed
        image = np.where(around[..., None], 255 - image, image)
        self.seen.setdefault(image.tobytes(), (index, glasses, smile))
        return image

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        rows = []
        for image in images:
            i, glasses, smile = self.seen[image.tobytes()]
            real = np.array_equal(image, original(i))
            rows.append(
                [0.9 if glasses else 0.2, 0.8 if smile else 0.3, 0.6 if real or not self.bright else 0.7]
            )
        return np.array(rows)


def faces(options: bool = True, images: list[np.ndarray] | None = None) -> Faces:
    labels = np.array([[labels_of(face)[name] for name in NAMES] for face in FACES], np.int8)
    drawn = np.stack(images or [original(i) for i in range(len(FACES))])
    return Faces(drawn, labels, NAMES, tuple(FACES) if options else None)


def measure(codec: Perfect, wanted: bool, amount: Amount, **more: object) -> Edit:
    return edits.measure(codec, codec, more.pop("faces", faces()), "Eyeglasses", wanted, amount, **more)


def test_that_an_exact_edit_is_found_exact() -> None:
    found = measure(Perfect(), True, Amount(2.0))
    assert found.faces == sum(face["accessories"] is None for face in FACES)
    assert found.judged.mean == found.reencoded.mean == 1 and found.judged_before.mean == 0
    assert found.delta.mean == 2 and found.reached is None and found.reconstruction.mean == 0
    assert {c.name for c in found.others} == {"Smiling", "Hat"}
    assert all(c.flipped.mean == c.shift.mean == c.truly == 0 for c in found.others)
    truth = found.truth
    assert truth is not None
    assert (truth.edited.l1.mean, truth.edited.ssim.mean, truth.outside.mean) == (0, 1, 0)
    assert truth.allowed.l1.mean == 0 and truth.unedited.l1.mean > 0 and truth.inside.mean > 0.05
    assert truth.unedited.l1.mean == pytest.approx(found.distance.mean)
    assert 0 < truth.region.mean < 0.5 and truth.margin == 1 and 15 <= truth.choices <= 25
    removed = measure(Perfect(), False, Amount(4.0)).truth
    assert removed is not None and removed.edited.l1.mean == 0 and removed.choices == 1


def test_that_too_short_an_edit_shows_as_one() -> None:
    found = measure(Perfect(), False, Amount(2.0))
    assert found.judged.mean == found.reencoded.mean == found.distance.mean == 0
    assert found.truth is not None and found.truth.edited == found.truth.unedited


def test_that_a_known_leak_is_measured() -> None:
    found = measure(Perfect(leak=3), True, Amount(2.0))
    bare = [i for i, face in enumerate(FACES) if face["accessories"] is None]
    share = np.mean([i % 3 == 0 for i in bare])
    smile = next(c for c in found.others if c.name == "Smiling")
    assert smile.flipped.mean == pytest.approx(share) and smile.flipped.low < share < smile.flipped.high
    signs = [(-0.5 if labels_of(FACES[i])["Smiling"] else 0.5) * (i % 3 == 0) for i in bare]
    assert smile.shift.mean == pytest.approx(np.mean(signs))
    assert found.truth is not None and found.truth.outside.mean > 0 and found.truth.edited.l1.mean > 0
    table = edits.leakage([found])
    assert table.rows == ("Eyeglasses yes",) and table.columns == ("Smiling", "Hat")
    assert table.flipped == ((pytest.approx(share), 0.0),) and table.mean == pytest.approx(share / 2)


def test_that_what_the_codec_loses_is_no_fault_of_the_edit() -> None:
    found = measure(Perfect(bright=10), True, Amount(2.0))
    plain = measure(Perfect(), True, Amount(2.0))
    truth = found.truth
    assert truth is not None and found.judged.mean == 1 and truth.outside.mean == 0
    assert found.reconstruction.mean == pytest.approx(10 / 255, rel=0.2)
    assert found.distance.mean == pytest.approx(plain.distance.mean, rel=0.1)
    assert all(change.shift.mean == 0 for change in found.others)
    assert truth.edited.l1.mean == pytest.approx(truth.allowed.l1.mean, rel=1e-9)


def test_that_blur_may_cross_the_edge_of_what_changes_by_the_margin_alone() -> None:
    near, far = (measure(Perfect(smear=n), False, Amount(4.0)).truth for n in (1, 2))
    assert near is not None and far is not None and near.margin == 1
    assert near.outside.mean == 0 and near.edited.l1.mean > 0 and far.outside.mean > 0


def test_that_a_label_that_truly_changes_is_no_leak() -> None:
    half = estimate([0.0, 1.0])
    edit = measure(Perfect(), True, Amount(2.0), faces=faces(options=False))
    others = (Change("Hat", estimate([0.0, 0.0]), half, 0.0), Change("Beard", half, half, 0.5))
    assert edits.leakage([replace(edit, others=others)]).mean == 0
    unknown = (others[0], replace(others[1], truly=None))
    assert edits.leakage([replace(edit, others=unknown)]).mean == 0.25


def test_that_photos_have_no_truth_and_other_measures_are_taken() -> None:
    found = measure(Perfect(), True, Amount(2.0), faces=faces(options=False))
    assert found.truth is None and found.judged.mean == 1 and found.others[0].truly is None
    assert found.identity is None
    compare = {"perceptual": lambda a, b: np.full(len(a), 0.25), "identity": lambda a, b: np.ones(len(a))}
    given = measure(Perfect(), True, Amount(2.0), **compare)
    assert given.truth is not None and given.truth.edited.perceptual is not None
    assert given.truth.edited.perceptual.mean == 0.25
    assert given.identity is not None and given.identity.mean == 1
    assert json.loads(json.dumps(asdict(found)))["judged"]["mean"] == 1


def test_that_searches_stop_where_the_label_holds() -> None:
    codec = Perfect()
    for on in ("code", "image"):
        found = measure(codec, False, Amount(10.0, 0.5, on), faces=faces(options=False))
        assert found.reached is not None and found.reached.mean == 1
        assert found.delta.mean == pytest.approx(3, abs=0.01)
    short = measure(codec, False, Amount(1.0, 0.5), faces=faces(options=False))
    assert short.reached is not None and short.reached.mean == 0 and short.delta.mean == 1


def test_that_equal_success_is_found_on_the_judge() -> None:
    codec = Perfect()
    find = lambda wanted, **more: edits.equal_success(codec, codec, faces(), "Eyeglasses", wanted, **more)  # noqa: E731
    assert find(True, target=0.9) == pytest.approx(1.0, abs=0.05)
    assert 3.0 < find(False, target=1.0) <= 3.06
    assert find(False, target=0.9, bound=2.0) is None
    with pytest.raises(ConfigError, match="target = 0"):
        find(True, target=0)


def test_that_all_shared_attributes_are_edited_in_both_directions() -> None:
    codec, told = Perfect(), []
    found = edits.measure_all(codec, codec, faces(False), Amount(5.0), progress=lambda *n: told.append(n))
    assert [edit.name for edit in found] == ["Eyeglasses yes", "Eyeglasses no", "Smiling yes", "Smiling no"]
    assert all(edit.judged.mean == 1 for edit in found)
    assert told[-1] == (2 * len(FACES), 2 * len(FACES)) and told == sorted(told)
    table = edits.leakage(found)
    assert table.columns == ("Smiling", "Hat", "Eyeglasses")
    assert table.flipped == ((0, 0, None), (0, 0, None), (None, 0, 0), (None, 0, 0)) and table.mean == 0
    only = edits.measure_all(codec, codec, faces(False), {("Smiling", True): Amount(5.0)}, keep=NAMES[:2])
    assert [edit.name for edit in only] == ["Smiling yes"]


def test_that_edits_are_compared_at_equal_success() -> None:
    codec, told = Perfect(), []
    amounts = edits.equal_amounts(
        codec, codec, faces(False), 0.9, bound=2.0, progress=lambda *n: told.append(n)
    )
    assert amounts["Eyeglasses", False] is None  # its wearers are 3 away from the plane
    others = [key for key in amounts if key != ("Eyeglasses", False)]
    assert all(amounts[key].delta == pytest.approx(1.0, abs=0.07) for key in others)
    assert told == [(i, 4) for i in range(1, 5)]
    found = edits.measure_all(codec, codec, faces(False), amounts)
    assert [edit.name for edit in found] == ["Eyeglasses yes", "Smiling yes", "Smiling no"]
    assert all(edit.judged.mean == 1 for edit in found)


def test_that_what_cannot_be_measured_is_refused() -> None:
    codec, some = Perfect(), faces(False)
    with pytest.raises(ModelError, match="judge was not trained on 'Young'; it knows Eyeglasses"):
        edits.measure(codec, codec, some, "Young", True, Amount(1.0))
    alike = Faces(some.images, np.ones_like(some.labels), NAMES)
    with pytest.raises(DataError, match="no face lacks Eyeglasses = yes"):
        edits.measure(codec, codec, alike, "Eyeglasses", True, Amount(1.0))
    with pytest.raises(DataError, match="no attribute that model, judge and labels all know"):
        edits.measure_all(codec, codec, Faces(some.images, some.labels[:, 2:], ("Hat",)), Amount(1.0))
    with pytest.raises(Cancelled):
        edits.measure(codec, codec, some, "Eyeglasses", True, Amount(1.0), cancelled=lambda: True)
    for wrong in ({"delta": 0.0}, {"delta": 1.0, "until": 1.0}, {"delta": 1.0, "on": "photo"}):
        with pytest.raises(ConfigError):
            Amount(**wrong)


def test_that_a_real_model_and_judge_on_real_data_fit_in(tiny_model: Path) -> None:
    cache = open_data("avatars:60:9", SIZE, "none", workers=1)
    config = judges.JudgeConfig(SIZE, ("Eyeglasses", "FacialHair", "Smiling"), "none", width=4)
    card = judges.JudgeCard("none", 0, "test", 0, (), judges.JudgeTraining())
    judge, codec = judges.Judge(judges.Network(config), config, card), Codec(tiny_model, "cpu")
    some = Faces.of(cache, np.arange(20))
    assert some.options is not None and some.options[7] == options_for(9, 7)
    told: list[tuple[int, int]] = []
    found = edits.measure_all(codec, judge, some, Amount(3.0), progress=lambda *n: told.append(n))
    assert [edit.name for edit in found][::2] == ["Eyeglasses yes", "FacialHair yes"]
    for edit in found:
        assert edit.truth is not None and len(edit.others) == 2 and edit.distance.mean > 0
        assert edit.truth.edited.l1.mean > 0 and edit.truth.outside.mean > 0
        json.dumps(asdict(edit), allow_nan=False)
    assert told[-1][0] == told[-1][1] == sum(edit.faces for edit in found)
    reading = classifier.measure(codec, some.images, some.labels, some.attributes)
    assert [score.name for score in reading.attributes] == ["Eyeglasses", "FacialHair"]
    assert len(reading.latent.kl) == codec.dim


def test_that_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for seed in range(60):
        found = estimate(rng.normal(1.0, 2.0, 80), seed)
        hits += found.low <= 1.0 <= found.high
        assert 0.6 < found.high - found.low < 1.2  # 2 * 1.96 * 2 / sqrt(80) = 0.88
    assert hits >= 51  # of 57 expected; fewer happen once in 200
    with pytest.raises(DataError, match="no faces"):
        estimates(np.empty((0, 2)))
    with pytest.raises(DataError, match="finite"):
        estimate([1.0, np.nan])


def test_that_picture_distances_have_their_known_values() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (2, 24, 24, 3), np.uint8)
    flat, brighter = np.full_like(a, 100), np.full_like(a, 151)
    assert pictures.ssim(a, a) == pytest.approx(1) and (pictures.l1(a, a) == 0).all()
    assert pictures.l1(flat, brighter) == pytest.approx(0.2)
    c1 = (0.01 * 255) ** 2  # no variance: luminance alone is left
    expected = (2 * 100 * 151 + c1) / (100**2 + 151**2 + c1)
    assert pictures.ssim(flat, brighter) == pytest.approx(expected, rel=1e-6)
    assert (np.abs(pictures.ssim(a, a[::-1])) < 0.2).all()
    half = np.zeros((2, 24, 24), np.bool_)
    half[0, :12] = True
    mixed = flat.copy()
    mixed[:, :12] = 151
    assert pictures.l1(flat, mixed, half) == pytest.approx([0.2, 0.0])
    with pytest.raises(DataError, match="at least 11 px"):
        pictures.ssim(a[:, :8, :8], a[:, :8, :8])
