"""Files of encoders: this tool's, and the checkpoints of pSp, e4e and ReStyle, which hold a generator, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from stylegan_cli import importers, tensorfile
from stylegan_cli.encoders import efficientnet, psp
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.files import replacing
from stylegan_cli.generator import Generator, Origin

Encoder: TypeAlias = efficientnet.Encoder | psp.Encoder
AnyEncoder = TypeVar("AnyEncoder", efficientnet.Encoder, psp.Encoder)
# Its kind, as files name it; those that do not are of this tool.
PSP = "psp"


@dataclass(frozen=True)
class About:
    """What an encoder's file says: the `model` that it was trained for, and for how many layers it guesses a `w` each;
    None if it guesses one for all."""

    model: Origin
    num_ws: int | None

    def has_layers_of(self, generator: Generator) -> bool:
        """Whether it guesses for as many layers as this generator has, or for any number."""
        return self.num_ws in (None, generator.num_ws)

    def fits(self, generator: Generator) -> bool:
        """Whether what it guesses means the same in this generator."""
        return self.has_layers_of(generator) and self.model.is_kin(generator.origin)


def about(path: Path) -> About | None:
    """What the file of an encoder, in this tool's format, says about it; None if it cannot be read."""
    try:
        said = tensorfile.read_metadata(path)
        return About(Origin.from_plain(json.loads(said["model"])), json.loads(said.get("encoder", "{}")).get("num_ws"))
    except (OSError, *MALFORMED):
        return None


def save(encoder: Encoder, path: Path, notes: dict[str, object], dtype: torch.dtype = torch.float16) -> None:
    """Writes the encoder, with its sizes and the model that it was trained for. Raises StyleganError if its numbers are
    not finite in that precision."""
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in encoder.state_dict().items()}
    if not _are_finite(tensors):
        raise StyleganError(f"the encoder's numbers are not finite, so {path} is not written; use a smaller --lr")
    said = {"encoder": asdict(encoder.config), "model": encoder.origin.to_plain(), "notes": notes}
    metadata = {key: json.dumps(value) for key, value in said.items()}
    if isinstance(encoder, psp.Encoder):
        metadata["kind"] = PSP
    with replacing(path) as part:
        tensorfile.save(tensors, part, metadata)


def load(path: Path, generator: Generator) -> Encoder:
    """The encoder in a file, for a generator in which what it guesses means the same as in the one that it was trained
    for (`store.encoder` finds it). Raises `StyleganError` if it is damaged, or does not fit."""
    if not _is_foreign(path):
        return _native(path, generator)
    network = importers.read(path).encoder
    if network is None:
        raise StyleganError(f"{path} holds no encoder from photos to latents; use one that train-encoder made")
    return from_checkpoint(network, generator, path)


def from_checkpoint(network: importers.Network, generator: Generator, path: Path) -> psp.Encoder:
    """The encoder of a foreign checkpoint, whose generator this is. Raises `StyleganError`, which names the file's
    `path`, if it is damaged."""
    try:
        encoder = _filled(psp.Encoder(psp.Config(**network.config), "meta"), network.tensors)
        if (encoder.config.num_ws, encoder.config.w_dim) != (generator.num_ws, generator.w_dim):
            raise ValueError("it does not fit its generator")
    except (RuntimeError, *MALFORMED) as error:
        raise StyleganError(f"the encoder in {path} was refused: {error}; use another copy") from None
    encoder.origin = generator.origin
    return encoder


def _is_foreign(path: Path) -> bool:
    """Whether a file begins as PyTorch's do: with a zip archive, or a pickle; in this tool's, text comes after eight
    bytes."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[:1] in (b"P", b"\x80") and head[8:] != b"{"


def _native(path: Path, generator: Generator) -> Encoder:
    try:
        said, tensors = tensorfile.read(path)
        sizes: dict[str, Any] = json.loads(said["encoder"])
        origin = Origin.from_plain(json.loads(said["model"]))
        tensors = {name: tensor.float() for name, tensor in tensors.items()}
        encoder: Encoder
        if said.get("kind") == PSP:
            encoder = _filled(psp.Encoder(psp.Config(**sizes), "meta"), tensors)
        else:
            encoder = _filled(efficientnet.Encoder(efficientnet.Config(**sizes), "meta"), tensors)
    except (RuntimeError, *MALFORMED) as error:
        raise StyleganError(f"{path} is not an encoder of this tool ({error}); train one with train-encoder") from None
    if encoder.config.w_dim != generator.w_dim:
        raise StyleganError(
            f"{path} was trained for the model {origin.name}, with a w of {encoder.config.w_dim} numbers, but that of "
            f"{generator.origin.name} has {generator.w_dim}; move it away, or train one for that with train-encoder"
        )
    if isinstance(encoder, psp.Encoder) and encoder.config.num_ws != generator.num_ws:
        raise StyleganError(
            f"{path} was trained for the model {origin.name}, with {encoder.config.num_ws} layers, but "
            f"{generator.origin.name} has {generator.num_ws}; move it away"
        )
    encoder.origin = origin
    return encoder


def _filled(encoder: AnyEncoder, tensors: dict[str, Tensor]) -> AnyEncoder:
    """An encoder built on `meta`, with its numbers. Raises ValueError if they do not fit or are not finite."""
    if _shapes(tensors) != _shapes(encoder.state_dict()):
        raise ValueError("its tensors do not have the sizes that it declares")
    if not _are_finite(tensors):
        raise ValueError("it holds numbers that are not finite")
    encoder.load_state_dict(tensors, assign=True)
    return encoder.eval().requires_grad_(False)


def _are_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
