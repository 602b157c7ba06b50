"""Made-up pictures."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def drawing(number, size=64, blur=0.0):
    """A random picture of ellipses, more or less sharp."""
    randomness = np.random.default_rng(number)
    image = Image.new("RGB", (size, size), tuple(randomness.integers(0, 255, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top, width, height = (randomness.random(4) * size * (0.8, 0.8, 0.5, 0.5)).tolist()
        colour = tuple(randomness.integers(0, 255, 3).tolist())
        draw.ellipse((left, top, left + width + 4, top + height + 4), colour)
    return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image
