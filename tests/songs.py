"""Music for tests: sounds as numbers, and files with them."""

import wave

import numpy as np

RATE = 44_100


def silence(seconds):
    return np.zeros(round(seconds * RATE))


def tone(pitch, seconds, loud=0.5):
    """A tone that begins and ends softly."""
    t = np.arange(round(seconds * RATE)) / RATE
    return loud * np.sin(2 * np.pi * pitch * t) * np.clip(np.minimum(t, seconds - t) / 0.05, 0, 1)


def at(times, sound, seconds):
    """The sound at each of these times, in silence of so many seconds."""
    music = silence(seconds)
    for time in times:
        start = round(time * RATE)
        music[start : start + len(sound)] += sound[: len(music) - start]
    return music


def clicks(times, seconds, loud=0.9):
    """Short noises, of all pitches."""
    noise = np.random.RandomState(0).uniform(-loud, loud, round(0.01 * RATE))
    return at(times, noise, seconds)


def write_wav(path, music, bits=16, channels=1):
    """A file of samples from -1 to 1, the same on each channel; 8 bits are unsigned in such files."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(bits // 8)
        file.setframerate(RATE)
        whole = np.repeat(np.round(music * (2 ** (bits - 1) - 1)).astype("<i4"), channels)
        content = (whole + 128).astype("u1") if bits == 8 else whole.view("u1").reshape(-1, 4)[:, : bits // 8]
        file.writeframes(content.tobytes())
    return path
