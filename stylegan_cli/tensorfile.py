"""Reads and writes safetensors files: our models, encoders and checkpoints. Nothing that a file claims is trusted
unchecked, and equal contents are equal files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

# Our headers are a few hundred kB at most; the library itself would accept 100 MB of JSON.
MAX_HEADER = 4 << 20


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors. Raises ValueError, worded to follow "was refused: ", if the file is damaged. (The library
    checks that the tensors fill the file exactly, without gaps or overlaps.)"""
    with _opened(path) as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata alone. Raises ValueError as `read` does."""
    with _opened(path) as file:
        return file.metadata() or {}


def save(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Writes contiguous tensors and metadata. Raises SafetensorError or OSError, which `files.replacing`
    words, if that fails."""
    save_file(dict(tensors), path, dict(metadata))
    # The library sorts the tensors, but leaves the metadata in random order. Sorted, it is as long as before.
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(metadata.items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(text) <= length  # longer, it would overwrite tensors
        file.seek(8)
        file.write(text.ljust(length))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with path.open("rb") as start:
        header = int.from_bytes(start.read(8), "little")
    size = path.stat().st_size
    if header > min(MAX_HEADER, size - 8):
        raise ValueError(f"its header claims {header} bytes in a safetensors file of {size}")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"it is a damaged safetensors file ({str(error)[:120]})") from error
