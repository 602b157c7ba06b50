"""The native model file: one safetensors file that contains the architecture and config its tensors belong to.

`importers` reads it, as it reads the foreign formats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan_cli import tensorfile
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import replacing
from stylegan_cli.generator import Generator
from stylegan_cli.plain import entries


def save(generator: Generator, path: Path, notes: Mapping[str, Any], dtype: torch.dtype = torch.float32) -> None:
    """Writes weights, architecture, config, hash and `notes` (plain values: source, licence, ...) to `path`.

    Weights in float16 take half the space; the precision of the computation is chosen separately. Raises StyleganError
    if there are weights that `dtype` cannot hold.
    """
    tensors = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in generator.state_dict().items()}
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise StyleganError(f"{path} was not written: some weights are too large for {str(dtype)[6:]}, or not numbers")
    config = json.dumps(entries(generator.config))
    metadata = {
        "architecture": generator.family,
        "config": config,
        "sha256": digest(generator.family, config, tensors),
        "notes": json.dumps(dict(notes)),
    }
    with replacing(path) as part:
        tensorfile.save(tensors, part, metadata)


def is_native(path: Path) -> bool:
    """Whether a file is one that `save` wrote."""
    try:
        return "architecture" in tensorfile.read_metadata(path)
    except (ValueError, OSError):
        return False


def notes(path: Path) -> dict[str, Any]:
    """The notes in a file that `save` wrote; none if they, or the file, are something else."""
    try:
        found = json.loads(tensorfile.read_metadata(path).get("notes", "{}"))
    except (ValueError, RecursionError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def digest(kind: str, about: str, tensors: Mapping[str, Tensor]) -> str:
    """The identity of a model: sha256 over its architecture (`kind`), its config (`about`) and every tensor's name,
    type, shape and bytes. Training's checkpoints have one, too, over their progress."""
    sha = hashlib.sha256(f"{kind}\n{about}\n".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
