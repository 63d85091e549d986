"""The mailbox: the newest request wins, urgent goes first, a slow task fills the gaps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from introvac_studio.workers.mailbox import Mailbox


def test_that_only_the_newest_of_a_channel_is_served() -> None:
    box, said = Mailbox(("frame",)), []
    for i in range(60):
        box.put_latest("frame", lambda i=i: said.append(i))
    box.put(box.close)
    while (act := box.take()) is not None:
        act()
    assert said == [59]


def test_that_channels_go_before_jobs_and_jobs_before_the_slow_task() -> None:
    box, said = Mailbox(("frame", "strip")), []

    def slow() -> Iterator[None]:
        for i in range(3):
            said.append(f"slow {i}")
            if i == 0:
                box.put(lambda: said.append("job"))
                box.put_latest("strip", lambda: said.append("strip"))
                box.put_latest("frame", lambda: said.append("frame"))
            yield
        box.close()

    box.put_slow(slow())
    while (act := box.take()) is not None:
        act()
    assert said == ["slow 0", "frame", "strip", "job", "slow 1", "slow 2"]


def test_that_a_held_box_serves_the_most_urgent_and_jobs_alone() -> None:
    box, said = Mailbox(("frame", "strip")), []

    def slow() -> Iterator[None]:
        said.append("slow")
        yield
        box.close()

    box.put_slow(slow())
    box.hold(True)
    box.put_latest("strip", lambda: said.append("older strip"))
    box.put_latest("strip", lambda: said.append("strip"))
    box.put_back("strip", lambda: said.append("put back, too late"))
    box.put(lambda: (said.append("job"), box.hold(False)))
    box.put_latest("frame", lambda: said.append("frame"))
    while (act := box.take()) is not None:
        act()
    assert said == ["frame", "job", "strip", "slow"]


def test_that_a_failed_slow_task_is_given_up() -> None:
    box = Mailbox(())

    def bad() -> Iterator[None]:
        raise ValueError("no")
        yield

    box.put_slow(bad())
    act = box.take()
    assert act is not None
    with pytest.raises(ValueError, match="no"):
        act()
    box.put(box.close)
    act = box.take()
    assert act is not None
    act()
    assert box.take() is None


def test_that_forgetting_drops_all_that_waits() -> None:
    box, said = Mailbox(("frame",)), []
    box.put_latest("frame", lambda: said.append(1))
    box.put(lambda: said.append(2))
    box.put_slow(iter([None]))
    box.forget()
    box.put(box.close)
    while (act := box.take()) is not None:
        act()
    assert said == []


def test_that_a_long_job_takes_only_the_requests_it_asks_for() -> None:
    box, said = Mailbox(("frame", "strip")), []
    box.put_latest("strip", lambda: said.append("strip"))
    assert box.take_urgent("frame") is None
    box.put_latest("frame", lambda: said.append("frame"))
    first, second = box.take_urgent("frame"), box.take_urgent()
    assert first is not None and second is not None and box.take_urgent() is None
    first()
    second()
    assert said == ["frame", "strip"]


def test_that_duties_outlive_what_is_forgotten_and_the_end() -> None:
    box, said = Mailbox(("frame",)), []
    box.put(lambda: said.append("job"))
    box.put_duty(lambda: said.append("duty"))
    box.forget()
    box.put(lambda: said.append("opening"))
    act = box.take()
    assert act is not None
    act()
    assert said == ["duty"]
    box.put_duty(lambda: said.append("last"))
    box.close()
    while (act := box.take()) is not None:
        act()
    assert said == ["duty", "last"]
