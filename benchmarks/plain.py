"""The networks' operations as the papers define them, in plain float32 PyTorch: the baseline of `synthesis.py`.

Modulated convolution as a grouped convolution with separate weights per sample (StyleGAN2, section 2.2, appendix B);
upsampling by inserted zeros, padding and a filter (upfirdn); bias, gain and normalisation one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.architectures import stylegan1, stylegan2, stylegan3


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    up_filter: Tensor | None = None,
    bias: Tensor | None = None,
    gain: float = 1.0,
) -> Tensor:
    n, _, height, width = x.shape
    w = weight[None] * style[:, None, :, None, None]  # [n, o, i, k, k]
    if demodulate:
        w = w * (w.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.contiguous().reshape(1, -1, height, width)
    if up_filter is None:
        x = F.conv2d(x, w.flatten(0, 1), padding=weight.shape[2] // 2, groups=n)
        x = x.view(n, -1, height, width)
    else:
        x = F.conv_transpose2d(x, w.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        x = upfirdn2d(x.view(n, -1, *x.shape[2:]), up_filter, padding=(1, 1, 1, 1), gain=4)
    if bias is not None:
        x = x + bias[:, None, None]
    return x * gain


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = 1.0,
    bias: Tensor | None = None,
) -> Tensor:
    n, c, height, width = x.shape
    f = torch.ones(1, 1) if f is None else f
    spread = x.new_zeros(n, c, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    x = F.pad(spread.view(n, c, height * up, width * up), padding)
    kernels = [f * gain] if f.ndim == 2 else [f[None] * gain**0.5, f[:, None] * gain**0.5]
    for kernel in kernels:
        x = F.conv2d(x, kernel.flip(0, 1).expand(c, 1, *kernel.shape), groups=c)
    x = x[:, :, ::down, ::down]
    return x if bias is None else x + bias[:, None, None]


def doubling_conv(x: Tensor, weight: Tensor, fused: bool) -> Tensor:
    """StyleGAN 1: nearest-neighbour doubling, then the convolution on four times the pixels."""
    return F.conv2d(stylegan1.double(x.contiguous()), weight.flip(2, 3) if fused else weight, padding=1)


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return F.instance_norm(x.contiguous(), eps=1e-8) * scale[:, :, None, None] + shift[:, :, None, None]


def convolve(
    layer: stylegan3.StyledLayer, x: Tensor, style: Tensor, weight: Tensor, demodulation: Tensor | None = None
) -> Tensor:
    """StyleGAN3's modulated convolution."""
    n, _, height, width = x.shape
    w = weight[None] * (style * layer.magnitude_ema.rsqrt())[:, None, :, None, None]
    if demodulation is not None:
        w = w * demodulation[:, :, None, None, None]
    x = F.conv2d(x.contiguous().reshape(1, -1, height, width), w.flatten(0, 1), padding=weight.shape[2] - 1, groups=n)
    return x.view(n, -1, *x.shape[2:]) + layer.bias[:, None, None]


@contextmanager
def operations() -> Iterator[None]:
    """Within this context, the networks compute with these operations."""
    with ExitStack() as stack:
        for owner, name, plain in (
            (stylegan2, "modulated_conv2d", modulated_conv2d),
            (stylegan2, "upfirdn2d", upfirdn2d),
            (stylegan3, "upfirdn2d", upfirdn2d),
            (stylegan3.StyledLayer, "convolve", convolve),
            (stylegan1, "conv2d", F.conv2d),
            (stylegan2, "conv2d", F.conv2d),
            (stylegan1, "upfirdn2d", upfirdn2d),
            (stylegan1, "doubling_conv", doubling_conv),
            (stylegan1, "adain", adain),
        ):
            stack.enter_context(patch.object(owner, name, plain))
        yield
