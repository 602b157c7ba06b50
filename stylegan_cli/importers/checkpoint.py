"""What reading a checkpoint gives: networks of our architectures, with tensors that are known to fit them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from stylegan_cli import architectures
from stylegan_cli.importers.keymap import Pending
from stylegan_cli.importers.stored import RefusedError


@dataclass(frozen=True)
class Network:
    """A network of one of our architectures: what `architectures.build` takes, and its state dict."""

    family: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A foreign or native model file. `generator` is the averaged one (EMA), `training_generator` the other one."""

    format: str
    generator: Network
    discriminator: Network | None = None
    training_generator: Network | None = None
    notes: dict[str, Any] = field(default_factory=dict)
