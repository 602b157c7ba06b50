"""`stylegan apply` on the tiny model: files of edits, many people, strict checking."""

import errno
import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import ws_of
from PIL import Image

from stylegan_cli.cli.photos import projecting

pytestmark = pytest.mark.usefixtures("no_scorers")


@pytest.fixture
def folder(here, tiny):
    """A folder with two directions in it."""
    (here / "edits").mkdir()
    for i, name in enumerate(("age", "smile")):
        np.save(here / "edits" / f"{name}.npy", np.eye(tiny.w_dim, dtype=np.float32)[i])
    return here / "edits"


@pytest.fixture
def apply(stylegan, tiny_model, folder):
    def run(text, *words, ending="toml"):
        (folder / f"recipe.{ending}").write_text(text)
        return stylegan("apply", f"edits/recipe.{ending}", *words, "--size", 16, "--model", tiny_model)

    return run


TOML = """
[[edit]]
"age.npy" = 3
layers = "coarse"
keep = ["smile.npy"]

[[edit]]
direction = "smile.npy"
amount = -1.5
"""
JSON = json.dumps({
    "edit": [{"age.npy": 3, "layers": "coarse", "keep": "smile.npy"}, {"direction": "smile.npy", "amount": -1.5}]
})  # fmt: skip


@pytest.mark.parametrize(("text", "ending"), [(TOML, "toml"), (JSON, "json")])
def test_edits_in_order_for_everybody(apply, tiny_stylegan, tiny, text, ending):
    result = apply(text, "1-2", "--psi", 0.5, ending=ending)
    assert result.exit_code == 0
    assert result.stdout.split() == ["edited/1.png", "edited/2.png"]
    for seed in (1, 2):
        tiny_stylegan("sample", "--seeds", seed, "--psi", 0.5, "--size", 16, "--out", f"{seed}.png")
        moved = ws_of(f"edited/{seed}.png") - ws_of(f"{seed}.png")
        expected = torch.zeros(tiny.num_ws, tiny.w_dim)
        expected[:, 1] = -1.5
        expected[[layer.index for layer in tiny.layers if layer.band == "coarse"], 0] = 3
        assert torch.allclose(moved, expected, atol=1e-5)


def test_one_of_several_directions_beside_the_edits(apply, folder, tiny_stylegan, tiny):
    np.save(folder / "several.npy", np.eye(tiny.w_dim, dtype=np.float32)[:3])
    assert apply('[[edit]]\n"several.npy#2" = 2', 1, "--out", "one.png").exit_code == 0
    tiny_stylegan("sample", "--seeds", 1, "--size", 16, "--out", "1.png")
    expected = torch.zeros(tiny.num_ws, tiny.w_dim)
    expected[:, 2] = 2
    assert torch.allclose(ws_of("one.png") - ws_of("1.png"), expected, atol=1e-5)


def test_one_person_goes_where_out_says(apply):
    assert apply(TOML, 1, "--out", "one.png").stdout == "one.png\n"


def test_who_fails_does_not_stop_the_others(apply):
    Path("broken.npy").write_bytes(b"no")
    Image.new("RGB", (8, 8)).save("flat.png")
    result = apply(TOML, "broken.npy", 1, "nobody", "2")
    assert result.exit_code == 1
    assert result.stdout.split() == ["edited/1.png", "edited/2.png"]
    assert "broken.npy cannot be read" in result.stderr
    assert "unknown person 'nobody'" in result.stderr
    assert result.stderr.splitlines()[-1] == "Error: 2 of 4 people could not be edited: broken.npy, nobody."


def test_names_and_folder_do_not_depend_on_who_fails(apply):
    assert apply(TOML, 1, "nobody").stdout == "edited/1.png\n"
    assert apply(TOML, 1, "nobody", "--out", "results").stdout == "results/1.png\n"


def test_a_photo_that_cannot_be_read_does_not_stop_the_others(apply, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    Image.new("RGB", (8, 8)).save("me.png")
    monkeypatch.setattr(projecting, "person", fails)
    result = apply(TOML, "me.png", 1)
    assert result.stdout == "edited/1.png\n"
    assert "Error: Input/output error." in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold edits and nothing else; write [[edit]] with age = 3"),
        ("age = 3", "must hold edits and nothing else"),
        ("[edit]\nage = 3", "is not a list of tables"),
        ("edit = []", "is not a list of tables"),
        ("edit = [3]", "is not a list of tables"),
        ("[[edit]", "cannot be read: "),
        ("[[edit]]\nage = 60y", 'and put texts like "60y" in quotes'),
        ("[[edit]]", "edit 1 in edits/recipe.toml moves nothing"),
        ("[[edit]]\nage = '60'", "age of edit 1 in edits/recipe.toml is '60'; an amount is a number"),
        ("[[edit]]\nage = '20y..60y'", "is '20y..60y'; an amount is a number"),
        ("[[edit]]\nage = '60 rad'", "is '60 rad'; an amount is a number"),
        ("[[edit]]\nage = '3'", "age of edit 1 in edits/recipe.toml is '3'; an amount is a number"),
        ("[[edit]]\nage = true", "age of edit 1 in edits/recipe.toml is True"),
        ("[[edit]]\nage = nan", "is nan; an amount is a number"),
        ("[[edit]]\nage = 3\nlayers = 3", 'are 3; write them like "coarse,middle"'),
        ("[[edit]]\nage = 1e39", "an amount is a number like 3 or -1.5"),
        ("[[edit]]\nage = 3\nkeep = [3]", 'is [3]; write it like ["gender", "smile"]'),
        ("[[edit]]\ndirection = 'smile.npy'", "has a direction, but no amount; give both"),
        ("[[edit]]\ndirection = 'smile.npy'\namont = 1", "but no amount: amont (did you mean amount?); give both"),
        ("[[edit]]\ndirecton = 'smile.npy'\namount = 1", "an amount, but no direction: directon (did you mean"),
        ("[[edit]]\nage = 3\nlayer = 'coarse'", "layer (did you mean layers?) of edit 1 in edits/recipe.toml is 'co"),
        ("[[edit]]\n'smile.npy' = 3\ndirection = 'smile.npy'\namount = 1", "has two amounts of smile.npy; give one"),
        ("[[edit]]\namount = 3", "an amount, but no direction; give both"),
        ("[[edit]]\ndirection = 3\namount = 3", "the direction of edit 1 in edits/recipe.toml is 3"),
        (
            "[[edit]]\n'age.npy' = 3\n[[edit]]\nbeauty = 1",
            "edit 2 in edits/recipe.toml: there is no direction 'beauty': tiny",
        ),
        ("[[edit]]\n'age.npy' = 3\nlayers = 'nose'", "edit 1 in edits/recipe.toml: there is no band or layer 'nose'"),
        ("[[edit]]\n'age.npy' = 3\nkeep = ['gone.npz']", "there is no direction file gone.npz"),
    ],
)
def test_mistakes_in_the_file(apply, text, said):
    result = apply(text, 1)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1 + result.stderr.count("only its shape was checked")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a." * 8000 + "a = 1", "must hold edits and nothing else"),
        (f"[[edit]]\nage = 3\n{'a.' * 2000}a = 1", "a of edit 1 in edits/recipe.toml is {'a': {'a': {'a':"),
        (" " * 16_384 + "x", "recipe.toml has 16,385 bytes, and 16,384 are the most for a file of edits; split it"),
    ],
    ids=["one key", "deeper than Python's stack", "too large"],
)
def test_keys_of_many_parts(apply, text, said):
    """Python's parser takes memory for the square of their number."""
    tracemalloc.start()
    result = apply(text, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert said in result.stderr
    assert peak < 1 << 29


def test_a_file_of_many_edits(apply):
    assert apply('[[edit]]\n"age.npy" = 0.001\n' * 500, 1, "-q").exit_code == 0


def test_what_is_only_called_like_a_direction_is_none(apply):
    Path("edits/age").write_text("notes")
    assert "there is no direction 'age'" in apply("[[edit]]\nage = 3", 1).stderr


def test_a_byte_order_mark(apply):
    """Windows' editors write one."""
    assert apply(f"\ufeff{TOML}", 1, "-q").exit_code == 0
    assert apply('\ufeff{"edit": [{"age.npy": 3}]}', 2, "-q", ending="json").exit_code == 0


def test_what_is_no_file_of_edits(apply):
    result = apply(TOML, 1, ending="yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: edits/recipe.yaml is not a .toml or .json file; name one.\n",
    )
    assert "cannot be read" in apply("[" * 16_000, 1, ending="json").stderr
    assert apply(json.dumps({"edit": [{"age.npy": float("nan")}]}), 1, ending="json").exit_code == 1
