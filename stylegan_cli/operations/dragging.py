"""Dragging: points of a face are moved to other places, and the rest of the face follows as faces do.

The task is that of DragGAN (Pan et al. 2023, arXiv:2305.10973), and points are followed as there: by the generator's
own feature maps (section 3.3). But where its optimiser takes hundreds of small steps along whatever moves the points,
here a few Gauss-Newton steps find the change of W+ that moves them with the least effort:

    effort = |delta|^2 + STIFFNESS |change of the feature maps|^2 + PULL |points - ends|^2

`delta` are coordinates in which W is round (`movable.Movable`), of each layer that moves: its length says how
improbable a change is. The second term, a mean over the pixels, keeps what need not change; it is estimated by random
projections, and from the gradients at the start. How points move with `delta` follows from the
gradients of the maps around them (Lucas and Kanade 1981). Lengths are in pixels of these maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.movable import MAPS, Movable

STIFF_MAPS = 32  # resolution of the maps that are to change little
STIFFNESS, PULL = 30.0, 10.0
PROBES = 64  # random projections of the maps, from which their change is estimated
RADIUS = 2  # of the patch around a point by which it is followed
WINDOW, FINENESS = 2, 8  # how far from its expected place a point is looked for, and in how many steps per pixel
LOST = 0.4  # mean squared difference from its patch beyond which what was found may be something else; 2 is the largest
NEAR = 0.02  # how much worse a match at the window's edge counts than one at the expected place
STRIDE = 1.5  # how far points move in a step
CAUTION = 2.0  # of the steps on the way, and at first of those after it
SETTLING, ENOUGH = 4, 0.02  # most steps after it, and the improvement from which another one is worth its time
RIDGE = 1e-3  # added to a matrix before it is inverted, relative to it
MOST = 20  # points
MISSED, HARDLY = 0.02, 0.005  # of the picture's width: farther from its end, no point arrived; nearer, every one did


@dataclass(frozen=True)
class Move:
    """A point of a picture, (x, y) in pixels from its top left corner, and where it is to be; to hold it, the same
    place."""

    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Dragged:
    """The person afterwards, and how far each move's point is from its end, in pixels of the picture."""

    person: Person
    missed: tuple[float, ...]


def drag(
    generator: Generator, person: Person, moves: Sequence[Move], on_step: Callable[[], None] = lambda: None
) -> Dragged:
    """The person whose points are where the moves end, or as near as faces allow.

    Calls `on_step` after each of at most `most_steps(generator, moves)` steps. Raises `UsageError` if there are no
    moves or too many, or if one leaves the picture. `remarks` tells what did not arrive."""
    check(generator, moves)
    starts, ends = _places(generator, moves)
    face = _Face(generator, person, starts)
    path = _Path(face)
    view = face.view(face.unmoved, starts)
    way = most_steps(generator, moves) - SETTLING
    for done in range(1, way + 1):
        view = path.step(view, starts.lerp(ends, done / way), CAUTION)
        on_step()
    caution = CAUTION
    for _ in range(SETTLING):
        tried = path.step(view, ends, caution)
        gain = 1 - path.effort(tried, ends) / max(path.effort(view, ends), 1e-9)
        view, caution = (tried, caution / 4) if gain > 0 else (view, caution * 4)
        on_step()
        if 0 < gain < ENOUGH:
            break
    missed = (ends - face.seen(view)).norm(dim=1) * _scale(generator)
    return Dragged(face.moved(view.delta, "dragged"), tuple(missed.cpu().tolist()))


def most_steps(generator: Generator, moves: Sequence[Move]) -> int:
    """The largest number of steps that a drag takes."""
    starts, ends = _places(generator, moves)
    return math.ceil((ends - starts).norm(dim=1).max().item() / STRIDE) + SETTLING


def check(generator: Generator, moves: Sequence[Move]) -> None:
    """Raises `UsageError` if there are no moves, or more than `MOST`, if one leaves the picture, or if two contradict
    each other."""
    height, width = generator.size
    if not 0 < len(moves) <= MOST:
        raise UsageError(f"1 to {MOST} points can be dragged at once, but these are {len(moves)}")
    for x, y in (place for move in moves for place in (move.start, move.end)):
        if not (0 <= x <= width and 0 <= y <= height):
            raise UsageError(f"the point {x:g},{y:g} is not in the picture, which has {width}x{height} pixels")
    ends: dict[tuple[float, float], tuple[float, float]] = {}
    for move in moves:
        if (other := ends.setdefault(move.start, move.end)) != move.end:
            x, y = move.start
            places = " and at ".join(f"{right:g},{down:g}" for right, down in (other, move.end))
            raise UsageError(f"the point {x:g},{y:g} cannot end at {places}; leave out one of them")


def _scale(generator: Generator) -> float:
    """Pixels of the picture per pixel of the maps."""
    return generator.resolution / min(MAPS, generator.finest)


def _places(generator: Generator, moves: Sequence[Move]) -> tuple[Tensor, Tensor]:
    """Where the moves start and end, `[n, 2]` each, in pixels of the maps."""
    places = torch.tensor([(move.start, move.end) for move in moves], device=generator.device)
    starts, ends = (places / _scale(generator)).unbind(dim=1)
    return starts, ends


@dataclass(frozen=True, eq=False)
class _View:
    """The face after `delta` `[d]`, which the `maps` `[1, c, h, w]` have a gradient to, and where its `points` `[n, 2]`
    are."""

    delta: Tensor
    maps: Tensor
    points: Tensor

    def motion(self) -> Tensor:
        """How the points move with `delta`: `[2n, d]`, x and y of each in turn."""
        places, across, down = self.points[:, None] + _disc(self.points), *torch.eye(2).to(self.points)
        values = _read(self.maps, places).flatten(1)  # [n, patch * c]
        with torch.no_grad():
            steps = [_read(self.maps, places + by) - _read(self.maps, places - by) for by in (across, down)]
            slopes = torch.stack([step.flatten(1) / 2 for step in steps], dim=1)  # [n, 2, patch * c]
            square = slopes @ slopes.mT
            ridge = RIDGE * square.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None] * torch.eye(2).to(square)
            seen = torch.linalg.solve(square + ridge, slopes)
        moved = -(seen @ values[..., None]).flatten()
        return torch.stack([torch.autograd.grad(one, self.delta, retain_graph=True)[0] for one in moved])


class _Face(Movable):
    """A person whose coarse and middle layers move, and what is at the `starts` `[n, 2]` of moves."""

    def __init__(self, generator: Generator, person: Person, starts: Tensor) -> None:
        super().__init__(generator, person, MAPS // 2)
        with torch.no_grad():
            self.patches = _read(self.maps(self.unmoved), starts[:, None] + _disc(starts))  # [n, patch, c]

    def view(self, delta: Tensor, expected: Tensor) -> _View:
        """The face after `delta`, whose points are close to where they are `expected`."""
        delta = delta.detach().requires_grad_()
        maps = self.maps(delta)
        around = torch.linspace(-WINDOW, WINDOW, 2 * WINDOW * FINENESS + 1, device=delta.device)
        window = torch.cartesian_prod(around, around)
        farness = 1 + NEAR * window.square().sum(dim=1) / WINDOW**2
        with torch.no_grad():
            found = [
                _least(one + window, _errors(maps, one + window, patch) * farness)
                for one, patch in zip(expected, self.patches, strict=True)
            ]
        return _View(delta, maps, torch.stack(found))

    @torch.no_grad()
    def seen(self, view: _View) -> Tensor:
        """Where the points are, `[n, 2]`: those that were lost on the way are looked for everywhere."""
        height, width = view.maps.shape[2:]
        everywhere = torch.cartesian_prod(torch.arange(width), torch.arange(height)).to(view.points) + 0.5
        found = []
        for point, patch in zip(view.points, self.patches, strict=True):
            is_lost = _errors(view.maps, point[None], patch).item() > LOST
            found.append(_least(everywhere, _errors(view.maps, everywhere, patch)) if is_lost else point)
        return torch.stack(found)


class _Path:
    """Changes a face with little effort."""

    def __init__(self, face: _Face) -> None:
        self.face = face
        delta = face.unmoved.clone().requires_grad_()
        maps = face.maps(delta, STIFF_MAPS)
        randomness = torch.Generator().manual_seed(0)
        probes = []
        for _ in range(PROBES):
            weights = torch.randn(maps.shape, generator=randomness).to(maps.device)
            probes.append(torch.autograd.grad((maps * weights).sum(), delta, retain_graph=True)[0])
        pixels = maps.shape[2] * maps.shape[3]
        self.probes = torch.stack(probes) * math.sqrt(STIFFNESS / PROBES / pixels)  # [PROBES, d]
        self.small = torch.linalg.cholesky(torch.eye(PROBES).to(delta) + self.probes @ self.probes.mT)

    def _yielding(self, forces: Tensor) -> Tensor:
        """The changes `[d, m]` that forces make: the inverse of 1 + probes^T probes, by Woodbury's identity."""
        return forces - self.probes.mT @ torch.cholesky_solve(self.probes @ forces, self.small)

    @torch.no_grad()
    def effort(self, view: _View, ends: Tensor) -> float:
        change = view.delta.square().sum() + (self.probes @ view.delta).square().sum()
        return (change + PULL * (ends - view.points).square().sum()).item()

    @torch.no_grad()
    def step(self, view: _View, ends: Tensor, caution: float) -> _View:
        """The face after a Gauss-Newton step to the least effort; the more caution, the shorter (Levenberg 1944)."""
        with torch.enable_grad():
            motion = view.motion()
        ease = 1 / (1 + caution)
        answer = self._yielding(motion.mT)  # [d, 2n]
        system = motion @ answer
        system += torch.eye(len(system)).to(system) / (PULL * ease)
        wanted = (ends - view.points).flatten() + ease * motion @ view.delta
        change = answer @ torch.linalg.solve(system, wanted) - ease * view.delta
        expected = view.points + (motion @ change).view_as(view.points)
        with torch.enable_grad():
            return self.face.view(view.delta + change, expected)


def _errors(maps: Tensor, places: Tensor, patch: Tensor) -> Tensor:
    """How much what is around places `[k, 2]` differs from a patch `[patch, c]`: `[k]`."""
    return (_read(maps, places[:, None] + _disc(places)) - patch).square().sum(dim=2).mean(dim=1)


def _least(places: Tensor, errors: Tensor) -> Tensor:
    """The place `[2]` of the least error."""
    return places.index_select(0, errors.argmin()[None])[0]


def _disc(like: Tensor) -> Tensor:
    """The places of a patch around its centre, `[patch, 2]`."""
    around = torch.arange(-RADIUS, RADIUS + 1)
    square = torch.cartesian_prod(around, around)
    return square[square.square().sum(dim=1) <= RADIUS**2].to(like)


def _read(maps: Tensor, places: Tensor) -> Tensor:
    """Maps `[1, c, h, w]` at places `[..., 2]`, (x, y) in their pixels: `[..., c]`."""
    size = torch.tensor(maps.shape[:1:-1]).to(places)  # [w, h]
    grid = (places.reshape(1, 1, -1, 2) / size) * 2 - 1
    read = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)  # [1, c, 1, all]
    return read[0, :, 0].mT.reshape(*places.shape[:-1], -1)


def remarks(generator: Generator, moves: Sequence[Move], dragged: Dragged) -> list[str]:
    """A sentence about each point that did not arrive, or not even came halfway."""
    width, told = generator.size[1], []
    for move, missed in zip(moves, dragged.missed, strict=True):
        (x, y), (u, v) = move.start, move.end
        if missed > MISSED * width or missed > max(math.hypot(u - x, v - y) / 2, HARDLY * width):
            told.append(
                f"{x:g},{y:g} is still {missed:.0f} pixels from {u:g},{v:g}: the model knows no such faces, or the "
                "point cannot be told from others; corners and edges are best."
            )
    return told
