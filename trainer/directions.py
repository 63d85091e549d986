"""Directions files: a model's hyperplanes, and directions that were added to them, in one `.npz`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from trainer.errors import CheckpointError, ModelError
from trainer.files import atomic_file
from trainer.latent import Hyperplanes, as_codes

_NO_NAME = "=,+|&!"  # these mean something on the command line and in labels


def check_name(planes: Hyperplanes, name: str) -> None:
    """Make sure that a direction may be added under a name.

    Raises:
        ModelError: empty, a character with a meaning of its own, or taken.
    """
    if not name.strip() or name != name.strip() or any(c in name for c in _NO_NAME):
        raise ModelError(f"direction {name!r}: its name must not be empty or contain {' '.join(_NO_NAME)}")
    if name in planes.names:
        raise ModelError(f"direction {name!r}: the model has one of that name; choose another")


def extend(planes: Hyperplanes, name: str, w: ArrayLike, b: float) -> Hyperplanes:
    """Hyperplanes with one more row, w (d,) and its bias, in front of "fake".

    Raises:
        ModelError: as `check_name`, or a row that does not fit or is not finite.
    """
    check_name(planes, name)
    row = as_codes(w, planes.dim)
    if row.ndim != 1:
        raise ModelError(f"direction {name!r}: weights of shape {row.shape}, expected ({planes.dim},)")
    return Hyperplanes(
        (*planes.attributes, name, planes.names[-1]),
        np.concatenate([planes.w[:-1], row[None], planes.w[-1:]]),
        np.concatenate([planes.b[:-1], [b], planes.b[-1:]]),
        knows_fake=planes.knows_fake,
    )


def remove(planes: Hyperplanes, name: str) -> Hyperplanes:
    """Hyperplanes without a row.

    Raises:
        ModelError: no such attribute, or "fake".
    """
    row = planes.index(name)
    if row == len(planes.names) - 1:
        raise ModelError(f"{name!r} cannot be removed: every model has it")
    names = planes.names[:row] + planes.names[row + 1 :]
    w, b = np.delete(planes.w, row, axis=0), np.delete(planes.b, row)
    return Hyperplanes(names, w, b, knows_fake=planes.knows_fake)


def join(planes: Hyperplanes, loaded: Hyperplanes, source: str = "the directions") -> Hyperplanes:
    """A model's hyperplanes with those that a file of the same model adds to them, in the file's order.

    Raises:
        CheckpointError: codes of another dimension, or another direction under a name of the model's.
    """
    if loaded.dim != planes.dim:
        raise CheckpointError(f"{source}: for codes of {loaded.dim} dimensions, not {planes.dim}")
    for row, name in enumerate(loaded.names):
        if name in planes.names:
            own = planes.index(name)
            same = np.allclose(loaded.w[row], planes.w[own], rtol=1e-6, atol=1e-9)
            if not (same and np.isclose(loaded.b[row], planes.b[own], rtol=1e-6, atol=1e-9)):
                raise CheckpointError(f"{source}: its {name!r} is not the model's; give it another name")
        else:
            planes = extend(planes, name, loaded.w[row], float(loaded.b[row]))
    return planes


def save_directions(path: Path, planes: Hyperplanes, model_digest: str) -> None:
    """Write `directions.npz`: names (K+1), w (K+1, d), b (K+1,), model (SHA-256 of the tensors), knows_fake.

    Raises:
        DataError: `path` cannot be written.
    """
    with atomic_file(path) as file:
        np.savez(
            file,
            names=np.array(planes.names),
            w=planes.w,
            b=planes.b,
            model=np.array(model_digest),
            knows_fake=np.array(planes.knows_fake),
        )


def load_directions(path: Path, model_digest: str | None = None) -> Hyperplanes:
    """Read what `save_directions` wrote.

    Args:
        path: the file.
        model_digest: the open model's; None takes any.

    Raises:
        CheckpointError: missing or broken, or of another model.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names, w, b, model = (arrays[key] for key in ("names", "w", "b", "model"))
            knows_fake = bool(arrays["knows_fake"]) if "knows_fake" in arrays.files else True
        planes = Hyperplanes(tuple(str(n) for n in names), w, b, knows_fake=knows_fake)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        AttributeError,
        zipfile.BadZipFile,
        ModelError,
    ) as error:
        raise CheckpointError(f"{path}: not a directions file ({error}); export it again") from error
    if model_digest is not None and str(model) != model_digest:
        raise CheckpointError(
            f"{path}: belongs to another model ({str(model)[:12]}, not {model_digest[:12]}); export it again"
        )
    return planes
