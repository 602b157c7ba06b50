"""FIR resampling in plain PyTorch: upsample, filter and downsample in one go, differentiable any number of times.

Zeros that upsampling would insert are never stored: each of the `up` phases of the output is a small convolution of
its own on the input (polyphase form), and the phases are interleaved. Everything runs channels last, which is where
PyTorch's depthwise convolutions are fast on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SEPARABLE_FROM = 8
"""A 1-D filter with fewer taps is stored as its 2-D outer product, as StyleGAN2's files do."""

LONG_PHASE = 6
"""Up to this many taps a phase, one 2-D pass beats two 1-D ones: a second trip through memory costs more (float32)."""


def setup_filter(taps: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    """A filter that sums to 1, float32: `[h, w]`, or `[taps]` (separable) if `taps` is a long 1-D sequence."""
    f = torch.tensor(taps, dtype=torch.float32)
    if f.ndim == 1 and len(f) < SEPARABLE_FROM:
        f = torch.outer(f, f)
    return f / f.sum()


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = 1.0,
) -> Tensor:
    """Upsamples by zero insertion, pads, convolves with `f` and keeps every `down`th pixel; the same on every channel.

    `x` is `[n, c, h, w]`, the result `[n, c, h', w']` with `h' = ceil((h * up + y0 + y1 - taps + 1) / down)`.
    `f` is `[taps]` (used along both axes), `[taps_y, taps_x]`, or None for the identity; a true convolution, so the
    filter is flipped. `padding` is `(x0, x1, y0, y1)` in pixels after upsampling, negative values crop. `gain` scales
    the result. The operation is "upfirdn" of StyleGAN2 (arXiv:1912.04958, appendix B) and Alias-Free GAN.
    """
    x0, x1, y0, y1 = padding
    if f is None:
        f = torch.ones(1, device=x.device)
    if f.ndim == 1:
        f = f * gain**0.5
        if len(f) > LONG_PHASE * up:
            x = _resample(x, f[None, :], (1, up), (1, down), (x0, x1, 0, 0))
            return _resample(x, f[:, None], (up, 1), (down, 1), (0, 0, y0, y1))
        return _resample(x, torch.outer(f, f), (up, up), (down, down), padding)
    return _resample(x, f * gain, (up, up), (down, down), padding)


class _Axis(NamedTuple):
    """How one axis is computed: every phase is a convolution of the padded input with `taps` taps of the filter."""

    size: int  # of the output, before decimation
    lead: int  # zeros in front of the filter, so that the first output pixel belongs to phase 0
    taps: int
    padding: tuple[int, int]  # of the input


def _plan(size: int, taps: int, up: int, low: int, high: int) -> _Axis:
    """With `x` the input and `f` the filter, the full convolution is `y[k] = sum_i x[i] f[k - up * i]`; padding says
    which of its pixels make the output."""
    start = taps - 1 - low
    out = size * up + low + high - taps + 1
    lead = -start % up
    first = (start + lead) // up  # the input pixel at the first output pixel
    phase_taps = -(-(taps + lead) // up)
    return _Axis(out, lead, phase_taps, (phase_taps - 1 - first, first + -(-out // up) - size))


def _resample(
    x: Tensor, f: Tensor, up: tuple[int, int], down: tuple[int, int], padding: tuple[int, int, int, int]
) -> Tensor:
    """`upfirdn2d` for a 2-D filter, with factors `(along y, along x)`."""
    rows = _plan(x.shape[2], f.shape[0], up[0], *padding[2:])
    cols = _plan(x.shape[3], f.shape[1], up[1], *padding[:2])
    if any(rows.padding + cols.padding):  # a padding by nothing would still copy
        x = F.pad(x, cols.padding + rows.padding)
    x = x.contiguous(memory_format=torch.channels_last)
    kernels = _phases(_phases(f.to(x.dtype), 1, cols, up[1]), 0, rows, up[0])  # [up_y, taps_y, up_x, taps_x]
    if up == (1, 1):
        return _convolve(x, kernels[0, :, 0], down)
    x = _interleave([[_convolve(x, kernels[j, :, i]) for i in range(up[1])] for j in range(up[0])])
    return x[:, :, : rows.size : down[0], : cols.size : down[1]]


def _phases(f: Tensor, dim: int, axis: _Axis, up: int) -> Tensor:
    """Splits a dimension of the filter in `[up, taps]`: the taps that each output phase sees, in correlation order."""
    tail = up * axis.taps - axis.lead - f.shape[dim]
    f = F.pad(f.movedim(dim, -1), (axis.lead, tail)).unflatten(-1, (axis.taps, up)).flip(-2)
    return f.movedim((-1, -2), (dim, dim + 1))


def _convolve(x: Tensor, kernel: Tensor, stride: tuple[int, int] = (1, 1)) -> Tensor:
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, *kernel.shape), stride=stride, groups=channels)


def _interleave(phases: list[list[Tensor]]) -> Tensor:
    """`phases[j][i]` `[n, c, h, w]` holds the pixels `(j, i)` of every cell of the result `[n, c, h * uy, w * ux]`."""
    rows = [torch.stack([p.permute(0, 2, 3, 1) for p in row], dim=3).flatten(2, 3) for row in phases]  # [n, h, w*ux, c]
    return torch.stack(rows, dim=2).flatten(1, 2).permute(0, 3, 1, 2)
