"""What films make of music: beats in the bands they belong to, at their times, however loud and in whatever blocks."""

import math

import numpy as np
import pytest
from songs import at, clicks, silence, tone

from stylegan_cli.errors import StyleganError
from stylegan_cli.operations.music import Music, listen

FPS, RATE = 30, 22_050  # half as many samples per second as songs have
BASS, VOICE, CYMBAL = tone(80, 0.3), tone(1000, 0.3), tone(8000, 0.3)


def music_of(samples, fps=FPS, block=RATE):
    samples = samples[::2]
    return listen(np.split(samples.astype(np.float32), range(block, len(samples), block)), RATE, fps)


def peaks(pulse):
    """The frames in which a pulse arrives at its heights."""
    return np.flatnonzero((pulse > 0.5) & (pulse > np.roll(pulse, 1)) & (pulse >= np.roll(pulse, -1))).tolist()


@pytest.mark.parametrize("fps", [12, 24, 29.97, 30, 60, 100])
def test_clicks_are_peaks_at_their_frames(fps):
    times = [0.7, 1.5, 2.4, 3.1, 4.6]
    music = music_of(clicks(times, 6), fps)
    assert len(music) == round(6 * fps)
    for pulse in music.pulses.T:
        assert peaks(pulse) == pytest.approx([time * fps for time in times], abs=1 + fps / 40)
    assert music.pulses.min() >= 0 and music.pulses.max() <= 1


@pytest.mark.parametrize(("band", "sound"), [*enumerate([BASS, VOICE, CYMBAL])])
def test_each_band_hears_its_own_pitches(band, sound):
    music = music_of(at([0.5, 1.5, 2.5], sound, 4))
    assert [round(height) for height in music.pulses.max(axis=0)] == [int(i == band) for i in range(3)]
    others = np.delete(music.pulses, band, axis=1)
    assert others.max() < 0.15


def test_a_pulse_rises_at_once_and_falls_slowly():
    pulse = music_of(clicks([1.0], 3)).pulses[:, 0]
    (peak,) = peaks(pulse)
    assert pulse[peak - 4] < 0.05 and pulse[peak + 4] > 0.3
    assert (np.diff(pulse[peak:]) <= 0).all() and pulse[peak + 45] < 0.02


@pytest.mark.parametrize("sound", [clicks([0.0, 2.99], 3), tone(80, 3), clicks(np.arange(0, 3, 0.1), 3)])
def test_the_first_and_the_last_frame_are_still(sound):
    assert (music_of(sound).pulses[[0, -1]] == 0).all()


def test_quiet_music_is_heard_like_loud_music():
    loud = at([0.5, 1.5], BASS, 3) + clicks([1, 2], 3, 0.5)
    np.testing.assert_allclose(music_of(loud / 100).pulses, music_of(loud).pulses, atol=1e-3)
    np.testing.assert_allclose(music_of(loud / 100).speeds, music_of(loud).speeds, atol=1e-3)


@pytest.mark.parametrize("block", [100, 1023, 5000, 10**6])
def test_blocks_do_not_matter(block):
    sound = at([0.5, 1.5], BASS, 3) + clicks([1, 2], 3)
    whole, parts = music_of(sound), music_of(sound, block=block)
    assert np.array_equal(whole.pulses, parts.pulses) and np.array_equal(whole.speeds, parts.speeds)


def test_films_move_on_where_it_is_loud_and_on_beats():
    beats = np.arange(2, 4, 0.5)
    progress = np.array(music_of(clicks(beats, 6)).progress(False))
    steps = np.diff(progress)
    assert (steps > 0).all()
    assert steps[60:120].sum() > 3 * steps[:55].sum()
    assert steps[60:66].sum() > 1.5 * steps[68:74].sum()


@pytest.mark.parametrize("loop", [False, True])
def test_the_way_is_gone_from_end_to_end(loop):
    music = music_of(clicks([0.3, 1.1], 2.5))
    progress = music.progress(loop)
    assert len(progress) == len(music) == 75
    assert progress[0] == 0 and progress == sorted(progress)
    assert (progress[-1] == 1) != loop
    if loop:
        assert 0.9 < progress[-1] < 1


@pytest.mark.parametrize("sound", [silence(2), silence(2) + 1e-5, clicks([1], 2, 5e-5)])
def test_in_silence_films_move_evenly(sound):
    music = music_of(sound)
    assert music.is_silent and not music.pulses.any()
    np.testing.assert_allclose(np.diff(music.progress(False)), 1 / 59)
    assert not music_of(clicks([1], 2, 2e-3)).is_silent


def test_noise_has_no_beats():
    hiss = np.random.RandomState(0).uniform(-0.5, 0.5, 10 * RATE)
    assert music_of(hiss).pulses[20:].mean() < 0.2


@pytest.mark.parametrize("length", [0, 1, 1000])
def test_too_short_for_two_frames(length):
    said = f"the music lasts {length / RATE:.2f} seconds, but a film needs two frames, at 30 per second; use longer"
    with pytest.raises(StyleganError, match=said):
        music_of(np.full(2 * length, 0.5))
    assert len(music_of(np.full(2 * math.ceil(2 * RATE / FPS), 0.5))) == 2


def test_two_frames_are_the_two_ends():
    music = Music(np.zeros((2, 3)), np.ones(2))
    assert (music.progress(False), music.progress(True)) == ([0, 1], [0, 0.5])
