"""One distance for each attribute's edits, chosen where the judge agrees most often. No torch.

It is chosen on the selection split and used on the reported one, so that no number is reported on the faces
that it was chosen on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trainer.errors import Cancelled, ConfigError, DataError, ModelError
from trainer.metrics.records import Codec, Faces, Judge

GRID = tuple(0.5 * i for i in range(1, 13))  # 0.5 to 6
TIE = 0.005  # of the share of successes; a shorter edit that is so little worse is preferred
_TOGETHER = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Choice:
    """The delta of an attribute, and what it was chosen from.

    Attributes:
        attribute: whose edits.
        delta: the smallest one within `TIE` of the best.
        grid: the deltas that were tried, up to the first at which no edit failed.
        success: at each of them, the mean over the ways of the share of edits that the judge takes for done.
        lacking, having: faces that were switched to yes and to no; a way without faces is left out.
    """

    attribute: str
    delta: float
    grid: tuple[float, ...]
    success: tuple[float, ...]
    lacking: int
    having: int


def choose(
    codec: Codec,
    judge: Judge,
    faces: Faces,
    attribute: str,
    grid: Sequence[float] = GRID,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Choice:
    """The smallest delta at which the mean of both ways' judged success is highest, up to `TIE`.

    Args:
        faces: of the selection split.
        grid: ascending, above 0.
        progress: told (deltas tried, deltas).
        cancelled: asked before each delta, and between the faces of it.

    Raises:
        ConfigError: no such grid.
        ModelError: the judge or the model does not know the attribute, or no delta makes the judge see what
            it does not see in mere reconstructions.
        DataError: the faces have no labels of it, or there are none.
        Cancelled: `cancelled` said so.
    """
    if not grid or grid[0] <= 0 or list(grid) != sorted(set(grid)):
        raise ConfigError(f"grid = {tuple(grid)}: must be numbers above 0 that rise")
    if attribute not in judge.attributes:
        known = ", ".join(judge.attributes)
        raise ModelError(f"the judge was not trained on {attribute!r}; it knows {known}; train one that does")
    column = judge.attributes.index(attribute)
    rows = {wanted: faces.lacking(attribute, wanted) for wanted in (True, False)}
    ways = [
        (wanted, np.asarray(codec.encode(faces.images[some])[0], np.float64))
        for wanted, some in rows.items()
        if len(some)
    ]
    if not ways:
        raise DataError(f"no face has a label of {attribute!r} to choose its delta on; take more data")
    unit = codec.planes.normal(attribute)

    def judged(delta: float) -> float:
        """The mean over the ways of the share of edits that the judge takes for done."""
        shares = []
        for wanted, codes in ways:
            moved = codes + (delta if wanted else -delta) * unit
            right = 0
            for start in range(0, len(moved), _TOGETHER):
                if cancelled is not None and cancelled():
                    raise Cancelled("choosing how far edits go was stopped")
                seen = judge.probabilities(codec.decode(moved[start : start + _TOGETHER]))[:, column]
                right += int(((seen > 0.5) == wanted).sum())
            shares.append(right / len(moved))
        return float(np.mean(shares))

    success: list[float] = []
    for delta in grid:
        success.append(judged(delta))
        if progress is not None:
            progress(len(success), len(grid))
        if success[-1] == 1.0:  # nothing can be better, and what is longer is not preferred
            break
    if progress is not None:
        progress(len(grid), len(grid))
    best, unmoved = max(success), judged(0.0)  # a model may lose the label without any edit
    if best <= unmoved + TIE:
        raise ModelError(
            f"edits of {attribute} do nothing that the judge sees: it sees the wanted label in {best:.1%} of "
            f"them at best, and in {unmoved:.1%} of the reconstructions; train the model longer, or the judge"
        )
    best = max(success)
    first = next(i for i, share in enumerate(success) if share >= best - TIE - 1e-12)
    return Choice(
        attribute=attribute,
        delta=float(grid[first]),
        grid=tuple(float(delta) for delta in grid[: len(success)]),
        success=tuple(success),
        lacking=len(rows[True]),
        having=len(rows[False]),
    )
