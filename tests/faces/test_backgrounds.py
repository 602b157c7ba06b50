"""What is behind people: what is around them goes on there."""

import numpy as np
import pytest

from stylegan_cli.faces import backgrounds

SIZE, PLACES = 256, 64


def hidden(top, bottom, left, right):
    """What is known of a picture but for a rectangle, given by its places."""
    known = np.ones((PLACES, PLACES, 1), np.float32)
    known[top:bottom, left:right] = 0
    return known


@pytest.fixture
def stripes():
    """Upright, 32 pixels wide."""
    columns = np.where(np.arange(SIZE) // 32 % 2, 200, 50).astype(np.float32)
    return np.broadcast_to(columns[None, :, None], (SIZE, SIZE, 3)).copy()


def test_what_is_known_stays(stripes):
    known = hidden(20, 40, 20, 40)
    filled = backgrounds.filled(stripes, known)
    far = np.kron(hidden(17, 43, 17, 43)[..., 0], np.ones((4, 4))) > 0
    assert np.abs(filled - stripes)[far].max() < 0.1


def test_lines_go_on_behind_what_hides_them(stripes):
    known, picture = hidden(30, 60, 24, 40), stripes.copy()
    picture[120:240, 96:160] = (255, 0, 0)
    filled = backgrounds.filled(picture, known)
    near = np.s_[124:140, 110:146]  # above is what is nearest
    assert np.abs(filled[near] - stripes[near]).mean() < 20
    assert np.ptp(filled[124:140, 100:156].mean(axis=(0, 2))) > 100  # a mean of what is around has no stripes


def test_what_hides_is_not_mirrored():
    """Beyond the picture's edge or another person, nothing is known."""
    picture = np.random.RandomState(0).uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32)
    picture[160:172] = 100  # a narrow gap between two
    known = hidden(0, 40, 0, PLACES) * hidden(43, PLACES, 0, PLACES)
    assert backgrounds.filled(picture, known)[:156].std() < 20


@pytest.mark.parametrize("value", [0, 1])
def test_all_or_nothing_is_known(stripes, value):
    filled = backgrounds.filled(stripes, np.full((PLACES, PLACES, 1), value, np.float32))
    assert np.isfinite(filled).all() and (np.abs(filled - stripes).max() < 0.1) == bool(value)
