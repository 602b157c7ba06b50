"""What colours and outlines show around the mesh of a face: skin, hair, lips, where light comes from.

Shares of colours are of full white, in percent; x points to the picture's right, and "left" is the picture's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan

import numpy as np
from PIL import Image, ImageDraw

from stylegan_cli.scorers import silhouette

SIZE = 128  # pixels: finer details are not looked at
LUMA = np.array([0.299, 0.587, 0.114])
RED = np.array([0.5, -0.4187, -0.0813])  # the chroma of red, in YCbCr
# Points of the mesh. The outlines go around once; patches of 3x3 pixels are looked at elsewhere.
FACE = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
MOUTH = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191]
LEFT_CHEEK, RIGHT_CHEEK = [36, 50, 101, 118, 147, 205], [266, 280, 330, 347, 376, 425]
FOREHEAD = [67, 109, 10, 338, 297]  # from left to right
BROWS, INNER_BROWS = [105, 334], [107, 336]
LIP, TOP, CHIN = 13, 10, 152  # the upper lip's lower edge, the highest and the lowest point
EARS = [234, 454]
BRIDGE = [9, 195]  # from between the brows down the nose
BELOW_EYES = [(145, 101), (374, 330)]  # from the lower lids down to the cheeks
TEMPLES = [(33, 127), (263, 356)]  # from the eyes' outer corners to the sides of the head
FEWEST = SIZE * SIZE // 100  # pixels of hair that have a colour
ABOVE = 0.03  # of the picture's edge above the inner brows, no brow is left
ACROSS = np.array([[0, -0.05], [0, 0.05]])  # from the middle of a temple, up and down
STEPS = 20  # on a line that a frame would cross
ALIKE = 20.0  # percent that a forehead's colour may differ from the cheeks'


@dataclass(frozen=True, eq=False)
class View:
    """A prepared face, or its mirror image, with its mesh `[468, 3]`."""

    face: Image.Image
    points: np.ndarray

    @cached_property
    def colours(self) -> np.ndarray:
        """`[SIZE, SIZE, 3]` in percent."""
        small = self.face.resize((SIZE, SIZE), Image.Resampling.BOX)
        return np.asarray(small, np.float64) / 2.55

    @cached_property
    def people(self) -> np.ndarray:
        """Where people are, `[SIZE, SIZE]`."""
        people = Image.fromarray(silhouette.read(self.face)[..., 0])
        return np.asarray(people.resize((SIZE, SIZE), Image.Resampling.BOX)) > 0.5

    @cached_property
    def around(self) -> np.ndarray:
        """Where people are, except within the outline of the face: `[SIZE, SIZE]`."""
        return self.people & ~self.within(FACE)

    @cached_property
    def cheeks(self) -> np.ndarray:
        """The mean colour of the cheeks, `[3]`."""
        return self.patches(LEFT_CHEEK + RIGHT_CHEEK).mean(axis=0)

    @cached_property
    def hair(self) -> np.ndarray:
        """The colour of what is above the brows and around the face, `[3]`; NaN if there is too little."""
        above = self.around & (_rows() < self.points[BROWS, 1].mean())[:, None]
        return np.median(self.colours[above], axis=0) if above.sum() >= FEWEST else np.full(3, nan)

    def within(self, outline: list[int]) -> np.ndarray:
        """The pixels in an outline, `[SIZE, SIZE]`."""
        mask = Image.new("1", (SIZE, SIZE))
        ImageDraw.Draw(mask).polygon([tuple(point) for point in self.points[outline, :2] * SIZE], fill=1)
        return np.asarray(mask)

    def patches(self, points: list[int]) -> np.ndarray:
        """The colours around points, `[n, 3]`."""
        x, y = (self.points[points, :2] * SIZE).astype(int).clip(1, SIZE - 2).T
        near = range(-1, 2)
        return np.mean([self.colours[y + down, x + right] for down in near for right in near], axis=0)


def skin(view: View) -> float:
    """How light the skin of the cheeks is."""
    return float(view.cheeks @ LUMA)


def light(view: View) -> float:
    """How much lighter the left cheek is than the right one."""
    left, right = (view.patches(cheek).mean(axis=0) @ LUMA for cheek in (LEFT_CHEEK, RIGHT_CHEEK))
    return float(left - right)


def lips(view: View) -> float:
    """How much redder the lips are than the cheeks."""
    lips = view.within(LIPS) & ~view.within(MOUTH)
    return float((view.colours[lips].mean(axis=0) - view.cheeks) @ RED) if lips.any() else nan


def glasses(view: View) -> float:
    """How sharply brightness bends where a frame would be: across the bridge of the nose, below the eyes and at the
    temples. About 8 without glasses, more than 15 with them."""
    points = view.points[:, :2]
    sides = [points[list(pair)].mean(axis=0) for pair in TEMPLES]
    lines = [
        [points[BRIDGE]],
        [points[list(pair)] for pair in BELOW_EYES],
        [side + ACROSS for side in sides],
    ]
    return float(np.mean([np.mean([_bend(view, line) for line in place]) for place in lines]))


def _bend(view: View, line: np.ndarray) -> float:
    """The largest second difference of brightness on a line `[2, 2]`, three pixels wide."""
    way = line[0] + np.linspace(0, 1, STEPS)[:, None] * (line[1] - line[0])
    x, y = (way * SIZE).round().astype(int).clip(1, SIZE - 2).T
    brightness = np.mean([view.colours[y, x + right] for right in range(-1, 2)], axis=0) @ LUMA
    return float(np.abs(np.diff(brightness, 2)).max())


def hair(view: View) -> float:
    """How light the hair is: what is above the brows and around the face, without what is behind people."""
    return float(view.hair @ LUMA)


def hairline(view: View) -> float:
    """How much bare skin is above the brows, in percent of the face's height: from there up, until colours begin that
    the cheeks do not have, or the background. 0 under a fringe or a hat, about 40 on a bald head."""
    top = max(int((view.points[INNER_BROWS, 1].mean() - ABOVE) * SIZE), 1)
    columns = (view.points[FOREHEAD, 0] * SIZE).astype(int).clip(1, SIZE - 2)
    up = np.mean([view.colours[:top, columns + right] for right in range(-1, 2)], axis=0)[::-1]
    alike = 1 / (1 + (np.linalg.norm(up - view.cheeks, axis=2) / ALIKE) ** 4) * view.people[:top, columns][::-1]
    height = np.minimum.accumulate(alike).sum(axis=0).mean() / SIZE
    return float(100 * height / (view.points[CHIN, 1] - view.points[TOP, 1]))


def hair_length(view: View) -> float:
    """How wide hair (or clothes) are beside the jaw, from the mouth down to the chin, in percent of the face's
    width."""
    top, bottom = view.points[[LIP, CHIN], 1]
    rows = (_rows() > top) & (_rows() < bottom)
    width = view.around[rows].sum() / max(rows.sum(), 1) / SIZE
    left, right = view.points[EARS]
    return float(100 * width / np.linalg.norm(right - left))


def _rows() -> np.ndarray:
    """The height of each row's centre, `[SIZE]`, as a fraction of the edge."""
    return (np.arange(SIZE) + 0.5) / SIZE
