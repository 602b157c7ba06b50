"""The device that a command uses, and what the user should know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stylegan_cli.cli.console import tell

if TYPE_CHECKING:
    import torch


def chosen(asked: str) -> torch.device:
    """As `hardware.choose_device`; tells if a GPU is not used that the user may count on."""
    from stylegan_cli import hardware

    device = hardware.choose_device(asked)
    if asked == "auto" and (gpu := hardware.unusable_gpu()):
        tell(f"This torch has no code for the {gpu}, so the {device} is used; for the GPU, {hardware.OTHER_BUILD}.")
    return device
