"""Signs of life, and orders by a file."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from trainer import events, presence
from trainer.config import TrainConfig
from trainer.control import Control
from trainer.data.cache import open_data
from trainer.data.select import Selection, select
from trainer.errors import ConfigError
from trainer.loop import Trainer
from trainer.presence import SILENCE, STALE, Vigil, ask, attended
from trainer.run_files import ALIVE_FILE, CONTROL_FILE

LONG = 60


@pytest.fixture(scope="module")
def images(cache_root: Path) -> Selection:
    return select(open_data("avatars:96", 32, "none", workers=1), ("Eyeglasses", "FacialHair"))


def test_that_an_attended_run_is_alive_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_LOOK", 0.01)
    control, paused = Control(), threading.Event()
    monkeypatch.setattr(control, "pause", paused.set)
    ask(tmp_path, "stop")  # of before
    with attended(tmp_path, control):
        ask(tmp_path, "pause")
        assert paused.wait(LONG)
        sign = presence.presence(tmp_path)
        assert sign is not None and sign.here and Vigil().sign(tmp_path) == sign
    assert not control.stopping
    assert presence.presence(tmp_path) is None and not list(tmp_path.iterdir())


def test_that_nonsense_is_removed_and_changes_nothing(tmp_path: Path) -> None:
    control = Control()
    for text in ('{"do": "dance"}', '{"do": ["stop"]}', "[1]", "\x00\xff", '{"do": ', 4096 * "["):
        (tmp_path / CONTROL_FILE).write_text(text, encoding="utf-8")
        presence.heed(tmp_path, control)
        assert not (tmp_path / CONTROL_FILE).exists()
    assert not control.stopping and not control.paused
    with pytest.raises(ConfigError, match="dance"):
        ask(tmp_path, "dance")


def test_that_an_order_that_cannot_be_removed_yet_is_heeded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use")

    control = Control()
    ask(tmp_path, "snapshot")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", busy)
        presence.heed(tmp_path, control)
    assert not control.take_snapshot()
    presence.heed(tmp_path, control)
    presence.heed(tmp_path, control)
    assert control.take_snapshot() and not control.take_snapshot()


def test_that_the_word_of_older_versions_is_understood_in_files_alone(tmp_path: Path) -> None:
    control = Control()
    (tmp_path / CONTROL_FILE).write_text('{"do": "save"}', encoding="utf-8")
    presence.heed(tmp_path, control)
    assert control.take_snapshot()
    with pytest.raises(ConfigError, match="stop, pause, resume, snapshot"):
        ask(tmp_path, "save")


def give_sign(run: Path, count: int, at: float) -> None:
    """What a run of another host writes, at what its clock says."""
    sign = {"host": "elsewhere", "pid": 1, "since": 0.0, "count": count, "time": at}
    (run / ALIVE_FILE).write_text(json.dumps(sign), encoding="utf-8")


@pytest.mark.parametrize("wrong", [-3600.0, 0.0, 3600.0, -9 * STALE, 9 * STALE])
def test_that_a_distant_run_lives_while_its_signs_go_on_whatever_its_clock_says(
    tmp_path: Path, wrong: float
) -> None:
    now = 0.0
    vigil = Vigil(lambda: now)
    for count in range(4):
        give_sign(tmp_path, count, time.time() + wrong)
        now += SILENCE - 1
        found = vigil.sign(tmp_path)
        # Only the first look at a clock that is days off is mistaken, until the next sign.
        assert (found is None) is (count == 0 and abs(wrong) > STALE)
    now += SILENCE - 1
    assert vigil.sign(tmp_path) is not None
    now += 1
    assert vigil.sign(tmp_path) is None
    give_sign(tmp_path, 9, time.time() + wrong)
    assert vigil.sign(tmp_path) is not None
    (tmp_path / ALIVE_FILE).unlink()
    assert vigil.sign(tmp_path) is None


@pytest.mark.parametrize("wrong", [-3600.0, 0.0, 3600.0])
def test_that_a_distant_run_that_is_gone_is_dead_after_a_silence(tmp_path: Path, wrong: float) -> None:
    """Its last sign may be of this moment, by its clock."""
    now = 0.0
    vigil = Vigil(lambda: now)
    give_sign(tmp_path, 3, time.time() + wrong)
    assert vigil.sign(tmp_path) is not None
    now += SILENCE
    assert vigil.sign(tmp_path) is None


def test_that_a_sign_of_last_week_is_of_the_dead_at_once(tmp_path: Path) -> None:
    give_sign(tmp_path, 3, time.time() - 7 * STALE)
    vigil = Vigil()
    assert vigil.sign(tmp_path) is None and vigil.sign(tmp_path) is None


def test_that_a_process_number_used_again_is_no_sign_of_life(tmp_path: Path) -> None:
    with attended(tmp_path, Control()):
        sign = None
        while sign is None:
            sign = Vigil().sign(tmp_path)
    body = {"host": sign.host, "pid": sign.pid, "since": sign.since, "count": 0, "time": time.time()}
    for since, lives in ((sign.since, True), (sign.since - 1000, False)):
        (tmp_path / ALIVE_FILE).write_text(json.dumps(body | {"since": since}), encoding="utf-8")
        assert (Vigil().sign(tmp_path) is not None) is lives
    endless = '{"host": "a", "pid": 1e999, "since": 1, "count": 1, "time": 1}'
    for text in (json.dumps({"host": 1, "pid": "x"}), endless, 4096 * "["):
        (tmp_path / ALIVE_FILE).write_text(text, encoding="utf-8")
        assert presence.presence(tmp_path) is None


def test_that_a_paused_run_heeds_a_stop_left_in_its_folder(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_LOOK", 0.01)
    said: list[events.Event] = []
    control = Control()
    for event in Trainer(tiny_config, images, tmp_path, control).train():
        said.append(event)
        if isinstance(event, events.StepLosses) and not control.paused:
            control.pause()
        if isinstance(event, events.Paused):
            ask(tmp_path, "stop")
    assert isinstance(said[-1], events.Finished) and said[-1].reason == "stopped"
    assert any(isinstance(e, events.Paused) for e in said)
    assert not (tmp_path / CONTROL_FILE).exists() and not (tmp_path / ALIVE_FILE).exists()
