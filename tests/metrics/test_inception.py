"""The network that defines FID."""

import numpy as np
import pytest
import torch
from originals import GOLDEN, arrays
from PIL import Image

from stylegan_cli.metrics import inception
from stylegan_cli.metrics.inception import network

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "size"), [("small", (64, 48)), ("large", (384, 320))])
def test_features_are_those_of_the_published_network(faces, name, size):
    """Pictures that it has to enlarge, and to shrink, which are not square."""
    picture = np.asarray(faces["laughing"].resize(size, Image.Resampling.NEAREST))
    with torch.inference_mode():
        (found,) = network(CPU)(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None])
    expected = arrays(GOLDEN / "inception.npz")[name]
    assert found.shape == (2048,)
    # Where pixels lie is computed more exactly here, which is worth 1e-4 in pictures that are shrunk.
    assert (found - expected).abs().max() < 5e-4 < 1e-3 * expected.max()


def test_pictures_of_its_size_are_left_alone():
    pictures = torch.rand(1, 3, 299, 299)
    assert inception._resized(pictures) is pictures


def test_scaling_as_tensorflow_1():
    """The first pixels coincide, and beyond the last one there is nothing else."""
    row = torch.tensor([0.0, 299.0]).expand(1, 1, 2, 2)
    scaled = inception._resized(row)[0, 0, 7]
    assert scaled[:150] == pytest.approx(2 * np.arange(150), abs=1e-3)
    assert scaled[150:].tolist() == [299] * 149


def test_loaded_once():
    assert network(CPU) is network(CPU)
    assert not any(weight.requires_grad for weight in network(CPU).parameters())
