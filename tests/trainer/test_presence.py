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
from trainer.presence import Presence, alive, ask, attended
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
        assert sign is not None and sign.here and alive(sign)
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
    ask(tmp_path, "save")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", busy)
        presence.heed(tmp_path, control)
    assert not control.take_snapshot()
    presence.heed(tmp_path, control)
    presence.heed(tmp_path, control)
    assert control.take_snapshot() and not control.take_snapshot()


@pytest.mark.parametrize(("host", "age", "lives"), [("elsewhere", 5, True), ("elsewhere", 500, False)])
def test_that_a_distant_run_lives_by_the_age_of_its_sign(host: str, age: float, lives: bool) -> None:
    assert alive(Presence(host, 1, 0.0, 3, time.time() - age)) is lives


def test_that_a_process_number_used_again_is_no_sign_of_life(tmp_path: Path) -> None:
    with attended(tmp_path, Control()):
        sign = None
        while sign is None:
            sign = presence.presence(tmp_path)
    assert alive(sign)
    assert not alive(Presence(sign.host, sign.pid, sign.since - 1000, 0, time.time()))
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
