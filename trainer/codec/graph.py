"""Encoder and decoder as OpenVINO graphs, built from the weights of a model file.

They compute what `trainer.models` computes in evaluation mode, rearranged where the result is the same but
for rounding:

* BatchNorm is a scale and a shift of each channel by then, so it goes into the convolution before it.
* Nearest upsampling and the 3x3 convolution after it are one transposed 4x4 convolution of stride 2: two
  or three of the nine taps fall on the same source pixel and are added up. Borders agree, since both pad
  with zeros.
* A 1x1 convolution commutes with upsampling and with pooling, so the skip's is done at the smaller size.
* The last convolution has 3 outputs where the hardware computes 16 at once. It becomes one that yields a
  block of 2x2 pixels, 12 outputs, whose 6x6 kernel holds the 5x5 one at four offsets.

Weights are folded in float64. One picture a call: that is as fast as a batch, and a picture does not
depend on its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.codec.quiet import openvino
from trainer.config import ModelConfig
from trainer.modelfile import ModelFile

Array = NDArray[Any]
Node = Any

LEAK = 0.2
EPSILON = 1e-5  # of both norms
# Taps of a 3-kernel on the upsampled axis, added up into a 4-kernel of stride 2 on the axis before.
_FOLD = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float64)


def decoder(file: ModelFile, blocks: int) -> tuple[Any, Any | None]:
    """The decoder in two graphs, so that each can have a precision of its own.

    Args:
        blocks: how many residual blocks the first has.

    Returns:
        An `openvino.Model` from a code (1, d) float32 to features (1, H, W, C) float32, and one from there
        to a picture (1, S, S, 3) uint8; or, with all blocks, one from code to picture and None.
    """
    return _Builder(file).decoder(blocks)


def encoder(file: ModelFile) -> Any:
    """An `openvino.Model` from a picture (1, S, S, 3) uint8 to mu and log sigma^2, (1, 2d) float32."""
    return _Builder(file).encoder()


def decoder_costs(config: ModelConfig) -> list[int]:
    """Multiply-adds of a decoded picture up to and with each residual block, as these graphs compute it."""
    widths = (config.channels[-1], *config.channels[::-1])
    cost, side, costs = config.latent_dim * widths[0] * 16, 4, []
    for i, (before, after) in enumerate(zip(widths, (*widths[1:], widths[-1]), strict=True)):
        source = 16 * (side // 2) ** 2 if i else 9 * side**2
        cost += before * after * source + after * after * 9 * side**2
        costs.append(cost)
        side *= 2
    return costs


def upsampled_kernel(weight: Array) -> Array:
    """The transposed kernel (in, out, 4, 4) that equals upsampling and then `weight` (out, in, 3, 3)."""
    return np.einsum("ak,oikl,bl->ioab", _FOLD, weight, _FOLD, optimize=True)


def paired_kernel(weight: Array) -> Array:
    """`weight` (out, in, k, k) at the four offsets of a 2x2 block, (4 out, in, k + 1, k + 1), row first."""
    out, inward, size, _ = weight.shape
    kernel = np.zeros((2, 2, out, inward, size + 1, size + 1))
    for row in (0, 1):
        for column in (0, 1):
            kernel[row, column, :, :, row : row + size, column : column + size] = weight
    return kernel.reshape(4 * out, inward, size + 1, size + 1)


def norm_groups(width: int) -> int:
    """How many groups a GroupNorm of the model has."""
    return next(g for g in (32, 16, 8, 4, 2, 1) if (width % g == 0 and width // g >= 2) or g == 1)


class _Builder:
    """Layers by the names of their tensors; nodes are (1, C, H, W) but for codes."""

    def __init__(self, file: ModelFile) -> None:
        self._openvino = openvino()
        self._op: Any = self._openvino.opset15
        self._tensors, self._config = file.tensors, file.config

    def decoder(self, blocks: int) -> tuple[Any, Any | None]:
        config, op = self._config, self._op
        width, every = config.channels[-1], len(config.channels) + 1
        z = op.parameter([1, config.latent_dim], np.float32, name="z")
        h = op.relu(self._linear(z, self._tensors["decoder.fc.0.weight"], "decoder.fc.0.bias"))
        h = self._blocks(self._reshape(h, (1, width, 4, 4)), range(blocks))
        if blocks == every:
            return self._model(self._picture(h), z), None
        shape = [h.shape[i] for i in (0, 2, 3, 1)]  # as the convolutions like it in memory
        first = self._model(op.transpose(h, self._integers((0, 2, 3, 1))), z)
        features = op.parameter(shape, np.float32, name="features")
        h = self._blocks(op.transpose(features, self._integers((0, 3, 1, 2))), range(blocks, every))
        return first, self._model(self._picture(h), features)

    def _blocks(self, h: Node, which: range) -> Node:
        for i in which:
            h = self._block(h, f"decoder.body.{2 * i}", "up" if i else "none")
        return h

    def _picture(self, h: Node) -> Node:
        """The last convolution and what makes bytes of it, (1, S, S, 3)."""
        op, size = self._op, self._config.image_size
        weight, bias = self._tensors["decoder.predict.weight"], self._tensors["decoder.predict.bias"]
        h = op.sigmoid(self._conv(h, paired_kernel(weight), np.tile(bias, 4), stride=2))
        h = op.convert(op.round(op.multiply(h, self._constant(255)), "half_to_even"), "u8")
        h = self._reshape(h, (1, 2, 2, 3, size // 2, size // 2))
        h = op.transpose(h, self._integers((0, 4, 1, 5, 2, 3)))
        return self._reshape(h, (1, size, size, 3))

    def encoder(self) -> Any:
        config, op = self._config, self._op
        x = op.parameter([1, config.image_size, config.image_size, 3], np.uint8, name="x")
        h = op.transpose(op.convert(x, "f32"), self._integers((0, 3, 1, 2)))
        h = op.multiply(h, self._constant(1 / 255))
        h = self._pool(self._layer(h, "encoder.body.0.weight", "encoder.body.1"))
        index = 4
        for _ in config.channels[1:]:
            h = self._block(h, f"encoder.body.{index}", "pool")
            index += 2
        h = self._block(h, f"encoder.body.{index}", "none")
        h = self._reshape(h, (1, 16 * config.channels[-1]))
        return self._model(self._linear(h, self._tensors["encoder.fc.weight"], "encoder.fc.bias"), x)

    def _model(self, result: Node, parameter: Node) -> Any:
        return self._openvino.Model([self._op.result(result)], [parameter])

    def _block(self, x: Node, name: str, resample: str) -> Node:
        """A residual block; `up` doubles the sides before it, `pool` halves them after it."""
        op = self._op
        h = self._layer(x, f"{name}.conv1.weight", f"{name}.norm1", up=resample == "up")
        h = self._layer(h, f"{name}.conv2.weight", f"{name}.norm2")
        if resample == "pool":
            h, x = self._pool(h), self._pool(x)
        if (expand := self._tensors.get(f"{name}.expand.weight")) is not None:
            x = self._conv(x, expand)
        return op.add(h, self._nearest(x) if resample == "up" else x)

    def _layer(self, x: Node, weight: str, norm: str, up: bool = False) -> Node:
        """Convolution, norm and LeakyReLU."""
        kernel = self._tensors[weight].astype(np.float64)
        gain, shift = self._tensors[f"{norm}.weight"], self._tensors[f"{norm}.bias"]
        if self._config.norm == "group":
            h = self._up(x, kernel) if up else self._conv(x, kernel)
            groups = norm_groups(len(gain))
            h = self._op.group_normalization(h, self._constant(gain), self._constant(shift), groups, EPSILON)
        else:
            scale = gain / np.sqrt(self._tensors[f"{norm}.running_var"].astype(np.float64) + EPSILON)
            bias = shift - self._tensors[f"{norm}.running_mean"] * scale
            kernel *= scale[:, None, None, None]
            h = self._up(x, kernel, bias) if up else self._conv(x, kernel, bias)
        return self._op.prelu(h, self._constant([LEAK]))

    def _conv(self, x: Node, kernel: Array, bias: Array | None = None, stride: int = 1) -> Node:
        pad = [(kernel.shape[-1] - 1) // 2] * 2
        h = self._op.convolution(x, self._constant(kernel), [stride] * 2, pad, pad, [1, 1])
        return self._biased(h, bias)

    def _up(self, x: Node, kernel: Array, bias: Array | None = None) -> Node:
        """The 3x3 convolution `kernel` of the upsampled x."""
        h = self._op.convolution_backprop_data(
            x,
            self._constant(upsampled_kernel(kernel)),
            [2, 2],
            pads_begin=[1, 1],
            pads_end=[1, 1],
            dilations=[1, 1],
        )
        return self._biased(h, bias)

    def _biased(self, h: Node, bias: Array | None) -> Node:
        return h if bias is None else self._op.add(h, self._constant(bias.reshape(1, -1, 1, 1)))

    def _linear(self, x: Node, weight: Array, bias: str) -> Node:
        product = self._op.matmul(x, self._constant(weight), False, True)
        return self._op.add(product, self._constant(self._tensors[bias][None]))

    def _pool(self, x: Node) -> Node:
        return self._op.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], False)

    def _nearest(self, x: Node) -> Node:
        return self._op.interpolate(
            x,
            self._constant([2.0, 2.0]),
            "nearest",
            "scales",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            axes=self._integers((2, 3)),
        )

    def _reshape(self, x: Node, shape: tuple[int, ...]) -> Node:
        return self._op.reshape(x, self._integers(shape), False)

    def _constant(self, values: Any) -> Node:
        return self._op.constant(np.ascontiguousarray(values, dtype=np.float32))

    def _integers(self, values: tuple[int, ...]) -> Node:
        return self._op.constant(np.array(values, np.int64))
