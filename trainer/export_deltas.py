"""The usual distance of each attribute's edits, as `export --deltas` is told it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainer.card import ModelCard
from trainer.commands import pairs
from trainer.errors import ConfigError, DataError
from trainer.metrics.evaluate import FORMAT

_LARGEST = 64 * 2**20  # bytes of a metrics.json that is read


def read(texts: Iterable[str], attributes: Sequence[str], digest: str) -> dict[str, float]:
    """Distances by attribute, of NAME=D and of files that `evaluate` wrote; what is named goes before files.

    Args:
        texts: each NAME=D or a metrics.json; with an equals sign in its path, its name must end in .json.
        attributes: the model's.
        digest: the model's, see `trainer.modelfile.fingerprint`.

    Raises:
        ConfigError: not NAME=D, an attribute that the model does not have, or no finite number above 0.
        DataError: a file that cannot be read, is no metrics.json, or is of another model.
    """
    measured: dict[str, float] = {}
    named: dict[str, float] = {}
    for text in texts:
        if "=" in text and not text.endswith(".json"):
            named |= _named(text, attributes)
        else:
            measured |= chosen(Path(text), attributes, digest)
    return measured | named


def _named(text: str, attributes: Sequence[str]) -> dict[str, float]:
    ((name, value),) = pairs([text], "--deltas")
    if name not in attributes:
        known = ", ".join(attributes)
        raise ConfigError(f"--deltas {text}: the model has no attribute {name!r}; it has {known}")
    try:
        return ModelCard(deltas={name: float(value)}).deltas
    except ValueError:
        raise ConfigError(f"--deltas {text}: {value!r} is not a number") from None
    except ConfigError as error:
        raise ConfigError(f"--deltas {text}: {error}") from None


def chosen(path: Path, attributes: Sequence[str], digest: str) -> dict[str, float]:
    """What an evaluation took for a model's attributes.

    Raises:
        DataError: it cannot be read, is no metrics.json or one of another version, or of another model.
    """
    body = _json(path)
    models = body.get("models") if isinstance(body, dict) else None
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise DataError(f"{path}: is no metrics.json of an evaluation; give one that `evaluate` wrote")
    if body.get("format") != FORMAT:
        raise DataError(
            f"{path}: written in format {body.get('format')!r:.40}, and this version reads {FORMAT}; "
            "evaluate again"
        )
    own = [model for model in models if model.get("sha256") == digest]
    if not own:
        seen = ", ".join(f"{str(model.get('sha256'))[:12]}" for model in models) or "none"
        raise DataError(
            f"{path}: measured other weights ({seen}) than this file's ({digest[:12]}); "
            "evaluate this very file, and give what that writes"
        )
    try:
        deltas = ModelCard(deltas=own[0].get("deltas", {})).deltas
    except ConfigError as error:
        raise DataError(f"{path}: {error}; evaluate again") from error
    if unknown := [name for name in deltas if name not in attributes]:
        raise DataError(f"{path}: the model has no attribute {unknown[0]!r:.40}; evaluate again")
    return deltas


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: too large for a metrics.json; give one that `evaluate` wrote")
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        what = f"cannot be read ({error.strerror or error}); give a metrics.json or NAME=D"
        raise DataError(f"{path}: {what}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is no metrics.json (not JSON); give one that `evaluate` wrote, or NAME=D"
        ) from error
