"""StyleGAN3, "Alias-Free GAN" (Karras et al. 2021, arXiv:2106.12423): configurations T and R.

Every feature map represents a continuous, band-limited signal on a plane (section 2): it starts as Fourier features
that can be moved and rotated (config H), and the nonlinearities work at a higher sampling rate, between low-pass
filters (config F), so that nothing aliases. Each layer has its own cutoff frequency (config T); config R makes the
convolutions 1x1 and the downsampling filters radially symmetric. There is no per-pixel noise (config C).

StyleGAN-XL (Sauer et al. 2022, arXiv:2202.00273) is the same network, grown: each stage of `up_factors` cuts the last
layers off, those that are sampled critically, and puts a head of new ones on what is left, the stem (section 3.2). Its
classes are features of a pretrained classifier (section 3.3), and each has a `w_avg` of its own.

Frequencies are in cycles per picture width, sampling rates in pixels per picture width. Feature maps reach
`margin_size` pixels beyond the picture on each side (config E). Names of tensors are those of NVIDIA's files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.generator import Generator, Layer
from stylegan_cli.noise import Noise
from stylegan_cli.ops.layers import EPS, Linear, pixel_norm
from stylegan_cli.ops.resample import upfirdn2d
from stylegan_cli.plain import LATER

LEAK = 0.2
MAPPING_LR = 0.01


@dataclass(frozen=True)
class Signal:
    """A band-limited feature map: its spectrum falls off between `cutoff - half_width` and `cutoff + half_width`, the
    stopband."""

    cutoff: float
    half_width: float
    rate: int
    size: int  # pixels across, margins included
    channels: int


@dataclass(frozen=True)
class Config:
    """Sizes, with StyleGAN3-T's defaults. R has `conv_kernel` 1, `use_radial_filters` and twice the channels.

    `last_stopband_rel` is relative to `resolution / 2`; `filter_size` counts taps per resampling factor;
    `conv_clamp` (None: nothing is clamped) and `output_scale` are in units of the activations and of the picture.

    StyleGAN-XL's `num_layers` are those of the stem; each of its heads makes pictures `up_factors` times as large with
    `head_layers` layers, and `class_features` is the size of a class's features.
    """

    resolution: int = 1024
    channel_base: int = 32768
    channel_max: int = 512
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10
    conv_kernel: int = 3
    use_radial_filters: bool = False
    filter_size: int = 6
    lrelu_upsampling: int = 2
    conv_clamp: float | None = 256.0
    output_scale: float = 0.25
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    mapping_layers: int = 2
    img_channels: int = 3
    magnitude_ema_beta: float = 0.999
    w_avg_beta: float = 0.998
    up_factors: tuple[int, ...] = field(default=(), metadata=LATER)
    head_layers: tuple[int, ...] = field(default=(), metadata=LATER)
    class_features: int | None = field(default=None, metadata=LATER)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The outputs of the layers, the picture last: cutoffs and stopbands grow geometrically (config T), in
        StyleGAN-XL within each stage."""
        resolution = self.resolution // math.prod(self.up_factors)
        signals = self._stage(resolution, self.num_layers, self.first_cutoff, self.first_stopband)
        for factor, layers in zip(self.up_factors, self.head_layers, strict=True):
            resolution, stem = resolution * factor, signals[: -self.num_critical - 1]
            first = stem[-1]
            _, *head = self._stage(resolution, layers, first.cutoff, first.half_width + first.cutoff)
            signals = [*stem, first, *head]
        return tuple(signals)

    def _stage(self, resolution: int, layers: int, first_cutoff: float, first_stopband: float) -> list[Signal]:
        """The outputs of the layers that end in pictures of `resolution`."""
        last_cutoff = resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        signals = []
        for i in range(layers + 1):
            progress = min(i / (layers - self.num_critical), 1)
            cutoff = first_cutoff * (last_cutoff / first_cutoff) ** progress
            stopband = first_stopband * (last_stopband / first_stopband) ** progress
            rate = 2 ** math.ceil(math.log2(min(2 * stopband, resolution)))
            size = resolution if i >= layers - 1 else rate + 2 * self.margin_size
            channels = (
                self.img_channels if i == layers else round(min(self.channel_base / 2 / cutoff, self.channel_max))
            )
            signals.append(Signal(cutoff, max(stopband, rate / 2) - cutoff, rate, size, channels))
        return signals


def kaiser(taps: int, width: float, rate: float) -> np.ndarray:
    """The Kaiser window `[taps]` whose low-pass filter has a transition band of `width` (appendix C)."""
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95  # dB
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * max(attenuation - 21, 0) ** 0.4 + 0.07886 * max(attenuation - 21, 0)
    return np.kaiser(taps, beta)


def lowpass(taps: int, signal: Signal, rate: float, radial: bool = False) -> Tensor:
    """The filter that passes `signal` at sampling rate `rate`: a sinc `[taps]` for use along both axes or, if `radial`,
    a jinc `[taps, taps]` that is the same in all directions (appendix C). Its sum is 1."""
    window = kaiser(taps, 2 * signal.half_width, rate)
    t = (np.arange(taps) - (taps - 1) / 2) / rate
    if radial:
        r = torch.from_numpy(np.hypot(t, t[:, None])).clamp(min=1e-9)
        jinc = torch.special.bessel_j1(2 * math.pi * signal.cutoff * r) / r
        f = jinc.numpy() * np.outer(window, window)
    else:
        f = np.sinc(2 * signal.cutoff * t) * window
    return torch.from_numpy((f / f.sum()).astype(np.float32))


class Mapping(nn.Module):
    """`z` and label `c` to `w`: both normalised, then `mapping_layers` linear layers with leaky ReLU (config D)."""

    w_avg: Tensor
    features: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        inputs = config.z_dim
        if config.c_dim and config.class_features:
            self.register_buffer("features", torch.randn(config.c_dim, config.class_features))
            self.embed = Linear(config.class_features, config.z_dim)
            inputs += config.z_dim
        elif config.c_dim:
            self.embed = Linear(config.c_dim, config.w_dim)
            inputs += config.w_dim
        for i in range(config.mapping_layers):
            self.add_module(f"fc{i}", Linear(config.w_dim if i else inputs, config.w_dim, lr=MAPPING_LR))
        own = (config.c_dim,) if config.c_dim and config.class_features else ()
        self.register_buffer("w_avg", torch.zeros(*own, config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        w = pixel_norm(z)
        if c is not None:
            w = torch.cat([w, pixel_norm(self._embedded(c))], dim=1)
        for i in range(self.config.mapping_layers):
            w = F.leaky_relu(self.get_submodule(f"fc{i}")(w), LEAK) * math.sqrt(2)
        return w

    def _embedded(self, c: Tensor) -> Tensor:
        if self.config.class_features:
            return F.leaky_relu(self.embed(c @ self.features), LEAK) * math.sqrt(2)
        return cast(Tensor, self.embed(c))


class Input(nn.Module):
    """Fourier features (config B) on a plane that the first style moves and rotates (config H), and then `transform`.

    `transform` `[3, 3]` maps points of the output, in picture widths from its centre, to points of the plane: the
    inverse of the picture's motion.
    """

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, signal: Signal, w_dim: int) -> None:
        super().__init__()
        self.signal = signal
        self.weight = nn.Parameter(torch.randn(signal.channels, signal.channels))
        self.affine = Linear(w_dim, 4)
        nn.init.zeros_(self.affine.weight)
        self.affine.bias.data = torch.tensor([1.0, 0.0, 0.0, 0.0])  # cos, sin, x, y: the identity
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", self._drawn_freqs())
        self.register_buffer("phases", torch.rand(signal.channels) - 0.5)

    def _drawn_freqs(self) -> Tensor:
        """Random frequencies `[channels, 2]`, nearly uniform on the disc within the cutoff."""
        freqs = torch.randn(self.signal.channels, 2)
        radii = freqs.norm(dim=1, keepdim=True)
        return freqs / (radii * radii.square().exp().pow(0.25)) * self.signal.cutoff

    def forward(self, w: Tensor) -> Tensor:
        motion = self._motion(self.affine(w)) @ self.transform  # [n, 3, 3]
        phases = self.phases + (self.freqs @ motion[:, :2, 2:]).squeeze(2)  # [n, c]
        freqs = self.freqs @ motion[:, :2, :2]  # [n, c, 2]
        beyond = (freqs.norm(dim=2) - self.signal.cutoff) / (self.signal.rate / 2 - self.signal.cutoff)
        amplitudes = (1 - beyond).clamp(0, 1)  # [n, c]: enlarging the plane must not cause aliasing either
        angles = self._points() @ freqs.transpose(1, 2)[:, None] + phases[:, None, None]  # [n, h, w, c]
        x = torch.sin(2 * math.pi * angles) * amplitudes[:, None, None]
        x = x @ (self.weight / math.sqrt(self.signal.channels)).t()
        return x.permute(0, 3, 1, 2)

    @staticmethod
    def _motion(t: Tensor) -> Tensor:
        """`t` `[n, 4]`, which is (cos, sin, x, y) times any factor, to matrices `[n, 3, 3]`: shift by -(x, y), then
        rotate."""
        cos, sin, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).view(-1, 3, 3)
        shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).view(-1, 3, 3)
        return rotation @ shift

    def _points(self) -> Tensor:
        """Pixel centres `[h, w, 2]` as (x, y), in picture widths from the centre."""
        pixels = torch.arange(self.signal.size, dtype=self.freqs.dtype, device=self.freqs.device)
        steps = (pixels + 0.5 - self.signal.size / 2) / self.signal.rate
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        return torch.stack([x, y], dim=2)


class StyledLayer(nn.Module):
    """One convolution whose inputs are scaled by a style and normalised to unit magnitude (config D)."""

    magnitude_ema: Tensor

    def __init__(self, config: Config, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.config = config
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("magnitude_ema", torch.ones(()))

    def convolve(self, x: Tensor, style: Tensor, weight: Tensor, demodulation: Tensor | None = None) -> Tensor:
        """`style` `[n, inputs]` scales the inputs, `demodulation` `[n, outputs]` the outputs, to which the bias is
        added; `x` `[n, inputs, h, w]` grows by kernel - 1 pixels. A single picture's scales are folded into the
        weights."""
        scale = style * torch.rsqrt(self.magnitude_ema)
        bias, padding = self.bias.to(x.dtype), weight.shape[2] - 1
        if len(x) == 1 and not torch.is_grad_enabled():
            weight = weight * scale[0, :, None, None]
            weight = weight if demodulation is None else weight * demodulation[0, :, None, None, None]
            return F.conv2d(x, weight.to(x.dtype), bias, padding=padding)
        x = x * scale[:, :, None, None].to(x.dtype)
        if demodulation is None:
            return F.conv2d(x, weight.to(x.dtype), bias, padding=padding)
        x = F.conv2d(x, weight.to(x.dtype), padding=padding)
        return torch.addcmul(bias[:, None, None], x, demodulation[:, :, None, None].to(x.dtype))


class SynthesisLayer(StyledLayer):
    """Modulated and demodulated convolution, then a leaky ReLU at a higher sampling rate (section 3.2)."""

    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, config: Config, before: Signal, after: Signal, critical: bool) -> None:
        super().__init__(config, before.channels, after.channels, config.conv_kernel)
        rate = max(before.rate, after.rate) * config.lrelu_upsampling
        self.up, self.down = rate // before.rate, rate // after.rate
        self.padding = self._padding(before.size, after.size)
        radial = config.use_radial_filters and not critical  # in config R critically sampled layers are as in T
        up_taps, down_taps = self._taps(self.up), self._taps(self.down)
        self.register_buffer("up_filter", lowpass(up_taps, before, rate) if up_taps > 1 else None)
        self.register_buffer("down_filter", lowpass(down_taps, after, rate, radial) if down_taps > 1 else None)

    def _taps(self, factor: int) -> int:
        return self.config.filter_size * factor if factor > 1 else 1

    def _padding(self, inputs: int, outputs: int) -> tuple[int, int, int, int]:
        """Pixels to add (crop if negative) after upsampling, so that the result is `outputs` pixels across and centred
        on the same point."""
        grown = (inputs + self.config.conv_kernel - 1) * self.up
        needed = (outputs - 1) * self.down + 1 + self._taps(self.up) - 1 + self._taps(self.down) - 1
        low = (needed - grown + self.up) // 2
        high = needed - grown - low
        return low, high, low, high

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = pixel_norm(self.affine(w))  # [n, inputs]; demodulation cancels its scale, half precision needs this
        weight = self.weight * torch.rsqrt(self.weight.square().mean(dim=(1, 2, 3), keepdim=True))
        power = style.square() @ weight.square().sum(dim=(2, 3)).t()
        demodulation = torch.rsqrt(power + EPS)  # [n, outputs]
        return self._activate(self.convolve(x, style, weight, demodulation))

    def _activate(self, x: Tensor) -> Tensor:
        """Filtered nonlinearity (config F). The activation's gain sqrt(2) is in the upsampling filter."""
        x = upfirdn2d(x, self.up_filter, up=self.up, padding=self.padding, gain=math.sqrt(2) * self.up**2)
        inplace = not x.requires_grad
        x = F.leaky_relu(x, LEAK, inplace=inplace)
        if (clamp := self.config.conv_clamp) is not None:
            x = F.hardtanh(x, -clamp, clamp, inplace=inplace)
        return upfirdn2d(x, self.down_filter, down=self.down)


class ToRGB(StyledLayer):
    """The picture: a modulated 1x1 convolution without demodulation or nonlinearity."""

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__(config, channels, config.img_channels, kernel=1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        x = self.convolve(x, style, self.weight).float()
        clamp = self.config.conv_clamp
        return (x if clamp is None else x.clamp(-clamp, clamp)) * self.config.output_scale


class Synthesis(nn.Module):
    """`ws` to pictures. Style inputs: the Fourier features, then one per layer, torgb last."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        *signals, picture = config.signals
        self.input = Input(signals[0], config.w_dim)
        for i, (before, after) in enumerate(zip((signals[0], *signals[:-1]), signals, strict=True)):
            critical = i >= len(signals) - config.num_critical
            self.add_module(self._name(i, after), SynthesisLayer(config, before, after, critical))
        self.add_module(self._name(len(signals), picture), ToRGB(config, signals[-1].channels))

    @staticmethod
    def _name(i: int, signal: Signal) -> str:
        return f"L{i}_{signal.size}_{signal.channels}"

    @property
    def styled(self) -> list[StyledLayer]:
        """All layers but the Fourier features."""
        return cast(list[StyledLayer], list(self.children())[1:])

    def forward(self, ws: Tensor, dtype: torch.dtype) -> Tensor:
        x = self.input(ws[:, 0]).to(dtype)
        for layer, w in zip(self.styled, ws[:, 1:].unbind(dim=1), strict=True):
            x = layer(x, w)
        return x


class StyleGAN3(Generator):
    """The whole generator.

    A layer's resolution, which decides its band, is twice its cutoff frequency, rounded to the nearest power of two:
    the smallest picture size that can represent the layer's output. Its sampling rate would not do: the default design
    starts at a rate of 16 pixels, so the coarse band would always be empty.
    """

    family = "stylegan3"
    has_noise = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)
        signals = config.signals
        styled = [(signals[0], 4), *zip(signals, [s.channels for s in (signals[0], *signals[:-1])], strict=True)]
        self.layers = tuple(Layer(i, 2 ** round(math.log2(2 * s.cutoff)), c) for i, (s, c) in enumerate(styled))

    @property
    def w_avg(self) -> Tensor:  # type: ignore[override]
        """`[w_dim]`; if every class has its own, that of the chosen class, or their mean."""
        mean = cast(Tensor, self.mapping.w_avg)
        if mean.ndim == 1:
            return mean
        return mean.mean(dim=0) if self.chosen_class is None else mean[self.chosen_class]

    @property
    def centres(self) -> Tensor:
        mean = cast(Tensor, self.mapping.w_avg)
        return mean if mean.ndim > 1 and self.chosen_class is None else self.w_avg[None]

    def centre(self, c: Tensor | None) -> Tensor:
        mean = cast(Tensor, self.mapping.w_avg)
        return self.w_avg if mean.ndim == 1 or c is None else c @ mean

    def draw(self, ws: Tensor, noise: Noise | None) -> Tensor:  # noqa: ARG002 (it has none)
        return self.synthesis(ws, self.dtype)

    def stage(self, resolution: int) -> nn.Module:
        signals = cast(Config, self.config).signals[:-1]
        return self.synthesis.styled[max(i for i, signal in enumerate(signals) if signal.rate == resolution)]

    def style_weights(self) -> list[Tensor]:
        return [cast(Linear, part.affine).weight for part in self.synthesis.children()]

    def resolution_of(self, tensor: str) -> int | None:
        network, part, *_ = tensor.split(".")
        if network == "mapping":
            return None
        return self.layers[0 if part == "input" else 1 + int(part[1:].partition("_")[0])].resolution

    def set_transform(self, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> None:
        """Rotates all pictures by `rotate` degrees counter-clockwise about their centre, then moves them by
        `translate`, (right, down) in picture widths. The defaults undo that."""
        cos, sin = math.cos(math.radians(rotate)), math.sin(math.radians(rotate))
        x, y = translate
        motion = torch.tensor([[cos, sin, x], [-sin, cos, y], [0, 0, 1]], dtype=torch.float64)
        self.synthesis.input.transform.copy_(torch.linalg.inv(motion).float())

    @contextmanager
    def measuring(self) -> Iterator[list[Tensor]]:
        """The list fills with the mean squares of what each layer gets, the first one's first, while pictures are drawn
        within the block."""
        squares: list[Tensor] = []

        def measure(_layer: StyledLayer, inputs: tuple[Any, ...]) -> None:
            squares.append(inputs[0].detach().float().square().mean())

        hooks = [layer.register_forward_pre_hook(measure) for layer in self.synthesis.styled]
        try:
            yield squares
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def follow(self, squares: Tensor) -> None:
        """Moves the running averages by which layers normalise their inputs (config D) towards the mean squares
        `[layers]` of the newest ones."""
        for layer, square in zip(self.synthesis.styled, squares, strict=True):
            layer.magnitude_ema.lerp_(square, 1 - self.config.magnitude_ema_beta)
