"""ONNX files: what they compute, what they say of themselves, and that a wrong one is never written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trainer import events, export_onnx, modelfile
from trainer.cli import main
from trainer.errors import Cancelled, ConfigError, DataError

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """The folder that the command wrote, and the lines on its two streams."""
    out = tmp_path_factory.mktemp("onnx") / "new"
    with pytest.MonkeyPatch.context() as patch:
        said: list[events.Event] = []
        patch.setattr(events, "say", said.append)
        arguments = ["export", "--to", "onnx", "--model", str(tiny_model), "--events", "--out", str(out)]
        patch.setattr("sys.stdin", _Waiting())
        assert main(arguments) == 0
    return out, [type(e).__name__ for e in said], next(e.text for e in said if isinstance(e, events.Notice))


class _Waiting:
    """A stdin on which nothing is ever said while the command runs."""

    def __init__(self) -> None:
        import threading

        self._never = threading.Event()

    def __iter__(self):
        return self

    def __next__(self) -> str:
        self._never.wait()
        raise StopIteration


def sessions(folder: Path):
    return [onnxruntime.InferenceSession(str(folder / name)) for name in export_onnx.NAMES]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_that_the_files_compute_what_the_model_computes(exported, tiny_model: Path, count: int) -> None:
    import torch

    from trainer import checkpoint

    model = checkpoint.load(tiny_model).model
    encoder, decoder = sessions(exported[0])
    x = np.random.default_rng(count).random((count, 3, 32, 32), dtype=np.float32)
    with torch.inference_mode():
        mu, logvar = model.encoder(torch.from_numpy(x))
        pictures = model.decoder(mu).numpy()
    got = encoder.run(["mu", "logvar"], {"images": x})
    assert np.allclose(got[0], mu, atol=1e-5) and np.allclose(got[1], logvar, atol=1e-5)
    assert np.allclose(decoder.run(["images"], {"codes": mu.numpy()})[0], pictures, atol=1e-5)


def test_that_the_files_say_what_another_program_must_know(exported, tiny_model: Path) -> None:
    file = modelfile.load(tiny_model)
    for name in export_onnx.NAMES:
        note = export_onnx.read_note(exported[0] / name)
        assert note["model"] == file.digest and note["size"] == 32 and note["dim"] == 8
        assert note["attributes"] == ["Eyeglasses", "FacialHair"] and note["logits"][-1] == "fake"
        assert np.allclose(note["w"], file.planes.w) and np.allclose(note["b"], file.planes.b)
        assert note["crop"] == "none" and note["opset"] == 18 and "255" in note["normalisation"]
        body = (exported[0] / name).read_bytes()
        assert b".py" not in body  # no trace of the machine that exported it


def test_that_the_command_tells_its_steps_and_the_largest_difference(exported) -> None:
    out, kinds, told = exported
    assert kinds[:-2] == ["Progress"] * 5 and kinds[-2:] == ["Notice", "Finished"]
    assert "batches of 1 and 3" in told and "codes differ by at most" in told
    assert sorted(p.name for p in out.iterdir()) == sorted(export_onnx.NAMES)


def test_that_a_file_that_computes_something_else_is_not_written(
    exported,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bodies = iter([(exported[0] / name).read_bytes() for name in export_onnx.NAMES])
    monkeypatch.setattr(export_onnx, "_proto", lambda *_: next(bodies))
    real = onnxruntime.InferenceSession.run
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "run", lambda *a: [v + np.float32(1e-3) for v in real(*a)]
    )
    out = tmp_path / "out"
    assert main(["export", "--to", "onnx", "--model", str(tiny_model), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert (
        "the encoder's ONNX file differs from the model by 1.0e-03" in said and "nothing was written" in said
    )
    assert not list(out.iterdir())


def test_that_it_can_be_stopped_between_steps(tiny_model: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    with pytest.raises(Cancelled):
        export_onnx.export(
            tiny_model, tmp_path, None, lambda what, *_: asked.append(what), lambda: len(asked) == 1
        )
    assert asked == ["encoder to ONNX"] and not list(tmp_path.iterdir())


def test_that_one_file_that_cannot_be_written_leaves_neither(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_onnx, "_proto", lambda *_: b"a graph")
    monkeypatch.setattr(export_onnx, "_difference", lambda *_: 0.0)
    (tmp_path / "decoder.onnx").mkdir()
    with pytest.raises(DataError, match=r"decoder\.onnx: cannot be written"):
        export_onnx.export(tiny_model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["decoder.onnx"]


def test_that_a_missing_package_and_flags_that_do_not_go_together_are_said(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", "--to", "onnx", "--model", str(tiny_model), "--out", str(tmp_path / "out")]
    assert main([*command, "--deltas", "Eyeglasses=3"]) == 2
    assert "--to half" in capsys.readouterr().err
    for kind in ("onnx", "half", "directions"):  # the last one counts
        assert main([*command, "--to", kind, "--digest", "0" * 64]) == 2
        assert "holds other weights by now" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(export_onnx, "PACKAGES", ("numpy", "no_such_package"))
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "no_such_package" in said and "numpy" not in said and "introvac-studio[onnx]" in said


@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (3, 16, 16, 3), (3, 32, 32)])
def test_that_too_few_faces_or_others_are_refused(
    tiny_model: Path, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigError, match="at least 3 faces of 32 px"):
        export_onnx.export(tiny_model, tmp_path / "out", np.zeros(shape, np.uint8))
    assert not (tmp_path / "out").exists()


def test_that_what_is_no_file_of_ours_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(json.dumps({}).encode())
    with pytest.raises(export_onnx.ModelError, match=r"x\.onnx: no ONNX file of this project"):
        export_onnx.read_note(tmp_path / "x.onnx")
