"""The native model file: one safetensors file that says itself which architecture and config its tensors belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stylegan_cli import architectures
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import replacing
from stylegan_cli.generator import Generator, Origin


def save(generator: Generator, path: Path, notes: Mapping[str, Any]) -> None:
    """Writes weights, architecture, config, hash and `notes` (plain values: source, licence, ...) to `path`."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    config = json.dumps(asdict(generator.config))
    metadata = {
        "architecture": generator.family,
        "config": config,
        "sha256": digest(generator.family, config, tensors),
        "notes": json.dumps(dict(notes)),
    }
    try:
        with replacing(path) as part:
            save_file(tensors, part, metadata)
    except SafetensorError as error:
        raise StyleganError(f"could not write {path} ({error})") from None


def is_native(path: Path) -> bool:
    """Whether a file begins as safetensors files do: a header's length in eight bytes, then JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{"


def load(path: Path, name: str) -> Generator:
    """The generator in a native model file, on the CPU, its tensors mapped from the file; its hash is checked."""
    metadata, tensors = _read(path)
    config = metadata["config"]
    if digest(metadata["architecture"], config, tensors) != metadata["sha256"]:
        raise StyleganError(f"{path} is damaged: its contents do not match its sha256; delete it and fetch it again")
    generator = architectures.build(metadata["architecture"], json.loads(config))
    _check_shapes(path, generator, tensors)
    generator.load_state_dict(tensors, assign=True)
    generator.origin = Origin(name, metadata["sha256"], json.loads(metadata.get("notes", "{}")))
    return generator


def digest(family: str, config: str, tensors: Mapping[str, Tensor]) -> str:
    """The identity of a model: sha256 over architecture, config and every tensor's name, type, shape and bytes."""
    sha = hashlib.sha256(f"{family}\n{config}\n".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise StyleganError(f"{path} is not a whole safetensors file ({error}); delete it and fetch it again") from None
    if missing := {"architecture", "config", "sha256"} - set(metadata):
        raise StyleganError(f"{path} is not a model of this tool: its header has no {', '.join(sorted(missing))}")
    return metadata, tensors


def _check_shapes(path: Path, generator: Generator, tensors: Mapping[str, Tensor]) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise StyleganError(
                f"{path} does not fit its own config: {name} is {found.get(name, 'missing')}, "
                f"the config asks for {expected.get(name, 'none')}"
            )
