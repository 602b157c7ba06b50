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
"""Up to this many taps a phase, one 2-D pass beats two 1-D passes (measured in float32): memory traffic decides."""


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
    """How one axis is computed: each phase convolves the input, padded by `low` and `high`, with `taps` filter taps."""

    size: int  # of the output, before decimation
    lead: int  # zeros in front of the filter, so that the first output pixel is in phase 0
    taps: int
    low: int
    high: int


def _plan(size: int, taps: int, up: int, low: int, high: int) -> _Axis:
    """With `x` the input and `f` the filter, the full convolution is `y[k] = sum_i x[i] f[k - up * i]`, of which the
    output keeps `out` pixels from `k = start` on: padding says which."""
    start = taps - 1 - low
    out = size * up + low + high - taps + 1
    lead = -start % up
    first = (start + lead) // up  # the input pixel under the first output pixel
    phase_taps = -(-(taps + lead) // up)
    return _Axis(out, lead, phase_taps, phase_taps - 1 - first, first + -(-out // up) - size)


def _resample(
    x: Tensor, f: Tensor, up: tuple[int, int], down: tuple[int, int], padding: tuple[int, int, int, int]
) -> Tensor:
    """`upfirdn2d` for a 2-D filter, with factors `(along y, along x)`."""
    (up_y, up_x), (down_y, down_x), (x0, x1, y0, y1) = up, down, padding
    rows = _plan(x.shape[2], f.shape[0], up_y, y0, y1)
    cols = _plan(x.shape[3], f.shape[1], up_x, x0, x1)
    x = F.pad(x, (cols.low, cols.high, rows.low, rows.high)).contiguous(memory_format=torch.channels_last)
    f = F.pad(
        f, (cols.lead, cols.taps * up_x - cols.lead - f.shape[1], rows.lead, rows.taps * up_y - rows.lead - f.shape[0])
    )
    phases = (
        f.to(x.dtype).unflatten(1, (cols.taps, up_x)).unflatten(0, (rows.taps, up_y)).flip(0, 2)
    )  # [ty, uy, tx, ux]
    if up == (1, 1):
        return _convolve(x, phases[:, 0, :, 0], down)
    x = _interleave([[_convolve(x, phases[:, j, :, i]) for i in range(up_x)] for j in range(up_y)])
    return x[:, :, : rows.size : down_y, : cols.size : down_x]


def _convolve(x: Tensor, kernel: Tensor, stride: tuple[int, int] = (1, 1)) -> Tensor:
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, *kernel.shape), stride=stride, groups=channels)


def _interleave(phases: list[list[Tensor]]) -> Tensor:
    """`phases[j][i]` `[n, c, h, w]` holds the pixels `(j, i)` of every cell of the result `[n, c, h * uy, w * ux]`."""
    rows = [torch.stack([p.permute(0, 2, 3, 1) for p in row], dim=3).flatten(2, 3) for row in phases]  # [n, h, w*ux, c]
    return torch.stack(rows, dim=2).flatten(1, 2).permute(0, 3, 1, 2)
