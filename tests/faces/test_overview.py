"""The numbered picture."""

import numpy as np
import pytest
from PIL import Image, ImageColor

from stylegan_cli.faces.detection import Detection
from stylegan_cli.faces.overview import EDGE, FRAME, overview

BOXES = [(200.0, 100.0, 500.0, 500.0), (640.0, 20.0, 680.0, 70.0), (-20.0, -20.0, 80.0, 100.0)]


@pytest.mark.parametrize("factor", [1, 4])
def test_every_face_gets_a_frame_and_a_number_where_it_is(factor):
    """Also one that is partly outside, and on photos that are scaled down."""
    photo = Image.new("RGB", (800 * factor, 600 * factor), "white")
    found = [Detection(np.array(box) * factor, 1.0, np.zeros((5, 2)), np.zeros((4, 2))) for box in BOXES]
    picture = overview(photo, found)
    assert max(picture.size) == min(max(photo.size), EDGE)
    scale = picture.width / 800
    frame, ink = (np.asarray(picture) == ImageColor.getrgb(FRAME)).all(axis=2), np.asarray(picture).max(axis=2) < 128
    for box in BOXES:
        left, top, right, bottom = (max(round(edge * scale), 0) for edge in box)
        assert frame[(top + bottom) // 2, right - 1 : right + 2].any()
        assert not frame[bottom - 6, left + 6 : right - 6].any()
        assert ink[top : (top + bottom) // 2, left : (left + right) // 2].any()
    assert photo.getextrema() == ((255, 255),) * 3
