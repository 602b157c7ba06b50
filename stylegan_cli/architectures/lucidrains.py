"""The StyleGAN2 of lucidrains' stylegan2_pytorch (from version 0.20 on), to draw with; it is not trained here.

It differs from the paper's (arXiv:1912.04958): each resolution has one `w`, shared by its two convolutions and its
picture head; weights have no equalised learning rate; feature maps are doubled bilinearly before a block, not by a
convolution in it. Its noise is uniform in [0, 1), one map for both convolutions of a block, times a weight for each
channel. Here, maps have mean 0 and variance 1; what the mean adds is always there, also in pictures without noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.architectures.stylegan2 import LEAK, Pyramid
from stylegan_cli.generator import Generator, Layer
from stylegan_cli.noise import SPREAD, Noise, uniform
from stylegan_cli.ops.convolution import conv2d
from stylegan_cli.ops.modulation import modulated_conv2d
from stylegan_cli.ops.resample import filter_on, upfirdn2d

MEAN = SPREAD / 2  # of the noise, in standard deviations
HEADS, HEAD = 8, 64  # of attention, and features of each


@dataclass(frozen=True)
class Config(Pyramid):
    """The generator. `attention` has the resolutions of the blocks that begin with attention, `const_input` is False if
    the first feature maps depend on `w`, and `blur` says whether pictures are blurred when they are doubled (from
    version 1.1 on)."""

    w_dim: int = 512
    mapping_layers: int = 8
    img_channels: int = 3
    const_input: bool = True
    attention: tuple[int, ...] = ()
    blur: bool = True

    @property
    def z_dim(self) -> int:
        return self.w_dim


class Mapping(nn.Module):
    """`z` `[n, w_dim]`, scaled to length 1, to `w` `[n, w_dim]`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.depth = config.mapping_layers
        for i in range(self.depth):
            self.add_module(f"fc{i}", nn.Linear(config.w_dim, config.w_dim))

    def forward(self, z: Tensor, _c: Tensor | None) -> Tensor:
        w = F.normalize(z, dim=1)
        for i in range(self.depth):
            w = F.leaky_relu(self.get_submodule(f"fc{i}")(w), LEAK)
        return w


class ModulatedConv(nn.Module):
    """Weights and the styles that scale their inputs. The bias of `affine` contains the 1 that is added to styles."""

    def __init__(self, w_dim: int, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.affine = nn.Linear(w_dim, inputs)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) / math.sqrt(inputs * kernel**2))


class SynthesisLayer(ModulatedConv):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, w_dim: int, inputs: int, outputs: int) -> None:
        super().__init__(w_dim, inputs, outputs, 3)
        self.noise_strength = nn.Parameter(torch.zeros(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, drawn: Tensor | None) -> Tensor:
        bias = torch.add(self.bias, self.noise_strength, alpha=MEAN)
        x = modulated_conv2d(x, self.weight, self.affine(w), bias=bias)
        if drawn is not None:
            x = x.addcmul_(drawn.to(x.dtype), self.noise_strength[:, None, None].to(x.dtype))
        return F.leaky_relu_(x, LEAK)


class ToRGB(ModulatedConv):
    """Modulated 1x1 convolution to the picture, without demodulation, noise or bias."""

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__(config.w_dim, inputs, config.img_channels, 1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return modulated_conv2d(x, self.weight, self.affine(w), demodulate=False).float()


class Norm(nn.Module):
    """Normalises each pixel over its channels, then scales and shifts them: `x` `[n, c, h, w]`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Attention of all pixels to all others, in linear time (arXiv:1812.01243), then two layers for each pixel; both
    are added to their input `[n, c, h, w]`, and computed in float32."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = HEADS * HEAD
        self.norm0, self.norm1 = Norm(channels), Norm(channels)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.key_value = nn.Conv2d(channels, 2 * inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1)
        self.fc0, self.fc1 = nn.Conv2d(channels, 2 * channels, 1), nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide + self.attend(self.norm0(wide))
        wide = wide + self.fc1(F.leaky_relu(self.fc0(self.norm1(wide)), LEAK))
        return wide.to(x.dtype)

    def attend(self, x: Tensor) -> Tensor:
        key_value = self.key_value(self.depthwise(x))
        q, k, v = (  # [n, heads, features, pixels]
            each.unflatten(1, (HEADS, HEAD)).flatten(3) for each in (self.query(x), *key_value.chunk(2, dim=1))
        )
        context = k.softmax(dim=3) @ v.transpose(2, 3)
        found = context.transpose(2, 3) @ (q.softmax(dim=2) / math.sqrt(HEAD))
        return cast(Tensor, self.out(F.gelu(found.flatten(1, 2).unflatten(2, x.shape[2:]))))


def double(x: Tensor) -> Tensor:
    """Bilinear upsampling by 2: `[n, c, h, w]` to `[n, c, 2h, 2w]`."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def maps_for(n: int, noise: Noise | None, index: int, const: Tensor) -> Tensor | None:
    """`noise.maps_for` with the distribution that this network was trained with."""
    if noise is None:
        return (torch.rand(n, 1, *const.shape, device=const.device) - 0.5) * SPREAD
    return noise.map(index, const, uniform)


class SynthesisBlock(nn.Module):
    """One resolution: attention where there is some, doubling (not in the first block), two convolutions, and what they
    add to the picture."""

    noise_const: Tensor

    def __init__(self, config: Config, resolution: int) -> None:
        super().__init__()
        self.is_first, self.blur = resolution == 4, config.blur
        inputs, outputs = config.channels(max(resolution // 2, 4)), config.channels(resolution)
        self.attention = Attention(inputs) if resolution in config.attention else None
        self.conv0 = SynthesisLayer(config.w_dim, inputs, outputs)
        self.conv1 = SynthesisLayer(config.w_dim, outputs, outputs)
        self.torgb = ToRGB(config, outputs)
        self.register_buffer("noise_const", (torch.rand(resolution, resolution) - 0.5) * SPREAD)

    def forward(
        self, x: Tensor, image: Tensor | None, w: Tensor, noise: Noise | None, index: int
    ) -> tuple[Tensor, Tensor]:
        if self.attention is not None:
            x = self.attention(x)
        if not self.is_first:
            x = double(x)
        drawn = maps_for(len(x), noise, index, self.noise_const)
        x = self.conv1(self.conv0(x, w, drawn), w, drawn)
        rgb = self.torgb(x, w)
        return x, rgb if image is None else rgb + self.doubled(image)

    def doubled(self, image: Tensor) -> Tensor:
        image = double(image)
        if not self.blur:
            return image
        return upfirdn2d(F.pad(image, (1, 1, 1, 1), "reflect"), filter_on(image.device, (1, 2, 1)))


class Synthesis(nn.Module):
    """`ws` to pictures."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.resolutions, channels = config.resolutions, config.channels(4)
        if config.const_input:
            self.const = nn.Parameter(torch.randn(channels, 4, 4))
        else:
            self.input = nn.Linear(config.w_dim, channels * 16, bias=False)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(config, resolution))

    def forward(self, ws: Tensor, noise: Noise | None, dtype: torch.dtype) -> Tensor:
        x, image = self.first(ws).contiguous(memory_format=torch.channels_last), None
        x = conv2d(x, self.conv.weight, self.conv.bias, padding=1)
        for index, resolution in enumerate(self.resolutions):
            x = x if resolution == 4 else x.to(dtype)
            x, image = self.get_submodule(f"b{resolution}")(x, image, ws[:, index], noise, index)
        return 2 * cast(Tensor, image) - 1  # its pictures are in [0, 1]

    def first(self, ws: Tensor) -> Tensor:
        """The first feature maps, `[n, c, 4, 4]`."""
        if hasattr(self, "const"):
            return self.const.repeat(len(ws), 1, 1, 1)
        return cast(Tensor, self.input(ws.mean(dim=1)).unflatten(1, (-1, 4, 4)))


class Lucidrains(Generator):
    """The whole generator. Each resolution is one layer, with one noise map.

    Its tensors:

    - `mapping.fc{i}.{weight, bias}`, multiplied by the learning rate that the original multiplies by when it draws;
      `w_avg`;
    - `synthesis.const` `[c, 4, 4]` or `synthesis.input.weight` `[c * 16, w_dim]`, and `synthesis.conv`;
    - `synthesis.b{r}.{conv0, conv1}.{weight, affine, noise_strength [c], bias [c]}`, `.torgb.{weight, affine}`,
      `.noise_const` `[r, r]`, `.attention` in some.
    """

    family = "lucidrains"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        styled = [config.channels(4), *map(config.channels, config.resolutions)]
        sizes = zip(config.resolutions, pairwise(styled), strict=True)
        self.layers = tuple(Layer(i, r, before + 2 * after) for i, (r, (before, after)) in enumerate(sizes))

    def draw(self, ws: Tensor, noise: Noise | None) -> Tensor:
        return self.synthesis(ws, noise, self.dtype)

    def stage(self, resolution: int) -> nn.Module:
        return self.synthesis.get_submodule(f"b{resolution}")

    def style_weights(self) -> list[Tensor]:
        inputs = [] if self.config.const_input else [self.synthesis.input.weight / self.num_ws]  # that of the mean
        blocks = [self.synthesis.get_submodule(f"b{layer.resolution}") for layer in self.layers]
        return [
            torch.cat([*inputs, *(getattr(block, part).affine.weight for part in ("conv0", "conv1", "torgb"))])
            for block in blocks
        ]

    def resolution_of(self, tensor: str) -> int | None:
        network, part, *_ = f"{tensor}.".split(".")
        if network != "synthesis":
            return None
        return int(part.removeprefix("b")) if part.startswith("b") else 4
