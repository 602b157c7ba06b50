"""Writing so that a file is either whole or not there, and telling files apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
