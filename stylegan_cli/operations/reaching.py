"""Edits until a score is reached: 60 years, 0 degrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.editing import Edit, edited

MOST = 5  # lengths of the vector: beyond, faces break
NEAR = 0.5  # years, degrees or percent
TRIES = 6  # within the step in which the score is passed
ROUNDS = 2  # if there are several scores, since each edit moves the others' a little

Judge = Callable[[Person], Mapping[str, float]]  # the scores of a person: nan for what cannot be seen


def reached(generator: Generator, person: Person, edits: Sequence[Edit], judge: Judge) -> list[Edit]:
    """The edits with the amounts, from -5 to 5, that bring the person's scores as near as possible to what the edits
    aim at, at the end of their way and, in a range, at its start. Raises StyleganError if such a score cannot be seen
    in the unedited person."""
    found = list(edits)
    aimed = [i for i, edit in enumerate(edits) if edit.aim]
    for _ in range(ROUNDS if len(aimed) > 1 else 1):
        for i in aimed:
            for end in (0.0, 1.0):
                found[i] = _reached(generator, person, found, i, end, judge)
    return found


def _reached(generator: Generator, person: Person, edits: Sequence[Edit], i: int, end: float, judge: Judge) -> Edit:
    """Edit `i`, with the amount that it needs at an end of the way."""
    edit, aim = edits[i], edits[i].aim
    if aim is None or (target := aim.at(end)) is None:
        return edit

    def score(amount: float) -> float:
        moved = edited(generator, person, [*edits[:i], edit.ending(end, amount), *edits[i + 1 :]], end)
        return judge(moved)[aim.score]

    amount = search(score, target)
    if amount is None:
        raise StyleganError(
            f"{aim.score} cannot be seen in the picture of {person.label}, so no edit can aim at it; give a length, "
            "like 3"
        )
    return edit.ending(end, amount)


def search(score: Callable[[float], float], target: float) -> float | None:
    """The amount, from -5 to 5, with which an increasing `score` is nearest to the target; None if it cannot be seen
    without an edit."""
    seen = {0.0: score(0.0)}
    if not isfinite(seen[0.0]):
        return None
    sign = 1 if target > seen[0.0] else -1
    near = 0.0
    while abs(seen[near] - target) > NEAR and abs(near) < MOST:
        far = near + sign
        seen[far] = score(far)
        if not isfinite(seen[far]):
            break
        if (seen[far] - target) * sign >= 0:
            _narrow(score, target, seen, near, far)
            break
        near = far
    return min((amount for amount in seen if isfinite(seen[amount])), key=lambda amount: abs(seen[amount] - target))


def _narrow(score: Callable[[float], float], target: float, seen: dict[float, float], low: float, high: float) -> None:
    """Adds scores between two amounts, on both sides of the target, until one is near it."""
    for _ in range(TRIES):
        share = (target - seen[low]) / (seen[high] - seen[low])
        middle = low + min(max(share, 0.1), 0.9) * (high - low)
        value = seen[middle] = score(middle)
        if not isfinite(value) or abs(value - target) <= NEAR:
            return
        low, high = (middle, high) if (value < target) == (seen[low] < target) else (low, middle)
