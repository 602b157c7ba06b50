"""Films from cameras: their frames, upright and evenly spaced, or one sentence."""

import subprocess
from fractions import Fraction

import numpy as np
import pytest
from converting import convert
from test_film import write_film

from stylegan_cli.errors import StyleganError
from stylegan_cli.media.ffmpeg import ffmpeg
from stylegan_cli.media.footage import open_footage

SHADES = (10, 90, 170, 250)


def frames(height=32, width=48):
    """Of different shades, with a white upper left corner."""
    made = [np.full((height, width, 3), shade, np.uint8) for shade in SHADES]
    for frame in made:
        frame[: height // 2, : width // 2] = 255
    return made


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "talk.mp4"
    write_film(path, frames(), 10, "mp4")
    return path


def read(path):
    return [np.asarray(frame) for frame in open_footage(path).frames()]


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_frames(tmp_path, format):
    path = tmp_path / f"a:b -c.{format}"  # neither a protocol nor an option
    write_film(path, frames(), 10, format)
    footage = open_footage(path)
    assert (footage.size, footage.fps, footage.length, footage.has_sound) == ((48, 32), 10, 4, False)
    for frame, expected in zip(read(path), frames(), strict=True):
        assert np.abs(frame.astype(int) - expected).mean() < 4


def test_sound_is_known(film, tmp_path):
    tone = ("-f", "lavfi", "-i", "sine=duration=0.4")
    with_sound = convert(film, tmp_path / "sound.mp4", *tone, after=("-c:v", "copy"))
    assert open_footage(with_sound).has_sound and len(read(with_sound)) == 4


def test_films_that_lie_on_their_side_are_turned(film, tmp_path, caplog):
    """As phones are held; nothing is said about it."""
    turned = convert(film, tmp_path / "phone.mp4", "-display_rotation", "90", after=("-c", "copy"))
    assert open_footage(turned).size == (32, 48)
    (first, *_) = read(turned)
    bright = (first > 200).mean(axis=2) > 0.5
    assert bright[24:, :16].all() and not bright[:23].any() and not bright[:, 17:].any()


def test_frames_are_evenly_spaced(film, tmp_path):
    """Whatever the times of the film's own: here the second one is shown for three. The nearest one counts."""
    times = "setpts='(N+2*gt(N,1))/10/TB'"
    uneven = convert(film, tmp_path / "uneven.mkv", after=("-vf", times, "-fps_mode", "vfr", "-crf", "5"))
    lower = [round(frame[-4:, -4:].mean() / 80) for frame in read(uneven)]
    assert lower == [0, 1, 1, 2, 2, 3]


def test_high_dynamic_range_is_narrowed(tmp_path):
    """A film of HLG, as phones make: paper white is not grey."""
    source = tmp_path / "grey.mp4"
    white = round(0.75 * 255)  # of the signal, which is a white wall in HLG
    write_film(source, [np.full((32, 48, 3), white, np.uint8)] * 2, 10, "mp4")
    marks = ("-color_trc", "arib-std-b67", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
    tagged = "setparams=color_trc=arib-std-b67:color_primaries=bt2020:colorspace=bt2020nc"
    wide = convert(source, tmp_path / "hdr.mp4", after=("-vf", tagged, *marks, "-crf", "5"))
    assert "zscale" in open_footage(wide).filters
    assert all(frame.min() > 0.9 * 255 > white for frame in read(wide))


def test_untagged_colours_follow_the_size(tmp_path):
    """As players do: BT.709 for high definition, BT.601 for less."""
    small, large = frames(32, 48), frames(720, 80)
    for pictures, is_converted in ((small, False), (large, True)):
        path = tmp_path / f"{len(pictures[0])}.mp4"
        write_film(path, pictures, 10, "mp4")
        unmarked = "setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown"
        bare = convert(path, tmp_path / "bare.mkv", after=("-vf", unmarked, "-crf", "5"))
        assert ("bt709" in open_footage(bare).filters) == is_converted


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be read as a film"),
        (b"no film at all", "cannot be read as a film"),
        (b"ffconcat version 1.0\nfile talk.mp4\n", "cannot be read as a film"),
        (b"#EXTM3U\n#EXTINF:1,\ntalk.mp4\n#EXT-X-ENDLIST\n", "cannot be read as a film"),
    ],
)
def test_what_is_no_film(film, content, told):
    path = film.with_name("other.mp4")
    path.write_bytes(content)
    with pytest.raises(StyleganError, match=rf"^{path} {told} \(.+\); use another copy of it$"):
        open_footage(path)


def test_sound_alone_is_no_film(tmp_path):
    path = tmp_path / "song.mp4"
    command = [ffmpeg(), "-loglevel", "error", "-f", "lavfi", "-i", "sine=duration=1", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    with pytest.raises(StyleganError, match="cannot be read as a film"):
        open_footage(path)


def test_a_film_that_ends_early(film):
    """Its beginning can be read."""
    content = convert(film, film.with_name("long.mkv"), "-stream_loop", "50", after=("-crf", "1")).read_bytes()
    cut = film.with_name("cut.mkv")
    cut.write_bytes(content[: len(content) // 2])
    assert 0 < len(read(cut)) < 204


def test_the_length_is_that_of_the_pictures(film, tmp_path):
    """Sound may last longer, and a container may not say how long it is."""
    tone = ("-f", "lavfi", "-i", "sine=duration=9")
    assert open_footage(convert(film, tmp_path / "sound.mp4", *tone, after=("-c:v", "copy"))).length == 4
    live = convert(film, tmp_path / "live.webm", after=("-live", "1", "-f", "webm"))
    assert open_footage(live).length == 4


def test_pixels_that_are_no_squares(film, tmp_path):
    wide = convert(film, tmp_path / "wide.mp4", after=("-vf", "setsar=4/3"))
    assert open_footage(wide).size == (64, 32)
    assert {frame.shape for frame in read(wide)} == {(32, 64, 3)}


def test_odd_rates(film, tmp_path):
    """Those of television."""
    ntsc = convert(film, tmp_path / "ntsc.mp4", after=("-r", "30000/1001"))
    footage = open_footage(ntsc)
    assert footage.fps == pytest.approx(Fraction(30000, 1001), abs=0.01)
    assert len(read(ntsc)) == footage.length == 12
