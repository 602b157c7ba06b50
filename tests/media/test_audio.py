"""The sound in files: what comes out is what went in, whatever the file."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from songs import clicks, silence, tone, write_wav

from stylegan_cli.errors import StyleganError
from stylegan_cli.media import film
from stylegan_cli.media.audio import SAMPLE_RATE, SOUNDED, Soundtrack, sound

FRAMES = [np.full((32, 32, 3), shade, np.uint8) for shade in range(0, 250, 5)]  # five seconds of ten


def heard(path, seconds=None):
    with sound(path, seconds) as blocks:
        return np.concatenate([*blocks])


def write_film(path, soundtrack=None):
    with film.filming(path, 10, path.suffix[1:], "a text", soundtrack) as add:
        for frame in FRAMES:
            add(frame)
    return path


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_samples_in_samples_out(tmp_path, bits, channels):
    music = tone(440, 1.5)
    samples = heard(write_wav(tmp_path / "a.wav", music, bits, channels))
    assert samples.dtype == np.float32
    assert len(samples) == round(1.5 * SAMPLE_RATE)
    assert np.abs(samples / np.abs(samples).max() - music[::2] / np.abs(music).max()).max() < 0.02


def test_sound_comes_in_blocks_and_as_much_as_is_wanted(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone(440, 5))
    with sound(path) as blocks:
        lengths = [len(block) for block in blocks]
    assert sum(lengths) == 5 * SAMPLE_RATE and max(lengths) <= SAMPLE_RATE
    assert len(heard(path, 2.5)) == round(2.5 * SAMPLE_RATE)
    assert len(heard(path, 60)) == 5 * SAMPLE_RATE
    with sound(path) as blocks:
        next(blocks)  # and nobody wants the rest


@pytest.mark.parametrize("name", ["-i.wav", "a:b.wav", "http:a.wav", "a b'$(x);.wav", "%03d.wav"])
def test_any_name_is_a_files(here, name):
    write_wav(name, tone(440, 1))
    assert len(heard(Path(name))) == SAMPLE_RATE


def test_no_sound(tmp_path):
    for path in (write_film(tmp_path / "mute.mp4"), write_wav(tmp_path / "empty.wav", silence(0))):
        with pytest.raises(StyleganError, match=rf"there is no sound in .*{path.name}; use a file with music"):
            heard(path)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 100, b"#EXTM3U\nhttp://localhost:1/a.mp3\n"])
def test_what_is_no_music(tmp_path, content):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(StyleganError, match=r"a\.mp3 cannot be read as music; use another copy of it, or another"):
        heard(path)


def test_a_playlist_reaches_nothing_else(tmp_path):
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(StyleganError):
        heard(tmp_path / "a.m3u8")


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile song.wav\n", "#EXTM3U\n#EXTINF:1,\nsong.wav\n"])
@pytest.mark.parametrize("name", ["list.mp3", "list.m3u8"])
def test_lists_lead_to_no_other_files(tmp_path, name, text):
    write_wav(tmp_path / "song.wav", tone(440, 1))
    (tmp_path / name).write_text(text)
    with pytest.raises(StyleganError, match="cannot be read as music"):
        heard(tmp_path / name)


def test_what_was_cut_off_is_heard_to_there(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone(440, 2))
    path.write_bytes(path.read_bytes()[: 44 + SAMPLE_RATE * 2])
    assert len(heard(path)) == SAMPLE_RATE // 2


def streams(path):
    """What ffmpeg tells of a film."""
    told = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", path], capture_output=True, text=True, check=False)
    return [line for line in told.stderr.splitlines() if "Stream #" in line]


@pytest.mark.parametrize("format", SOUNDED)
def test_a_film_has_its_sound_at_its_times(tmp_path, format):
    music = clicks([0.5, 3.25], 7)
    path = write_film(
        tmp_path / f"film.{format}", Soundtrack(write_wav(tmp_path / "a.wav", music, channels=2), len(FRAMES) / 10)
    )
    assert [word in line for line, word in zip(streams(path), ("Video", "Audio: "), strict=True)] == [True, True]
    assert imageio_ffmpeg.count_frames_and_secs(str(path)) == (len(FRAMES), pytest.approx(5, abs=0.05))
    assert film.text_of(path) == "a text"
    samples = np.abs(heard(path))
    assert len(samples) / SAMPLE_RATE == pytest.approx(5, abs=0.05)
    for time in (0.5, 3.25):
        start = round(time * SAMPLE_RATE)
        assert samples[start : start + 300].max() > 0.2 > 10 * samples[start - 2000 : start - 500].max()
    assert samples[4 * SAMPLE_RATE :].max() < 0.01


def test_sound_that_begins_after_the_picture_keeps_its_time(tmp_path):
    write_wav(tmp_path / "a.wav", tone(440, 2))
    write_film(tmp_path / "mute.mp4")
    late = ("-itsoffset", "1.5", "-i", tmp_path / "a.wav", "-c:v", "copy", "-c:a", "aac", tmp_path / "late.mp4")
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", tmp_path / "mute.mp4", *late], check=True
    )
    for path in (tmp_path / "late.mp4", write_film(tmp_path / "again.mp4", Soundtrack(tmp_path / "late.mp4", 5))):
        samples = np.abs(heard(path))
        assert np.flatnonzero(samples > 0.1)[0] / SAMPLE_RATE == pytest.approx(1.5, abs=0.05)


def test_a_song_that_has_gone_is_one_sentence(tmp_path):
    with pytest.raises(StyleganError, match=r"ffmpeg could not write .*film\.mp4: .*No such file"):
        write_film(tmp_path / "film.mp4", Soundtrack(tmp_path / "gone.mp3", 5))
    assert list(tmp_path.iterdir()) == []


def test_chapters_and_titles_of_the_song_are_not_the_films(tmp_path):
    tags = ";FFMETADATA1\ntitle=Song\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=One\n"
    (tmp_path / "tags").write_text(tags)
    write_wav(tmp_path / "a.wav", tone(440, 2))
    words = ("-i", tmp_path / "a.wav", "-i", tmp_path / "tags", "-map_metadata", "1", tmp_path / "a.m4a")
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *words], check=True)
    path = write_film(tmp_path / "film.mp4", Soundtrack(tmp_path / "a.m4a", 5))
    told = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", path], capture_output=True, text=True, check=False)
    assert "Chapter" not in told.stderr and "Song" not in told.stderr
    assert film.text_of(path) == "a text"
