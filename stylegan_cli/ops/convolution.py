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
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.hardware import has_matrix_units

PIXELS = 1024
CHANNELS = 64
"""Several small convolutions are faster than a transposed one from this many pixels in a batch, and outputs, on."""

_weights_count = True


class Way(NamedTuple):
    """How a convolution goes over a feature map, the same along both axes."""

    stride: int
    padding: int
    transposed: bool = False

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The last arguments of torch's own, in order."""
        dilation, output_padding, groups = [1, 1], [0, 0], 1
        return [self.stride] * 2, [self.padding] * 2, dilation, self.transposed, output_padding, groups


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
    return _result(x, weight, bias, Way(stride, padding))


def conv_transpose2d(x: Tensor, weight: Tensor, stride: int, padding: int = 0) -> Tensor:
    """`F.conv_transpose2d`: `x` `[n, i, h, w]` and `weight` `[i, o, k, k]` to `[n, o, h', w']`."""
    return _result(x, weight, None, Way(stride, padding, transposed=True))


def in_phases(
    x: Tensor, weight: Tensor, stride: tuple[int, int], crop: tuple[int, int], size: tuple[int, int], groups: int = 1
) -> Tensor:
    """A transposed convolution, as several without a stride: `x` `[n, i, h, w]` and `weight` `[i, o / groups, k, l]` to
    `[n, o, *size]`, channels last; `groups` is 1 or i. `crop` rows and columns are left out at the beginning.

    Every `stride`th row and column of the result depends on every `stride`th row and column of the kernel, as in a
    usual convolution.
    """
    y = x.new_empty(len(x), *size, weight.shape[1] * groups).permute(0, 3, 1, 2)
    for row, column in product(range(stride[0]), range(stride[1])):
        part = y[:, :, row :: stride[0], column :: stride[1]]
        taps_y, margin_y, top = _phase(row + crop[0], stride[0], weight.shape[2], x.shape[2], part.shape[2])
        taps_x, margin_x, left = _phase(column + crop[1], stride[1], weight.shape[3], x.shape[3], part.shape[3])
        kernel = weight[:, :, taps_y, taps_x].flip(2, 3)
        if not kernel.numel():  # a kernel that does not reach from one pixel to the next
            part.zero_()
            continue
        kernel = (kernel.transpose(0, 1) if groups == 1 else kernel).contiguous(memory_format=torch.channels_last)
        whole = F.conv2d(x, kernel, padding=(margin_y, margin_x), groups=groups)
        part.copy_(whole[:, :, top : top + part.shape[2], left : left + part.shape[3]])
    return y


def _phase(begin: int, stride: int, taps: int, size: int, out: int) -> tuple[slice, int, int]:
    """One axis of a phase: `out` sums `k[tap] x[newest] + k[tap + stride] x[newest - 1] + ...`, where `begin` gives the
    first. Its taps, how many zeros a convolution with them needs at both ends, and where in its result they begin."""
    newest, tap = divmod(begin, stride)
    oldest = newest - len(range(tap, taps, stride)) + 1
    margin = max(0, -oldest, newest + out - size)
    return slice(tap, None, stride), margin, oldest + margin


def _result(x: Tensor, weight: Tensor, bias: Tensor | None, way: Way) -> Tensor:
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        return cast(Tensor, _Result.apply(x, weight, bias, way))
    return _convolve(x, weight, bias, way)


class _Result(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, way: Way) -> Tensor:
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
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, x: Tensor, way: Way) -> Tensor:
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
    def forward(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, way: Way) -> Tensor:
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


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, way: Way) -> Tensor:
    if not way.transposed:
        return F.conv2d(x, weight, bias, way.stride, way.padding)
    if _is_faster_in_phases(x, weight, way):
        return _transposed(x, weight, way)
    return F.conv_transpose2d(x, weight, bias, way.stride, way.padding)


def _gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: list[int] | None,
    way: Way,
    wanted: tuple[bool, bool, bool],
) -> tuple[Any, ...]:
    """The gradients of the input, of the weight and of the bias, those that are `wanted`; None for the others."""
    backward = torch.ops.aten.convolution_backward
    is_whole = _transposed_size(gradient, weight, way) == x.shape[2:]  # every pixel of `x` was used
    if not wanted[0] or way.transposed or not is_whole or not _is_faster_in_phases(gradient, weight, way):
        return backward(gradient, x, weight, bias, *way.arguments, wanted)
    others = [None, None]
    if any(wanted[1:]):
        _, *others = backward(gradient, x, weight, bias, *way.arguments, (False, *wanted[1:]))
    return _transposed(gradient, weight, way), *others


def _is_faster_in_phases(x: Tensor, weight: Tensor, way: Way) -> bool:
    n, _, height, width = x.shape
    is_large = n * height * width >= PIXELS and weight.shape[1] >= CHANNELS
    return way.stride > 1 and is_large and x.device.type == "cpu" and has_matrix_units(x.device, x.dtype)


def _transposed(x: Tensor, weight: Tensor, way: Way) -> Tensor:
    """A convolution that goes this way, but transposed."""
    stride, crop = (way.stride,) * 2, (way.padding,) * 2
    return in_phases(x, weight, stride, crop, _transposed_size(x, weight, way))


def _transposed_size(x: Tensor, weight: Tensor, way: Way) -> tuple[int, int]:
    height, width = ((size - 1) * way.stride + weight.shape[2] - 2 * way.padding for size in x.shape[2:])
    return height, width
