"""Our own PNG writer: what any reader finds in its files."""

import io

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.media import png


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (37, 53), (64, 3), (150, 7)])
def test_pixels_and_text_come_back(shape, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, channels), np.uint8)
    image = Image.open(io.BytesIO(png.encode(pixels, {"stylegan": '{"caption": "é"}', "other": "x" * 100_000})))
    assert np.array_equal(np.asarray(image), pixels)
    assert image.text == {"stylegan": '{"caption": "é"}', "other": "x" * 100_000}


def test_a_smooth_picture_is_hardly_larger_than_pillows():
    ramp = np.add.outer(np.arange(256), np.arange(256)) // 2
    grain = np.random.default_rng(0).normal(0, 4, (256, 256, 3))
    pixels = (ramp[..., None] + grain).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    assert len(png.encode(pixels)) < 1.08 * len(buffer.getvalue())
