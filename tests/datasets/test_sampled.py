"""Data sets of sampled pictures, read back. How they are used is tested with `train-encoder`."""

import numpy as np
from PIL import Image

from stylegan_cli.datasets.sampled import SampledFaces


def test_what_a_mac_leaves_beside_pictures_is_none(tmp_path, tiny):
    for i in range(3):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
        (tmp_path / f"._{i}.png").write_bytes(b"resource fork")
    np.save(tmp_path / "w.npy", np.zeros((3, 1, tiny.w_dim), np.float32))
    faces = SampledFaces(tmp_path, tiny)
    assert [faces[i][0, 0, 0] for i in range(len(faces))] == [0, 1, 2]
