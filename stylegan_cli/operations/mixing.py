"""Style mixing: each layer's `w` can come from a different person (StyleGAN, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch

from stylegan_cli.bands import BANDS
from stylegan_cli.generator import Layer
from stylegan_cli.latents.people import Person, lerp
from stylegan_cli.latents.selection import in_bands
from stylegan_cli.noise import Noise
from stylegan_cli.pictures import Cell, Sheet


def mix(
    layers: Sequence[Layer], bands: Mapping[str, Person], extra: Iterable[tuple[Sequence[int], Person]] = ()
) -> Person:
    """A person with each band from the person given for it, then the `extra` layers from theirs.

    Bands for which nobody is given come from the person of the coarsest band given (there must be at least one).
    """
    mixed = next(bands[band] for band in BANDS if band in bands)
    for band, person in bands.items():
        mixed = swap(mixed, person, in_bands(layers, (band,)))
    for indices, person in extra:
        mixed = swap(mixed, person, indices)
    return replace(mixed, label=" + ".join(person.label for person in bands.values()))


def swap(person: Person, source: Person, indices: Sequence[int]) -> Person:
    """A person with the layers `indices` copied exactly from `source`."""
    shares = torch.zeros(len(person.ws))
    shares[list(indices)] = 1
    return lerp(person, source, shares, person.label)


def figure(rows: Sequence[Person], cols: Sequence[Person], indices: Sequence[int], noise: Noise = Noise()) -> Sheet:  # noqa: B008 (frozen)
    """The paper's figure 3: every row's person with the layers `indices` of every column's person."""
    top: list[Cell | None] = [None, *(col.face(noise) for col in cols)]
    body: list[list[Cell | None]] = [
        [row.face(noise, caption=""), *(swap(row, col, indices).face(noise, caption="") for col in cols)]
        for row in rows
    ]
    return Sheet(tuple(map(tuple, [top, *body])), ("", *(row.label for row in rows)))
