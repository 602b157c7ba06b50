"""Files of encoders: this tool's, and the checkpoints of pSp, e4e and ReStyle, which hold a generator, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from stylegan_cli import importers, tensorfile
from stylegan_cli.encoders import efficientnet, psp
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.files import NATIVE, replacing
from stylegan_cli.generator import Generator, Origin

Encoder: TypeAlias = efficientnet.Encoder | psp.Encoder
AnyEncoder = TypeVar("AnyEncoder", efficientnet.Encoder, psp.Encoder)
# Its kind, as files name it; those that do not are of this tool.
PSP = "psp"


def save(encoder: Encoder, path: Path, notes: dict[str, object], dtype: torch.dtype = torch.float16) -> None:
    """Writes the encoder, with its sizes and the model that it was trained for. Raises StyleganError if its numbers are
    not finite in that precision."""
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in encoder.state_dict().items()}
    if not _are_finite(tensors):
        raise StyleganError(f"the encoder's numbers are not finite, so {path} is not written; use a smaller --lr")
    about = {"encoder": asdict(encoder.config), "model": encoder.origin.to_plain(), "notes": notes}
    metadata = {key: json.dumps(value) for key, value in about.items()}
    if isinstance(encoder, psp.Encoder):
        metadata["kind"] = PSP
    with replacing(path) as part:
        tensorfile.save(tensors, part, metadata)


def model_of(path: Path) -> Origin | None:
    """The model that the encoder in a native file was trained for; None if there is no encoder, or it does not say."""
    try:
        return Origin.from_plain(json.loads(tensorfile.read_metadata(path)["model"]))
    except (OSError, *MALFORMED):
        return None


def guesses_rows(path: Path) -> bool:
    """Whether the encoder in a native file guesses a `w` for each layer of its model, and not one that also means
    something where layers are others."""
    try:
        return tensorfile.read_metadata(path).get("kind") == PSP
    except (OSError, *MALFORMED):
        return False


def load(path: Path, generator: Generator) -> Encoder:
    """The encoder in a file, for a generator in which a `w` means the same as in the one that it was trained for
    (`store.encoder` finds it). Raises `StyleganError` if it is damaged, or its `w` has another size."""
    return _native(path, generator) if path.suffix == NATIVE else foreign(path, generator)


def foreign(path: Path, generator: Generator) -> psp.Encoder:
    """The encoder in a checkpoint of pSp, e4e or ReStyle, whose generator was loaded from the same file. Raises
    `StyleganError` if it is damaged."""
    config, tensors = importers.read_encoder(path)
    try:
        encoder = _filled(psp.Encoder(psp.Config(**config), "meta"), tensors)
        if config["num_ws"] != generator.num_ws or encoder.config.w_dim != generator.w_dim:
            raise ValueError("it does not fit its generator")
    except (RuntimeError, *MALFORMED) as error:
        raise StyleganError(f"the encoder in {path} was refused: {error}; use another copy") from None
    encoder.origin = generator.origin
    return encoder


def _native(path: Path, generator: Generator) -> Encoder:
    try:
        about, tensors = tensorfile.read(path)
        sizes: dict[str, Any] = json.loads(about["encoder"])
        origin = Origin.from_plain(json.loads(about["model"]))
        tensors = {name: tensor.float() for name, tensor in tensors.items()}
        encoder: Encoder
        if about.get("kind") == PSP:
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
