"""Modulated convolution (StyleGAN2, arXiv:1912.04958, section 2.2): styles scale inputs, demodulation scales outputs.

The definition scales each sample's weights. Equivalent and cheaper: for one sample, fold both scales into the weights
and run one plain convolution; for a batch, scale the feature maps before and after one convolution shared by all
samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stylegan_cli.ops.convolution import conv2d, conv_transpose2d
from stylegan_cli.ops.layers import EPS
from stylegan_cli.ops.resample import upfirdn2d


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    up_filter: Tensor | None = None,
    bias: Tensor | None = None,
    gain: float = 1.0,
) -> Tensor:
    """`x` `[n, i, h, w]`, `weight` `[o, i, k, k]`, `style` `[n, i]` to `[n, o, h, w]`, at 2h x 2w with an `up_filter`.

    `bias` `[o]` is added, then everything is multiplied by `gain`; neither needs a separate pass over the feature maps.
    `weight`, `style` and `bias` are float32 whatever the type of `x`.
    """
    bias = None if bias is None else (bias * gain).to(x.dtype)
    if x.shape[0] == 1 and not torch.is_grad_enabled():
        return _convolve(x, folded(weight, style, demodulate, gain).to(x.dtype), up_filter, bias)
    if x.dtype == torch.float16 and demodulate:
        # Demodulation cancels any factor of a sample's style and of an output's weights. These ones bound the result by
        # sqrt(i * k * k) times the largest input: with inputs clamped to 256, half precision cannot overflow.
        style = style / style.abs().amax(dim=1, keepdim=True)
        weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * math.sqrt(weight[0].numel()))
    if not demodulate:
        return _convolve(x * (style * gain)[:, :, None, None].to(x.dtype), weight.to(x.dtype), up_filter, bias)
    x = _convolve(x * style[:, :, None, None].to(x.dtype), weight.to(x.dtype), up_filter)
    power = style.square() @ weight.square().sum(dim=(2, 3)).t()  # [n, o]
    demodulation = (torch.rsqrt(power + EPS) * gain)[:, :, None, None].to(x.dtype)
    return x * demodulation if bias is None else torch.addcmul(bias[:, None, None], x, demodulation)


def folded(weight: Tensor, style: Tensor, demodulate: bool, gain: float = 1.0) -> Tensor:
    """The weights `[o, i, k, k]` of one sample (equations 1 and 3), times `gain`; `style` is `[1, i]`."""
    weight = weight * (style if demodulate else style * gain)[0, :, None, None]
    if demodulate:
        power = torch.linalg.vector_norm(weight.flatten(1), dim=1).square() + EPS  # a third of the time of squares
        weight = weight * (torch.rsqrt(power) * gain)[:, None, None, None]
    return weight


def _convolve(x: Tensor, weight: Tensor, up_filter: Tensor | None, bias: Tensor | None = None) -> Tensor:
    """A "same" convolution, or a transposed one to twice the size, whose checkerboard pattern the filter removes."""
    if up_filter is None:
        return conv2d(x, weight, bias, padding=weight.shape[2] // 2)
    x = conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [n, o, 2h + 1, 2w + 1]
    low, high = (up_filter.shape[0] - 1) // 2, (up_filter.shape[0] - 2) // 2
    return upfirdn2d(x, up_filter, padding=(low, high, low, high), gain=4, bias=bias)
