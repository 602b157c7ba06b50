"""The last per cent of an alignment: a small network looks at the square around a face and estimates its error.

It was trained on faces sampled from `ffhq`, which are placed in their pictures as FFHQ's are: a square on them that is
moved by a known amount is an example of that error (`benchmarks/train_adjuster.py`). It sees only the inner part of
the square, so that it learns from faces and not from the edges of pictures.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from stylegan_cli.faces.geometry import WHOLE, cut, inside, moved
from stylegan_cli.faces.networks import Residual, convolution, loaded, normalised
from stylegan_cli.media.render import to_tensor

INNER = 0.8  # of the square's edge: what the network sees
SIZE = 64  # pixels of what it sees
# The largest errors in its training squares, and the farthest it may move a square: right and down in fractions of the
# edge, the logarithm of the size, and clockwise in radians.
REACH = np.array([0.03, 0.03, 0.08, math.radians(3)])
ROUNDS = 2
MIRRORED = np.array([-1, 1, 1, -1])  # the signs of a move in the mirror image


class Adjuster(nn.Module):
    """From pictures of roughly placed squares to the moves that correct them, in fractions of REACH."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            convolution(3, 16, stride=2),
            convolution(16, 48, stride=2),
            Residual(48),
            convolution(48, 80, stride=2),
            Residual(80),
            convolution(80, 112, stride=2),
        )
        self.head = nn.Sequential(nn.Linear(112 * (SIZE // 16) ** 2, 64), nn.LeakyReLU(0.1), nn.Linear(64, 4))

    def forward(self, x: Tensor) -> Tensor:
        """`[n, 3, SIZE, SIZE]` in [-1, 1] to `[n, 4]`. Overall brightness and contrast do not matter."""
        return self.head(self.trunk(normalised(x)).flatten(1))


def adjusted(image: Image.Image, corners: np.ndarray) -> np.ndarray:
    """The square `[4, 2]` around a face in an RGB picture, corrected by what the network sees in it."""
    move = np.zeros(4)
    for _ in range(ROUNDS):
        move = np.clip(move + _seen(image, moved(corners, *move)), -REACH, REACH)
    return moved(corners, *move)


def _seen(image: Image.Image, corners: np.ndarray) -> np.ndarray:
    """The move `[4]` that a square needs, as seen in it and in its mirror image."""
    x = to_tensor(cut(image, inside(corners, (WHOLE - 0.5) * INNER + 0.5), SIZE))
    with torch.inference_mode():
        straight, mirrored = network()(torch.cat([x, x.flip(3)])).double().numpy()
    return np.asarray((straight + mirrored * MIRRORED) / 2 * REACH)


@cache
def network() -> Adjuster:
    """The network with its weights, loaded once."""
    return loaded(Adjuster(), "adjuster")
