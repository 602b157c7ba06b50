"""Features to compare pictures by, for `metrics` and `train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stylegan_cli.cli.console import fetch, fetching
from stylegan_cli.metrics.features import Features, named
from stylegan_cli.scorers.perceptual import EFFICIENTNET

if TYPE_CHECKING:
    import torch


def opened(name: str, device: torch.device) -> Features:
    """The features called `name`, whose weights are fetched first if necessary. Raises UsageError or StyleganError as
    `named` does."""
    if name == "efficientnet":
        fetch([EFFICIENTNET])
    with fetching(lambda _size: "Fetching Inception's weights: 95 MB, once.\nLicence: Apache-2.0.") as on_bytes:
        return named(name, device, on_bytes)
