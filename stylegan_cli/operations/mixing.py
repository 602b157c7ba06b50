"""Style mixing: each layer's `w` can come from a different person (StyleGAN, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch

from stylegan_cli.bands import BANDS
from stylegan_cli.generator import Layer
from stylegan_cli.latents.people import Person, lerp
from stylegan_cli.latents.selection import in_bands
from stylegan_cli.pictures import Cell, Sheet


def mix(
    layers: Sequence[Layer], bands: Mapping[str, Person], extra: Iterable[tuple[Sequence[int], Person]] = ()
) -> Person:
    """A person with each band from the person given for it, then the `extra` layers from theirs.

    Bands for which nobody is given, and the noise, come from the person of the coarsest band given; if there is none,
    the `extra` layers must be all layers.
    """
    parts = [(in_bands(layers, (band,)), bands[band]) for band in BANDS if band in bands] + list(extra)
    mixed = parts[0][1]  # who stays who they are, and in whose photo, if nobody else gives anything
    for indices, person in parts:
        mixed = mixed if person is mixed else swap(mixed, person, indices)
    return replace(mixed, label=" + ".join(dict.fromkeys(person.label for _, person in parts)))


def swap(person: Person, source: Person, indices: Sequence[int]) -> Person:
    """A person with the layers `indices` copied exactly from `source`."""
    shares = torch.zeros(len(person.ws))
    shares[list(indices)] = 1
    return lerp(person, source, shares, person.label)


def figure(rows: Sequence[Person], cols: Sequence[Person], indices: Sequence[int]) -> Sheet:
    """The paper's figure 3: every row's person with the layers `indices` of every column's person."""
    top: list[Cell | None] = [None, *(col.face() for col in cols)]
    body: list[list[Cell | None]] = [
        [row.face(caption=""), *(swap(row, col, indices).face(caption="") for col in cols)] for row in rows
    ]
    return Sheet(tuple(map(tuple, [top, *body])), ("", *(row.label for row in rows)))
