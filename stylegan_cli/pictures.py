"""Pictures as values: what is on them, before anything is computed. The verbs make these; `media.render` draws them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from stylegan_cli.noise import Noise
from stylegan_cli.tuning import Tuned

WHOLE = (0.0, 0.0, 1.0)
STRIP = 7  # faces in one row that nobody takes for too many


@dataclass(frozen=True)
class Face:
    """One face: `ws` `[num_ws, w_dim]` and its noise. The lines of the caption are written below it on sheets.

    StyleGAN3 also moves it by `translate` (right, down, in picture widths) and turns it by `rotate` degrees. Only
    `part` of it is shown: a square by its left, its top and its width, in picture widths.
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
    """Where noise matters: per pixel, the standard deviation over `count` draws of `noise` (StyleGAN, figure 4c)."""

    ws: Tensor
    noise: Noise
    count: int
    caption: str = ""
    tuned: Tuned = ()


Cell = Face | Heatmap


@dataclass(frozen=True)
class Sheet:
    """Rows of equally large cells, None for an empty place.

    `names` are written along the rows' left edges, one a row, or there are none. Shorter rows begin at the left, or
    stand in the middle of a `centred` sheet.
    """

    rows: tuple[tuple[Cell | None, ...], ...]
    names: tuple[str, ...] = ()
    centred: bool = False

    def cells(self) -> Iterator[Cell]:
        return (cell for row in self.rows for cell in row if cell is not None)


Picture = Cell | Sheet


def contact_sheet(cells: Sequence[Cell], columns: int | None = None) -> Sheet:
    """Cells in rows of `columns`, in as many columns as leave the fewest places empty unless that is given."""
    columns = columns or _columns(len(cells))
    return Sheet(tuple(tuple(cells[i : i + columns]) for i in range(0, len(cells), columns)))


def _columns(count: int) -> int:
    """The squarest layout of those that leave the fewest places empty, and are no more than half as wide again as a
    square or than a strip is."""
    square = math.ceil(math.sqrt(count))
    return min(range(square, max(square * 3 // 2, STRIP) + 1), key=lambda columns: -count % columns)


def cells_of(picture: Picture) -> Iterator[Cell]:
    """The faces of a sheet, or the one of another picture."""
    return picture.cells() if isinstance(picture, Sheet) else iter([picture])


def faces_to_compute(picture: Picture) -> int:
    """How often the generator has to run for this picture."""
    return sum(cell.count if isinstance(cell, Heatmap) else 1 for cell in cells_of(picture))
