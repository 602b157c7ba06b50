"""The face as a mesh of 468 points in space (MediaPipe Face Mesh, Kartynnik et al. 2019, arXiv:1907.06724), and what
can be measured on it.

x points to the picture's right, y down, z away from the camera, all in fractions of the picture's edge. "Left" and
"right" are the picture's.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from stylegan_cli.assets import Asset, Wheel
from stylegan_cli.scorers.looks import Window, both_ways
from stylegan_cli.scorers.runtime import network

MEDIAPIPE = Wheel(
    "mediapipe",
    "0.10.21",
    35_622_638,
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    platform="manylinux_2_28_x86_64",
)
MESH = Asset(MEDIAPIPE, "mediapipe/modules/face_landmark/face_landmark.tflite", "MediaPipe's face mesh", "Apache-2.0")
WINDOW, SIZE = Window(0.525, 0.85), 192
# Pairs of points on the left and the right that are level on an upright face: outer corners of the eyes, temples,
# cheeks in front of the ears.
LEFT, RIGHT = [33, 127, 234], [263, 356, 454]
# The hairline and the base of the nose: neither a smile nor an open mouth moves them.
TOP, BASE = 10, 2
UPPER_LIP, LOWER_LIP, MOUTH_CORNERS = [82, 13, 312], [87, 14, 317], [78, 308]  # the lips' inner edges
UPPER_LIDS, LOWER_LIDS = [[160, 158], [385, 387]], [[144, 153], [380, 373]]  # of both eyes
EYE_CORNERS = [[33, 133], [362, 263]]
JAWS, CHIN = [172, 397], 152


def read(face: Image.Image) -> np.ndarray | None:
    """The meshes of an aligned face and of its mirror image, `[2, 468, 3]`; None if no face is found."""
    net = network(MESH)
    points, presence = zip(*(net(WINDOW.cut(picture, SIZE)[None] / 255) for picture in both_ways(face)), strict=True)
    if float(np.mean(presence)) < 0:
        return None
    corner = (0.5 - WINDOW.edge / 2, WINDOW.y - WINDOW.edge / 2, 0)
    return np.array(points, float).reshape(2, 468, 3) * (WINDOW.edge / SIZE) + corner


# The angles are those of a head that first nods, then turns, then tilts.
def yaw(points: np.ndarray) -> float:
    """How far the face `[468, 3]` is turned to the right, in degrees."""
    x, y, z = _across(points)
    return _degrees(z, np.hypot(x, y))


def pitch(points: np.ndarray) -> float:
    """How far the face `[468, 3]` looks up, in degrees; 0 if the hairline and the base of the nose are equally far
    away."""
    across, up = _across(points), points[TOP] - points[BASE]
    up = up - across * (up @ across) / (across @ across)
    away = np.cross(up, across / _length(across))
    return _degrees(up[2], away[2])


def roll(points: np.ndarray) -> float:
    """How far the face `[468, 3]` is tilted clockwise, in degrees."""
    x, y, _ = _across(points)
    return _degrees(y, x)


def mouth_open(points: np.ndarray) -> float:
    """The gap between the lips divided by the mouth's width, of a face `[468, 3]`: 0 closed, about 0.3 laughing."""
    gap = _length(points[LOWER_LIP] - points[UPPER_LIP]).mean()
    return float(gap / _length(points[MOUTH_CORNERS[1]] - points[MOUTH_CORNERS[0]]))


def eyes_open(points: np.ndarray) -> float:
    """The height of the eyes divided by their width, the mean of both, of a face `[468, 3]` (Soukupova and Cech 2016,
    equation 1)."""
    heights = _length(points[UPPER_LIDS] - points[LOWER_LIDS]).mean(axis=1)
    corners = points[EYE_CORNERS]
    return float((heights / _length(corners[:, 1] - corners[:, 0])).mean())


def jaw(points: np.ndarray) -> float:
    """The width of the jaw divided by the height of a face `[468, 3]`."""
    return float(_length(points[JAWS[1]] - points[JAWS[0]]) / _length(points[CHIN] - points[TOP]))


def _across(points: np.ndarray) -> np.ndarray:
    return (points[RIGHT] - points[LEFT]).sum(axis=0)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(vectors).sum(axis=-1))


def _degrees(rise: float, run: float) -> float:
    return float(np.degrees(np.arctan2(rise, run)))
