"""FIR resampling in plain PyTorch: upsample, filter and downsample, differentiable any number of times.

Zeros that upsampling would insert are never stored: a transposed convolution skips them, just as a strided convolution
skips the pixels that downsampling would drop. Everything runs channels last, where PyTorch's depthwise convolutions are
up to ten times as fast on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.ops.constants import kept_on_device
from stylegan_cli.ops.convolution import in_phases

SEPARABLE_FROM = 8
"""A 1-D filter with fewer taps becomes its 2-D outer product, as in StyleGAN2's files: one pass is faster than two."""

Factors = tuple[int, int]
"""Along y, along x."""


def setup_filter(taps: Sequence[float]) -> Tensor:
    """A filter that sums to 1, float32: `[taps, taps]`, or `[taps]` (separable) if it is long."""
    f = torch.tensor(taps, dtype=torch.float32)
    if len(f) < SEPARABLE_FROM:
        f = torch.outer(f, f)
    return f / f.sum()


filter_on = kept_on_device(setup_filter)


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = 1.0,
    bias: Tensor | None = None,
) -> Tensor:
    """Upsamples by zero insertion, pads, convolves with `f` and keeps every `down`th pixel; every channel separately.

    `x` is `[n, c, h, w]`, the result `[n, c, h', w']` with `h' = ceil((h * up + y0 + y1 - taps + 1) / down)`.
    `f` is `[taps]` (used along both axes), `[taps_y, taps_x]`, or None for the identity; this is a true convolution, so
    the filter is flipped. `padding` is `(x0, x1, y0, y1)` in pixels after upsampling; negative values crop. `gain`
    scales the result, to which `bias` `[c]` is then added. The operation is "upfirdn" in StyleGAN2 (arXiv:1912.04958)
    and StyleGAN3 (arXiv:2106.12423).
    """
    if f is None:
        f = torch.ones(1, 1, device=x.device)
    if f.ndim == 2:
        return _differentiable(x, f * gain, (up, up), (down, down), padding, bias)
    f = f * gain**0.5
    x = _differentiable(x, f[None, :], (1, up), (1, down), (*padding[:2], 0, 0), None)
    return _differentiable(x, f[:, None], (up, 1), (down, 1), (0, 0, *padding[2:]), bias)


def _differentiable(
    x: Tensor, f: Tensor, up: Factors, down: Factors, padding: tuple[int, int, int, int], bias: Tensor | None
) -> Tensor:
    if not (torch.is_grad_enabled() and x.requires_grad):
        return _resample(x, f, up, down, padding, bias)
    x = cast(Tensor, _Resampling.apply(x, f, up, down, padding))
    return x if bias is None else x + bias[:, None, None]


class _Resampling(torch.autograd.Function):
    """`_resample` with a gradient that is itself resampling. PyTorch's own gradient of depthwise convolutions takes
    fifteen times as long in bfloat16, and is computed channel by channel if it is differentiated again."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, f: Tensor, up: Factors, down: Factors, padding: tuple[int, int, int, int]
    ) -> Tensor:
        ctx.filter, ctx.up, ctx.down, ctx.padding, ctx.size = f, up, down, padding, x.shape[2:]
        return _resample(x, f, up, down, padding, None)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        left, _, top, _ = ctx.padding
        after = [
            size * up - out * down + low - up + 1
            for size, up, out, down, low in zip(
                ctx.size, ctx.up, gradient.shape[2:], ctx.down, (top, left), strict=True
            )
        ]
        taps = ctx.filter.shape
        padding = (taps[1] - left - 1, after[1], taps[0] - top - 1, after[0])
        back = _Resampling.apply(gradient, ctx.filter.flip(0, 1), ctx.down, ctx.up, padding)
        return back, None, None, None, None


def _resample(
    x: Tensor, f: Tensor, up: Factors, down: Factors, padding: tuple[int, int, int, int], bias: Tensor | None
) -> Tensor:
    """`upfirdn2d` for a 2-D filter."""
    if up != (1, 1):
        x = _upsample(x, f, up, padding)[:, :, :: down[0], :: down[1]]
        return x if bias is None else x + bias[:, None, None]
    left, right, top, bottom = padding
    margin = (top, left)
    if (left, top) != (right, bottom) or min(margin) < 0:  # convolutions pad by themselves, without a copy, if evenly
        x, margin = F.pad(x, padding), (0, 0)
    x = x.contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, _depthwise(f.flip(0, 1), x), bias, stride=down, padding=margin, groups=x.shape[1])


def _upsample(x: Tensor, f: Tensor, up: Factors, padding: tuple[int, int, int, int]) -> Tensor:
    rows = _plan(x.shape[2], f.shape[0], up[0], *padding[2:])
    cols = _plan(x.shape[3], f.shape[1], up[1], *padding[:2])
    if any(rows.pad + cols.pad):
        x = F.pad(x, cols.pad + rows.pad)
    x = x.contiguous(memory_format=torch.channels_last)
    weight, crop, channels = _depthwise(f, x), (rows.crop, cols.crop), x.shape[1]
    if x.device.type == "cpu" and x.dtype in (torch.float16, torch.bfloat16):  # up to twenty times as fast
        return in_phases(x, weight, up, crop, (rows.size, cols.size), channels)
    extra = (rows.extra, cols.extra)
    x = F.conv_transpose2d(x, weight, stride=up, padding=crop, output_padding=extra, groups=channels)
    return x[:, :, : rows.size, : cols.size]


def _depthwise(f: Tensor, x: Tensor) -> Tensor:
    return _rounded(f, x.dtype).expand(x.shape[1], 1, *f.shape)


def _rounded(f: Tensor, dtype: torch.dtype) -> Tensor:
    """`f` in `dtype`. A long filter keeps its sum: the rounding error is added to its smallest taps, which are stored
    most finely. Otherwise every pass would make a picture lighter or darker, in bfloat16 by up to 0.2 %. The taps of
    shorter filters are binary fractions."""
    rounded = f.to(dtype)
    if dtype == f.dtype or max(f.shape) < SEPARABLE_FROM:
        return rounded
    smallest = f.abs() == f.abs().min()
    missing = (f - rounded.to(f.dtype)).sum() / smallest.sum()
    return torch.where(smallest, f + missing, rounded.to(f.dtype)).to(dtype)


class _Axis(NamedTuple):
    """One axis of a transposed convolution, in PyTorch's terms."""

    size: int  # pixels of the result that are used; the rest is cut off
    pad: tuple[int, int]  # zeros around the input: only for padding that extends beyond the filter
    crop: int  # PyTorch's `padding`: pixels removed at both ends
    extra: int  # PyTorch's `output_padding`: pixels added back at the end


def _plan(size: int, taps: int, up: int, low: int, high: int) -> _Axis:
    """A transposed convolution without cropping gives `y[k] = sum_i x[i] f[k - up * i]` for every k where the filter
    touches the input. The result begins at `k = taps - 1 - low`."""
    begin = taps - 1 - low
    out = size * up + low + high - taps + 1
    before = max(0, -(begin // up))
    crop = begin + before * up
    missing = out - ((size + before - 1) * up + taps - 2 * crop)
    after = max(0, missing // up)
    return _Axis(out, (before, after), crop, max(0, missing - after * up))
