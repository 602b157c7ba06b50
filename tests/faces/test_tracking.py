"""One face is followed through a film, and no other."""

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.faces import detection, geometry
from stylegan_cli.faces.detection import Detection
from stylegan_cli.faces.tracking import follow, steadied

FRAME = Image.new("RGB", (8, 8))


def face(x, y=100.0, edge=100.0):
    square = geometry.around(np.array([x, y]), np.array([edge / 2, 0.0]))
    eyes = np.array([[x - edge / 8, y], [x + edge / 8, y], [x, y + 10], [x - 10, y + 20], [x + 10, y + 20]])
    return Detection(np.array([x, y, x, y]), 1.0, eyes, square)


@pytest.fixture
def following(monkeypatch):
    """Follows a face through frames in which these are found."""

    def run(*found, number=None, fps=1.0):  # so slow that nothing is averaged
        each, seen = iter(found), []
        monkeypatch.setattr(detection, "detect", lambda _: next(each))
        trail = follow([FRAME] * len(found), number, "talk.mp4", fps, lambda: seen.append(1))
        squares = trail.squares
        assert len(squares) == len(seen) == len(trail.others) == len(found)
        run.others = [[round(square[:, 0].mean()) for square in others] for others in trail.others]
        return [None if square is None else round(square[:, 0].mean()) for square in squares]

    return run


def test_the_largest_is_followed_though_another_one_grows(following):
    assert following([face(100), face(400, edge=90)], [face(410, edge=120), face(110)], [face(120)]) == [100, 110, 120]


def test_a_face_can_be_named(following):
    assert following([face(100), face(400)], [face(101), face(401)], number=2) == [400, 401]
    assert following.others == [[100], [101]]
    with pytest.raises(UsageError, match=r"there is no talk.mp4#3"):
        following([face(100), face(400)], number=3)


def test_cuts_to_others_are_no_movement(following):
    assert following([face(100)], [face(300)], [face(100, edge=180)], [face(104)]) == [100, None, None, 104]


def test_it_may_appear_later(following):
    assert following([], [face(100)], []) == [None, 100, None]


def test_tiny_faces_are_none(following):
    assert following([face(400, edge=40)], [face(400, edge=40), face(100)]) == [None, 100]


def test_no_face_at_all(following):
    with pytest.raises(StyleganError, match=r"no face was found in talk.mp4"):
        following([], [])


def test_only_tiny_faces(following):
    with pytest.raises(StyleganError, match=r"the face in talk.mp4 is too small: its eyes are 10 pixels apart"):
        following([face(100, edge=40)], [face(100, edge=40)])


def test_short_gaps_are_filled_evenly(following):
    assert following([face(100)], [], [], [face(112)], fps=4) == [100, 104, 108, 112]
    assert following([face(100)], [], [], [], [face(112)], fps=4) == [100, None, None, None, 112]


def test_steady_motion_stays_and_trembling_goes():
    line = [geometry.around(np.array([10.0 * i, 50]), np.array([20.0, 0])) for i in range(20)]
    assert np.allclose(steadied(line, 2)[6:14], line[6:14])
    tremble = np.random.RandomState(0).normal(0, 1, (20, 4, 2))
    noisy = steadied([one + by for one, by in zip(line, tremble, strict=True)], 2)
    assert np.std(np.array(noisy)[6:14] - line[6:14]) < 0.5


def test_averages_do_not_reach_over_gaps_of_frames_without_a_face():
    """They leave them out, and nothing appears there."""
    here = geometry.around(np.array([10.0, 10]), np.array([5.0, 0]))
    found = steadied([here, None, here + 4], 1)
    assert found[1] is None
    assert here.mean() < found[0].mean() < found[2].mean() < (here + 4).mean()


def test_the_window_is_in_seconds(monkeypatch):
    """What trembles from frame to frame is averaged the more, the more frames there are in a second."""
    tremble = [[face(100 + 8 * (i % 2))] for i in range(24)]
    spread = []
    for fps in (8.0, 60.0):
        each = iter(tremble)
        monkeypatch.setattr(detection, "detect", lambda _, each=each: next(each))
        squares = follow([FRAME] * len(tremble), None, "talk.mp4", fps, lambda: None).squares
        spread.append(np.std([square[:, 0].mean() for square in squares[8:16]]))
    assert spread[1] < 0.5 < 2 < spread[0]
