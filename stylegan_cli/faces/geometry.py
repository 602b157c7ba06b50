"""Squares in pictures: where FFHQ puts one around a face, and how one is cut out.

Coordinates are continuous, in pixels: (0, 0) is the picture's corner, (0.5, 0.5) the middle of its first pixel. A
square is its corners `[4, 2]`: top left, bottom left, bottom right, top right, as the face sees them.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

WHOLE = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], float)  # shares of a square: its own corners


def square(points: np.ndarray) -> np.ndarray:
    """FFHQ's square (Karras et al. 2018, arXiv:1812.04948, appendix A) from five points `[5, 2]`: the eyes, the nose,
    the corners of the mouth."""
    left_eye, right_eye, _, left_mouth, right_mouth = points
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    across, down = right_eye - left_eye, mouth - eyes
    # Both the line of the eyes and the line from eyes to mouth tell how the head is turned.
    x = across - np.array([-down[1], down[0]])
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8) / np.hypot(*x)
    return around(eyes + down * 0.1, x)


def around(centre: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The square around a centre, from which `right` leads to the middle of its right side."""
    down = np.array([-right[1], right[0]])
    return centre + np.stack([-right - down, down - right, right + down, right - down])


def moved(corners: np.ndarray, right: float, down: float, size: float, turn: float) -> np.ndarray:
    """The square moved to its `right` and `down` by shares of its edge, its `size` changed by a logarithm, and turned
    clockwise by `turn` radians."""
    centre = inside(corners, np.array([0.5 + right, 0.5 + down]))
    x, y = (corners[3] - corners[0]) / 2 * math.exp(size)
    c, s = math.cos(turn), math.sin(turn)
    return around(centre, np.array([c * x - s * y, s * x + c * y]))


def edge(corners: np.ndarray) -> float:
    """A square's edge in pixels."""
    return float(np.hypot(*(corners[3] - corners[0])))


def inside(corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The picture's coordinates of places `[..., 2]` in a square, given as shares of its edges."""
    return corners[0] + shares[..., :1] * (corners[3] - corners[0]) + shares[..., 1:] * (corners[1] - corners[0])


def cut(image: Image.Image, corners: np.ndarray, size: int) -> Image.Image:
    """The square as an upright picture, `size` pixels wide, antialiased; black where it leaves the picture."""
    near, start, shrink = nearby(image, corners, size)
    # Samples no farther apart than the pixels that are there: 2 to 4 for one of the result, both ways.
    fine = size * math.ceil(edge(corners) / size / shrink)
    data = tuple(((corners - start) / shrink).flatten().tolist())
    picture = near.transform((fine, fine), Image.Transform.QUAD, data, Image.Resampling.BICUBIC)
    return picture if fine == size else picture.resize((size, size), Image.Resampling.LANCZOS)


def nearby(image: Image.Image, corners: np.ndarray, size: int) -> tuple[Image.Image, np.ndarray, int]:
    """What is around a square in a picture, where in the picture that begins, `[2]`, and by which whole factor it was
    shrunk: there is still twice the detail of a square of `size` pixels."""
    shrink = max(int(edge(corners) / size / 2), 1)
    start = np.floor(corners.min(axis=0)).astype(int) - 4 * shrink
    end = np.ceil(corners.max(axis=0)).astype(int) + 4 * shrink
    start = start.clip(0, np.array(image.size) - 1)
    end = end.clip(start + 1, image.size)
    return image.reduce(shrink, (*start.tolist(), *end.tolist())), start, shrink
