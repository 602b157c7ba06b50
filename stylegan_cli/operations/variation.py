"""Variations of one face: per-pixel noise in chosen bands, and the classic G(z + eps)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import torch

from stylegan_cli.bands import BANDS
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person, from_z
from stylegan_cli.noise import Noise
from stylegan_cli.pictures import Heatmap, Sheet

PANELS = {"all layers": BANDS, "no noise": (), "fine only": ("fine",), "coarse, middle": ("coarse", "middle")}
HAIR = (0.25, 0.0, 0.5)  # where it is in pictures aligned like FFHQ's: the upper middle


def noise_in(bands: Collection[str], seed: int, strength: float) -> Noise:
    """Random noise in these bands, and none in the others."""
    return Noise("random", seed, **{band: strength if band in bands else 0.0 for band in BANDS})


def with_noise(person: Person, bands: Collection[str], strength: float, seed: int, count: int) -> Iterator[Person]:
    """A person `count` times, with different noise in these bands only; seeds count up from `seed`."""
    for i in range(count):
        yield replace(person, label=f"noise {seed + i}", noise=noise_in(bands, seed + i, strength))


def panels(person: Person, seed: int, strength: float) -> Sheet:
    """The paper's figure 5: noise in all layers, in none, in those of 64 pixels and more, in those below. The second
    row shows the hair of the first row."""
    varied = [replace(person, noise=noise_in(bands, seed, strength)) for bands in PANELS.values()]
    faces = [one.face(caption="") for one in varied]
    hair = [replace(face, part=HAIR, caption=caption) for face, caption in zip(faces, PANELS, strict=True)]
    return Sheet((tuple(faces), tuple(hair)))


def heatmap(person: Person, bands: Collection[str], strength: float, seed: int, count: int) -> Heatmap:
    """Where noise in these bands changes the picture (figure 4c)."""
    return Heatmap(person.ws, noise_in(bands, seed, strength), count, tuned=person.tuned)


def jitter(generator: Generator, person: Person, eps: float, seed: int, count: int) -> Iterator[Person]:
    """G(z + eps): `count` people whose z is the person's plus `eps` times N(0, 1). Where the z is not known, as of a
    photo, it is their `w` that moves: by `eps` times the distance of others from the average."""
    for i in range(count):
        step = np.random.default_rng([seed + i]).standard_normal(generator.z_dim, dtype=np.float32)
        label, other = f"{person.label}, variation {seed + i}", torch.from_numpy(step)
        if person.z is not None:
            yield replace(from_z(generator, person.z + eps * other, person.psi, label), noise=person.noise)
        else:
            by = from_z(generator, other, 1.0, label).ws - generator.w_avg.cpu()
            yield person.moved(person.ws + eps * by, label)
