"""Editing: moving people along directions, within a limit of drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.directions import Direction
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.selection import parse_layers
from stylegan_cli.pictures import Face, Sheet

SAMPLES = 1000
STEPS = 7  # in a strip, approximately
LEFT = 0.3  # fraction of a direction's length: if less is left, it is no longer an edit
HALVINGS = 30  # which determine the share to 1e-9


@dataclass(frozen=True)
class Aim:
    """What a `score`, in its `unit`, is to be where an edit ends and, in a range, where it starts."""

    score: str
    unit: str
    stop: float
    start: float | None = None

    def at(self, end: float) -> float | None:
        """The value at an end of the way, 0 or 1; None if the edit starts with the person as they are."""
        return self.stop if end else self.start


@dataclass(frozen=True, eq=False)
class Edit:
    """A direction and how far to go: to `stop`, or all the way from `start` to `stop`. Amounts are in lengths of the
    vector. With an `aim`, they depend on the person: `reaching` finds them, and those `between` start and stop, at even
    fractions of the way.

    `layers` are words like `coarse,8-10`; None means the direction's own.
    """

    direction: Direction
    stop: float
    start: float = 0.0
    layers: str | None = None
    aim: Aim | None = None
    between: tuple[float, ...] = ()

    def amount(self, at: float) -> float:
        """The amount at a fraction `at` of the way, 0 to 1; rounded, so that it is exactly 0 when it passes 0."""
        if at == 1:
            return self.stop
        way = (self.start, *self.between, self.stop)
        before = min(int(at * (len(way) - 1)), len(way) - 2)
        share = at * (len(way) - 1) - before
        return round(way[before] + share * (way[before + 1] - way[before]), 9)

    def ending(self, end: float, amount: float) -> Edit:
        """The edit with another amount at an end of its way, 0 or 1."""
        return replace(self, stop=amount) if end else replace(self, start=amount)

    def caption(self, at: float) -> str:
        """What the edit asks for at a fraction of the way: `age +3`, or `age 60 years`."""
        name, amount, aim = self.direction.name, self.amount(at), self.aim
        if aim and aim.start is not None:
            return f"{name} {round(aim.start + at * (aim.stop - aim.start))} {aim.unit}"
        if aim and at == 1:
            return f"{name} {round(aim.stop)} {aim.unit}"
        return f"{name} {round(amount, 2) or amount:+g}" if amount else f"{name} 0"


def keeping(direction: Direction, kept: Sequence[Direction]) -> Direction:
    """`direction` without what would change the attributes of the `kept` directions.

    Parts of their vectors are subtracted until their scores' fitted responses no longer change. A direction without a
    response is used as its own response: the result is then orthogonal to it, as in InterFaceGAN (Shen et al. 2020,
    arXiv:1907.10786, section 3.2: conditional manipulation). The direction never keeps itself, but may keep another of
    the same name. Attributes that it was already found to keep are not corrected again: that was measured on people,
    and a second, linear correction would undo it. Raises UsageError if almost nothing is left.
    """
    others = [other for other in kept if not is_same(other, direction) and not keeps(direction, other)]
    if not others:
        return direction
    vectors = torch.stack([other.vector for other in others], dim=1).double()  # [num_ws, k, w_dim]
    responses = torch.stack(
        [other.vector if other.response is None else other.response.expand_as(other.vector) for other in others], dim=1
    ).double()
    clean = free_of(direction.vector.double(), responses, vectors).float()
    if clean.norm() < LEFT * direction.vector.norm():
        names = ", ".join(dict.fromkeys(other.name for other in others))
        raise UsageError(
            f"keeping {names} leaves nothing of the direction {direction.name}, because it changes just that; leave "
            "one of them out"
        )
    return replace(direction, vector=clean)


def keeps(direction: Direction, other: Direction) -> bool:
    """Whether `direction` was found so as to keep what `other`, of the same model, changes."""
    found_alike = direction.origin is not None and direction.origin == other.origin
    return found_alike and other.name in direction.found.get("kept", ())


def is_same(one: Direction, other: Direction) -> bool:
    """Whether two directions are one, of the same model."""
    return one.name == other.name and one.origin == other.origin and torch.equal(one.vector, other.vector)


def free_of(vector: Tensor, responses: Tensor, vectors: Tensor) -> Tensor:
    """`vector` `[..., d]` minus the combination of `vectors` `[..., k, d]` that makes it orthogonal to all `responses`
    `[..., k, d]`. Equal vectors share the correction."""
    seen = responses @ vector[..., None]  # [..., k, 1]: each response to the vector
    shares = torch.linalg.pinv(responses @ vectors.mT) @ seen
    return vector - (vectors.mT @ shares)[..., 0]


def movement(generator: Generator, edits: Sequence[Edit], at: float) -> Tensor:
    """What edits add to `ws` at a fraction `at` of their way, 0 to 1: `[num_ws, w_dim]`."""
    total = torch.zeros(generator.num_ws, generator.w_dim)
    for edit in edits:
        layers = parse_layers(edit.layers or edit.direction.layers, generator.layers)
        total[list(layers)] += edit.amount(at) * edit.direction.vector[list(layers)]
    return total


def edited(generator: Generator, person: Person, edits: Sequence[Edit], at: float = 1.0) -> Person:
    """The person at a fraction `at` of the edits' way, 0 to 1."""
    return person.moved(person.ws + movement(generator, edits, at), caption(edits, at))


def caption(edits: Sequence[Edit], at: float = 1.0) -> str:
    """What edits ask for at a fraction `at` of the way, amounts to two decimal places: `age +3, smile -1`."""
    return ", ".join(edit.caption(at) for edit in edits)


def ends(edits: Sequence[Edit]) -> tuple[float, ...]:
    """The fractions of the edits' way at which something is asked for: its end, and in a range also its start."""
    return (0.0, 1.0) if any(edit.start for edit in edits) else (1.0,)


def amounts(edits: Sequence[Edit], at: float) -> list[float]:
    """The edits' amounts at a fraction `at` of the way."""
    return [edit.amount(at) for edit in edits]


def strip(generator: Generator, person: Person, edits: Sequence[Edit], steps: int) -> list[Person]:
    """The person at `steps` evenly spaced points of the edits' way, from its start to its end."""
    return [edited(generator, person, edits, i / (steps - 1)) for i in range(steps)]


def round_steps(edits: Sequence[Edit]) -> int:
    """The number of steps, about 7, with which as many edits as possible, the first ones first, have round amounts and
    include 0."""

    def oddness(places: int) -> tuple[int, list[bool], int]:
        odd = [not _is_round(edit, places) for edit in edits]
        return sum(odd), odd, abs(places - STEPS)

    return min(range(5, 12), key=oddness)


def _is_round(edit: Edit, places: int) -> bool:
    """Whether the steps between so many places are 1, 2, 2.5 or 5 times a power of ten, and start at a multiple of
    that."""
    way = edit if edit.aim is None else edit.aim
    start = way.start or 0
    step = abs(way.stop - start) / (places - 1)
    if step == 0:
        return True
    from_zero = start / step
    return float(f"{step:.6e}".partition("e")[0]) in (1, 2, 2.5, 5) and abs(from_zero - round(from_zero)) < 1e-6


@dataclass(frozen=True)
class Walk:
    """A film of a person who goes the edits' way, from its start, in this many `frames`; in a loop, also back, without
    the last frame, which would repeat the first. Frames are made on demand."""

    generator: Generator
    person: Person
    edits: Sequence[Edit]
    frames: int
    loop: bool
    cells: ClassVar[int] = 1  # faces in a frame

    def __len__(self) -> int:
        return 2 * self.frames if self.loop else self.frames + 1

    def __iter__(self) -> Iterator[Face]:
        return (self.face(i) for i in range(len(self)))

    def face(self, frame: int) -> Face:
        at = min(frame, 2 * self.frames - frame) / self.frames
        return edited(self.generator, self.person, self.edits, at).face(caption="")


def sheet(strips: Sequence[Sequence[Person]], names: Sequence[str] = ()) -> Sheet:
    """One row per strip, with its name; below each face the amounts, one per line."""
    rows = ((person.face(caption=person.label.replace(", ", "\n")) for person in row) for row in strips)
    return Sheet(tuple(map(tuple, rows)), tuple(names))


def typical_distance(generator: Generator) -> float:
    """The mean distance from `w_avg` of 1000 draws of `w` from seed 0, without truncation, with all classes in turn."""
    z = torch.from_numpy(np.random.RandomState(0).randn(SAMPLES, generator.z_dim)).float().to(generator.device)
    c = generator.one_hot(torch.arange(SAMPLES) % generator.c_dim) if generator.c_dim else None
    with torch.inference_mode():
        return float((generator.to_w(z, c) - generator.w_avg).norm(dim=1).mean())


@dataclass(frozen=True, eq=False)
class Ruler:
    """Measures how far `ws` are from `w_avg`, in `typical` distances: 1 is the mean of the model's own people."""

    w_avg: Tensor
    typical: float

    def drift(self, ws: Tensor) -> float:
        """The mean over the layers of `ws` `[num_ws, w_dim]`."""
        return float((ws - self.w_avg).norm(dim=1).mean()) / self.typical

    def length(self, by: Tensor) -> float:
        """How long the movement `by` `[num_ws, w_dim]` is, in the layer that moves most."""
        return float(by.norm(dim=1).max()) / self.typical

    def share(self, ws: Tensor, by: Tensor, limit: float) -> float:
        """The largest fraction of the movement `by` that ends within `limit`, 0 to 1; if that is not all of it, `ws`
        must be within the limit."""
        if self.drift(ws + by) <= limit:
            return 1.0
        # The drift is convex along a line: starting within the limit, it exceeds it only once.
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.drift(ws + middle * by) <= limit else (low, middle)
        return low


def ruler_of(generator: Generator) -> Ruler:
    """A generator's ruler; draws a thousand `w` to find out how far its people are from the average one."""
    return Ruler(generator.w_avg.cpu(), typical_distance(generator))


def limited(generator: Generator, ruler: Ruler, person: Person, edits: Sequence[Edit], limit: float) -> list[Edit]:
    """The edits with amounts scaled down until the person's drift is within `limit` wherever the edits end. Raises
    StyleganError if even the person before any edit is beyond it."""
    start, stop = (
        _allowed(ruler, person, movement(generator, edits, at), limit) if at in ends(edits) else 1.0
        for at in (0.0, 1.0)
    )
    if start == stop == 1:
        return list(edits)
    return [replace(edit, start=edit.start * start, stop=edit.stop * stop, aim=None, between=()) for edit in edits]


def _allowed(ruler: Ruler, person: Person, by: Tensor, limit: float) -> float:
    """The fraction of the movement `by` that a person may go."""
    if ruler.drift(person.ws + by) > limit and ruler.drift(person.ws) > limit:
        raise StyleganError(
            f"{person.label} is {ruler.drift(person.ws):.2f} typical distances from the average face before any edit; "
            "use a larger --max-drift"
        )
    return ruler.share(person.ws, by, limit)
