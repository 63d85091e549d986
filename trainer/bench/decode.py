"""How fast the studio's CPU engine decodes one code, against the published network in eager torch."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainer import checkpoint, modelfile
from trainer.bench.baseline import Baseline
from trainer.bench.figures import Figure, alone, paired, percentile
from trainer.card import ModelCard
from trainer.config import ModelConfig
from trainer.models import IntroVAC, recalibrate

THREADS, CODES = 2, 32
BURST = 20  # decodes in a row: threads of either engine spin for a while after its last one


def measure() -> list[Figure]:
    """One code at the paper's widths; two threads each; random weights, statistics of random images."""
    if importlib.util.find_spec("openvino") is None:
        return [Figure("decode one code", float("nan"), "ms", note="OpenVINO is not installed here")]
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        return _measure()
    finally:
        torch.set_num_threads(threads)


def _measure() -> list[Figure]:
    from trainer.codec.openvino_engine import OpenVINOEngine

    model = _model()
    theirs = Baseline(model).eval().decoder
    engine = OpenVINOEngine(_file(model), THREADS)
    codes = np.random.default_rng(0).standard_normal((CODES, model.config.latent_dim)).astype(np.float32)
    one = codes[:1]

    def eager(z: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            picture: NDArray[np.float32] = theirs(torch.from_numpy(z)).numpy()
        return picture

    times = alone(lambda: engine.decode(one), rounds=200, warmup=20)
    pair = paired(
        lambda: [engine.decode(one) for _ in range(BURST)],
        lambda: [eager(one) for _ in range(BURST)],
        rounds=5,
        warmup=1,
    )
    wanted = np.rint(255 * eager(codes)).transpose(0, 2, 3, 1)
    apart = np.abs(engine.decode(codes) - wanted)
    size, note = model.config.image_size, f"{engine.name}, {THREADS} threads"
    return [
        Figure(
            f"decode one code, {size} px, p95", 1e3 * percentile(times, 0.95), "ms", wanted="8 ms", note=note
        ),
        Figure(
            f"decode one code, {size} px",
            1e3 * pair.ours / BURST,
            "ms",
            1e3 * pair.theirs / BURST,
            "the published decoder in eager fp32 torch",
            pair.ratio,
            "3x",
            f"bursts of {BURST}",
        ),
        Figure(
            f"largest difference of a pixel, {CODES} codes",
            float(apart.max()),
            "levels",
            wanted="at most 2",
            note=f"of 255; {100 * float((apart > 2).mean()):.2g} % of the values differ by more than two",
        ),
    ]


def _model() -> IntroVAC:
    """The paper's network as a run begins with it, with the statistics that images would give it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = IntroVAC(ModelConfig(attributes=("Eyeglasses", "FacialHair")))
        recalibrate(model, [torch.rand(8, 3, 128, 128)])
    return model


def _file(model: IntroVAC) -> modelfile.ModelFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        checkpoint.save_model(path, model, ModelCard())
        return modelfile.load(path)
