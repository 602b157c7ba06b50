"""Names of one item among several in a file (`many.npz#3`, the face `party.jpg#2`), and names that are misspelled."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

MAX_SEED = 2**32 - 1  # of numpy's RandomState


def numbered(text: str) -> tuple[str, str]:
    """The file's name in `text`, and what follows its `#`, if there is one."""
    # Captions may contain a # themselves, and so may names of files.
    ends = [i for i, character in enumerate(text) if character == "#"]
    end = next((i for i in reversed(ends) if is_file(text[:i])), ends[-1] if ends else 0)
    name, number = text[:end], text[end + 1 :]
    is_number = name and not {"/", os.sep} & set(number) and not is_file(text)
    return (name, number) if is_number else (text, "")


def is_file(text: str) -> bool:
    """Whether `text` is a file's name."""
    return _is(Path.is_file, text)


def is_folder(text: str) -> bool:
    """Whether `text` is a folder's name."""
    return _is(Path.is_dir, text)


def _is(kind: Callable[[Path], bool], text: str) -> bool:
    """Whether `text` is the name of such a thing; a list of people may be longer than a file name can be."""
    try:
        return kind(Path(text))
    except OSError:
        return False


def folded(name: str) -> str:
    """What names have in common that most systems take for the same: Jon and jon, and accents stored in two ways."""
    return unicodedata.normalize("NFC", name).casefold()


def namesake(missing: Path) -> str:
    """For errors about a file that does not exist: the one beside it that many systems take for the same, or that is
    called much like it."""
    try:
        beside = [path.name for path in missing.parent.iterdir()]
    except OSError:
        return ""
    for name in beside:
        if folded(name) == folded(missing.name) and name != missing.name:
            return f"; there is {name!r}, but capital letters and the encoding of accents count"
    stems = {folded(Path(name).stem): name for name in beside if folded(Path(name).suffix) == folded(missing.suffix)}
    near = difflib.get_close_matches(folded(missing.stem), stems, 1) if missing.suffix else []
    return "".join(f" (did you mean {stems[stem]}?)" for stem in near)


def suggestion(text: str, known: Iterable[str]) -> str:
    """For errors about a name that does not exist, in any case: the known one that is most like it, if one is."""
    names = {folded(name): name for name in known}
    return "".join(f" (did you mean {names[near]}?)" for near in difflib.get_close_matches(folded(text), names, 1))
