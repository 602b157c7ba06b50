"""One file a network family. `build` makes an empty generator from a family's name and its config as plain values."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

import torch
from torch import nn

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator

FAMILIES = {
    "stylegan1": ("stylegan_cli.architectures.stylegan1", "StyleGAN1"),
    "stylegan2": ("stylegan_cli.architectures.stylegan2", "StyleGAN2"),
    "stylegan3": ("stylegan_cli.architectures.stylegan3", "StyleGAN3"),
    "mobilestylegan": ("stylegan_cli.architectures.mobilestylegan", "MobileStyleGAN"),
}


def build(family: str, config: dict[str, Any]) -> Generator:
    """A generator without memory for its weights: give it tensors with `load_state_dict(..., assign=True)`."""
    if family not in FAMILIES:
        raise StyleganError(f"unknown architecture {family!r}; this version knows {', '.join(FAMILIES)}")
    module_name, class_name = FAMILIES[family]
    module = import_module(module_name)
    with torch.device("meta"):
        return getattr(module, class_name)(_config(family, module.Config, config))


def build_discriminator(family: str, config: dict[str, Any]) -> nn.Module:
    """The same for the discriminator of a family (StyleGAN3 takes StyleGAN2's)."""
    module = import_module(FAMILIES[family][0])
    with torch.device("meta"):
        return module.Discriminator(_config(family, module.DiscriminatorConfig, config))


def _config(family: str, kind: type, config: dict[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    if unknown := set(config) - known:
        raise StyleganError(f"the {family} config has unknown entries: {', '.join(sorted(unknown))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in config.items()})
