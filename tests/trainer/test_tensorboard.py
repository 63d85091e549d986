"""TensorBoard files: what its own reader finds in them, live, after a resume, and when the disk gives out."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer import cli, events
from trainer.config import TrainConfig, with_settings
from trainer.control import Control
from trainer.data.cache import open_data
from trainer.data.select import Selection, select
from trainer.errors import ConfigError, DataError
from trainer.loop import Trainer
from trainer.run_files import lasting, read_events
from trainer.tensorboard import Board, convert


@pytest.fixture
def images(cache_root: Path) -> Selection:
    return select(open_data("avatars:96", 32, "none", workers=1), ("Eyeglasses", "FacialHair"))


def shown(run: Path) -> EventAccumulator:
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    return EventAccumulator(str(run / "tensorboard"), size_guidance=everything).Reload()


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    board = shown(run)
    return {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in board.Tags()["scalars"]}


def said_curves(said: list[events.Event]) -> dict[str, list[tuple[int, float]]]:
    """The same of the events themselves."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in said:
        rows: dict[str, float] = {}
        if isinstance(event, events.StepLosses):
            rows = {f"losses/{name}": value for name, value in event.losses.items()}
            rows["progress/learning_rate"] = event.learning_rate
            rows["progress/images_per_second"] = event.images_per_second
            rows["progress/memory_bytes"] = event.memory_bytes
        elif isinstance(event, events.Validated):
            rows = {f"validation/{name}": value for name, value in event.figures.items()}
        for tag, value in rows.items():
            found.setdefault(tag, []).append((event.step, pytest.approx(value, rel=1e-6)))
    return found


def texts(run: Path, tag: str) -> list[tuple[int, str]]:
    return [(e.step, e.tensor_proto.string_val[0].decode()) for e in shown(run).Tensors(tag)]


def test_that_a_run_that_is_cut_and_resumed_has_one_set_of_curves(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path
) -> None:
    """The first process is gone at step 15 without a word, and the resume file is that of step 9."""
    config = with_settings(tiny_config, {"tensorboard": True, "derive": ("Any=Eyeglasses|FacialHair",)})
    for event in (first := Trainer(config, images, tmp_path).train()):
        if isinstance(event, events.StepLosses) and event.step == 15:
            break
    first.close()
    assert curves(tmp_path)["losses/vac"][-1][0] == 15  # what was said is there at once
    again = list(Trainer(config, images, tmp_path, resume=True).train())
    assert next(e.step for e in again if isinstance(e, events.Resumed)) == 9

    whole = lasting(read_events(tmp_path / "events.jsonl"))
    assert curves(tmp_path) == said_curves(whole)
    assert [step for step, _ in curves(tmp_path)["losses/vac"]] == list(range(1, 28))
    for sample, event in zip(
        shown(tmp_path).Images("samples"),
        [e for e in whole if isinstance(e, events.SamplesWritten)],
        strict=True,
    ):
        with Image.open(io.BytesIO(sample.encoded_image_string)) as picture:
            assert (sample.step, sample.width, sample.height) == (event.step, *picture.size)
    settings = texts(tmp_path, "settings")[0][1]
    assert "| optim.batch_size | 8 |" in settings and "Eyeglasses\\|FacialHair" in settings
    assert texts(tmp_path, "alerts/finished") == [(27, "training is complete after 27 steps")]

    live = curves(tmp_path)
    assert cli.main(["tensorboard", "--run", str(tmp_path)]) == 0
    assert curves(tmp_path) == live and len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_that_a_run_resumed_with_it_has_its_whole_past(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path
) -> None:
    control = Control()
    for event in Trainer(tiny_config, images, tmp_path, control).train():
        if isinstance(event, events.StepLosses) and event.step == 4:
            control.stop()
    assert not (tmp_path / "tensorboard").exists()
    config = with_settings(tiny_config, {"tensorboard": True, "max_steps": 6})
    list(Trainer(config, images, tmp_path, resume=True).train())
    assert curves(tmp_path) == said_curves(list(read_events(tmp_path / "events.jsonl")))


def test_that_what_was_said_while_it_was_off_is_written_when_it_is_on_again(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path
) -> None:
    for on, end in ((True, 3), (False, 5), (True, 8), (False, 9), (True, 10)):
        config = with_settings(tiny_config, {"tensorboard": on, "max_steps": end})
        list(Trainer(config, images, tmp_path, resume=end > 3).train())
    assert curves(tmp_path) == said_curves(lasting(read_events(tmp_path / "events.jsonl")))
    assert [step for step, _ in curves(tmp_path)["losses/vac"]] == list(range(1, 11))


def test_that_a_new_run_in_the_same_place_starts_new_curves(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").mkdir()
    other = tmp_path / "tensorboard/events.out.tfevents.1.elsewhere"
    other.write_bytes(b"")  # not ours: stays
    for step in (3, 1):
        board = Board(tmp_path, None)
        assert board.see(events.Validated(step=step, figures={"l1": 0.5})) == []
        board.close()
    assert curves(tmp_path) == {"validation/l1": [(1, 0.5)]} and other.exists()


def test_that_no_file_outside_of_a_run_is_copied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a run that someone else has written, events included."""
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "secret").write_bytes(b"a secret, long enough for a width and a height")
    board = Board(run, None)
    for path in ("../secret", str(tmp_path / "secret")):
        assert board.see(events.SamplesWritten(step=1, path=path, rows=(), columns=1, cell=8)) == []
    board.close()
    assert shown(run).Tags()["images"] == [] and "no file of the run" in caplog.text


def test_that_an_old_file_that_is_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use")

    Board(tmp_path, None).close()
    monkeypatch.setattr(Path, "unlink", busy)
    with pytest.raises(DataError, match=r"introvac: cannot be removed \(in use\); close TensorBoard"):
        Board(tmp_path, None)


class Full(io.BytesIO):
    """A disk on which there is no more room."""

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_that_a_disk_that_gives_out_ends_the_files_and_not_the_run(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see = Board.see

    def failing(board: Board, event: events.Event) -> list[events.Event]:
        if isinstance(event, events.StepLosses) and event.step == 3 and board._file is not None:
            board._file.close()
            board._file = Full()
        return see(board, event)

    monkeypatch.setattr(Board, "see", failing)
    config = with_settings(tiny_config, {"tensorboard": True, "max_steps": 6})
    said = list(Trainer(config, images, tmp_path).train())
    (notice,) = (e for e in said if isinstance(e, events.Notice))
    assert notice.level == "warning" and "No space left" in notice.text and notice.step == 3
    assert isinstance(said[-1], events.Finished) and said[-1].reason == "completed"
    assert list(read_events(tmp_path / "events.jsonl")) == said
    assert [step for step, _ in curves(tmp_path)["losses/vac"]] == [1, 2]
    convert(tmp_path)  # and what was missed can be had afterwards
    assert [step for step, _ in curves(tmp_path)["losses/vac"]] == [1, 2, 3, 4, 5, 6]


def test_that_want_of_the_package_is_told_before_anything_is_done(
    tiny_config: TrainConfig,
    images: Selection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = importlib.util.find_spec

    def absent(name: str, package: str | None = None) -> object:
        return None if name == "tensorboard" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(ConfigError, match=r"introvac-studio\[tensorboard\]"):
        Trainer(with_settings(tiny_config, {"tensorboard": True}), images, tmp_path)
    run = tmp_path / "run"
    words = "train --preset quick --data avatars:96 --attributes Eyeglasses --set tensorboard=true"
    assert cli.main([*words.split(), "--run", str(run)]) == 2
    assert "introvac-studio[tensorboard]" in capsys.readouterr().err and not run.exists()


def test_that_only_runs_are_converted_and_none_in_training(
    tiny_config: TrainConfig, images: Selection, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"events\.jsonl"):
        convert(tmp_path)
    run = Trainer(tiny_config, images, tmp_path).train()
    next(run)
    with pytest.raises(ConfigError, match="another process is training"):
        convert(tmp_path)
    run.close()
    (tmp_path / "tensorboard").write_bytes(b"")
    with pytest.raises(DataError, match="tensorboard"):
        convert(tmp_path)
