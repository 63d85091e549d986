"""From what a user asked for to a resolved config: presets, data source, crops, widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.config import TrainConfig, preset, settings, with_settings
from trainer.data.cache import crop_of
from trainer.errors import ConfigError

DEFAULT_ATTRIBUTES = ("Eyeglasses", "FacialHair")

WIDTHS: dict[int, tuple[int, ...]] = {
    32: (64, 128, 256),
    64: (32, 64, 128, 256),
    128: (32, 64, 128, 256, 512),
    256: (32, 64, 128, 256, 512, 512),
}


# What a resumed run keeps: model and data whole, and of the rest what its order of batches follows from.
_FIXED_SECTIONS = ("model", "data")
_FIXED = ("seed", "batch_size")


def absolute(data: str) -> str:
    """The same data by an absolute path, so that a run can be resumed from anywhere."""
    kind, _, rest = data.partition(":")
    if kind == "avatars":
        return data
    if kind in ("celeba", "folder"):
        return f"{kind}:{Path(rest).expanduser().resolve()}" if rest else data
    given = Path(data).expanduser()
    return str(given.resolve()) if given.is_dir() else data


def _crop(data: str, wanted: str) -> str:
    """A preset's crop is meant for aligned CelebA; other data brings its own."""
    kind = data.partition(":")[0]
    if kind == "avatars":
        return "none"
    if kind == "folder":
        return "square"
    if kind == "celeba":
        return "center" if wanted == "none" else wanted
    return crop_of(Path(data)) or wanted


def resolve(
    name: str,
    *,
    data: str | None = None,
    attributes: Sequence[str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """The whole config of a run.

    Where only one of `image_size` and `channels` is given, the other follows it; where `crop` is not
    given, it follows the data. Paths to data become absolute.

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
    config = with_settings(config, {"data": absolute(config.data.data)})
    if "crop" not in given:
        config = with_settings(config, {"crop": _crop(config.data.data, config.model.crop)})
    if not config.model.attributes:
        raise ConfigError("attributes: choose at least one")
    return config


def resume(config: TrainConfig, values: Mapping[str, Any], name: str | None = None) -> TrainConfig:
    """The config of a run that goes on with some settings changed.

    Args:
        config: what the run was started or last resumed with.
        values: settings as for `resolve`.
        name: the preset asked for, if any.

    Raises:
        ConfigError: an unknown setting or value, or one that a run keeps: its preset, model, data, seed
            and batch size.
    """
    if name is not None and name != config.preset:
        raise ConfigError(f"preset = {name!r}: the run was started from {config.preset!r} and keeps it")
    config, changed = (
        with_settings(c, {"data": absolute(c.data.data)}) for c in (config, with_settings(config, values))
    )
    for section, setting in settings():
        old, new = (getattr(getattr(c, section), setting.name) for c in (config, changed))
        if old != new and (section in _FIXED_SECTIONS or setting.name in _FIXED):
            raise ConfigError(
                f"{setting.name} = {new!r}: a resumed run keeps its {old!r}; start a new run to change it"
            )
    return changed
