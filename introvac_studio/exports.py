"""What a picture carries: the recipe that made it, and the face and edit that come back from one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from introvac_studio.state import LARGEST, Edit, Face, Image, ModelInfo
from trainer import directions, grid, latent
from trainer.errors import IntroVACError, ModelError

# A recipe may be anyone's: what goes further than this was not made here.
FARTHEST = 10 * LARGEST  # of an amount
OUTERMOST = 1e6  # of a number in a code; a picture of it shows nothing
MOST_ADDED = 64  # directions that it brings along
MOST_FACES = 10_000
LONGEST = 200  # letters of a face's name

Decode = Callable[[ArrayLike], Image]


def recipe(model: ModelInfo, faces: Sequence[Face], edit: Edit, along: Sequence[str] = ()) -> dict[str, Any]:
    """What made a picture, as JSON: enough to make it again with the same model.

    Args:
        along: attributes that it shows beside those of the edit.
    """
    return {
        "model": model.digest,
        "model_name": model.name,
        "faces": [{"name": f.name, **dict(f.recipe), **_refined(f)} for f in faces],
        "z": [np.round(f.mu, 6).tolist() for f in faces],
        "deltas": dict(edit.amounts),
        "keep": list(edit.keep),
        "offset": None if edit.offset is None else np.round(edit.offset, 6).tolist(),
        "seed": next((f.recipe["seed"] for f in faces if "seed" in f.recipe), None),
    } | _added(model, {*(name for name in edit.amounts if edit.amount(name)), *edit.keep, *along})


def _code(numbers: Any, dim: int) -> NDArray[np.float64]:
    """One code (d,) of a recipe.

    Raises:
        ModelError: it is none, or lies where no face is.
    """
    try:
        code = latent.finite_codes(numbers, dim)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError("its recipe is not that of an edited face") from error
    if code.ndim != 1 or np.abs(code).max() > OUTERMOST:
        raise ModelError("its recipe is not that of an edited face")
    return code


def _added(model: ModelInfo, used: Collection[str]) -> dict[str, Any]:
    """Weights and bias of the directions that are used and that the model file lacks."""
    rows = {name: model.planes.index(name) for name in model.added if name in used}
    if not rows:
        return {}
    w, b = model.planes.w, model.planes.b
    return {"directions": {n: {"w": w[k].tolist(), "b": float(b[k])} for n, k in rows.items()}}


def reopened(note: Mapping[str, Any], model: ModelInfo) -> tuple[Face, Edit]:
    """The first face and the edit of a recipe, without the picture that the face came from.

    Raises:
        ModelError: another model's recipe, one of another kind, or an edit that this model cannot make.
    """
    if note.get("model") != model.digest:
        raise ModelError(f"it was made with the model {str(note.get('model_name', ''))!r}; open that first")
    try:
        about = dict(note["faces"][0])
        mu = _code(note["z"][0], model.dim)
        offset = note.get("offset")
        edit = Edit(
            {str(k): float(v) for k, v in dict(note["deltas"]).items()},
            None if offset is None else _code(offset, model.dim),
            tuple(str(name) for name in note.get("keep", ())),
        )
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise ModelError("its recipe is not that of an edited face") from error
    if note.get("layout") == "path":  # written before a path's ends were codes without the edit
        edit = Edit(keep=edit.keep)
    if not all(abs(amount) <= FARTHEST for amount in edit.amounts.values()):
        raise ModelError("its recipe is not that of an edited face")
    for name in edit.keep:
        model.planes.normal(name)
    edit.step(model.planes)
    return Face(str(about.pop("name", "face"))[:LONGEST], mu, None, about), edit


def with_directions(note: Mapping[str, Any], planes: latent.Hyperplanes) -> latent.Hyperplanes:
    """Hyperplanes with the directions that a recipe brings along and the model does not have.

    Raises:
        ModelError: they are none, or another direction has the name of one.
    """
    added = note.get("directions", {})
    if not isinstance(added, Mapping) or len(added) > MOST_ADDED:
        raise ModelError("its recipe has no readable directions")
    for name, row in added.items():
        try:
            if str(name) in planes.names:
                _check_same(planes, str(name), row)
            else:
                planes = directions.extend(planes, str(name), row["w"], float(row["b"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"its direction {name!r} is not readable") from error
    return planes


def _check_same(planes: latent.Hyperplanes, name: str, row: Mapping[str, Any]) -> None:
    """Make sure that a name means the direction that a picture was made with."""
    w, b = _code(row["w"], planes.dim), float(row["b"])
    own = planes.index(name)
    alike = np.allclose(w, planes.w[own], rtol=1e-6, atol=1e-9)
    if not (alike and np.isclose(b, planes.b[own], rtol=1e-6, atol=1e-9)):
        raise ModelError(f"another direction is called {name!r} here; remove that one first")


def others(note: Mapping[str, Any], model: ModelInfo) -> list[Face]:
    """The faces of a recipe after the first; those without a code are left out.

    Raises:
        ModelError: codes of another dimension, or none at all.
    """
    found = []
    faces, zs = note.get("faces", ()), note.get("z", ())
    if not isinstance(faces, list | tuple) or not isinstance(zs, list | tuple):
        raise ModelError("its recipe is not that of an edited face")
    for about, z in zip(faces[1:MOST_FACES], zs[1:MOST_FACES], strict=False):
        if isinstance(about, Mapping):
            about = dict(about)
            name = str(about.pop("name", "face"))[:LONGEST]
            found.append(Face(name, _code(z, model.dim), None, about))
    return found


def _refined(face: Face) -> dict[str, Any]:
    found = face.refinement
    if found is None or not face.refined:
        return {}
    return {"refined": {"steps": found.steps, "l1_before": found.before, "l1_after": found.after}}


@dataclass(frozen=True)
class Saved:
    """A face (or `what` else) was written to `path`, or `trouble` says why not."""

    path: Path
    trouble: str = ""
    what: str = "face"


@dataclass(frozen=True, eq=False)
class FaceFile:
    """One code (d,) as a picture file of about 512 px; call it with a decoder."""

    path: Path
    size: int
    z: NDArray[np.float64]
    note: dict[str, Any]

    def __call__(self, decode: Decode) -> Saved:
        style = grid.GridStyle(padding=0, scale=max(1, 512 // self.size))
        try:
            grid.save(grid.compose([list(decode(self.z[None]))], style), self.path, self.note)
        except IntroVACError as error:
            return Saved(self.path, str(error))
        return Saved(self.path)
