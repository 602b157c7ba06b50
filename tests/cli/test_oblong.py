"""Models whose pictures are no squares, through the real commands; and those that have a mean of w for each class."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import pixels, size_of
from originals import GOLDEN
from PIL import Image
from small_families import make

from stylegan_cli import importers, modelfile
from stylegan_cli.latents.people import from_seed
from stylegan_cli.media.render import GAP
from stylegan_cli.operations.drift import ruler_of

XL = GOLDEN / "stylegan_xl.pkl"


@pytest.fixture
def drawn(stylegan, here):
    """What a command makes with a model of 32 x 64 pixels."""
    modelfile.save(make("stylegan2", start=(4, 2)), here / "high.safetensors", {})

    def draw(*words):
        result = stylegan(*words, "--model", "high.safetensors")
        assert (result.exit_code, result.stderr) == (0, ""), result.stderr
        return [Path(line) for line in result.stdout.splitlines()]

    return draw


def test_pictures_and_sheets(drawn):
    (alone,) = drawn("sample", 1)
    assert size_of(alone) == (32, 64)
    (small,) = drawn("sample", 1, "--size", 16, "--out", "small.png")
    assert size_of(small) == (16, 32)
    (sheet,) = drawn("sample", "--seeds", "1-4", "--grid", "--columns", 2)
    page = pixels(sheet)
    assert page.shape[1] == 2 * 32 + GAP and page.shape[0] > 2 * 64 + GAP
    assert np.array_equal(page[:64, :32], pixels(alone))
    (figure,) = drawn("mix", "--rows", "1,2", "--cols", 3, "--out", "figure.png")
    page = pixels(figure)
    margin = page.shape[1] - 2 * 32 - GAP
    assert np.array_equal(page[-64:, margin : margin + 32], pixels(drawn("sample", 2)[0]))
    names = (page[-64:, :margin].min(axis=2) < 128).any(axis=1)  # the name of the last row is in its middle
    assert names.any() and abs(np.flatnonzero(names).mean() - 32) < 4


def test_films(drawn):
    (film,) = drawn("interpolate", "0-1", "--frames", 2, "--out", "a.gif")
    assert size_of(film) == (32, 64)
    (wall,) = drawn("interpolate", "0-3", "--grid", "2x1", "--frames", 2, "--out", "b.gif")
    assert size_of(wall) == (2 * 32 + GAP, 64)


def test_parts_keep_their_proportions(drawn):
    (panels,) = drawn("noise", 1, "--panels")
    page = pixels(panels)
    column = (page.shape[1] + GAP) // 4 - GAP  # wider than the faces, whose captions are
    below = page[64 + GAP :][:64, (column - 32) // 2 :][:, :32]
    assert below.shape == (64, 32, 3) and (below != 255).any(axis=2).all()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sample", "-n", 4, "--dataset", "d.zip"], "--dataset needs square pictures, but those of high are 32x64"),
        (["project", "me.jpg"], "finding people in photos needs square pictures, but those of high are 32x64"),
        (["edit", "me.jpg", "--direction", "d.npy=1"], "finding people in photos needs square pictures"),
    ],
)
def test_what_needs_squares(drawn, stylegan, words, sentence):
    Image.new("RGB", (64, 64)).save("me.jpg")
    np.save("d.npy", np.ones(8, np.float32))
    result = stylegan(*words, "--model", "high.safetensors")
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_a_film_that_is_too_high(drawn, stylegan):
    """It would fit if its faces were as high as they are wide."""
    result = stylegan("interpolate", "0-79", "--grid", "1x40", "--size", 256, "--model", "high.safetensors")
    assert (result.exit_code, "makes films of 20,480 pixels" in result.stderr) == (2, True), result.stderr


def test_measuring_and_training_need_squares(drawn, stylegan, here):
    (folder := here / "data").mkdir()
    for i in range(60):
        Image.new("RGB", (16, 16), (i, 2 * i, 3 * i)).save(folder / f"{i}.png")
    result = stylegan("metrics", "high.safetensors", "data", "--num", 50)
    assert (result.exit_code, "measuring needs square pictures" in result.stderr) == (2, True), result.stderr
    result = stylegan("train", "--data", "data", "--outdir", "run", "--resume", "high.safetensors")
    assert (result.exit_code, "makes pictures that are not square, and cannot" in result.stderr) == (2, True)
    result = stylegan("train", "--data", "data", "--outdir", "run", "--resume", XL)
    assert (result.exit_code, "is a StyleGAN-XL with classes, which cannot be trained" in result.stderr) == (2, True)
    assert not Path("run").exists()


def test_what_is_told_of_a_model(drawn, stylegan, here, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    assert stylegan("models", "add", "high.safetensors").exit_code == 0
    assert "32x64" in json.loads(next(here.rglob("model.json")).read_text())["title"]
    assert json.loads(stylegan("models", "show", "high", "--json").stdout)["pictures"] == "32x64"
    result = stylegan("models", "convert", "high.safetensors", "high.pt")
    assert "the sizes of ConstantInput and of noise maps" in result.stderr


def test_the_centre_of_a_class_is_at_no_distance(stylegan, here):
    """Whether the class is known or not."""
    generator = importers.generator(importers.read(XL), "xl")
    origin, means = generator.fingerprint(), generator.mapping.w_avg
    generator.choose_class(2)
    assert generator.fingerprint() == origin
    assert torch.equal(generator.centres, means[2:3])
    np.save("turn.npy", np.ones(generator.w_dim, np.float32))
    centre = [1, "--psi", 0, "--class", 2]
    assert stylegan("sample", *centre, "--out", "centre.png", "--model", XL).exit_code == 0
    for person in (centre, ["centre.png"]):
        how = ["--direction", "turn.npy=1", "--max-drift", 0, "--out", "o.png", "--force", "--model", XL]
        result = stylegan("edit", *person, *how)
        assert result.exit_code == 0
        assert "distance from the average face 0.00 -> 0.00 (1 is typical)" in result.stderr


def test_people_of_all_classes_are_at_a_distance_of_1():
    generator = importers.generator(importers.read(XL), "xl")
    ruler, distances = ruler_of(generator), []
    for number in range(3):
        generator.choose_class(number)
        own = replace(ruler, centres=generator.centres)
        distances += [own.drift(from_seed(generator, seed, 1.0).ws) for seed in range(100)]
    assert abs(np.mean(distances) - 1) < 0.1
