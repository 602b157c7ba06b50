"""Data sets of sampled pictures, read back. How they are used is tested with `train-encoder`."""

import zipfile

import pytest

from stylegan_cli.errors import StyleganError
from stylegan_cli.media.sampled import SampledFaces


def test_a_zip_of_a_newer_kind(tmp_path, tiny):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("a.png", "")
        archive.getinfo("a.png").extract_version = 99
    with pytest.raises(
        StyleganError, match=r"faces.zip is not a data set \(.*version 9.9\); make one with stylegan sample"
    ):
        SampledFaces(tmp_path / "faces.zip", tiny)
