"""Where a picture of a face shows clothes: a small network tells them from heads and from what is behind.

Nobody drew its examples. A generator's feature maps differ by what is where (Collins et al. 2020, arXiv:2004.14367,
"Editing in Style", section 3): clustered, they are parts of pictures, and some of these are clothes. `ffhq`'s pictures
and parts taught the network what clothes look like in any picture that is cropped like FFHQ's
(`benchmarks/train_clothes.py`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from stylegan_cli.faces.networks import Residual, convolution, loaded, normalised
from stylegan_cli.media.render import to_tensor

SIZE = 128  # pixels of what the network sees
PLACES = SIZE // 2  # of what it tells, per edge
WIDTHS = (16, 32, 64, 96)  # channels at 64, 32, 16 and 8 pixels
TOP = (0.5, 0.6)  # where, from the top, clothes begin to count: hats do not, because some hair looks like one


class Wardrobe(nn.Module):
    """From pictures to where they show clothes, as logits. What is coarse is seen first, details are added."""

    def __init__(self) -> None:
        super().__init__()
        pairs = zip((3, *WIDTHS), WIDTHS, strict=False)
        self.down = nn.ModuleList(
            nn.Sequential(convolution(before, after, stride=2), Residual(after)) for before, after in pairs
        )
        finer = zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        self.up = nn.ModuleList(convolution(coarse + fine, fine) for coarse, fine in finer)
        self.out = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, 3, SIZE, SIZE]` in [-1, 1] to `[n, 1, PLACES, PLACES]`. Brightness and contrast do not matter."""
        x, seen = normalised(x), []
        for layer in self.down:
            x = layer(x)
            seen.append(x)
        for layer, finer in zip(self.up, seen[-2::-1], strict=True):
            x = layer(torch.cat([interpolate(x, scale_factor=2.0), finer], dim=1))
        return self.out(x)


def read(picture: Image.Image) -> np.ndarray:
    """`[PLACES, PLACES, 1]` float32, from 0 (no clothes, or a hat) to 1, of an RGB picture of an aligned face, of any
    size."""
    x = to_tensor(picture.resize((SIZE, SIZE)))
    with torch.inference_mode():
        straight, mirrored = network()(torch.cat([x, x.flip(3)])).sigmoid()
    down = (torch.arange(PLACES)[:, None] + 0.5) / PLACES
    counts = ((down - TOP[0]) / (TOP[1] - TOP[0])).clamp(0, 1)
    return np.asarray(((straight + mirrored.flip(2)) / 2 * counts).permute(1, 2, 0))


@cache
def network() -> Wardrobe:
    """The network with its weights, loaded once."""
    return loaded(Wardrobe(), "clothes")
