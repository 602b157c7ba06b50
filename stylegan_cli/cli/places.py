"""Where results go: which file or folder `--out` means, and whether it can be written, before anything is computed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import TypeGuard

import typer

from stylegan_cli.datasets.layout import is_zip, manifest_in
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.files import LOCK, claim, is_held, is_vacant, nearest_existing, part_of, telling_why
from stylegan_cli.latents.named import folded, is_file
from stylegan_cli.latents.photo import Photo

# The files that the running command reads.
_read: ContextVar[Sequence[str]] = ContextVar("_read", default=())


@contextmanager
def keeping(read: Sequence[str]) -> Iterator[None]:
    """Meanwhile, these files are not replaced by what is made from them, even with --force."""
    before = _read.set(read)
    try:
        yield
    finally:
        _read.reset(before)


class Folder(type(Path())):  # type: ignore[misc]
    """A path that the user called a folder, whatever its name looks like: with --outdir, or with a slash at its end.

    Paths below it also have this class, so only use `is_folder` on what the user named.
    """


def place(text: str | Path) -> Path:
    """What `--out` names; a default is already a path. (`--outdir` comes with a slash at its end, see `spellings`.)"""
    if str(text) in ("", "-"):
        raise typer.BadParameter("name a file or a folder: results have several parts and cannot go to stdout.")
    return Folder(text) if str(text).endswith(("/", os.sep)) else Path(text)


def is_folder(out: Path) -> bool:
    """Whether `out` is a folder, or is to be one."""
    return isinstance(out, Folder) or out.is_dir()


def file_ending(out: Path | None, asked: str | None, known: Collection[str], default: str) -> str:
    """The format: what the name of `out` says, else what was asked for, else the default."""
    asked = asked and asked.lower().replace("jpeg", "jpg")
    if asked is not None and asked not in known:
        raise UsageError(f"unknown format {asked!r}; formats are {', '.join(known)}")
    if out is None or is_folder(out):
        return asked or default
    named = ending(out)
    if named not in known:
        check_folder_name(out, f"unknown format {named!r}; formats are {', '.join(known)}")
        return asked or default
    if asked not in (None, named):
        raise UsageError(f"--out {out} and --format {asked} contradict each other; leave out one of them")
    return named


def is_file_name(out: Path | None, known: Collection[str]) -> TypeGuard[Path]:
    """Whether `out` names one file: it ends in a known format and is not a folder."""
    return out is not None and ending(out) in known and not is_folder(out)


def check_folder_name(out: Path, why: str) -> None:
    """Checks that `out`, which is to be a folder, does not look like another kind of file; `why` that is an error."""
    # An ending that begins with a digit is not a format: v1.0, run.2.
    if out.suffix[1:2].isalpha() and not is_folder(out):
        raise UsageError(f"{out}: {why}; for a folder of this name, use {out}/")


def ending(out: Path) -> str:
    """What kind of file a name means."""
    return out.suffix.lower().removeprefix(".").replace("jpeg", "jpg")


def fresh(path: Path, *beside: str) -> Path:
    """`path`, or `path-2`, ... if it, or a file named like it with an ending in `beside`, exists, is being written or
    was chosen by another process: a name that the user did not choose never replaces anything."""

    def is_taken(candidate: Path) -> bool:
        files = candidate, *(candidate.with_name(candidate.stem + ending) for ending in beside)
        return any(file.exists() or is_held(file.with_name(f".{file.name}{LOCK}")) for file in files)

    candidate, number = path, 2
    while is_taken(candidate) or not claim(candidate) or is_taken(candidate):
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return candidate


def check_file(path: Path, force: bool) -> Path:
    """Checks that `path` can be written without losing anything."""
    check_folder(path.parent)
    with telling_why(path), suppress(FileNotFoundError):
        part_of(path).lstat()  # fails if the temporary name, which is longer, is too long
    if path.is_dir():
        raise StyleganError(f"{path} is a folder; name a file in it")
    if path.exists() and any(path.samefile(file) for file in _read.get() if is_file(file)):
        raise UsageError(f"{path} would replace what the result is made from; choose another name")
    if path.exists() and not force:
        raise StyleganError(f"{path} exists; choose another name, or use --force to replace it")
    return path


def check_folder(folder: Path) -> Path:
    """Checks that files can be written into `folder`. If it does not exist, it is made later, with its first file, and
    so are the folders above it."""
    if not (there := nearest_existing(folder)).is_dir():
        raise StyleganError(f"{there} is a file, not a folder; choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StyleganError(f"the folder {there} cannot be written to; choose another place")
    return folder


def _is_zip(path: Path) -> bool:
    if is_zip(path) and is_folder(path):
        raise UsageError(
            f"{path} is named like a .zip, but given as a folder; leave out the slash at its end, or use --out"
        )
    return is_zip(path)


def check_collected(path: Path, force: bool) -> Path:
    """Checks that a collected data set can be written: a new zip, or a folder that is new or empty, even with
    --force."""
    if _is_zip(path):
        return check_file(path, force)
    check_folder_name(path, "data sets are .zip files or folders")
    if path.is_dir() and not is_vacant(path):
        raise StyleganError(f"the folder {path} is not empty; choose another name")
    return check_folder(path)


def check_sampled(path: Path, latents: Path, force: bool) -> Path:
    """Checks that a sampled data set can be written: a new zip with new latents beside it, or an empty folder; with
    --force, also a folder with a data set that was sampled (others are somebody's pictures)."""
    if _is_zip(path):
        check_file(path, force)
        check_file(latents, force)
        return path
    check_folder_name(path, "data sets are .zip files or folders")
    if path.is_dir() and not is_vacant(path):
        if not manifest_in(path):
            raise StyleganError(f"the folder {path} is not empty; choose another name")
        if not force:
            raise StyleganError(f"{path} holds a data set; choose another name, or use --force to replace it")
    return check_folder(path)


def pasted_name(photo: Photo) -> str:
    """What a photo is called once people are put into it."""
    return f"{photo.path.stem}-edited"


def result_names(labels: Sequence[str], only: str = "") -> list[str]:
    """File names for results: their labels, made different where Windows or macOS take them for the same; `only`, if
    given, for a single result."""
    if only and len(labels) == 1:
        return [only]
    names = [label.replace("#", "-") for label in labels]
    often = Counter(map(folded, names))
    taken = {name for name, times in often.items() if times == 1}
    for i, name in enumerate(names):
        if often[folded(name)] > 1:
            names[i] = next(other for n in count(1) if folded(other := f"{name}-{n}") not in taken)
            taken.add(folded(names[i]))
    return names
