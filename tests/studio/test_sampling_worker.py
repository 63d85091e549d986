"""The sampling thread: rejection, streaming, cancelling, the newest request, errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from introvac_studio.messages import SampledBatch, SamplingEnd, SamplingPlan, SamplingRequest
from introvac_studio.workers.sampling import CHUNK, SamplingThread
from trainer.latent import sigmoid

LONG = 100_000_000  # steps that nobody waits for


@pytest.fixture
def thread(qapp) -> Iterator[SamplingThread]:
    worker = SamplingThread()
    yield worker
    worker.close()
    assert not worker.isRunning()


def request(path: Path, **values) -> SamplingRequest:
    base = SamplingRequest(path, 1, {"Eyeglasses": True}, 16, 0.6, "converged", 0.05, 60, 3, "cpu")
    return replace(base, **values)


class Log:
    """What the thread said, in order."""

    def __init__(self, thread: SamplingThread) -> None:
        self.plans: list[SamplingPlan] = []
        self.batches: list[SampledBatch] = []
        self.ends: list[SamplingEnd] = []
        self.progress: list[tuple[int, int]] = []
        thread.planned.connect(self.plans.append)
        thread.batchReady.connect(self.batches.append)
        thread.finished_.connect(self.ends.append)
        thread.progressed.connect(lambda _, accepted, drawn: self.progress.append((accepted, drawn)))


def run(thread: SamplingThread, qtbot, wanted: SamplingRequest) -> Log:
    log = Log(thread)
    thread.submit(wanted)
    qtbot.waitUntil(lambda: bool(log.ends), timeout=20_000)
    return log


def test_that_every_accepted_face_reaches_the_threshold(thread, qtbot, tiny_model) -> None:
    log = run(thread, qtbot, request(tiny_model, count=40))
    assert all(len(b.images) <= CHUNK for b in log.batches) and len(log.batches) >= 3
    z = np.concatenate([b.z for b in log.batches])
    logits = np.concatenate([b.logits for b in log.batches])
    images = np.concatenate([b.images for b in log.batches])
    assert z.shape == (40, 8) and images.shape == (40, 32, 32, 3) and images.dtype == np.uint8
    assert (sigmoid(logits[:, 0]) >= 0.6).all()
    (end,) = log.ends
    assert end.accepted == 40 and end.drawn > 40 and not end.error and not end.cancelled
    assert log.progress[-1] == (40, end.drawn)
    draws = np.concatenate([b.draws for b in log.batches])
    assert (np.diff(draws) > 0).all() and draws[-1] == end.drawn - 1


def test_that_totals_grow_with_each_chunk(thread, qtbot, tiny_model) -> None:
    log = run(thread, qtbot, request(tiny_model, count=40))
    totals = [(b.accepted_total, b.drawn_total) for b in log.batches]
    assert [a for a, _ in totals] == list(np.cumsum([len(b.z) for b in log.batches]))
    assert all(drawn == b.draws[-1] + 1 for b, (_, drawn) in zip(log.batches[:-1], totals, strict=False))


def test_that_a_seed_and_a_draw_give_a_code_back(thread, qtbot, tiny_model) -> None:
    from trainer.codec import Codec
    from trainer.sampling import Target, langevin

    log = run(thread, qtbot, request(tiny_model, count=5))
    batch = log.batches[0]
    again = langevin(
        Codec(tiny_model, "cpu").planes,
        Target({"Eyeglasses": True}),
        1,
        step_size=0.05,
        steps=60,
        seed=3,
        first=int(batch.draws[4]),
    )
    assert np.array_equal(again[0], batch.z[4])


@pytest.mark.parametrize("sampler", ["exact", "langevin", "mala"])
@pytest.mark.parametrize("full", [False, True])
def test_that_each_sampler_draws_what_its_plan_says(thread, qtbot, tiny_model, sampler, full) -> None:
    from trainer.codec import Codec
    from trainer.sampling import SAMPLERS, Target

    wanted = request(tiny_model, sampler=sampler, full=full, step_size=None, steps=None, count=3)
    log = run(thread, qtbot, wanted)
    ((plan,), (end,)) = log.plans, log.ends
    assert not end.error and end.accepted == 3 and plan.request is wanted
    assert plan.chain == ("" if sampler == "exact" else sampler)
    assert plan.full == (full and sampler != "exact")
    assert plan.runs_on == ("CPU (NumPy)" if plan.full else "")
    assert (plan.acceptance is not None) == (sampler == "mala") and "cpu" in plan.decodes_on.lower()
    again = SAMPLERS[sampler](
        Codec(tiny_model, "cpu").planes,
        Target({"Eyeglasses": True}),
        1,
        step_size=plan.step_size,
        steps=plan.steps,
        seed=3,
        first=int(log.batches[0].draws[2]),
        full=plan.full,
    )
    assert np.array_equal(again[0], log.batches[0].z[2])


def test_that_pictures_can_decide(thread, qtbot, tiny_model) -> None:
    from trainer.codec import Codec

    log = run(thread, qtbot, request(tiny_model, accept_on="image", accept=0.5, sampler="exact", count=5))
    codec = Codec(tiny_model, "cpu")
    assert log.ends[0].accepted == 5 or "accepted in" in log.ends[0].error
    for batch in log.batches:
        again = codec.planes.logits(codec.encode(batch.images)[0])
        assert np.allclose(batch.reencoded, again, atol=1e-3)
        assert (batch.reencoded[:, 0] >= 0).all()
    assert sum(len(b.z) for b in log.batches) == log.ends[0].accepted


def test_that_a_cancelled_run_ends_soon_and_says_so(thread, qtbot, tiny_model) -> None:
    log = run(thread, qtbot, request(tiny_model, count=4))
    wanted = request(tiny_model, steps=LONG)
    log.ends.clear()
    thread.submit(wanted)
    thread.cancel()
    qtbot.waitUntil(lambda: bool(log.ends), timeout=20_000)
    assert log.ends[0].cancelled and log.ends[0].request is wanted and not log.ends[0].error


def test_that_a_request_replaced_before_it_began_ends_too(thread, qtbot, tiny_model) -> None:
    log = Log(thread)
    asked = [request(tiny_model, steps=LONG), request(tiny_model, steps=LONG), request(tiny_model, count=2)]
    for one in asked:
        thread.submit(one)
    qtbot.waitUntil(lambda: len(log.ends) == 3, timeout=20_000)
    assert {e.request: e.cancelled for e in log.ends} == dict(zip(asked, (True, True, False), strict=True))


def test_that_the_newest_request_wins(thread, qtbot, tiny_model) -> None:
    log = Log(thread)
    slow, quick = request(tiny_model, steps=LONG), request(tiny_model, count=3)
    thread.submit(slow)
    qtbot.waitUntil(lambda: thread._current is slow)
    thread.submit(quick)
    qtbot.waitUntil(lambda: any(e.request is quick for e in log.ends), timeout=20_000)
    assert [e.cancelled for e in log.ends] == [True, False]
    assert {b.request for b in log.batches} == {quick}


def test_that_bad_requests_are_answered_and_the_thread_lives_on(thread, qtbot, tiny_model, tmp_path) -> None:
    bad = {
        "no such model": request(tmp_path / "none.safetensors"),
        "unknown attribute": request(tiny_model, wants={"Hat": True}),
        "step": request(tiny_model, step_size=3.0),
        "accepted in": request(tiny_model, count=1, accept=1.0),
    }
    for part, wanted in bad.items():
        log = run(thread, qtbot, wanted)
        assert log.ends[0].error and not log.batches
        assert part in log.ends[0].error or "none.safetensors" in log.ends[0].error
    assert run(thread, qtbot, request(tiny_model, count=2)).ends[0].accepted == 2


def test_that_without_wants_the_prior_is_drawn_without_rejection(thread, qtbot, tiny_model) -> None:
    log = run(thread, qtbot, request(tiny_model, wants={}, count=6))
    assert (log.ends[0].accepted, log.ends[0].drawn) == (6, 6)


def test_that_closing_joins_a_run_at_work(qapp, qtbot, tiny_model) -> None:
    worker = SamplingThread()
    slow = request(tiny_model, steps=LONG)
    worker.submit(slow)
    qtbot.waitUntil(lambda: worker._current is slow)
    worker.close()
    assert not worker.isRunning()
    worker.submit(slow)
    assert not worker.isRunning()
