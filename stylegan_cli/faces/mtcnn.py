"""MTCNN (Zhang et al. 2016, arXiv:1604.02878): three small networks that find faces, each looking closer than the last.

Shapes and names of layers are those of facenet-pytorch's weights, which read columns before rows: feature maps are
transposed before they are flattened.
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.assets import Asset, Wheel

Net = TypeVar("Net", bound=nn.Module)

WHEEL = Wheel("facenet-pytorch", "2.6.0", 1_881_930, "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca")
TITLE = "MTCNN, which finds faces"
PROPOSE, REFINE, OUTPUT = (
    Asset(WHEEL, f"facenet_pytorch/data/{net}.pt", TITLE, "MIT") for net in ("pnet", "rnet", "onet")
)


class Proposals(nn.Module):
    """P-Net: a picture of any size to a map of face probabilities and box corrections, one for every second pixel."""

    STRIDE, WINDOW = 2, 12

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[1, 3, h, w]` to probabilities `[1, h', w']` and corrections `[1, 4, h', w']`."""
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 2, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(dim=1)[:, 1], self.conv4_2(x)


class Refinement(nn.Module):
    """R-Net: windows of 24 pixels to probabilities and corrections."""

    WINDOW = 24

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[n, 3, 24, 24]` to probabilities `[n]` and corrections `[n, 4]`."""
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = _flat(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.dense4(x))
        return self.dense5_1(x).softmax(dim=1)[:, 1], self.dense5_2(x)


class Output(nn.Module):
    """O-Net: windows of 48 pixels to probabilities, corrections and five points."""

    WINDOW = 48

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`[n, 3, 48, 48]` to probabilities `[n]`, corrections `[n, 4]` and points `[n, 5, 2]`, x and y as fractions of
        the window: the eyes, the nose, the corners of the mouth, left ones first."""
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)
        x = _flat(self.prelu4(self.conv4(x)))
        x = self.prelu5(self.dense5(x))
        points = self.dense6_3(x).view(-1, 2, 5).transpose(1, 2)
        return self.dense6_1(x).softmax(dim=1)[:, 1], self.dense6_2(x), points


@cache
def networks() -> tuple[Proposals, Refinement, Output]:
    """The three networks with their weights, loaded once."""
    return _load(Proposals(), PROPOSE), _load(Refinement(), REFINE), _load(Output(), OUTPUT)


def _load(network: Net, asset: Asset) -> Net:
    with asset.opened() as path:
        network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval().requires_grad_(False)


def _flat(x: Tensor) -> Tensor:
    return x.permute(0, 3, 2, 1).flatten(1)
