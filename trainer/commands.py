"""What each subcommand does; `cli.py` only parses. Results go to files, progress to stderr."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from trainer import directions, files
from trainer.data import cache as cache_module
from trainer.data import derive, shards
from trainer.data.source import SPLITS, open_source
from trainer.data.splits import own_splits
from trainer.errors import ConfigError, DataError, ModelError

log = logging.getLogger("trainer")


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with time left on a terminal; silent where stderr is not one."""
    bar = tqdm(desc=what, unit=unit, disable=None, dynamic_ncols=True)

    def update(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield update
    finally:
        bar.close()


def pairs(items: list[str], flag: str) -> list[tuple[str, str]]:
    pairs = []
    for item in items:
        name, sign, value = item.partition("=")
        if not sign or not name.strip():
            raise ConfigError(f"{flag} {item!r}: expected NAME=VALUE")
        pairs.append((name.strip(), value.strip()))
    return pairs


def names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# -- data --------------------------------------------------------------------


def prepare_data(args: Namespace) -> None:
    out = Path(args.out)
    with progress_bar("preparing", "image") as update:
        if args.shard:
            size, (index, count) = args.image_size, args.shard
            made = shards.build_shard(args.data, size, args.crop, index, count, out, args.workers, update)
        else:
            source = open_source(args.data)
            crop = args.crop or source.default_crop
            made = cache_module.build(source, args.image_size, crop, out, args.workers, update)
    log.info("%s: %d images of %d px", made.path, len(made), made.size)
    if args.shard and (lost := shards.missing(out, args.shard[1])):
        log.info("%s: %d of %d shards are still to be made", out, len(lost), args.shard[1])
    for name, reason in made.skipped:
        log.warning("skipped %s: %s", name, reason)


# -- commands on a model ------------------------------------------------------------------


def encode(args: Namespace) -> None:
    from trainer.codec import Codec

    files.check_target(Path(args.out))
    codec = Codec(args.model, args.device)
    config = codec.config
    images = cache_module.open_data(args.data, config.image_size, config.crop)
    attributes = config.attributes
    labels = _labels(images, attributes, codec.card.derive)
    rows = np.arange(len(images.names))
    if args.split != "all":
        rows = dict(zip(SPLITS, own_splits(images), strict=True))[args.split]
    if not len(rows):
        raise DataError(f"{args.data}: no images in split {args.split!r}")
    mus, sigmas = [], []
    with progress_bar("encoding", "image") as update:
        for start in range(0, len(rows), 1024):
            part = rows[start : start + 1024]
            mu, sigma = codec.encode(images.batch(part))
            mus.append(mu)
            sigmas.append(sigma)
            update(start + len(part), len(rows))
    mu = np.concatenate(mus)
    with files.atomic_file(Path(args.out)) as file:
        np.savez(
            file,
            mu=mu,
            sigma=np.concatenate(sigmas),
            logits=codec.planes.logits(mu).astype(np.float32),
            names=np.array([images.names[i] for i in rows]),
            attributes=np.array(attributes),
            labels=labels[rows],
        )
    log.info("%d codes: %s", len(rows), args.out)


def _labels(images: cache_module.Cache, attributes: tuple[str, ...], made: tuple[str, ...]) -> np.ndarray:
    """(N, K) int8 in {0, 1}; -1 throughout a column that the data does not have."""
    known, columns = images.attributes, images.labels
    for text in made:
        try:
            known, columns = derive.extend(known, columns, (text,))
        except DataError as error:
            log.warning("%s", error)
    labels = np.full((len(images.names), len(attributes)), -1, np.int8)
    for k, name in enumerate(attributes):
        if name in known:
            labels[:, k] = columns[:, known.index(name)]
        else:
            log.warning("%s; its labels are written as -1", derive.unknown(name, known))
    return labels


def export(args: Namespace) -> None:
    if args.to == "onnx":
        from trainer import export_onnx

        if args.deltas:
            raise ConfigError("--deltas goes into a model's card, and --to onnx writes none; use --to half")
        export_onnx.run(args)
        return
    from trainer import checkpoint, export_deltas

    if args.deltas and args.to != "half":
        raise ConfigError(f"--deltas goes into a model's card, and --to {args.to} writes none; use --to half")
    model, card, digest = checkpoint.load(args.model)
    if args.digest not in ("", digest):
        raise ModelError(f"{args.model}: holds other weights by now")
    given = export_deltas.read(args.deltas, model.config.attributes, digest)
    card = replace(card, deltas=card.deltas | given)
    out = Path(args.out)
    files.make_directory(out)
    if args.to == "half":
        path = out / "model.safetensors"
        checkpoint.save_model(path, model, card, half=True)
    else:
        path = out / "directions.npz"
        directions.save_directions(path, checkpoint.hyperplanes(model), digest)
    if given:
        log.info("deltas: %s", ", ".join(f"{name} {delta:g}" for name, delta in card.deltas.items()))
    log.info("%s", path)


def import_model(args: Namespace) -> None:
    from trainer import authors, checkpoint

    path, out = Path(args.checkpoint), Path(args.out)
    files.check_target(out)
    if out.exists() and path.exists() and out.samefile(path):
        raise ConfigError(f"--out {out} is the checkpoint itself; name another file")
    model, card = authors.read(path, out.stem)
    checkpoint.save_model(out, model, card)
    log.info(
        "%s: %d px, logits %s; %d steps, %s",
        out, model.config.image_size, ", ".join(model.logit_names), card.step,
        "played the game" if card.game_played else "never played the game, so fake is of no use",
    )  # fmt: skip
