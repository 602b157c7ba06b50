"""Pictures as values: what is on them, before anything is computed. The verbs make these; `media.render` draws them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor

from stylegan_cli.noise import Noise
from stylegan_cli.tuning import Tuned


@dataclass(frozen=True)
class Face:
    """One face: `ws` `[num_ws, w_dim]` and its noise. The caption is written below it on sheets.

    StyleGAN3 also moves it by `translate` (right, down, in picture widths) and turns it by `rotate` degrees.
    """

    ws: Tensor
    noise: Noise = field(default_factory=Noise)
    caption: str = ""
    tuned: Tuned = ()
    translate: tuple[float, float] = (0.0, 0.0)
    rotate: float = 0.0


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
    """Rows of equally large cells, None for an empty place."""

    rows: tuple[tuple[Cell | None, ...], ...]

    def cells(self) -> Iterator[Cell]:
        return (cell for row in self.rows for cell in row if cell is not None)


Picture = Cell | Sheet


def faces_to_compute(picture: Picture) -> int:
    """How often the generator has to run for this picture."""
    if isinstance(picture, Sheet):
        return sum(faces_to_compute(cell) for cell in picture.cells())
    return picture.count if isinstance(picture, Heatmap) else 1
