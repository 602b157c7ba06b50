"""One file a network family. `build` makes an empty generator from a family's name and its config as plain values."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

import torch

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator

FAMILIES = {
    "mobilestylegan": ("stylegan_cli.architectures.mobilestylegan", "MobileStyleGAN"),
}


def build(family: str, config: dict[str, Any]) -> Generator:
    """A generator without memory for its weights: give it tensors with `load_state_dict(..., assign=True)`."""
    if family not in FAMILIES:
        raise StyleganError(f"unknown architecture {family!r}; this version knows {', '.join(FAMILIES)}")
    module_name, class_name = FAMILIES[family]
    module = import_module(module_name)
    known = {f.name for f in fields(module.Config)}
    if unknown := set(config) - known:
        raise StyleganError(f"the {family} config has unknown entries: {', '.join(sorted(unknown))}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    with torch.device("meta"):
        return getattr(module, class_name)(module.Config(**values))
