"""What `sample` does; `cli.py` only parses. Results go to files, progress to stderr."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

import numpy as np

from trainer import device, files, grid, sampling
from trainer.commands import progress_bar
from trainer.errors import ConfigError
from trainer.sampling import Batch

log = logging.getLogger("trainer")

SHOWN = 64  # a grid of samples holds at most so many


def sample(args: Namespace) -> None:
    from trainer.codec import Codec

    _check_outputs(args)
    codec = Codec(args.model, args.device)
    target = sampling.parse_wants(args.want, codec.planes)
    target.rows(codec.planes)  # refuses weights of zero before any work
    plan = sampling.schedule(
        codec.planes, target, args.recipe, args.step_size, args.steps, sampler=args.sampler, full=args.full
    )
    if plan.acceptance is not None:
        log.info("mala: step size %.3g accepts %.0f %% of its steps", plan.step_size, 100 * plan.acceptance)
    if note := sampling.explain(codec.planes, target, args.sampler):
        log.warning("%s", note)
    parts: list[Batch] = []
    try:
        with progress_bar("sampling", "face") as update:
            for part in sampling.generate(
                codec.planes,
                target,
                args.count,
                sampler=args.sampler,
                accept=args.accept,
                accept_on=args.accept_on,
                look=sampling.looks_of(codec) if args.accept_on == "image" else None,
                step_size=plan.step_size,
                steps=plan.steps,
                seed=args.seed,
                full=args.full,
                kernels=_kernels(args),
                progress=update,
            ):
                parts.append(part)
    finally:  # also when it gives up: what was drawn is kept
        if parts:
            drawn, accepted = parts[-1].drawn_total, parts[-1].accepted_total
            log.info("%d wanted, %d drawn, %d accepted (%.3g %%)", args.count, drawn, accepted,
                     100 * accepted / drawn)  # fmt: skip
            if args.codes is not None:
                _write_codes(Path(args.codes), parts)
    if args.out is not None:
        shown = _shown(parts) if args.accept_on == "image" else codec.decode(_accepted(parts)[:SHOWN])
        picture = grid.gallery(shown, columns=min(8, len(shown)))
        recipe = {"model": codec.digest, "want": args.want, "sampler": args.sampler, "seed": args.seed}
        if args.sampler != "exact":
            recipe |= {"step_size": plan.step_size, "steps": plan.steps}
        grid.save(picture, Path(args.out), recipe | {"accept": args.accept, "accept_on": args.accept_on})


def _check_outputs(args: Namespace) -> None:
    if args.out is None and args.codes is None:
        raise ConfigError("sample needs --out GRID.png, --codes FILE.npz or both")
    if args.out is not None:
        grid.check_suffix(Path(args.out))
    for path in (args.out, args.codes):
        if path is not None:
            files.check_target(Path(path))


def _kernels(args: Namespace) -> dict[str, sampling.Kernel] | None:
    """What runs chains in all dimensions; the span alone is NumPy's on any device."""
    if not args.full or device.guess(args.device) == "cpu":
        return None
    from trainer.samplers import torch_kernels

    return torch_kernels.choose(args.device)


def _accepted(parts: list[Batch]) -> np.ndarray:
    return np.concatenate([part.z[part.accepted] for part in parts])


def _shown(parts: list[Batch]) -> np.ndarray:
    """The pictures that were judged, not others decoded from the same codes."""
    return np.concatenate([part.images[part.accepted] for part in parts if part.images is not None])[:SHOWN]


def _write_codes(path: Path, parts: list[Batch]) -> None:
    z, logits, accepted = (
        np.concatenate([getattr(part, key) for part in parts]) for key in ("z", "logits", "accepted")
    )
    again = [part.reencoded for part in parts if part.reencoded is not None]
    with files.atomic_file(path) as file:
        if again:
            np.savez(file, z=z, logits=logits, accepted=accepted, reencoded=np.concatenate(again))
        else:
            np.savez(file, z=z, logits=logits, accepted=accepted)
    log.info("%d codes: %s", len(z), path)
