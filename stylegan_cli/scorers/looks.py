"""Cutting the window that a network needs out of an aligned face.

FFHQ's alignment puts all eyes and mouths in the same places, so the windows are fixed. Scores from windows around
detected points differ from these no more than those of a face and its mirror image do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

SIZE = 256  # pixels of a face before windows are cut: no network needs more
DLIB_MEAN = np.array([122.782, 117.001, 104.298], np.float32)


@dataclass(frozen=True)
class Window:
    """A square, horizontally centred in an aligned face: `edge` wide, its centre at height `y`, both as fractions of
    the picture's edge."""

    y: float
    edge: float

    def cut(self, face: Image.Image, size: int, scale: float = 1.0) -> np.ndarray:
        """The window, `scale` times as large, as float32 pixels `[size, size(, 3)]` in 0..255."""
        left, top = ((centre - self.edge * scale / 2) * face.width for centre in (0.5, self.y))
        edge = self.edge * scale * face.width
        box = (left, top, left + edge, top + edge)
        return np.array(face.resize((size, size), Image.Resampling.BILINEAR, box), np.float32)


def prepare(face: Image.Image) -> Image.Image:
    """The face at the size from which windows are cut."""
    return face if face.width <= SIZE else face.resize((SIZE, SIZE), Image.Resampling.BOX)


def both_ways(face: Image.Image) -> Iterator[Image.Image]:
    """The face and its mirror image: the mean of both is symmetric, and more stable than either."""
    yield face
    yield ImageOps.mirror(face)


def dlib_pixels(pixels: np.ndarray) -> np.ndarray:
    """RGB pixels `[size, size, 3]` in 0..255 in the form for networks made with dlib, `[1, 3, size, size]`."""
    return ((pixels - DLIB_MEAN) / 256).transpose(2, 0, 1)[None]
