"""The encoders of pSp (Richardson et al. 2020, arXiv:2008.00951), e4e (Tov et al. 2021, arXiv:2102.02766) and ReStyle
(Alaluf et al. 2021, arXiv:2104.02699): from a picture to a `w` for each layer.

A trunk, pretrained on faces or on ImageNet, makes a map of 16 pixels, and in pSp and e4e two finer ones from that and
its own earlier ones (pSp, section 3). A head for each layer reduces one of them to an offset from the average `w`. In
e4e, and ReStyle's version of it, the first offset applies to all layers, and the others are added to it (e4e, section
4.1). ReStyle goes over it several times, and sees the picture drawn so far beside the photo (section 3.1). Tensors have
the names that they have in the files of these projects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.generator import Generator, Origin
from stylegan_cli.ops.layers import Linear
from stylegan_cli.scorers.perceptual import shrink

SIZE = 256  # the edge of its input pictures, in pixels
MOST = 1024  # layers, and feature maps of the first convolution
RESTYLE = 5  # passes
# How many units each stage has; each stage halves the resolution. (ResNet-34's first does not, but its stem does.)
TRUNKS = {"irse50": (3, 4, 14, 3), "resnet34": (3, 4, 6, 3)}
# Layers below the first have their offsets from 16 pixels, those below the second from 32, the others from 64.
COARSE, MIDDLE = 3, 7


@dataclass(frozen=True)
class Config:
    """`num_ws` layers have a head each; `width` is the number of the trunk's first feature maps, of which its last, and
    `w`, have eight times as many. `is_pyramid`: heads see three resolutions, not only the last. `is_stepwise`: offsets
    are added to the first. With more than one of `passes`, it sees the picture drawn so far."""

    num_ws: int
    width: int = 64
    trunk: str = "irse50"
    is_pyramid: bool = True
    is_stepwise: bool = False
    passes: int = 1

    def __post_init__(self) -> None:
        are_possible = 1 <= self.num_ws <= MOST and 16 <= self.width <= MOST and self.passes in (1, RESTYLE)
        if not are_possible or self.trunk not in TRUNKS:
            raise ValueError("its sizes are impossible")

    @property
    def w_dim(self) -> int:
        return 8 * self.width


class Encoder(nn.Module):
    """From pictures to `ws`, around a `centre` `[num_ws, w_dim]`. On `meta` it takes no memory: fill it with
    `load_state_dict(..., assign=True)`."""

    centre: Tensor

    def __init__(self, config: Config, device: str = "cpu") -> None:
        super().__init__()
        self.config = config
        self.origin = Origin()
        stem, unit = (_Plain.stem, _Plain) if config.trunk == "resnet34" else (_Squeezed.stem, _Squeezed)
        width, w_dim = config.width, config.w_dim
        with torch.device(device):
            self.input_layer = nn.Sequential(stem(3 if config.passes == 1 else 6, width), _Norm(width), nn.PReLU(width))
            self.body = nn.Sequential(*_units(unit, width, TRUNKS[config.trunk]))
            self.styles = nn.ModuleList(_Head(w_dim, self._spatial(row)) for row in range(config.num_ws))
            if config.is_pyramid:
                self.latlayer1 = nn.Conv2d(4 * width, w_dim, 1)
                self.latlayer2 = nn.Conv2d(2 * width, w_dim, 1)
            self.register_buffer("centre", torch.zeros(config.num_ws, w_dim))

    def guess(self, photo: Tensor, generator: Generator) -> Tensor:
        """The `ws` `[n, num_ws, w_dim]` of aligned pictures `[n, 3, h, w]` in [-1, 1]."""
        small = shrink(photo, SIZE)
        ws = self.centre.expand(len(photo), -1, -1)
        if self.config.passes == 1:
            return ws + self(small)
        for _ in range(self.config.passes):
            drawn = F.adaptive_avg_pool2d(generator.synthesize(ws), SIZE)
            ws = ws + self(torch.cat([small, drawn], dim=1))
        return ws

    def forward(self, images: Tensor) -> Tensor:
        """Offsets `[n, num_ws, w_dim]`, from pictures `[n, 3, 256, 256]`, or two of them, one behind the other."""
        maps = self._maps(images)
        rows = torch.stack([head(maps[self._spatial(row)]) for row, head in enumerate(self.styles)], dim=1)
        return torch.cat([rows[:, :1], rows[:, :1] + rows[:, 1:]], dim=1) if self.config.is_stepwise else rows

    def _spatial(self, row: int) -> int:
        """The resolution of the map that the head of a layer sees."""
        return 16 if row < COARSE or not self.config.is_pyramid else 32 if row < MIDDLE else 64

    def _maps(self, images: Tensor) -> dict[int, Tensor]:
        """Feature maps `[n, w_dim, r, r]` by their resolution."""
        x, earlier = self.input_layer(images), {}
        for unit in self.body:
            x = unit(x)
            earlier[x.shape[-1]] = x  # in the end, the last of each resolution
        maps = {16: x}
        if self.config.is_pyramid:
            for finer, lateral in ((32, self.latlayer1), (64, self.latlayer2)):
                above = F.interpolate(maps[finer // 2], (finer, finer), mode="bilinear", align_corners=True)
                maps[finer] = above + lateral(earlier[finer])
        return maps


class _Head(nn.Module):
    """A map `[n, width, spatial, spatial]` to a vector `[n, width]`."""

    def __init__(self, width: int, spatial: int) -> None:
        super().__init__()
        halvings = [
            (nn.Conv2d(width, width, 3, stride=2, padding=1), nn.LeakyReLU()) for _ in range(spatial.bit_length() - 1)
        ]
        self.convs = nn.Sequential(*chain.from_iterable(halvings))
        self.linear = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class _Norm(nn.Module):
    """Batch normalisation with the mean and variance of training (Ioffe and Szegedy 2015, arXiv:1502.03167)."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class _Squeezed(nn.Module):
    """A unit of ArcFace's IR-50 (Deng et al. 2018, arXiv:1801.07698, section 3.2) with squeeze-and-excitation."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer = nn.MaxPool2d(1, stride) if inputs == outputs else _projection(inputs, outputs, stride)
        self.res_layer = nn.Sequential(
            _Norm(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=False),
            _Norm(outputs),
            _Squeeze(outputs),
        )

    @staticmethod
    def stem(inputs: int, outputs: int) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut_layer(x) + self.res_layer(x)


class _Squeeze(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2017, arXiv:1709.01507)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(width // 16, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean(dim=(2, 3), keepdim=True)).relu()).sigmoid()


class _Plain(nn.Module):
    """A basic unit of a ResNet (He et al. 2015, arXiv:1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = _Norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = _Norm(outputs)
        self.downsample = nn.Identity() if (inputs, stride) == (outputs, 1) else _projection(inputs, outputs, stride)

    @staticmethod
    def stem(inputs: int, outputs: int) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 7, stride=2, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        after = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (self.downsample(x) + after).relu()


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), _Norm(outputs))


def _units(unit: type[_Squeezed | _Plain], width: int, stages: tuple[int, ...]) -> Iterator[nn.Module]:
    """The trunk's units; the first of each stage halves the resolution, and has twice the feature maps from the second
    stage on."""
    inputs = width
    for stage, count in enumerate(stages):
        outputs = width << stage
        for number in range(count):
            halves = number == 0 and (stage > 0 or unit is _Squeezed)
            yield unit(inputs, outputs, 2 if halves else 1)
            inputs = outputs
