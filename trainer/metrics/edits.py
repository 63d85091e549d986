"""What edits do: whether they show, how near they come to the truth, and what else they change. No torch.

Success is seen by a judge that the model never met; the model's own view of its re-encoded picture stands
beside it and overstates. Everything is measured against the model's *reconstruction* of the face: what the
codec loses anyhow is no fault of an edit. Avatars also have the truth (`trainer.metrics.counterfactual`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer import until
from trainer.data.avatars import ATTRIBUTES, labels_of
from trainer.errors import Cancelled, ConfigError, DataError, ModelError
from trainer.metrics import pictures
from trainer.metrics.counterfactual import Truths, grow, nearest
from trainer.metrics.estimate import Estimate, estimate, estimates
from trainer.metrics.pictures import Floats, Images
from trainer.metrics.records import Amount, Change, Codec, Distance, Edit, Faces, Judge, Leakage, Truth

BOUND = 10.0  # how far a search goes at most
_TOGETHER = 256  # faces in memory at once
_GRID, _TOLERANCE = 0.5, 0.05  # deltas between two looks, and how well the found one is known

Progress = Callable[[int, int], None]
Compare = Callable[[Images, Images], ArrayLike]  # a number for each pair: LPIPS, likeness of identity


def changes(
    before: Floats,
    after: Floats,
    names: Sequence[str],
    attribute: str,
    truly: Mapping[str, float],
    seed: int = 0,
) -> tuple[Change, ...]:
    """What an edit of `attribute` does to the others.

    Args:
        before, after: (N, A) judged probabilities of reconstructions and edits.
        names: A.
        truly: shares of labels that change in truth, as far as they are known.
        seed: of the bootstrap.
    """
    flips = estimates((before > 0.5) != (after > 0.5), seed)
    shifts = estimates(after - before, seed)
    return tuple(
        Change(name, flip, shift, truly.get(name))
        for name, flip, shift in zip(names, flips, shifts, strict=True)
        if name != attribute
    )


def leakage(edits: Sequence[Edit]) -> Leakage:
    """The matrix of edits against attributes."""
    columns = tuple(dict.fromkeys(change.name for edit in edits for change in edit.others))
    tables: list[list[tuple[float | None, ...]]] = [[], []]
    counted: list[float] = []
    for edit in edits:
        found = {change.name: change for change in edit.others}
        counted += [change.flipped.mean for change in edit.others if not change.truly]
        for table, key in zip(tables, ("flipped", "shift"), strict=True):
            table.append(tuple(getattr(found[c], key).mean if c in found else None for c in columns))
    mean = float(np.mean(counted)) if counted else None
    rows = tuple(edit.name for edit in edits)
    return Leakage(rows, columns, tuple(tables[0]), tuple(tables[1]), mean)


class _Rows:
    """Numbers of each face, collected part by part."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Any]] = {}

    def add(self, **values: ArrayLike) -> None:
        for name, value in values.items():
            self._parts.setdefault(name, []).append(np.asarray(value, np.float64))

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> Floats:
        return np.concatenate(self._parts[name])


def measure(
    codec: Codec,
    judge: Judge,
    faces: Faces,
    attribute: str,
    wanted: bool,
    amount: Amount,
    *,
    keep: Sequence[str] = (),
    perceptual: Compare | None = None,
    identity: Compare | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Edit:
    """Switch an attribute to `wanted` on every face that has the opposite label, and look at what came of it.

    Args:
        keep: attributes whose logits the edit leaves alone (`trainer.edits`).
        perceptual: a distance from the truth besides L1 and SSIM, LPIPS for instance.
        identity: how alike two pictures of a person are, from an embedding of faces.
        seed: of the bootstrap.
        progress: told (faces done, faces).
        cancelled: asked between parts and between searches.

    Raises:
        ModelError: the model or the judge does not know the attribute.
        DataError: no face has the opposite label.
        Cancelled: `cancelled` said so.
    """
    known = _judged(judge, attribute)
    rows = faces.lacking(attribute, wanted)
    if not len(rows):
        raise DataError(f"no face lacks {attribute} = {'yes' if wanted else 'no'}, so none can be edited")
    way = until.ray(codec.planes, {attribute: amount.delta if wanted else -amount.delta}, keep)
    gathered = _Rows()
    for done, part in _parts(rows, cancelled):
        images = faces.images[part]
        start = np.asarray(codec.encode(images)[0], np.float64)
        deltas, reached = _deltas(codec, start, way, amount, cancelled)
        plain, edited = codec.decode(start), codec.decode(start + deltas[:, None] * way.unit)
        before, after = judge.probabilities(plain), judge.probabilities(edited)
        seen = codec.planes.logits(codec.encode(edited)[0])[:, codec.planes.index(attribute)]
        gathered.add(
            delta=deltas,
            before=before,
            after=after,
            judged=(after[:, known] > 0.5) == wanted,
            judged_before=(before[:, known] > 0.5) == wanted,
            reencoded=(seen > 0) == wanted,
            distance=pictures.l1(edited, plain),
            reconstruction=pictures.l1(plain, images),
        )
        if reached is not None:
            gathered.add(reached=reached)
        if identity is not None:
            gathered.add(identity=identity(edited, plain))
        if faces.options is not None and attribute in ATTRIBUTES:
            drawn = [faces.options[i] for i in part]
            first = done - len(part)

            def drawing(face: int, _: int, first: int = first) -> None:
                if progress is not None:
                    progress(first + face, len(rows))

            truths = nearest(drawn, attribute, wanted, edited, faces.crop, drawing, cancelled)
            _against_truth(gathered, codec, drawn, truths, plain, edited, perceptual)
        if progress is not None:
            progress(done, len(rows))
    return _edit(gathered, judge, attribute, wanted, amount, margin_of(faces.images.shape[1]), seed)


def measure_all(
    codec: Codec,
    judge: Judge,
    faces: Faces,
    amounts: Mapping[tuple[str, bool], Amount | None] | Amount,
    *,
    attributes: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    perceptual: Compare | None = None,
    identity: Compare | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Edit, ...]:
    """`measure` for each attribute and direction; a direction for which there is no face is left out.

    Args:
        amounts: one for all, or by (attribute, wanted); directions without one, or with None, are left out.
        attributes: which; None for those that model, judge and labels all know.
        keep: those that are edited are not kept in their own edit.
        progress: told (faces done, faces) over all edits.
    """
    plan: list[tuple[str, bool, Amount, int]] = []
    for name, wanted, count in _directions(codec, judge, faces, attributes):
        amount = amounts if isinstance(amounts, Amount) else amounts.get((name, wanted))
        if amount is not None:
            plan.append((name, wanted, amount, count))
    total, before = sum(count for *_, count in plan), 0
    found = []
    for name, wanted, amount, count in plan:

        def tell(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        kept = [other for other in keep if other != name]
        found.append(
            measure(
                codec, judge, faces, name, wanted, amount,
                keep=kept, perceptual=perceptual, identity=identity, seed=seed,
                progress=tell, cancelled=cancelled,
            )
        )  # fmt: skip
        before += count
    return tuple(found)


def equal_success(
    codec: Codec,
    judge: Judge,
    faces: Faces,
    attribute: str,
    wanted: bool,
    target: float,
    *,
    bound: float = BOUND,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> float | None:
    """The smallest delta at which the judge sees the wanted label in at least a share `target` of the edits.

    Models are then compared at the same success: an edit that does nothing leaks nothing. Looks every 0.5
    up to `bound`, then halves down to 0.05. Find it on faces other than those that are reported.

    Args:
        target: above 0, at most 1.

    Returns:
        None where no delta up to `bound` does it.

    Raises:
        ConfigError: target or bound make no sense.
        ModelError, DataError, Cancelled: as `measure`.
    """
    if not 0 < target <= 1:
        raise ConfigError(f"target = {target}: must be a share above 0 and at most 1")
    known = _judged(judge, attribute)
    rows = faces.lacking(attribute, wanted)
    if not len(rows):
        raise DataError(f"no face lacks {attribute} = {'yes' if wanted else 'no'}, so none can be edited")
    limit = Amount(bound).delta
    way = until.ray(codec.planes, {attribute: limit if wanted else -limit}, keep)
    codes = np.concatenate(
        [np.asarray(codec.encode(faces.images[part])[0], np.float64) for _, part in _parts(rows, cancelled)]
    )
    grid = [*np.arange(_GRID, limit, _GRID).tolist(), limit]
    total = len(grid) + math.ceil(math.log2(_GRID / _TOLERANCE))
    looks = 0

    def share(delta: float) -> float:
        nonlocal looks
        right = 0
        for _, part in _parts(np.arange(len(codes)), cancelled):
            seen = judge.probabilities(codec.decode(codes[part] + delta * way.unit))[:, known]
            right += int(((seen > 0.5) == wanted).sum())
        looks += 1
        if progress is not None:
            progress(min(looks, total), total)
        return right / len(codes)

    low = 0.0
    for high in grid:
        if share(high) < target:
            low = high
            continue
        while high - low > _TOLERANCE:
            middle = (low + high) / 2
            low, high = (low, middle) if share(middle) >= target else (middle, high)
        if progress is not None:
            progress(total, total)
        return float(high)
    return None


def equal_amounts(
    codec: Codec,
    judge: Judge,
    faces: Faces,
    target: float,
    *,
    attributes: Sequence[str] | None = None,
    bound: float = BOUND,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[tuple[str, bool], Amount | None]:
    """`equal_success` for each attribute and direction, as `measure_all` takes it; None where none does it.

    Args:
        attributes: which; None for those that model, judge and labels all know.
        progress: told (directions done, directions).
    """
    plan = _directions(codec, judge, faces, attributes)
    found: dict[tuple[str, bool], Amount | None] = {}
    for name, wanted, _ in plan:
        kept = [other for other in keep if other != name]
        delta = equal_success(
            codec, judge, faces, name, wanted, target, bound=bound, keep=kept, cancelled=cancelled
        )
        found[name, wanted] = None if delta is None else Amount(delta)
        if progress is not None:
            progress(len(found), len(plan))
    return found


def _directions(
    codec: Codec, judge: Judge, faces: Faces, attributes: Sequence[str] | None
) -> list[tuple[str, bool, int]]:
    """(attribute, wanted, faces that lack it) of every edit that some face can have."""
    if attributes is None:
        shared = set(judge.attributes) & set(faces.attributes)
        attributes = [name for name in codec.planes.attributes if name in shared]
    every = [(n, wanted, len(faces.lacking(n, wanted))) for n in attributes for wanted in (True, False)]
    plan = [one for one in every if one[2]]
    if not plan:
        raise DataError("no attribute that model, judge and labels all know can be edited on these faces")
    return plan


def margin_of(size: int) -> int:
    """Pixels around a changed region that blur may cross: one in 32 of the side."""
    return max(1, size // 32)


def _judged(judge: Judge, attribute: str) -> int:
    """The judge's column of an attribute."""
    if attribute not in judge.attributes:
        known = ", ".join(judge.attributes)
        raise ModelError(f"the judge was not trained on {attribute!r}; it knows {known}; train one that does")
    return judge.attributes.index(attribute)


def _parts(
    rows: NDArray[np.int64], cancelled: Callable[[], bool] | None
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(rows done after it, rows of the part), with a look at `cancelled` before each."""
    for start in range(0, len(rows), _TOGETHER):
        if cancelled is not None and cancelled():
            raise Cancelled("measuring edits was stopped")
        part = rows[start : start + _TOGETHER]
        yield start + len(part), part


def _deltas(
    codec: Codec, codes: Floats, way: until.Ray, amount: Amount, cancelled: Callable[[], bool] | None
) -> tuple[Floats, NDArray[np.bool_] | None]:
    """How far each code (N, d) goes, and whether a search found its label; None without a search."""
    if amount.until is None:
        return np.full(len(codes), amount.delta), None
    found = []
    for z in codes:
        if amount.on == "code":
            found.append(until.until_code(z, codec.planes, way, amount.until))
        else:
            found.append(
                until.until_image(
                    z, codec.planes, way, amount.until,
                    lambda many: codec.encode(codec.decode(many))[0], cancelled=cancelled,
                )
            )  # fmt: skip
    return np.array([f.delta for f in found]), np.array([f.reached for f in found])


def _against_truth(
    gathered: _Rows,
    codec: Codec,
    options: Sequence[Mapping[str, Any]],
    truths: Truths,
    plain: Images,
    edited: Images,
    perceptual: Compare | None,
) -> None:
    """Gather what `Truth` averages."""
    allowed = codec.decode(codec.encode(truths.images)[0])
    for name, images in (("edited", edited), ("allowed", allowed), ("unedited", plain)):
        values = {f"{name}.l1": pictures.l1(images, truths.images)}
        values[f"{name}.ssim"] = pictures.ssim(images, truths.images)
        if perceptual is not None:
            values[f"{name}.perceptual"] = np.asarray(perceptual(images, truths.images))
        gathered.add(**values)
    wide = grow(truths.changed, margin_of(edited.shape[1]))
    old, new = (
        [list(labels_of(dict(face)).values()) for face in drawn] for drawn in (options, truths.options)
    )
    gathered.add(
        outside=pictures.l1(edited, plain, ~wide),
        inside=pictures.l1(edited, plain, truths.changed),
        region=truths.changed.mean(axis=(1, 2)),
        choices=truths.choices,
        truly=np.not_equal(old, new),
    )


def _edit(
    gathered: _Rows, judge: Judge, attribute: str, wanted: bool, amount: Amount, margin: int, seed: int
) -> Edit:
    """Means and intervals of what was gathered."""

    def of(name: str) -> Estimate:
        return estimate(gathered[name], seed)

    def away(name: str) -> Distance:
        more = of(f"{name}.perceptual") if f"{name}.perceptual" in gathered else None
        return Distance(of(f"{name}.l1"), of(f"{name}.ssim"), more)

    truth, truly = None, {}
    if "truly" in gathered:
        truly = dict(zip(ATTRIBUTES, gathered["truly"].mean(axis=0).tolist(), strict=True))
        truth = Truth(
            edited=away("edited"),
            allowed=away("allowed"),
            unedited=away("unedited"),
            outside=of("outside"),
            inside=of("inside"),
            region=of("region"),
            margin=margin,
            choices=float(gathered["choices"].mean()),
        )
    return Edit(
        attribute=attribute,
        wanted=wanted,
        amount=str(amount),
        faces=len(gathered["delta"]),
        delta=of("delta"),
        reached=of("reached") if "reached" in gathered else None,
        judged=of("judged"),
        judged_before=of("judged_before"),
        reencoded=of("reencoded"),
        others=changes(gathered["before"], gathered["after"], judge.attributes, attribute, truly, seed),
        distance=of("distance"),
        reconstruction=of("reconstruction"),
        identity=of("identity") if "identity" in gathered else None,
        truth=truth,
    )
