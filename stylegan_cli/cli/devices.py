"""The device and the precision that a command uses, and what the user should know of them."""

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


def tell_if_emulated(precision: str, device: torch.device) -> None:
    """Tells the user if what they asked for takes much longer here than float32. (What MPS emulates is not known.)"""
    from stylegan_cli import hardware

    if device.type != "mps" and precision not in hardware.native_precisions(device):
        unit = "CPU" if device.type == "cpu" else "GPU"
        tell(f"This {unit} only emulates {precision}, which takes many times as long as --precision fp32.")
