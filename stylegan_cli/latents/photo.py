"""How photos and films are named: `me.jpg`, the face `party.jpg#2`, `talk.mp4`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.errors import UsageError
from stylegan_cli.latents.named import is_file, is_folder, namesake, numbered

FILMS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".wmv", ".3gp")  # endings of their files
MOST_DIGITS = 4  # in a face's number


@dataclass(frozen=True)
class Photo:
    """A photo's file, and the number of a face in it (1 is the largest); None if none was given."""

    path: Path
    face: int | None = None

    @staticmethod
    def named(text: str) -> Photo:
        """The photo that `me.jpg` or `party.jpg#2` names. Raises `UsageError` if there is no such file, or no face can
        have such a number."""
        name, number = numbered(text)
        if is_folder(name):
            raise UsageError(f"{name} is a folder; give the photos in it, like {Path(name) / '*.jpg'}")
        if not is_file(name):
            hint = namesake(Path(name)) if Path(name).suffix else "; photos are files, like me.jpg"
            raise UsageError(f"there is no photo {name!r}{hint}")
        if number and not (number.isdecimal() and len(number) <= MOST_DIGITS and int(number)):
            raise UsageError(f"there is no {text}: name one of the faces in {name} by its number; 1 is the largest")
        return Photo(Path(name), int(number) if number else None)

    @property
    def label(self) -> str:
        """The name for results made from this photo."""
        return self.path.stem if self.face is None else f"{self.path.stem}#{self.face}"


def is_film(text: str) -> bool:
    """Whether `text` is a film's name, with a face's number or without."""
    return numbered(text)[0].lower().endswith(FILMS)
