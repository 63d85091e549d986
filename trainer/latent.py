"""Geometry of code space: hyperplanes, directions, moves and flat views. NumPy only.

Shapes: a code z is (d,), codes are (N, d). Arithmetic is float64, and so is what comes out: a float32
code would be off by 1e-7 of its length, which no logit that is to stay where it is could bear.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.config import FAKE
from trainer.errors import ModelError

Floats = NDArray[np.float64]
Codes = NDArray[np.float32]
Point = tuple[float, float]

_FLAT = 1e-12  # a share of |w|^2 below this counts as none


def sigmoid(x: ArrayLike) -> Floats:
    """1 / (1 + exp(-x)), accurate in both tails."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(x, dtype=np.float64)))


@dataclass(frozen=True, eq=False)
class Hyperplanes:
    """The linear classifier: logit k is w_k . z + b_k, its hyperplane where that is zero.

    Attributes:
        names: K attributes, then "fake".
        w: (K+1, d) weight rows.
        b: (K+1,) biases.
        knows_fake: false for a model that never saw a decoded image, whose fake logit means nothing.

    Raises:
        ModelError: shapes that do not fit, values that are not finite, names that repeat.
    """

    names: tuple[str, ...]
    w: Floats
    b: Floats
    knows_fake: bool = True

    def __post_init__(self) -> None:
        names = tuple(str(n) for n in self.names)
        w, b = np.array(self.w, dtype=np.float64), np.array(self.b, dtype=np.float64)
        if w.ndim != 2 or w.shape[1] < 1 or w.shape[0] != len(names) or b.shape != (len(names),):
            raise ModelError(f"hyperplanes: {len(names)} names do not fit w {w.shape} and b {b.shape}")
        if not names or names[-1] != FAKE or len(set(names)) != len(names):
            raise ModelError(f"hyperplanes: names {names} must be distinct and end with {FAKE!r}")
        if not (np.isfinite(w).all() and np.isfinite(b).all()):
            raise ModelError("hyperplanes: w or b holds values that are not finite numbers")
        w.setflags(write=False)
        b.setflags(write=False)
        for key, value in (("names", names), ("w", w), ("b", b)):
            object.__setattr__(self, key, value)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names without "fake"."""
        return self.names[:-1]

    @property
    def dim(self) -> int:
        """d, the dimensions of a code."""
        return int(self.w.shape[1])

    def index(self, name: str) -> int:
        """Row of a name in `w`, `b` and the logits.

        Raises:
            ModelError: the model has no such attribute; lists those it has.
        """
        try:
            return self.names.index(name)
        except ValueError:
            known = ", ".join(self.names if self.knows_fake else self.attributes)
            raise ModelError(f"unknown attribute {name!r}; this model knows {known}") from None

    def usable(self, name: str) -> int:
        """Like `index`, and refuses "fake" where the model never learned it."""
        row = self.index(name)
        if name == FAKE and not self.knows_fake:
            raise ModelError(f"{FAKE!r} means nothing to this model: it was trained without decoded images")
        return row

    def logits(self, z: ArrayLike) -> Floats:
        """(N, K+1) for codes (N, d), (K+1,) for one code (d,)."""
        return as_codes(z, self.dim) @ self.w.T + self.b

    def probabilities(self, z: ArrayLike) -> Floats:
        """p(y_k = 1 | z), shaped like `logits`."""
        return sigmoid(self.logits(z))

    def normal(self, name: str) -> Floats:
        """The unit normal w/|w|, (d,).

        Raises:
            ModelError: unknown attribute, or a weight row of zeros, which has no direction.
        """
        w = self.w[self.usable(name)]
        length = np.linalg.norm(w)
        if length == 0:
            raise ModelError(f"{name!r} has no direction: its weights are all zero")
        return w / length

    def distance(self, z: ArrayLike, name: str) -> Floats:
        """Signed distance (w . z + b)/|w| to the hyperplane, (N,) or a scalar array."""
        normal, row = self.normal(name), self.index(name)
        return as_codes(z, self.dim) @ normal + self.b[row] / np.linalg.norm(self.w[row])


def as_codes(z: ArrayLike, dim: int) -> Floats:
    """Codes as float64, (d,) or (N, d).

    Raises:
        ModelError: another shape.
    """
    codes = np.asarray(z, dtype=np.float64)
    if codes.ndim not in (1, 2) or codes.shape[-1] != dim:
        raise ModelError(
            f"codes of shape {codes.shape} do not fit this model: expected (N, {dim}) or ({dim},)"
        )
    return codes


def finite_codes(z: ArrayLike, dim: int) -> Floats:
    """Like `as_codes`, for codes that someone hands in.

    Raises:
        ModelError: another shape, or values that are not finite.
    """
    codes = as_codes(z, dim)
    if not np.isfinite(codes).all():
        raise ModelError("a code holds NaN or infinite values; open the face again")
    return codes


def span_basis(w: Floats) -> Floats:
    """An orthonormal basis (r, d) of the span of rows (n, d), by Gram-Schmidt in their order; n may be 0."""
    basis = np.empty((0, w.shape[1]))
    for row in w:
        length = np.linalg.norm(row)
        rest = row.copy()
        for _ in range(2):  # the second pass removes what rounding left
            rest -= (rest @ basis.T) @ basis
        left = np.linalg.norm(rest)
        if left > 1e-10 * length:
            basis = np.vstack([basis, rest / left])
    return basis


def key_names(planes: Hyperplanes, key: str) -> tuple[str, ...]:
    """The attributes of a key: "A" is A, "A+B" is A and B, unless an attribute is called "A+B" itself."""
    if key in planes.names or "+" not in key:
        return (key,)
    return tuple(name.strip() for name in key.split("+"))


def direction(planes: Hyperplanes, key: str) -> Floats:
    """Unit direction (d,) of "A", or the joint one of "A+B": the normalised sum of the unit normals.

    Raises:
        ModelError: unknown attribute, or normals that cancel.
    """
    names = key_names(planes, key)
    if len(names) == 1:
        return planes.normal(names[0])
    total = np.sum([planes.normal(name) for name in names], axis=0)
    length = np.linalg.norm(total)
    if length < 1e-9:
        raise ModelError(f"{key!r} has no direction: its normals cancel")
    return total / length


def move(z: ArrayLike, planes: Hyperplanes, amounts: Mapping[str, float]) -> Floats:
    """z + sum_k amount_k * w_k/|w_k| (the paper's edit); keys as for `direction`.

    Args:
        z: (d,) or (N, d).
        amounts: signed lengths, in units of the prior's standard deviation.

    Raises:
        ModelError: unknown attribute, or an amount that is not finite.
    """
    moved = as_codes(z, planes.dim).copy()
    for key, amount in amounts.items():
        if not math.isfinite(amount):
            raise ModelError(f"move {key} = {amount}: must be a finite number")
        moved += amount * direction(planes, key)
    return moved


@dataclass(frozen=True)
class Line2:
    """The line nx * x + ny * y + c = 0; where the left side is positive, so is the logit."""

    nx: float
    ny: float
    c: float

    def value(self, xy: ArrayLike) -> Floats:
        """The left side at points (2,) or (N, 2)."""
        return np.asarray(xy, dtype=np.float64) @ np.array([self.nx, self.ny]) + self.c


@dataclass(frozen=True, eq=False)
class Projection:
    """A flat view of code space: the plane through `origin` spanned by two orthonormal rows.

    Attributes:
        origin: (d,), shown at (0, 0).
        basis: (2, d).
        labels: what x and y are.
        explained: shares of the codes' variance along x and y, where known.
    """

    origin: Floats
    basis: Floats
    labels: tuple[str, str]
    explained: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        origin, basis = np.array(self.origin, dtype=np.float64), np.array(self.basis, dtype=np.float64)
        if origin.ndim != 1 or basis.shape != (2, origin.size):
            raise ModelError(f"projection: basis {basis.shape} does not fit origin {origin.shape}")
        if not np.allclose(basis @ basis.T, np.eye(2), atol=1e-6):
            raise ModelError("projection: the two axes are not orthonormal")
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "basis", basis)

    def project(self, z: ArrayLike) -> Floats:
        """Coordinates (N, 2) of codes (N, d), or (2,) of one code."""
        return (as_codes(z, self.origin.size) - self.origin) @ self.basis.T

    def lift(self, delta_xy: ArrayLike) -> Floats:
        """Displacement (d,) within the plotted plane for a displacement (2,) on screen."""
        return np.asarray(delta_xy, dtype=np.float64) @ self.basis

    def line(self, planes: Hyperplanes, name: str) -> Line2 | None:
        """Where the hyperplane cuts the plotted plane; None where the two are parallel."""
        row = planes.usable(name)
        if self.share(planes, name) < _FLAT:
            return None
        nx, ny = self.basis @ planes.w[row]
        return Line2(float(nx), float(ny), float(planes.w[row] @ self.origin + planes.b[row]))

    def share(self, planes: Hyperplanes, name: str) -> float:
        """How much of the normal lies in the plotted plane: |projected w|^2 / |w|^2, in [0, 1]."""
        inside = self.basis @ planes.normal(name)
        return float(inside @ inside)


def pca_projection(mu: ArrayLike) -> Projection:
    """The plane of the two directions along which codes (N, d) vary most.

    Raises:
        ModelError: fewer than two different codes.
    """
    codes = _spread(mu)
    basis, explained = _principal(codes, 2)
    return Projection(codes.mean(axis=0), basis, ("PC1", "PC2"), (float(explained[0]), float(explained[1])))


def discriminant_projection(mu: ArrayLike, planes: Hyperplanes, name: str) -> Projection:
    """A plane that holds an attribute's normal whole.

    x is the signed distance to its hyperplane, which is therefore exactly the line x = 0; y is the
    first principal component of what is left of the codes (N, d) without that direction.

    Raises:
        ModelError: unknown attribute, or codes that do not vary off the direction.
    """
    normal = planes.normal(name)
    codes = _spread(as_codes(mu, planes.dim))
    mean = codes.mean(axis=0)
    centred = codes - mean
    along = centred @ normal
    rest = centred - np.outer(along, normal)
    total = float((centred**2).sum())
    if float((rest**2).sum()) <= _FLAT * total:
        raise ModelError(f"the codes differ only along {name!r}: no second axis to show")
    second = _principal(rest, 1)[0][0]
    second = second - normal * (normal @ second)
    second /= np.linalg.norm(second)
    explained = (float((along**2).sum()) / total, float(((centred @ second) ** 2).sum()) / total)
    origin = mean - normal * planes.distance(mean, name)
    return Projection(
        origin, np.stack([normal, second]), (f"distance to {name}", f"PC1 beside {name}"), explained
    )


def _spread(mu: ArrayLike) -> Floats:
    codes = np.asarray(mu, dtype=np.float64)
    if codes.ndim != 2 or codes.shape[0] < 2 or codes.shape[1] < 2 or not np.ptp(codes, axis=0).any():
        raise ModelError(f"codes of shape {codes.shape}: a view needs at least two different codes")
    return codes


def _principal(codes: Floats, count: int) -> tuple[Floats, Floats]:
    """The first principal components (count, d), largest entry positive, and their shares of variance."""
    from sklearn.decomposition import PCA

    fitted = PCA(n_components=count, random_state=0).fit(codes)
    rows = np.asarray(fitted.components_, dtype=np.float64)
    largest = rows[np.arange(count), np.abs(rows).argmax(axis=1)]
    return rows * np.where(largest < 0, -1.0, 1.0)[:, None], fitted.explained_variance_ratio_


def clip_line(line: Line2, xmin: float, xmax: float, ymin: float, ymax: float) -> tuple[Point, Point] | None:
    """The part of a line inside a rectangle, or None when it passes beside it."""
    (x, y), (dx, dy) = nearest_point(line, ((xmin + xmax) / 2, (ymin + ymax) / 2)), (-line.ny, line.nx)
    start, stop = -math.inf, math.inf
    for at, step, low, high in ((x, dx, xmin, xmax), (y, dy, ymin, ymax)):
        if step == 0:
            if not low <= at <= high:
                return None
            continue
        near, far = sorted(((low - at) / step, (high - at) / step))
        start, stop = max(start, near), min(stop, far)
    if start > stop:
        return None
    return (x + start * dx, y + start * dy), (x + stop * dx, y + stop * dy)


def nearest_point(line: Line2, xy: Point) -> Point:
    """The point of a line that is nearest to `xy`."""
    scale = float(line.value(xy)) / (line.nx**2 + line.ny**2)
    return xy[0] - scale * line.nx, xy[1] - scale * line.ny
