"""The study of recipes: train each with the same seeds on the same number of images, measure, write a table.

    python bench/recipes.py --data avatars:4000 --judge judge.safetensors --out study --split selection
    python bench/recipes.py --data avatars:4000 --judge judge.safetensors --out study --recipes studio

The first command is for choosing, the second reports what was chosen on faces that chose nothing. Every run
is `python -m trainer train`, then `evaluate`, each a process of its own with one thread, `--jobs` side by
side. What is finished is kept: the same command goes on where it was stopped, a recipe added to the table
below costs only its own runs, and another split only its measuring.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from trainer import events
from trainer.config import PRESETS
from trainer.reproduce.models import finished
from trainer.run_files import EVENTS_FILE, STATE_FILE, read_events

# Student's t, two-sided 95 %, by number of seeds; for more of them that of ten serves, and is a little wide.
_T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
_WIDTHS = {32: "32,64,128", 64: "32,64,128,256", 128: "32,64,128,256,512"}


@dataclass(frozen=True)
class Recipe:
    """Settings on top of the study's base, and what they are."""

    what: str
    settings: dict[str, Any]


_MIRROR = {"mirror_share": 0.5, "classifier_bias": False}
_LIGHT = _MIRROR | {"beta_cl": 3}
_MORE = {"mirror_share": 0.75, "classifier_bias": False}
_READ = {"edge_weight": 2, "read_draws": True}

RECIPES: dict[str, Recipe] = {
    "vac": Recipe("no game", {"enabled": False}),
    "introvac": Recipe("the paper's weights and Algorithm 1", {}),
    "authors": Recipe(
        "mean over logits, no bias, weight decay",
        {"bce_reduction": "mean", "classifier_bias": False, "weight_decay": 1e-5},
    ),
    "studio": Recipe("b_CL 5, three quarters mirrored, no bias, edge 2, draws read", PRESETS["studio"]),
    "no-bias": Recipe("no bias", {"classifier_bias": False}),
    "average": Recipe("averaged weights, decay 0.995", {"ema_decay": 0.995}),
    "group": Recipe("group normalisation", {"norm": "group"}),
    "prior": Recipe("b_reg 6", {"beta_reg": 6}),
    "fake": Recipe("b_EC 1 in place of 0.01", {"beta_ec": 1}),
    "edge": Recipe("edge 1", {"edge_weight": 1}),
    "mirror": Recipe("half of the generated codes mirrored", {"mirror_share": 0.5}),
    "mirror-code": Recipe("mirror, beta_code 10", {"mirror_share": 0.5, "beta_code": 10}),
    "mirror-mean": Recipe(
        "mirror, no bias, edge 1, mean over logits", _MIRROR | {"edge_weight": 1, "bce_reduction": "mean"}
    ),
    "mirror-sum": Recipe("mirror, no bias, edge 1", _MIRROR | {"edge_weight": 1}),
    "mirror-25": Recipe(
        "mirror, no bias, edge 2, mean over logits, b_CL 25",
        _MIRROR | {"edge_weight": 2, "bce_reduction": "mean", "beta_cl": 25},
    ),
    "light": Recipe("mirror, no bias, edge 1, b_CL 3", _LIGHT | {"edge_weight": 1}),
    "light-bias": Recipe("mirror, edge 2, b_CL 3", _LIGHT | {"classifier_bias": True, "edge_weight": 2}),
    "light-read": Recipe("light, draws read", _LIGHT | {"edge_weight": 1, "read_draws": True}),
    "light-edge": Recipe("mirror, no bias, edge 2, b_CL 3, draws read", _LIGHT | _READ),
    "strong": Recipe("three quarters mirrored, no bias, edge 2, draws read", _MORE | _READ),
    "heavy": Recipe("strong, b_reg 4", _MORE | _READ | {"beta_reg": 4}),
    "light-75": Recipe("strong, b_CL 3", _MORE | _READ | {"beta_cl": 3}),
    "strong-read": Recipe(
        "mirror, no bias, edge 2, b_G 10, draws read",
        _MIRROR | {"edge_weight": 2, "beta_g": 10, "read_draws": True},
    ),
    "mirror-75": Recipe(
        "three quarters mirrored, no bias, edge 2, b_reg 4",
        {"mirror_share": 0.75, "classifier_bias": False, "edge_weight": 2, "beta_reg": 4},
    ),
}


def base(size: int, epochs: int) -> dict[str, Any]:
    """What all recipes share: half of the epochs plain VAC at 1e-3, then the game at a fifth of that."""
    return {
        "image_size": size,
        "channels": _WIDTHS[size],
        "latent_dim": 64,
        "epochs": epochs,
        "warmup_epochs": epochs // 2,
        "lr_milestones": epochs // 2,
        "lr_factor": 0.2,
        "learning_rate": 1e-3,
        "batch_size": 32,
        "edit_delta": 4,
        "valid_images": 64,
        "threads": 1,
    }


def _trainer(*arguments: str, log: Path) -> bool:
    """Run a command of the trainer; whether it ended well. What it says goes to `log`."""
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("a", encoding="utf-8") as out:
        return not subprocess.call([sys.executable, "-m", "trainer", *arguments], stderr=out, env=alone)


def _measured(run: Path, split: str | None) -> Path:
    """Where the numbers of a run are, on the split asked for."""
    return run / ("evaluated" if split is None else f"evaluated-{split}") / "metrics.json"


def _run(name: str, seed: int, args: argparse.Namespace) -> str:
    """Train and measure one recipe with one seed, or go on with it; what came of it."""
    run = Path(args.out) / f"{name}-{seed}"
    measured = _measured(run, args.split)
    if measured.exists():
        return "was there"
    run.mkdir(parents=True, exist_ok=True)
    log = run / "log.txt"
    if not finished(run):
        settings = base(args.image_size, args.epochs) | RECIPES[name].settings
        fresh = ["--preset", "introvac", "--data", args.data, "--attributes", args.attributes]
        fresh += ["--seed", str(seed), *(f"--set={key}={value}" for key, value in settings.items())]
        more = ["--resume"] if (run / STATE_FILE).exists() else fresh
        if not _trainer("train", "--run", str(run), *more, log=log):
            return f"failed; see {log}"
        if not finished(run):
            return "stopped; the same command goes on with it"
    only = "reading,distances,edits,equal-success"
    asked = ["--only", only, "--no-pictures", "--success", str(args.success), "--features", "lite0"]
    asked += ["--resamples", "0"]  # intervals here are over seeds
    asked += ["--count", str(args.count)] if args.count else []
    asked += ["--split", args.split] if args.split else []
    where = ["--model", str(run), "--data", args.data, "--judge", args.judge, "--out", str(measured.parent)]
    return "done" if _trainer("evaluate", *where, *asked, log=log) else f"not measured; see {log}"


# -- the table ------------------------------------------------------------------------------


def _numbers(run: Path, split: str | None) -> dict[str, float] | None:
    """The figures of one run, and the leakage of each edit as `leak.NAME`."""
    try:
        model = json.loads(_measured(run, split).read_text("utf-8"))["models"][0]
    except OSError:
        return None
    found = {d["protocol"]["what"]: d["value"] for d in model["distances"] if d["kind"] == "frechet"}
    leak = {
        f"leak.{edit['attribute']} {'yes' if edit['wanted'] else 'no'}": mean(others)
        for edit in model["at_equal_success"]["edits"]
        if (others := [other["flipped"]["mean"] for other in edit["others"] if not other["truly"]])
    }
    return leak | {
        "reconstructions": found["reconstructions"],
        "prior": found["prior samples"],
        "l1": model["reading"]["reconstruction"]["l1"]["mean"],
        "judged": mean(edit["judged"]["mean"] for edit in model["edits"]),
        "read": mean(edit["reencoded"]["mean"] for edit in model["edits"]),
        "delta": mean(model["deltas"].values()),
    }


def _pace(run: Path) -> tuple[float, float | None]:
    """Images a second before the game and in it: the fastest report, since other work may slow the others."""
    start: int | None = None
    fastest = [0.0, 0.0]
    for event in read_events(run / EVENTS_FILE):
        if isinstance(event, events.RunStarted):
            start = event.game_from_step
        elif isinstance(event, events.StepLosses):
            playing = start is not None and event.step > start
            fastest[playing] = max(fastest[playing], event.images_per_second)
    return fastest[0], fastest[1] or None


def _spread(values: list[float], digits: int, scale: float = 1.0) -> str:
    """The mean over seeds, with the half-width of its 95 % interval where there are several."""
    middle = f"{scale * mean(values):.{digits}f}"
    if len(values) < 2:
        return middle
    reach = _T95[min(len(values), max(_T95))] * stdev(values) / len(values) ** 0.5
    return f"{middle} ± {scale * reach:.{digits}f}"


def table(out: Path, seeds: list[int], success: float, split: str | None = None) -> str:
    """Markdown, a recipe a line. Leakage is the mean over the edits that all runs of a game reach."""
    runs = {name: [r for s in seeds if (r := _numbers(out / f"{name}-{s}", split))] for name in RECIPES}
    runs = {name: found for name, found in runs.items() if found}
    reached = [
        {k for k in one if k.startswith("leak.")} for n, found in runs.items() if n != "vac" for one in found
    ]
    shared = sorted(set.intersection(*reached)) if reached else []
    percent = f"{100 * success:.0f} %"
    heads = [
        "recipe",
        "seeds",
        "Frechet (Lite0), reconstructions",
        "prior samples",
        "L1",
        "edits judged done",
    ]
    heads += ["read by the model", "mean delta", f"leakage at {percent}", f"edits that reach {percent}"]
    heads += ["images/s, VAC / game"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for name, found in runs.items():

        def of(key: str, digits: int, scale: float = 1.0, found: list[dict[str, float]] = found) -> str:
            return _spread([one[key] for one in found], digits, scale)

        leaks = [mean(one[k] for k in shared) for one in found if shared and all(k in one for k in shared)]
        hit = mean(sum(k.startswith("leak.") for k in one) for one in found)
        cells = [f"`{name}`: {RECIPES[name].what}", str(len(found)), of("reconstructions", 1), of("prior", 1)]
        cells += [of("l1", 4), of("judged", 1, 100) + " %", of("read", 1, 100) + " %", of("delta", 1)]
        cells += [_spread(leaks, 2, 100) + " %" if len(leaks) == len(found) else "not reached", f"{hit:.1f}"]
        paces = [_pace(out / f"{name}-{seed}") for seed in seeds if (out / f"{name}-{seed}").exists()]
        game = max((playing for _, playing in paces if playing), default=None)
        cells += [f"{max(plain for plain, _ in paces):.0f} / {'-' if game is None else f'{game:.0f}'}"]
        lines.append(f"| {' | '.join(cells)} |")
    edits = ", ".join(key[5:] for key in shared)
    lines.append(f"\nLeakage is the mean over the edits that every run with the game reaches: {edits}.")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description="Train and compare recipes.")
    parser.add_argument("--data", required=True)
    parser.add_argument("--judge", required=True, help="what `trainer judge` wrote, of the same size")
    parser.add_argument("--out", required=True)
    parser.add_argument("--attributes", default="Eyeglasses,FacialHair,Smiling,Hat")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--image-size", type=int, default=32, choices=_WIDTHS)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--count", type=int, help="faces that are measured; default: all of the split")
    parser.add_argument("--split", help="default: the reported one; selection: for choosing")
    parser.add_argument("--success", type=float, default=0.9)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1)))
    args = parser.parse_args()
    seeds, names = ([part.strip() for part in text.split(",")] for text in (args.seeds, args.recipes))
    if unknown := [name for name in names if name not in RECIPES]:
        parser.error(f"no recipe {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    plan = [(name, int(seed)) for seed in seeds for name in names]
    with ThreadPoolExecutor(args.jobs) as pool:
        for (name, seed), came in zip(
            plan, pool.map(lambda one: _run(one[0], one[1], args), plan), strict=True
        ):
            sys.stderr.write(f"{name}, seed {seed}: {came}\n")
    sys.stdout.write(table(Path(args.out), [int(seed) for seed in seeds], args.success, args.split) + "\n")


if __name__ == "__main__":
    main()
