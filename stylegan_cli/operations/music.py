"""Listening to music: how fast a film moves on with it, and what its bass, mids and highs do in every frame.

Everything is relative to the music itself: a quiet recording gives what a loud one of it gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from stylegan_cli.bands import BANDS
from stylegan_cli.errors import StyleganError

WINDOW = 1024  # samples
# Of each band of layers, the pitches in Hz that move it: drums and bass the shape of a face, cymbals its texture. The
# gaps keep a loud neighbour out.
PITCHES = {"coarse": (20, 200), "middle": (300, 3000), "fine": (5000, 11_000)}
DECAYS = {"coarse": 0.22, "middle": 0.22, "fine": 0.14}  # seconds until a pulse has fallen to a third
LOOKS = 43  # at least so many a second: between two of them, no beat is missed
SURROUNDINGS, ATTACK, ENDS = 1.0, 0.1, 0.15  # seconds
SILENCE = 1e-4  # the largest sample of what nobody hears
STANDS_OUT = 2  # times what is usual around it: what grows by more is a beat, and noise has none
FAINTEST = 0.02  # of the strongest band: others below it are its echo
REST, SURGE = 0.15, 2.0  # the speed in silence, and what a beat of all bands adds to it; loud music adds 1


@dataclass(frozen=True)
class Music:
    """What a film makes of music: `pulses` `[frames, bands]`, 0 to 1, rise with the beats of each band and fall again,
    and are 0 in the first and last frame; `speeds` `[frames]`, more than 0, are how fast it moves on from each frame to
    the next."""

    pulses: np.ndarray
    speeds: np.ndarray
    is_silent: bool = False

    def __len__(self) -> int:
        return len(self.speeds)

    def progress(self, loop: bool) -> list[float]:
        """How much of its way a film has gone in each frame: from exactly 0 to exactly 1, which a loop would reach in
        the frame after the last."""
        way = np.concatenate([[0.0], np.cumsum(self.speeds)])
        steps = len(self) if loop else len(self) - 1
        return [float(gone / way[steps]) for gone in way[: len(self)]]


def listen(blocks: Iterable[np.ndarray], rate: int, fps: float) -> Music:
    """What a film of `fps` frames per second makes of a sound, which comes in `blocks` `[n]` float32 of `rate` samples
    per second; memory grows by a few numbers per frame. Raises StyleganError if it is too short for two frames."""
    looks = math.ceil(LOOKS / fps)  # per frame
    samples, peak = 0, 0.0

    def counted() -> Iterator[np.ndarray]:
        nonlocal samples, peak
        for block in blocks:
            samples, peak = samples + len(block), max(peak, float(np.abs(block).max(initial=0)))
            yield block

    seen = [*_seen(_windows(counted(), rate / fps / looks), rate)]
    frames = round(samples * fps / rate)
    if frames < 2:
        raise StyleganError(
            f"the music lasts {samples / rate:.2f} seconds, but a film needs two frames, at {fps:g} per second; use "
            "longer music"
        )
    if peak < SILENCE:
        return Music(np.zeros((frames, len(BANDS))), np.ones(frames), is_silent=True)
    fluxes, loudness = map(np.concatenate, zip(*seen, strict=True))
    pulses = _pulses(_fitted(fluxes, frames * looks), looks, fps)
    return Music(pulses, _speeds(_fitted(loudness, frames * looks).reshape(frames, looks).mean(axis=1), pulses))


def _windows(blocks: Iterable[np.ndarray], hop: float) -> Iterator[np.ndarray]:
    """The sound through windows `[n, WINDOW]`, of which the middles are half a `hop`, one and a half, ... samples after
    its beginning; before it and after its end is silence."""
    silence = np.zeros(WINDOW // 2, np.float32)
    held, first, done = silence, 0, 0  # `held` begins with sample `first`, counted with the silence
    for block in chain(blocks, [silence]):
        held = np.concatenate([held, block])
        starts = np.arange(done + 0.5, (first + len(held)) / hop + 1) * hop
        starts = starts[starts <= first + len(held) - WINDOW].astype(int)
        if len(starts):
            yield held[starts[:, None] - first + np.arange(WINDOW)]
        done += len(starts)
        cut = min(int((done + 0.5) * hop) - first, len(held))
        held, first = held[cut:], first + cut


def _seen(windows: Iterable[np.ndarray], rate: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of every window: the spectral flux of each band `[n, bands]`, which is what its spectrum has grown by since the
    window before, and the loudness `[n]`."""
    pitches = np.fft.rfftfreq(WINDOW, 1 / rate)
    bins = [slice(*np.searchsorted(pitches, PITCHES[band])) for band in BANDS]
    shape, before = np.blackman(WINDOW), None
    for part in windows:
        spectra = np.abs(np.fft.rfft(part * shape))
        before = spectra[:1] if before is None else before
        growth = np.maximum(np.diff(spectra, axis=0, prepend=before), 0)
        before = spectra[-1:]
        yield np.stack([growth[:, chosen].sum(axis=1) for chosen in bins], axis=1), np.linalg.norm(spectra, axis=1)


def _fitted(values: np.ndarray, length: int) -> np.ndarray:
    """The first `length` values; where there are fewer, none follow."""
    return np.pad(values[:length], [(0, max(length - len(values), 0)), *[(0, 0)] * (values.ndim - 1)])


def _pulses(fluxes: np.ndarray, looks: int, fps: float) -> np.ndarray:
    """The `pulses` of `Music` for fluxes `[looks * frames, bands]`."""
    around = np.stack([_blurred(flux, SURROUNDINGS * looks * fps) for flux in fluxes.T], axis=1)
    beats = np.maximum(fluxes - STANDS_OUT * around, 0).reshape(-1, looks, len(BANDS)).max(axis=1)
    kept = np.exp([-1 / (fps * DECAYS[band]) for band in BANDS])
    for before, now in pairwise(beats):
        np.maximum(now, before * kept, out=now)  # it falls from beat to beat
    pulses = np.stack([_blurred(beat, ATTACK * fps) for beat in beats.T], axis=1)
    full = np.maximum(np.percentile(pulses, 95, axis=0), pulses.max(axis=0) / 3)
    full = np.maximum(full, np.maximum(STANDS_OUT * around.mean(axis=0), FAINTEST * full.max()))
    from_end = np.minimum(np.arange(len(pulses)), np.arange(len(pulses))[::-1]) / (ENDS * fps)
    return np.minimum(pulses / np.maximum(full, np.finfo(float).tiny), 1) * np.minimum(from_end, 1)[:, None]


def _blurred(values: np.ndarray, width: float) -> np.ndarray:
    """The means of values over about `width` of them, in which the middle counts most."""
    weights = np.hanning(2 * round(width / 2) + 3)[1:-1]
    return np.convolve(values, weights / weights.sum())[len(weights) // 2 :][: len(values)]


def _speeds(loudness: np.ndarray, pulses: np.ndarray) -> np.ndarray:
    level = np.minimum(loudness / max(np.percentile(loudness, 95), loudness.max() / 10), 1)
    return REST + np.sqrt(level) + SURGE * pulses.mean(axis=1)
