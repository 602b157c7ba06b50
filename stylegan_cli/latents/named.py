"""One among several in a file: `many.npz#3`, or the face `party.jpg#2`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.errors import UsageError

MOST_DIGITS = 4  # of a face's number


@dataclass(frozen=True)
class Photo:
    """A photo's file, and which of the faces on it: counted from 1 by size; None where nobody said."""

    path: Path
    face: int | None = None

    @staticmethod
    def named(text: str) -> Photo:
        """What `me.jpg` or `party.jpg#2` names. Raises `UsageError` where there is no such file, or no face can have
        such a number."""
        name, number = numbered(text)
        if is_folder(name):
            raise UsageError(f"{name} is a folder; name the photos in it, like {Path(name) / '*.jpg'}")
        if not is_file(name):
            raise UsageError(f"there is no photo {name!r}")
        if number and not (number.isdecimal() and len(number) <= MOST_DIGITS and int(number)):
            raise UsageError(f"faces on {name} are numbered from 1, the largest: there is no {text}")
        return Photo(Path(name), int(number) if number else None)

    @property
    def label(self) -> str:
        """What results of this photo are called."""
        return self.path.stem if self.face is None else f"{self.path.stem}#{self.face}"


def numbered(text: str) -> tuple[str, str]:
    """The file's name in `text`, and which one in it is meant, where that is said."""
    name, _, number = text.rpartition("#")
    is_number = name and not {"/", os.sep} & set(number) and not is_file(text)
    return (name, number) if is_number else (text, "")


def is_file(text: str) -> bool:
    """Whether `text` is a file's name."""
    return _is(Path.is_file, text)


def is_folder(text: str) -> bool:
    """Whether `text` is a folder's name."""
    return _is(Path.is_dir, text)


def _is(kind: Callable[[Path], bool], text: str) -> bool:
    """Whether `text` is the name of such a thing; a list of people may be longer than names can be."""
    try:
        return kind(Path(text))
    except OSError:
        return False
