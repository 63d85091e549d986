"""The plane of code space that two sliders reach from a face, seen at true angles and lengths. NumPy only.

Two directions are rarely perpendicular, so amounts (a, b) are no picture of the plane: what is drawn is
x along the first direction u and y along what the second, v, has perpendicular to it. With c the cosine
between them and s = sqrt(1 - c²), amounts (a, b) lie at (a + b c, b s). A unit is one standard deviation
of the prior whichever way one goes, and a hyperplane stands to the axes as it does in code space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from introvac_studio.state import Code, Edit
from trainer.errors import ModelError
from trainer.latent import Floats, Hyperplanes, Line2, Projection

ALIKE = 0.995  # a cosine beyond which two directions make no plane


@dataclass(frozen=True, eq=False)
class EditPlane:
    """Where a pair of amounts lies, and which code it makes.

    Attributes:
        names: of the two directions.
        view: the plane through the code with both amounts at zero, x along the first direction.
        cosine: between the two directions as the edit goes along them.
    """

    names: tuple[str, str]
    view: Projection
    cosine: float

    @property
    def sine(self) -> float:
        return math.sqrt(1 - self.cosine**2)

    def place(self, amounts: ArrayLike) -> Floats:
        """(..., 2) on screen, in units of delta, of amounts (..., 2)."""
        a, b = np.moveaxis(np.asarray(amounts, dtype=np.float64), -1, 0)
        return np.stack([a + self.cosine * b, self.sine * b], axis=-1)

    def amounts(self, xy: ArrayLike) -> Floats:
        """The amounts (..., 2) that lie at (..., 2)."""
        x, y = np.moveaxis(np.asarray(xy, dtype=np.float64), -1, 0)
        b = y / self.sine
        return np.stack([x - self.cosine * b, b], axis=-1)

    def code(self, xy: ArrayLike) -> Code:
        """Codes (..., d) at places (..., 2)."""
        return self.view.origin + self.view.lift(xy)

    def line(self, planes: Hyperplanes, name: str) -> Line2 | None:
        """Where a hyperplane cuts the plane; None where the two are parallel."""
        return self.view.line(planes, name)


def edit_plane(mu: Code, edit: Edit, planes: Hyperplanes, first: str, second: str) -> EditPlane:
    """The plane of two attributes through a face (d,) with all of its edit but theirs.

    Raises:
        ModelError: no such direction, nothing left of one, or both point the same way.
    """
    if first == second:
        raise ModelError("two different directions make a plane")
    u, v = (edit.heading(planes, name).unit for name in (first, second))
    cosine = float(np.clip(u @ v, -1.0, 1.0))
    if abs(cosine) > ALIKE:
        raise ModelError(f"{first} and {second} lie along one line (cosine {cosine:.3f}); choose another")
    beside = v - cosine * u
    beside -= u * (u @ beside)
    origin = mu + edit.with_amount(first, 0.0).with_amount(second, 0.0).step(planes)
    basis = np.stack([u, beside / np.linalg.norm(beside)])
    return EditPlane((first, second), Projection(origin, basis, (first, second)), cosine)
