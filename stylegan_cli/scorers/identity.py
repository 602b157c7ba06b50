"""Whether two pictures show the same person."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from stylegan_cli.scorers import dlib
from stylegan_cli.scorers.looks import Window, both_ways, dlib_pixels, prepare

ASSETS = (dlib.RECOGNITION,)  # 100 MB, to be fetched first
WINDOW, SIZE = Window(0.606, 0.694), 150  # where dlib's chips (five points, padding 0.25) are on aligned faces
# Photos of the same person are closer than this, of two people farther apart: 99.4 % correct on LFW, according to dlib.
# Sampled people are more similar: 6 % of random pairs are closer than this, and fewer than 1 % closer than 0.5.
SAME_PERSON = 0.6


def installed() -> bool:
    """Whether `ASSETS` have been fetched; no extra is needed."""
    return dlib.RECOGNITION.cached.is_file()


def embed(face: Image.Image) -> np.ndarray:
    """The vector `[128]` of an RGB picture of one face, square, aligned like FFHQ, of 128 pixels or more; those of the
    same person are near each other."""
    looks = [dlib_pixels(WINDOW.cut(look, SIZE)) for look in both_ways(prepare(face))]
    with torch.inference_mode():
        return dlib.embed(torch.from_numpy(np.concatenate(looks))).mean(dim=0).numpy()


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The Euclidean distance between two vectors `[128]`: 0 for the same picture, below `SAME_PERSON` for the same
    person."""
    return float(np.linalg.norm(a - b))
