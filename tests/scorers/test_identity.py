"""One person stays one person, two people are two, and the network is dlib's."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from stylegan_cli.scorers import dlib, identity
from stylegan_cli.scorers.identity import SAME_PERSON


@pytest.fixture(scope="module")
def people(faces):
    return {name: identity.embed(face) for name, face in faces.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda face: face.resize((128, 128), Image.Resampling.BOX),
        lambda face: face.resize((1024, 1024), Image.Resampling.BICUBIC),
        lambda face: ImageEnhance.Brightness(face).enhance(0.7),
        lambda face: face.rotate(4, Image.Resampling.BICUBIC),
    ],
    ids=["small", "large", "darker", "tilted"],
)
def test_another_picture_of_one_person_is_near(faces, people, change):
    for name, face in faces.items():
        assert identity.distance(people[name], identity.embed(change(face))) < SAME_PERSON / 2


def test_the_mirror_image_is_the_same(faces, people):
    assert identity.distance(people["old"], identity.embed(ImageOps.mirror(faces["old"]))) < 1e-3


def test_other_people_are_far(people):
    names = list(people)
    apart = [identity.distance(people[a], people[b]) for i, a in enumerate(names) for b in names[:i]]
    assert len(apart) == 6
    assert min(apart) > SAME_PERSON


def test_it_is_a_distance(people):
    assert identity.distance(people["old"], people["old"]) == 0
    assert identity.distance(people["old"], people["baby"]) == identity.distance(people["baby"], people["old"])


def test_the_network_computes_what_dlib_computes():
    """The first numbers of dlib 20.0.1's own descriptor of this picture."""
    golden = [-0.062523, 0.068771, 0.072988, -0.0361, -0.162798, -0.059157]
    rows, columns = np.mgrid[:150, :150]
    pixels = np.stack([rows, columns, (rows * columns) % 150], axis=-1).astype(np.float32)
    x = (pixels - np.float32([122.782, 117.001, 104.298])) / 256
    found = dlib.embed(torch.from_numpy(x.transpose(2, 0, 1)[None]))[0]
    assert found.shape == (128,)
    assert found[:6].tolist() == pytest.approx(golden, abs=1e-5)


def test_its_file_is_read_whole():
    with dlib.RECOGNITION.opened() as path:
        tensors = dlib._read(path.read_bytes())
    assert len(tensors) == 2 * 29 + 1
    assert sum(map(len, tensors)) == 5_614_592


def test_it_is_installed_once_its_file_is_there(people, monkeypatch, tmp_path):
    assert identity.installed()
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path))
    assert not identity.installed()
