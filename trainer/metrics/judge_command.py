"""The `judge` command: train an independent judge of attributes. Imports torch only when it runs."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

from trainer import files
from trainer.commands import names, progress_bar
from trainer.data.cache import open_data
from trainer.data.select import select

log = logging.getLogger("trainer")


def judge(args: Namespace) -> None:
    from trainer import device
    from trainer.metrics import judge as judges

    out = Path(args.out)
    files.check_target(out)
    training = judges.JudgeTraining(epochs=args.epochs, max_images=args.max_images, seed=args.seed)
    where = device.resolve(args.device)
    with progress_bar("preparing", "image") as update:
        cache = open_data(args.data, args.image_size, args.crop, progress=update)
    selection = select(cache, names(args.attributes), args.derive)
    if selection.splits.note:
        log.info("%s", selection.splits.note)
    with progress_bar("training the judge", "step") as update:
        found = judges.train(selection, training, device=where, progress=update)
    judges.save(out, found)
    card = found.card
    log.info(
        "learned from %d images; right on %d of split %s:",
        card.train_images, card.held_out_images, card.held_out,
    )  # fmt: skip
    for one in card.accuracy:
        shares = (_percent(s) for s in (one.right, one.on_yes, one.on_no, one.blurred))
        log.info("%s: %s (yes %s, no %s), blurred %s", one.name, *shares)
    log.info("%s", out)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
