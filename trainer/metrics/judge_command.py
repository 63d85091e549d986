"""The `judge` command: train an independent judge of attributes. Imports torch only when it runs."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer import events, files
from trainer.child_command import Pace, heeding
from trainer.commands import names, progress_bar
from trainer.data.cache import open_data
from trainer.data.select import select

log = logging.getLogger("trainer")


def judge(args: Namespace) -> None:
    with heeding(args.events) as stopping:
        _judge(args, stopping)
    if args.events:
        events.say(events.Finished(reason="completed", model=str(args.out)))


def _judge(args: Namespace, cancelled: Callable[[], bool]) -> None:
    from trainer import device
    from trainer.metrics import judge as judges

    told = _progress_lines if args.events else progress_bar
    out = Path(args.out)
    files.check_target(out)
    training = judges.JudgeTraining(epochs=args.epochs, max_images=args.max_images, seed=args.seed)
    where = device.resolve(args.device)
    with told("preparing", "image") as update:
        cache = open_data(args.data, args.image_size, args.crop, progress=update, cancelled=cancelled)
    selection = select(cache, names(args.attributes), args.derive)
    if selection.splits.note:
        log.info("%s", selection.splits.note)
    with told("training the judge", "step") as update:
        found = judges.train(selection, training, device=where, progress=update, cancelled=cancelled)
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


@contextmanager
def _progress_lines(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Progress as events on stdout."""
    pace = Pace()
    yield lambda done, total: pace.tell(what, done, total)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
