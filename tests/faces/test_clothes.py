"""Where there are clothes, on pictures where everybody can see them."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from stylegan_cli.faces import alignment, clothes
from stylegan_cli.faces.detection import detect

# Middles of places, in shares of a picture's edge, from the left and from the top.
WORN = {"baby": [(0.15, 0.95), (0.6, 0.95), (0.9, 0.92)], "down": [(0.6, 0.93)], "old": [(0.18, 0.97)]}
NOT_WORN = {
    "baby": [(0.5, 0.45), (0.5, 0.83), (0.7, 0.15), (0.1, 0.3)],
    "down": [(0.5, 0.5), (0.12, 0.6), (0.5, 0.1)],
    "old": [(0.4, 0.6), (0.1, 0.35), (0.9, 0.4), (0.45, 0.85)],
    "laughing": [(0.5, 0.6), (0.5, 0.85), (0.9, 0.9)],
}
CASTS = {
    "as it is": lambda value: value,
    "dark": lambda value: value * 0.5,
    "pale": lambda value: 120 + value * 0.5,
}


def seen(picture, places):
    """How surely there are clothes at these places."""
    there = clothes.read(picture)[..., 0]
    return np.array([there[int(y * len(there)), int(x * len(there))] for x, y in places])


@pytest.mark.parametrize("name", NOT_WORN)
@pytest.mark.parametrize("cast", CASTS)
def test_clothes_are_told_from_heads_and_walls(faces, name, cast):
    picture = faces[name].point(CASTS[cast])
    assert (seen(picture, NOT_WORN[name]) < 0.3).all()
    assert (seen(picture, WORN.get(name, [])) > 0.7).all()


def test_a_black_and_white_picture_has_clothes_too(faces):
    picture = faces["baby"].convert("L").convert("RGB")
    assert (seen(picture, WORN["baby"]) > 0.7).all() and (seen(picture, NOT_WORN["baby"]) < 0.3).all()


def test_a_photo(astronaut):
    (face,) = detect(astronaut)
    crop = alignment.crop(astronaut, alignment.alignment(face, astronaut.size), 256)
    assert (seen(crop, [(0.5, 0.97), (0.06, 0.97)]) > 0.7).all()
    assert (seen(crop, [(0.5, 0.5), (0.5, 0.1), (0.15, 0.4), (0.9, 0.1)]) < 0.3).all()


@pytest.mark.parametrize("size", [1024, 64])
def test_the_size_of_the_picture_hardly_matters(faces, size):
    for face in faces.values():
        assert np.abs(clothes.read(face.resize((size, size))) - clothes.read(face)).mean() < 0.03


def test_a_mirror_image_has_them_mirrored(faces):
    for face in faces.values():
        assert np.abs(clothes.read(ImageOps.mirror(face))[:, ::-1] - clothes.read(face)).max() < 1e-4


@pytest.mark.parametrize("colour", ["black", "white"])
def test_on_nothing_there_is_something_to_read(colour):
    there = clothes.read(Image.new("RGB", (200, 200), colour))
    assert there.shape == (clothes.PLACES, clothes.PLACES, 1) and there.dtype == np.float32
    assert 0 <= there.min() <= there.max() <= 1
