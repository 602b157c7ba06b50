"""Squares that are a little off must be put right, by what the face shows and nothing else, and never by much."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from placing import drawn, placed

from stylegan_cli.faces import geometry
from stylegan_cli.faces.adjustment import REACH, adjusted
from stylegan_cli.faces.detection import detect

PHOTO, CENTRE, EDGE = (480, 400), (230, 190), 300
HERE = placed(PHOTO, CENTRE, EDGE).corners
NO_FACES = {
    "white": Image.new("RGB", PHOTO, "white"),
    "noise": Image.fromarray(np.random.RandomState(0).randint(0, 255, (*PHOTO[::-1], 3), np.uint8)),
    "smooth": Image.effect_noise((40, 30), 60).resize(PHOTO, Image.Resampling.BICUBIC).convert("RGB"),
}


def apart(one, other):
    """How far two squares are apart: centres and sizes in shares of the edge, directions in degrees."""
    across, right = (corners[3] - corners[0] for corners in (one, other))
    turn = np.degrees(np.arctan2(across[1] * right[0] - across[0] * right[1], across @ right))
    centre = np.hypot(*(one - other).mean(axis=0)) / geometry.edge(other)
    return np.array([centre, abs(geometry.edge(one) / geometry.edge(other) - 1), abs(turn)])


@pytest.mark.parametrize(
    "move", [(0.02, 0, 0, 0), (0, -0.02, 0, 0), (0, 0, 0.05, 0), (0, 0, -0.05, 0), (0, 0, 0, 0.03)]
)
def test_a_square_that_is_off_is_put_right(faces, move):
    for face in faces.values():
        photo = drawn(face, PHOTO, CENTRE, EDGE)
        found = adjusted(photo, geometry.moved(HERE, *move))
        assert (apart(found, adjusted(photo, HERE)) < (0.005, 0.012, 0.7)).all()
        assert (apart(found, HERE) < (0.008, 0.03, 1.5)).all()


@pytest.mark.parametrize("name", NO_FACES)
def test_what_is_no_face_moves_a_square_by_little(name):
    centre, size, turn = apart(adjusted(NO_FACES[name], HERE), HERE)
    assert centre <= np.hypot(*REACH[:2]) + 1e-9
    assert size <= np.exp(REACH[2]) - 1 + 1e-9
    assert turn <= np.degrees(REACH[3]) + 1e-9


def test_the_mirror_image_is_put_right_as_a_mirror_image(astronaut):
    (face,) = detect(astronaut)
    start = geometry.moved(face.square, 0.01, 0.01, 0.03, 0.02)
    there, back = (lambda corners: corners * (-1, 1) + (astronaut.width, 0)), [3, 2, 1, 0]
    mirrored = adjusted(ImageOps.mirror(astronaut), there(start)[back])
    assert (apart(there(mirrored)[back], adjusted(astronaut, start)) < (0.002, 0.005, 0.2)).all()


def test_what_is_around_the_face_does_not_matter(faces):
    """A face by itself in a grey photo and the same on noise have the same square."""
    on_grey = drawn(faces["old"], PHOTO, CENTRE, EDGE)
    on_noise = NO_FACES["noise"].copy()
    on_noise.paste(faces["old"].resize((EDGE, EDGE)), (CENTRE[0] - EDGE // 2, CENTRE[1] - EDGE // 2))
    assert (apart(adjusted(on_grey, HERE), adjusted(on_noise, HERE)) < (0.001, 0.003, 0.1)).all()


@pytest.mark.parametrize("size", [200, 720])
def test_a_photograph_has_one_square_in_any_size(astronaut, size):
    """However large the photo is, and at every attempt."""
    (face,), (again,) = detect(astronaut), detect(astronaut)
    assert (again.square == face.square).all()
    (other,) = detect(astronaut.resize((size, size), Image.Resampling.LANCZOS))
    assert (apart(other.square * astronaut.width / size, face.square) < (0.01, 0.02, 1)).all()
