"""A run as a film."""

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from stylegan_cli.training import film


def sheets_in(folder, count, size=32):
    paths = [folder / f"fakes{i:06d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        Image.new("RGB", (size, size), (i * 255 // (count - 1),) * 3).save(path)
    return paths


@pytest.mark.parametrize("sheets", [2, 3, 8, 9, 33, 152, 153, 569, 570])
def test_films_are_neither_short_nor_long(sheets):
    fps = film.rate(sheets)
    assert 2 <= sheets / fps + 1 <= film.LONGEST
    assert fps <= film.MOST_A_SECOND


@pytest.mark.parametrize("count", [3, 12])
def test_the_newest_is_held_for_a_second(tmp_path, count):
    film.write(sheets_in(tmp_path, count), tmp_path / "training.mp4")
    frames = iio.imread(tmp_path / "training.mp4", plugin="FFMPEG").mean(axis=(1, 2, 3))
    fps = iio.immeta(tmp_path / "training.mp4", plugin="FFMPEG")["fps"]
    assert len(frames) == count + fps
    assert frames[:count] == pytest.approx(np.linspace(0, 255, count), abs=6)
    assert frames[count:] == pytest.approx(255, abs=6)


def test_of_many_sheets_some_are_taken():
    assert film.spread(range(3), 5) == [0, 1, 2]
    assert film.spread(range(101), 5) == [0, 25, 50, 75, 100]
