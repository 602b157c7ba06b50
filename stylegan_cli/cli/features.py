"""Features to compare pictures by, for `metrics` and `train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stylegan_cli.cli.console import fetch
from stylegan_cli.metrics.features import Features, named

if TYPE_CHECKING:
    import torch


def opened(name: str, device: torch.device) -> Features:
    """The features called `name`, whose weights are fetched first if necessary."""
    kind = named(name)
    fetch([kind.weights])
    return kind(device)
