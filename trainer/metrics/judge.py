"""An independent judge of attributes: a small convolutional network trained on real pictures alone.

A model that grades its own edits overstates them. The judge shares neither weights nor pictures with it: it
sees the train split of the data as it is, never a reconstruction. Its augmentation is light: mirrored
pictures, small shifts, brightness and contrast, and mild blur on half of them, because what it is shown
later is blurrier than what it learned from, and a judge that takes blur for shaven would grade the blur.
Nothing about it is chosen on held-out pictures, whose labels only tell how good it became.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from trainer import modelfile
from trainer.data.select import Selection
from trainer.errors import Cancelled, CheckpointError, ConfigError, DataError, ModelError
from trainer.feed import to_floats
from trainer.files import atomic_file
from trainer.modelfile import FORMAT, KEY

KIND = "judge"  # of its file
_COUNTS = "num_batches_tracked"  # BatchNorm's, of use to nobody
_TOGETHER = 128
_LARGEST = 1024  # px, and as wide: what a file may ask for
_MOST = 1000  # attributes

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class JudgeConfig:
    """What a judge looks like and what it judges.

    Attributes:
        image_size: S, from 16 px.
        attributes: K names.
        crop: how its pictures were cut.
        width: channels of the first layer; later ones have up to four times as many.
    """

    image_size: int
    attributes: tuple[str, ...]
    crop: str
    width: int = 32

    def __post_init__(self) -> None:
        if not 16 <= self.image_size <= _LARGEST:
            raise ConfigError(f"image_size = {self.image_size}: must be from 16 to {_LARGEST}")
        if not 1 <= self.width <= _LARGEST:
            raise ConfigError(f"width = {self.width}: must be from 1 to {_LARGEST}")
        if not 1 <= len(self.attributes) <= _MOST or len(set(self.attributes)) != len(self.attributes):
            raise ConfigError(f"attributes = {','.join(self.attributes)}: name each once, and at least one")


@dataclass(frozen=True)
class JudgeTraining:
    """How a judge is trained.

    Attributes:
        epochs: over the train split.
        batch_size: pictures a step.
        learning_rate: the highest, of AdamW; it rises for a tenth of the steps and then falls as a cosine.
        seed: of weights, order and augmentation.
        max_images: at most so many of the train split, drawn at random; None for all.
    """

    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 2e-3
    seed: int = 0
    max_images: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "max_images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} = {value}: must be at least 1")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate = {self.learning_rate}: must be above 0 and below 1")
        if self.seed < 0:
            raise ConfigError(f"seed = {self.seed}: must not be negative")


@dataclass(frozen=True)
class Accuracy:
    """How good a judge is at one attribute, on pictures that it did not learn from.

    Attributes:
        name: the attribute.
        right: share of right labels.
        on_yes, on_no: the same among pictures with either label; None where there are none.
        blurred: share of right labels when the same pictures are blurred as far as in training.
    """

    name: str
    right: float
    on_yes: float | None
    on_no: float | None
    blurred: float


@dataclass(frozen=True)
class JudgeCard:
    """What a judge's file says about it.

    Attributes:
        data: what it learned from.
        train_images: how many pictures.
        held_out: the reported split, which `accuracy` is of: "test" or, where the data has none, "valid".
        held_out_images: its pictures.
        accuracy: one for each attribute.
        training: the settings.
    """

    data: str
    train_images: int
    held_out: str
    held_out_images: int
    accuracy: tuple[Accuracy, ...]
    training: JudgeTraining


class Network(nn.Sequential):
    """(N, 3, S, S) in [0, 1] to (N, K) logits: convolutions halve the side down to 4 to 7 px, then linear.

    The last map is read place by place, not averaged: a beard is where a chin is.
    """

    def __init__(self, config: JudgeConfig) -> None:
        layers: list[nn.Module] = []
        size, before, after = config.image_size, 3, config.width
        while size >= 8:
            layers += _block(before, after, stride=2)
            if before != 3:
                layers += _block(after, after, stride=1)
            size, before, after = (size + 1) // 2, after, min(2 * after, 4 * config.width)
        layers += [nn.Flatten(), nn.Dropout(0.2), nn.Linear(before * size * size, len(config.attributes))]
        super().__init__(*layers)


def _block(before: int, after: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, stride, 1, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


class Judge:
    """Probabilities of attributes, from pictures.

    Attributes:
        config: what it judges.
        card: how it was trained and how good it is.
    """

    def __init__(
        self, network: Network, config: JudgeConfig, card: JudgeCard, device: torch.device | str = "cpu"
    ) -> None:
        self.config, self.card = config, card
        self._device = torch.device(device)
        self._network = network.to(self._device).eval()

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of the columns of `probabilities`."""
        return self.config.attributes

    def check(self, image_size: int, crop: str, attributes: Sequence[str] = ()) -> None:
        """Make sure that it can judge such pictures and attributes.

        Raises:
            ModelError: another size or crop, or an attribute that it does not know.
        """
        config = self.config
        if image_size != config.image_size:
            raise ModelError(
                f"the judge takes pictures of {config.image_size} px, not {image_size}; "
                f"train one with --image-size {image_size}"
            )
        if _cut(crop) != _cut(config.crop):
            raise ModelError(
                f"the judge learned from crop {config.crop!r}, not {crop!r}; train one with --crop {crop}"
            )
        if unknown := [name for name in attributes if name not in config.attributes]:
            known = ", ".join(config.attributes)
            raise ModelError(
                f"the judge was not trained on {', '.join(unknown)}; it knows {known}; train one that does"
            )

    def probabilities(
        self, images: NDArray[np.uint8], cancelled: Callable[[], bool] | None = None
    ) -> NDArray[np.float64]:
        """p(yes), (N, K), for (N, S, S, 3) uint8 images.

        Raises:
            ModelError: images of another shape.
            Cancelled: `cancelled` said so.
        """
        size = self.config.image_size
        if images.ndim != 4 or images.shape[1:] != (size, size, 3) or images.dtype != np.uint8:
            raise ModelError(
                f"the judge takes uint8 images ({size}, {size}, 3), not {images.dtype} {images.shape[1:]}"
            )
        return self._look(lambda rows: images[rows], np.arange(len(images)), 0.0, cancelled)

    def _look(
        self,
        read: Callable[[NDArray[np.int64]], NDArray[np.uint8]],
        rows: NDArray[np.int64],
        sigma: float,
        cancelled: Callable[[], bool] | None,
    ) -> NDArray[np.float64]:
        """p(yes) of rows, blurred by `sigma` px."""
        found = np.empty((len(rows), len(self.attributes)))
        with torch.inference_mode():
            for start in range(0, len(rows), _TOGETHER):
                if cancelled is not None and cancelled():
                    raise Cancelled("judging pictures was stopped")
                part = rows[start : start + _TOGETHER]
                x = to_floats(torch.from_numpy(np.array(read(part))).to(self._device))
                logits = self._network(blur(x, sigma) if sigma else x)
                found[start : start + len(part)] = logits.double().sigmoid().cpu().numpy()
        return found


def _cut(crop: str) -> str:
    """Square pictures are the same cut either way."""
    return "none" if crop == "square" else crop


def largest_blur(size: int) -> float:
    """The standard deviation, in pixels, of the strongest blur in training."""
    return size / 48


def blur(x: Tensor, sigma: float) -> Tensor:
    """(N, 3, S, S) under a Gaussian of `sigma` pixels; the border is repeated."""
    radius = max(1, math.ceil(2.5 * sigma))
    at = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    weights = torch.exp(-0.5 * (at / sigma) ** 2)
    weights = (weights / weights.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), "replicate"), weights, groups=x.shape[1])
    return F.conv2d(F.pad(x, (0, 0, radius, radius), "replicate"), weights.mT, groups=x.shape[1])


def augment(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Other views of pictures (N, 3, S, S) in [0, 1] that leave every label as it is.

    Each is mirrored with probability 1/2, shifted by up to S/16 px either way, made brighter or darker
    by up to 0.1 and its contrast changed by up to a fifth; half of them are blurred by up to `largest_blur`.
    """
    count, size = len(x), x.shape[-1]
    reach = max(1, size // 16)
    wide = F.pad(x, (reach,) * 4, "replicate")
    corners = rng.integers(2 * reach + 1, size=(count, 2)).tolist()
    x = torch.stack([wide[i, :, t : t + size, s : s + size] for i, (t, s) in enumerate(corners)])

    def each(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(x.device)[:, None, None, None]

    x = torch.where(each(rng.random(count) < 0.5), x.flip(3), x)
    sigma = float(rng.uniform(0.2, 1.0)) * largest_blur(size)
    x = torch.where(each(rng.random(count) < 0.5), blur(x, sigma), x)
    contrast, brightness = (each(rng.uniform(-a, a, count).astype(np.float32)) for a in (0.2, 0.1))
    return ((x - 0.5) * (1 + contrast) + 0.5 + brightness).clamp(0, 1)


def train(
    selection: Selection,
    training: JudgeTraining | None = None,
    *,
    width: int = 32,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Judge:
    """Train a judge on what models train on, and see on the reported split how good it became.

    Args:
        selection: the faces and attributes (`trainer.data.select`), best without a subset.
        training: settings; None for the defaults.
        width: see `JudgeConfig`.
        device: where to compute.
        progress: told (steps done, steps).
        cancelled: asked before each step.

    Raises:
        ConfigError: settings that make no sense.
        DataError: an attribute of which train has only one label, or fewer than two pictures.
        Cancelled: `cancelled` said so.
    """
    training = JudgeTraining() if training is None else training
    cache = selection.cache
    config = JudgeConfig(cache.size, selection.attributes, cache.crop, width)
    rng = np.random.default_rng(training.seed)
    rows = selection.train
    if training.max_images is not None and training.max_images < len(rows):
        rows = np.sort(rng.permutation(rows)[: training.max_images])
    _check_labels(selection.labels[rows], selection.attributes)
    network = _fresh(config, training.seed).to(torch.device(device)).train()
    _fit(network, selection, rows, training, rng, progress, cancelled)
    held_out, seen = selection.splits.reported_name, selection.test
    bare = JudgeCard(cache.spec, len(rows), held_out, len(seen), (), training)
    judge = Judge(network, config, bare, device)
    sharp, blurred = (
        (judge._look(cache.batch, seen, sigma, cancelled) > 0.5) == selection.labels[seen].astype(bool)
        for sigma in (0.0, largest_blur(cache.size))
    )
    accuracy = tuple(
        _accuracy(name, sharp[:, k], blurred[:, k], selection.labels[seen, k] == 1)
        for k, name in enumerate(selection.attributes)
    )
    card = JudgeCard(cache.spec, len(rows), held_out, len(seen), accuracy, training)
    return Judge(network, config, card, device)


def _check_labels(labels: NDArray[np.int8], names: Sequence[str]) -> None:
    if len(labels) < 2:
        raise DataError(f"{len(labels)} train images: a judge needs two at the very least; use more data")
    for name, column in zip(names, labels.T, strict=True):
        if column.min() == column.max():
            label = "yes" if column[0] else "no"
            raise DataError(
                f"every train image has {name} = {label}, so it cannot be learned; use other data"
            )


def _fresh(config: JudgeConfig, seed: int) -> Network:
    """New weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config)


def _fit(
    network: Network,
    selection: Selection,
    rows: NDArray[np.int64],
    training: JudgeTraining,
    rng: np.random.Generator,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    device = next(network.parameters()).device
    size = min(training.batch_size, len(rows))
    steps = training.epochs * (len(rows) // size)
    optimiser = torch.optim.AdamW(network.parameters(), training.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    done = 0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(training.seed)  # of dropout
        for _ in range(training.epochs):
            order = rng.permutation(rows)
            for start in range(0, len(order) - size + 1, size):
                if cancelled is not None and cancelled():
                    raise Cancelled("training the judge was stopped")
                part = order[start : start + size]
                x = to_floats(torch.from_numpy(selection.cache.batch(part)).to(device))
                y = torch.from_numpy(selection.labels[part].astype(np.float32)).to(device)
                loss = F.binary_cross_entropy_with_logits(network(augment(x, rng)), y)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                done += 1
                if progress is not None:
                    progress(done, steps)


def _rate(step: int, steps: int) -> float:
    """Share of the highest learning rate: up for a tenth of the steps, then down as a cosine."""
    rise = max(1, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _accuracy(
    name: str, right: NDArray[np.bool_], blurred: NDArray[np.bool_], yes: NDArray[np.bool_]
) -> Accuracy:
    def share(of: NDArray[np.bool_]) -> float | None:
        return float(right[of].mean()) if of.any() else None

    return Accuracy(name, float(right.mean()), share(yes), share(~yes), float(blurred.mean()))


# -- files -------------------------------------------------------------------


def save(path: Path, judge: Judge) -> None:
    """Write weights, configuration and card as one safetensors file.

    Raises:
        DataError, RunError: it cannot be written; what was there before is untouched.
    """
    state = judge._network.state_dict().items()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state if not name.endswith(_COUNTS)}
    header = {"format": FORMAT, "kind": KIND, "config": asdict(judge.config), "card": asdict(judge.card)}
    body = safetensors.torch.save(tensors, {KEY: json.dumps(header, ensure_ascii=False)})
    with atomic_file(path) as file:
        file.write(body)


def load(path: str | Path, device: torch.device | str = "cpu") -> Judge:
    """Read a judge; nothing in the file is executed.

    Raises:
        CheckpointError: missing, broken, of another kind, with tensors that do not fit its configuration,
            or with values that are not finite.
    """
    path = Path(path)
    body, header = modelfile.read_body(path, KIND)
    config, card = _read(path, header)
    try:
        tensors = safetensors.torch.load(body)
    except SafetensorError as error:
        raise modelfile.damaged(path, error) from error
    with torch.device("meta"):  # shapes alone: a file may ask for more than the memory holds
        state = Network(config).state_dict()
    expected = {name: value.shape for name, value in state.items() if not name.endswith(_COUNTS)}
    if {name: value.shape for name, value in tensors.items()} != expected:
        raise CheckpointError(f"{path}: its tensors do not fit its configuration; train the judge again")
    for name, value in tensors.items():
        if value.dtype != torch.float32 or not bool(value.isfinite().all()):
            raise CheckpointError(f"{path}: {name} holds other than finite float32 numbers; train it again")
    network = Network(config)
    network.load_state_dict(tensors, strict=False)  # BatchNorm's batch counts are not in the file
    return Judge(network, config, card, device)


class _Header(NamedTuple):
    config: JudgeConfig
    card: JudgeCard


def _read(path: Path, header: dict[str, Any]) -> _Header:
    try:
        config, card = dict(header["config"]), dict(header["card"])
        config["attributes"] = tuple(str(name) for name in config["attributes"])
        card["accuracy"] = tuple(Accuracy(**one) for one in card["accuracy"])
        card["training"] = JudgeTraining(**card["training"])
        if not all(type(config[key]) is int for key in ("image_size", "width")):
            raise TypeError("image_size and width must be whole numbers")
        return _Header(JudgeConfig(**config), JudgeCard(**card))
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its description is of another version ({error})") from error
