"""Encoder and decoder as ONNX files for other programs, checked against the model before they are written.

The graphs take any number of pictures at once. They hold what `trainer.models` says, layer by layer, with
BatchNorm folded into the convolutions; the CPU's rearrangements of the same sums are left out, since
whatever runs the file has its own. Needs the extra `onnx`.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer import events, files, modelfile
from trainer.child_command import Pace, heeding
from trainer.data import avatars
from trainer.errors import Cancelled, ConfigError, ModelError
from trainer.modelfile import ModelFile

if TYPE_CHECKING:
    import torch
    from torch import nn

log = logging.getLogger("trainer")

OPSET = 18
EXTRA = "pip install 'introvac-studio[onnx]'"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # of pixels in [0, 1]; of mu and log sigma^2 times their largest size where that is above 1
BATCHES = (1, 3)  # at which the files are checked
KEY = "introvac"  # of the JSON in a file's metadata
NAMES = ("encoder.onnx", "decoder.onnx")

Progress = Callable[[str, int, int], None]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        paths: `encoder.onnx` and `decoder.onnx`.
        codes: the largest difference of mu and log sigma^2 between file and model, at any batch size.
        pixels: that of pixels in [0, 1].
    """

    paths: tuple[Path, Path]
    codes: float
    pixels: float

    def __str__(self) -> str:
        return (
            f"checked with onnxruntime at batches of {BATCHES[0]} and {BATCHES[1]}: codes differ by at most "
            f"{self.codes:.1e}, pixels in [0, 1] by {self.pixels:.1e} (allowed: {TOLERANCE:g})"
        )


def missing() -> tuple[str, ...]:
    """Packages of the extra `onnx` that are not installed; imports none."""
    return tuple(name for name in PACKAGES if importlib.util.find_spec(name) is None)


def export(
    path: str | Path,
    out: Path,
    images: NDArray[np.uint8] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    digest: str = "",
) -> Exported:
    """Write `encoder.onnx` and `decoder.onnx` of a model file into a folder: both, or none.

    The encoder takes `images` (N, 3, S, S) float32 in [0, 1] and gives `mu` and `logvar` (N, d), the decoder
    takes `codes` (N, d) and gives `images`. Each carries JSON under "introvac": attributes, hyperplanes,
    size, crop and how pictures are to be prepared.

    Args:
        path: the model file.
        out: made if it is not there.
        images: (N, S, S, 3) faces to check on, at least three; drawn ones unless given.
        progress: told what is being done, and how many of all steps are.
        cancelled: asked between steps.
        digest: of the weights that are meant; a run may have replaced them since. Empty takes any.

    Raises:
        ConfigError: the extra is not installed, or `images` are too few or of another shape.
        CheckpointError: no such model.
        ModelError: other weights, or a file does not compute what the model computes; nothing is written.
        Cancelled: `cancelled` said so; nothing is written.
        DataError, RunError: `out` cannot be written.
    """
    if lacking := missing():
        raise ConfigError(f"ONNX needs {', '.join(lacking)}, which the extra onnx brings: {EXTRA}")
    file = modelfile.load(path)
    if digest not in ("", file.digest):
        raise ModelError(f"{path}: holds other weights by now; open it again")
    side, least = file.config.image_size, max(BATCHES)
    if images is not None and (images.shape[1:] != (side, side, 3) or len(images) < least):
        raise ConfigError(
            f"images: shape {images.shape}; at least {least} faces of {side} px are needed, as "
            f"(N, {side}, {side}, 3)"
        )
    files.make_directory(out)
    steps = iter(range(4))

    def tell(what: str) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled
        if progress is not None:
            progress(what, next(steps), 4)

    import torch

    from trainer import checkpoint

    model = checkpoint.build(file)
    faces = _faces(file.config.image_size) if images is None else images[: max(BATCHES)]
    x = np.ascontiguousarray(faces.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)
    with torch.inference_mode():
        mu, logvar = (t.numpy() for t in model.encoder(torch.from_numpy(x)))
        drawn = np.random.default_rng(0).standard_normal(mu.shape).astype(np.float32)
        z = np.concatenate([mu, drawn])
        pictures = model.decoder(torch.from_numpy(z)).numpy()
    tell("encoder to ONNX")
    encoder = _proto(_encoder(model), torch.from_numpy(x[:2]), "images", ("mu", "logvar"), _note(file))
    tell("checking the encoder")
    codes = _difference(encoder, "images", x, (mu, logvar))
    tell("decoder to ONNX")
    decoder = _proto(_decoder(model), torch.from_numpy(z[:2].copy()), "codes", ("images",), _note(file))
    tell("checking the decoder")
    pixels = _difference(decoder, "codes", z, (pictures,))
    _judge("encoder", codes, max(1.0, float(np.abs(mu).max()), float(np.abs(logvar).max())))
    _judge("decoder", pixels, 1.0)
    if cancelled is not None and cancelled():
        raise Cancelled
    paths = out / NAMES[0], out / NAMES[1]
    with files.atomic_file(paths[0]) as first, files.atomic_file(paths[1]) as second:
        first.write(encoder)
        second.write(decoder)
    if progress is not None:
        progress("written", 4, 4)
    return Exported(paths, codes, pixels)


def _faces(size: int) -> NDArray[np.uint8]:
    """Drawn faces, one for each of the largest batch."""
    return np.stack([avatars.draw(avatars.options_for(1, i), size) for i in range(max(BATCHES))])


def _note(file: ModelFile) -> dict[str, str]:
    """What another program has to know, as a file's metadata."""
    planes, config = file.planes, file.config
    body = {
        "model": file.digest,
        "name": file.card.name,
        "attributes": list(config.attributes),
        "logits": list(planes.names),
        "w": planes.w.tolist(),
        "b": planes.b.tolist(),
        "size": config.image_size,
        "dim": config.latent_dim,
        "crop": config.crop,
        "normalisation": "RGB, channels first, pixels / 255",
        "opset": OPSET,
    }
    return {KEY: json.dumps(body, ensure_ascii=False, allow_nan=False)}


def read_note(path: Path) -> dict[str, Any]:
    """What an exported file says of itself, see `export`.

    Raises:
        ConfigError: the extra is not installed.
        ModelError: no ONNX file, or none of this project.
    """
    if "onnx" in missing():
        raise ConfigError(f"{path}: reading ONNX needs the extra onnx: {EXTRA}")
    import onnx

    try:
        properties = {p.key: p.value for p in onnx.load(str(path)).metadata_props}
        note: dict[str, Any] = json.loads(properties[KEY])
    except Exception as error:  # protobuf's own, which it does not export
        raise ModelError(f"{path}: no ONNX file of this project ({error}); export it again") from error
    return note


# -- graphs --------------------------------------------------------------------------------------


def _plain(block: Any) -> nn.Module:
    """A residual block as the paper draws it, with the resampling beside it."""
    import torch.nn.functional as F
    from torch import nn

    from trainer.models import LEAK

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = block

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            b = self.block
            h = F.leaky_relu(b.norm1(b.conv1(x)), LEAK)
            return F.leaky_relu(b.norm2(b.conv2(h)), LEAK) + b.expand(x)

    return Plain()


def _body(layers: Any) -> nn.Module:
    from torch import nn

    from trainer.models import ResidualBlock

    return nn.Sequential(*(_plain(part) if isinstance(part, ResidualBlock) else part for part in layers))


def _encoder(model: Any) -> nn.Module:
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.fc = _body(model.encoder.body), model.encoder.fc

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(self.fc(self.body(images).flatten(1)).chunk(2, dim=1))

    return Encoder().eval()


def _decoder(model: Any) -> nn.Module:
    import torch
    from torch import nn

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            decoder = model.decoder
            self.fc, self.body, self.predict = decoder.fc, _body(decoder.body), decoder.predict
            self.width = decoder.width

        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            h = self.fc(codes).reshape(-1, self.width, 4, 4)
            return torch.sigmoid(self.predict(self.body(h)))

    return Decoder().eval()


def _proto(
    network: nn.Module, example: torch.Tensor, given: str, made: tuple[str, ...], note: dict[str, str]
) -> bytes:
    """The network as the bytes of an ONNX file, for any number of rows."""
    import torch

    with warnings.catch_warnings(), _hushed("onnxscript", "onnx_ir", "torch.onnx"):
        warnings.simplefilter("ignore")  # the exporter's remarks on itself
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[given],
            output_names=list(made),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del part.metadata_props[:]  # the exporter's notes: source files of the machine that it ran on
        part.doc_string = ""
    del proto.graph.metadata_props[:]
    for tensor in proto.graph.initializer:
        del tensor.metadata_props[:]
    del proto.metadata_props[:]
    proto.producer_name = "IntroVAC Studio"
    for key, value in note.items():
        proto.metadata_props.add(key=key, value=value)
    return bytes(proto.SerializeToString())


@contextmanager
def _hushed(*names: str) -> Iterator[None]:
    """Let these loggers say what is wrong and nothing else."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


# -- the check -----------------------------------------------------------------------------------


def _difference(body: bytes, given: str, rows: Floats32, expected: tuple[Floats32, ...]) -> float:
    """The largest difference between what a file computes and what the model did, at every batch size."""
    import onnxruntime

    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    largest = 0.0
    for count in BATCHES:
        for start in range(0, len(rows) - count + 1, count):
            part = slice(start, start + count)
            for value, wanted in zip(session.run(None, {given: rows[part]}), expected, strict=True):
                if value.shape != wanted[part].shape:
                    raise ModelError(
                        f"ONNX gives shape {value.shape} where the model gives {wanted[part].shape}"
                    )
                largest = max(largest, float(np.abs(value - wanted[part]).max()))
    return largest


def _judge(what: str, difference: float, scale: float) -> None:
    if not difference <= TOLERANCE * scale:  # NaN is no small difference
        raise ModelError(
            f"the {what}'s ONNX file differs from the model by {difference:.1e}, more than "
            f"{TOLERANCE * scale:.1e}; nothing was written. Update onnxscript and onnxruntime, and report it"
        )


# -- the command ---------------------------------------------------------------------------------


def run(args: Namespace) -> None:
    """`export --to onnx`; with `--events` as a child of the studio."""
    with heeding(args.events) as stopping, _told(args.events) as tell:
        made = export(args.model, Path(args.out), progress=tell, cancelled=stopping, digest=args.digest)
    log.info("%s", made)
    for path in made.paths:
        log.info("%s", path)
    if args.events:
        events.say(events.Notice(level="info", text=str(made)))
        events.say(events.Finished(reason="completed", model=str(made.paths[1])))


@contextmanager
def _told(lines: bool) -> Iterator[Progress]:
    """Progress as events on stdout, or as a bar."""
    if lines:
        yield Pace().tell
        return
    from trainer.commands import progress_bar

    with progress_bar("exporting", "step") as update:
        yield lambda what, done, total: update(done, total)
