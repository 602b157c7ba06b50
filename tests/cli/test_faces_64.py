"""The small model that comes with the package: every verb, without a network and with an empty cache."""

import numpy as np
import pytest
import torch
from looking import pixels, size_of

from stylegan_cli import store

MODEL = ("--model", "faces-64")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store.sources, "pull", None)


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (["sample", "--seeds", 3], (64, 64)),
        (["mix", "--coarse", 1, "--fine", 2], (64, 64)),
        (["noise", 1, "--heatmap"], (64, 64)),
        (["blend-parents", 1, 2], (64, 64)),
    ],
    ids=lambda value: str(value[0]),
)
def test_pictures(stylegan, words, size):
    result = stylegan(*words, *MODEL, "--out", "a.png")
    assert (result.exit_code, result.stderr) == (0, "")
    assert size_of("a.png") == size


def test_a_film(stylegan, here):
    result = stylegan("interpolate", 1, 2, "--frames", 3, "--out", "film.gif", *MODEL)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (here / "film.gif").stat().st_size > 1000


def test_faces_differ_and_are_no_noise(stylegan, here):
    result = stylegan("sample", "--seeds", "0-7", "--out", "faces", *MODEL)
    assert result.exit_code == 0
    faces = np.stack([pixels(path).astype(float) for path in sorted((here / "faces").iterdir())])
    assert faces.std(axis=0).mean() > 15
    # Neighbours on a photograph are alike, across and down.
    assert np.abs(np.diff(faces, axis=1)).mean() < 0.5 * faces.std() > np.abs(np.diff(faces, axis=2)).mean()


def test_it_is_small_and_tells_where_it_is_from():
    weights = store.find("faces-64").weights
    assert weights.stat().st_size < 5_000_000
    notes = store.load("faces-64").origin.notes
    assert notes["command"].startswith("stylegan train --data") and notes["kimg"] >= 100


def test_a_z_in_place_of_a_w_is_doubted(stylegan, here):
    """It gives a grey picture; a `w` of the model is not doubted."""
    z = np.random.RandomState(42).randn(1, 256)
    np.save(here / "z.npy", z)
    np.save(here / "w.npy", store.load("faces-64").to_w(torch.from_numpy(z)).numpy())
    doubted, trusted = (stylegan("sample", name, "--model", "faces-64") for name in ("z.npy", "w.npy"))
    assert "z is 3.4 typical distances from the average face, farther than anybody" in doubted.stderr
    assert (doubted.exit_code, trusted.exit_code, trusted.stderr) == (0, 0, "")


def test_many_z_in_place_of_w_are_doubted_once(stylegan, here):
    np.save(here / "z.npy", np.random.RandomState(42).randn(3, 1, 256).astype(np.float32).repeat(10, axis=1))
    words = ("sample", "--latents", "z.npy", "--model", "faces-64")
    result = stylegan(*words)
    assert (result.exit_code, result.stderr.count("Is it a z?")) == (0, 1), result.stderr
    assert stylegan(*words, "--quiet", "--force").stderr == ""
