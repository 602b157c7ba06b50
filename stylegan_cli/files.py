"""Writing so that a file is either whole or not there, and telling files apart."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PICTURES = (  # endings of picture files that can be read
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".jp2", ".j2k", ".jpx", ".tga", ".avif", ".mpo", ".jfif"),
)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, with its ending; it takes `path`'s place only when the block ends well."""
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        part.touch()
        mode = part.stat().st_mode
        yield part
        part.chmod(mode)  # safetensors writes files that only their owner may read
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_leftover(name: str) -> bool:
    """Whether `replacing` gives such names: a process that was killed leaves its own behind."""
    return re.fullmatch(r"\..+\.\d+\.part(\..+)?", name) is not None


def sweep(path: Path) -> None:
    """Removes what processes left that were killed while they wrote `path`."""
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.\d+\.part{re.escape(path.suffix)}")
    for beside in path.parent.iterdir():
        if pattern.fullmatch(beside.name):
            beside.unlink(missing_ok=True)


def nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
