"""What is known about a data set before a run, and what was chosen from it; numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from introvac_studio.language import tr
from trainer import files


@dataclass(frozen=True)
class DataChoice:
    """What a run trains on, in the words of the command line."""

    data: str = "avatars:4000"
    attributes: tuple[str, ...] = ("Eyeglasses", "FacialHair")
    derive: tuple[str, ...] = ()
    subset: str = "none"

    @property
    def kind(self) -> str:
        """`avatars`, `celeba`, `folder` or `cache`."""
        kind = self.data.partition(":")[0]
        return kind if kind in ("avatars", "celeba", "folder") else "cache"

    @property
    def title(self) -> str:
        """A few words for a line of text."""
        kind, _, rest = self.data.partition(":")
        if kind == "avatars":
            count = rest.partition(":")[0] or "8000"
            return (
                tr("Avatars · {count} faces", count=f"{int(count):,}") if count.isdigit() else tr("Avatars")
            )
        if self.kind == "cache":
            return tr("Cache · {name}", name=Path(self.data).name)
        return f"{tr('CelebA') if kind == 'celeba' else tr('Folder')} · {Path(rest).name}"


def sound_choice(found: Mapping[str, Any]) -> DataChoice | None:
    """A choice that was remembered; None where it makes no sense, or its data is gone."""
    data, subset = found.get("data"), found.get("subset")
    attributes, derive = found.get("attributes"), found.get("derive")
    names = (attributes, derive)
    if not all(isinstance(text, str) for text in (data, subset)) or not all(
        isinstance(some, list) and all(isinstance(name, str) for name in some) for some in names
    ):
        return None
    choice = DataChoice(str(data), tuple(attributes or ()), tuple(derive or ()), str(subset))
    if choice.kind != "avatars":
        place = choice.data if choice.kind == "cache" else choice.data.partition(":")[2]
        if not files.exists(place):
            return None
    return choice


@dataclass(frozen=True)
class DataRequest:
    """What to look at: a choice, prepared at a size. `crop` None means the data's own."""

    choice: DataChoice
    image_size: int = 64
    crop: str | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class DataSummary:
    """Counts and examples of a data set.

    Attributes:
        request: what was asked.
        size, crop: as prepared; a cache's own.
        images: N, pictures of all splits.
        attributes: A names, the derived ones too.
        counts: A numbers of pictures, over all splits.
        splits: pictures by split, before the subset: train, valid (to choose on) and test (to report on),
            or the data's own when nothing can be selected.
        selected: the same after the subset; empty when nothing can be selected.
        chosen: K names of the selection.
        together: (K, K) co-occurrence on the selected training pictures.
        examples: (n, S, S, 3) uint8, and their `names`.
        skipped: (name, reason) of pictures that cannot be used.
        problem: why nothing can be selected, or empty.
        note: says so where valid stands in for a missing test split, or empty.
    """

    request: DataRequest
    size: int
    crop: str
    images: int
    attributes: tuple[str, ...]
    counts: tuple[int, ...]
    splits: Mapping[str, int]
    selected: Mapping[str, int]
    chosen: tuple[str, ...]
    together: NDArray[np.int64]
    examples: NDArray[np.uint8]
    skipped: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    names: tuple[str, ...] = ()
    note: str = ""
