"""Looking at the pictures that commands made."""

import numpy as np
from PIL import Image


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def size_of(path):
    with Image.open(path) as image:
        return image.size
