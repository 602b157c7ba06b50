"""Modulated convolution (StyleGAN2, arXiv:1912.04958, section 2.2): styles scale inputs, demodulation scales outputs.

The definition scales each sample's weights. Equal to it, and cheaper: for one sample fold both scales into the weights
and run one plain convolution; for a batch scale the maps before and after one convolution that all samples share.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.ops.resample import upfirdn2d

EPS = 1e-8


def modulated_conv2d(
    x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, up_filter: Tensor | None = None
) -> Tensor:
    """`x` `[n, i, h, w]`, `weight` `[o, i, k, k]`, `style` `[n, i]` to `[n, o, h, w]`, at 2h x 2w with an `up_filter`.

    `weight` and `style` are float32 whatever the type of `x`.
    """
    if x.shape[0] == 1 and not torch.is_grad_enabled():
        return _convolve(x, folded(weight, style, demodulate).to(x.dtype), up_filter)
    if x.dtype == torch.float16 and demodulate:
        # Demodulation cancels any factor of a sample's style and of an output's weights. These bound the result by
        # sqrt(i * k * k) times the largest input: with inputs clamped to 256, half precision cannot overflow.
        style = style / style.abs().amax(dim=1, keepdim=True)
        weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * math.sqrt(weight[0].numel()))
    x = _convolve(x * style[:, :, None, None].to(x.dtype), weight.to(x.dtype), up_filter)
    if demodulate:
        power = style.square() @ weight.square().sum(dim=(2, 3)).t()  # [n, o]
        x = x * torch.rsqrt(power + EPS)[:, :, None, None].to(x.dtype)
    return x


def reference(
    x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, up_filter: Tensor | None = None
) -> Tensor:
    """The definition, one sample after the other: what `modulated_conv2d` has to equal."""
    pictures = []
    for one, scales in zip(x, style, strict=True):
        w = weight * scales[None, :, None, None]  # equation 1
        if demodulate:
            w = w / (w.square().sum(dim=(1, 2, 3), keepdim=True) + EPS).sqrt()  # equation 3
        pictures.append(_convolve(one[None], w, up_filter))
    return torch.cat(pictures)


def folded(weight: Tensor, style: Tensor, demodulate: bool) -> Tensor:
    """The weights `[o, i, k, k]` of one sample (equations 1 and 3); `style` is `[1, i]`."""
    weight = weight * style[0, :, None, None]
    if demodulate:
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + EPS)
    return weight


def _convolve(x: Tensor, weight: Tensor, up_filter: Tensor | None) -> Tensor:
    """A "same" convolution, or a transposed one to twice the size whose checkerboard the filter smooths."""
    if up_filter is None:
        return F.conv2d(x, weight, padding=weight.shape[2] // 2)
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [n, o, 2h + 1, 2w + 1]
    low, high = (up_filter.shape[0] - 1) // 2, (up_filter.shape[0] - 2) // 2
    return upfirdn2d(x, up_filter, padding=(low, high, low, high), gain=4)
