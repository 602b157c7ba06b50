"""Data sets of sampled pictures, read back. How they are used is tested with `train-encoder`."""

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.datasets import sources
from stylegan_cli.datasets.sampled import SampledFaces
from stylegan_cli.errors import StyleganError


def test_what_a_mac_leaves_beside_pictures_is_none(tmp_path, tiny):
    for i in range(3):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
        (tmp_path / f"._{i}.png").write_bytes(b"resource fork")
    np.save(tmp_path / "w.npy", np.zeros((3, 1, tiny.w_dim), np.float32))
    faces = SampledFaces(tmp_path, tiny)
    assert [faces[i][0, 0, 0] for i in range(len(faces))] == [0, 1, 2]


@pytest.mark.parametrize("sizes", [[(8, 8), (8, 8), (16, 16)], [(8, 8), (8, 6)], [(8, 6), (8, 6)]])
def test_pictures_that_were_not_sampled_together(tmp_path, tiny, sizes):
    for i, size in enumerate(sizes):
        Image.new("RGB", size).save(tmp_path / f"{i}.png")
    np.save(tmp_path / "w.npy", np.zeros((len(sizes), 1, tiny.w_dim), np.float32))
    faces = SampledFaces(tmp_path, tiny)
    with pytest.raises(StyleganError, match=r"but 0.png is 8 pixels wide, and sampled pictures are square"):
        for i in range(len(sizes)):
            faces.image(i)


def test_every_picture_is_decoded_once(tmp_path, tiny, monkeypatch):
    for i in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{i}.png")
    np.save(tmp_path / "w.npy", np.zeros((2, 1, tiny.w_dim), np.float32))
    decoded, decode = [], sources.decode
    monkeypatch.setattr(sources, "decode", lambda content: decoded.append(content) or decode(content))
    faces = SampledFaces(tmp_path, tiny)
    assert [faces.image(i).size for i in range(2)] == [(8, 8)] * 2
    assert len(decoded) == 2
