"""Zips of uncompressed files: written in one go, or grown file by file over several processes' lives.

A zip's directory is at its end, so a zip that still grows has none; but a description precedes every file in it, and
that is enough to find them (APPNOTE.TXT, 4.3.6 and 4.3.7). No times are in it: the same files make the same zip.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from stylegan_cli.files import replacing_alone

Write = Callable[[str, bytes], object]
# What differs between files' descriptions: checksum, size twice, the lengths of name and extra field.
_ABOUT = struct.Struct("<14x3I2H")


@contextmanager
def writing_zip(path: Path) -> Iterator[Write]:
    """Yields what adds a file to a new zip, which takes its name when it is whole."""
    with replacing_alone(path) as part, zipfile.ZipFile(part, "w") as archive:
        yield lambda name, content: archive.writestr(_described(name), content)


@contextmanager
def growing_zip(path: Path) -> Iterator[Write]:
    """Yields what adds a file to a zip without a directory, which is made if there is none."""
    with path.open("ab") as file:

        def write(name: str, content: bytes) -> None:
            file.write(_described(name, isal_zlib.crc32(content), len(content)).FileHeader())
            file.write(content)
            file.flush()

        yield write


def grown(path: Path) -> Iterator[zipfile.ZipInfo]:
    """The descriptions of the files that a growing zip holds completely, in their order."""
    length = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        start = 0
        while (about := _read_description(file, start)) and (start := end_of(about)) <= length:
            yield about


def end_of(about: zipfile.ZipInfo) -> int:
    """Where the next file begins."""
    return about.header_offset + len(about.FileHeader()) + about.file_size


def read_grown(file: BinaryIO, about: zipfile.ZipInfo) -> bytes:
    """The content of a file in a growing zip."""
    file.seek(end_of(about) - about.file_size)
    return file.read(about.file_size)


def cut(path: Path, length: int) -> None:
    """Removes what a growing zip holds beyond this many bytes."""
    if length < path.stat().st_size:
        os.truncate(path, length)


def complete(path: Path, files: list[zipfile.ZipInfo], last: Mapping[str, bytes]) -> None:
    """Gives a growing zip that holds these `files` the `last` ones, and its directory."""
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(file, "w") as archive:
            archive.filelist.extend(files)
            for name, content in last.items():
                archive.writestr(_described(name), content)


def _described(name: str, checksum: int = 0, size: int = 0) -> zipfile.ZipInfo:
    about = zipfile.ZipInfo(name)
    about.external_attr = 0o644 << 16
    about.CRC, about.file_size, about.compress_size = checksum, size, size
    return about


def _read_description(file: BinaryIO, start: int) -> zipfile.ZipInfo | None:
    """The description at this place, if there is one, and if `growing_zip` wrote it."""
    file.seek(start)
    if len(fixed := file.read(_ABOUT.size)) < _ABOUT.size:
        return None
    checksum, size, _, letters, _ = _ABOUT.unpack(fixed)
    name = file.read(letters)
    about = _described(name.decode("ascii", "replace"), checksum, size)
    about.header_offset = start
    return about if about.FileHeader() == fixed + name else None
