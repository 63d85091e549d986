"""The Inception-v3 network of FID: TensorFlow's of 2015-12-05, whose graph differs from torchvision's.

Its average pools do not count the padding, its last block takes a maximum where every other takes a mean,
and it has 1008 classes. Layer names are those of the PyTorch conversions of its weights. Sources: Szegedy
et al. 2016 (arXiv:1512.00567), and the conversion's description in M. Seitzer's pytorch-fid.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIM, SIZE = 2048, 299


class _Spec(NamedTuple):
    """One convolution of a block: input and output channels, kernel, stride, padding."""

    inputs: int
    outputs: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    padding: int | tuple[int, int] = 0


class _Conv(nn.Module):
    def __init__(self, spec: _Spec) -> None:
        super().__init__()
        self.conv = nn.Conv2d(*spec, bias=False)
        self.bn = nn.BatchNorm2d(spec.outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def _mean_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _max_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


def _halving_pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=2)


_POOLS = {"mean": _mean_pool, "max": _max_pool, "half": _halving_pool}


class _Block(nn.Module):
    """Parallel paths whose outputs are joined along the channels, in order.

    Args:
        layers: convolutions by name.
        paths: names of convolutions, or pools, one after the other; beginnings that agree run once.
    """

    def __init__(self, layers: dict[str, _Spec], paths: tuple[str, ...]) -> None:
        super().__init__()
        for name, spec in layers.items():
            self.add_module(name, _Conv(spec))
        self._paths = tuple(tuple(path.split()) for path in paths)

    def forward(self, x: Tensor) -> Tensor:
        done: dict[tuple[str, ...], Tensor] = {(): x}
        for path in self._paths:
            for n, name in enumerate(path):
                here = path[: n + 1]
                if here not in done:
                    step = _POOLS[name] if name in _POOLS else self.get_submodule(name)
                    done[here] = step(done[path[:n]])
        return torch.cat([done[path] for path in self._paths], 1)


def _a(wide: int, pooled: int) -> _Block:
    layers = {
        "branch1x1": _Spec(wide, 64),
        "branch5x5_1": _Spec(wide, 48),
        "branch5x5_2": _Spec(48, 64, 5, padding=2),
        "branch3x3dbl_1": _Spec(wide, 64),
        "branch3x3dbl_2": _Spec(64, 96, 3, padding=1),
        "branch3x3dbl_3": _Spec(96, 96, 3, padding=1),
        "branch_pool": _Spec(wide, pooled),
    }
    twice = "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3"
    return _Block(layers, ("branch1x1", "branch5x5_1 branch5x5_2", twice, "mean branch_pool"))


def _b(wide: int) -> _Block:
    layers = {
        "branch3x3": _Spec(wide, 384, 3, stride=2),
        "branch3x3dbl_1": _Spec(wide, 64),
        "branch3x3dbl_2": _Spec(64, 96, 3, padding=1),
        "branch3x3dbl_3": _Spec(96, 96, 3, stride=2),
    }
    return _Block(layers, ("branch3x3", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "half"))


def _c(wide: int, narrow: int) -> _Block:
    def flat(inputs: int, outputs: int) -> _Spec:
        return _Spec(inputs, outputs, (1, 7), padding=(0, 3))

    def tall(inputs: int, outputs: int) -> _Spec:
        return _Spec(inputs, outputs, (7, 1), padding=(3, 0))

    layers = {
        "branch1x1": _Spec(wide, 192),
        "branch7x7_1": _Spec(wide, narrow),
        "branch7x7_2": flat(narrow, narrow),
        "branch7x7_3": tall(narrow, 192),
        "branch7x7dbl_1": _Spec(wide, narrow),
        "branch7x7dbl_2": tall(narrow, narrow),
        "branch7x7dbl_3": flat(narrow, narrow),
        "branch7x7dbl_4": tall(narrow, narrow),
        "branch7x7dbl_5": flat(narrow, 192),
        "branch_pool": _Spec(wide, 192),
    }
    once = " ".join(f"branch7x7_{n}" for n in range(1, 4))
    twice = " ".join(f"branch7x7dbl_{n}" for n in range(1, 6))
    return _Block(layers, ("branch1x1", once, twice, "mean branch_pool"))


def _d(wide: int) -> _Block:
    layers = {
        "branch3x3_1": _Spec(wide, 192),
        "branch3x3_2": _Spec(192, 320, 3, stride=2),
        "branch7x7x3_1": _Spec(wide, 192),
        "branch7x7x3_2": _Spec(192, 192, (1, 7), padding=(0, 3)),
        "branch7x7x3_3": _Spec(192, 192, (7, 1), padding=(3, 0)),
        "branch7x7x3_4": _Spec(192, 192, 3, stride=2),
    }
    long = " ".join(f"branch7x7x3_{n}" for n in range(1, 5))
    return _Block(layers, ("branch3x3_1 branch3x3_2", long, "half"))


def _e(wide: int, pool: str) -> _Block:
    layers = {
        "branch1x1": _Spec(wide, 320),
        "branch3x3_1": _Spec(wide, 384),
        "branch3x3_2a": _Spec(384, 384, (1, 3), padding=(0, 1)),
        "branch3x3_2b": _Spec(384, 384, (3, 1), padding=(1, 0)),
        "branch3x3dbl_1": _Spec(wide, 448),
        "branch3x3dbl_2": _Spec(448, 384, 3, padding=1),
        "branch3x3dbl_3a": _Spec(384, 384, (1, 3), padding=(0, 1)),
        "branch3x3dbl_3b": _Spec(384, 384, (3, 1), padding=(1, 0)),
        "branch_pool": _Spec(wide, 192),
    }
    twice = "branch3x3dbl_1 branch3x3dbl_2"
    forks = (
        "branch3x3_1 branch3x3_2a",
        "branch3x3_1 branch3x3_2b",
        f"{twice} branch3x3dbl_3a",
        f"{twice} branch3x3dbl_3b",
    )
    return _Block(layers, ("branch1x1", *forks, f"{pool} branch_pool"))


class Inception(nn.Module):
    """Pictures (N, 3, 299, 299) in [-1, 1] to the features before the classifier, (N, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(_Spec(3, 32, 3, stride=2))
        self.Conv2d_2a_3x3 = _Conv(_Spec(32, 32, 3))
        self.Conv2d_2b_3x3 = _Conv(_Spec(32, 64, 3, padding=1))
        self.Conv2d_3b_1x1 = _Conv(_Spec(64, 80))
        self.Conv2d_4a_3x3 = _Conv(_Spec(80, 192, 3))
        self.Mixed_5b = _a(192, 32)
        self.Mixed_5c = _a(256, 64)
        self.Mixed_5d = _a(288, 64)
        self.Mixed_6a = _b(288)
        self.Mixed_6b = _c(768, 128)
        self.Mixed_6c = _c(768, 160)
        self.Mixed_6d = _c(768, 160)
        self.Mixed_6e = _c(768, 192)
        self.Mixed_7a = _d(768)
        self.Mixed_7b = _e(1280, "mean")
        self.Mixed_7c = _e(2048, "max")
        self.fc = nn.Linear(DIM, 1008)  # in the file, not in the features

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_halving_pool(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_halving_pool(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_7a(self.Mixed_6e(self.Mixed_6d(x)))
        return self.Mixed_7c(self.Mixed_7b(x)).mean((2, 3))
