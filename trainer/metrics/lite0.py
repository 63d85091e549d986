"""EfficientNet-Lite0 up to its pooled features, with the layer names of its PyTorch weights.

Sources: Tan and Le 2019 (arXiv:1905.11946) for the blocks; the Lite variant of 2020 has no squeeze and
excitation, ReLU6 throughout, and TensorFlow's padding, which puts the odd row and column at the end.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

DIM, SIZE = 1280, 224
# kernel, stride, expansion, output channels, blocks
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class _Conv(nn.Conv2d):
    """A convolution without bias that halves or keeps the size, padded as TensorFlow's SAME."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        sides: list[int] = []
        for size in (x.shape[3], x.shape[2]):
            kernel, stride = self.kernel_size[0], self.stride[0]
            missing = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            sides += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, sides))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=0.001)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self._expands = expansion > 1
        self._skips = stride == 1 and inputs == outputs
        if self._expands:
            self._expand_conv = _Conv(inputs, wide)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _Conv(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = _Conv(wide, outputs)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._skips else y


class Lite0(nn.Module):
    """Pictures (N, 3, 224, 224), (x - 127) / 128 of 8-bit values, to features (N, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Conv(3, 32, 3, 2)
        self._bn0 = _norm(32)
        blocks, wide = [], 32
        for kernel, stride, expansion, outputs, count in _STAGES:
            for n in range(count):
                blocks.append(_Block(wide, outputs, kernel, 1 if n else stride, expansion))
                wide = outputs
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = _Conv(wide, DIM)
        self._bn1 = _norm(DIM)
        self._fc = nn.Linear(DIM, 1000)  # in the file, not in the features

    def forward(self, x: Tensor) -> Tensor:
        x = self._blocks(F.relu6(self._bn0(self._conv_stem(x))))
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
