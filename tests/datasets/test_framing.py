"""Pictures of any shape to those of a data set."""

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.datasets.framing import TRANSFORMS, Framing
from stylegan_cli.errors import UsageError
from stylegan_cli.media.decoding import UnusableError


def thirds(width, height, axis):
    """Red, green and blue thirds, from left to right (axis 1) or from top to bottom (0)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for channel, third in enumerate(np.array_split(np.arange((height, width)[axis]), 3)):
        pixels[(third, slice(None)) if axis == 0 else (slice(None), third)] = np.eye(3)[channel] * 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("axis", [0, 1])
def test_center_crop_is_the_middle(axis):
    image = thirds(*((16, 48) if axis == 0 else (48, 16)), axis)
    assert (np.asarray(Framing(16, 16)(image)) == (0, 255, 0)).all()


def test_pad_keeps_everything_between_bars():
    found = np.asarray(Framing(24, 24, "pad", "box")(thirds(48, 16, 1)))
    assert (found[:8] == 0).all()
    assert (found[16:] == 0).all()
    assert found[12, [0, 12, 23]].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_center_crop_wide_lies_in_the_middle_of_a_black_square():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 64, 3), dtype=np.uint8))
    found = np.asarray(Framing(32, 24, "center-crop-wide")(image))
    cropped = image.crop((0, 6, 64, 54)).resize((32, 24), Image.Resampling.LANCZOS)
    assert found.shape == (32, 32, 3)
    assert np.array_equal(found[4:28], np.asarray(cropped))
    assert (found[:4] == 0).all()
    assert (found[28:] == 0).all()


def test_stretch_ignores_the_shape():
    found = np.asarray(Framing(12, 12, "stretch", "box")(thirds(48, 16, 1)))
    assert found[5, [0, 5, 11]].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_none_takes_square_ones_only():
    assert Framing(8, 8, "none")(Image.new("RGB", (16, 16))).size == (8, 8)
    with pytest.raises(UnusableError, match="16 x 17, which is not square"):
        Framing(8, 8, "none")(Image.new("RGB", (16, 17)))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_small_ones_are_enlarged_only_on_demand(transform):
    size = (16, 8) if transform == "center-crop-wide" else (16, 16)
    for edges in ((1, 1), (15, 15)):
        with pytest.raises(UnusableError, match=f"{edges[0]} x {edges[1]} and would have to be enlarged"):
            Framing(*size, transform)(Image.new("RGB", edges))
        assert Framing(*size, transform, upscale=True)(Image.new("RGB", edges)).size == (16, 16)


@pytest.mark.parametrize("edges", [(1, 4000), (4000, 1)])
@pytest.mark.parametrize("size", [(64, 64), (512, 8)])
def test_extreme_shapes(edges, size):
    transform = "center-crop" if size[0] == size[1] else "center-crop-wide"
    assert Framing(*size, transform, upscale=True)(Image.new("RGB", edges)).width == size[0]


def test_right_size_is_untouched():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))
    for transform in ("center-crop", "pad", "stretch", "none"):
        assert np.array_equal(np.asarray(Framing(16, 16, transform)(image)), np.asarray(image))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((64, 64, "crop"), "no transform 'crop'"),
        ((64, 64, "pad", "nearest"), "no resize filter 'nearest'"),
        ((0, 0), "sizes are from 1 to"),
        ((9999, 9999), "sizes are from 1 to"),
        ((64, 48), "square"),
        ((64, 64, "center-crop-wide"), "wide pictures"),
    ],
)
def test_what_there_is_not(arguments, message):
    with pytest.raises(UsageError, match=message):
        Framing(*arguments)
