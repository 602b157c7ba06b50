"""Squares in pictures: where FFHQ puts one around a face, and how it is cut out.

Coordinates are continuous, in pixels: (0, 0) is the picture's corner, (0.5, 0.5) the middle of its first pixel. A
square is given by its corners `[4, 2]`: top left, bottom left, bottom right, top right of the upright face.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

WHOLE = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], float)  # a square's own corners, as fractions of its edges


def square(points: np.ndarray) -> np.ndarray:
    """FFHQ's square `[4, 2]` (Karras et al. 2018, arXiv:1812.04948, appendix A) from five points `[5, 2]`: the eyes,
    the nose, the corners of the mouth."""
    left_eye, right_eye, _, left_mouth, right_mouth = points
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    across, down = right_eye - left_eye, mouth - eyes
    # Both the line between the eyes and the line from eyes to mouth show how the head is tilted.
    x = across - np.array([-down[1], down[0]])
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8) / np.hypot(*x)
    return around(eyes + down * 0.1, x)


def around(centre: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The square `[4, 2]` around a `centre` `[2]`; the vector `right` `[2]` leads from there to the middle of its right
    side."""
    down = np.array([-right[1], right[0]])
    return centre + np.stack([-right - down, down - right, right + down, right - down])


def moved(corners: np.ndarray, right: float, down: float, size: float, turn: float) -> np.ndarray:
    """The square `[4, 2]` moved to its `right` and `down` by fractions of its edge, multiplied in size by
    `exp(size)`, and turned clockwise by `turn` radians."""
    centre = inside(corners, np.array([0.5 + right, 0.5 + down]))
    x, y = (corners[3] - corners[0]) / 2 * math.exp(size)
    c, s = math.cos(turn), math.sin(turn)
    return around(centre, np.array([c * x - s * y, s * x + c * y]))


def edge(corners: np.ndarray) -> float:
    """The edge of a square `[4, 2]`, in pixels."""
    return float(np.hypot(*(corners[3] - corners[0])))


def inside(corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Places in a square `[4, 2]`, given as fractions `[..., 2]` of its edges, in the picture's pixels `[..., 2]`."""
    return corners[0] + shares[..., :1] * (corners[3] - corners[0]) + shares[..., 1:] * (corners[1] - corners[0])


def cut(image: Image.Image, corners: np.ndarray, size: int) -> Image.Image:
    """The square `[4, 2]` as an upright picture of `size` x `size` pixels, antialiased; black outside the picture."""
    near, start, shrink = nearby(image, corners, size)
    # Samples no farther apart than the picture's pixels: 2 to 4 for each pixel of the result, in both directions.
    fine = size * math.ceil(edge(corners) / size / shrink)
    data = tuple(((corners - start) / shrink).flatten().tolist())
    picture = near.transform((fine, fine), Image.Transform.QUAD, data, Image.Resampling.BICUBIC)
    return picture if fine == size else picture.resize((size, size), Image.Resampling.LANCZOS)


def nearby(image: Image.Image, corners: np.ndarray, size: int) -> tuple[Image.Image, np.ndarray, int]:
    """The part of a picture around a square `[4, 2]`, shrunk by a whole factor; where in the picture it begins, `[2]`;
    and that factor. It still has at least twice the detail of a square of `size` pixels."""
    shrink = max(int(edge(corners) / size / 2), 1)
    start = np.floor(corners.min(axis=0)).astype(int) - 4 * shrink
    end = np.ceil(corners.max(axis=0)).astype(int) + 4 * shrink
    start = start.clip(0, np.array(image.size) - 1)
    end = end.clip(start + 1, image.size)
    return image.reduce(shrink, (*start.tolist(), *end.tolist())), start, shrink
