"""Films: the latents of one, two or all three bands moving from person to person, or around a circle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person, from_z, lerp
from stylegan_cli.operations.mixing import figure, swap
from stylegan_cli.pictures import Face, Sheet, contact_sheet

METHODS = ("linear", "spherical", "cubic")
CIRCLE = "circle"  # another kind of film: `Circle`
IN_Z = ("spherical", CIRCLE)
EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda u: u,
    "smooth": lambda u: u * u * (3 - 2 * u),
    "ease-in": lambda u: u * u,
    "ease-out": lambda u: u * (2 - u),
}


@dataclass(frozen=True)
class Track:
    """The layers `indices` moving through `people`."""

    indices: tuple[int, ...]
    people: tuple[Person, ...]


@dataclass(frozen=True)
class Film:
    """A film of `len(film)` faces. Layers that are on no track stay at `start`. Frames are made on demand.

    There are `frames` from one person to the next on the track with the most people; the other tracks spread theirs
    over the same time. A loop returns to the first person, without the last frame, which would repeat the first.
    """

    generator: Generator
    start: Person
    tracks: tuple[Track, ...]
    frames: int
    method: str = "linear"
    easing: str = "linear"
    loop: bool = False
    cells: ClassVar[int] = 1  # faces in a frame

    def __post_init__(self) -> None:
        """Raises StyleganError if the method needs a z that is not known, before anything is drawn."""
        if self.method == "spherical":
            for person in (person for track in self.tracks for person in track.people):
                person.needs_z()

    def __len__(self) -> int:
        return self._steps() * self.frames + (0 if self.loop else 1)

    def __iter__(self) -> Iterator[Face]:
        return (self.face(i) for i in range(len(self)))

    def face(self, frame: int) -> Face:
        """The face of one frame."""
        return self.person(frame).face(caption="")

    def person(self, frame: int) -> Person:
        """Who is shown in one frame. In every person's own frame the `ws` are exactly that person's."""
        return self.at(Fraction(frame, self._steps() * self.frames))

    def at(self, progress: Fraction) -> Person:
        """Who is shown after this much of the whole way, 0 to 1."""
        shown = self.start
        for track in self.tracks:
            stops = (*track.people, track.people[0]) if self.loop else track.people
            # Exact arithmetic: a person's own frame must be exactly that person.
            position, rest = divmod(progress * (len(stops) - 1), 1)
            shown = swap(shown, self._between(stops, position, EASINGS[self.easing](float(rest))), track.indices)
        return shown

    @property
    def indices(self) -> tuple[int, ...]:
        """The layers that move."""
        return tuple(sorted({i for track in self.tracks for i in track.indices}))

    def _steps(self) -> int:
        return max(len(track.people) for track in self.tracks) - (0 if self.loop else 1)

    def _between(self, stops: Sequence[Person], i: int, u: float) -> Person:
        if u == 0:
            return stops[i]
        if self.method == "spherical":
            z = slerp(stops[i].needs_z(), stops[i + 1].needs_z(), u)
            psi = stops[i].psi + u * (stops[i + 1].psi - stops[i].psi)
            return from_z(self.generator, z, psi, "")
        between = lerp(stops[i], stops[i + 1], torch.full((len(stops[i].ws),), u), "")
        if self.method == "cubic":
            before, after = self._neighbours(stops, i)
            return replace(between, ws=catmull_rom(before.ws, stops[i].ws, stops[i + 1].ws, after.ws, u))
        return between

    def _neighbours(self, stops: Sequence[Person], i: int) -> tuple[Person, Person]:
        """The people before `i` and after `i + 1`: in a loop they wrap around, otherwise the ends are repeated."""
        if self.loop:
            return stops[i - 1 if i else -2], stops[(i + 2) % (len(stops) - 1)]
        return stops[max(i - 1, 0)], stops[min(i + 2, len(stops) - 1)]


@dataclass(frozen=True)
class Circle:
    """A film of one full turn in Z, in `frames` frames: `cos(t) * z1 + sin(t) * z2` for t from 0 to 2 pi, which is as
    typical of the model as the `z` `[z_dim]` of the two `people` are. The layers that are not in `indices` stay at
    `start`. The psi of people who differ in it changes with them. The frame after the last would repeat the first."""

    generator: Generator
    start: Person
    people: tuple[Person, Person]
    indices: tuple[int, ...]
    frames: int
    loop: ClassVar[bool] = True
    cells: ClassVar[int] = 1  # faces in a frame

    def __post_init__(self) -> None:
        """Raises StyleganError if there is no such circle, before anything is drawn."""
        a, b = self.people
        if torch.equal(a.needs_z(), b.needs_z()):
            raise StyleganError(
                f"no circle leads through {a.label} and {b.label}, who have the same z; name two different people"
            )

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Face]:
        return (self.face(i) for i in range(len(self)))

    def face(self, frame: int) -> Face:
        """The face of one frame. In the first its `ws` are exactly those of the first person, and after a quarter
        those of the second."""
        return self.at(Fraction(frame, self.frames)).face(caption="")

    def at(self, progress: Fraction) -> Person:
        """Who is shown after this much of the turn, 0 to 1."""
        return swap(self.start, self._turned(progress), self.indices)

    def _turned(self, progress: Fraction) -> Person:
        a, b = self.people
        if progress in (0, Fraction(1, 4)):
            return b if progress else a
        t = 2 * math.pi * float(progress)
        z = math.cos(t) * a.needs_z() + math.sin(t) * b.needs_z()
        return from_z(self.generator, z, a.psi + math.sin(t) ** 2 * (b.psi - a.psi), "")


class Faces(Protocol):
    """A film of one face."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Face]: ...


class Looping(Faces, Protocol):
    """A film of one face that may be a loop."""

    @property
    def loop(self) -> bool: ...


@dataclass(frozen=True)
class Moved:
    """A film whose faces StyleGAN3 moves and turns: `translate` and `rotate`, as in `Face`, go evenly from their first
    value in the first frame to their second in the last; in a loop, in the one after the last."""

    film: Looping
    translate: tuple[tuple[float, float], tuple[float, float]]
    rotate: tuple[float, float]
    cells: ClassVar[int] = 1  # faces in a frame

    def __len__(self) -> int:
        return len(self.film)

    def __iter__(self) -> Iterator[Face]:
        steps = len(self) if self.film.loop else len(self) - 1
        return (self._moved(face, i / steps) for i, face in enumerate(self.film))

    def _moved(self, face: Face, u: float) -> Face:
        (x, y), (to_x, to_y) = self.translate
        angle, to_angle = self.rotate
        at = (x + u * (to_x - x), y + u * (to_y - y))
        return replace(face, translate=at, rotate=angle + u * (to_angle - angle))


class Frames(Protocol):
    """What a film consists of: a sequence of pictures of `cells` faces each."""

    @property
    def cells(self) -> int: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Face | Sheet]: ...


@dataclass(frozen=True)
class Wall:
    """Films of the same length side by side, in rows of `columns`; by default as `contact_sheet` lays them out."""

    films: tuple[Faces, ...]
    columns: int | None = None

    @property
    def cells(self) -> int:
        return len(self.films)

    def __len__(self) -> int:
        return len(self.films[0])

    def __iter__(self) -> Iterator[Sheet]:
        return (contact_sheet(faces, self.columns) for faces in zip(*self.films, strict=True))


@dataclass(frozen=True)
class Mixed:
    """The figure of style mixing as a film: in its only row whoever `film` shows, and then the same with the layers
    `indices` of the person of each column; above them these people."""

    film: Film
    cols: tuple[Person, ...]
    indices: tuple[int, ...]

    @property
    def cells(self) -> int:
        return 2 * len(self.cols) + 1

    def __len__(self) -> int:
        return len(self.film)

    def __iter__(self) -> Iterator[Sheet]:
        (top,) = figure([], self.cols, self.indices).rows  # the same cells in all frames, which are drawn once
        rows = (replace(self.film.person(i), label="") for i in range(len(self)))
        frames = (figure([row], self.cols, self.indices) for row in rows)
        return (replace(frame, rows=(top, *frame.rows[1:])) for frame in frames)


def slerp(a: Tensor, b: Tensor, u: float) -> Tensor:
    """Spherical interpolation between two `z` `[z_dim]` (White 2016, arXiv:1609.04468), linear if they are parallel."""
    cosine = torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=0).clamp(-1, 1).item()
    omega = math.acos(cosine)
    if math.sin(omega) < 1e-6:
        return a.lerp(b, u)
    return (math.sin((1 - u) * omega) * a + math.sin(u * omega) * b) / math.sin(omega)


def catmull_rom(before: Tensor, a: Tensor, b: Tensor, after: Tensor, u: float) -> Tensor:
    """The cubic through `a` (u = 0) and `b` (u = 1) whose tangents there are half of `b - before` and `after - a`; all
    four tensors have the same shape, for example `[num_ws, w_dim]`."""
    tangent_a, tangent_b = (b - before) / 2, (after - a) / 2
    u2, u3 = u * u, u * u * u
    return (2 * u3 - 3 * u2 + 1) * a + (u3 - 2 * u2 + u) * tangent_a + (3 * u2 - 2 * u3) * b + (u3 - u2) * tangent_b
