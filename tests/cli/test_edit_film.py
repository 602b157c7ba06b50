"""`stylegan edit` with a film: the real default model, and a real face that moves through a room."""

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from converting import convert
from PIL import Image, ImageSequence
from test_films_with_music import has_sound

from stylegan_cli.cli.photos import films, found_before
from stylegan_cli.faces import detection
from stylegan_cli.latents import references
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.photo import Photo
from stylegan_cli.media.ffmpeg import ffmpeg
from stylegan_cli.media.film import filming
from stylegan_cli.media.footage import open_footage
from stylegan_cli.operations import following

pytestmark = pytest.mark.usefixtures("ffhq")
LENGTH, HIDDEN = 5, 2
FACE = np.s_[90:150, 145:215]  # in all frames
FAR = np.s_[300:, :]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch, tmp_path_factory):
    """What is found is kept apart, for all tests here."""
    quick = following.Settings(searching=1, tuning=1)
    monkeypatch.setattr(following, "LEAST", 3)
    monkeypatch.setattr(following, "Settings", lambda: quick)
    monkeypatch.setattr(found_before, "cache_folder", lambda: tmp_path_factory.getbasetemp() / "reels")


@pytest.fixture(scope="module")
def talk(tmp_path_factory, astronaut):
    """She moves to the right, pixel by pixel; in one frame she is not there. With sound."""
    silent = tmp_path_factory.mktemp("films") / "silent.mp4"
    with filming(silent, 1, "mp4") as add:  # so slow that a missing frame stays missing
        for i in range(LENGTH):
            frame = np.roll(np.asarray(astronaut), i, axis=1)
            add(np.full_like(frame, 128) if i == HIDDEN else frame)
    tone = ("-f", "lavfi", "-i", "sine=duration=6")
    return convert(silent, silent.with_name("talk.mp4"), *tone, after=("-c:v", "copy"))


def frames(path):
    return [np.asarray(frame, float) for frame in open_footage(path).frames()]


def changes(path, talk, where):
    """By how much the frames differ there from the film's, on average."""
    pairs = zip(frames(path), frames(talk), strict=True)
    return np.array([np.abs(after[where] - before[where]).mean() for after, before in pairs])


def test_somebody_is_edited_in_every_frame(stylegan, here, talk, monkeypatch):
    result = stylegan("edit", talk, "--beard", 4)
    assert (result.exit_code, result.stdout) == (0, "talk-edited.mp4\n"), result.stderr
    assert "following the face through it takes minutes, but only the first time" in result.stderr
    assert f"in 1 of {LENGTH} frames, the face is not seen; they stay as they are" in result.stderr
    face, far = (changes("talk-edited.mp4", talk, where) for where in (FACE, FAR))
    assert len(face) == LENGTH and (np.delete(face, HIDDEN) > 4).all()
    assert face[HIDDEN] < 1 and (far < 1.5).all()
    assert has_sound("talk-edited.mp4")
    assert len(re.findall("^talk, beard", result.stderr, re.MULTILINE)) == 1
    # The second time, she is known.
    monkeypatch.setattr(following, "follow", lambda *_: pytest.fail("she was followed before"))
    monkeypatch.setattr(detection, "detect", lambda *_: pytest.fail("she was found before"))
    again = stylegan("edit", talk, "--beard", 4, "--out", "b.mp4")
    assert again.exit_code == 0 and "only the first time" not in again.stderr, again.stderr
    assert all(np.array_equal(a, b) for a, b in zip(frames("talk-edited.mp4"), frames("b.mp4"), strict=True))


def test_ranges_grow_through_the_film_and_back(stylegan, here, talk):
    result = stylegan("edit", f"{talk}#1", "--beard", "0..4", "--loop", "--out", "grown.webm")
    assert result.exit_code == 0, result.stderr
    seen = np.delete(changes("grown.webm", talk, FACE), HIDDEN)
    assert (np.diff(seen[:HIDDEN]) > 0).all() and (np.diff(seen[HIDDEN:]) < 0).all()


def test_who_is_not_edited_stays_as_they_are(stylegan, here, talk):
    """Details that the generator cannot draw are the film's."""
    assert stylegan("edit", talk, "--beard", 0, "--out", "same.mp4").exit_code == 0
    assert (changes("same.mp4", talk, FACE) < 3).all()


def test_ranges_grow_through_a_film_without_sound(stylegan, here, talk):
    result = stylegan("edit", talk, "--beard", "0..4", "--out", "a.gif")
    assert result.exit_code == 0
    assert "A gif has no sound, so the film's is left out." in result.stderr
    with Image.open("a.gif") as image:
        drawn = [np.asarray(frame.convert("RGB"), float) for frame in ImageSequence.Iterator(image)]
    changed = [np.abs(after - before)[FACE].mean() for after, before in zip(drawn, frames(talk), strict=True)]
    assert (np.diff(np.delete(changed, HIDDEN)) > 0).all()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("TALK", "jon", "--beard", 1), 2, "a film is edited alone: give it as the only person"),
        (("TALK", "--beard", 1, "--frames", 9), 2, "a film is edited frame by frame"),
        (("TALK", "--beard", 1, "--size", 256), 2, "leave out --size"),
        (("TALK", "--beard", 1, "--new-center", "jon"), 2, "leave out --new-center"),
        (("TALK", "--beard", 1, "--loop"), 2, "only ranges go there and back: --age 0..3; leave out --loop"),
        (("TALK", "--beard", 1, "--out", "a.png"), 2, "is one picture; name a folder for the frames, or a film"),
        (("TALK", "--beard", 1, "--out", "a/"), 2, "an edited film is written as a film; end --out with .mp4"),
        (("TALK", "--beard", 1, "--save-latents"), 2, "leave out --save-latents"),
        (("TALK#7", "--beard", 1), 2, "there is no {talk}#7: {talk} shows 1 face"),
        (("TALK", "--beard", 1, "--out", "TALK"), 2, "would replace what the result is made from; choose another name"),
        (("none.mp4", "--beard", 1), 2, "there is no film 'none.mp4'"),
        (("empty.mp4", "--beard", 1), 1, "empty.mp4 cannot be read as a film"),
        (("grey.mp4", "--beard", 1), 1, "no face was found in grey.mp4"),
    ],
)
def test_what_cannot_be_done(stylegan, here, talk, words, code, told):
    (here / "empty.mp4").write_bytes(b"")
    with filming(here / "grey.mp4", 10, "mp4") as add:
        add(np.full((64, 64, 3), 99, np.uint8))
    before = sorted(here.iterdir())
    result = stylegan("edit", *(str(word).replace("TALK", str(talk)) for word in words))
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert told.format(talk=talk) in result.stderr
    assert sorted(here.iterdir()) == before


def test_long_films_are_refused_at_once(stylegan, here, monkeypatch):
    command = (ffmpeg(), "-loglevel", "error", "-f", "lavfi", "-i", "color=size=32x32:rate=60:duration=61", "long.mp4")
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    result = stylegan("edit", "long.mp4", "--beard", 1)
    assert result.exit_code == 2
    assert "has about 3,660 frames, but films are followed for at most 3,600; cut out the part" in result.stderr


def test_gifs_of_fast_films_are_refused_at_once(stylegan, here):
    with filming(here / "fast.mp4", 60, "mp4") as add:
        add(np.zeros((64, 64, 3), np.uint8))
    result = stylegan("edit", "fast.mp4", "--beard", 1, "--out", "a.gif")
    assert (result.exit_code, "a gif has at most 50 frames per second; use --out" in result.stderr) == (2, True)


def test_somebody_else_after_a_cut_is_noticed(stylegan, here, astronaut, monkeypatch):
    """The other one is in the same place. It is told before minutes are spent, and only once."""
    monkeypatch.setattr(following, "follow", None)
    (face,) = detection.detect(astronaut)
    left, top, right, bottom = (round(float(edge)) for edge in (*face.square.min(axis=0), *face.square.max(axis=0)))
    assert stylegan("sample", "jon", "--size", right - left, "--out", "jon.png").exit_code == 0
    other = astronaut.copy()
    with Image.open("jon.png") as jon:
        other.paste(jon.convert("RGB").resize((right - left, bottom - top)), (left, top))
    with filming(Path("cut.mp4"), 2, "mp4") as add:
        for shot in [astronaut] * 3 + [other] * 2:
            add(np.asarray(shot))
    told = stylegan("edit", "cut.mp4", "--beard", 1).stderr
    assert "cut.mp4: after 1.5 s, the face looks quite different. Is it somebody else, after a cut?" in told


@pytest.mark.parametrize("damage", ["alignment", "others", "frame"])
def test_what_is_damaged_in_the_cache_is_not_used(monkeypatch, damage):
    place = {"quad": [[0, 0], [0, 50], [50, 50], [50, 0]], "size": [100, 100], "face": 1, "photo": ""}
    photo = {"file": "talk.mp4", "frame": 3, "alignment": place, "others": [place]}
    film = films.Film(Photo(Path("talk.mp4")), None)
    monkeypatch.setattr(references, "from_file", lambda *_: [Person("x", torch.zeros(1, 1), photo=photo)])
    studio = SimpleNamespace(generator=None)
    assert [*films._remembered(studio, film, Path("x.npz"))] == [3]
    photo[damage] = {"alignment": {**place, "quad": [[0, 0]]}, "others": [{}], "frame": "first"}[damage]
    assert films._remembered(studio, film, Path("x.npz")) is None


@pytest.mark.parametrize(
    ("command", "code"),
    [(("sample",), 2), (("mix", "--coarse"), 2), (("edit", "1", "--beard", "2", "--paste"), 1), (("project",), 1)],
)
def test_other_commands_say_who_takes_films(stylegan, here, talk, command, code):
    result = stylegan(*command, talk)
    assert result.exit_code == code
    assert "is a film, which only stylegan edit takes, as the only person" in result.stderr
