"""The thread that puts the current face through other models, or through the checkpoints of a run."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pictures
from PySide6.QtCore import QObject, Signal

from introvac_studio.comparison import Compared, CompareEnd, CompareRequest, Kept
from introvac_studio.state import Code, Edit, Image
from introvac_studio.workers.serving import ServingThread
from trainer import files, modelfile, run_files
from trainer.data.transforms import prepare
from trainer.errors import CheckpointError, IntroVACError

if TYPE_CHECKING:
    from trainer.codec import Codec

ROOM = 400_000_000  # bytes of model files that stay open

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Open:
    """A model that stays open, and the newest face that it encoded."""

    codec: Codec
    written: int  # the file's time of writing, in ns
    bytes: int
    device: str  # as it was asked for
    source: Image | None = None
    mu: Code | None = None
    reconstruction: Image | None = field(default=None)


class CompareThread(ServingThread):
    """Serves `CompareRequest`s; a newer one takes the place of the one that runs.

    Signals:
        listed: `Kept`, before the first answer for a run.
        compared: `Compared`, one a model.
        finished_: `CompareEnd`, once for every request.
    """

    listed = Signal(object)
    compared = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._models: OrderedDict[Path, _Open] = OrderedDict()

    def unserved(self, request: CompareRequest) -> CompareEnd:
        return CompareEnd(request, cancelled=True)

    def serve(self, request: CompareRequest) -> CompareEnd:
        troubles: list[str] = []
        gone = False
        try:
            for label, path in self._wanted(request):
                if self.stopped(request):
                    return CompareEnd(request, cancelled=True)
                try:
                    self.compared.emit(self._compare(request, label, path))
                except (IntroVACError, OSError) as problem:
                    if label and not files.exists(path):  # a run in training drops its oldest
                        gone = True
                    else:
                        troubles.append(str(problem))
            if gone:
                self.listed.emit(Kept(request, tuple(run_files.kept_models(request.target))))
        except (IntroVACError, OSError) as problem:
            troubles.append(str(problem))
        except Exception as problem:
            _log.exception("comparing failed")
            troubles.append(f"{type(problem).__name__}: {problem}")
        return CompareEnd(request, trouble=troubles[0] if troubles else "")

    def _wanted(self, request: CompareRequest) -> Iterator[tuple[str, Path]]:
        """Names and files, the one that matters most first, then its neighbours outwards."""
        if not files.is_dir(request.target):
            yield "", request.target
            return
        kept = run_files.kept_models(request.target)
        labels = list(kept)
        if not labels:
            raise CheckpointError(
                f"{request.target} has no model yet; it gets one at the end of its first epoch"
            )
        self.listed.emit(Kept(request, tuple(labels)))
        first = labels.index(request.first) if request.first in labels else len(labels) - 1
        if not request.whole:
            labels, first = [labels[first]], 0
        for label in sorted(labels, key=lambda name: abs(labels.index(name) - first)):
            yield label, kept[label]

    def _compare(self, request: CompareRequest, label: str, path: Path) -> Compared:
        opened = self._opened(request, path)
        codec = opened.codec
        if opened.source is not request.source or opened.mu is None:
            opened.source, opened.reconstruction = request.source, None
            opened.mu = codec.encode(_sized(request.source, codec.size)[None])[0][0].astype(np.float64)
        edit, unknown = _carried(request, codec)
        z = opened.mu + edit.step(codec.planes)
        edited = codec.decode(z[None])[0]
        found = Compared(
            request,
            label or modelfile.title(path, codec.card.name),
            codec.size,
            edited,
            _by_name(codec, z),
            unknown=unknown,
        )
        if not request.whole:
            return found
        if opened.reconstruction is None:
            opened.reconstruction = codec.decode(opened.mu[None])[0]
        apart = opened.reconstruction / 255.0 - _sized(request.source, codec.size) / 255.0
        return replace(
            found,
            reconstruction=opened.reconstruction,
            error=float(np.abs(apart).mean()),
            seen=_by_name(codec, codec.encode(edited[None])[0][0]),
        )

    def _opened(self, request: CompareRequest, path: Path) -> _Open:
        """The model of a file as it is now; those that were used least long ago stay open."""
        from trainer.codec import Codec

        try:
            about = path.stat()
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
        known = self._models.pop(path, None)
        if known is None or (known.written, known.device) != (about.st_mtime_ns, request.device):
            known = _Open(Codec(path, request.device), about.st_mtime_ns, about.st_size, request.device)
        self._models[path] = known
        while sum(model.bytes for model in self._models.values()) > ROOM and len(self._models) > 1:
            self._models.popitem(last=False)
        return known


def _sized(source: Image, size: int) -> Image:
    """A prepared picture (S, S, 3) at another model's size."""
    return source if source.shape[0] == size else prepare(Pictures.fromarray(source), size, "none")


def _carried(request: CompareRequest, codec: Codec) -> tuple[Edit, tuple[str, ...]]:
    """What another model knows of the edit, and the names that it does not. Free moves belong to one code
    space and stay behind."""
    amounts = dict(request.edit.amounts)
    unknown = tuple(name for name in amounts if name not in codec.planes.attributes)
    if request.scaled:
        for name in amounts:
            amounts[name] *= codec.card.delta_of(name) / request.deltas.get(name, codec.card.delta_of(name))
    return replace(request.edit, amounts=amounts, offset=None).fitting(codec.planes), unknown


def _by_name(codec: Codec, z: Code) -> dict[str, float]:
    p = codec.planes.probabilities(z)
    return {name: float(p[codec.planes.index(name)]) for name in codec.planes.attributes}
