"""This tool's own encoder, which `train-encoder` trains: EfficientNet-Lite0's last two levels, a small head, one `w`
for all layers.

Per-layer latents are left to the optimisation that follows: a start inside W stays editable (Tov et al. 2021,
"Designing an Encoder for StyleGAN Image Manipulation", section 3).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli.generator import Generator, Origin
from stylegan_cli.scorers.perceptual import EfficientNetLite0, shrink

MAX_SIZE = 1 << 16  # upper limit for every network size that a file declares


@dataclass(frozen=True)
class Config:
    """The network's sizes; `size` is the edge of its input pictures, in pixels."""

    w_dim: int = 512
    size: int = 128
    deep: int = 256
    shallow: int = 128
    hidden: int = 768

    def __post_init__(self) -> None:
        if any(type(n) is not int or not 0 < n <= MAX_SIZE for n in asdict(self).values()) or self.size % 32:
            raise ValueError("its sizes are impossible")


class Encoder(nn.Module):
    """From pictures to `w`. `w_avg` and `scale` (a typical distance from it) turn the head's output into `w`.

    Its trunk is pretrained. On `meta` it is not, and the network takes no memory, whatever its sizes: fill it with
    `load_state_dict(..., assign=True)`.
    """

    w_avg: Tensor
    scale: Tensor

    def __init__(self, config: Config, device: str = "cpu") -> None:
        super().__init__()
        self.config = config
        self.origin = Origin()
        places = (config.size // 32) ** 2
        with torch.device(device):
            self.trunk = EfficientNetLite0(pretrained=device != "meta")
            self.deep = nn.Conv2d(320, config.deep, 1)
            self.shallow = nn.Conv2d(112, config.shallow, 3, stride=2, padding=1)
            self.hidden = nn.Linear(places * (config.deep + config.shallow), config.hidden)
            self.out = nn.Linear(config.hidden, config.w_dim)
            self.register_buffer("w_avg", torch.zeros(config.w_dim))
            self.register_buffer("scale", torch.ones(()))

    def guess(self, photo: Tensor, _generator: Generator) -> Tensor:
        """The `w` `[n, w_dim]` of aligned pictures `[n, 3, h, w]` in [-1, 1]."""
        return self(photo)

    def forward(self, images: Tensor) -> Tensor:
        """`images` `[n, 3, h, w]` in [-1, 1], aligned faces, to `w` `[n, w_dim]`."""
        *_, shallow, deep = self.trunk(shrink(images, self.config.size))
        x = torch.cat([self.deep(deep), self.shallow(shallow)], dim=1)
        x = F.leaky_relu(self.hidden(F.leaky_relu(x, 0.2).flatten(1)), 0.2)
        return self.w_avg + self.scale * self.out(x)
