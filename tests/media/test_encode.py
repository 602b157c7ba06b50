"""Picture files."""

import io

import numpy as np
import pytest
from odd_profile import SWAPPED
from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.media.encode import FORMATS, ROOM, encode, has_room
from stylegan_cli.pillow import CHUNK

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))


@pytest.mark.parametrize("format", FORMATS)
def test_what_the_ending_says(format):
    content = encode(NOISE, format, "{}")
    assert Image.open(io.BytesIO(content)).format == {"png": "PNG", "webp": "WEBP", "jpg": "JPEG"}[format]
    assert content == encode(NOISE, format, "{}")


@pytest.mark.parametrize("format", FORMATS)
def test_colours_of_their_own(format):
    assert Image.open(io.BytesIO(encode(NOISE, format, profile=SWAPPED))).info["icc_profile"] == SWAPPED
    assert not Image.open(io.BytesIO(encode(NOISE, format))).info.get("icc_profile")


def test_png_loses_nothing():
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(NOISE, "png")))), np.asarray(NOISE))


def test_transparency_hides_colours_and_loses_none():
    clear = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    clear.putalpha(Image.linear_gradient("L").resize((64, 64)).point(lambda value: max(value - 100, 0)))
    png, webp = (np.asarray(Image.open(io.BytesIO(encode(clear, format)))) for format in ("png", "webp"))
    assert np.array_equal(png, np.asarray(clear))
    assert np.array_equal(webp[..., 3], png[..., 3]) and not webp[:20, :, 3].any()
    assert np.abs(webp.astype(int) - png)[:20].mean() < 2


def test_a_recipe_too_long_for_jpeg_is_left_out_and_the_picture_is_whole():
    content = encode(NOISE, "jpg", "x" * 100_000)
    image = Image.open(io.BytesIO(content))
    image.load()
    assert not image.getexif()


@pytest.mark.parametrize("length", [ROOM["png"] - 1, 70_000_000])
def test_pictures_open_however_long_their_recipes(length):
    """Pillow refuses PNG files with more text than 64 MiB."""
    recipe = "x" * length
    text = Image.open(io.BytesIO(encode(NOISE, "png", recipe))).text
    assert text == ({CHUNK: recipe} if length < ROOM["png"] else {})
    assert has_room("png", recipe) == has_room("webp", recipe) == (length < ROOM["png"])


@pytest.mark.parametrize(("format", "edge"), [("webp", 16_383), ("jpg", 65_500)])
def test_edges(format, edge):
    assert Image.open(io.BytesIO(encode(Image.new("RGB", (edge, 1)), format))).width == edge
    with pytest.raises(StyleganError, match="--format png"):
        encode(Image.new("RGB", (1, edge + 1)), format)
