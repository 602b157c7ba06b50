"""One file per network family. `build` makes a generator from a family's name and its config as plain values."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

import torch
from torch import nn

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.plain import misfits

# The generators' classes; a family's name is its module's.
FAMILIES = {
    "stylegan1": "StyleGAN1",
    "stylegan2": "StyleGAN2",
    "stylegan3": "StyleGAN3",
    "mobilestylegan": "MobileStyleGAN",
    "lucidrains": "Lucidrains",
}
JUDGES = {"stylegan3": "stylegan2"}  # families whose discriminator is another one's


def build(family: str, config: dict[str, Any], device: str = "meta") -> Generator:
    """A generator. On `meta` its weights take no memory: give it tensors with `load_state_dict(..., assign=True)`. On
    `cpu` it has random weights. Raises `StyleganError` if the family or an entry of the config is unknown."""
    made = config_of(family, config)
    with torch.device(device):
        return getattr(_module(family), FAMILIES[family])(made)


def build_discriminator(family: str, config: dict[str, Any], device: str = "meta") -> nn.Module:
    """A family's discriminator; `device` is as for `build`."""
    made = discriminator_config_of(family, config)
    with torch.device(device):
        return _module(JUDGES.get(family, family)).Discriminator(made)


def config_of(family: str, config: dict[str, Any]) -> Any:
    """A generator's config from plain values; missing ones have their defaults."""
    return _config(family, _module(family).Config, config)


def discriminator_config_of(family: str, config: dict[str, Any]) -> Any:
    """A discriminator's config from plain values; missing ones have their defaults."""
    return _config(family, _module(JUDGES.get(family, family)).DiscriminatorConfig, config)


def _module(family: str) -> Any:
    if family not in FAMILIES:
        raise StyleganError(f"unknown architecture {family!r}; this version knows {', '.join(FAMILIES)}")
    return import_module(f"{__name__}.{family}")


def _config(family: str, kind: type, config: dict[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    if unknown := set(config) - known:
        raise StyleganError(f"the {family} config has unknown entries: {', '.join(sorted(unknown))}")
    if wrong := misfits(kind, config):
        raise StyleganError(f"the {family} config's {wrong[0]} has the wrong type: {config[wrong[0]]!r:.40}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in config.items()})
