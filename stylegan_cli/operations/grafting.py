"""Grafting: a person with the eyes, the nose, the mouth or the hair of others.

Latents cannot be exchanged part by part as they can layer by layer. So a face is looked for whose feature maps, where
a part is, are like those of the person who gives it, and elsewhere like those of the person who gets it. (Collins et
al. 2020, arXiv:2004.14367, edit the same parts by exchanging single channels, with the help of segmented pictures.)
Parts are where they are in faces that were aligned like FFHQ's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.descent import BETAS, Descent
from stylegan_cli.operations.movable import MAPS, Movable, maps_of

# Centre and radii of ovals, (x, y) in parts of the picture.
OVALS = {
    "eyes": ((0.5, 0.46), (0.25, 0.06)),
    "nose": ((0.5, 0.575), (0.12, 0.105)),
    "mouth": ((0.5, 0.765), (0.17, 0.065)),
}
FACE, HAIR_TO = ((0.5, 0.66), (0.27, 0.34)), 0.75  # hair is around the face, down to here, and beside the neck
NECK = 0.3  # half its width
SOFT = 6.0  # the steepness of a part's edge, relative to its radius
PARTS = (*OVALS, "hair")
STEPS, RATE = 40, 0.05
THEIRS, OWN = 8.0, 4.0  # weights of the mean squared difference of maps in a part, and elsewhere
STRANGENESS = 0.02  # weight of the mean squared coordinate


def graft(
    generator: Generator,
    person: Person,
    parts: Mapping[str, Person],
    on_step: Callable[[], None] = lambda: None,
) -> Person:
    """The person with `parts`, names in `PARTS`, of others: their own stay as they are. Calls `on_step` after each of
    `STEPS` steps, which are not needed if all are their own."""
    with torch.no_grad():
        own = maps_of(generator, person, person.ws[None].to(generator.device))
        given = {name: maps_of(generator, one, one.ws[None].to(generator.device)) for name, one in parts.items()}
    theirs = {name: maps for name, maps in given.items() if not torch.equal(maps, own)}
    if not theirs:
        return person
    face = Movable(generator, person, MAPS)
    places = {name: mask(name, own) for name in theirs}
    rest = 1 - torch.stack([*places.values()]).amax(dim=0)
    delta = face.unmoved.clone().requires_grad_()
    descent = Descent(torch.optim.Adam([delta], RATE, BETAS), STEPS)
    for _ in range(STEPS):
        maps = face.maps(delta)
        loss = OWN * _difference(maps, own, rest) + STRANGENESS * delta.square().mean()
        for name, place in places.items():
            loss = loss + THEIRS * _difference(maps, theirs[name], place)
        loss.backward()
        descent.step()
        on_step()
    told = " and ".join(f"{parts[name].label}'s {name}" for name in theirs)
    return face.moved(delta, f"{person.label} with {told}")


def mask(part: str, maps: Tensor) -> Tensor:
    """Where a part is in maps `[1, c, h, w]`: `[h, w]` from 0 to 1."""
    height, width = maps.shape[2:]
    x = ((torch.arange(width) + 0.5) / width).expand(height, -1)
    y = ((torch.arange(height) + 0.5) / height)[:, None].expand(-1, width)

    def inside(oval: tuple[tuple[float, float], tuple[float, float]]) -> Tensor:
        (across, down), (wide, high) = oval
        return torch.sigmoid(SOFT * (1 - ((x - across) / wide).square() - ((y - down) / high).square()))

    if part in OVALS:
        return inside(OVALS[part]).to(maps)
    hangs = ((x - 0.5).abs() > NECK) | (y < HAIR_TO)
    return ((1 - inside(FACE)) * hangs).to(maps)


def _difference(maps: Tensor, wanted: Tensor, place: Tensor) -> Tensor:
    """The mean squared difference of maps `[1, c, h, w]` in a place `[h, w]`."""
    return ((maps - wanted).square().sum(dim=1) * place).sum() / place.sum()
