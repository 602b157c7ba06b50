"""The peak signal-to-noise ratio of two pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def psnr(one: Tensor, other: Tensor) -> float:
    """How close two pictures in [-1, 1] are, in dB; not-a-number if one of them contains one."""
    error = (one.clamp(-1, 1).cpu().double() - other.clamp(-1, 1).cpu().double()).square().mean()
    return float(10 * torch.log10(4 / error))
