"""`stylegan edit` on the tiny model."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from looking import pixels, size_of, ws_of
from PIL import Image

from stylegan_cli import recipes, store
from stylegan_cli.cli import price
from stylegan_cli.cli.commands import edit as edit_command
from stylegan_cli.cli.edits import Amounts, parse_amounts
from stylegan_cli.cli.photos import projecting
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.latents import directions
from stylegan_cli.latents.directions import Direction
from stylegan_cli.scorers import identity, runtime, scores

pytestmark = pytest.mark.usefixtures("no_scorers")


@pytest.fixture
def age(tiny_model, here):
    """A direction of the tiny model, and its file here."""
    tiny = store.load(str(tiny_model))
    vector = torch.randn(tiny.w_dim, generator=torch.Generator().manual_seed(3))
    direction = Direction("age", (0.5 * vector / vector.norm()).expand(tiny.num_ws, -1))
    directions.write(here / "age.npz", direction, tiny.origin)
    return direction


@pytest.fixture
def edit(stylegan, tiny_model, age):
    """Edits on the tiny model that must end well; the paths written. What they cost is told on stderr."""

    def run(*words):
        result = stylegan("edit", *words, "--size", 16, "--model", tiny_model)
        assert result.exit_code == 0, result.stderr
        return [Path(line) for line in result.stdout.splitlines()]

    return run


@pytest.mark.parametrize("amount", ["3", "+3", "-4", "-.5", "1.5"])
def test_amounts_have_signs(edit, tiny_stylegan, age, amount):
    edit(1, "--direction", f"age.npz={amount}")
    tiny_stylegan("sample", "--seeds", 1, "--size", 16, "--out", "one.png")
    assert torch.allclose(ws_of("edit.png"), ws_of("one.png") + float(amount) * age.vector, atol=1e-5)


@pytest.mark.parametrize(
    "words", [["--age", "-4"], ["--age=-4"], ["--age", "-4..4"], ["--age", "+3"], ["--age", "-.5"]]
)
def test_negative_amounts_are_no_options(stylegan, tiny_model, words):
    """This model has no age, and the sentence says so: the amount was understood."""
    result = stylegan("edit", 1, *words, "--model", tiny_model)
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: there is no direction 'age': tiny has none yet; find more with 'stylegan directions', or give a file.\n"
    )


@pytest.mark.parametrize(
    ("is_installed", "code", "said"),
    [
        (False, 1, 'pip install "stylegan-cli[scorers]"'),
        (True, 2, "scores need faces of 128 pixels, but those of faces-64 have 64; give age a length like 3"),
    ],
)
def test_scores_that_cannot_be_aimed_at(stylegan, here, monkeypatch, is_installed, code, said):
    monkeypatch.setattr(runtime, "installed", lambda: is_installed)
    small = store.load("faces-64")
    directions.write(here / "age.npz", Direction("age", torch.ones(small.num_ws, small.w_dim)), small.origin)
    result = stylegan("edit", 1, "--direction", "age.npz=60y", "--model", "faces-64")
    assert (result.exit_code, result.stderr.count("\n")) == (code, 1)
    assert said in result.stderr


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (1, "amounts are lengths in W: 1 is visible, 3 is a lot"),
        (30, "the vector d is 30 long, and amounts multiply it: 0.1 is a lot"),
        (0.25, "the vector d is 0.25 long, and amounts multiply it: 10 is a lot"),
    ],
)
def test_what_amounts_mean_for_vectors_from_elsewhere(stylegan, tiny_model, tiny, here, length, said):
    vector = np.ones(tiny.w_dim, np.float32)
    np.save("d.npy", length * vector / np.linalg.norm(vector))
    result = stylegan("edit", 1, "--direction", "d.npy=500", "--model", tiny_model)
    assert result.exit_code == 2 and said in result.stderr


def test_what_a_direction_keeps_already_is_told(stylegan, tiny_model, age, here):
    tiny = store.load(str(tiny_model))
    gender = Direction("gender", age.vector.roll(1, dims=1))
    directions.write(here / "gender.npz", gender, tiny.origin)
    directions.write(here / "old.npz", replace(age, found={"kept": ["gender"]}), tiny.origin)
    words = ("--keep", "gender.npz", "--size", 16, "--model", tiny_model)
    kept = stylegan("edit", 1, "--direction", "old.npz=2", *words, "--out", "kept.png")
    assert "age already moves gender as little as possible" in kept.stderr
    corrected = stylegan("edit", 1, "--direction", "age.npz=2", *words, "--out", "corrected.png")
    assert "as little as possible" not in corrected.stderr
    plain = stylegan("edit", 1, "--direction", "age.npz=2", *words[2:], "--out", "plain.png")
    assert plain.exit_code == 0, plain.stderr
    assert torch.equal(ws_of("kept.png"), ws_of("plain.png"))
    assert not torch.allclose(ws_of("corrected.png"), ws_of("plain.png"), atol=1e-3)


@pytest.mark.parametrize("amount", ["x", "", "1..", "..2", "nan", "inf", "1e9", "--", "3,5", "y", "5rad"])
def test_what_is_no_amount(stylegan, tiny_model, amount):
    result = stylegan("edit", 1, f"--age={amount}", "--model", tiny_model)
    assert result.exit_code == 2
    assert (
        "the amount of age must be a number like 3 or -1.5, a range like -4..4, or what to reach, like 60y, 0deg or 80%"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("60 y", Amounts(60, unit="years")),
        ("60years", Amounts(60, unit="years")),
        ("10 years..20 yr", Amounts(20, 10, "years")),
        ("-30°", Amounts(-30, unit="degrees")),
        ("0 degrees", Amounts(0, unit="degrees")),
        ("80 %", Amounts(80, unit="%")),
        (" 60 Years ", Amounts(60, unit="years")),
        ("80 percent", Amounts(80, unit="%")),
        ("10 y .. 75 y", Amounts(75, 10, "years")),
        ("-4..4", Amounts(4, -4)),
    ],
)
def test_amounts_as_people_write_them(text, amounts):
    assert parse_amounts("age", text) == amounts


@pytest.mark.parametrize("text", ["+20y", "-5 years", "-5y..20y", "10y..+20y"])
def test_years_are_no_difference(text):
    with pytest.raises(UsageError, match=r"but years are the age to reach, like .*; to make somebody older or younger"):
        parse_amounts("age", text)
    assert parse_amounts("yaw", "+10deg") == Amounts(10, unit="degrees")


@pytest.mark.parametrize(
    ("text", "ours"), [("0-4", "0..4"), ("-4:4", "-4..4"), ("10y-60y", "10y..60y"), ("5-60 Years", "5y..60y")]
)
def test_ranges_of_other_tools(text, ours):
    with pytest.raises(UsageError, match=re.escape(f"the amount of age is {text!r}; write {ours} for a range")):
        parse_amounts("age", text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to edit"),
        (["--direction", "age.npz"], "--direction takes NAME=AMOUNT"),
        (["--direction", "nothing.pt=1"], "there is no direction file nothing.pt"),
        (
            ["--direction", "age.npz=60%"],
            "age is not measured in percent; give 60y, a length like 3, or a range",
        ),
        (
            ["--direction", "age.npz=-3..60y"],
            "both ends of age.npz -3..60y need the same unit; write 20y..60y, or -4..4",
        ),
        (["--direction", "age.npz=20deg..60y"], "need the same unit"),
        (["--direction", "age.npz=2000y"], "the amount of age.npz is 2000y"),
        (["--direction", "age.npz=1", "--keep", "beauty"], "there is no direction 'beauty'"),
        (["--direction", "age.npz=1", "--keep", "age.npz"], "--keep age would keep the only thing that is edited"),
        (["--direction", "age.npz=1", "--layers", "nose"], "there is no band or layer 'nose'"),
        (["--direction", "age.npz=1", "--layers", "none"], "--layers none leaves nothing to move"),
        (["--direction", "age.npz=1", "--steps", "3", "--out", "a.mp4"], "--steps draws a strip"),
        (
            ["--direction", "age.npz=1", "--frames", "3", "2", "--paste", "age.npz"],
            "a film of a photo shows one person",
        ),
        (["--direction", "age.npz=1", "--frames", "3", "2", "--save-latents"], "films side by side have no latents"),
        (["--direction", "age.npz=1", "--loop"], "this is not a film"),
        (["--direction", "age.npz=1", "--steps", "3", "--fps", "9"], "leave out --fps"),
        (["--direction", "age.npz=1", "--out", "a.avi"], "unknown format 'avi'"),
    ],
)
def test_mistakes(stylegan, tiny_model, age, words, said):
    result = stylegan("edit", 1, *words, "--model", tiny_model)
    assert result.exit_code == 2
    assert said in result.stderr


def test_another_models_direction(stylegan, tiny_model, age):
    with np.load("age.npz") as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    about["model"] |= {"sha256": "1" * 64, "fingerprint": ""}
    np.savez("age.npz", **(arrays | {"about": np.array(json.dumps(about))}))
    result = stylegan("edit", 1, "--direction", "age.npz=1", "--model", tiny_model)
    assert result.exit_code == 1
    assert "age.npz is a direction of the model tiny (111111111111), but this is tiny" in result.stderr


def test_several_people_get_names_of_their_own(edit):
    assert edit("1,2", 1, "--direction", "age.npz=1") == [Path(f"edited/{name}.png") for name in ("1-1", "2", "1-2")]


def test_a_strip_has_a_row_for_each_person(edit, age):
    assert edit(1, 2, "--direction", "age.npz=3", "--steps", 3) == [Path("edit.png")]
    sheet = recipes.read(Path("edit.png")).picture
    rows = sheet.rows
    assert sheet.names == ("1", "2")
    assert [[cell.caption for cell in row] for row in rows] == [["age 0", "age +1.5", "age +3"]] * 2
    assert torch.allclose(rows[1][2].ws, rows[1][0].ws + 3 * age.vector, atol=1e-5)


def test_a_range_is_a_strip(edit):
    edit(1, "--direction", "age.npz=-2..2")
    (row,) = recipes.read(Path("edit.png")).picture.rows
    assert [cell.caption for cell in row] == ["age -2", "age -1", "age 0", "age +1", "age +2"]


def test_a_single_amount_holds_beside_a_range(edit, here):
    shutil.copy(here / "age.npz", here / "other.npz")
    edit(1, "--direction", "age.npz=-2..2", "--direction", "other.npz=1", "--steps", 3)
    (row,) = recipes.read(Path("edit.png")).picture.rows
    for cell, amount in zip(row, (-1, 1, 3), strict=True):
        edit(1, "--direction", f"age.npz={amount}", "--out", f"{amount}.png")
        assert torch.allclose(cell.ws, recipes.read(Path(f"{amount}.png")).picture.ws, atol=1e-5)


def test_frames_that_a_longer_film_left_are_told(stylegan, tiny_model, age):
    for frames, told in ((3, ""), (1, "frames also holds 2 frames of a longer film, from frame00002.png on.\n")):
        words = ("--direction", "age.npz=0..1", "--frames", frames, "--out", "frames/", "--force", "--size", 16)
        result = stylegan("edit", 1, *words, "--model", tiny_model)
        assert (result.exit_code, told in result.stderr, "longer film" in result.stderr) == (0, True, bool(told))


def test_a_strip_of_people_with_names_from_everywhere_replays(edit, tiny_stylegan, here):
    tiny_stylegan("sample", "--seeds", "1,2", "--size", 16, "--save-latents", "--out", "who")
    (here / "who/seed0001.npz").rename(here / "José.npz")
    (here / "who/seed0002.npz").rename(here / "王.npz")
    edit("José.npz", "王.npz", "--direction", "age.npz=-1..1")
    assert recipes.read(Path("edit.png")).picture.names == ("José", "王")
    tiny_stylegan("replay", "edit.png", "--out", "again.png")
    assert (here / "again.png").read_bytes() == (here / "edit.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "frames"), [(["--out", "years.mp4"], 61), (["--frames", 4], 5), (["--frames", 4, "--loop"], 8)]
)
def test_films(edit, words, frames):
    (path,) = edit(1, "--direction", "age.npz=-4..4", *words)
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == frames


def test_frames_begin_and_end_at_the_range(edit):
    made = edit(1, "--direction", "age.npz=-2..2", "--frames", 4, "--out", "frames")
    edit(1, "--direction", "age.npz=-2", "--out", "low.png")
    edit(1, "--direction", "age.npz=2", "--out", "high.png")
    assert len(made) == 5
    assert np.array_equal(pixels(made[0]), pixels("low.png"))
    assert np.array_equal(pixels(made[-1]), pixels("high.png"))


def test_films_of_several_people_are_side_by_side(edit, tiny_stylegan, here):
    words = ("--direction", "age.npz=-2..2", "--frames", 2)
    made = edit("1,2", *words, "--out", "both/")
    for i, person in enumerate((1, 2)):
        alone = edit(person, *words, "--out", f"{person}/")
        for wall, own in zip(made, alone, strict=True):
            assert np.array_equal(pixels(wall)[:, 20 * i : 20 * i + 16], pixels(own))
    tiny_stylegan("replay", made[1], "--out", "again.png")
    assert (here / "again.png").read_bytes() == made[1].read_bytes()
    (film,) = edit("1-8", *words, "--loop", "--out", "film.webp")
    with Image.open(film) as image:
        assert (image.size, image.n_frames) == ((4 * 20 - 4, 2 * 20 - 4), 4)


def test_films_side_by_side_know_whose_photos_they_come_from(edit, tiny, tiny_model):
    for name in "ab":
        about = {
            "model": store.load(str(tiny_model)).origin.to_plain(),
            "photo": {"file": f"{name}.jpg", "alignment": None},
        }
        np.savez(f"{name}.npz", w=tiny.w_avg.expand(1, tiny.num_ws, -1).numpy(), about=np.array(json.dumps(about)))
    made = edit("a.npz", "b.npz", "--direction", "age.npz=-2..2", "--frames", 1, "--out", "both/")
    photos = recipes.read(made[1]).photo
    assert [(photo["file"], photo["edited"]) for photo in photos] == [("a.jpg", True), ("b.jpg", True)]


def test_saved_latents_and_replay(edit, tiny_stylegan, here):
    edit(1, "--direction", "age.npz=2", "--save-latents")
    tiny_stylegan("sample", "--latents", "edit.npz", "--size", 16, "--out", "again.png")
    assert np.array_equal(pixels("again.png"), pixels("edit.png"))
    tiny_stylegan("replay", "edit.png", "--out", "replay.png")
    assert (here / "replay.png").read_bytes() == (here / "edit.png").read_bytes()


def test_layers(edit, tiny):
    edit(1, "--direction", "age.npz=3", "--layers", "fine", "--steps", 2)
    (row,) = recipes.read(Path("edit.png")).picture.rows
    changed = (row[0].ws != row[1].ws).any(dim=1)
    assert [layer.band for layer in tiny.layers if changed[layer.index]] == ["fine"] * 3


def test_the_users_own_directions_have_names(tiny_stylegan, tiny_model, age, here, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    folder = store.source(str(tiny_model)).own_directions
    assert folder.is_relative_to(here / "data")
    folder.mkdir(parents=True)
    (here / "age.npz").rename(folder / "age.npz")
    tiny_stylegan("edit", 1, "--age", "-4", "--size", 16, "-q")
    assert size_of("edit.png") == (16, 16)


def test_the_price_is_told_and_the_limit_kept(stylegan, tiny_model, age):
    result = stylegan("edit", 1, "--direction", "age.npz=7", "--psi", 0.5, "--model", tiny_model, "--size", 16)
    assert result.exit_code == 0
    start, stop = re.search(r"average face (\S+) -> (\S+) \(", result.stderr).groups()
    assert float(start) < float(stop)
    words = ["--direction", "age.npz=7", "--psi", 0.5, "--max-drift", f"{(float(start) + float(stop)) / 2:.2f}"]
    result = stylegan("edit", 1, *words, "--model", tiny_model, "--size", 16, "--force", "--out", "edit.png")
    told = re.search(r"stops the edit at age \+([\d.]+)\.\n", result.stderr)
    assert told and 0 < float(told[1]) < 7
    assert f"-> {words[-1]} (1 is typical)" in result.stderr


def test_a_foreign_direction_is_told(stylegan, tiny_model, tiny):
    torch.save(torch.ones(1, tiny.w_dim), "smile.pt")
    result = stylegan("edit", 1, "--direction", "smile.pt=0.1", "--model", tiny_model, "--size", 16)
    assert "smile.pt does not say which model it belongs to; only its shape was checked." in result.stderr


def test_small_faces_are_not_judged(stylegan, tiny_model, age, monkeypatch):
    monkeypatch.setattr(price, "installed", lambda: True)
    monkeypatch.setattr(price, "Scorers", None)
    monkeypatch.setattr(price, "SMALLEST", 256)
    result = stylegan("edit", 1, "--direction", "age.npz=0.5", "--out", "a.png", "--model", tiny_model)
    told = result.stderr.splitlines()
    assert (result.exit_code, len(told)) == (0, 2)
    assert told[0] == "What else changed is not known: faces of 128 pixels are too small for scorers, which need 256."
    assert re.fullmatch(r"1, age \+0.5: distance from the average face \S+ -> \S+ \(1 is typical\)\.", told[1])


def test_small_faces_have_no_identity(stylegan, tiny_model, age, monkeypatch):
    monkeypatch.setattr(scores, "SMALLEST", 256)
    result = stylegan("edit", 1, "--direction", "age.npz=1", "--identity", "--model", tiny_model)
    assert result.exit_code == 2
    assert "--identity needs faces of 256 pixels, but those of tiny have 128; leave it out" in result.stderr


def test_nothing_is_fetched_for_an_edit_that_cannot_be(stylegan, tiny_model, age, monkeypatch):
    monkeypatch.setattr(scores, "SMALLEST", 128)
    monkeypatch.setattr(edit_command, "fetch", lambda *_: pytest.fail("100 MB were fetched"))
    result = stylegan("edit", "nobody", "--direction", "age.npz=1", "--identity", "--model", tiny_model)
    assert result.exit_code == 2 and "nobody" in result.stderr


def test_what_cannot_be_fetched_costs_no_search(stylegan, tiny_model, age, monkeypatch):
    """Photos are only looked at before."""

    def refuse(_assets):
        raise StyleganError("there is no network")

    Image.new("RGB", (128, 128)).save("me.png")
    monkeypatch.setattr(scores, "SMALLEST", 128)
    monkeypatch.setattr(projecting, "prepared", lambda *_: None)
    monkeypatch.setattr(projecting, "person", lambda *_: pytest.fail("minutes were spent"))
    monkeypatch.setattr(edit_command, "fetch", refuse)
    result = stylegan("edit", "me.png", "--direction", "age.npz=1", "--identity", "--model", tiny_model)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "Error: there is no network.")


def test_the_price_tells_what_else_moved(stylegan, tiny_model, age, monkeypatch):
    class Light:
        assets = ()

        def __init__(self, _names):
            pass

        def __call__(self, image):
            return {"age": float(np.mean(np.asarray(image))), "smile": float("nan")}

    monkeypatch.setattr(price, "installed", lambda: True)
    monkeypatch.setattr(price, "Scorers", Light)
    monkeypatch.setattr(price, "fetch", lambda _assets, **_options: None)
    monkeypatch.setattr(identity, "installed", lambda: True)
    monkeypatch.setattr(identity, "embed", lambda image: np.asarray(image, float).mean(axis=(0, 1)))
    result = stylegan("edit", 1, "--direction", "age.npz=-3..3", "--model", tiny_model, "--size", 128)
    *lines, advice = result.stderr.splitlines()
    assert advice.startswith("Faces are often ruined by edits this large")  # 3 is more, where w is small
    assert [line.partition(":")[0] for line in lines] == ["1, age -3", "1, age +3"]
    assert all(line.partition(": ")[2].startswith("age ") and "smile" not in line for line in lines)
    assert all("; the identity network takes it for another person" in line for line in lines)


def test_scorers_that_cannot_be_fetched_cost_no_edit(stylegan, tiny_model, age, monkeypatch):
    def refuse(_assets):
        raise StyleganError("there is no network")

    monkeypatch.setattr(price, "installed", lambda: True)
    missing = SimpleNamespace(cached=Path("nowhere"))
    monkeypatch.setattr(price, "Scorers", lambda _names: SimpleNamespace(assets=(missing,)))
    monkeypatch.setattr(price, "fetch", refuse)
    result = stylegan("edit", 1, "--direction", "age.npz=1", "--model", tiny_model, "--size", 16)
    assert (result.exit_code, result.stdout) == (0, "edit.png\n")
    assert "What else changed is not known: there is no network." in result.stderr


def test_amounts_that_no_face_bears_are_refused_first(stylegan, tiny_model, age, here):
    """Before minutes are spent on a photo, which here is not even one."""
    (here / "me.jpg").write_bytes(b"")
    words = ["edit", "me.jpg", "--direction", "age.npz=0..60", "--model", tiny_model]
    result = stylegan(*words)
    assert result.exit_code == 2
    assert re.search(
        r"age \+60 would move people \d+\.\d typical distances, .*; for 60 years, give --age 60y", result.stderr
    )
    assert "not years" not in stylegan(*words, "--max-drift", 1).stderr
