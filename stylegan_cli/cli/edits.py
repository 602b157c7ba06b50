"""What commands that edit have in common: amounts, directions by their names, and what can be pasted."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from stylegan_cli.cli.console import tell
from stylegan_cli.cli.options import PictureOutput, check_unused, given, optional
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.generator import Generator
    from stylegan_cli.latents.directions import Direction
    from stylegan_cli.latents.photo import Photo
    from stylegan_cli.operations.editing import Aim, Edit

ATTRIBUTES = "Attributes"
FARTHEST = 1000
LONG_VECTOR = 1.5  # ours have length 1
UNITS = {"y": "years", "deg": "degrees", "%": "%"}  # of scores that edits can aim at
# Other ways to write them, and ranges.
SPOKEN = {
    r"\s*(years?|yrs?|y)\b": "y",
    r"\s*(degrees?\b|deg\b|°)": "deg",
    r"\s*(percent\b|%)": "%",
    r"\s*\.\.\s*": "..",
}
AMOUNT = rf"([+-]?(?:\d+(?:\.\d+)?|\.\d+))({'|'.join(UNITS)})?"


@dataclass(frozen=True)
class Amounts:
    """How far to go; `start` only for a range. With the `unit` of a score, until it has this value."""

    stop: float
    start: float | None = None
    unit: str | None = None

    def held(self) -> Amounts:
        """The same as a range, in which a single amount stays what it is."""
        return replace(self, start=self.stop) if self.start is None else self


_attribute = partial(optional, metavar="AMOUNT", panel=ATTRIBUTES)


@dataclass(frozen=True)
class Attributes:
    """The directions that come with `ffhq`. Amounts are lengths in W: 3 is a lot; `-4..4` is a range, `60y` a score."""

    age: Annotated[str | None, _attribute("Positive is older, negative younger. 3 is a lot; 60y means years.")] = None
    gender: Annotated[str | None, _attribute("Positive is more masculine, negative more feminine.")] = None
    smile: Annotated[str | None, _attribute("Positive is a bigger smile, negative more serious.")] = None
    yaw: Annotated[
        str | None,
        _attribute(
            "Positive turns the head to the picture's right, negative to its left. 3 is a lot; 0deg faces the camera."
        ),
    ] = None
    pitch: Annotated[
        str | None, _attribute("Positive raises the head, negative lowers it. 3 is a lot; 0deg is level.")
    ] = None
    mouth_open: Annotated[str | None, _attribute("Positive opens the mouth, negative closes it.")] = None
    eyes: Annotated[str | None, _attribute("Positive widens the eyes, negative narrows them.")] = None
    jaw: Annotated[str | None, _attribute("Positive makes a wide, heavy face, negative a narrow one.")] = None
    hair: Annotated[str | None, _attribute("Positive is lighter hair, negative darker; 80% is light blond.")] = None
    hair_length: Annotated[str | None, _attribute("Positive is longer hair, negative shorter.")] = None
    hairline: Annotated[str | None, _attribute("Positive is a higher hairline, negative a fringe.")] = None
    beard: Annotated[str | None, _attribute("Positive is a beard, negative a clean shave.")] = None
    lips: Annotated[str | None, _attribute("Positive is redder lips, negative paler.")] = None
    glasses: Annotated[str | None, _attribute("Positive adds glasses, negative removes them.")] = None
    light: Annotated[
        str | None, _attribute("Positive lights from the picture's left, negative from its right; 0% is even.")
    ] = None

    def amounts(self) -> list[tuple[str, Amounts]]:
        """Directions, and how far to go along them."""
        named = {field.replace("_", "-"): text for field, text in given(self).items()}
        return [(name, parse_amounts(name, text)) for name, text in named.items()]


def check_paste(paste: Photo | None, output: PictureOutput, people: Sequence[str]) -> None:
    """Checks that this many people can be pasted."""
    if paste is None:
        return
    check_unused("faces are pasted at their original size", {"--size": output.size})
    if paste.face and len(people) > 1:
        raise UsageError(
            f"{paste.path}#{paste.face} is one face, but these are {len(people)} people; leave out #{paste.face}"
        )


def is_name(name: str) -> bool:
    """Whether edits can use a direction's name: in NAME=AMOUNT and in lists with commas, and not as a file."""
    return bool(re.fullmatch(r"\w[\w-]*", name))


def check_name(name: str) -> None:
    """Checks that edits can use the name that the user wants for a direction."""
    if not is_name(name):
        raise UsageError(f"{name!r} cannot be a direction's name; give --name letters, digits, - and _")


def open_edits(
    studio: Studio,
    amounts: Iterable[tuple[str, Amounts]],
    layers: str | None,
    keep: Iterable[str],
) -> list[Edit]:
    """Edits from directions' names or files, each without the part that would move the attributes to `keep`."""
    from stylegan_cli.operations.editing import Edit, is_same, keeping, keeps

    if layers is not None:
        moved_layers(layers, studio.generator)  # fails before minutes are spent on a photo
    kept = [open_direction(studio, name) for name in keep]
    moved = [(open_direction(studio, name), amount) for name, amount in amounts]
    for other in kept:
        if all(is_same(other, direction) for direction, _ in moved):
            raise UsageError(f"--keep {other.name} would keep the only thing that is edited; leave it out")
    edits = []
    for direction, amount in moved:
        if already := [other.name for other in kept if keeps(direction, other)]:
            tell(
                f"{direction.name} already moves {' and '.join(already)} as little as possible on average, so --keep "
                f"changes nothing; to correct it for one person, add --direction {already[0]}=1, or -1."
            )
        clean = keeping(direction, kept)
        if amount.unit:
            edits.append(Edit(clean, 0, layers=layers, aim=_aim(studio.generator, direction.name, amount)))
        else:
            edits.append(Edit(clean, amount.stop, amount.start or 0, layers))
    return edits


def _aim(generator: Generator, name: str, amount: Amounts) -> Aim:
    """What an amount with a unit asks for, after checking that there is such a score, and that it can be seen."""
    from stylegan_cli.operations.editing import Aim
    from stylegan_cli.scorers import runtime
    from stylegan_cli.scorers.scores import SCORES

    if name not in SCORES or SCORES[name].unit != amount.unit:
        own = unit_of(name)
        instead = f"{amount.stop:g}{own}, a" if own else "a"
        raise UsageError(
            f"{name} is not measured in {_spoken(amount.unit)}; give {instead} length like 3, or a range like -4..4"
        )
    runtime.demand()
    check_visible(generator, "scores need", f"give {name} a length like 3")
    return Aim(name, SCORES[name].unit, amount.stop, amount.start)


def unit_of(name: str) -> str:
    """The unit in which amounts of a direction can be given, as it is written: y, deg or %; empty if there is none."""
    from stylegan_cli.scorers.scores import SCORES

    measured = SCORES[name].unit if name in SCORES else ""
    return next((word for word, unit in UNITS.items() if unit == measured), "")


def with_unit(edit: Edit) -> str:
    """What an edit's amount would mean with a unit, if the score has one: who asks for 60 means years. A sentence's
    end, or nothing."""
    name, ends = edit.direction.name, [edit.stop] if edit.start in (0, edit.stop) else [edit.start, edit.stop]
    if not (unit := unit_of(name)) or edit.aim or (unit == "y" and min(ends) < 0):
        return ""
    return f"; for {edit.stop:g} {UNITS[unit]}, give --{name} {'..'.join(f'{end:g}{unit}' for end in ends)}"


def _spoken(unit: str | None) -> str:
    return "percent" if unit == "%" else str(unit)


def check_visible(generator: Generator, what: str, instead: str) -> None:
    """Checks that the model's faces are large enough for scorers; `what` begins the error, `instead` ends it."""
    from stylegan_cli.scorers.scores import SMALLEST

    if (found := min(generator.size)) < SMALLEST:
        raise UsageError(
            f"{what} faces of {SMALLEST} pixels, but those of {generator.origin.name} have {found}; {instead}"
        )


def moved_layers(words: str, generator: Generator) -> tuple[int, ...]:
    """The layers that a direction moves, at least one."""
    from stylegan_cli.latents.selection import parse_layers

    if not (chosen := parse_layers(words, generator.layers)):
        raise UsageError(f"--layers {words} leaves nothing to move; use coarse, middle, fine, all or numbers")
    return chosen


def open_direction(studio: Studio, name: str) -> Direction:
    """A direction by its name or file; tells the user if it does not record its model."""
    from stylegan_cli.latents import directions

    direction = directions.resolve(name, studio.generator, studio.directions)
    if direction.origin is None:
        tell(f"{name} does not say which model it belongs to; only its shape was checked.")
    return direction


def length_of(direction: Direction) -> float:
    """How far amount 1 moves people in W: in the layer where it is farthest."""
    return direction.vector.norm(dim=1).max().item()


def much_of(direction: Direction) -> str:
    """The amount that is a lot: 3, but others' vectors, and those between people, can be of any length."""
    length = length_of(direction)
    return "3" if 1 / LONG_VECTOR <= length <= LONG_VECTOR or not length else f"{float(f'{3 / length:.1g}'):g}"


def lengths(direction: Direction) -> str:
    """What amounts of a direction mean."""
    if (much := much_of(direction)) == "3":
        return "amounts are lengths in W: 1 is visible, 3 is a lot"
    return f"the vector {direction.name} is {length_of(direction):.3g} long, and amounts multiply it: {much} is a lot"


def split_names(text: str | None) -> list[str]:
    """`gender,smile` as a list, each name once."""
    return list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def _check_years(name: str, text: str, *ends: str) -> None:
    """Checks that years are no difference: ages have no sign. (Degrees have: heads turn to two sides.)"""
    if signed := [end for end in ends if end[0] in "+-"]:
        raise UsageError(
            f"the amount of {name} is {text!r}, but years are the age to reach, like {signed[0][1:]}y; to make "
            "somebody older or younger, give a length like 3 or -3"
        )


def parse_amounts(name: str, text: str) -> Amounts:
    """`3`, `+3`, `-1.5`, or a range: `-4..4`; with a unit, `60y`, `0deg`, `20%..80%`."""
    plain = text.strip().lower()
    for words, ours in SPOKEN.items():
        plain = re.sub(words, ours, plain)
    match = re.fullmatch(rf"{AMOUNT}(?:\.\.(?!\.){AMOUNT})?", plain)
    if match is None and (ends := re.fullmatch(f"{AMOUNT}[-:]{AMOUNT}", plain)):
        first, unit, second, other = (part or "" for part in ends.groups())
        unit = unit or other
        raise UsageError(f"the amount of {name} is {text!r}; write {first}{unit}..{second}{unit} for a range")
    if match is None:
        raise UsageError(
            f"the amount of {name} must be a number like 3 or -1.5, a range like -4..4, or what to reach, like 60y, "
            f"0deg or 80%, not {text!r}"
        )
    first, unit, second, other = match.groups()
    if second and unit != other:
        raise UsageError(f"both ends of {name} {text} need the same unit; write 20y..60y, or -4..4")
    if max(abs(float(end)) for end in (first, second or "0")) > FARTHEST:
        raise UsageError(
            f"the amount of {name} is {text}; use less: 3 is a lot, and {FARTHEST} is more than any model can show"
        )
    if unit == "y":
        _check_years(name, text, first, second or first)
    stop, start = (float(first), None) if second is None else (float(second), float(first))
    return Amounts(stop, start, UNITS[unit] if unit else None)
