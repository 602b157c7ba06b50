"""Layers shared by several families."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-8


class Linear(nn.Module):
    """A fully connected layer with an equalised learning rate (ProGAN, arXiv:1710.10196, section 4.1): stored tensors
    are scaled when used. `bias` is the initial value of the bias."""

    def __init__(self, inputs: int, outputs: int, *, gain: float = 1.0, lr: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr))
        self.gain, self.lr = gain, lr

    def forward(self, x: Tensor) -> Tensor:
        scale = self.gain * self.lr / math.sqrt(self.weight.shape[1])
        return F.linear(x, self.weight * scale, self.bias * self.lr)


class Label(nn.Module):
    """Classes `[n, c_dim]` to features that are concatenated with z."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, features))

    def forward(self, c: Tensor) -> Tensor:
        return c @ self.weight


def pixel_norm(x: Tensor) -> Tensor:
    """Each row of `x` `[n, d]` divided by its root mean square (ProGAN, section 4.2)."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPS)


def double(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by 2: `[n, c, h, w]` to `[n, c, 2h, 2w]`. (`F.interpolate` gives the same pictures,
    but its gradients differ in the last bit: runs that were begun with this code would continue differently.)"""
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def minibatch_std(x: Tensor, group_size: int, channels: int = 1) -> Tensor:
    """`[n, channels, h, w]`: how much samples differ within strided groups (ProGAN, section 3)."""
    n, c, h, w = x.shape
    group = min(group_size, n)
    y = x.reshape(group, -1, channels, c // channels, h, w)
    variance = (y - y.mean(dim=0)).square().mean(dim=0)  # thirty times as fast as `var` on CPUs
    y = (variance + EPS).sqrt().mean(dim=(2, 3, 4))  # [n / group, channels]
    return y.repeat(group, 1)[:, :, None, None].expand(-1, -1, h, w)
