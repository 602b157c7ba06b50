"""Films to music: they move on with it, and its beats push the bands of the faces in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from stylegan_cli.bands import BANDS
from stylegan_cli.generator import Generator
from stylegan_cli.latents.named import MAX_SEED
from stylegan_cli.latents.people import Person, lerp
from stylegan_cli.latents.selection import in_bands
from stylegan_cli.operations.drift import ruler_of
from stylegan_cli.operations.interpolation import Circle, Film
from stylegan_cli.operations.music import Music
from stylegan_cli.pictures import Face

CANDIDATES = 8


def partner(generator: Generator, seed: int, psi: float) -> Person:
    """Whom beats push faces towards: the farthest from the average of some people that the seed chooses, because what
    is pushed towards an ordinary face hardly moves. If no class is chosen, they are of several."""
    # Not the seed itself, whom the film may show: nobody dances with themselves.
    z = torch.from_numpy(np.random.RandomState(MAX_SEED - seed).randn(CANDIDATES, generator.z_dim)).float()
    c = generator.classes_in_turn(CANDIDATES) if generator.chosen_class is None else None
    with torch.inference_mode():
        ws = generator.truncate(generator.broadcast(generator.to_w(z.to(generator.device), c)), psi, c).cpu()
    return Person("partner", max(ws, key=ruler_of(generator).drift))


@dataclass(frozen=True)
class Danced:
    """A film of the same way, that lasts as long as the `music`. Its pulses push the layers that move towards those of
    the `partner`, a full one by the share `pulse`, 0 to 1. In the first frame, and unless it loops in the last, the
    `ws` are exactly those of the film's own."""

    film: Film | Circle
    music: Music
    partner: Person
    pulse: float
    cells: ClassVar[int] = 1  # faces in a frame

    @property
    def loop(self) -> bool:
        return self.film.loop

    def __len__(self) -> int:
        return len(self.music)

    def __iter__(self) -> Iterator[Face]:
        return (self.face(i) for i in range(len(self)))

    def face(self, frame: int) -> Face:
        """The face of one frame."""
        person = self.film.at(Fraction(self._progress[frame]))
        shares = torch.zeros(len(person.ws))
        for band, pushed in zip(BANDS, self.pulse * self.music.pulses[frame], strict=True):
            layers = in_bands(self.film.generator.layers, (band,))
            shares[sorted({*layers} & {*self.film.indices})] = float(pushed)
        return lerp(person, self.partner, shares, "").face()

    @cached_property
    def _progress(self) -> list[float]:
        return self.music.progress(self.loop)
