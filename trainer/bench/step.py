"""How fast an adversarial step is, against the authors' algorithm on the same threads and inputs.

Each side has a process of its own, with the memory settings that it would have in a run; they step in turn.
"""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch
from torch import Tensor

from trainer import device
from trainer.bench.baseline import Baseline
from trainer.bench.figures import Figure, timed
from trainer.config import ModelConfig, TrainConfig, preset
from trainer.models import IntroVAC
from trainer.steps import Optimisers, introvac_step

BATCH, THREADS, ROUNDS = 16, 2, 7


def inputs(config: ModelConfig, rows: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images as the data path gives them, labels, noise and prior draws."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (rows, config.image_size, config.image_size, 3), generator=generator)
    x = pixels.byte().permute(0, 3, 1, 2).float().div_(255)
    labels = torch.randint(0, 2, (rows, len(config.attributes)), generator=generator).float()
    noise, z_g = torch.randn(2, rows, config.latent_dim, generator=generator)
    return x, labels, noise, z_g


def adam(model: IntroVAC, rate: float) -> Optimisers:
    """The optimisers of a run."""
    learners = [*model.encoder.parameters(), *model.classifier.parameters()]
    return Optimisers(
        torch.optim.Adam(learners, lr=rate, fused=True),
        torch.optim.Adam(model.decoder.parameters(), lr=rate, fused=True),
    )


def _side(theirs: bool, config: TrainConfig, pipe: Connection) -> None:
    """A process that steps when asked and answers with the seconds it took."""
    if not theirs:
        device.keep_memory()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    model = IntroVAC(config.model).train()
    rate, loss = config.optim.learning_rate, config.loss
    x, labels, noise, z_g = inputs(config.model, BATCH)
    baseline, plain = Baseline(model, rate).train(), x.contiguous()
    optimisers = adam(model, rate)
    precision = device.precision(torch.device("cpu"), config.loop.precision)
    game = config.game

    def step() -> None:
        if theirs:
            baseline.step(plain, labels, noise, z_g, loss)
        else:
            introvac_step(model, optimisers, x, labels, noise, z_g, loss, precision, game)

    while pipe.recv():
        pipe.send(timed(step))


@contextmanager
def _sides(config: TrainConfig) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for theirs in (False, True):
        here, there = context.Pipe()
        process = context.Process(target=_side, args=(theirs, config, there), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)
    try:
        yield pipes
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(False)
            process.join()


def _against_baseline(what: str, config: TrainConfig, wanted: str) -> Figure:
    def both() -> tuple[float, float]:
        answers = []
        for pipe in pipes:
            pipe.send(True)
            answers.append(float(pipe.recv()))
        return answers[0], answers[1]

    with _sides(config) as pipes:
        for _ in range(2):
            both()
        times = [both() for _ in range(ROUNDS)]
    return Figure(
        what,
        BATCH / statistics.median(ours for ours, _ in times),
        "images/s",
        BATCH / statistics.median(theirs for _, theirs in times),
        "the authors' algorithm in fp32",
        statistics.median(theirs / ours for ours, theirs in times),
        wanted,
        f"batch {BATCH}, {THREADS} threads",
    )


def measure() -> list[Figure]:
    """The adversarial step at 128 px and at `quick`'s size, in bf16 where the CPU is fast at it, and fp32."""
    fixed = {"attributes": ("Eyeglasses", "FacialHair")}
    paper = preset("introvac", **fixed, precision="fp32")
    figures = [_against_baseline("adversarial step, 128 px, fp32", paper, "1.8x")]
    if device.precision(torch.device("cpu")).dtype == torch.bfloat16:
        paper, quick = (preset(name, **fixed, precision="bf16") for name in ("introvac", "quick"))
        figures += [
            _against_baseline("adversarial step, 128 px, bf16", paper, "3.5x"),
            _against_baseline("adversarial step, 64 px quick, bf16", quick, "2.5x"),
        ]
    return figures
