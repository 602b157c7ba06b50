"""Checkpoints as MMGeneration writes them: small, with numbers that their names determine."""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np
import torch
from forge import KERNEL
from originals import GOLDEN
from torch import Tensor

# Names and shapes in the original classes, with a few feature maps, of each network of each kind.
NAMES = json.loads((GOLDEN / "mmgen_names.json").read_text())
KINDS = ("stylegan2", "stylegan2_classes", "stylegan3_t", "stylegan3_r")


def checkpoint(kind: str) -> dict[str, Any]:
    """What torch.save is given. A StyleGAN3's is as converted, without a config."""
    said = {"env_info": "Python 3.7", "config": "model = dict(generator=dict(out_size=32))", "seed": 2021, "iter": 5}
    state = {
        f"{network}.{name}": number(f"{network}.{name}", shape)
        for network in ("generator", "generator_ema", "discriminator")
        for name, shape in NAMES[kind]["discriminator" if network == "discriminator" else "generator"].items()
    }
    return {"meta": said if kind.startswith("stylegan2") else {}, "state_dict": state}


def number(name: str, shape: list[int]) -> Tensor:
    """A tensor, drawn as its name says, and such that a network of them neither explodes nor dies out."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("kernel"):  # a generator's make up for the zeros that upsampling inserts
        return KERNEL * (4 / KERNEL.sum() if name.startswith("generator") else 1 / KERNEL.sum())
    if name.endswith("transform"):
        return torch.eye(3)
    x = random.randn(*shape)
    if name.endswith("filter"):
        x = abs(x) / abs(x).sum()
    elif name.endswith("magnitude_ema"):
        x = 0.5 + abs(x)
    elif "modulation.bias" in name or "affine.bias" in name:
        x = 1 + 0.1 * x
    elif name.endswith(("bias", "noise_injector.weight")) or "to_rgb" in name:
        x = 0.2 * x
    learns_slowly = "style_mapping." in name or "mapping.fc" in name
    return torch.tensor(100 * x if learns_slowly else x, dtype=torch.float32)


def pictures() -> np.ndarray:
    """Four pictures of noise, of 32 pixels."""
    return np.random.RandomState(2).randn(4, 3, 32, 32).astype(np.float32)
