"""The light of photos on faces."""

import numpy as np
import pytest
from PIL import Image
from placing import values

from stylegan_cli.faces.colours import lighting


def skin(picture):
    """The colour of cheeks and nose in an aligned face of 256 pixels."""
    return np.median(values(picture)[100:170, 75:180], axis=(0, 1))


def tinged(picture, light):
    return Image.fromarray((values(picture) * light).astype(np.uint8))


@pytest.fixture(scope="module")
def face(faces):
    """Somebody with something white."""
    face = faces["old"].resize((256, 256))
    face.paste("white", (120, 180, 136, 188))  # teeth
    return face


@pytest.mark.parametrize("light", [(0.9, 0.5, 0.3), (0.3, 0.3, 0.4)], ids=["warm", "dim"])
def test_skin_and_hair_take_most_of_the_light_and_white_stays_white(faces, face, light):
    there = tinged(faces["laughing"].resize((256, 256)), light)
    here = face.point(lighting(face, there))
    assert np.abs(skin(here) - (0.3 * skin(face) + 0.7 * skin(there))).max() < 12
    assert np.abs(skin(here) - skin(face)).max() > 50
    assert values(here)[181:187, 121:135].min() > 250
    hair = (slice(30, 40), slice(100, 156))
    assert (values(here)[hair].mean(axis=(0, 1)) < 0.8 * values(face)[hair].mean(axis=(0, 1))).sum() >= 2


def test_in_the_same_light_nothing_changes(face):
    assert np.abs(values(face.point(lighting(face, face))) - values(face)).max() <= 1
