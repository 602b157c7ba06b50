"""The way of an edit, shown: as a strip of faces, or as a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.pictures import Face, Sheet

STEPS = 7  # in a strip, approximately


def strip(generator: Generator, person: Person, edits: Sequence[Edit], steps: int) -> list[Person]:
    """The person at `steps` evenly spaced points of the edits' way, from its start to its end."""
    return [edited(generator, person, edits, i / (steps - 1)) for i in range(steps)]


def round_steps(edits: Sequence[Edit]) -> int:
    """The number of steps, about 7, with which as many edits as possible, the first ones first, have round amounts and
    include 0."""

    def oddness(places: int) -> tuple[int, list[bool], int]:
        odd = [not _is_round(edit, places) for edit in edits]
        return sum(odd), odd, abs(places - STEPS)

    return min(range(5, 12), key=oddness)


def _is_round(edit: Edit, places: int) -> bool:
    """Whether the steps between so many places are 1, 2, 2.5 or 5 times a power of ten, and start at a multiple of
    that."""
    way = edit if edit.aim is None else edit.aim
    start = way.start or 0
    step = abs(way.stop - start) / (places - 1)
    if step == 0:
        return True
    from_zero = start / step
    return float(f"{step:.6e}".partition("e")[0]) in (1, 2, 2.5, 5) and abs(from_zero - round(from_zero)) < 1e-6


@dataclass(frozen=True)
class Walk:
    """A film of a person who goes the edits' way, from its start, in this many `frames`; in a loop, also back, without
    the last frame, which would repeat the first. Frames are made on demand."""

    generator: Generator
    person: Person
    edits: Sequence[Edit]
    frames: int
    loop: bool
    cells: ClassVar[int] = 1  # faces in a frame

    def __len__(self) -> int:
        return 2 * self.frames if self.loop else self.frames + 1

    def __iter__(self) -> Iterator[Face]:
        return (self.face(i) for i in range(len(self)))

    def face(self, frame: int) -> Face:
        at = min(frame, 2 * self.frames - frame) / self.frames
        return edited(self.generator, self.person, self.edits, at).face(caption="")


def sheet(strips: Sequence[Sequence[Person]], names: Sequence[str] = ()) -> Sheet:
    """One row per strip, with its name; below each face the amounts, one per line."""
    rows = ((person.face(caption=person.label.replace(", ", "\n")) for person in row) for row in strips)
    return Sheet(tuple(map(tuple, rows)), tuple(names))
