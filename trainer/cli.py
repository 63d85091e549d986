"""The command line: `python -m trainer COMMAND`, also installed as `introvac`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from trainer import __version__, commands, edit_commands, paths, sample_commands, tensorboard, train_command
from trainer.bench import command as bench_command
from trainer.config import CROPS, PRESET_HELP, PRESETS, SIZES
from trainer.control import signals_restored
from trainer.errors import IntroVACError, RunError
from trainer.metrics import evaluate_command, judge_command
from trainer.metrics.evaluate import SECTIONS
from trainer.reproduce import command as reproduce_command
from trainer.reproduce.models import MODELS
from trainer.reproduce.settings import DELTAS, SCALE_HELP
from trainer.sampling import ACCEPT_ON, RECIPES, SAMPLERS

DATA_HELP = "avatars[:N[:SEED]], celeba:DIR, folder:DIR, or the directory of a prepared cache"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _device(parser: argparse.ArgumentParser, default: str | None = "auto") -> None:
    parser.add_argument("--device", default=default, metavar="auto|cpu|cuda[:N]|mps", help="where to compute")


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return value


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shard, such as 0/16 to 15/16")
    return int(index), int(count)


def _step_size(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a step size between 0 and 1")
    return value


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability from 0 to below 1")
    return value


def parser() -> argparse.ArgumentParser:
    """All commands and flags; `--help` of each is complete."""
    top = _Parser(
        prog="introvac",
        description="Train an introspective variational classifier of faces; edit, sample, encode with it.",
    )
    top.add_argument("--version", action="version", version=f"introvac {__version__}")
    top.add_argument("--verbose", action="store_true", help="show tracebacks of failures")
    commands_ = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    p = commands_.add_parser("prepare", help="pack a data set into a cache of one size")
    p.add_argument("--data", required=True, metavar="DATA", help=DATA_HELP)
    p.add_argument("--image-size", required=True, type=int, choices=SIZES, help="side in pixels")
    p.add_argument("--out", required=True, metavar="CACHE", help="directory to make")
    p.add_argument("--crop", choices=CROPS, help="default: what suits the data")
    p.add_argument("--workers", type=int, default=0, help="processes; 0 for one per core")
    p.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="make only part I (0 to N - 1) of N, as CACHE/shard-..., unless it is there already; "
        "{shard} or {shard:03d} in DATA stands for I",
    )
    p.set_defaults(act=commands.prepare_data)

    p = commands_.add_parser(
        "train",
        help="train a model, or continue a run",
        epilog="presets: " + "; ".join(f"{name}: {text}" for name, text in PRESET_HELP.items()),
    )
    p.add_argument("--preset", choices=tuple(PRESETS), help="named settings to start from")
    p.add_argument("--data", metavar="DATA|CACHE", help=DATA_HELP)
    p.add_argument("--attributes", metavar="A,B", help="binary attributes to learn (Eyeglasses,FacialHair)")
    p.add_argument("--run", "--run-dir", metavar="DIR", help="run directory")
    p.add_argument("--subset", metavar="eye|facial|eyefacial|balanced:R|none", help="which images")
    p.add_argument("--derive", action="append", default=[], metavar="NAME=A|B|!C", help="a derived attribute")
    p.add_argument("--set", action="append", default=[], metavar="key=value", help="change one setting")
    p.add_argument("--max-steps", type=_positive, help="stop after so many steps")
    p.add_argument("--seed", type=int, help="of weights, order, noise and subset")
    p.add_argument("--show", action="store_true", help="print the resolved config and stop")
    p.add_argument("--events", action="store_true", help="JSON events on stdout, commands on stdin")
    p.add_argument("--resume", action="store_true", help="continue the run of --run")
    _device(p, None)
    p.set_defaults(act=train_command.train)

    p = commands_.add_parser("tensorboard", help="write a run's curves and samples as TensorBoard files")
    p.add_argument("--run", required=True, metavar="DIR", help="run directory; files go to its tensorboard")
    p.set_defaults(act=tensorboard.command)

    p = commands_.add_parser("edit", help="move photos along attribute directions")
    p.add_argument("--model", required=True, metavar="FILE")
    p.add_argument("--input", required=True, nargs="+", metavar="PATH", help="pictures")
    p.add_argument(
        "--move",
        action="append",
        default=[],
        metavar="NAME=DELTA",
        help="signed distance; A+B=5 moves jointly, moves add up",
    )
    p.add_argument("--keep", metavar="NAME,...", help="attributes whose logits stay where they are")
    p.add_argument(
        "--until",
        type=_probability,
        metavar="P",
        help="stop where the label has this probability: the delta's sign says which label, its size how far",
    )
    p.add_argument(
        "--until-on",
        choices=edit_commands.UNTIL_ON,
        help="whose label: the code's (default), or its picture's, encoded again",
    )
    p.add_argument(
        "--ascend",
        action="append",
        default=[],
        metavar="NAME=yes|no",
        help="instead of --move: up the gradient of the probability of all of them",
    )
    p.add_argument("--distance", type=float, metavar="D", help="how far to ascend")
    p.add_argument("--refine", type=_positive, metavar="STEPS", help="first fit the code to the photo")
    p.add_argument("--directions", metavar="FILE.npz", help="directions that `fit` added to the model's")
    p.add_argument("--out", required=True, metavar="DIR")
    p.add_argument("--film", choices=[s[1:] for s in paths.SUFFIXES], help="also animate each edit")
    p.add_argument("--crop", choices=CROPS, help="default: the model's")
    p.add_argument("--align", action="store_true", help="crop by the eyes of the largest face (extra align)")
    _device(p)
    p.set_defaults(act=edit_commands.edit)

    p = commands_.add_parser("path", help="go from one photo to another, as a strip or an animation")
    p.add_argument("--model", required=True, metavar="FILE")
    p.add_argument("--from", required=True, dest="start", metavar="A", help="a picture")
    p.add_argument("--to", required=True, dest="end", metavar="B", help="a picture")
    p.add_argument("--kind", choices=paths.KINDS, default="linear", help="default: linear")
    p.add_argument("--steps", type=_positive, metavar="N", help="default: 9, or 24 of an animation")
    p.add_argument("--out", required=True, metavar="FILE", help="strip.png or .jpg; film.gif, .webp or .mp4")
    p.add_argument("--fps", type=float, default=12.0, help="frames a second of an animation")
    p.add_argument("--scale", type=_positive, default=1, metavar="N", help="enlarge by whole pixels")
    p.add_argument("--crop", choices=CROPS, help="default: the model's")
    p.add_argument("--align", action="store_true", help="crop by the eyes of the largest face (extra align)")
    _device(p)
    p.set_defaults(act=edit_commands.path)

    p = commands_.add_parser("fit", help="fit a new direction to labels of some faces")
    p.add_argument("--model", required=True, metavar="FILE")
    p.add_argument("--data", required=True, metavar="DATA|CACHE", help=DATA_HELP)
    p.add_argument("--labels", required=True, metavar="CSV", help="a face's name or number, then its label")
    p.add_argument("--name", required=True, help="of the new attribute")
    p.add_argument("--directions", metavar="FILE.npz", help="add to these; one of the same name is replaced")
    p.add_argument("--out", required=True, metavar="FILE.npz", help="the model's directions and the new ones")
    _device(p)
    p.set_defaults(act=edit_commands.fit_direction)

    p = commands_.add_parser("sample", help="generate faces that have wanted attributes")
    p.add_argument("--model", required=True, metavar="FILE")
    p.add_argument("--want", action="append", default=[], metavar="NAME=yes|no|any")
    p.add_argument("--sampler", required=True, choices=tuple(SAMPLERS))
    p.add_argument("--count", required=True, type=_positive, metavar="N", help="accepted faces")
    p.add_argument("--recipe", choices=tuple(RECIPES), default="paper", help="langevin's step size and steps")
    p.add_argument("--step-size", type=_step_size, metavar="A")
    p.add_argument("--steps", type=_positive, metavar="K")
    p.add_argument("--accept", type=_probability, default=0.5, metavar="P", help="confidence; 0 takes all")
    p.add_argument(
        "--accept-on", choices=ACCEPT_ON, default="code", help="the code's label or the re-encoded picture's"
    )
    p.add_argument("--full", action="store_true", help="run chains in every dimension, on the device; slower")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", metavar="GRID.png", help="a grid of at most 64 faces")
    p.add_argument("--codes", metavar="FILE.npz")
    _device(p)
    p.set_defaults(act=sample_commands.sample)

    p = commands_.add_parser("encode", help="write the codes of a data set")
    p.add_argument("--model", required=True, metavar="FILE")
    p.add_argument("--data", required=True, metavar="DATA|CACHE", help=DATA_HELP)
    p.add_argument("--split", choices=("train", "valid", "test", "all"), default="all")
    p.add_argument("--out", required=True, metavar="CODES.npz")
    _device(p)
    p.set_defaults(act=commands.encode)

    p = commands_.add_parser("judge", help="train an independent judge of attributes on real pictures")
    p.add_argument("--data", required=True, metavar="DATA|CACHE", help=DATA_HELP)
    p.add_argument("--image-size", required=True, type=int, choices=SIZES, help="side in pixels")
    p.add_argument("--attributes", required=True, metavar="A,B", help="binary attributes to judge")
    p.add_argument("--derive", action="append", default=[], metavar="NAME=A|B|!C", help="a derived attribute")
    p.add_argument("--crop", choices=CROPS, help="default: what suits the data")
    p.add_argument("--epochs", type=_positive, default=8, help="over the train split; default: 8")
    p.add_argument("--max-images", type=_positive, metavar="N", help="learn from at most so many")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True, metavar="FILE.safetensors")
    p.add_argument("--events", action="store_true", help="JSON events on stdout, commands on stdin")
    _device(p)
    p.set_defaults(act=judge_command.judge)

    p = commands_.add_parser(
        "evaluate",
        help="measure a model on real pictures, or two side by side, and write a report",
        epilog=f"sections: {', '.join(SECTIONS)}",
    )
    p.add_argument("--model", required=True, metavar="FILE|RUN", help="a model file, or a run's directory")
    p.add_argument("--against", metavar="FILE|RUN", help="a second model, measured on the same faces")
    p.add_argument("--data", required=True, metavar="DATA|CACHE", help=DATA_HELP)
    p.add_argument(
        "--split",
        help="reported split; default: test, or valid where there is no test split; selection: half of the "
        "faces that are chosen on, to compare recipes without a look at those reported",
    )
    p.add_argument(
        "--features",
        metavar="NAME[,NAME]",
        help="of distances: inception, lite0, pixels; default: all that can be opened",
    )
    p.add_argument("--judge", metavar="FILE", help="what `judge` wrote; without it edits are not judged")
    p.add_argument("--weights", metavar="FILE", help="Inception's; default: downloaded once")
    p.add_argument(
        "--count", type=_positive, metavar="N", help="faces and samples; default: all of the split"
    )
    p.add_argument(
        "--delta",
        action="append",
        default=[],
        metavar="NAME=D",
        help="how far to edit; default: chosen on the split that is not reported",
    )
    p.add_argument(
        "--success", type=float, default=0.9, metavar="P", help="judged, at which leakage is compared"
    )
    p.add_argument(
        "--resamples",
        type=int,
        default=100,
        metavar="N",
        help="for the interval of each Frechet distance; 0: none, which is much faster (default 100)",
    )
    p.add_argument("--only", metavar="SECTION,...", help="some sections instead of all")
    p.add_argument("--no-pictures", action="store_true", help="write no pictures of faces")
    p.add_argument("--seed", type=int, default=0, help="of faces, samples and resamples")
    p.add_argument("--events", action="store_true", help="JSON events on stdout, commands on stdin")
    p.add_argument("--out", required=True, metavar="DIR", help="for metrics.json, report.html, pictures/")
    _device(p)
    p.set_defaults(act=evaluate_command.evaluate)

    p = commands_.add_parser(
        "reproduce",
        help="train the paper's models on your data and make its Table 1 and Figures 3 to 9 of them",
        epilog="models: " + ", ".join(MODELS),
    )
    p.add_argument("--data", required=True, metavar="DATA", help=DATA_HELP)
    p.add_argument("--out", required=True, metavar="DIR", help="of the page, pictures, numbers and runs")
    p.add_argument("--only", metavar="table1,fig3,...", help="default: table1, fig3 to fig9")
    p.add_argument(
        "--scale",
        choices=tuple(SCALE_HELP),
        help="; ".join(f"{name}: {text}" for name, text in SCALE_HELP.items())
        + "; default: paper with a CUDA device, else quick",
    )
    p.add_argument(
        "--preset", choices=tuple(PRESETS), default="introvac", help="of IntroVAC (introvac); VAC follows it"
    )
    p.add_argument("--set", action="append", default=[], metavar="key=value", help="a setting of all models")
    p.add_argument(
        "--compare",
        default="eyefacial",
        metavar="eye,facial,eyefacial",
        help="subsets on which table1, fig7 and fig9 compare VAC and IntroVAC (eyefacial)",
    )
    p.add_argument("--models", metavar="DIR", help="take the models that are there, train the others")
    p.add_argument("--take", action="append", default=[], metavar="NAME=FILE", help="take one model")
    p.add_argument(
        "--delta",
        action="append",
        default=[],
        metavar="NAME=D",
        help="distance of edits; " + ", ".join(f"{name} {value:g}" for name, value in DELTAS.items()),
    )
    p.add_argument("--features", metavar="NAME,...", help="of table1: inception, lite0, pixels (all)")
    p.add_argument("--weights", metavar="FILE", help="of Inception; default: looked for, then downloaded")
    p.add_argument("--count", type=_positive, metavar="N", help="measure at most N faces; default: all")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--again", action="store_true", help="make figures again that are there")
    _device(p)
    p.set_defaults(act=reproduce_command.reproduce)

    p = commands_.add_parser(
        "export", help="write directions, ONNX files, or a copy with half-precision weights"
    )
    p.add_argument("--model", required=True, metavar="FILE")
    p.add_argument("--to", required=True, choices=("directions", "half", "onnx"))
    p.add_argument(
        "--deltas",
        action="append",
        default=[],
        metavar="FILE|NAME=D",
        help="with half: write into the copy how far edits go, as the metrics.json of this model's "
        "evaluation says, or as given, which goes before the file",
    )
    p.add_argument("--events", action="store_true", help="with onnx: JSON events out, commands in")
    p.add_argument("--digest", default="", metavar="SHA256", help="refuse a file that holds other weights")
    p.add_argument("--out", required=True, metavar="DIR")
    p.set_defaults(act=commands.export)

    p = commands_.add_parser("import", help="make a model file of a checkpoint that other code wrote")
    p.add_argument("--from", required=True, dest="source", choices=("authors",), help="whose checkpoint")
    p.add_argument("checkpoint", metavar="CHECKPOINT", help="what torch.save wrote; nothing in it is run")
    p.add_argument("--out", required=True, metavar="FILE.safetensors")
    p.set_defaults(act=commands.import_model)

    p = commands_.add_parser("bench", help="measure this machine against the algorithms' plain versions")
    p.add_argument("--what", choices=tuple(bench_command.TOPICS), help="default: everything, some minutes")
    p.add_argument("--json", metavar="FILE", help="also write the figures there")
    p.set_defaults(act=bench_command.bench)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 on bad input with one line on stderr, 1 on failure."""
    args = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    try:
        with signals_restored():
            return int(args.act(args) or 0)
    except IntroVACError as error:
        code, text = (1 if isinstance(error, RunError) else 2), str(error)
    except KeyboardInterrupt:
        code, text = 1, "interrupted"
    except Exception as error:
        logging.getLogger("trainer").debug("", exc_info=True)
        if args.verbose:
            raise
        code, text = 1, f"{type(error).__name__}: {error}"
    sys.stderr.write(f"introvac {args.command}: {' '.join(text.split())}\n")
    return code
