"""Who tells people from what is behind them, on pictures where everybody can see it."""

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.scorers import silhouette


@pytest.mark.parametrize("size", [100, 512])
def test_a_person_before_a_wall(astronaut, size):
    """Her head, hair and shoulders; not the flag to the left, the wall or the shuttle."""
    seen = silhouette.read(astronaut.resize((size, size)))[..., 0]
    assert (seen.shape, seen.dtype, seen.min() >= 0, seen.max() <= 1) == ((256, 256), np.float32, True, True)
    places = {"face": (65, 110), "hair": (20, 110), "shoulder": (150, 60), "flag": (60, 15), "wall": (40, 65),
              "shuttle": (60, 210)}  # fmt: skip
    found = {name: seen[y - 3 : y + 4, x - 3 : x + 4].mean() for name, (y, x) in places.items()}
    assert {name: value > 0.5 for name, value in found.items()} == {
        name: name in ("face", "hair", "shoulder") for name in places
    }


def test_it_follows_its_picture(astronaut):
    seen, mirrored = (silhouette.read(picture)[..., 0] for picture in (astronaut, astronaut.transpose(0)))
    assert np.abs(seen - mirrored[:, ::-1]).mean() < 0.03
    assert np.abs(seen - mirrored).mean() > 0.1


def test_nobody_on_a_wall():
    assert silhouette.read(Image.new("RGB", (64, 64), "silver")).mean() < 0.1
