"""`stylegan sample --dataset` on the tiny model."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


def test_a_folder(tiny_stylegan, here):
    (made,) = tiny_stylegan("sample", "--seeds", "3,1", "--dataset", "data", "--size", 16)
    assert made.name == "data"
    found = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    assert found == ["00000/img00000000.png", "00000/img00000001.png", "dataset.json", "w.npy"]
    assert json.loads((made / "dataset.json").read_text()) == {"labels": None}


def test_a_zip(tiny_stylegan, here):
    tiny_stylegan("sample", "-n", 3, "--dataset", "data.zip", "--size", 16, "--format", "jpg")
    with zipfile.ZipFile("data.zip") as archive:
        assert sorted(archive.namelist()) == [*(f"00000/img0000000{i}.jpg" for i in range(3)), "dataset.json"]
        image = Image.open(io.BytesIO(archive.read("00000/img00000000.jpg")))
        assert (image.format, image.size) == ("JPEG", (16, 16))
    assert sorted(path.name for path in here.iterdir()) == ["data-w.npy", "data.zip"]


def test_latents_beside_it_are_its_people_in_order(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "3,1,2", "--dataset", "data.zip", "--size", 16)
    made = tiny_stylegan("sample", "--latents", "data-w.npy", "--out", "again", "--size", 16)
    with zipfile.ZipFile("data.zip") as archive:
        for i, path in enumerate(made):
            image = Image.open(io.BytesIO(archive.read(f"00000/img0000000{i}.png")))
            assert np.array_equal(np.asarray(image), np.asarray(Image.open(path)))


def test_psi_and_noise_count(tiny_stylegan, tiny):
    tiny_stylegan("sample", "-n", 2, "--dataset", "data", "--size", 16, "--psi", 0)
    assert np.array_equal(np.load("data/w.npy"), np.tile(tiny.w_avg.numpy(), (2, 1, 1)))


def test_into_an_empty_folder_or_with_force(tiny_stylegan, here):
    (here / "data").mkdir()
    tiny_stylegan("sample", "-n", 1, "--dataset", "data", "--size", 16)
    tiny_stylegan("sample", "-n", 2, "--dataset", "data", "--size", 16, "--force")
    assert np.load("data/w.npy").shape[0] == 2


@pytest.mark.parametrize(("name", "old"), [("data", "data/old.txt"), ("d.zip", "d.zip"), ("d.zip", "d-w.npy")])
def test_nothing_is_replaced_without_force(stylegan, tiny_model, here, name, old):
    (here / old).parent.mkdir(exist_ok=True)
    (here / old).write_text("precious")
    result = stylegan("sample", "-n", 1, "--dataset", name, "--model", tiny_model)
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert (here / old).read_text() == "precious"


def test_latents_of_a_cut_off_truncation_keep_their_layers(tiny_stylegan):
    tiny_stylegan("sample", "-n", 2, "--cutoff", 3, "--dataset", "cut", "--size", 8)
    ws = np.load("cut/w.npy")
    assert ws.shape[0] == 2
    assert (ws[:, 0] != ws[:, -1]).any()
    tiny_stylegan("sample", "--latents", "cut/w.npy", "--out", "again", "--size", 8)
    assert sorted(path.name for path in Path("again").iterdir()) == ["w-0.png", "w-1.png"]
