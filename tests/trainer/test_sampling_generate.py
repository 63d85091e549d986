"""Drawing until enough codes are sure of their label."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainer.posteriors import pair_of, planes_of
from trainer.errors import ConfigError, ModelError
from trainer.latent import Hyperplanes
from trainer.sampling import LOOK, Target, generate, langevin, looks_of, row_logits

SHORT = {"step_size": 0.05, "steps": 40, "seed": 11}


@pytest.fixture
def planes():
    rng = np.random.default_rng(5)
    return Hyperplanes(("A", "B", "C", "fake"), rng.normal(size=(4, 32)) * 0.5, np.array([0.5, -1, 0, 0.2]))


class Mirror:
    """A codec whose picture of a code, encoded again, is the opposite code; it remembers the codes."""

    def __init__(self):
        self.seen = []

    def decode(self, z):
        self.seen.append(z)
        return np.arange(len(z), dtype=np.uint8)[:, None, None, None] + np.zeros((1, 2, 2, 3), np.uint8)

    def encode(self, images):
        return -self.seen[-1], np.ones_like(self.seen[-1])


def rows_of(batches):
    batches = list(batches)
    return [np.concatenate([getattr(b, key) for b in batches]) for key in ("z", "logits", "accepted")] + [
        batches[-1]
    ]


def test_that_accept_zero_gives_exactly_the_chains(planes):
    target = Target({"A": True})
    z, logits, accepted, last = rows_of(generate(planes, target, 300, accept=0, **SHORT))
    assert np.array_equal(z, langevin(planes, target, 300, **SHORT))
    np.testing.assert_allclose(logits, planes.logits(z), rtol=1e-5, atol=1e-5)
    assert accepted.all()
    assert (last.drawn_total, last.accepted_total) == (300, 300)


def test_that_accepted_rows_reach_the_threshold_and_others_do_not(planes):
    target = Target({"A": True, "B": False})
    z, _, accepted, last = rows_of(generate(planes, target, 50, accept=0.8, **SHORT))
    p = planes.probabilities(z)
    assert np.array_equal(accepted, (p[:, 0] >= 0.8) & (1 - p[:, 1] >= 0.8))
    assert accepted.sum() == last.accepted_total == 50
    assert accepted[-1]
    assert len(z) == last.drawn_total > 50


@pytest.mark.parametrize("batch", [7, 64, 256])
def test_that_rows_do_not_depend_on_the_batch(planes, batch):
    target, whole = Target({"A": True, "B": False}), {"accept": 0.6, **SHORT}
    one = rows_of(generate(planes, target, 40, batch=1000, **whole))
    two = rows_of(generate(planes, target, 40, batch=batch, **whole))
    for a, b in zip(one[:3], two[:3], strict=True):
        assert np.array_equal(a, b)


def test_that_a_threshold_out_of_reach_says_how_far_it_came():
    planes, told = planes_of(1), []
    batches = generate(
        planes,
        Target({"A": True}),
        5,
        accept=0.9999,
        max_draws=300,
        progress=lambda *p: told.append(p),
        **SHORT,
    )
    seen = []
    with pytest.raises(ModelError, match="0 of 5 accepted in 300 draws"):
        seen.extend(batches)
    assert sum(len(b.z) for b in seen) == 300
    assert told[-1] == (0, 5)


@pytest.mark.parametrize("wrong", [{"sampler": "gibbs"}, {"accept": 1.5}, {"count": 0}, {"batch": 0}])
def test_that_requests_without_sense_are_refused(planes, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        next(generate(planes, Target(), **({"count": 1} | SHORT | wrong)))


def test_that_pictures_decide_where_they_are_asked(planes):
    target, codec = Target({"A": True}), Mirror()
    z, logits, accepted, last = rows_of(
        generate(planes, target, 30, accept=0.7, accept_on="image", look=looks_of(codec), **SHORT)
    )
    p = planes.probabilities(-z)[:, 0]
    assert np.array_equal(accepted, p >= 0.7)
    assert last.accepted_total == 30
    np.testing.assert_allclose(logits, planes.logits(z), rtol=1e-5, atol=1e-5)


def test_that_pictures_and_their_logits_come_along(planes):
    (batch,) = generate(
        planes, Target({"A": True}), 5, accept=0, accept_on="image", look=looks_of(Mirror()), **SHORT
    )
    assert [int(image[0, 0, 0]) for image in batch.images] == [0, 1, 2, 3, 4]
    assert np.array_equal(batch.reencoded, row_logits(planes, -batch.z).astype(np.float32))
    (other,) = generate(planes, Target({"A": True}), 5, accept=0, **SHORT)
    assert other.images is None and other.reencoded is None


@pytest.mark.parametrize("batch", [5, 64, 300])
def test_that_pictures_are_looked_at_in_the_same_groups(planes, batch):
    codec = Mirror()
    wanted = {"accept": 0.9, "accept_on": "image", "look": looks_of(codec), "batch": batch}
    *_, last = rows_of(generate(planes, Target({"A": True}), 20, **wanted, **SHORT))
    assert {len(z) for z in codec.seen} == {LOOK}
    assert len(codec.seen) == -(-last.drawn_total // LOOK) > 1


def test_that_wants_that_no_code_can_meet_are_refused_before_any_draw():
    w = np.array([[2.0, 0, 0], [-3.0, 0, 0], [0, 0, 1.0]])
    planes = Hyperplanes(("A", "not_A", "fake"), w, np.zeros(3))
    target = Target({"A": True, "not_A": True})
    with pytest.raises(ModelError, match=r"A=yes, not_A=yes.*no code"):
        next(generate(planes, target, 1, accept=0.6, **SHORT))
    assert len(next(generate(planes, target, 4, accept=0.5 - 1e-9, max_draws=4, batch=4, **SHORT)).z) == 4


def test_that_giving_up_says_how_far_away_the_wanted_codes_are():
    with pytest.raises(ModelError, match=r"nearest code that passes lies 9\.2 from"):
        list(generate(planes_of(1), Target({"A": True}), 5, accept=0.9999, max_draws=300, **SHORT))


@pytest.mark.parametrize("sampler", ["exact", "langevin", "mala"])
def test_that_every_sampler_draws_without_a_schedule(sampler):
    planes, target = pair_of(2, 3, 0.3), Target({"A": True, "B": False})
    batches = list(generate(planes, target, 20, sampler=sampler, accept=0.6, seed=1))
    assert batches[-1].accepted_total == 20


def test_that_batches_say_when_exact_draws_are_not_from_the_prior():
    (batch,) = generate(planes_of(4, bias=-24.0), Target({"A": True}), 8, sampler="exact", accept=0, seed=0)
    assert "mode" in batch.note
    (batch,) = generate(planes_of(4), Target({"A": True}), 8, sampler="exact", accept=0, seed=0)
    assert batch.note == ""


def test_that_pictures_need_a_way_to_look_at_them(planes):
    with pytest.raises(ConfigError, match="accept_on"):
        next(generate(planes, Target(), 1, accept_on="image", **SHORT))
    with pytest.raises(ConfigError, match="accept_on = 'mind'"):
        next(generate(planes, Target(), 1, accept_on="mind", **SHORT))
