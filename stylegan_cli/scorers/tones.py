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
FOREHEAD = [10, 67, 69, 104, 108, 109, 151, 297, 299, 333, 337, 338]
BROWS = [105, 334]
LIP, CHIN = 13, 152  # the upper lip's lower edge, the lowest point
EARS = [234, 454]
FEWEST = SIZE * SIZE // 100  # pixels of hair that have a colour
GRAIN = 10.0  # differences of colour, in percent, that are noise


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
    def around(self) -> np.ndarray:
        """Where people are, except within the outline of the face: `[SIZE, SIZE]`."""
        people = silhouette.read(self.face)[..., 0]
        people = np.asarray(Image.fromarray(people).resize((SIZE, SIZE), Image.Resampling.BOX)) > 0.5
        return np.asarray(people & ~self.within(FACE))

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


def hair(view: View) -> float:
    """How light the hair is: what is above the brows and around the face, without what is behind people."""
    return float(view.hair @ LUMA)


def fringe(view: View) -> float:
    """How much of the forehead has the colour of hair rather than of skin, in percent: 0 for a bald head."""
    apart = view.hair - view.cheeks
    shares = (view.patches(FOREHEAD) - view.cheeks) @ apart / (apart @ apart + GRAIN**2)
    return float(100 * shares.clip(0, 1).mean())


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
