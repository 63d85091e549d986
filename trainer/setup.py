"""From what a user asked for to a resolved config: presets, data source, crops, widths."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.config import TrainConfig, preset
from trainer.errors import ConfigError

DEFAULT_ATTRIBUTES = ("Eyeglasses", "FacialHair")

WIDTHS: dict[int, tuple[int, ...]] = {
    32: (64, 128, 256),
    64: (32, 64, 128, 256),
    128: (32, 64, 128, 256, 512),
    256: (32, 64, 128, 256, 512, 512),
}


def _crop(data: str, wanted: str) -> str:
    """A preset's crop is meant for aligned CelebA; other data brings its own."""
    kind = data.partition(":")[0]
    if kind == "avatars":
        return "none"
    if kind == "folder":
        return "square"
    if kind == "celeba":
        return "center" if wanted == "none" else wanted
    try:
        return str(json.loads((Path(data) / "meta.json").read_text("utf-8"))["crop"])
    except (OSError, ValueError, KeyError, TypeError):
        return wanted


def resolve(
    name: str,
    *,
    data: str | None = None,
    attributes: Sequence[str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """The whole config of a run.

    Where only one of `image_size` and `channels` is given, the other follows it; where `crop` is not
    given, it follows the data.

    Raises:
        ConfigError: an unknown preset, setting or value.
    """
    given = {key.rpartition(".")[2]: value for key, value in (values or {}).items()}
    extra: dict[str, Any] = {}
    if data is not None:
        extra["data"] = data
    if attributes is not None:
        extra["attributes"] = tuple(attributes)
    elif "attributes" not in given:
        extra["attributes"] = DEFAULT_ATTRIBUTES
    if "image_size" in given and "channels" not in given:
        try:
            extra["channels"] = WIDTHS[int(given["image_size"])]
        except (KeyError, ValueError) as error:
            known = ", ".join(map(str, WIDTHS))
            raise ConfigError(f"image_size = {given['image_size']!r}: choose one of {known}") from error
    if "channels" in given and "image_size" not in given:
        widths = given["channels"]
        extra["image_size"] = 4 * 2 ** (len(widths.split(",")) if isinstance(widths, str) else len(widths))
    config = preset(name, **extra | dict(values or {}))
    if "crop" not in given:
        config = preset(
            name, **extra | dict(values or {}) | {"crop": _crop(config.data.data, config.model.crop)}
        )
    if not config.model.attributes:
        raise ConfigError("attributes: choose at least one")
    return config
