"""The adversarial step on a CUDA GPU: images/s, share of the roofline, a profile, and the loss curve.

    python bench/cuda.py --json cuda.json
    python bench/cuda.py --device cpu --size 32 --batches 8 --steps 3     # only to see that the script runs

The paper's model by default. Variants: eager, torch.compile of both networks, and the whole step as one CUDA
graph; a variant that fails is reported with its error. The roofline is the speed of a large bfloat16 matrix
product here, not a data sheet's number.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trainer import device as devices
from trainer.bench.step import adam, inputs
from trainer.config import TrainConfig, preset, with_settings
from trainer.models import IntroVAC
from trainer.setup import WIDTHS
from trainer.steps import Optimisers, Precision, introvac_step

Step = Callable[[], Any]


class _Flops(TorchDispatchMode):
    """Floating-point operations of matrix products and convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = function(*args, **(kwargs or {}))
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def _settings(size: int) -> TrainConfig:
    attributes = ("Eyeglasses", "FacialHair")
    return preset("introvac", attributes=attributes, image_size=size, channels=WIDTHS[size])


class Bench:
    """A model, its optimisers and fixed inputs on a device."""

    def __init__(self, config: TrainConfig, where: torch.device, rows: int, capturable: bool = False) -> None:
        torch.manual_seed(0)
        self.config, self.where = config, where
        self.precision = devices.precision(where)
        self.model = IntroVAC(config.model).to(where).train()
        rate = config.optim.learning_rate
        self.optimisers = adam(self.model, rate)
        if capturable:
            learners = [*self.model.encoder.parameters(), *self.model.classifier.parameters()]
            kinds: dict[str, Any] = {"lr": rate, "fused": True, "capturable": True}
            self.optimisers = Optimisers(
                torch.optim.Adam(learners, **kinds),
                torch.optim.Adam(self.model.decoder.parameters(), **kinds),
            )
        self.batch = [t.to(where) for t in inputs(config.model, rows)]

    def step(self) -> Any:
        return introvac_step(
            self.model, self.optimisers, *self.batch, self.config.loss, self.precision,  # type: ignore[call-arg, arg-type]
            self.config.game,
        )  # fmt: skip


def _eager(bench: Bench) -> Step:
    return bench.step


def _compiled(bench: Bench) -> Step:
    bench.model.encoder.compile()
    bench.model.decoder.compile()
    return bench.step


def _graph(bench: Bench) -> Step:
    if bench.where.type != "cuda":
        raise RuntimeError("CUDA graphs need CUDA")
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            bench.step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        bench.step()
    return graph.replay


VARIANTS: dict[str, Callable[[Bench], Step]] = {"eager": _eager, "compile": _compiled, "graph": _graph}


def rate(config: TrainConfig, where: torch.device, rows: int, variant: str, steps: int) -> dict[str, Any]:
    """Images a second of one variant, the median over `steps` bursts of 5 steps."""
    try:
        bench = Bench(config, where, rows, capturable=variant == "graph")
        step = VARIANTS[variant](bench)
        for _ in range(3):
            step()
        _wait(where)
        times = []
        for _ in range(steps):
            start = time.perf_counter()
            for _ in range(5):
                step()
            _wait(where)
            times.append((time.perf_counter() - start) / 5)
        memory = torch.cuda.max_memory_allocated(where) if where.type == "cuda" else 0
        return {"images_per_second": rows / statistics.median(times), "gib": memory / 2**30}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    finally:
        if where.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(where)


def flops_per_image(config: TrainConfig, where: torch.device) -> float:
    bench = Bench(config, where, 4)
    with _Flops() as counted:
        bench.step()
    return counted.total / 4


def roofline(where: torch.device) -> float:
    """bfloat16 operations a second of a large matrix product."""
    side = 8192 if where.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=where, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(10):
        _wait(where)
        start = time.perf_counter()
        a @ b
        _wait(where)
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def profile(config: TrainConfig, where: torch.device, rows: int) -> str:
    """The costliest operations of one eager step."""
    bench = Bench(config, where, rows)
    for _ in range(3):
        bench.step()
    _wait(where)
    with torch.profiler.profile() as seen:
        bench.step()
        _wait(where)
    key = "self_cuda_time_total" if where.type == "cuda" else "self_cpu_time_total"
    return seen.key_averages().table(sort_by=key, row_limit=20, max_name_column_width=60)


def curves(where: torch.device, steps: int) -> dict[str, Any]:
    """VAC loss over a few steps: this device as it trains, the CPU in float32, and the CPU with other noise.

    The last says how far two curves lie apart by chance.
    """
    config = with_settings(_settings(32), {"learning_rate": 1e-3})

    def curve(on: torch.device, precision: Precision, seed: int) -> list[float]:
        bench = Bench(config, on, 16)
        bench.precision = precision
        generator = torch.Generator().manual_seed(seed)
        out = []
        for _ in range(steps):
            noise = torch.randn(2, *bench.batch[2].shape, generator=generator).to(on)
            bench.batch[2:] = list(noise)
            out.append(float(bench.step().losses["vac"]))
        return out

    cpu = torch.device("cpu")
    here = curve(where, devices.precision(where), 0)
    plain, other = curve(cpu, Precision("cpu"), 0), curve(cpu, Precision("cpu"), 1)

    def apart(a: list[float], b: list[float]) -> float:
        return statistics.mean(abs(x - y) / abs(y) for x, y in zip(a, b, strict=True))

    return {"here": here, "cpu_fp32": plain, "apart": apart(here, plain), "by_chance": apart(other, plain)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=128, choices=sorted(WIDTHS))
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--steps", type=int, default=20, help="bursts to take the median of")
    parser.add_argument("--curve", type=int, default=100, help="steps of the loss curves")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    where = devices.resolve(args.device)
    torch.backends.cudnn.benchmark = True
    config = _settings(args.size)
    work, peak = flops_per_image(config, where), roofline(where)
    print(f"{devices.describe(where)}, {args.size} px")
    print(f"{work / 1e9:.1f} GFLOP an image; {peak / 1e12:.1f} TFLOP/s in a large matrix product")
    rows = []
    for batch in args.batches:
        for variant in VARIANTS:
            seen = rate(config, where, batch, variant, args.steps) | {"batch": batch, "variant": variant}
            if "images_per_second" in seen:
                seen["share_of_roofline"] = seen["images_per_second"] * work / peak
            rows.append(seen)
            print(json.dumps(seen))
    print(profile(config, where, args.batches[0]))
    curve = curves(where, args.curve)
    print(f"mean relative distance of VAC losses: {curve['apart']:.4f}; by chance {curve['by_chance']:.4f}")
    if args.json:
        body = {"flops_per_image": work, "roofline": peak, "rates": rows, "curves": curve}
        args.json.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
