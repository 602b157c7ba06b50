"""Style mixing: each layer's `w` from whom you like (StyleGAN, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from stylegan_cli.bands import BANDS
from stylegan_cli.generator import Layer
from stylegan_cli.latents.people import Person
from stylegan_cli.pictures import Cell, Face, Sheet


def mix(
    layers: Sequence[Layer], bands: Mapping[str, Person], extra: Iterable[tuple[Sequence[int], Person]] = ()
) -> Tensor:
    """`ws` `[num_ws, w_dim]` with each band from its person, then `extra` layers from theirs.

    Bands that nobody is named for come from the coarsest person named (at least one must be).
    """
    base = next(bands[band] for band in BANDS if band in bands)
    mixed = base.ws.clone()
    for layer in layers:
        mixed[layer.index] = bands.get(layer.band, base).ws[layer.index]
    for indices, person in extra:
        mixed = swap(mixed, person.ws, indices)
    return mixed


def swap(ws: Tensor, source: Tensor, indices: Sequence[int]) -> Tensor:
    """`ws` with the layers `indices` taken from `source`; both `[num_ws, w_dim]`."""
    mixed = ws.clone()
    mixed[list(indices)] = source[list(indices)]
    return mixed


def figure(rows: Sequence[Person], cols: Sequence[Person], indices: Sequence[int]) -> Sheet:
    """The paper's figure 3: every row's person with the layers `indices` of every column's person."""
    top: list[Cell | None] = [None, *(Face(col.ws, caption=col.label) for col in cols)]
    body: list[list[Cell | None]] = [
        [Face(row.ws, caption=row.label), *(Face(swap(row.ws, col.ws, indices)) for col in cols)] for row in rows
    ]
    return Sheet(tuple(map(tuple, [top, *body])))
