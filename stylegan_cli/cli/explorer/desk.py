"""What the page can ask for: a face, with the command that draws it, and to save it."""

from __future__ import annotations

import base64
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stylegan_cli.bands import BANDS
from stylegan_cli.cli import places
from stylegan_cli.cli.edits import Attributes, open_direction
from stylegan_cli.cli.options import PSI
from stylegan_cli.cli.studio import Studio, portrait
from stylegan_cli.errors import UsageError
from stylegan_cli.latents import references
from stylegan_cli.latents.people import Person
from stylegan_cli.media.encode import encode
from stylegan_cli.media.render import render
from stylegan_cli.operations import blending
from stylegan_cli.operations.editing import Edit, edited

REACH = 5.0  # the length in W of a slider to each side: 3 is a lot
LARGEST_PSI = 2.0


@dataclass(frozen=True)
class Wish:
    """A face: a `person` or, if there is an `other`, their child, with the first one's `shares` in each band; seeds are
    truncated by `psi`; then moved by `amounts` along directions, by their names."""

    person: str
    other: str
    psi: float
    shares: Mapping[str, float]
    amounts: Mapping[str, float]

    @staticmethod
    def from_plain(plain: Any) -> Wish:
        """What the page sent. Raises UsageError if no page of this version sends that."""
        try:
            shares = {band: float(plain["shares"][band]) for band in BANDS}
            amounts = {str(name): float(amount) for name, amount in plain["amounts"].items()}
            psi, people = float(plain["psi"]), (str(plain["person"]).strip(), str(plain["other"]).strip())
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UsageError("the page asked for something that is not known here; reload it") from None
        if not all(map(math.isfinite, (psi, *amounts.values()))) or abs(psi) > LARGEST_PSI:
            raise UsageError(f"psi is a number from {-LARGEST_PSI:g} to {LARGEST_PSI:g}, and amounts are numbers")
        if not all(0 <= share <= 1 for share in shares.values()):
            raise UsageError("shares are numbers from 0 to 1")
        return Wish(*people, psi, shares, {name: amount for name, amount in amounts.items() if amount})


class Desk:
    """Draws faces with a studio, and saves them in a folder. `known` are people who were found before, by what the user
    called them."""

    def __init__(self, studio: Studio, folder: Path, known: Mapping[str, Person]) -> None:
        self.studio, self.folder, self.known = studio, folder, known
        self.directions = {name: open_direction(studio, name) for name in studio.directions}

    def about(self) -> dict[str, Any]:
        """What the page has to know to begin with."""
        return {
            "model": self.studio.generator.origin.name,
            "people": [*dict.fromkeys([*self.known, *self.studio.cast])],
            "psi": self.studio.psi,
            "directions": [
                {"name": name, "title": one.title, "reach": float(f"{REACH / one.vector.norm(dim=1).max():.3g}")}
                for name, one in self.directions.items()
            ],
        }

    def face(self, plain: Any) -> dict[str, Any]:
        """The face of a wish as a JPEG, the command for it, and its distance from the average face."""
        wish = Wish.from_plain(plain)
        person = self._person(wish)
        content = encode(render(self.studio.generator, person.face()), "jpg")
        return {
            "picture": base64.b64encode(content).decode(),
            "command": self.command(wish),
            "drift": self.studio.ruler.drift(person.ws),
        }

    def save(self, plain: Any) -> dict[str, Any]:
        """Writes the face of a wish, with its recipe, under a new name."""
        person = self._person(Wish.from_plain(plain))
        path = places.check_file(places.fresh(self.folder / "explored.png"), force=False)
        self.studio.save_as(path, portrait(person))
        return {"path": str(path)}

    def command(self, wish: Wish) -> str:
        """What to type for the same face."""
        moved = [word for name, amount in wish.amounts.items() for word in _option(name, amount)]
        seeds = [name for name in (wish.person, wish.other) if references.is_seed(name)]
        psi = ["--psi", f"{wish.psi:g}"] if seeds and wish.psi != PSI else []
        cutoff = self.studio.truncating.get("--cutoff") if seeds else None
        truncated = psi if cutoff is None else [*psi, "--cutoff", f"{cutoff:g}"]
        if wish.other:
            shares = [word for band, share in wish.shares.items() for word in (f"--{band}", f"{share:g}")]
            commands = [["blend-parents", wish.person, wish.other, *shares, *truncated, "--out", "child.png"]]
            commands += [["edit", "child.png", *moved]] if moved else []
        else:
            commands = [["edit" if moved else "sample", wish.person, *moved, *truncated]]
        return " && ".join(shlex.join(["stylegan", *words, *self._model(bool(seeds))]) for words in commands)

    def _model(self, with_class: bool) -> list[str]:
        studio = self.studio
        words = [] if studio.model == "ffhq" else ["--model", studio.model]
        return [*words, "--class", str(studio.class_index)] if with_class and studio.class_index is not None else words

    def _person(self, wish: Wish) -> Person:
        studio = self.studio
        person = self._someone(wish.person, wish.psi)
        if wish.other:
            shares = blending.share_by_layer(studio.generator.layers, wish.shares)
            person = blending.blend(person, self._someone(wish.other, wish.psi), shares)
        if unknown := wish.amounts.keys() - self.directions.keys():
            raise UsageError(f"there is no direction {min(unknown)!r}; reload the page")
        return edited(studio.generator, person, [Edit(self.directions[name], by) for name, by in wish.amounts.items()])

    def _someone(self, text: str, psi: float) -> Person:
        if text in self.known and not references.is_seed(text):  # which has another face with another psi
            return self.known[text]
        if not text:
            raise UsageError("name a person: a seed, a name, a file of latents, or a picture that was made here")
        if references.photo(text):
            again = shlex.join(["stylegan", "explore", text])
            raise UsageError(f"{text} is a photo, and finding a face takes minutes; begin with it: {again}")
        return references.resolve(text, self.studio.generator, psi, self.studio.cast)


def _option(name: str, amount: float) -> tuple[str, str]:
    """How `edit` is told of a direction."""
    is_own = name.replace("-", "_") in {field.name for field in fields(Attributes)}
    return (f"--{name}", f"{amount:g}") if is_own else ("--direction", f"{name}={amount:g}")
