"""What edits cost: how far people move from the average face, and what else changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from stylegan_cli.cli.console import fetch, is_silent, progress, tell
from stylegan_cli.cli.edits import much_of, with_unit
from stylegan_cli.cli.studio import CELL, Studio
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.media.render import render
from stylegan_cli.operations import editing
from stylegan_cli.operations.editing import Edit
from stylegan_cli.scorers import identity
from stylegan_cli.scorers.identity import SAME_PERSON
from stylegan_cli.scorers.runtime import installed
from stylegan_cli.scorers.scores import SCORES, SMALLEST, Scorers

FAR = 1.5  # typical distances from the average face; the model's own people are at 1, and edits by 4 stay below
LONG = 0.7  # typical distances that an edit moves: the default model's faces bear 6 in its own directions, but not 8
NOTABLY = 1.1  # times as far as before: photos can be far to begin with
DIGITS = {"years": 0, "degrees": 0, "log-odds": 1, "ratio": 2, "%": 0}  # after the point, by the score's unit
NOTABLE = {"years": 3, "degrees": 3, "log-odds": 1, "ratio": 0.03, "%": 10}  # changes that can be seen
NARROW = {"hairline": 4}  # the same for scores that lie within few of their unit: this one from 0 to 40 %


@dataclass(frozen=True, eq=False)
class Look:
    """What is known about a person: the drift, the scores, and the identity if available."""

    drift: float
    scores: Mapping[str, float] = field(default_factory=dict)
    who: np.ndarray | None = None

    @property
    def is_face(self) -> bool:
        """Whether scorers see a face."""
        return any(map(isfinite, self.scores.values()))


def tell_prices(studio: Studio, people: Sequence[Person], edits: Sequence[Sequence[Edit]], otherwise: str = "") -> None:
    """One sentence for each person and each end of a range where they differ, and possibly one of advice: smaller
    amounts, `otherwise` something else."""
    if is_silent():
        return
    look, is_extreme = _eyes(studio), False
    with progress("checking what changed", len(people)) as advance:
        for person, own in zip(people, edits, strict=True):
            before = look(person)
            for at in _ends(own):
                end = editing.edited(studio.generator, person, own, at)
                after = look(end)
                wanted = {edit.direction.name for edit in own}
                tell(f"{person.label}, {end.label}: {_report(before, after, wanted)}.")
                is_extreme = is_extreme or _is_long(studio, person, end) or _is_lost(before, after)
            advance()
    if is_extreme:
        moved = {edit.direction.name: edit for own in edits for edit in own}
        much = ", ".join(f"{much_of(edit.direction)} of {name}" for name, edit in moved.items())
        units = "".join(with_unit(edit) for edit in moved.values() if edit.stop > float(much_of(edit.direction)))
        ways = f"use smaller amounts (a lot is {much}){otherwise and f', or {otherwise}'}{units}"
        tell(f"Faces are often ruined by edits this large: {ways}.")


def limiting(max_drift: float | None) -> str:
    """How edits that were limited so far can be limited further, for `tell_prices`."""
    return "--max-drift" if max_drift is None else "a smaller --max-drift"


def tell_change(studio: Studio, person: Person, end: Person) -> None:
    """One sentence about what a drag changed, and possibly one of advice."""
    if is_silent():
        return
    look = _eyes(studio)
    with progress("checking what changed", 1):
        before, after = look(person), look(end)
    tell(f"{person.label}, {end.label}: {_report(before, after, ())}.")
    if _is_long(studio, person, end) or _is_lost(before, after):
        tell("Faces are often ruined by changes this large: move points less far.")


def open_scorers(generator: Generator) -> Scorers | None:
    """All scores; None if they are not installed, or the model's faces are too small for them."""
    if not installed() or min(generator.size) < SMALLEST:
        return None
    scorers = Scorers(SCORES)
    fetch(scorers.assets)
    return scorers


def _eyes(studio: Studio) -> Callable[[Person], Look]:
    """What looks at people, with all that is installed and can be fetched: the edit is already made."""
    generator, scorers = studio.generator, None
    sees = min(generator.size) >= SMALLEST
    has_identity = sees and identity.installed()
    if not sees and (installed() or identity.installed()):
        tell(
            f"What else changed is not known: faces of {min(generator.size)} pixels are too small for scorers, which "
            f"need {SMALLEST}."
        )
    try:
        scorers = open_scorers(generator)
    except StyleganError as error:
        tell(f"What else changed is not known: {error}.")

    def look(person: Person) -> Look:
        drift = studio.ruler.drift(person.ws)
        if not (scorers or has_identity):
            return Look(drift)
        image = render(generator, person.face(), CELL)
        return Look(drift, scorers(image) if scorers else {}, identity.embed(image) if has_identity else None)

    return look


def _report(before: Look, after: Look, wanted: Collection[str]) -> str:
    """From one look to another, in words: what was `wanted`, who it is, what else can be seen, and the drift."""
    seen = [name for name in before.scores if isfinite(before.scores[name]) and isfinite(after.scores[name])]
    others = [name for name in seen if name not in wanted and not _is_small(before, after, name)]
    parts = [_change(before, after, name) + _if_hardly(before, after, name) for name in seen if name in wanted]
    parts += _who(before, after)
    if others:
        parts.append(f"{'also ' if parts else ''}{', '.join(_change(before, after, name) for name in others)}")
    elif seen and not parts:
        parts.append("no score changed visibly")
    parts.append(f"distance from the average face {before.drift:.2f} -> {after.drift:.2f} (1 is typical)")
    return "; ".join(parts)


def _change(before: Look, after: Look, name: str) -> str:
    """One score before and after: `age 33 -> 66 years`."""
    start, end = (_rounded(look.scores[name], name) for look in (before, after))
    return f"{name} {start} -> {end}{_unit(name)}"


def _if_hardly(before: Look, after: Look, name: str) -> str:
    """A remark if a wanted score in per cent moved less than can be seen. (Log-odds hardly move either where they are
    already certain, although the picture changes.)"""
    is_telling = SCORES[name].unit == "%" and _is_small(before, after, name)
    return " (hardly a change)" if is_telling else ""


def _who(before: Look, after: Look) -> list[str]:
    """Whether it is still the same person, as far as a network can tell: it often takes their younger or older self for
    another."""
    if before.is_face > after.is_face:
        return ["no face is visible any more"]
    if before.who is None or after.who is None:
        return []
    distance = identity.distance(before.who, after.who)
    if distance < SAME_PERSON:
        told = min(distance, SAME_PERSON - 0.01)  # rounded, it could be the limit that it is below
        return [f"still the same person (identity distance {told:.2f}, below {SAME_PERSON:g})"]
    return [f"the identity network takes it for another person (distance {distance:.2f}, {SAME_PERSON:g} or more)"]


def _is_long(studio: Studio, person: Person, end: Person) -> bool:
    """Whether someone was moved farther than most faces bear."""
    return studio.ruler.length(end.ws - person.ws) > LONG


def _is_lost(before: Look, after: Look) -> bool:
    """Whether someone is now where the model knows no faces."""
    return after.drift > max(FAR, NOTABLY * before.drift) or before.is_face > after.is_face


def _ends(edits: Sequence[Edit]) -> list[float]:
    """The ends of the edits' way, without one at which the person is unchanged if there is another."""
    ends = editing.ends(edits)
    return [at for at in ends if any(editing.amounts(edits, at))] or list(ends[-1:])


def _is_small(before: Look, after: Look, name: str) -> bool:
    """Whether a score changed by less than can be seen."""
    return abs(after.scores[name] - before.scores[name]) < NARROW.get(name, NOTABLE[SCORES[name].unit])


def _rounded(value: float, name: str) -> str:
    """Rounded to what can be seen: a nod of a thousandth of a degree is none."""
    digits = DIGITS[SCORES[name].unit]
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0 makes -0 a 0


def _unit(name: str) -> str:
    """The unit, if it is an everyday one."""
    return f" {SCORES[name].unit}" if SCORES[name].unit in ("years", "degrees", "%") else ""
