"""Where pictures come from: any folder or zip, including NVIDIA's layout (`dataset.json` with labels).

Nothing is unpacked to disk. A file that looks like a picture but cannot be used is listed in `refused`; no error is
raised.
"""

from __future__ import annotations

import json
import lzma
import os
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from PIL import Image

from stylegan_cli.datasets.layout import LABELS, check_finished
from stylegan_cli.errors import MALFORMED, StyleganError, UsageError
from stylegan_cli.media.decoding import MAX_BYTES, UnusableError, decode, size_of, too_large
from stylegan_cli.pillow import BROKEN_PICTURE, PICTURES, UNREAD, in_words

MEND = "make a data set of it with stylegan dataset"  # the advice if a source is not a data set
# Bytes of labels: lists take 25 times as much memory as their text. Data sets of millions need more, 30 per picture.
MAX_LABELS, LABEL = 1 << 26, 64
OF_OTHER_KIND = "has a format that cannot be read here; save it as JPEG or PNG"
OTHER_ARCHIVES = {".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".mdb"}
LABEL_MODES = ("auto", "json", "folders", "none")
# The last: names that are said to be UTF-8, and are not.
BROKEN_MEMBER = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError),
    UnicodeDecodeError,
)


class Source(ABC):
    """Pictures: `names` are their paths within the source, sorted, with `/`; `refused` are names with the reason."""

    verb = "read"  # for messages: a broken file cannot be `verb`

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.refused: list[tuple[str, str]] = []

    def read(self, name: str) -> bytes:
        """A file's content; raises `UnusableError`."""
        with self._in_words(), self._open(name) as file:
            return file.read()

    def open(self, name: str) -> IO[bytes]:
        """A file opened for reading; raises `UnusableError`, and reading from it may raise `BROKEN_MEMBER`."""
        with self._in_words():
            return self._open(name)

    @abstractmethod
    def problem(self, name: str, most: int = MAX_BYTES) -> str | None:
        """Why a file cannot be used, for example because it has more than `most` bytes; None if it can be used."""

    @abstractmethod
    def checksum(self, name: str) -> int:
        """The CRC-32 of a file's content, which a zip contains; raises `UnusableError`."""

    @abstractmethod
    def has_labels(self) -> bool:
        """Whether there is a `dataset.json`."""

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]:
        """A file opened for reading; this, and reading from it, may raise `BROKEN_MEMBER`."""

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turns `BROKEN_MEMBER` into `UnusableError`."""
        try:
            yield
        except BROKEN_MEMBER as error:
            raise UnusableError(f"cannot be {self.verb} ({in_words(error)})") from None

    def _take(self, name: str, reason: str | None) -> None:
        if reason is None:
            self.names.append(name)
        else:
            self.refused.append((name, reason))


class FolderSource(Source):
    """Pictures in a folder. Follows symbolic links, but enters every folder only once, so that loops end. Data sets
    that are still being written are hidden, and so left out."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        seen: set[object] = set()
        for folder, folders, files in os.walk(path, followlinks=True, onerror=self._unreadable):
            here = Path(folder)
            if (identity := _identity(here)) in seen:
                folders.clear()
                continue
            seen.add(identity)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in filter(_is_picture, files):
                below = (here / name).relative_to(path).as_posix()
                self._take(below, self.problem(below))
        self.names.sort()

    def problem(self, name: str, most: int = MAX_BYTES) -> str | None:
        if name.lower().endswith(UNREAD):
            return OF_OTHER_KIND
        try:
            status = (self.path / name).stat()
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        return too_large(status.st_size, most) if stat.S_ISREG(status.st_mode) else "is not a file"

    def checksum(self, name: str) -> int:
        return zlib.crc32(self.read(name))

    def has_labels(self) -> bool:
        return (self.path / LABELS).is_file()

    def _open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")

    def _unreadable(self, error: OSError) -> None:
        self.refused.append((str(error.filename), f"cannot be listed ({error.strerror})"))


def _is_folder(member: zipfile.ZipInfo) -> bool:
    """Whether this is a folder in a zip, or has no name."""
    return not member.filename or member.is_dir()


class ZipSource(Source):
    """Pictures in a zip. If one folder contains everything, as in zips made on a desktop, it is left out of the
    names."""

    verb = "unpacked"

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        super().__init__(path)
        self._archive = archive
        found = [member for member in archive.infolist() if not _is_folder(member)]
        members = {member.filename.replace("\\", "/"): member for member in found}  # as some programs on Windows write
        top = _common_folder([name for name in members if _is_picture(name) or PurePosixPath(name).name == LABELS])
        self._members = {name.removeprefix(top): member for name, member in members.items()}
        for name, member in self._members.items():
            if _is_picture(name) or name.lower().endswith(".zip"):
                reason = self.problem(name)
                self._take(member.filename if reason else name, reason)
        self.names.sort()

    def problem(self, name: str, most: int = MAX_BYTES) -> str | None:
        member = self._members[name]
        windows, posix = PureWindowsPath(member.filename), PurePosixPath(member.filename)
        if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
            return "has a name that leads out of the zip"
        if name.lower().endswith(UNREAD):
            return OF_OTHER_KIND
        if name.lower().endswith(".zip"):
            return "is a zip inside a zip; give it separately"
        if member.flag_bits & 1:
            return "is encrypted"
        if stat.S_ISLNK(member.external_attr >> 16):
            return "is a symbolic link"
        return too_large(member.file_size, most)

    def checksum(self, name: str) -> int:
        return self._members[name].CRC

    def has_labels(self) -> bool:
        return LABELS in self._members

    def _open(self, name: str) -> IO[bytes]:
        return self._archive.open(self._members[name])


@dataclass(frozen=True)
class Labels:
    """The class of every picture, None if there are no classes; `names` of the classes, if they come from folders."""

    of: dict[str, int] | None = None
    names: tuple[str, ...] = ()


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """The pictures in a folder or a zip. Raises StyleganError if there is none that can be used."""
    if not path.is_file():
        check_finished(path)
    if path.is_dir():
        source: Source = FolderSource(path)
        _check(source)
        yield source
        return
    if not path.exists():
        raise UsageError(f"there is no folder or zip {path}")
    if path.suffix.lower() in OTHER_ARCHIVES:
        raise StyleganError(
            f"{path} is neither a folder nor a zip; unpack it if pictures are in it, or have NVIDIA's dataset_tool.py "
            "make a zip of it (CIFAR, MNIST, LSUN)"
        )
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise StyleganError(f"{path} is neither a folder nor a readable zip ({error})") from None
    with archive:
        source = ZipSource(path, archive)
        _check(source)
        yield source


class Squares:
    """What the readers of pictures that have to be squares of one size, in a folder or a zip, have in common: opening,
    reading and checking. `advice` ends the sentence about a picture that cannot be used. Raises what `open_source`
    raises."""

    advice = MEND

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open_things = ExitStack()  # closed when this is forgotten
        self._source = self._open_things.enter_context(open_source(path))
        self._names = self._source.names

    def close(self) -> None:
        self._open_things.close()

    def _picture(self, name: str) -> Image.Image:
        """A picture as `decoding.decode` reads it. Raises StyleganError if that fails."""
        with self._telling_which(name):
            return decode(self._source.read(name))

    def _size(self, name: str) -> tuple[int, int]:
        """A picture's width and height, as the file's header has them. Raises StyleganError if that fails."""
        with self._telling_which(name):
            try:
                with self._source.open(name) as file:
                    return size_of(file)
            except BROKEN_PICTURE:
                raise UnusableError("cannot be read as a picture") from None

    def _check(self, name: str, size: tuple[int, int], edge: int, why: str | None = None) -> None:
        """Raises StyleganError unless a picture of this size is a square of `edge` pixels; `why` follows its size in
        the sentence, by default that the first one is of `edge` pixels."""
        if size != (edge, edge):
            why = f", but {self._names[0]} is {edge} x {edge}" if why is None else why
            raise self._refusal(name, f"is {size[0]} x {size[1]}{why}")

    @contextmanager
    def _telling_which(self, name: str) -> Iterator[None]:
        """Turns `UnusableError` into StyleganError, which also tells the picture's name."""
        try:
            yield
        except UnusableError as error:
            raise self._refusal(name, str(error)) from None
        except BROKEN_MEMBER:
            raise self._refusal(name, "cannot be read as a picture") from None

    def _refusal(self, name: str, reason: str) -> StyleganError:
        return StyleganError(f"{name} in {self.path} {reason}; {self.advice}")


def read_labels(source: Source, mode: str, complete: bool = True) -> Labels:
    """Classes from `dataset.json` (`json`), from the folders directly in the source (`folders`), or `none`.

    `auto` uses `dataset.json` if there is one; otherwise folders, if there are at least two, they contain all pictures
    and no name is just a number (those are years, or NVIDIA's thousands). If `complete` is false, `dataset.json` may
    leave pictures out. Raises StyleganError if the labels are missing or wrong.
    """
    if mode not in LABEL_MODES:
        raise UsageError(f"there is no label mode {mode!r}; use {', '.join(LABEL_MODES)}")
    if mode == "json" or (mode == "auto" and source.has_labels()):
        return _from_json(source, mode == "json", complete)
    if mode == "none":
        return Labels()
    folders = {name: name.partition("/")[0] for name in source.names if "/" in name}
    classes = sorted(set(folders.values()))
    stray = next((name for name in source.names if name not in folders), None)
    if mode == "auto" and (stray or len(classes) < 2 or any(map(str.isdecimal, classes))):
        return Labels()
    if stray:
        raise StyleganError(f"{stray} in {source.path} is in no folder and so has no class; move it, or --labels none")
    numbers = {name: number for number, name in enumerate(classes)}
    return Labels({name: numbers[folder] for name, folder in folders.items()}, tuple(classes))


def _from_json(source: Source, required: bool, complete: bool) -> Labels:
    """NVIDIA's `{"labels": [["00000/img00000000.png", 6], ...]}`; null if there are no labels."""
    where = f"{LABELS} in {source.path}"
    if not source.has_labels():
        raise StyleganError(f"there is no {LABELS} in {source.path}; use --labels folders or none")
    try:
        if problem := source.problem(LABELS, max(MAX_LABELS, LABEL * len(source.names))):
            raise UnusableError(problem)
        about = json.loads(source.read(LABELS))
        pairs = about["labels"]
        classes = None if pairs is None else {str(name): _class_of(value) for name, value in pairs}
        names = tuple(map(str, about.get("classes") or ()))
    except MALFORMED:
        raise StyleganError(
            f'{where} is not {{"labels": [["name.png", class], ...]}}; fix it, or use stylegan dataset --labels none'
        ) from None
    except UnusableError as error:
        raise StyleganError(f"{where} {error}; fix it, or use stylegan dataset --labels none") from None
    if not classes:
        if required:
            raise StyleganError(f"{where} contains no labels; use --labels folders or none")
        return Labels()
    for name, number in classes.items():
        if type(number) is not int or number < 0:
            raise StyleganError(f"{where} gives {name} the class {number!r}, but classes are whole numbers from 0")
    missing = [name for name in source.names if name not in classes]
    if missing and complete:
        raise StyleganError(
            f"{where} has labels for {len(source.names) - len(missing)} of {len(source.names)} pictures, but none for "
            f"{missing[0]}; fix it, or use stylegan dataset --labels none"
        )
    return Labels({name: classes[name] for name in source.names if name in classes}, names)


def _class_of(value: Any) -> Any:
    """The number of a class that is given one-hot, as NVIDIA's loader takes it; anything else as it is."""
    is_one_hot = isinstance(value, list) and value.count(1) == 1 and value.count(0) == len(value) - 1
    return value.index(1) if is_one_hot else value


def _check(source: Source) -> None:
    if source.names:
        return
    if source.refused:
        name, reason = source.refused[0]
        raise StyleganError(f"no picture in {source.path} can be used: {name} {reason}")
    raise StyleganError(f"there is no picture in {source.path}; pictures end in {', '.join(PICTURES[:4])} and the like")


def _is_picture(name: str) -> bool:
    """Whether a file's ending is a picture's, readable or not; hidden files and those in hidden folders do not count
    (macOS adds one per picture, others keep thumbnails)."""
    is_hidden = any(part.startswith(".") and part != ".." for part in PurePosixPath(name).parts)
    return name.lower().endswith(PICTURES + UNREAD) and not is_hidden


def _identity(folder: Path) -> object:
    """What a folder is told apart by: its number, or its real path on file systems that number nothing (some network
    drives of Windows)."""
    status = folder.stat()
    return (status.st_dev, status.st_ino) if status.st_ino else folder.resolve()


def _common_folder(names: list[str]) -> str:
    """`photos/` if everything is in that folder, else an empty string."""
    tops = {name.partition("/")[0] for name in names}
    return f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in names) else ""
