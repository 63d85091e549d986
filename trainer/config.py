"""Settings of a run as frozen dataclasses, and the presets as a table.

Each field carries its own help text, bounds and choices in its metadata, so that the
command line, the studio's form and the checks at construction share one source. No torch here.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from trainer.errors import ConfigError

SIZES = (32, 64, 128, 256)
CROPS = ("center", "introvac", "square", "none")
SUBSETS = ("none", "eye", "facial", "eyefacial", "balanced")
FAKE = "fake"  # name of the last logit, trained to fire on decoded images


def _setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
    advanced: bool = False,
) -> Any:
    meta = {"help": text, "low": low, "high": high, "choices": choices, "advanced": advanced}
    return field(default=default, metadata=meta)


def _check(section: Any) -> None:
    """Reject values of the wrong type or out of bounds, naming the field and the value."""
    hints = get_type_hints(type(section))
    for f in fields(section):
        value, kind = getattr(section, f.name), hints[f.name]
        low, high, choices = (f.metadata.get(k) for k in ("low", "high", "choices"))
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            object.__setattr__(section, f.name, float(value))
            value = float(value)
        if kind in (int, float, bool, str) and (
            not isinstance(value, kind) or (kind is int and isinstance(value, bool))
        ):
            raise ConfigError(f"{f.name} = {value!r}: expected {kind.__name__}")
        if kind is float and not math.isfinite(value):
            raise ConfigError(f"{f.name} = {value!r}: must be a finite number")
        if choices is not None and value not in choices:
            raise ConfigError(f"{f.name} = {value!r}: choose one of {', '.join(map(str, choices))}")
        if low is not None and value < low:
            raise ConfigError(f"{f.name} = {value!r}: must be at least {low}")
        if high is not None and value > high:
            raise ConfigError(f"{f.name} = {value!r}: must be at most {high}")


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the networks and what a picture goes through before it reaches them."""

    image_size: int = _setting(128, "side of the square images in pixels", choices=SIZES)
    channels: tuple[int, ...] = _setting(
        (32, 64, 128, 256, 512), "widths from the stem inwards; image_size is 4 * 2^(number of widths)"
    )
    latent_dim: int = _setting(256, "dimensions of the latent code z", low=2, high=4096)
    attributes: tuple[str, ...] = _setting((), "binary attributes, one logit each, before the fake logit")
    classifier_bias: bool = _setting(True, "let the hyperplanes leave the origin", advanced=True)
    norm: str = _setting(
        "batch",
        "batch: BatchNorm, recalibrated on real images at each checkpoint; group: no batch statistics",
        choices=("batch", "group"),
        advanced=True,
    )
    crop: str = _setting("center", "how a picture is cut to a square", choices=CROPS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(int(c) for c in self.channels))
        object.__setattr__(self, "attributes", tuple(str(a) for a in self.attributes))
        _check(self)
        if not self.channels or min(self.channels) < 1:
            raise ConfigError(f"channels = {self.channels!r}: needs positive widths")
        side = 4 * 2 ** len(self.channels)
        if side != self.image_size:
            raise ConfigError(
                f"channels = {self.channels!r}: {len(self.channels)} widths make {side} px images, "
                f"but image_size = {self.image_size}; it is 4 * 2^(number of widths)"
            )
        if len(set(self.attributes)) != len(self.attributes):
            raise ConfigError(f"attributes = {self.attributes!r}: each may appear once")
        if FAKE in self.attributes:
            raise ConfigError("attributes: the name 'fake' is taken by the last logit")
        for name in self.attributes:
            if not name or any(c in name for c in "=,+|&!") or name != name.strip():
                raise ConfigError(f"attributes: {name!r} must not be empty or contain = , + | & !")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of the VAC loss and of the game (fidelity: the paper's values)."""

    beta_ae: float = _setting(100.0, "weight of the reconstruction", low=0)
    beta_cl: float = _setting(10.0, "weight of the classification on real images", low=0)
    beta_reg: float = _setting(3.0, "weight of the KL divergence, a mean over latent dimensions", low=0)
    beta_g: float = _setting(5.0, "weight of the decoder's side of the game", low=0)
    beta_ec: float = _setting(0.01, "weight of the encoder's and classifier's side of the game", low=0)
    reconstruction: str = _setting("l1", "pixel loss", choices=("l1", "mse"), advanced=True)
    edge_weight: float = _setting(
        0.0, "weight of differences between neighbouring pixels, beside the pixel loss", low=0, advanced=True
    )
    fake_on_real: float = _setting(
        1.0, "weight of real images in teaching the fake logit, beside an attribute", low=0, advanced=True
    )
    bce_reduction: str = _setting(
        "sum",
        "sum over attributes as in the paper, or mean over all logits as in its authors' code",
        choices=("sum", "mean"),
        advanced=True,
    )

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class GameConfig:
    """The introspective adversarial game between encoder and classifier, and decoder."""

    enabled: bool = _setting(True, "play the game after the warm-up; off: a plain VAC")
    warmup_epochs: int = _setting(5, "epochs of plain VAC before the game", low=0)
    update_order: str = _setting(
        "updated",
        "updated: the decoder's fakes are scored by the stepped encoder (Algorithm 1); shared: before it",
        choices=("updated", "shared"),
        advanced=True,
    )
    mirror_share: float = _setting(
        0.0,
        "share of generated codes that are training codes mirrored at a hyperplane; their pictures must show "
        "other label and keep the rest",
        low=0,
        high=1,
        advanced=True,
    )
    read_draws: bool = _setting(
        False,
        "generated codes from the prior must show what the classifier reads off them, too",
        advanced=True,
    )
    beta_code: float = _setting(
        0.0,
        "weight, within the decoder's side, of finding generated codes again in their pictures",
        low=0,
        advanced=True,
    )

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class OptimConfig:
    """Adam and its schedule."""

    epochs: int = _setting(150, "passes over the training images", low=1)
    batch_size: int = _setting(64, "images a step", low=2, high=4096)
    learning_rate: float = _setting(2e-4, "Adam's step size", low=1e-8, high=1.0)
    lr_milestones: tuple[int, ...] = _setting((60, 90, 120), "epochs at which the step size decays")
    lr_factor: float = _setting(0.5, "factor of each decay", low=0.01, high=1.0, advanced=True)
    weight_decay: float = _setting(0.0, "Adam's L2 term", low=0, advanced=True)
    ema_decay: float = _setting(
        0.0,
        "show, judge and save a moving average of the weights with this decay, say 0.999; 0: off",
        low=0,
        high=0.999999,
        advanced=True,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr_milestones", tuple(sorted(int(m) for m in self.lr_milestones)))
        _check(self)


@dataclass(frozen=True)
class DataConfig:
    """Which images, and which of them."""

    data: str = _setting("avatars", "avatars[:N[:SEED]], celeba:DIR, folder:DIR, or a prepared cache")
    derive: tuple[str, ...] = _setting((), "derived attributes, each NAME=A|B|!C")
    subset: str = _setting("none", "none, eye, facial, eyefacial or balanced:RATIO")
    flip: bool = _setting(True, "mirror training images at random", advanced=True)
    shuffle_block: int = _setting(
        0,
        "neighbouring images read together, for data on slow storage; 0: any order is equally likely",
        low=0,
        advanced=True,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "derive", tuple(self.derive))
        _check(self)
        kind, _, ratio = self.subset.partition(":")
        if kind not in SUBSETS or (ratio and kind != "balanced"):
            raise ConfigError(
                f"subset = {self.subset!r}: choose none, eye, facial, eyefacial or balanced:RATIO"
            )
        if kind == "balanced":
            try:
                good = float(ratio) > 0 and math.isfinite(float(ratio))
            except ValueError:
                good = False
            if not good:
                raise ConfigError(
                    f"subset = {self.subset!r}: balanced needs a positive ratio, as in balanced:1"
                )


@dataclass(frozen=True)
class LoopConfig:
    """How a run goes about its work."""

    seed: int = _setting(0, "decides weights, order, noise and the subset", low=0, high=2**31 - 1)
    device: str = _setting("auto", "auto, cpu, cuda, cuda:N or mps")
    precision: str = _setting(
        "auto",
        "auto: bfloat16 where the device is fast at it; fp64 is for checking",
        choices=("auto", "fp32", "bf16", "fp64"),
    )
    threads: int = _setting(0, "CPU threads, 0 for all cores", low=0, high=1024, advanced=True)
    log_every: int = _setting(10, "steps between two lines of losses", low=1)
    max_steps: int = _setting(0, "stop after so many steps, 0 for the whole schedule", low=0, advanced=True)
    samples_every: int = _setting(1, "epochs between two sample grids", low=1, advanced=True)
    keep_every: int = _setting(0, "keep each k-th epoch's model, 0 for none", low=0, advanced=True)
    keep_count: int = _setting(10, "how many of them; the oldest go first", low=1, advanced=True)
    best_by: str = _setting(
        "l1",
        "which validation figure decides the best model; accuracy and edit are means over attributes",
        choices=("l1", "vac", "accuracy", "edit"),
        advanced=True,
    )
    save_minutes: float = _setting(
        10.0, "minutes after which progress is saved also within an epoch", low=0.01, advanced=True
    )
    rollbacks: int = _setting(
        0,
        "how often a diverged run goes back to its last checkpoint with half the step size; 0: it ends",
        low=0,
        advanced=True,
    )
    sync_norm: bool = _setting(
        False, "normalise over the batches of all devices together; on CUDA", advanced=True
    )
    calibration_images: int = _setting(
        1024, "real images used to recalibrate normalisation at a checkpoint", low=64, advanced=True
    )
    valid_images: int = _setting(1000, "validation images used after an epoch", low=16, advanced=True)
    tensorboard: bool = _setting(
        False,
        "also write TensorBoard files, to the folder tensorboard of the run; needs the extra of that name",
        advanced=True,
    )
    edit_delta: float = _setting(
        4.0, "delta of the edits that validation and samples show", low=0.1, high=100
    )

    def __post_init__(self) -> None:
        _check(self)
        kind, _, index = self.device.partition(":")
        if kind not in ("auto", "cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdigit())):
            raise ConfigError(f"device = {self.device!r}: choose auto, cpu, cuda, cuda:N or mps")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run; `preset` is only the name it started from."""

    preset: str = "introvac"
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    game: GameConfig = field(default_factory=GameConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError(f"preset = {self.preset!r}: choose one of {', '.join(PRESETS)}")

    @property
    def game_from_epoch(self) -> int | None:
        """First epoch (from 0) of the game; None when it is off or never reached."""
        if not self.game.enabled or self.game.warmup_epochs >= self.optim.epochs:
            return None
        return self.game.warmup_epochs

    def to_dict(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))


_INTROVAC: dict[str, Any] = {}
# Chosen by measurement: docs/recipes.md.
_STUDIO: dict[str, Any] = {
    "beta_cl": 5.0,
    "classifier_bias": False,
    "edge_weight": 2.0,
    "mirror_share": 0.75,
    "read_draws": True,
}
# Labels that lie nearer to each other: edits show after minutes. The demo model was made so.
_LIGHT: dict[str, Any] = _STUDIO | {"beta_cl": 3.0, "mirror_share": 0.5}
# The size and the schedule of `quick`, without its recipe.
QUICK_SCALE: dict[str, Any] = {
    "image_size": 64,
    "channels": (32, 64, 128, 256),
    "latent_dim": 64,
    "crop": "none",
    "epochs": 8,
    "warmup_epochs": 4,
    # Fast while it is a plain VAC; the game at 1e-3 finds pictures that fool the encoder instead.
    "learning_rate": 1e-3,
    "lr_milestones": (4, 7),
    "lr_factor": 0.2,
    "batch_size": 32,
    "edit_delta": 6.0,
    "data": "avatars:4000",
    "valid_images": 400,
}

# fidelity.md, "Presets, resolved": only what differs from the defaults above.
PRESETS: dict[str, dict[str, Any]] = {
    "vac": {"enabled": False, "epochs": 600, "lr_milestones": (), "warmup_epochs": 0},
    "introvac": _INTROVAC,
    "authors": {"bce_reduction": "mean", "classifier_bias": False, "weight_decay": 1e-5, "crop": "introvac"},
    "studio": _STUDIO,
    "quick": _LIGHT | QUICK_SCALE | {"keep_every": 1},  # to compare the model over its training
}

PRESET_HELP: dict[str, str] = {
    "vac": "the variational classifier alone, 600 epochs",
    "introvac": "the paper's method with this project's corrections",
    "authors": "the choices of the authors' published code, without its faults",
    "studio": "this project's recommendation",
    "quick": "64 px, minutes on two cores",
}

_SECTIONS: dict[str, type] = {
    "model": ModelConfig,
    "loss": LossConfig,
    "game": GameConfig,
    "optim": OptimConfig,
    "data": DataConfig,
    "loop": LoopConfig,
}


def settings() -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Every setting as (section, field), in the order a form shows them."""
    for section, cls in _SECTIONS.items():
        for f in fields(cls):
            yield section, f


_OWNER: dict[str, str] = {f.name: section for section, f in settings()}


def _locate(key: str) -> tuple[str, str]:
    section, _, name = key.rpartition(".")
    if name not in _OWNER or (section and _OWNER[name] != section):
        raise ConfigError(f"unknown setting {key!r}; known are {', '.join(sorted(_OWNER))}")
    return _OWNER[name], name


def _parse(name: str, kind: Any, text: str) -> Any:
    """A setting's value from the command line; tuples are comma-separated."""
    text = text.strip()
    if kind is bool:
        known = {"true": True, "yes": True, "1": True, "on": True}
        known |= {"false": False, "no": False, "0": False, "off": False}
        if text.lower() not in known:
            raise ConfigError(f"{name} = {text!r}: expected true or false")
        return known[text.lower()]
    try:
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
        if kind == tuple[int, ...]:
            return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        what = (
            "a whole number"
            if kind is int
            else "a number"
            if kind is float
            else "whole numbers, comma-separated"
        )
        raise ConfigError(f"{name} = {text!r}: expected {what}") from error
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def with_settings(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """A copy with some settings changed; keys are `name` or `section.name`, values typed or text.

    Raises:
        ConfigError: an unknown key, or a value that its section rejects.
    """
    changes: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, name = _locate(key)
        if isinstance(value, str):
            value = _parse(name, get_type_hints(_SECTIONS[section])[name], value)
        elif isinstance(value, list):
            value = tuple(value)
        changes.setdefault(section, {})[name] = value
    parts = {section: replace(getattr(config, section), **new) for section, new in changes.items()}
    return replace(config, **parts)


def preset(name: str, **values: Any) -> TrainConfig:
    """The resolved config of a preset, with settings changed.

    Raises:
        ConfigError: an unknown preset, setting or value.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset = {name!r}: choose one of {', '.join(PRESETS)}")
    return with_settings(TrainConfig(preset=name), PRESETS[name] | values)


def from_dict(body: Mapping[str, Any]) -> TrainConfig:
    """The config that `TrainConfig.to_dict` wrote; settings it lacks take their defaults.

    Raises:
        ConfigError: not such a mapping, or a value that makes no sense.
    """
    try:
        known = {
            section: {k: v for k, v in body[section].items() if k in {f.name for f in fields(cls)}}
            for section, cls in _SECTIONS.items()
            if section in body
        }
        parts = {section: _SECTIONS[section](**values) for section, values in known.items()}
        return TrainConfig(preset=str(body.get("preset", "introvac")), **parts)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise ConfigError(f"not a run's configuration: {error}") from error


def model_from_dict(body: Mapping[str, Any]) -> ModelConfig:
    """The model section alone, as kept in a model file's metadata."""
    try:
        return ModelConfig(**{k: v for k, v in body.items() if k in {f.name for f in fields(ModelConfig)}})
    except (TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"not a model's configuration: {error}") from error


def load(path: Path) -> TrainConfig:
    """Read `config.json` of a run directory."""
    try:
        body = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON ({error})") from error
    if not isinstance(body, dict):
        raise ConfigError(f"{path}: not a run's configuration")
    return from_dict(body)
