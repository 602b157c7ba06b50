"""Edits that aim at a score: how far each person has to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stylegan_cli.cli.console import fetch, progress, tell
from stylegan_cli.cli.studio import CELL, Studio
from stylegan_cli.latents.people import Person
from stylegan_cli.media.render import render
from stylegan_cli.operations.editing import Edit
from stylegan_cli.operations.reaching import NEAR, reached
from stylegan_cli.scorers.scores import Scorers

MISSED = 4 * NEAR  # a difference that the user should know of


class Aims:
    """Finds how far edits have to go; if the `whole` way is shown, evenly. If some aim at scores, fetches what these
    need."""

    def __init__(self, studio: Studio, edits: Sequence[Edit], whole: bool = False) -> None:
        self.studio, self.edits, self.whole = studio, list(edits), whole
        self.names = list(dict.fromkeys(edit.aim.score for edit in edits if edit.aim))
        if self.names:
            self.scorers = Scorers(self.names)
            fetch(self.scorers.assets)

    def reached_by(self, people: Sequence[Person]) -> list[list[Edit]]:
        """The edits with the amounts for each person."""
        if not self.names:
            return [self.edits] * len(people)
        own = []
        with progress("finding how far to go", len(people)) as advance:
            for person in people:
                own.append(self.reached(person))
                advance()
        return own

    def reached(self, person: Person) -> list[Edit]:
        """The edits with the amounts for this person; tells what is out of reach."""
        if not self.names:
            return self.edits
        own = reached(self.studio.generator, person, self.edits, self._look, self.whole)
        for wanted, edit in zip(self.edits, own, strict=True):
            _tell(person, wanted, edit)
        return own

    def _look(self, person: Person) -> Mapping[str, float]:
        return self.scorers(render(self.studio.generator, person.face(), CELL))


def _tell(person: Person, wanted: Edit, own: Edit) -> None:
    """Tells which values an edit was to reach, and did not."""
    if wanted.aim is None or own.aim is None:
        return
    name, unit = wanted.aim.score, wanted.aim.unit
    for end in (0.0, 1.0):
        value, there = wanted.aim.at(end), own.aim.at(end)
        if value is not None and there is not None and abs(there - value) > MISSED:
            tell(
                f"{person.label}: {name} {value:g} {unit} is out of reach; with an amount of {own.amount(end):+g}, it "
                f"is {there:.0f} {unit}."
            )
