"""MobileStyleGAN (Belousov 2021, arXiv:2104.04767): StyleGAN2's latent space, a small synthesis network.

It has separable convolutions instead of full ones, an inverse Haar wavelet step instead of filtered upsampling, and one
picture head at the end instead of one per resolution. StyleGAN2's demodulation is a constant here, folded into the
pointwise weights (section 3.3), so a style only scales a layer's input, which is folded into the depthwise weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.generator import Generator, Layer
from stylegan_cli.hardware import has_matrix_units
from stylegan_cli.noise import Noise, add_noise, maps_for
from stylegan_cli.ops.constants import kept_on_device
from stylegan_cli.ops.layers import pixel_norm

LEAK = 0.2
PIXELS = [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]
"""One inverse Haar step without its factor 1/2: how the bands LL, LH, HL, HH sum to the pixels of a 2x2 field."""
pixels_on = kept_on_device(lambda: torch.tensor(PIXELS, dtype=torch.float32))


@dataclass(frozen=True)
class Config:
    """Sizes. `channels` are those at 4, 8, 16, ... pixels; the picture is twice as large as the last map."""

    channels: tuple[int, ...] = (512, 512, 512, 512, 512, 256, 128, 64)
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8

    @property
    def resolution(self) -> int:
        return 4 * 2 ** len(self.channels)


class Mapping(nn.Module):
    """`z` to `w`: pixel norm, then equal linear layers with leaky ReLU; learning-rate factors are in the weights."""

    gain: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.z_dim] + [config.w_dim] * config.mapping_layers
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.register_buffer("gain", torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        w = pixel_norm(z)
        for layer in self.layers:
            w = F.leaky_relu(layer(w), LEAK) * self.gain
        return w


class Epilogue(nn.Module):
    """Noise and leaky ReLU, in place on a convolution's output; the convolution itself adds the bias."""

    noise_const: Tensor
    noise_strength: Tensor

    def __init__(self, channels: int, resolution: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("noise_const", torch.zeros(resolution, resolution))
        self.register_buffer("noise_strength", torch.zeros(()))

    def forward(self, x: Tensor, noise: Noise | None, index: int) -> Tensor:
        drawn = maps_for(len(x), noise, index, self.noise_const)
        if drawn is not None:
            x = add_noise(x, drawn * self.noise_strength)
        return F.leaky_relu_(x, LEAK)


class FirstConv(nn.Module):
    """The 3x3 convolution on the learned 4x4 input."""

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(w_dim, channels)
        self.weight = nn.Parameter(torch.zeros(channels, channels, 3, 3))
        self.epilogue = Epilogue(channels, 4)

    def forward(self, x: Tensor, w: Tensor, noise: Noise | None, index: int) -> Tensor:
        styled = x * self.affine(w).to(x.dtype)[:, :, None, None]
        x = F.conv2d(styled, self.weight.to(x.dtype), self.epilogue.bias.to(x.dtype), padding=1)
        return self.epilogue(x, noise, index)


class SeparableConv(nn.Module):
    """Modulated depthwise 3x3, pointwise 1x1, epilogue. One `w` at a time, so that the style folds into the weights."""

    def __init__(self, inputs: int, outputs: int, resolution: int, w_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(w_dim, inputs)
        self.depthwise = nn.Parameter(torch.zeros(inputs, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.zeros(outputs, inputs, 1, 1))
        self.epilogue = Epilogue(outputs, resolution)

    def forward(self, x: Tensor, w: Tensor, noise: Noise | None, index: int) -> Tensor:
        style = self.affine(w)[0]  # [inputs]
        depthwise = (self.depthwise * style[:, None, None, None]).to(x.dtype)
        x = F.conv2d(x, depthwise, padding=1, groups=len(style))
        x = F.conv2d(x, self.pointwise.to(x.dtype), self.epilogue.bias.to(x.dtype))
        return self.epilogue(x, noise, index)


class HaarUp(nn.Module):
    """Modulation, then one inverse Haar step: channels [LL | LH | HL | HH] at h x w to a quarter of them at 2h x 2w."""

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(w_dim, channels)
        self.has_units = False  # for matrix products in the network's precision

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w)[0] / 2
        if x.shape[1] > PRODUCT_UP_TO and not self.has_units:
            return inverse_haar(x * style.to(x.dtype)[:, None, None])
        return haar_product(x, style)


PRODUCT_UP_TO = 128
"""Channels. Above this `haar_product` is slower than `inverse_haar`, except on matrix units."""


def haar_product(x: Tensor, style: Tensor) -> Tensor:
    """`inverse_haar(x * style)` as one matrix product and one pass: `x` `[n, 4c, h, w]`, `style` `[4c]`.

    Most of the matrix is zero, yet on hardware with matrix units it takes a third of the time of the sums.
    """
    signs = pixels_on(style.device)[:, :, None]  # [pixel, band, 1]
    weight = torch.diag_embed(signs * style.view(4, -1)).transpose(1, 2)  # [pixel, c, band, c]
    return spread(F.conv2d(x, weight.reshape(x.shape[1], x.shape[1], 1, 1).to(x.dtype)))


def spread(x: Tensor) -> Tensor:
    """Turns channels into the pixels of 2x2 fields: `[n, 2 * 2 * c, h, w]` to `[n, c, 2h, 2w]`, channels last."""
    n, channels, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n, h, w, 2, channels // 2).transpose(2, 3)
    return (
        rows.reshape(n, 2 * h, 2 * w, channels // 4).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    )


def inverse_haar(x: Tensor) -> Tensor:
    """One inverse Haar (db1) step without its factor 1/2: `[n, 4c, h, w]` to `[n, c, 2h, 2w]`, channels last."""
    n, channels, h, w = x.shape
    ll, lh, hl, hh = x.permute(0, 2, 3, 1).chunk(4, dim=-1)  # [n, h, w, c] each
    top, bottom = ll + lh, ll - lh
    right_top, right_bottom = hl + hh, hl - hh
    out = x.new_empty(n, h, 2, w, 2, channels // 4)
    out[:, :, 0, :, 0] = top + right_top
    out[:, :, 0, :, 1] = top - right_top
    out[:, :, 1, :, 0] = bottom + right_bottom
    out[:, :, 1, :, 1] = bottom - right_bottom
    return out.view(n, 2 * h, 2 * w, channels // 4).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Doubles the resolution. Uses two style inputs: `up` and `conv1` share one."""

    def __init__(self, inputs: int, outputs: int, resolution: int, w_dim: int) -> None:
        super().__init__()
        self.up = HaarUp(inputs, w_dim)
        self.conv1 = SeparableConv(inputs // 4, outputs, resolution, w_dim)
        self.conv2 = SeparableConv(outputs, outputs, resolution, w_dim)

    def forward(self, x: Tensor, ws: Tensor, noise: Noise | None, index: int) -> Tensor:
        x = self.conv1(self.up(x, ws[:, index]), ws[:, index], noise, index)
        return self.conv2(x, ws[:, index + 1], noise, index + 1)


class ToImage(nn.Module):
    """The picture head: a modulated 1x1 convolution to four Haar bands of RGB, then one inverse Haar step, which is
    folded into the weights: they make the four pixels at once."""

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(w_dim, channels)
        self.weight = nn.Parameter(torch.zeros(12, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(12))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        signs = pixels_on(x.device)
        style = self.affine(w)[0] / 2
        weight = (signs @ (self.weight[:, :, 0, 0] * style).view(4, -1)).view_as(self.weight)
        bias = (signs @ (self.bias / 2).view(4, -1)).flatten()
        pixels = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype))  # [n, 2 * 2 * 3, h, w]
        return spread(pixels.float())


class MobileStyleGAN(Generator):
    """The whole generator. Style inputs: 0 at 4 pixels, then three per block (up + conv1, conv2, and one for a picture
    head, which only the last block still has)."""

    family = "mobilestylegan"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.map = Mapping(config)
        self.const = nn.Parameter(torch.zeros(1, config.channels[0], 4, 4))
        self.first = FirstConv(config.channels[0], config.w_dim)
        steps = list(pairwise(config.channels))
        self.blocks = nn.ModuleList(Block(i, o, 8 << n, config.w_dim) for n, (i, o) in enumerate(steps))
        self.to_image = ToImage(config.channels[-1], config.w_dim)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        styled = [(8 << n, c) for n, (i, o) in enumerate(steps) for c in (i, o, o)]
        self.layers = tuple(Layer(i, r, c) for i, (r, c) in enumerate([(4, config.channels[0]), *styled]))

    def to_w(self, z: Tensor, c: Tensor | None = None) -> Tensor:  # noqa: ARG002 (no labels here)
        return self.map(z.to(self.w_avg))

    def draw(self, ws: Tensor, noise: Noise | None) -> Tensor:
        """One picture at a time, so that the style folds into the weights."""
        if len(ws) > 1:
            return torch.cat([self.draw(one, noise) for one in ws.split(1)])
        x = self.const.to(self.dtype).contiguous(memory_format=torch.channels_last)
        x = self.first(x, ws[:, 0], noise, 0)
        for n, block in enumerate(self.blocks):
            x = block(x, ws, noise, 3 * n + 1)
        return self.to_image(x, ws[:, -1])

    @property
    def finest(self) -> int:
        return self.resolution // 2

    def stage(self, resolution: int) -> nn.Module:
        return self.first if resolution == 4 else self.blocks[(resolution // 8).bit_length() - 1]

    def style_weights(self) -> list[Tensor]:
        weights = [self.first.affine.weight]
        for block in cast(list[Block], self.blocks):
            up = torch.cat([block.up.affine.weight, block.conv1.affine.weight])
            weights += [up, block.conv2.affine.weight, up[:0]]
        return [*weights[:-1], self.to_image.affine.weight]

    def resolution_of(self, tensor: str) -> int | None:
        part, _, rest = tensor.partition(".")
        if part in ("const", "first"):
            return 4
        if part == "blocks":
            return 8 << int(rest.partition(".")[0])
        return self.resolution // 2 if part == "to_image" else None

    def prepare(self, device: torch.device, dtype: torch.dtype) -> MobileStyleGAN:
        super().prepare(device, dtype)
        for block in cast(list[Block], self.blocks):
            block.up.has_units = has_matrix_units(device, dtype)
        for name, weight in self.named_parameters():
            if name.endswith("pointwise") or name == "first.weight":  # the weights that no style scales
                weight.data = weight.data.to(dtype, memory_format=torch.channels_last)
        return self
