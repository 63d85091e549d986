"""Edits: moves that leave other attributes where they are, and walks up the gradient. NumPy only.

Every direction is a unit vector, so that an amount is a distance in units of the prior's standard
deviation. Keys of amounts are attributes, or several joined as "A+B" (see `latent.direction`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trainer.errors import ConfigError, ModelError
from trainer.latent import Floats, Hyperplanes, direction, finite_codes, key_names, span_basis

_NOTHING = 1e-6  # of a direction; less is how weights in float32 were rounded
_STRIDE = 0.05  # the longest step of a walk up the gradient


class Heading(NamedTuple):
    """A direction that an edit takes.

    Attributes:
        unit: (d,), of length 1.
        left: how much of the plain direction it is, in (0, 1]: the cosine between the two. A move along
            `unit` shifts the attribute's logit by `left` times what the plain move does.
    """

    unit: Floats
    left: float


def cosines(planes: Hyperplanes, names: Sequence[str] | None = None) -> Floats:
    """(K, K) cosines between the unit normals of attributes, all but "fake" unless named.

    Raises:
        ModelError: an unknown attribute, or one without a direction.
    """
    chosen = planes.attributes if names is None else names
    normals = np.stack([planes.normal(name) for name in chosen])
    table = np.clip(normals @ normals.T, -1.0, 1.0)
    np.fill_diagonal(table, 1.0)
    return table


def heading(planes: Hyperplanes, key: str, keep: Iterable[str] = ()) -> Heading:
    """The direction of a key, less what lies in the span of the kept attributes' normals.

    Raises:
        ModelError: an unknown attribute, one without a direction, one both moved and kept, or nothing left.
    """
    kept = tuple(dict.fromkeys(keep))
    _refuse_both(key_names(planes, key), kept)
    return _heading(direction(planes, key), key, kept, _span(planes, kept))


def displacement(planes: Hyperplanes, amounts: Mapping[str, float], keep: Iterable[str] = ()) -> Floats:
    """What an edit adds to a code: the sum of amount * `heading`, (d,); kept logits do not change.

    Each move is taken off the kept span by itself, so that each amount stays a distance. Moves add
    up: where every slider is to keep its own set, the sum of one displacement a slider does it.

    Args:
        planes: K+1 logits on codes (d,).
        amounts: key -> signed distance.
        keep: attributes whose logits stay; none of them may be moved.

    Raises:
        ModelError: as `heading`, or an amount that is not finite.
    """
    kept = tuple(dict.fromkeys(keep))
    _refuse_both((name for key in amounts for name in key_names(planes, key)), kept)
    span = _span(planes, kept)
    total = np.zeros(planes.dim)
    for key, amount in amounts.items():
        if not math.isfinite(amount):
            raise ModelError(f"move {key} = {amount}: must be a finite number")
        total += amount * _heading(direction(planes, key), key, kept, span).unit
    return total


def ascend(
    z: ArrayLike, planes: Hyperplanes, wants: Mapping[str, bool], distance: float, keep: Iterable[str] = ()
) -> Floats:
    """Codes after a walk of length `distance` up the gradient of log p(wants | z), shaped like `z`.

    One logit's gradient is its weight row wherever the code is, so that for one attribute the walk is
    the straight move along its normal. For several the gradient is
    sum_k s_k w_k sigmoid(-s_k (w_k . z + b_k)), with s_k = -1 for an unwanted one: every attribute pulls
    by as much as it is still in doubt. The walk bends toward what is not reached yet, whereas the joint
    direction "A+B" favours none. Where two wants pull against each other there may be a top; the walk
    then ends within a stride of it.

    Args:
        z: (d,) or (N, d).
        planes: K+1 logits on codes (d,).
        wants: attribute -> True for yes, False for no.
        distance: how far to go, in units of the prior's standard deviation.
        keep: attributes whose logits stay.

    Raises:
        ConfigError: a distance that is negative or not finite.
        ModelError: nothing wanted, as `heading`, or codes that do not fit.
    """
    if not (math.isfinite(distance) and distance >= 0):
        raise ConfigError(f"distance = {distance}: must be a finite number of at least 0")
    if not wants:
        raise ModelError("nothing is wanted: name an attribute to ascend to")
    kept = tuple(dict.fromkeys(keep))
    _refuse_both(wants, kept)
    span = _span(planes, kept)
    signs = np.array([1.0 if wanted else -1.0 for wanted in wants.values()])
    rows = np.array([planes.usable(name) for name in wants])
    pulls = []
    for sign, row, name in zip(signs, rows, wants, strict=True):
        unit, left = _heading(planes.normal(name), name, kept, span)
        pulls.append(sign * left * np.linalg.norm(planes.w[row]) * unit)
    code = finite_codes(z, planes.dim)
    walk = _walk(np.atleast_2d(code).copy(), planes, rows, signs, np.stack(pulls), distance)
    return walk.reshape(code.shape)


def _walk(
    codes: Floats, planes: Hyperplanes, rows: np.ndarray, signs: Floats, pulls: Floats, distance: float
) -> Floats:
    count = math.ceil(distance / _STRIDE) if len(rows) > 1 else 1
    smallest = 1e-9 * float(np.linalg.norm(pulls, axis=1).min())
    for _ in range(count):
        margins = signs * planes.logits(codes)[:, rows]
        doubts = -np.logaddexp(0.0, margins)  # log sigmoid(-margin): only the ratios count
        gradient = np.exp(doubts - doubts.max(axis=1, keepdims=True)) @ pulls
        length = np.linalg.norm(gradient, axis=1, keepdims=True)
        codes += distance / count * np.where(length > smallest, gradient / np.maximum(length, smallest), 0.0)
    return codes


def _refuse_both(moved: Iterable[str], kept: Sequence[str]) -> None:
    for name in moved:
        if name in kept:
            raise ModelError(f"{name!r} is to be moved and to be kept; choose one of the two")


def _span(planes: Hyperplanes, kept: Sequence[str]) -> Floats:
    """An orthonormal basis (r, d) of the kept normals' span."""
    return span_basis(np.reshape([planes.normal(name) for name in kept], (-1, planes.dim)))


def _heading(unit: Floats, key: str, kept: Sequence[str], span: Floats) -> Heading:
    if not len(span):
        return Heading(unit, 1.0)
    rest = unit - (unit @ span.T) @ span
    left = float(np.linalg.norm(rest))
    if left < _NOTHING:
        raise ModelError(
            f"nothing is left of {key!r} without changing {', '.join(kept)}; keep fewer attributes"
        )
    rest /= left
    rest -= (rest @ span.T) @ span  # what rounding left in the span, which the division enlarged
    return Heading(rest / np.linalg.norm(rest), min(left, 1.0))
