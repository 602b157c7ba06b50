"""What a snapshot shows."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_families import make
from small_runs import write_pictures

from stylegan_cli.media.render import to_pixels
from stylegan_cli.training import snapshots
from stylegan_cli.training.data import Pictures


@pytest.fixture
def generator(state):
    return state.average


def test_fakes_are_seeds_untruncated(generator):
    sheet = np.asarray(snapshots.fakes(generator))
    assert sheet.shape == (128, 128, 3)
    z = torch.from_numpy(np.random.RandomState(9).randn(1, 4)).float()
    with torch.no_grad():
        expected = to_pixels(generator.synthesize(generator.broadcast(generator.to_w(z))))[0]
    assert np.array_equal(sheet[16:32, 16:32], expected)


def test_w_avg_is_the_mean_of_w(generator):
    snapshots.centre(generator, None)
    with torch.no_grad():
        w = generator.to_w(torch.randn(20000, 4))
    torch.testing.assert_close(generator.w_avg, w.mean(dim=0), atol=0.05, rtol=0.05)


def test_the_centre_is_that_of_all_classes_as_often_as_they_are(monkeypatch):
    """Also where the pictures of a class follow one another."""
    monkeypatch.setattr(snapshots, "CENTRE_SAMPLES", 8)
    seen, generator = [], make("stylegan2", c_dim=3)
    really = generator.to_w
    monkeypatch.setattr(type(generator), "to_w", lambda _, z, c: seen.extend(c.argmax(dim=1).tolist()) or really(z, c))
    snapshots.centre(generator, torch.tensor([0] * 50 + [1] * 25 + [2] * 25))
    assert seen == [0, 0, 0, 0, 1, 1, 2, 2]


def test_reals_begin_again_where_they_are_few(pictures):
    """24 pictures on a sheet of 64."""
    sheet = np.asarray(snapshots.reals(Pictures(pictures, None)))
    for place, picture in ((0, 0), (63, 23)):
        left = (place % 8) * 16
        assert np.array_equal(
            sheet[left : left + 16, left : left + 16], np.asarray(Image.open(pictures / f"{picture:03d}.png"))
        )


def test_reals_are_from_all_over_the_data(tmp_path):
    """Classes may be one after the other."""
    folder = write_pictures(tmp_path / "many", count=640)
    sheet = np.asarray(snapshots.reals(Pictures(folder, None)))
    assert np.array_equal(sheet[:16, 16:32], np.asarray(Image.open(folder / "010.png")))
