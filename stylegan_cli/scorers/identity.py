"""Whether two pictures show the same person."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from stylegan_cli.scorers import dlib
from stylegan_cli.scorers.looks import Window, both_ways, dlib_pixels, prepare

WINDOW, SIZE = Window(0.606, 0.694), 150  # where dlib's chips (five points, padding 0.25) lie on aligned faces
# Photos of one person are less apart than this, of two people more: 99.4 % right on the photos of LFW, says dlib.
# Sampled people are more alike: of random pairs 6 % are less apart than this, and under 1 % less than 0.5.
SAME_PERSON = 0.6


class Identity:
    """Brings pictures of one person close together. It needs no extra, but a file of 100 MB: fetch `assets` before."""

    assets = (dlib.RECOGNITION,)

    @staticmethod
    def installed() -> bool:
        """Whether that file has been fetched."""
        return dlib.RECOGNITION.cached.is_file()

    def embed(self, face: Image.Image) -> np.ndarray:
        """The person `[128]` on an RGB picture of one face, square and aligned as FFHQ is, of 128 pixels or more."""
        looks = [dlib_pixels(WINDOW.cut(look, SIZE)) for look in both_ways(prepare(face))]
        with torch.inference_mode():
            return dlib.embed(torch.from_numpy(np.concatenate(looks))).mean(dim=0).numpy()

    @staticmethod
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        """How unlike two embedded people are: 0 for the same picture, below `SAME_PERSON` for the same person."""
        return float(np.linalg.norm(a - b))
