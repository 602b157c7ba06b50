"""Pictures as values: what they show, before anything is computed. Commands make them; `media.render` draws them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from stylegan_cli.noise import Noise
from stylegan_cli.tuning import Tuned

WHOLE = (0.0, 0.0, 1.0)
STRIP = 7  # faces that always fit in one row


@dataclass(frozen=True)
class Face:
    """One face: `ws` `[num_ws, w_dim]` and its noise. On sheets the caption is written below it.

    StyleGAN3 also moves it by `translate` (right, down, in picture widths) and turns it by `rotate` degrees. Only
    `part` of it is shown, which has the picture's proportions: left, top and width, in picture widths.
    """

    ws: Tensor
    noise: Noise = field(default_factory=Noise)
    caption: str = ""
    tuned: Tuned = ()
    translate: tuple[float, float] = (0.0, 0.0)
    rotate: float = 0.0
    part: tuple[float, float, float] = WHOLE


@dataclass(frozen=True)
class Heatmap:
    """Where noise has an effect: per pixel, the standard deviation over `count` draws of it (StyleGAN, figure 4c)."""

    ws: Tensor
    noise: Noise
    count: int
    caption: str = ""
    tuned: Tuned = ()


Cell = Face | Heatmap


@dataclass(frozen=True)
class Sheet:
    """Rows of cells of equal size, None for an empty place.

    `names`, one per row, are written at the left of the rows; there may be none. Shorter rows begin at the left, or
    are in the middle of a `centred` sheet.
    """

    rows: tuple[tuple[Cell | None, ...], ...]
    names: tuple[str, ...] = ()
    centred: bool = False

    def cells(self) -> Iterator[Cell]:
        return (cell for row in self.rows for cell in row if cell is not None)


Picture = Cell | Sheet


def contact_sheet(cells: Sequence[Cell], columns: int | None = None) -> Sheet:
    """Cells in rows of `columns`; by default in the number of columns that leaves the fewest places empty."""
    columns = columns or _columns(len(cells))
    return Sheet(tuple(tuple(cells[i : i + columns]) for i in range(0, len(cells), columns)))


def _columns(count: int) -> int:
    """The squarest layout that leaves the fewest places empty, and is no wider than 1.5 times a square, or a strip."""
    square = math.ceil(math.sqrt(count))
    return min(range(square, max(square * 3 // 2, STRIP) + 1), key=lambda columns: -count % columns)


def cells_of(picture: Picture) -> Iterator[Cell]:
    """The cells of a sheet, or the one cell that any other picture is."""
    return picture.cells() if isinstance(picture, Sheet) else iter([picture])


def faces_to_compute(picture: Picture) -> int:
    """How many faces the generator has to draw for this picture."""
    return sum(cell.count if isinstance(cell, Heatmap) else 1 for cell in cells_of(picture))
