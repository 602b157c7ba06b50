"""What is measured on the mesh, on a head of which all is known."""

import numpy as np
import pytest

from stylegan_cli.scorers import mesh


def turned(points, yaw=0.0, pitch=0.0, roll=0.0):
    """Turns a head: first it nods, then it looks aside, then it tilts; degrees, signs as the scores have them."""
    a, b, c = np.radians([yaw, pitch, roll])
    nod = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    aside = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return points @ (tilt @ aside @ nod).T


@pytest.fixture
def head():
    """A frontal face of only the points that matter: x to the right, y down, z away."""
    points = np.zeros((468, 3))
    points[mesh.LEFT] = [(-0.2, 0, 0), (-0.3, 0, 0.1), (-0.3, 0.1, 0.1)]
    points[mesh.RIGHT] = points[mesh.LEFT] * (-1, 1, 1)
    points[mesh.TOP], points[mesh.BASE] = (0, -0.3, 0), (0, 0.2, 0)
    for eye, x in enumerate((-0.15, 0.15)):
        for corner, side in zip(mesh.EYE_CORNERS[eye], (-0.05, 0.05), strict=True):
            points[corner] = (x + side, 0, 0)
        points[mesh.UPPER_LIDS[eye]] = (x, -0.015, 0)
        points[mesh.LOWER_LIDS[eye]] = (x, 0.015, 0)
    points[mesh.MOUTH_CORNERS] = [(-0.1, 0.3, 0), (0.1, 0.3, 0)]
    points[mesh.UPPER_LIP], points[mesh.LOWER_LIP] = (0, 0.29, 0), (0, 0.33, 0)
    return points


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, 10), (-25, -5, 0), (25, 15, -10)], ids=str
)
def test_angles_are_those_the_head_was_turned_by(head, angles):
    points = turned(head, *angles)
    assert [mesh.yaw(points), mesh.pitch(points), mesh.roll(points)] == pytest.approx(angles, abs=1e-9)


def test_a_nose_that_goes_right_is_a_positive_yaw_and_one_that_goes_up_a_positive_pitch():
    nose = np.array([[0.0, 0.1, -0.1]])
    assert turned(nose, yaw=20)[0, 0] > 0
    assert turned(nose, pitch=20)[0, 1] < 0.1


def test_openings_are_ratios_that_size_and_pose_leave_alone(head):
    for points in (head, head * 3, turned(head, yaw=25, pitch=-10, roll=5)):
        assert mesh.mouth_open(points) == pytest.approx(0.2)
        assert mesh.eyes_open(points) == pytest.approx(0.3)


def test_lips_and_lids_change_their_own_score_only(head):
    shut = head.copy()
    shut[mesh.LOWER_LIP] = shut[mesh.UPPER_LIP]
    assert (mesh.mouth_open(shut), mesh.eyes_open(shut)) == (0, pytest.approx(mesh.eyes_open(head)))
    asleep = head.copy()
    for upper, lower in zip(mesh.UPPER_LIDS, mesh.LOWER_LIDS, strict=True):
        asleep[lower] = asleep[upper]
    assert (mesh.mouth_open(asleep), mesh.eyes_open(asleep)) == (pytest.approx(mesh.mouth_open(head)), 0)


def test_points_lie_on_the_face(faces):
    """Eyes where alignment puts them, the mouth below, everything inside the window; the mirror's mesh is the mirror
    image."""
    straight, mirrored = mesh.read(faces["baby"])
    left_eye, right_eye = (straight[corners].mean(axis=0) for corners in mesh.EYE_CORNERS)
    assert left_eye[:2] == pytest.approx((0.37, 0.47), abs=0.03)
    assert right_eye[:2] == pytest.approx((0.63, 0.47), abs=0.03)
    assert straight[mesh.LOWER_LIP, 1].mean() > straight[mesh.BASE, 1] > left_eye[1] > straight[mesh.TOP, 1]
    other_eye = mirrored[mesh.EYE_CORNERS[0]].mean(axis=0)
    assert other_eye == pytest.approx(right_eye * (-1, 1, 1) + (1, 0, 0), abs=0.02)
