"""Reads safetensors files; the header is checked against the file before it is trusted."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from stylegan_cli.importers.stored import RefusedError

# Our headers are a few kB; the library itself would accept 100 MB of JSON.
MAX_HEADER = 4 << 20


def looks_like(data: memoryview) -> bool:
    """Whether a file begins with the header's length in eight bytes, then JSON."""
    return len(data) > 9 and data[8] == ord("{") and int.from_bytes(data[:8], "little") < 1 << 40


def read(path: Path, data: memoryview) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors. The library checks that the tensors fill the file exactly, without gaps or overlaps."""
    header = int.from_bytes(data[:8], "little")
    if header > min(MAX_HEADER, len(data) - 8):
        raise RefusedError(f"its header claims {header} bytes in a safetensors file of {len(data)}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise RefusedError(f"it is a damaged safetensors file ({str(error)[:120]})") from error
