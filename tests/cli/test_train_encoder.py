"""`stylegan train-encoder`, from a data set that `stylegan sample` wrote to a file that loads."""

import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from stylegan_cli import encoders, store


@pytest.fixture
def faces(tiny_stylegan):
    return tiny_stylegan("sample", "-n", 40, "--dataset", "faces.zip")


def test_from_sampled_faces_to_an_encoder(stylegan, tiny_model, faces, here):
    result = stylegan("train-encoder", "--data", "faces.zip", "--batch", 8, "--epochs", 1, "--model", tiny_model)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "encoder.safetensors\n"
    assert "epoch 1" in result.stderr
    generator = store.load(str(tiny_model))
    assert encoders.load(here / "encoder.safetensors", generator).config.w_dim == generator.w_dim
    words = ("train-encoder", "--data", "faces.zip", "--batch", 8, "--epochs", 1, "--outdir", "run")
    result = stylegan(*words, "--model", tiny_model)
    assert result.stdout == "run/encoder.safetensors\n"
    place = tiny_model.with_name("encoder.safetensors")
    assert result.stderr.endswith(f"stylegan project looks for it elsewhere: move it to {place}.\n")
    shutil.copy(tiny_model, "run/model.safetensors")
    result = stylegan(*words, "--model", "run/model.safetensors", "--force")
    assert (result.exit_code, "elsewhere" in result.stderr) == (0, False)
    again = stylegan("train-encoder", "--data", "faces.zip", "--model", tiny_model)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "exists" in again.stderr


def test_an_encoder_in_a_folder_is_not_replaced(stylegan, tiny_model, faces, here):
    (here / "run").mkdir()
    (here / "run/encoder.safetensors").write_text("precious")
    words = ("--data", "faces.zip", "-o", "run/", "--model", tiny_model, "--epochs", 1)
    result = stylegan("train-encoder", *words)
    assert result.exit_code == 1
    assert "run/encoder.safetensors exists; choose another name, or use --force" in result.stderr
    assert (here / "run/encoder.safetensors").read_text() == "precious"


def test_the_bar_ends_with_the_training(stylegan, tiny_model, faces, monkeypatch):
    bars, done = [], []

    @contextmanager
    def progress(_what, total, *_):
        bars.append(total)
        yield done.append

    monkeypatch.setattr("stylegan_cli.cli.console.progress", progress)
    words = ("train-encoder", "--data", "faces.zip", "--batch", 8, "--epochs", 2)
    assert stylegan(*words, "--model", tiny_model).exit_code == 0
    assert bars == [done[-1]] == [8]


@pytest.mark.parametrize("name", ["other.zip", "other"])
def test_pictures_of_another_model(stylegan, tiny_model, here, name):
    assert stylegan("sample", "-n", 20, "--dataset", name, "--model", "faces-64").exit_code == 0
    result = stylegan("train-encoder", "--data", name, "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{name} was sampled from the model faces-64" in result.stderr


def test_latents_that_do_not_belong(stylegan, tiny_model, faces, here):
    np.save(here / "faces-w.npy", np.zeros((39, 1, 16), np.float32))
    result = stylegan("train-encoder", "--data", "faces.zip", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "40 pictures, but there are 39 latents" in result.stderr
    np.save(here / "faces-w.npy", np.arange(40 * 5 * 16, dtype=np.float32).reshape(40, 5, 16))
    assert "does not fit tiny" in stylegan("train-encoder", "--data", "faces.zip", "--model", tiny_model).stderr
    for latents in (np.full((40, 1, 16), np.nan, np.float32), np.zeros((40, 1, 16), int)):
        np.save(here / "faces-w.npy", latents)
        assert "NaN" in stylegan("train-encoder", "--data", "faces.zip", "--model", tiny_model).stderr
    (here / "faces-w.npy").unlink()
    assert "there are no latents" in stylegan("train-encoder", "--data", "faces.zip", "--model", tiny_model).stderr


@pytest.mark.parametrize("data", ["faces", "faces.zip"])
def test_a_damaged_picture(stylegan, tiny_stylegan, tiny_model, here, data):
    tiny_stylegan("sample", "-n", 40, "--dataset", data)
    if data == "faces":
        path = here / "faces/00000/img00000007.png"
        path.write_bytes(path.read_bytes()[:-300])
    else:
        path = here / "faces.zip"
        content = bytearray(path.read_bytes())
        content[content.index(b"IDAT") + 20] ^= 1
        path.write_bytes(content)
    result = stylegan("train-encoder", "--data", data, "--model", tiny_model, "--batch", 8, "--epochs", 2)
    assert (result.exit_code, result.stdout) == (1, "")
    sentence = (
        "img00000007.png in faces is damaged (" if data == "faces" else "in faces.zip cannot be unpacked (Bad CRC-32"
    )
    assert sentence in result.stderr and "; sample it again." in result.stderr


def test_an_encoder_has_its_ending(stylegan, tiny_model, faces, here):
    result = stylegan("train-encoder", "--data", "faces.zip", "-o", "a.png", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: a.png: encoders are written as .safetensors.\n"


def test_what_is_no_data_set(stylegan, tiny_model, here):
    (here / "faces.zip").write_text("hello")
    result = stylegan("train-encoder", "--data", "faces.zip", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is neither a folder nor a readable zip" in result.stderr
