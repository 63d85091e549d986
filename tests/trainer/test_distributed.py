"""Two real processes under torchrun, talking through gloo on the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import safetensors.torch
import torch

from tests.conftest import TINY_ARGUMENTS
from trainer import checkpoint, events
from trainer.config import TrainConfig, with_settings
from trainer.data.cache import open_data
from trainer.data.select import Selection, select
from trainer.distributed import Group, Place, place
from trainer.errors import ConfigError
from trainer.loop import Trainer
from trainer.run_files import STATE_FILE, read_events

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or sys.platform == "win32",
    reason="torchrun needs a torch with gloo and, for these tests, POSIX signals",
)


@pytest.fixture(scope="module")
def images(cache_root: Path) -> Selection:
    return select(open_data("avatars:96", 32, "none", workers=1), ("Eyeglasses", "FacialHair"))


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def test_that_two_processes_end_identical_and_equal_to_one(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path
) -> None:
    """In float64 with a norm that does not depend on the batch, warm-up and game, at one global batch."""
    values = {"precision": "fp64", "norm": "group", "epochs": 2, "log_every": 4, "tensorboard": True}
    config = with_settings(tiny_config, values)
    assert config.game.mirror_share and config.game.read_draws
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"config": config.to_dict(), "run": str(tmp_path / "two")}), "utf-8")
    worker = Path(__file__).with_name("ranks.py")
    done = subprocess.run(
        [*TORCHRUN, str(worker), str(told)], env=environment(), capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr[-2000:]
    alone = Trainer(config, images, tmp_path / "one")
    said = list(alone.train())
    first, second = (
        safetensors.torch.load_file(tmp_path / "two" / f"rank-{rank}.safetensors") for rank in (0, 1)
    )
    expected = dict(alone.model.named_parameters())
    assert first.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.equal(first[name], second[name])
        assert float((first[name] - weight.detach()).abs().max()) <= 1e-5
    assert first["decoder.predict.bias"].dtype == torch.float64
    assert len(list((tmp_path / "two/tensorboard").iterdir())) == 1  # process 0 alone writes
    # What is told is the mean over processes: the whole batch's losses.
    theirs = [
        e.losses for e in read_events(tmp_path / "two/events.jsonl") if isinstance(e, events.StepLosses)
    ]
    ours = [e.losses for e in said if isinstance(e, events.StepLosses)]
    assert [set(a) for a in theirs] == [set(b) for b in ours]
    for a, b in zip(theirs, ours, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_that_a_killed_process_ends_the_run_which_can_be_resumed(cache_root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train", "--preset", "quick", "--data", "avatars:96", "--run", str(run), *TINY_ARGUMENTS]
    train = [*command, "--set", "epochs=5000", "--set", "keep_every=1", "--set", "keep_count=1"]
    with subprocess.Popen(
        [*TORCHRUN, "-m", "--", "trainer", *train, "--events"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as torchrun:
        said = []
        for line in torchrun.stdout:
            said.append(events.from_line(line))
            if isinstance(said[-1], events.CheckpointSaved) and said[-1].kind == "last":
                victims = psutil.Process(torchrun.pid).children(recursive=True)
                (victim,) = (
                    p for p in victims if p.environ().get("RANK") == "1" and "trainer" in p.cmdline()
                )
                os.kill(victim.pid, signal.SIGKILL)
        assert torchrun.wait(timeout=60) != 0
    (started,) = (event for event in said if isinstance(event, events.RunStarted))
    assert started.device.startswith("2 x ")
    failed = said[-1]
    assert isinstance(failed, events.Failed) and "--resume" in failed.text
    assert list(read_events(run / "events.jsonl"))[-1].text == failed.text
    step = checkpoint.read_header(run / STATE_FILE)["progress"]["step"]
    assert step >= 9

    again = [sys.executable, "-m", "trainer", "train", "--resume", "--run", str(run)]
    done = subprocess.run(
        [*again, "--max-steps", str(step + 3)], env=environment(), capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert checkpoint.read_header(run / STATE_FILE)["progress"]["step"] == step + 3


def test_that_a_batch_that_cannot_be_shared_is_refused(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"batch_size = 8: 3 processes"):
        Trainer(tiny_config, images, tmp_path, group=Group(Place(0, 3, 0)))


def test_that_joint_normalisation_is_refused_where_it_does_not_exist(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path
) -> None:
    config = with_settings(tiny_config, {"sync_norm": True})
    with pytest.raises(ConfigError, match="needs CUDA"):
        Trainer(config, images, tmp_path, group=Group(Place(0, 2, 0)))
    Trainer(config, images, tmp_path)  # alone there is nothing to join


def test_that_a_senseless_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place() == Place()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(ConfigError, match="torchrun"):
        place()
    monkeypatch.setenv("RANK", "one")
    with pytest.raises(ConfigError, match="RANK = 'one'"):
        place()
