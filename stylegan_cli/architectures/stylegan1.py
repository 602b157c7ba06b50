"""StyleGAN (Karras et al. 2019, arXiv:1812.04948): generator and discriminator, as in the paper.

A mapping network of 8 layers turns z into w. A learned constant of 4x4 pixels grows into the picture; after every
convolution come per-pixel noise, bias, leaky ReLU and AdaIN, which replaces each feature map's mean and variance by
values that an affine map computes from w. Training grows the networks resolution by resolution (ProGAN,
arXiv:1710.10196): `lod` is the number of doublings that are missing, and its fraction fades the newest one in.

Tensors are stored raw; the scale that equalises learning rates (section 4.1 of ProGAN) is applied when they are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.generator import Generator, Layer
from stylegan_cli.noise import Noise, maps_for
from stylegan_cli.ops.convolution import conv2d, conv_transpose2d
from stylegan_cli.ops.layers import EPS, Label, Linear, double, minibatch_std, pixel_norm
from stylegan_cli.ops.resample import filter_on, upfirdn2d

LEAK = 0.2
GAIN = math.sqrt(2)  # He's factor for leaky ReLU; here it is applied to the weights, not after the activation
BLUR = (1.0, 2.0, 1.0)
FUSED_FROM = 128  # pixels; from here on NVIDIA's code upsamples within the convolution


@dataclass(frozen=True)
class Pyramid:
    """Sizes that both networks share: those of pictures, and of feature maps at each resolution."""

    resolution: int = 1024
    fmap_base: int = 8192
    fmap_max: int = 512

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(2**i for i in range(2, int(math.log2(self.resolution)) + 1))

    def channels(self, resolution: int) -> int:
        return min(2 * self.fmap_base // resolution, self.fmap_max)


@dataclass(frozen=True)
class Config(Pyramid):
    """The generator.

    `fused_from` is the resolution from which upsampling and convolution are one transposed convolution (0: never). That
    applies kernels flipped, so the same weights make a different picture: a model keeps the form it was trained with.
    """

    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    mapping_layers: int = 8
    mapping_width: int | None = None  # of hidden layers; w_dim if None
    mapping_lr_multiplier: float = 0.01
    fused_from: int = FUSED_FROM
    img_channels: int = 3
    lod: float = 0.0  # doublings that are still missing, if the network was saved while growing


@dataclass(frozen=True)
class DiscriminatorConfig(Pyramid):
    """The discriminator. A `mbstd_group_size` of 0 or 1 omits the minibatch standard deviation."""

    c_dim: int = 0
    img_channels: int = 3
    mbstd_group_size: int = 4
    lod: float = 0.0


class Conv(nn.Module):
    """A convolution with an equalised learning rate; `down` (of 3x3 kernels) also takes the means of 2x2 pixels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = GAIN, down: bool = False) -> None:
        super().__init__()
        self.down = down
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (self.weight * self.scale).to(x.dtype), self.bias.to(x.dtype)
        if self.down:  # both as one convolution with stride 2
            return conv2d(x, spread(weight) / 4, bias, stride=2, padding=1)
        return conv2d(x, weight, bias, padding=self.weight.shape[2] // 2)


def blur(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """The binomial low-pass filter [1, 2, 1] along both axes of `x` `[n, c, h, w]`, with zeros beyond the edge; then
    `bias` `[c]` is added."""
    return upfirdn2d(x, filter_on(x.device, BLUR), padding=(1, 1, 1, 1), bias=bias)


def doubling_conv(x: Tensor, weight: Tensor, fused: bool) -> Tensor:
    """Nearest-neighbour doubling and a 3x3 convolution: `x` `[n, i, h, w]` to `[n, o, 2h, 2w]`. `weight` is `[o, i, 3,
    3]`; the `fused` form applies it flipped.

    Both are one transposed convolution with `weight` spread over 4x4 as its kernel: less than half the multiplications.
    """
    kernel = spread((weight if fused else weight.flip(2, 3)).transpose(0, 1))
    return conv_transpose2d(x, kernel, stride=2, padding=1)


def spread(weight: Tensor) -> Tensor:
    """Kernels `[a, b, 3, 3]` to the sums of four copies shifted by 0 or 1 pixel, `[a, b, 4, 4]`, channels last."""
    one = torch.eye(9, dtype=weight.dtype, device=weight.device).view(9, 3, 3)
    k = F.pad(one, (1, 1, 1, 1))
    where = k[..., 1:, 1:] + k[..., :-1, 1:] + k[..., 1:, :-1] + k[..., :-1, :-1]  # [9, 4, 4]
    # One matrix product: sums of slices of large weights would take longer than the convolution. So would reordering
    # the kernels of a transposed convolution, if they did not come out in the order that it needs.
    taps = where.flatten(1).t() @ weight.permute(0, 2, 3, 1).flatten(1, 2)  # [a, 16, b]
    return taps.unflatten(1, (4, 4)).permute(0, 3, 1, 2)


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Adaptive instance normalisation (equation 1): each map of `x` `[n, c, h, w]` to mean 0 and variance 1 over its
    own pixels, then times `scale` plus `shift`, both `[n, c]`."""
    if x.device.type == "cpu" and (x.dtype != torch.float32 or torch.is_grad_enabled()):
        # Batch norm of one picture is instance norm: six times as fast to differentiate, but float32 loses digits.
        each = zip(x.split(1), scale, shift, strict=True)
        return torch.cat([F.batch_norm(one, None, None, a, b, training=True, eps=EPS) for one, a, b in each])
    wide = x.float()  # the statistics are in float32, and those of the population
    wide = wide - wide.mean(dim=(2, 3), keepdim=True)  # channels last, three times as fast as torch.var_mean
    variance = wide.square().mean(dim=(2, 3), keepdim=True)
    scale = scale[:, :, None, None] * torch.rsqrt(variance + EPS)
    return torch.addcmul(shift[:, :, None, None], wide, scale).to(x.dtype)


class Mapping(nn.Module):
    """`z` `[n, z_dim]`, concatenated with the classes, to `w` `[n, w_dim]` (figure 1b, left)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.c_dim:
            self.label = Label(config.c_dim, config.z_dim)
        self.depth = config.mapping_layers
        hidden = [config.mapping_width or config.w_dim] * (self.depth - 1)
        widths = [config.z_dim * (2 if config.c_dim else 1), *hidden, config.w_dim]
        for i, (inputs, outputs) in enumerate(pairwise(widths)):
            self.add_module(f"fc{i}", Linear(inputs, outputs, gain=GAIN, lr=config.mapping_lr_multiplier))

    def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        if c is not None:
            z = torch.cat([z, self.label(c)], dim=1)
        w = pixel_norm(z)
        for i in range(self.depth):
            w = F.leaky_relu(self.get_submodule(f"fc{i}")(w), LEAK)
        return w


class SynthesisLayer(nn.Module):
    """One style input: convolution (not in the first; every second one doubles and blurs), noise, bias, leaky ReLU,
    AdaIN."""

    noise_const: Tensor

    def __init__(self, config: Config, index: int) -> None:
        super().__init__()
        resolution = 4 << index // 2
        outputs = config.channels(resolution)
        self.up = index > 0 and index % 2 == 0
        self.fused = 0 < config.fused_from <= resolution
        inputs = config.channels(resolution // 2) if self.up else outputs
        if index:
            self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
            self.scale = GAIN / math.sqrt(inputs * 9)
        self.noise_strength = nn.Parameter(torch.zeros(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.affine = Linear(config.w_dim, 2 * outputs)
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x: Tensor, w: Tensor, noise: Noise | None, index: int) -> Tensor:
        bias = self.bias.to(x.dtype)
        if index:
            weight = (self.weight * self.scale).to(x.dtype)
            x = blur(doubling_conv(x, weight, self.fused), bias) if self.up else conv2d(x, weight, bias, padding=1)
        else:
            x = x + bias[:, None, None]
        drawn = maps_for(len(x), noise, index, self.noise_const)
        if drawn is not None:
            x = x.addcmul_(drawn.to(x.dtype), self.noise_strength[:, None, None].to(x.dtype))
        x = F.leaky_relu_(x, LEAK)
        scale, shift = self.affine(w).chunk(2, dim=1)  # [n, c] each
        return adain(x, scale + 1, shift)

    def arrange(self) -> None:
        """Stores the weights in the order that convolutions read them: reordering takes longer than drawing a small
        picture."""
        weight = self.weight.data.transpose(0, 1) if self.up else self.weight.data
        weight = weight.contiguous(memory_format=torch.channels_last)
        self.weight.data = weight.transpose(0, 1) if self.up else weight


class Synthesis(nn.Module):
    """`ws` to pictures: two layers and a picture head per resolution; `lod` selects the heads that are used."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.ones(1, config.channels(4), 4, 4))
        self.layers = nn.ModuleList(SynthesisLayer(config, i) for i in range(2 * len(config.resolutions)))
        heads = (Conv(config.channels(r), config.img_channels, 1, gain=1.0) for r in config.resolutions)
        self.torgb = nn.ModuleList(heads)

    def forward(self, ws: Tensor, noise: Noise | None, dtype: torch.dtype, lod: float) -> Tensor:
        missing, fade = int(lod), lod - int(lod)  # fade 0: only the newest resolution's head is used
        newest = len(self.torgb) - 1 - missing
        x = self.const.repeat(len(ws), 1, 1, 1).contiguous(memory_format=torch.channels_last)
        image = None
        for i, layer in enumerate(self.layers[: 2 * newest + 2]):
            # Layer 0 has no convolution, and AdaIN's gradient on the constant is too large for half precision.
            x = layer(x if i == 0 else x.to(dtype), ws[:, i], noise, i)
            if fade and i == 2 * newest - 1:
                image = double(self.torgb[newest - 1](x).float())
        picture = self.torgb[newest](x).float()
        picture = picture if image is None else picture.lerp(image, fade)
        for _ in range(missing):
            picture = double(picture)
        return picture


class StyleGAN1(Generator):
    """The whole generator. `lod` is the number of doublings missing while it grows; otherwise 0, the whole network.

    Layer, style input and noise map share one number i: resolution `4 * 2 ** (i // 2)`. Its tensors, stored raw:

    - `mapping.label.weight` `[c_dim, z_dim]` (models with classes), `mapping.fc{i}.{weight [out, in], bias}`, `w_avg`;
    - `synthesis.const` `[1, c, 4, 4]`;
    - `synthesis.layers.{i}.weight` `[o, i, 3, 3]` (not layer 0; unflipped), `.noise_strength` `[c]`,
      `.noise_const` `[r, r]`, `.bias` `[c]`, `.affine.{weight [2c, w_dim], bias [2c]}` (scales without their + 1, then
      shifts);
    - `synthesis.torgb.{k}.{weight [3, c, 1, 1], bias [3]}` for resolution `4 * 2 ** k`.
    """

    family = "stylegan1"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.lod = config.lod
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        styled = [r for r in config.resolutions for _ in range(2)]
        self.layers = tuple(Layer(i, r, config.channels(r)) for i, r in enumerate(styled))

    def draw(self, ws: Tensor, noise: Noise | None) -> Tensor:
        return self.synthesis(ws, noise, self.dtype, self.lod)

    def prepare(self, device: torch.device, dtype: torch.dtype) -> StyleGAN1:
        super().prepare(device, dtype)
        for layer in self._layers()[1:]:
            layer.arrange()
        return self

    @property
    def finest(self) -> int:
        return self.resolution >> int(self.lod)

    def stage(self, resolution: int) -> nn.Module:
        return self._layers()[2 * (resolution // 4).bit_length() - 1]

    def style_weights(self) -> list[Tensor]:
        return [layer.affine.weight for layer in self._layers()]

    def _layers(self) -> list[SynthesisLayer]:
        return cast(list[SynthesisLayer], list(self.synthesis.layers))

    def resolution_of(self, tensor: str) -> int | None:
        network, part, number, *_ = f"{tensor}...".split(".")
        if network != "synthesis":
            return None
        if part == "const":
            return 4
        return 4 << (int(number) // 2 if part == "layers" else int(number))


class DiscriminatorBlock(nn.Module):
    """Two convolutions with a blur between them; the second one halves the resolution."""

    def __init__(self, config: DiscriminatorConfig, resolution: int) -> None:
        super().__init__()
        inputs, outputs = config.channels(resolution), config.channels(resolution // 2)
        self.conv0 = Conv(inputs, inputs, 3)
        self.conv1 = Conv(inputs, outputs, 3, down=True)

    def forward(self, x: Tensor) -> Tensor:
        x = blur(F.leaky_relu(self.conv0(x), LEAK))
        return F.leaky_relu(self.conv1(x), LEAK)


class DiscriminatorEnd(nn.Module):
    """At 4 pixels: minibatch standard deviation, a convolution, two linear layers."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        channels = config.channels(4)
        self.group_size = config.mbstd_group_size
        self.conv = Conv(channels + (1 if self.group_size > 1 else 0), channels, 3)
        self.dense0 = Linear(16 * channels, channels, gain=GAIN)
        self.dense1 = Linear(channels, max(config.c_dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        if self.group_size > 1:
            x = torch.cat([x, minibatch_std(x, self.group_size)], dim=1)
        x = F.leaky_relu(self.conv(x), LEAK)
        return self.dense1(F.leaky_relu(self.dense0(x.flatten(1)), LEAK))


class Discriminator(nn.Module):
    """Pictures `[n, 3, r, r]` in [-1, 1] and classes `c` `[n, c_dim]` to scores `[n, 1]`; `lod` as in the generator.
    Convolutions down to 4 pixels compute in `dtype`.

    Its tensors: `fromrgb.{k}` and `blocks.{k}.{conv0, conv1}` for resolution `4 * 2 ** k` (blocks from k = 1 on), and
    `final.{conv, dense0, dense1}`; each a `weight` and a `bias`.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.lod, self.dtype = config.lod, torch.float32
        self.fromrgb = nn.ModuleList(Conv(config.img_channels, config.channels(r), 1) for r in config.resolutions)
        blocks = {str(k): DiscriminatorBlock(config, r) for k, r in enumerate(config.resolutions) if k}
        self.blocks = nn.ModuleDict(blocks)
        self.final = DiscriminatorEnd(config)

    def forward(self, image: Tensor, c: Tensor | None = None) -> Tensor:
        missing, fade = int(self.lod), self.lod - int(self.lod)
        for _ in range(missing):
            image = F.avg_pool2d(image, 2)
        newest = len(self.fromrgb) - 1 - missing
        image = image.to(self.dtype)
        x = F.leaky_relu(self.fromrgb[newest](image), LEAK)
        for k in range(newest, 0, -1):
            x = self.blocks[str(k)](x)
            if fade and k == newest:
                older = F.leaky_relu(self.fromrgb[k - 1](F.avg_pool2d(image, 2)), LEAK)
                x = x.lerp(older, fade)
        scores = self.final(x.float())
        if not self.config.c_dim:
            return scores
        return (scores * c).sum(dim=1, keepdim=True)
