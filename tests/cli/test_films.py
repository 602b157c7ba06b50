"""`stylegan interpolate` on the tiny model."""

import json
from pathlib import Path
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from looking import pixels, size_of, ws_of
from PIL import Image

from stylegan_cli import __version__, recipes
from stylegan_cli.cli.filming import FILMS, FRAMES, frame_name, rolling, tell_of_older
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import replacing_alone
from stylegan_cli.media import render as drawing
from stylegan_cli.media.encode import FORMATS
from stylegan_cli.media.film import CODECS, filming
from stylegan_cli.noise import Noise

pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


def count(path):
    if path.suffix in (".gif", ".webp"):
        with Image.open(path) as image:
            return image.n_frames
    return imageio_ffmpeg.count_frames_and_secs(str(path))[0]


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "webp"])
@pytest.mark.parametrize(("loop", "frames"), [([], 7), (["--loop"], 9)])
def test_number_of_frames(tiny_stylegan, ending, loop, frames):
    """Three people: two ways between them and the last frame, or three ways round."""
    (film,) = tiny_stylegan("interpolate", 1, 2, 3, "--frames", 3, "--size", 32, "--out", f"film.{ending}", *loop)
    assert count(film) == frames


def test_films_say_how_they_were_made(tiny_stylegan, stylegan):
    tiny_stylegan("interpolate", 1, 2, "--frames", 1, "--size", 16, "--out", "a=b; c.mp4")
    made = json.loads(stylegan("show", "a=b; c.mp4", "--json").stdout)
    assert made["command"].startswith("stylegan interpolate 1 2 --frames 1 --size 16 --out 'a=b; c.mp4' --model ")
    told = stylegan("show", "a=b; c.mp4").stdout.splitlines()
    assert told[:2] == [f"command     {made['command']}", f"version     {__version__}"]
    assert [line.split()[:2] for line in told[2:]] == [["model", "tiny"], ["precision", made["precision"]]]
    result = stylegan("replay", "a=b; c.mp4")
    assert result.exit_code == 2
    assert f"is a film; to make it again, run its command: {made['command']}" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "5", "{}", '{"command": "stylegan"}', "hello"])
@pytest.mark.parametrize("words", [["show"], ["show", "--json"], ["replay"]], ids=" ".join)
def test_films_of_others(stylegan, here, text, words):
    with filming(here / "a.mp4", 10, "mp4", text) as add:
        add(np.zeros((16, 16, 3), np.uint8))
    result = stylegan(*words, "a.mp4")
    assert (result.exit_code, "a.mp4 does not say how it was made" in result.stderr) == (1, True)
    assert result.stdout == ""


def test_films_keep_one_noise(tiny_stylegan, stylegan, tiny_model):
    made = tiny_stylegan("noise", 1, "--count", 2, "--out", "noise", "--size", 16)
    words = ("--frames", 1, "--size", 16, "--model", tiny_model)
    result = stylegan("interpolate", *made, *words)
    assert (result.exit_code, "Films keep the noise of their first person" in result.stderr) == (0, True)
    assert "noise" not in stylegan("interpolate", made[0], made[0], *words).stderr


def test_films_take_noise(tiny_stylegan, stylegan, tiny_model):
    def film(name, *words):
        made = tiny_stylegan("interpolate", 1, 2, "--frames", 2, "--size", 32, *words, "--out", name)
        return [pixels(path) for path in made]

    one, again, two, none = (
        film(name, *words.split())
        for name, words in (
            ("a", "--noise random --seed 1"),
            ("b", "--noise_mode=random --seed=1"),
            ("c", "--noise random --seed 2"),
            ("d", "--noise-mode=none"),
        )
    )
    assert np.array_equal(one, again)
    looks = [film("e")[1], film("f", "--noise", "const")[1], one[1], two[1], none[1]]
    assert np.array_equal(looks[0], looks[1])
    assert len({look.tobytes() for look in looks}) == 4
    assert {recipes.read(Path("a", f"frame0000{i}.png")).picture.noise for i in range(3)} == {Noise("random", 1)}
    saved = tiny_stylegan("noise", 1, "--count", 2, "--out", "noise", "--size", 16)
    tiny_stylegan("interpolate", *saved, "--noise", "none", "--frames", 1, "--size", 16)  # nothing to tell


def test_a_circle_goes_through_two_people_and_closes(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "1-4", "--size", 32, "--psi", 0.5)
    words = ("--method", "circle", "--frames", 16, "--size", 32, "--psi", 0.5)
    frames = [pixels(path) for path in tiny_stylegan("interpolate", 1, 2, *words, "--out", "frames")]
    assert len(frames) == 16
    assert np.array_equal(frames[0], pixels("faces/seed0001.png"))
    assert np.array_equal(frames[4], pixels("faces/seed0002.png"))
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert min(steps) > 0 and steps[-1] < 1.5 * max(steps[:-1])  # the seam is a step like the others
    wall = tiny_stylegan("interpolate", "--seeds", "1-4", "--grid", "2x1", "--loop", *words, "--out", "wall")
    assert len(wall) == 16 and np.array_equal(pixels(wall[4])[:, 36:], pixels("faces/seed0004.png"))
    band = tiny_stylegan("interpolate", 1, 2, *words, "--layers", "coarse", "--out", "band")
    assert (ws_of(band[8]) != ws_of(band[0])).any(dim=1).tolist() == [i < 4 for i in range(len(ws_of(band[0])))]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("1 2 3 --method circle", 2, "with --grid for each of its films, but these are 3; name 2"),
        ("1-8 --grid 2x1 --method circle", 2, "but these are 8; name 4"),
        ("1 --fine 2 --method circle", 2, "a circle is one even turn through two people; leave out --fine"),
        ("1 2 --easing smooth --method circle", 2, "leave out --easing"),
        ("1 1 --method circle", 1, "no circle leads through 1 and 1, who have the same z; name two different"),
        ("1 mean.npy --method circle", 1, "moves in Z, but only the w of mean is known; use a seed"),
        ("1 me.jpg --method circle", 2, "--method circle needs the z of seeds, and a photo like me.jpg has only a w"),
        ("1 2 --seed 1", 2, "--seed is for --noise random"),
        ("1 2 --noise loud", 2, "--noise must be one of const, random, none"),
        ("1 2 --translate 1", 2, "--translate takes two numbers like 0.1,-0.2, or a range like 0,0..0.1,0, not '1'"),
        ("1 2 --translate 1,2..3", 2, "--translate takes two numbers"),
        ("1 2 --rotate 1..inf", 2, "--rotate takes a number like 15, or a range like 0..360, not '1..inf'"),
        ("1 2 --rotate 0..9", 2, "cannot move or turn faces; StyleGAN3 can"),
    ],
)
def test_films_that_cannot_be(stylegan, tiny_model, tiny, here, words, code, said):
    np.save("mean.npy", tiny.w_avg.numpy())
    (here / "me.jpg").touch()
    result = stylegan("interpolate", *words.split(), "--model", tiny_model)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_films_side_by_side(tiny_stylegan, stylegan, tiny_model):
    words = ("--frames", 2, "--size", 16)
    made = tiny_stylegan("interpolate", "1-6", "--grid", "3x1", *words, "--out", "grid/")
    assert [path.stem for path in made] == [f"frame0000{i}" for i in range(3)]
    tiny_stylegan("interpolate", 3, 4, *words, "--out", "own/")
    for i in range(3):
        assert size_of(made[i]) == (3 * 20 - 4, 16)
        assert np.array_equal(pixels(made[i])[:, 20:36], pixels(f"own/frame0000{i}.png"))
    upright = tiny_stylegan("interpolate", "1-6", "--grid", "1,3", *words, "--out", "upright/")
    assert size_of(upright[0]) == (16, 3 * 20 - 4)
    (film,) = tiny_stylegan("interpolate", "--seeds", "0-7", "--grid=2x2", *words, "--loop", "--out", "wall.mp4")
    assert count(film) == 4
    for more, said in (
        (("--grid", ""), "--grid takes columns and rows"),
        (("--grid", "3x1", "--size", 8000), "--grid 3x1 makes films of 24,000 pixels"),
        (("--grid", "3"), "--grid takes columns and rows like 4x2"),
        (
            ("--grid", "4x1"),
            "--grid 4x1 needs the same number of people, two or more, for each of its films; these are 6",
        ),
        (("--grid", "3x1", "--fine", 9), "leave out --fine"),
        (("--grid", "3x1", "--save-latents"), "leave out --save-latents"),
    ):
        result = stylegan("interpolate", "1-6", *more, "--model", tiny_model)
        assert (result.exit_code, said in result.stderr) == (2, True)


def test_a_film_of_mixtures(tiny_stylegan, tiny):
    """One row of the figure: whoever moves, as in a film of their own, then with the styles of each column."""
    words = ("--rows", "1,2", "--cols", "3-4", "--styles", "middle", "--size", 16, "--noise", "none")
    made = tiny_stylegan("mix", *words, "--frames", 2, "--out", "mixed/")
    own = tiny_stylegan("interpolate", 1, 2, "--loop", "--frames", 2, "--noise", "none", "--size", 16, "--out", "own/")
    assert [path.name for path in made] == [path.name for path in own] and len(made) == 4
    for path, moving in zip(made, own, strict=True):
        header, row = recipes.read(path).picture.rows
        assert [cell and cell.caption for cell in header] == [None, "3", "4"]
        assert torch.equal(row[0].ws, ws_of(moving))
        for giver, mixed in zip(header[1:], row[1:], strict=True):
            for layer in tiny.layers:
                source = giver if layer.band == "middle" else row[0]
                assert torch.equal(mixed.ws[layer.index], source.ws[layer.index])
        assert {face.noise for face in row} == {Noise("none")}
    tiny_stylegan("replay", made[1], "--out", "again.png")
    assert Path("again.png").read_bytes() == made[1].read_bytes()
    (film,) = tiny_stylegan("mix", *words, "--out", "film.webp", "--frames", 3)
    assert count(film) == 6
    assert tiny_stylegan("mix", *words, "--out", "figure.webp") == [Path("figure.webp")]
    assert count(Path("figure.webp")) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--coarse 1 --fine 2", "moves through the people of --rows; name two or more, and --cols"),
        ("--rows 1 --cols 2,3", "moves through the people of --rows; name two or more, and --cols"),
        ("--rows 1,2 --cols 2,3 --save-latents", "leave out --save-latents"),
        ("--rows 1,2", "the figure needs both --rows and --cols"),
        ("--rows 1,2 --cols 3 --size 8192", "at most 16,000 pixels per edge, but this one is 16388 x"),
    ],
)
def test_mixtures_that_are_no_film(stylegan, tiny_model, words, said):
    result = stylegan("mix", *words.split(), "--out", "a.mp4", "--model", tiny_model)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    result = stylegan("mix", "--rows", "1,2", "--cols", 3, "--fps", 9, "--model", tiny_model)
    assert "this is not a film, which needs --frames or --out film.mp4; leave out --fps" in result.stderr


def test_mixtures_draw_each_face_once(tiny_stylegan, monkeypatch):
    """The people of the columns above them do not change."""
    drawn, synthesise = [], drawing._synthesise
    monkeypatch.setattr(drawing, "_synthesise", lambda *what: drawn.append(1) or synthesise(*what))
    tiny_stylegan("mix", "--rows", "1,2", "--cols", "3,4,5", "--frames", 2, "--size", 32, "--out", "a.mp4")
    assert len(drawn) == 3 + 4 * (1 + 3)


def test_a_colon_in_a_name_is_no_protocol(tiny_stylegan):
    (film,) = tiny_stylegan("interpolate", 1, 2, "--frames", 3, "--size", 32, "--out", "12:30.mp4")
    assert count(film.resolve()) == 4


def test_mp4_unless_said_otherwise(tiny_stylegan):
    assert tiny_stylegan("interpolate", "1,2", "--frames", 2, "--size", 16) == [Path("film.mp4")]
    assert tiny_stylegan("interpolate", "1-2", "--frames", 2, "--size", 16, "--format", "gif") == [Path("film.gif")]


def test_what_nobody_named_gets_a_name_of_its_own(tiny_stylegan, here):
    words = ("interpolate", 1, 2, "--frames", 2, "--size", 16)
    with replacing_alone(here / "film.mp4"):  # as another process would that makes one
        assert tiny_stylegan(*words) == [Path("film-2.mp4")]
    (here / "film.mp4").unlink()
    for left in (".film.mp4.lock", ".film.12.part.mp4"):  # a killed one is in nobody's way
        (here / left).touch()
    assert tiny_stylegan(*words) == [Path("film.mp4")]
    assert sorted(path.name for path in here.iterdir() if "film" in path.name) == ["film-2.mp4", "film.mp4"]


@pytest.mark.parametrize("words", [["--out", "frames"], ["--format", "png"], ["--format", "jpg", "--out", "frames"]])
def test_numbered_frames(tiny_stylegan, words):
    made = tiny_stylegan("interpolate", 1, 2, "--frames", 3, "--size", 16, *words)
    assert [path.stem for path in made] == [f"frame0000{i}" for i in range(4)]
    assert all(size_of(path) == (16, 16) for path in made)


@pytest.mark.parametrize("words", ["interpolate 1 2", "edit 1 --direction smile=0..2 --frames 3"])
def test_frames_that_exist_are_seen_before_anybody_is_searched_for(stylegan, here, words):
    (here / "frames").mkdir()
    (here / "frames" / "frame00000.jpg").touch()
    result = stylegan(*words.split(), "--format", "jpg", "--out", "frames", "--model", "missing.safetensors")
    assert "frame00000.jpg exists; choose another name, or use --force" in result.stderr


@pytest.mark.parametrize("method", ["linear", "cubic", "spherical"])
def test_a_film_hits_its_people_and_a_loop_comes_back(tiny_stylegan, method):
    tiny_stylegan("sample", "--seeds", "1-3", "--size", 32)
    words = ["interpolate", 1, 2, 3, "--frames", 4, "--loop", "--method", method, "--size", 32, "--out", "frames"]
    frames = [pixels(path) for path in tiny_stylegan(*words)]
    assert len(frames) == 12
    for i, seed in enumerate((1, 2, 3)):
        assert np.array_equal(frames[4 * i], pixels(f"faces/seed000{seed}.png"))
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert steps[-1] < 1.5 * max(steps[:-1])  # the seam is a step like the others
    assert min(steps) > 0


def test_one_band_moves_and_the_others_rest(tiny_stylegan, tiny):
    made = tiny_stylegan("interpolate", 1, 2, "--layers", "coarse", "--frames", 2, "--size", 16, "--out", "frames")
    first, last = (ws_of(made[i]) for i in (0, -1))
    for layer in tiny.layers:
        assert torch.equal(first[layer.index], last[layer.index]) == (layer.band != "coarse")


def test_bands_with_targets_of_their_own(tiny_stylegan, tiny):
    tiny_stylegan("sample", "--seeds", "1-4", "--size", 16)
    words = ["interpolate", 1, "--coarse", "2,3", "--fine", 4, "--frames", 2, "--size", 16, "--out", "frames"]
    made = tiny_stylegan(*words)
    assert len(made) == 5
    last = ws_of(made[-1])
    for layer in tiny.layers:
        who = {"coarse": 3, "middle": 1, "fine": 4}[layer.band]
        expected = ws_of(f"faces/seed000{who}.png")[layer.index]
        assert torch.equal(last[layer.index], expected)


def test_latents_of_a_film(tiny_stylegan, tiny):
    tiny_stylegan("interpolate", 1, 2, "--frames", 3, "--size", 16, "--save-latents")
    ws = np.load("film.npy")
    assert (ws.shape, ws.dtype) == ((4, tiny.num_ws, tiny.w_dim), np.float32)
    tiny_stylegan("sample", "--latents", "film.npy", "--out", "again", "--size", 16)
    tiny_stylegan("interpolate", 1, 2, "--frames", 3, "--size", 16, "--out", "frames")
    for i in range(4):
        assert np.array_equal(pixels(f"again/film-{i}.png"), pixels(f"frames/frame0000{i}.png"))


def test_frames_are_people(tiny_stylegan):
    tiny_stylegan("interpolate", 1, 2, "--frames", 2, "--size", 16, "--save-latents", "--out", "frames")
    tiny_stylegan("sample", "--latents", "frames/frame00001.npz", "--size", 16, "--out", "a.png")
    tiny_stylegan("replay", "frames/frame00001.png", "--out", "b.png")
    assert np.array_equal(pixels("a.png"), pixels("frames/frame00001.png"))
    assert np.array_equal(pixels("b.png"), pixels("frames/frame00001.png"))


def test_easing_changes_the_way_and_not_the_ends(tiny_stylegan):
    films = []
    for easing in ("linear", "smooth", "ease-in", "ease-out"):
        words = ["--frames", 4, "--size", 16, "--easing", easing, "--out", easing]
        films.append([pixels(path) for path in tiny_stylegan("interpolate", 1, 2, *words)])
    assert all(np.array_equal(film[0], films[0][0]) and np.array_equal(film[-1], films[0][-1]) for film in films)
    assert len({film[1].tobytes() for film in films}) == 4


def test_every_ending_is_of_films_or_pictures():
    """What commands check before anything heavy is imported."""
    assert {*FILMS, "webp"} == {*CODECS}
    assert {*FRAMES} < {*FORMATS} and "webp" in FORMATS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((1, 2, "--coarse", 3, "--middle", 4, "--fine", 5), "no layer moves from person to person"),
        ((1, 2, "--layers", "coarse", "--coarse", 3), "no layer moves from person to person"),
        ((1, "--coarse", ""), "contains no people"),
    ],
)
def test_nobody_is_left_out_without_a_word(stylegan, tiny_model, words, said):
    result = stylegan("interpolate", *words, "--model", tiny_model)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_latents_of_a_film_that_fails_are_not_left(stylegan, tiny_model, here, monkeypatch):
    def fails(*_):
        raise StyleganError("the disk is full")

    monkeypatch.setattr("stylegan_cli.media.film._finish", fails)
    result = stylegan("interpolate", 1, 2, "--frames", 3, "--size", 16, "--save-latents", "--model", tiny_model)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: the disk is full.\n")
    assert not [*here.iterdir()]


def test_a_film_that_appeared_during_a_long_search_is_not_replaced(tmp_path):
    path, studio = tmp_path / "film.mp4", SimpleNamespace(output=SimpleNamespace(force=False))
    path.write_text("another's")
    with pytest.raises(StyleganError, match=r"film.mp4 exists"), rolling(studio, path, 30, 1, None):
        pytest.fail("it was opened")
    assert path.read_text() == "another's"


def test_frames_of_a_longer_film_are_told_by_their_names(tmp_path, capsys):
    studio = SimpleNamespace(output=SimpleNamespace(out=tmp_path), format="png")
    names = [frame_name(number) for number in range(99_998, 100_002)]
    for name in names:
        (tmp_path / f"{name}.png").touch()
    tell_of_older(studio, names)
    assert not capsys.readouterr().err
    tell_of_older(studio, names[:1])
    assert capsys.readouterr().err.endswith("also holds 1 frames of a longer film, from frame99999.png on.\n")
