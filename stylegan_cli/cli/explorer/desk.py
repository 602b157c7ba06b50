"""What the page can ask for: a face, with the command that draws it; to save it, alone or in its photo; to drag points
of it; and to find who is in a photo."""

from __future__ import annotations

import base64
import math
import shlex
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from stylegan_cli.bands import BANDS
from stylegan_cli.cli import finding, places, stopping
from stylegan_cli.cli.console import progress
from stylegan_cli.cli.edits import FARTHEST, Attributes, is_name, length_of
from stylegan_cli.cli.options import LARGEST_PSI, PSI
from stylegan_cli.cli.photos import pasted, projecting
from stylegan_cli.cli.studio import Studio, portrait
from stylegan_cli.errors import UsageError
from stylegan_cli.files import claims
from stylegan_cli.latents import directions, files, references
from stylegan_cli.latents.directions import Direction
from stylegan_cli.latents.named import MAX_SEED
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.photo import Photo
from stylegan_cli.latents.selection import in_bands
from stylegan_cli.media.encode import encode
from stylegan_cli.media.render import render
from stylegan_cli.operations import blending, dragging, editing, variation
from stylegan_cli.operations.dragging import Move
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.pillow import PICTURES

REACH = 5.0  # the length in W of a slider to each side, approximately: 3 is a lot
REACHES = (1, 2, 2.5, 5, 10, 25, 50)  # with 50 steps to each side, one of them is at 1
DIGITS = 4  # of amounts, after the point
OFFERED = 200  # files of the current folder
MADE = {"blend-parents": "child", "noise": "noise", "edit": "edited"}  # what pictures between commands are called
NOWHERE = 999.0  # typical distances; odd latents can be infinitely far away


@dataclass(frozen=True)
class Wish:
    """A face: a `person` or, if there is an `other`, their child, with the first one's `shares` in each band; seeds are
    truncated by `psi`. If there are bands of `noise`, they alone get noise, drawn from the seed `variation`. Then the
    face is moved by `amounts` along directions, by their names."""

    person: str
    other: str
    psi: float
    shares: Mapping[str, float]
    noise: Sequence[str]
    variation: int
    amounts: Mapping[str, float]

    @staticmethod
    def from_plain(plain: Any) -> Wish:
        """What the page sent. Raises UsageError if no page of this version sends that."""
        try:
            shares = {band: float(plain["shares"][band]) for band in BANDS}
            amounts = {str(name): round(float(amount), DIGITS) for name, amount in plain["amounts"].items()}
            noise, seed = [band for band in BANDS if band in plain["noise"]], int(plain["variation"])
            psi, person, other = float(plain["psi"]), _typed(plain["person"]), _typed(plain["other"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise _unknown() from None
        if not (abs(psi) <= LARGEST_PSI and all(0 <= share <= 1 for share in shares.values())):
            raise UsageError(f"psi is a number from -{LARGEST_PSI} to {LARGEST_PSI}, and shares are from 0 to 1")
        if not all(abs(amount) <= FARTHEST for amount in amounts.values()):
            raise UsageError(f"amounts are numbers up to {FARTHEST}")
        if not 0 <= seed <= MAX_SEED:
            raise UsageError(f"seeds of noise go from 0 to {MAX_SEED}")
        moved = {name: amount for name, amount in amounts.items() if amount}
        return Wish(person, other, psi, shares, noise, seed, moved)


def _moves(plain: Any, size: tuple[int, int]) -> list[Move]:
    """The arrows that the page sent, `[x, y, x, y]` in parts of the picture's width and height, as whole pixels of
    pictures of this height and width."""
    height, width = size
    try:
        ends = [(float(x), float(y), float(u), float(v)) for x, y, u, v in plain["moves"]]
        places = [
            tuple(round(part * edge) for part, edge in zip(end, (width, height) * 2, strict=True)) for end in ends
        ]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _unknown() from None
    return [Move((x, y), (u, v)) for x, y, u, v in places]


def _unknown() -> UsageError:
    return UsageError("the page asked for something that is not known here; reload it")


class UnknownPhotoError(UsageError):
    """A photo whose person was not found yet."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text} is a photo: finding who is in it can take minutes, but only the first time")
        self.text = text


@dataclass(frozen=True)
class Past:
    """Of somebody who was dragged: who they were before, the command that dragged them, and what the user called the
    photo in which they had been found, if in one."""

    before: Person
    command: str
    photo: str | None


class Desk:
    """Draws faces with a studio, and saves them in a folder. `known` are people who were found, by what the user called
    them; `directions` are those that have a slider; `words` are the options of the model, for commands."""

    def __init__(
        self,
        studio: Studio,
        folder: Path,
        known: dict[str, Person],
        directions: dict[str, Direction],
        words: Sequence[str],
    ) -> None:
        self.studio, self.folder, self.known, self.directions, self.words = studio, folder, known, directions, words
        self.dragged: dict[str, Past] = {}  # by the names of their pictures
        # Those that the model has: small ones have no fine layers.
        self.bands = [band for band in BANDS if in_bands(studio.generator.layers, [band])]

    def about(self) -> dict[str, Any]:
        """What the page has to know to begin with."""
        people = [*self.known, *self.studio.cast]
        return {
            "model": self.studio.generator.origin.name,
            "first": people[0] if people else "0",
            "people": [*dict.fromkeys([*people, *_files_here()])],
            "psi": self.studio.psi,
            "bands": self.bands,
            "noise": self.studio.generator.has_noise,
            "directions": [_slider(name, one) for name, one in self.directions.items()],
        }

    def face(self, plain: Any) -> dict[str, Any]:
        """The face of a wish as a JPEG, the command for it, and its distance from the average face; or the photo that
        somebody has to be found in before."""
        wish = Wish.from_plain(plain)
        try:
            person = self._person(wish)
        except UnknownPhotoError as error:
            return {"photo": error.text, "sentence": f"{error}."}
        content = encode(render(self.studio.generator, person.face()), "jpg")
        drift = min(self.studio.ruler.drift(person.ws), NOWHERE)
        shown = {"picture": base64.b64encode(content).decode(), "command": self.command(wish), "drift": drift}
        is_dragged = wish.person in self.dragged and not wish.other
        return shown | {"isInPhoto": self._photo_of(wish) is not None, "isDragged": is_dragged}

    def find(self, plain: Any) -> dict[str, Any]:
        """Finds the person in a photo, who is known from then on."""
        text = _typed(plain.get("photo", "") if isinstance(plain, dict) else "")
        photo = references.photo(text)
        if photo is None:
            raise UsageError(f"{text or 'this'} is no photo")
        self.known[text] = projecting.person(self.studio, photo)
        return {}

    def save(self, plain: Any) -> dict[str, Any]:
        """Writes the face of a wish, with its recipe, under a new name."""
        wish = Wish.from_plain(plain)
        return {"path": str(self._save(self._person(wish), "explored", self.command(wish)))}

    def drag(self, plain: Any) -> dict[str, Any]:
        """Drags points of the face of a wish, and writes the result under a new name: a person to go on with."""
        wish, generator = Wish.from_plain(plain), self.studio.generator
        moves, before = _moves(plain, generator.size), self._person(wish)
        dragging.check(generator, moves)
        with progress("dragging", dragging.most_steps(generator, moves), "steps") as advance:

            def go_on() -> None:
                stopping.check()
                advance()

            dragged = dragging.drag(generator, before, moves, go_on)
        command = self.command(wish, moves)
        name = str(self._save(dragged.person, "dragged", command))
        photo = self._origin(wish.person) if self._photo_of(wish) else None
        self.known[name], self.dragged[name] = dragged.person, Past(before, command, photo)
        return {"person": name, "remarks": dragging.remarks(generator, moves, dragged)}

    def keep(self, plain: Any) -> dict[str, Any]:
        """Makes a direction of what dragging changed, which belongs to the user's own from then on."""
        text, name = (_typed(plain.get(key, "") if isinstance(plain, dict) else "") for key in ("person", "name"))
        if not is_name(name):
            raise UsageError(f"{name!r} cannot be a direction's name, which has letters, digits, - and _")
        if (past := self.dragged.get(text)) is None:
            raise _unknown()
        if name in self.directions:
            raise UsageError(f"there is a slider called {name}; choose another name")
        (path,) = finding.destinations(self.studio.model, [name], None, force=True)
        if path.exists():
            raise UsageError(f"{path} is another direction; choose another name")
        direction = editing.difference(past.before, self.known[text], name)
        direction = replace(direction, found={"command": past.command})
        directions.write(path, direction, self.studio.generator.origin)
        self.directions[name] = direction
        return _slider(name, direction)

    def paste(self, plain: Any) -> dict[str, Any]:
        """Writes the photo in which the person of a wish was found, with the face of the wish in it."""
        studio, wish = self.studio, Wish.from_plain(plain)
        photo = self._photo_of(wish)
        if photo is None:
            raise UsageError("only somebody found in a photo can be put back into it; name one, and nobody else")
        before, after = self._someone(self._origin(wish.person), wish.psi), self._person(wish)
        canvas = pasted.open_canvas(Photo(photo.path), 1, studio.check_photo)
        image = pasted.pasting_into(studio, canvas, [before])(render(studio.generator, after.face()))
        with self._fresh(places.pasted_name(photo)) as path:
            studio.write(path, image, people=[after], photo=canvas.original, exif=canvas.exif)
        return {"path": str(path)}

    def _save(self, person: Person, name: str, command: str) -> Path:
        """Writes the face of a person, whose recipe says which command draws it."""
        studio, work = self.studio, portrait(person)
        recipe = replace(studio.recipe(work, None), command=command)
        with self._fresh(name) as path:
            studio.write(path, render(studio.generator, work.picture), recipe)
        return path

    def _photo_of(self, wish: Wish) -> Photo | None:
        """The photo in which the only person of a wish was found."""
        return None if wish.other else references.photo(self._origin(wish.person))

    def _origin(self, text: str) -> str:
        """What the user called whoever was found in a photo, before they were dragged."""
        past = self.dragged.get(text)
        return past.photo if past and past.photo else text

    @contextmanager
    def _fresh(self, name: str) -> Iterator[Path]:
        """The path of a new picture, which nobody else takes meanwhile."""
        with claims():
            yield places.check_file(places.fresh(self.folder / f"{name}.png"), force=False)

    def command(self, wish: Wish, moves: Sequence[Move] = ()) -> str:
        """What to type for the same face, or for that after it was dragged: each command takes the picture that the one
        before it makes."""
        shares = [word for band in self.bands for word in (f"--{band}", f"{wish.shares[band]:g}")]
        varied = ["--layers", ",".join(wish.noise), "--seed", str(wish.variation), "--count", "1"]
        moved = [word for name, amount in wish.amounts.items() for word in _option(name, amount)]
        dragged = [word for move in moves for word in _option_of(move)]
        steps = {
            "blend-parents": shares if wish.other else [],
            "noise": varied if wish.noise else [],
            "edit": moved,
            "drag": dragged,
        }
        needed = {name: options for name, options in steps.items() if options} or {"sample": []}
        people = [f"./{name}" if name.startswith("-") else name for name in (wish.person, wish.other) if name]
        words, commands = [*people, *self._for_seeds(wish)], []
        for name, options in needed.items():
            command = [name, *words, *options]
            if name == "blend-parents" or name != [*needed][-1]:  # alone, parents would get a folder
                # Named after what makes it, so that it can be replaced: by the same.
                made = f"{MADE[name]}-{zlib.crc32(repr(command).encode()):08x}.png"
                command += ["--out", made, "--force"]
                words = [made]
            commands.append(shlex.join(["stylegan", *command, *self.words]))
        return " && ".join(commands)

    def _for_seeds(self, wish: Wish) -> list[str]:
        """The options that seeds need and others refuse; a class is also that in which a photo was searched for."""
        studio, people = self.studio, (wish.person, wish.other)
        seeds = any(map(references.is_seed, people))
        given = studio.truncating | {"--psi": f"{wish.psi:g}" if wish.psi != PSI else None}
        if wish.psi == 1:  # which is refused together
            given["--new-center"] = None
        words = [word for name, value in given.items() if seeds and value is not None for word in (name, str(value))]
        if studio.class_index is not None and (seeds or any(map(references.photo, people))):
            words += ["--class", str(studio.class_index)]
        return words

    def _person(self, wish: Wish) -> Person:
        studio = self.studio
        person = self._someone(wish.person, wish.psi)
        if wish.other:
            shares = blending.share_by_layer(studio.generator.layers, wish.shares)
            person = blending.blend(person, self._someone(wish.other, wish.psi), shares)
        if unknown := wish.amounts.keys() - self.directions.keys():
            raise UsageError(f"there is no direction {min(unknown)!r}; reload the page")
        if wish.noise:
            if not (studio.generator.has_noise and {*wish.noise} <= {*self.bands}):
                raise UsageError(f"this model has no noise in {' and '.join(wish.noise)} layers; reload the page")
            person = replace(person, noise=variation.noise_in(wish.noise, wish.variation, 1.0))
        edits = [Edit(self.directions[name], by) for name, by in wish.amounts.items()]
        return edited(studio.generator, person, edits) if edits else person

    def _someone(self, text: str, psi: float) -> Person:
        if text in self.known and not references.is_seed(text):  # which has another face with another psi
            return self.known[text]
        if not text:
            raise UsageError(
                "name a person: a seed, a name, a photo, a file of latents, or a picture that was made here"
            )
        if photo := references.photo(text):
            found = projecting.remembered(self.studio, photo)
            if found is None:
                raise UnknownPhotoError(text)
            return found
        return references.resolve(text, self.studio.generator, psi, self.studio.cast)


def _slider(name: str, direction: Direction) -> dict[str, Any]:
    """What the page has to know about a direction."""
    wanted = REACH / length_of(direction)
    reach = min(REACHES, key=lambda reach: abs(math.log(reach / wanted)))
    return {"name": name, "title": direction.title, "reach": reach}


def _files_here() -> list[str]:
    """Pictures and latents in the current folder, which the page offers as people."""
    kinds = {*PICTURES, *files.ENDINGS}
    found = (path.name for path in Path().iterdir() if path.suffix.lower() in kinds and not path.name.startswith("."))
    return sorted(found)[:OFFERED]


def _typed(text: Any) -> str:
    """What the user typed on the page: no shell has replaced `~`."""
    plain = str(text).strip()
    try:
        return str(Path(plain).expanduser()) if plain.startswith("~") else plain
    except RuntimeError:  # there is no such user
        return plain


def _option_of(move: Move) -> tuple[str, str]:
    """How `drag` is told of a move."""
    (x, y), (u, v) = move.start, move.end
    return ("--hold", f"{x},{y}") if move.start == move.end else ("--move", f"{x},{y}..{u},{v}")


def _option(name: str, amount: float) -> tuple[str, str]:
    """How `edit` is told of a direction."""
    is_own = name in {field.name.replace("_", "-") for field in fields(Attributes)}
    return (f"--{name}", f"{amount:g}") if is_own else ("--direction", f"{name}={amount:g}")
