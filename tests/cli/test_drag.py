"""`stylegan drag`: what it takes, what it tells, and with every family."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import pixels, ws_of
from small_families import CONFIGS, make
from tiny_generator import make_tiny

from stylegan_cli import modelfile, recipes, store
from stylegan_cli.cli.photos import spotting
from stylegan_cli.errors import StyleganError
from stylegan_cli.latents.people import from_seed
from stylegan_cli.operations import dragging, grafting


@pytest.fixture
def drag(stylegan, tiny_model, here, no_scorers):
    def run(*words, model=tiny_model):
        return stylegan("drag", *words, "--model", model, "--device", "cpu", "--precision", "fp32")

    return run


def test_the_moves_and_what_is_held(drag, monkeypatch):
    asked = []

    def noted(generator, person, moves, on_step):
        asked.extend(moves)
        return dragging.Dragged(person.moved(person.ws + 0.1, "dragged"), (0.4, 30.2, 1.3, 0.6, 0.4))

    monkeypatch.setattr(dragging, "drag", noted)
    short = ("--move", "7,7..9,7", "--move", "8,8..8,9")
    result = drag(1, "--move", "10,20.5..30,40", "--move", "5,6..5,90", *short, "--save-latents", "--hold", "3,4")
    assert asked[:2] == [dragging.Move((10, 20.5), (30, 40)), dragging.Move((5, 6), (5, 90))]
    assert asked[-1] == dragging.Move((3, 4), (3, 4))
    assert (result.exit_code, result.stdout) == (0, "drag.png\n")
    assert "5,6 is still 30 pixels from 5,90: the model knows no such faces, or the" in result.stderr
    assert "7,7 is still 1 pixels from 9,7" in result.stderr  # not even halfway
    assert not any(f"{point} is still" in result.stderr for point in ("10,20.5", "8,8", "3,4"))
    assert "1, dragged: distance from the average face" in result.stderr
    assert np.array_equal(ws_of("drag.png"), np.load("drag.npz")["w"][0])


@pytest.mark.parametrize("family", CONFIGS)
def test_every_family_can_be_dragged(drag, here, family):
    modelfile.save(make(family), here / "small.safetensors", {})
    result = drag(3, "--move", "20,30..26,30", model="small.safetensors")
    assert (result.exit_code, result.stdout) == (0, "drag.png\n"), result.stderr
    assert pixels("drag.png").shape == (64, 64, 3)


@pytest.mark.parametrize("resolution", [8, 32])
def test_small_models_and_those_that_grow_can_be_dragged(drag, here, resolution):
    """MobileStyleGAN's maps are half as large as its pictures; StyleGAN's last ones are not used yet."""
    small = make_tiny(doublings=resolution.bit_length() - 3)
    modelfile.save(small, here / "small.safetensors", {})
    modelfile.save(make("stylegan1", lod=2.0), here / "young.safetensors", {})
    for model, edge in (("small", resolution), ("young", 64)):
        result = drag(3, "--move", "2,3..5,3", model=f"{model}.safetensors")
        assert (result.exit_code, result.stdout.count("drag")) == (0, 1), result.stderr
        assert pixels(result.stdout.strip()).shape == (edge, edge, 3)


def test_people_of_models_with_classes_need_none(drag, here):
    modelfile.save(make("stylegan2", c_dim=3), here / "classes.safetensors", {})
    first = drag(3, "--move", "20,30..26,30", "--class", 1, "-o", "a.png", model="classes.safetensors")
    again = drag("a.png", "--move", "20,30..26,30", "-o", "b.png", model="classes.safetensors")
    assert (first.exit_code, again.exit_code) == (0, 0), again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to drag: --move 516,183..516,110 moves"),
        (["--hold", "1,2"], "say what to drag"),
        (["--move", "1,2"], "--move takes X,Y..X,Y, like 516,183..516,110, not '1,2'"),
        (["--move", "1,2..3"], "--move takes X,Y..X,Y"),
        (["--move", ""], "--move takes X,Y..X,Y"),
        (["--move", "1,2...3,4"], "--move takes X,Y..X,Y"),
        (["--move", "1,2..3,nan"], "--move takes X,Y..X,Y"),
        (["--move", "1,2..3,4", "--hold", "7"], "--hold takes X,Y, like 516,183, not '7'"),
        (["--move", "1,2..3,129"], "the point 3,129 is not in the picture, which has 128x128 pixels"),
        (["--move", "1,2..3,4"] * 21, "1 to 20 points can be dragged at once, but these are 21"),
    ],
)
def test_what_it_refuses(drag, here, words, said):
    result = drag(1, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not [*here.iterdir()]


def test_one_person_at_a_time(drag):
    result = drag("1,3", "--move", "1,2..3,4")
    assert result.exit_code == 2 and "'1,3' names several people, but here is room for one" in result.stderr


def test_each_part_is_its_givers(stylegan, tiny_model, here):
    """Also with noise of another kind, which all of them get."""
    words = ("--model", tiny_model, "--device", "cpu", "--precision", "fp32")
    for noise in ((), ("--noise", "none")):
        assert stylegan("mix", 1, "--eyes", 2, "--hair", 3, *noise, "-o", "mix.png", "--force", *words).exit_code == 0
        drawn = recipes.read(Path("mix.png")).picture
        tiny = store.load(str(tiny_model))
        one, two, three = (replace(from_seed(tiny, i, 0.7), noise=drawn.noise) for i in (1, 2, 3))
        assert drawn.noise.mode == (noise[1] if noise else "const")
        torch.testing.assert_close(
            drawn.ws, grafting.graft(tiny, one, {"eyes": two, "hair": three}).ws, atol=1e-3, rtol=0
        )


def test_where_parts_are_is_known_of_faces_alone(stylegan, tiny_model, here, monkeypatch):
    """The picture is drawn all the same."""
    monkeypatch.setattr(grafting, "STEPS", 1)
    told = (
        "The picture of 1 shows no face in the place where FFHQ's are: what changes may not be the eyes and the hair.\n"
    )
    for model, said in ((tiny_model, told), ("faces-64", "")):
        words = ("mix", 1, "--eyes", 2, "--hair", 3, "-o", "mix.png", "--force", "--model", model)
        result = stylegan(*words)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "mix.png\n", said)
        assert stylegan(*words, "--quiet").stderr == ""

    def gone(_assets):
        raise StyleganError("it is not there")

    monkeypatch.setattr(spotting, "fetch", gone)
    result = stylegan(*words)
    assert result.exit_code == 0 and "FFHQ's are could not be checked: it is not there.\n" in result.stderr


def test_ones_own_part_is_ones_own(stylegan, tiny_model, here):
    for words in (["sample", 1], ["mix", 1, "--mouth", 1]):
        assert stylegan(*words, "-o", f"{words[0]}.png", "--model", tiny_model).exit_code == 0
    assert np.array_equal(pixels("mix.png"), pixels("sample.png"))


def test_a_photo_s_person_goes_back_into_it(drag, stylegan, astronaut, tiny_model):
    """Everything but the face stays as it is."""
    photo = astronaut.resize((512, 512))
    photo.save("me.png")
    assert stylegan("project", "me.png", "--steps", 1, "-o", "me.npz", "--model", tiny_model).exit_code == 0
    result = drag("me.npz", "--move", "64,80..72,80", "--paste", "me.png")
    assert (result.exit_code, result.stdout) == (0, "me-edited.png\n"), result.stderr
    refused = drag("me.npz", "--move", "64,80..72,80", "--paste", "me.png", "--size", 64)
    assert refused.exit_code == 2 and "faces are pasted at their original size" in refused.stderr
    # So does one with parts of others.
    words = ("--model", tiny_model, "--device", "cpu", "--precision", "fp32")
    assert stylegan("mix", "me.npz", "--eyes", 3, "-o", "mix.png", *words).exit_code == 0
    pasted = stylegan("paste", "mix.png", "me.png", *words)
    assert pasted.exit_code == 0 and "was not found" not in pasted.stderr, pasted.stderr
    assert 0 < (pixels("me-edited.png") != pixels("me.png")).any(axis=2).mean() < 0.5
