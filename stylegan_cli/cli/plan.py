"""What is done to people: how far edits have to go for each of them, and how far they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stylegan_cli.cli.console import fetch, progress, tell
from stylegan_cli.cli.edits import lengths, with_unit
from stylegan_cli.cli.studio import CELL, Studio
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.people import Person
from stylegan_cli.media.render import render
from stylegan_cli.operations import drift, editing
from stylegan_cli.operations.editing import Edit
from stylegan_cli.operations.reaching import MOST, NEAR, reached
from stylegan_cli.scorers.scores import Scorers

MISSED = 4 * NEAR  # a difference that the user should know of
UNBEARABLE = 2.0  # typical distances that no face survives


class Plan:
    """The same `edits` for everybody; those that aim at a score go as far as each person needs, evenly if the `whole`
    way is shown; and all only as far as `max_drift` lets them.

    Edits that no face survives are refused before minutes are spent on a photo; what scores need is fetched.
    """

    def __init__(
        self, studio: Studio, edits: Sequence[Edit], max_drift: float | None = None, whole: bool = False
    ) -> None:
        self.studio, self.edits, self.max_drift, self.whole = studio, list(edits), max_drift, whole
        if max_drift is None:  # which stops everybody in time
            _check_bearable(studio, edits)
        aims = list(dict.fromkeys(edit.aim.score for edit in edits if edit.aim))
        self._scorers = Scorers(aims) if aims else None
        if self._scorers:
            fetch(self._scorers.assets)

    def edits_for_all(self, people: Sequence[Person]) -> list[list[Edit]]:
        """The edits of each person."""
        if not self._scorers:
            return [self.edits_for(person) for person in people]
        own = []
        with progress("finding how far to go", len(people)) as advance:
            for person in people:
                own.append(self.edits_for(person))
                advance()
        return own

    def edits_for(self, person: Person) -> list[Edit]:
        """The edits with this person's amounts; tells what is out of reach, and where --max-drift stops them."""
        edits = self.edits
        if self._scorers:
            edits = reached(self.studio.generator, person, edits, self._scores, self.whole)
            for wanted, own in zip(self.edits, edits, strict=True):
                _tell_if_missed(person, wanted, own)
        return self._limited(person, edits)

    def _scores(self, person: Person) -> Mapping[str, float]:
        assert self._scorers is not None
        return self._scorers(render(self.studio.generator, person.face(), CELL))

    def _limited(self, person: Person, edits: list[Edit]) -> list[Edit]:
        if self.max_drift is None:
            return edits
        allowed = drift.limited(self.studio.generator, self.studio.ruler, person, edits, self.max_drift)
        stopped = [at for at in editing.ends(edits) if editing.amounts(allowed, at) != editing.amounts(edits, at)]
        if stops := [editing.caption(allowed, at) for at in stopped]:
            tell(f"{person.label}: --max-drift {self.max_drift:g} stops the edit at {' and at '.join(stops)}.")
        return allowed


def _check_bearable(studio: Studio, edits: Sequence[Edit]) -> None:
    for edit in edits:
        steps = (editing.movement(studio.generator, [edit], at) for at in editing.ends([edit]))
        if (length := max(map(studio.ruler.length, steps))) > UNBEARABLE:
            raise UsageError(
                f"{editing.caption([edit])} would move people {length:.1f} typical distances, and no face bears more "
                f"than {UNBEARABLE:g}; {lengths(edit.direction)}{with_unit(edit)}"
            )


def _tell_if_missed(person: Person, wanted: Edit, own: Edit) -> None:
    """Tells which values an edit was to reach, and did not."""
    if wanted.aim is None or own.aim is None:
        return
    name, unit = wanted.aim.score, wanted.aim.unit
    for end in (0.0, 1.0):
        value, there = wanted.aim.at(end), own.aim.at(end)
        if value is not None and there is not None and abs(there - value) > MISSED:
            tell(
                f"{person.label}: {name} {value:g} {unit} is out of reach of amounts up to {MOST}; with "
                f"{own.amount(end):+g}, it is {there:.0f} {unit}."
            )
