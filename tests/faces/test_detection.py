"""Faces must be found where everybody sees them, alike in every size and tilt, and nowhere else."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from placing import drawn, placed

from stylegan_cli.faces.alignment import alignment
from stylegan_cli.faces.detection import MIRRORED, detect
from stylegan_cli.latents import people
from stylegan_cli.media.render import render

SIZE, CENTRE = (480, 320), (230, 170)


def missed(detection, truth):
    """How far the square of a face found is from the true one: its centre and size in shares of the edge, and its
    direction in degrees."""
    found = alignment(detection, truth.size)
    centre = np.hypot(*(found.corners - truth.corners).mean(axis=0)) / truth.edge
    across, right = (corners[3] - corners[0] for corners in (found.corners, truth.corners))
    turn = np.degrees(np.arctan2(across[1] * right[0] - across[0] * right[1], across @ right))
    return centre, found.edge / truth.edge - 1, turn


def test_points_of_a_photograph(astronaut):
    """Seen with the eye: eyes, tip of the nose, corners of the mouth."""
    (face,) = detect(astronaut)
    by_eye = np.array([(142.5, 70.5), (174, 72), (157, 89), (144, 99), (170.5, 100)])
    assert np.hypot(*(face.points - by_eye)[:2].T).max() < 1.5
    assert np.hypot(*(face.points - by_eye).T).max() < 4
    left, top, right, bottom = face.box
    assert (left, top) < tuple(by_eye.min(axis=0)) < tuple(by_eye.max(axis=0)) < (right, bottom)
    assert face.score > 0.98


@pytest.mark.parametrize(("edge", "degrees"), [(192, 0), (400, 0), (100, 30), (150, -25), (192, 45)])
def test_sampled_faces_are_found_in_any_size_and_tilt(faces, edge, degrees):
    truth = placed(SIZE, CENTRE, edge, degrees)
    for face in faces.values():
        (found,) = detect(drawn(face, SIZE, CENTRE, edge, degrees))
        centre, size, turn = missed(found, truth)
        assert centre < 0.01
        assert abs(size) < 0.03
        assert abs(turn) < 1.5


def test_size_and_tilt_hardly_change_what_is_measured(faces):
    for face in faces.values():
        straight, tilted = (
            np.array(missed(detect(drawn(face, SIZE, CENTRE, edge, degrees))[0], placed(SIZE, CENTRE, edge, degrees)))
            for edge, degrees in ((300, 0), (140, 20))
        )
        assert (np.abs(straight - tilted) < (0.005, 0.01, 0.7)).all()


def test_the_mirror_image_has_mirrored_points(astronaut):
    (face,), (other,) = detect(astronaut), detect(ImageOps.mirror(astronaut))
    assert other.points[MIRRORED] == pytest.approx(face.points * (-1, 1) + (astronaut.width, 0), abs=0.5)


def test_several_faces_come_largest_first(faces):
    places = {"old": ((330, 330), 300, 10), "laughing": ((120, 120), 200, -20), "baby": ((600, 150), 120, 0)}
    photo = Image.new("RGB", (700, 500), "gray")
    for name, (centre, edge, degrees) in places.items():
        layer = drawn(faces[name], photo.size, centre, edge, degrees)
        mask = drawn(Image.new("RGB", (8, 8), "white"), photo.size, centre, edge, degrees, "black").convert("L")
        photo.paste(layer, mask=mask)
    found = detect(photo)
    assert len(found) == 3
    for face, (centre, edge, degrees) in zip(found, places.values(), strict=True):
        assert missed(face, placed(photo.size, centre, edge, degrees))[0] < 0.02


@pytest.mark.parametrize("degrees", [90, 105, 180, 225, 270])
def test_photos_that_lie_on_their_side_or_upside_down(faces, degrees):
    """Also a face whose chin, upside down, looks like a forehead: the laughing one."""
    truth = placed(SIZE, CENTRE, 192, degrees)
    for face in faces.values():
        (found,) = detect(drawn(face, SIZE, CENTRE, 192, degrees))
        centre, size, turn = missed(found, truth)
        assert centre < 0.01 and abs(size) < 0.03 and abs(turn) < 1.5
        left, top, right, bottom = found.box
        assert ((left, top) < found.points).all() and (found.points < (right, bottom)).all()


def test_where_there_are_upright_faces_nobody_lies_on_their_side(faces):
    photo = drawn(faces["old"], (700, 320), (530, 170), 250, -90)
    assert len(detect(photo)) == 1
    photo.paste(faces["baby"], (80, 60))
    (found,) = detect(photo)
    assert found.points.max(axis=0)[0] < 280


NOBODY = {
    "white": Image.new("RGB", (300, 200), "white"),
    "noise": Image.fromarray(np.random.RandomState(0).randint(0, 255, (200, 300, 3), np.uint8)),
    "clouds": Image.effect_noise((40, 30), 60).resize((400, 300), Image.Resampling.BICUBIC).convert("RGB"),
    "one pixel": Image.new("RGB", (1, 1)),
    "a line": Image.new("RGB", (3000, 2), "white"),
}


@pytest.mark.parametrize("name", NOBODY)
def test_nobody_is_found_where_nobody_is(name):
    assert detect(NOBODY[name]) == []


def test_half_a_face_is_none(faces):
    assert detect(faces["laughing"].crop((0, 0, 192, 100))) == []


@pytest.mark.slow
def test_sampled_faces_are_returned_as_they_are(ffhq):
    """What alignment promises: the crop of a face sampled from the model is the face itself."""
    truth, misses = placed((1024, 1024), (512, 512), 1024), []
    for seed in range(10):
        (face,) = detect(render(ffhq, people.from_seed(ffhq, seed, 0.7).face()))
        misses.append(missed(face, truth))
    centre, size, turn = np.abs(misses).T
    assert centre.max() < 0.01
    assert size.max() < 0.03
    assert turn.max() < 1.5
