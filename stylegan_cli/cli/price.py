"""What edits cost: how far people move from the average face, and what else changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from stylegan_cli.cli.console import fetch, is_silent, progress, tell
from stylegan_cli.cli.edits import UNITS
from stylegan_cli.cli.studio import CELL, Studio
from stylegan_cli.errors import StyleganError, UsageError
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
UNBEARABLE = 2.0  # typical distances that no face survives
NOTABLY = 1.1  # times as far as before: photos can be far to begin with
DIGITS = {"years": 0, "degrees": 0, "log-odds": 1, "ratio": 2, "%": 0}  # after the point, by the score's unit
NOTABLE = {"years": 3, "degrees": 3, "log-odds": 1, "ratio": 0.03, "%": 10}  # changes that can be seen


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


class Prices:
    """Limits edits to --max-drift, and tells the user what they cost."""

    def __init__(self, studio: Studio, max_drift: float | None) -> None:
        self.studio, self.max_drift = studio, max_drift

    def check(self, edits: Sequence[Edit]) -> None:
        """Refuses what no face survives, before minutes are spent on a photo; --max-drift stops everybody in time."""
        if self.max_drift is not None:
            return
        for edit in edits:
            steps = (editing.movement(self.studio.generator, [edit], at) for at in editing.ends([edit]))
            if (length := max(map(self.studio.ruler.length, steps))) > UNBEARABLE:
                raise UsageError(
                    f"{editing.caption([edit])} would move people {length:.1f} typical distances, and no face bears "
                    f"more than {UNBEARABLE:g}; amounts are lengths in W: 1 is visible, 3 is a lot{_with_unit(edit)}"
                )

    def limited(self, person: Person, edits: list[Edit]) -> list[Edit]:
        """The edits as far as --max-drift lets this person go."""
        if self.max_drift is None:
            return edits
        allowed = editing.limited(self.studio.generator, self.studio.ruler, person, edits, self.max_drift)
        stops = [
            editing.caption(allowed, at) for at in editing.ends(edits) if _amounts(allowed, at) != _amounts(edits, at)
        ]
        if stops:
            tell(f"{person.label}: --max-drift {self.max_drift:g} stops the edit at {' and at '.join(stops)}.")
        return allowed

    def tell(self, people: Sequence[Person], edits: Sequence[Sequence[Edit]]) -> None:
        """One sentence for each person and each end of a range where they differ, and possibly one of advice."""
        if is_silent():
            return
        scorers, has_identity = self._judges()
        is_extreme = False
        with progress("checking what changed", len(people)) as advance:
            for person, own in zip(people, edits, strict=True):
                before = self._look(person, scorers, has_identity)
                for at in _ends(own):
                    end = editing.edited(self.studio.generator, person, own, at)
                    after = self._look(end, scorers, has_identity)
                    wanted = {edit.direction.name for edit in own}
                    tell(f"{person.label}, {end.label}: {_report(before, after, wanted)}.")
                    is_long = self.studio.ruler.length(end.ws - person.ws) > LONG
                    is_extreme = is_extreme or is_long or _is_lost(before, after)
                advance()
        if is_extreme:
            way = "--max-drift" if self.max_drift is None else "a smaller --max-drift"
            tell(f"Faces are often ruined by edits this large: use smaller amounts (3 is a lot), or {way}.")

    def _look(self, person: Person, scorers: Scorers | None, has_identity: bool) -> Look:
        drift = self.studio.ruler.drift(person.ws)
        if not (scorers or has_identity):
            return Look(drift)
        image = render(self.studio.generator, person.face(), CELL)
        return Look(drift, scorers(image) if scorers else {}, identity.embed(image) if has_identity else None)

    def _judges(self) -> tuple[Scorers | None, bool]:
        """The scorers, and whether there is the identity network; None and False for what is not installed, or cannot
        be used here."""
        pixels = self.studio.generator.resolution
        if pixels >= SMALLEST or not (installed() or identity.installed()):
            return self._scorers(), identity.installed()
        tell(
            f"What else changed is not known: faces of {pixels} pixels are too small for scorers, which need "
            f"{SMALLEST}."
        )
        return None, False

    def _scorers(self) -> Scorers | None:
        """All scorers; None if they are not installed or cannot be fetched: the edit is already made."""
        if not installed():
            return None
        scorers = Scorers(SCORES)
        try:
            if any(not asset.cached.is_file() for asset in scorers.assets):
                fetch(scorers.assets)
        except StyleganError as error:
            tell(f"What else changed is not known: {error}.")
            return None
        return scorers


def _report(before: Look, after: Look, wanted: Collection[str]) -> str:
    """From one look to another, in words: what was `wanted`, who it is, what else can be seen, and the drift."""
    seen = [name for name in before.scores if isfinite(before.scores[name]) and isfinite(after.scores[name])]
    others = [name for name in seen if name not in wanted and _moved(before, after, name) >= NOTABLE[SCORES[name].unit]]
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
    is_telling = SCORES[name].unit == "%" and _moved(before, after, name) < NOTABLE["%"]
    return " (hardly a change)" if is_telling else ""


def _with_unit(edit: Edit) -> str:
    """What an amount would mean with a unit, if the score has one: who asks for 60 means years."""
    name = edit.direction.name
    measured = {unit: word for word, unit in UNITS.items() if name in SCORES and SCORES[name].unit == unit}
    return "".join(f"; for {edit.stop:g} {unit}, give --{name} {edit.stop:g}{word}" for unit, word in measured.items())


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
    return [
        f"the identity network takes it for another person (distance {distance:.2f}; from {SAME_PERSON:g} on it does)"
    ]


def _is_lost(before: Look, after: Look) -> bool:
    """Whether someone is now where the model knows no faces."""
    return after.drift > max(FAR, NOTABLY * before.drift) or before.is_face > after.is_face


def _ends(edits: Sequence[Edit]) -> list[float]:
    """The ends of the edits' way, without one at which the person is unchanged if there is another."""
    ends = editing.ends(edits)
    return [at for at in ends if any(_amounts(edits, at))] or list(ends[-1:])


def _amounts(edits: Sequence[Edit], at: float) -> list[float]:
    return [edit.amount(at) for edit in edits]


def _moved(before: Look, after: Look, name: str) -> float:
    return abs(after.scores[name] - before.scores[name])


def _rounded(value: float, name: str) -> str:
    """Rounded to what can be seen: a nod of a thousandth of a degree is none."""
    digits = DIGITS[SCORES[name].unit]
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0 makes -0 a 0


def _unit(name: str) -> str:
    """The unit, if it is an everyday one."""
    return f" {SCORES[name].unit}" if SCORES[name].unit in ("years", "degrees", "%") else ""
