"""Editing: moving people along directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.directions import Direction
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.selection import parse_layers

ROUNDING = 1e-4  # relative differences of w that nobody can see
LEFT = 0.3  # fraction of a direction's length: if less is left, it is no longer an edit


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


def difference(one: Person, other: Person, name: str) -> Direction:
    """The direction from one person to another: an amount of 1 goes all the way. What a tuning makes of them is no part
    of it. Raises UsageError if they are the same, apart from rounding, and StyleganError if they are beyond all
    measure."""
    vector = other.ws - one.ws
    if not vector.isfinite().all():
        raise StyleganError(f"{one.label} and {other.label} are too far from each other")
    if vector.abs().max() <= ROUNDING * one.ws.abs().max():
        raise UsageError(f"{one.label} and {other.label} have the same latents, so there is no direction between them")
    return Direction(name, vector, title=f"what makes {other.label} differ from {one.label}; 1 is all of it")


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
