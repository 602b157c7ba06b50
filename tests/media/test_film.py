"""Films: every format decodes to the frames that went in; a film that fails leaves nothing."""

import errno
import json
import signal
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.media import film
from stylegan_cli.media.film import CODECS, filming

FRAMES = [np.full((31, 33, 3), shade, np.uint8) for shade in (10, 90, 170, 250)]  # odd edges


def write_film(path, frames, fps, format, text=""):
    with filming(path, fps, format, text) as add:
        for frame in frames:
            add(frame)


def decoded(path):
    """The film's frames; videos are padded to even edges."""
    if path.suffix in (".gif", ".webp"):
        with Image.open(path) as image:
            return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["source_size"]
    return [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]


@pytest.mark.parametrize("format", CODECS)
def test_frames_in_frames_out(tmp_path, format):
    path = tmp_path / f"film.{format}"
    write_film(path, iter(FRAMES), 10, format)
    frames = decoded(path)
    assert len(frames) == len(FRAMES)
    for frame, expected in zip(frames, FRAMES, strict=True):
        if format in film.HALVED:
            expected = np.pad(expected, ((0, 1), (0, 1), (0, 0)), "edge")
        assert frame.shape == expected.shape
        assert np.abs(frame.astype(int) - expected).mean() < 8
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", film.HALVED)
def test_nothing_shines_into_odd_edges(tmp_path, format):
    path, colour = tmp_path / f"film.{format}", (230, 180, 150)
    write_film(path, [np.full((31, 33, 3), colour, np.uint8)] * 2, 10, format)
    assert np.abs(decoded(path)[0].astype(int) - colour).max() < 8


@pytest.mark.parametrize("format", CODECS)
def test_edges_that_are_too_long_are_told(tmp_path, format):
    with pytest.raises(UsageError, match=r"at most 16,000 pixels per edge, but this one is 16002 x 2; use something"):
        write_film(tmp_path / f"film.{format}", [np.zeros((2, 16_002, 3), np.uint8)], 10, format)
    assert list(tmp_path.iterdir()) == []


TEXT = json.dumps({"command": r"stylegan x 'a b' --c=d; #1 \n é\\", "n": 1}, ensure_ascii=False)


@pytest.mark.parametrize("format", film.TOLD)
@pytest.mark.parametrize("text", [TEXT, "a\nb=c\ntitle=d", "", "x" * 8001])
def test_films_hold_a_text(tmp_path, format, text):
    path = tmp_path / f"film.{format}"
    write_film(path, FRAMES, 10, format, text=text)
    assert film.text_of(path) == (text if len(text) < 8001 else "")


def test_what_is_not_a_film_holds_no_text(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"hello")
    with pytest.raises(StyleganError, match=r"film\.mp4 cannot be read as a film"):
        film.text_of(tmp_path / "film.mp4")


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_frames_a_second(tmp_path, format):
    path = tmp_path / f"film.{format}"
    write_film(path, FRAMES * 5, 10, format)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == 20
    assert seconds == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (220, 170, 150)])
def test_colours_are_right_and_told(tmp_path, format, colour):
    path = tmp_path / f"film.{format}"
    write_film(path, [np.full((32, 32, 3), colour, np.uint8)] * 4, 10, format)
    found = decoded(path)[-1][8:24, 8:24].reshape(-1, 3).mean(axis=0)  # edges may bleed
    assert np.abs(found - colour).max() < 6
    told = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", path], capture_output=True, text=True, check=False)
    assert "yuv420p(tv, bt709, progressive)" in told.stderr


def test_nobody_writes_the_same_film_meanwhile(tmp_path):
    path = tmp_path / "film.gif"
    with filming(path, 10, "gif") as add:
        with pytest.raises(StyleganError, match=r"film\.gif is being written by another process; wait until it ends"):
            write_film(path, FRAMES, 10, "gif")
        add(FRAMES[0])
    assert len(decoded(path)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_swept(tmp_path):
    for left in (".film.123.part.gif", ".film.gif.lock"):
        (tmp_path / left).write_text("half a film")
    (tmp_path / ".other.123.part.gif").write_text("somebody else's")
    write_film(tmp_path / "film.gif", FRAMES, 10, "gif")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.123.part.gif", "film.gif"]


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_animations_loop_for_ever(tmp_path, format):
    path = tmp_path / f"film.{format}"
    write_film(path, FRAMES, 10, format)
    with Image.open(path) as image:
        assert image.info["loop"] == 0


def test_one_frame_is_a_film(tmp_path):
    write_film(tmp_path / "film.mp4", FRAMES[:1], 10, "mp4")
    assert len(decoded(tmp_path / "film.mp4")) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, StyleganError])
@pytest.mark.parametrize("after", [0, 2])
def test_what_is_interrupted_leaves_nothing(tmp_path, error, after):
    (tmp_path / "film.mp4").write_text("the old one")

    def frames():
        yield from FRAMES[:after]
        raise error

    with pytest.raises(error):
        write_film(tmp_path / "film.mp4", frames(), 10, "mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_text() == "the old one"


def test_ctrl_c_while_the_encoder_starts(tmp_path, monkeypatch):
    """Nobody would know of it, and it would write what is removed."""
    started, start = [], film._start

    def interrupted(*words):
        started.append(start(*words))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(film, "_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_film(tmp_path / "film.mp4", FRAMES, 10, "mp4")
    assert started[0].poll() is not None
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_is_one_sentence(tmp_path):
    with pytest.raises(StyleganError, match=r"ffmpeg could not write .*film\.mp4: "):
        write_film(tmp_path / "film.mp4", FRAMES, 0, "mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_for_the_encoder(tmp_path, monkeypatch):
    encoder = tmp_path / "encoder"
    encoder.write_text("#!/bin/sh\necho 'file:x: No space left on device' >&2\necho 'Conversion failed!' >&2\nexit 1\n")
    encoder.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(encoder))
    with pytest.raises(StyleganError, match=r"no space left to write .*film\.mp4; free some space"):
        write_film(tmp_path / "film.mp4", FRAMES, 10, "mp4")


def test_no_encoder_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: (_ for _ in ()).throw(RuntimeError("No exe found")))
    with pytest.raises(
        StyleganError, match=r"films and music need ffmpeg, but none was found \(No exe found\); install it, or"
    ):
        write_film(tmp_path / "film.mp4", FRAMES, 10, "mp4")
    assert list(tmp_path.iterdir()) == []


class Gone:
    """An encoder that has given up, and what its pipe then says."""

    def __init__(self, code):
        self.stdin, self.code = self, code

    def write(self, _):
        raise OSError(self.code, "the pipe says")

    def close(self):
        self.write(b"the rest")

    def kill(self):
        """It is gone."""

    def wait(self):
        return 1


@pytest.mark.parametrize("takes_the_frame", [True, False])
@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (errno.EPIPE, StyleganError, "could not write"),
        (errno.EINVAL, StyleganError, "could not write"),  # Windows
        (errno.EIO, OSError, "the pipe says"),
    ],
)
def test_an_encoder_that_has_gone(tmp_path, monkeypatch, code, error, said, takes_the_frame):
    gone = Gone(code)
    if takes_the_frame:  # and fails where the pipe is closed
        gone.write, gone.close = (lambda _: None), (lambda: Gone.write(gone, b""))
    monkeypatch.setattr(film, "_start", lambda *_: gone)
    with pytest.raises(error, match=said):
        write_film(tmp_path / "film.mp4", FRAMES[:1], 10, "mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_rate_that_gifs_cannot_have_is_told_before_a_frame_is_drawn(tmp_path):
    def frames():
        pytest.fail("something was drawn")
        yield

    with pytest.raises(UsageError, match="gif films have at most 50 frames per second, but this one has 60; use"):
        write_film(tmp_path / "film.gif", frames(), 60, "gif")
    assert list(tmp_path.iterdir()) == []


def test_the_fastest_gif(tmp_path):
    write_film(tmp_path / "film.gif", FRAMES, 50, "gif")
    with Image.open(tmp_path / "film.gif") as image:
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(image)] == [20] * len(FRAMES)


def test_who_is_interrupted_leaves_no_encoder_behind(tmp_path, monkeypatch):
    encoder = Gone(0)
    ended = []
    encoder.write, encoder.close = (lambda _: None), (lambda: None)
    encoder.kill, encoder.wait = (lambda: ended.append("killed")), (lambda: ended.append("gone"))
    monkeypatch.setattr(film, "_start", lambda *_: encoder)
    with pytest.raises(KeyboardInterrupt), filming(tmp_path / "film.mp4", 10, "mp4") as add:
        add(FRAMES[0])
        raise KeyboardInterrupt
    assert ended == ["killed", "gone"]
