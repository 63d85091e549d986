"""What `edit`, `path` and `fit` do; `cli.py` only parses. Results go to files, progress to stderr."""

from __future__ import annotations

import json
import logging
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainer import align, animation, directions, edits, files, fit, grid, paths, photos, sampling, until
from trainer.commands import names, pairs, progress_bar
from trainer.data.cache import open_data
from trainer.data.transforms import prepare
from trainer.errors import ConfigError
from trainer.latent import Floats, Hyperplanes

if TYPE_CHECKING:
    from trainer.codec import Codec
    from trainer.refine import Refined

log = logging.getLogger("trainer")

ENCODED_TOGETHER = 1024
FILM_FRAMES = 24  # of one way
UNTIL_ON = ("code", "image")


class _Moved(NamedTuple):
    """An edited code (d,), the delta that led to it, and what a search said."""

    z: Floats
    delta: float
    reach: until.Reach | None = None


@dataclass(frozen=True, eq=False)
class _Plan:
    """What `edit` was asked to do to every face: moves, or a walk to what is wanted."""

    planes: Hyperplanes
    moves: Mapping[str, float]
    keep: tuple[str, ...] = ()
    p: float | None = None
    on: str = "code"
    wants: Mapping[str, bool] = field(default_factory=dict)
    distance: float = 0.0

    def __post_init__(self) -> None:
        """Refuse, before any work, what no face could be given."""
        self.apply(np.zeros(self.planes.dim), lambda z: z)

    def apply(self, mu: Floats, see: until.See, **told: Any) -> _Moved:
        """Edit one code (d,)."""
        if not self.moves:
            return _Moved(edits.ascend(mu, self.planes, self.wants, self.distance, self.keep), self.distance)
        sign = -1.0 if len(self.moves) == 1 and next(iter(self.moves.values())) < 0 else 1.0
        if self.p is None:
            step = edits.displacement(self.planes, self.moves, self.keep)
            size = next(iter(self.moves.values())) if len(self.moves) == 1 else float(np.linalg.norm(step))
            return _Moved(mu + step, size)
        way = until.ray(self.planes, self.moves, self.keep)
        if self.on == "image":
            reach = until.until_image(mu, self.planes, way, self.p, see, **told)
        else:
            reach = until.until_code(mu, self.planes, way, self.p)
        return _Moved(way.at(mu, reach.delta), sign * reach.delta, reach)

    def note(self, moved: _Moved) -> dict[str, Any]:
        """The part of a record that says what was done."""
        note: dict[str, Any] = {
            "moves": dict(self.moves),
            "delta": moved.delta,
            "reached": None if moved.reach is None else moved.reach.reached,
        }
        if moved.reach is not None:
            note["until"] = {"p": self.p, "on": self.on, "probability": moved.reach.probability}
        if self.wants:
            note["wants"] = dict(self.wants)
        if self.keep:
            note |= {"keep": list(self.keep), "left": self.left()}
        return note

    def left(self) -> dict[str, float]:
        """How much of each direction keeping the others leaves."""
        keys = (*self.moves, *self.wants)
        return {key: edits.heading(self.planes, key, self.keep).left for key in keys}


def _plan(args: Namespace, planes: Hyperplanes) -> _Plan:
    moves: dict[str, float] = {}
    for name, text in pairs(args.move, "--move"):
        try:
            moves[name] = moves.get(name, 0.0) + float(text)
        except ValueError as error:
            raise ConfigError(f"--move {name}={text}: expected a number") from error
    if bool(moves) == bool(args.ascend):
        raise ConfigError("edit needs --move NAME=DELTA, or --ascend NAME=yes|no with --distance, not both")
    if args.ascend and (args.distance is None or args.until is not None):
        raise ConfigError("--ascend needs --distance D, and does not go with --until")
    if args.distance is not None and not args.ascend:
        raise ConfigError("--distance goes with --ascend; a move has its own: --move NAME=DELTA")
    if args.until_on is not None and args.until is None:
        raise ConfigError("--until-on needs --until P")
    return _Plan(
        planes,
        moves,
        keep=names(args.keep or ""),
        p=args.until,
        on=args.until_on or "code",
        wants=sampling.parse_wants(args.ascend, planes).wants,
        distance=args.distance or 0.0,
    )


def _planes(codec: Codec, path: str | None) -> Hyperplanes:
    """The model's hyperplanes, with those of a directions file."""
    if path is None:
        return codec.planes
    return directions.join(codec.planes, directions.load_directions(Path(path), codec.digest), path)


def _crop(codec: Codec) -> str:
    return codec.config.crop


def _photos(inputs: list[Path], codec: Codec, args: Namespace) -> tuple[np.ndarray, list[align.Box | None]]:
    """Photos as the model sees them, (N, S, S, 3), and where it looks in each; None for its middle."""
    crop = args.crop or _crop(codec)
    target = align.target_of(codec.card.data, crop)
    images, boxes = [], []
    for path in inputs:
        photo = photos.open_photo(path)
        box = photos.aligned(photo, target) if args.align else None
        if box is None:
            images.append(prepare(photo.image, codec.size, crop))
        else:
            images.append(photos.crop_photo(photo, codec.size, crop, box))
        boxes.append(box)
    return np.stack(images), boxes


def edit(args: Namespace) -> None:
    from trainer.codec import Codec

    codec = Codec(args.model, args.device)
    plan = _plan(args, _planes(codec, args.directions))
    for key, left in plan.left().items() if plan.keep else ():
        log.info("%s: %.1f %% of its direction is left", key, 100 * left)
    inputs, out = [Path(p) for p in args.input], Path(args.out)
    if args.film is not None:
        animation.check_suffix(out / f"film.{args.film}")
    images, boxes = _photos(inputs, codec, args)
    files.make_directory(out)
    with progress_bar("encoding", "image") as update:
        mu: np.ndarray = codec.encode(images, update)[0]
    refined = _refine(args, images, mu) if args.refine is not None else None
    start = mu.astype(np.float64) if refined is None else refined.z
    moved = _apply(plan, start, codec)
    reconstructed = codec.decode(start)
    edited, seen = _pictures(codec, np.stack([m.z for m in moved]), alone=plan.on == "image")
    records = []
    for i, (path, name) in enumerate(zip(inputs, _unique([p.stem for p in inputs]), strict=True)):
        kinds = {"original": images[i], "reconstruction": reconstructed[i], "edited": edited[i]}
        for kind, picture in kinds.items():
            grid.save(grid.compose([[picture]], grid.GridStyle(padding=0)), out / f"{name}.{kind}.png")
        if (reach := moved[i].reach) is not None:
            log.log(logging.INFO if reach.reached else logging.WARNING, "%s: %s", name, reach)
        stages = {"before": start[i], "after": moved[i].z, "reencoded": seen[i]}
        record = {"input": str(path)} | plan.note(moved[i])
        if (box := boxes[i]) is not None:
            record["box"] = box.note()
        record["logits"] = {stage: _logits(plan.planes, z) for stage, z in stages.items()}
        if refined is not None:
            before, after = float(refined.before[i]), float(refined.after[i])
            record["refined"] = {"steps": args.refine, "l1_before": before, "l1_after": after}
        records.append(record)
        if args.film is not None:
            _film(codec, start[i], moved[i].z, out / f"{name}.film.{args.film}", record)
    files.write_text(out / "edits.json", json.dumps(records, indent=2, ensure_ascii=False) + "\n")
    log.info("%d faces edited: %s", len(records), out)


def _film(codec: Codec, start: Floats, end: Floats, target: Path, note: dict[str, Any]) -> None:
    """The way of one edit through code space, there and back; the recipe is its record and both codes."""
    share = animation.amounts(0.0, 1.0, FILM_FRAMES, "gentle")[:, None]
    recipe = note | {"model": codec.digest, "z": [np.round(z, 6).tolist() for z in (start, end)]}
    paths.save_film(codec.decode(start + share * (end - start)), target, scale=_scale(codec), recipe=recipe)
    log.info("%s", target)


def _scale(codec: Codec) -> int:
    """Makes a film of about 256 px."""
    return max(1, 256 // codec.size)


def _refine(args: Namespace, images: np.ndarray, mu: np.ndarray) -> Refined:
    from trainer.refine import load, refine

    model = load(args.model, args.device)
    with progress_bar("refining", "step") as update:
        refined = refine(model, images, mu, steps=args.refine, progress=update)
    log.info("refined: L1 %.4f, was %.4f", refined.after.mean(), refined.before.mean())
    return refined


def _apply(plan: _Plan, start: Floats, codec: Codec) -> list[_Moved]:
    moved = []
    with progress_bar("searching" if plan.p is not None else "editing", "look") as update:
        for i, z in enumerate(start):

            def tell(done: int, total: int, i: int = i) -> None:
                update(i * total + done, len(start) * total)

            moved.append(plan.apply(z, lambda codes: codec.encode(codec.decode(codes))[0], progress=tell))
    return moved


def _pictures(codec: Codec, codes: Floats, alone: bool) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of codes, and their codes. `alone`: one by one, as the search looked at them, so that
    what it found is what the record says: networks round by the size of a batch."""
    edited, seen = [], []
    for part in np.split(codes, len(codes)) if alone else [codes]:
        edited.append(codec.decode(part))
        seen.append(codec.encode(edited[-1])[0])
    return np.concatenate(edited), np.concatenate(seen)


def _logits(planes: Hyperplanes, z: np.ndarray) -> dict[str, float]:
    return {name: float(v) for name, v in zip(planes.names, planes.logits(z), strict=True)}


def _unique(stems: list[str]) -> list[str]:
    """Names for outputs: equal stems get -2, -3, without taking a name that is another's own.

    Names that differ in case alone are equal: to Windows and macOS they are one file.
    """
    own = {stem.casefold() for stem in stems}
    taken: set[str] = set()
    out = []
    for stem in stems:
        name, n = stem, 1
        while name.casefold() in taken or (n > 1 and name.casefold() in own):
            n += 1
            name = f"{stem}-{n}"
        taken.add(name.casefold())
        out.append(name)
    return out


def path(args: Namespace) -> None:
    from trainer.codec import Codec

    target = Path(args.out)
    film = target.suffix.lower() in paths.SUFFIXES
    if not film:
        grid.check_suffix(target)
    files.check_target(target)
    steps = args.steps or (24 if film else 9)
    codec = Codec(args.model, args.device)
    ends = [Path(args.start), Path(args.end)]
    images, _ = _photos(ends, codec, args)
    mu, _ = codec.encode(images)
    pictures = codec.decode(paths.path(mu[0], mu[1], steps, args.kind))
    note = {
        "model": codec.digest,
        "from": str(ends[0]),
        "to": str(ends[1]),
        "kind": args.kind,
        "steps": steps,
    }
    if film:
        paths.save_film(pictures, target, fps=args.fps, scale=args.scale, recipe=note)
    else:
        grid.save(grid.strip(pictures, style=grid.GridStyle(scale=args.scale)), target, note)
    log.info("%d pictures from %s to %s: %s", steps, *ends, target)


def fit_direction(args: Namespace) -> None:
    from trainer.codec import Codec

    out = Path(args.out)
    files.check_target(out)
    codec = Codec(args.model, args.device)
    planes = _planes(codec, args.directions)
    if args.name in planes.names and args.name not in codec.planes.names:
        planes = directions.remove(planes, args.name)  # fitted before: this one takes its place
    directions.check_name(planes, args.name)
    images = open_data(args.data, codec.size, _crop(codec))
    labels = fit.read_labels(Path(args.labels), images.names, args.name)
    if labels.unknown:
        log.warning("%d labels name no face of the data, such as %s", len(labels.unknown), labels.unknown[0])
    codes = []
    with progress_bar("encoding", "image") as update:
        for start in range(0, len(labels.rows), ENCODED_TOGETHER):
            rows = labels.rows[start : start + ENCODED_TOGETHER]
            codes.append(codec.encode(images.batch(rows))[0])
            update(start + len(rows), len(labels.rows))
    fitted = fit.fit_direction(planes, np.concatenate(codes), labels.values, args.name)
    joined = fitted.join(planes)
    directions.save_directions(out, joined, codec.digest)
    log.info("%s", fitted)
    if fitted.accuracy <= fitted.baseline:
        log.warning("%s: no better than always the commoner label; label more faces", args.name)
    for name, cosine in zip(joined.attributes[:-1], edits.cosines(joined)[-1], strict=False):
        log.info("cosine with %s: %+.3f", name, cosine)
    log.info("%s", out)
