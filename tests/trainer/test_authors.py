"""Checkpoints in the authors' layout: the imported model computes what theirs does, and nothing runs."""

from __future__ import annotations

import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import trainer
from trainer import checkpoint
from trainer.card import ModelCard
from trainer.cli import main
from trainer.codec import Codec
from trainer.data import derive
from trainer.errors import CheckpointError, ModelError
from trainer.torch_file import StoredTensor, opened

State = dict[str, Tensor]

# -- their network, written out from its description, in float64 --------------------------


def sides(size: int) -> list[int]:
    """Sides at which the encoder has a block: half the image's, down to 4."""
    return [size >> k for k in range(1, size.bit_length()) if size >> k >= 4]


def block_shapes(place: str, width_in: int, width_out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    if width_in != width_out:
        yield f"{place}.conv_expand.weight", (width_out, width_in, 1, 1)
    for n, width in (1, width_in), (2, width_out):
        yield f"{place}.conv{n}.weight", (width_out, width, 3, 3)
        yield from norm_shapes(f"{place}.bn{n}", width_out)


def norm_shapes(place: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((f"{place}.{name}", (width,)) for name in ("weight", "bias", "running_mean", "running_var"))
    yield f"{place}.num_batches_tracked", ()


def encoder_shapes(widths: list[int], size: int, dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "main.0.weight", (widths[0], 3, 5, 5)
    yield from norm_shapes("main.1", widths[0])
    for side, a, b in zip(sides(size), widths, [*widths[1:], widths[-1]], strict=True):
        yield from block_shapes(f"main.res_in_{side}", a, b)
    yield from (("fc.weight", (2 * dim, 16 * widths[-1])), ("fc.bias", (2 * dim,)))


def decoder_shapes(widths: list[int], size: int, dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from (("fc.0.weight", (16 * widths[-1], dim)), ("fc.0.bias", (16 * widths[-1],)))
    outward = [widths[-1], *widths[::-1], widths[0]]
    for side, a, b in zip([*sides(size)[::-1], size], outward[:-1], outward[1:], strict=True):
        yield from block_shapes(f"main.res_in_{side}", a, b)
    yield from (("main.predict.weight", (3, widths[0], 5, 5)), ("main.predict.bias", (3,)))


def filled(shapes: Iterator[tuple[str, tuple[int, ...]]], generator: torch.Generator) -> State:
    """Weights that keep activations near 1, and running statistics that are not 0 and 1."""
    state: State = OrderedDict()
    for name, shape in shapes:
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(4711)
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        elif len(shape) > 1:
            state[name] = torch.randn(shape, generator=generator) / np.sqrt(np.prod(shape[1:]))
        else:
            state[name] = 0.5 + 0.2 * torch.randn(shape, generator=generator)
    return state


def conv(state: State, place: str, x: Tensor) -> Tensor:
    weight = state[f"{place}.weight"]
    return F.conv2d(x, weight, state.get(f"{place}.bias"), padding=weight.shape[-1] // 2)


def norm(state: State, place: str, x: Tensor) -> Tensor:
    weight, bias, mean, var = (
        state[f"{place}.{name}"][:, None, None] for name in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def block(state: State, place: str, x: Tensor) -> Tensor:
    h = leaky(norm(state, f"{place}.bn1", conv(state, f"{place}.conv1", x)))
    h = leaky(norm(state, f"{place}.bn2", conv(state, f"{place}.conv2", h)))
    return h + (conv(state, f"{place}.conv_expand", x) if f"{place}.conv_expand.weight" in state else x)


def halved(x: Tensor) -> Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def linear(state: State, place: str, x: Tensor) -> Tensor:
    y = x @ state[f"{place}.weight"].T
    return y + state[f"{place}.bias"] if f"{place}.bias" in state else y


def double(state: State) -> State:
    return {name: value.double() for name, value in state.items()}


def encode(state: State, x: Tensor) -> tuple[Tensor, Tensor]:
    state, h = double(state), x.double()
    h = halved(leaky(norm(state, "main.1", conv(state, "main.0", h))))
    for side in sides(x.shape[-1]):
        h = block(state, f"main.res_in_{side}", h)
        h = halved(h) if side > 4 else h
    both = linear(state, "fc", h.flatten(1))
    return both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]


def decode(state: State, z: Tensor, size: int) -> Tensor:
    state = double(state)
    h = linear(state, "fc.0", z.double()).clamp_min(0)
    h = h.view(len(z), -1, 4, 4)
    for side in sides(size)[::-1]:
        h = block(state, f"main.res_in_{side}", h).repeat_interleave(2, 2).repeat_interleave(2, 3)
    return torch.sigmoid(conv(state, "main.predict", block(state, f"main.res_in_{size}", h)))


# -- their files --------------------------------------------------------------------------


def run_of(
    widths: tuple[int, ...] = (8, 8, 16),
    size: int = 32,
    dim: int = 12,
    attributes: tuple[str, ...] = ("Eyeglasses", "FacialHair"),
    binary: bool = False,
) -> dict[str, Any]:
    """What their code saves, without the prefix."""
    generator = torch.Generator().manual_seed(3)
    rows = 2 if binary else len(attributes) + 1
    opt = {"channels": list(widths), "dim": dim, "image_size": size, "attributes": list(attributes)}
    opt |= {"binary": binary, "betas": [10.0, 100.0, 3.0, 0.01, 5.0], "pretrain": 5, "epochs": 150}
    moments = {"step": 9, "exp_avg": torch.full((2, 2), torch.nan), "exp_avg_sq": torch.ones(2, 2)}
    return {
        "opt": opt,
        "iter": 1234,
        "epoch": 149,
        "encoder": filled(encoder_shapes(list(widths), size, dim), generator),
        "decoder": filled(decoder_shapes(list(widths), size, dim), generator),
        "classifier": filled(iter([("m.0.weight", (rows, dim))]), generator),
        "optimizer_enc": {"state": {0: moments}, "param_groups": [{"lr": 2e-4, "params": [0]}]},
    }


def save(run: dict[str, Any], path: Path, zipped: bool = False, prefix: str = "module.") -> Path:
    """As `torch.nn.DataParallel` names its state, with the attribute that state dicts carry."""
    run = dict(run)
    for network in ("encoder", "decoder", "classifier"):
        if isinstance(run.get(network), dict):
            state = OrderedDict((prefix + key, value) for key, value in run[network].items())
            state._metadata = OrderedDict({"": {"version": 1}})
            run[network] = state
    torch.save(run, path, _use_new_zipfile_serialization=zipped)
    return path


def imported(source: Path) -> Path:
    out = source.with_suffix(".safetensors")
    assert main(["import", "--from", "authors", str(source), "--out", str(out)]) == 0
    return out


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    """The one line that an import of a file prints; it must leave nothing behind."""

    def refuse(source: Path) -> str:
        out = tmp_path / "refused.safetensors"
        assert main(["import", "--from", "authors", str(source), "--out", str(out)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert str(source) in line and "Traceback" not in line and not out.exists()
        return line

    return refuse


def assert_same(model: Path, run: dict[str, Any], faces: int) -> None:
    net, size = trainer.load(model), run["opt"]["image_size"]
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(faces, 3, size, size, generator=generator)
    z = torch.randn(faces, run["opt"]["dim"], generator=generator)
    with torch.no_grad():
        found = (*net.encoder(x), net.decoder(z), net.classifier(z))
    logits = z.double() @ run["classifier"]["m.0.weight"].double().T
    for got, wanted in zip(
        found, (*encode(run["encoder"], x), decode(run["decoder"], z, size), logits), strict=True
    ):
        assert wanted.std() > 0.01
        torch.testing.assert_close(got.double(), wanted, atol=1e-5, rtol=0)


# -- what is imported ---------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_that_an_import_computes_what_the_authors_network_does(
    tmp_path: Path, binary: bool, zipped: bool
) -> None:
    run = run_of(binary=binary)
    model = imported(save(run, tmp_path / "theirs.pkl", zipped))
    assert_same(model, run, faces=3)
    shared = "Eyeglasses_or_FacialHair"
    assert trainer.load(model).attributes == ((shared,) if binary else ("Eyeglasses", "FacialHair"))
    assert trainer.load(model).config.crop == "introvac"
    assert checkpoint.read_card(model) == ModelCard(
        name="theirs",
        preset="authors",
        data="celeba",
        step=1234,
        epoch=150,
        game_played=True,
        derive=(f"{shared}=Eyeglasses|FacialHair",) if binary else (),
    )


def test_that_the_papers_widths_import(tmp_path: Path) -> None:
    run = run_of((32, 64, 128, 256, 512), 128, 256, ("Eyeglasses",), binary=True)
    model = imported(save(run, tmp_path / "paper.pkl"))
    assert_same(model, run, faces=1)
    assert checkpoint.read_card(model).delta == 3.0  # the paper's for this attribute


def test_that_a_gpu_run_without_prefix_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.serialization.location_tag", lambda storage: "cuda:7")
    run = run_of(attributes=("Smiling",))
    assert_same(imported(save(run, tmp_path / "theirs.pkl", prefix="")), run, faces=1)


@pytest.mark.parametrize("binary", [False, True])
def test_that_shapes_tell_what_opt_does_not(tmp_path: Path, binary: bool) -> None:
    run = run_of((8, 16, 16, 24), 64, 10, binary=binary)
    whole = dict(run["opt"])
    run["opt"] = {"attributes": whole["attributes"]}
    config = trainer.load(imported(save(run, tmp_path / "theirs.pkl"))).config
    assert (config.channels, config.image_size, config.latent_dim) == ((8, 16, 16, 24), 64, 10)
    assert len(config.attributes) == (1 if binary else 2)


def test_that_logits_follow_the_columns_of_celeba(tmp_path: Path) -> None:
    names = ("FacialHair", "Oval_Face", "Beard", "Eyeglasses")
    model = imported(save(run_of(attributes=names), tmp_path / "theirs.pkl"))
    assert trainer.load(model).logit_names == ("Eyeglasses", "Beard", "Oval_Face", "FacialHair", "fake")
    assert checkpoint.read_card(model).derive == ("Beard=!No_Beard",)


def test_that_names_from_elsewhere_stay_in_their_order(tmp_path: Path) -> None:
    model = imported(save(run_of(attributes=("Young", "Freckles")), tmp_path / "theirs.pkl"))
    assert trainer.load(model).attributes == ("Young", "Freckles")


def test_that_a_shared_logit_is_explained_to_data(tmp_path: Path) -> None:
    run = run_of(attributes=("Smiling", "Beard"), binary=True)
    model = imported(save(run, tmp_path / "theirs.pkl"))
    labels = np.array([[0, 1], [0, 0], [1, 1]], np.int8)
    names, columns = derive.extend(("Smiling", "No_Beard"), labels, checkpoint.read_card(model).derive)
    assert trainer.load(model).attributes == ("Beard_or_Smiling",)
    assert columns[:, names.index("Beard_or_Smiling")].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("pretrain", "epoch", "played"),
    [(5, 149, True), (5, 5, True), (5, 4, False), (601, 599, False), (None, 2, True)],
)
def test_that_a_run_still_in_its_warm_up_never_played(
    tmp_path: Path, pretrain: int | None, epoch: int, played: bool
) -> None:
    run = run_of() | {"epoch": epoch}
    run["opt"]["pretrain"] = pretrain
    codec = Codec(imported(save(run, tmp_path / "theirs.pkl")), "cpu")
    assert codec.card.game_played is played
    if played:
        assert codec.planes.normal("fake").shape == (12,)
    else:
        with pytest.raises(ModelError, match="fake"):
            codec.planes.normal("fake")


# -- containers of sacred -----------------------------------------------------------------


class _ReadOnly:
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.plain(),)


class ReadOnlyDict(_ReadOnly, dict):
    def plain(self) -> dict[Any, Any]:
        return {**self}


class ReadOnlyList(_ReadOnly, list):
    def plain(self) -> list[Any]:
        return [*self]


class DogmaticDict(dict):
    """Pickled by its items and a state of its own."""

    def __init__(self, values: dict[Any, Any]) -> None:
        super().__init__(values)
        self.typechanges: dict[Any, Any] = {}
        self.modified = {"dim"}
        self.fixed = {"dim": 3}


class DogmaticList(list):
    def append(self, value: object) -> None: ...

    def extend(self, values: object) -> None: ...


class Runner(list):
    """Whatever else the package may have."""


@pytest.fixture
def sacred(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as far as pickling needs it; tests take it away again before they read."""
    place = "sacred.config.custom_containers"
    module = types.ModuleType(place)
    for kind in (ReadOnlyDict, ReadOnlyList, DogmaticDict, DogmaticList, Runner):
        monkeypatch.setattr(kind, "__module__", place)
        setattr(module, kind.__name__, kind)
    for name in ("sacred", "sacred.config"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, place, module)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("mapping", "row"), [(ReadOnlyDict, ReadOnlyList), (DogmaticDict, DogmaticList)])
def test_that_containers_of_sacred_become_plain(
    tmp_path: Path,
    sacred: None,
    monkeypatch: pytest.MonkeyPatch,
    zipped: bool,
    mapping: type,
    row: type,
) -> None:
    run = run_of()
    opt = {key: row(value) if isinstance(value, list) else value for key, value in run["opt"].items()}
    source = save(
        run | {"opt": mapping(opt | {"more": mapping({"a": row([1, {2}])})})}, tmp_path / "t.pkl", zipped
    )
    monkeypatch.undo()
    assert "sacred" not in sys.modules
    with opened(source) as file:
        assert file.content["opt"]["more"] == {"a": [1, {2}]}
        assert isinstance(file.content["encoder"]["module.main.0.weight"], StoredTensor)
    assert_same(imported(source), run, faces=1)


def test_that_other_names_of_sacred_are_refused(
    tmp_path: Path, refusal: Callable[[Path], str], sacred: None
) -> None:
    run = run_of()
    run["opt"]["ex"] = Runner([1])
    assert "'sacred.config.custom_containers.Runner'" in refusal(save(run, tmp_path / "t.pkl"))


# -- nothing runs -------------------------------------------------------------------------


class Shell:
    """Unpickled by anything that trusts it, it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [False, True])
def test_that_a_command_in_a_checkpoint_does_not_run(
    tmp_path: Path, refusal: Callable[[Path], str], zipped: bool
) -> None:
    made, source = tmp_path / "made", tmp_path / "theirs.pkl"
    shell = Shell(f'echo oh > "{made}"')
    pickle.loads(pickle.dumps(shell))
    assert made.exists()  # it does what it says
    made.unlink()
    for where in ("opt", "optimizer_enc", "epoch", "encoder"):
        save(run_of() | {where: {"x": [shell]}}, source, zipped)
        line = refusal(source)
        assert "'os.system'" in line and "could run code" in line
        assert not made.exists()


def test_that_a_command_in_a_bare_pickle_does_not_run(tmp_path: Path, refusal: Callable[[Path], str]) -> None:
    made, source = tmp_path / "made", tmp_path / "theirs.pkl"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        source.write_bytes(pickle.dumps({"opt": Shell(f'echo oh > "{made}"')}, protocol))
        assert "'os.system'" in refusal(source)
        assert not made.exists()


OUTSIDE = {
    "builtins.eval": b"c__builtin__\neval\n(X\x01\0\0\x001tR.",
    "builtins.getattr": b"cbuiltins\ngetattr\n.",
    "os.system": b"(X\x01\0\0\x00xios\nsystem\n.",
    "collections.OrderedDict.get": b"\x80\x04\x8c\x0bcollections\x8c\x0fOrderedDict.get\x93.",
    "torch.storage._load_from_bytes": b"ctorch.storage\n_load_from_bytes\n.",
    "extension 1": b"\x80\x02\x82\x01.",
}


def test_that_a_name_outside_the_table_is_refused(tmp_path: Path, refusal: Callable[[Path], str]) -> None:
    source = tmp_path / "theirs.pkl"
    for name, code in OUTSIDE.items():
        source.write_bytes(code)
        assert f"names {name!r}" in refusal(source)
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("archive/data.pkl", code)
        assert f"names {name!r}" in refusal(source)


def test_that_a_pickle_cannot_change_its_reader(tmp_path: Path, refusal: Callable[[Path], str]) -> None:
    """A state handed to a stand-in, not to an instance of it."""
    states = {
        b"ccollections\nOrderedDict\n": b"N}X\x06\0\0\0valuesK\x01s\x86b.",
        b"ctorch._utils\n_rebuild_tensor_v2\n": b"N}X\x07\0\0\0__new__K\x01s\x86b.",
        b"ctorch\nFloatStorage\n": b"N}X\x08\0\0\0itemsizeK\x01s\x86b.",
        b"ctorch\nSize\n": b"N}X\x05\0\0\0countK\x01s\x86b.",
    }
    for target, state in states.items():
        source = tmp_path / "theirs.pkl"
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + target + state)
        assert "damaged" in refusal(source)
    run = run_of()
    assert_same(imported(save(run, tmp_path / "good.pkl")), run, faces=1)


# -- refusals -----------------------------------------------------------------------------


def test_that_a_missing_checkpoint_and_a_folder_are_named(
    tmp_path: Path, refusal: Callable[[Path], str]
) -> None:
    assert "cannot be read" in refusal(tmp_path / "gone.pkl")
    assert "cannot be read" in refusal(tmp_path)


def test_that_other_files_are_refused(tmp_path: Path, refusal: Callable[[Path], str]) -> None:
    source = tmp_path / "theirs.pkl"
    text, picture = b"no checkpoint at all", b"\x89PNG\r\n\x1a\n" + bytes(64)
    for content in (b"", text, picture, pickle.dumps({"a": 1}), pickle.dumps(7)):
        source.write_bytes(content)
        assert "not a file that torch.save wrote" in refusal(source)


def test_that_a_model_file_and_a_plain_zip_are_refused(
    tmp_path: Path, tiny_model: Path, refusal: Callable[[Path], str]
) -> None:
    assert "not a file that torch.save wrote" in refusal(tiny_model)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not a file that torch.save wrote" in refusal(tmp_path / "x.zip")


@pytest.mark.parametrize("zipped", [False, True])
def test_that_a_file_cut_short_is_refused(
    tmp_path: Path, refusal: Callable[[Path], str], zipped: bool
) -> None:
    source = save(run_of(), tmp_path / "theirs.pkl", zipped)
    whole = source.read_bytes()
    for share in (0.001, 0.02, 0.5, 0.9, 0.9999):
        source.write_bytes(whole[: int(share * len(whole))])
        assert "damaged or cut short" in refusal(source)


def test_that_a_damaged_weight_in_an_archive_is_noticed(
    tmp_path: Path, refusal: Callable[[Path], str]
) -> None:
    run = run_of()
    run["classifier"]["m.0.weight"][:] = 1.2345678
    source = save(run, tmp_path / "theirs.pkl", zipped=True)
    pattern = np.float32(1.2345678).tobytes() * 3
    assert pattern in source.read_bytes()
    source.write_bytes(source.read_bytes().replace(pattern, bytes(12)))
    assert "damaged" in refusal(source)


def test_that_an_inflating_archive_is_refused(tmp_path: Path, refusal: Callable[[Path], str]) -> None:
    source = tmp_path / "theirs.pkl"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"]" * 100_000 + b".")
    assert "is compressed" in refusal(source)


def test_that_a_pickle_cannot_reserve_memory(tmp_path: Path, refusal: Callable[[Path], str]) -> None:
    source = tmp_path / "theirs.pkl"
    for remember in (b"r\0\0\0\x01", b"p16777216\n"):
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02]" + remember + b".")
        assert "index beyond" in refusal(source)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


Fault = Callable[[dict[str, Any]], object]


def opt(**values: Any) -> Fault:
    return lambda run: run["opt"].update(values)


def weight(network: str, key: str, change: Callable[[Tensor], Tensor | None]) -> Fault:
    def act(run: dict[str, Any]) -> None:
        state = run[network]
        state[key] = change(state.get(key, torch.zeros(1)))

    return act


def spoiled(value: float) -> Callable[[Tensor], Tensor]:
    return lambda t: t.clone().index_fill_(0, torch.tensor([0]), value)


SETTINGS: dict[str, tuple[Fault, str]] = {
    "no opt": (lambda run: run.pop("opt"), "lacks opt"),
    "no decoder": (lambda run: run.pop("decoder"), "weights of its decoder"),
    "no classifier": (lambda run: run.update(classifier=None), "weights of its classifier"),
    "no attributes": (lambda run: run["opt"].pop("attributes"), "lacks attributes"),
    "attributes are numbers": (opt(attributes=[1, 2]), "attributes are [1, 2]"),
    "an attribute twice": (opt(attributes=["Young", "Young"]), "attributes are ['Young', 'Young']"),
    "a name for terminals": (opt(attributes=["\x1b[2J", "B"]), "attributes are ['\\x1b[2J', 'B']"),
    "a sign in a name": (opt(attributes=["A+B", "C"]), "'A+B' must not"),
    "a name that is taken": (opt(attributes=["Young", "fake"]), "'fake' is taken"),
    "too many attributes": (opt(attributes=["A", "B", "C"]), "has 3 logits, but A, B, C with a logit each"),
    "shared, it says": (opt(binary=True), "has 3 logits, but Eyeglasses, FacialHair sharing one"),
    "binary is text": (opt(binary="maybe"), "binary is 'maybe'"),
    "no bias expected": (weight("classifier", "m.0.bias", lambda t: torch.zeros(3)), "'classifier.m.0.bias'"),
    "another dim": (opt(dim=16), "encoder.fc.weight has shape (24, 256), but (32, 256)"),
    "dim is text": (opt(dim="12"), "its dim is '12'"),
    "dim is negative": (opt(dim=-12), "its dim is -12"),
    "dim has too many digits": (opt(dim=10**5000), "its dim is"),
    "nested deeply": (opt(binary=nested(100)), "its binary is [["),
    "another size": (opt(image_size=64), "image_size = 64"),
    "other widths": (opt(channels=[8, 8, 8]), "conv_expand.weight"),
    "one width less": (opt(channels=[8, 8], image_size=16), "image_size = 16"),
    "widths are text": (opt(channels="8,8,16"), "channels are '8,8,16'"),
    "widths beyond reason": (opt(channels=[2**40, 2**50, 2**62]), "its channels are [1099511627776"),
    "widths beyond memory": (opt(channels=[2**31 - 1] * 3), "make no network"),
    "widths beyond the file": (opt(channels=[2**14, 2**14, 2**14]), "conv"),
    "epoch is text": (lambda run: run.update(epoch="last"), "its epoch is 'last'"),
}
TENSORS: dict[str, tuple[Fault, str]] = {
    "unknown tensor": (weight("encoder", "main.9.weight", lambda t: t), "unknown tensors, 'encoder.main.9"),
    "missing tensor": (lambda run: run["decoder"].pop("main.predict.bias"), "decoder.main.predict.bias"),
    "missing statistics": (lambda run: run["encoder"].pop("main.1.running_var"), "main.1.running_var"),
    "missing logits": (lambda run: run["classifier"].clear(), "lacks classifier.m.0.weight"),
    "flat logits": (weight("classifier", "m.0.weight", Tensor.flatten), "2 dimensions are expected"),
    "not a tensor": (weight("encoder", "fc.bias", lambda t: None), "'module.fc.bias' of its encoder"),
    "wrong shape": (weight("decoder", "fc.0.bias", lambda t: t[1:]), "decoder.fc.0.bias has shape (255,)"),
    "NaN": (weight("encoder", "fc.bias", spoiled(torch.nan)), "encoder.fc.bias holds NaN"),
    "infinity": (weight("decoder", "main.res_in_4.bn1.running_mean", spoiled(torch.inf)), "bn1.running_mean"),
    "beyond single precision": (weight("encoder", "fc.bias", lambda t: t.double() * 1e300), "fc.bias holds"),
    "whole numbers": (weight("encoder", "fc.bias", Tensor.long), "torch.int64"),
    "one number stretched": (
        weight("encoder", "fc.bias", lambda t: t[:1].clone().expand(24)),
        "beyond its storage",
    ),
}


@pytest.mark.parametrize("faults", [SETTINGS, TENSORS], ids=["settings", "tensors"])
def test_that_a_checkpoint_with_a_fault_is_refused(
    tmp_path: Path, refusal: Callable[[Path], str], faults: dict[str, tuple[Fault, str]]
) -> None:
    for fault, (spoil, message) in faults.items():
        run = run_of()
        spoil(run)
        assert message in refusal(save(run, tmp_path / "theirs.pkl")), fault


def test_that_other_contents_of_torch_are_refused(tmp_path: Path, refusal: Callable[[Path], str]) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    assert "no dictionary" in refusal(tmp_path / "list.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    assert "'torch.nn.modules.linear.Linear'" in refusal(tmp_path / "module.pt")
    run = run_of()
    run["encoder"]["module.fc.bias"] = run["encoder"]["fc.bias"]
    assert "'encoder.fc.bias' twice" in refusal(save(run, tmp_path / "twice.pkl", prefix=""))


def test_that_strides_and_offsets_are_followed_and_bounded(tmp_path: Path) -> None:
    base = torch.arange(12.0).view(3, 4)
    torch.save({"t": base.t()[1:], "row": base[1], "none": torch.zeros(0, 3)}, tmp_path / "t.pt")
    with opened(tmp_path / "t.pt") as file:
        for name, wanted in (("t", base.t()[1:]), ("row", base[1]), ("none", torch.zeros(0, 3))):
            assert torch.equal(file.read(file.content[name]), wanted)
        row = file.content["row"]
        for beyond in (
            row._replace(offset=9),
            row._replace(stride=(4,)),
            row._replace(shape=(13,), stride=(0,)),
        ):
            with pytest.raises(CheckpointError, match="beyond its storage"):
                file.read(beyond)


def test_that_a_refusal_keeps_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = save(run_of(), tmp_path / "theirs.pkl"), tmp_path / "model.safetensors"
    before = source.read_bytes()
    assert main(["import", "--from", "authors", str(source), "--out", str(source)]) == 2
    assert source.read_bytes() == before and "checkpoint itself" in capsys.readouterr().err
    out.write_bytes(b"precious")
    source.write_bytes(before[:-9])
    assert main(["import", "--from", "authors", str(source), "--out", str(out)]) == 2
    assert out.read_bytes() == b"precious"
