"""Convolutions that are fast to differentiate twice, as R1 and path lengths need.

PyTorch computes the second derivative as a convolution whose kernel is a whole feature map, for which cuDNN has no good
algorithm (NVIDIA's code avoids it with `conv2d_gradfix`). But the result, the gradient of the input and the gradient of
the weight are three parts of one multilinear form, and the derivatives of each part are the other two.

On CPUs with matrix units, transposed convolutions (and the same thing, gradients of the input of strided ones) take up
to four times as long as others with as many multiplications. There they are computed as several small convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.hardware import has_matrix_units

PIXELS = 1024
CHANNELS = 64
"""Several small convolutions are faster than a transposed one from this many pixels in a batch, and outputs, on."""

_weights_count = True


@contextmanager
def no_weight_gradients() -> Iterator[None]:
    """Within the block gradients of weights and biases are not computed. `torch.autograd.grad` would compute and
    discard them when only others are needed: it does not tell our functions which are."""
    global _weights_count
    _weights_count = False
    try:
        yield
    finally:
        _weights_count = True


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """`F.conv2d`: `x` `[n, i, h, w]`, `weight` `[o, i, k, k]` and `bias` `[o]` to `[n, o, h', w']`."""
    if not _is_differentiated(x, weight):
        return F.conv2d(x, weight, bias, stride, padding)
    return cast(Tensor, _Result.apply(x, weight, bias, _way(stride, padding, False)))


def conv_transpose2d(x: Tensor, weight: Tensor, stride: int, padding: int = 0) -> Tensor:
    """`F.conv_transpose2d`: `x` `[n, i, h, w]` and `weight` `[i, o, k, k]` to `[n, o, h', w']`."""
    if _is_differentiated(x, weight):
        return cast(Tensor, _Result.apply(x, weight, None, _way(stride, padding, True)))
    if _is_faster_in_phases(x, weight, stride):
        return _in_phases(x, weight, stride, padding)
    return F.conv_transpose2d(x, weight, stride=stride, padding=padding)


def _is_differentiated(x: Tensor, weight: Tensor) -> bool:
    """Whether our own functions must be used: autocast chooses types only for functions that it knows."""
    wanted = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    return wanted and not torch.is_autocast_enabled(x.device.type)


def _way(stride: int, padding: int, transposed: bool) -> tuple[Any, ...]:
    """The remaining arguments of `torch.convolution`, in order."""
    return [stride] * 2, [padding] * 2, [1, 1], transposed, [0, 0], 1


class _Result(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, way: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.way = way
        return _convolve(x, weight, bias, way)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,), (x, weight) = gradients, ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        of_weight, of_bias = of_weight and _weights_count, of_bias and _weights_count
        if not torch.is_grad_enabled():  # no second derivative is needed: all gradients at once, as PyTorch does
            sizes, wanted = [gradient.shape[1]] if of_bias else None, (of_x, of_weight, of_bias)
            return *_gradients(gradient, x, weight, sizes, ctx.way, wanted), None
        return (
            _OfInput.apply(gradient, weight, x.detach(), ctx.way) if of_x else None,
            _OfWeight.apply(gradient, x, weight.detach(), ctx.way) if of_weight else None,
            gradient.sum(dim=(0, 2, 3)) if of_bias else None,
            None,
        )


class _OfInput(torch.autograd.Function):
    """The gradient with respect to the input `x`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, x: Tensor, way: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.way = way
        return _gradients(gradient, x, weight, None, way, (True, False, False))[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (v,), (gradient, weight) = gradients, ctx.saved_tensors
        of_gradient, of_weight, *_ = ctx.needs_input_grad
        return (
            _Result.apply(v, weight, None, ctx.way) if of_gradient else None,
            _OfWeight.apply(gradient, v, weight.detach(), ctx.way) if of_weight else None,
            None,
            None,
        )


class _OfWeight(torch.autograd.Function):
    """The gradient with respect to `weight`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, way: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(gradient, x)
        ctx.way = way
        return _gradients(gradient, x, weight, None, way, (False, True, False))[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (v,), (gradient, x) = gradients, ctx.saved_tensors
        of_gradient, of_x, *_ = ctx.needs_input_grad
        return (
            _Result.apply(x, v, None, ctx.way) if of_gradient else None,
            _OfInput.apply(gradient, v, x.detach(), ctx.way) if of_x else None,
            None,
            None,
        )


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, way: tuple[Any, ...]) -> Tensor:
    """What the arguments say; transposed convolutions have no bias."""
    (stride, _), (padding, _), _, transposed, *_ = way
    if transposed and _is_faster_in_phases(x, weight, stride):
        return _in_phases(x, weight, stride, padding)
    return torch.convolution(x, weight, bias, *way)


def _gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: list[int] | None,
    way: tuple[Any, ...],
    wanted: tuple[bool, bool, bool],
) -> tuple[Any, ...]:
    """The gradients of the input, of the weight and of the bias, those that are `wanted`; None for the others."""
    (stride, _), (padding, _), _, transposed, *_ = way
    backward = torch.ops.aten.convolution_backward
    is_whole = _spread_size(gradient, weight, stride, padding) == x.shape[2:]  # every pixel of `x` was used
    if not wanted[0] or transposed or not is_whole or not _is_faster_in_phases(gradient, weight, stride):
        return backward(gradient, x, weight, bias, *way, wanted)
    _, *others = backward(gradient, x, weight, bias, *way, (False, *wanted[1:])) if any(wanted[1:]) else [None] * 3
    return _in_phases(gradient, weight, stride, padding), *others


def _spread_size(x: Tensor, weight: Tensor, stride: int, padding: int) -> torch.Size:
    """The height and width of a transposed convolution's result."""
    return torch.Size((size - 1) * stride + weight.shape[2] - 2 * padding for size in x.shape[2:])


def _is_faster_in_phases(x: Tensor, weight: Tensor, stride: int) -> bool:
    n, _, height, width = x.shape
    large = n * height * width >= PIXELS and weight.shape[1] >= CHANNELS
    return 1 < stride <= weight.shape[2] and large and x.device.type == "cpu" and has_matrix_units(x.device, x.dtype)


def _in_phases(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """A transposed convolution of `x` `[n, i, h, w]` with `weight` `[i, o, k, k]`. Every `stride`th row and column of
    the result depends on every `stride`th row and column of the kernel, as in a usual convolution."""
    y = x.new_empty(len(x), *_spread_size(x, weight, stride, padding), weight.shape[1]).permute(0, 3, 1, 2)
    for row, column in product(range(stride), repeat=2):
        kernel = weight[:, :, row::stride, column::stride].flip(2, 3).transpose(0, 1)
        margins = [taps - 1 for taps in kernel.shape[2:]]
        whole = F.conv2d(x, kernel.contiguous(memory_format=torch.channels_last), padding=margins)
        part = y[:, :, (row - padding) % stride :: stride, (column - padding) % stride :: stride]
        top, left = (max(0, -(-(padding - first) // stride)) for first in (row, column))
        part.copy_(whole[:, :, top : top + part.shape[2], left : left + part.shape[3]])
    return y
