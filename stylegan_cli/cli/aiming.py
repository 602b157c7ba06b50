"""Edits that aim at a score: how far each person has to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stylegan_cli.cli.console import fetch, tell
from stylegan_cli.cli.studio import CELL, Studio
from stylegan_cli.latents.people import Person
from stylegan_cli.media.render import render
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.operations.reaching import NEAR, reached
from stylegan_cli.scorers.scores import SCORES, Scorers

MISSED = 4 * NEAR  # a difference that the user should know of


class Aims:
    """Finds how far edits have to go. If some aim at scores, fetches what these need."""

    def __init__(self, studio: Studio, edits: Sequence[Edit]) -> None:
        self.studio, self.edits = studio, list(edits)
        self.names = list(dict.fromkeys(edit.aim.score for edit in edits if edit.aim))
        if self.names:
            self.scorers = Scorers(self.names)
            fetch(self.scorers.assets, studio.output.quiet)

    def reached(self, person: Person) -> list[Edit]:
        """The edits with the amounts for this person; tells what is out of reach."""
        if not self.names:
            return self.edits
        own = reached(self.studio.generator, person, self.edits, self._look)
        if not self.studio.output.quiet:
            self._tell(person, own)
        return own

    def _look(self, person: Person) -> Mapping[str, float]:
        return self.scorers(render(self.studio.generator, person.face(), CELL))

    def _tell(self, person: Person, own: Sequence[Edit]) -> None:
        for end in (0.0, 1.0):
            wanted = {edit.aim.score: value for edit in own if edit.aim and (value := edit.aim.at(end)) is not None}
            after = edited(self.studio.generator, person, own, end)
            scores = self._look(after) if wanted else {}
            for name, value in wanted.items():
                if abs(scores[name] - value) > MISSED:
                    unit = SCORES[name].unit
                    tell(
                        f"{person.label}: {name} {value:g} {unit} is out of reach; with {after.label}, it is "
                        f"{scores[name]:.0f} {unit}."
                    )
