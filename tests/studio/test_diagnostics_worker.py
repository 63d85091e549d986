"""The diagnostics thread: verdicts of real chains, cancelling, the newest watch, paths, errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from introvac_studio.messages import ChainPath, PathWanted, SamplingRequest, Watch, WatchEnd
from introvac_studio.state import Face
from introvac_studio.workers.diagnostics import DiagnosticsThread
from introvac_studio.workers.sampling import plan_of
from trainer.diagnostics import Snapshot
from trainer.latent import Hyperplanes
from trainer.sampling import SAMPLERS, Target

LONG = 100_000_000  # steps that nobody waits for
CHAINS = 4096


@pytest.fixture
def thread(qapp) -> Iterator[DiagnosticsThread]:
    worker = DiagnosticsThread(chains=CHAINS)
    yield worker
    worker.close()
    assert not worker.isRunning()


@pytest.fixture
def planes() -> Hyperplanes:
    """One rare attribute of |w| = 5, which the paper's schedule does not reach."""
    w = np.zeros((2, 8))
    w[0, :2], w[1, 2] = (3, 4), 2
    return Hyperplanes(("Eyeglasses", "fake"), w, np.array([-12.0, 0.0]))


def request(**values) -> SamplingRequest:
    base = SamplingRequest(
        Path("none"), 1, {"Eyeglasses": True}, 4, 0.5, "paper", None, None, 3, "cpu", sampler="langevin"
    )
    return replace(base, **values)


class Log:
    """What the thread said, in order."""

    def __init__(self, thread: DiagnosticsThread) -> None:
        self.snapshots: list[tuple[Watch, Snapshot]] = []
        self.ends: list[WatchEnd] = []
        self.paths: list[ChainPath] = []
        self.failures: list[str] = []
        thread.snapshotReady.connect(lambda watch, snapshot: self.snapshots.append((watch, snapshot)))
        thread.watchEnded.connect(self.ends.append)
        thread.pathReady.connect(self.paths.append)
        thread.pathFailed.connect(self.failures.append)


def watched(thread: DiagnosticsThread, qtbot, wanted: SamplingRequest, planes: Hyperplanes) -> Log:
    log = Log(thread)
    thread.watch(Watch(wanted, planes))
    qtbot.waitUntil(lambda: bool(log.ends), timeout=60_000)
    return log


def test_that_the_papers_schedule_is_called_not_converged(thread, qtbot, planes) -> None:
    log = watched(thread, qtbot, request(), planes)
    last = log.snapshots[-1][1]
    assert last.converged is False and "not converged" in last.verdict and "Eyeglasses" in last.verdict
    assert last.directions[0].ks > 0.03 and last.step == 5000 and last.chains == CHAINS
    assert len(log.snapshots) > 10
    assert all(s.converged is None for _, s in log.snapshots[:-1])


@pytest.mark.parametrize("sampler", ["exact", "langevin", "mala"])
def test_that_settled_samplers_are_called_converged(thread, qtbot, planes, sampler) -> None:
    log = watched(thread, qtbot, request(sampler=sampler, recipe="converged"), planes)
    last = log.snapshots[-1][1]
    assert last.sampler == sampler and last.converged is True, last.verdict
    assert last.directions[0].ks <= 0.03 and not log.ends[0].error


def test_that_a_cancelled_watch_ends_and_says_so(thread, qtbot, planes) -> None:
    log, watch = Log(thread), Watch(request(steps=LONG), planes)
    thread.watch(watch)
    qtbot.waitUntil(lambda: thread.isRunning())
    thread.cancel()
    qtbot.waitUntil(lambda: bool(log.ends), timeout=20_000)
    assert log.ends[0].watch is watch and log.ends[0].cancelled and not log.ends[0].error


def test_that_the_newest_watch_wins(thread, qtbot, planes) -> None:
    log = Log(thread)
    old, new = Watch(request(steps=LONG), planes), Watch(request(sampler="exact"), planes)
    thread.watch(old)
    thread.watch(new)
    qtbot.waitUntil(lambda: any(end.watch is new for end in log.ends), timeout=20_000)
    assert {watch for watch, _ in log.snapshots} == {new}
    assert all(end.cancelled for end in log.ends if end.watch is old)


def test_that_a_bad_watch_is_answered_and_the_thread_lives_on(thread, qtbot, planes) -> None:
    assert "Hat" in watched(thread, qtbot, request(wants={"Hat": True}), planes).ends[0].error
    assert "step_size" in watched(thread, qtbot, request(step_size=3.0), planes).ends[0].error
    flat = Hyperplanes(planes.names, np.zeros_like(planes.w), planes.b)
    assert "zero" in watched(thread, qtbot, request(), flat).ends[0].error
    assert not watched(thread, qtbot, request(sampler="exact"), planes).ends[0].error


@pytest.mark.parametrize(("sampler", "full"), [("langevin", False), ("mala", False), ("langevin", True)])
def test_that_a_path_leads_to_the_face(thread, qtbot, planes, sampler, full) -> None:
    wanted = request(sampler=sampler, full=full, recipe="converged")
    plan = plan_of(planes, wanted, "cpu")
    log, asked = Log(thread), PathWanted(plan, planes, 300, Face("generated 1", np.zeros(8)))
    thread.follow(asked)
    qtbot.waitUntil(lambda: bool(log.paths or log.failures), timeout=20_000)
    assert not log.failures
    (path,) = log.paths
    assert path.wanted is asked and path.steps[0] == 0 and path.steps[-1] == plan.steps
    assert path.states.shape == (len(path.steps), 8) and 2 < len(path.steps) <= 200
    code = SAMPLERS[sampler](
        planes,
        Target(wanted.wants),
        1,
        step_size=plan.step_size,
        steps=plan.steps,
        seed=3,
        first=300,
        full=full,
    )
    assert np.array_equal(path.states[-1], code[0])


def test_that_a_path_goes_ahead_of_the_next_piece_of_a_watch(thread, qtbot, planes) -> None:
    log = Log(thread)
    thread.watch(Watch(request(), planes))
    plan = plan_of(planes, request(recipe="converged"), "cpu")
    thread.follow(PathWanted(plan, planes, 0, Face("generated 1", np.zeros(8))))
    qtbot.waitUntil(lambda: bool(log.paths), timeout=20_000)
    assert not log.ends


def test_that_independent_draws_have_no_path(thread, qtbot, planes) -> None:
    log = Log(thread)
    plan = plan_of(planes, request(sampler="exact"), "cpu")
    assert plan.chain == ""
    thread.follow(PathWanted(plan, planes, 0, Face("generated 1", np.zeros(8))))
    qtbot.waitUntil(lambda: bool(log.failures), timeout=20_000)
    assert "have a path" in log.failures[0] and not log.paths


def test_that_closing_joins_a_watch_at_work(qapp, qtbot, planes) -> None:
    worker = DiagnosticsThread(chains=CHAINS)
    worker.watch(Watch(request(steps=LONG), planes))
    qtbot.waitUntil(lambda: worker.isRunning())
    worker.close()
    assert not worker.isRunning()
    worker.watch(Watch(request(), planes))
    assert not worker.isRunning()
