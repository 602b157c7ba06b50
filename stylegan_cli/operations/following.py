"""Following a face through a film: the latents of every frame, and one tuning for all.

An encoder guesses each frame; what it does not see is found for some frames, the keys, and changes evenly from each to
the next. First only latents are searched for, as for a photo (`projection`); then the generator is tuned, too, by all
keys together, so that it draws this face in every pose (Tzaban et al. 2022, arXiv:2201.08361, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.generator import Generator
from stylegan_cli.noise import Noise
from stylegan_cli.operations.descent import BETAS, Descent
from stylegan_cli.operations.pivotal import LowRank
from stylegan_cli.operations.projection import STRANGENESS, Likeness, Step, Whitened
from stylegan_cli.tuning import Tuning, synthesize_with

RATE = 0.1  # of latents, as in projections
FLICKER = (0.25, 0.5, 0.25)  # weights of a frame's guess and those beside it, of which the mean flickers less
LEAST = 60  # steps of each kind


@dataclass(frozen=True)
class Settings:
    """How often each key is looked at while only latents are searched for, and while the generator is tuned; the `rank`
    of what is added to its convolutions."""

    searching: int = 4
    tuning: int = 8
    rank: int = 8
    seed: int = 0

    def steps(self, keys: int) -> tuple[int, int]:
        """The number of steps of each kind."""
        return max(self.searching * keys, LEAST), max(self.tuning * keys, LEAST)


@dataclass(frozen=True, eq=False)
class Followed:
    """`ws` `[n, num_ws, w_dim]` of a film's frames, on the CPU, and the tuning with which they are drawn."""

    ws: Tensor
    tuning: Tuning


def follow(
    generator: Generator,
    guesses: Tensor,
    keys: Sequence[int],
    faces: Sequence[np.ndarray],
    settings: Settings,
    on_step: Callable[[Step], None] = lambda _step: None,
) -> Followed:
    """Follows a person of whom `guesses` `[n, w_dim]` or `[n, num_ws, w_dim]` are what an encoder sees in all frames.
    Some of these, from the first to the last, are the `keys`: their `faces` `[size, size, 3]` uint8 are aligned as the
    generator draws."""
    moving, added = _Moving(generator, guesses, keys), LowRank(generator, settings.rank, settings.seed)
    searching, tuning = settings.steps(len(keys))
    total = searching + tuning
    latents = [
        Descent(torch.optim.Adam([moving.common], RATE, BETAS), total),
        Descent(torch.optim.SparseAdam(list(moving.own.parameters()), RATE, BETAS), total),
    ]
    weights = [Descent(torch.optim.Adam(added.groups(), betas=BETAS), tuning)]
    for done, key in zip(range(1, total + 1), _shuffled(len(keys), settings.seed), strict=False):
        is_tuning = done > searching
        coordinates = moving.at_key(key)
        ws, changed = moving.space.w(coordinates)[None], added.changed() if is_tuning else {}
        image = synthesize_with(generator, ws, Noise(), changed)
        loss, distance = Likeness(_photo(faces[key], generator.device)).loss(image)
        (loss + STRANGENESS * coordinates.square().mean()).backward()
        for descent in latents + weights if is_tuning else latents:
            descent.step()
        on_step(Step(done, total, distance.item(), image.detach()))
    return Followed(moving.ws(), Tuning(added.rounded(), {}))


class _Moving:
    """A person's coordinates, in which W is round: the guesses, and what is added to all of them in `common`, `[num_ws,
    w_dim]`, and to each key on its `own`."""

    def __init__(self, generator: Generator, guesses: Tensor, keys: Sequence[int]) -> None:
        self.space = Whitened(generator)
        device, shape = generator.device, (generator.num_ws, generator.w_dim)
        guesses = guesses.to(device)
        self.guessed = _steadied(self.space.coordinates(guesses if guesses.ndim == 3 else guesses[:, None]))
        self.common = torch.zeros(shape, device=device, requires_grad=True)
        # Sparse: a step for one key leaves the others alone.
        self.own = nn.Embedding.from_pretrained(
            torch.zeros(len(keys), self.common.numel(), device=device), freeze=False, sparse=True
        )
        self.keys = keys

    def at_key(self, key: int) -> Tensor:
        """`[num_ws, w_dim]`."""
        own = self.own(torch.tensor(key, device=self.common.device)).view_as(self.common)
        return self.guessed[self.keys[key]] + self.common + own

    @torch.no_grad()
    def ws(self) -> Tensor:
        """Those of all frames."""
        frames = np.arange(len(self.guessed))
        places = np.interp(frames, self.keys, np.arange(len(self.keys)))
        before = np.minimum(places.astype(int), max(len(self.keys) - 2, 0))
        every = self.own.weight.view(-1, *self.common.shape)
        ws = []
        for frame, place, key in zip(frames, places, before, strict=True):
            own = every[key].lerp(every[min(key + 1, len(every) - 1)], float(place - key))
            ws.append(self.space.w(self.guessed[frame] + self.common + own).cpu())
        return torch.stack(ws)


def _steadied(values: Tensor) -> Tensor:
    """Values `[n, ...]` averaged over neighbouring frames."""
    ends = torch.cat([values[:1], values, values[-1:]])
    before, here, after = FLICKER
    return before * ends[:-2] + here * values + after * ends[2:]


def _photo(face: np.ndarray, device: torch.device) -> Tensor:
    """`[1, 3, size, size]` in [-1, 1]."""
    return torch.from_numpy(face.copy()).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1


def _shuffled(keys: int, seed: int) -> Iterator[int]:
    """All keys in a random order, again and again."""
    randomness = np.random.RandomState(seed)
    while True:
        yield from randomness.permutation(keys).tolist()
