"""`stylegan interpolate --audio` on the tiny model."""

import json
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import small_families
import torch
from looking import names, pixels, ws_of
from songs import at, clicks, silence, tone, write_wav

from stylegan_cli import modelfile, recipes
from stylegan_cli.cli.commands.interpolate import PULSE
from stylegan_cli.latents.people import from_seed
from stylegan_cli.media.audio import SAMPLE_RATE, sound
from stylegan_cli.operations.dancing import partner

pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")

SMALL = ("--size", 16, "--fps", 10)


@pytest.fixture
def song(here):
    """Two seconds: a click in the first, a bass tone in the second."""
    return write_wav("song.wav", clicks([0.5], 2) + at([1.2], tone(80, 0.3), 2), channels=2)


def has_sound(path):
    told = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", path], capture_output=True, text=True, check=False)
    return "Audio: " in told.stderr


@pytest.mark.parametrize("ending", ["mp4", "webm"])
@pytest.mark.parametrize("loop", [[], ["--loop"]])
def test_a_film_is_as_long_as_its_music_and_has_it(tiny_stylegan, song, ending, loop):
    (film,) = tiny_stylegan("interpolate", "1-3", *loop, "--audio", song, *SMALL, "--out", f"film.{ending}")
    assert imageio_ffmpeg.count_frames_and_secs(str(film)) == (20, pytest.approx(2, abs=0.05))
    with sound(film) as blocks:
        samples = np.abs(np.concatenate([*blocks]))
    assert len(samples) / SAMPLE_RATE == pytest.approx(2, abs=0.05)
    assert np.flatnonzero(samples > 0.1)[0] / SAMPLE_RATE == pytest.approx(0.5, abs=0.02)


def test_a_film_says_how_it_was_made(tiny_stylegan, stylegan, song):
    tiny_stylegan("interpolate", 1, 2, "--audio", song, *SMALL, "--out", "a.mp4")
    made = json.loads(stylegan("show", "a.mp4", "--json").stdout)
    assert made["command"].startswith("stylegan interpolate 1 2 --audio song.wav --size 16 --fps 10 --out a.mp4 ")


def framed(stylegan, model, *words):
    """The frames of a film."""
    result = stylegan("interpolate", *words, *SMALL, "--model", model)
    assert (result.exit_code, result.stderr) == (0, "Frames have no sound, so the music is left out.\n")
    return [Path(line) for line in result.stdout.splitlines()]


def test_frames_are_the_same_each_time_and_end_exactly(stylegan, tiny_stylegan, tiny_model, song):
    one, again = (framed(stylegan, tiny_model, 1, 2, "--audio", song, "--out", name) for name in ("one", "again"))
    assert len(one) == 20
    assert [torch.equal(ws_of(a), ws_of(b)) for a, b in zip(one, again, strict=True)] == [True] * 20
    tiny_stylegan("sample", "--seeds", "1-2", "--size", 16)
    assert np.array_equal(pixels(one[0]), pixels("faces/seed0001.png"))
    assert np.array_equal(pixels(one[-1]), pixels("faces/seed0002.png"))
    (loop,) = framed(stylegan, tiny_model, 1, 2, "--loop", "--audio", song, "--out", "loop")[:1]
    assert np.array_equal(pixels(loop), pixels("faces/seed0001.png"))


def test_somebody_dances_on_the_spot(stylegan, tiny_model, tiny, song):
    """The bass moves their coarse layers, towards somebody whom a seed chooses."""
    ones = torch.stack(list(map(ws_of, framed(stylegan, tiny_model, 1, "--audio", song, "--out", "one"))))
    still = from_seed(tiny, 1, 0.7).ws
    moved = (ones - still).norm(dim=2)
    coarse = [layer.index for layer in tiny.layers if layer.band == "coarse"]
    fine = [layer.index for layer in tiny.layers if layer.band == "fine"]
    assert moved[5, fine].min() > 0.05 and moved[0].max() == moved[-1].max() == 0
    assert moved[12:15, coarse].max() > 10 * moved[12:15, fine].max()
    shares = moved / (partner(tiny, 0, 0.7).ws - still).norm(dim=1)
    assert PULSE * 0.5 < shares.max() <= PULSE + 1e-5
    other = framed(stylegan, tiny_model, 1, "--audio", song, "--seed", 4, "--layers", "coarse", "--out", "other")
    push = ws_of(other[12]) - still
    assert push[fine].abs().max() == 0
    line = partner(tiny, 4, 0.7).ws - still
    assert torch.nn.functional.cosine_similarity(push[0], line[0], dim=0) > 0.999


def test_the_first_frames_alone(tiny_stylegan, song):
    (film,) = tiny_stylegan("interpolate", 1, 2, "--audio", song, "--frames", 7, *SMALL, "--pulse", 0, "--out", "a.mp4")
    assert imageio_ffmpeg.count_frames_and_secs(str(film)) == (7, pytest.approx(0.7, abs=0.05))
    (film,) = tiny_stylegan("interpolate", 1, 2, "--audio", song, "--frames", 900, *SMALL, "--out", "b.mp4")
    assert imageio_ffmpeg.count_frames_and_secs(str(film))[0] == 20


def test_films_side_by_side_in_bands_and_in_circles(tiny_stylegan, song):
    words = ("--audio", song, "--frames", 8, *SMALL)
    assert has_sound(*tiny_stylegan("interpolate", "1-6", "--grid", "3x1", *words, "--out", "wall.mp4"))
    assert has_sound(*tiny_stylegan("interpolate", 1, "--coarse", "2,3", *words, "--out", "band.mp4"))
    assert has_sound(*tiny_stylegan("interpolate", 1, 2, "--method", "circle", *words, "--out", "circle.mp4"))
    tiny_stylegan("interpolate", 1, 2, *words, "--out", "a.mp4", "--save-latents")
    assert len(np.load("a.npy")) == 8


def test_faces_turn_to_music(stylegan, here, song):
    modelfile.save(small_families.make("stylegan3"), here / "m.safetensors", {})
    made = framed(stylegan, "m.safetensors", 1, 2, "--loop", "--rotate", "0..360", "--audio", song, "--out", "turning")
    turned = [recipes.read(path).picture.rotate for path in made]
    np.testing.assert_allclose(turned, np.arange(20) * 18)


def test_a_film_can_give_its_sound_and_be_replaced(tiny_stylegan, song):
    (film,) = tiny_stylegan("interpolate", 1, 2, "--audio", song, *SMALL, "--out", "a.mp4")
    tiny_stylegan("interpolate", 3, 4, "--audio", film, *SMALL, "--out", "a.mp4", "--force")
    assert imageio_ffmpeg.count_frames_and_secs(str(film))[0] == 20 and has_sound(film)


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_animations_have_no_sound(stylegan, tiny_model, song, ending):
    words = ("interpolate", 1, 2, "--audio", song, *SMALL, "--model", tiny_model, "--out", f"a.{ending}")
    result = stylegan(*words)
    assert (result.exit_code, result.stderr) == (0, f"A {ending} has no sound, so the music is left out.\n")
    assert stylegan(*words, "--force", "--quiet").stderr == ""


def test_silence_is_told_and_the_film_moves_evenly(stylegan, tiny_model, tiny, here):
    write_wav("a.wav", silence(0.5))
    words = ("interpolate", 1, 2, "--audio", "a.wav", *SMALL, "--save-latents", "--model", tiny_model)
    result = stylegan(*words)
    assert (result.exit_code, result.stderr) == (0, "Nothing is to be heard in a.wav, so the film moves evenly.\n")
    ways = np.load("film.npy")
    steps = np.linalg.norm(np.diff(ways, axis=0), axis=(1, 2))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-3)
    assert has_sound("film.mp4")


def test_a_name_with_a_hyphen(tiny_stylegan, song):
    Path("song.wav").rename("-y.wav")
    assert has_sound(*tiny_stylegan("interpolate", 1, 2, "--audio=-y.wav", *SMALL))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("1 2 --audio nothing.mp3", 2, "nothing.mp3"),
        ("1 2 --audio .", 2, "is a directory"),
        ("1 2 --audio text.mp3", 1, "text.mp3 cannot be read as music; use another copy of it, or another format"),
        ("1 2 --audio mute.wav", 1, "there is no sound in mute.wav; use a file with music"),
        ("1 2 --audio short.wav", 1, "the music lasts 0.01 seconds, but a film needs two frames"),
        ("1 2 --audio song.wav --frames 1", 2, "films with --audio have two frames or more, but --frames is 1"),
        ("1 2 --audio song.wav --pulse 2", 2, "--pulse"),
        ("1 2 --pulse 0.5", 2, "only films with --audio have beats; leave out --pulse"),
        ("1 2 --seed 5", 2, "--seed is for --noise random and --audio; leave out --seed"),
        ("1 --method circle --audio song.wav", 2, "circle"),
        ("1 --audio song.wav --coarse 2 --layers fine", 2, "only the bands of the given targets move"),
        ("1 2 --audio-file song.wav", 2, "stylegan interpolate has no --audio-file; use --audio"),
        ("1 2 --audio song.wav --rotate 0..9", 2, "cannot move or turn faces; StyleGAN3 can"),
    ],
)
def test_music_that_cannot_be(stylegan, tiny_model, song, words, code, said):
    Path("text.mp3").write_text("hello")
    write_wav("mute.wav", silence(0))
    write_wav("short.wav", clicks([0], 0.01))
    before = names(Path())
    result = stylegan("interpolate", *words.split(), "--model", tiny_model)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
    assert result.stdout == "" and names(Path()) == before
