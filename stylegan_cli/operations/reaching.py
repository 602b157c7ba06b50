"""Edits until a score is reached: 60 years, 0 degrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.editing import Edit, edited

MOST = 5  # lengths of the vector: beyond, faces break
NEAR = 0.5  # years, degrees or percent
PLACES = 9  # on a way, where scores are seen
TRIES = 6  # within the step in which the score is passed
ROUNDS = 2  # if there are several scores, since each edit moves the others' a little

Judge = Callable[[Person], Mapping[str, float]]  # the scores of a person: nan for what cannot be seen


def reached(
    generator: Generator, person: Person, edits: Sequence[Edit], judge: Judge, whole: bool = False
) -> list[Edit]:
    """The edits with the amounts, from -5 to 5, that bring the person's scores as near as possible to what the edits
    aim at, at the end of their way and, in a range, at its start; aims are then what was reached. If the `whole` way is
    to be shown, scores change evenly on it. Raises StyleganError if such a score cannot be seen in the unedited
    person."""
    found = list(edits)
    aimed = [i for i, edit in enumerate(edits) if edit.aim]
    for _ in range(ROUNDS if len(aimed) > 1 else 1):
        for i in aimed:
            for end in (0.0, 1.0):
                found[i] = _reached(generator, person, found, i, end, judge)
    places = np.linspace(0, 1, PLACES) if whole else np.ones(1)
    seen = [judge(edited(generator, person, found, at)) for at in places.tolist()] if aimed else []
    for i in aimed:
        found[i] = _evenly(found[i], places, seen)
    return found


def _evenly(edit: Edit, places: np.ndarray, seen: Sequence[Mapping[str, float]]) -> Edit:
    """An edit whose score changes evenly, by what was `seen` at these places of its way."""
    assert edit.aim
    scores = np.array([scores[edit.aim.score] for scores in seen])
    if not np.isfinite(scores).all():
        return replace(edit, aim=None)
    first, last = scores[0], scores[-1]
    if len(places) == 1:
        return replace(edit, aim=replace(edit.aim, start=None, stop=float(last)))
    edit = replace(edit, aim=replace(edit.aim, start=float(first), stop=float(last)))
    if abs(last - first) <= NEAR:
        return edit
    sign = 1 if last > first else -1
    at = np.interp(sign * np.linspace(first, last, PLACES), np.maximum.accumulate(sign * scores), places)
    between = tuple(edit.amount(place) for place in at[1:-1].tolist())
    return replace(edit, between=between)


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
        if (seen[far] - target) * sign > NEAR:
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
