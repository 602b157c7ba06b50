"""Blending people: a child with every layer between its parents' layers, nearer to one or the other; and the average of
many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.bands import BANDS
from stylegan_cli.generator import Layer
from stylegan_cli.latents.people import Person, lerp
from stylegan_cli.pictures import Sheet, contact_sheet
from stylegan_cli.tuning import blend as blend_tunings

SIBLINGS, MANY = 4, 8  # in a row, up to so many; more are laid out as on a contact sheet
# The differences between one sibling's shares and the next's, modulo 1: powers of the number whose fourth power is one
# more than itself spread points in a cube (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences").
# No two of four siblings are closer than 0.5.
SPREAD = 1.2207440846057596 ** -np.arange(1.0, len(BANDS) + 1)


def draw_shares(seed: int, child: int) -> dict[str, float]:
    """A child's random share of the first parent in each band, uniform on [0, 1]. Siblings of one seed, counted from 0,
    are far apart, however many there are."""
    shares = np.random.default_rng([seed]).uniform(size=len(BANDS)) + child * SPREAD
    return dict(zip(BANDS, (shares % 1).tolist(), strict=True))


def share_by_layer(
    layers: Sequence[Layer], bands: Mapping[str, float], extra: Iterable[tuple[Sequence[int], float]] = ()
) -> Tensor:
    """Each layer's share of the first parent, `[num_ws]`: by band, except for the `extra` layers."""
    shares = torch.tensor([bands[layer.band] for layer in layers])
    for indices, share in extra:
        shares[list(indices)] = share
    return shares


def blend(first: Person, second: Person, shares: Tensor, label: str = "child") -> Person:
    """The child, with the first parent's noise; where `shares` `[num_ws]` is 1 its `w` is exactly the first parent's,
    where 0 exactly the second's."""
    return replace(lerp(second, first, shares, label), noise=first.noise)


def average(people: Sequence[Person], label: str = "average") -> Person:
    """The person with the mean of everybody's `ws`, and of how photos tuned the model; drawn with the model's own
    noise."""
    share = [1 / len(people)] * len(people[0].ws)
    tuned = blend_tunings((person.tuned, share) for person in people)
    total = torch.zeros_like(people[0].ws, dtype=torch.float64)
    for person in people:  # one at a time: there may be ten thousand
        total += person.ws
    return Person(label, (total / len(people)).float(), tuned=tuned)


def gathering(people: Sequence[Person], between: Person) -> Sheet:
    """Everybody as on a contact sheet, and below them their average."""
    rows = contact_sheet([person.face() for person in people]).rows
    return Sheet((*rows, (between.face(),)), centred=True)


def family(first: Person, second: Person, children: Sequence[Person]) -> Sheet:
    """Parents and children: an only child is between its parents, several are below them, in rows as equal as possible,
    and many as on a contact sheet."""
    one, other = first.face(), second.face()
    faces = [child.face() for child in children]
    if len(faces) == 1:
        return Sheet(((one, faces[0], other),))
    if len(faces) > MANY:
        return Sheet(((one, other), *contact_sheet(faces).rows), centred=True)
    count = math.ceil(len(faces) / SIBLINGS)
    ends = [math.ceil(len(faces) * i / count) for i in range(count + 1)]
    return Sheet(((one, other), *(tuple(faces[start:end]) for start, end in pairwise(ends))), centred=True)
