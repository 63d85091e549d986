"""Checkpoints of the code that the IntroVAC paper's authors published.

Source: fidelity, "Layout of an authors' checkpoint", and for what a file does not say, that code itself:
`fake` is the last logit, as here; the others follow the columns of CelebA, not the order of `attributes`;
with `binary`, the one logit stands for faces that have any of them; `epoch` is the last finished one,
counted from 0, and the game is played from epoch `pretrain` on.
"""

from __future__ import annotations

import re
import reprlib
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainer.card import ModelCard
from trainer.config import ModelConfig
from trainer.errors import CheckpointError, ConfigError
from trainer.models import IntroVAC
from trainer.torch_file import StoredTensor, TorchFile, opened

NETWORKS = ("encoder", "decoder", "classifier")
JOIN = "_or_"  # between the names of attributes that share one logit
BEARD = "Beard=!No_Beard"  # the authors' code turns that column round

# CelebA's columns as the authors' code has them: `Beard` in the place of `No_Beard`, `FacialHair` added.
_COLUMNS = tuple(
    """
    5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair
    Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup
    High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes Beard Oval_Face Pale_Skin Pointy_Nose
    Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat
    Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young FacialHair
    """.split()  # noqa: SIM905  as the data set's own header has them
)
_DELTAS: dict[tuple[str, ...], float] = {("Eyeglasses",): 3.0}  # the paper's distances; 4 for the others

_PLACES = {
    "encoder.body.": "encoder.main.",
    "decoder.predict.": "decoder.main.predict.",
    "classifier.": "classifier.m.0.",
}
_MEMBERS = {"expand": "conv_expand", "norm1": "bn1", "norm2": "bn2"}
_BLOCK = re.compile(r"(encoder|decoder)\.body\.(\d+)\.(\w+)\.(\w+)")
_LARGEST = 2**31 - 1
_REPR = reprlib.Repr()
_REPR.maxstring = 80


class Imported(NamedTuple):
    """A model, on the CPU in float32 and evaluation mode, and what its file says about it."""

    model: IntroVAC
    card: ModelCard


def read(path: Path, name: str = "") -> Imported:
    """The model of an authors' checkpoint; optimisers are left alone.

    Args:
        path: what their `torch.save` wrote, in either of its formats.
        name: for the card.

    Raises:
        CheckpointError: missing, broken, not of that layout, holding code or values that are not finite.
    """
    with opened(path) as file:
        if not isinstance(file.content, dict):
            raise CheckpointError(f"{path}: holds no dictionary, so it is no checkpoint of the authors' code")
        stored = _stored(path, file.content)
        opt = file.content.get("opt")
        if not isinstance(opt, dict):
            raise CheckpointError(
                f"{path}: lacks opt, the settings of its run; is it an authors' checkpoint?"
            )
        shared, attributes = _attributes(path, opt, stored)
        config = _config(path, opt, stored, attributes)
        tensors = _tensors(file, config, stored)
        card = _card(path, file.content, opt, shared, attributes, name)
    model = IntroVAC(config)
    model.load_state_dict(tensors, strict=False)  # only batch counts are missing
    model.game_played = card.game_played
    return Imported(model.eval(), card)


# -- what the file holds ------------------------------------------------------------------


def _stored(path: Path, content: dict[Any, Any]) -> dict[str, StoredTensor]:
    """The networks' tensors as `encoder.main.0.weight`; prefixes and batch counts are dropped."""
    stored: dict[str, StoredTensor] = {}
    for network in NETWORKS:
        state = content.get(network)
        if not isinstance(state, dict):
            raise CheckpointError(
                f"{path}: lacks the weights of its {network}; is it an authors' checkpoint?"
            )
        for key, tensor in state.items():
            if not isinstance(key, str) or not isinstance(tensor, StoredTensor):
                raise CheckpointError(f"{path}: {_brief(key)} of its {network} is not a tensor")
            full = f"{network}.{key.removeprefix('module.')}"
            if full in stored:
                raise CheckpointError(f"{path}: holds {_brief(full)} twice, with and without its prefix")
            if not full.endswith("num_batches_tracked"):
                stored[full] = tensor
    return stored


def _shape(path: Path, stored: dict[str, StoredTensor], name: str, dimensions: int) -> tuple[int, ...]:
    if name not in stored:
        raise CheckpointError(f"{path}: lacks {name}")
    shape = stored[name].shape
    if len(shape) != dimensions:
        raise CheckpointError(f"{path}: {name} has shape {shape}, {dimensions} dimensions are expected")
    return shape


def _brief(value: object) -> str:
    """A value of the file for a message, whatever it is."""
    try:
        return _REPR.repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"


def _number(path: Path, values: dict[Any, Any], key: str) -> int | None:
    value = values.get(key)
    if value is not None and (type(value) is not int or not 0 <= value <= _LARGEST):
        raise CheckpointError(f"{path}: its {key} is {_brief(value)}, a whole number is expected")
    return value


def _attributes(
    path: Path, opt: dict[Any, Any], stored: dict[str, StoredTensor]
) -> tuple[bool, tuple[str, ...]]:
    """Whether the attributes share one logit, and their names in the order of the logits."""
    names = opt.get("attributes")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, (list, tuple)) or not names:
        raise CheckpointError(f"{path}: its opt lacks attributes, a list of names, so its logits have none")
    if not all(isinstance(n, str) and n.isprintable() for n in names) or len(set(names)) < len(names):
        raise CheckpointError(f"{path}: its attributes are {_brief(names)}, a list of names is expected")
    rows, _ = _shape(path, stored, "classifier.m.0.weight", 2)
    shared = opt.get("binary")
    if shared is None:
        shared = rows == 2
    elif shared not in (True, False):
        raise CheckpointError(f"{path}: its binary is {_brief(shared)}, true or false is expected")
    expected = 2 if shared else len(names) + 1
    if rows != expected:
        how = "sharing one logit" if shared else "with a logit each"
        raise CheckpointError(
            f"{path}: its classifier has {rows} logits, but {', '.join(names)} {how} "
            f"and one for fake make {expected}"
        )
    if set(names) <= set(_COLUMNS):
        names = sorted(names, key=_COLUMNS.index)
    return bool(shared), tuple(names)


def _config(
    path: Path, opt: dict[Any, Any], stored: dict[str, StoredTensor], attributes: tuple[str, ...]
) -> ModelConfig:
    """From `opt`, and from the shapes of tensors where it is silent."""
    rows, latent = _shape(path, stored, "classifier.m.0.weight", 2)
    channels = opt.get("channels")
    if channels is None:
        channels = _widths(path, stored)
    if not isinstance(channels, (list, tuple)) or not all(
        type(c) is int and 0 < c <= _LARGEST for c in channels
    ):
        raise CheckpointError(f"{path}: its channels are {_brief(channels)}, whole numbers are expected")
    size, dim = _number(path, opt, "image_size"), _number(path, opt, "dim")
    try:
        return ModelConfig(
            image_size=4 * 2 ** min(len(channels), 64) if size is None else size,
            channels=tuple(channels),
            latent_dim=latent if dim is None else dim,
            attributes=(JOIN.join(attributes),) if rows == 2 else attributes,
            classifier_bias=False,
            norm="batch",
            crop="introvac",
        )
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _widths(path: Path, stored: dict[str, StoredTensor]) -> tuple[int, ...]:
    """Those of the encoder's stem and of its blocks but the last, which repeats one."""
    stem, *_ = _shape(path, stored, "encoder.main.0.weight", 4)
    sides = [re.fullmatch(r"encoder\.main\.res_in_(\d{1,4})\.conv2\.weight", name) for name in stored]
    found = sorted(((int(m[1]), m[0]) for m in sides if m), reverse=True)
    return (stem, *(_shape(path, stored, name, 4)[0] for _, name in found[:-1]))


def _their_name(ours: str, config: ModelConfig) -> str:
    """What the authors' code calls a tensor of ours."""
    if match := _BLOCK.fullmatch(ours):
        network, place, member, value = match.groups()
        pairs = int(place) // 2  # of block and resampling, or of the stem's layers
        side = config.image_size >> (pairs - 1) if network == "encoder" else 4 << pairs
        return f"{network}.main.res_in_{side}.{_MEMBERS.get(member, member)}.{value}"
    for mine, theirs in _PLACES.items():
        if ours.startswith(mine):
            return theirs + ours.removeprefix(mine)
    return ours


def _tensors(file: TorchFile, config: ModelConfig, stored: dict[str, StoredTensor]) -> dict[str, Tensor]:
    """Our model's state, float32. Shapes are compared before memory is taken for any."""
    path = file.path
    try:
        with torch.device("meta"):
            state = IntroVAC(config).state_dict()
    except (RuntimeError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path}: its channels = {config.channels} make no network") from error
    shapes = {
        (name, _their_name(name, config)): tuple(t.shape)
        for name, t in state.items()
        if not name.endswith("num_batches_tracked")
    }
    names = {theirs for _, theirs in shapes}
    if missing := sorted(names - stored.keys()):
        raise CheckpointError(f"{path}: lacks {len(missing)} tensors, {missing[0]} among them")
    if unknown := sorted(stored.keys() - names):
        raise CheckpointError(f"{path}: holds unknown tensors, {_brief(unknown[0])} among them")
    for (_, theirs), shape in shapes.items():
        if stored[theirs].shape != shape:
            raise CheckpointError(
                f"{path}: {theirs} has shape {stored[theirs].shape}, but {shape} is expected"
            )
    tensors: dict[str, Tensor] = {}
    for ours, theirs in shapes:
        tensor = file.read(stored[theirs])
        if not tensor.is_floating_point():
            raise CheckpointError(f"{path}: {theirs} holds {tensor.dtype} values, not weights")
        tensors[ours] = tensor.float()
        if not torch.isfinite(tensors[ours]).all():
            raise CheckpointError(f"{path}: {theirs} holds NaN or infinite values; use an earlier checkpoint")
    return tensors


def _card(
    path: Path,
    content: dict[Any, Any],
    opt: dict[Any, Any],
    shared: bool,
    attributes: tuple[str, ...],
    name: str,
) -> ModelCard:
    """`pretrain` may lie beyond the last epoch: so the authors train their plain VAC."""
    epoch, pretrain = _number(path, content, "epoch"), _number(path, opt, "pretrain")
    derive = (BEARD,) if "Beard" in attributes else ()
    if shared and len(attributes) > 1:
        derive = (*derive, f"{JOIN.join(attributes)}={'|'.join(attributes)}")
    return ModelCard(
        name=name,
        preset="authors",
        data="celeba",
        step=_number(path, content, "iter") or 0,
        epoch=0 if epoch is None else epoch + 1,
        game_played=epoch is None or pretrain is None or epoch >= pretrain,
        derive=derive,
        delta=_DELTAS.get(attributes, 4.0),
    )
