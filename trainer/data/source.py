"""Where faces come from: one interface over avatars, CelebA and plain folders, opened by a short text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from trainer.data import avatars
from trainer.data.transforms import open_image, prepare
from trainer.errors import DataError

TRAIN, VALID, TEST = 0, 1, 2
SPLITS = {"train": TRAIN, "valid": VALID, "test": TEST}
DEFAULT_AVATARS = 8000
MAX_AVATARS = 1_000_000
_KINDS = "avatars, avatars:N, avatars:N:SEED, celeba:DIR or folder:DIR"


class Source(Protocol):
    """Labelled faces that can be read one by one, also in another process: must be picklable."""

    @property
    def spec(self) -> str:
        """The text that opens it again."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """A names, one for each column of `labels`."""

    @property
    def names(self) -> list[str]:
        """N names, one for each face: relative POSIX paths for files."""

    @property
    def labels(self) -> np.ndarray:
        """(N, A) int8, 0 or 1."""

    @property
    def splits(self) -> np.ndarray:
        """(N,) uint8: 0 train, 1 valid, 2 test."""

    @property
    def default_crop(self) -> str:
        """The crop that fits these pictures."""

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(name, reason) of faces that are listed but not there."""

    def read(self, index: int, size: int, crop: str) -> np.ndarray:
        """Face `index` as (S, S, 3) uint8; a DataError if it cannot be read."""

    def fingerprint(self) -> dict[str, Any]:
        """Plain data that changes whenever a picture, a label or a split does."""

    def options(self, index: int) -> dict[str, Any] | None:
        """How face `index` was drawn, or None for a photo."""


def digest(*parts: bytes) -> str:
    """A stable hash of some bytes, as 32 hexadecimal digits."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def uniform(key: str) -> float:
    """A number in [0, 1) that depends on the text alone, on every machine."""
    value = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return (int.from_bytes(value, "big") >> 11) / 2.0**53


def hashed_split(key: str) -> int:
    """80 % train, 10 % valid, 10 % test, by the text alone."""
    u = uniform(key)
    return TRAIN if u < 0.8 else VALID if u < 0.9 else TEST


class AvatarSource:
    """Drawn faces 0 to N - 1 of a seed."""

    default_crop = "none"

    def __init__(self, count: int = DEFAULT_AVATARS, seed: int = 0) -> None:
        if not 1 <= count <= MAX_AVATARS:
            raise DataError(f"avatars:{count}: the number of faces must be from 1 to {MAX_AVATARS}")
        if not 0 <= seed < 2**63:
            raise DataError(f"avatars:{count}:{seed}: the seed must be from 0 to 2^63 - 1")
        self.count, self.seed = count, seed
        self.spec = f"avatars:{count}:{seed}"
        self.attributes = avatars.ATTRIBUTES
        self.names = [f"avatar-{seed}-{index:06d}" for index in range(count)]
        self.splits = np.array([hashed_split(f"{seed}:{index}") for index in range(count)], np.uint8)
        self.labels = np.array(
            [list(avatars.labels_of(avatars.options_for(seed, index)).values()) for index in range(count)],
            np.int8,
        )
        self.skipped: list[tuple[str, str]] = []

    def read(self, index: int, size: int, crop: str) -> np.ndarray:
        """(S, S, 3) uint8, drawn at size; other crops than `none` and `square` cut a larger drawing."""
        options = avatars.options_for(self.seed, index)
        if crop in ("none", "square"):
            return avatars.draw(options, size)
        return prepare(Image.fromarray(avatars.draw(options, 2 * size)), size, crop)

    def fingerprint(self) -> dict[str, Any]:
        """Seed, count and the generator's version."""
        return {"kind": "avatars", "seed": self.seed, "count": self.count, "generator": avatars.VERSION}

    def options(self, index: int) -> dict[str, Any] | None:
        """The parts and colours of face `index`."""
        return avatars.options_for(self.seed, index)


class FileSource:
    """Photos on disk with a table of labels; CelebA and plain folders are made into this."""

    def __init__(
        self,
        spec: str,
        root: Path,
        names: list[str],
        attributes: tuple[str, ...],
        labels: np.ndarray,
        splits: np.ndarray,
        default_crop: str,
        skipped: list[tuple[str, str]],
    ) -> None:
        if not names:
            missing = (
                f"; {len(skipped)} listed pictures are missing, first {skipped[0][0]}" if skipped else ""
            )
            raise DataError(f"{root}: holds no pictures{missing}")
        self.spec, self.root, self.names, self.attributes = spec, root, names, attributes
        self.labels, self.splits = labels.astype(np.int8), splits.astype(np.uint8)
        self.default_crop, self.skipped = default_crop, skipped

    def read(self, index: int, size: int, crop: str) -> np.ndarray:
        """(S, S, 3) uint8 by `open_image` and `prepare`, as for a user's photo."""
        path = self.root / self.names[index]
        try:
            return prepare(open_image(path), size, crop)
        except DataError as error:
            raise error if str(path) in str(error) else DataError(f"{path}: {error}") from error

    def fingerprint(self) -> dict[str, Any]:
        """A digest of names, sizes and modification times of the files, and one of the labels."""
        files = []
        for name in self.names:
            try:
                stat = (self.root / name).stat()
                files.append(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}")
            except OSError:
                files.append(f"{name}\0-")
        return {
            "kind": self.spec.partition(":")[0],
            "files": digest("\n".join(files).encode("utf-8", "surrogateescape")),
            "labels": digest(
                ",".join(self.attributes).encode(), self.labels.tobytes(), self.splits.tobytes()
            ),
        }

    def options(self, index: int) -> dict[str, Any] | None:
        """None: a photo was not drawn."""
        return None


def _avatars(spec: str, rest: str) -> AvatarSource:
    try:
        numbers = [int(part) for part in rest.split(":")] if rest else []
    except ValueError as error:
        raise DataError(
            f"{spec}: expected avatars, avatars:N or avatars:N:SEED with whole numbers"
        ) from error
    if len(numbers) > 2:
        raise DataError(f"{spec}: expected avatars, avatars:N or avatars:N:SEED")
    return AvatarSource(*numbers)


def open_source(spec: str) -> Source:
    """Open `avatars`, `avatars:N`, `avatars:N:SEED`, `celeba:DIR` or `folder:DIR`.

    Only the first colon separates, so that `folder:C:\\faces` works.

    Raises:
        DataError: an unknown kind, or data that is missing or malformed.
    """
    from trainer.data import celeba, folder

    kind, _, rest = spec.partition(":")
    if kind == "avatars":
        return _avatars(spec, rest)
    if kind in ("celeba", "folder"):
        if not rest:
            raise DataError(f"{spec}: name the directory, as in {kind}:DIR")
        root = Path(rest).expanduser()
        if not root.is_dir():
            raise DataError(f"{root}: no such directory")
        return celeba.open_celeba(root) if kind == "celeba" else folder.open_folder(root)
    raise DataError(f"{spec!r}: data is {_KINDS}, or the directory of a cache")
