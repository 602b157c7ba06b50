"""What drags and grafts move: people in coordinates in which W is round, seen by the generator's own feature maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli import tuning
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.projection import Whitened

MAPS = 64  # resolution of the largest maps


def maps_of(generator: Generator, person: Person, ws: Tensor, resolution: int = MAPS) -> Tensor:
    """The feature maps `[1, c, h, w]` of `ws` `[1, num_ws, w_dim]` with a person's noise and tuning, or the model's
    largest if they are smaller. Of each pixel only the direction counts: its length changes with styles."""
    resolution = min(resolution, generator.finest)
    return F.normalize(tuning.features(generator, ws, resolution, person.noise, person.tuned).float(), dim=1)


class Movable:
    """A person whose layers up to a resolution move by `delta` `[d]`, coordinates of W for each of these layers, of
    unit variance (`projection.Whitened`): the longer, the less probable."""

    def __init__(self, generator: Generator, person: Person, resolution: int) -> None:
        self.generator, self.person = generator, person
        self.base = person.ws[None].to(generator.device)
        self.layers = sum(layer.resolution <= resolution for layer in generator.layers)
        self.space = Whitened(generator)
        self.coordinates = self.space.coordinates(self.base[:, : self.layers])
        self.unmoved = torch.zeros(self.coordinates.numel(), device=generator.device)

    def ws(self, delta: Tensor) -> Tensor:
        """`[1, num_ws, w_dim]`."""
        moved = self.space.w(self.coordinates + delta.view_as(self.coordinates))
        return torch.cat([moved, self.base[:, self.layers :]], dim=1)

    def maps(self, delta: Tensor, resolution: int = MAPS) -> Tensor:
        return maps_of(self.generator, self.person, self.ws(delta), resolution)

    def moved(self, delta: Tensor, label: str) -> Person:
        return self.person.moved(self.ws(delta.detach())[0].cpu(), label)
