"""StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) and its ADA version (arXiv:2006.06676), generator and discriminator.

Names and shapes of tensors are those of NVIDIA's PyTorch files, so that they are imported by copying:
`mapping.fc0.weight`, `synthesis.b8.conv0.affine.bias`, ... The resampling filter is a constant of the config, not a
tensor. Generators of other projects, as StyleGAN-Human's (Fu et al. 2022, arXiv:2204.11823), start from a constant that
is no square, and so make pictures that are none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.generator import Generator, Layer
from stylegan_cli.noise import Noise, add_noise, maps_for
from stylegan_cli.ops.convolution import conv2d
from stylegan_cli.ops.layers import Label, Linear, minibatch_std, pixel_norm
from stylegan_cli.ops.modulation import modulated_conv2d
from stylegan_cli.ops.resample import filter_on, upfirdn2d
from stylegan_cli.plain import LATER

LEAK = 0.2
GAIN = math.sqrt(2)  # restores the variance that leaky ReLU removes (appendix B)


@dataclass(frozen=True)
class Pyramid:
    """Sizes that both networks share: those of pictures, and of feature maps at each resolution."""

    resolution: int = 1024
    channel_base: int = 32768
    channel_max: int = 512

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(2**i for i in range(2, int(math.log2(self.resolution)) + 1))

    def channels(self, resolution: int) -> int:
        return min(self.channel_base // resolution, self.channel_max)


@dataclass(frozen=True)
class Config(Pyramid):
    """The generator.

    `architecture` is `skip` (the paper's), `resnet` or `orig` (section 4.1). `label_input` says how classes are fed in:
    `embed` as in ADA (embedded and normalised separately), `concat` as in TensorFlow (concatenated with z, then
    normalised). `start` is the height and width of the learned constant, which pictures have in proportion: a
    `resolution` of 1024 stands for 256 times as many pixels.
    """

    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    mapping_layers: int = 8
    mapping_width: int | None = None  # of hidden layers; w_dim if None
    embed_dim: int | None = None  # of embedded classes; w_dim if None
    mapping_lr_multiplier: float = 0.01
    architecture: str = "skip"
    label_input: str = "embed"
    conv_clamp: float | None = None
    resample_filter: tuple[float, ...] = (1, 3, 3, 1)
    img_channels: int = 3
    w_avg_beta: float = 0.995
    start: tuple[int, int] = field(default=(4, 4), metadata=LATER)

    def size(self, resolution: int) -> tuple[int, int]:
        """Height and width of feature maps."""
        height, width = self.start
        return height * resolution // 4, width * resolution // 4


@dataclass(frozen=True)
class DiscriminatorConfig(Pyramid):
    """The discriminator. `cmap_dim` is the size of an embedded class; if None, the number of channels at 4 pixels."""

    c_dim: int = 0
    cmap_dim: int | None = None
    label_input: str = "embed"
    mapping_layers: int = 8
    mapping_width: int | None = None  # of hidden layers; cmap_dim if None
    embed_dim: int | None = None  # of embedded classes; cmap_dim if None
    mapping_lr_multiplier: float = 0.01
    architecture: str = "resnet"
    conv_clamp: float | None = None
    resample_filter: tuple[float, ...] = (1, 3, 3, 1)
    img_channels: int = 3
    mbstd_group_size: int = 4
    mbstd_channels: int = 1


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU of `x` (any shape), times `sqrt(2)`."""
    return rectify(x * GAIN, 1.0, None)


def rectify(x: Tensor, gain: float, clamp: float | None) -> Tensor:
    """Leaky ReLU of an `x` that is already multiplied by `sqrt(2) * gain`, then the clamp to +-`clamp * gain` that
    keeps half precision finite (ADA, appendix C); in place if `x` needs no gradient."""
    x = F.leaky_relu(x, LEAK, inplace=not x.requires_grad)
    return x if clamp is None else F.hardtanh(x, -clamp * gain, clamp * gain, inplace=not x.requires_grad)


class Mapping(nn.Module):
    """`z` `[n, z_dim]` and classes `c` `[n, c_dim]` to `w` `[n, w_dim]`; either may be None (discriminators have no
    z)."""

    def __init__(self, config: Config | DiscriminatorConfig, z_dim: int, w_dim: int) -> None:
        super().__init__()
        self.joint = config.label_input == "concat"
        inputs = z_dim
        if config.c_dim and self.joint:
            self.label = Label(config.c_dim, z_dim)
            inputs += z_dim
        elif config.c_dim:
            self.embed = Linear(config.c_dim, config.embed_dim or w_dim)
            inputs += config.embed_dim or w_dim
        hidden = [config.mapping_width or w_dim] * (config.mapping_layers - 1)
        widths = [inputs, *hidden, w_dim] if config.mapping_layers else []  # none in NVIDIA's discriminators
        for i, (before, after) in enumerate(pairwise(widths)):
            self.add_module(f"fc{i}", Linear(before, after, lr=config.mapping_lr_multiplier))

    def forward(self, z: Tensor | None, c: Tensor | None) -> Tensor:
        parts = [] if z is None else [z if self.joint else pixel_norm(z)]
        if c is not None:
            parts.append(self.label(c) if self.joint else pixel_norm(self.embed(c)))
        w = torch.cat(parts, dim=1)
        w = pixel_norm(w) if self.joint else w
        for name, layer in self.named_children():
            w = activate(layer(w)) if name.startswith("fc") else w
        return w


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU (figure 2d)."""

    noise_const: Tensor

    def __init__(self, config: Config, inputs: int, outputs: int, resolution: int, up: bool) -> None:
        super().__init__()
        self.clamp, self.resolution = config.conv_clamp, resolution
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_const", torch.randn(*config.size(resolution)))
        self.up_taps = config.resample_filter if up else None

    def forward(self, x: Tensor, w: Tensor, noise: Noise | None, index: int, gain: float = 1.0) -> Tensor:
        up_filter = filter_on(x.device, self.up_taps) if self.up_taps else None
        scale = GAIN * gain
        x = modulated_conv2d(x, self.weight, self.affine(w), up_filter=up_filter, bias=self.bias, gain=scale)
        drawn = maps_for(len(x), noise, index, self.noise_const, self.resolution)
        if drawn is not None:
            x = add_noise(x, drawn * (self.noise_strength * scale))
        return rectify(x, gain, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to the picture, without demodulation or noise."""

    def __init__(self, config: Config, inputs: int) -> None:
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(config.img_channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.img_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        x = modulated_conv2d(x, self.weight, style, demodulate=False).float() + self.bias[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class Conv(nn.Module):
    """Convolution of a discriminator or a shortcut, with an equalised learning rate; `down` halves the resolution."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, taps: tuple[float, ...], bias: bool = True, down: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.down, self.taps = down, taps

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """The result times `gain`, which costs no pass over it."""
        kernel = self.weight.shape[2]
        weight = (self.weight * (gain / math.sqrt(self.weight[0].numel()))).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        if not self.down:
            return conv2d(x, weight, bias, padding=kernel // 2)
        if kernel == 1:
            return conv2d(halve(x, self.taps), weight, bias)
        return conv2d(halve(x, self.taps, stride=1, margin=kernel // 2), weight, bias, stride=2)

    def activated(self, x: Tensor, gain: float = 1.0, clamp: float | None = None) -> Tensor:
        return rectify(self(x, GAIN * gain), gain, clamp)


def upsample(x: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Filtered upsampling by 2: `x` `[n, c, h, w]` to `[n, c, 2h, 2w]`, with the separable filter `taps`."""
    low, high = (len(taps) + 1) // 2, (len(taps) - 2) // 2
    return upfirdn2d(x, filter_on(x.device, taps), up=2, padding=(low, high, low, high), gain=4)


def halve(x: Tensor, taps: tuple[float, ...], stride: int = 2, margin: int = 0) -> Tensor:
    """Filtered downsampling by 2: `x` `[n, c, h, w]` to `[n, c, h/2, w/2]`, with the separable filter `taps`. With
    `stride` 1 it only filters, as the input of a convolution of stride 2 that reaches `margin` pixels to each side."""
    low, high = (len(taps) - 1) // 2 + margin, (len(taps) - 2) // 2 + margin
    return upfirdn2d(x, filter_on(x.device, taps), down=stride, padding=(low, high, low, high))


class SynthesisBlock(nn.Module):
    """One resolution: conv0 doubles it (not in the first block), conv1 keeps it, torgb adds to the picture
    (figure 7)."""

    def __init__(self, config: Config, resolution: int) -> None:
        super().__init__()
        self.architecture, self.is_first = config.architecture, resolution == 4
        outputs = config.channels(resolution)
        if self.is_first:
            self.const = nn.Parameter(torch.randn(outputs, *config.start))
        else:
            inputs = config.channels(resolution // 2)
            self.conv0 = SynthesisLayer(config, inputs, outputs, resolution, up=True)
            if self.architecture == "resnet":
                self.skip = Conv(inputs, outputs, 1, config.resample_filter, bias=False)
        self.conv1 = SynthesisLayer(config, outputs, outputs, resolution, up=False)
        self.has_rgb = self.architecture == "skip" or resolution == config.resolution
        if self.has_rgb:
            self.torgb = ToRGB(config, outputs)
        self.taps = config.resample_filter

    def forward(
        self, x: Tensor, image: Tensor | None, ws: Tensor, noise: Noise | None, index: int
    ) -> tuple[Tensor, Tensor | None]:
        """`ws` begins at this block's first layer, whose number is `index`."""
        if self.is_first:
            x = self.conv1(x, ws[:, 0], noise, index)
        elif self.architecture == "resnet":
            shortcut = upsample(self.skip(x, math.sqrt(0.5)), self.taps)
            x = self.conv0(x, ws[:, 0], noise, index)
            x = shortcut + self.conv1(x, ws[:, 1], noise, index + 1, gain=math.sqrt(0.5))
        else:
            x = self.conv1(self.conv0(x, ws[:, 0], noise, index), ws[:, 1], noise, index + 1)
        image = None if image is None else upsample(image, self.taps)
        if self.has_rgb:
            rgb = self.torgb(x, ws[:, 1 if self.is_first else 2])
            image = rgb if image is None else image + rgb
        return x, image


class Synthesis(nn.Module):
    """`ws` to pictures. Style inputs: conv1 at 4 pixels, then conv0 and conv1 of each resolution, and the last torgb.
    The other torgb layers share the `w` of the layer that follows them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.resolutions = config.resolutions
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(config, resolution))

    def forward(self, ws: Tensor, noise: Noise | None, dtype: torch.dtype) -> Tensor:
        x = cast(Tensor, self.get_submodule("b4").const).repeat(len(ws), 1, 1, 1)  # float32, as is all of b4
        x, image = x.contiguous(memory_format=torch.channels_last), None
        index = 0
        for resolution in self.resolutions:
            x = x if resolution == 4 else x.to(dtype)
            x, image = self.get_submodule(f"b{resolution}")(x, image, ws[:, index:], noise, index)
            index += 1 if resolution == 4 else 2
        return cast(Tensor, image)


class StyleGAN2(Generator):
    """The whole generator. Noise maps have the numbers of the layers that they belong to."""

    family = "stylegan2"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mapping = Mapping(config, config.z_dim, config.w_dim)
        self.mapping.register_buffer("w_avg", torch.zeros(config.w_dim))
        self.synthesis = Synthesis(config)
        doubled = [(r, c) for r in config.resolutions[1:] for c in (config.channels(r // 2), config.channels(r))]
        last = (config.resolution, config.channels(config.resolution))
        self.layers = tuple(Layer(i, r, c) for i, (r, c) in enumerate([(4, config.channels(4)), *doubled, last]))

    @property
    def w_avg(self) -> Tensor:  # type: ignore[override]
        return cast(Tensor, self.mapping.w_avg)

    @property
    def size(self) -> tuple[int, int]:
        return cast(Config, self.config).size(self.resolution)

    def draw(self, ws: Tensor, noise: Noise | None) -> Tensor:
        return self.synthesis(ws, noise, self.dtype)

    def stage(self, resolution: int) -> nn.Module:
        return self.synthesis.get_submodule(f"b{resolution}")

    def style_weights(self) -> list[Tensor]:
        blocks = cast(list[SynthesisBlock], list(self.synthesis.children()))
        weights, rgb = [], self.w_avg.new_zeros(0, self.w_dim)
        for block in blocks:
            for conv in ("conv1",) if block.is_first else ("conv0", "conv1"):
                weights.append(torch.cat([rgb, getattr(block, conv).affine.weight]))
                rgb = rgb[:0]
            if block.has_rgb:
                rgb = block.torgb.affine.weight  # shares the next layer's w
        return [*weights, rgb]

    def resolution_of(self, tensor: str) -> int | None:
        network, _, rest = tensor.partition(".")
        return int(rest.partition(".")[0].removeprefix("b")) if network == "synthesis" else None


class DiscriminatorBlock(nn.Module):
    """Two convolutions, of which the second halves the resolution; `resnet` adds a shortcut, `skip` reads the
    downsampled picture at each resolution."""

    def __init__(self, config: DiscriminatorConfig, resolution: int) -> None:
        super().__init__()
        self.architecture, self.clamp = config.architecture, config.conv_clamp
        inputs, outputs, taps = config.channels(resolution), config.channels(resolution // 2), config.resample_filter
        if self.architecture == "skip" or resolution == config.resolution:
            self.fromrgb = Conv(config.img_channels, inputs, 1, taps)
        self.conv0 = Conv(inputs, inputs, 3, taps)
        self.conv1 = Conv(inputs, outputs, 3, taps, down=True)
        if self.architecture == "resnet":
            self.skip = Conv(inputs, outputs, 1, taps, bias=False, down=True)

    def forward(self, x: Tensor | None, image: Tensor) -> Tensor:
        if hasattr(self, "fromrgb"):
            read = self.fromrgb.activated(image, clamp=self.clamp)
            x = read if x is None else x + read
        assert x is not None  # only the first block begins without, and it reads the picture
        inner = self.conv0.activated(x, clamp=self.clamp)
        if self.architecture != "resnet":
            return self.conv1.activated(inner, clamp=self.clamp)
        return self.skip(x, math.sqrt(0.5)) + self.conv1.activated(inner, math.sqrt(0.5), self.clamp)


class DiscriminatorEnd(nn.Module):
    """At 4 pixels: minibatch standard deviation, a convolution, two linear layers."""

    def __init__(self, config: DiscriminatorConfig, outputs: int) -> None:
        super().__init__()
        self.config = config
        channels = config.channels(4)
        if config.architecture == "skip":
            self.fromrgb = Conv(config.img_channels, channels, 1, config.resample_filter)
        self.conv = Conv(channels + config.mbstd_channels, channels, 3, config.resample_filter)
        self.fc = Linear(channels * 16, channels)
        self.out = Linear(channels, outputs)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        if self.config.architecture == "skip":
            x = x + self.fromrgb.activated(image)
        if self.config.mbstd_channels:
            x = torch.cat([x, minibatch_std(x, self.config.mbstd_group_size, self.config.mbstd_channels)], dim=1)
        x = self.conv.activated(x, clamp=self.config.conv_clamp)
        return self.out(activate(self.fc(x.flatten(1))))


class Discriminator(nn.Module):
    """Pictures `[n, 3, r, r]` in [-1, 1] and classes `c` `[n, c_dim]` to logits `[n, 1]`. Convolutions down to 4 pixels
    compute in `dtype`."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.dtype = torch.float32
        for resolution in reversed(config.resolutions[1:]):
            self.add_module(f"b{resolution}", DiscriminatorBlock(config, resolution))
        cmap_dim = config.cmap_dim or config.channels(4)
        self.joint = config.label_input == "concat"
        self.b4 = DiscriminatorEnd(config, 1 if not config.c_dim else config.c_dim if self.joint else cmap_dim)
        if config.c_dim and not self.joint:
            self.mapping = Mapping(config, 0, cmap_dim)

    def forward(self, image: Tensor, c: Tensor | None = None) -> Tensor:
        x: Any = None
        image = image.to(self.dtype)
        for resolution in reversed(self.config.resolutions[1:]):
            x = self.get_submodule(f"b{resolution}")(x, image)
            if self.config.architecture == "skip":
                image = halve(image, self.config.resample_filter)
        scores = self.b4(x.float(), image.float())
        if not self.config.c_dim:
            return scores
        if self.joint:
            return (scores * c).sum(dim=1, keepdim=True)
        cmap = self.mapping(None, c)
        return (scores * cmap).sum(dim=1, keepdim=True) / math.sqrt(cmap.shape[1])
